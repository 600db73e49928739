/*
 * Split virtqueues, seen from the device (virtio 1.2, section 2.7).
 *
 * Rings and buffers are guest memory, read and written through guest_read and guest_write only. What is read is checked
 * on the copy; nothing is read twice to be believed the second time. All of this under vm->dev_lock.
 *
 * The rings of a confidential VM are the warden's to read (vring_private.c): a chain then consists of bounce buffers, which
 * guest_read, guest_write and guest_dma know as guest memory.
 */
#ifndef CORE_DEVICES_VRING_H
#define CORE_DEVICES_VRING_H

#include "abi/private.h"
#include "core/vm/vm.h"

/* Buffers of one request. A longer chain, or one in a circle, breaks the device. */
#define VRING_CHAIN_MAX 64

/* The volatile side of a queue. Entries are counted modulo 2^16, as the rings do: done <= taken <= seen. */
struct vring {
	struct vm *vm;
	struct vqueue_state *q; /* in the estate; q->done: entries completed */
	u16 taken;		/* entries taken up */
	u16 seen;		/* entries that the driver is known to have made available */
	/* Of a confidential VM: */
	u64 bounce;	  /* guest address of the first of its bounce buffers; 0: an ordinary VM's */
	unsigned bounces; /* how many they are */
	unsigned number;  /* of the queue, with the warden */
	u16 shown; /* entries that the warden has completed: with data to write before q->done, others after it */
	bool wanted; /* the driver wanted an interrupt for the last of them */
	bool told;   /* of an entry that is too long, once a life */
	struct private_request_io io;
};

struct vring_segment {
	u64 at; /* in guest RAM, with all its bytes */
	u32 bytes;
};

/* The buffer of one entry: first what the device may read, then what it may write. */
struct vring_chain {
	u16 entry; /* number of the entry */
	u16 head;  /* its descriptor, which names it in the used ring */
	u16 readable;
	u16 count;
	u64 readable_bytes;
	u64 writable_bytes;
	u64 written; /* end of what vring_chain_write has written */
	struct vring_segment segment[VRING_CHAIN_MAX];
};

/* Makes the ring of queue `n` of device `slot`. */
void vring_create(struct vring *r, struct vm *vm, unsigned slot, unsigned n);

/* The queue is about to be used from its start: q->done will be 0. */
void vring_start(struct vring *r);

/* For an heir: finds out what the dead life had come to, if the driver knows more than the estate. Then vring_publish. */
int vring_adopt(struct vring *r);

/* True if the driver's addresses and size make a queue: aligned, in RAM, a power of two. */
bool vring_valid(const struct vm *vm, const struct vqueue_state *q);

/* Forgets what has been taken but not completed. */
void vring_rewind(struct vring *r);

/* Takes the next entry up. 1: *chain is its buffer; 0: there is none; -EPROTO: the driver broke the rules. */
int vring_take(struct vring *r, struct vring_chain *chain);

/* Copies `bytes` from offset `from` of the readable, or to offset `to` of the writable part. -EPROTO: not so long. */
int vring_chain_read(struct vm *vm, const struct vring_chain *chain, u64 from, void *to, size_t bytes);
int vring_chain_write(struct vm *vm, struct vring_chain *chain, u64 to, const void *from, size_t bytes);

/* Writes the used element of a chain into which the device has written `bytes`. The driver does not see it yet. */
int vring_use(struct vring *r, const struct vring_chain *chain, u64 bytes);

/* Shows the driver all entries up to q->done. */
int vring_publish(struct vring *r);

/* After vring_publish: false if the driver said that it looks by itself (section 2.7.7). */
bool vring_wants_interrupt(struct vring *r);

#endif
