/* A machine without devices. A test that has some defines these itself, in place of ours. */
#include "core/devices/backend.h"
#include "core/lib/errno.h"
#include "core/recorder/recorder.h"

__attribute__((weak)) struct blk_backend *blk_backends[BLK_BACKENDS_MAX];
__attribute__((weak)) struct net_backend *net_backend;
__attribute__((weak)) struct stream_backend *control_stream;

/* Bytes that tests can expect: 0, 1, 2, ... */
__attribute__((weak)) void entropy_read(void *to, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		((u8 *)to)[i] = (u8)i;
}

__attribute__((weak)) int host_window_reset(unsigned n)
{
	(void)n;
	return 0;
}

__attribute__((weak)) void host_irq_complete(unsigned irq)
{
	(void)irq;
}

__attribute__((weak)) u64 clock_read(void)
{
	return 0;
}

__attribute__((weak)) int disk_polled(unsigned unit, struct blackbox_device *d)
{
	(void)unit;
	(void)d;
	return -ENODEV;
}

__attribute__((weak)) void drivers_poll(void)
{
}

__attribute__((weak)) void drivers_look(void)
{
	drivers_poll();
}
