/* Calls of the warden for confidential VMs: what each does, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/private/world.h"

#define HUGE(n) (WORLD_GUEST + (u64)(n)*BLOCK_SIZE)
#define SHARED	PRIVATE_SHARED_BIT
/* Pages of VM 0's first block that it has for use. */
#define FREE(n)	 (WORLD_BLOCK(0) + (PRIVATE_FIRST_PAGES + (u64)(n)) * PAGE_SIZE)
#define RAM_PAGE (WORLD_RAM + MIB(1))

static int start(void **state)
{
	(void)state;
	world_start();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	world_check();
	world_stop();
	world_check();
	return 0;
}

#define refused(error, call) assert_int_equal(call, PRIVATE_##error)
#define done(call)	     assert_int_equal(call, PRIVATE_OK)

/* VM 0, with tables down to 4 KiB over its first 2 MiB, private and shared: 4 pages. */
static void make_tables(void)
{
	world_vm(0, 1);
	done(CALL4(LINK, 0, WORLD_GUEST, 2, FREE(0)));
	done(CALL4(LINK, 0, WORLD_GUEST, 1, FREE(1)));
	done(CALL4(LINK, 0, SHARED | WORLD_GUEST, 2, FREE(2)));
	done(CALL4(LINK, 0, SHARED | WORLD_GUEST, 1, FREE(3)));
}

static u8 use_of(u64 page)
{
	const u64 block = page - page % BLOCK_SIZE;

	done(CALL3(READ_BLOCK, 0, block, RAM_PAGE));
	return ((const u8 *)port_at(RAM_PAGE))[(page - block) / PAGE_SIZE];
}

static u64 entry_of(u64 at, u32 level)
{
	done(CALL4(READ_TABLE, 0, at, level, RAM_PAGE));
	return ((const u64 *)port_at(RAM_PAGE))[at / table_span(level) % TABLE_ENTRIES];
}

static void info_tells_of_pool_and_blocks(void **state)
{
	(void)state;
	done(CALL2(INFO, PRIVATE_INFO_POOL, 0));
	assert_int_equal(world.value, WORLD_POOL);
	done(CALL2(INFO, PRIVATE_INFO_POOL_SIZE, 0));
	assert_int_equal(world.value, WORLD_POOL_SIZE);
	done(CALL2(INFO, PRIVATE_INFO_FREE, 0));
	assert_int_equal(world.value, WORLD_BLOCKS);
	done(CALL2(INFO, PRIVATE_INFO_OWNER, 0));
	assert_int_equal(world.value, PRIVATE_VMS + 1);
	world_vm(2, 1);
	done(CALL2(INFO, PRIVATE_INFO_OWNER, 3));
	assert_int_equal(world.value, 3);
	done(CALL2(INFO, PRIVATE_INFO_FREE, 0));
	assert_int_equal(world.value, WORLD_BLOCKS - 1);
	done(CALL2(INFO, PRIVATE_INFO_VM, 2));
	assert_int_equal(world.value, PRIVATE_VM_LAUNCH);
	refused(INVALID_PARAM, CALL2(INFO, PRIVATE_INFO_OWNER, WORLD_POOL_BLOCKS));
	refused(INVALID_PARAM, CALL2(INFO, PRIVATE_INFO_VM, PRIVATE_VMS));
	refused(INVALID_PARAM, CALL2(INFO, 99, 0));
}

static void without_a_pool_only_info_answers(void **state)
{
	(void)state;
	pool_is_absent(PRIVATE_NO_PMP);
	refused(NOT_SUPPORTED, CALL2(INFO, PRIVATE_INFO_VERSION, 0));
	assert_int_equal(world.value, PRIVATE_NO_PMP);
	refused(NOT_SUPPORTED, CALL3(CREATE, 0, WORLD_BLOCK(0), world_config(1)));
	world_start();
}

static void no_call_takes_a_vm_that_is_not_there(void **state)
{
	u64 call;

	(void)state;
	for (call = PRIVATE_CREATE; call < PRIVATE_CALL_END; call++) {
		if (call == PRIVATE_ENTER)
			continue;
		refused(INVALID_PARAM, world_call((enum private_call)call, PRIVATE_VMS, 0, 0, 0, 0));
		refused(INVALID_PARAM, world_call((enum private_call)call, ~0ull, 0, 0, 0, 0));
		if (call != PRIVATE_CREATE)
			refused(INVALID_STATE, world_call((enum private_call)call, 3, 0, 0, 0, 0));
	}
	refused(NOT_SUPPORTED, world_call(PRIVATE_CALL_END, 0, 0, 0, 0, 0));
	refused(NOT_SUPPORTED, world_call((enum private_call)0, 0, 0, 0, 0, 0));
}

