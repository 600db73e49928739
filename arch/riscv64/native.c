/* The machine goes to the root VM; see native.h. */
#include "arch/riscv64/native.h"
#include "abi/warden.h"
#include "arch/riscv64/csr.h"
#include "arch/riscv64/firmware.h"
#include "arch/riscv64/vcpu_load.h"
#include "core/arch.h"
#include "core/estate/estate.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/recorder/recorder.h"
#include "core/vm/vm.h"
#include "drivers/drivers.h"

/* How long another hart may take for what it is at, and its way into the firmware. */
#define NATIVE_PATIENCE_MS 1000

/* SBI 2.0, section 9.3: hart states. */
#define HSM_STATE_STOPPED 1

static struct warden_native native;

/* ---- The other harts ---- */

/* What a kernel that starts this hart next does not expect; the firmware resets the rest. */
static void clear_hypervisor_state(void)
{
	csr_write(sie, 0);
	csr_write(stimecmp, ~0ull);
	csr_write(hgatp, 0);
	csr_write(hstatus, HSTATUS_VSXL_64);
	csr_write(hedeleg, 0);
	csr_write(hideleg, 0);
	csr_write(hvip, 0);
	csr_write(hie, 0);
	csr_write(hgeie, 0);
	csr_write(hcounteren, 0);
	csr_write(htimedelta, 0);
	csr_write(henvcfg, 0);
	csr_write(vsatp, 0);
	csr_write(vsstatus, 0);
	csr_write(vstimecmp, ~0ull);
	hfence_gvma_all();
}

void native_leave(struct hart *hart)
{
	if (!__atomic_exchange_n(&hart->leave, 0, __ATOMIC_SEQ_CST))
		return;
	arch_vcpu_drop();
	hart->online = false;
	clear_hypervisor_state();
	sbi_call(SBI_EXT_HSM, 1, 0, 0, 0, 0, 0);
	/* The firmware does not want it: the hart stays, and whoever waits for it gives up. */
	hart_init(hart);
}

static bool is_stopped(const struct hart *hart)
{
	struct sbi_result r = sbi_call(SBI_EXT_HSM, 2, hart->id, 0, 0, 0, 0);

	return !r.error && r.value == HSM_STATE_STOPPED;
}

static bool waited_for_stop(const struct hart *hart)
{
	u64 begin = arch_time();

	while (!is_stopped(hart)) {
		if (arch_time() - begin > estate.machine.timebase / 1000 * NATIVE_PATIENCE_MS)
			return false;
		arch_beat();
		arch_doze();
	}
	return true;
}

static bool stop_others(const struct hart *self)
{
	for (unsigned n = 0; n < hart_count; n++) {
		if (&harts[n] == self || !harts[n].online)
			continue;
		__atomic_store_n(&harts[n].leave, 1, __ATOMIC_SEQ_CST);
		arch_kick(n);
	}
	for (unsigned n = 0; n < hart_count; n++) {
		if (&harts[n] != self && !waited_for_stop(&harts[n])) {
			log_line("hart %lu does not leave", harts[n].id);
			return false;
		}
	}
	return true;
}

/* Who has not begun to leave stays; who has is waited for, and started again. */
static void bring_others_back(const struct hart *self)
{
	for (unsigned n = 0; n < hart_count; n++) {
		if (&harts[n] != self && !__atomic_exchange_n(&harts[n].leave, 0, __ATOMIC_SEQ_CST))
			waited_for_stop(&harts[n]);
	}
	hart_start_others();
}

/* ---- The vCPU becomes the hart ---- */

/* Its switched registers are in the hart, the others in its record. It goes on behind its ecall, with the value 0. */
static void describe(const struct vcpu *v)
{
	memcpy(native.x, v->r->x, sizeof(native.x));
	native.x[10] = 0;
	native.x[11] = 0;
	native.pc = v->r->pc + 4;
	native.sstatus = csr_read(vsstatus);
	native.sie = csr_read(vsie);
	native.sip = csr_read(vsip);
	native.stvec = csr_read(vstvec);
	native.sscratch = csr_read(vsscratch);
	native.sepc = csr_read(vsepc);
	native.scause = csr_read(vscause);
	native.stval = csr_read(vstval);
	native.satp = csr_read(vsatp);
	native.stimecmp = csr_read(vstimecmp);
}

