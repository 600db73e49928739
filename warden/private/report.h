/*
 * The key with which the warden signs reports: P-256, made from a seed that the machine's loader leaves for it.
 */
#ifndef WARDEN_PRIVATE_REPORT_H
#define WARDEN_PRIVATE_REPORT_H

#include "warden/private/private.h"

/* Takes the seed (struct private_seed) at `address`, if there is one, and wipes it. Once, before HS-mode runs. */
void report_take_seed(u64 address);

#endif
