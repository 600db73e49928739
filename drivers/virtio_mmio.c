/* virtio-mmio transport (virtio 1.2, section 4.2). */
#include "drivers/virtio_mmio.h"
#include "core/arch.h"
#include "core/estate/estate.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "drivers/drivers.h"
#include "drivers/io.h"
#include "drivers/plic.h"

/* Section 4.2.2, "MMIO Device Register Layout". */
#define REG_MAGIC		0x000
#define REG_VERSION		0x004
#define REG_DEVICE_ID		0x008
#define REG_DEVICE_FEATURES	0x010
#define REG_DEVICE_FEATURES_SEL 0x014
#define REG_DRIVER_FEATURES	0x020
#define REG_DRIVER_FEATURES_SEL 0x024
#define REG_QUEUE_SEL		0x030
#define REG_QUEUE_NUM_MAX	0x034
#define REG_QUEUE_NUM		0x038
#define REG_QUEUE_READY		0x044
#define REG_QUEUE_NOTIFY	0x050
#define REG_INTERRUPT_STATUS	0x060
#define REG_INTERRUPT_ACK	0x064
#define REG_STATUS		0x070
#define REG_QUEUE_DESC		0x080
#define REG_QUEUE_DRIVER	0x090
#define REG_QUEUE_DEVICE	0x0a0
#define REG_CONFIG_GENERATION	0x0fc
#define REG_CONFIG		0x100

#define MAGIC_VALUE    0x74726976u /* "virt" */
#define VERSION_LEGACY 1u	   /* section 4.2.4 */
#define VERSION_MODERN 2u

#define INTERRUPT_CONFIG (1u << 1)

/* Section 2.1, "Device Status Field". */
#define STATUS_ACKNOWLEDGE 1u
#define STATUS_DRIVER	   2u
#define STATUS_DRIVER_OK   4u
#define STATUS_FEATURES_OK 8u
#define STATUS_NEEDS_RESET 64u
#define STATUS_FAILED	   128u

#define F_VERSION_1 32 /* section 6 */

/* A device in service that breaks gets less time for its reset than a hart has before the watchdog takes it for hung. */
#define FAIL_PATIENCE_MS 20

/* Retries of a configuration that changes while it is read. */
#define CONFIG_RETRIES 16

static u32 get(const struct virtio_device *d, unsigned reg)
{
	return io_read32(d->base + reg);
}

static void put(const struct virtio_device *d, unsigned reg, u32 value)
{
	io_write32(d->base + reg, value);
}

static void put64(const struct virtio_device *d, unsigned reg, u64 value)
{
	put(d, reg, (u32)value);
	put(d, reg + 4, (u32)(value >> 32));
}

int virtio_mmio_identify(struct virtio_device *d)
{
	u32 version;

	if (get(d, REG_MAGIC) != MAGIC_VALUE)
		return -ENODEV;
	version = get(d, REG_VERSION);
	d->kind = get(d, REG_DEVICE_ID);
	if (d->kind == VIRTIO_KIND_NONE)
		return -ENODEV;
	if (version == VERSION_MODERN)
		return 0;
	if (version == VERSION_LEGACY) {
		put(d, REG_STATUS,
		    0); /* the register is where it was, and no life has ever driven the device */
		log_line("virtio: legacy device of type %u at 0x%lx refused: start QEMU with "
			 "-global virtio-mmio.force-legacy=false",
			 d->kind, d->base);
	} else {
		log_line("virtio: device of type %u at 0x%lx refused: transport version %u", d->kind, d->base,
			 version);
	}
	return -ENODEV;
}

/* Section 4.2.3.1: write 0, then wait until it reads 0. */
int virtio_mmio_reset(struct virtio_device *d, unsigned patience_ms)
{
	u64 end = arch_time() + estate.machine.timebase / 1000 * patience_ms;

	put(d, REG_STATUS, 0);
	while (get(d, REG_STATUS)) {
		if (arch_time() > end)
			return -EIO;
		arch_doze();
	}
	return 0;
}

static u64 offered(const struct virtio_device *d)
{
	u64 low, high;

	put(d, REG_DEVICE_FEATURES_SEL, 0);
	low = get(d, REG_DEVICE_FEATURES);
	put(d, REG_DEVICE_FEATURES_SEL, 1);
	high = get(d, REG_DEVICE_FEATURES);
	return high << 32 | low;
}

