/* The fake harts: see exits.h. */
#include "tests/exits/exits.h"
#include "arch/riscv64/csr.h"
#include "arch/riscv64/firmware.h"
#include "arch/riscv64/found.h"
#include "arch/riscv64/hart.h"
#include "arch/riscv64/hlvx.h"
#include "arch/riscv64/paging.h"
#include "arch/riscv64/slot.h"
#include "core/control/control.h"
#include "core/lib/log.h"
#include "core/memory/backing.h"
#include "core/root/takeover.h"
#include "core/survive/adopt.h"
#include "core/survive/crash.h"
#include "core/survive/life.h"
#include "core/vcpu/sched.h"
#include "drivers/drivers.h"
#include "drivers/plic.h"
#include <setjmp.h>
#include <string.h>
#include <sys/mman.h>

HOST_KEEP struct exits_hart exits_harts[MAX_HARTS];
HOST_KEEP struct exits_firmware exits_firmware;
HOST_KEEP static u64 collected; /* bit n: hart n has been sent for and has not come yet */

static jmp_buf out_of[MAX_HARTS]; /* where a hart goes on in the test once it is in a guest, or waits */
static u64 in_hypervisor;	  /* bit n: hart n runs hypervisor code now */
static unsigned waits;

/* Where the trap entry of life number `life` is. */
static u64 entry_base(u64 life)
{
	return host_slot(life) + KIB(4);
}

struct exits_hart *exits_hart(void)
{
	return &exits_harts[arch_hart()];
}

struct exits_csrs *exits_csrs(void)
{
	struct exits_csrs *c = &exits_hart()->csr;

	c->time = host->now;
	c->vsip = (c->hvip & (IRQ_VSSI | IRQ_VSTI | IRQ_VSEI)) >> 1;
	if (c->time + c->htimedelta >= c->vstimecmp)
		c->vsip |= IRQ_STI;
	return c;
}

struct exits_csrs *exits_csrs_change(void)
{
	arch_estate_point();
	return exits_csrs();
}

/* ---- What the target has in assembler, and in files that are not part of this ---- */

void hs_trap(void);
void hs_trap(void)
{
}

void guest_exit(void);
void guest_exit(void)
{
}

void secondary_entry(void);
void secondary_entry(void)
{
}

void paging_load(void)
{
}

u64 slot_base(void)
{
	return host_slot(fixture_life);
}

void host_plic_handle(unsigned hart)
{
	(void)hart;
}

void drivers_quiesce(void)
{
}

/* The hart's loop kicks harts of its own; core's go to the fake machine, which passes them on here. */
void hart_kick(unsigned hart);
void hart_kick_vcpu(unsigned hart);

void fp_save(struct vcpu_record *r);
void fp_save(struct vcpu_record *r)
{
	const struct exits_hart *h = exits_hart();

	if (!(h->csr.sstatus & SSTATUS_FS))
		host_fail("floating point registers are saved with the unit off");
	for (unsigned n = 0; n < 32; n++)
		estate_store(&r->f[n], h->f[n]);
	estate_store(&r->fcsr, h->fcsr);
}

void fp_load(const struct vcpu_record *r);
void fp_load(const struct vcpu_record *r)
{
	struct exits_hart *h = exits_hart();

	if (!(h->csr.sstatus & SSTATUS_FS))
		host_fail("floating point registers are loaded with the unit off");
	for (unsigned n = 0; n < 32; n++) {
		/* Half-way through, what is in the hart is nobody's. */
		arch_estate_point();
		h->f[n] = r->f[n];
	}
	h->fcsr = r->fcsr;
}

/* Of the vector registers as much as a record has room for. */
_Static_assert(sizeof(((struct exits_hart *)0)->v) == VCPU_VECTOR_BYTES, "vector registers fit");

void vector_save(struct vcpu_record *r);
void vector_save(struct vcpu_record *r)
{
	const struct exits_hart *h = exits_hart();
	u64 *to = (u64 *)(void *)r->v;

	if (!(h->csr.sstatus & SSTATUS_VS))
		host_fail("vector registers are saved with the unit off");
	estate_store(&r->vl, h->vl);
	estate_store(&r->vtype, h->vtype);
	for (unsigned n = 0; n < ARRAY_SIZE(h->v); n++)
		estate_store(&to[n], h->v[n]);
}

void vector_load(const struct vcpu_record *r);
void vector_load(const struct vcpu_record *r)
{
	struct exits_hart *h = exits_hart();

	if (!(h->csr.sstatus & SSTATUS_VS))
		host_fail("vector registers are loaded with the unit off");
	h->vl = r->vl;
	h->vtype = r->vtype;
	arch_estate_point();
	memcpy(h->v, r->v, sizeof(h->v));
}

