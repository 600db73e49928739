/*
 * Confidential VMs: what the hypervisor asks of the warden, which keeps their pages, tables and registers.
 *
 * Their memory is a pool of RAM that PMP closes to everybody but the warden and, while one of its vCPUs runs, the VM that
 * owns a page. The hypervisor still decides which page goes where and which vCPU runs when; the warden checks each step. What
 * it is told that does not meet a call's preconditions (warden/private/calls.h has them all) changes nothing.
 *
 * Calls are functions of WARDEN_EXT (abi/warden.h). Pages are 4 KiB, named by host physical address, and lie in blocks of
 * 2 MiB of the pool that the VM has been given. A guest physical address with PRIVATE_SHARED_BIT is shared memory, without
 * it private; RAM [base, base + size) of the configuration is all that can be either.
 *
 * SBI_ERR_ALREADY_STARTED, of any call with a VM's number: another hart is in a call for that VM, nothing was done; call again.
 */
#ifndef ABI_PRIVATE_H
#define ABI_PRIVATE_H

#include "abi/types.h"

#define PRIVATE_VERSION 1

/* Top bit of the guest physical addresses that Sv39x4 leaves to a VM of at most 128 GiB. */
#define PRIVATE_SHARED_BIT (1ull << 38)

#define PRIVATE_VMS	    16 /* at once */
#define PRIVATE_VCPUS	    64 /* of one VM */
#define PRIVATE_DEVICES	    8  /* whose rings the warden reads */
#define PRIVATE_QUEUES	    3  /* of a device */
#define PRIVATE_NONCE_SIZE  64
#define PRIVATE_DIGEST_SIZE 48 /* SHA-384 */

enum private_call {
	/* (enum private_info) -> value. SBI_ERR_NOT_SUPPORTED: this machine has no pool; value enum private_absence: why. */
	PRIVATE_INFO = 32,

	/* ---- Blocks and VMs ---- */

	/*
	 * (vm, block, address of a struct private_config in the caller's slot): makes VM number `vm` with its first block, from
	 * which the warden takes its root table and its own notes. PRIVATE_FIRST_PAGES pages of it are gone then.
	 */
	PRIVATE_CREATE = 33,
	/* (vm, block): gives the VM a free block. Its pages are zero. */
	PRIVATE_DONATE = 34,
	/*
	 * (vm, block): takes a block back. Of a VM that is alive: none of its pages may be in use. Of one that ends: any, once
	 * none of its vCPUs is in a hart; the last block taken back frees the number. The warden zeroes what had been used.
	 */
	PRIVATE_RECLAIM = 35,
	/* (vm): it ends: no vCPU of it is entered any more. Again: nothing. */
	PRIVATE_END = 36,

	/* ---- Tables. `level` as in hgatp's walk: 0 for 4 KiB, 1 for 2 MiB, 2 for 1 GiB ---- */

	/* (vm, guest address, level, page): the empty entry of that level leads to `page`, an unused page, as a table now. */
	PRIVATE_LINK = 37,
	/* (vm, guest address, level) -> its page: the entry leads to an empty table, which becomes an unused page, of zeroes. */
	PRIVATE_UNLINK = 38,
	/* (vm, private address, level, page): the empty entry becomes a leaf, with all rights. Level 0 or 1 (whole block). */
	PRIVATE_SET = 39,
	/*
	 * (vm, private address, level) -> page: the leaf goes, all harts are fenced, the page is zeroed and unused. Only what
	 * the guest has asked for: inside the conversion of one of its vCPUs that waits for the answer (PRIVATE_EXIT_CONVERT).
	 */
	PRIVATE_CLEAR = 40,
	/* (vm, private address, page): the leaf of 2 MiB over it becomes a table, in `page`, of 512 leaves that say the same. */
	PRIVATE_SPLIT = 41,
	/* (vm, private address) -> page: the table of 512 leaves in a row becomes a leaf of 2 MiB again. All harts are fenced. */
	PRIVATE_MERGE = 42,
	/*
	 * (vm, shared address, level 0, host address): the empty entry becomes a leaf that leads to ordinary RAM. The page of the
	 * private address must not be there.
	 */
	PRIVATE_SHARE = 43,
	/* (vm, shared address, level 0): that leaf goes, and all harts are fenced. */
	PRIVATE_UNSHARE = 44,
	/*
	 * (vm, guest address, level, address of 4 KiB in ordinary RAM): copies the table of that level over the address, as it
	 * is in memory: entries of the privileged specification. For an heir, which makes its mirror of it. The root, level 2 of
	 * Sv39x4, comes in four such pieces, each of 512 GiB.
	 */
	PRIVATE_READ_TABLE = 45,
	/*
	 * (vm, block, address of 512 bytes in ordinary RAM): enum private_use of each page of a block of the VM.
	 */
	PRIVATE_READ_BLOCK = 46,