static s64 ask_warden(bool only_check)
{
	return warden_call(WARDEN_DEVIRTUALISE, (u64)(uintptr_t)&native, only_check, 0, 0).error;
}

/* The units hold what the guest believes to be in them. */
static void load_units(struct hart *hart, struct vcpu *v)
{
	if (hart->record->lazy != v->index || v->lazy_hart != hart->index + 1)
		lazy_load(hart, v);
}

static int refuse(const struct vcpu *v, const char *why, s64 error)
{
	log_line("%s: cannot have the machine: %s (SBI error %ld)", v->vm->config.name, why, error);
	return -EIO;
}

int native_devirtualise(struct hart *hart, struct vcpu *v)
{
	s64 error;

	if (hart->id != v->id)
		return refuse(v, "its boot vCPU runs on another hart", 0);
	if (v->vm->s->guest_offset)
		return refuse(v, "its clock is not the machine's", 0);
	if (!estate.machine.has_warden)
		return refuse(v, "the firmware is not the warden", 0);
	if (!stop_others(hart)) {
		bring_others_back(hart);
		return refuse(v, "a hart does not leave", 0);
	}
	describe(v);
	error = ask_warden(true);
	if (error) {
		bring_others_back(hart);
		return refuse(v, "the warden refuses", error);
	}
	/* From here on there is no way back. */
	log_line("%s: has the machine; this life ends", v->vm->config.name);
	load_units(hart, v);
	recorder_finish();
	drivers_quiesce();
	error = ask_warden(false);
	log_line("the warden has changed its mind (SBI error %ld): the machine is reset", error);
	arch_machine_off(true);
}

/* ---- The exception ---- */

/* Linux has saved what matters after some 60 instructions. */
#define TRAP_ENTRY_SIZE 512
#define STRIKE_AGAIN_US 100
/* A kernel that does nothing but trap is struck all the same. */
#define STRIKE_TRIES 1000

static bool is_in_trap_entry(const struct vcpu_record *r)
{
	return (r->sstatus & SSTATUS_SPP) && r->pc - (csr_read(vstvec) & ~3ull) < TRAP_ENTRY_SIZE;
}

/*
 * A breakpoint, because a kernel looks it up in no table of addresses that may fault. It is the kernel's own even if user
 * mode ran: SPP says so, and trap entries tell where they came from by sscratch, which is the user's then.
 */
static void strike(struct hart *hart, struct vcpu *v)
{
	struct vcpu_record *r = v->r;
	struct vm_state *s = v->vm->s;
	struct txn *t = arch_txn();
	u64 status;

	vcpu_unload(hart);
	status = (r->vsstatus & ~(SSTATUS_SPIE | SSTATUS_SIE)) | SSTATUS_SPP;
	if (r->vsstatus & SSTATUS_SIE)
		status |= SSTATUS_SPIE;
	txn_set(t, &r->vsstatus, status);
	txn_set(t, &r->vsepc, r->pc);
	txn_set(t, &r->vscause, CAUSE_BREAKPOINT);
	txn_set(t, &r->vstval, 0);
	txn_set(t, &r->sstatus, r->sstatus | SSTATUS_SPP);
	txn_set(t, &r->hstatus, r->hstatus | HSTATUS_SPVP);
	txn_set(t, &r->pc, r->vstvec & ~3ull);
	txn_set(t, &s->root_steps, estate_load(&s->root_steps) | ROOT_STRUCK);
	txn_commit(t);
	vcpu_load(hart, v);
}

u64 native_strike(struct hart *hart, struct vcpu *v)
{
	if (is_in_trap_entry(v->r) && v->strike++ < STRIKE_TRIES)
		return arch_time() + estate.machine.timebase * STRIKE_AGAIN_US / 1000000;
	strike(hart, v);
	v->strike = 0;
	return ~0ull;
}
