/*
 * The control channel: frames over a byte stream between a running host and the outlive command.
 *
 * The host's end is a virtio-console of the machine. The stream has no connection of its own and a life may end in
 * the middle of a frame, so each frame carries a magic and a CRC; a receiver that loses step looks for the next magic
 * whose frame checks (core/control/frame.h, for both ends). All numbers are little endian. A payload of bytes that a
 * guest chose never contains the magic: its sender cuts it there (consoles, log, crash records, black box) or masks it
 * (dumps), so that no guest can print a frame.
 *
 * A request has a type below CTL_REPLY and a tag chosen by the sender; its reply has type | CTL_REPLY and the same tag.
 * A reply that does not come within a second (the life ended) is asked for again: every request is idempotent or
 * refused as done already. Events (CTL_EVENT_...) have tag 0.
 */
#ifndef ABI_CONTROL_H
#define ABI_CONTROL_H

#include "abi/pack.h"
#include "abi/types.h"

#define CTL_MAGIC 0x464c4354u /* the bytes "TCLF" */
/*
 * One more whenever a frame means something else than before, to either end. A new type needs none: who does not know it says
 * so (-ENOSYS). Ends of different versions do not talk, and the command says which has which.
 */
#define CTL_VERSION	2
#define CTL_PAYLOAD_MAX 8160 /* a page that does not compress, with what stands before it, fits */
#define CTL_REPLY	0x8000u

struct ctl_header {
	u32 magic;
	u16 version;
	u16 type;
	u32 tag;
	u32 length; /* of the payload, at most CTL_PAYLOAD_MAX */
	s32 status; /* replies: 0 or a negative errno (Linux's numbers) */
	u32 vm;	    /* index of the VM that it is about, else 0 */
	u32 reserved;
	u32 crc; /* CRC-32C of header (this field as 0) and payload */
};

enum ctl_type {
	CTL_HELLO = 1,	   /* -> struct ctl_host */
	CTL_PS = 2,	   /* payload u32 first -> struct ctl_vm[], those with index >= first that fit */
	CTL_VM_START = 3,  /* vm */
	CTL_VM_STOP = 4,   /* vm: at once, like pulling the plug */
	CTL_VM_RESET = 5,  /* vm */
	CTL_VM_PAUSE = 6,  /* vm */
	CTL_VM_RESUME = 7, /* vm */
	CTL_CONSOLE_INPUT =
		8,	   /* vm, payload bytes -> payload u32: bytes taken (the rest is to be sent again) */
	CTL_LOG = 9,	   /* payload u64 from -> struct ctl_log */
	CTL_LIVES = 10,	   /* payload u64 first number -> struct ctl_life[], those that fit */
	CTL_CRASH = 11,	   /* payload u32 enum ctl_crash; no reply: the life ends */
	CTL_TOP = 12,	   /* payload u32 first vCPU record -> struct ctl_vcpu[], those that fit */
	CTL_POWEROFF = 13, /* the machine: stops all VMs */
	CTL_CONSOLE_ACK = 14, /* vm, payload u64 offset: the receiver has all output below it; no reply */
	/*
	 * Memory and registers of a VM, as of one instant. One dump at a time; a life that ends takes it along (-ENOENT then:
	 * begin again). With CTL_DUMP_LIVE the guest runs on: the host keeps the old contents of what it writes to until
	 * they have been read. CTL_DUMP_END lets a guest that BEGIN paused go on.
	 */
	CTL_DUMP_BEGIN =
		15, /* vm, payload struct ctl_dump_begin -> struct ctl_dump; again with the same id: the same */
	CTL_DUMP_VCPU =
		16, /* vm, payload struct ctl_dump_at (vCPUs from `at` on) -> struct ctl_dump_data, ctl_dump_vcpu[] */
	CTL_DUMP_READ =
		17, /* vm, payload struct ctl_dump_at (guest physical, 4 KiB-aligned) -> struct ctl_dump_data */
	CTL_DUMP_END = 18, /* vm, payload struct ctl_dump_at (0): done with it, or to be forgotten */
	CTL_CRASH_RECORD =
		20,   /* payload struct ctl_crash_at -> struct ctl_crash_data; -ENOENT: no such record */
	CTL_BOX = 25, /* -> struct ctl_box */
	CTL_BOX_RECORDS =
		26, /* payload u32 first -> struct ctl_box_record[], those with a number >= first that fit */
	CTL_BOX_READ =
		27, /* payload struct ctl_box_at -> struct ctl_log and bytes; -EAGAIN: the disk is at it, ask again */
	CTL_BOX_WRITE =
		28, /* payload a line of text, 1 to CTL_NOTE_MAX bytes: among the guests' lines; -ENODEV: no box for it */

