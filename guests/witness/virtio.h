/* virtio-mmio devices of the witness (virtio 1.2, chapters 2.7 and 4.2): found, set up, their rings. One vCPU a device. */
#ifndef GUESTS_WITNESS_VIRTIO_H
#define GUESTS_WITNESS_VIRTIO_H

#include "abi/types.h"

#define VQ_SIZE 16

#define VIRTIO_NET 1u
#define VIRTIO_BLK 2u

/* Flags of a descriptor. */
#define VQ_NEXT	 1u
#define VQ_WRITE 2u

struct vq_descriptor {
	u64 at;
	u32 bytes;
	u16 flags;
	u16 next;
};

struct vq_used {
	u32 id;
	u32 bytes;
};

/* The parts that the device knows; zero at the start. */
struct vq {
	struct vq_descriptor descriptor[VQ_SIZE];
	struct {
		u16 flags;
		u16 index;
		u16 ring[VQ_SIZE];
		u16 event;
	} available;
	struct {
		u16 flags;
		u16 index;
		struct vq_used ring[VQ_SIZE];
		u16 event;
	} used __attribute__((aligned(8)));
	/* Ours. */
	u16 seen;	 /* used entries that have been taken */
	u64 before;	 /* interrupts that had come when the last of what there was was taken */
	u64 unexplained; /* time since when something is used without an interrupt, 0: nothing is */
} __attribute__((aligned(16)));

struct virtio {
	u64 base; /* address, 0: none */
	unsigned slot;
	const char *name;
	u64 interrupts; /* that came */
};

/* The first device of that kind, reset and with VERSION_1 and `features` accepted; its interrupt goes to the calling vCPU. */
bool virtio_open(struct virtio *d, const char *name, u32 kind, u32 features, void (*interrupt)(void));

/* Gives the device a queue; then virtio_ready once. */
void virtio_queue(struct virtio *d, unsigned number, struct vq *q);
void virtio_ready(struct virtio *d);

/* Makes the chain that starts with a descriptor available, and tells the device. */
void virtio_send(struct virtio *d, unsigned number, struct vq *q, u16 head);

/*
 * The next used entry, which is checked against `chains`, a bit for each descriptor that is the head of a chain under way;
 * the bit goes. False: there is none. What is used without an interrupt for long is an error.
 */
bool virtio_take(struct virtio *d, struct vq *q, u32 *chains, struct vq_used *used);

/* A register of the device's configuration. */
u32 virtio_config(const struct virtio *d, u32 offset);

/* The calling vCPU has an external interrupt. */
void virtio_interrupt(void);

/* What an interrupt of the device is to do: say that it has come, acknowledge. */
void virtio_came(struct virtio *d);

#endif
