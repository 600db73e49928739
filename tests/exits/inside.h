/* Between the parts of the fake harts. */
#ifndef TESTS_EXITS_INSIDE_H
#define TESTS_EXITS_INSIDE_H

#include "arch/riscv64/hart.h"
#include "tests/exits/exits.h"
#include <setjmp.h>

/* Where the trap entry of life number `life` is. */
u64 exits_entry_base(u64 life);

/* Where a hart goes on in the test once it is in a guest, or waits. */
extern jmp_buf exits_out_of[MAX_HARTS];

/* The hart's loop kicks harts of its own; core's go to the fake machine, which passes them on here. */
void hart_kick(unsigned hart);
void hart_kick_vcpu(unsigned hart);

/* Hart n is the calling thread until it is in a guest or waits. */
void exits_run_on(unsigned n, void (*code)(struct hart *hart));

/* Bit n: hart n runs hypervisor code now. */
extern u64 exits_in_hypervisor;

/* Bit n: hart n has been sent for and has not come yet. */
extern u64 exits_collected;

/* The hart enters at the secondary entry of the heir, as warden/stop.c sends it. */
void exits_bring(unsigned n);

#endif
