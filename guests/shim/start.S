/*
 * The shim's header and its beginning. There are no absolute addresses in it: everything is found from pc.
 *
 * Two harts may come here: the one that crashed, and the boot hart if that is another one (shim.c). The first is
 * still on its stack when the second begins, so that each has its own.
 */
#include "guests/shim/shim.h"

	.section .text.start, "ax"
	.globl _start
_start:
	.option push
	.option norvc
	j	crashed
	nop
	.option pop
	.balign	8
	.quad	SHIM_MAGIC
	.quad	0			/* the kernel's place, from the loader */
	.quad	image_size

crashed:
	la	sp, stack_crashed_end
	j	1f

	.globl	shim_boot_hart
shim_boot_hart:
	la	sp, stack_boot_end
1:	csrw	sie, zero
	csrci	sstatus, 2
	mv	s0, a0
	mv	s1, a1
	call	shim_take_over
/* The kernel's way in is Linux's boot protocol: a0 = hart id, a1 = device tree, satp = 0. */
	la	t0, _start
	ld	t1, SHIM_KERNEL_OFFSET(t0)
	add	t0, t0, t1
	mv	a0, s0
	mv	a1, s1
	fence.i
	jr	t0

	.bss
	.balign	16
	.skip	1024
stack_crashed_end:
	.skip	1024
stack_boot_end:
