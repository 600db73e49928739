/*
 * Puts a VM's kernel, initrd and device tree into its RAM, as a boot loader does.
 */
#ifndef CORE_VM_LOAD_H
#define CORE_VM_LOAD_H

#include "core/vm/pack.h"
#include "core/vm/vm.h"

struct load_result {
	gpa_t entry;	/* pc of the first vCPU; its a0 is its hart id */
	gpa_t dtb;	/* its a1 */
	char text[160]; /* what went wrong; "" if nothing */
};

/*
 * Loads the VM's boot items. Its RAM has been reset (reads as zeros), no vCPU of it runs, and no other operation on VMs is under way. The calling
 * hart's block window is used and closed again.
 *
 * -ENOENT: the pack has no such item; -EINVAL: the kernel is none, is for another architecture or is damaged; -ENOMEM: the
 * VM's memory is too small for what goes into it; -E2BIG: too many vCPUs for a device tree; -EFAULT: the memory of the VM
 * is not what its configuration says.
 */
int load_vm(struct vm *vm, const struct pack *pack, struct load_result *result);

#endif
