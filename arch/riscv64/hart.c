/* Harts of this life: set-up, the loop outside of guests, kicks. */
#include "arch/riscv64/hart.h"
#include "arch/riscv64/csr.h"
#include "arch/riscv64/firmware.h"
#include "arch/riscv64/found.h"
#include "arch/riscv64/native.h"
#include "arch/riscv64/paging.h"
#include "arch/riscv64/private.h"
#include "arch/riscv64/vcpu_load.h"
#include "core/arch.h"
#include "core/control/control.h"
#include "core/devices/backend.h"
#include "core/devices/virtio.h"
#include "core/dump/host_dump.h"
#include "core/estate/estate.h"
#include "core/gstage/gstage.h"
#include "core/lib/check.h"
#include "core/lib/log.h"
#include "core/lib/sealed.h"
#include "core/recorder/recorder.h"
#include "core/root/takeover.h"
#include "core/survive/adopt.h"
#include "core/survive/life.h"
#include "core/survive/scrub.h"
#include "core/vcpu/sched.h"
#include "core/vm/vm.h"
#include "drivers/plic.h"

struct hart harts[MAX_HARTS];
SEALED unsigned hart_count;

void hs_trap(void);
void secondary_entry(void);

u64 arch_time(void)
{
	return csr_read(time);
}

struct txn *arch_txn(void)
{
	struct hart *hart = this_hart();

	txn_begin(&hart->txn, &hart->record->redo);
	return &hart->txn;
}

void arch_beat(void)
{
	struct hart_record *r = this_hart()->record;

	if (r)
		estate_store(&r->beat, r->beat + 1);
}

#define DOZE_US 5

void arch_doze(void)
{
	u64 timer = csr_read(stimecmp);
	u64 end = arch_time() + estate.machine.timebase * DOZE_US / 1000000;

	csr_write(stimecmp, end < timer ? end : timer);
	wfi();
	csr_write(stimecmp, timer);
}

static void kick(unsigned n, u32 what)
{
	struct hart *hart = &harts[n];

	__atomic_fetch_or(&hart->kicked, what, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&hart->where, __ATOMIC_SEQ_CST) != HART_IN_HS)
		sbi_call(SBI_EXT_IPI, 0, 1, hart->id, 0, 0, 0);
}

void arch_kick(unsigned n)
{
	kick(n, KICK_LOOP);
}

void arch_kick_vcpu(unsigned n)
{
	kick(n, KICK_DELIVER);
}

void arch_gstage_fence(unsigned vmid, u64 set, gpa_t from, u64 bytes)
{
	struct hart *hart = this_hart();
	u64 self = 1ull << hart->index;

	if (set & self) {
		if (bytes == 0 || bytes > 16 * PAGE_SIZE) {
			hfence_gvma_all();
		} else {
			for (u64 at = ALIGN_DOWN(from.a, PAGE_SIZE); at < from.a + bytes; at += PAGE_SIZE)
				hfence_gvma(at >> 2, vmid);
		}
		/* Combined entries of both stages are dropped by VS-stage fences only where the MMU splits them. */
		hfence_vvma_all();
	}
	set &= ~self;
	if (set)
		firmware_hfence_gvma_vmid(set, bytes ? from.a : 0, bytes ? bytes : ~0ull, vmid);
}

#define HOST_INTERRUPTS (IRQ_SSI | IRQ_STI | IRQ_SEI)
#define GUEST_COUNTERS	7 /* cycle, time, instret */

/* Named by the compiler: a function's frame has been overwritten. */
_Noreturn void __stack_chk_fail(void); /* NOLINT(bugprone-reserved-identifier) */

void __stack_chk_fail(void) /* NOLINT(bugprone-reserved-identifier) */
{
	panic("a stack frame is damaged: the canary is dead");
}

/*
 * Another number in each life and hart, that no frame of a life before has. The low byte is 0, where a string that is too
 * long ends.
 */
static u64 make_canary(const struct hart *hart)
{
	return (arch_time() * 0x9e3779b97f4a7c15ull ^ (u64)hart->index << 56) & ~0xffull;
}

