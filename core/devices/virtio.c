/*
 * The transport of virtio devices: virtio-mmio, version 2 (virtio 1.2, section 4.2), and their work.
 *
 * A register access changes words of the estate in the transaction of the guest's instruction. A kick has no words: the
 * guest's pc moves, then the device serves its queues. A life that dies between the two leaves entries that the heir
 * finds without a kick, because virtio_resume looks at all queues.
 */
#include "core/devices/virtio.h"
#include "core/devices/plic.h"
#include "core/devices/vdev.h"
#include "core/dump/snapshot.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/memory/pages.h"
#include "core/survive/scrub.h"

/* Registers (section 4.2.2). */
enum virtio_register {
	REG_MAGIC = 0x000,
	REG_VERSION = 0x004,
	REG_DEVICE_ID = 0x008,
	REG_VENDOR_ID = 0x00c,
	REG_DEVICE_FEATURES = 0x010,
	REG_DEVICE_FEATURES_SEL = 0x014,
	REG_DRIVER_FEATURES = 0x020,
	REG_DRIVER_FEATURES_SEL = 0x024,
	REG_QUEUE_SEL = 0x030,
	REG_QUEUE_NUM_MAX = 0x034,
	REG_QUEUE_NUM = 0x038,
	REG_QUEUE_READY = 0x044,
	REG_QUEUE_NOTIFY = 0x050,
	REG_INTERRUPT_STATUS = 0x060,
	REG_INTERRUPT_ACK = 0x064,
	REG_STATUS = 0x070,
	REG_QUEUE_DESC = 0x080, /* low and high half, as the next two */
	REG_QUEUE_DRIVER = 0x090,
	REG_QUEUE_DEVICE = 0x0a0,
	REG_SHM_LEN_LOW = 0x0b0,
	REG_SHM_BASE_HIGH = 0x0bc,
	REG_CONFIG_GENERATION = 0x0fc,
	REG_CONFIG = 0x100,
};

#define VIRTIO_MAGIC   0x74726976u /* "virt" */
#define VIRTIO_VERSION 2u
#define VIRTIO_VENDOR  0x4c54554fu /* "OUTL" */
#define VIRTIO_NO_SHM  0xffffffffu

/* Device status (section 2.1). */
#define STATUS_DRIVER_OK   4u
#define STATUS_FEATURES_OK 8u
#define STATUS_NEEDS_RESET 64u
#define STATUS_FAILED	   128u
#define STATUS_BY_DRIVER   (1u | 2u | STATUS_DRIVER_OK | STATUS_FEATURES_OK | STATUS_FAILED)

/* Interrupt status (section 4.2.2). */
#define INTERRUPT_QUEUE	 1u
#define INTERRUPT_CONFIG 2u

/* Features of the transport (section 6). */
#define FEATURE_INDIRECT_DESC (1ull << 28)
#define FEATURE_VERSION_1     (1ull << 32)
#define FEATURES_ALL	      (FEATURE_INDIRECT_DESC | FEATURE_VERSION_1)

/* Bit n: device n of the VM has work for virtio_work. */
static u32 marked[MAX_VMS];

_Static_assert(VM_MAX_DEVICES <= 32, "a bit for each device");

void vdev_mark(struct vdev *d)
{
	u32 bit = 1u << d->slot;

	if (!(__atomic_fetch_or(&marked[d->vm->index], bit, __ATOMIC_SEQ_CST) & bit))
		arch_kick(arch_hart());
}

static bool vdev_live(const struct vdev *d)
{
	return (estate_load(&d->s->status) & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET | STATUS_FAILED)) ==
	       STATUS_DRIVER_OK;
}

bool vdev_queue_live(const struct vdev *d, unsigned n)
{
	return vdev_live(d) && estate_load(&d->s->queue[n].ready);
}

static void vdev_stage_interrupt(struct vdev *d, struct txn *t, u64 status)
{
	txn_set(t, &d->s->interrupt_status, status);
	plic_stage_line(d->vm, t, GUEST_VIRTIO_IRQ(d->slot), status != 0);
}

