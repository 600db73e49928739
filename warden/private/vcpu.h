/*
 * Virtual harts of confidential VMs.
 *
 * A vCPU is a page of the pool, and all that it is lies there while it is in no hart: its registers, whether it waits for an
 * answer, and for which. An exit that needs one is a question with a number, and stays until it is answered under that
 * number: a life of the hypervisor may end anywhere, and its heir, who enters the vCPU, is told the same again.
 *
 *   vcpu.c   enters one: takes the answer, tells the exit           enter.c, switch.S  into the hart and out of it
 *   exit.c   what an exit is, and what of it the hypervisor is told ecall.c           the guest's SBI calls
 *
 * Only enter.c and switch.S know hardware. The others run on the host under test, with a double of enter.h.
 */
#ifndef WARDEN_PRIVATE_VCPU_H
#define WARDEN_PRIVATE_VCPU_H

#include "warden/private/private.h"

/* Room for 32 vector registers of 512 bits. A hart whose are longer has none for confidential guests. */
#define VCPU_ROOM_FOR_V 2048

// clang-format off

/* X(field, number, reset): what the guest's supervisor has in CSRs of its own while it is in a hart. */
#define VCPU_CSRS(X) \
	X(vsstatus,  0x200, 2ull << 32) \
	X(vsie,      0x204, 0) \
	X(vstvec,    0x205, 0) \
	X(vsscratch, 0x240, 0) \
	X(vsepc,     0x241, 0) \
	X(vscause,   0x242, 0) \
	X(vstval,    0x243, 0) \
	X(vstimecmp, 0x24d, ~0ull) \
	X(vsatp,     0x280, 0) \
	X(hvip,      0x645, 0)

/* The same, of CSRs that the host has, too. */
#define VCPU_SHARED_CSRS(X) \
	X(scounteren, 0x106, 7) \
	X(senvcfg,    0x10a, 0)

// clang-format on

/* An exit that the hypervisor is told of, and how the vCPU goes on when it is answered. */
struct vcpu_exit {
	u64 kind;   /* enum private_exit */
	u64 number; /* of a question */
	u64 bytes;
	u64 arg[8];
	u32 reg;    /* LOAD: where the value goes */
	bool sign;  /* LOAD: and is sign-extended */
	u32 length; /* of the instruction: pc moves on by it */
};

struct private_vcpu {
	/* switch.S has the offsets of all before `id`. */
	u64 x[32]; /* x[0] is 0 */
	u64 pc;
	u64 mstatus; /* of the guest MPP, FS, VS count; the rest is made at each entry */
	u64 cause;   /* of its last trap into M-mode: mcause, mtval, mtval2, mtinst */
	u64 value;
	u64 value2;
	u64 instruction;
	u64 stack; /* the warden's, while the vCPU is in a hart */
	u64 f[32];
	u64 fcsr;
	u64 vstart;
	u64 vcsr;
	u64 vl;
	u64 vtype;
	u8 v[VCPU_ROOM_FOR_V] __attribute__((aligned(16)));

#define X(field, csr, reset) u64 field;
	VCPU_CSRS(X)
	VCPU_SHARED_CSRS(X)
#undef X

	u64 id;
	/*
	 * enum private_vcpu_state, by atomic operations. What else there is belongs to who has made it RUNNING; a vCPU
	 * that is STOPPED to who has made that RUNNING in order to start it.
	 */
	u32 state;
	u32 hart;	       /* RUNNING in one: its id plus 1 */
	u64 number;	       /* of the last question */
	struct vcpu_exit exit; /* the last; ASKING: that question */
	u64 run; /* address of a struct private_run that has been found to be in ordinary RAM; 0: none */
	/* Faults in a row at a page that is there. */
	u64 futile_at;
	u32 futile;
};

_Static_assert(sizeof(struct private_vcpu) <= PAGE_SIZE, "a vCPU is a page");

/* Its CSRs, units and pc are those of a hart that HSM starts at `pc` (SBI 2.0, section 9.1), with a0 = its id and `a1`. */
void vcpu_reset(struct private_vcpu *v, u64 pc, u64 a1);

/* The guest is to take this exception at its pc, as its hart would have it take it. Of a vCPU that is in no hart. */
void vcpu_inject(struct private_vcpu *v, u64 cause, u64 value);

/*
 * exit.c: why the vCPU, which is in this hart, has come out. True: it leaves the hart, and `exit` is what the hypervisor is
 * told; false: it goes on. `exit` comes in as zeroes.
 */
bool exit_is_told(struct private_vm *vm, struct private_vcpu *v, struct vcpu_exit *exit);

/* ecall.c: its SBI call. As exit_is_told. */
bool ecall_is_told(struct private_vm *vm, struct private_vcpu *v, struct vcpu_exit *exit);

/* PRIVATE_EXIT_WAIT, of a vCPU that is in this hart. */
void exit_waits(const struct private_vm *vm, struct vcpu_exit *exit);

/* Whether an exit of that kind waits for an answer, and how many of its arguments are told. */
bool exit_is_question(u64 kind);
u32 exit_arguments(u64 kind);

/* The answer to the last question. Lock held. */
void exit_answer(struct private_vm *vm, struct private_vcpu *v, const u64 result[2]);

/* `bytes` of guest RAM at `at`, a private or shared address. */
bool exit_is_ram(const struct private_vm *vm, u64 at, u64 bytes);

#endif
