/* Making and adopting an estate; every number of its header and of the machine record may be an enemy's. */
#include "core/estate/cold.h"
#include "core/estate/estate.h"
#include "core/lib/errno.h"
#include "tests/lib/fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static u64 base(void)
{
	return host->ram + LAYOUT_ESTATE_OFFSET;
}

static void size_follows_the_ram(void **state)
{
	static const struct {
		u64 ram;
		u32 vcpus;
	} expected[] = {
		{ 0, 64 },	  { MIB(64), 64 },    { MIB(100), 100 }, { GIB(1), 1024 },
		{ GIB(4), 4096 }, { GIB(128), 4096 }, { ~0ull, 4096 },
	};
	u64 before = 0;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
		u32 vcpus;
		u64 size = estate_size(expected[i].ram, &vcpus);

		assert_int_equal(vcpus, expected[i].vcpus);
		assert_int_equal(size % BLOCK_SIZE, 0);
		assert_true(size >= before && size <= MIB(12));
		before = size;
	}
}

static void a_new_estate_is_empty(void **state)
{
	struct machine_record m;
	u8 *at;

	(void)state;
	fixture_machine(&m, MIB(128), 3);
	assert_int_equal(estate_create(base(), &m), 0);
	assert_int_equal(estate.vcpu_count, 128);
	assert_int_equal((u64)(uintptr_t)estate.warden, base() + ESTATE_WARDEN_OFFSET);
	assert_int_equal((u64)(uintptr_t)estate.harts, base() + ESTATE_HARTS_OFFSET);
	for (unsigned n = 0; n < MAX_HARTS; n++) {
		assert_true(estate.harts[n].vcpu == NO_VCPU && estate.harts[n].lazy == NO_VCPU);
		estate.harts[n].vcpu = estate.harts[n].lazy = 0;
	}
	at = (u8 *)(uintptr_t)base();
	for (u64 i = KIB(32); i < estate.size; i++) {
		if (at[i])
			fail_msg("byte %lx is not zero", i);
	}
	assert_null(estate_newest_life());
}

static void no_estate_without_room(void **state)
{
	struct machine_record m;

	(void)state;
	fixture_machine(&m, MIB(128), 1);
	m.ram[0].size = LAYOUT_ESTATE_OFFSET + MIB(2);
	assert_int_equal(estate_create(base(), &m), -ENOMEM);
	m.ram[0].size = MIB(128);
	assert_int_equal(estate_create(base() + MIB(107), &m), -ENOMEM);
	assert_int_equal(estate_create(host->ram + MIB(10), &m), -ENOMEM);
	m.ram_count = 0;
	assert_int_equal(estate_create(base(), &m), -ENOMEM);
	m.ram_count = MACHINE_MAX_RAM + 1;
	assert_int_equal(estate_create(base(), &m), -ENOMEM);
}

static void the_heir_finds_what_was_made(void **state)
{
	struct estate before;

	(void)state;
	fixture_start();
	estate.machine.crash_limit = 17;
	estate_machine_write();
	before = estate;
	host_next_life();
	assert_int_equal(estate.base, 0);
	assert_int_equal(estate_adopt(base()), 0);
	assert_memory_equal(&before, &estate, sizeof(before));
	assert_int_equal(estate.machine.crash_limit, 17);
}

static void create_again(void *context)
{
	(void)estate_create(base(), context);
}

/* A machine that is switched off and on while the first life makes the estate: there is none, or a complete one. */
static void a_crash_while_it_is_made(void **state)
{
	static HOST_KEEP struct machine_record m;
	static HOST_KEEP bool complete;
	enum host_end end;
	int adopted;
	u64 n = 1;

	(void)state;
	fixture_machine(&m, MIB(64), 2);
	assert_int_equal(estate_create(base(), &m), 0);
	do {
		end = host_live(create_again, &m, n);
		host_next_life();
		adopted = estate_adopt(base());
		/* With the header's first copy it is there, and stays. */
		if (end != HOST_DIED || complete)
			assert_int_equal(adopted, 0);
		else
			assert_true(!adopted || adopted == -ENOENT);
		complete = !adopted;
		n += n < 1000 ? 7 : 1;
	} while (end == HOST_DIED);
	assert_true(n > 100);
}

/* ---- Damage ---- */

/* The copies that count of header and machine record, to be changed at will and written back with a good checksum. */
static struct estate_header header;
static struct machine_record machine;

static void read_records(void)
{
	assert_int_equal(cold_read((void *)(uintptr_t)base(), COLD_HEADER, &header, sizeof(header)), 0);
	assert_int_equal(cold_read((void *)(uintptr_t)(base() + header.machine), COLD_MACHINE, &machine,
				   sizeof(machine)),
			 0);
}

static int adopt_with(const struct estate_header *h, const struct machine_record *m)
{
	cold_write((void *)(uintptr_t)base(), COLD_HEADER, h, sizeof(*h));
	cold_write((void *)(uintptr_t)(base() + KIB(16)), COLD_MACHINE, m, sizeof(*m));
	return estate_adopt(base());
}

#define HEADER_WITH(result, change)                                 \
	do {                                                        \
		struct estate_header h = header;                    \
		change;                                             \
		assert_int_equal(adopt_with(&h, &machine), result); \
	} while (0)

#define MACHINE_WITH(result, change)                               \
	do {                                                       \
		struct machine_record m = machine;                 \
		change;                                            \
		assert_int_equal(adopt_with(&header, &m), result); \
	} while (0)

