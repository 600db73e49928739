/*
 * Calls to the warden (the M-mode monitor), and what it leaves in the estate for an heir.
 *
 * SBI extension in the firmware-specific range (SBI 2.0, chapter 4): a7 = WARDEN_EXT, a6 = function, result in
 * a0 (SBI error) and a1 (value). An heir finds the dead life's harts in the hart records of the estate
 * (abi/estate.h): the warden fills `found` there.
 */
#ifndef ABI_WARDEN_H
#define ABI_WARDEN_H

#include "abi/types.h"

#define WARDEN_EXT     0x0a4f4c56ul
#define WARDEN_VERSION 2 /* 2: live update */

/* The warden remembers the times of so many crashes; a limit beyond that would never be reached. */
#define WARDEN_CRASH_LIMIT_MAX 63

enum warden_call {
	/* () -> version of the warden. */
	WARDEN_INFO = 0,
	/*
	 * (secondary entry, crash limit, window in seconds, policy after that): this life reports for duty. The limit is
	 * at most WARDEN_CRASH_LIMIT_MAX. The entry is
	 * where WARDEN_COLLECT sends harts: HS-mode, a0 = hart id, a1 = opaque, satp = 0, interrupts off, VS CSRs and
	 * floating point and vector registers as the hart's last guest left them.
	 */
	WARDEN_READY = 1,
	/*
	 * (cause, address of a text in HS memory or 0, its length): ends this life. Does not return: the caller's hart is
	 * held or becomes the heir's first. SBI_ERR_INVALID_PARAM: no such cause, or LIFE_UPDATE.
	 */
	WARDEN_CRASH = 2,
	/*
	 * (hart id, opaque): sends a hart to the secondary entry, wherever it is: stopped since boot, held since the
	 * stop of the dead life, or still running a guest (which then counts as an exit with cause WARDEN_EXIT_NONE).
	 * SBI_ERR_ALREADY_AVAILABLE if this life has it already.
	 */
	WARDEN_COLLECT = 3,
	/* From the parking stub only: the guest on this hart has exited. */
	WARDEN_PARK = 4,
	/* (period in ms, 0 = off): watch the harts' `beat` words. */
	WARDEN_WATCHDOG = 5,
	/* (): checks the pristine image against its SHA-256. Value 1: good, 0: damaged. */
	WARDEN_VERIFY = 6,
	/*
	 * (address of a struct warden_native in the caller's slot, 0 or 1): gives the machine to whom the structure
	 * describes, bare. On success it returns there and nowhere else; an error has changed nothing. 1: only says whether
	 * it would. The warden is a plain OpenSBI from then on, and answers none of these calls.
	 * SBI_ERR_INVALID_STATE: another hart is not stopped (HSM). SBI_ERR_INVALID_PARAM: the harts lack that translation.
	 */
	WARDEN_DEVIRTUALISE = 7,
	/*
	 * Live update, of a life that has reported for duty. The warden keeps one candidate beside the image in force.
	 *
	 * (address of a struct warden_update in the caller's slot): the candidate that is to come. One of the same size and
	 * hash that has come already, in part or whole, is kept. Value: how many of its bytes there are.
	 * SBI_ERR_INVALID_PARAM: the size cannot be.
	 */
	WARDEN_UPDATE_BEGIN = 8,
	/*
	 * (offset, address in the caller's slot, bytes, at most WARDEN_UPDATE_PIECE): a piece of the candidate. What is there
	 * already may come again. Value: how many bytes there are. SBI_ERR_INVALID_STATE: nothing was begun.
	 * SBI_ERR_INVALID_PARAM: too large, behind a gap, behind the end, or not the same again.
	 */
	WARDEN_UPDATE_WRITE = 9,
	/* (): value enum image_problem (abi/image.h): what would keep WARDEN_UPDATE from being done now. */
	WARDEN_UPDATE_CHECK = 10,
	/*
	 * (ticks at which the life began to come to rest): ends this life, with cause LIFE_UPDATE, and starts its heir from the
	 * candidate. Does not return unless with SBI_ERR_INVALID_PARAM: WARDEN_UPDATE_CHECK finds fault.
	 *
	 * The heir is on trial until WARDEN_READY, which puts its image in force. If its life ends before, by whatever cause, or
	 * its deadline passes, the next heir is started from the image that was in force all the time, and told so
	 * (warden_record.update). Neither counts as a crash.
	 */
	WARDEN_UPDATE = 11,
	/*
	 * (address of a text in the caller's slot or 0, its length): an heir on trial says that it cannot go on. As
	 * WARDEN_CRASH, but SBI_ERR_INVALID_STATE if the life is not on trial.
	 */
	WARDEN_UPDATE_UNDO = 12,
};