/* Where the trap entry of this life is: for an heir that finds the hart in it. */
static void name_the_entry(struct hart_record *r)
{
	const struct life_record *life = estate_life(life_number());
	u64 begin = life->entry_begin;

	estate_store(&r->life, life_number());
	estate_store(&r->entry_begin, begin);
	estate_store(&r->entry_ends, (life->entry_swapped - begin) | (life->entry_moved - begin) << 16 |
					     (life->entry_saved - begin) << 32 | HART_ENTRY << 48);
}

/* Without a canary of its own, which would change under it. */
__attribute__((no_stack_protector)) void hart_init(struct hart *hart)
{
	paging_load();
	hart->canary = make_canary(hart);
	hart->trap_vector = (u64)(uintptr_t)hs_trap;
	csr_write(stvec, hart->trap_vector);
	csr_clear(sstatus, SSTATUS_SIE | SSTATUS_SUM);
	csr_write(hideleg, HART_HIDELEG);
	csr_write(hedeleg, HART_HEDELEG);
	csr_write(hie, 0);
	csr_write(hvip, 0);
	csr_write(hgeie, 0);
	csr_write(hcounteren, GUEST_COUNTERS);
	csr_write(henvcfg, HENVCFG_STCE | HENVCFG_CBCFE |
				   (estate.machine.isa & MACHINE_ISA_ZICBOZ ? HENVCFG_CBZE : 0));
	hart->henvcfg = csr_read(henvcfg);
	csr_write(hstatus, HSTATUS_VSXL_64);
	/* VMIDLEN may be anything from 0 on: see which bits stay (privileged specification, section 8.2.10). */
	csr_write(hgatp, HGATP_VMID);
	hart->vmids = (csr_read(hgatp) & HGATP_VMID) >> HGATP_VMID_SHIFT >= MAX_VMS;
	csr_write(hgatp, 0);
	hfence_gvma_all();
	hfence_vvma_all();
	csr_write(stimecmp, ~0ull);
	csr_write(sie, HOST_INTERRUPTS);
	hart->timer = ~0ull;
	hart->hgatp = 0;
	hart->last_vcpu = NO_VCPU;
	hart->where = HART_IN_HS;
	name_the_entry(hart->record);
	hart->online = true;
	sched_hart_online(hart->index);
}

void hart_check_rules(const struct hart *hart)
{
	u64 hedeleg = csr_read(hedeleg) & ~(1ull << CAUSE_ILLEGAL), hideleg = csr_read(hideleg);
	u64 henvcfg = csr_read(henvcfg), hcounteren = csr_read(hcounteren);
	u64 hgatp = csr_read(hgatp), sie = csr_read(sie), stimecmp = csr_read(stimecmp);

	if (hedeleg != HART_HEDELEG || hideleg != HART_HIDELEG || henvcfg != hart->henvcfg ||
	    hcounteren != GUEST_COUNTERS)
		panic("hart %u: CSRs for guests have changed: hedeleg 0x%lx, hideleg 0x%lx, henvcfg 0x%lx, hcounteren 0x%lx",
		      hart->index, hedeleg, hideleg, henvcfg, hcounteren);
	if (hgatp != hart->hgatp || sie != HOST_INTERRUPTS || stimecmp != hart->timer)
		panic("hart %u: CSRs have changed: hgatp 0x%lx, sie 0x%lx, stimecmp 0x%lx", hart->index,
		      hgatp, sie, stimecmp);
}

void hart_secondary(struct hart *hart)
{
	u64 index;

	paging_load();
	index = found_collect(hart);
	hart_init(hart);
	adopt_vcpu_arrived(index);
	hart_loop();
}

void hart_start_others(void)
{
	for (unsigned n = 0; n < hart_count; n++) {
		struct hart *hart = &harts[n];
		struct sbi_result r;

		if (hart->online)
			continue;
		if (estate.machine.has_warden)
			r = warden_call(WARDEN_COLLECT, hart->id, (u64)(uintptr_t)hart, 0, 0);
		else
			r = sbi_call(SBI_EXT_HSM, 0, hart->id, (u64)(uintptr_t)secondary_entry,
				     (u64)(uintptr_t)hart, 0, 0);
		if (r.error)
			log_line("hart %lu does not start: SBI error %ld", hart->id, r.error);
	}
}

