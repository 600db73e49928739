/* Cases that are exits of a guest; see crash.h. */
#ifndef TESTS_EXITS_CRASH_EXIT_H
#define TESTS_EXITS_CRASH_EXIT_H

#include "tests/exits/crash/crash.h"
#include "tests/exits/scene.h"

/* Tries an exit at all its points. */
void crash_exit(const struct scene_exit *e);

/* Three bytes have come for the VM's UART, and its interrupt is pending at vCPU 0. */
void exit_with_input(struct vm *vm);

/* A load or store of the guest's, through x15 at the address in x14. */
#define LOAD(funct3)  (14u << 15 | (u32)(funct3) << 12 | 15u << 7 | 0x03u)
#define STORE(funct3) (15u << 20 | 14u << 15 | (u32)(funct3) << 12 | 0x23u)

#endif
