/*
 * The virtio block device on a disk of the host that takes its time, finishes in any order, fails, or is full; and what
 * a crash leaves of requests under way.
 */
#include "tests/unit/devices.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define DISK   0
#define RODISK 1

#define QUEUE_BASE (GUEST_RAM_BASE + 0x10000)
#define HEADERS	   (GUEST_RAM_BASE + 0x20000)
#define STATUSES   (GUEST_RAM_BASE + 0x30000)
#define DATA	   (GUEST_RAM_BASE + 0x40000)

#define SECTORS	    8192
#define PENDING_MAX 64

static const struct vm_device_config devices[VM_MAX_DEVICES] = {
	[DISK] = { .kind = VM_DEV_BLK, .host_unit = 3, .serial = "serial number 12345" },
	[RODISK] = { .kind = VM_DEV_BLK, .host_unit = 3, .flags = VM_DEV_READONLY },
};

/* ---- The host's disk ---- */

enum order { FIRST_FIRST, LAST_FIRST };

/* The platters, and what happened to them, are the world's. */
HOST_KEEP static u8 platters[SECTORS * 512];
HOST_KEEP static unsigned reads, writes, flushes;

/* What it has under way goes with the life, as a driver resets its device when it starts. */
static struct blk_request *pending[PENDING_MAX];
static unsigned pending_count;
static unsigned most_segments;
static u64 most_bytes;
static bool full, broken, held;
static enum order order;

static void transfer(const struct blk_request *r)
{
	u64 at = r->sector * 512;
	u64 total = 0;

	MUST(r->segments && r->segments <= BLK_SEGMENTS_MAX);
	for (unsigned i = 0; i < r->segments; i++) {
		void *memory = (void *)(uintptr_t)r->segment[i].at.a;

		MUST(r->segment[i].at.a >= host->ram &&
		     r->segment[i].at.a + r->segment[i].bytes <= host->ram + host->ram_size);
		MUST(at + total + r->segment[i].bytes <= sizeof(platters));
		if (r->op == BLK_READ)
			memcpy(memory, platters + at + total, r->segment[i].bytes);
		else
			memcpy(platters + at + total, memory, r->segment[i].bytes);
		total += r->segment[i].bytes;
	}
	MUST(total && total % 512 == 0);
	if (r->segments > most_segments)
		most_segments = r->segments;
	if (total > most_bytes)
		most_bytes = total;
}

static int submit(struct blk_backend *b, struct blk_request *r)
{
	(void)b;
	if (full || pending_count == PENDING_MAX)
		return -EAGAIN;
	pending[pending_count++] = r;
	return 0;
}

static void finish(unsigned n)
{
	struct blk_request *r = pending[n];

	memmove(&pending[n], &pending[n + 1], (--pending_count - n) * sizeof(struct blk_request *));
	if (!broken && r->op != BLK_FLUSH)
		transfer(r);
	reads += r->op == BLK_READ;
	writes += r->op == BLK_WRITE;
	flushes += r->op == BLK_FLUSH;
	r->done(r, broken ? -EIO : 0);
}

static struct blk_backend disk = { .sectors = SECTORS, .submit = submit };
struct blk_backend *blk_backends[BLK_BACKENDS_MAX] = { [3] = &disk };

void drivers_poll(void)
{
	while (!held && pending_count)
		finish(order == FIRST_FIRST ? 0 : pending_count - 1);
}

/* ---- The driver ---- */

struct request {
	u32 type;
	u32 reserved;
	u64 sector;
};

static struct driver_queue start(unsigned slot)
{
	struct driver_queue q = { .slot = slot, .base = QUEUE_BASE, .num = 64 };

	driver_begin(0, slot);
	driver_queue_start(&q);
	driver_ok(0, slot);
	return q;
}

static u8 *status(unsigned n)
{
	return (u8 *)guest_ram(0, STATUSES) + n;
}

/* Request number n: header and status of that number, data in between. */
static void ask(struct driver_queue *q, unsigned n, u32 type, u64 sector, const struct driver_desc *data,
		unsigned count)
{
	const struct request header = { .type = type, .sector = sector };
	struct driver_desc buffers[VRING_CHAIN_MAX];

	memcpy(guest_ram(0, HEADERS + 16 * n), &header, sizeof(header));
	*status(n) = 0xff;
	buffers[0] = (struct driver_desc){ .at = HEADERS + 16 * n, .bytes = 16 };
	if (count)
		memcpy(&buffers[1], data, count * sizeof(*data));
	buffers[count + 1] = (struct driver_desc){ .at = STATUSES + n, .bytes = 1, .flags = DRIVER_WRITE };
	driver_add(q, buffers, count + 2);
}

