/* Transactions: all or nothing, whenever the life or its heirs end. */
#include "core/estate/txn.h"
#include "core/lib/errno.h"
#include "tests/lib/fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct redo_entry *redo(void)
{
	return &estate.harts[0].redo;
}

static void an_effect_shows_after_the_commit(void **state)
{
	u64 *word;
	struct txn t;

	(void)state;
	fixture_start();
	word = &estate_vm(3)->state.boots;
	txn_begin(&t, redo());
	txn_set(&t, word, 5);
	assert_int_equal(*word, 0);
	assert_int_equal(txn_get(&t, word), 5);
	txn_set(&t, word, 6);
	assert_int_equal(txn_get(&t, word), 6);
	assert_int_equal(txn_get(&t, word + 1), 0);
	assert_int_equal(redo()->count, 0);
	txn_commit(&t);
	assert_int_equal(*word, 6);
	assert_int_equal(redo()->count, 0);
	txn_set(&t, word, 7);
	txn_commit(&t);
	assert_int_equal(*word, 7);
	/* With nothing staged nothing happens. */
	txn_commit(&t);
	assert_int_equal(*word, 7);
}

static void stage_too_much(void *context)
{
	struct txn t;

	(void)context;
	txn_begin(&t, redo());
	for (u64 n = 0; n <= REDO_MAX; n++)
		txn_set(&t, &estate_vm(0)->state.touched[n], n);
}

static void an_entry_has_room_for_its_maximum(void **state)
{
	struct txn t;

	(void)state;
	fixture_start();
	txn_begin(&t, redo());
	for (u64 n = 0; n < REDO_MAX; n++)
		txn_set(&t, &estate_vm(0)->state.touched[n], n + 1);
	txn_commit(&t);
	for (u64 n = 0; n < REDO_MAX; n++)
		assert_int_equal(estate_vm(0)->state.touched[n], n + 1);
	assert_int_equal(host_live(stage_too_much, NULL, 0), HOST_ENDED);
}

/* Moves 10 from the first word to the others, in one of its harts' entries. */
#define WORDS 7

static u64 *word_n(unsigned n)
{
	switch (n % 3) {
	case 0:
		return &estate_vm(0)->state.touched[n];
	case 1:
		return &estate_vcpu(n)->x[n];
	default:
		return &estate.consoles[0].reserved[n];
	}
}

static void operation(void *context)
{
	struct txn t;

	(void)context;
	txn_begin(&t, redo());
	for (unsigned n = 0; n < WORDS; n++)
		txn_set(&t, word_n(n), txn_get(&t, word_n(n)) + n + 1);
	txn_set(&t, word_n(0), txn_get(&t, word_n(0)) + 100);
	txn_commit(&t);
}

static void recover(void *context)
{
	(void)context;
	assert_int_equal(txn_recover(redo()), 0);
}

/* True: all words changed; false: none did. Anything else fails. */
static bool changed(void)
{
	bool first = *word_n(0) != 0;

	for (unsigned n = 0; n < WORDS; n++)
		assert_int_equal(*word_n(n), first ? n + 1 + (n ? 0 : 100) : 0);
	return first;
}

static void a_crash_at_every_store(void **state)
{
	enum host_end end;
	u64 stores, n = 1;
	bool seen_change = false;

	(void)state;
	do {
		fixture_start();
		end = host_live(operation, NULL, n);
		stores = host_stores();
		fixture_heir();
		recover(NULL);
		/* Once a later crash finds it done, an even later one does too. */
		assert_true(!seen_change || changed());
		seen_change = changed();
		/* It happens behind the store of the count. */
		assert_int_equal(seen_change, stores >= 2 * (WORDS + 1) + 1);
		assert_int_equal(redo()->count, 0);
		n++;
	} while (end == HOST_DIED);
	assert_true(seen_change);
}

/* The heir dies at every store of its recovery, its heir too, and so on. */
static void a_crash_in_every_recovery(void **state)
{
	(void)state;
	for (u64 n = 2 * (WORDS + 1) + 2; n <= 3 * (WORDS + 1) + 2; n++) {
		fixture_start();
		assert_int_equal(host_live(operation, NULL, n), HOST_DIED);
		for (u64 m = 1;; m++) {
			fixture_life++;
			host_next_life();
			assert_int_equal(estate_adopt(host->ram + LAYOUT_ESTATE_OFFSET), 0);
			if (host_live(recover, NULL, m) == HOST_RETURNED)
				break;
		}
		assert_true(changed());
	}
}

/* Adopts and tries an entry that a transaction cannot have left. Nothing may change. */
static void refused(const struct redo_entry *entry)
{
	static u8 before[MIB(12)];

	*redo() = *entry;
	memcpy(before, (void *)(uintptr_t)estate.base, estate.size);
	assert_int_equal(txn_recover(redo()), -EINVAL);
	assert_memory_equal(before, (void *)(uintptr_t)estate.base, estate.size);
}

static u64 offset_of(const void *p)
{
	return (u64)(uintptr_t)p - estate.base;
}

static void impossible_entries_are_refused(void **state)
{
	struct redo_entry good, bad;
	u64 offsets[16];
	unsigned n = 0;

	(void)state;
	fixture_start();
	offsets[n++] = offset_of(&estate_vm(0)->state.boots) + 4;
	offsets[n++] = 0;
	offsets[n++] = ESTATE_WARDEN_OFFSET;
	offsets[n++] = offset_of(&estate.harts[1].vcpu);
	offsets[n++] = offset_of(&estate.lives[1].number);
	offsets[n++] = offset_of(&estate.log->head);
	offsets[n++] = offset_of(&estate_vm(0)->config[0]);
	offsets[n++] = offset_of(&estate_vm(63)->config[1][ESTATE_COLD_STRIDE - 8]);
	offsets[n++] = offset_of((u8 *)estate_vm(0) + sizeof(struct vm_record));
	offsets[n++] = offset_of((u8 *)estate_vcpu(0) + sizeof(struct vcpu_record));
	offsets[n++] = offset_of(estate_vcpu(estate.vcpu_count));
	offsets[n++] = estate.size;
	offsets[n++] = ~0ull & ~7ull;
	offsets[n++] = 1ull << 63;
	/* Good, but another VM's. */
	offsets[n++] = offset_of(&estate_vm(1)->state.boots);
	memset(&good, 0, sizeof(good));
	good.count = 2;
	good.op[0] = (struct redo_op){ .word = (u64)&estate_vm(0)->state.boots, .value = 77 };
	good.op[1] = (struct redo_op){ .word = (u64)&estate_vcpu(estate.vcpu_count - 1)->pc, .value = 78 };
	for (unsigned i = 0; i < n; i++) {
		bad = good;
		bad.op[1].word = estate.base + offsets[i];
		refused(&bad);
	}
	bad = good;
	bad.count = REDO_MAX + 1;
	refused(&bad);
	bad.count = ~0ull;
	refused(&bad);
	*redo() = good;
	assert_int_equal(txn_recover(redo()), 0);
	assert_int_equal(estate_vm(0)->state.boots, 77);
	assert_int_equal(estate_vcpu(estate.vcpu_count - 1)->pc, 78);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_effect_shows_after_the_commit),
		cmocka_unit_test(an_entry_has_room_for_its_maximum),
		cmocka_unit_test(a_crash_at_every_store),
		cmocka_unit_test(a_crash_in_every_recovery),
		cmocka_unit_test(impossible_entries_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