/*
 * An interrupt that is pending already goes away by a write only. QEMU may raise one late, for a deadline that has been
 * replaced meanwhile by the one that is wanted now: without the write it would stay, and no guest would run any more.
 */
static void set_timer(struct hart *hart, u64 when)
{
	if (hart->timer == when && !(csr_read(sip) & IRQ_STI))
		return;
	hart->timer = when;
	csr_write(stimecmp, when);
}

/* Waits for an interrupt, if nobody has kicked this hart meanwhile. */
static void wait_for_work(struct hart *hart, u64 next)
{
	set_timer(hart, next);
	__atomic_store_n(&hart->where, HART_IN_WFI, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&hart->kicked, __ATOMIC_SEQ_CST)) {
		estate_store(&hart->record->idle, 1);
		wfi();
		estate_store(&hart->record->idle, 0);
	}
	__atomic_store_n(&hart->where, HART_IN_HS, __ATOMIC_SEQ_CST);
}

/* Puts what is pending for the vCPU into the hart's virtual interrupt lines. */
static void deliver(struct vcpu *v)
{
	struct vcpu_record *r = v->r;

	/* Who sends something stores the word first and then looks where the vCPU is; we took it first and look now. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (estate_load(&r->fence)) {
		estate_store(&r->fence, 0);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		hfence_vvma_all();
		fence_i();
	}
	if (estate_load(&r->ipi)) {
		/* First the line, then the word: a life that ends in between delivers twice, which a guest can bear. */
		csr_set(hvip, IRQ_VSSI);
		estate_store(&r->ipi, 0);
		/* The guest must see what was stored before an IPI that this store covers. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
	if (estate_load(&r->irq))
		csr_set(hvip, IRQ_VSEI);
	else
		csr_clear(hvip, IRQ_VSEI);
}

bool arch_vcpu_loaded(void)
{
	return this_hart()->current;
}

void arch_vcpu_drop(void)
{
	struct hart *hart = this_hart();
	struct vcpu *v = hart->current;

	if (!v)
		return;
	vcpu_unload(hart);
	sched_put(v, arch_vcpu_wake_time(v));
}

static void do_work(struct hart *hart)
{
	if (csr_read(sip) & IRQ_SEI)
		host_plic_handle(hart->index);
	drivers_poll();
	life_poll();
	recorder_poll();
	control_poll(arch_txn());
	for (unsigned n = 0; n < MAX_VMS; n++) {
		if (vms[n] && virtio_work(vms[n], arch_txn()))
			hart->kicked = KICK_LOOP;
	}
	vm_do_requests();
	takeover_poll();
}

/* Long enough for a round of the loop on an emulator. */
#define REST_MS 10

static u32 resting;

static __attribute__((noinline)) void rest(struct hart *hart)
{
	__atomic_store_n(&hart->where, HART_AT_REST, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&resting, __ATOMIC_ACQUIRE)) {
		arch_beat();
		arch_doze();
	}
	__atomic_store_n(&hart->where, HART_IN_HS, __ATOMIC_SEQ_CST);
}

static bool others_rest(const struct hart *self)
{
	for (unsigned n = 0; n < hart_count; n++) {
		if (&harts[n] != self && harts[n].online &&
		    __atomic_load_n(&harts[n].where, __ATOMIC_SEQ_CST) == HART_IN_HS)
			return false;
	}
	return true;
}

void harts_rest(void)
{
	struct hart *self = this_hart();
	u64 end = arch_time() + estate.machine.timebase / 1000 * REST_MS;

	__atomic_store_n(&resting, 1, __ATOMIC_SEQ_CST);
	/* Without an interrupt: a guest is left alone, and its next exit leads to the loop. */
	for (unsigned n = 0; n < hart_count; n++) {
		if (&harts[n] != self)
			__atomic_fetch_or(&harts[n].kicked, KICK_LOOP, __ATOMIC_SEQ_CST);
	}
	while (!others_rest(self) && arch_time() < end)
		arch_beat();
}