	/* ---- Launch ---- */

	/* (vm, private address of a page, address in ordinary RAM, bytes 1 .. 4096): before PRIVATE_FINAL: fills a page and measures it. */
	PRIVATE_LOAD = 47,
	/* (vm, pc, a1): the measurement ends; vCPU 0 is started there, the others are stopped. */
	PRIVATE_FINAL = 48,
	/*
	 * (vm, address of a struct private_request in the caller's slot, address in ordinary RAM): writes a struct
	 * private_report there. SBI_ERR_NOT_SUPPORTED: the warden has no key.
	 */
	PRIVATE_REPORT = 49,

	/* ---- vCPUs ---- */

	/* (vm, id, page): makes a vCPU, before PRIVATE_FINAL. The page keeps it. */
	PRIVATE_VCPU = 50,
	/*
	 * (vm, id, address of a struct private_run in ordinary RAM): runs it on this hart until it exits. Returns without
	 * having run if an exit still waits for its answer: that is told again.
	 *
	 * The caller's own registers stay, but its VS CSRs and hvip are zeroes afterwards (vstimecmp: never), and so are floating
	 * point and vectors if the guest used them. Words of private_run.arg that the exit does not have are left as they were.
	 */
	PRIVATE_ENTER = 51,
	/* (vm, id) -> enum private_vcpu_state. */
	PRIVATE_VCPU_STATE = 52,

	/* ---- Rings of its devices: see docs/confidential.md ---- */

	/*
	 * (vm, device * PRIVATE_QUEUES + queue, number of the entry, address of a struct private_request_io in ordinary RAM):
	 * takes an entry that is not complete, the oldest or one behind it, as often as wanted, and copies what the device may
	 * read of its buffers to bounce pages. Value: enum private_taken. SBI_ERR_ALREADY_AVAILABLE: it is complete.
	 */
	PRIVATE_TAKE = 53,
	/*
	 * (vm, device * PRIVATE_QUEUES + queue, number of the entry, address of a struct private_request_io): copies what the
	 * device has written from the bounce pages to the guest's buffers, puts the entry into the used ring and shows it. Only
	 * the oldest entry that is not complete. Value: a set of PRIVATE_COMPLETE_... SBI_ERR_ALREADY_AVAILABLE: it is
	 * complete.
	 */
	PRIVATE_COMPLETE = 54,

	PRIVATE_CALL_END
};

enum private_info {
	PRIVATE_INFO_VERSION = 0,
	PRIVATE_INFO_POOL = 1,	    /* host address of the pool */
	PRIVATE_INFO_POOL_SIZE = 2, /* bytes */
	PRIVATE_INFO_FREE = 3,	    /* blocks that no VM has */
	PRIVATE_INFO_KEY = 4,	    /* 1: PRIVATE_REPORT works */
	/* with the number of a block, from 0, in a1: 1 + vm that has it, or 0; PRIVATE_VMS + 1: the warden's own */
	PRIVATE_INFO_OWNER = 5,
	/* with a VM's number in a1: enum private_vm_state */
	PRIVATE_INFO_VM = 6,
};

/* Why there is no pool. */
enum private_absence {
	PRIVATE_NOT_WANTED = 1,	 /* the boot pack asks for none */
	PRIVATE_NO_ROOM = 2,	 /* no piece of RAM of that size and alignment is free */
	PRIVATE_NO_PMP = 3,	 /* too few PMP entries */
	PRIVATE_NO_HARDWARE = 4, /* Sstc, Sv39x4 or the VMIDs are missing, or Smepmp is in the way */
};

