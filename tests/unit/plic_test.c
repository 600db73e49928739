/* The guest's PLIC: against a model with random operations, by the letter of its specification, and across crashes. */
#include "tests/unit/devices.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define CPUS 3

#define AT_PRIORITY(n)	(GUEST_PLIC_BASE + 4ull * (n))
#define AT_PENDING(n)	(GUEST_PLIC_BASE + 0x1000 + 4ull * (n))
#define AT_ENABLE(c, n) (GUEST_PLIC_BASE + 0x2000 + 0x80ull * (c) + 4ull * (n))
#define AT_THRESHOLD(c) (GUEST_PLIC_BASE + 0x200000 + 0x1000ull * (c))
#define AT_CLAIM(c)	(AT_THRESHOLD(c) + 4)

static void set_line(unsigned source, bool level)
{
	struct vm *vm = vms[0];
	struct txn *t = arch_txn();

	lock_take(&vm->dev_lock);
	plic_stage_line(vm, t, source, level);
	txn_commit(t);
	plic_update(vm);
	lock_release(&vm->dev_lock);
}

static u32 in(u64 at)
{
	return guest_in(0, at, 4);
}

static void out(u64 at, u64 value)
{
	guest_out(0, at, 4, value);
}

static bool irq(unsigned cpu)
{
	return vms[0]->vcpu[cpu].r->irq;
}

static int set_up(void **state)
{
	(void)state;
	devices_start();
	devices_vm(CPUS, NULL);
	return 0;
}

/* ---- By the letter ---- */

static void a_line_becomes_pending_claimed_and_pending_again(void **state)
{
	(void)state;
	out(AT_PRIORITY(5), 1);
	out(AT_ENABLE(1, 0), 1u << 5);
	set_line(5, true);
	assert_int_equal(in(AT_PENDING(0)), 1u << 5);
	assert_false(irq(0));
	assert_true(irq(1));
	assert_int_equal(in(AT_CLAIM(0)), 0);
	assert_int_equal(in(AT_CLAIM(1)), 5);
	assert_false(irq(1));
	assert_int_equal(in(AT_PENDING(0)), 0);
	assert_int_equal(in(AT_CLAIM(1)), 0);
	/* Still up at the completion: once more. */
	out(AT_CLAIM(1), 5);
	assert_true(irq(1));
	assert_int_equal(in(AT_CLAIM(1)), 5);
	set_line(5, false);
	out(AT_CLAIM(1), 5);
	assert_false(irq(1));
	assert_int_equal(in(AT_CLAIM(1)), 0);
}

static void what_is_pending_stays_when_the_line_falls(void **state)
{
	(void)state;
	out(AT_PRIORITY(7), 2);
	out(AT_ENABLE(0, 0), 1u << 7);
	set_line(7, true);
	set_line(7, false);
	assert_true(irq(0));
	assert_int_equal(in(AT_CLAIM(0)), 7);
	out(AT_CLAIM(0), 7);
	assert_int_equal(in(AT_CLAIM(0)), 0);
}

static void claims_go_by_priority_then_by_number(void **state)
{
	(void)state;
	out(AT_PRIORITY(3), 1);
	out(AT_PRIORITY(9), 6);
	out(AT_PRIORITY(33), 6);
	out(AT_PRIORITY(63), 7);
	out(AT_PRIORITY(4), 0);
	out(AT_ENABLE(0, 0), ~0u);
	out(AT_ENABLE(0, 1), ~0u);
	assert_int_equal(in(AT_ENABLE(0, 0)), ~1u);
	set_line(3, true);
	set_line(4, true);
	set_line(9, true);
	set_line(33, true);
	set_line(63, true);
	assert_int_equal(in(AT_CLAIM(0)), 63);
	assert_int_equal(in(AT_CLAIM(0)), 9);
	assert_int_equal(in(AT_CLAIM(0)), 33);
	assert_int_equal(in(AT_CLAIM(0)), 3);
	/* Priority 0 is never. */
	assert_int_equal(in(AT_CLAIM(0)), 0);
	assert_int_equal(in(AT_PENDING(0)), 1u << 4);
}

