/*
 * What the warden's part for confidential VMs takes from the machine. port.c has it for OpenSBI; the host's tests have a
 * double of it (tests/private/port.c), so that all else in this folder runs there, under sanitizers, as it is.
 */
#ifndef WARDEN_PRIVATE_PORT_H
#define WARDEN_PRIVATE_PORT_H

#include "warden/contract.h"

#include "abi/private.h"

/* Results of calls (SBI 2.0, table 1). */
#define PRIVATE_OK		  0
#define PRIVATE_FAILED		  (-1)
#define PRIVATE_NOT_SUPPORTED	  (-2)
#define PRIVATE_INVALID_PARAM	  (-3)
#define PRIVATE_DENIED		  (-4)
#define PRIVATE_INVALID_ADDRESS	  (-5)
#define PRIVATE_ALREADY_AVAILABLE (-6)
#define PRIVATE_INVALID_STATE	  (-10)
#define PRIVATE_BUSY		  (-7) /* ALREADY_STARTED: another hart is in a call for this VM; nothing was done */

struct port_lock {
	u32 taken;
};

/*
 * Nobody waits for a lock in M-mode for long: who holds it may wait for this hart's share in a fence, and a stop of the life
 * must reach HS-mode. False: it could not be had within some hundred rounds; the call answers PRIVATE_BUSY.
 */
static inline bool port_lock_try(struct port_lock *lock)
{
	u32 round;

	for (round = 0; round < 256; round++)
		if (!__atomic_load_n(&lock->taken, __ATOMIC_RELAXED) &&
		    !__atomic_exchange_n(&lock->taken, 1, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

/* Waits for a lock whose holder waits for nobody: the pool's. */
static inline void port_lock(struct port_lock *lock)
{
	while (!port_lock_try(lock))
		;
}

static inline void port_unlock(struct port_lock *lock)
{
	__atomic_store_n(&lock->taken, 0, __ATOMIC_RELEASE);
}

/* Physical memory: of the pool, or ordinary RAM that port_is_ordinary has found good. */
void *port_at(u64 address);

/* Ordinary RAM: HS-mode may reach all of it, and it is neither the pool's nor the firmware's. Any numbers. */
bool port_is_ordinary(u64 address, u64 bytes);

/*
 * No hart has a translation of the VMID from before when this returns: its G-stage's, and those of VS-stages on top of it.
 * Waits for all harts, which answer in M-mode too while they themselves wait here.
 */
void port_fence(u32 vmid);

void port_copy(void *to, const void *from, u64 bytes);
void port_zero_page(u64 address);

/* Zeroes what nobody reads afterwards. */
void port_wipe(void *secret, u64 bytes);

/* SHA-256 of the warden itself, as it was when it started, and of the hypervisor's image in force. */
void port_warden_digest(u8 digest[32]);
void port_hypervisor_digest(u8 digest[32]);

#endif
