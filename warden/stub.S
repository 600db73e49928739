/*
 * The parking stub (guest.h): stvec of a hart whose guest runs without a hypervisor. It has a page for itself, which
 * is all that HS-mode can reach of the firmware.
 *
 * The guest's a7 goes to sscratch, every other register stays as it is: also a6, so the warden knows this call by its
 * address instead of a function number. Any other extension would do as well as WARDEN_EXT, 0x0a4f4c56; the number is
 * checked against the contract in call.c.
 */
	.section .text.guest_stub, "ax", %progbits
	.balign 4096
	.globl	guest_stub
guest_stub:
	csrw	sscratch, a7
	.option push
	.option norvc
	lui	a7, %hi(0x0a4f4c56)
	addi	a7, a7, %lo(0x0a4f4c56)
	.option pop
	.globl	guest_stub_ecall
guest_stub_ecall:
	ecall
1:	j	1b
	.balign 4096