void vdev_complete(struct vdev *d, unsigned n, struct txn *t, unsigned count)
{
	struct vring *r = &d->ring[n];
	u64 status = estate_load(&d->s->interrupt_status);

	txn_set(t, &r->q->done, (estate_load(&r->q->done) + count) & 0xffff);
	txn_commit(t);
	if (vring_publish(r)) {
		vdev_break(d, t);
		return;
	}
	/*
	 * The flags count only after the index: a driver that takes them back looks at the index once more. Whether the
	 * interrupt was raised is not known to an heir, so it raises one in any case.
	 */
	if (!(status & INTERRUPT_QUEUE) && vring_wants_interrupt(r)) {
		vdev_stage_interrupt(d, t, status | INTERRUPT_QUEUE);
		txn_commit(t);
		plic_update(d->vm);
	}
}

/* Stages what says that the device is broken (section 2.1.2). */
static void vdev_stage_broken(struct vdev *d, struct txn *t)
{
	u64 status = txn_get(t, &d->s->status);

	if (!d->reported)
		scrub_doubt(d->vm);
	txn_set(t, &d->s->status, status | STATUS_NEEDS_RESET);
	if (status & STATUS_DRIVER_OK)
		vdev_stage_interrupt(d, t, txn_get(t, &d->s->interrupt_status) | INTERRUPT_CONFIG);
	if (!d->reported)
		log_line("%s: device %u: its driver broke the rules of virtio, it needs a reset",
			 d->vm->config.name, d->slot);
	d->reported = true;
}

void vdev_break(struct vdev *d, struct txn *t)
{
	vdev_stage_broken(d, t);
	txn_commit(t);
	plic_update(d->vm);
}

static bool vdev_quiet(const struct vdev *d)
{
	return !d->kind->quiet || d->kind->quiet(d);
}

static void vdev_forget(struct vdev *d)
{
	if (d->kind->reset)
		d->kind->reset(d);
}

/* Stages a word's reset value; without a transaction stores it. */
static void vdev_clear(struct txn *t, u64 *word)
{
	if (!estate_load(word))
		return;
	if (t)
		txn_set(t, word, 0);
	else
		estate_store(word, 0);
}

/*
 * Everything the driver has set up goes (section 2.4). At most 26 words. A queue's `ready` goes before its rest: a life that ends
 * in between leaves nothing that its heir finds damaged.
 */
static void vdev_clear_all(struct vdev_state *s, struct txn *t)
{
	vdev_clear(t, &s->status);
	vdev_clear(t, &s->device_features_sel);
	vdev_clear(t, &s->driver_features_sel);
	vdev_clear(t, &s->driver_features);
	vdev_clear(t, &s->queue_sel);
	vdev_clear(t, &s->interrupt_status);
	for (unsigned n = 0; n < VQUEUE_MAX; n++) {
		vdev_clear(t, &s->queue[n].ready);
		vdev_clear(t, &s->queue[n].num);
		vdev_clear(t, &s->queue[n].desc);
		vdev_clear(t, &s->queue[n].driver);
		vdev_clear(t, &s->queue[n].device);
		vdev_clear(t, &s->queue[n].done);
		vdev_clear(t, &s->queue[n].part);
	}
}

/* ---- Registers ---- */

/* The queue that the driver has selected, or NULL. */
static struct vqueue_state *vdev_selected(struct vdev *d)
{
	u64 n = estate_load(&d->s->queue_sel);

	return n < d->kind->queues ? &d->s->queue[n] : NULL;
}

static u64 vdev_features_half(u64 features, u64 half)
{
	return half < 2 ? (u32)(features >> (32 * half)) : 0;
}

static int virtio_config_read(struct vdev *d, u64 offset, unsigned bytes, u64 *value)
{
	*value = 0;
	if (offset < VDEV_CONFIG_SIZE && bytes <= VDEV_CONFIG_SIZE - offset)
		memcpy(value, &d->config[offset], bytes);
	return 0;
}