static void ask_in(struct driver_queue *q, unsigned n, u64 sector, u64 at, u32 bytes)
{
	const struct driver_desc data = { .at = at, .bytes = bytes, .flags = DRIVER_WRITE };

	ask(q, n, 0, sector, &data, 1);
}

static void ask_out(struct driver_queue *q, unsigned n, u64 sector, u64 at, u32 bytes)
{
	const struct driver_desc data = { .at = at, .bytes = bytes };

	ask(q, n, 1, sector, &data, 1);
}

static void go(const struct driver_queue *q)
{
	driver_kick(q);
	guest_loop();
}

/* The next completion: its status. */
static u8 answer(struct driver_queue *q, unsigned n, u32 expected_bytes)
{
	u32 head, bytes;

	assert_true(driver_take(q, &head, &bytes));
	/* Where a bounce buffer is copied the status counts with all in front of it. */
	if (DEVICES_BOUNCED && *status(n))
		assert_true(bytes >= expected_bytes);
	else
		assert_int_equal(bytes, expected_bytes);
	return *status(n);
}

static void fill(u64 at, u32 bytes, u8 with)
{
	for (u64 i = 0; i < bytes; i++)
		*(u8 *)guest_ram(0, at + i) = (u8)(with + i / 512 * 3 + i % 7);
}

static void check(u64 at, u32 bytes, u8 with)
{
	for (u64 i = 0; i < bytes; i++)
		if (*(u8 *)guest_ram(0, at + i) != (u8)(with + i / 512 * 3 + i % 7))
			fail_msg("byte %lu at %lx differs", (unsigned long)i, (unsigned long)at);
}

static int set_up(void **state)
{
	(void)state;
	devices_start();
	devices_vm(1, devices);
	memset(platters, 0, sizeof(platters));
	reads = writes = flushes = 0;
	return 0;
}

/* ---- Ordinary ---- */

static void it_says_how_large_it_is(void **state)
{
	u64 value;

	(void)state;
	assert_int_equal(driver_in(0, DISK, 0x08), 2);
	assert_int_equal(guest_access(0, 0, driver_reg(DISK, 0x100), 8, false, &value), 0);
	assert_int_equal(value, SECTORS);
	assert_int_equal(driver_in(0, DISK, 0x10c), VRING_CHAIN_MAX - 2);
	assert_int_equal(driver_in(0, DISK, 0x114), 512);
	assert_int_equal(driver_begin(0, DISK) & (1u << 5), 0);
	assert_int_equal(driver_begin(0, RODISK) & (1u << 5), 1u << 5);
}

static void it_writes_reads_and_flushes(void **state)
{
	struct driver_queue q = start(DISK);

	(void)state;
	fill(DATA, 4096, 1);
	ask_out(&q, 0, 100, DATA, 4096);
	ask(&q, 1, 4, 0, NULL, 0);
	go(&q);
	assert_int_equal(answer(&q, 0, 1), 0);
	assert_int_equal(answer(&q, 1, 1), 0);
	assert_int_equal(flushes, 1);
	ask_in(&q, 2, 100, DATA + 0x10000, 4096);
	go(&q);
	assert_int_equal(answer(&q, 2, 4097), 0);
	check(DATA + 0x10000, 4096, 1);
	assert_true(driver_interrupted(0, DISK));
}

static void it_has_a_serial_number(void **state)
{
	struct driver_queue q = start(DISK);
	const struct driver_desc data = { .at = DATA, .bytes = 20, .flags = DRIVER_WRITE };

	(void)state;
	ask(&q, 0, 8, 0, &data, 1);
	go(&q);
	assert_int_equal(answer(&q, 0, 21), 0);
	assert_string_equal(guest_ram(0, DATA), "serial number 12345");
}