static u32 fetch(u64 at, struct hart *hart, bool *failed, size_t bytes)
{
	struct vm *vm = hart->current->vm;
	u32 value = 0;
	hpa_t ram;
	u64 run;

	if (backing_lookup(vm, GPA(at), &ram, &run) || run < bytes)
		*failed = true;
	else
		memcpy(&value, (void *)(uintptr_t)ram.a, bytes);
	return value;
}

u32 hlvx_hu(u64 at, struct hart *hart, bool *failed)
{
	return fetch(at, hart, failed, 2);
}

u32 hlvx_wu(u64 at, struct hart *hart, bool *failed)
{
	return fetch(at, hart, failed, 4);
}

_Noreturn void guest_enter(struct vcpu_record *record)
{
	struct exits_hart *h = exits_hart();

	entry_enter(h, record);
	h->where = EXITS_GUEST;
	longjmp(out_of[arch_hart()], 1);
}

void exits_wfi(void)
{
	exits_hart()->where = EXITS_WFI;
	longjmp(out_of[arch_hart()], 1);
}

/* ---- Harts run hypervisor code ---- */

/* Hart n is the calling thread until it is in a guest or waits. */
static void run_on(unsigned n, void (*code)(struct hart *hart))
{
	unsigned before = host_hart;

	host_be_hart(n);
	exits_harts[n].where = EXITS_HS;
	in_hypervisor |= 1ull << n;
	if (!setjmp(out_of[n]))
		code(&harts[n]);
	in_hypervisor &= ~(1ull << n);
	host_be_hart(before);
}

static void go_round_loop(struct hart *hart)
{
	(void)hart;
	hart_loop();
}

static void wake_from_wfi(struct hart *hart)
{
	/* As wait_for_work goes on behind the instruction. */
	estate_store(&hart->record->idle, 0);
	__atomic_store_n(&hart->where, HART_IN_HS, __ATOMIC_SEQ_CST);
	hart_loop();
}

static void handle_exit(struct hart *hart)
{
	struct exits_hart *h = exits_hart();
	unsigned length = entry_length();

	entry_execute(h, entry_base(fixture_life), length);
	h->in_entry = false;
	for (unsigned n = 1; n < 32; n++)
		h->x[n] = 0xbad0bad0bad0bad0ull;
	h->csr.stvec = 0;
	exit_handle(hart->current, h->csr.scause);
}

void exits_trap(unsigned n, u64 cause, u64 stval, u64 htval)
{
	struct exits_hart *h = &exits_harts[n];

	if (h->where != EXITS_GUEST)
		host_fail("a trap on a hart that is not in a guest");
	h->csr.scause = cause;
	h->csr.sepc = h->pc;
	h->csr.stval = stval;
	h->csr.htval = htval;
	run_on(n, handle_exit);
}

void exits_interrupt(unsigned n)
{
	exits_trap(n, SCAUSE_INTERRUPT | 1, 0, 0);
}

/* Harts with an IPI take it. Returns true if there was one. */
static bool take_ipis(void)
{
	bool any = false;

	for (unsigned n = 0; n < hart_count; n++) {
		struct exits_hart *h = &exits_harts[n];

		if (!(h->csr.sip & IRQ_SSI) || (in_hypervisor >> n & 1))
			continue;
		if (h->where == EXITS_GUEST)
			exits_interrupt(n);
		else if (h->where == EXITS_WFI)
			run_on(n, wake_from_wfi);
		else
			continue;
		any = true;
	}
	return any;
}

static struct {
	void (*f)(void *context);
	void *context;
} errand;

static void run_errand(struct hart *hart)
{
	/* As the loop is when it carries out an operation on a VM: it may have a vCPU, and goes on behind. */
	hart->where = HART_IN_HS;
	errand.f(errand.context);
	hart_loop();
}

void exits_call(unsigned n, void (*f)(void *context), void *context)
{
	struct exits_hart *h = &exits_harts[n];

	errand.f = f;
	errand.context = context;
	if (h->where == EXITS_GUEST) {
		h->csr.sepc = h->pc;
		in_hypervisor |= 1ull << n;
		entry_execute(h, entry_base(fixture_life), entry_length());
		h->in_entry = false;
	}
	run_on(n, run_errand);
}

void exits_settle(void)
{
	for (unsigned n = 0; take_ipis(); n++) {
		if (n == 10000)
			host_fail("the harts kick each other without end");
	}
}

void exits_schedule(void)
{
	for (unsigned n = 0; n < hart_count; n++) {
		if (exits_harts[n].where == EXITS_WFI)
			run_on(n, wake_from_wfi);
	}
	exits_settle();
}

