/*
 * Confidential VMs in the warden. The calls are those of abi/private.h; calls.h has their preconditions, from which the
 * checks come. Portable but for vcpu*, enter.S, guard.c and port.c.
 *
 *   pool.c    which blocks and pages there are, whose they are, and what for
 *   vm.c      VMs come and go
 *   table.c   G-stage tables
 *   launch.c  what a VM begins with, measured
 *   report.c  the signed word about it
 *   ask.c     calls come in here: preconditions, then the handler
 *   vcpu.c    vCPUs run                        rings.c   their devices' rings
 */
#ifndef WARDEN_PRIVATE_PRIVATE_H
#define WARDEN_PRIVATE_PRIVATE_H

#include "warden/private/measure.h"
#include "warden/private/port.h"

struct private_vcpu;  /* vcpu.h: in a page of the pool */
struct private_rings; /* rings.h: in the VM's own pages */

/* What a guest has asked for and has not been told yet: [from, to) changes its state; from == to: nothing. */
struct private_conversion {
	u64 from; /* private address */
	u64 to;
	bool to_shared;
};

/*
 * All under `lock`, but: what CREATE and FINAL set (vmid, root, config, vcpu) does not change while a vCPU runs, and `state`
 * may be read without it (a VM that ends is found by the harts that are in it when they come out).
 */
struct private_vm {
	struct port_lock lock;
	u32 state; /* enum private_vm_state */
	u32 vmid;
	u32 blocks;  /* of the pool that it has */
	u32 running; /* vCPUs in a hart: counted up under the lock by who enters, and down by who has left */
	bool fenced; /* ENDING: no translation of it is left anywhere */
	u64 root;    /* 16 KiB */
	struct private_config config;
	u64 entry; /* since FINAL */
	u64 argument;
	u64 time_offset; /* since FINAL: the guest's time is the host's plus this, for good */
	struct measure measure;
	u8 measurement[PRIVATE_DIGEST_SIZE];	  /* since FINAL */
	struct private_vcpu *vcpu[PRIVATE_VCPUS]; /* NULL: there is none */
	struct private_conversion conversion[PRIVATE_VCPUS];
	struct private_rings *rings; /* of its devices, zeroes at first; set by rings_create */
};

/* Page numbers inside the first block: the root table, then room for rings_create. All zeroes at first. */
#define PRIVATE_ROOT_PAGES 4
#define PRIVATE_NOTE_BYTES ((u64)(PRIVATE_FIRST_PAGES - PRIVATE_ROOT_PAGES) * PAGE_SIZE)

/* A call on its way: what is asked, and what the preconditions have made of it. */
struct private_ask {
	u64 arg[5];	       /* a0 .. a4 */
	struct private_vm *vm; /* its lock is held */
	u32 level;
	u64 at;	    /* guest address */
	u64 *entry; /* of the tables, for `at` and `level` */
	u64 page;   /* of the pool */
	u64 block;
	void *host; /* ordinary RAM */
	u64 value;  /* result: a1 */
};

/*
 * All calls come in here (a0 .. a4, function) from HS-mode. SBI error; *value is a1. Takes and gives back the VM's lock
 * but for those calls whose first precondition is VM_UNLOCKED.
 */
s64 private_call(u64 function, const u64 arg[5], u64 *value);

/* VM number n, below PRIVATE_VMS, and back. */
struct private_vm *private_vm(u64 n);
u64 private_vm_number(const struct private_vm *vm);

/*
 * Where the private page of a guest address of the VM's RAM is, or 0: it is not there. Lock held: without it a table may go
 * and get other contents under the walk.
 */
u64 table_private_page(const struct private_vm *vm, u64 at);

/* The same for an address with PRIVATE_SHARED_BIT: ordinary RAM. */
u64 table_shared_page(const struct private_vm *vm, u64 at);

/* Handlers, which follow the preconditions in calls.h. */
s64 pool_info(struct private_ask *a);
s64 vm_create(struct private_ask *a);
s64 vm_donate(struct private_ask *a);
s64 vm_reclaim(struct private_ask *a);
s64 vm_end(struct private_ask *a);
s64 table_link(struct private_ask *a);
s64 table_unlink(struct private_ask *a);
s64 table_set(struct private_ask *a);
s64 table_clear(struct private_ask *a);
s64 table_split(struct private_ask *a);
s64 table_merge(struct private_ask *a);
s64 table_share(struct private_ask *a);
s64 table_unshare(struct private_ask *a);
s64 table_read(struct private_ask *a);
s64 pool_read_block(struct private_ask *a);
s64 launch_load(struct private_ask *a);
s64 launch_vcpu(struct private_ask *a);
s64 launch_final(struct private_ask *a);
s64 report_call(struct private_ask *a);

/* True if there is a key. */
bool report_has_key(void);

/*
 * GUEST_REPORT and PRIVATE_REPORT: fills the report of a VM that is final. PRIVATE_NOT_SUPPORTED: there is no key. Some
 * millions of instructions. Lock held, or by a hart that is in the VM.
 */
s64 report_make(const struct private_vm *vm, const u8 nonce[PRIVATE_NONCE_SIZE],
		struct private_report *report);

/* ---- vcpu.c ---- */

/* Makes vCPU `id` in a page of zeroes, stopped. Sets vm->vcpu[id]. Lock held. */
void vcpu_create(struct private_vm *vm, u32 id, u64 page);
/* vCPU 0 is to begin at pc with a0 = 0 and a1. Lock held. */
void vcpu_begin(struct private_vm *vm, u64 pc, u64 a1);
s64 vcpu_enter(struct private_ask *a);
s64 vcpu_state(struct private_ask *a);

/* ---- rings.c ---- */

/* The VM's devices are reset; `notes` are PRIVATE_NOTE_BYTES of zeroes for the queues. Lock held. */
void rings_create(struct private_vm *vm, void *notes);
s64 rings_take(struct private_ask *a);
s64 rings_complete(struct private_ask *a);

#endif
