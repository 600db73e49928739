/* The root VM's requests: who may make them and when, what others notice, and what a crash at any instant leaves. */
#include "abi/guest.h"
#include "arch/riscv64/csr.h"
#include "arch/riscv64/hart.h"
#include "arch/riscv64/sbi.h"
#include "core/estate/cold.h"
#include "core/root/root.h"
#include "core/root/takeover.h"
#include "core/vcpu/sched.h"
#include "tests/exits/exits.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct vm *root, *other;

#define RAM	    MIB(64)
#define ROOT_HARTS  4
#define ROOT_PC	    (root->config.extents[0].gpa + 0x1000)
#define ROOT_VECTOR (root->config.extents[0].gpa + 0x3000)
#define FLOATING(n) (0x77ull << 48 | (n))

static void write_machine(void)
{
	cold_write((void *)(uintptr_t)(estate.base + estate.header.machine), COLD_MACHINE, &estate.machine,
		   sizeof(estate.machine));
}

/* What the root VM's record must agree with. */
static void machine_for_root(void)
{
	struct machine_record *m = &estate.machine;

	m->dtb = (struct machine_range){ m->ram[0].base + RAM - PAGE_SIZE, PAGE_SIZE };
	m->plic = (struct machine_range){ GUEST_PLIC_BASE, GUEST_PLIC_SIZE };
	m->uart = (struct machine_range){ GUEST_UART_BASE, PAGE_SIZE };
	m->uart_irq = GUEST_UART_IRQ;
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

/* A root VM with two harts of four at work, and another VM. */
static void start(void)
{
	struct vm_config config = { .name = "root", .memory = MIB(4), .vcpus = ROOT_HARTS, .flags = VM_ROOT };

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

static void set_policy(enum crash_policy policy)
{
	estate.machine.crash_policy = policy;
	estate.machine.crash_limit = 5;
	estate.machine.crash_window = 60;
	write_machine();
}

static void ask(struct vcpu *v, u64 function)
{
	int n = exits_hart_of(v);
	struct exits_hart *h;

	assert_true(n >= 0);
	h = &exits_harts[n];
	h->x[16] = function;
	h->x[17] = GUEST_EXT;
	exits_trap((unsigned)n, CAUSE_ECALL_VS, 0, 0);
	exits_settle();
}

static s64 result(struct vcpu *v, u64 *value)
{
	int n = exits_hart_of(v);

	assert_true(n >= 0);
	if (value)
		*value = exits_harts[n].x[11];
	return (s64)exits_harts[n].x[10];
}

/* A request that comes back. While it is under way the guest stays at its instruction, and makes it again. */
static s64 request(struct vcpu *v, u64 function, u64 *value)
{
	u64 pc = exits_harts[exits_hart_of(v)].pc;

	for (unsigned n = 0; n < 3; n++) {
		ask(v, function);
		assert_true(exits_hart_of(v) >= 0);
		if (exits_harts[exits_hart_of(v)].pc != pc)
			break;
		assert_int_equal(function, GUEST_ROOT_SUSPEND);
	}
	assert_int_equal(exits_harts[exits_hart_of(v)].pc, pc + 4);
	return result(v, value);
}

static bool all_run(void)
{
	return exits_hart_of(&root->vcpu[0]) >= 0 && exits_hart_of(&root->vcpu[1]) >= 0 &&
	       exits_hart_of(&other->vcpu[0]) >= 0;
}

static void wrong_order(void **state)
{
	u64 value;

	(void)state;
	start();
	assert_int_equal(request(&root->vcpu[0], GUEST_INFO, &value), SBI_SUCCESS);
	assert_int_equal(value, GUEST_VERSION);
	assert_int_equal(request(&root->vcpu[0], GUEST_ROOT_DEVIRTUALISE, &value), SBI_ERR_FAILED);
	assert_int_equal(request(&root->vcpu[0], GUEST_ROOT_SUSPEND, NULL), SBI_ERR_FAILED);
	assert_int_equal(root->s->root_steps, 0);
	assert_true(all_run());
	assert_int_equal(request(&root->vcpu[0], GUEST_ROOT_PREPARE, &value), SBI_SUCCESS);
	assert_int_equal(value, 0);
	assert_int_equal(request(&root->vcpu[0], GUEST_ROOT_DEVIRTUALISE, NULL), SBI_ERR_FAILED);
	assert_true(all_run());
	assert_false(exits_firmware.gone);
}

static void wrong_caller(void **state)
{
	u64 value;

	(void)state;
	start();
	for (u64 f = GUEST_ROOT_PREPARE; f <= GUEST_ROOT_DEVIRTUALISE; f++)
		assert_int_equal(request(&other->vcpu[0], f, &value), SBI_ERR_DENIED);
	assert_non_null(strstr(fixture_log(), "other: asks to devirtualise, and is not the root VM"));
	assert_int_equal(root->s->root_steps | other->s->root_steps, 0);
	/* The wrong vCPU of the root VM is told which is the right one, also when it has prepared everything. */
	value = 5;
	assert_int_equal(request(&root->vcpu[1], GUEST_ROOT_DEVIRTUALISE, &value), SBI_ERR_DENIED);
	assert_int_equal(value, 0);
	value = 5;
	assert_int_equal(request(&root->vcpu[1], GUEST_ROOT_PREPARE, &value), SBI_SUCCESS);
	assert_int_equal(value, 0);
	assert_true(all_run());
	assert_int_equal(request(&root->vcpu[1], GUEST_ROOT_SUSPEND, NULL), SBI_SUCCESS);
	assert_int_equal(request(&root->vcpu[1], GUEST_ROOT_DEVIRTUALISE, &value), SBI_ERR_DENIED);
	assert_false(exits_firmware.gone);
}

static void log_is_not_filled(void **state)
{
	u64 lines = 0;

	(void)state;
	start();
	for (unsigned n = 0; n < 200; n++)
		assert_int_equal(request(&other->vcpu[0], GUEST_ROOT_PREPARE, NULL), SBI_ERR_DENIED);
	for (const char *at = fixture_log(); (at = strstr(at, "asks to devirtualise")); at++)
		lines++;
	assert_in_range(lines, 1, 10);
}

static void suspend(void **state)
{
	(void)state;
	start();
	assert_int_equal(request(&root->vcpu[0], GUEST_ROOT_PREPARE, NULL), SBI_SUCCESS);
	assert_int_equal(request(&root->vcpu[0], GUEST_ROOT_SUSPEND, NULL), SBI_SUCCESS);
	assert_true(exits_hart_of(&root->vcpu[0]) >= 0);
	assert_int_equal(exits_hart_of(&root->vcpu[1]), -1);
	assert_int_equal(exits_hart_of(&other->vcpu[0]), -1);
	/* They would run, and nothing makes them. */
	assert_int_equal(root->vcpu[1].r->state, VCPU_RUNNABLE);
	vcpu_notify(&root->vcpu[1]);
	exits_schedule();
	exits_advance(1000000);
	assert_int_equal(exits_hart_of(&root->vcpu[1]), -1);
	assert_int_equal(exits_hart_of(&other->vcpu[0]), -1);
	assert_int_equal(request(&root->vcpu[0], GUEST_ROOT_SUSPEND, NULL), SBI_SUCCESS);
	/* The root VM gives up: the others go on. */
	exits_harts[0].x[10] = 0;
	exits_harts[0].x[11] = 0;
	exits_harts[0].x[16] = 0;
	exits_harts[0].x[17] = SBI_EXT_SRST;
	exits_trap(0, CAUSE_ECALL_VS, 0, 0);
	exits_settle();
	assert_int_equal(root->s->root_steps, 0);
	assert_true(exits_hart_of(&other->vcpu[0]) >= 0);
}

static void stop_root(void *context)
{
	(void)context;
	vm_stop(root, VM_REASON_REBOOT);
}

static void end_root(void *context)
{
	exits_call(3, stop_root, context);
}

/* The others are off their harts, the request is not answered yet, and the root VM is stopped. */
static void stopped_while_suspending(void **state)
{
	(void)state;
	start();
	assert_int_equal(request(&root->vcpu[0], GUEST_ROOT_PREPARE, NULL), SBI_SUCCESS);
	ask(&root->vcpu[0], GUEST_ROOT_SUSPEND);
	assert_int_equal(exits_hart_of(&other->vcpu[0]), -1);
	assert_int_equal(root->s->root_steps, ROOT_PREPARED);
	end_root(NULL);
	assert_int_equal(root->s->root_steps, 0);
	assert_true(exits_hart_of(&other->vcpu[0]) >= 0);
}

/* Prepared and suspended, by the boot vCPU. */
static void get_ready(void)
{
	start();
	assert_int_equal(request(&root->vcpu[0], GUEST_ROOT_PREPARE, NULL), SBI_SUCCESS);
	assert_int_equal(request(&root->vcpu[0], GUEST_ROOT_SUSPEND, NULL), SBI_SUCCESS);
}

static void devirtualise(void **state)
{
	const struct warden_native *n = &exits_firmware.native;
	struct exits_hart *h;

	(void)state;
	get_ready();
	h = &exits_harts[0];
	/* Its first use of floating point. */
	h->csr.vsstatus = 0x200000000ull | SSTATUS_FS;
	exits_trap(0, CAUSE_ILLEGAL, 0, 0);
	h->csr.sstatus |= SSTATUS_FS;
	h->csr.vsstatus = 0x200000000ull | SSTATUS_SPP | SSTATUS_SUM;
	h->csr.vsie = 0x222;
	h->csr.vstvec = 0x1234560;
	h->csr.vsscratch = 0x77;
	h->csr.vsepc = 0x78;
	h->csr.vscause = 5;
	h->csr.vstval = 0x79;
	h->csr.vsatp = 0;
	h->csr.vstimecmp = 0x123456789;
	h->pc = ROOT_PC + 0x40;
	h->x[5] = 0x5555;
	for (unsigned i = 0; i < 32; i++)
		h->f[i] = FLOATING(i);
	ask(&root->vcpu[0], GUEST_ROOT_DEVIRTUALISE);
	assert_true(exits_firmware.gone);
	assert_int_equal(n->pc, ROOT_PC + 0x44);
	assert_int_equal(n->x[10] | n->x[11], 0);
	assert_int_equal(n->x[5], 0x5555);
	assert_int_equal(n->x[17], GUEST_EXT);
	assert_int_equal(n->sstatus, 0x200000000ull | SSTATUS_SPP | SSTATUS_SUM);
	assert_int_equal(n->sie, 0x222);
	assert_int_equal(n->stvec, 0x1234560);
	assert_int_equal(n->sscratch, 0x77);
	assert_int_equal(n->sepc, 0x78);
	assert_int_equal(n->scause, 5);
	assert_int_equal(n->stval, 0x79);
	assert_int_equal(n->stimecmp, 0x123456789);
	for (unsigned i = 1; i < ROOT_HARTS; i++) {
		assert_int_equal(exits_harts[i].where, EXITS_OFF);
		assert_int_equal(exits_harts[i].csr.hgatp | exits_harts[i].csr.hideleg, 0);
	}
	/* Floating point and vectors are in the hart. */
	for (u64 i = 0; i < 32; i++)
		assert_int_equal(h->f[i], FLOATING(i));
}

/* The hypervisor goes on as before, and so may the guest: it asks once more. */
static void refused(void **state)
{
	(void)state;
	get_ready();
	exits_firmware.refuses = SBI_ERR_INVALID_PARAM;
	assert_int_equal(request(&root->vcpu[0], GUEST_ROOT_DEVIRTUALISE, NULL), SBI_ERR_FAILED);
	assert_false(exits_firmware.gone);
	for (unsigned i = 1; i < ROOT_HARTS; i++)
		assert_int_equal(exits_harts[i].where, EXITS_WFI);
	exits_firmware.refuses = 0;
	ask(&root->vcpu[0], GUEST_ROOT_DEVIRTUALISE);
	assert_true(exits_firmware.gone);
}

static void a_hart_that_stays(void **state)
{
	(void)state;
	get_ready();
	exits_firmware.stuck = 4;
	host->time_step = 10000;
	assert_int_equal(request(&root->vcpu[0], GUEST_ROOT_DEVIRTUALISE, NULL), SBI_ERR_FAILED);
	assert_false(exits_firmware.gone);
	assert_non_null(strstr(fixture_log(), "hart 2 does not leave"));
	for (unsigned i = 1; i < ROOT_HARTS; i++)
		assert_int_equal(exits_harts[i].where, EXITS_WFI);
	exits_firmware.stuck = 0;
	ask(&root->vcpu[0], GUEST_ROOT_DEVIRTUALISE);
	assert_true(exits_firmware.gone);
}

static void clock_of_its_own(void **state)
{
	(void)state;
	get_ready();
	root->s->guest_offset = 1;
	assert_int_equal(request(&root->vcpu[0], GUEST_ROOT_DEVIRTUALISE, NULL), SBI_ERR_FAILED);
	assert_false(exits_firmware.gone);
}

/* ---- Crashes ---- */

static void crash_and_adopt(void)
{
	unsigned idle = 0;

	while (exits_harts[idle].where != EXITS_WFI)
		assert_true(++idle < ROOT_HARTS);
	exits_stop(idle);
	exits_heir(idle);
	root = vms[0];
	other = vms[1];
	assert_non_null(root);
	assert_non_null(other);
}

static void ask_to_suspend(void *context)
{
	(void)context;
	request(&root->vcpu[0], GUEST_ROOT_SUSPEND, NULL);
}

/* A life ends at each of its stores in the middle of the request: the heir carries it to its end, or has not begun it. */
static void crash_while_suspending(void **state)
{
	enum host_end end = HOST_DIED;

	(void)state;
	for (u64 n = 1; end == HOST_DIED; n++) {
		start();
		set_policy(CRASH_RECOVER);
		assert_int_equal(request(&root->vcpu[0], GUEST_ROOT_PREPARE, NULL), SBI_SUCCESS);
		end = host_live(ask_to_suspend, NULL, n);
		if (end != HOST_DIED)
			break;
		exits_stop(0);
		exits_heir(exits_harts[0].where == EXITS_GUEST ? 2 : 0);
		root = vms[0];
		other = vms[1];
		/* It stands before its request, or behind it. */
		if (!(root->s->root_steps & ROOT_SUSPENDED)) {
			assert_true(root->s->root_steps & ROOT_PREPARED);
			exits_harts[0].pc = ROOT_PC;
			assert_int_equal(request(&root->vcpu[0], GUEST_ROOT_SUSPEND, NULL), SBI_SUCCESS);
		}
		assert_true(exits_hart_of(&root->vcpu[0]) == 0);
		assert_int_equal(exits_hart_of(&root->vcpu[1]), -1);
		assert_int_equal(exits_hart_of(&other->vcpu[0]), -1);
		ask(&root->vcpu[0], GUEST_ROOT_DEVIRTUALISE);
		assert_true(exits_firmware.gone);
	}
}

static void strike(void **state)
{
	struct exits_hart *h;

	(void)state;
	start();
	set_policy(CRASH_DEVIRTUALISE);
	exits_harts[0].csr.vstvec = ROOT_VECTOR;
	exits_harts[0].csr.vsstatus |= SSTATUS_SIE;
	exits_harts[0].pc = ROOT_PC + 8;
	crash_and_adopt();
	h = &exits_harts[0];
	assert_int_equal(exits_hart_of(&root->vcpu[0]), 0);
	assert_int_equal(h->pc, ROOT_VECTOR);
	assert_int_equal(h->csr.vsepc, ROOT_PC + 8);
	assert_int_equal(h->csr.vscause, CAUSE_BREAKPOINT);
	assert_int_equal(h->csr.vsstatus & (SSTATUS_SPP | SSTATUS_SPIE | SSTATUS_SIE),
			 SSTATUS_SPP | SSTATUS_SPIE);
	/* Its other vCPUs hear of the panic, the other VM does not run any more. */
	assert_int_equal(exits_hart_of(&root->vcpu[1]), 1);
	assert_int_equal(exits_hart_of(&other->vcpu[0]), -1);
	/* Another crash on the way does not begin it again. */
	h->pc = ROOT_VECTOR + 0x20;
	crash_and_adopt();
	assert_int_equal(exits_harts[0].pc, ROOT_VECTOR + 0x20);
	assert_int_equal(exits_hart_of(&other->vcpu[0]), -1);
	assert_int_equal(request(&root->vcpu[0], GUEST_ROOT_PREPARE, NULL), SBI_SUCCESS);
	assert_int_equal(request(&root->vcpu[0], GUEST_ROOT_SUSPEND, NULL), SBI_SUCCESS);
	ask(&root->vcpu[0], GUEST_ROOT_DEVIRTUALISE);
	assert_true(exits_firmware.gone);
}

/* Just trapped: what its handler saves first must not be lost, so it gets on before it is struck. */
static void strike_in_trap_entry(void **state)
{
	struct exits_hart *h;

	(void)state;
	start();
	set_policy(CRASH_DEVIRTUALISE);
	exits_harts[0].csr.vstvec = ROOT_VECTOR;
	exits_harts[0].pc = ROOT_VECTOR + 16;
	crash_and_adopt();
	h = &exits_harts[0];
	assert_int_equal(h->pc, ROOT_VECTOR + 16);
	assert_int_equal(root->s->root_steps, ROOT_INHERITS);
	exits_advance(estate.machine.timebase / 1000);
	assert_int_equal(h->pc, ROOT_VECTOR + 16);
	h->pc = ROOT_VECTOR + 0x1000;
	exits_advance(estate.machine.timebase / 1000);
	assert_int_equal(h->pc, ROOT_VECTOR);
	assert_int_equal(h->csr.vsepc, ROOT_VECTOR + 0x1000);
	assert_int_equal(root->s->root_steps, ROOT_INHERITS | ROOT_STRUCK);
}

/* One that never gets further. */
static void strike_in_trap_loop(void **state)
{
	(void)state;
	start();
	set_policy(CRASH_DEVIRTUALISE);
	exits_harts[0].csr.vstvec = ROOT_VECTOR;
	exits_harts[0].pc = ROOT_VECTOR + 16;
	crash_and_adopt();
	for (unsigned n = 0; n < 2000 && !(root->s->root_steps & ROOT_STRUCK); n++)
		exits_advance(estate.machine.timebase / 1000);
	assert_true(root->s->root_steps & ROOT_STRUCK);
}

static void a_while(void *seconds)
{
	exits_advance(*(u64 *)seconds * estate.machine.timebase);
}

static bool is_reset_within(u64 seconds)
{
	return host_live(a_while, &seconds, 0) == HOST_RESET;
}

static void reboot_in_place_of_it(void **state)
{
	(void)state;
	start();
	set_policy(CRASH_DEVIRTUALISE);
	crash_and_adopt();
	end_root(NULL);
	assert_non_null(
		strstr(fixture_log(), "does not take the machine over: it ends; the machine is reset"));
	assert_int_equal(exits_hart_of(&other->vcpu[0]), -1);
	assert_true(is_reset_within(2));
}

static void root_that_does_not_run(void **state)
{
	(void)state;
	start();
	set_policy(CRASH_DEVIRTUALISE);
	end_root(NULL);
	crash_and_adopt();
	assert_non_null(strstr(fixture_log(), "does not take the machine over: its boot hart does not run"));
	assert_int_equal(exits_hart_of(&other->vcpu[0]), -1);
	assert_true(is_reset_within(2));
}

/* A kernel that panics without an end: no crash kernel, no panic timeout. */
static void root_that_hangs(void **state)
{
	(void)state;
	start();
	set_policy(CRASH_DEVIRTUALISE);
	crash_and_adopt();
	assert_false(is_reset_within(500));
	assert_true(is_reset_within(200));
}

/* The same, but it has begun with its requests: a crash kernel may dump as a guest for as long as it likes. */
static void root_that_dumps_as_a_guest(void **state)
{
	(void)state;
	start();
	set_policy(CRASH_DEVIRTUALISE);
	crash_and_adopt();
	assert_int_equal(request(&root->vcpu[0], GUEST_ROOT_PREPARE, NULL), SBI_SUCCESS);
	assert_false(is_reset_within(5000));
	end_root(NULL);
	assert_true(is_reset_within(2));
}

/* Recovering has been tried often enough: the next policy. */
static void too_many_crashes(void **state)
{
	(void)state;
	start();
	set_policy(CRASH_RECOVER);
	for (unsigned n = 0; n < 5; n++) {
		crash_and_adopt();
		assert_true(all_run());
		assert_int_equal(root->s->root_steps, 0);
	}
	crash_and_adopt();
	assert_int_equal(root->s->root_steps, ROOT_INHERITS | ROOT_STRUCK);
	assert_int_equal(exits_hart_of(&other->vcpu[0]), -1);
}

static void policies(void **state)
{
	(void)state;
	start();
	set_policy(CRASH_DEVIRTUALISE);
	assert_int_equal(takeover_policy(), CRASH_DEVIRTUALISE);
	root->config.flags = 0;
	assert_int_equal(takeover_policy(), CRASH_RESET);
	assert_string_equal(takeover_missing(), "there is no root VM");
	assert_int_equal(takeover_heirs(), 0);
	set_policy(CRASH_RECOVER);
	assert_int_equal(takeover_heirs(), 5);
	root->config.flags = VM_ROOT;
	assert_int_equal(takeover_heirs(), 6);
	set_policy(CRASH_HALT);
	assert_int_equal(takeover_policy(), CRASH_HALT);
	assert_int_equal(takeover_heirs(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_order),
		cmocka_unit_test(wrong_caller),
		cmocka_unit_test(log_is_not_filled),
		cmocka_unit_test(suspend),
		cmocka_unit_test(stopped_while_suspending),
		cmocka_unit_test(devirtualise),
		cmocka_unit_test(refused),
		cmocka_unit_test(a_hart_that_stays),
		cmocka_unit_test(clock_of_its_own),
		cmocka_unit_test(crash_while_suspending),
		cmocka_unit_test(strike),
		cmocka_unit_test(strike_in_trap_entry),
		cmocka_unit_test(strike_in_trap_loop),
		cmocka_unit_test(reboot_in_place_of_it),
		cmocka_unit_test(root_that_does_not_run),
		cmocka_unit_test(root_that_hangs),
		cmocka_unit_test(root_that_dumps_as_a_guest),
		cmocka_unit_test(too_many_crashes),
		cmocka_unit_test(policies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
