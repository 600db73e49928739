/* What /proc/iomem says of RAM. */
#ifndef GUESTS_KDUMP_IOMEM_H
#define GUESTS_KDUMP_IOMEM_H

#include "guests/kdump/ranges.h"

struct iomem {
	struct ranges ram;  /* "System RAM" */
	struct range crash; /* the largest "Crash kernel", 0 bytes without one */
};

/*
 * Reads the text, zero-terminated. Lines that are none of its are passed over. -EPERM if there is RAM, but the addresses
 * are hidden from us; else as ranges_add.
 */
int iomem_parse(const char *text, struct iomem *out);

#endif
