/*
 * Registers held over something (hold.h). Every register has its pattern meanwhile, sp and tp too: what leads back is
 * the word below the hart on the trap stack, to which sscratch points (guests/lib/start.S), and one register of each
 * function's own.
 */
	.set	HELD_F, 256
	.set	HELD_X_AFTER, 512
	.set	HELD_F_AFTER, 768
	.set	HELD_STACK, 1024
	.set	HELD_FCSR, 1032
	.set	HELD_FCSR_AFTER, 1040
	.set	BEHIND_STACK, -16
	.set	SAVED, 128

	.option	arch, +d
	.text

	.macro	each_kept op
	.set	kept, 0
	.irp	r, ra,gp,tp,s0,s1,s2,s3,s4,s5,s6,s7,s8,s9,s10,s11
	\op	\r, kept(sp)
	.set	kept, kept + 8
	.endr
	.endm

	.macro	each_f op, offset
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	\op	f\n, (\offset + 8 * \n)(a0)
	.endr
	.endm

/* a0 = struct held. All registers have what is in it afterwards. */
	.macro	hold_begin
	addi	sp, sp, -SAVED
	each_kept sd
	sd	sp, HELD_STACK(a0)
	csrr	t0, sscratch
	sd	a0, BEHIND_STACK(t0)
	each_f	fld, HELD_F
	ld	t0, HELD_FCSR(a0)
	csrw	fcsr, t0
	.irp	n, 1,2,3,4,5,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	ld	x\n, (8 * \n)(a0)
	.endr
	ld	a0, 80(a0)
	.endm

/* `own`: the register that need not be stored. */
	.macro	hold_end own
	csrr	\own, sscratch
	ld	\own, BEHIND_STACK(\own)
	.irp	n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	sd	x\n, (HELD_X_AFTER + 8 * \n)(\own)
	.endr
	mv	a0, \own
	each_f	fsd, HELD_F_AFTER
	csrr	t0, fcsr
	sd	t0, HELD_FCSR_AFTER(a0)
	ld	sp, HELD_STACK(a0)
	each_kept ld
	addi	sp, sp, SAVED
	ret
	.endm

	.globl	hold_loop, hold_call, hold_wait
hold_loop:
	hold_begin
1:	addi	x31, x31, -1
	bnez	x31, 1b
	hold_end x31

hold_call:
	hold_begin
	ecall
	hold_end x5

hold_wait:
	hold_begin
	wfi
	hold_end x6

	.globl	hold_vectors
hold_vectors:
	.option	push
	.option	arch, +v
	csrr	t0, vlenb
	slli	t0, t0, 3
	vl8r.v	v0, (a0)
	add	a0, a0, t0
	vl8r.v	v8, (a0)
	add	a0, a0, t0
	vl8r.v	v16, (a0)
	add	a0, a0, t0
	vl8r.v	v24, (a0)
1:	addi	a2, a2, -1
	bnez	a2, 1b
	vs8r.v	v0, (a1)
	add	a1, a1, t0
	vs8r.v	v8, (a1)
	add	a1, a1, t0
	vs8r.v	v16, (a1)
	add	a1, a1, t0
	vs8r.v	v24, (a1)
	ret
	.option	pop

	.globl	hold_csrs
hold_csrs:
	csrrci	t6, sstatus, 2
	csrr	t5, sscratch
	ld	t0, 0(a0)
	csrw	sscratch, t0
	ld	t0, 8(a0)
	csrw	sepc, t0
	ld	t0, 16(a0)
	csrw	scause, t0
	ld	t0, 24(a0)
	csrw	stval, t0
1:	addi	a2, a2, -1
	bnez	a2, 1b
	csrr	t0, sscratch
	sd	t0, 0(a1)
	csrr	t0, sepc
	sd	t0, 8(a1)
	csrr	t0, scause
	sd	t0, 16(a1)
	csrr	t0, stval
	sd	t0, 24(a1)
	csrw	sscratch, t5
	csrw	sstatus, t6
	ret
