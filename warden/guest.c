#include "warden/guest.h"

#include <sbi/riscv_asm.h>
#include <sbi/riscv_barrier.h>

#include "warden/found.h"
#include "warden/life.h"

extern char guest_stub[], guest_stub_ecall[];

unsigned long guest_stub_page(void)
{
	return (unsigned long)guest_stub;
}

bool guest_stub_calls_from(unsigned long pc)
{
	return pc == (unsigned long)guest_stub_ecall;
}

void guest_run_on(struct hart *h)
{
	found_guest(h);

	csr_write(CSR_STVEC, guest_stub_page());
	csr_write(CSR_SATP, 0); /* the stub's address is physical */
	/* A timer or interrupt of the dead host would end the guest's run: none is left enabled. */
	csr_write(CSR_SIE, 0);
	csr_clear(CSR_HIE, MIP_SGEIP);
	csr_write(CSR_HIDELEG, MIP_VSSIP | MIP_VSTIP | MIP_VSEIP);
	__asm__ __volatile__("sfence.vma" : : : "memory");

	h->guest_slot = life.slot;
	h->come_in = false;
	__smp_store_release(&h->where, HART_GUEST);
}