static void the_threshold_masks_the_interrupt_and_not_the_claim(void **state)
{
	(void)state;
	out(AT_PRIORITY(2), 3);
	out(AT_ENABLE(0, 0), 1u << 2);
	out(AT_THRESHOLD(0), 3);
	assert_int_equal(in(AT_THRESHOLD(0)), 3);
	set_line(2, true);
	assert_false(irq(0));
	out(AT_THRESHOLD(0), 2);
	assert_true(irq(0));
	out(AT_THRESHOLD(0), 7);
	assert_false(irq(0));
	assert_int_equal(in(AT_CLAIM(0)), 2);
}

static void a_completion_counts_only_where_the_source_is_enabled(void **state)
{
	(void)state;
	out(AT_PRIORITY(2), 1);
	out(AT_ENABLE(0, 0), 1u << 2);
	set_line(2, true);
	assert_int_equal(in(AT_CLAIM(0)), 2);
	out(AT_CLAIM(1), 2);
	assert_int_equal(in(AT_PENDING(0)), 0);
	out(AT_ENABLE(0, 0), 0);
	out(AT_CLAIM(0), 2);
	assert_int_equal(in(AT_PENDING(0)), 0);
	/* Another context may complete it if it is enabled there. */
	out(AT_ENABLE(1, 0), 1u << 2);
	out(AT_CLAIM(1), 2);
	assert_int_equal(in(AT_PENDING(0)), 1u << 2);
	assert_true(irq(1));
	assert_int_equal(vms[0]->vcpu[0].r->plic_claimed, 0);
	/* Nonsense is not heard. */
	out(AT_CLAIM(1), 64);
	out(AT_CLAIM(1), 0);
	out(AT_CLAIM(1), 0xffffffff);
	assert_true(plic_valid(vms[0]));
}

static void what_does_not_exist_reads_as_zero(void **state)
{
	u64 value = 7;

	(void)state;
	out(AT_PRIORITY(0), 7);
	out(AT_PRIORITY(64), 7);
	out(AT_PENDING(0), ~0u);
	out(AT_ENABLE(0, 2), ~0u);
	out(AT_ENABLE(CPUS, 0), ~0u);
	out(AT_THRESHOLD(CPUS), 7);
	out(AT_THRESHOLD(0) + 8, 7);
	out(AT_CLAIM(15871), 1);
	assert_int_equal(in(AT_PRIORITY(0)), 0);
	assert_int_equal(in(AT_PRIORITY(64)), 0);
	assert_int_equal(in(AT_PENDING(0)), 0);
	assert_int_equal(in(AT_ENABLE(0, 2)), 0);
	assert_int_equal(in(AT_ENABLE(CPUS, 0)), 0);
	assert_int_equal(in(AT_THRESHOLD(CPUS)), 0);
	assert_int_equal(in(AT_CLAIM(CPUS)), 0);
	assert_int_equal(in(AT_CLAIM(15871)), 0);
	assert_int_equal(in(GUEST_PLIC_BASE + GUEST_PLIC_SIZE - 4), 0);
	out(AT_PRIORITY(1), 0xffffffff);
	assert_int_equal(in(AT_PRIORITY(1)), 7);
	/* Registers are words. */
	assert_int_equal(guest_access(0, 0, AT_PRIORITY(1), 1, false, &value), -EFAULT);
	assert_int_equal(guest_access(0, 0, AT_PRIORITY(1), 8, false, &value), -EFAULT);
	assert_int_equal(guest_access(0, 0, AT_PRIORITY(1) + 2, 4, false, &value), -EFAULT);
	assert_int_equal(guest_access(0, 0, GUEST_UART_BASE + GUEST_UART_SIZE, 4, false, &value), -EFAULT);
	assert_int_equal(guest_access(0, 0, GUEST_PLIC_BASE - 4, 4, true, &value), -EFAULT);
}

/* ---- Against a model ---- */

