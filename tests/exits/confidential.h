/*
 * The warden's side of confidential vCPUs, for fake harts: what each of them does is a row of exits, and what it is answered
 * is kept. It is part of the machine, and outlives lives; of its memory there is nothing.
 */
#ifndef TESTS_EXITS_CONFIDENTIAL_H
#define TESTS_EXITS_CONFIDENTIAL_H

#include "abi/private.h"

#define CONFIDENTIAL_VCPUS 3
#define CONFIDENTIAL_STEPS 8

struct confidential_exit {
	u64 exit; /* enum private_exit */
	u64 bytes;
	u64 arg[8];
};

struct confidential_vcpu {
	u64 state; /* enum private_vcpu_state */
	struct confidential_exit step[CONFIDENTIAL_STEPS];
	unsigned steps, at; /* behind the last one it waits, for ever */
	u64 number;	    /* of the last question */
	u64 result[CONFIDENTIAL_STEPS][2];
	unsigned answers;
	u64 lines;  /* all that it has been told */
	u64 raised; /* how often of them a software interrupt */
};

extern struct confidential_vcpu confidential[CONFIDENTIAL_VCPUS];

/* As host->on_private wants it. */
int confidential_call(enum private_call call, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 *value);

/* All vCPUs as new, number 0 ready and the others stopped. */
void confidential_reset(void);

/* One more exit of a vCPU. */
void confidential_add(unsigned id, const struct confidential_exit *e);

#endif
