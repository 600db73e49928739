/*
 * Where a guest's harts begin, and its trap vector.
 *
 * tp points to the hart's struct hart (hart.h): id, stack, and where a guarded function goes on after a trap. sscratch is the
 * end of the hart's stack; its last page is for traps, so that they do without a good sp or tp of what they interrupt.
 */
	.set	TRAP_STACK, 4096
/* The frame of a trap: 31 registers and pc (struct trap in hart.h); behind it the hart, on the stack's last word. */
	.set	FRAME, 272
	.set	HART_BEHIND, 16

	.section .text.start, "ax"
	.globl _start
/* First hart: a0 = hart id, a1 = device tree (SBI, and Linux's boot protocol). */
_start:
	csrw	sie, zero
	csrci	sstatus, 2
	la	t0, bss_start
	la	t1, bss_end
1:	sd	zero, 0(t0)
	addi	t0, t0, 8
	bltu	t0, t1, 1b
	la	tp, harts
	sd	a0, 0(tp)
	la	sp, hart_stacks_first
	sd	sp, 8(tp)
	jal	t1, stack_setup
	call	guest_start

/* sp = end of the stack: the trap part is cut off, and holds the hart for the trap entry. Returns to t1. */
stack_setup:
	csrw	sscratch, sp
	sd	tp, -8(sp)
	li	t0, TRAP_STACK
	sub	sp, sp, t0
	la	t0, trap_entry
	csrw	stvec, t0
	jr	t1

	.globl	hart_entry
/* Another hart, from SBI HSM: a0 = hart id, a1 = its struct hart. */
hart_entry:
	csrw	sie, zero
	csrci	sstatus, 2
	mv	tp, a1
	sd	zero, 16(tp)
	ld	sp, 8(tp)
	jal	t1, stack_setup
	call	hart_main

	.macro	each_register op
	.irp	n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	\op	x\n, (8 * \n)(sp)
	.endr
	.endm

	.text
	.balign	4
	.globl	trap_entry
trap_entry:
	csrrw	sp, sscratch, sp
	addi	sp, sp, -(FRAME + HART_BEHIND)
	each_register sd
	csrr	t0, sscratch
	sd	t0, 16(sp)
	csrr	t0, sepc
	sd	t0, 256(sp)
	addi	t0, sp, FRAME + HART_BEHIND
	csrw	sscratch, t0
	ld	tp, FRAME + HART_BEHIND - 8(sp)
	csrr	a1, scause
	csrr	a2, stval
	mv	a0, sp
	call	trap
	ld	t0, 256(sp)
	csrw	sepc, t0
	each_register ld
	ld	sp, 16(sp)
	sret

/*
 * u64 guard(void (*f)(u64), u64 argument): calls f; a trap in it that is an exception ends the call. Returns the cause,
 * or ~0 if there was none. hart->guard (16(tp)) is the stack to return on.
 */
	.macro	each_saved op
	\op	ra, 0(sp)
	.set	offset, 8
	.irp	r, s0,s1,s2,s3,s4,s5,s6,s7,s8,s9,s10,s11
	\op	\r, offset(sp)
	.set	offset, offset + 8
	.endr
	.endm

	.globl	guard
guard:
	addi	sp, sp, -112
	each_saved sd
	sd	sp, 16(tp)
	mv	t0, a0
	mv	a0, a1
	jalr	t0
	li	a0, -1
	.globl	guard_leave
/* The trap handler comes here, with sp = hart->guard and a0 = cause. */
guard_leave:
	sd	zero, 16(tp)
	each_saved ld
	addi	sp, sp, 112
	ret
