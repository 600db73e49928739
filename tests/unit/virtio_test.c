/*
 * The virtio transport and its rings, on the simplest device (entropy): negotiation, what a hostile driver can do, and
 * register writes across crashes.
 */
#include "tests/unit/devices.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define RNG	0
#define CONSOLE 2

#define QUEUE_BASE (GUEST_RAM_BASE + 0x10000)
#define DATA	   (GUEST_RAM_BASE + 0x30000)
#define RAM_END	   (GUEST_RAM_BASE + DEVICES_MEMORY)

static const struct vm_device_config devices[VM_MAX_DEVICES] = {
	[RNG] = { .kind = VM_DEV_RNG },
	[CONSOLE] = { .kind = VM_DEV_CONSOLE },
};

static struct driver_queue rng_queue(void)
{
	return (struct driver_queue){ .vm = 0, .slot = RNG, .base = QUEUE_BASE, .num = 8 };
}

/* Starts the entropy device with one queue. */
static struct driver_queue rng_start(void)
{
	struct driver_queue q = rng_queue();

	driver_begin(0, RNG);
	driver_queue_start(&q);
	driver_ok(0, RNG);
	return q;
}

static int set_up(void **state)
{
	(void)state;
	devices_start();
	devices_vm(1, devices);
	return 0;
}

/* ---- Transport ---- */