static void a_vm_is_made_of_a_free_block(void **state)
{
	(void)state;
	refused(INVALID_ADDRESS, CALL3(CREATE, 0, WORLD_POOL, world_config(1)));
	refused(INVALID_ADDRESS, CALL3(CREATE, 0, WORLD_BLOCK(0) + PAGE_SIZE, world_config(1)));
	refused(INVALID_ADDRESS, CALL3(CREATE, 0, WORLD_POOL + WORLD_POOL_SIZE, world_config(1)));
	refused(INVALID_ADDRESS, CALL3(CREATE, 0, WORLD_RAM, world_config(1)));
	world_vm(0, 1);
	refused(INVALID_STATE, CALL3(CREATE, 0, WORLD_BLOCK(1), world_config(1)));
	refused(INVALID_STATE, CALL3(CREATE, 1, WORLD_BLOCK(0), world_config(1)));
	refused(INVALID_STATE, CALL2(DONATE, 0, WORLD_BLOCK(0)));
	done(CALL2(DONATE, 0, WORLD_BLOCK(1)));
	refused(INVALID_STATE, CALL3(CREATE, 1, WORLD_BLOCK(1), world_config(1)));
	assert_int_equal(use_of(WORLD_BLOCK(0)), PRIVATE_PAGE_OWN);
	assert_int_equal(use_of(FREE(0)), PRIVATE_PAGE_UNUSED);
	assert_true(world_page_is_zero(WORLD_BLOCK(0)));
}

static struct private_config *config(void)
{
	return port_at(world_config(1));
}

static void insane_configurations_are_refused(void **state)
{
	const u64 at = world_config(1);

	(void)state;
#define INSANE(change)                                                        \
	do {                                                                  \
		struct private_config *c = config();                          \
		change;                                                       \
		refused(INVALID_PARAM, CALL3(CREATE, 0, WORLD_BLOCK(0), at)); \
	} while (0)
	INSANE(c->vcpus = 0);
	INSANE(c->vcpus = PRIVATE_VCPUS + 1);
	INSANE(c->ram_size = 0);
	INSANE(c->ram_size += PAGE_SIZE);
	INSANE(c->ram_base += PAGE_SIZE);
	INSANE(c->ram_size = SHARED - c->ram_base + BLOCK_SIZE);
	INSANE(c->ram_base = SHARED);
	INSANE(c->ram_size = ~0ull & ~(BLOCK_SIZE - 1));
	INSANE(c->device_count = PRIVATE_DEVICES + 1);
	INSANE(c->device[0].base = WORLD_GUEST);
	INSANE(c->device[0].base = c->device[1].base);
	INSANE(c->device[0].base++);
	INSANE(c->device[2].kind = 1);
	INSANE(c->device[1].base = SHARED);
	config();
	/* Not where it would be the firmware's or the pool's. */
	refused(INVALID_PARAM, CALL3(CREATE, 0, WORLD_BLOCK(0), WORLD_FIRMWARE));
	refused(INVALID_PARAM, CALL3(CREATE, 0, WORLD_BLOCK(0), WORLD_BLOCK(1)));
	refused(INVALID_PARAM, CALL3(CREATE, 0, WORLD_BLOCK(0), at + 1));
	refused(INVALID_PARAM, CALL3(CREATE, 0, WORLD_BLOCK(0), WORLD_RAM + WORLD_RAM_SIZE - 8));
	refused(INVALID_PARAM, CALL3(CREATE, 0, WORLD_BLOCK(0), ~7ull));
	done(CALL3(CREATE, 0, WORLD_BLOCK(0), at));
}

