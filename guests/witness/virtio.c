/* See virtio.h. Buffers are where they are: the guest's addresses are its machine's. */
#include "guests/witness/virtio.h"
#include "guests/lib/csr.h"
#include "guests/lib/guest.h"
#include "guests/lib/virtio_mmio.h"
#include "guests/witness/witness.h"

/* Bits of the status: ACKNOWLEDGE and DRIVER, FEATURES_OK, DRIVER_OK. */
#define STATUS_BEGUN	3u
#define STATUS_FEATURES 8u
#define STATUS_RUNS	4u

/* PLIC: priorities, enable bits and claim of a context, which is the hart's id on our machines (docs/guests.md). */
#define PLIC_PRIORITY(source)	(PLIC_BASE + 4ull * (source))
#define PLIC_ENABLE(hart, word) (PLIC_BASE + 0x2000 + 0x80 * (hart) + 4ull * (word))
#define PLIC_THRESHOLD(hart)	(PLIC_BASE + 0x200000 + 0x1000 * (hart))
#define PLIC_CLAIM(hart)	(PLIC_THRESHOLD(hart) + 4)
#define VIRTIO_SOURCE(slot)	(1 + (slot))

/* An interrupt that has not come for so long does not come. A recovery is shorter, a hang until it is found, too. */
#define INTERRUPT_SECONDS 10

static void (*handlers[VIRTIO_SLOTS])(void);

static void put(u64 at, u32 value)
{
	*(volatile u32 *)(uintptr_t)at = value;
}

static u32 get(u64 at)
{
	return *(volatile u32 *)(uintptr_t)at;
}

static void put64(u64 at, const void *address)
{
	put(at, (u32)(uintptr_t)address);
	put(at + 4, (u32)((uintptr_t)address >> 32));
}

static void barrier(void)
{
	__asm__ volatile("fence iorw, iorw" ::: "memory");
}

static void route(unsigned slot, void (*interrupt)(void))
{
	u64 hart = hart_self()->id, enable = PLIC_ENABLE(hart, 0);

	handlers[slot] = interrupt;
	put(PLIC_PRIORITY(VIRTIO_SOURCE(slot)), 1);
	put(enable, get(enable) | 1u << VIRTIO_SOURCE(slot));
	put(PLIC_THRESHOLD(hart), 0);
}

static void touch(u64 at)
{
	(void)get(at);
}

/* A machine may have fewer slots: what lies behind them is nothing. */
static bool is_there(u64 base, u32 kind)
{
	return guard(touch, base) == ~0ull && get(base + MAGIC) == MAGIC_VALUE &&
	       get(base + DEVICE_ID) == kind;
}

bool virtio_open(struct virtio *d, const char *name, u32 kind, u32 features, void (*interrupt)(void))
{
	for (unsigned slot = 0; slot < VIRTIO_SLOTS; slot++) {
		u64 base = VIRTIO_BASE + slot * VIRTIO_STRIDE;

		if (!is_there(base, kind))
			continue;
		*d = (struct virtio){ .base = base, .slot = slot, .name = name };
		put(base + STATUS, 0);
		put(base + STATUS, STATUS_BEGUN);
		put(base + DRIVER_FEATURES_SEL, 0);
		put(base + DRIVER_FEATURES, features);
		put(base + DRIVER_FEATURES_SEL, 1);
		put(base + DRIVER_FEATURES, 1); /* VERSION_1 */
		put(base + STATUS, STATUS_BEGUN | STATUS_FEATURES);
		expect(name, base + STATUS, STATUS_BEGUN | STATUS_FEATURES, get(base + STATUS));
		route(slot, interrupt);
		return true;
	}
	return false;
}

void virtio_queue(struct virtio *d, unsigned number, struct vq *q)
{
	put(d->base + QUEUE_SEL, number);
	put(d->base + QUEUE_NUM, VQ_SIZE);
	put64(d->base + QUEUE_DESC, q->descriptor);
	put64(d->base + QUEUE_DRIVER, &q->available);
	put64(d->base + QUEUE_DEVICE, &q->used);
	put(d->base + QUEUE_READY, 1);
}

void virtio_ready(struct virtio *d)
{
	put(d->base + STATUS, STATUS_BEGUN | STATUS_FEATURES | STATUS_RUNS);
}

void virtio_send(struct virtio *d, unsigned number, struct vq *q, u16 head)
{
	u16 index = q->available.index;

	q->available.ring[index % VQ_SIZE] = head;
	barrier();
	*(volatile u16 *)&q->available.index = (u16)(index + 1);
	barrier();
	put(d->base + QUEUE_NOTIFY, number);
}

bool virtio_take(struct virtio *d, struct vq *q, u32 *chains, struct vq_used *used)
{
	u64 came = __atomic_load_n(&d->interrupts, __ATOMIC_SEQ_CST), now;

	if (*(volatile u16 *)&q->used.index == q->seen)
		return false;
	/* An interrupt since something was taken last: or this is not complete for us yet. */
	if (came == q->before) {
		now = time_now();
		if (!q->unexplained)
			q->unexplained = now;
		if (now - q->unexplained < INTERRUPT_SECONDS * guest_timebase)
			return false;
		witness_error("interrupt_lost", d->base, came + 1, came);
	}
	q->unexplained = 0;
	barrier();
	*used = *(volatile struct vq_used *)&q->used.ring[q->seen % VQ_SIZE];
	q->seen++;
	if (*(volatile u16 *)&q->used.index == q->seen)
		q->before = came;
	if (used->id >= VQ_SIZE || !(*chains >> used->id & 1)) {
		witness_error("used_twice", d->base, *chains, used->id);
		return false;
	}
	*chains &= ~(1u << used->id);
	return true;
}

u32 virtio_config(const struct virtio *d, u32 offset)
{
	return get(d->base + CONFIG + offset);
}

void virtio_came(struct virtio *d)
{
	put(d->base + INTERRUPT_ACK, get(d->base + INTERRUPT_STATUS));
	__atomic_store_n(&d->interrupts, d->interrupts + 1, __ATOMIC_SEQ_CST);
}

void virtio_interrupt(void)
{
	u64 claim = PLIC_CLAIM(hart_self()->id);
	u32 source = get(claim);

	/* Taken back by the device meanwhile, or one more than needed after a recovery. */
	if (!source)
		return;
	if (source - 1 < VIRTIO_SLOTS && handlers[source - 1])
		handlers[source - 1]();
	else
		witness_error("interrupt_source", claim, 0, source);
	put(claim, source);
}