static void a_slot_says_what_it_is(void **state)
{
	u64 value;

	(void)state;
	assert_int_equal(driver_in(0, RNG, 0x00), 0x74726976);
	assert_int_equal(driver_in(0, RNG, 0x04), 2);
	assert_int_equal(driver_in(0, RNG, 0x08), 4);
	assert_int_equal(driver_in(0, CONSOLE, 0x08), 3);
	assert_int_equal(driver_in(0, RNG, 0x34), VQUEUE_SIZE_MAX);
	driver_out(0, RNG, 0x30, 1);
	assert_int_equal(driver_in(0, RNG, 0x34), 0);
	assert_int_equal(driver_in(0, RNG, 0x44), 0);
	driver_out(0, RNG, 0x30, 0xffffffff);
	assert_int_equal(driver_in(0, RNG, 0x34), 0);
	driver_out(0, CONSOLE, 0x30, 1);
	assert_int_equal(driver_in(0, CONSOLE, 0x34), VQUEUE_SIZE_MAX);
	assert_int_equal(driver_in(0, RNG, 0xfc), 0);
	assert_int_equal(driver_in(0, RNG, 0xb0), 0xffffffff);
	assert_int_equal(driver_in(0, RNG, 0xb4), 0xffffffff);
	assert_int_equal(driver_in(0, RNG, 0xc0), 0);
	/* Empty slots are no bus; registers are words; configuration is bytes. */
	assert_int_equal(guest_access(0, 0, driver_reg(1, 0), 4, false, &value), -EFAULT);
	assert_int_equal(guest_access(0, 0, driver_reg(1, 0), 4, true, &value), -EFAULT);
	assert_int_equal(guest_access(0, 0, driver_reg(VM_MAX_DEVICES, 0), 4, false, &value), -EFAULT);
	assert_int_equal(guest_access(0, 0, driver_reg(RNG, 0), 2, false, &value), -EFAULT);
	assert_int_equal(guest_access(0, 0, driver_reg(RNG, 0x70), 1, true, &value), -EFAULT);
	assert_int_equal(guest_access(0, 0, driver_reg(RNG, 0x100), 1, false, &value), 0);
	assert_int_equal(guest_access(0, 0, driver_reg(RNG, 0x1f8), 8, false, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(guest_access(0, 0, driver_reg(RNG, 0xff8), 8, true, &value), 0);
}

static void features_must_be_offered_and_modern(void **state)
{
	u64 features;

	(void)state;
	driver_out(0, RNG, 0x70, 3);
	driver_out(0, RNG, 0x70, 11);
	assert_int_equal(driver_in(0, RNG, 0x70), 3);
	/* VERSION_1 and one that nobody offered. */
	driver_out(0, RNG, 0x24, 1);
	driver_out(0, RNG, 0x20, 1);
	driver_out(0, RNG, 0x24, 0);
	driver_out(0, RNG, 0x20, 1u << 29);
	driver_out(0, RNG, 0x70, 11);
	assert_int_equal(driver_in(0, RNG, 0x70), 3);
	driver_out(0, RNG, 0x70, 15);
	assert_int_equal(driver_in(0, RNG, 0x70), 3);
	/* High words that do not exist. */
	driver_out(0, RNG, 0x24, 2);
	driver_out(0, RNG, 0x20, ~0u);
	driver_out(0, RNG, 0x14, 2);
	assert_int_equal(driver_in(0, RNG, 0x10), 0);
	features = driver_begin(0, RNG);
	assert_int_equal(features, 1ull << 32 | 1ull << 28);
	/* Settled from here on. */
	driver_out(0, RNG, 0x24, 0);
	driver_out(0, RNG, 0x20, ~0u);
	assert_int_equal(vms[0]->s->dev[RNG].driver_features, features);
	driver_out(0, RNG, 0x70, 0);
	assert_int_equal(driver_in(0, RNG, 0x70), 0);
}

static void a_reset_forgets_everything(void **state)
{
	struct driver_queue q = rng_start();
	const struct driver_desc buffer = { .at = DATA, .bytes = 16, .flags = DRIVER_WRITE };
	static const struct vdev_state nothing;

	(void)state;
	driver_add(&q, &buffer, 1);
	driver_kick(&q);
	assert_true(driver_line(0, RNG));
	driver_out(0, RNG, 0x70, 0);
	assert_false(driver_line(0, RNG));
	assert_memory_equal(&vms[0]->s->dev[RNG], &nothing, sizeof(nothing));
	/* Kicks of a dead device are nothing. */
	driver_kick(&q);
	guest_loop();
	q = rng_start();
	driver_add(&q, &buffer, 1);
	driver_kick(&q);
	assert_int_equal(driver_used_idx(&q), 1);
}

static void queues_that_cannot_be_break_the_device(void **state)
{
	const u64 base = QUEUE_BASE;
	const struct {
		u16 num;
		u64 desc, avail, used;
	} bad[] = {
		{ 0, base, base + 0x2000, base + 0x3000 },
		{ 3, base, base + 0x2000, base + 0x3000 },
		{ 512, base, base + 0x2000, base + 0x3000 },
		{ 8, base + 8, base + 0x2000, base + 0x3000 },
		{ 8, base, base + 0x2001, base + 0x3000 },
		{ 8, base, base + 0x2000, base + 0x3002 },
		{ 8, 0, base, base },
		{ 8, base, GUEST_RAM_BASE - 2, base },
		{ 8, base, base, RAM_END - 64 },
		{ 8, RAM_END - 112, base, base },
		{ 8, ~0ull - 15, base, base },
		{ 8, base, base, ~0ull - 3 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct driver_queue q = rng_queue();

		q.num = bad[i].num;
		driver_begin(0, RNG);
		driver_queue_addresses(&q, bad[i].desc, bad[i].avail, bad[i].used);
		assert_int_equal(driver_in(0, RNG, 0x44), 0);
		assert_true(driver_broken(0, RNG));
		driver_ok(0, RNG);
		driver_kick(&q);
		assert_true(virtio_valid(vms[0], RNG));
	}
	/* The largest that fits, up to the last byte of RAM. */
	struct driver_queue q = rng_queue();

	driver_begin(0, RNG);
	driver_queue_addresses(&q, base, base, RAM_END - 4 - 8 * 8);
	assert_int_equal(driver_in(0, RNG, 0x44), 1);
	assert_false(driver_broken(0, RNG));
	/* In use it does not move. */
	driver_out(0, RNG, 0x80, 0);
	driver_out(0, RNG, 0x38, 4);
	assert_int_equal(vms[0]->s->dev[RNG].queue[0].desc, base);
	assert_int_equal(vms[0]->s->dev[RNG].queue[0].num, 8);
	driver_out(0, RNG, 0x44, 0);
	assert_int_equal(driver_in(0, RNG, 0x44), 0);
}

/* ---- Rings ---- */

static void it_fills_buffers_in_order(void **state)
{
	struct driver_queue q = rng_start();
	u32 head, bytes;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		const struct driver_desc buffer = { .at = DATA + 64ull * i,
						    .bytes = 8,
						    .flags = DRIVER_WRITE };

		driver_add(&q, &buffer, 1);
		if (i % 4 != 3)
			continue;
		driver_kick(&q);
		assert_true(driver_line(0, RNG));
		assert_true(driver_interrupted(0, RNG));
		driver_acknowledge(0, RNG);
		assert_false(driver_line(0, RNG));
		for (unsigned k = i - 3; k <= i; k++) {
			assert_true(driver_take(&q, &head, &bytes));
			assert_int_equal(head, k % 8);
			assert_int_equal(bytes, 8);
			assert_memory_equal(guest_ram(0, DATA + 64ull * k), "\0\1\2\3\4\5\6\7", 8);
		}
		assert_false(driver_take(&q, &head, &bytes));
	}
}

static void interrupts_can_be_declined(void **state)
{
	struct driver_queue q = rng_start();
	const struct driver_desc buffer = { .at = DATA, .bytes = 8, .flags = DRIVER_WRITE };
	u16 *avail = driver_avail(&q);

	(void)state;
	avail[0] = 1;
	driver_add(&q, &buffer, 1);
	driver_kick(&q);
	assert_int_equal(driver_used_idx(&q), 1);
	assert_false(driver_line(0, RNG));
	avail[0] = 0;
	driver_add(&q, &buffer, 1);
	driver_kick(&q);
	assert_true(driver_line(0, RNG));
}

static void long_and_indirect_chains_are_followed(void **state)
{
	struct driver_queue q = rng_start();
	struct driver_desc buffers[VRING_CHAIN_MAX];
	struct driver_desc indirect = { .at = DATA + 0x8000, .flags = DRIVER_INDIRECT };
	u8 *data = guest_ram(0, DATA);
	u32 head, bytes;

	(void)state;
	for (unsigned i = 0; i < VRING_CHAIN_MAX; i++)
		buffers[i] =
			(struct driver_desc){ .at = DATA + 16ull * i, .bytes = 1, .flags = DRIVER_WRITE };
	driver_add(&q, buffers, 8);
	driver_kick(&q);
	assert_true(driver_take(&q, &head, &bytes));
	assert_int_equal(bytes, 8);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(data[16 * i], i);

	/* An indirect table of as many as there may be. */
	memset(data, 0xee, 0x1000);
	for (unsigned i = 0; i < VRING_CHAIN_MAX - 1; i++) {
		buffers[i].flags |= DRIVER_NEXT;
		buffers[i].next = (u16)(i + 1);
	}
	memcpy(guest_ram(0, indirect.at), buffers, sizeof(buffers));
	indirect.bytes = VRING_CHAIN_MAX * 16;
	driver_add(&q, &indirect, 1);
	driver_kick(&q);
	assert_true(driver_take(&q, &head, &bytes));
	assert_int_equal(bytes, VRING_CHAIN_MAX);
	assert_int_equal(data[16 * (VRING_CHAIN_MAX - 1)], VRING_CHAIN_MAX - 1);
	assert_int_equal(data[16 * VRING_CHAIN_MAX], 0xee);
	/* One buffer in front of it is one too many. */
	buffers[0].flags = DRIVER_WRITE;
	driver_add(&q, (struct driver_desc[]){ buffers[0], indirect }, 2);
	driver_kick(&q);
	assert_true(driver_broken(0, RNG));
}

static void buffers_of_no_bytes_are_no_harm(void **state)
{
	struct driver_queue q = rng_start();
	const struct driver_desc empty[2] = { { .at = DATA, .flags = DRIVER_WRITE }, { .at = DATA } };
	u32 head, bytes;

	(void)state;
	driver_add(&q, empty, 2);
	driver_kick(&q);
	assert_true(driver_take(&q, &head, &bytes));
	assert_int_equal(bytes, 0);
	assert_false(driver_broken(0, RNG));
}

/* ---- Hostile drivers ---- */

static void bad_next(struct driver_queue *q)
{
	driver_desc(q, 0)->flags |= DRIVER_NEXT;
	driver_desc(q, 0)->next = q->num;
}

static void circle(struct driver_queue *q)
{
	driver_desc(q, 0)->flags |= DRIVER_NEXT;
	driver_desc(q, 0)->next = 0;
}

static void bad_head(struct driver_queue *q)
{
	driver_avail(q)[2] = q->num;
}

static void far_index(struct driver_queue *q)
{
	driver_avail(q)[1] = (u16)(q->num + 1);
}

static void index_backwards(struct driver_queue *q)
{
	driver_avail(q)[1] = 0xffff;
}

static void below_ram(struct driver_queue *q)
{
	driver_desc(q, 0)->at = GUEST_RAM_BASE - 1;
}

static void over_the_end(struct driver_queue *q)
{
	driver_desc(q, 0)->at = RAM_END - 15;
}

static void around_zero(struct driver_queue *q)
{
	driver_desc(q, 0)->at = ~0ull - 7;
}

static void huge(struct driver_queue *q)
{
	driver_desc(q, 0)->bytes = ~0u;
}

static void onto_a_device(struct driver_queue *q)
{
	driver_desc(q, 0)->at = GUEST_UART_BASE;
}

static void write_before_read(struct driver_queue *q)
{
	*driver_desc(q, 1) = (struct driver_desc){ .at = DATA, .bytes = 1 };
	driver_desc(q, 0)->flags |= DRIVER_NEXT;
	driver_desc(q, 0)->next = 1;
}

static void indirect_in(struct driver_queue *q, u32 bytes, u16 flags, u16 inner_flags, u16 inner_next)
{
	struct driver_desc inner = { .at = DATA, .bytes = 1, .flags = inner_flags, .next = inner_next };

	memcpy(guest_ram(0, DATA + 0x100), &inner, sizeof(inner));
	*driver_desc(q, 0) = (struct driver_desc){ .at = DATA + 0x100, .bytes = bytes, .flags = flags };
}

static void indirect_of_no_size(struct driver_queue *q)
{
	indirect_in(q, 0, DRIVER_INDIRECT, DRIVER_WRITE, 0);
}

static void indirect_of_odd_size(struct driver_queue *q)
{
	indirect_in(q, 24, DRIVER_INDIRECT, DRIVER_WRITE, 0);
}

static void indirect_that_goes_on(struct driver_queue *q)
{
	indirect_in(q, 16, DRIVER_INDIRECT | DRIVER_NEXT, DRIVER_WRITE, 0);
}

static void indirect_within(struct driver_queue *q)
{
	indirect_in(q, 16, DRIVER_INDIRECT, DRIVER_INDIRECT, 0);
}

static void indirect_circle(struct driver_queue *q)
{
	indirect_in(q, 16, DRIVER_INDIRECT, DRIVER_WRITE | DRIVER_NEXT, 0);
}

static void indirect_beyond_its_table(struct driver_queue *q)
{
	indirect_in(q, 16, DRIVER_INDIRECT, DRIVER_WRITE | DRIVER_NEXT, 1);
}

static void indirect_outside(struct driver_queue *q)
{
	indirect_in(q, 16, DRIVER_INDIRECT, DRIVER_WRITE, 0);
	driver_desc(q, 0)->at = RAM_END - 8;
}

static void hostile_rings_break_their_device_and_nothing_else(void **state)
{
	static void (*const tricks[])(struct driver_queue *) = {
		bad_next,
		circle,
		bad_head,
		far_index,
		index_backwards,
		below_ram,
		over_the_end,
		around_zero,
		huge,
		onto_a_device,
		write_before_read,
		indirect_of_no_size,
		indirect_of_odd_size,
		indirect_that_goes_on,
		indirect_within,
		indirect_circle,
		indirect_beyond_its_table,
		indirect_outside,
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(tricks); i++) {
		const struct driver_desc buffer = { .at = DATA, .bytes = 16, .flags = DRIVER_WRITE };
		struct driver_queue q = rng_start();

		driver_add(&q, &buffer, 1);
		tricks[i](&q);
		driver_kick(&q);
		if (!driver_broken(0, RNG))
			fail_msg("trick %u went unnoticed", i);
		assert_int_equal(driver_used_idx(&q), 0);
		assert_int_equal(driver_in(0, RNG, 0x60), 2);
		assert_true(driver_line(0, RNG));
		/* It stays so: kicks and status change nothing until the reset. */
		driver_kick(&q);
		driver_ok(0, RNG);
		assert_true(driver_broken(0, RNG));
		guest_loop();
		assert_int_equal(driver_used_idx(&q), 0);
		assert_true(virtio_valid(vms[0], RNG));
		q = rng_start();
		driver_add(&q, &buffer, 1);
		driver_kick(&q);
		assert_int_equal(driver_used_idx(&q), 1);
	}
}

static void what_came_before_the_nonsense_is_completed(void **state)
{
	struct driver_queue q = rng_start();
	const struct driver_desc buffer = { .at = DATA, .bytes = 16, .flags = DRIVER_WRITE };

	(void)state;
	driver_add(&q, &buffer, 1);
	driver_add(&q, &buffer, 1);
	driver_offer(&q, 100);
	driver_kick(&q);
	assert_true(driver_broken(0, RNG));
	assert_int_equal(driver_used_idx(&q), 2);
	assert_int_equal(driver_in(0, RNG, 0x60), 3);
}

/* ---- Across crashes ---- */

/* Every register write of an initialisation, with the life dying at every store of it: the driver repeats and goes on. */
struct write {
	u64 reg;
	u64 value;
};

static void write_register(void *context)
{
	const struct write *w = context;

	driver_out(0, RNG, w->reg, w->value);
}

static void registers_are_written_or_not(void **state)
{
	static const struct write writes[] = {
		{ 0x70, 0 },
		{ 0x70, 1 },
		{ 0x70, 3 },
		{ 0x14, 1 },
		{ 0x24, 1 },
		{ 0x20, 1 },
		{ 0x70, 11 },
		{ 0x30, 0 },
		{ 0x38, 8 },
		{ 0x80, QUEUE_BASE },
		{ 0x90, QUEUE_BASE + DRIVER_AVAIL },
		{ 0xa0, QUEUE_BASE + DRIVER_USED },
		{ 0x44, 1 },
		{ 0x70, 15 },
		{ 0x64, 1 },
		{ 0x44, 0 },
		{ 0x70, 0 },
	};
	struct driver_queue q = rng_queue();

	(void)state;
	devices_start();
	devices_vm(1, devices);
	for (unsigned i = 0; i < ARRAY_SIZE(writes); i++) {
		struct write w = writes[i];
		struct vdev_state before = vms[0]->s->dev[RNG];
		u64 pc = vms[0]->vcpu[0].r->pc;

		for (u64 die = 1; host_live(write_register, &w, die) == HOST_DIED; die++) {
			struct vdev_state now;

			devices_heir();
			now = vms[0]->s->dev[RNG];
			now.interrupt_status &= ~1ull;
			before.interrupt_status &= ~1ull;
			if (vms[0]->vcpu[0].r->pc == pc) {
				assert_memory_equal(&now, &before, sizeof(now));
				continue;
			}
			/* Done: once more changes nothing. */
			write_register(&w);
			vms[0]->s->dev[RNG].interrupt_status &= ~1ull;
			assert_memory_equal(&now, &vms[0]->s->dev[RNG], sizeof(now));
			break;
		}
	}
	assert_memory_equal(&vms[0]->s->dev[RNG], &(struct vdev_state){ 0 }, sizeof(struct vdev_state));
	q = rng_start();
	assert_false(driver_broken(0, RNG));
	driver_kick(&q);
}

static void an_heir_refuses_nonsense(void **state)
{
	struct vdev_state *s = &vms[0]->s->dev[RNG];

	(void)state;
	rng_start();
	assert_true(virtio_valid(vms[0], RNG));
	s->status |= 16;
	assert_false(virtio_valid(vms[0], RNG));
	s->status &= ~16ull;
	s->queue[0].num = 12;
	assert_false(virtio_valid(vms[0], RNG));
	s->queue[0].num = 8;
	s->queue[0].device = RAM_END - 8;
	assert_false(virtio_valid(vms[0], RNG));
	s->queue[0].device = QUEUE_BASE;
	s->queue[0].done = 0x10000;
	assert_false(virtio_valid(vms[0], RNG));
	s->queue[0].done = 0xffff;
	s->queue[1] = s->queue[0];
	assert_false(virtio_valid(vms[0], RNG));
	s->queue[1].ready = 0;
	assert_true(virtio_valid(vms[0], RNG));
	s->driver_features |= 1;
	assert_false(virtio_valid(vms[0], RNG));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_slot_says_what_it_is, set_up),
		cmocka_unit_test_setup(features_must_be_offered_and_modern, set_up),
		cmocka_unit_test_setup(a_reset_forgets_everything, set_up),
		cmocka_unit_test_setup(queues_that_cannot_be_break_the_device, set_up),
		cmocka_unit_test_setup(it_fills_buffers_in_order, set_up),
		cmocka_unit_test_setup(interrupts_can_be_declined, set_up),
		cmocka_unit_test_setup(long_and_indirect_chains_are_followed, set_up),
		cmocka_unit_test_setup(buffers_of_no_bytes_are_no_harm, set_up),
		cmocka_unit_test_setup(hostile_rings_break_their_device_and_nothing_else, set_up),
		cmocka_unit_test_setup(what_came_before_the_nonsense_is_completed, set_up),
		cmocka_unit_test(registers_are_written_or_not),
		cmocka_unit_test_setup(an_heir_refuses_nonsense, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
