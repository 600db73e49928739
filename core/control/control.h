/*
 * The host's end of the control channel (abi/control.h): answers requests and reports events.
 *
 * What comes in is taken for an enemy's: a frame is looked at only if it checks, and then each of its fields.
 *
 * Nothing waits for the other end. What goes out is queued; while the queue has no room for the largest reply no request is
 * taken, and what happens meanwhile is not queued but found later: console output stays in its ring, a VM's state is
 * compared with the state last told.
 *
 * Console output goes ahead of what the other end has acknowledged by a window; small pieces wait for the acknowledgement
 * of those before them and go together. What is not acknowledged is sent again after a second, because the stream may lose
 * it (QEMU's virtconsole drops what its socket does not take), and at once after CTL_HELLO, which somebody sends who has just
 * come. Other events are sent once: who must not miss a change of state asks with CTL_PS from time to time.
 */
#ifndef CORE_CONTROL_CONTROL_H
#define CORE_CONTROL_CONTROL_H

#include "core/estate/txn.h"

/* Build id of the image, hexadecimal: set by the architecture before control_init; empty if unknown. */
extern char control_build[32];

/* Once in a life, after drivers_init and before the first control_poll. CTL_EVENT_LIFE will be the first frame. */
void control_init(void);

/*
 * Does what there is to do, bounded. One hart at a time, others return at once. From the harts' loops after drivers_poll,
 * outside of any exit, with no lock held and nothing staged in `t`, which is the calling hart's. Carries out operations on
 * VMs, so the calling hart has no vCPU loaded, or one that may be taken off it. Only once vms[] is complete and this life in
 * the history: the first call takes the state of the VMs for told (who hears CTL_EVENT_LIFE asks).
 */
void control_poll(struct txn *t);

/*
 * Ticks at which control_poll has something to do even if nothing happens until then; ~0: never. For harts that go to wait.
 * Any hart, no lock.
 */
u64 control_next(void);

/* The same for harts that go back to a guest. */
u64 control_turn(void);

#endif
