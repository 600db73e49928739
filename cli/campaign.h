/*
 * The fault campaign: what is decided by a seed, what is done to a machine, and what came of it.
 *
 * Faults come from outside, through QEMU's gdb stub, so that the victim is the hypervisor that is shipped. A run starts a
 * machine of its own under guests that check themselves, stops it at the moment that the plan says, makes the fault, lets it
 * go on, and looks at what the host and its guests have to say. `outlive campaign` is many of these runs; this is one.
 *
 * The plan is a function of the seed, the run's number, the kinds that are allowed and the hypervisor's image, and of
 * nothing else. What it meets is a machine with several threads under a host system, so the same plan need not have the
 * same outcome each time; what was hit in the end stands in the result.
 */
#ifndef CLI_CAMPAIGN_H
#define CLI_CAMPAIGN_H

#include "abi/types.h"

/* ---- Faults ---- */

enum fault_kind {
	FAULT_REGISTER,	  /* one bit of x1 to x31 or pc of a hart that is in the hypervisor */
	FAULT_CSR,	  /* one bit of a CSR of the hypervisor's on such a hart */
	FAULT_CODE,	  /* one bit of the text of the life that runs */
	FAULT_DATA,	  /* one bit of its data or bss */
	FAULT_HEAP,	  /* one bit of a page of its heap that is in use */
	FAULT_TABLE,	  /* one bit of an entry of its own page tables or of the guests' */
	FAULT_STACK,	  /* one bit of the stack in use on a hart */
	FAULT_WILD_STORE, /* 8 random bytes into a random page that the life may write, but for the estate */
	FAULT_HANG,	  /* a hart jumps into an endless loop */
	FAULT_PANIC,	  /* a hart jumps into panic() */
	FAULT_RECOVERY, /* a panic, and a fault of one of the kinds above in the heir before it has recovered all guests */
	FAULT_ESTATE, /* one bit of the estate: not volatile, so nothing is promised, and it is not in FAULTS_DEFAULT */
	FAULT_KINDS,
};

struct fault_kind_entry {
	const char *name; /* as in --faults */
	const char *help; /* a line */
};

extern const struct fault_kind_entry fault_kinds[FAULT_KINDS];

#define FAULTS_ALL     ((1u << FAULT_KINDS) - 1)
#define FAULTS_DEFAULT (FAULTS_ALL & ~(1u << FAULT_ESTATE))

/* True if it happens to a hart, at the instruction that it is at; else to memory. */
bool fault_is_of_hart(enum fault_kind kind);

/* The kind of that name; -1 if there is none. */
int fault_kind_find(const char *name);

/* ---- Outcomes ---- */

enum campaign_outcome {
	OUTCOME_NOT_INJECTED, /* the moment never came, or there was nothing of that kind to hit: does not count */
	OUTCOME_NO_EFFECT, /* no life has ended, and all guests are well */
	OUTCOME_RECOVERED, /* one or more lives have ended, and all guests are well */
	OUTCOME_VM_LOST,   /* the hypervisor stopped a VM; the others are well */
	OUTCOME_HOST_LOST, /* the machine was reset or halted, QEMU ended, or all VMs were lost */
	OUTCOME_HANG,	   /* host or a guest does not move on, and nothing says why */
	OUTCOME_SILENT,	   /* a guest found that it was not well, whatever the host says */
	OUTCOME_COUNT,
};

struct campaign_outcome_entry {
	const char *name; /* "no-effect": in results and JSON */
	const char *help; /* a line */
};

extern const struct campaign_outcome_entry campaign_outcomes[OUTCOME_COUNT];

/* The outcome of that name; -1 if there is none. */
int campaign_outcome_find(const char *name);

/* ---- The plan ---- */

#define FAULT_PLACES 4

/* Where a fault happens in time. */
struct fault_moment {
	bool is_place; /* when a hart has come to one of `places` `times` times; else, or without that, at a time */
	u64 places[FAULT_PLACES]; /* offsets of instructions in the image */
	u32 times;		  /* at least 1 */
	u32 steps;    /* of the hart, then: QEMU stops harts between blocks of code, and never inside */
	u64 delay_us; /* since all guests are at work */
};

/* Draws become concrete when the machine is stopped and shows what it has: a draw d of n things takes d % n. */
struct fault {
	enum fault_kind kind;
	struct fault_moment moment;
	u64 hart;   /* draw among those in the hypervisor; a moment at a place has its hart */
	u64 target; /* draw: which register, byte or entry */
	u64 bit;    /* draw: which bit of it */
	u64 value;  /* of a wild store */
};

struct campaign_fault {
	u64 seed, run;
	struct fault first;
	struct fault
		second; /* FAULT_RECOVERY: what happens to the heir; delay_us counts since it has been entered */
};

/* What the plan has to know of the hypervisor's image. */
struct campaign_text {
	const u32 *instructions; /* offsets, ascending */
	size_t count;		 /* not 0 */
};

/*
 * The plan of a run. `faults` has bit n for kind n, and is not 0. A pure function; cli/campaign_plan.c says how the numbers
 * are drawn.
 */
void campaign_plan(struct campaign_fault *plan, u64 seed, u64 run, u32 faults,
		   const struct campaign_text *text);

/* ---- A run ---- */

struct campaign_settings {
	u64 seed;
	u32 faults;	       /* bit n: kind n may be drawn */
	u32 harts;	       /* of the machine, 1 to 8; 0: 4 */
	u32 patience_ms;       /* how long guests may stand still before that is a hang; 0: 10000 */
	const char *directory; /* for the runs' own directories; is there, and writable */
	const char *
		keep; /* what a run leaves that was lost goes to a directory in there; NULL: nothing is kept */
	bool keep_all;	  /* keep what any run leaves */
	const char *qemu; /* NULL: the default */
};

#define CAMPAIGN_TEXT 256

struct campaign_result {
	u64 seed, run;
	struct campaign_fault plan;
	/* What was done in the end, as in "bit 3 of a0 on hart 2 at vcpu_load+0x10". Printable ASCII, no quotes. */
	char fault[CAMPAIGN_TEXT];
	/* For programs. Places are offsets in the slot, ~0 if none; of a recovery fault those of the second. */
	u64 hart, place, address, bit;
	char symbol[64]; /* what `place` is in, "" if not known */
	enum campaign_outcome outcome;
	char reason[CAMPAIGN_TEXT]; /* why it is that outcome; printable */
	char cause[32];		    /* how the first life ended ("trap"), "" if none has */
	u64 lives;		    /* that have ended since the fault was made */
	/* Longest standstills in ns of the machine's time; 0: not known. The first of vCPUs that exit, the second of one
	 * that only computes. */
	u64 pause_exits_ns, pause_computes_ns;
	u64 recovery_ns; /* fault to last guest, as the first life's record has it; 0: no life ended */
	u64 wall_ms;	 /* all of the run */
	char build[33];	 /* build id of the hypervisor */
	char dump[512];	 /* directory with what the run left, "" if nothing was kept */
};

/*
 * Carries out run `run`. 0 with the result filled in, whatever came of the machine; or a negative errno with the error
 * printed, if the run could not be carried out at all (no QEMU, no witness guest, a disk that is full): that is not a result.
 *
 * Everything that it starts ends with it, and with the process that called it. Its directory, DIRECTORY/run-N, is made anew
 * and removed in the end. Several runs may go on at once in processes of their own.
 */
int campaign_run_one(const struct campaign_settings *settings, u64 run, struct campaign_result *result);

#endif
