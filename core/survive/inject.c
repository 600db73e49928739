/* Faults of our own making. The volatile accesses are there so that the compiler leaves them to the machine. */
#include "core/survive/inject.h"
#include "core/lib/check.h"

/* In the lower half of every translation scheme, and far above the RAM and the registers of machines that we run on. */
#define WILD_ADDRESS 0x3fdeadb000ull

static void wild_load(void)
{
	(void)*(volatile u64 *)(uintptr_t)WILD_ADDRESS;
}

static void wild_store(void)
{
	*(volatile u64 *)(uintptr_t)WILD_ADDRESS = 0xdeadbeefdeadbeefull;
}

_Noreturn static void hang(void)
{
	for (;;)
		__asm__ volatile("" ::: "memory");
}

/* Each call has a frame that is written before and read after the next: it cannot become a loop. */
/* NOLINTNEXTLINE(misc-no-recursion) */
__attribute__((noinline)) static u64 recurse(u64 depth)
{
	volatile u64 frame[32];

	frame[depth % 32] = depth;
	if (depth + 1 == 0)
		return 0;
	return recurse(depth + 1) + frame[depth % 32];
}

bool inject_known(u32 kind)
{
	return kind <= CTL_CRASH_STACK;
}

_Noreturn void inject_crash(enum ctl_crash kind)
{
	switch (kind) {
	case CTL_CRASH_PANIC:
		panic("crash on request");
	case CTL_CRASH_TRAP:
		wild_load();
		break;
	case CTL_CRASH_HANG:
		hang();
	case CTL_CRASH_WILD_WRITE:
		wild_store();
		break;
	case CTL_CRASH_STACK:
		recurse(0);
		break;
	}
	panic("crash on request: the fault of kind %d did not happen", (int)kind);
}
