/*
 * Instructions that a supervisor may not execute, or that do not exist. They are put together in a page of the hart and
 * run from there under guard; what would only lose the hart (stvec, satp, sret to nowhere) is left out.
 */
#include "guests/hostile/hostile.h"

static u32 code[GUEST_HARTS_MAX][16];

/* Operands in t0 and t1, result to t2: registers that the caller has given up. */
#define RD  (7u << 7)
#define RS1 (5u << 15)
#define RS2 (6u << 20)

static u32 rnd_csr_access(void)
{
	u32 csr = (u32)rnd_below(4096);
	u32 function = 1 + (u32)rnd_below(3);

	/* S-level and unprivileged ones may be real: these are read, with x0 as a mask. */
	if ((csr >> 8 & 3) < 2)
		return csr << 20 | 2u << 12 | RD | 0x73;
	return csr << 20 | RS1 | function << 12 | RD | 0x73;
}

static u32 rnd_instruction(void)
{
	static const u32 fixed[] = {
		0x00000000,		/* illegal by definition */
		0xffffffff, 0x30200073, /* mret */
		0x70200073,		/* mnret */
		0x7b200073,		/* dret */
		0x00200073,		/* uret */
		0x00100073,		/* ebreak */
		0x0000100f,		/* fence.i */
		0x0ff0000f,		/* fence */
		0x18000073,		/* sfence.w.inval */
		0x18100073,		/* sfence.inval.ir */
		0x10500073,		/* wfi: with a timer set, see below */
		0x00d00073,		/* wrs.nto */
		0x01d00073,		/* wrs.sto */
	};
	/* Major opcodes with random rest: custom-0 to -3, reserved, 48-bit and longer, vector, floating point. */
	static const u32 major[] = { 0x0b, 0x2b, 0x5b, 0x7b, 0x6b, 0x77, 0x1f,
				     0x3f, 0x5f, 0x7f, 0x57, 0x53, 0x43 };

	switch (rnd_below(6)) {
	case 0:
		return fixed[rnd_below(ARRAY_SIZE(fixed))];
	case 1: /* registers of the random rest: only results to t2 or f7 */
		return ((u32)rnd() & 0xfffff000 & ~(31u << 15)) | RS1 | RD |
		       major[rnd_below(ARRAY_SIZE(major))];
	case 2:
		return rnd_csr_access();
	case 3: /* hfence.vvma, hfence.gvma, hinval.* and their neighbours */
		return (u32)(rnd_below(128) << 25) | RS2 | RS1 | 0x73;
	case 4: /* hlv, hlvx, hsv: function 4 of SYSTEM */
		return (u32)((0x30 + rnd_below(8)) << 25) | (u32)rnd_below(4) << 20 | RS1 | 4u << 12 | RD |
		       0x73;
	default: /* cbo.inval, .clean, .flush, .zero on scratch; prefetches */
		return (u32)rnd_below(5) << 20 | RS1 | 2u << 12 | 0x0f;
	}
}

/* Puts the operands into their registers; nothing is called between that and the jump. */
static void execute(u32 *at, u64 operand0, u64 operand1)
{
	register u64 t0 __asm__("t0") = operand0;
	register u64 t1 __asm__("t1") = operand1;
	register u32 *target __asm__("t3") = at;

	__asm__ volatile("fence.i\n jalr %2" : "+r"(t0), "+r"(t1), "+r"(target)::"ra", "t2", "memory");
}

void attack_instructions(u64 unused)
{
	u32 *at = code[hart_self() - harts];
	u64 address = scratch() + rnd_below(SCRATCH_SIZE - 64) / 64 * 64;

	(void)unused;
	if (rnd_one_in(8))
		address = rnd_value() | 1ull << 62;
	at[0] = rnd_instruction();
	at[1] = rnd_one_in(4) ? rnd_instruction() : 0x00000013; /* nop */
	at[2] = 0x00008067;					/* ret */
	if (at[0] == 0x10500073 || at[1] == 0x10500073)
		attack_wfi(0);
	else
		execute(at, address, rnd_value());
}
