/*
 * Dump regions (abi/dump.h) as a reader meets them: in a file or on a disk that may be damaged, cut short, or made by an
 * enemy. What checks is read, the rest is named.
 */
#ifndef CLI_DUMP_REGION_H
#define CLI_DUMP_REGION_H

#include "abi/dump.h"
#include "abi/layout.h"
#include "cli/crash_record.h"

/* Largest estate that is believed. */
#define DUMP_ESTATE_MAX MIB(256)

/* Where the region is. `read` gets all of the bytes: 0, or a negative errno. */
struct region_source {
	int (*read)(void *owner, u64 at, void *to, size_t bytes);
	void *owner;
	u64 bytes; /* size */
};

enum dump_slot_state {
	DUMP_SLOT_EMPTY,
	DUMP_SLOT_GOOD,	   /* the head checks; head.state says how far the dump came */
	DUMP_SLOT_DAMAGED, /* the head does not check, or says what cannot be */
	DUMP_SLOT_MISSING, /* file or device end before */
};

struct dump_slot {
	enum dump_slot_state state;
	u64 at;		       /* of its head, bytes from the start of the region */
	struct dump_head head; /* texts are terminated and printable */
};

struct dump_region_view {
	struct region_source source;
	u64 slot_size;
	u32 count;
	struct dump_slot slots[DUMP_KEEP_MAX];
};

/*
 * Reads all heads. 0, or a negative errno: -ENODATA if the region is blank, -EINVAL if it is no dump region, or none of
 * this version, or what `read` returned.
 */
int dump_region_open(struct dump_region_view *view, const struct region_source *source);

/* Memory of a dead life that lay in one piece. */
struct dump_part {
	u64 base, size;
	u8 *bytes;   /* [size]; what is not known is zero */
	u8 *known;   /* [size / PAGE_SIZE]: enum dump_page */
	u64 missing; /* bytes that are not known */
};

enum dump_page {
	DUMP_PAGE_UNKNOWN = 0,
	DUMP_PAGE_ZERO = 1,
	DUMP_PAGE_DATA = 2,
};

enum dump_part_id { DUMP_PART_SLOT, DUMP_PART_ESTATE, DUMP_PARTS };

/* A dump read into memory. */
struct dump_life {
	struct dump_head head;
	struct dump_part parts[DUMP_PARTS];
	struct crash_record *crash; /* NULL: there is none, or it does not check */
	size_t crash_bytes;
	u64 chunks;	  /* that checked */
	u64 damaged;	  /* places where chunks do not check */
	u64 first_damage; /* where the first one is, bytes from the slot's start; if damaged */
	bool is_whole;	  /* it says that it is complete, and all its chunks check */
};

/* Reads the dump of a slot whose state is DUMP_SLOT_GOOD. 0, or what `read` returned; dump_life_free in every case. */
int dump_life_read(const struct dump_region_view *view, const struct dump_slot *slot, struct dump_life *life);

void dump_life_free(struct dump_life *life);

/* Memory of the dead life, if all of it is known. */
bool dump_life_memory(const struct dump_life *life, u64 address, void *to, size_t bytes);

#endif