enum private_vm_state {
	PRIVATE_VM_NONE = 0,
	PRIVATE_VM_LAUNCH = 1, /* created, not final */
	PRIVATE_VM_ALIVE = 2,
	PRIVATE_VM_ENDING = 3,
};

enum private_vcpu_state {
	PRIVATE_VCPU_NONE = 0,
	PRIVATE_VCPU_STOPPED = 1, /* HSM */
	PRIVATE_VCPU_READY = 2,
	PRIVATE_VCPU_RUNNING = 3, /* in a hart */
	PRIVATE_VCPU_ASKING = 4,  /* an exit of it waits for its answer */
};

/* What a page of the pool is. */
enum private_use {
	PRIVATE_PAGE_UNUSED = 0, /* of zeroes */
	PRIVATE_PAGE_OWN = 1,	 /* the warden's: root, notes */
	PRIVATE_PAGE_TABLE = 2,
	PRIVATE_PAGE_VCPU = 3,
	PRIVATE_PAGE_LEAF = 4, /* memory of the guest, by itself */
	PRIVATE_PAGE_HUGE = 5, /* memory of the guest, as part of a leaf of 2 MiB */
};

/* Pages of a VM's first block that the warden has for itself: 0 to PRIVATE_FIRST_PAGES - 1. */
#define PRIVATE_FIRST_PAGES 16

/* A virtio-mmio device (4 KiB at `base`) whose rings the warden serves. */
struct private_device {
	u64 base;
	u64 kind; /* virtio device id */
};

/* What a VM is, measured before its pages. */
struct private_config {
	u64 ram_base; /* multiples of 2 MiB */
	u64 ram_size;
	u64 vcpus;
	u64 device_count;
	struct private_device device[PRIVATE_DEVICES];
};

/* Why a vCPU came back. What the comment calls a question waits for its answer (private_run.answered). */
enum private_exit {
	PRIVATE_EXIT_NONE = 0, /* the host's interrupt, or a stop of the life */
	PRIVATE_EXIT_FAULT =
		1, /* no leaf: arg 0 address (page, with PRIVATE_SHARED_BIT if shared), 1 a set of PRIVATE_ACCESS_... */
	/* question: arg 0 address, 1 bytes; the answer is result[0], zero-extended. result[1] 1: an access fault instead. */
	PRIVATE_EXIT_LOAD = 2,
	PRIVATE_EXIT_STORE = 3, /* question: arg 0 address, 1 bytes, 2 value; result[1] as for a load */
	PRIVATE_EXIT_CALL =
		4, /* question: arg 0 .. 5 a0 .. a5 (those that the call has), 6 a6, 7 a7; results a0, a1 */
	PRIVATE_EXIT_WAIT =
		5, /* wfi, HSM suspend: arg 0 when its timer is due, ticks of the host; ~0 never */
	PRIVATE_EXIT_START = 6,	  /* question: vCPU arg 0 has been started; the answer is the warden's */
	PRIVATE_EXIT_STOPPED = 7, /* HSM stop; also at once for a vCPU that is stopped */
	PRIVATE_EXIT_CONSOLE = 8, /* question: DBCN: `bytes` of text in arg; results a0, a1 */
	/* question: arg 0 private address, 1 bytes (multiples of 4 KiB, inside RAM), 2: 1 to shared, 0 to private; result a0 */
	PRIVATE_EXIT_CONVERT = 9,
	PRIVATE_EXIT_BROKEN = 10, /* it cannot go on: arg 0 cause (mcause), 1 address */
	PRIVATE_EXIT_PMSG = 11,	  /* as CONSOLE, for GUEST_PMSG_WRITE */
};

#define PRIVATE_ACCESS_WRITE (1u << 0)
#define PRIVATE_ACCESS_EXEC  (1u << 1)

/* private_run.lines: also taken by an ENTER that returns at once, unless it fails. */
#define PRIVATE_RAISE_SOFTWARE (1ull << 0) /* once: a software interrupt */
#define PRIVATE_LINE_EXTERNAL  (1ull << 1) /* as long as it is said: the external interrupt */
#define PRIVATE_WAIT_EXITS     (1ull << 2) /* wfi gives the hart away */

