/* Confidential guests, for private.c: how the host enters one with known registers, and what the guest does. */
	.option norvc
	.text

/*
 * u64 enter_planted(vm, id, run, seen): PRIVATE_ENTER with 0x5500 + n in xn, but for its arguments; then all registers go to
 * `seen`, floating point behind them.
 */
	.macro	kept op
	\op	ra, 0(sp)
	\op	gp, 8(sp)
	\op	tp, 16(sp)
	\op	s0, 24(sp)
	\op	s1, 32(sp)
	.irp	n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
	\op	s\n, 24 + 8 * \n(sp)
	.endr
	.endm

	.globl	enter_planted
enter_planted:
	addi	sp, sp, -128
	kept	sd
	sd	sp, 512(a3)
	csrw	sscratch, a3
	li	a6, 51
	li	a7, 0x0a4f4c56
	.irp	n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 15, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	li	x\n, 0x5500 + \n
	.endr
	ecall
	csrrw	a2, sscratch, a2
	.irp	n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	sd	x\n, \n * 8(a2)
	.endr
	csrr	t0, sscratch
	sd	t0, 96(a2)
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	fsd	f\n, 256 + \n * 8(a2)
	fmv.d.x	f\n, zero
	.endr
	ld	sp, 512(a2)
	kept	ld
	addi	sp, sp, 128
	ret

/* ---- The guest: one page, at the start of its RAM. a1: the page behind it; what goes wrong is counted at 512 there ---- */

#define DEVICE	 0x10000000
#define WRONG	 512
#define TRAPS	 520
#define CAUSE	 528
#define OTHER	 536
#define TEXT	 1024

/* All registers to the page that sscratch names. */
	.macro	dump
	csrrw	x31, sscratch, x31
	.irp	n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
	sd	x\n, \n * 8(x31)
	.endr
	csrr	x30, sscratch
	sd	x30, 248(x31)
	csrw	sscratch, x31
	mv	s0, x31
	.endm

	.macro	plant
	.irp	n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	li	x\n, 0x6600 + \n
	.endr
	.endm

	.macro	call_host extension, function
	li	a7, \extension
	li	a6, \function
	ecall
	.endm

/* Counts if t0 is not t1. */
	.macro	same
	beq	t0, t1, 9f
	call	wrong
9:
	.endm

	.globl	private_guest, private_guest_end
	.balign	8
