/* Decoding of loads and stores; the warden, which has it too, does not know our harts. */
#include "arch/riscv64/decode.h"
#include "core/lib/errno.h"

static int decode_standard(u32 i, struct mmio_instruction *m)
{
	unsigned opcode = i & 0x7f;
	unsigned funct3 = i >> 12 & 7;

	m->length = 4;
	m->bytes = 1u << (funct3 & 3);
	if (opcode == 0x03 && funct3 != 7) { /* LOAD */
		m->write = false;
		m->sign = !(funct3 & 4);
		m->reg = i >> 7 & 31;
		return 0;
	}
	if (opcode == 0x23 && funct3 < 4) { /* STORE */
		m->write = true;
		m->sign = false;
		m->reg = i >> 20 & 31;
		return 0;
	}
	return -EINVAL;
}

/* Unprivileged specification, chapter "C": quadrants 0 and 2, funct3 in bits 15..13. */
static int decode_compressed(u32 i, struct mmio_instruction *m)
{
	unsigned quadrant = i & 3;
	unsigned funct3 = i >> 13 & 7;
	bool doubleword = funct3 & 1;

	if (quadrant == 1 || (funct3 & 3) < 2)
		return -EINVAL; /* funct3 2, 3: C.LW(SP), C.LD(SP); 6, 7: C.SW(SP), C.SD(SP) */
	m->length = 2;
	m->bytes = doubleword ? 8 : 4;
	m->sign = true;
	m->write = funct3 & 4;
	if (quadrant == 0)
		m->reg = 8 + (i >> 2 & 7);
	else
		m->reg = m->write ? i >> 2 & 31 : i >> 7 & 31;
	return 0;
}

int decode_mmio(u32 i, struct mmio_instruction *m)
{
	return (i & 3) == 3 ? decode_standard(i, m) : decode_compressed(i & 0xffff, m);
}