/* One stay in a vCPU. Words; 64 of them are looked at by nobody else while the call is under way. */
struct private_run {
	/* To the warden. */
	u64 answered; /* number of the question that `result` answers; 0 or another than the one that waits: none */
	u64 result[2];
	u64 lines; /* PRIVATE_RAISE_..., PRIVATE_LINE_..., PRIVATE_WAIT_EXITS */
	/* From the warden. */
	u64 exit;   /* enum private_exit */
	u64 number; /* of the question; counts those of this vCPU from 1 */
	u64 bytes;  /* CONSOLE, PMSG: at most 64 */
	u64 arg[8];
	u64 time_offset; /* htimedelta: the guest's time is the host's plus this */
};

/* PRIVATE_TAKE's value. */
enum private_taken {
	PRIVATE_TAKEN_NONE = 0,	 /* the driver has made no such entry available yet */
	PRIVATE_TAKEN_ENTRY = 1, /* it is there */
	PRIVATE_TAKEN_MISSING =
		2,		/* `missing` has no leaf: to be asked again when it has. Nothing is copied */
	PRIVATE_TAKEN_LONG = 3, /* its buffers do not fit into `room` */
};

/* PRIVATE_COMPLETE's value. */
#define PRIVATE_COMPLETE_INTERRUPT (1u << 0) /* the driver wants one */
#define PRIVATE_COMPLETE_MISSING   (1u << 1) /* as PRIVATE_TAKEN_MISSING: it is not complete */

/* Bytes of bounce pages for one entry at most. */
#define PRIVATE_ROOM_MAX KIB(64)

/*
 * Errors of PRIVATE_TAKE and PRIVATE_COMPLETE that are nobody's but the guest's: SBI_ERR_FAILED: its rings or buffers break the
 * rules; SBI_ERR_DENIED: the driver has no such queue in use, or features that the warden does not know.
 */

/* What a device gets of a request, and gives back. The bounce pages are ordinary RAM, contiguous. */
struct private_request_io {
	u64 bounce;   /* host address, a multiple of 16, of ... */
	u64 room;     /* ... so many bytes, at most PRIVATE_ROOM_MAX */
	u64 head;     /* out of TAKE: its name in the used ring */
	u64 readable; /* out of TAKE: bytes, at bounce */
	u64 writable; /* out of TAKE: bytes, behind the readable ones, rounded up to 16 */
	u64 written; /* into COMPLETE: bytes of the writable ones that the device has written, from their start */
	u64 done;    /* out of both, if the queue is in use: entries that are complete, modulo 2^16 */
	u64 missing; /* out of both: guest address of a page of RAM that has to be there */
};

struct private_request {
	u8 nonce[PRIVATE_NONCE_SIZE];
};

/* What PRIVATE_REPORT says, signed: ECDSA with P-256 and SHA-256 over all before `signature`. */
struct private_report {
	u64 magic;
	u32 version; /* PRIVATE_VERSION */
	u32 size;    /* of this structure */
	u8 nonce[PRIVATE_NONCE_SIZE];
	u8 measurement[PRIVATE_DIGEST_SIZE]; /* docs/confidential.md says of what */
	u8 warden[32];			     /* SHA-256 of the warden's own code, as it was when it started */
	u8 hypervisor[32]; /* SHA-256 of the image in force: for information, the VM does not rely on it */
	struct private_config config;
	u64 entry;
	u64 argument;
	u8 public_key[65]; /* uncompressed point: whose signature this is */
	u8 reserved[7];
	u8 signature[64]; /* r, s */
};

/*
 * What the machine's loader leaves for the warden at LAYOUT_SEED_OFFSET (abi/layout.h), which wipes it before HS-mode runs:
 * 32 random bytes. The secret key is the first output of HMAC_DRBG (NIST SP 800-90A) with SHA-256, fed with them as its only
 * input, that is a number below the order of P-256's group, and not 0; most significant byte first.
 */
#define PRIVATE_SEED_SIZE  32
#define PRIVATE_SEED_MAGIC 0x3144454553544c4full /* the bytes "OLTSEED1" */

struct private_seed {
	u64 magic;
	u8 seed[PRIVATE_SEED_SIZE];
};

#define PRIVATE_REPORT_MAGIC 0x3154525056544c4full /* the bytes "OLTVPRT1" */

#endif
