/*
 * The estate: what outlives a life of the hypervisor. This file is the only ABI between lives.
 *
 * The region starts at LAYOUT_ESTATE_OFFSET and consists of tables at offsets that the header names. Three kinds of
 * record live in it:
 *   cold  two copies, each with sequence number and CRC-32C; the valid one with the higher number counts
 *         (core/estate/cold.h)
 *   hot   single words, changed only through a transaction (core/estate/txn.h): either all words of an operation
 *         change or none does
 *   found written by the warden when it stops a life (abi/warden.h)
 * An heir takes every byte for an enemy's: it checks bounds, types, ids and ownership before use.
 *
 * "Hot" structures consist of u64 words only, because a transaction writes words.
 */
#ifndef ABI_ESTATE_H
#define ABI_ESTATE_H

#include "abi/layout.h"
#include "abi/pack.h"
#include "abi/types.h"
#include "abi/vcpu_regs.h"
#include "abi/warden.h"

#define ESTATE_MAGIC   0x3154415445534c4full /* the bytes "OLSETAT1" */
#define ESTATE_VERSION 4
/*
 * The oldest version that this code can adopt. An heir leaves the estate in the version in which it has found it until it
 * has reported for duty: before, an older image may have to go on with it (docs/update.md).
 */
#define ESTATE_OLDEST 4

/* Head of each copy of a cold record; the body follows. */
struct cold_head {
	u32 magic;
	u32 size; /* of the body, bytes */
	u64 sequence;
	u32 crc; /* CRC-32C of magic, size, sequence and body */
	u32 reserved;
};

#define COLD_HEADER  0x31524448u /* struct estate_header */
#define COLD_MACHINE 0x3148434du /* struct machine_record */
#define COLD_VM	     0x31434d56u /* struct vm_config */

/* Where the tables are: offsets from the start of the estate, all multiples of 4 KiB. */
struct estate_header {
	u64 magic;
	u32 version;
	u32 reserved;
	u64 base; /* host physical address of the estate */
	u64 size;
	u64 machine;  /* cold struct machine_record */
	u64 lives;    /* struct life_record[LIFE_COUNT] */
	u64 harts;    /* struct hart_record[MAX_HARTS] */
	u64 log;      /* struct log_ring */
	u64 vms;      /* struct vm_record[MAX_VMS] */
	u64 consoles; /* struct console_ring[MAX_VMS] */
	u64 vcpus;    /* struct vcpu_record[vcpu_count], VCPU_RECORD_SIZE apart */
	u64 vcpu_count;
	u64 crashes; /* struct crash_record[CRASH_RECORDS], CRASH_RECORD_STRIDE apart (abi/crash.h) */
	u64 pmsg;    /* struct pmsg_ring */
};

/* The first two are fixed: the warden needs them without a header. */
#define ESTATE_HEADER_OFFSET   0
#define ESTATE_WARDEN_OFFSET   KIB(32) /* struct warden_record */
#define ESTATE_RECORDER_OFFSET KIB(34) /* struct recorder_record */
#define ESTATE_COLD_STRIDE     KIB(8)  /* from one copy of header, machine or VM configuration to the other */
#define ESTATE_HARTS_OFFSET    KIB(64)

/* ---- The machine, read from the device tree once, by the first life ---- */

#define MACHINE_MAX_RAM	     8
#define MACHINE_MAX_VIRTIO   32
#define MACHINE_MAX_RESERVED 16

struct machine_range {
	u64 base;
	u64 size;
};

