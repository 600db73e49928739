/* The root VM: its RAM, its device tree, its harts' extensions, and interrupts of devices that are passed through to it. */
#include "core/lib/check.h"
#include "core/memory/machine_fdt.h"
#include "core/root/root.h"
#include "core/root/root_isa.h"
#include "tests/unit/devices.h"
#include "tests/unit/machine_fdt_tree.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define RAM	MIB(256)
#define HARTS	2
#define MEMORY	MIB(64)
#define WINDOW	7
#define SOURCE	(WINDOW + 1)
#define CONTEXT 3 /* of hart 1's supervisor */

HOST_KEEP static u8 machine_tree[65536] __attribute__((aligned(8)));
static u8 tree[131072] __attribute__((aligned(8)));
static char why[160];

/* QEMU's virt machine with RAM where the fake machine has it, read as a first life does. */
static void start_with(struct tree_options *o)
{
	static struct machine_record m;
	static struct machine_boot boot;

	fixture_machine(&m, RAM, HARTS);
	o->harts = HARTS;
	o->ram[0][0] = host->ram;
	o->ram[0][1] = RAM;
	o->initrd[1] = 0;
	(void)tree_make(machine_tree, sizeof(machine_tree), o);
	MUST(!machine_fdt_read(machine_tree, sizeof(machine_tree), &m, &boot));
	m.root_windows = 1u << WINDOW;
	m.dtb = (struct machine_range){ (u64)(uintptr_t)machine_tree, boot.fdt_size };
	MUST(!estate_create(host->ram + LAYOUT_ESTATE_OFFSET, &m));
	log_open(estate.log);
	life_begin(false, host_slot(fixture_life), 0, arch_time(), (const u64[4]){ 0 });
	sched_init(estate.machine.timebase);
}

static struct vm_config root_config(void)
{
	struct vm_config c = {
		.name = "root", .cmdline = "console=ttyS0", .flags = VM_ROOT, .vcpus = HARTS, .memory = MEMORY
	};

	c.devices[0] = (struct vm_device_config){ .kind = VM_DEV_PASS, .host_unit = WINDOW };
	return c;
}

static struct vm *make_root(void)
{
	struct vm_config c = root_config();
	struct vm *vm;

	MUST(!root_check(&c, why, sizeof(why)));
	vm = fixture_vm(&c);
	for (u32 n = 0; n < HARTS; n++)
		root_bind(vm->vcpu[n].r, n);
	estate_store(&vm->s->run_state, VM_RUNNING);
	uart_reset(vm);
	return vm;
}

static int set_up(void **state)
{
	struct tree_options o = tree_options();

	(void)state;
	start_with(&o);
	make_root();
	return 0;
}

/* ---- Memory ---- */

static void its_ram_has_the_hosts_addresses(void **state)
{
	struct vm *vm = vms[0];
	u64 base = vm->config.extents[0].gpa, word = 0x1122334455667788, run;
	hpa_t at;

	(void)state;
	assert_int_equal(vm->config.extent_count, 1);
	assert_int_equal(base, vm->config.extents[0].hpa);
	assert_int_equal(backing_base(&vm->config), base);
	assert_true(backing_has(&vm->config, base) && backing_has(&vm->config, base + MEMORY - 1));
	assert_false(backing_has(&vm->config, base - 1) || backing_has(&vm->config, base + MEMORY));
	assert_int_equal(guest_write(vm, GPA(base + MEMORY - 8), &word, 8), 0);
	assert_int_equal(*(u64 *)(uintptr_t)(base + MEMORY - 8), word);
	assert_int_equal(guest_read(vm, GPA(GUEST_RAM_BASE), &word, 8), -EFAULT);
	assert_int_equal(guest_dma(vm, GPA(base), MEMORY, false, &at, &run), 0);
	assert_int_equal(at.a, base);
	/* The blocks' bits begin with the 1 GiB that its RAM is in. */
	assert_int_equal(vm->s->touched[0], 1ull << base % GIB(1) / BLOCK_SIZE |
						    1ull << (base % GIB(1) + MEMORY) / BLOCK_SIZE >> 1);
	backing_reset(vm);
	assert_int_equal(vm->s->touched[0], 0);
}