	/*
	 * Live update (docs/update.md). The image goes to the warden piece by piece; a life that ends meanwhile leaves it there.
	 * -ENOSYS: no warden, or one that cannot.
	 */
	CTL_UPDATE_BEGIN = 30, /* payload struct ctl_update -> struct ctl_update_state */
	CTL_UPDATE_WRITE =
		31, /* payload u64 offset, then bytes, at most CTL_UPDATE_PIECE -> struct ctl_update_state */
	CTL_UPDATE_CHECK = 32, /* -> struct ctl_update_state: with its `problem` */
	/*
	 * payload u64 life, which is the one to end: the update is done when this has been answered. -EALREADY: that life has
	 * ended. -EINVAL: CTL_UPDATE_CHECK names the problem. -EBUSY: a dump of the host is being written, or the root VM is
	 * about to take the machine over.
	 */
	CTL_UPDATE_COMMIT = 33,

	/*
	 * vm, payload struct private_request (abi/private.h) -> struct private_report, as the warden made it. -EOPNOTSUPP: it is not a
	 * confidential VM; -ENXIO: it does not run; -ENOSYS: the warden has no key.
	 */
	CTL_ATTEST = 40,

	CTL_EVENT_CONSOLE = 100, /* vm, payload u64 offset, then bytes */
	CTL_EVENT_VM = 101,	 /* vm changed its state: payload struct ctl_vm */
	CTL_EVENT_LIFE = 102,	 /* a life reports for duty: payload struct ctl_host */
};

/* How `outlive crash inject` ends the life. */
enum ctl_crash {
	CTL_CRASH_PANIC = 0,
	CTL_CRASH_TRAP = 1,	  /* load from an address that is not mapped */
	CTL_CRASH_HANG = 2,	  /* spin with interrupts off */
	CTL_CRASH_WILD_WRITE = 3, /* store through a wild pointer */
	CTL_CRASH_STACK = 4,	  /* endless recursion */
};

struct ctl_host {
	u32 protocol; /* CTL_VERSION */
	u32 estate_version;
	u64 life;     /* number of the running life */
	u64 timebase; /* Hz: unit of all ticks */
	u64 now;      /* ticks */
	u64 started;
	u64 memory;	 /* bytes of RAM */
	u64 memory_free; /* not given to any VM */
	u32 harts;
	u32 vms;
	u32 vcpus;
	u32 has_warden;
	char build[32]; /* build id, hexadecimal */
};

struct ctl_vm {
	char name[VM_NAME_SIZE];
	u32 index;
	u32 vcpus;
	u32 run_state; /* enum vm_run_state */
	u32 reason;    /* enum vm_stop_reason */
	u64 memory;
	u64 touched; /* bytes of it that the guest has used so far */
	u64 boots;
	u64 run_ticks;
	u64 exits;
	u64 console_head; /* bytes of console output so far */
	u32 flags;	  /* as vm_config.flags */
	u32 reserved;
};

struct ctl_log {
	u64 offset; /* of the first byte that follows */
	u64 head;   /* bytes ever logged */
		    /* bytes */
};

/* A piece of the estate's record of a crash (abi/crash.h), from byte `offset` on. */
struct ctl_crash_at {
	u64 life; /* that ended; 0: the last one that there is a record of */
	u64 offset;
};

struct ctl_crash_data {
	u64 life;
	u64 offset; /* of the first byte that follows */
	u64 size;   /* of the whole record */
		    /* bytes */
};

/* Times are ticks; see struct life_record. `slot` is its number, 0 or 1. */
struct ctl_life {
	u64 number, slot, cause, boot_hart, crash_hart, crash_pc, crash_value;
	u64 t_start, t_fault, t_stopped, t_heir, t_adopted, t_first_guest, t_last_guest;
	u64 vms_adopted, vms_lost;
	u64 build; /* as in life_record, as is `undone` */
	u64 undone;
	char text[256];
};

#define CTL_NOTE_MAX 400u

/* Bytes of an image in one frame: a frame holds them with their offset. */
#define CTL_UPDATE_PIECE KIB(7)

struct ctl_update {
	u64 size;
	u8 sha256[32];
};

