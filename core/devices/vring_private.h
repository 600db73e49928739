/*
 * Split virtqueues of a confidential VM: what vring.c does with the rings of others, the warden does with these when it is
 * asked (PRIVATE_TAKE, PRIVATE_COMPLETE of abi/private.h). For vring.c only.
 *
 * To complete is one step here: data, used element and index. Where the device has written into an entry's buffers, that comes
 * before the transaction that counts the entry in q->done; a life that dies between the two leaves a warden that is further, and
 * the heir catches up with it. So what such a transaction has beside q->done must not matter when it is lost: the frames,
 * sectors and random bytes are with the guest. An entry into which nothing was written, as all that are for output, is
 * completed after its transaction, and by the heir if the life died in between.
 */
#ifndef CORE_DEVICES_VRING_PRIVATE_H
#define CORE_DEVICES_VRING_PRIVATE_H

#include "core/devices/vring.h"

/* As the functions of vring.h. */
int vring_private_take(struct vring *r, struct vring_chain *chain);
int vring_private_use(struct vring *r, const struct vring_chain *chain, u64 bytes);
int vring_private_adopt(struct vring *r);

/* Completes all entries before `end`, of which none of those that are left had anything written into it. */
int vring_private_show(struct vring *r, u16 end);

#endif