private_guest:
	bnez	a0, other_vcpu
	mv	s0, a1
	lla	t0, trap
	csrw	stvec, t0
	csrw	sscratch, s0
	li	t0, 0x7701
	csrw	sepc, t0
	li	t0, 0x7702
	csrw	scause, t0
	li	t0, 0x7703
	csrw	stval, t0
	li	t0, 3
	csrw	scounteren, t0
	csrw	senvcfg, zero
	li	t0, 0x2000
	csrs	sstatus, t0
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	li	t0, 0x7800 + \n
	fmv.d.x	f\n, t0
	.endr
	li	t0, 0x5
	csrw	fcsr, t0

	/* A device is read: 4 bytes, with sign. */
	plant
	li	a0, DEVICE
	lw	a1, 4(a0)
	dump
	ld	t0, 80(s0)
	li	t1, DEVICE
	same
	ld	t0, 88(s0)
	li	t1, 0xffffffff89abcdef
	same
	call	check_planted

	/* Written: one byte. */
	plant
	li	a0, DEVICE
	li	a1, 0x1234567890abcdef
	sb	a1, 9(a0)
	dump
	call	check_planted

	/* There is none: an access fault. */
	li	a0, DEVICE
	ld	t0, 16(a0)
	li	t1, 5
	call	expect_trap
	/* Nor is there memory at a shared address that no RAM has. */
	li	a0, 0x4010000000
	sd	t0, 0(a0)
	li	t1, 7
	call	expect_trap

	/* A call of the host's, which has two arguments. */
	plant
	li	a0, 2
	li	a1, 0
	call_host 0x735049, 0
	dump
	ld	t0, 80(s0)
	li	t1, -3
	same
	li	t0, 0x735049
	ld	t1, 136(s0)
	same

	/* Calls that nobody else hears of. */
	call_host 0x10, 0
	mv	t0, a1
	li	t1, 0x02000000
	same
	li	a0, 0x12345
	call_host 0x10, 3
	mv	t0, a1
	li	t1, 0
	same
	call_host 0x12345, 7
	mv	t0, a0
	li	t1, -2
	same
	li	a0, 1
	li	a1, 64
	call_host 0x52464e43, 1
	mv	t0, a0
	li	t1, -3
	same
	li	a0, 3
	li	a1, 0
	li	a2, 0
	li	a3, 4096
	call_host 0x52464e43, 1
	mv	t0, a0
	li	t1, 0
	same

	/* Memory that is not there yet: of zeroes. */
	li	t1, 4096
	add	t1, t1, s0
	ld	t0, 8(t1)
	sd	t1, 8(t1)
	li	t1, 0
	same

	/* Text. */
	li	t0, 0x65746176697270 /* "private" */
	sd	t0, TEXT(s0)
	li	a0, 7
	addi	a1, s0, TEXT
	li	a2, 0
	call_host 0x4442434e, 0
	mv	t0, a1
	li	t1, 7
	same
	li	a0, '!'
	call_host 0x4442434e, 2
	mv	t0, a1
	li	t1, 0
	same

	/* A wfi, and a software interrupt behind it. */
	li	t0, 0x123456789abc
	csrw	0x14d, t0
	li	t0, 0x22
	csrw	sie, t0
	wfi
	ld	s1, TRAPS(s0)
	csrsi	sstatus, 2
	nop
	csrci	sstatus, 2
	ld	t0, TRAPS(s0)
	addi	t1, s1, 1
	same
	ld	t0, CAUSE(s0)
	li	t1, 1
	slli	t1, t1, 63
	ori	t1, t1, 1
	same

	/* What a guest cannot do. */
	csrr	t0, 0x680
	li	t1, 2
	call	expect_trap

	/* The other vCPU. */
	li	a0, 1
	call_host 0x48534d, 2
	mv	t0, a1
	li	t1, 1
	same
	li	a0, 1
	lla	a1, private_guest
	mv	a2, s0
	call_host 0x48534d, 0
	mv	t0, a0
	li	t1, 0
	same
	li	a0, 0
	lla	a1, private_guest
	call_host 0x48534d, 0
	mv	t0, a0
	li	t1, -6
	same
	li	a0, 2
	lla	a1, private_guest
	call_host 0x48534d, 0
	mv	t0, a0
	li	t1, -3
	same

	/* Shares the page of the fault. */
	li	s1, 4096
	add	s1, s1, s0
	mv	a0, s1
	li	a1, 4096
	call_host 0x0a4f4c47, 5
	mv	t0, a0
	li	t1, 0
	same
	add	s1, s1, a1
	li	t0, 0x5ec0de
	sd	t0, 16(s1)

	/* Floating point and CSRs are what they were. */
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	fmv.x.d	t0, f\n
	li	t1, 0x7800 + \n
	same
	.endr
	csrr	t0, fcsr
	li	t1, 5
	same
	csrr	t0, scounteren
	li	t1, 3
	same
	csrr	t0, 0x14d
	li	t1, 0x123456789abc
	same
	csrr	t0, sscratch
	mv	t1, s0
	same

	/* Many of what costs least, for figures: without and with floating point. */
	li	s1, 1000
1:	li	a0, DEVICE
	sw	s1, 32(a0)
	addi	s1, s1, -1
	bnez	s1, 1b
	li	s1, 1000
1:	li	a0, DEVICE
	fmv.d.x	f1, s1
	sw	s1, 36(a0)
	addi	s1, s1, -1
	bnez	s1, 1b

	/* Off, and whether anything was wrong. */
	li	a0, 0
	ld	a1, WRONG(s0)
	snez	a1, a1
	ld	s1, WRONG + 8(s0)
	call_host 0x53525354, 0
	j	.

/* vCPU 1: a hart that says so, and stops. */
other_vcpu:
	sd	a0, OTHER(a1)
	call_host 0x48534d, 1
	j	.

wrong:
	ld	t0, WRONG(s0)
	bnez	t0, 1f
	sd	ra, WRONG(s0)
1:	ret

check_planted:
	.irp	n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	ld	t0, \n * 8(s0)
	li	t1, 0x6600 + \n
	bne	t0, t1, wrong
	.endr
	ret

/* The instruction before has trapped with cause t1. */
expect_trap:
	ld	t0, CAUSE(s0)
	bne	t0, t1, wrong
	sd	zero, CAUSE(s0)
	ret

	.balign	4
trap:
	csrrw	s0, sscratch, s0
	sd	t0, 600(s0)
	ld	t0, TRAPS(s0)
	addi	t0, t0, 1
	sd	t0, TRAPS(s0)
	csrr	t0, scause
	sd	t0, CAUSE(s0)
	bltz	t0, 1f
	csrr	t0, sepc
	addi	t0, t0, 4
	csrw	sepc, t0
	j	2f
1:	csrci	sip, 2
2:	ld	t0, 600(s0)
	csrrw	s0, sscratch, s0
	sret
private_guest_end:

	.section .note.GNU-stack, "", %progbits
