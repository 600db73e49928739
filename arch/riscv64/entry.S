/*
 * Into the guest and out of it, and traps out of the hypervisor itself.
 *
 * The record of the vCPU in the estate is where registers are saved; there is no second copy. A life may end at any
 * instruction of guest_exit while some registers are in the record and others still in the hart. The heir works out
 * which from the pc that the warden found, by the four labels that the life record publishes:
 *
 *   entry_begin    nothing has happened: all registers as found
 *   entry_swapped  a0 is in sscratch, the others as found
 *   entry_moved    a0 is in sscratch; t0 and tp are in the record
 *   entry_saved    all in the record
 *
 * and before entry_saved pc, hstatus and sstatus are in their CSRs. So the code between them is straight and changes
 * nothing else. While guest_enter loads registers the record stays what it was, so that a life may end anywhere there.
 *
 * Where registers are the guest's there is no stack and nothing to call. A trap there, which only a fault of this life can
 * cause, must not lead to guest_exit, which would save what is no guest's: stvec leads to one of two loops, in which the
 * watchdog finds the hart. Of the first the heir knows that the record is what it was; of the second, LIFE_ENTRY_CAUGHT
 * before entry_begin, that t0, tp and the trap CSRs are in the record, a0 is in sscratch and all others are in the hart. The
 * addresses of the two and of guest_exit differ in bits that one instruction can change. What is left open is the first
 * ten instructions of guest_exit and the last two of guest_enter.
 *
 * The .cfi lines are for backtraces of a dead life: guest_exit is where one ends, hs_trap leads to what trapped.
 */
#include "gen/offsets.h"

/* stvec is entry_going_in, guest_exit, entry_coming_out, in turns: + 8, + 24, + 16 from an address that ends in 0. */
#define ENTRY_OUTSIDE	16
#define ENTRY_INSIDE	8

	.cfi_sections .debug_frame
	.option norelax
	.text
	.balign	32
	.globl	guest_exit, entry_begin, entry_swapped, entry_moved, entry_saved, entry_going_in
	.type	guest_exit, @function
	.cfi_startproc
	.cfi_undefined ra
	.8byte	0
entry_going_in:
	wfi
	j	entry_going_in
	.balign	8
entry_coming_out:
	wfi
	j	entry_coming_out
	.balign	8
guest_exit:
entry_begin:
	csrrw	a0, sscratch, a0
entry_swapped:
	sd	t0, VCPU_X_t0(a0)
	sd	tp, VCPU_X_tp(a0)
	csrr	t0, sepc
entry_moved:
	sd	t0, VCPU_pc(a0)
	csrr	t0, hstatus
	sd	t0, VCPU_hstatus(a0)
	csrr	t0, sstatus
	sd	t0, VCPU_sstatus(a0)
	csrci	stvec, ENTRY_INSIDE
	csrr	t0, sscratch
	sd	t0, VCPU_X_a0(a0)
	sd	ra, VCPU_X_ra(a0)
	sd	sp, VCPU_X_sp(a0)
	sd	gp, VCPU_X_gp(a0)
	sd	t1, VCPU_X_t1(a0)
	sd	t2, VCPU_X_t2(a0)
	sd	s0, VCPU_X_s0(a0)
	sd	s1, VCPU_X_s1(a0)
	sd	a1, VCPU_X_a1(a0)
	sd	a2, VCPU_X_a2(a0)
	sd	a3, VCPU_X_a3(a0)
	sd	a4, VCPU_X_a4(a0)
	sd	a5, VCPU_X_a5(a0)
	sd	a6, VCPU_X_a6(a0)
	sd	a7, VCPU_X_a7(a0)
	sd	s2, VCPU_X_s2(a0)
	sd	s3, VCPU_X_s3(a0)
	sd	s4, VCPU_X_s4(a0)
	sd	s5, VCPU_X_s5(a0)
	sd	s6, VCPU_X_s6(a0)
	sd	s7, VCPU_X_s7(a0)
	sd	s8, VCPU_X_s8(a0)
	sd	s9, VCPU_X_s9(a0)
	sd	s10, VCPU_X_s10(a0)
	sd	s11, VCPU_X_s11(a0)
	sd	t3, VCPU_X_t3(a0)
	sd	t4, VCPU_X_t4(a0)
	sd	t5, VCPU_X_t5(a0)
	sd	t6, VCPU_X_t6(a0)
entry_saved:
	ld	tp, VCPU_HART(a0)
	ld	t0, HART_TRAP_VECTOR(tp)
	csrw	stvec, t0
	ld	sp, HART_STACK(tp)
	ld	a0, HART_CURRENT(tp)
	csrr	a1, scause
	/* It does not return; ra says to a backtrace that there is nothing before. */
	call	exit_handle
	.cfi_endproc
	.size	guest_exit, . - guest_exit

	.globl	guest_enter
	.type	guest_enter, @function