/* In place of the C library's: who waits lets other harts go on (arch_relax). */
int sched_yield(void);
int sched_yield(void)
{
	/* Not a hart: the sanitizers wait, too. */
	if (!in_hypervisor)
		return 0;
	if (!take_ipis() && ++waits > 1000000)
		host_fail("a hart waits for what never comes");
	return 0;
}

void exits_advance(u64 ticks)
{
	host->now += ticks;
	for (unsigned n = 0; n < hart_count; n++) {
		struct exits_hart *h = &exits_harts[n];

		if (h->csr.stimecmp > host->now)
			continue;
		if (h->where == EXITS_GUEST)
			exits_trap(n, SCAUSE_INTERRUPT | 5, 0, 0);
		else if (h->where == EXITS_WFI)
			run_on(n, wake_from_wfi);
	}
	exits_settle();
}

int exits_hart_of(const struct vcpu *v)
{
	for (unsigned n = 0; n < hart_count; n++) {
		if (exits_harts[n].where == EXITS_GUEST && harts[n].current == v)
			return (int)n;
	}
	return -1;
}

void *exits_ram(struct vm *vm, u64 gpa)
{
	hpa_t at;
	u64 run;

	if (backing_touch(vm, GPA(gpa)) || backing_lookup(vm, GPA(gpa), &at, &run))
		host_fail("no RAM of the guest");
	return (void *)(uintptr_t)at.a;
}

/* ---- The warden ---- */

static void keep_trap_registers(struct hart_found *f, const struct exits_hart *h)
{
	f->sstatus = h->csr.sstatus;
	f->hstatus = h->csr.hstatus;
	f->sepc = h->csr.sepc;
	f->scause = h->csr.scause;
	f->stval = h->csr.stval;
	f->htval = h->csr.htval;
	f->htinst = h->csr.htinst;
	f->sscratch = h->csr.sscratch;
}

static void keep_hs(struct hart_found *f, const struct exits_hart *h)
{
	if (f->state == FOUND_HS || f->state == FOUND_PARKED)
		return;
	memcpy(f->x, h->x, sizeof(f->x));
	f->pc = h->in_entry ? h->pc : entry_base(fixture_life) + KIB(64);
	keep_trap_registers(f, h);
	f->state = FOUND_HS;
}

static void keep_parked(struct hart_found *f, const struct exits_hart *h)
{
	memcpy(f->x, h->x, sizeof(f->x));
	keep_trap_registers(f, h);
	f->pc = h->pc;
	f->sepc = h->pc;
	f->scause = WARDEN_EXIT_NONE;
	f->state = FOUND_PARKED;
}

void exits_stop(unsigned hart)
{
	struct warden_record *w = estate.warden;

	for (unsigned n = 0; n < host->harts; n++) {
		struct exits_hart *h = &exits_harts[n];
		struct hart_found *f = &estate.harts[n].found;

		if (h->where == EXITS_WFI)
			h->where = EXITS_HS;
		if (h->where == EXITS_HS)
			keep_hs(f, h);
		else if (h->where == EXITS_GUEST)
			f->state = FOUND_GUEST;
		h->csr.sip = 0;
	}
	w->cause = LIFE_PANIC;
	w->hart = hart;
	w->dead_slot = (fixture_life - 1) % LAYOUT_SLOTS;
	w->crashes++;
	w->t_fault = w->t_stopped = w->t_heir = host->now;
	w->text_size = strnlen(host->text, sizeof(w->text));
	memcpy(w->text, host->text, w->text_size);
	w->valid = 1;
	collected = 0;
}

/* The hart enters at the secondary entry of the heir, as warden/stop.c sends it. */
static void bring(unsigned n)
{
	struct exits_hart *h = &exits_harts[n];

	if (h->where == EXITS_GUEST)
		keep_parked(&estate.harts[n].found, h);
	for (unsigned i = 1; i < 32; i++)
		h->x[i] = 0xbad1bad1bad1bad1ull;
	h->in_entry = false;
	run_on(n, hart_secondary);
}

static unsigned hart_of_id(u64 id)
{
	for (unsigned n = 0; n < hart_count; n++) {
		if (harts[n].id == id)
			return n;
	}
	host_fail("the firmware is asked for a hart that does not exist");
}

static void send_ipis(u64 mask, u64 base)
{
	for (; mask; mask &= mask - 1) {
		exits_harts[hart_of_id(base + (u64)__builtin_ctzll(mask))].csr.sip |= IRQ_SSI;
		exits_firmware.ipis++;
	}
}

/* HSM's stop, which a hart calls for itself, and its status. */
static struct sbi_result hart_state_management(u64 function, u64 id)
{
	unsigned n;

	if (function == 1) {
		n = arch_hart();
		if (exits_firmware.stuck >> n & 1)
			return (struct sbi_result){ SBI_ERR_FAILED, 0 };
		exits_harts[n].where = EXITS_OFF;
		longjmp(out_of[n], 1);
	}
	n = hart_of_id(id);
	return (struct sbi_result){ SBI_SUCCESS, exits_harts[n].where == EXITS_OFF };
}