static u64 virtio_register(struct vdev *d, u64 offset)
{
	struct vdev_state *s = d->s;
	struct vqueue_state *q;

	switch (offset) {
	case REG_MAGIC:
		return VIRTIO_MAGIC;
	case REG_VERSION:
		return VIRTIO_VERSION;
	case REG_DEVICE_ID:
		return d->kind->id;
	case REG_VENDOR_ID:
		return VIRTIO_VENDOR;
	case REG_DEVICE_FEATURES:
		return vdev_features_half(d->features, estate_load(&s->device_features_sel));
	case REG_QUEUE_NUM_MAX:
		return vdev_selected(d) ? VQUEUE_SIZE_MAX : 0;
	case REG_QUEUE_READY:
		q = vdev_selected(d);
		return q ? estate_load(&q->ready) : 0;
	case REG_INTERRUPT_STATUS:
		return estate_load(&s->interrupt_status);
	case REG_STATUS:
		return estate_load(&s->status);
	case REG_CONFIG_GENERATION:
		return estate_load(&s->config_generation);
	default:
		/* A region of shared memory that does not exist has the length -1. */
		return offset >= REG_SHM_LEN_LOW && offset <= REG_SHM_BASE_HIGH ? VIRTIO_NO_SHM : 0;
	}
}

static int virtio_read(struct vm *vm, unsigned unit, struct txn *t, u64 offset, unsigned bytes, u64 *value)
{
	struct vdev *d = vm->dev[unit];

	(void)t;
	if (!d)
		return -EFAULT;
	if (offset >= REG_CONFIG)
		return virtio_config_read(d, offset - REG_CONFIG, bytes, value);
	if (bytes != 4)
		return -EFAULT;
	*value = virtio_register(d, offset);
	return 0;
}

/* The driver's reset waits for the host's devices: afterwards the guest uses the memory for something else. */
static int virtio_write_reset(struct vdev *d, struct txn *t)
{
	if (!vdev_quiet(d)) {
		vdev_mark(d);
		return -EAGAIN;
	}
	vdev_forget(d);
	plic_stage_line(d->vm, t, GUEST_VIRTIO_IRQ(d->slot), false);
	vdev_clear_all(d->s, t);
	return 0;
}

static int virtio_write_status(struct vdev *d, struct txn *t, u64 value)
{
	u64 old = estate_load(&d->s->status);
	u64 features = estate_load(&d->s->driver_features);
	u64 status = old | (value & STATUS_BY_DRIVER);

	if (!value)
		return virtio_write_reset(d, t);
	/* Features that we did not offer, or a legacy driver: the bit does not stay (sections 2.2, 3.1.1). */
	if (!(old & STATUS_FEATURES_OK) && ((features & ~d->features) || !(features & FEATURE_VERSION_1)))
		status &= ~(u64)STATUS_FEATURES_OK;
	if (!(status & STATUS_FEATURES_OK))
		status &= ~(u64)STATUS_DRIVER_OK;
	txn_set(t, &d->s->status, status);
	return 0;
}

static void virtio_write_features(struct vdev *d, struct txn *t, u64 value)
{
	u64 shift = 32 * estate_load(&d->s->driver_features_sel);
	u64 features = estate_load(&d->s->driver_features);

	if (shift > 32 || (estate_load(&d->s->status) & STATUS_FEATURES_OK))
		return;
	txn_set(t, &d->s->driver_features, (features & ~(0xffffffffull << shift)) | value << shift);
}

static int virtio_write_ready(struct vdev *d, struct txn *t, u64 value)
{
	struct vqueue_state *q = vdev_selected(d);
	struct vring *r;

	if (!q || !!value == estate_load(&q->ready))
		return 0;
	r = &d->ring[q - d->s->queue];
	if (!value) {
		if (!vdev_quiet(d)) {
			vdev_mark(d);
			return -EAGAIN;
		}
		vdev_forget(d);
		txn_set(t, &q->ready, 0);
	} else if (vring_valid(d->vm, q)) {
		vring_start(r);
		txn_set(t, &q->done, 0);
		txn_set(t, &q->part, 0);
		txn_set(t, &q->ready, 1);
	} else {
		vdev_stage_broken(d, t);
	}
	return 0;
}

/* Sets the size, or half of an address, of a queue that is not in use. */
static void virtio_write_queue(struct vdev *d, struct txn *t, u64 offset, u64 value)
{
	struct vqueue_state *q = vdev_selected(d);
	u64 shift = offset & 4 ? 32 : 0;
	u64 *word;

	if (!q || estate_load(&q->ready))
		return;
	if (offset == REG_QUEUE_NUM) {
		txn_set(t, &q->num, value <= VQUEUE_SIZE_MAX && !(value & (value - 1)) ? value : 0);
		return;
	}
	word = (offset & ~4ull) == REG_QUEUE_DESC     ? &q->desc
	       : (offset & ~4ull) == REG_QUEUE_DRIVER ? &q->driver
						      : &q->device;
	txn_set(t, word, (estate_load(word) & ~(0xffffffffull << shift)) | value << shift);
}

