/*
 * Where a snapshot keeps the old contents of pages: host RAM that no VM has, or pages of the slot if there is none. Found
 * by page number. Volatile: a life that ends forgets it. Its owner serialises the calls.
 */
#ifndef CORE_DUMP_POOL_H
#define CORE_DUMP_POOL_H

#include "abi/types.h"

/* Pages that it holds at most: 64 MiB. */
#define POOL_MAX 16384u

/* Gets memory. -ENOMEM: nearly none is left. Closed with pool_close. */
int pool_open(void);
void pool_close(void);

/* Pages that it has room for. */
u32 pool_room(void);

/* Where page `page` is kept; false: nowhere. */
bool pool_find(u32 page, hpa_t *at);

/* Room for page `page`, which is not in it yet. -ENOSPC. */
int pool_add(u32 page, hpa_t *at);

/* Forgets the pages with numbers in [from, to). */
void pool_drop(u32 from, u32 to);

#endif
