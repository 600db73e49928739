/*
 * The boot pack: what a host starts with, in one blob that the machine's loader puts into RAM (as its initrd).
 *
 * `outlive run` and `outlive pack` write it, the first life reads it and treats every byte as hostile.
 *
 *   struct pack_header | struct pack_item[item_count] | struct vm_config[vm_count] | item bytes, each 4 KiB-aligned
 *
 * The configuration of a VM is also a cold record of the estate; there it has its memory extents as well.
 * All numbers are little endian; strings are NUL-terminated inside their arrays; unused bytes are zero.
 */
#ifndef ABI_PACK_H
#define ABI_PACK_H

#include "abi/types.h"

#define PACK_MAGIC     0x4b4341504c54554full /* the bytes "OUTLPACK" */
#define PACK_VERSION   3		     /* 3: confidential VMs */
#define PACK_MAX_ITEMS 256

#define MAX_VMS 64
/* Hart ids that a guest can see: 0 .. MAX_VCPU_ID-1 (see core/vcpu/idmap.h for what bounds it). */
#define MAX_VCPU_ID 4096

#define VM_NAME_SIZE	32
#define VM_CMDLINE_SIZE 1024
#define VM_MAX_DEVICES	8
#define VM_NO_ITEM	0xffffffffu

/* What a hypervisor crash leads to; if one fails the next is taken. */
enum crash_policy {
	CRASH_RECOVER = 0,
	CRASH_RESET = 1,
	CRASH_HALT = 2,
	CRASH_DEVIRTUALISE = 3, /* the root VM takes the machine over, and dumps it */
};

/* What follows when a guest powers off, reboots, or is stopped for an error ("crash"). */
enum vm_action {
	VM_ACTION_STOP = 0,
	VM_ACTION_RESTART = 1,
};

enum vm_device_kind {
	VM_DEV_NONE = 0,
	VM_DEV_CONSOLE = 1,
	VM_DEV_BLK = 2,
	VM_DEV_NET = 3,
	VM_DEV_RNG = 4,
	VM_DEV_PMSG = 5, /* a virtio console of one port: what the guest writes goes to the black box */
	VM_DEV_PASS =
		6, /* a device of the machine, passed through to the root VM: host_unit names its virtio window */
};

#define VM_DEV_READONLY (1u << 0) /* blk */
#define VM_DEV_UPLINK	(1u << 1) /* net: the switch of this device also has the port to the outside */

/* One virtio-mmio device of a VM. Slot i of the array is slot i of the guest's bus. */
struct vm_device_config {
	u32 kind;  /* enum vm_device_kind */
	u32 flags; /* VM_DEV_... */
	/*
	 * blk: n-th block device of the host by ascending address; net: number of the named switch; pass: n-th virtio window
	 * of the machine by ascending address.
	 */
	u32 host_unit;
	u8 mac[6]; /* net */
	u8 reserved[2];
	char serial[20]; /* blk: the name that the guest sees */
};

/* Guest RAM [gpa, gpa + size) lies at host [hpa, hpa + size). All multiples of 2 MiB. Filled by the hypervisor. */
struct vm_extent {
	u64 gpa;
	u64 hpa;
	u64 size;
};

#define VM_MAX_EXTENTS 16

/* The root VM, of which a host has at most one: see core/root/root.h. */
#define VM_ROOT (1u << 0)
/* The warden keeps its memory and registers: see abi/private.h. */
#define VM_CONFIDENTIAL (1u << 1)

/* Configuration of a VM: in the pack, and as a cold record in the estate. */
struct vm_config {
	char name[VM_NAME_SIZE];
	char cmdline[VM_CMDLINE_SIZE];
	u64 memory;	    /* bytes, a multiple of 2 MiB */
	u32 vcpus;	    /* 1 .. MAX_VCPU_ID */
	u32 kernel_item;    /* index into the pack's items */
	u32 initrd_item;    /* or VM_NO_ITEM */
	u32 autostart;	    /* 1: started with the host */
	u32 on_poweroff;    /* enum vm_action */
	u32 on_reboot;	    /* enum vm_action */
	u32 on_crash;	    /* enum vm_action */
	u32 extent_count;   /* 0 in the pack */
	u64 affinity;	    /* bit n: vCPUs may run on the host's n-th hart; 0 means all */
	u32 flags;	    /* VM_ROOT, VM_CONFIDENTIAL */
	u32 private_number; /* what the warden calls a confidential VM; 0 in the pack */
	struct vm_device_config devices[VM_MAX_DEVICES];
	struct vm_extent extents[VM_MAX_EXTENTS]; /* zero in the pack; of a confidential VM: in the pool */
	/* Of a confidential VM, zero in the pack: blocks of the pool for the warden's notes and tables, ... */
	struct vm_extent kept;
	/* ... and ordinary RAM for bounce buffers and the pages that the guest shares. */
	struct vm_extent shared;
};

struct pack_item {
	u64 offset; /* from the start of the pack, 4 KiB-aligned */
	u64 size;
	char name[48]; /* base name of the file, for messages */
};

/* Where evidence of crashes goes. A disk is 1 + the number that vm_device_config.host_unit would have, or 0: none. */
struct pack_evidence {
	u32 blackbox_disk;
	/* Sizes of its zones, as in struct blackbox_sizes, bytes. */
	u32 blackbox_pmsg;
	u32 blackbox_console;
	u32 blackbox_ftrace;
	u32 blackbox_kmsg;
	u32 reserved;
	u32 dump_disk;
	u32 dump_keep; /* vmcores of the host that the region keeps, 1 .. 16 */
};

struct pack_header {
	u64 magic;
	u32 version;
	u32 header_size; /* sizeof(struct pack_header) */
	u64 total_size;	 /* bytes, all included */
	u32 item_count;
	u32 vm_count;
	u32 crash_policy; /* enum crash_policy */
	u32 crash_limit; /* crashes within crash_window that are recovered; the next follows the next policy */
	u32 crash_window; /* seconds */
	u32 watchdog_ms;  /* a hart in HS-mode that shows no life for so long is hung; 0: no watchdog */
	u32 host_harts;	  /* 0: all that the machine has */
	u32 flags;	  /* PACK_FLAG_... */
	struct pack_evidence evidence;
	u64 pool; /* bytes of RAM that the warden is to close for confidential VMs: 0 or a power of two from 4 MiB on */
	u32 reserved[3];
	u32 crc; /* CRC-32C of header (this field as 0), item table and VM table */
};

#define PACK_FLAG_EXIT_WHEN_IDLE \
	(1u << 0) /* power the machine off when the last VM has stopped (run --kernel) */

#endif