guest_enter:
	.cfi_startproc
	ld	t0, VCPU_ENTRY(a0)
	csrw	stvec, t0
	csrw	sscratch, a0
	/* What it delegates shows in the guest's sie: a fault in it would show before any check could come. */
	li	t0, HART_HIDELEG_
	csrw	hideleg, t0
	ld	ra, VCPU_X_ra(a0)
	.cfi_undefined ra
	ld	sp, VCPU_X_sp(a0)
	ld	gp, VCPU_X_gp(a0)
	ld	tp, VCPU_X_tp(a0)
	ld	t0, VCPU_X_t0(a0)
	ld	t1, VCPU_X_t1(a0)
	ld	t2, VCPU_X_t2(a0)
	ld	s0, VCPU_X_s0(a0)
	ld	s1, VCPU_X_s1(a0)
	ld	a1, VCPU_X_a1(a0)
	ld	a2, VCPU_X_a2(a0)
	ld	a3, VCPU_X_a3(a0)
	ld	a4, VCPU_X_a4(a0)
	ld	a5, VCPU_X_a5(a0)
	ld	a6, VCPU_X_a6(a0)
	ld	a7, VCPU_X_a7(a0)
	ld	s2, VCPU_X_s2(a0)
	ld	s3, VCPU_X_s3(a0)
	ld	s4, VCPU_X_s4(a0)
	ld	s5, VCPU_X_s5(a0)
	ld	s6, VCPU_X_s6(a0)
	ld	s7, VCPU_X_s7(a0)
	ld	s8, VCPU_X_s8(a0)
	ld	s9, VCPU_X_s9(a0)
	ld	s10, VCPU_X_s10(a0)
	ld	s11, VCPU_X_s11(a0)
	ld	t3, VCPU_X_t3(a0)
	ld	t4, VCPU_pc(a0)
	ld	t5, VCPU_hstatus(a0)
	ld	t6, VCPU_sstatus(a0)
	csrw	sepc, t4
	csrw	hstatus, t5
	csrw	sstatus, t6
	ld	t4, VCPU_X_t4(a0)
	ld	t5, VCPU_X_t5(a0)
	/* Registers of somewhere else, or a record of nobody's at the exit, if one of the two has changed meanwhile. */
	csrr	t6, sscratch
	bne	t6, a0, entry_going_in
	ld	t6, VCPU_X_t6(a0)
	csrsi	stvec, ENTRY_OUTSIDE
	ld	a0, VCPU_X_a0(a0)
	sret
	.cfi_endproc
	.size	guest_enter, . - guest_enter

	/*
	 * A trap out of HS-mode: a read of guest memory that faulted (hypervisor_trap sends it on to hart->fixup), or the
	 * end of this life. The stack may be what faulted, so there is another; sscratch is left alone.
	 */
	.balign	4
	.globl	hs_trap
	.type	hs_trap, @function
hs_trap:
	.cfi_startproc
	.cfi_signal_frame
	/* psABI: the return address of frames whose ra is another's. */
	.cfi_return_column 64
	.cfi_undefined 64
	/* x31 is put where the trap stack's frame will have it: relative to tp, which is the hart's. */
	sd	t6, HART_TRAP_T6(tp)
	ld	t6, HART_EMERGENCY_STACK(tp)
	addi	t6, t6, -256
	sd	ra, 8(t6)
	sd	sp, 16(t6)
	sd	gp, 24(t6)
	sd	tp, 32(t6)
	sd	t0, 40(t6)
	sd	t1, 48(t6)
	sd	t2, 56(t6)
	sd	s0, 64(t6)
	sd	s1, 72(t6)
	sd	a0, 80(t6)
	sd	a1, 88(t6)
	sd	a2, 96(t6)
	sd	a3, 104(t6)
	sd	a4, 112(t6)
	sd	a5, 120(t6)
	sd	a6, 128(t6)
	sd	a7, 136(t6)
	sd	s2, 144(t6)
	sd	s3, 152(t6)
	sd	s4, 160(t6)
	sd	s5, 168(t6)
	sd	s6, 176(t6)
	sd	s7, 184(t6)
	sd	s8, 192(t6)
	sd	s9, 200(t6)
	sd	s10, 208(t6)
	sd	s11, 216(t6)
	sd	t3, 224(t6)
	sd	t4, 232(t6)
	sd	t5, 240(t6)
	ld	t0, HART_TRAP_T6(tp)
	sd	t0, 248(t6)
	csrr	a1, sepc
	sd	a1, 0(t6)
	mv	sp, t6
	.cfi_def_cfa sp, 256
	.cfi_offset 64, -256
	.irp	n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	.cfi_offset \n, 8 * \n - 256
	.endr
	csrr	a0, scause
	csrr	a2, stval
	mv	a3, sp
	call	hypervisor_trap
	/* Back to the fixup (sepc is set): only the registers that the C function may have changed. */
	mv	t6, sp
	ld	ra, 8(t6)
	ld	t0, 40(t6)
	ld	t1, 48(t6)
	ld	t2, 56(t6)
	ld	a0, 80(t6)
	ld	a1, 88(t6)
	ld	a2, 96(t6)
	ld	a3, 104(t6)
	ld	a4, 112(t6)
	ld	a5, 120(t6)
	ld	a6, 128(t6)
	ld	a7, 136(t6)
	ld	t3, 224(t6)
	ld	t4, 232(t6)
	ld	t5, 240(t6)
	.cfi_undefined 64
	ld	sp, 16(t6)
	ld	t6, 248(t6)
	sret
	.cfi_endproc
	.size	hs_trap, . - hs_trap
