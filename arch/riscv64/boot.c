/*
 * Start of a life: the first one from the machine's device tree, an heir from the estate and from nothing else.
 */
#include "arch/riscv64/csr.h"
#include "arch/riscv64/firmware.h"
#include "arch/riscv64/found.h"
#include "arch/riscv64/hart.h"
#include "arch/riscv64/paging.h"
#include "arch/riscv64/slot.h"
#include "core/arch.h"
#include "core/control/control.h"
#include "core/dump/host_dump.h"
#include "core/estate/estate.h"
#include "core/lib/check.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/memory/machine_fdt.h"
#include "core/memory/pages.h"
#include "core/recorder/recorder.h"
#include "core/root/root.h"
#include "core/root/takeover.h"
#include "core/survive/adopt.h"
#include "core/survive/crash.h"
#include "core/survive/life.h"
#include "core/vcpu/sched.h"
#include "core/vm/pack.h"
#include "core/vm/vm.h"
#include "drivers/drivers.h"

extern char entry_begin[], entry_swapped[], entry_moved[], entry_saved[];
void secondary_entry(void);

_Noreturn void boot_start(u64 hart_id, u64 argument, u64 heir, u64 slot);

/* Before there is a log: on the firmware's debug console, character by character; then the machine goes off, or on anew. */
static _Noreturn void stop_early(const char *text, bool reset)
{
	for (const char *c = text; *c; c++)
		sbi_call(SBI_EXT_DBCN, 2, (u64)*c, 0, 0, 0, 0);
	sbi_call(SBI_EXT_DBCN, 2, '\n', 0, 0, 0, 0);
	/* If an update has brought this image, the one before can do better: then this does not return. */
	warden_call(WARDEN_UPDATE_UNDO, (u64)(uintptr_t)text, strlen(text), 0, 0);
	sbi_call(SBI_EXT_SRST, 0, reset ? 1 : 0, 1, 0, 0, 0);
	for (;;)
		__asm__ volatile("wfi");
}

/* Where the slots of this machine begin, for an image that runs in one of them. */
static u64 ram_base_of(u64 slot, const struct machine_record *m)
{
	for (u32 n = 0; n < m->ram_count; n++) {
		for (unsigned s = 0; s < LAYOUT_SLOTS; s++) {
			if (m->ram[n].base + LAYOUT_SLOT_OFFSET(s) == slot)
				return m->ram[n].base;
		}
	}
	stop_early("outlive: not loaded at the start of a slot (2 MiB behind the start of RAM)", false);
}

/* What the boot pack says of the host as a whole. The machine's device tree, `dtb`, is kept if there is a root VM. */
static void take_policies(struct machine_record *m, struct machine_range dtb)
{
	struct pack pack;
	char why[8];

	m->crash_limit = 5;
	m->crash_window = 60;
	m->watchdog_ms = 100;
	if (!m->pack.size ||
	    pack_open(&pack, (const void *)(uintptr_t)m->pack.base, m->pack.size, why, sizeof(why)))
		return;
	m->crash_policy = pack.header->crash_policy;
	m->crash_limit = pack.header->crash_limit;
	m->crash_window = pack.header->crash_window;
	m->watchdog_ms = pack.header->watchdog_ms;
	m->pack_flags = pack.header->flags;
	m->evidence = pack.header->evidence;
	for (u32 n = 0; n < pack.header->vm_count; n++) {
		m->root_windows |= root_windows(&pack.vms[n]);
		if (pack.vms[n].flags & VM_ROOT)
			m->dtb = dtb;
	}
	if (pack.header->host_harts && pack.header->host_harts < m->hart_count)
		m->hart_count = pack.header->host_harts;
}

/* How wide vector registers are is in no device tree. A record has room for 32 of at most 32 bytes. */
static void measure_vectors(struct machine_record *m)
{
	if (!(m->isa & MACHINE_ISA_V))
		return;
	csr_set(sstatus, SSTATUS_VS);
	m->vlenb = (u32)csr_read(vlenb);
	csr_clear(sstatus, SSTATUS_VS);
	if (m->vlenb * 32 > VCPU_VECTOR_BYTES) {
		m->isa &= ~MACHINE_ISA_V;
		m->vlenb = 0;
	}
}