static void a_leaf_is_of_zeroes_whatever_was_there(void **state)
{
	const u64 at = WORLD_GUEST + 5 * PAGE_SIZE;

	(void)state;
	make_tables();
	done(CALL4(SET, 0, at, 0, FREE(4)));
	assert_true(world_page_is_zero(FREE(4)));
	assert_int_equal(table_private_page(private_vm(0), at), FREE(4));
	assert_int_equal(use_of(FREE(4)), PRIVATE_PAGE_LEAF);
	/* R, W, X, U, A, D: section 8.5.1 of the privileged specification. */
	assert_int_equal(entry_of(at, 0), FREE(4) >> 12 << 10 | 0xdf);
	assert_int_equal(entry_of(at, 1), FREE(1) >> 12 << 10 | 1);
	assert_int_equal(entry_of(at, 2), FREE(0) >> 12 << 10 | 1);
	assert_int_equal(world.fences, 0);
}

static void a_page_has_one_place(void **state)
{
	(void)state;
	make_tables();
	world_vm(1, 1);
	done(CALL2(DONATE, 1, WORLD_BLOCK(2)));
	done(CALL4(SET, 0, WORLD_GUEST, 0, FREE(4)));
	refused(INVALID_STATE, CALL4(SET, 0, WORLD_GUEST, 0, FREE(5)));		    /* full */
	refused(INVALID_STATE, CALL4(SET, 0, WORLD_GUEST + PAGE_SIZE, 0, FREE(4))); /* used */
	refused(INVALID_STATE, CALL4(SET, 0, WORLD_GUEST + PAGE_SIZE, 0, FREE(0))); /* a table */
	refused(INVALID_STATE, CALL4(SET, 0, WORLD_GUEST + PAGE_SIZE, 0, WORLD_BLOCK(0)));
	refused(INVALID_STATE, CALL4(LINK, 0, HUGE(1), 1, FREE(4)));
	refused(INVALID_STATE, CALL3(VCPU, 0, 0, FREE(4)));
	/* Of another VM, of nobody, of the warden, of the host */
	refused(INVALID_ADDRESS, CALL4(SET, 0, WORLD_GUEST + PAGE_SIZE, 0, WORLD_BLOCK(2)));
	refused(INVALID_ADDRESS, CALL4(SET, 0, WORLD_GUEST + PAGE_SIZE, 0, WORLD_BLOCK(3)));
	refused(INVALID_ADDRESS, CALL4(SET, 0, WORLD_GUEST + PAGE_SIZE, 0, WORLD_POOL));
	refused(INVALID_ADDRESS, CALL4(SET, 0, WORLD_GUEST + PAGE_SIZE, 0, RAM_PAGE));
	refused(INVALID_ADDRESS, CALL4(SET, 0, WORLD_GUEST + PAGE_SIZE, 0, FREE(6) + 8));
	refused(INVALID_ADDRESS, CALL4(LINK, 0, HUGE(1), 1, RAM_PAGE));
	/* Not shared, not outside RAM, not in between */
	refused(INVALID_PARAM, CALL4(SET, 0, SHARED | (WORLD_GUEST + PAGE_SIZE), 0, FREE(6)));
	refused(INVALID_PARAM, CALL4(SET, 0, WORLD_GUEST - PAGE_SIZE, 0, FREE(6)));
	refused(INVALID_PARAM, CALL4(SET, 0, WORLD_GUEST + WORLD_GUEST_SIZE, 0, FREE(6)));
	refused(INVALID_PARAM, CALL4(SET, 0, WORLD_GUEST + 8, 0, FREE(6)));
	refused(INVALID_PARAM, CALL4(SET, 0, WORLD_GUEST + PAGE_SIZE, 2, FREE(6)));
	/* No table there */
	refused(INVALID_STATE, CALL4(SET, 0, HUGE(1), 0, FREE(6)));
}

static void a_page_goes_only_if_the_guest_asks(void **state)
{
	const u64 at = WORLD_GUEST + PAGE_SIZE;

	(void)state;
	make_tables();
	done(CALL4(SET, 0, at, 0, FREE(4)));
	memset(port_at(FREE(4)), 's', PAGE_SIZE);
	refused(DENIED, CALL3(CLEAR, 0, at, 0));
	world_asks(0, 0, at + PAGE_SIZE, at + 2 * PAGE_SIZE);
	refused(DENIED, CALL3(CLEAR, 0, at, 0));
	private_vm(0)->conversion[0] = (struct private_conversion){ at, at + PAGE_SIZE, false };
	refused(DENIED, CALL3(CLEAR, 0, at, 0));
	refused(INVALID_STATE, CALL3(CLEAR, 0, at + PAGE_SIZE, 0));
	refused(INVALID_STATE, CALL3(UNLINK, 0, at, 1));

	world_asks(0, 0, at, at + PAGE_SIZE);
	done(CALL3(CLEAR, 0, at, 0));
	assert_int_equal(world.value, FREE(4));
	assert_int_equal(world.fences, 1);
	assert_int_equal(world.fenced, private_vm(0)->vmid);
	assert_true(world_page_is_zero(FREE(4)));
	assert_int_equal(use_of(FREE(4)), PRIVATE_PAGE_UNUSED);
	refused(INVALID_STATE, CALL3(CLEAR, 0, at, 0));
}

