/*
 * Where the pool is, and what of the machine's memory is ordinary: decided at boot from the device tree, the boot pack and
 * OpenSBI's root domain.
 */
#ifndef WARDEN_PRIVATE_PLACE_H
#define WARDEN_PRIVATE_PLACE_H

#include "warden/private/port.h"

/*
 * Looks whether a pool is wanted, finds a place for it and closes it to all but M-mode. `fdt` is the device tree, `base`
 * where RAM begins that abi/layout.h divides. Boot hart, before the domains are final. SBI error: the boot fails.
 */
int place_domains_init(const void *fdt, u64 base);

/*
 * Takes the pool into use, or says why there is none. Boot hart, when the domains are final.
 */
void place_begin(void);

/* See port.h. What the pool has is left to the pool. */
bool place_is_ordinary(u64 address, u64 bytes);
void place_warden_digest(u8 digest[32]);

#endif
