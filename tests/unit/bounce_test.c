/* Where the bounce buffers of a confidential VM lie, and what the warden is told of its devices. */
#include "core/devices/vdev.h"
#include "core/private/bounce.h"
#include "tests/unit/devices.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct blk_backend *blk_backends[BLK_BACKENDS_MAX];

void entropy_read(void *to, size_t bytes)
{
	memset(to, 0, bytes);
}

void drivers_poll(void)
{
}

static const struct vm_config mixed = {
	.flags = VM_CONFIDENTIAL,
	.devices = { [1] = { .kind = VM_DEV_BLK },
		     [2] = { .kind = VM_DEV_NET },
		     [5] = { .kind = VM_DEV_RNG } },
};

static void test_each_queue_has_its_own(void **state)
{
	u64 at = BOUNCE_BASE;
	unsigned count;

	(void)state;
	assert_true(bounce_queue(&mixed, 1, 0, &count) == at && count == BOUNCE_BLK_COUNT);
	at += BOUNCE_BLK_COUNT * BOUNCE_SIZE;
	assert_true(bounce_queue(&mixed, 2, 0, &count) == at && count == 1);
	at += BOUNCE_SIZE;
	assert_true(bounce_queue(&mixed, 2, 1, &count) == at && count == 1);
	at += BOUNCE_SIZE;
	assert_true(bounce_queue(&mixed, 5, 0, &count) == at && count == 1);
	assert_true(bounce_bytes(&mixed) == at + BOUNCE_SIZE - BOUNCE_BASE);
}

static void test_none_for_an_ordinary_vm(void **state)
{
	struct vm_config config = mixed;

	(void)state;
	config.flags = 0;
	assert_true(bounce_bytes(&config) == 0);
}

static void test_the_warden_is_told(void **state)
{
	struct private_config told = { .vcpus = 3 };

	(void)state;
	bounce_declare(&mixed, &told);
	assert_true(told.vcpus == 3 && told.device_count == 3);
	assert_true(told.device[0].base == GUEST_VIRTIO_BASE + GUEST_VIRTIO_STRIDE &&
		    told.device[0].kind == 2);
	assert_true(told.device[1].base == GUEST_VIRTIO_BASE + 2 * GUEST_VIRTIO_STRIDE &&
		    told.device[1].kind == 1);
	assert_true(told.device[2].base == GUEST_VIRTIO_BASE + 5 * GUEST_VIRTIO_STRIDE &&
		    told.device[2].kind == 4);
	assert_true(told.device[3].base == 0);
	assert_int_equal(bounce_queue_number(&mixed, 1, 0), 0);
	assert_int_equal(bounce_queue_number(&mixed, 2, 1), PRIVATE_QUEUES + 1);
}

/* It has a table of its own of what the devices say of themselves. */
static void test_agrees_with_the_devices(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < vdev_kind_count; kind++) {
		struct vm_config config = { .flags = VM_CONFIDENTIAL, .devices = { { .kind = kind } } };
		struct private_config told = { 0 };
		unsigned count;

		bounce_declare(&config, &told);
		if (!vdev_kinds[kind]) {
			assert_true(told.device_count == 0);
			continue;
		}
		assert_true(told.device_count == 1 && told.device[0].kind == vdev_kinds[kind]->id);
		bounce_queue(&config, 0, 0, &count);
		assert_true(bounce_bytes(&config) == vdev_kinds[kind]->queues * count * BOUNCE_SIZE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_queue_has_its_own),
		cmocka_unit_test(test_none_for_an_ordinary_vm),
		cmocka_unit_test(test_the_warden_is_told),
		cmocka_unit_test(test_agrees_with_the_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
