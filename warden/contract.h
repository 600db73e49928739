/*
 * The contract with the hypervisor (abi/), in a program whose integer types are OpenSBI's.
 *
 * OpenSBI defines types of the same names as abi/types.h, so that header is left out here, and what the others take
 * from it stands below. Include this, never an abi header by itself.
 */
#ifndef WARDEN_CONTRACT_H
#define WARDEN_CONTRACT_H

#include <sbi/riscv_asm.h>
#include <sbi/sbi_types.h>

#define ABI_TYPES_H

#define KIB(n)	   ((u64)(n) << 10)
#define MIB(n)	   ((u64)(n) << 20)
#define GIB(n)	   ((u64)(n) << 30)
#define BLOCK_SIZE MIB(2)

#include "abi/estate.h"
#include "abi/image.h"
#include "abi/layout.h"
#include "abi/pack.h"
#include "abi/private.h"
#include "abi/warden.h"

#endif