static void create_estate(const void *dtb, u64 slot)
{
	static struct machine_record m;
	static struct machine_boot boot;
	int error = machine_fdt_read(dtb, MIB(2), &m, &boot);

	if (error) {
		char text[200];

		format(text, sizeof(text), "outlive: this machine cannot be used: %s", boot.text);
		stop_early(text, false);
	}
	if (!(m.isa & MACHINE_ISA_SSTC))
		stop_early("outlive: this machine's harts lack Sstc (stimecmp), which guests' timers need",
			   false);
	m.has_warden = sbi_probe(WARDEN_EXT);
	measure_vectors(&m);
	take_policies(&m, (struct machine_range){ (u64)(uintptr_t)dtb, boot.fdt_size });
	if (estate_create(ram_base_of(slot, &m) + LAYOUT_ESTATE_OFFSET, &m))
		stop_early("outlive: too little RAM for an estate", false);
}

/* Where `hart_id` is in the machine's list; the others follow in its order. */
static unsigned set_up_harts(u64 hart_id, u64 slot)
{
	unsigned self = MAX_HARTS;

	hart_count = estate.machine.hart_count;
	for (unsigned n = 0; n < hart_count; n++) {
		struct hart *hart = &harts[n];

		hart->index = n;
		hart->id = estate.machine.hart_ids[n];
		if (hart->id >= MAX_HARTS)
			stop_early("outlive: hart ids of 64 and more are not supported", false);
		hart->record = &estate.harts[hart->id];
		hart->emergency_stack = slot + SLOT_STACKS + (n + 1) * SLOT_STACK_STRIDE;
		hart->stack = hart->emergency_stack - SLOT_EMERGENCY;
		if (hart->id == hart_id)
			self = n;
	}
	if (self == MAX_HARTS)
		stop_early("outlive: started on a hart that the device tree does not list", false);
	return self;
}

static void say_hello(bool heir)
{
	const struct machine_record *m = &estate.machine;
	u64 ram = 0;

	for (u32 n = 0; n < m->ram_count; n++)
		ram += m->ram[n].size;
	if (heir && life_update_role() != WARDEN_UPDATE_NONE) {
		const struct life_record *dead = life_before();
		bool undone = life_update_role() == WARDEN_UPDATE_UNDONE;

		log_line("life %lu begins in slot %lu: %s: %s", life_number(),
			 life_slot(estate_newest_life()), undone ? "an update is rolled back" : "update",
			 dead ? dead->text : "");
		return;
	}
	if (heir) {
		const struct life_record *dead = life_before();

		log_line("life %lu begins in slot %lu; life %lu ended by %s on hart %lu: %s", life_number(),
			 life_slot(estate_newest_life()), dead ? dead->number : 0,
			 life_cause_text(dead ? dead->cause : 0), dead ? dead->crash_hart : 0,
			 dead ? dead->text : "");
		return;
	}
	log_line("Outlive: %u harts, %lu MiB of RAM, %s", m->hart_count, ram >> 20,
		 m->has_warden
			 ? "with warden"
			 : "stock firmware: no recovery from a crash, no confidential VMs, no watchdog");
}

extern const u8 image_build_id[]; /* note of the linker: header of 16 bytes ("GNU"), then 20 bytes of SHA-1 */

static void name_the_build(void)
{
	u64 build = 0;

	for (unsigned n = 0; n < 12; n++)
		format(control_build + 2 * n, sizeof(control_build) - 2 * n, "%02x", image_build_id[16 + n]);
	for (unsigned n = 0; n < 8; n++)
		build = build << 8 | image_build_id[16 + n];
	life_set_build(build);
}