static void other_extents_than_its_own_are_refused(void **state)
{
	struct vm_config c = vms[0]->config;

	(void)state;
	assert_true(backing_valid(&c));
	c.extents[0].gpa += BLOCK_SIZE;
	assert_false(backing_valid(&c));
	c.extents[0].gpa = GUEST_RAM_BASE;
	assert_false(backing_valid(&c));
	c = vms[0]->config;
	c.extent_count = 2;
	c.extents[0].size -= BLOCK_SIZE;
	c.extents[1] = c.extents[0];
	c.extents[1].hpa = c.extents[1].gpa += c.extents[0].size;
	c.extents[1].size = BLOCK_SIZE;
	assert_false(backing_valid(&c));
}

static void ram_in_pieces_is_none(void **state)
{
	struct vm_config c = { .flags = VM_ROOT, .memory = DEVICES_MEMORY };
	u64 have;

	(void)state;
	devices_start();
	assert_int_equal(backing_assign(&c, &have), -ENOMEM);
	c.flags = 0;
	assert_int_equal(backing_assign(&c, &have), 0);
}

/* ---- Harts ---- */

static void extensions_are_those_that_guests_have(void **state)
{
	char text[ROOT_ISA_SIZE];
	size_t used;
	static const char list[] = "i\0h\0m\0v\0zicboz\0sstc\0smaia\0zkr";

	(void)state;
	estate.machine.isa = MACHINE_ISA_SSTC;
	assert_true(root_isa_string("rv64imafdcvh_zicbom_zicboz_zicsr_zawrs_zve64d_zba_smaia_sstc_svpbmt_x",
				    text));
	assert_string_equal(text, "rv64imafdc_zicbom_zicsr_zba_sstc");
	estate.machine.isa |= MACHINE_ISA_V | MACHINE_ISA_ZICBOZ;
	assert_true(root_isa_string("rv64imafdcvh_zicboz_zve64d__zba_", text));
	assert_string_equal(text, "rv64imafdcv_zicboz_zve64d_zba");
	assert_true(root_isa_string("rv64imach", text));
	assert_string_equal(text, "rv64imac");
	assert_true(root_isa_string("rv64imazicsr_zba", text));
	assert_string_equal(text, "rv64ima_zba");
	assert_false(root_isa_string("rv6", text));
	assert_true(root_isa_list(list, sizeof(list), text, &used));
	assert_int_equal(used, sizeof("i\0m\0v\0zicboz\0sstc"));
	assert_memory_equal(text, "i\0m\0v\0zicboz\0sstc", used);
}

static void extensions_without_end_are_refused(void **state)
{
	char text[ROOT_ISA_SIZE], isa[4 * ROOT_ISA_SIZE];
	size_t used;

	(void)state;
	memset(isa, 'c', sizeof(isa) - 1);
	memcpy(isa, "rv64", 4);
	isa[sizeof(isa) - 1] = 0;
	assert_false(root_isa_string(isa, text));
	for (size_t i = 0; i < sizeof(isa); i += 2)
		memcpy(isa + i, "c", 2);
	assert_false(root_isa_list(isa, sizeof(isa), text, &used));
}

/* ---- Device tree ---- */

static const char *string_of(const char *path, const char *property)
{
	int node = fdt_path_offset(tree, path);

	return node < 0 ? NULL : fdt_getprop(tree, node, property, NULL);
}

static bool is_disabled(const char *path)
{
	const char *status = string_of(path, "status");

	MUST(fdt_path_offset(tree, path) >= 0);
	return status && !strcmp(status, "disabled");
}

static void build(void)
{
	struct guest_boot boot = { .initrd = GPA(0x1234000), .initrd_size = 0x1000 };

	memset(boot.rng_seed, 7, sizeof(boot.rng_seed));
	assert_int_equal(root_fdt_build(vms[0], &boot, tree, sizeof(tree), why, sizeof(why)), 0);
	assert_int_equal(fdt_check_full(tree, sizeof(tree)), 0);
	assert_true(fdt_totalsize(tree) <= root_fdt_bound());
}

