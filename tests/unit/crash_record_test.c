/* The records of crashes that heirs write, and what they do with harts' states and stack pointers of every kind. */
#include "core/lib/log.h"
#include "core/survive/crash.h"
#include "core/survive/life.h"
#include "tests/lib/fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define HARTS 4

static struct hart_found *found(unsigned n, enum found_state state)
{
	struct hart_found *f = &estate.harts[n].found;

	memset(f, 0, sizeof(*f));
	f->time = host->now + 5;
	f->pc = host_slot(fixture_life) + 0x1000 + n;
	for (unsigned i = 0; i < 32; i++)
		f->x[i] = 0x1000 * n + i;
	f->state = state;
	return f;
}

/* A stack pointer of hart `n` in the running life, `bytes` below the top of its stack, with a pattern there. */
static u64 stack(unsigned n, u64 bytes)
{
	u64 top = host_slot(fixture_life) + fixture_stacks.from + (n + 1) * fixture_stacks.stride;

	for (u64 i = 0; i < bytes; i++)
		((u8 *)(uintptr_t)(top - bytes))[i] = (u8)(i * 7 + n);
	return top - bytes;
}

static const struct crash_record *record(u64 life)
{
	const struct crash_record *c;
	size_t bytes = 0;

	c = crash_find(life, &bytes);
	if (c)
		assert_int_equal(bytes, sizeof(*c) + HARTS * sizeof(struct crash_hart));
	return c;
}

static void a_crash_is_recorded(void **state)
{
	const struct crash_record *c;
	u64 sp, dead;

	(void)state;
	fixture_start();
	assert_null(record(0));
	dead = host_slot(1);
	log_line("last words");
	found(0, FOUND_GUEST);
	sp = stack(1, 5000);
	found(1, FOUND_HS)->x[2] = sp;
	found(2, FOUND_NO_SHOW);
	found(3, FOUND_HS)->x[2] = stack(3, 24);
	estate.harts[3].vcpu = 7;
	estate.harts[3].redo.count = 3;
	life_ends_at(dead + 0x777, 0x55);
	fixture_die(LIFE_PANIC, "it broke");
	fixture_heir();

	c = record(0);
	assert_non_null(c);
	assert_ptr_equal(c, record(1));
	assert_null(record(2));
	assert_int_equal(c->life, 1);
	assert_int_equal(c->cause, LIFE_PANIC);
	assert_int_equal(c->hart, 1);
	assert_int_equal(c->slot_base, dead);
	assert_int_equal(c->pc, dead + 0x777);
	assert_int_equal(c->value, 0x55);
	assert_int_equal(c->t_stopped - c->t_fault, 10);
	assert_string_equal(c->text, "it broke");
	assert_true(c->log_bytes > 10 && strstr(c->log, "last words\n") == c->log + c->log_bytes - 11);
	assert_int_equal(c->harts[0].found.state, FOUND_GUEST);
	assert_int_equal(c->harts[1].found.state, FOUND_HS);
	assert_int_equal(c->harts[1].found.pc, dead + 0x1001);
	assert_int_equal(c->harts[1].stack_at, sp);
	assert_int_equal(c->harts[1].stack_bytes, CRASH_STACK_BYTES);
	for (u64 i = 0; i < CRASH_STACK_BYTES; i++)
		assert_int_equal(c->harts[1].stack[i], (u8)(i * 7 + 1));
	assert_int_equal(c->harts[2].found.state, FOUND_NO_SHOW);
	assert_int_equal(c->harts[2].stack_bytes, 0);
	assert_int_equal(c->harts[3].stack_bytes, 24);
	assert_int_equal(c->harts[3].vcpu, 7);
	assert_int_equal(c->harts[3].redo, 3);
	for (unsigned n = 0; n < HARTS; n++)
		assert_int_equal(c->harts[n].life, 1);

	/* The guest of hart 0 exits, and is found. */
	found(0, FOUND_PARKED);
	estate.harts[0].life = 1; /* as it is until the heir has the hart */
	crash_hart_came(0, &estate.harts[0]);
	assert_int_equal(c->harts[0].found.state, FOUND_PARKED);
	assert_int_equal(c->harts[0].found.x[31], 31);
	/* Only those whom the record misses. */
	found(1, FOUND_PARKED);
	crash_hart_came(1, &estate.harts[1]);
	crash_hart_came(MAX_HARTS + 5, &estate.harts[1]);
	assert_int_equal(c->harts[1].found.state, FOUND_HS);
}

