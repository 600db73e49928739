/* What a fake hart has (see exits.h), for the headers in include/ that give it to the exit handlers. */
#ifndef TESTS_EXITS_HARTS_H
#define TESTS_EXITS_HARTS_H

#include "abi/estate.h"

struct exits_csrs {
#define X(field, csr, reset, what) u64 csr;
	VCPU_SWITCH_CSRS(X)
#undef X
	u64 sstatus, sie, sip, satp, stvec, sscratch, sepc, scause, stval, stimecmp, time;
	u64 hstatus, hedeleg, hideleg, hie, hgeie, hcounteren, henvcfg, hgatp, htimedelta, htval, htinst;
	u64 vsip;
};

enum exits_where {
	EXITS_OFF,   /* never started */
	EXITS_HS,    /* in the hypervisor; after exits_stop: held by the warden */
	EXITS_GUEST, /* in a guest; after exits_stop: runs on until it is collected */
	EXITS_WFI,   /* waits in the hypervisor */
};

struct exits_hart {
	enum exits_where where;
	u64 pc;	   /* of the guest; in the trap entry, of the hypervisor */
	u64 x[32]; /* of the guest; in the trap entry, what they are there; else nothing that anyone may use */
	u64 f[32];
	u64 fcsr;
	u64 v[VCPU_VECTOR_BYTES / 8];
	u64 vl, vtype;
	struct exits_csrs csr;
	bool in_entry; /* between entry_begin and entry_saved */
	u64 hfence_gvma, hfence_vvma, fence_i;
};

extern struct exits_hart exits_harts[MAX_HARTS];

/* Of the calling thread's hart. exits_csrs brings time and vsip up to date. */
struct exits_hart *exits_hart(void);
struct exits_csrs *exits_csrs(void);
/* The same to change one: a point at which tests can end the life, as stores to the estate are. */
struct exits_csrs *exits_csrs_change(void);
void exits_wfi(void);

#endif
