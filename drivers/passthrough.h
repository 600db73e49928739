/* The machine's side of devices that are passed through to the root VM (core/root/root.h). */
#ifndef DRIVERS_PASSTHROUGH_H
#define DRIVERS_PASSTHROUGH_H

/*
 * Opens the interrupts of all windows that are the root's. The devices themselves are left as they are: they may work for
 * a root that goes on. While a life starts, after host_plic_init.
 */
void passthrough_open(void);

#endif
