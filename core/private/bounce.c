#include "core/private/bounce.h"
#include "core/lib/check.h"
#include "core/vm/vm.h"

/* What is known of a kind of device without one: the tables in core/devices are not the command's, which measures too. */
static const struct bounce_kind {
	u32 id;		 /* virtio device ID (virtio 1.2, section 5) */
	unsigned queues; /* 0: it is no virtio device of ours */
	unsigned count;	 /* entries of a queue under way */
} kinds[] = {
	[VM_DEV_CONSOLE] = { .id = 3, .queues = 2, .count = 1 },
	[VM_DEV_BLK] = { .id = 2, .queues = 1, .count = BOUNCE_BLK_COUNT },
	[VM_DEV_NET] = { .id = 1, .queues = 2, .count = 1 },
	[VM_DEV_RNG] = { .id = 4, .queues = 1, .count = 1 },
	[VM_DEV_PMSG] = { .id = 3, .queues = 2, .count = 1 },
};

_Static_assert(VM_MAX_DEVICES <= PRIVATE_DEVICES, "the warden knows them all");
_Static_assert(VQUEUE_MAX <= PRIVATE_QUEUES, "and their queues");

static const struct bounce_kind *bounce_kind(const struct vm_config *config, unsigned slot)
{
	u32 kind = config->devices[slot].kind;

	return kind < ARRAY_SIZE(kinds) ? &kinds[kind] : &kinds[VM_DEV_NONE];
}

/* Bytes for the devices in front of `slot`. */
static u64 bounce_until(const struct vm_config *config, unsigned slot)
{
	u64 bytes = 0;

	for (unsigned i = 0; i < slot; i++)
		bytes += bounce_kind(config, i)->queues * bounce_kind(config, i)->count * BOUNCE_SIZE;
	return bytes;
}

u64 bounce_bytes(const struct vm_config *config)
{
	return config->flags & VM_CONFIDENTIAL ? bounce_until(config, VM_MAX_DEVICES) : 0;
}

u64 bounce_queue(const struct vm_config *config, unsigned slot, unsigned queue, unsigned *count)
{
	*count = bounce_kind(config, slot)->count;
	return BOUNCE_BASE + bounce_until(config, slot) + queue * *count * BOUNCE_SIZE;
}

/* The device's number: those of empty slots are not counted. */
static unsigned bounce_device(const struct vm_config *config, unsigned slot)
{
	unsigned device = 0;

	for (unsigned i = 0; i < slot; i++)
		device += bounce_kind(config, i)->queues != 0;
	return device;
}

void bounce_declare(const struct vm_config *config, struct private_config *to)
{
	to->device_count = bounce_device(config, VM_MAX_DEVICES);
	for (unsigned slot = 0; slot < VM_MAX_DEVICES; slot++) {
		if (!bounce_kind(config, slot)->queues)
			continue;
		to->device[bounce_device(config, slot)] = (struct private_device){
			.base = GUEST_VIRTIO_BASE + slot * GUEST_VIRTIO_STRIDE,
			.kind = bounce_kind(config, slot)->id,
		};
	}
}

unsigned bounce_queue_number(const struct vm_config *config, unsigned slot, unsigned queue)
{
	return bounce_device(config, slot) * PRIVATE_QUEUES + queue;
}
