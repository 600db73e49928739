/* Loads and stores of a guest that hit a device: their encodings, against the tables of the unprivileged specification. */
#include "arch/riscv64/decode.h"
#include "core/lib/errno.h"
#include "core/memory/backing.h"
#include "tests/exits/scene.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Chapter "RV32/64G instruction set listings" and the tables of chapter "C", as mask and match. */
struct encoding {
	const char *name;
	u32 mask, match;
	unsigned bytes;
	bool write, sign;
	unsigned shift, base; /* register: bits from `shift` on, 5 of them or 3 if base is 8 */
};

static const struct encoding encodings[] = {
	{ "lb", 0x707f, 0x0003, 1, false, true, 7, 0 },
	{ "lh", 0x707f, 0x1003, 2, false, true, 7, 0 },
	{ "lw", 0x707f, 0x2003, 4, false, true, 7, 0 },
	{ "ld", 0x707f, 0x3003, 8, false, true, 7, 0 },
	{ "lbu", 0x707f, 0x4003, 1, false, false, 7, 0 },
	{ "lhu", 0x707f, 0x5003, 2, false, false, 7, 0 },
	{ "lwu", 0x707f, 0x6003, 4, false, false, 7, 0 },
	{ "sb", 0x707f, 0x0023, 1, true, false, 20, 0 },
	{ "sh", 0x707f, 0x1023, 2, true, false, 20, 0 },
	{ "sw", 0x707f, 0x2023, 4, true, false, 20, 0 },
	{ "sd", 0x707f, 0x3023, 8, true, false, 20, 0 },
	{ "c.lw", 0xe003, 0x4000, 4, false, true, 2, 8 },
	{ "c.ld", 0xe003, 0x6000, 8, false, true, 2, 8 },
	{ "c.sw", 0xe003, 0xc000, 4, true, false, 2, 8 },
	{ "c.sd", 0xe003, 0xe000, 8, true, false, 2, 8 },
	{ "c.lwsp", 0xe003, 0x4002, 4, false, true, 7, 0 },
	{ "c.ldsp", 0xe003, 0x6002, 8, false, true, 7, 0 },
	{ "c.swsp", 0xe003, 0xc002, 4, true, false, 2, 0 },
	{ "c.sdsp", 0xe003, 0xe002, 8, true, false, 2, 0 },
};

static const struct encoding *find(u32 instruction)
{
	for (unsigned n = 0; n < ARRAY_SIZE(encodings); n++) {
		if ((instruction & encodings[n].mask) == encodings[n].match)
			return &encodings[n];
	}
	return NULL;
}

static void check(u32 instruction)
{
	const struct encoding *e = find(instruction);
	struct mmio_instruction m;
	int result = decode_mmio(instruction, &m);
	unsigned reg;

	if (!e) {
		if (result != -EINVAL)
			fail_msg("0x%x is no load or store", instruction);
		return;
	}
	reg = e->base ? 8 + (instruction >> e->shift & 7) : instruction >> e->shift & 31;
	/* Whether a register or 8 bytes are extended with a sign makes no difference. */
	if (result || m.bytes != e->bytes || m.write != e->write || m.reg != reg ||
	    m.length != ((instruction & 3) == 3 ? 4 : 2) || (!m.write && m.bytes < 8 && m.sign != e->sign))
		fail_msg("0x%x is a %s of x%u", instruction, e->name, reg);
}

static void all_compressed(void **state)
{
	(void)state;
	for (u32 i = 0; i < 0x10000; i++) {
		if ((i & 3) != 3)
			check(i);
	}
}

static void all_opcodes(void **state)
{
	(void)state;
	/* Opcode, rd and funct3, with several of the rest: every 32-bit encoding differs in these only. */
	for (u32 i = 0; i < 0x8000; i++) {
		if ((i & 3) != 3)
			continue;
		check(i);
		check(i | 0xffff8000);
		check(i | 0x01f50000);
		check(i | 0xaaaa8000);
	}
}

/* Encodings as an assembler makes them, to be sure of the tables above. */
static void known_instructions(void **state)
{
	static const struct {
		u32 instruction;
		unsigned bytes, reg;
		bool write;
	} table[] = {
		{ 0x00070783, 1, 15, false }, /* lb a5, 0(a4) */
		{ 0xffc76503, 4, 10, false }, /* lwu a0, -4(a4) */
		{ 0x00f70023, 1, 15, true },  /* sb a5, 0(a4) */
		{ 0xfea73c23, 8, 10, true },  /* sd a0, -8(a4) */
		{ 0x431c, 4, 15, false },     /* c.lw a5, 0(a4) */
		{ 0xe31c, 8, 15, true },      /* c.sd a5, 0(a4) */
		{ 0x4782, 4, 15, false },     /* c.lwsp a5, 0(sp) */
		{ 0xe03e, 8, 15, true },      /* c.sdsp a5, 0(sp) */
	};
	static const u32 none[] = {
		0,	    0x231c,	0xa31c,	    0x2782,
		0xa03e,						/* nothing, c.fld, c.fsd, c.fldsp, c.fsdsp */
		0x00f727af, 0x100727af, 0x18f727af,		/* amoadd.w, lr.w, sc.w */
		0x00072787, 0x00f72027,				/* flw, fsw */
		0x0047200f, 0x00000073, 0x0000006f, 0x10500073, /* cbo.zero, ecall, j, wfi */
		0x02076087,					/* vle32.v */
	};
	struct mmio_instruction m;

	(void)state;
	for (unsigned n = 0; n < ARRAY_SIZE(table); n++) {
		assert_int_equal(decode_mmio(table[n].instruction, &m), 0);
		assert_int_equal(m.bytes, table[n].bytes);
		assert_int_equal(m.reg, table[n].reg);
		assert_int_equal(m.write, table[n].write);
	}
	for (unsigned n = 0; n < ARRAY_SIZE(none); n++)
		assert_int_equal(decode_mmio(none[n], &m), -EINVAL);
}

static void fetch(void **state)
{
	static const struct scene_exit none = { .name = "none" };
	const u64 end = GUEST_RAM_BASE + MIB(4);
	u16 *code;
	u32 got;

	(void)state;
	scene_start(&none);
	host_be_hart((unsigned)exits_hart_of(&vms[0]->vcpu[0]));
	code = exits_ram(vms[0], end - 8);
	code[0] = 0x0783;
	code[1] = 0x0007;
	code[2] = 0x431c;
	code[3] = 0x0003;
	assert_int_equal(fetch_instruction(end - 8, &got), 0);
	assert_int_equal(got, 0x00070783);
	/* A compressed one has no second half, aligned or not. */
	assert_int_equal(fetch_instruction(end - 4, &got), 0);
	assert_int_equal(got, 0x431c);
	code[3] = 0x431c;
	assert_int_equal(fetch_instruction(end - 2, &got), 0);
	assert_int_equal(got, 0x431c);
	/* The second half is not there. */
	code[3] = 0x0003;
	assert_int_equal(fetch_instruction(end - 2, &got), -EFAULT);
	assert_int_equal(fetch_instruction(end, &got), -EFAULT);
	assert_int_equal(fetch_instruction(~0ull - 1, &got), -EFAULT);
	assert_int_equal(fetch_instruction(0, &got), -EFAULT);
	/* Across words. */
	code[1] = 0x0783;
	code[2] = 0x1234;
	assert_int_equal(fetch_instruction(end - 6, &got), 0);
	assert_int_equal(got, 0x12340783);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_compressed),
		cmocka_unit_test(all_opcodes),
		cmocka_unit_test(known_instructions),
		cmocka_unit_test(fetch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
