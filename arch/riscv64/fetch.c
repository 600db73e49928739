/* Instruction fetch through guest translation. */
#include "arch/riscv64/decode.h"
#include "arch/riscv64/hart.h"
#include "arch/riscv64/hlvx.h"
#include "core/lib/errno.h"

int fetch_instruction(u64 pc, u32 *instruction)
{
	struct hart *hart = this_hart();
	bool failed = false;
	u32 word;

	/* An aligned word lies in one page: what can be fetched in part can be fetched whole. */
	if (pc % 4 == 0) {
		word = hlvx_wu(pc, hart, &failed);
	} else {
		word = hlvx_hu(pc, hart, &failed);
		if ((word & 3) == 3)
			word |= hlvx_hu(pc + 2, hart, &failed) << 16;
	}
	*instruction = (word & 3) == 3 ? word : word & 0xffff;
	return failed ? -EFAULT : 0;
}