static void report_for_duty(void)
{
	const struct machine_record *m = &estate.machine;
	enum crash_policy policy = takeover_policy();
	struct sbi_result r;

	if (policy != m->crash_policy)
		log_line("a crash cannot devirtualise: %s; it will reset the machine", takeover_missing());
	if (!m->has_warden)
		return;
	/*
	 * To the warden each policy is "recover", with no crash allowed where there is to be no heir; what follows is a reset or
	 * a halt. An heir is also needed to hand over to the root VM (takeover_adopt).
	 */
	r = warden_call(WARDEN_READY, (u64)(uintptr_t)secondary_entry, takeover_heirs(), m->crash_window,
			policy == CRASH_HALT ? CRASH_HALT : CRASH_RESET);
	if (r.error)
		panic("the warden does not take our report for duty: SBI error %ld", r.error);
	r = warden_call(WARDEN_WATCHDOG, m->watchdog_ms, 0, 0, 0);
	if (r.error)
		log_line("no watchdog: SBI error %ld", r.error);
}

/* On the stack that belongs to the hart. */
static _Noreturn void boot_on_own_stack(struct hart *self, bool heir, u64 slot, u64 entered)
{
	const u64 window[4] = { (u64)(uintptr_t)entry_begin, (u64)(uintptr_t)entry_swapped,
				(u64)(uintptr_t)entry_moved, (u64)(uintptr_t)entry_saved };
	const struct crash_stacks stacks = { SLOT_STACKS, MAX_HARTS * SLOT_STACK_STRIDE, SLOT_STACK_STRIDE };
	u64 arrived;

	pages_init((void *)(uintptr_t)(slot + SLOT_HEAP), LAYOUT_SLOT_SIZE - SLOT_HEAP);
	paging_build();
	paging_load();
	log_open(estate.log);
	life_begin(heir, slot, self->id, entered, window);
	name_the_build();
	if (heir) {
		crash_write(&stacks);
		adopt_redo();
		adopt_claims();
	}
	arrived = found_collect(self);
	hart_init(self);
	say_hello(heir);
	sched_init(estate.machine.timebase);
	drivers_init();
	recorder_init();
	control_init();
	host_dump_init();
	vm_open_pack();
	if (heir)
		adopt_vms();
	/* An heir finds them made, unless the first life died before it had. */
	vm_create_all();
	report_for_duty();
	if (heir) {
		takeover_adopt();
		/* Each vCPU is handed over once: here, or when the hart that it was in comes. */
		adopt_resume();
		adopt_vcpu_arrived(arrived);
	}
	paging_seal();
	hart_start_others();
	vm_autostart();
	hart_loop();
}

struct boot_arguments {
	struct hart *self;
	u64 heir;
	u64 slot;
	u64 entered;
};

static _Noreturn __attribute__((used)) void boot_continue(struct boot_arguments *a)
{
	struct boot_arguments copy = *a;

	boot_on_own_stack(copy.self, copy.heir, copy.slot, copy.entered);
}

void boot_start(u64 hart_id, u64 argument, u64 heir, u64 slot)
{
	struct boot_arguments a = { .heir = heir, .slot = slot, .entered = arch_time() };

	if (!heir)
		create_estate((const void *)(uintptr_t)argument, slot);
	else if (estate_adopt(argument))
		stop_early("outlive: there is no estate to adopt", true);
	a.self = &harts[set_up_harts(hart_id, slot)];
	/*
	 * The arguments lie on the stack of harts[0], which nobody else uses before hart_start_others. Backtraces end here,
	 * because the stack changes.
	 */
	__asm__ volatile("mv	tp, %0\n"
			 "	mv	sp, %1\n"
			 "	mv	a0, %2\n"
			 "	.cfi_remember_state\n"
			 "	.cfi_undefined ra\n"
			 "	call	boot_continue\n"
			 "	.cfi_restore_state\n" ::"r"(a.self),
			 "r"(a.self->stack), "r"(&a)
			 : "a0", "memory");
	__builtin_unreachable();
}