struct machine_record {
	u64 timebase; /* Hz */
	u32 hart_count;
	u32 isa; /* MACHINE_ISA_... */
	u32 hart_ids[MAX_HARTS];
	u32 plic_context[MAX_HARTS]; /* of each hart's supervisor */
	struct machine_range ram[MACHINE_MAX_RAM];
	u32 ram_count;
	u32 virtio_count;
	struct machine_range uart;
	u32 uart_irq;
	u32 uart_shift;
	struct machine_range plic;
	u32 plic_sources;
	u32 vlenb; /* bytes of a vector register, 0 without V */
	struct machine_range virtio[MACHINE_MAX_VIRTIO];
	u32 virtio_irq[MACHINE_MAX_VIRTIO];
	struct machine_range reserved[MACHINE_MAX_RESERVED]; /* RAM that the device tree keeps from us */
	u32 reserved_count;
	u32 reserved_padding;
	struct machine_range pack; /* boot pack, kept for restarts of VMs */
	struct machine_range dtb;  /* the machine's device tree, kept for the root VM */
	u32 has_warden;
	u32 crash_policy; /* from the pack */
	u32 crash_limit;
	u32 crash_window;
	u32 watchdog_ms;
	u32 pack_flags;
	u32 cboz_block;		       /* bytes that cbo.zero clears, 0 without Zicboz */
	struct pack_evidence evidence; /* from the pack */
	u32 satp_mode; /* widest translation that all harts have, as satp.MODE: 8, 9, 10 for Sv39, Sv48, Sv57 */
	u32 root_windows; /* from the pack; bit n: virtio[n] is passed through to the root VM, and nobody else's */
	u32 root_reserved;
	struct machine_range rtc; /* goldfish; size 0: none */
};

#define MACHINE_ISA_SSTC   (1u << 0)
#define MACHINE_ISA_V	   (1u << 1)
#define MACHINE_ISA_ZICBOZ (1u << 2)

/* ---- Lives ---- */

#define LIFE_COUNT 64

/* So many bytes before entry_begin a hart is found that has trapped in the trap entry: see arch/riscv64/entry.S. */
#define LIFE_ENTRY_CAUGHT 8

/* One life's history; slot number % LIFE_COUNT of a ring. Written by that life, its end by the heir. Times in ticks. */
struct life_record {
	u64 number; /* 1 for the first; 0: unused */
	u64 slot;
	u64 cause; /* enum life_cause */
	u64 boot_hart;
	u64 crash_hart;
	u64 crash_pc; /* relative to the slot's start */
	u64 crash_value;
	u64 t_start;	   /* entered */
	u64 t_fault;	   /* warden told, or found it */
	u64 t_stopped;	   /* all harts accounted for */
	u64 t_heir;	   /* the heir entered (in the dead life's record, as all that follows) */
	u64 t_adopted;	   /* estate validated and rebuilt */
	u64 t_first_guest; /* first guest instruction */
	u64 t_last_guest;  /* last vCPU resumed */
	u64 vms_adopted;
	u64 vms_lost;
	/* The trap entry's window, as addresses in this life's slot: see arch/riscv64/entry.S. */
	u64 entry_begin;
	u64 entry_swapped; /* a0 and sscratch are swapped */
	u64 entry_moved;   /* as before, but t0 and tp are in the record */
	u64 entry_saved;   /* all is in the record */
	u64 build;	   /* first 8 bytes of its image's build id, the first the highest; 0: not known */
	u64 undone; /* 1: it was an update that did not report for duty: the image before it was started again */
	u64 reserved[2];
	char text[256]; /* what the life said of its end */
};

/* ---- What the warden says of the death of the last life ---- */

/* Written by the warden between the stop and the start of the heir; `valid` is stored last, the heir clears it. */
struct warden_record {
	u64 valid;
	u64 cause;     /* enum life_cause */
	u64 hart;      /* that crashed, or hung */
	u64 dead_slot; /* number of the slot of the dead life */
	u64 crashes;   /* since power-on */
	u64 t_fault;   /* ticks */
	u64 t_stopped;
	u64 t_heir; /* just before it entered the heir */
	u64 text_size;
	u64 update;   /* enum warden_update_role */
	u64 t_update; /* WARDEN_UPDATE_UNDONE: when the life before the dead one ended, for the update */
	u64 reserved[5];
	char text[256]; /* from WARDEN_CRASH; not terminated */
};

/* ---- What the writer of the black box keeps across lives ---- */

