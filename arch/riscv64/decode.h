/*
 * Decoding of the guest's loads and stores that hit a device. htinst may read 0 (QEMU's always does), so the
 * instruction is fetched through the guest's own translation.
 */
#ifndef ARCH_DECODE_H
#define ARCH_DECODE_H

#include "abi/types.h"

struct mmio_instruction {
	unsigned bytes; /* 1, 2, 4, 8 */
	bool write;
	bool sign;	 /* the loaded value is sign-extended */
	unsigned reg;	 /* rd or rs2 */
	unsigned length; /* 2 or 4 */
};

/* Decodes a load or store (RV64I and C). -EINVAL: any other instruction, atomics included; *m is then undefined. */
int decode_mmio(u32 instruction, struct mmio_instruction *m);

/* Fetches the instruction at the guest's pc, with the guest's rights. -EFAULT: it cannot (any more). fetch.c */
int fetch_instruction(u64 pc, u32 *instruction);

#endif
