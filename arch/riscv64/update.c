/* Live update: the warden's calls, and the end of a life that is in order. */
#include "arch/riscv64/csr.h"
#include "arch/riscv64/firmware.h"
#include "arch/riscv64/hart.h"
#include "core/arch.h"
#include "core/estate/estate.h"
#include "core/lib/errno.h"

s64 arch_update(enum warden_call call, u64 a0, u64 a1, u64 a2)
{
	struct sbi_result r;

	if (!estate.machine.has_warden)
		return -ENOSYS;
	r = warden_call(call, a0, a1, a2, 0);
	switch (r.error) {
	case SBI_SUCCESS:
		return (s64)r.value;
	case SBI_ERR_NOT_SUPPORTED:
		return -ENOSYS;
	case SBI_ERR_INVALID_PARAM:
		return -EINVAL;
	case SBI_ERR_INVALID_ADDRESS:
		return -EFAULT;
	default:
		return -EBUSY;
	}
}

s64 arch_update_now(void)
{
	u64 begun = arch_time();
	s64 error;

	harts_rest();
	error = arch_update(WARDEN_UPDATE, begun, 0, 0);
	harts_go_on();
	return error < 0 ? error : -EBUSY;
}
