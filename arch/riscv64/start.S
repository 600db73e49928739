/*
 * Start of the image: header, entry of a first life, entry of an heir, entry of further harts.
 *
 * The image is linked at 0 and runs wherever its slot is. Before the first C function it applies its own relocations,
 * which is only right from a pristine copy: every life starts from one.
 */
#include "gen/offsets.h"

	.cfi_sections .debug_frame
	.option norelax

	.section .rodata
early_text:
	.ascii	"a trap before there was a handler"
early_text_end:
	.set	early_text_size, early_text_end - early_text

	/*
	 * The header comes in parts, between which the linker script puts the sizes: a size written here would become a
	 * relocation, as if it were an address.
	 */
	.section .text.header.0, "ax"
	.globl	image_start, heir_entry
image_start:
	j	first_entry
	.balign	8
	.8byte	0x200000		/* text_offset */
	/* linux_size */
	.section .text.header.1, "ax"
	.8byte	0			/* flags */
	.4byte	2			/* version 0.2 */
	.4byte	0
	.8byte	0
	.8byte	0x5643534952		/* "RISCV" */
	.4byte	0x05435352		/* "RSC\x05" */
	.4byte	0
	.8byte	0x4556494c54554f	/* IMAGE_OUTLIVE_MAGIC */
	.4byte	1			/* IMAGE_HEADER_VERSION */
	.4byte	ESTATE_VERSION_
	/* file_size, memory_size */
	.section .text.header.2, "ax"
	.4byte	ESTATE_OLDEST_
	.4byte	0
	.8byte	0, 0, 0
	/* Byte IMAGE_HEIR_ENTRY: a0 = hart id, a1 = estate */
heir_entry:
	.cfi_startproc
	.cfi_undefined ra
	li	a2, 1
	j	common_entry
first_entry:
	/* a0 = hart id, a1 = device tree */
	li	a2, 0
common_entry:
	csrw	sie, zero
	csrw	satp, zero
	lla	t0, early_trap
	csrw	stvec, t0
	lla	s0, image_start
	/* R_RISCV_RELATIVE (3): *(base + offset) = base + addend. The linker script asserts no other kind. */
	lla	t0, image_rela
	lla	t1, image_rela_end
1:	bgeu	t0, t1, 2f
	ld	t2, 0(t0)
	ld	t3, 16(t0)
	add	t2, t2, s0
	add	t3, t3, s0
	sd	t3, 0(t2)
	addi	t0, t0, 24
	j	1b
2:	lla	t0, image_file_end
	lla	t1, image_end
3:	sd	zero, 0(t0)
	addi	t0, t0, 8
	bltu	t0, t1, 3b
	fence.i
	lla	tp, harts
	li	t0, SLOT_STACK_TOP_0
	add	sp, s0, t0
	mv	a3, s0
	call	boot_start
	/*
	 * A trap of a hart that has no handler yet. Nothing can be trusted but the warden: it knows how the hart was found, and does
	 * not have to wait for a life that will not report. The two low bits of stvec are no address: without alignment the hart
	 * would keep the vector it came with, which is the entry, and begin again with an argument that is none.
	 */
	.balign	4
	.globl	early_trap
early_trap:
	li	a7, WARDEN_EXT_
	li	a6, WARDEN_CRASH_
	li	a0, LIFE_TRAP_
	lla	a1, early_text
	li	a2, early_text_size
	ecall
hang:	wfi
	j	hang
	.cfi_endproc

	/* Further harts: a0 = hart id, a1 = struct hart. From SBI HSM or from the warden. */
	.balign	4
	.globl	secondary_entry
	.type	secondary_entry, @function
secondary_entry:
	.cfi_startproc
	.cfi_undefined ra
	csrw	sie, zero
	lla	t0, early_trap
	csrw	stvec, t0
	mv	tp, a1
	ld	sp, HART_STACK(tp)
	mv	a0, a1
	call	hart_secondary
	j	hang
	.cfi_endproc
	.size	secondary_entry, . - secondary_entry
