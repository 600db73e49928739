/*
 * The fake machine: core runs on it under Linux, with sanitizers, in unit tests, models and fuzzers.
 *
 * Host physical addresses are addresses of this process; RAM is one mapping. A window is a pointer into it, but one
 * that is checked: page-aligned, in RAM, closed only when open. A thread is a hart after host_be_hart.
 *
 * A life is what runs inside host_live. It ends by returning, by its own panic, or before the n-th of its stores to the
 * estate, as the test wants. What is volatile dies with it: host_next_life gives all static variables of the program,
 * core's and the test's, the values that they had at the first host_start. Variables that are the world's and not the
 * life's (the content of a fake disk, a count of what the outside has seen) are declared with HOST_KEEP.
 */
#ifndef ARCH_HOST_HOST_H
#define ARCH_HOST_HOST_H

#include "abi/layout.h"
#include "abi/private.h"
#include "abi/types.h"
#include "abi/warden.h"

#define HOST_KEEP __attribute__((section("host_keep")))

struct vcpu;

struct host {
	u64 ram; /* where RAM begins: 1 GiB-aligned */
	u64 ram_size;
	unsigned harts;
	u64 now;       /* what arch_time returns */
	u64 time_step; /* is added to it each time; 0 from the start */
	/* What core has asked of the machine so far. Atomic where threads may share them. */
	u64 fences;
	u64 fence_vmid, fence_harts, fence_from, fence_bytes; /* of the last one */
	u64 kicks[MAX_HARTS];
	u64 beats;
	/* What the life said at its end. */
	enum life_cause cause;
	char text[256];
	/* Called, if set, in place of doing nothing. Cleared by host_start and host_next_life. */
	void (*on_fence)(unsigned vmid, u64 harts, gpa_t from, u64 bytes);
	void (*on_kick)(unsigned hart);
	void (*on_kick_vcpu)(unsigned hart); /* NULL: as on_kick */
	void (*on_serial)(const char *text, size_t bytes);
	s64 (*on_update)(enum warden_call call, u64 a0, u64 a1, u64 a2); /* NULL: no warden */
	/* NULL: a warden without a pool. Not cleared by host_next_life: the warden outlives lives. */
	int (*on_private)(enum private_call call, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 *value);
	struct vcpu *current[MAX_HARTS]; /* vCPU that a hart has loaded: for arch_vcpu_drop */
};

extern struct host *host;

/* A machine with fresh RAM, all zero but for some dirt where slots and estate go. Ends a former one. */
void host_start(u64 ram_size, unsigned harts);

/* The calling thread is hart `hart` from now on. The first thread is hart 0 without asking. */
void host_be_hart(unsigned hart);

enum host_end {
	HOST_RETURNED,
	HOST_DIED,  /* before the store that was asked for */
	HOST_ENDED, /* arch_life_end: panic, assertion; host->cause and host->text say more */
	HOST_OFF,   /* arch_machine_off(false) */
	HOST_RESET, /* arch_machine_off(true) */
};

/*
 * Runs f(context) as a piece of life of the calling thread. It ends before its store number `die_before` (1 is the
 * first; 0: never). Without host_live the end of a life aborts the program.
 */
enum host_end host_live(void (*f)(void *), void *context, u64 die_before);

/* Stores to the estate in the last host_live of the calling thread. */
u64 host_stores(void);

/*
 * The places of the program that store to the estate, by the return address of their arch_estate_point: how often a life
 * has come to one in host_live, and how often one has ended there. Counted if a program without threads wants it.
 */
extern bool host_sites_counted;

struct host_site {
	u64 at; /* 0: unused */
	u64 reached, ended;
	u64 life; /* in which it was reached last, of all that were counted */
};

#define HOST_SITES 4096
extern struct host_site host_sites[HOST_SITES];

/*
 * Numbers of the stores of the last host_live that were the first in it to come from a place at which no life has ended.
 * -> how many there are, at most HOST_FRESH; those beyond are left out.
 */
#define HOST_FRESH 256
unsigned host_fresh(u64 stores[HOST_FRESH]);

/*
 * A number for the n-th store of the last host_live and the few before it, as the row of places that they came from. 0: not known,
 * as behind the HOST_CONTEXTS-th.
 */
#define HOST_CONTEXTS 4096
u64 host_context(u64 n);

/* A number for the way that the last host_live took, as the row of sites that it came to. */
u64 host_path(void);

/* The site with that return address, made if there is none. */
struct host_site *host_site(u64 at);

/*
 * The pristine image: static variables are as at the first host_start, the calling thread is hart 0. RAM and machine
 * stay. No other thread may run. Not in fuzzers, whose runtime is part of the program: there it does nothing.
 */
void host_next_life(void);

/* Ends the program with a message: the test, or the fake machine, is used wrongly. */
_Noreturn void host_fail(const char *what);

/* The slot that the `life`-th life (from 1) lives in. */
static inline u64 host_slot(u64 life)
{
	return host->ram + LAYOUT_SLOT_OFFSET((life - 1) % LAYOUT_SLOTS);
}

#endif