static void large_requests_go_in_pieces(void **state)
{
	struct driver_queue q = start(DISK);
	struct driver_desc data[VRING_CHAIN_MAX - 2];

	(void)state;
	/* They do not fit into a bounce buffer. */
	if (DEVICES_BOUNCED)
		skip();
	/* Buffers of odd sizes that share no page: more segments than a request of the backend has. */
	for (unsigned i = 0; i < ARRAY_SIZE(data); i++) {
		data[i] = (struct driver_desc){ .at = DATA + 0x1000 * i, .bytes = 256 + (i % 2 ? 64 : -64) };
		fill(data[i].at, data[i].bytes, (u8)i);
	}
	ask(&q, 0, 1, 7, data, ARRAY_SIZE(data));
	go(&q);
	assert_int_equal(answer(&q, 0, 1), 0);
	assert_true(writes > 1);
	assert_true(most_segments > 16);
	for (unsigned i = 0; i < ARRAY_SIZE(data); i++) {
		data[i].flags = DRIVER_WRITE;
		memset(guest_ram(0, data[i].at), 0, data[i].bytes);
	}
	ask(&q, 1, 0, 7, data, ARRAY_SIZE(data));
	go(&q);
	assert_int_equal(answer(&q, 1, 31 * 512 + 1), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(data); i++)
		check(data[i].at, data[i].bytes, (u8)i);
	/* One buffer of 3 MiB over blocks that lie apart on the host. */
	fill(GUEST_RAM_BASE + MIB(2), (u32)MIB(3), 9);
	ask_out(&q, 2, 0, GUEST_RAM_BASE + MIB(2), (u32)MIB(3));
	go(&q);
	assert_int_equal(answer(&q, 2, 1), 0);
	assert_int_equal(most_bytes, MIB(1));
	memset(guest_ram(0, GUEST_RAM_BASE + MIB(2)), 0, MIB(2));
	ask_in(&q, 3, 0, GUEST_RAM_BASE + MIB(2), (u32)MIB(3));
	go(&q);
	assert_int_equal(answer(&q, 3, (u32)MIB(3) + 1), 0);
	check(GUEST_RAM_BASE + MIB(2), (u32)MIB(3), 9);
}

/* As many buffers as the device says it takes, in an indirect table, as Linux makes them. */
static void the_largest_request_in_a_table_is_taken(void **state)
{
	struct driver_queue q = start(DISK);
	struct driver_desc table[VRING_CHAIN_MAX];
	const struct driver_desc indirect = { .at = STATUSES + 0x100,
					      .bytes = sizeof(table),
					      .flags = DRIVER_INDIRECT };
	const u32 seg_max = driver_in(0, DISK, 0x10c);
	u32 head, bytes;

	(void)state;
	/* It does not fit into a bounce buffer. */
	if (DEVICES_BOUNCED)
		skip();
	assert_int_equal(seg_max + 2, VRING_CHAIN_MAX);
	table[0] = (struct driver_desc){ .at = HEADERS, .bytes = 16 };
	for (unsigned i = 1; i <= seg_max; i++) {
		table[i] =
			(struct driver_desc){ .at = DATA + 0x2000 * i, .bytes = 4096, .flags = DRIVER_WRITE };
		memset(guest_ram(0, table[i].at), 0xee, 4096);
	}
	table[seg_max + 1] = (struct driver_desc){ .at = STATUSES, .bytes = 1, .flags = DRIVER_WRITE };
	for (unsigned i = 0; i <= seg_max; i++) {
		table[i].flags |= DRIVER_NEXT;
		table[i].next = (u16)(i + 1);
	}
	memset(guest_ram(0, HEADERS), 0, 16);
	memcpy(guest_ram(0, indirect.at), table, sizeof(table));
	driver_add(&q, &indirect, 1);
	go(&q);
	assert_true(driver_take(&q, &head, &bytes));
	assert_int_equal(bytes, seg_max * 4096 + 1);
	assert_int_equal(*status(0), 0);
	for (unsigned i = 1; i <= seg_max; i++)
		assert_int_equal(*(u8 *)guest_ram(0, table[i].at + 4095), 0);
}

static void completions_keep_the_rings_order(void **state)
{
	struct driver_queue q = start(DISK);

	(void)state;
	order = LAST_FIRST;
	for (unsigned i = 0; i < 10; i++) {
		fill(DATA + 0x1000 * i, 512, (u8)i);
		ask_out(&q, i, i, DATA + 0x1000 * i, 512);
	}
	held = true;
	go(&q);
	assert_int_equal(pending_count, 10);
	assert_int_equal(driver_used_idx(&q), 0);
	for (unsigned i = 9; i > 0; i--) {
		finish(i);
		guest_loop();
		assert_int_equal(driver_used_idx(&q), 0);
	}
	finish(0);
	guest_loop();
	assert_int_equal(driver_used_idx(&q), 10);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(*driver_used(&q, (u16)i), 3 * i);
		assert_int_equal(answer(&q, i, 1), 0);
	}
}