/* The machine goes to whom `native` describes, if no other hart has anything to do with it. */
static struct sbi_result give_away(const struct warden_native *native, bool only_check)
{
	unsigned self = arch_hart();

	for (unsigned n = 0; n < hart_count; n++) {
		if (n != self && exits_harts[n].where != EXITS_OFF)
			return (struct sbi_result){ -10, 0 };
	}
	if (exits_firmware.refuses || only_check)
		return (struct sbi_result){ exits_firmware.refuses, 0 };
	exits_firmware.gone = true;
	exits_firmware.native = *native;
	exits_harts[self].where = EXITS_OFF;
	longjmp(out_of[self], 1);
}

struct sbi_result sbi_call(u64 extension, u64 function, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4)
{
	struct exits_firmware *fw = &exits_firmware;

	if (extension == SBI_EXT_IPI) {
		send_ipis(a0, a1);
	} else if (extension == SBI_EXT_RFENCE) {
		fw->fences++;
		fw->fence_function = function;
		fw->fence_mask = a0;
		fw->fence_base = a1;
		fw->fence_from = a2;
		fw->fence_bytes = a3;
		fw->fence_asid = a4;
	} else if (extension == WARDEN_EXT && function == WARDEN_COLLECT) {
		if (fw->late)
			collected |= 1ull << hart_of_id(a0);
		else
			bring(hart_of_id(a0));
	} else if (extension == WARDEN_EXT && function == WARDEN_DEVIRTUALISE) {
		return give_away((const struct warden_native *)(uintptr_t)a0, a1);
	} else if (extension == SBI_EXT_HSM && (function == 1 || function == 2)) {
		return hart_state_management(function, a0);
	} else {
		host_fail("a call of the firmware that the fake one does not have");
	}
	return (struct sbi_result){ 0 };
}

/* ---- Lives ---- */

static void set_up_harts(void)
{
	hart_count = estate.machine.hart_count;
	for (unsigned n = 0; n < hart_count; n++) {
		harts[n].index = n;
		harts[n].id = estate.machine.hart_ids[n];
		harts[n].record = &estate.harts[harts[n].id];
	}
}

/* boot_on_own_stack of arch/riscv64/boot.c, step by step, but for what only a real machine has. */
static u64 begin_life(unsigned boot, bool heir)
{
	unsigned labels[4];
	u64 window[4], arrived;

	host_be_hart(boot);
	host->on_kick = hart_kick;
	host->on_kick_vcpu = hart_kick_vcpu;
	exits_harts[boot].where = EXITS_HS;
	in_hypervisor = 1ull << boot;
	entry_labels(labels);
	for (unsigned n = 0; n < 4; n++)
		window[n] = entry_base(fixture_life) + 4ull * labels[n];
	set_up_harts();
	log_open(estate.log);
	life_begin(heir, host_slot(fixture_life), boot, arch_time(), window);
	if (heir) {
		crash_write(&fixture_stacks);
		adopt_redo();
	}
	arrived = found_collect(&harts[boot]);
	hart_init(&harts[boot]);
	sched_init(estate.machine.timebase);
	control_init();
	return arrived;
}

void exits_start(u64 ram, unsigned count)
{
	struct machine_record m;

	fixture_machine(&m, ram, count);
	/* A test starts thousands of machines. */
	(void)madvise((void *)(uintptr_t)host->ram, host->ram_size, MADV_HUGEPAGE);
	m.has_warden = 1;
	m.isa = MACHINE_ISA_SSTC | MACHINE_ISA_V;
	memset(exits_harts, 0, sizeof(exits_harts));
	memset(&exits_firmware, 0, sizeof(exits_firmware));
	if (estate_create(host->ram + LAYOUT_ESTATE_OFFSET, &m))
		host_fail("no estate");
	begin_life(0, false);
	hart_start_others();
	run_on(0, go_round_loop);
}

void exits_heir(unsigned boot)
{
	u64 base = host->ram + LAYOUT_ESTATE_OFFSET;
	u64 arrived;

	host_next_life();
	fixture_life++;
	waits = 0;
	fixture_pages();
	if (estate_adopt(base))
		host_fail("the heir refuses the estate");
	exits_harts[boot].in_entry = false;
	arrived = begin_life(boot, true);
	adopt_vms();
	takeover_adopt();
	adopt_resume();
	adopt_vcpu_arrived(arrived);
	hart_start_others();
	run_on(boot, go_round_loop);
	host_be_hart(0);
	for (unsigned n = 0; n < hart_count; n++) {
		if (collected >> n & 1)
			bring(n);
	}
	collected = 0;
	exits_settle();
}
