/*
 * What the guests of a campaign's run say of themselves: the lines of guests/witness (its witness.h describes them), out of the
 * logs of their consoles.
 */
#ifndef CLI_CAMPAIGN_GUEST_H
#define CLI_CAMPAIGN_GUEST_H

#include "cli/campaign.h"

#define GUEST_LINE_MAX	512
#define GUEST_VCPUS_MAX 8

/* Figures of a line that only go up. */
enum guest_count {
	GUEST_T, /* ms since its start */
	GUEST_MEM,
	GUEST_DISK,
	GUEST_NET,
	GUEST_REGS,
	GUEST_TICKS,
	GUEST_IPIS,
	GUEST_FENCES,
	GUEST_COUNTS,
};

struct guest_line {
	char boot[24];
	u64 counts[GUEST_COUNTS];
	bool has[GUEST_COUNTS]; /* the guest has what is counted */
	u64 gap_exit_us, gap_spin_us;
	u64 gaps_us[GUEST_VCPUS_MAX];
	u32 vcpus;
	u64 errors;
};

/* Reads a line; false if it is no line of figures, or not whole. */
bool guest_line_read(struct guest_line *line, const char *text);

struct campaign_guest {
	char name[16];
	int directory; /* with its console's log */
	int fd;
	char text[GUEST_LINE_MAX];
	size_t fill;
	u64 lines; /* of figures */
	struct guest_line last;
	char boot[24];		      /* as its first line said */
	char trouble[GUEST_LINE_MAX]; /* the first line that says that it is not well; "" if none does */
	bool is_restarted;	      /* a line was of another boot than the first */
	/* Since campaign_guest_mark. */
	struct guest_line marked;
	u64 lines_marked;
	bool alive[GUEST_VCPUS_MAX];  /* the vCPU has been seen to do something */
	u64 gap_exit_us, gap_spin_us; /* longest, since campaign_guest_forget_gaps */
};

void campaign_guest_open(struct campaign_guest *g, const char *name, int directory);
void campaign_guest_close(struct campaign_guest *g);

/* Reads what has been said meanwhile. */
void campaign_guest_read(struct campaign_guest *g);

/* From now on it has to move on. */
void campaign_guest_mark(struct campaign_guest *g);

void campaign_guest_forget_gaps(struct campaign_guest *g);

/*
 * True if all that it counts, and all of its vCPUs, have moved on since the mark. Otherwise `why`, if it is not NULL, gets what
 * has not.
 */
bool campaign_guest_moved(const struct campaign_guest *g, char *why, size_t size);

/* True if it has never said that something is wrong. */
bool campaign_guest_is_well(const struct campaign_guest *g, char *why, size_t size);

#endif
