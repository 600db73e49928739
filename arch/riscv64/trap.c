/* Exits of guests, and traps of the hypervisor itself. */
#include "arch/riscv64/csr.h"
#include "arch/riscv64/decode.h"
#include "arch/riscv64/firmware.h"
#include "arch/riscv64/guest.h"
#include "arch/riscv64/slot.h"
#include "arch/riscv64/vcpu_load.h"
#include "core/devices/mmio.h"
#include "core/dump/snapshot.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/memory/backing.h"
#include "core/root/root.h"
#include "core/survive/life.h"
#include "core/survive/scrub.h"

#define INSTRUCTION_WFI 0x10500073u

void guest_give_up(struct hart *hart, struct vcpu *v, enum vcpu_park_reason reason, const char *text)
{
	/* Of the tables it is certain by now. */
	if (reason != PARK_TABLES)
		scrub_doubt(v->vm);
	log_line("%s: vCPU %lu stops: %s (pc 0x%lx)", v->vm->config.name, v->id, text, v->r->pc);
	estate_store(&v->r->park_reason, reason);
	estate_store(&v->r->state, VCPU_PARKED);
	vm_request_end(v->vm, vm_reason_of_park(reason));
	hart->kicked = KICK_LOOP;
}

void guest_inject(struct hart *hart, struct vcpu *v, u64 cause, u64 value)
{
	struct vcpu_record *r = v->r;
	struct txn *t = arch_txn();
	u64 status;

	scrub_doubt(v->vm);
	/* The registers to change live in the hart, where no transaction reaches: so they go to the record and back. */
	vcpu_unload(hart);
	status = r->vsstatus & ~(SSTATUS_SPP | SSTATUS_SPIE | SSTATUS_SIE);
	status |= r->sstatus & SSTATUS_SPP;
	if (r->vsstatus & SSTATUS_SIE)
		status |= SSTATUS_SPIE;
	txn_set(t, &r->vsstatus, status);
	txn_set(t, &r->vsepc, r->pc);
	txn_set(t, &r->vscause, cause);
	txn_set(t, &r->vstval, value);
	txn_set(t, &r->sstatus, r->sstatus | SSTATUS_SPP);
	txn_set(t, &r->hstatus, r->hstatus | HSTATUS_SPVP);
	txn_set(t, &r->pc, r->vstvec & ~3ull);
	txn_commit(t);
	vcpu_load(hart, v);
}

/* What the guest's hart would have got without RAM or a device at that address. */
static u64 access_fault_of(u64 cause)
{
	return cause == CAUSE_FETCH_GUEST_PAGE	? CAUSE_FETCH_ACCESS
	       : cause == CAUSE_LOAD_GUEST_PAGE ? CAUSE_LOAD_ACCESS
						: CAUSE_STORE_ACCESS;
}

/* Stages what the instruction does beside the access: its destination register and the pc. */
static void finish_access(struct vcpu *v, struct txn *t, u64 value, void *cookie)
{
	const struct mmio_instruction *m = cookie;

	if (!m->write && m->reg != 0) {
		if (m->sign && m->bytes < 8) {
			unsigned shift = 64 - 8 * m->bytes;

			value = (u64)((s64)(value << shift) >> shift);
		}
		txn_set(t, &v->r->x[m->reg], value);
	}
	txn_set(t, &v->r->pc, v->r->pc + m->length);
}

/* Exits in a row with an instruction that cannot be fetched. */
#define FETCH_FAILURES_MAX 4

/* Counts one; true if there have been enough. */
static bool cannot_fetch(struct vcpu *v)
{
	bool in_a_row = v->r->exits == v->fetch_failed_exit + 1;

	v->fetch_failed_exit = v->r->exits;
	v->fetch_failures = in_a_row ? v->fetch_failures + 1 : 1;
	return v->fetch_failures >= FETCH_FAILURES_MAX;
}

