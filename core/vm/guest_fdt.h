/*
 * The device tree that describes a guest's machine to it (Devicetree Specification 0.4, Linux's bindings).
 */
#ifndef CORE_VM_GUEST_FDT_H
#define CORE_VM_GUEST_FDT_H

#include "core/vm/vm.h"

/* What the guest's harts can do beyond rv64imafdc, and how fast time goes. */
struct guest_isa {
	u64 timebase;	/* Hz */
	u32 isa;	/* MACHINE_ISA_... that the hypervisor lets guests use */
	u32 cboz_block; /* bytes, with MACHINE_ISA_ZICBOZ */
	u32 satp_mode;	/* widest translation: 8, 9, 10 for Sv39, Sv48, Sv57 */
};

/* What the machine record says, as it is passed on to guests. */
struct guest_isa guest_isa_of(const struct machine_record *m);

#define GUEST_RNG_SEED_SIZE 64

/* Where a guest finds what has been loaded for it. */
struct guest_boot {
	gpa_t initrd;
	u64 initrd_size; /* 0: none */
	bool seeded;	 /* there is a ... */
	u8 rng_seed[GUEST_RNG_SEED_SIZE];
};

/*
 * Bytes that guest_fdt_build needs at most for a machine of that many vCPUs: what the processors' nodes take, with the
 * longest names and numbers, and everything else.
 */
u64 guest_fdt_bound(u32 vcpus);

/*
 * Writes the device tree of `vm` (its config and the ids of its vCPUs count) into `size` bytes at `to`, 8-byte aligned.
 * *used: how many of them it takes. -ENOSPC: they do not suffice, see guest_fdt_bound.
 */
int guest_fdt_build(const struct vm *vm, const struct guest_isa *isa, const struct guest_boot *boot, void *to,
		    u64 size, u64 *used);

#endif