static void the_tree_is_the_machines_without_what_the_root_lacks(void **state)
{
	static struct machine_record m;
	static struct machine_boot boot;
	const fdt64_t *end;
	char path[64];
	int length;

	(void)state;
	build();
	assert_string_equal(string_of("/chosen", "bootargs"), "console=ttyS0");
	assert_string_equal(string_of("/chosen", "stdout-path"), "/soc/serial@10000000:115200n8");
	end = fdt_getprop(tree, fdt_path_offset(tree, "/chosen"), "linux,initrd-end", &length);
	assert_int_equal(length, 8);
	assert_int_equal(fdt64_ld(end), 0x1235000);
	assert_string_equal(string_of("/cpus/cpu@1", "riscv,isa"),
			    "rv64imafdc_zicsr_zifencei_zihintpause_zba_zbb_zbs_zicboz_sstc");
	assert_false(is_disabled("/cpus/cpu@0") || is_disabled("/cpus/cpu@1"));
	assert_false(is_disabled("/soc") || is_disabled("/soc/plic@c000000") ||
		     is_disabled("/soc/serial@10000000"));
	for (unsigned n = 0; n < 8; n++) {
		(void)snprintf(path, sizeof(path), "/soc/virtio_mmio@%x", 0x10001000 + n * 0x1000);
		assert_int_equal(is_disabled(path), n != WINDOW);
	}
	/* The contexts of its PLIC are the machine's, the machine mode's included. */
	(void)fdt_getprop(tree, fdt_path_offset(tree, "/soc/plic@c000000"), "interrupts-extended", &length);
	assert_int_equal(length, HARTS * 2 * 8);
	/* It is no machine for a hypervisor. */
	assert_int_equal(machine_fdt_read(tree, sizeof(tree), &m, &boot), -ENODEV);
	assert_non_null(strstr(boot.text, "H extension"));
}

/* What the tree says of a page: its RAM is in exactly one place. */
static void all_other_ram_is_reserved(void **state)
{
	int parent, node;
	unsigned slots = 0, estates = 0;
	static u8 seen[RAM / PAGE_SIZE];
	const struct vm_extent *own = &vms[0]->config.extents[0];

	(void)state;
	build();
	memset(seen, 0, sizeof(seen));
	parent = fdt_path_offset(tree, "/reserved-memory");
	fdt_for_each_subnode(node, tree, parent)
	{
		const char *name = fdt_get_name(tree, node, NULL);
		const fdt64_t *reg = fdt_getprop(tree, node, "reg", NULL);
		u64 base = fdt64_ld(reg), size = fdt64_ld(reg + 1);

		slots += !strncmp(name, "outlive-slot@", 13) && size == LAYOUT_SLOT_SIZE;
		estates += !strncmp(name, "outlive-estate@", 15) && base == estate.base &&
			   size == estate.size;
		assert_non_null(fdt_getprop(tree, node, "no-map", NULL));
		for (u64 at = base; at < base + size; at += PAGE_SIZE)
			if (at - host->ram < RAM)
				seen[(at - host->ram) / PAGE_SIZE]++;
	}
	assert_int_equal(slots, 2);
	assert_int_equal(estates, 1);
	for (u64 at = host->ram; at < host->ram + RAM; at += PAGE_SIZE)
		assert_int_equal(seen[(at - host->ram) / PAGE_SIZE],
				 range_inside(at, PAGE_SIZE, own->hpa, own->size) ? 0 : 1);
}

