/* Floating point and vector registers of a vCPU, to and from its record. sstatus.FS and VS are on while these run. */
#include "gen/offsets.h"

	.cfi_sections .debug_frame
	.option norelax
	.option arch, +d
	.macro	each op
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	\op	f\n, (VCPU_F + 8 * \n)(a0)
	.endr
	.endm

	.text
	.globl	fp_save
	.type	fp_save, @function
fp_save:
	.cfi_startproc
	each	fsd
	csrr	t0, fcsr
	sd	t0, VCPU_fcsr(a0)
	ret
	.cfi_endproc

	.globl	fp_load
	.type	fp_load, @function
fp_load:
	.cfi_startproc
	each	fld
	ld	t0, VCPU_fcsr(a0)
	csrw	fcsr, t0
	ret
	.cfi_endproc

	.option arch, +v
	.globl	vector_save
	.type	vector_save, @function
vector_save:
	.cfi_startproc
	/* The configuration first: saving whole registers ignores vl, vtype and vstart, but vsetvl changes them. */
	csrr	t0, vstart
	csrr	t1, vcsr
	csrr	t2, vl
	csrr	t3, vtype
	sd	t0, VCPU_vstart(a0)
	sd	t1, VCPU_vcsr(a0)
	sd	t2, VCPU_vl(a0)
	sd	t3, VCPU_vtype(a0)
	csrw	vstart, zero
	li	t0, VCPU_V
	add	t0, a0, t0
	csrr	t1, vlenb
	slli	t1, t1, 3
	vs8r.v	v0, (t0)
	add	t0, t0, t1
	vs8r.v	v8, (t0)
	add	t0, t0, t1
	vs8r.v	v16, (t0)
	add	t0, t0, t1
	vs8r.v	v24, (t0)
	ret
	.cfi_endproc

	.globl	vector_load
	.type	vector_load, @function
vector_load:
	.cfi_startproc
	csrw	vstart, zero
	li	t0, VCPU_V
	add	t0, a0, t0
	csrr	t1, vlenb
	slli	t1, t1, 3
	vl8r.v	v0, (t0)
	add	t0, t0, t1
	vl8r.v	v8, (t0)
	add	t0, t0, t1
	vl8r.v	v16, (t0)
	add	t0, t0, t1
	vl8r.v	v24, (t0)
	ld	t0, VCPU_vl(a0)
	ld	t1, VCPU_vtype(a0)
	/* An illegal vtype (vill) comes back as one: vsetvl sets vill for it. */
	vsetvl	zero, t0, t1
	ld	t0, VCPU_vcsr(a0)
	ld	t1, VCPU_vstart(a0)
	csrw	vcsr, t0
	csrw	vstart, t1
	ret
	.cfi_endproc