/* Single words: each is right by itself, whenever a life ends. */
struct recorder_record {
	u64 begun; /* 1: the black box has been opened since the machine was started; else the rest is nothing */
	u64 log_written;    /* bytes of the log that are on the disk */
	u64 crash_recorded; /* the newest life whose end is on the disk */
	u64 newest_seconds; /* time of the newest record that was there when the machine was started */
	u64 newest_nanoseconds;
	u64 reserved[3];
};

/* ---- Harts ---- */

/* A word of the estate to be written: the effect of a transaction. */
struct redo_op {
	u64 word; /* its host physical address */
	u64 value;
};

#define REDO_MAX 48

/*
 * A transaction of this hart: `count` is stored last and is what commits it; then the operations are applied and
 * count goes back to 0. An heir applies what has a count.
 */
struct redo_entry {
	u64 count;
	struct redo_op op[REDO_MAX];
};

#define NO_VCPU (~0ull)

/* Marks entry_ends: an instruction takes 2 or 4 bytes, so that no offset has these bits. */
#define HART_ENTRY 0xe47dull

struct hart_record {
	u64 beat; /* changes whenever the hart leaves a guest or goes round its loop; the warden's watchdog reads it */
	u64 idle; /* 1 while the hart waits in wfi with nothing to do */
	u64 vcpu; /* index of the vCPU whose SWITCH registers are in the hart, or NO_VCPU; as long as that vCPU agrees */
	u64 lazy; /* index of the vCPU whose LAZY registers are in the hart, or NO_VCPU */
	u64 life; /* number of the life that has this hart */
	/* The trap entry's window, as in that life's record, which damage may have hit; and from its begin on: swapped, ... */
	u64 entry_begin;
	u64 entry_ends; /* ... moved << 16, saved << 32, and HART_ENTRY << 48 */
	u64 reserved;
	struct redo_entry redo;
	struct hart_found found;
	u8 pad[2048 - 8 * 8 - sizeof(struct redo_entry) - sizeof(struct hart_found)];
};

_Static_assert(sizeof(struct hart_record) == 2048, "hart record is half a page");

/* ---- Log ---- */

#define LOG_DATA_SIZE (KIB(256) - 64)

/* Lines of text; `head` counts all bytes ever written, the next goes to data[head % LOG_DATA_SIZE]. */
struct log_ring {
	u64 head;
	u64 reserved[7];
	char data[LOG_DATA_SIZE];
};

/* ---- Guests' lines for the black box ---- */

#define PMSG_DATA_SIZE (KIB(64) - 64)

/*
 * Lines, with the names of their VMs, on their way to the disk. `head` counts bytes put in, `written` those that are on
 * the disk; byte n lies in data[n % PMSG_DATA_SIZE]. What is not written is never overwritten.
 */
struct pmsg_ring {
	u64 head;
	u64 written;
	u64 reserved[6];
	char data[PMSG_DATA_SIZE];
};

/* ---- Consoles ---- */

#define CONSOLE_DATA_SIZE (KIB(16) - 64)

/*
 * Output of a VM's consoles (UART, DBCN and virtio-console alike) on its way to the control channel. `head` counts
 * bytes put in, `sent` those that the host has; byte n lies in data[n % CONSOLE_DATA_SIZE]. What is sent twice
 * bears the same offset, so the receiver drops it.
 */
struct console_ring {
	u64 head;
	u64 sent;
	u64 reserved[6];
	char data[CONSOLE_DATA_SIZE];
};

/* ---- vCPUs ---- */

enum vcpu_state {
	VCPU_UNUSED = 0,
	VCPU_STOPPED = 1,  /* HSM stopped */
	VCPU_RUNNABLE = 2, /* runs, or would if it had a hart */
	VCPU_WAITING = 3,  /* in wfi, or HSM suspended */
	VCPU_PARKED = 4,   /* the hypervisor stopped it; park_reason says why */
};

#define VCPU_MAGIC	  0x31555043u
#define VCPU_VECTOR_BYTES 1024 /* 32 registers of at most 32 bytes */

