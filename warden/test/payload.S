/*
 * A life for the warden's test: header, entries, and the code whose registers are known. Everything is relative to pc,
 * so that it runs in either slot without relocation.
 */
	.option norvc
	.section .head, "ax", %progbits
	.globl	_start
_start:
	j	boot_entry
	nop
	.dword	0x200000
	.dword	_end - _start
	.dword	0
	.word	2
	.word	0
	.dword	0
	.ascii	"RISCV\0\0\0"
	.word	0x05435352
	.word	0
	.dword	0x4556494c54554f	/* IMAGE_OUTLIVE_MAGIC */
	.word	1
	.word	1
	.dword	_file_end - _start
	.dword	_end - _start
	.dword	0, 0, 0, 0
	/* IMAGE_HEIR_ENTRY */
	j	heir_entry

	.text
/* a0 = hart, a1 = argument, a2 = function: a stack of 4 KiB for each hart. */
.macro on_stack function
	lla	sp, stacks
	addi	t0, a0, 1
	slli	t0, t0, 12
	add	sp, sp, t0
	call	\function
1:	wfi
	j	1b
.endm

.macro clear_bss
	lla	t0, _bss
	lla	t1, _end
2:	sd	zero, 0(t0)
	addi	t0, t0, 8
	bltu	t0, t1, 2b
.endm

boot_entry:
	clear_bss
	on_stack boot_main

heir_entry:
	/* Which registers an heir finds zero: their or goes to the third argument. */
	or	a2, x1, x2
	.irp	n, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	or	a2, a2, x\n
	.endr
	clear_bss
	on_stack heir_main

	.globl	secondary_entry
	.balign	4
secondary_entry:
	on_stack secondary_main

/* xn = a0 + n, but not a0 itself. */
.macro plant
	.irp	n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	addi	x\n, a0, \n
	.endr
.endm

	.globl	spin_planted
spin_planted:
	csrci	sstatus, 2
	csrw	sie, zero
	plant
	addi	a0, a0, 10
	.globl	spin_planted_pc
spin_planted_pc:
	j	.

	.globl	crash_planted
crash_planted:
	plant
	li	a0, 1
	li	a1, 0
	li	a2, 0
	li	a6, 2
	li	a7, 0x0a4f4c56
	.globl	crash_planted_pc
crash_planted_pc:
	ecall
	j	.

/* a0 seed, a1 address for stvec */
	.globl	trap_loop_planted
trap_loop_planted:
	csrw	stvec, a1
	plant
	addi	a0, a0, 10
	ebreak

	.globl	trap_loop_code
	.balign	4
trap_loop_code:
	ebreak

/* Copied to where it outlives slots. s0 -> counter, s1 -> flag that ends it; t1, t2 are lost. */
	.globl	guest_code, guest_code_exit, guest_code_end
	.balign	8
guest_code:
1:	ld	t1, 0(s0)
	addi	t1, t1, 1
	sd	t1, 0(s0)
	ld	t2, 0(s1)
	beqz	t2, 1b
guest_code_exit:
	ecall
	j	1b
guest_code_end:

/* a0 seed; vsscratch -> counter's and flag's addresses. Into VS-mode at sepc, all but s0, s1, t1, t2 planted. */
	.globl	enter_guest
enter_guest:
	plant
	csrr	s0, vsscratch
	ld	s1, 8(s0)
	ld	s0, 0(s0)
	addi	a0, a0, 10
	sret

/* Where the machine's new owner goes on: sp is a stack, everything else goes onto it. */
	.globl	native_entry
	.balign	4
native_entry:
	addi	sp, sp, -256
	.irp	n, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	sd	x\n, \n * 8(sp)
	.endr
	mv	a0, sp
	call	native_main

	.globl	native_secondary
	.balign	4
native_secondary:
	on_stack native_secondary_main

/* a0 address, a1: 0 load, 1 store. a0 = 1 if that traps. */
	.globl	traps
	.balign	4
traps:
	csrr	t1, stvec
	lla	t0, 2f
	csrw	stvec, t0
	mv	t2, a0
	li	a0, 0
	bnez	a1, 1f
	ld	t0, 0(t2)
	j	3f
1:	sd	zero, 0(t2)
	j	3f
	.balign	4
2:	li	a0, 1
3:	csrw	stvec, t1
	ret

/* Makes the image as large as a real one. */
	.section .data.padding, "aw", %progbits
	.space	PADDING, 0x5a

	.section .note.GNU-stack, "", %progbits