static int virtio_write(struct vm *vm, unsigned unit, struct txn *t, u64 offset, unsigned bytes, u64 value)
{
	struct vdev *d = vm->dev[unit];

	if (!d)
		return -EFAULT;
	/* No device has configuration that its driver may write. */
	if (offset >= REG_CONFIG)
		return 0;
	if (bytes != 4)
		return -EFAULT;
	value = (u32)value;
	switch (offset) {
	case REG_DEVICE_FEATURES_SEL:
		txn_set(t, &d->s->device_features_sel, value);
		break;
	case REG_DRIVER_FEATURES:
		virtio_write_features(d, t, value);
		break;
	case REG_DRIVER_FEATURES_SEL:
		txn_set(t, &d->s->driver_features_sel, value);
		break;
	case REG_QUEUE_SEL:
		txn_set(t, &d->s->queue_sel, value);
		break;
	case REG_QUEUE_NUM:
	case REG_QUEUE_DESC:
	case REG_QUEUE_DESC + 4:
	case REG_QUEUE_DRIVER:
	case REG_QUEUE_DRIVER + 4:
	case REG_QUEUE_DEVICE:
	case REG_QUEUE_DEVICE + 4:
		virtio_write_queue(d, t, offset, value);
		break;
	case REG_QUEUE_READY:
		return virtio_write_ready(d, t, value);
	case REG_INTERRUPT_ACK:
		vdev_stage_interrupt(d, t, estate_load(&d->s->interrupt_status) & ~value);
		break;
	case REG_STATUS:
		return virtio_write_status(d, t, value);
	default: /* QueueNotify has no words, all others are read-only */
		break;
	}
	return 0;
}

/* ---- Work ---- */

/*
 * A dump holds the VM, or has no room for old pages: until virtio_wake its devices leave its memory alone, and what is
 * marked stays so. To be asked before each piece of work: a device writes no more in one than a snapshot keeps room for.
 */
static bool virtio_stalled(const struct vm *vm)
{
	return __atomic_load_n(&vm->held, __ATOMIC_SEQ_CST) || snapshot_full(vm);
}

/* A kick, and the status that says that kicks begin, are followed by a look at the queues. */
static void virtio_after(struct vm *vm, unsigned unit, struct txn *t, u64 offset, u64 value)
{
	struct vdev *d = vm->dev[unit];

	(void)value;
	if (offset != REG_QUEUE_NOTIFY && offset != REG_STATUS)
		return;
	if (vdev_live(d) && (virtio_stalled(vm) || d->kind->work(d, t)))
		vdev_mark(d);
}

const struct mmio_device virtio_device = { .read = virtio_read,
					   .write = virtio_write,
					   .after = virtio_after };

bool virtio_work(struct vm *vm, struct txn *t)
{
	u32 *own = &marked[vm->index];
	u32 again = 0, left = 0;
	u32 bits;

	/* A VM that does not run keeps its marks until it does. */
	if (!__atomic_load_n(own, __ATOMIC_RELAXED) || estate_load(&vm->s->run_state) != VM_RUNNING)
		return false;
	lock_take(&vm->dev_lock);
	bits = __atomic_exchange_n(own, 0, __ATOMIC_SEQ_CST);
	for (unsigned slot = 0; slot < VM_MAX_DEVICES; slot++) {
		struct vdev *d = vm->dev[slot];

		if (!(bits >> slot & 1) || !d || !vdev_live(d))
			continue;
		if (virtio_stalled(vm))
			left |= 1u << slot;
		else if (d->kind->work(d, t))
			again |= 1u << slot;
	}
	lock_release(&vm->dev_lock);
	if (again | left)
		__atomic_fetch_or(own, again | left, __ATOMIC_SEQ_CST);
	return again;
}

void virtio_wake(struct vm *vm)
{
	for (unsigned slot = 0; slot < VM_MAX_DEVICES; slot++)
		if (vm->dev[slot])
			vdev_mark(vm->dev[slot]);
	/* Also for those whose marks stood. */
	arch_kick(arch_hart());
}

bool virtio_takes_input(const struct vm *vm)
{
	return !virtio_stalled(vm);
}

