/*
 * A virtio device of this life: what the transport (virtio.c) and the kinds of device share. For core/devices only.
 *
 * Everything here is volatile; the words that count are struct vdev_state in the estate. All under vm->dev_lock, but
 * vdev_mark, which anybody may call.
 */
#ifndef CORE_DEVICES_VDEV_H
#define CORE_DEVICES_VDEV_H

#include "core/devices/virtio.h"
#include "core/devices/vring.h"

#define VDEV_CONFIG_SIZE 64

/* Entries of a queue that one call of `work` serves at most. */
#define VDEV_BUDGET 32

struct vdev_kind {
	u32 id; /* virtio device ID (section 5) */
	unsigned queues;
	u64 features; /* that it offers beside those of the transport */
	size_t size;  /* of its struct, which begins with a struct vdev */
	/* Connects to the host's device and fills in `config`. -ENODEV. */
	int (*create)(struct vdev *d);
	/* Serves all queues, at most VDEV_BUDGET entries each; true: there is more to do now. Device is live. */
	bool (*work)(struct vdev *d, struct txn *t);
	/* Forgets what is under way. NULL: nothing ever is. */
	void (*reset)(struct vdev *d);
	/* True if no device of the host reads or writes guest memory for it. NULL: always true. */
	bool (*quiet)(const struct vdev *d);
};

extern const struct vdev_kind vdev_blk, vdev_net, vdev_console, vdev_rng, vdev_pmsg;

/* By enum vm_device_kind; NULL: no virtio device. Tests end lives in the work of each. */
extern const struct vdev_kind *const vdev_kinds[];
extern const unsigned vdev_kind_count;

struct vdev {
	const struct vdev_kind *kind;
	struct vm *vm;
	unsigned slot;
	struct vdev_state *s;
	u64 features; /* offered; `create` may add to them */
	struct vring ring[VQUEUE_MAX];
	struct vring_chain chain; /* for those that finish an entry before they take the next */
	bool reported;		  /* that it is broken, once a life */
	u8 config[VDEV_CONFIG_SIZE];
};

/* True if queue `n` may be used: device driven, not broken, queue ready. */
bool vdev_queue_live(const struct vdev *d, unsigned n);

/*
 * Completes the next `count` entries of queue `n`, whose used elements have been written: commits `t` with what else is
 * staged in it, shows the driver the entries, interrupts it if it wants that.
 */
void vdev_complete(struct vdev *d, unsigned n, struct txn *t, unsigned count);

/* The driver broke the rules: the device stops until it is reset. Commits. */
void vdev_break(struct vdev *d, struct txn *t);

/* There is work for virtio_work. Any hart, any lock. */
void vdev_mark(struct vdev *d);

/* False while the VM is being dumped such that devices must not write to its memory; under dev_lock, before a piece of work. */
bool virtio_takes_input(const struct vm *vm);

/* The configuration of the device. */
static inline const struct vm_device_config *vdev_config(const struct vdev *d)
{
	return &d->vm->config.devices[d->slot];
}

#endif
