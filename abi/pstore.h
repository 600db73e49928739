/*
 * The black box on disk: the layout of Linux pstore/zone on a block device (fs/pstore/zone.c, 5.8 and later, 64-bit),
 * so that either system reads what the other wrote. Native byte order, which is little endian everywhere here.
 *
 * Zones lie one behind the other: pmsg, console, ftrace (one a CPU of the reader), then kmsg zones, one record each.
 * A zone is its header and its data. Nothing has a version or a checksum.
 */
#ifndef ABI_PSTORE_H
#define ABI_PSTORE_H

#include "abi/types.h"

enum pstore_type {
	PSTORE_KMSG = 0,
	PSTORE_CONSOLE = 2,
	PSTORE_FTRACE = 3,
	PSTORE_PMSG = 7,
};

/* "DBGC" XOR the type is a zone's signature. */
#define PSTORE_SIGNATURE	  0x43474244u
#define PSTORE_SIGNATURE_OF(type) (PSTORE_SIGNATURE ^ (u32)(type))

struct pstore_zone_header {
	u32 signature;
	/* Bytes of data; 0: erased. */
	u32 datalen;
	/*
	 * Rings: the next byte goes to data[start]. Before the ring has wrapped, start == datalen; afterwards datalen is all
	 * that the zone holds, and the oldest byte is data[start]. 0 in kmsg zones. Linux shows nothing at all if it finds
	 * start > datalen.
	 */
	u32 start;
};
_Static_assert(sizeof(struct pstore_zone_header) == 12, "as Linux has it");

#define PSTORE_ZONE_HEADER 12u

/* Begins the data of a kmsg zone; the text follows. datalen counts both. */
struct pstore_kmsg_header {
	u32 magic;
	u32 pad;
	s64 seconds; /* since 1970 */
	s64 nanoseconds;
	u8 compressed; /* 1: the text is raw deflate */
	u8 pad1[3];
	u32 counter; /* the how many-th of its reason; 0 but for panic and oops */
	u32 reason;
	u32 pad2;
};
_Static_assert(sizeof(struct pstore_kmsg_header) == 40, "as Linux has it on 64 bits");

#define PSTORE_KMSG_HEADER 40u
#define PSTORE_KMSG_MAGIC  0x4dfc3ae5u

enum pstore_reason {
	PSTORE_REASON_PANIC = 1,
	PSTORE_REASON_OOPS = 2,
	PSTORE_REASON_EMERGENCY = 3,
	PSTORE_REASON_SHUTDOWN = 4,
};

/* What pstore/blk makes of a device: zones and the total are multiples of this; more than that is not used. */
#define PSTORE_ZONE_UNIT 4096u
#define PSTORE_TOTAL_MAX MIB(128)

#endif
