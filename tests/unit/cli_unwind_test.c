/*
 * Backtraces in outlive.elf itself, from registers and stacks that make no sense: they end, and whatever is named lies in
 * the image. tests/machine/host_dump.py has those that make sense.
 */
#include "abi/layout.h"
#include "cli/backtrace.h"
#include "cli/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SLOT  0x80200000ull
#define STACK (SLOT + MIB(1))
#define SEED  0x9e3779b97f4a7c15ull

static struct host_symbols symbols;
static u64 seed = SEED;

static u64 random_number(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static int open_symbols(void **state)
{
	const char *build = getenv("BUILD");
	char *path = memory_format("%s/outlive.elf", build ? build : "build");
	int error = access(path, R_OK) == 0 ? host_symbols_open(&symbols, path) : -1;

	(void)state;
	if (error)
		fprintf(stderr, "there is no %s: build it first\n", path);
	free(path);
	return error;
}

static int close_symbols(void **state)
{
	(void)state;
	host_symbols_close(&symbols);
	return 0;
}

/* What a stack may hold that somebody wrote for us: return addresses, pointers into itself, anything. */
static bool random_memory(void *arg, u64 address, void *to, size_t bytes)
{
	u64 word = random_number();

	(void)arg;
	if (bytes != sizeof(word) || word % 13 == 0)
		return false;
	if (word % 3 == 0)
		word = SLOT + word % KIB(160);
	else if (word % 3 == 1)
		word = address + word % 256 - 64;
	memcpy(to, &word, sizeof(word));
	return true;
}

/* Memory in which each frame's caller is the same one, for ever. */
static bool endless_memory(void *arg, u64 address, void *to, size_t bytes)
{
	(void)address;
	memcpy(to, arg, bytes);
	return true;
}

static struct unwind unwind_of(bool (*memory)(void *, u64, void *, size_t), void *arg)
{
	return (struct unwind){ .symbols = &symbols,
				.slot_base = SLOT,
				.slot_size = LAYOUT_SLOT_SIZE,
				.memory = memory,
				.arg = arg };
}

static void any_registers(void **state)
{
	struct unwind u = unwind_of(random_memory, NULL);

	(void)state;
	for (int round = 0; round < 400; round++) {
		struct backtrace b;
		json_t *lines;
		u64 x[32];

		for (int i = 0; i < 32; i++)
			x[i] = random_number() % 2 ? SLOT + random_number() % MIB(1) : random_number();
		x[2] = STACK + random_number() % KIB(16);
		backtrace_make(&b, &u, SLOT + random_number() % KIB(160), x);
		assert_true(b.count >= 1 && b.count <= UNWIND_FRAMES_MAX);
		for (size_t i = 1; i < b.count; i++)
			assert_true(b.frames[i].is_exact || unwind_is_inside(&u, &b.frames[i]));
		lines = backtrace_json(&b);
		assert_true(json_array_size(lines) >= 1);
		json_decref(lines);
		backtrace_free(&b);
	}
}

/* An address in the middle of a function that has a frame with a saved ra. */
static u64 inside(const char *function)
{
	int count = dwfl_module_getsymtab(symbols.module);

	for (int i = 0; i < count; i++) {
		GElf_Sym symbol;
		const char *name = dwfl_module_getsym(symbols.module, i, &symbol, NULL);

		if (name && strcmp(name, function) == 0)
			return symbol.st_value + symbol.st_size / 2;
	}
	fail_msg("no function %s", function);
	return 0;
}

static void an_endless_recursion(void **state)
{
	u64 pc = SLOT + inside("hart_loop"), x[32] = { [2] = STACK };
	struct unwind u = unwind_of(endless_memory, &pc);
	struct backtrace b;
	json_t *lines;
	size_t gaps = 0;

	(void)state;
	backtrace_make(&b, &u, pc, x);
	assert_int_equal(b.count, UNWIND_FRAMES_MAX);
	lines = backtrace_json(&b);
	for (size_t i = 0; i < json_array_size(lines); i++)
		gaps += json_is_null(json_array_get(lines, i));
	assert_int_equal(gaps, 1);
	assert_true(json_array_size(lines) < 400);
	json_decref(lines);
	backtrace_free(&b);
}

static void a_jump_to_nowhere(void **state)
{
	u64 caller = SLOT + inside("hart_loop"), x[32] = { [1] = caller, [2] = STACK };
	struct unwind u = unwind_of(random_memory, NULL);
	struct backtrace b;

	(void)state;
	backtrace_make(&b, &u, 0x1234, x);
	assert_true(b.count >= 2);
	assert_int_equal(b.frames[1].pc, caller);
	backtrace_free(&b);
}

static void places(void **state)
{
	struct host_place p[12];
	size_t count = host_symbols_places(&symbols, inside("hart_loop"), p, ARRAY_SIZE(p));

	(void)state;
	assert_true(count >= 1);
	assert_string_equal(p[count - 1].function, "hart_loop");
	assert_string_equal(p[count - 1].file, "arch/riscv64/hart.c");
	assert_true(p[count - 1].line > 0);
	assert_int_equal(host_symbols_places(&symbols, MIB(7), p, ARRAY_SIZE(p)), 0);
	assert_true(host_symbols_match(&symbols, symbols.build));
	assert_false(host_symbols_match(&symbols, "0123"));
	assert_false(host_symbols_match(&symbols, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_registers),
		cmocka_unit_test(an_endless_recursion),
		cmocka_unit_test(a_jump_to_nowhere),
		cmocka_unit_test(places),
	};

	return cmocka_run_group_tests(tests, open_symbols, close_symbols);
}