#define WARDEN_UPDATE_PIECE KIB(8)

/* What WARDEN_UPDATE_BEGIN is told of the image that is to come. */
struct warden_update {
	u64 size; /* bytes */
	u8 sha256[32];
};

/* warden_record.update: what the heir has to do with an update. */
enum warden_update_role {
	WARDEN_UPDATE_NONE = 0,
	WARDEN_UPDATE_TRIAL = 1, /* it runs from the new image */
	WARDEN_UPDATE_UNDONE =
		2, /* the life that has ended did, and this one runs from the old image again */
};

/*
 * A supervisor that goes on in HS-mode, with the machine to itself. What is not named here (floating point and vectors,
 * scounteren, senvcfg) stays as it is in the hart; everything of the H extension is cleared, delegation is as OpenSBI
 * hands it to an operating system, and no translation is left in a TLB.
 */
struct warden_native {
	u64 x[32];
	u64 pc;
	u64 sstatus; /* SIE, SPIE, SPP, FS, VS, SUM and MXR count */
	u64 sie;
	u64 sip; /* SSIP counts */
	u64 stvec;
	u64 sscratch;
	u64 sepc;
	u64 scause;
	u64 stval;
	u64 satp;
	u64 stimecmp;
};

/* Why a life ended. */
enum life_cause {
	LIFE_RUNNING = 0,
	LIFE_PANIC = 1,	    /* its own panic or assertion */
	LIFE_TRAP = 2,	    /* an unexpected trap in HS-mode */
	LIFE_HANG = 3,	    /* watchdog */
	LIFE_TRAP_LOOP = 4, /* a trap in the trap handler, again and again */
	LIFE_STACK = 5,	    /* guard page hit */
	LIFE_UPDATE = 6,
	LIFE_POWEROFF = 7,
	LIFE_ADOPTION =
		8, /* the heir died before it reported for duty; always so of one that an update started */
};

/* How the warden found a hart when it stopped a life. */
enum found_state {
	FOUND_NOTHING = 0, /* not stopped (never started, or record not written yet) */
	FOUND_HS = 1,	   /* in HS-mode: registers as found */
	FOUND_PARKED = 2,  /* was in a guest, which has since exited: x, and the trap CSRs of that exit */
	FOUND_GUEST = 3,   /* in a guest that still runs */
	FOUND_NO_SHOW = 4, /* did not answer within the time limit */
};

/*
 * A hart as found, written by the warden. For FOUND_HS `x` and `pc` are the hypervisor's, for FOUND_PARKED the
 * guest's. `state` is written last.
 *
 * The heir sets it to FOUND_NOTHING when it has taken over what the record says, at the latest before the hart enters a
 * guest again. Until then a hart that is stopped in HS-mode once more, because the heir died too, leaves a record of
 * state FOUND_HS or FOUND_PARKED as it is: nothing else may know the registers of the guest that it belongs to.
 */
struct hart_found {
	u64 state; /* enum found_state */
	u64 x[32];
	u64 pc; /* mepc for FOUND_HS; sepc for FOUND_PARKED */
	u64 sstatus;
	u64 hstatus;
	u64 sepc;
	u64 scause;
	u64 stval;
	u64 htval;
	u64 htinst;
	u64 sscratch;
	u64 stvec;
	u64 satp;
	u64 hgatp;
	u64 sie;
	u64 sip;
	u64 mstatus;
	u64 time; /* of the stop, in time base ticks */
};

/* scause of a guest that was interrupted by WARDEN_COLLECT: no exit reason, it simply goes on. */
#define WARDEN_EXIT_NONE 0x7fffffffffffffffull

#endif