static void a_large_leaf_is_split_and_merged(void **state)
{
	u64 i;

	(void)state;
	make_tables();
	done(CALL2(DONATE, 0, WORLD_BLOCK(1)));
	refused(INVALID_STATE, CALL4(SET, 0, HUGE(1), 1, FREE(4)));
	refused(INVALID_PARAM, CALL4(SET, 0, HUGE(1) + PAGE_SIZE, 1, WORLD_BLOCK(1)));
	refused(INVALID_STATE, CALL4(SET, 0, HUGE(0), 1, WORLD_BLOCK(1)));
	done(CALL4(SET, 0, HUGE(1), 1, WORLD_BLOCK(1)));
	assert_int_equal(use_of(WORLD_BLOCK(1) + 7 * PAGE_SIZE), PRIVATE_PAGE_HUGE);
	for (i = 0; i < TABLE_ENTRIES; i++) {
		assert_true(world_page_is_zero(WORLD_BLOCK(1) + i * PAGE_SIZE));
		*(u64 *)port_at(WORLD_BLOCK(1) + i * PAGE_SIZE) = i;
	}
	refused(INVALID_STATE, CALL3(SPLIT, 0, HUGE(0), FREE(4)));
	refused(INVALID_STATE, CALL3(SPLIT, 0, HUGE(1), FREE(0)));
	refused(INVALID_ADDRESS, CALL3(SPLIT, 0, HUGE(1), RAM_PAGE));
	refused(INVALID_STATE, CALL3(CLEAR, 0, HUGE(1), 0));
	done(CALL3(SPLIT, 0, HUGE(1) + 3 * PAGE_SIZE, FREE(4)));
	refused(INVALID_STATE, CALL3(SPLIT, 0, HUGE(1), FREE(5)));
	world_check();
	for (i = 0; i < TABLE_ENTRIES; i++)
		assert_int_equal(*(u64 *)port_at(table_private_page(private_vm(0), HUGE(1) + i * PAGE_SIZE)),
				 i);

	done(CALL2(MERGE, 0, HUGE(1)));
	assert_int_equal(world.value, FREE(4));
	assert_int_equal(world.fences, 1);
	assert_true(world_page_is_zero(FREE(4)));
	refused(INVALID_STATE, CALL2(MERGE, 0, HUGE(1)));
	world_check();

	/* One page gone, or another in its place: it stays as it is. */
	done(CALL3(SPLIT, 0, HUGE(1), FREE(4)));
	world_asks(0, 0, HUGE(1), HUGE(2));
	done(CALL3(CLEAR, 0, HUGE(1) + PAGE_SIZE, 0));
	refused(INVALID_STATE, CALL2(MERGE, 0, HUGE(1)));
	done(CALL4(SET, 0, HUGE(1) + PAGE_SIZE, 0, FREE(5)));
	refused(INVALID_STATE, CALL2(MERGE, 0, HUGE(1)));
	refused(INVALID_STATE, CALL2(MERGE, 0, HUGE(0)));
}

static void a_whole_large_leaf_can_be_shared(void **state)
{
	(void)state;
	make_tables();
	done(CALL2(DONATE, 0, WORLD_BLOCK(1)));
	done(CALL4(SET, 0, HUGE(1), 1, WORLD_BLOCK(1)));
	memset(port_at(WORLD_BLOCK(1)), 's', BLOCK_SIZE);
	world_asks(0, 0, HUGE(1), HUGE(2) - PAGE_SIZE);
	refused(DENIED, CALL3(CLEAR, 0, HUGE(1), 1));
	world_asks(0, 0, HUGE(1), HUGE(2));
	done(CALL3(CLEAR, 0, HUGE(1), 1));
	assert_true(pool_block_is_unused(WORLD_BLOCK(1)));
	assert_true(world_page_is_zero(WORLD_BLOCK(1) + BLOCK_SIZE - PAGE_SIZE));
}