/* ---- Life ---- */

const struct vdev_kind *const vdev_kinds[] = {
	[VM_DEV_NONE] = NULL,	  [VM_DEV_CONSOLE] = &vdev_console, [VM_DEV_BLK] = &vdev_blk,
	[VM_DEV_NET] = &vdev_net, [VM_DEV_RNG] = &vdev_rng,	    [VM_DEV_PMSG] = &vdev_pmsg,
};
const unsigned vdev_kind_count = ARRAY_SIZE(vdev_kinds);

int virtio_create(struct vm *vm, unsigned slot)
{
	u32 number = vm->config.devices[slot].kind;
	const struct vdev_kind *kind;
	struct vdev *d;
	int error;

	/* The machine's own device, not one of ours: see core/root/root.h. */
	if (number == VM_DEV_PASS)
		return 0;
	if (number >= ARRAY_SIZE(vdev_kinds))
		return -ENODEV;
	kind = vdev_kinds[number];
	if (!kind)
		return 0;
	d = object_alloc(kind->size);
	if (!d)
		return -ENOMEM;
	d->kind = kind;
	d->vm = vm;
	d->slot = slot;
	d->s = &vm->s->dev[slot];
	d->features = kind->features | FEATURES_ALL;
	for (unsigned n = 0; n < VQUEUE_MAX; n++)
		vring_create(&d->ring[n], vm, slot, n);
	error = kind->create(d);
	if (!error)
		vm->dev[slot] = d;
	return error;
}

void virtio_reset(struct vm *vm, unsigned slot)
{
	struct vdev *d = vm->dev[slot];

	if (!d)
		return;
	vdev_forget(d);
	vdev_clear_all(d->s, NULL);
	plic_restore_line(vm, GUEST_VIRTIO_IRQ(slot), false);
}

bool virtio_quiet(const struct vm *vm)
{
	for (unsigned slot = 0; slot < VM_MAX_DEVICES; slot++)
		if (vm->dev[slot] && !vdev_quiet(vm->dev[slot]))
			return false;
	return true;
}

bool virtio_valid(const struct vm *vm, unsigned slot)
{
	const struct vdev *d = vm->dev[slot];
	const struct vdev_state *s = &vm->s->dev[slot];
	u64 status = estate_load(&s->status);

	if (!d)
		return true;
	if ((status & ~(u64)(STATUS_BY_DRIVER | STATUS_NEEDS_RESET)) ||
	    (estate_load(&s->interrupt_status) & ~(u64)(INTERRUPT_QUEUE | INTERRUPT_CONFIG)))
		return false;
	if ((status & STATUS_FEATURES_OK) && (estate_load(&s->driver_features) & ~d->features))
		return false;
	if ((estate_load(&s->device_features_sel) | estate_load(&s->driver_features_sel) |
	     estate_load(&s->queue_sel)) >>
	    32)
		return false;
	for (unsigned n = 0; n < VQUEUE_MAX; n++) {
		const struct vqueue_state *q = &s->queue[n];
		u64 ready = estate_load(&q->ready);

		if (ready > 1 || (ready && n >= d->kind->queues) || estate_load(&q->done) > 0xffff)
			return false;
		if (ready && !vring_valid(vm, q))
			return false;
	}
	return true;
}

void virtio_resume(struct vm *vm, unsigned slot)
{
	struct vdev *d = vm->dev[slot];
	u64 status;

	if (!d)
		return;
	lock_take(&vm->dev_lock);
	status = estate_load(&d->s->interrupt_status);
	for (unsigned n = 0; n < d->kind->queues; n++) {
		vring_rewind(&d->ring[n]);
		if (!vdev_queue_live(d, n))
			continue;
		/* A queue that worked in the life before lies in RAM: it was checked when it was made ready. */
		if (vring_adopt(&d->ring[n]) || vring_publish(&d->ring[n]))
			estate_store(&d->s->status, estate_load(&d->s->status) | STATUS_NEEDS_RESET);
		status |= INTERRUPT_QUEUE;
	}
	estate_store(&d->s->interrupt_status, status);
	plic_restore_line(vm, GUEST_VIRTIO_IRQ(slot), status != 0);
	plic_update(vm);
	lock_release(&vm->dev_lock);
	vdev_mark(d);
}
