/* Windows of the machine that are the root VM's: nothing here drives a device, only its reset is ours. */
#include "drivers/passthrough.h"
#include "core/devices/backend.h"
#include "core/estate/estate.h"
#include "core/lib/errno.h"
#include "drivers/plic.h"
#include "drivers/virtio_mmio.h"

/* As for a device in service: less than the watchdog's patience. */
#define RESET_PATIENCE_MS 20

static unsigned windows(void)
{
	u32 n = estate.machine.virtio_count;

	return n < MACHINE_MAX_VIRTIO ? n : MACHINE_MAX_VIRTIO;
}

void passthrough_open(void)
{
	const struct machine_record *m = &estate.machine;

	for (unsigned n = 0; n < windows(); n++) {
		if (m->root_windows >> n & 1)
			host_plic_enable(m->virtio_irq[n]);
	}
}

int host_window_reset(unsigned n)
{
	struct virtio_device d = { 0 };

	if (n >= windows())
		return -EIO;
	d.base = estate.machine.virtio[n].base;
	/* Nothing there, or a legacy device, which that has reset. */
	if (virtio_mmio_identify(&d))
		return 0;
	return virtio_mmio_reset(&d, RESET_PATIENCE_MS);
}
