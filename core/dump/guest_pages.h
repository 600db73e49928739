/* Puts pages of a snapshot into an answer: struct ctl_dump_data of abi/control.h. */
#ifndef CORE_DUMP_GUEST_PAGES_H
#define CORE_DUMP_GUEST_PAGES_H

#include "abi/types.h"

/*
 * Pages from `at` on, below `end`, as many as fit into `room` bytes (at least 8 KiB) at `to`; *used: bytes written. Looks at
 * a bounded number of pages. At least one, or an error of snapshot_read. One call at a time.
 */
int guest_pages_read(u64 at, u64 end, u8 *to, size_t room, size_t *used);

#endif
