/* See exits.h. */
#include "guests/bench/exits.h"
#include "guests/lib/csr.h"
#include "guests/lib/guest.h"
#include "guests/lib/hart.h"
#include "guests/lib/sbi.h"

#define ROUNDS_A_LINE 64u

#define UART_SCRATCH ((volatile u8 *)(UART_BASE + 7))

/* Context 1 is supervisor mode of the first hart. */
#define PLIC_THRESHOLD ((volatile u32 *)(PLIC_BASE + 0x201000))

static void exit_each_way(u64 times)
{
	for (u64 i = 0; i < times; i++)
		sbi(SBI_BASE, SBI_BASE_SPEC_VERSION, 0, 0, 0, 0, 0);
	for (u64 i = 0; i < times; i++)
		sbi_set_timer(~0ull);
	for (u64 i = 0; i < times; i++) {
		sbi_send_ipi(1, harts[0].id);
		csr_clear(sip, IRQ_BIT(IRQ_SOFTWARE));
	}
	for (u64 i = 0; i < times; i++)
		sbi(SBI_RFENCE, 1, 1, harts[0].id, 0, ~0ull, 0);
	for (u64 i = 0; i < times; i++)
		*UART_SCRATCH = (u8)i;
	for (u64 i = 0; i < times; i++)
		(void)*UART_SCRATCH;
	for (u64 i = 0; i < times; i++)
		(void)*PLIC_THRESHOLD;
}

_Noreturn void bench_exits(u64 times)
{
	hart_find();
	csr_clear(sstatus, SSTATUS_SIE);
	for (u64 rounds = 1;; rounds++) {
		exit_each_way(times);
		if (rounds % ROUNDS_A_LINE == 0)
			print("EXITS rounds %llu\n", (unsigned long long)rounds);
	}
}