static void shared_leaves_lead_to_ordinary_memory(void **state)
{
	const u64 at = SHARED | WORLD_GUEST;

	(void)state;
	make_tables();
	refused(INVALID_ADDRESS, CALL4(SHARE, 0, at, 0, FREE(4)));
	refused(INVALID_ADDRESS, CALL4(SHARE, 0, at, 0, WORLD_POOL));
	refused(INVALID_ADDRESS, CALL4(SHARE, 0, at, 0, WORLD_FIRMWARE));
	refused(INVALID_ADDRESS, CALL4(SHARE, 0, at, 0, RAM_PAGE + 8));
	refused(INVALID_ADDRESS, CALL4(SHARE, 0, at, 0, 0x10000000));
	refused(INVALID_PARAM, CALL4(SHARE, 0, WORLD_GUEST, 0, RAM_PAGE));
	refused(INVALID_PARAM, CALL4(SHARE, 0, at, 1, WORLD_RAM));
	done(CALL4(SHARE, 0, at, 0, RAM_PAGE));
	/* Without X */
	assert_int_equal(entry_of(at, 0), RAM_PAGE >> 12 << 10 | 0xd7);
	refused(INVALID_STATE, CALL4(SHARE, 0, at, 0, RAM_PAGE));
	refused(INVALID_STATE, CALL4(SET, 0, WORLD_GUEST, 0, FREE(4)));
	refused(INVALID_PARAM, CALL3(CLEAR, 0, at, 0));
	refused(INVALID_PARAM, CALL3(UNSHARE, 0, WORLD_GUEST, 0));
	done(CALL3(UNSHARE, 0, at, 0));
	assert_int_equal(world.fences, 1);
	done(CALL4(SET, 0, WORLD_GUEST, 0, FREE(4)));
	refused(INVALID_STATE, CALL4(SHARE, 0, at, 0, RAM_PAGE));
	refused(INVALID_STATE, CALL3(UNSHARE, 0, at, 0));
}

static void no_large_leaf_over_a_shared_page(void **state)
{
	(void)state;
	make_tables();
	done(CALL2(DONATE, 0, WORLD_BLOCK(1)));
	done(CALL4(LINK, 0, SHARED | HUGE(1), 1, FREE(4)));
	done(CALL4(SHARE, 0, SHARED | (HUGE(1) + PAGE_SIZE), 0, RAM_PAGE));
	refused(INVALID_STATE, CALL4(SET, 0, HUGE(1), 1, WORLD_BLOCK(1)));
	done(CALL3(UNSHARE, 0, SHARED | (HUGE(1) + PAGE_SIZE), 0));
	done(CALL4(SET, 0, HUGE(1), 1, WORLD_BLOCK(1)));
	refused(INVALID_STATE, CALL4(SHARE, 0, SHARED | (HUGE(1) + PAGE_SIZE), 0, RAM_PAGE));
}

static void an_empty_table_can_be_taken_back(void **state)
{
	(void)state;
	make_tables();
	refused(INVALID_STATE, CALL3(UNLINK, 0, WORLD_GUEST, 2));
	refused(INVALID_PARAM, CALL3(UNLINK, 0, WORLD_GUEST, 0));
	refused(INVALID_PARAM, CALL3(UNLINK, 0, WORLD_GUEST, 3));
	done(CALL3(UNLINK, 0, WORLD_GUEST, 1));
	assert_int_equal(world.value, FREE(1));
	assert_int_equal(world.fences, 1);
	refused(INVALID_STATE, CALL3(UNLINK, 0, WORLD_GUEST, 1));
	done(CALL3(UNLINK, 0, WORLD_GUEST, 2));
	assert_int_equal(use_of(FREE(0)), PRIVATE_PAGE_UNUSED);
	done(CALL4(LINK, 0, WORLD_GUEST, 2, FREE(1)));
}

