/*
 * The dump region: a disk of the host with the last vmcores of the host itself, a ring of them.
 *
 *   0                           struct dump_region, the rest of DUMP_BLOCK zero
 *   DUMP_BLOCK + n * slot_size  dump number N lies in slot n = N % count: struct dump_head, padded to DUMP_BLOCK,
 *                               then chunks one behind the other, each padded to 8 bytes, DUMP_CHUNK_END last
 *
 * The head is written twice: with DUMP_WRITING before the first chunk, and with DUMP_COMPLETE and the totals behind the
 * last one. A dump that was cut short (power, disk full, another crash) keeps its first head; its chunks count up to the
 * first one that does not check. Each chunk's checksum begins with the dump's number, so that none of an older dump in the
 * same place counts. Numbers are little endian. Written by the heir (core/dump/), read by the command.
 */
#ifndef ABI_DUMP_H
#define ABI_DUMP_H

#include "abi/types.h"

#define DUMP_REGION_MAGIC 0x31474552504d444full /* the bytes "ODMPREG1" */
#define DUMP_HEAD_MAGIC	  0x31454854504d444full /* the bytes "ODMPTHE1" */
#define DUMP_CHUNK_MAGIC  0x4b4e4843u		/* the bytes "CHNK" */
#define DUMP_VERSION	  1

#define DUMP_BLOCK    4096u
#define DUMP_KEEP_MAX 16u

struct dump_region {
	u64 magic;
	u32 version;
	u32 count;     /* of slots, 1 .. DUMP_KEEP_MAX */
	u64 slot_size; /* bytes, a multiple of DUMP_BLOCK */
	u32 reserved;
	u32 crc; /* CRC-32C of all above */
};

enum dump_state {
	DUMP_EMPTY = 0,
	DUMP_WRITING = 1,
	DUMP_COMPLETE = 2,
	DUMP_TRUNCATED = 3, /* ended on purpose: the slot was full */
};

struct dump_head {
	u64 magic;
	u32 version;
	u32 state;  /* enum dump_state */
	u64 number; /* counts all dumps ever written to this region, from 1 */
	u64 life;   /* that ended */
	u64 cause;  /* enum life_cause */
	u64 crash_hart;
	u64 timebase; /* Hz */
	u64 t_fault;  /* ticks */
	u64 t_begun;  /* of the dump */
	u64 t_ended;  /* 0 while it is written */
	u64 ram_base;
	u64 slot_base; /* where the dead life lay, host physical, which is its virtual address as well */
	u64 slot_size;
	u64 estate_base;
	u64 estate_size;
	u64 hart_count;
	u64 bytes;	/* of chunks on disk, the last included; 0 while it is written */
	u64 raw_bytes;	/* that they stand for, zero pages included */
	s64 seconds;	/* since 1970, 0 if the host has no clock */
	char build[32]; /* build id of the dead life, hexadecimal, terminated */
	char text[256]; /* what it said of its end, terminated */
	u32 reserved;
	u32 crc; /* CRC-32C of all above */
};

/* Memory comes in ascending order of its kind; a chunk stands for at most DUMP_CHUNK_MAX bytes. */
#define DUMP_CHUNK_MAX KIB(64)

enum dump_chunk_kind {
	DUMP_CHUNK_END = 0,
	DUMP_CHUNK_MEMORY = 1, /* host RAM at `address`, whole pages */
	DUMP_CHUNK_ZERO =
		2, /* the same, all zero: raw_bytes may be any multiple of a page, stored_bytes is 0 */
	DUMP_CHUNK_CRASH = 3, /* struct crash_record (abi/crash.h), from byte `address` on */
};

#define DUMP_CHUNK_LZ4 (1u << 0) /* stored as one LZ4 block; else as it is */

struct dump_chunk {
	u32 magic;
	u16 kind;
	u16 flags;
	u64 address;
	u64 raw_bytes;
	u32 stored_bytes; /* that follow, before the padding */
	u32 crc;	  /* CRC-32C of the dump's number (u64), all above, and the stored bytes */
};

#endif
