/*
 * A host worked out: what goes into its boot pack and what its machine consists of. Made from a spec; everything that
 * the spec left open has a value here.
 */
#ifndef CLI_HOST_PLAN_H
#define CLI_HOST_PLAN_H

#include "abi/layout.h"
#include "abi/pack.h"
#include "cli/diagnostics.h"
#include "cli/host_spec.h"

/* A file in the pack. The same file is there once, however many VMs start from it. */
struct plan_item {
	const char *path; /* the spec's */
	u64 size;
	u64 device, inode;
};

/* Block device n of the host. */
struct plan_disk {
	const char *path; /* the spec's */
	bool is_readonly;
};

/* A device of the machine that is passed through to the root VM. */
struct plan_pass {
	u32 window;		      /* virtio window of the machine, by ascending address */
	const struct disk_spec *disk; /* the spec's; NULL: an entropy source */
	char serial[20];
};

/* Where the machine's RAM begins: QEMU's virt. */
#define PLAN_RAM_BASE 0x80000000ull

/* virtio-mmio devices of the machine: QEMU's virt has so many. One is the control channel's. */
#define PLAN_MACHINE_SLOTS 8

struct host_plan {
	const struct host_spec *spec;
	u32 harts;
	u64 memory;    /* bytes */
	u64 pack_size; /* bytes, all included */
	u64 pool;      /* bytes of `memory` that the warden keeps for confidential VMs; 0: none */
	struct plan_item items[PACK_MAX_ITEMS];
	u32 item_count;
	struct vm_config *vms; /* [vm_count] */
	u32 vm_count;
	struct plan_disk disks[MAX_VMS * VM_MAX_DEVICES + 2]; /* the VMs', then those for evidence */
	u32 disk_count;
	struct pack_evidence evidence;
	/* The root VM's, in windows from the last one down: there a guest finds them first. */
	struct plan_pass passes[PLAN_MACHINE_SLOTS];
	u32 pass_count;
	bool has_uplink;
	bool has_rng; /* some VM has an entropy device: the machine needs one to feed it */
};

/*
 * Works it out; adds to `d` what does not fit (RAM, devices, vCPUs). The plan points into the spec. In every case
 * host_plan_free afterwards.
 */
void host_plan_make(const struct host_spec *spec, struct host_plan *plan, struct diagnostics *d);

void host_plan_free(struct host_plan *plan);

/* Offset in the pack of the first item's bytes. */
u64 host_plan_items_offset(const struct host_plan *plan);

#endif
