/*
 * Into a confidential guest and back, general registers and floating point and vectors. The offsets are struct
 * private_vcpu's; enter.c checks them.
 */
#include "warden/private/offsets.h"

	.option norelax
	.altmacro

	.macro	each_but_a0 op, base
	.irp	n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	\op	x\n, (VCPU_X + 8 * \n)(\base)
	.endr
	.endm

/* What a C function's caller expects to find again, and what it may rely on everywhere. */
	.macro	each_saved op
	\op	ra, 0(sp)
	\op	gp, 8(sp)
	\op	tp, 16(sp)
	\op	s0, 24(sp)
	\op	s1, 32(sp)
	\op	s2, 40(sp)
	\op	s3, 48(sp)
	\op	s4, 56(sp)
	\op	s5, 64(sp)
	\op	s6, 72(sp)
	\op	s7, 80(sp)
	\op	s8, 88(sp)
	\op	s9, 96(sp)
	\op	s10, 104(sp)
	\op	s11, 112(sp)
	.endm

/*
 * void enter_guest(struct private_vcpu *v): into the guest with mstatus, pc and x of the record; returns with its next trap
 * into M-mode, all of them and the trap's CSRs in the record. All other CSRs are as the guest has left them.
 *
 * mscratch, OpenSBI's pointer to what belongs to the hart, and mtvec are ours meanwhile.
 */
	.text
	.balign	4
	.globl	enter_guest
enter_guest:
	addi	sp, sp, -144
	each_saved sd
	csrr	t0, mtvec
	sd	t0, 120(sp)
	lla	t1, come_back
	csrw	mtvec, t1
	csrrw	t0, mscratch, a0
	sd	t0, 128(sp)
	sd	sp, VCPU_STACK(a0)
	ld	t0, VCPU_PC(a0)
	ld	t1, VCPU_MSTATUS(a0)
	csrw	mepc, t0
	csrw	mstatus, t1
	each_but_a0 ld, a0
	ld	a0, (VCPU_X + 80)(a0)
	mret

	.balign	4
come_back:
	csrrw	a0, mscratch, a0
	each_but_a0 sd, a0
	ld	sp, VCPU_STACK(a0)
	ld	t0, 128(sp)
	csrrw	t1, mscratch, t0
	sd	t1, (VCPU_X + 80)(a0)
	ld	t0, 120(sp)
	csrw	mtvec, t0
	csrr	t0, mepc
	csrr	t1, mstatus
	csrr	t2, mcause
	csrr	t3, mtval
	csrr	t4, mtval2
	csrr	t5, mtinst
	sd	t0, VCPU_PC(a0)
	sd	t1, VCPU_MSTATUS(a0)
	sd	t2, VCPU_CAUSE(a0)
	sd	t3, VCPU_VALUE(a0)
	sd	t4, VCPU_VALUE2(a0)
	sd	t5, VCPU_INSTRUCTION(a0)
	each_saved ld
	addi	sp, sp, 144
	ret

/* mstatus.FS is on in these, and VS in those of vectors. */
	.option arch, +d
	.macro	each_f op
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	\op	f\n, (VCPU_F + 8 * \n)(a0)
	.endr
	.endm

/* void enter_save_f(struct private_vcpu *v) */
	.globl	enter_save_f
enter_save_f:
	each_f	fsd
	csrr	t0, fcsr
	sd	t0, VCPU_FCSR(a0)
	ret

/* void enter_load_f(const struct private_vcpu *v) */
	.globl	enter_load_f
enter_load_f:
	each_f	fld
	ld	t0, VCPU_FCSR(a0)
	csrw	fcsr, t0
	ret

/* void enter_clear_f(void) */
	.globl	enter_clear_f
enter_clear_f:
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	fmv.d.x	f\n, zero
	.endr
	csrw	fcsr, zero
	ret

	.option arch, +v
	.macro	each_v op
	li	t0, VCPU_V
	add	t0, a0, t0
	csrr	t1, vlenb
	slli	t1, t1, 3
	\op	v0, (t0)
	add	t0, t0, t1
	\op	v8, (t0)
	add	t0, t0, t1
	\op	v16, (t0)
	add	t0, t0, t1
	\op	v24, (t0)
	.endm

/* void enter_save_v(struct private_vcpu *v). The configuration first: vsetvl changes it. */
	.globl	enter_save_v
enter_save_v:
	csrr	t0, vstart
	csrr	t1, vcsr
	csrr	t2, vl
	csrr	t3, vtype
	sd	t0, VCPU_VSTART(a0)
	sd	t1, VCPU_VCSR(a0)
	sd	t2, VCPU_VL(a0)
	sd	t3, VCPU_VTYPE(a0)
	csrw	vstart, zero
	each_v	vs8r.v
	ret

/* void enter_load_v(const struct private_vcpu *v). An illegal vtype comes back as one: vsetvl sets vill for it. */
	.globl	enter_load_v
enter_load_v:
	csrw	vstart, zero
	each_v	vl8r.v
	ld	t0, VCPU_VL(a0)
	ld	t1, VCPU_VTYPE(a0)
	vsetvl	zero, t0, t1
	ld	t0, VCPU_VCSR(a0)
	ld	t1, VCPU_VSTART(a0)
	csrw	vcsr, t0
	csrw	vstart, t1
	ret

/* void enter_clear_v(void) */
	.globl	enter_clear_v
enter_clear_v:
	csrw	vstart, zero
	vsetvli	t0, zero, e64, m8, ta, ma
	vmv.v.i	v0, 0
	vmv.v.i	v8, 0
	vmv.v.i	v16, 0
	vmv.v.i	v24, 0
	csrw	vcsr, zero
	vsetivli zero, 0, e8, m1, tu, mu
	ret

	.section .note.GNU-stack, "", %progbits
