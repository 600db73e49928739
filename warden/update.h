/*
 * Live update: the candidate that a life hands over piece by piece, and the end of that life for its sake. What becomes of
 * the heir is life.c's business.
 *
 * SHA-256 is taken as the pieces come, so that no call takes long (some 0.6 million instructions a piece), and of the bytes
 * in the firmware's memory, which nobody else can change behind it.
 */
#ifndef WARDEN_UPDATE_H
#define WARDEN_UPDATE_H

#include <sbi/sbi_trap.h>

#include "warden/contract.h"

/* Boot hart. */
void update_init(void);

/* The calls WARDEN_UPDATE_BEGIN, _WRITE and _CHECK: SBI errors, and what abi/warden.h says in *value. */
int update_begin(u64 address, unsigned long *value);
int update_write(u64 offset, u64 address, u64 bytes, unsigned long *value);
int update_check(unsigned long *value);

/* WARDEN_UPDATE: an error, or SBI_OK with `regs` rewritten as by life_end. */
int update_go(u64 begun, struct sbi_trap_regs *regs);

#endif