static void a_damaged_tree_is_refused_with_words(void **state)
{
	struct guest_boot boot = { 0 };

	(void)state;
	assert_int_equal(root_fdt_build(vms[0], &boot, tree, estate.machine.dtb.size, why, sizeof(why)),
			 -ENOSPC);
	fdt_set_size_dt_struct(machine_tree, 64);
	assert_int_equal(root_fdt_build(vms[0], &boot, tree, sizeof(tree), why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "the machine's is damaged");
	estate.machine.dtb.size = 8;
	assert_int_equal(root_fdt_build(vms[0], &boot, tree, sizeof(tree), why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "truncated"));
}

/* ---- What is refused ---- */

#define UNFIT(change, words)                                                             \
	do {                                                                             \
		struct vm_config config = root_config();                                 \
		struct machine_record *m = &estate.machine, was = *m;                    \
		struct vm_config *c = &config;                                           \
		(void)c;                                                                 \
		change;                                                                  \
		assert_int_equal(root_check(&config, why, sizeof(why)), -ENODEV);        \
		if (!strstr(why, words))                                                 \
			fail_msg("%s: \"%s\" does not say \"%s\"", #change, why, words); \
		*m = was;                                                                \
	} while (0)

static void machines_that_do_not_fit_are_refused_with_words(void **state)
{
	(void)state;
	UNFIT(m->dtb.size = 0, "device tree was not kept");
	UNFIT(m->plic.base += 4, "its PLIC has");
	UNFIT(m->plic.size = GUEST_PLIC_SIZE + 4, "its PLIC has");
	UNFIT(m->uart.size = 0, "no UART");
	UNFIT(m->uart_irq = 11, "no UART");
	UNFIT(m->uart_shift = 2, "no UART");
	UNFIT(c->vcpus = 1, "2 harts, the root VM 1 vCPUs");
	UNFIT(m->virtio_count = 7, "7 virtio windows, number 7");
	UNFIT(m->virtio[7].base += 0x200, "not in whole pages");
	UNFIT(m->virtio_irq[7] = 64, "has interrupt 64");
	UNFIT(m->virtio_irq[7] = 0, "has interrupt 0");
	UNFIT(m->virtio_irq[7] = 10, "has interrupt 10");
}

static void an_heir_takes_it_only_as_it_was(void **state)
{
	struct vm *vm = vms[0];

	(void)state;
	assert_true(root_valid(vm));
	vm->vcpu[1].r->affinity = 1;
	assert_false(root_valid(vm));
	vm->vcpu[1].r->affinity = 2;
	vm->vcpu[1].r->id = 5;
	assert_false(root_valid(vm));
	vm->vcpu[1].r->id = 1;
	estate.machine.root_windows |= 1;
	assert_false(root_valid(vm));
}

/* ---- Devices ---- */

static void only_its_windows_are_mapped(void **state)
{
	(void)state;
	assert_int_equal(root_map(vms[0], GPA(0x10008070)), 0);
	assert_int_equal(root_map(vms[0], GPA(0x10007070)), -EFAULT);
	assert_int_equal(root_map(vms[0], GPA(0x10009000)), -EFAULT);
	assert_int_equal(root_map(vms[0], GPA(0x10000000)), -EFAULT);
}

static void it_has_the_machines_uart_where_that_is(void **state)
{
	u64 value = 0;

	(void)state;
	assert_int_equal(guest_access(0, 0, 0x10000005, 1, false, &value), 0);
	assert_true(value & 0x60);
	/* No virtio device of ours. */
	assert_int_equal(guest_access(0, 0, GUEST_VIRTIO_BASE, 4, false, &value), -EFAULT);
}

/*
 * The machine's side of one source: a device that asserts until its driver has looked, and a gateway as QEMU's: it forgets
 * what it has handed out, and hears of the device only when that asserts anew.
 */
HOST_KEEP static struct {
	bool asserts, pending, claimed;
	unsigned handed_out;
} machine;

int host_window_reset(unsigned n)
{
	MUST(n == WINDOW);
	machine.asserts = false;
	return 0;
}

void host_irq_complete(unsigned irq)
{
	MUST(irq == SOURCE);
	machine.claimed = false;
}

static void device_asserts(void)
{
	machine.asserts = machine.pending = true;
}

static void machine_interrupts(void)
{
	if (machine.claimed || !machine.pending)
		return;
	machine.pending = false;
	machine.claimed = true;
	machine.handed_out++;
	MUST(root_interrupt(SOURCE));
}

#define AT_CLAIM (GUEST_PLIC_BASE + 0x200004 + 0x1000ull * CONTEXT)

/* A driver of three instructions, on hart 1: what it is at is in pc and a0. */
static void guest_step(void)
{
	struct vcpu_record *r = vms[0]->vcpu[1].r;
	u64 value = r->x[10];

	if (r->pc / 4 % 3 == 0) {
		MUST(!guest_access(0, 1, AT_CLAIM, 4, false, &value));
	} else if (r->pc / 4 % 3 == 1) {
		if (value == SOURCE)
			machine.asserts = machine.pending = false;
		r->pc += 4;
	} else {
		MUST(!guest_access(0, 1, AT_CLAIM, 4, true, &value));
	}
}

static bool guest_is_busy(void)
{
	return vms[0]->vcpu[1].r->pc / 4 % 3 || vms[0]->vcpu[1].r->irq;
}

static void open_source(void)
{
	u64 one = 1, bit = 1u << SOURCE;

	MUST(!guest_access(0, 0, GUEST_PLIC_BASE + 4 * SOURCE, 4, true, &one));
	MUST(!guest_access(0, 0, GUEST_PLIC_BASE + 0x2000 + 0x80 * CONTEXT, 4, true, &bit));
	memset(&machine, 0, sizeof(machine));
}

static void one_interrupt_is_one_interrupt(void **state)
{
	(void)state;
	open_source();
	assert_false(guest_is_busy());
	device_asserts();
	machine_interrupts();
	assert_true(vms[0]->vcpu[1].r->irq);
	assert_false(vms[0]->vcpu[0].r->irq);
	/* The gateway stays closed until the guest is done, whatever the device does. */
	device_asserts();
	machine_interrupts();
	guest_step();
	assert_int_equal(vms[0]->vcpu[1].r->x[10], SOURCE);
	assert_true(machine.claimed);
	machine_interrupts();
	assert_int_equal(machine.handed_out, 1);
	guest_step();
	device_asserts();
	guest_step();
	assert_false(machine.claimed);
	assert_false(guest_is_busy());
	/* What it said meanwhile comes now. */
	machine_interrupts();
	assert_int_equal(machine.handed_out, 2);
	assert_true(guest_is_busy());
	assert_true(plic_valid(vms[0]));
}

static void a_source_that_is_not_its_own_is_not_taken(void **state)
{
	(void)state;
	assert_false(root_interrupt(1));
	assert_false(root_interrupt(10));
	assert_false(root_interrupt(72));
	vms[0] = NULL;
	assert_false(root_interrupt(SOURCE));
}

static void a_reset_leaves_nothing(void **state)
{
	(void)state;
	open_source();
	device_asserts();
	machine_interrupts();
	assert_int_equal(root_reset_devices(vms[0]), 0);
	assert_false(machine.asserts || machine.claimed);
	assert_int_equal(vms[0]->s->plic.line, 0);
}

static void interrupt_and_driver(void *context)
{
	(void)context;
	device_asserts();
	for (unsigned round = 0; round < 5; round++) {
		machine_interrupts();
		guest_step();
	}
}

/* `late`: the device asserts anew so many rounds after the heir has begun. */
static void end_at_every_store(void **state, unsigned late)
{
	unsigned deaths = 0;

	for (u64 die = 1;; die++) {
		unsigned rounds = 0;

		set_up(state);
		open_source();
		if (host_live(interrupt_and_driver, NULL, die) == HOST_RETURNED)
			break;
		deaths++;
		/* As the heir's host_plic_init does. */
		machine.claimed = false;
		devices_heir();
		while (machine.pending || guest_is_busy() || rounds <= late) {
			if (rounds == late)
				device_asserts();
			machine_interrupts();
			if (guest_is_busy())
				guest_step();
			assert_true(++rounds < 20);
		}
		assert_false(machine.asserts);
		assert_false(machine.claimed);
		assert_int_equal(vms[0]->s->plic.line | vms[0]->s->plic.claimed, 0);
	}
	assert_true(deaths > 10);
}

static void none_is_lost_whenever_a_life_ends(void **state)
{
	for (unsigned late = 0; late < 8; late++)
		end_at_every_store(state, late);
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(its_ram_has_the_hosts_addresses),
		TEST(other_extents_than_its_own_are_refused),
		TEST(ram_in_pieces_is_none),
		TEST(extensions_are_those_that_guests_have),
		TEST(extensions_without_end_are_refused),
		TEST(the_tree_is_the_machines_without_what_the_root_lacks),
		TEST(all_other_ram_is_reserved),
		TEST(a_damaged_tree_is_refused_with_words),
		TEST(machines_that_do_not_fit_are_refused_with_words),
		TEST(an_heir_takes_it_only_as_it_was),
		TEST(only_its_windows_are_mapped),
		TEST(it_has_the_machines_uart_where_that_is),
		TEST(one_interrupt_is_one_interrupt),
		TEST(a_source_that_is_not_its_own_is_not_taken),
		TEST(a_reset_leaves_nothing),
		TEST(none_is_lost_whenever_a_life_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
