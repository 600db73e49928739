/*
 * Randomness for guests (their virtio-rng).
 *
 * From the machine's virtio entropy device (virtio 1.2, section 5.4), unmixed: as good as what stands behind it, which is
 * the host system's generator under QEMU. Each byte is given out once and wiped.
 *
 * Without such a device, or while it does not answer: a mix of the time counter and its jitter, which a patient attacker
 * can guess. It is good for spreading and for nothing secret, and the log says so. (The seed CSR of Zkr would be better, but
 * HS-mode reaches it only if the firmware opens it in mseccfg, and common firmware does not.)
 */
#include "core/arch.h"
#include "core/devices/backend.h"
#include "core/estate/estate.h"
#include "core/lib/errno.h"
#include "core/lib/lock.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/memory/pages.h"
#include "drivers/virtio_drivers.h"
#include "drivers/virtqueue.h"

#define QUEUE_REQUEST 0 /* section 5.4.2 */

/* Two: one is read from while the device fills the other. */
#define BUFFERS	     2u
#define BUFFER_BYTES 2048u

/* A guest that reads faster than the device delivers waits so long, inside its exit. */
#define PATIENCE_MS 5

static struct {
	struct lock lock;
	struct virtqueue *queue; /* NULL: no device */
	u8 *current;		 /* filled buffer; NULL: none */
	u32 left;		 /* bytes of it, at its end, not given out */
	u32 filled;
	u64 mix;
	bool warned;
} entropy;

static void offer(u8 *buffer)
{
	struct virtqueue_piece piece = { (u64)(uintptr_t)buffer, BUFFER_BYTES };

	virtqueue_add(entropy.queue, &piece, 0, 1, buffer);
}

/* Makes sure that there is a filled buffer, if the device gives one within `patience` ticks. */
static bool refill(u64 patience)
{
	u64 end = arch_time() + patience;

	for (;;) {
		if (entropy.current && entropy.left)
			return true;
		if (entropy.current)
			offer(entropy.current);
		entropy.current = virtqueue_take(entropy.queue, &entropy.filled);
		entropy.left = entropy.current ? entropy.filled : 0;
		if (entropy.left)
			return true;
		if (virtio_mmio_failed(entropy.queue->device) || arch_time() > end)
			return false;
		arch_relax();
	}
}

static size_t take(u8 *to, size_t bytes)
{
	size_t part = entropy.left < bytes ? entropy.left : bytes;
	u8 *from = entropy.current + entropy.filled - entropy.left;

	memcpy(to, from, part);
	memset(from, 0, part);
	entropy.left -= (u32)part;
	return part;
}

/* splitmix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators") over the time at each step. */
static u64 mixed(void)
{
	u64 z;

	entropy.mix += 0x9e3779b97f4a7c15ull ^ arch_time() << 17;
	z = entropy.mix;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static void mix(u8 *to, size_t bytes)
{
	if (!entropy.warned)
		log_line("entropy: no source that delivers: guests are given numbers that can be guessed");
	entropy.warned = true;
	while (bytes) {
		u64 word = mixed();
		size_t part = bytes < sizeof(word) ? bytes : sizeof(word);

		memcpy(to, &word, part);
		to += part;
		bytes -= part;
	}
}

void entropy_read(void *to, size_t bytes)
{
	u64 patience = estate.machine.timebase / 1000 * PATIENCE_MS;
	u8 *at = to;

	lock_take(&entropy.lock);
	while (bytes) {
		size_t part;

		if (!entropy.queue || !refill(patience)) {
			mix(at, bytes);
			break;
		}
		part = take(at, bytes);
		at += part;
		bytes -= part;
	}
	lock_release(&entropy.lock);
}

/* Nothing waits for the device but entropy_read, which looks itself. */
static bool entropy_poll(struct virtio_device *d)
{
	(void)d;
	return false;
}

int host_entropy_start(struct virtio_device *d)
{
	u8 *buffers;
	int error;

	if (entropy.queue)
		return -EBUSY;
	error = virtio_mmio_negotiate(d, 0);
	if (error)
		return error;
	buffers = page_alloc();
	if (!buffers)
		return -ENOMEM;
	entropy.queue = virtqueue_create(d, QUEUE_REQUEST, BUFFERS, BUFFERS);
	if (!entropy.queue)
		return -ENODEV;
	d->poll = entropy_poll;
	virtqueue_interrupts(entropy.queue, false);
	virtio_mmio_ready(d);
	for (unsigned i = 0; i < BUFFERS; i++)
		offer(buffers + (size_t)i * BUFFER_BYTES);
	log_line("entropy: 0x%lx", d->base);
	return 0;
}

void host_entropy_forget(void)
{
	memset(&entropy, 0, sizeof(entropy));
}
