/*
 * A hart of this life. tp points to it whenever the hypervisor runs.
 */
#ifndef ARCH_HART_H
#define ARCH_HART_H

#include "abi/estate.h"
#include "arch/riscv64/csr.h"
#include "core/estate/txn.h"
#include "core/vcpu/vcpu.h"

enum hart_where {
	HART_IN_HS = 0,
	HART_IN_GUEST = 1,
	HART_IN_WFI = 2,
	HART_AT_REST = 3, /* until harts_go_on */
};

/* Bits of kicked: what the hart is to do before it enters a guest again. The first includes the second. */
#define KICK_LOOP    1u /* go round its loop */
#define KICK_DELIVER 2u /* look at what is pending for its vCPU */

struct hart {
	/* Used by the assembler (offsets.c); `index` is first for arch_hart(). */
	u32 index;
	u32 reserved;
	u64 stack;	     /* top of the hart's stack: every exit begins there */
	u64 emergency_stack; /* for traps out of the hypervisor itself */
	struct vcpu *current;
	u64 trap_vector; /* stvec while the hypervisor runs: hs_trap */
	u64 canary; /* what functions with arrays keep beside their return addresses (mk/hypervisor.mk) */
	u64 fixup; /* where to go on if the instruction that reads guest memory faults; 0: such a fault ends the life */
	u64 trap_t6; /* scratch of hs_trap */
	u64 in_trap; /* a trap from HS-mode is being handled */
	/* Shared with other harts: who wants this hart's attention sets kicked (KICK_...), then looks at where. */
	volatile u32 kicked;
	volatile u32 where; /* enum hart_where */
	u32 leave;	    /* it is wanted back in the firmware: see native.h */
	/* Private to the hart. */
	u64 id; /* the hart id that firmware and device tree use */
	struct hart_record *record;
	struct txn txn;
	u64 hgatp;     /* what is in the CSR */
	u64 henvcfg;   /* as hart_init set it */
	bool vmids;    /* the TLB can tell all our VMs apart */
	u64 last_vcpu; /* whose VS-stage translations may be in the TLB: record index, or NO_VCPU */
	u64 timer;     /* what is in stimecmp */
	bool online;
};

_Static_assert(offsetof(struct hart, canary) == 40, "mk/hypervisor.mk has this number");

extern struct hart harts[MAX_HARTS];
extern unsigned hart_count;

static inline struct hart *this_hart(void)
{
	struct hart *hart;

	__asm__("mv %0, tp" : "=r"(hart));
	return hart;
}

/* Exceptions that are the guests' own; illegal instructions are beside them as long as the unit is on (vcpu_load.c). */
#define HART_HEDELEG                                                                                 \
	(1ull << CAUSE_FETCH_MISALIGNED | 1ull << CAUSE_BREAKPOINT | 1ull << CAUSE_LOAD_MISALIGNED | \
	 1ull << CAUSE_STORE_MISALIGNED | 1ull << CAUSE_ECALL_U | 1ull << CAUSE_FETCH_PAGE |         \
	 1ull << CAUSE_LOAD_PAGE | 1ull << CAUSE_STORE_PAGE)

/* Interrupts that are: of the hypervisor's own to the guest. */
#define HART_HIDELEG (IRQ_VSSI | IRQ_VSTI | IRQ_VSEI)

/* Sets up the calling hart: CSRs, page table, trap vector, canary. Interrupts stay off. Its callers do not return. */
void hart_init(struct hart *hart);

/*
 * Ends the life if a CSR that decides what guests may do is not what it was set to. To be called each time round the loop,
 * and before a guest is told that it did wrong, or is stopped for it: the fault may have been the hypervisor's.
 */
void hart_check_rules(const struct hart *hart);

/*
 * Registers of floating point and vectors stay the guest's while the hypervisor runs. Off, an instruction that touches them, as
 * which one flipped bit makes of many a load, is the end of this life and not of the guest's value. The record has the guest's
 * state of the units.
 */
static inline void hart_units_off(void)
{
	csr_clear(sstatus, SSTATUS_FS | SSTATUS_VS);
}

/* Brings the other harts of the machine to hart_secondary. */
void hart_start_others(void);

/* The loop of a hart outside of guests. Any exit that has more to do than to return ends here. */
_Noreturn void hart_loop(void);

/*
 * The other harts end what they are doing and wait at the head of their loops, outside of every exit and operation. Those
 * in guests stay there, and come to rest when they exit. Who takes too long is not waited for: whatever ends the life now
 * is as for a crash.
 */
void harts_rest(void);
void harts_go_on(void);

/* Enters the guest of hart->current; does not return (entry.S). */
_Noreturn void guest_enter(struct vcpu_record *record);

/*
 * Goes back into the guest if nothing else wants the hart, else to the hart loop. The end of every exit handler.
 */
_Noreturn void hart_resume_guest(struct hart *hart);

/* Called by entry.S with everything of the guest in its record. */
_Noreturn void exit_handle(struct vcpu *v, u64 scause);

/* Called by entry.S for a trap out of HS-mode itself; returns to hart->fixup or not at all. */
void hypervisor_trap(u64 scause, u64 sepc, u64 stval, const u64 *x);

/* Where other harts enter: secondary entry of start.S ends here. */
_Noreturn void hart_secondary(struct hart *hart);

#endif
