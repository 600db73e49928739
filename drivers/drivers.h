/*
 * The machine's own devices: found, reset, started, and polled.
 *
 * Each life calls drivers_init once, when it starts, on one hart, after estate and pages are there. Devices are reset
 * before anything else is done with them: the dead life's rings may still be known to them, and they would go on writing
 * into memory that belongs to others by now.
 *
 * Afterwards an interrupt makes a hart leave its guest; it calls host_plic_handle (drivers/plic.h), which marks the device,
 * and then drivers_poll (core/devices/backend.h) at the end of its slow path, which does the work.
 */
#ifndef DRIVERS_DRIVERS_H
#define DRIVERS_DRIVERS_H

#include "abi/types.h"

struct virtio_device;

/*
 * Sets up blk_backends[], net_backend, control_stream and the source of entropy. Devices that fail are left out, with a
 * line in the log. May take a second for each device that does not come out of its reset: before the watchdog is on.
 *
 * Devices of a kind are numbered by ascending address: disk n of the host file is the n-th block device. On QEMU's virt
 * machine that is the order of the command line only if each device is given its slot (bus=virtio-mmio-bus.N, N counting
 * up): left to itself, QEMU fills the slots from the highest address down (seen with 7.2; tests/machine/driver.sh checks).
 */
void drivers_init(void);

/*
 * The host is done with its devices, and another system gets them: they are reset, and the PLIC is as after power-on. On the
 * only hart that runs; takes up to 100 ms for each device that does not come out of its reset.
 */
void drivers_quiesce(void);

/* Device `d` has work for drivers_poll. Any hart, any lock. */
void drivers_mark(struct virtio_device *d);

/* From host_plic_handle: takes the interrupt back at the device that has this source, and marks the device. */
void drivers_interrupt(unsigned irq);

#endif
