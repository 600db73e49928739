/* The virtio network device and the switches between VMs: who gets which frame, what is dropped, and crashes. */
#include "core/devices/net_switch.h"
#include "tests/unit/devices.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define RX_BASE (GUEST_RAM_BASE + 0x10000)
#define TX_BASE (GUEST_RAM_BASE + 0x20000)
#define RX_DATA (GUEST_RAM_BASE + 0x40000)
#define TX_DATA (GUEST_RAM_BASE + 0x80000)

#define STRIDE	2048
#define BUFFERS 16

/* Each VM has a device on switch 1, slot 0, and one on switch 2, slot 1. VM 0's slot 0 brings the uplink. */
#define VM_COUNT 3

/* ---- The world outside ---- */

HOST_KEEP static u8 outside[64][NET_FRAME_MAX];
HOST_KEEP static size_t outside_bytes[64];
HOST_KEEP static unsigned outside_count;

static int transmit(struct net_backend *b, const void *frame, size_t bytes)
{
	(void)b;
	MUST(bytes <= NET_FRAME_MAX);
	if (outside_count < 64) {
		memcpy(outside[outside_count], frame, bytes);
		outside_bytes[outside_count++] = bytes;
	}
	return 0;
}

static struct net_backend uplink = { .transmit = transmit };
struct net_backend *net_backend = &uplink;

/* ---- The drivers ---- */

struct port {
	struct driver_queue rx, tx;
	u8 mac[6];
};

static void mac_of(u8 mac[6], unsigned vm, unsigned slot)
{
	memcpy(mac, (u8[]){ 0x52, 0x54, 0, 0, (u8)slot, (u8)vm }, 6);
}

static void add_buffer(struct port *p, unsigned n)
{
	const struct driver_desc buffer = {
		.at = RX_DATA + STRIDE * (n % BUFFERS),
		.bytes = STRIDE,
		.flags = DRIVER_WRITE,
	};

	driver_add(&p->rx, &buffer, 1);
}

static void start(struct port *p, unsigned vm, unsigned slot)
{
	p->rx = (struct driver_queue){ .vm = vm, .slot = slot, .number = 0, .base = RX_BASE, .num = BUFFERS };
	p->tx = (struct driver_queue){ .vm = vm, .slot = slot, .number = 1, .base = TX_BASE, .num = 128 };
	mac_of(p->mac, vm, slot);
	driver_begin(vm, slot);
	driver_queue_start(&p->rx);
	driver_queue_start(&p->tx);
	driver_ok(vm, slot);
	for (unsigned n = 0; n < BUFFERS; n++)
		add_buffer(p, n);
	driver_kick(&p->rx);
}

static void set_up_vms(void)
{
	devices_start();
	for (unsigned vm = 0; vm < VM_COUNT; vm++) {
		struct vm_device_config devices[VM_MAX_DEVICES] = {
			{ .kind = VM_DEV_NET, .host_unit = 1, .flags = vm ? 0 : VM_DEV_UPLINK },
			{ .kind = VM_DEV_NET, .host_unit = 2 },
		};
		struct vm_config config = { .vcpus = 1, .memory = BLOCK_SIZE };

		mac_of(devices[0].mac, vm, 0);
		mac_of(devices[1].mac, vm, 1);
		memcpy(config.devices, devices, sizeof(devices));
		fixture_vm(&config);
		estate_store(&vms[vm]->s->run_state, VM_RUNNING);
		MUST(!backing_touch(vms[vm], GPA(GUEST_RAM_BASE)));
		memset(guest_ram(vm, GUEST_RAM_BASE), 0, BLOCK_SIZE);
		devices_made(vms[vm]);
	}
	outside_count = 0;
}

static int set_up(void **state)
{
	(void)state;
	set_up_vms();
	return 0;
}

/* Queues a frame of `bytes` to `to` from `from`, its payload `mark`; header in a buffer of its own if `split`. */
static void frame_add(struct port *p, const u8 *to, const u8 *from, size_t bytes, u8 mark, bool split)
{
	u64 at = TX_DATA + STRIDE * (p->tx.next_desc % 64u);
	u8 *frame = (u8 *)guest_ram(p->tx.vm, at) + 12;
	const struct driver_desc whole = { .at = at, .bytes = (u32)bytes + 12 };
	const struct driver_desc parts[2] = { { .at = at, .bytes = 12 },
					      { .at = at + 12, .bytes = (u32)bytes } };

	memset(frame - 12, 0, 12 + bytes);
	memset(frame, mark, bytes);
	memcpy(frame, to, bytes < 6 ? bytes : 6);
	if (bytes >= 12)
		memcpy(frame + 6, from, 6);
	if (split)
		driver_add(&p->tx, parts, 2);
	else
		driver_add(&p->tx, &whole, 1);
}