struct model {
	bool line[PLIC_SOURCES], pending[PLIC_SOURCES], claimed[PLIC_SOURCES];
	unsigned priority[PLIC_SOURCES];
	bool enable[CPUS][PLIC_SOURCES];
	unsigned threshold[CPUS];
};

static unsigned model_best(const struct model *m, unsigned c, unsigned above)
{
	unsigned best = 0;

	for (unsigned s = 1; s < PLIC_SOURCES; s++)
		if (m->pending[s] && m->enable[c][s] && m->priority[s] > above) {
			best = s;
			above = m->priority[s];
		}
	return best;
}

static void model_gateway(struct model *m, unsigned s)
{
	if (m->line[s] && !m->claimed[s])
		m->pending[s] = true;
}

static void compare(const struct model *m)
{
	const struct plic_state *p = &vms[0]->s->plic;

	for (unsigned s = 0; s < PLIC_SOURCES; s++) {
		assert_int_equal(p->line >> s & 1, m->line[s]);
		assert_int_equal(p->pending >> s & 1, m->pending[s]);
		assert_int_equal(p->claimed >> s & 1, m->claimed[s]);
	}
	for (unsigned c = 0; c < CPUS; c++)
		assert_int_equal(irq(c), model_best(m, c, m->threshold[c]) != 0);
	assert_true(plic_valid(vms[0]));
}

static void random_operation(struct model *m)
{
	unsigned s = 1 + (unsigned)rand() % (PLIC_SOURCES - 1);
	unsigned c = (unsigned)rand() % CPUS;
	unsigned n = (unsigned)rand() % 2;
	u32 bits = (u32)rand() << 16 ^ (u32)rand();
	unsigned best;

	switch (rand() % 7) {
	case 0:
	case 1:
		m->line[s] = rand() % 2;
		set_line(s, m->line[s]);
		model_gateway(m, s);
		break;
	case 2:
		m->priority[s] = (unsigned)rand() % 8;
		out(AT_PRIORITY(s), m->priority[s] | 0x10);
		break;
	case 3:
		for (unsigned i = 0; i < 32; i++)
			m->enable[c][32 * n + i] = bits >> i & 1 && 32 * n + i;
		out(AT_ENABLE(c, n), bits);
		break;
	case 4:
		m->threshold[c] = (unsigned)rand() % 8;
		out(AT_THRESHOLD(c), m->threshold[c]);
		break;
	case 5:
		best = model_best(m, c, 0);
		assert_int_equal(in(AT_CLAIM(c)), best);
		if (best) {
			m->pending[best] = false;
			m->claimed[best] = true;
		}
		break;
	default:
		for (unsigned i = 1; i < PLIC_SOURCES && rand() % 4; i++)
			if (m->claimed[i])
				s = i;
		out(AT_CLAIM(c), s);
		if (m->enable[c][s] && m->claimed[s]) {
			m->claimed[s] = false;
			model_gateway(m, s);
		}
	}
}

static void random_operations_agree_with_a_model(void **state)
{
	struct model m = { 0 };

	(void)state;
	srand(1);
	for (unsigned i = 0; i < 20000; i++) {
		random_operation(&m);
		compare(&m);
	}
}

/* ---- Across crashes ---- */

static void access_in_life(void *context)
{
	void (*operation)(void) = *(void (**)(void))context;

	operation();
}

static void claim_1(void)
{
	u64 value;

	MUST(!guest_access(0, 1, AT_CLAIM(1), 4, false, &value));
}

static void complete_1(void)
{
	u64 value = 5;

	MUST(!guest_access(0, 1, AT_CLAIM(1), 4, true, &value));
}

static void enable_1(void)
{
	u64 value = 0x120;

	MUST(!guest_access(0, 1, AT_ENABLE(1, 0), 4, true, &value));
}

static void line_8(void)
{
	set_line(8, true);
}

