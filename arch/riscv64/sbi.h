/* Numbers of the RISC-V Supervisor Binary Interface (SBI) 2.0: what we call below us, and what guests call. */
#ifndef ARCH_SBI_H
#define ARCH_SBI_H

#include "abi/types.h"

struct sbi_result {
	s64 error; /* SBI_ERR_..., 0: success */
	u64 value;
};

#define SBI_SUCCESS		  0
#define SBI_ERR_FAILED		  (-1)
#define SBI_ERR_NOT_SUPPORTED	  (-2)
#define SBI_ERR_INVALID_PARAM	  (-3)
#define SBI_ERR_DENIED		  (-4)
#define SBI_ERR_INVALID_ADDRESS	  (-5)
#define SBI_ERR_ALREADY_AVAILABLE (-6)
#define SBI_ERR_ALREADY_STARTED	  (-7)
#define SBI_ERR_ALREADY_STOPPED	  (-8)
#define SBI_ERR_INVALID_STATE	  (-10)

#define SBI_EXT_BASE	    0x10
#define SBI_EXT_TIME	    0x54494d45
#define SBI_EXT_IPI	    0x735049
#define SBI_EXT_RFENCE	    0x52464e43
#define SBI_EXT_HSM	    0x48534d
#define SBI_EXT_SRST	    0x53525354
#define SBI_EXT_DBCN	    0x4442434e
#define SBI_EXT_SUSP	    0x53555350
#define SBI_EXT_LEGACY_LAST 0x0f

#endif
