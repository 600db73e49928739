/* Cases that are exits of a guest; see crash.h. */
#ifndef TESTS_EXITS_CRASH_EXIT_H
#define TESTS_EXITS_CRASH_EXIT_H

#include "tests/exits/crash/crash.h"
#include "tests/exits/scene.h"

/* Tries an exit at all its points. */
void crash_exit(const struct scene_exit *e);

/* Three bytes have come for the VM's UART, and its interrupt is pending at vCPU 0. */
void exit_with_input(struct vm *vm);

/*
 * Queue n of a virtio device has one entry: buffers of these sizes, one behind the other from EXIT_BUFFERS on; bit i of
 * `writes`: the device's. Its rings lie before them.
 */
void exit_fill_queue(struct vm *vm, unsigned slot, unsigned n, const u32 *sizes, unsigned count,
		     unsigned writes);
#define EXIT_RINGS   (GUEST_RAM_BASE + 0x10000)
#define EXIT_BUFFERS (EXIT_RINGS + 0x3000)

/* A load or store of the guest's, through x15 at the address in x14. */
#define LOAD(funct3)  (14u << 15 | (u32)(funct3) << 12 | 15u << 7 | 0x03u)
#define STORE(funct3) (15u << 20 | 14u << 15 | (u32)(funct3) << 12 | 0x23u)

#endif