static void nothing_is_written_outside_ordinary_memory(void **state)
{
	(void)state;
	make_tables();
	refused(INVALID_ADDRESS, CALL4(READ_TABLE, 0, WORLD_GUEST, 0, FREE(4)));
	refused(INVALID_ADDRESS, CALL4(READ_TABLE, 0, WORLD_GUEST, 0, WORLD_FIRMWARE));
	refused(INVALID_ADDRESS, CALL4(READ_TABLE, 0, WORLD_GUEST, 0, RAM_PAGE + 8));
	refused(INVALID_STATE, CALL4(READ_TABLE, 0, HUGE(1), 0, RAM_PAGE));
	refused(INVALID_PARAM, CALL4(READ_TABLE, 0, WORLD_GUEST, 3, RAM_PAGE));
	refused(INVALID_ADDRESS, CALL3(READ_BLOCK, 0, WORLD_BLOCK(0), FREE(4)));
	refused(INVALID_ADDRESS, CALL3(READ_BLOCK, 0, WORLD_BLOCK(0), WORLD_RAM + WORLD_RAM_SIZE - 511));
	refused(DENIED, CALL3(READ_BLOCK, 0, WORLD_BLOCK(1), RAM_PAGE));
}

static void a_vm_that_lives_keeps_what_it_uses(void **state)
{
	(void)state;
	make_tables();
	done(CALL2(DONATE, 0, WORLD_BLOCK(1)));
	done(CALL4(SET, 0, WORLD_GUEST, 0, WORLD_BLOCK(1) + PAGE_SIZE));
	refused(INVALID_STATE, CALL2(RECLAIM, 0, WORLD_BLOCK(0)));
	refused(INVALID_STATE, CALL2(RECLAIM, 0, WORLD_BLOCK(1)));
	refused(DENIED, CALL2(RECLAIM, 0, WORLD_BLOCK(2)));
	refused(INVALID_ADDRESS, CALL2(RECLAIM, 0, WORLD_POOL));
	world_asks(0, 0, WORLD_GUEST, WORLD_GUEST + PAGE_SIZE);
	done(CALL3(CLEAR, 0, WORLD_GUEST, 0));
	done(CALL2(RECLAIM, 0, WORLD_BLOCK(1)));
	refused(DENIED, CALL2(RECLAIM, 0, WORLD_BLOCK(1)));
}

static u64 secret_page;

/* While a hart may still have a way to it, a page keeps what it has. */
static void secret_is_still_there(u32 vmid)
{
	(void)vmid;
	assert_int_equal(*(u8 *)port_at(secret_page), 's');
}

static void a_vm_that_ends_leaves_zeroes(void **state)
{
	(void)state;
	make_tables();
	done(CALL2(DONATE, 0, WORLD_BLOCK(1)));
	done(CALL4(SET, 0, HUGE(1), 1, WORLD_BLOCK(1)));
	memset(port_at(WORLD_BLOCK(1)), 's', BLOCK_SIZE);
	secret_page = WORLD_BLOCK(1);
	world.at_fence = secret_is_still_there;
	private_vm(0)->running = 1;
	done(CALL2(END, 0, 0));
	done(CALL2(END, 0, 0));
	refused(INVALID_STATE, CALL2(RECLAIM, 0, WORLD_BLOCK(1)));
	refused(INVALID_STATE, CALL2(DONATE, 0, WORLD_BLOCK(2)));
	refused(INVALID_STATE, CALL4(SET, 0, WORLD_GUEST, 0, FREE(4)));
	refused(INVALID_STATE, CALL4(READ_TABLE, 0, WORLD_GUEST, 0, RAM_PAGE));
	private_vm(0)->running = 0;
	done(CALL2(RECLAIM, 0, WORLD_BLOCK(1)));
	assert_int_equal(world.fences, 1);
	assert_true(world_page_is_zero(WORLD_BLOCK(1)));
	done(CALL2(INFO, PRIVATE_INFO_VM, 0));
	assert_int_equal(world.value, PRIVATE_VM_ENDING);
	done(CALL2(RECLAIM, 0, WORLD_BLOCK(0)));
	assert_int_equal(world.fences, 1);
	assert_true(world_page_is_zero(FREE(0)));
	done(CALL2(INFO, PRIVATE_INFO_VM, 0));
	assert_int_equal(world.value, PRIVATE_VM_NONE);
	refused(INVALID_STATE, CALL2(END, 0, 0));
	done(CALL2(INFO, PRIVATE_INFO_FREE, 0));
	assert_int_equal(world.value, WORLD_BLOCKS);
	world.at_fence = NULL;
	world_vm(0, 2);
	assert_null(private_vm(0)->vcpu[0]);
}