/* Above, below, in the other slot, on the last word, in other pages: none leads out of the dead life's stacks. */
static void stack_pointers_of_all_kinds(void **state)
{
	const u64 from = fixture_stacks.from;

	(void)state;
	for (unsigned n = 0; n < 9; n++) {
		const struct crash_record *c;
		u64 first, sp, bytes;

		fixture_start();
		first = host_slot(1) + from;
		sp = (const u64[]){ 0,
				    ~0ull,
				    first - 1,
				    first,
				    first + fixture_stacks.bytes - 1,
				    first + fixture_stacks.bytes,
				    host_slot(2) + from + 64,
				    first + 3,
				    first + 4095 }[n];
		bytes = (const u64[]){
			0, 0, 0, CRASH_STACK_BYTES, 1, 0, 0, CRASH_STACK_BYTES, CRASH_STACK_BYTES
		}[n];
		found(2, FOUND_HS)->x[2] = sp;
		fixture_die(LIFE_PANIC, "x");
		fixture_heir();
		c = record(1);
		assert_non_null(c);
		assert_int_equal(c->harts[2].stack_bytes, bytes);
		assert_int_equal(c->harts[2].stack_at, bytes ? sp : 0);
	}
}

/* An heir that dies before it has come to a hart: what is in that hart's record is of the life before. */
static void an_heir_dies_early(void **state)
{
	const struct crash_record *c;

	(void)state;
	fixture_start();
	found(1, FOUND_HS);
	fixture_die(LIFE_PANIC, "first");
	fixture_heir();
	estate.harts[1].life = 1;
	found(0, FOUND_HS);
	fixture_die(LIFE_PANIC, "second");
	estate.harts[0].found.time = host->now;
	fixture_heir();
	c = record(0);
	assert_int_equal(c->life, 2);
	assert_int_equal(c->harts[0].life, 2);
	assert_int_equal(c->harts[1].life, 1);
	assert_string_equal(record(1)->text, "first");
	assert_int_equal(record(1)->harts[1].life, 1);
	/* A third one takes the place of the first. */
	fixture_die(LIFE_PANIC, "third");
	fixture_heir();
	assert_null(record(1));
	assert_string_equal(record(2)->text, "second");
	assert_string_equal(record(3)->text, "third");
}

static void write_again(void *context)
{
	(void)context;
	crash_write(&fixture_stacks);
}

/* Before any store: there is a whole record or none, and the older one stays. */
static void dying_while_it_is_written(void **state)
{
	u64 n = 1;

	(void)state;
	fixture_start();
	fixture_die(LIFE_PANIC, "first");
	fixture_heir();
	fixture_die(LIFE_PANIC, "second");
	fixture_heir();
	assert_int_equal(record(0)->life, 2);
	for (; host_live(write_again, NULL, n) == HOST_DIED; n++) {
		assert_string_equal(record(1)->text, "first");
		assert_true(n == 1 ? record(2) != NULL : record(2) == NULL);
	}
	assert_true(n > 2 + HARTS);
	assert_string_equal(record(2)->text, "second");
}

static void ends_on_purpose_have_none(void **state)
{
	(void)state;
	fixture_start();
	fixture_die(LIFE_PANIC, "x");
	estate.warden->cause = LIFE_UPDATE;
	fixture_heir();
	assert_null(record(0));
}

static void damaged_records_are_none(void **state)
{
	struct crash_record *c;

	(void)state;
	fixture_start();
	fixture_die(LIFE_PANIC, "x");
	fixture_heir();
	c = estate_crash(1);
	assert_ptr_equal(record(0), c);
	c->hart_count = MAX_HARTS + 1;
	assert_null(record(0));
	c->hart_count = HARTS;
	c->log_bytes = CRASH_LOG_BYTES + 1;
	assert_null(record(0));
	c->log_bytes = 0;
	c->life = 2;
	assert_null(record(0));
	c->life = 3; /* of its place, but not what the flag says */
	assert_null(record(0));
	c->life = 1;
	assert_non_null(record(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crash_is_recorded),	     cmocka_unit_test(stack_pointers_of_all_kinds),
		cmocka_unit_test(an_heir_dies_early),	     cmocka_unit_test(dying_while_it_is_written),
		cmocka_unit_test(ends_on_purpose_have_none), cmocka_unit_test(damaged_records_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
