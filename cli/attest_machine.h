/* The machines that a confidential guest may be told to have, as the hypervisor describes them to it. */
#ifndef CLI_ATTEST_MACHINE_H
#define CLI_ATTEST_MACHINE_H

#include "abi/pack.h"
#include "abi/private.h"
#include "core/vm/load_plan.h"

/* What the warden is told of the VM before anything is loaded. */
void attest_machine_config(const struct vm_config *config, struct private_config *private);

/* Where its RAM is, and how much room its device tree has. */
void attest_machine_request(const struct vm_config *config, struct load_request *q);

/* Its device tree on machine `n`, below ATTEST_MACHINES; free() it. Zeroes follow it up to the end of its page, and further. NULL: it cannot be made. */
void *attest_machine_tree(size_t n, bool vector, const struct vm_config *config, u64 initrd, u64 initrd_size,
			  u64 *size);

#endif