static void what_another_hart_works_on_is_to_be_asked_again(void **state)
{
	(void)state;
	make_tables();
	private_vm(0)->lock.taken = 1;
	refused(BUSY, CALL4(SET, 0, WORLD_GUEST, 0, FREE(4)));
	refused(BUSY, CALL2(END, 0, 0));
	private_vm(0)->lock.taken = 0;
	done(CALL4(SET, 0, WORLD_GUEST, 0, FREE(4)));
}

static void a_launch_ends(void **state)
{
	(void)state;
	make_tables();
	private_vm(0)->config.vcpus = 2;
	refused(INVALID_STATE, CALL4(LOAD, 0, WORLD_GUEST, RAM_PAGE, 1));
	done(CALL4(SET, 0, WORLD_GUEST, 0, FREE(4)));
	refused(INVALID_ADDRESS, CALL4(LOAD, 0, WORLD_GUEST, RAM_PAGE, 0));
	refused(INVALID_ADDRESS, CALL4(LOAD, 0, WORLD_GUEST, RAM_PAGE, PAGE_SIZE + 1));
	refused(INVALID_ADDRESS, CALL4(LOAD, 0, WORLD_GUEST, WORLD_FIRMWARE + WORLD_FIRMWARE_SIZE - 1, 2));
	refused(INVALID_ADDRESS, CALL4(LOAD, 0, WORLD_GUEST, FREE(4), 1));
	refused(INVALID_PARAM, CALL4(LOAD, 0, SHARED | WORLD_GUEST, RAM_PAGE, 1));
	memcpy(port_at(RAM_PAGE + 1), "kernel", 6);
	done(CALL4(LOAD, 0, WORLD_GUEST, RAM_PAGE + 1, 6));
	assert_memory_equal(port_at(FREE(4)), "kernel\0", 7);

	refused(INVALID_STATE, CALL3(FINAL, 0, WORLD_GUEST, 7));
	refused(INVALID_PARAM, CALL3(VCPU, 0, 2, FREE(5)));
	done(CALL3(VCPU, 0, 0, FREE(5)));
	refused(INVALID_STATE, CALL3(VCPU, 0, 0, FREE(6)));
	refused(INVALID_STATE, CALL3(FINAL, 0, WORLD_GUEST, 7));
	refused(INVALID_STATE, CALL3(VCPU, 0, 1, FREE(5)));
	done(CALL3(VCPU, 0, 1, FREE(6)));
	refused(INVALID_PARAM, CALL3(FINAL, 0, WORLD_GUEST + 1, 7));
	done(CALL3(FINAL, 0, WORLD_GUEST, 7));
	refused(INVALID_STATE, CALL4(LOAD, 0, WORLD_GUEST, RAM_PAGE, 1));
	refused(INVALID_STATE, CALL3(FINAL, 0, WORLD_GUEST, 7));
	refused(INVALID_STATE, CALL3(VCPU, 0, 1, FREE(7)));
	done(CALL4(SET, 0, WORLD_GUEST + PAGE_SIZE, 0, FREE(7)));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(info_tells_of_pool_and_blocks),
		TEST(without_a_pool_only_info_answers),
		TEST(no_call_takes_a_vm_that_is_not_there),
		TEST(a_vm_is_made_of_a_free_block),
		TEST(insane_configurations_are_refused),
		TEST(a_leaf_is_of_zeroes_whatever_was_there),
		TEST(a_page_has_one_place),
		TEST(a_page_goes_only_if_the_guest_asks),
		TEST(a_large_leaf_is_split_and_merged),
		TEST(a_whole_large_leaf_can_be_shared),
		TEST(shared_leaves_lead_to_ordinary_memory),
		TEST(no_large_leaf_over_a_shared_page),
		TEST(an_empty_table_can_be_taken_back),
		TEST(nothing_is_written_outside_ordinary_memory),
		TEST(a_vm_that_lives_keeps_what_it_uses),
		TEST(a_vm_that_ends_leaves_zeroes),
		TEST(what_another_hart_works_on_is_to_be_asked_again),
		TEST(a_launch_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
