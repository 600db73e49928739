/* The fake harts: see exits.h. */
#include "arch/riscv64/csr.h"
#include "arch/riscv64/hart.h"
#include "core/memory/backing.h"
#include "tests/exits/inside.h"
#include <setjmp.h>

HOST_KEEP struct exits_hart exits_harts[MAX_HARTS];

jmp_buf exits_out_of[MAX_HARTS];
u64 exits_in_hypervisor;
static unsigned waits;

u64 exits_entry_base(u64 life)
{
	return host_slot(life) + KIB(4);
}

struct exits_hart *exits_hart(void)
{
	return &exits_harts[arch_hart()];
}

struct exits_csrs *exits_csrs(void)
{
	struct exits_csrs *c = &exits_hart()->csr;

	c->time = host->now;
	c->vsip = (c->hvip & (IRQ_VSSI | IRQ_VSTI | IRQ_VSEI)) >> 1;
	if (c->time + c->htimedelta >= c->vstimecmp)
		c->vsip |= IRQ_STI;
	return c;
}

struct exits_csrs *exits_csrs_change(void)
{
	arch_estate_point();
	return exits_csrs();
}

_Noreturn void guest_enter(struct vcpu_record *record)
{
	struct exits_hart *h = exits_hart();

	entry_enter(h, record);
	h->where = EXITS_GUEST;
	longjmp(exits_out_of[arch_hart()], 1);
}

void exits_wfi(void)
{
	exits_hart()->where = EXITS_WFI;
	longjmp(exits_out_of[arch_hart()], 1);
}

/* ---- Harts run hypervisor code ---- */

void exits_run_on(unsigned n, void (*code)(struct hart *hart))
{
	unsigned before = host_hart;

	host_be_hart(n);
	exits_harts[n].where = EXITS_HS;
	exits_in_hypervisor |= 1ull << n;
	if (!setjmp(exits_out_of[n]))
		code(&harts[n]);
	exits_in_hypervisor &= ~(1ull << n);
	host_be_hart(before);
}

static void wake_from_wfi(struct hart *hart)
{
	/* As wait_for_work goes on behind the instruction. */
	estate_store(&hart->record->idle, 0);
	__atomic_store_n(&hart->where, HART_IN_HS, __ATOMIC_SEQ_CST);
	hart_loop();
}

static void handle_exit(struct hart *hart)
{
	struct exits_hart *h = exits_hart();
	unsigned length = entry_length();

	entry_execute(h, exits_entry_base(fixture_life), length);
	h->in_entry = false;
	for (unsigned n = 1; n < 32; n++)
		h->x[n] = 0xbad0bad0bad0bad0ull;
	h->csr.stvec = 0;
	exit_handle(hart->current, h->csr.scause);
}

void exits_trap(unsigned n, u64 cause, u64 stval, u64 htval)
{
	struct exits_hart *h = &exits_harts[n];

	if (h->where != EXITS_GUEST)
		host_fail("a trap on a hart that is not in a guest");
	h->csr.scause = cause;
	h->csr.sepc = h->pc;
	h->csr.stval = stval;
	h->csr.htval = htval;
	exits_run_on(n, handle_exit);
}

void exits_interrupt(unsigned n)
{
	exits_trap(n, SCAUSE_INTERRUPT | 1, 0, 0);
}

/* Harts with an IPI take it. Returns true if there was one. */
static bool take_ipis(void)
{
	bool any = false;

	for (unsigned n = 0; n < hart_count; n++) {
		struct exits_hart *h = &exits_harts[n];

		if (!(h->csr.sip & IRQ_SSI) || (exits_in_hypervisor >> n & 1))
			continue;
		if (h->where == EXITS_GUEST)
			exits_interrupt(n);
		else if (h->where == EXITS_WFI)
			exits_run_on(n, wake_from_wfi);
		else
			continue;
		any = true;
	}
	return any;
}

static struct {
	void (*f)(void *context);
	void *context;
} errand;

static void run_errand(struct hart *hart)
{
	/* As the loop is when it carries out an operation on a VM: it may have a vCPU, and goes on behind. */
	hart->where = HART_IN_HS;
	errand.f(errand.context);
	hart_loop();
}

void exits_call(unsigned n, void (*f)(void *context), void *context)
{
	struct exits_hart *h = &exits_harts[n];

	errand.f = f;
	errand.context = context;
	if (h->where == EXITS_GUEST) {
		h->csr.sepc = h->pc;
		exits_in_hypervisor |= 1ull << n;
		entry_execute(h, exits_entry_base(fixture_life), entry_length());
		h->in_entry = false;
	}
	exits_run_on(n, run_errand);
}

void exits_settle(void)
{
	for (unsigned n = 0; take_ipis(); n++) {
		if (n == 10000)
			host_fail("the harts kick each other without end");
	}
}

void exits_schedule(void)
{
	for (unsigned n = 0; n < hart_count; n++) {
		if (exits_harts[n].where == EXITS_WFI)
			exits_run_on(n, wake_from_wfi);
	}
	exits_settle();
}

/* In place of the C library's: who waits lets other harts go on (arch_relax). */
int sched_yield(void);
int sched_yield(void)
{
	/* Not a hart: the sanitizers wait, too. */
	if (!exits_in_hypervisor)
		return 0;
	if (!take_ipis() && ++waits > 1000000)
		host_fail("a hart waits for what never comes");
	return 0;
}

void exits_advance(u64 ticks)
{
	host->now += ticks;
	for (unsigned n = 0; n < hart_count; n++) {
		struct exits_hart *h = &exits_harts[n];

		if (h->csr.stimecmp > host->now)
			continue;
		if (h->where == EXITS_GUEST)
			exits_trap(n, SCAUSE_INTERRUPT | 5, 0, 0);
		else if (h->where == EXITS_WFI)
			exits_run_on(n, wake_from_wfi);
	}
	exits_settle();
}

int exits_hart_of(const struct vcpu *v)
{
	for (unsigned n = 0; n < hart_count; n++) {
		if (exits_harts[n].where == EXITS_GUEST && harts[n].current == v)
			return (int)n;
	}
	return -1;
}

void *exits_ram(struct vm *vm, u64 gpa)
{
	hpa_t at;
	u64 run;

	if (backing_touch(vm, GPA(gpa)) || backing_lookup(vm, GPA(gpa), &at, &run))
		host_fail("no RAM of the guest");
	return (void *)(uintptr_t)at.a;
}