static void send(struct port *p, const u8 *to, size_t bytes, u8 mark)
{
	frame_add(p, to, p->mac, bytes, mark, mark & 1);
	driver_kick(&p->tx);
	guest_loop();
}

/* The next received frame: its payload's byte, or -1 if there is none. */
static int receive(struct port *p, size_t bytes)
{
	const u8 *frame;
	u32 head, used;
	u8 mark;

	if (!driver_take(&p->rx, &head, &used))
		return -1;
	assert_int_equal(used, bytes + 12);
	frame = guest_ram(p->rx.vm, driver_desc(&p->rx, head)->at);
	assert_memory_equal(frame, "\0\0\0\0\0\0\0\0\0\0\1\0", 12);
	mark = frame[12 + bytes - 1];
	/* Filled again at once if more waits. */
	driver_offer(&p->rx, (u16)head);
	driver_kick(&p->rx);
	return mark;
}

static const u8 everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const u8 stranger[6] = { 0x02, 1, 2, 3, 4, 5 };

/* ---- Tests ---- */

static void it_tells_its_address(void **state)
{
	u8 mac[6];

	(void)state;
	mac_of(mac, 1, 0);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(guest_in(1, driver_reg(0, 0x100 + i), 1), mac[i]);
	assert_int_equal(driver_in(1, 0, 0x08), 1);
}

static void frames_go_to_whom_they_are_for(void **state)
{
	struct port a, b, c;

	(void)state;
	start(&a, 0, 0);
	start(&b, 1, 0);
	start(&c, 2, 0);
	send(&a, b.mac, 60, 1);
	assert_int_equal(receive(&b, 60), 1);
	assert_int_equal(receive(&b, 60), -1);
	assert_int_equal(receive(&c, 60), -1);
	assert_int_equal(receive(&a, 60), -1);
	send(&b, a.mac, 1518, 2);
	assert_int_equal(receive(&a, 1518), 2);
	send(&c, everybody, 100, 3);
	assert_int_equal(receive(&a, 100), 3);
	assert_int_equal(receive(&b, 100), 3);
	assert_int_equal(receive(&c, 100), -1);
	/* To oneself: nowhere. */
	send(&c, c.mac, 100, 4);
	assert_int_equal(receive(&a, 100), -1);
	/* Only the broadcast went out. */
	assert_int_equal(outside_count, 1);
	assert_int_equal(outside_bytes[0], 100);
}

static void switches_are_apart(void **state)
{
	struct port a, b, other;

	(void)state;
	start(&a, 0, 0);
	start(&b, 1, 0);
	start(&other, 2, 1);
	send(&a, everybody, 60, 1);
	send(&a, other.mac, 60, 2);
	assert_int_equal(receive(&other, 60), -1);
	assert_int_equal(outside_count, 2);
	/* And that switch has no way out. */
	send(&other, everybody, 60, 3);
	assert_int_equal(outside_count, 2);
	assert_int_equal(receive(&b, 60), 1);
	assert_int_equal(receive(&b, 60), 2);
	assert_int_equal(receive(&b, 60), -1);
}

static void addresses_are_learned(void **state)
{
	struct port a, b, c;

	(void)state;
	start(&a, 0, 0);
	start(&b, 1, 0);
	start(&c, 2, 0);
	/* Unknown: everywhere. */
	send(&a, stranger, 60, 1);
	assert_int_equal(receive(&b, 60), 1);
	assert_int_equal(receive(&c, 60), 1);
	assert_int_equal(outside_count, 1);
	/* It speaks behind b. */
	frame_add(&b, a.mac, stranger, 60, 2, false);
	driver_kick(&b.tx);
	guest_loop();
	assert_int_equal(receive(&a, 60), 2);
	send(&a, stranger, 60, 3);
	assert_int_equal(receive(&b, 60), 3);
	assert_int_equal(receive(&c, 60), -1);
	assert_int_equal(outside_count, 1);
	/* It moves behind c. */
	frame_add(&c, everybody, stranger, 60, 4, false);
	driver_kick(&c.tx);
	guest_loop();
	assert_int_equal(receive(&a, 60), 4);
	assert_int_equal(receive(&b, 60), 4);
	send(&a, stranger, 60, 5);
	assert_int_equal(receive(&c, 60), 5);
	assert_int_equal(receive(&b, 60), -1);
}