/* Ends lives at every store of `operation`; what an heir finds is that before or after it, never between. */
static void crash_everywhere(void (*operation)(void), unsigned claims_before)
{
	struct plic_state before, after;
	struct vcpu_record r_before, r_after;
	unsigned deaths = 0;
	enum host_end end;

	for (u64 die = 0;; die++) {
		devices_start();
		devices_vm(CPUS, NULL);
		out(AT_PRIORITY(5), 1);
		out(AT_PRIORITY(8), 2);
		out(AT_ENABLE(1, 0), 1u << 5 | 1u << 8);
		set_line(5, true);
		for (unsigned i = 0; i < claims_before; i++)
			claim_1();
		before = vms[0]->s->plic;
		r_before = *vms[0]->vcpu[1].r;
		end = host_live(access_in_life, &operation, die);
		if (!die) {
			after = vms[0]->s->plic;
			r_after = *vms[0]->vcpu[1].r;
			continue;
		}
		if (end == HOST_RETURNED)
			break;
		assert_int_equal(end, HOST_DIED);
		deaths++;
		devices_heir();
		if (vms[0]->vcpu[1].r->pc == r_before.pc &&
		    memcmp(&vms[0]->s->plic, &before, sizeof(before)) == 0) {
			assert_int_equal(vms[0]->vcpu[1].r->plic_claimed, r_before.plic_claimed);
			operation();
		}
		assert_memory_equal(&vms[0]->s->plic, &after, sizeof(after));
		assert_int_equal(vms[0]->vcpu[1].r->pc, r_after.pc);
		assert_int_equal(vms[0]->vcpu[1].r->x[10], r_after.x[10]);
		assert_int_equal(vms[0]->vcpu[1].r->irq, r_after.irq);
		assert_int_equal(vms[0]->vcpu[1].r->plic_enable, r_after.plic_enable);
		assert_int_equal(vms[0]->vcpu[1].r->plic_claimed, r_after.plic_claimed);
	}
	assert_true(deaths > 4);
}

static void operations_survive_a_crash_at_every_store(void **state)
{
	(void)state;
	crash_everywhere(claim_1, 0);
	crash_everywhere(complete_1, 1);
	crash_everywhere(enable_1, 0);
	crash_everywhere(line_8, 0);
	crash_everywhere(line_8, 1);
}

static void an_heir_refuses_nonsense(void **state)
{
	struct plic_state *p = &vms[0]->s->plic;
	struct vcpu_record *r = vms[0]->vcpu[2].r;

	(void)state;
	assert_true(plic_valid(vms[0]));
	p->line = 1;
	assert_false(plic_valid(vms[0]));
	p->line = 0;
	p->priority[3] = 8;
	assert_false(plic_valid(vms[0]));
	p->priority[3] = 7;
	p->pending = p->claimed = 8;
	r->plic_claimed = 8;
	assert_false(plic_valid(vms[0]));
	p->pending = 0;
	assert_true(plic_valid(vms[0]));
	vms[0]->vcpu[0].r->plic_claimed = 8;
	assert_false(plic_valid(vms[0]));
	vms[0]->vcpu[0].r->plic_claimed = 0;
	r->plic_threshold = 8;
	assert_false(plic_valid(vms[0]));
	r->plic_threshold = 0;
	r->plic_enable = 1;
	assert_false(plic_valid(vms[0]));
	plic_reset(vms[0]);
	assert_true(plic_valid(vms[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_line_becomes_pending_claimed_and_pending_again, set_up),
		cmocka_unit_test_setup(what_is_pending_stays_when_the_line_falls, set_up),
		cmocka_unit_test_setup(claims_go_by_priority_then_by_number, set_up),
		cmocka_unit_test_setup(the_threshold_masks_the_interrupt_and_not_the_claim, set_up),
		cmocka_unit_test_setup(a_completion_counts_only_where_the_source_is_enabled, set_up),
		cmocka_unit_test_setup(what_does_not_exist_reads_as_zero, set_up),
		cmocka_unit_test_setup(random_operations_agree_with_a_model, set_up),
		cmocka_unit_test(operations_survive_a_crash_at_every_store),
		cmocka_unit_test_setup(an_heir_refuses_nonsense, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
