/* A host with a root VM; see root_scene.h. */
#include "tests/exits/root_scene.h"
#include "abi/guest.h"
#include "arch/riscv64/csr.h"
#include "core/estate/cold.h"
#include "core/root/root.h"
#include "core/vcpu/sched.h"

#define RAM MIB(64)

struct vm *root, *other;

static void write_machine(void)
{
	cold_write_both((void *)(uintptr_t)(estate.base + estate.header.machine), COLD_MACHINE,
			&estate.machine, sizeof(estate.machine));
}

/* What the root VM's record must agree with. */
static void machine_for_root(void)
{
	struct machine_record *m = &estate.machine;

	m->dtb = (struct machine_range){ m->ram[0].base + RAM - PAGE_SIZE, PAGE_SIZE };
	m->plic = (struct machine_range){ GUEST_PLIC_BASE, GUEST_PLIC_SIZE };
	m->uart = (struct machine_range){ GUEST_UART_BASE, PAGE_SIZE };
	m->uart_irq = GUEST_UART_IRQ;
	m->virtio[0] = (struct machine_range){ 0x10008000, PAGE_SIZE };
	m->virtio_irq[0] = ROOT_DEVICE_IRQ;
	m->virtio_count = 1;
	m->root_windows = 1;
	write_machine();
}

static void run(struct vm *vm, u32 running)
{
	estate_store(&vm->s->run_state, VM_RUNNING);
	for (u32 n = 0; n < running; n++) {
		estate_store(&vm->vcpu[n].r->state, VCPU_RUNNABLE);
		sched_wake(&vm->vcpu[n]);
	}
}

void root_start(void)
{
	struct vm_config config = { .name = "root", .memory = MIB(4), .vcpus = ROOT_HARTS, .flags = VM_ROOT };

	config.devices[0].kind = VM_DEV_PASS;
	exits_start(RAM, ROOT_HARTS);
	machine_for_root();
	root = fixture_vm(&config);
	for (u32 n = 0; n < ROOT_HARTS; n++)
		root_bind(root->vcpu[n].r, n);
	config = (struct vm_config){ .name = "other", .memory = MIB(4), .vcpus = 1 };
	other = fixture_vm(&config);
	run(root, 2);
	run(other, 1);
	exits_schedule();
	exits_harts[0].pc = ROOT_PC;
}

void root_set_policy(enum crash_policy policy)
{
	estate.machine.crash_policy = policy;
	estate.machine.crash_limit = 5;
	estate.machine.crash_window = 60;
	write_machine();
}

void root_find(void)
{
	root = vms[0];
	other = vms[1];
	if (!root || !other)
		host_fail("a VM is lost");
}

/* The hart that the vCPU is on, in its guest. */
static struct exits_hart *guest_of(const struct vcpu *v)
{
	int n = exits_hart_of(v);

	if (n < 0)
		host_fail("a vCPU that is to make a request does not run");
	/* cppcheck-suppress negativeIndex ; host_fail does not return */
	return &exits_harts[n];
}

void root_ask(struct vcpu *v, u64 function)
{
	struct exits_hart *h = guest_of(v);

	h->x[16] = function;
	h->x[17] = GUEST_EXT;
	exits_trap((unsigned)(h - exits_harts), CAUSE_ECALL_VS, 0, 0);
	exits_settle();
}

s64 root_request(struct vcpu *v, u64 function, u64 *value)
{
	u64 pc = guest_of(v)->pc;

	for (unsigned n = 0; n < 3 && guest_of(v)->pc == pc; n++)
		root_ask(v, function);
	if (guest_of(v)->pc != pc + 4)
		host_fail("a request does not come back");
	if (value)
		*value = guest_of(v)->x[11];
	return (s64)guest_of(v)->x[10];
}

void root_get_ready(void)
{
	if (root_request(&root->vcpu[0], GUEST_ROOT_PREPARE, NULL) ||
	    root_request(&root->vcpu[0], GUEST_ROOT_SUSPEND, NULL))
		host_fail("the root VM may not suspend the others");
}

bool root_takes_machine(void)
{
	root_ask(&root->vcpu[0], GUEST_ROOT_DEVIRTUALISE);
	return exits_firmware.gone;
}

bool root_all_run(void)
{
	return exits_hart_of(&root->vcpu[0]) >= 0 && exits_hart_of(&root->vcpu[1]) >= 0 &&
	       exits_hart_of(&other->vcpu[0]) >= 0;
}

static void stop_root(void *context)
{
	(void)context;
	vm_stop(root, VM_REASON_REBOOT);
}

static unsigned hart_with_time(void)
{
	for (unsigned n = ROOT_HARTS; n-- > 0;) {
		if (exits_harts[n].where == EXITS_WFI)
			return n;
	}
	return 0;
}

void root_end(void)
{
	exits_call(hart_with_time(), stop_root, NULL);
}

static void interrupt(void *context)
{
	(void)context;
	if (!root_interrupt(ROOT_DEVICE_IRQ))
		host_fail("the device is not the root VM's");
}

void root_device_interrupts(void)
{
	exits_call(hart_with_time(), interrupt, NULL);
}
