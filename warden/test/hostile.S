/* For hostile.c: the guest that is attacked, and loads that a hypervisor makes as if it were a guest. */
	.option norvc
	.text

#define DEVICE 0x10000000
#define SECRET 0x5ec0de5ec0de5ec0

/*
 * The guest: one page, a1 is the one behind it, which is its secret. It fills it, and then looks for ever whether page and
 * registers are as they were. Each time it stores to a device how many words were not. The page has to be of zeroes at first.
 */
	.globl	victim, victim_end
	.balign	8
victim:
	mv	s0, a1
	li	s1, 0
	li	s11, SECRET
	li	t0, 4096
	add	s10, s0, t0
	mv	t1, s0
1:	ld	t0, 0(t1)
	snez	t0, t0
	add	s1, s1, t0
	xor	t0, t1, s11
	sd	t0, 0(t1)
	addi	t1, t1, 8
	bne	t1, s10, 1b
	.irp	n, 2, 3, 4, 5, 6, 7, 8, 9
	li	s\n, 0x7700 + \n
	.endr
	li	t0, 0x2000
	csrs	sstatus, t0
	.irp	n, 2, 3, 4, 5, 6, 7, 8, 9
	fmv.d.x	f\n, s\n
	.endr
	csrw	sscratch, s11

look:	mv	t1, s0
1:	xor	t0, t1, s11
	ld	t2, 0(t1)
	xor	t0, t0, t2
	snez	t0, t0
	add	s1, s1, t0
	addi	t1, t1, 8
	bne	t1, s10, 1b
	.irp	n, 2, 3, 4, 5, 6, 7, 8, 9
	li	t1, 0x7700 + \n
	xor	t0, t1, s\n
	snez	t0, t0
	add	s1, s1, t0
	fmv.x.d	t0, f\n
	xor	t0, t1, t0
	snez	t0, t0
	add	s1, s1, t0
	.endr
	csrr	t0, sscratch
	xor	t0, t0, s11
	snez	t0, t0
	add	s1, s1, t0
	li	t0, DEVICE
	sw	s1, 32(t0)
	j	look
victim_end:

/* a0 guest physical address, through hgatp; a1 where the value goes. a0 = 1 if that traps. */
	.globl	guest_load_traps
	.balign	4
guest_load_traps:
	csrr	t1, stvec
	lla	t0, 1f
	csrw	stvec, t0
	mv	t2, a0
	li	a0, 0
	.insn	r 0x73, 4, 0x36, t0, t2, x0	/* hlv.d */
	sd	t0, 0(a1)
	j	2f
	.balign	4
1:	li	a0, 1
2:	csrw	stvec, t1
	ret

	.globl	guest_fence
guest_fence:
	.insn	r 0x73, 0, 0x31, x0, x0, x0	/* hfence.gvma */
	ret

	.section .note.GNU-stack, "", %progbits
