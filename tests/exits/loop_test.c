/* A hart's loop: whoever wants another round before the guest gets one as often as he likes, and costs no stack. */
#include "arch/riscv64/hart.h"
#include "core/devices/backend.h"
#include "tests/exits/scene.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define ROUNDS 500

static unsigned rounds;
static uintptr_t first, lowest;

/* The control channel is asked once in each round: it wants another one. */
static size_t read_and_kick(struct stream_backend *s, void *to, size_t size)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	(void)s;
	(void)to;
	(void)size;
	if (!rounds++)
		first = lowest = here;
	if (here < lowest)
		lowest = here;
	if (rounds < ROUNDS)
		harts[arch_hart()].kicked = KICK_LOOP;
	return 0;
}

static size_t write_nothing(struct stream_backend *s, const void *bytes, size_t count)
{
	(void)s;
	(void)bytes;
	return count;
}

static void test_rounds_cost_no_stack(void **state)
{
	static struct stream_backend stream = { write_nothing, read_and_kick };
	const struct scene_exit interrupt = { .scene = SCENE_ALONE };

	(void)state;
	scene_start(&interrupt);
	rounds = 0;
	control_stream = &stream;
	harts[0].kicked = KICK_LOOP;
	exits_interrupt(0);
	control_stream = NULL;
	assert_int_equal(rounds, ROUNDS);
	assert_true(first - lowest < 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rounds_cost_no_stack) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
