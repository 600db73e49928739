/*
 * Bounce buffers of a confidential VM: where its devices find what the warden copies out of private memory, and leave what
 * it copies in (PRIVATE_TAKE, PRIVATE_COMPLETE).
 *
 * They lie at the start of vm_config.shared. Devices know guest addresses only, so the buffers have some that no guest can
 * have: [BOUNCE_BASE, BOUNCE_BASE + bounce_bytes). Which one an entry of a ring gets is fixed, so that none is ever given out
 * twice or waited for.
 */
#ifndef CORE_PRIVATE_BOUNCE_H
#define CORE_PRIVATE_BOUNCE_H

#include "abi/pack.h"
#include "abi/private.h"

/* Behind all RAM, shared or not. */
#define BOUNCE_BASE (PRIVATE_SHARED_BIT | GIB(192))

/* One entry's buffers. */
#define BOUNCE_SIZE PRIVATE_ROOM_MAX

/* A block device has that many requests under way: a power of two. All other devices finish one before the next. */
#define BOUNCE_BLK_COUNT 16

/* Bytes of vm_config.shared, from its start, that bounce buffers need; 0 for an ordinary VM. A multiple of BOUNCE_SIZE. */
u64 bounce_bytes(const struct vm_config *config);

/* Guest address of the first buffer of a queue of device `slot`; entry n has the (n modulo *count)-th from there. */
u64 bounce_queue(const struct vm_config *config, unsigned slot, unsigned queue, unsigned *count);

/* Fills in the devices of what the warden is told of the VM, all others of the structure stay. */
void bounce_declare(const struct vm_config *config, struct private_config *to);

/* The number that a queue of device `slot` has with the warden. */
unsigned bounce_queue_number(const struct vm_config *config, unsigned slot, unsigned queue);

#endif
