/*
 * Split virtqueues of a confidential VM's devices (virtio 1.2, section 2.7), which lie in private memory.
 *
 * The device models are the hypervisor's. It cannot read the rings, so the warden does: it watches what the driver says to the
 * registers of the devices that the VM was launched with, and copies for each entry what the driver has put into it, no
 * more. What a queue is comes from the driver alone, never from the hypervisor.
 *
 * Rings and buffers are the guest's and may change at any time. Nothing of them is read twice to be believed the second
 * time; what breaks the rules answers SBI_ERR_FAILED, and nothing outside of the VM's memory is ever touched for it.
 */
#ifndef WARDEN_PRIVATE_RINGS_H
#define WARDEN_PRIVATE_RINGS_H

#include "warden/private/private.h"

struct private_queue {
	bool ready;
	u16 done; /* entries complete, modulo 2^16 */
	u32 num;
	u64 desc; /* as the driver gave them; checked when it makes the queue ready */
	u64 driver;
	u64 device;
};

/* What the driver has said to a device. */
struct private_rings {
	/* Its holder waits for nobody, and copies PRIVATE_ROOM_MAX at most. Taken after the VM's. */
	struct port_lock lock;
	u32 queue_select;
	u32 features_select;
	u32 features[2]; /* that it has accepted */
	bool beyond;	 /* and some that these have no room for */
	struct private_queue queue[PRIVATE_QUEUES];
};

/*
 * The guest has stored to an address outside of its RAM: a register of a device, perhaps. Before the hypervisor is told, and
 * as often as it is. The VM's lock is not needed. When this returns no ring that the driver has taken away is being
 * worked on.
 */
void rings_store(struct private_vm *vm, u64 at, u32 bytes, u64 value);

#endif