int virtio_mmio_negotiate(struct virtio_device *d, u64 wanted)
{
	u64 has;

	if (virtio_mmio_failed(d))
		return -EIO;
	has = offered(d);
	put(d, REG_STATUS, STATUS_ACKNOWLEDGE);
	put(d, REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	if (!(has >> F_VERSION_1 & 1)) {
		put(d, REG_STATUS, STATUS_FAILED);
		return -ENODEV;
	}
	d->features = has & (wanted | 1ull << F_VERSION_1);
	put(d, REG_DRIVER_FEATURES_SEL, 0);
	put(d, REG_DRIVER_FEATURES, (u32)d->features);
	put(d, REG_DRIVER_FEATURES_SEL, 1);
	put(d, REG_DRIVER_FEATURES, (u32)(d->features >> 32));
	put(d, REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
	return get(d, REG_STATUS) & STATUS_FEATURES_OK ? 0 : -ENODEV;
}

void virtio_mmio_ready_polled(struct virtio_device *d)
{
	put(d, REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
}

void virtio_mmio_ready(struct virtio_device *d)
{
	virtio_mmio_ready_polled(d);
	host_plic_enable(d->irq);
}

u8 virtio_mmio_config8(struct virtio_device *d, unsigned offset)
{
	return io_read8(d->base + REG_CONFIG + offset);
}

u32 virtio_mmio_config32(struct virtio_device *d, unsigned offset)
{
	return get(d, REG_CONFIG + offset);
}

/* Two reads of 32 bits, repeated until both belong together (section 2.5.3). */
u64 virtio_mmio_config64(struct virtio_device *d, unsigned offset)
{
	u64 value = 0;

	for (unsigned i = 0; i < CONFIG_RETRIES; i++) {
		u32 generation = get(d, REG_CONFIG_GENERATION);

		value = get(d, REG_CONFIG + offset);
		value |= (u64)get(d, REG_CONFIG + offset + 4) << 32;
		if (get(d, REG_CONFIG_GENERATION) == generation)
			break;
	}
	return value;
}

unsigned virtio_mmio_queue_max(struct virtio_device *d, unsigned number)
{
	put(d, REG_QUEUE_SEL, number);
	return get(d, REG_QUEUE_READY) ? 0 : get(d, REG_QUEUE_NUM_MAX);
}

/* Section 4.2.3.2. */
void virtio_mmio_queue_start(struct virtio_device *d, unsigned number, unsigned size, u64 desc, u64 avail,
			     u64 used)
{
	put(d, REG_QUEUE_SEL, number);
	put(d, REG_QUEUE_NUM, size);
	put64(d, REG_QUEUE_DESC, desc);
	put64(d, REG_QUEUE_DRIVER, avail);
	put64(d, REG_QUEUE_DEVICE, used);
	put(d, REG_QUEUE_READY, 1);
}

void virtio_mmio_notify(struct virtio_device *d, unsigned number)
{
	put(d, REG_QUEUE_NOTIFY, number);
}

/* Without the driver's lock: the two registers have no state that the driver uses. */
void virtio_mmio_acknowledge(struct virtio_device *d)
{
	u32 status = get(d, REG_INTERRUPT_STATUS);

	if (!status)
		return;
	put(d, REG_INTERRUPT_ACK, status);
	if (status & INTERRUPT_CONFIG)
		__atomic_store_n(&d->config_event, 1, __ATOMIC_RELAXED);
}

void virtio_mmio_check(struct virtio_device *d)
{
	if (!__atomic_exchange_n(&d->config_event, 0, __ATOMIC_RELAXED))
		return;
	if (!virtio_mmio_failed(d) && get(d, REG_STATUS) & STATUS_NEEDS_RESET)
		virtio_mmio_fail(d, "it asks for a reset");
}

void virtio_mmio_fail(struct virtio_device *d, const char *why)
{
	int error;

	if (__atomic_exchange_n(&d->failed, 1, __ATOMIC_RELAXED))
		return;
	host_plic_disable(d->irq);
	error = virtio_mmio_reset(d, FAIL_PATIENCE_MS);
	log_line("virtio: device of type %u at 0x%lx is out of service: %s%s", d->kind, d->base, why,
		 error ? "; it does not take a reset either" : "");
	drivers_mark(d);
}
