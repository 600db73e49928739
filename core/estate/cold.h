/*
 * Cold records: written seldom, as two copies, so that a life may die in the middle of a write.
 */
#ifndef CORE_ESTATE_COLD_H
#define CORE_ESTATE_COLD_H

#include "abi/estate.h"

/*
 * Writes `body` of `size` bytes over the older of the two copies at `pair` and `pair` + ESTATE_COLD_STRIDE.
 * The caller holds what protects the record. size + sizeof(struct cold_head) <= ESTATE_COLD_STRIDE.
 */
void cold_write(void *pair, u32 magic, const void *body, u32 size);

/* Writes both copies, one after the other: damage of one then costs nothing, and brings nothing old back. */
void cold_write_both(void *pair, u32 magic, const void *body, u32 size);

/* Reads the newest valid copy. -ENOENT if neither is valid; `body` is then undefined. */
int cold_read(const void *pair, u32 magic, void *body, u32 size);

#endif
