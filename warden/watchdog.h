/*
 * The watchdog: finds harts that hang in HS-mode, and heirs that do not report for duty.
 *
 * Every hart of a life has ticks of its own from M-mode's timer, which HS-mode can neither mask nor, with Sstc, touch,
 * and looks at itself: so the hang of one hart, of all at once, and a trap handler that traps for ever are all found.
 * A tick costs some 400 instructions, ten come in a period.
 */
#ifndef WARDEN_WATCHDOG_H
#define WARDEN_WATCHDOG_H

#include "warden/hart.h"

#define WATCHDOG_MAX_MS 600000

/* Boot hart. */
int watchdog_init(void);

/*
 * WARDEN_WATCHDOG: a hart in HS-mode that waits for nothing and whose beat does not change for so long is hung; found
 * at the latest a tenth of a period later. 0: off. SBI error; not supported without Sstc, because then the timer is HS's.
 */
int watchdog_start(u64 period_ms);

/* As above in ticks, for lives to come: harts notice when they arm. */
void watchdog_set_period(u64 ticks);

/* Sets, or takes away, the calling hart's next tick. */
void watchdog_arm(struct hart *h);
void watchdog_disarm(void);

/* For good: the timer is OpenSBI's again. On the only hart that runs. */
void watchdog_retire(void);

/* Waits in M-mode for an interrupt between harts, at most until `time`; the hart's tick is gone then. */
void watchdog_doze(u64 time);

#endif
