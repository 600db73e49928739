/* Black boxes in files and on block devices of hosts that are off: what the commands of `outlive blackbox` share. */
#ifndef CLI_BLACKBOX_H
#define CLI_BLACKBOX_H

#include "cli/options.h"
#include "core/blackbox/blackbox.h"

struct blackbox_image {
	const char *path;
	int fd;
	struct blackbox_device device;
	struct layout_found found;
	struct blackbox box;
	void *memory;
};

/*
 * Opens the image that the first argument names, for reading only or for both, finds or takes its layout (--layout) and
 * recovers what is in it. An exit code, with the error printed; with 0 call blackbox_image_close.
 */
int blackbox_image_open(struct blackbox_image *i, const struct options *o, bool for_writing);
void blackbox_image_close(struct blackbox_image *i);

/* Opens file or device and finds out how large it is; no more. An exit code, with the error printed. */
int blackbox_device_open(struct blackbox_image *i, const char *path, bool for_writing);

/* A new file of that many bytes, all zero. An exit code, with the error printed. */
int blackbox_image_create(const char *path, u64 bytes);

/* Whether there is nothing but zeros where the zones of `l` are. 0, or the device's error. */
int blackbox_image_is_empty(struct blackbox_image *i, const struct blackbox_layout *l, bool *is_empty);

/* Writes empty zones over what is there. An exit code, with the error printed. */
int blackbox_image_format(struct blackbox_image *i, const struct blackbox_layout *l);

/* "full", or "pmsg=64KiB,kmsg=128KiB". False if it is neither. */
bool blackbox_parse_sizes(const char *text, struct blackbox_sizes *sizes);

/* The same for --layout: false with the error printed. */
bool blackbox_parse_layout(const char *text, struct blackbox_sizes *sizes);

/* Sizes as --layout takes them; returns `to`. */
const char *blackbox_layout_text(char *to, size_t size, const struct blackbox_sizes *sizes);

/* What the commands tell of a zone. */
struct blackbox_content {
	struct blackbox_zone zone;
	char name[24]; /* "pmsg", "kmsg-3" */
	enum zone_state state;
	const char *why;		  /* or NULL */
	const struct record_info *record; /* of a kmsg zone */
	u32 bytes;			  /* of text, as it is on disk */
};

/* About zone `n` of the layout. */
void blackbox_describe(const struct blackbox_image *i, u32 n, struct blackbox_content *c);

/* The zone of that name. An exit code, with the error printed if there is none. */
int blackbox_find_zone(const struct blackbox_image *i, const char *name, struct blackbox_content *c);

/* True if there is a text to be read. */
bool blackbox_has_text(const struct blackbox_content *c);

/*
 * The text of a zone, inflated if it is compressed; free() it. NULL with the error printed if the device or the
 * compression fails.
 */
char *blackbox_text(struct blackbox_image *i, const struct blackbox_content *c, size_t *bytes);

/* "2026-11-20 10:51:10.000000001" of UTC; returns `to`, 40 bytes are enough. */
const char *blackbox_time_text(char *to, size_t size, struct blackbox_time time);

#endif