static void a_bad_header_is_refused(void **state)
{
	(void)state;
	fixture_start();
	read_records();
	HEADER_WITH(0, h.reserved = 0);
	HEADER_WITH(-ENOENT, h.magic++);
	HEADER_WITH(-EPROTO, h.version++);
	HEADER_WITH(-EPROTO, h.version = 0);
	HEADER_WITH(-EINVAL, h.base += PAGE_SIZE);
	HEADER_WITH(-EINVAL, h.size += PAGE_SIZE);
	HEADER_WITH(-EINVAL, h.size = 0);
	HEADER_WITH(-EINVAL, h.size = MIB(2));
	HEADER_WITH(-EINVAL, h.size = MIB(14));
	HEADER_WITH(-EINVAL, h.size = ~0ull & ~(BLOCK_SIZE - 1));
	HEADER_WITH(-EINVAL, h.machine += PAGE_SIZE);
	HEADER_WITH(-EINVAL, h.lives = 0);
	HEADER_WITH(-EINVAL, h.harts = h.log);
	HEADER_WITH(-EINVAL, h.log += 8);
	HEADER_WITH(-EINVAL, h.log = KIB(64));
	HEADER_WITH(-EINVAL, h.log = h.vms);
	HEADER_WITH(-EINVAL, h.vms = h.consoles);
	HEADER_WITH(-EINVAL, h.vms = ~0ull & ~(PAGE_SIZE - 1));
	HEADER_WITH(-EINVAL, h.consoles = h.size - PAGE_SIZE);
	HEADER_WITH(-EINVAL, h.vcpus += MIB(1));
	HEADER_WITH(-EINVAL, h.vcpus = h.consoles + PAGE_SIZE);
	HEADER_WITH(-EINVAL, h.crashes = h.vcpus);
	HEADER_WITH(-EINVAL, h.crashes = h.size - PAGE_SIZE);
	HEADER_WITH(-EINVAL, h.crashes = ~0ull & ~(PAGE_SIZE - 1));
	HEADER_WITH(-EINVAL, h.vcpu_count = 0);
	HEADER_WITH(-EINVAL, h.vcpu_count = 4097);
	HEADER_WITH(-EINVAL, h.vcpu_count = 1ull << 53);
	HEADER_WITH(0, h.vcpu_count = 1);
}

static void a_bad_machine_record_is_refused(void **state)
{
	(void)state;
	fixture_start();
	read_records();
	MACHINE_WITH(0, m.crash_limit = 1);
	MACHINE_WITH(-EINVAL, m.timebase = 0);
	MACHINE_WITH(-EINVAL, m.hart_count = 0);
	MACHINE_WITH(-EINVAL, m.hart_count = MAX_HARTS + 1);
	MACHINE_WITH(-EINVAL, m.ram_count = 0);
	MACHINE_WITH(-EINVAL, m.ram_count = MACHINE_MAX_RAM + 1);
	MACHINE_WITH(-EINVAL, m.ram[0].base += MIB(2));
	MACHINE_WITH(-EINVAL, m.ram[0].size = LAYOUT_ESTATE_OFFSET + header.size - 1);
	MACHINE_WITH(-EINVAL, m.ram[0].size = ~0ull);
	MACHINE_WITH(-EINVAL, (m.ram_count = 2, m.ram[1] = m.ram[0]));
	MACHINE_WITH(-EINVAL, m.reserved_count = MACHINE_MAX_RESERVED + 1);
	MACHINE_WITH(-EINVAL, (m.reserved_count = 1, m.reserved[0].base = 1, m.reserved[0].size = ~0ull));
	MACHINE_WITH(-EINVAL, m.virtio_count = MACHINE_MAX_VIRTIO + 1);
	MACHINE_WITH(-EINVAL, (m.pack.base = 16, m.pack.size = ~0ull));
	memset((void *)(uintptr_t)(base() + KIB(16)), 0, KIB(16));
	assert_int_equal(estate_adopt(base()), -ENOENT);
}

static void adopting_changes_nothing(void **state)
{
	static HOST_KEEP u8 before[MIB(12)];

	(void)state;
	fixture_start();
	memcpy(before, (void *)(uintptr_t)base(), estate.size);
	assert_int_equal(estate_adopt(base()), 0);
	assert_memory_equal(before, (void *)(uintptr_t)base(), estate.size);
}

static void the_newest_life_is_found(void **state)
{
	(void)state;
	fixture_start();
	memset(estate.lives, 0, LIFE_COUNT * sizeof(struct life_record));
	assert_null(estate_newest_life());
	for (u64 n = 1; n < 200; n++) {
		estate_life(n)->number = n;
		assert_ptr_equal(estate_newest_life(), estate_life(n));
	}
	/* A number in the wrong place is damage. */
	estate_life(5)->number = 1ull << 40;
	assert_ptr_equal(estate_newest_life(), estate_life(199));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(size_follows_the_ram),
		cmocka_unit_test(a_new_estate_is_empty),
		cmocka_unit_test(no_estate_without_room),
		cmocka_unit_test(the_heir_finds_what_was_made),
		cmocka_unit_test(a_crash_while_it_is_made),
		cmocka_unit_test(a_bad_header_is_refused),
		cmocka_unit_test(a_bad_machine_record_is_refused),
		cmocka_unit_test(adopting_changes_nothing),
		cmocka_unit_test(the_newest_life_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
