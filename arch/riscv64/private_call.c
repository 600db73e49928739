/* Calls of the warden for confidential VMs: what the core knows them as. */
#include "arch/riscv64/firmware.h"
#include "core/arch.h"
#include "core/estate/estate.h"
#include "core/lib/errno.h"

static int errno_of(s64 error)
{
	switch (error) {
	case SBI_SUCCESS:
		return 0;
	case SBI_ERR_NOT_SUPPORTED:
		return -ENOSYS;
	case SBI_ERR_INVALID_PARAM:
		return -EINVAL;
	case SBI_ERR_DENIED:
		return -EPERM;
	case SBI_ERR_INVALID_ADDRESS:
		return -EFAULT;
	case SBI_ERR_ALREADY_AVAILABLE:
		return -EALREADY;
	case SBI_ERR_INVALID_STATE:
		return -EBUSY;
	case SBI_ERR_ALREADY_STARTED:
		return -EAGAIN;
	default:
		return -EIO;
	}
}

int arch_private(enum private_call call, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 *value)
{
	struct sbi_result r = { .error = SBI_ERR_NOT_SUPPORTED };

	if (estate.machine.has_warden)
		r = sbi_call(WARDEN_EXT, (u64)call, a0, a1, a2, a3, a4);
	if (value)
		*value = r.value;
	return errno_of(r.error);
}
