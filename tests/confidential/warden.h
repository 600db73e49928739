/*
 * The warden for tests of confidential VMs on the fake machine: its own code (warden/private: calls with their preconditions,
 * pool, tables) behind arch_private, with a pool in the machine's RAM. Not its vCPUs, rings and measurement.
 *
 * It outlives lives, as it does on the target.
 */
#ifndef TESTS_CONFIDENTIAL_WARDEN_H
#define TESTS_CONFIDENTIAL_WARDEN_H

#include "core/private/private.h"
#include "tests/lib/fixture.h"

/* Behind fixture_start: a pool of `bytes`, a power of two, at the end of RAM, which the machine's device tree keeps from us. */
void warden_start(u64 bytes);

/* Without this a life's end ends the warden, too, and several threads may call it. */
void warden_outlives(bool lives);

/* Calls that it has refused, but for those that ask; and those of a kind that it has done. */
extern u64 warden_refusals;
extern u64 warden_done[PRIVATE_CALL_END];

/* The next call of that kind is refused, if not 0. */
extern u64 warden_refuses;

/* vCPU `id` of the VM waits for the answer to a conversion; from == to: for none. */
void warden_asks(const struct vm *vm, u32 id, u64 from, u64 to);

/* What the guest reaches at an address, with or without PRIVATE_SHARED_BIT: where it is in this process, or NULL. */
u8 *warden_reaches(const struct vm *vm, u64 at);

/* A confidential VM of `memory` bytes and `vcpus` vCPUs, launched and final, as if it ran. */
struct vm *warden_vm(u64 memory, u32 vcpus);

/* The next life, which adopts it. */
void warden_heir(void);

#endif
