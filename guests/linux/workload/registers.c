/*
 * Loads floating-point registers and the callee-saved integer ones that the compiler can spare, waits some hundred
 * microseconds without a system call, so that only traps to below are in between, and compares.
 */
#include "guests/linux/workload/workload.h"
#include <inttypes.h>

_Atomic uint64_t regs_rounds;

#ifdef __riscv
// clang-format off
#define EACH_FP(X) \
	X(0)  X(1)  X(2)  X(3)  X(4)  X(5)  X(6)  X(7)  X(8)  X(9)  X(10) X(11) X(12) X(13) X(14) X(15) \
	X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)
// clang-format on
#define LOAD_FP(n)  "fld f" #n ", 8*" #n "(%[in])\n"
#define STORE_FP(n) "fsd f" #n ", 8*" #n "(%[out])\n"
#define CLOBBER_FP                                                                                         \
	"f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "f10", "f11", "f12", "f13", "f14",     \
		"f15", "f16", "f17", "f18", "f19", "f20", "f21", "f22", "f23", "f24", "f25", "f26", "f27", \
		"f28", "f29", "f30", "f31"
#define REGISTERS	44u
#define LOAD_X(reg, n)	"ld " #reg ", 8*" #n "(%[in])\n"
#define STORE_X(reg, n) "sd " #reg ", 8*" #n "(%[out])\n"
#define EACH_X(X) \
	X(s2, 32) \
	X(s3, 33) \
	X(s4, 34) X(s5, 35) X(s6, 36) X(s7, 37) X(s8, 38) X(s9, 39) X(s10, 40) X(s11, 41) X(ra, 42) X(t6, 43)

static __attribute__((noinline)) void hold_registers(const uint64_t *in, uint64_t *out, uint64_t turns)
{
	/* clang-format off */
	__asm__ volatile(
		EACH_FP(LOAD_FP) EACH_X(LOAD_X)
		"1: addi %[turns], %[turns], -1\n"
		"bnez %[turns], 1b\n"
		EACH_FP(STORE_FP) EACH_X(STORE_X)
		: [turns] "+r"(turns)
		: [in] "r"(in), [out] "r"(out)
		: "memory", CLOBBER_FP, "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "ra", "t6");
	/* clang-format on */
}

static void *register_worker(void *unused)
{
	uint64_t in[REGISTERS], out[REGISTERS];

	(void)unused;
	for (uint64_t round = 1; !atomic_load(&stop); round++) {
		for (unsigned int i = 0; i < REGISTERS; i++) {
			in[i] = mix(round << 8 ^ i);
			out[i] = 0;
		}
		hold_registers(in, out, 200000);
		for (unsigned int i = 0; i < REGISTERS; i++)
			if (in[i] != out[i])
				error("registers: %s %u had %016" PRIx64 ", has %016" PRIx64,
				      i < 32 ? "f" : "integer", i, in[i], out[i]);
		atomic_fetch_add(&regs_rounds, 1);
		sleep_ms(options.pause_ms * 4);
	}
	return NULL;
}
#endif

void start_registers(void)
{
#ifdef __riscv
	start_thread(register_worker, NULL, -1);
#endif
}