/* False: the guest did wrong. */
static inline __attribute__((always_inline, no_stack_protector)) bool
emulate_access(struct hart *hart, struct vcpu *v, gpa_t at, u64 cause)
{
	struct mmio_instruction m;
	struct txn t;
	u32 instruction;
	u64 value = 0;
	int error;

	/*
	 * If it cannot be fetched, another of the guest's harts changed the tables meanwhile, and this one tries again; or its
	 * code lies where there is no RAM, and this one would try for ever.
	 */
	if (fetch_instruction(v->r->pc, &instruction)) {
		if (cannot_fetch(v))
			guest_inject(hart, v, CAUSE_FETCH_ACCESS, v->r->pc);
		return true;
	}
	if (decode_mmio(instruction, &m) || m.write != (cause == CAUSE_STORE_GUEST_PAGE)) {
		error = -EFAULT;
	} else {
		if (m.write && m.reg)
			value = v->r->x[m.reg];
		txn_begin(&t, &hart->record->redo);
		error = mmio_access(v, &t, at, m.bytes, m.write, &value, finish_access, &m);
	}
	/* The device waits for the host's: the loop lets that get on, and the guest executes the instruction again. */
	if (error == -EAGAIN)
		hart->kicked = KICK_LOOP;
	return !error || error == -EAGAIN;
}

/* The guest's own tables lie outside its RAM: an access fault of what walked them, not an access to a device. */
static inline bool is_table_walk(u64 htinst)
{
	return htinst && (htinst == HTINST_WALK_READ || htinst == HTINST_WALK_WRITE);
}

/* Gives the root VM the page of a device that is passed through to it. False: there is none at `at`. */
static bool map_passed(struct hart *hart, struct vcpu *v, gpa_t at)
{
	int error = root_map(v->vm, at);

	if (error == -ENOMEM)
		guest_give_up(hart, v, PARK_MEMORY, "no page for its tables");
	return error != -EFAULT;
}

/*
 * The tables of a VM are ours, and volatile: what is wrong with them ends with this life, not with the VM. Unless the life
 * before ended of the same, when it must be something else.
 */
static void tables_contradict(struct hart *hart, struct vcpu *v, u64 at)
{
	const struct life_record *before = life_before();

	if (!before ||
	    strncmp(before->text, SCRUB_TABLES_CONTRADICT, sizeof(SCRUB_TABLES_CONTRADICT) - 1) != 0)
		scrub_tables_contradict(v->vm, at);
	guest_give_up(hart, v, PARK_TABLES, SCRUB_TABLES_CONTRADICT);
}

/*
 * False: the guest did wrong. No canary here, and in what calls it: they have no array, and are on the way of each access
 * to a device.
 */
static inline __attribute__((always_inline, no_stack_protector)) bool page_fault(struct hart *hart,
										 struct vcpu *v, u64 cause)
{
	gpa_t at = GPA(csr_read(htval) << 2 | (csr_read(stval) & 3));

	if (backing_has(&v->vm->config, at.a)) {
		/* A walk of the guest's own tables that was to set their bits is told as what it was for. */
		bool write = cause == CAUSE_STORE_GUEST_PAGE || csr_read(htinst) == HTINST_WALK_WRITE;

		switch (guest_ram_fault(v->vm, at, write)) {
		case 0:
			break;
		case -EAGAIN:
			snapshot_stall(v);
			hart->kicked = KICK_LOOP;
			break;
		case -ENOMEM:
			guest_give_up(hart, v, PARK_MEMORY, "no page for its tables");
			break;
		default:
			tables_contradict(hart, v, at.a);
			break;
		}
		return true;
	}
	if (cause == CAUSE_FETCH_GUEST_PAGE || is_table_walk(csr_read(htinst)))
		return false;
	return (vm_is_root(v->vm) && map_passed(hart, v, at)) || emulate_access(hart, v, at, cause);
}

/* Before it is told that it did wrong: was it us? Once more, from what the hart says. */
static __attribute__((noinline, cold, no_stack_protector)) void doubt_page_fault(struct hart *hart,
										 struct vcpu *v)
{
	u64 cause = csr_read(scause);

	hart_check_rules(hart);
	if (!page_fault(hart, v, cause))
		guest_inject(hart, v, access_fault_of(cause), csr_read(stval));
}

__attribute__((no_stack_protector)) void guest_page_fault(struct hart *hart, struct vcpu *v, u64 cause)
{
	/* On other tables than its own the guest would fault for ever. */
	if (csr_read(hgatp) != hart->hgatp)
		panic("hart %u: hgatp has changed to 0x%lx", hart->index, csr_read(hgatp));
	if (!page_fault(hart, v, cause))
		doubt_page_fault(hart, v);
}