void harts_go_on(void)
{
	__atomic_store_n(&resting, 0, __ATOMIC_RELEASE);
}

static u64 sooner(u64 a, u64 b)
{
	return a < b ? a : b;
}

/* Does what the hart was kicked for, until nobody wants anything any more. False: its loop is wanted. */
static __attribute__((noinline)) bool answer_kicks(struct hart *hart)
{
	do {
		hart->where = HART_IN_HS;
		if (__atomic_exchange_n(&hart->kicked, 0, __ATOMIC_SEQ_CST) & KICK_LOOP)
			return false;
		deliver(hart->current);
		hart->where = HART_IN_GUEST;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	} while (hart->kicked);
	return true;
}

/* On the way into the guest: true if somebody has kicked the hart before it was seen there. */
static inline bool is_kicked(struct hart *hart)
{
	/* Whoever kicks this hart sets kicked before it looks at where: one of the two sees the other. */
	hart->where = HART_IN_GUEST;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __builtin_expect(hart->kicked != 0, 0);
}

/* Compared in a round, and each time that a hart has nothing to do. */
#define ROUND_PIECES 2
#define IDLE_PIECES  16

void hart_loop(void)
{
	struct hart *hart = this_hart();

	for (;;) {
		struct vcpu *v;
		bool contended;
		u64 next;

		__atomic_store_n(&hart->kicked, 0, __ATOMIC_SEQ_CST);
		csr_clear(sip, IRQ_SSI);
		arch_beat();
		gstage_quiescent(hart->index);
		if (__builtin_expect(hart->leave, 0))
			native_leave(hart);
		if (__builtin_expect(__atomic_load_n(&resting, __ATOMIC_RELAXED), 0))
			rest(hart);
		do_work(hart);
		v = hart->current;
		if (v && !sched_keep(hart->index, v)) {
			arch_vcpu_drop();
			v = NULL;
		}
		/* After the drop: the vCPU may have gone to sleep with a timer, and it is this hart that has to watch it. */
		next = sooner(sched_timers(arch_time()), takeover_due());
		if (!v) {
			v = sched_take(hart->index);
			if (v)
				vcpu_load(hart, v);
		}
		if (!v) {
			if (host_dump_work(true))
				continue;
			next = sooner(sooner(next, control_next()),
				      sooner(recorder_next(), host_dump_next()));
			scrub_some(hart->index, IDLE_PIECES, NULL);
			wait_for_work(hart, next);
			continue;
		}
		host_dump_work(false);
		contended = sched_contended(hart->index);
		if (contended)
			next = sooner(next, v->slice_end);
		/* A guest that only waits gives the hart away, if there is something else to do with it. */
		if (contended || host_dump_next() != ~0ull)
			estate_store(&v->r->hstatus, v->r->hstatus | HSTATUS_VTW);
		else
			estate_store(&v->r->hstatus, v->r->hstatus & ~HSTATUS_VTW);
		if (__builtin_expect(v->strike, 0))
			next = sooner(next, native_strike(hart, v));
		set_timer(hart, sooner(next, sooner(control_turn(), host_dump_next())));
		/* What keeps interrupts from a guest, and what it reads and writes elsewhere, shows in no exit. */
		hart_check_rules(hart);
		scrub_some(hart->index, ROUND_PIECES, v->vm);
		if (v->expected)
			life_vcpu_back(v);
		if (vcpu_is_private(v)) {
			private_vcpu_run(hart, v);
			continue;
		}
		deliver(v);
		/* Kicked: another round, on this stack. It has no room for a loop in a loop, of which there may be any number. */
		if (is_kicked(hart) && !answer_kicks(hart))
			continue;
		guest_enter(v->r);
	}
}

/* Apart, so that the usual way has no frame. */
static _Noreturn __attribute__((noinline)) void resume_kicked(struct hart *hart)
{
	if (answer_kicks(hart))
		guest_enter(hart->current->r);
	hart_loop();
}

void hart_resume_guest(struct hart *hart)
{
	if (is_kicked(hart))
		resume_kicked(hart);
	guest_enter(hart->current->r);
}
