/*
 * Which zone lies where, from the sizes that the operator gave, and the sizes from what is found on a disk.
 */
#ifndef CORE_BLACKBOX_LAYOUT_H
#define CORE_BLACKBOX_LAYOUT_H

#include "abi/pstore.h"
#include "core/blackbox/device.h"

/* What Linux calls pmsg_size, console_size, ftrace_size and kmsg_size, in bytes; 0: no such zone. */
struct blackbox_sizes {
	u32 pmsg;
	u32 console;
	u32 ftrace; /* of all CPUs together */
	u32 kmsg;   /* of one zone */
};

struct blackbox_zone {
	enum pstore_type type;
	u32 number; /* among those of its type */
	u64 at;	    /* on the device */
	u32 size;   /* with its header */
};

struct blackbox_layout {
	struct blackbox_sizes sizes;
	u64 console_at, ftrace_at, kmsg_at; /* pmsg is at 0 */
	u32 kmsg_count;
	u64 end; /* behind the last zone */
};

/* Longest text that says what is wrong with a layout. */
#define BLACKBOX_WHY_SIZE 128

#define BLACKBOX_ZONE_DEFAULT ((u32)KIB(64))

/* "linux-debian" (kmsg zones only, as Debian's kernels have it) and "full" (pmsg, console, kmsg). False: no such preset. */
bool layout_preset(const char *name, struct blackbox_sizes *sizes);

/*
 * Lays zones of these sizes out on `bytes` bytes (what exceeds 128 MiB or a multiple of 4096 is not used). -EINVAL with
 * the reason, which names the nearest right size, in `why` (BLACKBOX_WHY_SIZE).
 */
int layout_make(struct blackbox_layout *l, const struct blackbox_sizes *sizes, u64 bytes, char *why);

/* Zones in all; layout_zone(l, n) for n below that goes through them in the order of the disk. ftrace counts as one. */
u32 layout_count(const struct blackbox_layout *l);
struct blackbox_zone layout_zone(const struct blackbox_layout *l, u32 n);

/* What layout_find saw. */
struct layout_found {
	u32 signatures; /* at a multiple of 4096, with a header that makes sense */
	u32 matched;	/* at the start of a zone of its type in the layout */
};

/*
 * The layout that explains best the signatures on a device, most of which Linux writes only when a zone is first used: a
 * size that nothing shows is taken to be 64 KiB, or what is left. `scratch` has BLACKBOX_SECTOR_MAX bytes. -ENOENT if
 * there is no signature; the device's error if it cannot be read.
 */
int layout_find(struct blackbox_device *d, void *scratch, struct blackbox_layout *l,
		struct layout_found *found);

/*
 * Counts the signatures on the device and those that are where `l` has a zone of that type. If not all are, the device
 * bears a black box of another layout (or a zone's text looks like a signature, which is for people to judge).
 */
int layout_compare(struct blackbox_device *d, void *scratch, const struct blackbox_layout *l,
		   struct layout_found *found);

#endif
