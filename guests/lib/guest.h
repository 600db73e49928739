/* What every small guest has: a console, its machine's description, and an end. */
#ifndef GUESTS_LIB_GUEST_H
#define GUESTS_LIB_GUEST_H

#include "abi/types.h"

/* Each guest's own program, on the boot hart. When it returns the guest powers off. */
void guest_main(void);

/*
 * Prints through the SBI debug console, the legacy one, or the UART: the first of them that is there. At most 1023 bytes a
 * call. Any hart; interrupts are off meanwhile, so that their handlers may print, too.
 */
void print(const char *text, ...) __attribute__((format(printf, 1, 2)));

/* Powers the machine off. */
_Noreturn void guest_off(void);

/* From the device tree: RAM, ticks of `time` in a second, the command line ("" if none). */
extern u64 guest_ram_base;
extern u64 guest_ram_size;
extern u64 guest_timebase;
extern const char *guest_cmdline;

/* The number behind "name=" in the command line, or `otherwise`. */
u64 guest_option(const char *name, u64 otherwise);

/* A random number of this start's, from the device tree; without one there, the time. */
u64 guest_random(void);

/* Ends of the image in RAM. */
extern char image_start[], image_end[];

/* Addresses of QEMU's virt, which our virtual machines have too. */
#define PLIC_BASE     0x0c000000ull
#define PLIC_SIZE     0x04000000ull
#define UART_BASE     0x10000000ull
#define VIRTIO_BASE   0x10001000ull
#define VIRTIO_STRIDE 0x1000ull
#define VIRTIO_SLOTS  8

/* Line status of the 16550: bit 5 says that the transmitter takes a byte. */
#define UART_LSR      (UART_BASE + 5)
#define UART_LSR_THRE (1u << 5)

#endif
