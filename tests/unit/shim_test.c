/* The shim, above a fake firmware: which requests it makes where, and that it gets to the kernel whatever they answer. */
#include "abi/guest.h"
#include "guests/shim/shim.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* In place of the real calls and counters. */
#define GUESTS_LIB_SBI_H
#define GUESTS_LIB_CSR_H

#define SBI_HSM	       0x48534dul
#define SBI_DBCN       0x4442434eul
#define SBI_HSM_START  0ul
#define SBI_HSM_STOP   1ul
#define SBI_DBCN_WRITE 0ul

#define DTB 0x88000000ul

struct sbi_result {
	s64 error;
	u64 value;
};

static u64 time_now(void)
{
	static u64 ticks;

	return ticks += 1000000;
}

static struct {
	s64 info, prepare, suspend, devirtualise, start; /* errors */
	u64 boot_hart;
	u64 stops_late; /* the boot hart is still running for so many starts */
	/* What happened. */
	unsigned prepared, suspended, devirtualised, starts;
	u64 started, start_entry, start_argument;
	char said[512];
} below;
static jmp_buf stopped;

static struct sbi_result sbi(u64 extension, u64 function, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4)
{
	struct sbi_result r = { 0 };

	assert_int_equal(a3 | a4, 0);
	if (extension == SBI_DBCN && function == SBI_DBCN_WRITE) {
		assert_true(strlen(below.said) + a0 < sizeof(below.said));
		strncat(below.said, (const char *)(uintptr_t)a1, a0);
	} else if (extension == SBI_HSM && function == SBI_HSM_START) {
		below.starts++;
		r.error = below.starts <= below.stops_late ? -6 : below.start;
		below.started = a0;
		below.start_entry = a1;
		below.start_argument = a2;
	} else if (extension == SBI_HSM && function == SBI_HSM_STOP) {
		longjmp(stopped, 1);
	} else if (extension == GUEST_EXT && function == GUEST_INFO) {
		r.error = below.info;
		r.value = GUEST_VERSION;
	} else if (extension == GUEST_EXT && function == GUEST_ROOT_PREPARE) {
		below.prepared++;
		r.error = below.prepare;
		r.value = below.boot_hart;
	} else if (extension == GUEST_EXT && function == GUEST_ROOT_SUSPEND) {
		assert_int_equal(below.prepared, 1);
		below.suspended++;
		r.error = below.suspend;
	} else if (extension == GUEST_EXT && function == GUEST_ROOT_DEVIRTUALISE) {
		assert_int_equal(below.suspended, 1);
		below.devirtualised++;
		r.error = below.devirtualise;
	} else {
		fail_msg("call %#lx %lu", (unsigned long)extension, (unsigned long)function);
	}
	return r;
}

/* With the calls from here. */
/* NOLINTNEXTLINE(bugprone-suspicious-include) */
#include "guests/shim/shim.c"

const char shim_boot_hart[1];

/* True if the hart comes to enter the kernel, false if it has stopped. */
static bool enters(u64 hart)
{
	if (setjmp(stopped))
		return false;
	shim_take_over(hart, DTB);
	return true;
}

static int reset(void **state)
{
	(void)state;
	memset(&below, 0, sizeof(below));
	return 0;
}

static void test_takes_over(void **state)
{
	(void)state;
	below.boot_hart = 3;
	assert_true(enters(3));
	assert_int_equal(below.devirtualised, 1);
	assert_int_equal(below.starts, 0);
	assert_string_equal(below.said, "outlive shim: on the bare machine\n");
}

static void test_bare_machine(void **state)
{
	(void)state;
	below.info = -2;
	assert_true(enters(3));
	assert_int_equal(below.prepared, 0);
	assert_string_equal(below.said, "");
}

static void test_another_hart(void **state)
{
	(void)state;
	below.boot_hart = 1;
	below.stops_late = 5;
	assert_false(enters(3));
	assert_int_equal(below.starts, 6);
	assert_int_equal(below.started, 1);
	assert_int_equal(below.start_entry, (uintptr_t)shim_boot_hart);
	assert_int_equal(below.start_argument, DTB);
	assert_int_equal(below.suspended, 0);
	assert_string_equal(below.said, "");
}

static void test_boot_hart_that_does_not_stop(void **state)
{
	(void)state;
	below.boot_hart = 1;
	below.stops_late = ~0ull;
	assert_true(enters(3));
	assert_int_equal(below.suspended, 0);
	assert_string_equal(
		below.said,
		"outlive shim: starting the boot hart: SBI error -6; the crash kernel starts inside "
		"the virtual machine\n");
}

static void test_boot_hart_that_is_not_there(void **state)
{
	(void)state;
	below.boot_hart = 1;
	below.start = -3;
	assert_true(enters(3));
	assert_int_equal(below.starts, 1);
	assert_non_null(strstr(below.said, "starting the boot hart: SBI error -3;"));
}

static void test_ordinary_vm(void **state)
{
	(void)state;
	below.prepare = -4;
	assert_true(enters(0));
	assert_int_equal(below.suspended, 0);
	assert_string_equal(below.said,
			    "outlive shim: no root VM; the crash kernel starts inside the virtual machine\n");
}

static void test_each_failure(void **state)
{
	static const char *const steps[] = { "prepare", "suspend", "devirtualise" };
	char wanted[128];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		memset(&below, 0, sizeof(below));
		*(i == 0 ? &below.prepare : i == 1 ? &below.suspend : &below.devirtualise) = -10 - (s64)i;
		assert_true(enters(0));
		assert_int_equal(below.suspended, i > 0);
		assert_int_equal(below.devirtualised, i > 1);
		snprintf(
			wanted, sizeof(wanted),
			"outlive shim: %s: SBI error -%u; the crash kernel starts inside the virtual machine\n",
			steps[i], 10 + i);
		assert_string_equal(below.said, wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_takes_over, reset),
		cmocka_unit_test_setup(test_bare_machine, reset),
		cmocka_unit_test_setup(test_another_hart, reset),
		cmocka_unit_test_setup(test_boot_hart_that_does_not_stop, reset),
		cmocka_unit_test_setup(test_boot_hart_that_is_not_there, reset),
		cmocka_unit_test_setup(test_ordinary_vm, reset),
		cmocka_unit_test_setup(test_each_failure, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