static void more_than_it_takes_at_a_time_waits(void **state)
{
	struct driver_queue q = start(DISK);

	(void)state;
	held = true;
	for (unsigned i = 0; i < 21; i++)
		ask_in(&q, i, i, DATA + 0x1000 * i, 512);
	go(&q);
	assert_int_equal(pending_count, 16);
	held = false;
	guest_loop();
	assert_int_equal(driver_used_idx(&q), 21);
	/* And when the host's queue is full. */
	full = true;
	ask_in(&q, 0, 0, DATA, 512);
	driver_kick(&q);
	assert_int_equal(pending_count, 0);
	assert_true(virtio_work(vms[0], arch_txn()));
	full = false;
	guest_loop();
	assert_int_equal(driver_used_idx(&q), 22);
}

static void errors_are_told(void **state)
{
	struct driver_queue q = start(DISK);
	struct driver_queue ro;
	struct driver_desc data = { .at = DATA, .bytes = 512 };
	unsigned n = 0;

	(void)state;
	broken = true;
	ask_in(&q, n, 0, DATA, 512);
	go(&q);
	assert_int_equal(answer(&q, n++, 1), 1);
	ask(&q, n, 4, 0, NULL, 0);
	go(&q);
	assert_int_equal(answer(&q, n++, 1), 1);
	broken = false;
	/* Behind the end, over the end, so far that it wraps. */
	ask_in(&q, n, SECTORS, DATA, 512);
	go(&q);
	assert_int_equal(answer(&q, n++, 1), 1);
	ask_out(&q, n, SECTORS - 1, DATA, 1024);
	go(&q);
	assert_int_equal(answer(&q, n++, 1), 1);
	ask_in(&q, n, ~0ull, DATA, 512);
	go(&q);
	assert_int_equal(answer(&q, n++, 1), 1);
	ask_in(&q, n, 1ull << 55, DATA, 512);
	go(&q);
	assert_int_equal(answer(&q, n++, 1), 1);
	ask_in(&q, n, SECTORS - 1, DATA, 512);
	go(&q);
	assert_int_equal(answer(&q, n++, 513), 0);
	/* Not whole sectors. */
	ask_out(&q, n, 0, DATA, 511);
	go(&q);
	assert_int_equal(answer(&q, n++, 1), 1);
	/* Unknown. */
	ask(&q, n, 77, 0, &data, 1);
	go(&q);
	assert_int_equal(answer(&q, n++, 1), 2);
	assert_int_equal(writes, 0);
	assert_false(driver_broken(0, DISK));

	ro = start(RODISK);
	ask_out(&ro, n, 0, DATA, 512);
	go(&ro);
	assert_int_equal(answer(&ro, n++, 1), 1);
	ask_in(&ro, n, 0, DATA, 512);
	go(&ro);
	assert_int_equal(answer(&ro, n++, 513), 0);
}

static void requests_without_header_or_status_break_it(void **state)
{
	const struct driver_desc no_status[1] = { { .at = HEADERS, .bytes = 16 } };
	const struct driver_desc no_header[1] = { { .at = STATUSES, .bytes = 1, .flags = DRIVER_WRITE } };
	const struct driver_desc short_header[2] = { { .at = HEADERS, .bytes = 15 }, no_header[0] };
	struct driver_queue q;

	(void)state;
	q = start(DISK);
	driver_add(&q, no_status, 1);
	go(&q);
	assert_true(driver_broken(0, DISK));
	q = start(DISK);
	driver_add(&q, no_header, 1);
	go(&q);
	assert_true(driver_broken(0, DISK));
	q = start(DISK);
	driver_add(&q, short_header, 2);
	go(&q);
	assert_true(driver_broken(0, DISK));
	q = start(DISK);
	ask_in(&q, 0, 0, DATA, 512);
	go(&q);
	assert_int_equal(answer(&q, 0, 513), 0);
}

/* One sector in 60 pieces is more than one request of the host can have. */
static void a_sector_in_too_many_pieces_is_an_error(void **state)
{
	struct driver_queue q = start(DISK);
	struct driver_desc data[60];

	(void)state;
	/* A bounce buffer is one piece. */
	if (DEVICES_BOUNCED)
		skip();
	for (unsigned i = 0; i < 60; i++)
		data[i] = (struct driver_desc){ .at = DATA + 0x1000 * i,
						.bytes = i ? 8 : 40,
						.flags = DRIVER_WRITE };
	ask(&q, 0, 0, 0, data, 60);
	go(&q);
	assert_int_equal(answer(&q, 0, 1), 1);
}