/* Words of a vCPU that only a transaction changes, beside its registers. */
struct vcpu_record {
	/* TRAP registers: x[0] is never used. Offsets are used by the assembler (arch/riscv64/offsets.c). */
	u64 x[32];
#define X(field, reset, what) u64 field;
	VCPU_TRAP_CSRS(X)
#undef X
	/*
	 * Scratch of the life that has the vCPU loaded. To an heir volatile_hart says no more than that its registers are in a
	 * hart (not 0), the one in last_hart; that hart's record names it.
	 */
	u64 volatile_hart;
	u64 volatile_entry;
#define X(field, csr, reset, what) u64 field;
	VCPU_SWITCH_CSRS(X)
#undef X
	/* Identity: constant after creation. */
	u32 magic;
	u32 vm;		  /* index into the VM table */
	u64 id;		  /* hart id that the guest sees */
	u64 identity_crc; /* CRC-32C of magic, vm and id */
	/* Hot state. */
	u64 state;	 /* enum vcpu_state */
	u64 park_reason; /* enum vcpu_park_reason */
	u64 ipi;	 /* nonzero: a software interrupt has been sent and not been put into hvip yet */
	u64 fence; /* nonzero: remote fences sent while it was not running; all of its TLB entries go at the next entry */
	u64 irq; /* nonzero: its interrupt controller context asserts the external interrupt */
	u64 last_hart;
	u64 affinity;	       /* bit n: may run on the host's n-th hart */
	u64 suspend_resume_pc; /* non-retentive suspend: where to go on, ... */
	u64 suspend_opaque;    /* ... and with what in a1; ~0 in resume_pc: retentive */
	/* PLIC context of its supervisor. */
	u64 plic_enable; /* bit n: source n */
	u64 plic_threshold;
	u64 plic_claimed; /* bit n: source n is claimed by this context */
	/* Statistics: not transactional. */
	u64 exits;
	u64 run_ticks;
	/* LAZY registers. */
	u64 lazy_valid; /* 0: reset values */
	u64 f[32];
	u64 fcsr;
	u64 vstart, vcsr, vl, vtype;
	u8 v[VCPU_VECTOR_BYTES];
};

#define VCPU_RECORD_SIZE KIB(2)
_Static_assert(sizeof(struct vcpu_record) <= VCPU_RECORD_SIZE, "vCPU record fits");

enum vcpu_park_reason {
	PARK_NONE = 0,
	PARK_PAUSED = 1,    /* operator */
	PARK_MEMORY = 2,    /* no backing for its memory */
	PARK_TABLES = 3,    /* an impossible state of its tables */
	PARK_UNHANDLED = 4, /* an exit that nothing handles */
	PARK_RECORD = 5,    /* its record did not validate */
	PARK_DEVICE = 6,    /* a device of the VM failed */
};

/* ---- Devices of a VM: hot words ---- */

#define VQUEUE_MAX	3
#define VQUEUE_SIZE_MAX 256

struct vqueue_state {
	u64 num; /* entries, a power of two, at most VQUEUE_SIZE_MAX */
	u64 ready;
	u64 desc;   /* guest physical */
	u64 driver; /* available ring */
	u64 device; /* used ring */
	u64 done; /* 16 bits: available entries completed. The heir completes used->idx up to it, and takes all that
		     * the driver made available behind it as not begun. */
	u64 part; /* bytes of entry `done` that have taken effect already (console output) */
	u64 reserved;
};

struct vdev_state {
	u64 status;
	u64 device_features_sel;
	u64 driver_features_sel;
	u64 driver_features;
	u64 queue_sel;
	u64 interrupt_status;
	u64 config_generation;
	u64 reserved;
	struct vqueue_state queue[VQUEUE_MAX];
};

#define UART_FIFO_SIZE 16

/* ns16550a: registers as the guest wrote them, and the receive queue. */
struct uart_state {
	u64 ier, fcr, lcr, mcr, scr, dll, dlm;
	u64 thre_pending;		 /* the transmitter-empty interrupt has not been read yet */
	u64 rx_head;			 /* counts bytes put in; rx[] is 8 bytes to a word */
	u64 rx_tail;			 /* counts bytes taken */
	u64 rx[UART_FIFO_SIZE / 8 * 16]; /* 256 bytes */
	u64 overrun;
	u64 reserved[3];
};

