/* The table of the machine's devices, and who does their work when. */
#include "drivers/drivers.h"
#include "core/arch.h"
#include "core/devices/backend.h"
#include "core/estate/estate.h"
#include "core/lib/lock.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "drivers/passthrough.h"
#include "drivers/plic.h"
#include "drivers/virtio_drivers.h"

/* virtio 1.2, section 4.2.2: the registers before the configuration space. */
#define WINDOW_MIN 0x100

/* How long a device may take for its reset while a life starts: the warden waits for an heir only so long (warden/life.c). */
#define RESET_PATIENCE_MS 100

/* Rounds over the marked devices before the hart goes back to its guest; what is left is done in the next loop. */
#define ROUNDS_MAX 4

static struct virtio_device devices[MACHINE_MAX_VIRTIO];
static unsigned device_count;

static u32 marked;	 /* bit n: devices[n] has work */
static struct lock busy; /* held by the one hart that does it */

_Static_assert(MACHINE_MAX_VIRTIO <= 32, "a bit for each device");

void drivers_mark(struct virtio_device *d)
{
	__atomic_fetch_or(&marked, 1u << d->index, __ATOMIC_SEQ_CST);
}

void drivers_interrupt(unsigned irq)
{
	for (unsigned i = 0; i < device_count; i++) {
		struct virtio_device *d = &devices[i];

		if (d->irq != irq || !d->poll)
			continue;
		virtio_mmio_acknowledge(d);
		drivers_mark(d);
	}
}

/* Does the work of the devices in `bits`; returns those that have more. */
static u32 work(u32 bits)
{
	u32 more = 0;

	for (unsigned i = 0; i < device_count; i++) {
		struct virtio_device *d = &devices[i];

		if (!(bits >> i & 1) || !d->poll)
			continue;
		if (!virtio_mmio_failed(d))
			virtio_mmio_check(d);
		if (d->poll(d))
			more |= 1u << i;
	}
	return more;
}

/*
 * A mark set while another hart works is not lost: either that hart's exchange gets it, or it is there when this one looks
 * again after the release. A hart that finds the lock taken leaves, because the holder looks after its release, too.
 */
void drivers_poll(void)
{
	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		u32 more;

		if (!__atomic_load_n(&marked, __ATOMIC_SEQ_CST) || !lock_try(&busy))
			return;
		more = work(__atomic_exchange_n(&marked, 0, __ATOMIC_SEQ_CST));
		if (more)
			__atomic_fetch_or(&marked, more, __ATOMIC_SEQ_CST);
		lock_release(&busy);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
	if (__atomic_load_n(&marked, __ATOMIC_SEQ_CST))
		arch_kick(arch_hart());
}

void drivers_look(void)
{
	for (unsigned i = 0; i < device_count; i++)
		drivers_mark(&devices[i]);
	drivers_poll();
}

/* Copies the machine's virtio windows, by ascending address. */
static void collect(void)
{
	const struct machine_record *m = &estate.machine;
	unsigned count = m->virtio_count < MACHINE_MAX_VIRTIO ? m->virtio_count : MACHINE_MAX_VIRTIO;

	memset(devices, 0, sizeof(devices));
	device_count = 0;
	for (unsigned i = 0; i < count; i++) {
		unsigned at = device_count;

		/* The root VM's devices are left alone in every life: they go on while an heir takes over. */
		if (!m->virtio[i].base || m->virtio[i].size < WINDOW_MIN || (m->root_windows >> i & 1))
			continue;
		for (; at && devices[at - 1].base > m->virtio[i].base; at--)
			devices[at] = devices[at - 1];
		devices[at] = (struct virtio_device){ .base = m->virtio[i].base, .irq = m->virtio_irq[i] };
		device_count++;
	}
	for (unsigned i = 0; i < device_count; i++)
		devices[i].index = i;
}

static int start(struct virtio_device *d)
{
	switch (d->kind) {
	case VIRTIO_KIND_BLK:
		return host_blk_start(d);
	case VIRTIO_KIND_NET:
		return host_net_start(d);
	case VIRTIO_KIND_CONSOLE:
		return host_console_start(d);
	case VIRTIO_KIND_ENTROPY:
		return host_entropy_start(d);
	default:
		log_line("virtio: device of type %u at 0x%lx is not used", d->kind, d->base);
		return 0;
	}
}

/* All of them, before anything else: whatever a device still had to write goes into memory before we use it. */
static void reset_all(void)
{
	for (unsigned i = 0; i < device_count; i++) {
		struct virtio_device *d = &devices[i];

		if (virtio_mmio_identify(d)) {
			d->kind = VIRTIO_KIND_NONE;
		} else if (virtio_mmio_reset(d, RESET_PATIENCE_MS)) {
			log_line(
				"virtio: device of type %u at 0x%lx is out of service: it does not come out of its reset",
				d->kind, d->base);
			d->failed = 1;
		}
	}
}

void drivers_init(void)
{
	__atomic_store_n(&marked, 0, __ATOMIC_SEQ_CST);
	host_blk_forget();
	host_net_forget();
	host_console_forget();
	host_entropy_forget();
	collect();
	reset_all();
	host_plic_init();
	passthrough_open();
	for (unsigned i = 0; i < device_count; i++) {
		struct virtio_device *d = &devices[i];

		if (d->kind == VIRTIO_KIND_NONE)
			continue;
		if (start(d)) {
			d->poll = NULL;
			virtio_mmio_reset(d, RESET_PATIENCE_MS);
		}
	}
}

void drivers_quiesce(void)
{
	for (unsigned i = 0; i < device_count; i++) {
		if (devices[i].kind != VIRTIO_KIND_NONE)
			virtio_mmio_reset(&devices[i], RESET_PATIENCE_MS);
		arch_beat();
	}
	host_plic_release();
}