static void a_reset_waits_for_the_disk(void **state)
{
	struct driver_queue q = start(DISK);
	u64 zero = 0;
	u64 pc;

	(void)state;
	held = true;
	ask_in(&q, 0, 0, DATA, 512);
	go(&q);
	assert_int_equal(pending_count, 1);
	assert_false(virtio_quiet(vms[0]));
	pc = vms[0]->vcpu[0].r->pc;
	assert_int_equal(guest_access(0, 0, driver_reg(DISK, 0x70), 4, true, &zero), -EAGAIN);
	assert_int_equal(guest_access(0, 0, driver_reg(DISK, 0x44), 4, true, &zero), -EAGAIN);
	assert_int_equal(vms[0]->vcpu[0].r->pc, pc);
	assert_int_equal(driver_in(0, DISK, 0x70), 15);
	finish(0);
	assert_true(virtio_quiet(vms[0]));
	driver_out(0, DISK, 0x70, 0);
	assert_int_equal(driver_in(0, DISK, 0x70), 0);
	q = start(DISK);
	held = false;
	ask_in(&q, 0, 0, DATA, 512);
	go(&q);
	assert_int_equal(answer(&q, 0, 513), 0);
}

/* The VM is stopped under the device: what lands later is nobody's, and the slots come back. */
static void a_stopped_vm_leaves_orphans(void **state)
{
	struct driver_queue q = start(DISK);
	u64 zero = 0;

	(void)state;
	held = true;
	for (unsigned i = 0; i < 16; i++)
		ask_in(&q, i, 0, DATA + 0x1000 * i, 512);
	go(&q);
	assert_int_equal(pending_count, 16);
	virtio_reset(vms[0], DISK);
	assert_int_equal(driver_in(0, DISK, 0x70), 0);
	assert_false(virtio_quiet(vms[0]));
	assert_int_equal(guest_access(0, 0, driver_reg(DISK, 0x70), 4, true, &zero), -EAGAIN);
	finish(3);
	held = false;
	guest_loop();
	assert_true(virtio_quiet(vms[0]));
	assert_int_equal(driver_used_idx(&q), 0);
	q = start(DISK);
	for (unsigned i = 0; i < 16; i++)
		ask_in(&q, i, 0, DATA + 0x1000 * i, 512);
	go(&q);
	assert_int_equal(driver_used_idx(&q), 16);
}

static void a_paused_vm_is_left_alone(void **state)
{
	struct driver_queue q = start(DISK);

	(void)state;
	held = true;
	ask_in(&q, 0, 0, DATA, 512);
	go(&q);
	vms[0]->s->run_state = VM_PAUSED;
	held = false;
	guest_loop();
	assert_int_equal(pending_count, 0);
	assert_int_equal(driver_used_idx(&q), 0);
	vms[0]->s->run_state = VM_RUNNING;
	guest_loop();
	assert_int_equal(driver_used_idx(&q), 1);
}

static void a_device_that_the_host_lacks_is_refused(void **state)
{
	struct vm_device_config *c = &vms[0]->config.devices[4];

	(void)state;
	c->kind = VM_DEV_BLK;
	c->host_unit = 2;
	assert_int_equal(virtio_create(vms[0], 4), -ENODEV);
	c->host_unit = 0xffffffff;
	assert_int_equal(virtio_create(vms[0], 4), -ENODEV);
	c->kind = 99;
	assert_int_equal(virtio_create(vms[0], 4), -ENODEV);
	assert_null(vms[0]->dev[4]);
}

/* ---- A driver that changes everything while it is looked at ---- */

static bool scribbling;

static void *scribble(void *context)
{
	struct driver_queue *q = context;
	u64 *words = guest_ram(0, q->base);
	u32 x = 1;

	while (__atomic_load_n(&scribbling, __ATOMIC_RELAXED)) {
		u64 at;

		x = x * 1664525 + 1013904223;
		at = x >> 8 & 0xff;
		if (x & 1)
			__atomic_store_n(&words[at], (u64)x * x, __ATOMIC_RELAXED);
		else if (x & 2)
			__atomic_store_n((u32 *)&words[at], (u32)(DATA + (x & 0xff0)), __ATOMIC_RELAXED);
		else
			__atomic_store_n((u16 *)&words[at * 2 + 1], x & 4 ? 2 : 1, __ATOMIC_RELAXED);
		if (x >> 28 == 3)
			__atomic_store_n(&driver_avail(q)[1], (u16)(driver_used_idx(q) + (x >> 20 & 15)),
					 __ATOMIC_RELAXED);
	}
	return NULL;
}

