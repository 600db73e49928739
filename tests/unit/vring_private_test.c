/* Rings of confidential VMs as the hypervisor serves them: pages that are missing, limits, queues that go away. */
#define DEVICES_CONFIDENTIAL
#include "core/devices/net_switch.h"
#include "tests/unit/devices.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define RNG  0
#define DISK 1

#define QUEUE_BASE (GUEST_RAM_BASE + 0x10000)
#define DATA	   (GUEST_RAM_BASE + 0x40000)

static const struct vm_device_config devices[VM_MAX_DEVICES] = {
	[RNG] = { .kind = VM_DEV_RNG },
	[DISK] = { .kind = VM_DEV_BLK },
};

static int submit(struct blk_backend *b, struct blk_request *r)
{
	(void)b;
	r->done(r, 0);
	return 0;
}

static struct blk_backend disk = { .sectors = 1024, .submit = submit };
struct blk_backend *blk_backends[BLK_BACKENDS_MAX] = { &disk };

void entropy_read(void *to, size_t bytes)
{
	memset(to, 0x5a, bytes);
}

void drivers_poll(void)
{
}

static int set_up(void **state)
{
	(void)state;
	devices_start();
	devices_vm(1, devices);
	return 0;
}

static struct driver_queue start(unsigned slot)
{
	struct driver_queue q = { .slot = slot, .base = QUEUE_BASE, .num = 16 };

	driver_begin(0, slot);
	driver_queue_start(&q);
	driver_ok(0, slot);
	return q;
}

static void ask_random(struct driver_queue *q, u64 at, u32 bytes)
{
	const struct driver_desc buffer = { .at = at, .bytes = bytes, .flags = DRIVER_WRITE };

	driver_add(q, &buffer, 1);
	driver_kick(q);
	guest_loop();
}

static void missing_pages_are_made(void **state)
{
	const u64 pages[] = { DATA, DATA + 0x1000, QUEUE_BASE + DRIVER_AVAIL, QUEUE_BASE + DRIVER_USED };
	struct driver_queue q = start(RNG);
	u32 head, bytes;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
		rings_host_lose(pages[i]);
		ask_random(&q, DATA + 0xff0, 32);
		assert_true(driver_take(&q, &head, &bytes));
		assert_int_equal(bytes, 32);
		assert_int_equal(*(u8 *)guest_ram(0, DATA + 0x100f), 0x5a);
		memset(guest_ram(0, DATA), 0, 0x2000);
	}
	assert_false(driver_broken(0, RNG));
	assert_true(driver_line(0, RNG));
}

/* No leaf can be made where the guest has no such page. */
static void pages_that_cannot_be_made_break_the_device(void **state)
{
	struct driver_queue q = start(RNG);

	(void)state;
	ask_random(&q, PRIVATE_SHARED_BIT | DATA, 32);
	assert_true(driver_broken(0, RNG));
	assert_int_equal(driver_used_idx(&q), 0);
}

static void what_does_not_fit_breaks_the_device(void **state)
{
	struct driver_queue q = start(RNG);

	(void)state;
	ask_random(&q, DATA, (u32)BOUNCE_SIZE);
	assert_int_equal(driver_used_idx(&q), 1);
	ask_random(&q, DATA, (u32)BOUNCE_SIZE + 1);
	assert_true(driver_broken(0, RNG));
	assert_non_null(strstr(fixture_log(), "a request of 65537 bytes is longer than its bounce buffer"));
	/* And after a reset it works again. */
	q = start(RNG);
	ask_random(&q, DATA, 16);
	assert_int_equal(driver_used_idx(&q), 1);
}

/* The warden sees a reset before the hypervisor does: what completes in between is for nobody, and nobody's mistake. */
static void a_reset_on_its_way(void **state)
{
	struct driver_queue q = start(RNG);

	(void)state;
	rings_host_store(0, driver_reg(RNG, 0x70), 4, 0);
	ask_random(&q, DATA, 16);
	assert_int_equal(driver_used_idx(&q), 0);
	assert_false(driver_broken(0, RNG));
	assert_int_equal(*(u8 *)guest_ram(0, DATA), 0);
	q = start(RNG);
	ask_random(&q, DATA, 16);
	assert_int_equal(driver_used_idx(&q), 1);
}

static void a_disk_says_what_fits(void **state)
{
	u32 size_max, seg_max;

	(void)state;
	/* Made while the VM is a confidential one. */
	assert_int_equal(virtio_create(vms[0], DISK), 0);
	assert_true(driver_begin(0, DISK) & 2);
	size_max = driver_in(0, DISK, 0x108);
	seg_max = driver_in(0, DISK, 0x10c);
	assert_int_equal(size_max, PAGE_SIZE);
	/* With header and status. */
	assert_true(16 + (u64)size_max * seg_max + 1 <= BOUNCE_SIZE);
	assert_true(seg_max >= 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(missing_pages_are_made, set_up),
		cmocka_unit_test_setup(pages_that_cannot_be_made_break_the_device, set_up),
		cmocka_unit_test_setup(what_does_not_fit_breaks_the_device, set_up),
		cmocka_unit_test_setup(a_reset_on_its_way, set_up),
		cmocka_unit_test_setup(a_disk_says_what_fits, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