#define PLIC_SOURCES 64

struct plic_state {
	u64 line;    /* bit n: the source asserts */
	u64 pending; /* bit n: gateway has let one through that nobody has claimed */
	u64 claimed; /* bit n: claimed by some context, completion outstanding */
	u64 priority[PLIC_SOURCES];
};

/* ---- VMs ---- */

enum vm_run_state {
	VM_UNUSED = 0,
	VM_STOPPED = 1,
	VM_RUNNING = 2,
	VM_PAUSED = 3,
	VM_CRASHED = 4,	 /* stopped for an error; reason says which, memory is kept */
	VM_STARTING = 5, /* its memory is being loaded: an heir starts that over */
};

enum vm_stop_reason {
	VM_REASON_NONE = 0,
	VM_REASON_POWEROFF = 1,
	VM_REASON_REBOOT = 2,
	VM_REASON_GUEST_FAILURE = 3, /* SRST with reason "system failure" */
	VM_REASON_OPERATOR = 4,
	VM_REASON_RECORD = 5, /* refused at adoption */
	VM_REASON_TABLES = 6,
	VM_REASON_MEMORY = 7,
	VM_REASON_UNHANDLED = 8,
	VM_REASON_LOAD = 9, /* kernel or initrd could not be loaded */
};

/* A bit for each 2 MiB of guest RAM that has been zeroed and given to the guest since its start. */
#define VM_TOUCHED_WORDS 1024 /* 128 GiB */
#define VM_MEMORY_MAX	 (VM_TOUCHED_WORDS * 64 * BLOCK_SIZE)

/* So many pages can a confidential VM share at a time: 4 MiB. */
#define VM_SHARED_PAGES 1024

/* How far the root VM is on its way to the bare machine: bits. See core/root/takeover.h. */
enum root_step {
	ROOT_INHERITS = 1u << 0, /* the hypervisor crashed, and its policy gives the machine to the root VM */
	ROOT_STRUCK = 1u << 1,	 /* its boot vCPU has got the exception that makes its kernel panic */
	ROOT_PREPARED = 1u << 2,
	ROOT_SUSPENDED = 1u << 3, /* root_alone is the only vCPU of the host that runs */
};

struct vm_state {
	u64 run_state;	  /* enum vm_run_state */
	u64 reason;	  /* enum vm_stop_reason, of the last stop */
	u64 boots;	  /* times started */
	u64 first_vcpu;	  /* index of its first vCPU record; they are consecutive */
	u64 guest_offset; /* htimedelta */
	u64 root_steps;	  /* root VM: enum root_step, or-ed */
	u64 root_alone;	  /* root VM: 1 + record index of a vCPU */
	u64 converting;	  /* confidential VM: 1 + number of its vCPU whose conversion of pages has begun */
	struct plic_state plic;
	struct uart_state uart;
	struct vdev_state dev[VM_MAX_DEVICES];
	union {
		u64 touched[VM_TOUCHED_WORDS];
		/*
		 * Confidential VM: word n is the (private) address of the page that the guest shares and page n behind the
		 * bounce buffers in vm_config.shared backs; 0: that page is free.
		 */
		u64 shared[VM_SHARED_PAGES];
	};
};

struct vm_record {
	u8 config[2][ESTATE_COLD_STRIDE]; /* cold struct vm_config */
	struct vm_state state;
};

#define VM_RECORD_SIZE KIB(32)
_Static_assert(sizeof(struct cold_head) + sizeof(struct vm_config) <= ESTATE_COLD_STRIDE,
	       "VM configuration fits");
_Static_assert(sizeof(struct vm_record) <= VM_RECORD_SIZE, "VM record fits");
_Static_assert(sizeof(struct cold_head) + sizeof(struct machine_record) <= ESTATE_COLD_STRIDE,
	       "machine record fits");

#endif