static void rings_may_change_while_they_are_read(void **state)
{
	struct driver_queue q = start(DISK);
	unsigned breaks = 0;
	pthread_t thread;

	(void)state;
	scribbling = true;
	assert_int_equal(pthread_create(&thread, NULL, scribble, &q), 0);
	/* Until it has got through often enough, which depends on how the threads run. */
	for (unsigned i = 0; i < 3000 || (breaks < 20 && i < 300000); i++) {
		ask_in(&q, i % 16, i, DATA, 512);
		go(&q);
		if (driver_broken(0, DISK)) {
			breaks++;
			q = start(DISK);
		}
		assert_true(virtio_valid(vms[0], DISK));
	}
	__atomic_store_n(&scribbling, false, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	q = start(DISK);
	ask_in(&q, 0, 0, DATA, 512);
	go(&q);
	assert_int_equal(answer(&q, 0, 513), 0);
}

/* ---- Across crashes ---- */

static void work(void *context)
{
	go(context);
}

#define REQUESTS 5

static void prepare(struct driver_queue *q)
{
	set_up(NULL);
	order = LAST_FIRST;
	*q = start(DISK);
	for (unsigned i = 0; i < REQUESTS; i++) {
		fill(DATA + 0x4000 * i, 0x2000, (u8)(16 * i));
		ask_out(q, i, 64 * i, DATA + 0x4000 * i, 0x2000);
	}
	/* It reads what somebody wrote before. */
	memset(&platters[512 * 4000], 0x77, 512);
	ask_in(q, REQUESTS, 4000, DATA + 0x80000, 512);
}

static void requests_survive_a_crash_at_every_store(void **state)
{
	struct driver_queue q;
	unsigned deaths = 0, repeated = 0;

	(void)state;
	for (u64 die = 1;; die++) {
		u16 seen;

		prepare(&q);
		if (host_live(work, &q, die) != HOST_DIED)
			break;
		deaths++;
		seen = driver_used_idx(&q);
		devices_heir();
		/* What the driver has seen complete stays so; nothing is shown that is not done. */
		assert_true(driver_used_idx(&q) >= seen);
		for (unsigned i = driver_used_idx(&q); i <= REQUESTS; i++)
			*status(i) = 0xff;
		guest_loop();
		assert_int_equal(driver_used_idx(&q), REQUESTS + 1);
		assert_true(driver_interrupted(0, DISK));
		repeated += writes > REQUESTS;
		for (unsigned i = 0; i < REQUESTS; i++) {
			assert_int_equal(answer(&q, i, 1), 0);
			assert_memory_equal(&platters[512 * 64 * i], guest_ram(0, DATA + 0x4000 * i), 0x2000);
		}
		assert_int_equal(answer(&q, REQUESTS, 513), 0);
		assert_int_equal(*(u8 *)guest_ram(0, DATA + 0x80000), 0x77);
		/* And it goes on. */
		ask(&q, 0, 4, 0, NULL, 0);
		go(&q);
		assert_int_equal(answer(&q, 0, 1), 0);
	}
	assert_true(deaths > 8);
	assert_true(repeated > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_says_how_large_it_is, set_up),
		cmocka_unit_test_setup(it_writes_reads_and_flushes, set_up),
		cmocka_unit_test_setup(it_has_a_serial_number, set_up),
		cmocka_unit_test_setup(large_requests_go_in_pieces, set_up),
		cmocka_unit_test_setup(the_largest_request_in_a_table_is_taken, set_up),
		cmocka_unit_test_setup(completions_keep_the_rings_order, set_up),
		cmocka_unit_test_setup(more_than_it_takes_at_a_time_waits, set_up),
		cmocka_unit_test_setup(errors_are_told, set_up),
		cmocka_unit_test_setup(requests_without_header_or_status_break_it, set_up),
		cmocka_unit_test_setup(a_sector_in_too_many_pieces_is_an_error, set_up),
		cmocka_unit_test_setup(a_reset_waits_for_the_disk, set_up),
		cmocka_unit_test_setup(a_stopped_vm_leaves_orphans, set_up),
		cmocka_unit_test_setup(a_paused_vm_is_left_alone, set_up),
		cmocka_unit_test_setup(a_device_that_the_host_lacks_is_refused, set_up),
		cmocka_unit_test_setup(rings_may_change_while_they_are_read, set_up),
		cmocka_unit_test(requests_survive_a_crash_at_every_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
