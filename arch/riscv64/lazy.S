/* Floating point registers of a vCPU, to and from its record. sstatus.FS is on while these run. */
#include "gen/offsets.h"

	.option norelax
	.option arch, +d
	.macro	each op
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	\op	f\n, (VCPU_F + 8 * \n)(a0)
	.endr
	.endm

	.text
	.globl	fp_save
fp_save:
	each	fsd
	csrr	t0, fcsr
	sd	t0, VCPU_fcsr(a0)
	ret

	.globl	fp_load
fp_load:
	each	fld
	ld	t0, VCPU_fcsr(a0)
	csrw	fcsr, t0
	ret
