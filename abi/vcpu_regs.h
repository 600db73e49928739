/*
 * Every register that a vCPU has, once.
 *
 * Save, restore, dump, image, documentation and tests come from these lists.  A register has a name, the field that
 * keeps it in struct vcpu_record, its reset value and a rule:
 *   TRAP    saved by the trap entry at every exit, loaded at every entry
 *   SWITCH  lives in the hart while the vCPU is loaded there; saved and loaded when the vCPU is switched
 *   LAZY    lives in the hart until somebody else needs the unit (floating point, vectors)
 */
#ifndef ABI_VCPU_REGS_H
#define ABI_VCPU_REGS_H

// clang-format off

/* X(number, name): general registers; x0 has no storage of its own. Rule TRAP. */
#define VCPU_GPRS(X) \
	X(1, ra)   X(2, sp)   X(3, gp)   X(4, tp)   X(5, t0)   X(6, t1)   X(7, t2)   X(8, s0) \
	X(9, s1)   X(10, a0)  X(11, a1)  X(12, a2)  X(13, a3)  X(14, a4)  X(15, a5)  X(16, a6) \
	X(17, a7)  X(18, s2)  X(19, s3)  X(20, s4)  X(21, s5)  X(22, s6)  X(23, s7)  X(24, s8) \
	X(25, s9)  X(26, s10) X(27, s11) X(28, t3)  X(29, t4)  X(30, t5)  X(31, t6)

/*
 * X(field, csr, reset, what): control registers of a guest's supervisor, rule SWITCH.
 * vstimecmp resets to "never": a timer that nobody set does not fire.
 */
#define VCPU_SWITCH_CSRS(X) \
	X(vsstatus,   vsstatus,   0,        "supervisor status") \
	X(vsie,       vsie,       0,        "supervisor interrupt enables") \
	X(vstvec,     vstvec,     0,        "trap vector") \
	X(vsscratch,  vsscratch,  0,        "trap scratch") \
	X(vsepc,      vsepc,      0,        "trap pc") \
	X(vscause,    vscause,    0,        "trap cause") \
	X(vstval,     vstval,     0,        "trap value") \
	X(vsatp,      vsatp,      0,        "VS-stage translation") \
	X(vstimecmp,  vstimecmp,  ~0ull,    "timer compare (Sstc)") \
	X(scounteren, scounteren, 0,        "counters that user mode may read") \
	X(hvip,       hvip,       0,        "virtual interrupts pending")

/* X(field, reset, what): kept in the record, handled by hand in the entry path. Rule TRAP. */
#define VCPU_TRAP_CSRS(X) \
	X(pc,      0, "where the guest goes on (sepc)") \
	X(hstatus, 0, "SPV and SPVP: the guest's privilege at the exit") \
	X(sstatus, 0, "SPP, FS, VS as the hypervisor's trap saw them")

// clang-format on

#endif
