/*
 * The record of a crash: what the estate keeps of the last ends of lives, beyond struct life_record. The heir writes it
 * from what the warden found, before it does anything slow; `valid` is stored last and is what readers look at.
 */
#ifndef ABI_CRASH_H
#define ABI_CRASH_H

#include "abi/layout.h"
#include "abi/types.h"
#include "abi/warden.h"

#define CRASH_RECORDS	  2 /* record of life n: n % CRASH_RECORDS */
#define CRASH_LOG_BYTES	  4096
#define CRASH_STACK_BYTES 1536

/*
 * One hart of the machine. If an heir dies before it has come to a hart, that hart keeps the record of the stop before
 * (abi/warden.h): `life` says whose end `found` tells of.
 */
struct crash_hart {
	u64 id;		 /* hart id */
	u64 life;	 /* that had it when it was found; less than the record's: see above; 0: none ever */
	u64 vcpu;	 /* record index of the vCPU that it had loaded, or NO_VCPU */
	u64 redo;	 /* words of a transaction that it had committed and not applied; the heir has */
	u64 stack_at;	 /* address of stack[0], which is where sp pointed; 0: nothing kept */
	u64 stack_bytes; /* of `stack` that count */
	struct hart_found found; /* state FOUND_NO_SHOW: it did not come in time, the rest is not known */
	u8 stack[CRASH_STACK_BYTES];
};

struct crash_record {
	u64 valid; /* the life's number + 1 */
	u64 life;
	u64 cause; /* enum life_cause */
	u64 hart;  /* hart id that crashed */
	u64 pc;	   /* address, not relative to the slot */
	u64 value;
	u64 slot_base;
	u64 t_fault;
	u64 t_stopped;
	u64 hart_count;
	u64 log_bytes; /* of `log` that count, the end of the log when the life ended */
	u64 reserved[5];
	char text[256];
	char log[CRASH_LOG_BYTES];
	struct crash_hart harts[]; /* [hart_count], in the order of machine_record.hart_ids */
};

/* From one record to the next, in the estate. */
#define CRASH_RECORD_STRIDE KIB(128)
_Static_assert(sizeof(struct crash_record) + MAX_HARTS * sizeof(struct crash_hart) <= CRASH_RECORD_STRIDE,
	       "a crash record fits");

#endif
