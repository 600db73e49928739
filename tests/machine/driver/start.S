/* Entry of the driver test: one hart, S-mode, no translation. tp points to the hart's index, as the core expects. */
	.section .text.start, "ax"
	.globl _start
_start:
	.option push
	.option norelax
	lla	gp, __global_pointer$
	.option pop
	lla	sp, stack_end
	lla	tp, hart_index
	lla	t0, bss_begin
	lla	t1, bss_end
1:	bgeu	t0, t1, 2f
	sd	zero, (t0)
	addi	t0, t0, 8
	j	1b
2:	lla	t0, trap
	csrw	stvec, t0
	csrw	sie, zero
	call	test_main
3:	wfi
	j	3b

	.balign	4
trap:	csrr	a0, scause
	csrr	a1, sepc
	csrr	a2, stval
	call	test_trap
	j	3b

	.globl arch_time
arch_time:
	rdtime	a0
	ret

	.globl interrupts_pending
interrupts_pending:
	csrr	a0, sip
	ret

	/* SBI system reset extension: shutdown. */
	.globl shutdown
shutdown:
	li	a7, 0x53525354
	li	a6, 0
	li	a0, 0
	li	a1, 0
	ecall
	j	shutdown

	.bss
	.balign	16
hart_index:
	.space	16
	.space	65536
stack_end:
