/* Harts and traps: see hart.h. */
#include "guests/lib/hart.h"
#include "guests/lib/csr.h"
#include "guests/lib/guest.h"
#include "guests/lib/sbi.h"

struct hart harts[GUEST_HARTS_MAX];
static u8 stacks[GUEST_HARTS_MAX][GUEST_STACK_SIZE] __attribute__((aligned(16)));

/* The boot hart's stack ends where the second one begins. */
__asm__(".globl hart_stacks_first\n.set hart_stacks_first, stacks + 16384");
_Static_assert(GUEST_STACK_SIZE == 16384, "see above");

static unsigned hart_count = 1;

unsigned hart_find(void)
{
	hart_count = 1;
	for (u64 id = 0; id < 4096 && hart_count < GUEST_HARTS_MAX; id++) {
		if (id == harts[0].id || sbi(SBI_HSM, SBI_HSM_STATUS, id, 0, 0, 0, 0).error)
			continue;
		harts[hart_count].id = id;
		harts[hart_count].stack = (u64)(stacks + hart_count + 1);
		hart_count++;
	}
	return hart_count;
}

bool hart_start(unsigned n, void (*run)(void *), void *argument)
{
	harts[n].run = run;
	harts[n].argument = argument;
	harts[n].guard = 0;
	return !sbi(SBI_HSM, SBI_HSM_START, harts[n].id, (u64)hart_entry, (u64)&harts[n], 0, 0).error;
}

bool hart_stopped(unsigned n)
{
	struct sbi_result r = sbi(SBI_HSM, SBI_HSM_STATUS, harts[n].id, 0, 0, 0, 0);

	return !r.error && r.value == 1;
}

_Noreturn void hart_main(void);
_Noreturn void hart_main(void)
{
	struct hart *self = hart_self();

	self->run(self->argument);
	for (;;)
		sbi(SBI_HSM, SBI_HSM_STOP, 0, 0, 0, 0, 0);
}

static bool interrupt_off(u64 cause)
{
	csr_clear(sie, IRQ_BIT(cause));
	return false;
}

static void die(struct trap *t, u64 cause, u64 value)
{
	print("guest: exception %llu at %llx, value %llx, hart %llu\n", (unsigned long long)cause,
	      (unsigned long long)t->pc, (unsigned long long)value, (unsigned long long)hart_self()->id);
	guest_off();
}

bool (*trap_interrupt)(u64 cause) = interrupt_off;
void (*trap_exception)(struct trap *t, u64 cause, u64 value) = die;

extern char guard_leave[];

/* From trap_entry. */
void trap(struct trap *t, u64 cause, u64 value);
void trap(struct trap *t, u64 cause, u64 value)
{
	struct hart *self = hart_self();

	if (cause & CAUSE_INTERRUPT) {
		self->interrupts++;
		if (!trap_interrupt(cause & ~CAUSE_INTERRUPT) || !self->guard)
			return;
	} else {
		self->exceptions++;
		if (!self->guard) {
			trap_exception(t, cause, value);
			return;
		}
	}
	/* The frame's own stack pointer is loaded last, so guard_leave runs on the guard's stack. */
	t->x[2] = self->guard;
	t->x[4] = (u64)self;
	t->x[10] = cause;
	t->pc = (u64)guard_leave;
}