static void nobody_takes_anothers_address(void **state)
{
	struct port a, b, c;

	(void)state;
	start(&a, 0, 0);
	start(&b, 1, 0);
	start(&c, 2, 0);
	frame_add(&c, a.mac, b.mac, 60, 1, false);
	frame_add(&c, a.mac, everybody, 60, 2, false);
	driver_kick(&c.tx);
	guest_loop();
	assert_int_equal(receive(&a, 60), -1);
	send(&a, b.mac, 60, 3);
	assert_int_equal(receive(&b, 60), 3);
	assert_int_equal(receive(&c, 60), -1);
}

static void the_uplink_is_a_port(void **state)
{
	struct port a, b;
	u8 frame[NET_FRAME_MAX + 1];

	(void)state;
	start(&a, 0, 0);
	start(&b, 1, 0);
	memset(frame, 7, sizeof(frame));
	memcpy(frame, b.mac, 6);
	memcpy(frame + 6, stranger, 6);
	uplink.receive(&uplink, frame, 80);
	guest_loop();
	assert_int_equal(receive(&b, 80), 7);
	assert_int_equal(receive(&a, 80), -1);
	/* Learned there. */
	send(&a, stranger, 60, 1);
	assert_int_equal(outside_count, 1);
	assert_int_equal(outside_bytes[0], 60);
	assert_memory_equal(outside[0], stranger, 6);
	assert_memory_equal(outside[0] + 6, a.mac, 6);
	assert_int_equal(receive(&b, 60), -1);
	/* A broadcast from outside does not go back; nor what is no frame. */
	memcpy(frame, everybody, 6);
	uplink.receive(&uplink, frame, NET_FRAME_MAX);
	uplink.receive(&uplink, frame, NET_FRAME_MAX + 1);
	uplink.receive(&uplink, frame, 13);
	guest_loop();
	assert_int_equal(receive(&a, NET_FRAME_MAX), 7);
	assert_int_equal(receive(&b, NET_FRAME_MAX), 7);
	assert_int_equal(receive(&b, NET_FRAME_MAX), -1);
	assert_int_equal(outside_count, 1);
}

static void a_full_queue_drops_and_others_go_on(void **state)
{
	struct port a, b, c;
	unsigned got = 0;
	int mark;

	(void)state;
	start(&a, 0, 0);
	start(&b, 1, 0);
	start(&c, 2, 0);
	/* b has 16 buffers and takes none back; its port holds NET_QUEUE more. */
	for (unsigned i = 0; i < 100; i++) {
		u32 head, bytes;

		send(&a, everybody, 60, (u8)i);
		assert_int_equal(receive(&c, 60), i);
		while (driver_take(&a.tx, &head, &bytes))
			;
	}
	while ((mark = receive(&b, 60)) >= 0) {
		assert_int_equal(mark, got);
		got++;
	}
	assert_int_equal(got, BUFFERS + NET_QUEUE);
	send(&a, b.mac, 60, 200);
	assert_int_equal(receive(&b, 60), 200);
}

static void many_frames_in_one_kick_arrive_in_order(void **state)
{
	struct port a, b;

	(void)state;
	start(&a, 0, 0);
	start(&b, 1, 0);
	for (unsigned i = 0; i < NET_QUEUE; i++)
		frame_add(&a, b.mac, a.mac, 60, (u8)i, false);
	driver_kick(&a.tx);
	guest_loop();
	assert_int_equal(driver_used_idx(&a.tx), NET_QUEUE);
	for (int i = 0; i < (int)NET_QUEUE; i++)
		assert_int_equal(receive(&b, 60), i);
}

static void impossible_frames_are_dropped(void **state)
{
	struct port a, b;
	struct driver_desc short_header = { .at = TX_DATA, .bytes = 11 };

	(void)state;
	start(&a, 0, 0);
	start(&b, 1, 0);
	send(&a, everybody, 13, 1);
	send(&a, everybody, NET_FRAME_MAX + 1, 1);
	assert_int_equal(receive(&b, 60), -1);
	assert_int_equal(outside_count, 0);
	assert_int_equal(driver_used_idx(&a.tx), 2);
	assert_false(driver_broken(0, 0));
	driver_add(&a.tx, &short_header, 1);
	driver_kick(&a.tx);
	assert_true(driver_broken(0, 0));
	/* Its buffers are too small: broken too, and nobody else is. */
	driver_desc(&b.rx, 0)->bytes = 71;
	uplink.receive(&uplink, (const u8[60]){ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 9 }, 60);
	guest_loop();
	assert_true(driver_broken(1, 0));
}

