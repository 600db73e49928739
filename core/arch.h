/*
 * All that the core knows of an architecture. Each arch/ folder implements these functions once; which one is a
 * matter of linking. The few that must be inlined come from <arch/inline.h> of that folder:
 *
 *   void arch_relax(void)                 in a loop that waits for another hart
 *   void arch_doze(void)                  gives way for some microseconds: where harts share a processor, as on an
 *                                         emulator, the one that is waited for gets on
 *   void arch_store(u64 *word, u64 value) one store that nobody sees half of (GCC 12 makes an atomic swap of a relaxed
 *                                         __atomic_store_n)
 *   void arch_estate_point(void)          called before each store to the estate; tests end a life here
 *   unsigned arch_hart(void)              index of the calling hart, 0 .. harts-1 (not its hardware id)
 */
#ifndef CORE_ARCH_H
#define CORE_ARCH_H

#include "abi/private.h"
#include "abi/types.h"
#include "abi/warden.h"
#include <arch/inline.h>

struct vm;
struct vcpu;
struct vcpu_record;
struct txn;

/* The calling hart's transaction, with nothing staged. */
struct txn *arch_txn(void);

/* Puts the calling hart's current vCPU, if any, back to the scheduler. Not from an exit handler. */
void arch_vcpu_drop(void);

/* True if the calling hart has a vCPU, which waits until the hart's loop is through. */
bool arch_vcpu_loaded(void);

/* Registers of a vCPU that is to start: reset values, then pc, a0 = its hart id, a1. The vCPU is off every hart. */
void arch_vcpu_reset(struct vcpu *v, u64 pc, u64 a1);

/* When the timer of a vCPU that is off its hart is due, in host ticks; ~0: never. */
u64 arch_vcpu_wake_time(const struct vcpu *v);

/* True if an heir can run with these register values (reserved bits, modes). */
bool arch_vcpu_valid(const struct vcpu_record *r);

/* Now, in ticks of the machine's time base. Never jumps back, the same on every hart, goes on across lives. */
u64 arch_time(void);

/* Makes hart `hart` leave its guest or its wfi soon and look for work. May be the calling hart. Any hart, any lock. */
void arch_kick(unsigned hart);

/* Makes hart `hart` look at what is pending for the vCPU that it runs, and nothing else. As arch_kick otherwise. */
void arch_kick_vcpu(unsigned hart);

/* Shows the warden's watchdog that this hart is making progress; for loops that may take long. */
void arch_beat(void);

/*
 * Maps the page of host RAM at `page` (4 KiB-aligned) into the calling hart's window `which` (0 to 3) and returns
 * where. Valid until the next arch_window of the same hart and number; the caller never sleeps meanwhile. This is the
 * only way to guest RAM by host physical address.
 */
void *arch_window(unsigned which, hpa_t page);

/* Takes the mapping away again: a stale pointer then faults. */
void arch_window_close(unsigned which);

/* The same for a whole 2 MiB block, aligned; one a hart. For zeroing and loading. */
void *arch_window_block(hpa_t block);
void arch_window_block_close(void);

/* Zeroes `bytes` (a multiple of 128) at `at` (64-byte aligned), the fastest way that the hart has. */
void arch_zero(void *at, size_t bytes);

/*
 * Fences the G-stage translations of a VM on every hart that may hold them, the calling one included; returns when it
 * is done. `harts`: bit n for hart n. `bytes` 0: all of the VM's.
 */
void arch_gstage_fence(unsigned vmid, u64 harts, gpa_t from, u64 bytes);

/* Ends this life; `text` is for people. Never returns. Callable from everywhere, with any lock held. */
_Noreturn void arch_life_end(enum life_cause cause, const char *text);

/*
 * Calls of the warden for a live update (abi/warden.h, WARDEN_UPDATE_BEGIN to _CHECK), with addresses of this life's own
 * data. The call's value, or a negative errno: -ENOSYS without a warden that can; -EINVAL, -EFAULT; -EBUSY: not now.
 */
s64 arch_update(enum warden_call call, u64 a0, u64 a1, u64 a2);

/*
 * A call of the warden for a confidential VM (abi/private.h): the only way to its pages, tables and registers. Addresses are
 * physical. *value, if `value` is not NULL, becomes the call's value, of some errors too. 0, or a negative errno: -ENOSYS without
 * a warden that can; -EINVAL (INVALID_PARAM), -EFAULT (INVALID_ADDRESS), -EPERM (DENIED), -EALREADY (ALREADY_AVAILABLE), -EBUSY
 * (INVALID_STATE), -EAGAIN (ALREADY_STARTED: another hart is in a call for the VM), -EIO (FAILED and all others).
 */
int arch_private(enum private_call call, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 *value);

/*
 * Brings the harts to rest and ends this life for the update. The other harts stop at the end of what they are doing, but
 * those in guests stay there. Returns only with a negative errno, and then everything goes on. Outside of exits, nothing
 * staged.
 */
s64 arch_update_now(void);

/* Writes to the machine's own serial line, polled. Any context. */
void arch_serial_write(const char *text, size_t bytes);

/* Powers the machine off, or resets it. */
_Noreturn void arch_machine_off(bool reset);

#endif