/* An instruction that VS-mode may not execute: wfi while others wait for the hart, or an unknown CSR. */
static void virtual_instruction(struct hart *hart, struct vcpu *v)
{
	u32 instruction = (u32)csr_read(stval);
	struct txn *t = arch_txn();

	if (!instruction && fetch_instruction(v->r->pc, &instruction))
		return;
	if (instruction != INSTRUCTION_WFI || !(v->r->sstatus & SSTATUS_SPP)) {
		hart_check_rules(hart);
		guest_inject(hart, v, CAUSE_ILLEGAL, instruction);
		return;
	}
	txn_set(t, &v->r->pc, v->r->pc + 4);
	/* Anything that is pending and enabled ends a wfi, whether or not interrupts are on. */
	if (!(csr_read(vsip) & csr_read(vsie))) {
		txn_set(t, &v->r->suspend_resume_pc, 0);
		txn_set(t, &v->r->state, VCPU_WAITING);
	}
	txn_commit(t);
	hart->kicked = KICK_LOOP;
}

static void illegal_instruction(struct hart *hart, struct vcpu *v)
{
	/* Off for us, on for the guest: it has not been given its registers yet. */
	if (!(v->r->sstatus & SSTATUS_FS) && (csr_read(vsstatus) & (SSTATUS_FS | SSTATUS_VS)))
		lazy_load(hart, v);
	else
		guest_inject(hart, v, CAUSE_ILLEGAL, csr_read(stval));
}

/*
 * No translation of ours leads where there is no memory. So it is something of the guest's that this machine cannot do, and it
 * is told; or a translation has been damaged.
 */
static void access_fault(struct hart *hart, struct vcpu *v, u64 cause)
{
	u64 at = csr_read(stval);

	if (scrub_translations(v->vm))
		guest_inject(hart, v, cause, at);
	else
		tables_contradict(hart, v, at);
}

static __attribute__((noinline)) void other_exit(struct hart *hart, struct vcpu *v, u64 scause)
{
	switch (scause) {
	case CAUSE_FETCH_GUEST_PAGE:
		guest_page_fault(hart, v, scause);
		break;
	case CAUSE_VIRTUAL_INSTRUCTION:
		virtual_instruction(hart, v);
		break;
	case CAUSE_ILLEGAL:
		illegal_instruction(hart, v);
		break;
	case CAUSE_FETCH_ACCESS:
	case CAUSE_LOAD_ACCESS:
	case CAUSE_STORE_ACCESS:
		access_fault(hart, v, scause);
		break;
	default:
		hart_check_rules(hart);
		log_line("%s: vCPU %lu: exit with cause %lu, value 0x%lx", v->vm->config.name, v->id, scause,
			 csr_read(stval));
		guest_give_up(hart, v, PARK_UNHANDLED, "an exit that nothing handles");
		break;
	}
}

void exit_handle(struct vcpu *v, u64 scause)
{
	struct hart *hart = this_hart();

	hart_units_off();
	hart->where = HART_IN_HS;
	estate_store(&hart->record->beat, hart->record->beat + 1);
	estate_store(&v->r->exits, v->r->exits + 1);
	if (scause == CAUSE_ECALL_VS)
		guest_sbi(hart, v);
	else if (scause == CAUSE_LOAD_GUEST_PAGE || scause == CAUSE_STORE_GUEST_PAGE)
		guest_page_fault(hart, v, scause);
	else if (scause == (SCAUSE_INTERRUPT | IRQ_NUMBER_SSI))
		/* Another hart's kick; what it wants is in hart->kicked. */
		csr_clear(sip, IRQ_SSI);
	else if (scause & SCAUSE_INTERRUPT)
		hart_loop();
	else
		other_exit(hart, v, scause);
	hart_resume_guest(hart);
}

void hypervisor_trap(u64 scause, u64 sepc, u64 stval, const u64 *x)
{
	struct hart *hart = this_hart();
	u64 base = slot_base();
	bool stack = stval - (hart->stack - SLOT_STACK_STRIDE + SLOT_EMERGENCY) < SLOT_STACK_GUARD;
	char text[200];

	if (hart->fixup && !(scause & SCAUSE_INTERRUPT)) {
		csr_write(sepc, hart->fixup);
		hart->fixup = 0;
		return;
	}
	if (hart->in_trap)
		warden_call(WARDEN_CRASH, LIFE_TRAP_LOOP, 0, 0, 0);
	hart->in_trap = 1;
	life_ends_at(sepc, stval);
	format(text, sizeof(text), "hart %u: trap %lu at +0x%lx, value 0x%lx, ra +0x%lx, sp 0x%lx",
	       hart->index, scause, sepc - base, stval, x[1] - base, x[2]);
	log_last_words();
	log_line("%s%s", stack ? "stack overflow: " : "", text);
	arch_life_end(stack ? LIFE_STACK : LIFE_TRAP, text);
}