/* Of the image that was begun, and what the running life says of itself. */
struct ctl_update_state {
	u64 received;	    /* bytes */
	u32 problem;	    /* enum image_problem; CTL_UPDATE_CHECK only */
	u32 estate_version; /* of the estate that the new image has to adopt */
	u32 estate_oldest;  /* that the running image could adopt */
	u32 reserved;
};

enum ctl_box_stage { CTL_BOX_NONE = 0, CTL_BOX_OPENING = 1, CTL_BOX_OPEN = 2 };

/* The host's black box. */
struct ctl_box {
	u32 stage;   /* enum ctl_box_stage */
	u32 disk;    /* as vm_device_config.host_unit */
	u32 records; /* places for them */
	u32 reserved;
	u64 console; /* bytes of text in the rings */
	u64 pmsg;
	char why[128]; /* CTL_BOX_NONE: why there is none; empty if none was asked for */
};

#define CTL_BOX_PREVIOUS   (1u << 0) /* it was there when the machine was started */
#define CTL_BOX_COMPRESSED (1u << 1)
#define CTL_BOX_TORN	   (1u << 2)

/* A record that is there. Numbers are those of the kmsg zones. */
struct ctl_box_record {
	u32 number;
	u32 flags;  /* CTL_BOX_... */
	u32 reason; /* enum pstore_reason */
	u32 counter;
	s64 seconds; /* since 1970 */
	s64 nanoseconds;
	u64 bytes; /* of text */
};

/* Where to read: a record's text, or that of a ring, the oldest byte first. ctl_log.head is where it ends. */
struct ctl_box_at {
	u32 type;   /* enum pstore_type */
	u32 number; /* of a record */
	u64 offset;
};

#define CTL_DUMP_LIVE (1u << 0)

/* CTL_DUMP_READ of an address says that what lies more than this below it has arrived, and may be forgotten. */
#define CTL_DUMP_WINDOW MIB(8)

struct ctl_dump_begin {
	u64 id;	   /* chosen by who asks, not 0 */
	u32 flags; /* CTL_DUMP_LIVE */
	u32 reserved;
};

struct ctl_dump_at {
	u64 id;
	u64 at;
};

struct ctl_dump {
	u64 id;
	u64 memory;  /* bytes */
	u64 instant; /* ticks: memory and registers are as of then */
	u64 pause;   /* ticks that the guest stood still for it; a guest that was paused before: 0 */
	u64 timebase;
	u32 vcpus;
	u32 ranges;
	struct {
		u64 at; /* guest physical */
		u64 size;
	} range[VM_MAX_EXTENTS];
};

/*
 * Head of the answers to CTL_DUMP_VCPU and CTL_DUMP_READ, with what fits behind it. `next` is where to go on.
 *
 * What follows is the guest's choice and cannot be cut where it contains the magic, so it is masked: byte n behind the head
 * is XORed with byte n % 4 of `mask` (little endian), which is such that the magic does not occur.
 */
struct ctl_dump_data {
	u64 at; /* as asked for */
	u64 next;
	u32 mask; /* 0 nearly always */
	u32 reserved;
};

/* CTL_DUMP_VCPU. Supervisor's view, as of the instant: what the registers are called in the guest. */
struct ctl_dump_vcpu {
	u64 id;
	u64 state; /* enum vcpu_state */
	u64 x[32];
	u64 pc;
	u64 mode; /* 1: it was in supervisor mode, 0: user */
	u64 sstatus, sie, sip, stvec, sscratch, sepc, scause, stval, satp, stimecmp, time;
	u64 fcsr;
	u64 f[32];
};

/*
 * CTL_DUMP_READ: pages from the one asked for on, a struct ctl_dump_run and its bytes, one behind the other without padding;
 * up to the end of the range that the page lies in, at the latest.
 */
enum ctl_dump_kind {
	CTL_DUMP_ZERO = 0,	/* no bytes; all zero */
	CTL_DUMP_UNTOUCHED = 1, /* no bytes; the guest has never used it */
	CTL_DUMP_RAW = 2,	/* one page as it is */
	CTL_DUMP_LZ4 = 3,	/* one LZ4 block */
};

struct ctl_dump_run {
	u32 pages;
	u16 kind;  /* enum ctl_dump_kind */
	u16 bytes; /* that follow */
};

struct ctl_vcpu {
	u32 vm;
	u32 id;
	u32 state; /* enum vcpu_state */
	u32 last_hart;
	u64 run_ticks;
	u64 exits;
	u64 pc;
	u32 park_reason;
	u32 reserved;
};

#endif
