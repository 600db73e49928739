/*
 * The ELF core header, from which the crash kernel makes /proc/vmcore: which RAM the dump has, where the crashed kernel
 * sees it, and where that leaves its notes. File offsets in it are physical addresses.
 */
#ifndef GUESTS_KDUMP_COREHDR_H
#define GUESTS_KDUMP_COREHDR_H

#include "guests/kdump/image.h"

/*
 * The RAM that the running kernel has mapped, linearly and as its image: from the program headers at the start of /proc/kcore.
 * `flags` are those of its ELF header. -EINVAL if they are not what we can read, else as ranges_add.
 */
int corehdr_kernel_maps(const struct blob *kcore, struct ranges *maps, u32 *flags);

/* Bytes of kcore's beginning that have its program headers; 0 if this is no such file. */
u64 corehdr_kcore_size(const struct blob *start);

/* The header with a PT_NOTE for each of `notes` and a PT_LOAD for each of `ram`. 0 bytes if there is no memory for it. */
struct blob corehdr_make(const struct ranges *notes, const struct ranges *ram, u32 flags);

#endif
