/* The crash kernel's device tree: the running kernel's, with another /chosen. */
#ifndef GUESTS_KDUMP_TREE_H
#define GUESTS_KDUMP_TREE_H

#include "guests/kdump/image.h"

struct tree_chosen {
	struct range usable; /* all RAM that the crash kernel may use */
	struct range corehdr;
	struct range initrd; /* 0 bytes: none */
	const char *command_line;
};

/*
 * What the firmware keeps to itself: nobody else can read it, not even from a machine of his own. And what is reserved for
 * Outlive and its guests: the kernel has no such RAM, and only in the hands of a crash kernel on the bare machine can it be read.
 */
#define TREE_FIRMWARE "mmode_resv"
#define TREE_OUTLIVE  "outlive-"

/* The ranges in /reserved-memory whose nodes' names begin with `prefix`. As ranges_add; -EINVAL for a broken tree. */
int tree_reserved(const struct blob *dtb, const char *prefix, struct ranges *ram);

/* A new tree, with `chosen`. 0 bytes if that cannot be made. */
struct blob tree_make(const struct blob *dtb, const struct tree_chosen *chosen);

/* Bytes that tree_make may need for this one. */
u64 tree_room(const struct blob *dtb, const char *command_line);

#endif
