/* The guest's machine: see attest_machine.h. Made by the hypervisor's own code. */
#include "cli/attest_machine.h"
#include "cli/memory.h"
#include "core/memory/backing.h"
#include "core/private/bounce.h"
#include "core/vm/guest_fdt.h"
#include <stdlib.h>

/* QEMU's virt. */
#define TIMEBASE   10000000
#define CBOZ_BLOCK 64

/* Sv39, Sv48, Sv57, as satp.MODE; and each of them without and with Zicboz. */
#define SATP_FIRST 8
#define SATP_MODES 3

void attest_machine_config(const struct vm_config *config, struct private_config *private)
{
	*private = (struct private_config){ .ram_base = GUEST_RAM_BASE,
					    .ram_size = config->memory,
					    .vcpus = config->vcpus };
	bounce_declare(config, private);
}

void attest_machine_request(const struct vm_config *config, struct load_request *q)
{
	q->ram_base = GUEST_RAM_BASE;
	q->ram_size = config->memory;
	q->dtb_size = guest_fdt_bound(config->vcpus);
}

void *attest_machine_tree(size_t n, bool vector, const struct vm_config *config, u64 initrd, u64 initrd_size,
			  u64 *size)
{
	const bool has_cboz = n / SATP_MODES;
	const struct guest_isa isa = { .timebase = TIMEBASE,
				       .isa = MACHINE_ISA_SSTC | (has_cboz ? MACHINE_ISA_ZICBOZ : 0) |
					      (vector ? MACHINE_ISA_V : 0),
				       .cboz_block = has_cboz ? CBOZ_BLOCK : 0,
				       .satp_mode = (u32)(SATP_FIRST + n % SATP_MODES) };
	const struct guest_boot boot = { .initrd = GPA(initrd), .initrd_size = initrd_size };
	struct vm *vm = memory_new(1, sizeof(*vm));
	void *tree = memory_new(1, BLOCK_SIZE);

	vm->config = *config;
	vm->vcpu = memory_new(config->vcpus, sizeof(*vm->vcpu));
	for (u32 i = 0; i < config->vcpus; i++)
		vm->vcpu[i].id = i;
	if (guest_fdt_build(vm, &isa, &boot, tree, BLOCK_SIZE, size)) {
		free(tree);
		tree = NULL;
	}
	free(vm->vcpu);
	free(vm);
	return tree;
}