static void a_device_that_is_not_driven_gets_nothing(void **state)
{
	struct port a, b;

	(void)state;
	start(&a, 0, 0);
	send(&a, everybody, 60, 1);
	start(&b, 1, 0);
	assert_int_equal(receive(&b, 60), -1);
	send(&a, everybody, 60, 2);
	assert_int_equal(receive(&b, 60), 2);
	driver_out(1, 0, 0x70, 0);
	send(&a, everybody, 60, 3);
	start(&b, 1, 0);
	guest_loop();
	assert_int_equal(receive(&b, 60), -1);
}

static void ports_are_refused(void **state)
{
	struct net_port *p = calloc(NET_PORTS + 1, sizeof(*p));
	u8 mac[6] = { 2, 0, 0, 0, 9, 0 };
	struct vdev *d = vms[0]->dev[0];

	(void)state;
	assert_int_equal(net_port_create(p, d, NET_SWITCHES, mac, false), -ENODEV);
	assert_int_equal(net_port_create(p, d, 3, mac, true), -ENODEV);
	assert_int_equal(net_port_create(p, d, 3, mac, false), 0);
	assert_int_equal(net_port_create(p + 1, d, 3, mac, false), -EEXIST);
	for (unsigned i = 1; i < NET_PORTS; i++) {
		mac[5] = (u8)i;
		assert_int_equal(net_port_create(p + i, d, 3, mac, false), 0);
	}
	mac[5] = NET_PORTS;
	assert_int_equal(net_port_create(p + NET_PORTS, d, 3, mac, false), -ENOSPC);
	free(p);
}

/* ---- Across crashes ---- */

static void kick_both(void *context)
{
	struct port *p = context;

	driver_kick(&p->tx);
	guest_loop();
}

#define FRAMES 5

static void frames_survive_or_repeat_or_get_lost_whole(void **state)
{
	struct port a, b;
	unsigned deaths = 0, repeated = 0, lost = 0;

	(void)state;
	for (u64 die = 1;; die++) {
		unsigned got = 0;
		int mark, last = 0;

		set_up_vms();
		start(&a, 0, 0);
		start(&b, 1, 0);
		for (unsigned i = 1; i <= FRAMES; i++)
			frame_add(&a, everybody, a.mac, 60, (u8)i, false);
		if (host_live(kick_both, &a, die) != HOST_DIED)
			break;
		deaths++;
		devices_heir();
		guest_loop();
		assert_int_equal(driver_used_idx(&a.tx), FRAMES);
		assert_false(driver_broken(0, 0) || driver_broken(1, 0));
		/* In order, whole; none invented. */
		while ((mark = receive(&b, 60)) >= 0) {
			assert_true(mark >= 1 && mark <= FRAMES);
			assert_true(mark == last + 1 || mark == 1);
			last = mark;
			got++;
		}
		lost += got < FRAMES;
		/* What leaves is gone before it completes: none is missing outside. */
		repeated += outside_count > FRAMES;
		for (unsigned i = 0; i < FRAMES; i++)
			assert_int_equal(outside[outside_count - FRAMES + i][59], i + 1);
		/* And it goes on. */
		send(&a, b.mac, 60, 99);
		assert_int_equal(receive(&b, 60), 99);
	}
	assert_true(deaths > 10);
	assert_true(lost > 0);
	assert_true(repeated > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_tells_its_address, set_up),
		cmocka_unit_test_setup(frames_go_to_whom_they_are_for, set_up),
		cmocka_unit_test_setup(switches_are_apart, set_up),
		cmocka_unit_test_setup(addresses_are_learned, set_up),
		cmocka_unit_test_setup(nobody_takes_anothers_address, set_up),
		cmocka_unit_test_setup(the_uplink_is_a_port, set_up),
		cmocka_unit_test_setup(a_full_queue_drops_and_others_go_on, set_up),
		cmocka_unit_test_setup(many_frames_in_one_kick_arrive_in_order, set_up),
		cmocka_unit_test_setup(impossible_frames_are_dropped, set_up),
		cmocka_unit_test_setup(a_device_that_is_not_driven_gets_nothing, set_up),
		cmocka_unit_test_setup(ports_are_refused, set_up),
		cmocka_unit_test(frames_survive_or_repeat_or_get_lost_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
