/*
 * A machine for the warden's part for confidential VMs: a pool, ordinary RAM, and firmware between them, at addresses that
 * are none of this program's; what has no place in them ends the test. Fences are counted, vCPUs run in the test's mind.
 */
#ifndef TESTS_PRIVATE_WORLD_H
#define TESTS_PRIVATE_WORLD_H

#include "warden/private/pool.h"
#include "warden/private/report.h"
#include "warden/private/table.h"

#define WORLD_FIRMWARE	    0x80000000ull
#define WORLD_FIRMWARE_SIZE MIB(2)
#define WORLD_RAM	    (WORLD_FIRMWARE + WORLD_FIRMWARE_SIZE)
#define WORLD_RAM_SIZE	    MIB(6)
#define WORLD_POOL	    0x90000000ull
#define WORLD_POOL_BLOCKS   8 /* a power of two */
#define WORLD_POOL_SIZE	    (WORLD_POOL_BLOCKS * BLOCK_SIZE)
/* The first block is the warden's. */
#define WORLD_BLOCK(n) (WORLD_POOL + (1 + (u64)(n)) * BLOCK_SIZE)
#define WORLD_BLOCKS   (WORLD_POOL_BLOCKS - 1)

/* RAM of the guests. */
#define WORLD_GUEST	 0x80000000ull
#define WORLD_GUEST_SIZE MIB(8)

struct world {
	u64 fences; /* of any VM so far */
	u32 fenced; /* VMID of the last */
	u64 value;  /* of the last call */
	/* Asked at each fence, before it is counted: what still leads to where. */
	void (*at_fence)(u32 vmid);
};

extern struct world world;

/* A pool that nobody has, full of what was there before; RAM of zeroes. All VMs of before are gone. */
void world_start(void);

/* A call with up to five arguments. */
s64 world_call(enum private_call call, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4);
#define CALL2(call, a0, a1)	    world_call(PRIVATE_##call, a0, a1, 0, 0, 0)
#define CALL3(call, a0, a1, a2)	    world_call(PRIVATE_##call, a0, a1, a2, 0, 0)
#define CALL4(call, a0, a1, a2, a3) world_call(PRIVATE_##call, a0, a1, a2, a3, 0)

/* A sane configuration, in ordinary RAM: its address. */
u64 world_config(u64 vcpus);

/* Makes VM n with block n. */
void world_vm(u64 n, u64 vcpus);

/* What a VM's vCPU has asked to share, or gives up asking with from == to. */
void world_asks(u64 vm, u32 vcpu, u64 from, u64 to);

/* Ends and takes apart all VMs. */
void world_stop(void);

/*
 * Ends the test unless all holds that a caller may never break: a page has at most one owner, one use and one place in a
 * table; what is unused is of zeroes, or as it was before the machine started; shared leaves lead to ordinary RAM, and nothing
 * is there as both.
 */
void world_check(void);

/* True if the page is of zeroes. */
bool world_page_is_zero(u64 page);

#endif
