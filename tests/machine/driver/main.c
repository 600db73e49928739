/*
 * The machine's drivers on their own, without a hypervisor: an S-mode program on QEMU's virt, started by
 * tests/machine/driver.sh, which also plays the other end of the control channel. Prints what it finds; the last line is
 * PASS or FAIL.
 */
#include "core/arch.h"
#include "core/devices/backend.h"
#include "core/estate/estate.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/memory/pages.h"
#include "core/root/root.h"
#include "drivers/drivers.h"
#include "drivers/io.h"
#include "drivers/ns16550.h"
#include "drivers/plic.h"

/* QEMU's virt, hw/riscv/virt.c. */
#define VIRT_PLIC     0x0c000000ull
#define VIRT_UART     0x10000000ull
#define VIRT_VIRTIO   0x10001000ull
#define VIRT_TIMEBASE 10000000ull
#define CONTEXT	      1u /* supervisor of hart 0 */
#define CLAIM	      (VIRT_PLIC + 0x200004 + 0x1000ull * CONTEXT)

/* Two areas that play the slots of a life and its heir, and one for data. */
#define SLOT_SIZE MIB(4)
static u8 slots[2][SLOT_SIZE] __attribute__((aligned(4096)));
static u8 data[MIB(1)] __attribute__((aligned(4096)));

struct estate estate;

/* start.S; it has arch_time, too. */
_Noreturn void shutdown(void);
u64 interrupts_pending(void);

void test_main(void);
_Noreturn void test_trap(u64 cause, u64 pc, u64 value);

/* ---- What the hypervisor would be to the drivers ---- */

static unsigned kicks;

void arch_kick(unsigned hart)
{
	(void)hart;
	kicks++;
}

/* Nobody else wants the processor. */
void arch_beat(void)
{
}

/* No root VM. */
u64 root_sources(void)
{
	return 0;
}

bool root_interrupt(unsigned irq)
{
	(void)irq;
	return false;
}

void arch_doze(void)
{
}

/* What ends a life tells where: here the log has it. */
void life_ends_at(u64 pc, u64 value)
{
	(void)pc;
	(void)value;
}

void arch_serial_write(const char *text, size_t bytes)
{
	serial_write(text, bytes);
}

_Noreturn void arch_machine_off(bool reset)
{
	(void)reset;
	shutdown();
}

void arch_zero(void *at, size_t bytes)
{
	memset(at, 0, bytes);
}

_Noreturn static void verdict(bool pass)
{
	log_line("%s", pass ? "PASS" : "FAIL");
	arch_machine_off(false);
}

_Noreturn void arch_life_end(enum life_cause cause, const char *text)
{
	log_line("life ended, cause %d: %s", (int)cause, text);
	verdict(false);
}

_Noreturn void test_trap(u64 cause, u64 pc, u64 value)
{
	log_line("trap: cause %lx at %lx, value %lx", cause, pc, value);
	verdict(false);
}

#define CHECK(c)                                                               \
	do {                                                                   \
		if (!(c)) {                                                    \
			log_line("%s:%d: not so: %s", __FILE__, __LINE__, #c); \
			verdict(false);                                        \
		}                                                              \
	} while (0)

/* ---- The loop of a hart ---- */

#define SECOND VIRT_TIMEBASE

/* Work happens only after an interrupt, as in the hypervisor; true if there was one. */
static bool turn(void)
{
	bool external = interrupts_pending() >> 9 & 1;

	if (external)
		host_plic_handle(0);
	drivers_poll();
	return external;
}

/* Turns until `*word` is at least `value`. */
static void wait_for(volatile unsigned *word, unsigned value, const char *what)
{
	u64 end = arch_time() + 10 * SECOND;

	while (*word < value) {
		turn();
		if (arch_time() > end) {
			log_line("waited in vain for %s: %u of %u", what, *word, value);
			verdict(false);
		}
	}
}

/* ---- Disks ---- */

static volatile unsigned done_count;
static int done_status;

static void done(struct blk_request *r, int status)
{
	CHECK(r->owner == r);
	r->owner = NULL;
	done_status = status;
	done_count++;
}

static void prepare(struct blk_request *r, enum blk_op op, u64 sector)
{
	memset(r, 0, sizeof(*r));
	r->op = op;
	r->sector = sector;
	r->done = done;
	r->owner = r;
}

static void add_segment(struct blk_request *r, const void *at, u32 bytes)
{
	r->segment[r->segments++] = (struct blk_segment){ HPA((uintptr_t)at), bytes };
}

static int finish(struct blk_backend *b, struct blk_request *r)
{
	unsigned before = done_count;

	CHECK(b->submit(b, r) == 0);
	CHECK(done_count == before); /* never from inside submit */
	wait_for(&done_count, before + 1, "a request");
	CHECK(done_count == before + 1);
	return done_status;
}

static int transfer(unsigned unit, enum blk_op op, u64 sector, void *at, u32 bytes)
{
	struct blk_request r;

	prepare(&r, op, sector);
	if (bytes)
		add_segment(&r, at, bytes);
	return finish(blk_backends[unit], &r);
}

/*
 * The run with devices that QEMU has put into slots itself: disk 0 of the command line is then the last one. (It says so,
 * and nobody relies on it.)
 */
static bool test_order(void)
{
	return blk_backends[0]->sectors == 3 * MIB(1) / 512 && blk_backends[2]->sectors == MIB(1) / 512;
}

/* driver.sh makes disk n: (n + 1) MiB, each sector begins with its number and ends with 'A' + n. Disk 2 is read-only. */
static void check_sector(unsigned unit, u64 sector, const u8 *at)
{
	u64 number;

	memcpy(&number, at, sizeof(number));
	if (number != sector || at[511] != 'A' + unit)
		log_line("disk %u sector %lu: %lx %02x", unit, sector, number, at[511]);
	CHECK(number == sector && at[511] == 'A' + unit);
}

static void test_disks(void)
{
	struct blk_request r;

	for (unsigned unit = 0; unit < 3; unit++) {
		CHECK(blk_backends[unit]);
		CHECK(blk_backends[unit]->sectors == (unit + 1) * MIB(1) / 512);
		CHECK(blk_backends[unit]->readonly == (unit == 2));
		memset(data, 0xee, sizeof(data));
		CHECK(transfer(unit, BLK_READ, 5, data, 3 * 512) == 0);
		for (u64 s = 0; s < 3; s++)
			check_sector(unit, 5 + s, data + s * 512);
		CHECK(data[3 * 512] == 0xee);
	}
	CHECK(!blk_backends[3]);

	/* As many pieces as may be, of odd lengths, one of them empty. */
	prepare(&r, BLK_READ, 100);
	memset(data, 0xee, sizeof(data));
	for (u32 i = 0; i < BLK_SEGMENTS_MAX; i++)
		add_segment(&r, data + i * 300ul, i == 7 ? 0 : i == 31 ? 16 * 512 - 30 * 200 : 200);
	CHECK(finish(blk_backends[1], &r) == 0);
	CHECK(!memcmp(data, "\x64\0\0\0\0\0\0\0", 8) && data[200] == 0xee && data[7 * 300] == 0xee);

	/* Write, flush, read back. */
	for (u32 i = 0; i < 4096; i++)
		data[i] = (u8)(i * 7);
	CHECK(transfer(0, BLK_WRITE, 40, data, 4096) == 0);
	CHECK(transfer(0, BLK_FLUSH, 0, NULL, 0) == 0);
	CHECK(transfer(0, BLK_READ, 40, data + 8192, 4096) == 0);
	CHECK(!memcmp(data, data + 8192, 4096));

	/* What can't be done. */
	CHECK(transfer(2, BLK_WRITE, 0, data, 512) == -EIO);
	CHECK(transfer(0, BLK_READ, 2048, data, 512) == -EIO);
	CHECK(transfer(0, BLK_READ, 2047, data, 1024) == -EIO);
	CHECK(transfer(0, BLK_READ, ~0ull, data, 512) == -EIO);
	CHECK(transfer(0, BLK_READ, 0, data, 100) == -EIO);
	CHECK(transfer(0, BLK_READ, 0, data, 0) == -EIO);
	prepare(&r, BLK_READ, 0);
	r.segments = 1u << 31;
	CHECK(finish(blk_backends[0], &r) == -EIO);
	prepare(&r, (enum blk_op)77, 0);
	add_segment(&r, data, 512);
	CHECK(finish(blk_backends[0], &r) == -EIO);
	CHECK(transfer(0, BLK_READ, 2047, data, 512) == 0);
	log_line("disks: ok");
}

#define MANY 300
static struct blk_request many[MANY];

/* Submits until the device takes no more; returns how many. Writes go where no test reads. */
static unsigned fill(unsigned unit, enum blk_op op)
{
	unsigned n;

	for (n = 0; n < MANY; n++) {
		prepare(&many[n], op, (op == BLK_WRITE ? 1000 : 0) + n % 64 * 2);
		add_segment(&many[n], data + (size_t)n * 1024, 512);
		add_segment(&many[n], data + (size_t)n * 1024 + 512, 512);
		if (blk_backends[unit]->submit(blk_backends[unit], &many[n]))
			break;
	}
	return n;
}

static void test_full(void)
{
	unsigned before = done_count;
	unsigned n = fill(1, BLK_READ);
	u64 start;

	CHECK(n >= 40 && n < MANY);
	wait_for(&done_count, before + n, "a full queue");
	for (unsigned i = 0; i < n; i++)
		check_sector(1, i % 64 * 2, data + (size_t)i * 1024);

	/* Around the ring several times. */
	start = arch_time();
	for (unsigned i = 0; i < 1000; i++)
		CHECK(transfer(i % 2, BLK_READ, 7, data, 512) == 0);
	log_line("full queue: ok, %u at once; 1000 reads one by one in %lu us", n,
		 (arch_time() - start) / 10);
}

/* Who waits on the hart that takes the interrupts, and takes none meanwhile, gets what he waits for. */
static void test_without_interrupts(void)
{
	struct blk_request r;

	/* A flush ends some time after it was submitted. */
	for (unsigned n = 0; n < 20; n++) {
		unsigned before = done_count;
		u64 end = arch_time() + 5 * SECOND;

		CHECK(transfer(0, BLK_WRITE, 40, data, 4096) == 0);
		prepare(&r, BLK_FLUSH, 0);
		CHECK(blk_backends[0]->submit(blk_backends[0], &r) == 0);
		while (done_count == before + 1 && arch_time() < end)
			drivers_look();
		CHECK(done_count == before + 2 && done_status == 0);
	}
	log_line("without interrupts: ok");
}

/* ---- Network: ARP with QEMU's user network, which is 10.0.2.2 ---- */

static volatile unsigned frames;

static void receive(struct net_backend *b, const void *frame, size_t bytes)
{
	const u8 *f = frame;

	CHECK(b == net_backend);
	if (bytes >= 42 && f[12] == 8 && f[13] == 6 && f[21] == 2 && !memcmp(f + 28, "\x0a\0\x02\x02", 4) &&
	    !memcmp(f, b->mac, 6))
		frames++;
}

static void arp(u8 frame[60])
{
	/* RFC 826: Ethernet, IPv4, request. */
	static const u8 head[] = { 8, 6, 0, 1, 8, 0, 6, 4, 0, 1 };
	static const u8 ours[] = { 10, 0, 2, 15 }, theirs[] = { 10, 0, 2, 2 };

	memset(frame, 0, 60);
	memset(frame, 0xff, 6);
	memcpy(frame + 6, net_backend->mac, 6);
	memcpy(frame + 12, head, sizeof(head));
	memcpy(frame + 22, net_backend->mac, 6);
	memcpy(frame + 28, ours, sizeof(ours));
	memcpy(frame + 38, theirs, sizeof(theirs));
}

static void test_net(unsigned rounds)
{
	u8 frame[60];

	CHECK(net_backend);
	CHECK(!memcmp(net_backend->mac, "\x52\x54\0\x12\x34\x99", 6));
	net_backend->receive = receive;
	arp(frame);
	CHECK(net_backend->transmit(net_backend, frame, 5) == -EINVAL);
	CHECK(net_backend->transmit(net_backend, frame, 100000) == -EINVAL);
	frames = 0;
	for (unsigned i = 0; i < rounds; i++) {
		while (net_backend->transmit(net_backend, frame, sizeof(frame)) == -EAGAIN)
			turn();
		wait_for(&frames, i + 1, "a frame");
	}
	if (rounds > 1)
		log_line("net: ok, %u frames there and back", rounds);
}

/* ---- Control channel: peer.py sends so many bytes of a pattern, and checks that it gets them back ---- */

#define ECHO_BYTES 1000000u

static void echo(u32 total)
{
	static u8 buffer[10000];
	u64 end = arch_time() + 30 * SECOND;
	u32 done_bytes = 0;

	CHECK(control_stream);
	while (done_bytes < total) {
		size_t n = control_stream->read(control_stream, buffer, sizeof(buffer));
		size_t at = 0;

		while (at < n) {
			at += control_stream->write(control_stream, buffer + at, n - at);
			turn();
		}
		done_bytes += (u32)n;
		turn();
		CHECK(arch_time() < end);
	}
}

static void say(const char *text)
{
	size_t n = strlen(text);

	for (size_t at = 0; at < n;)
		at += control_stream->write(control_stream, text + at, n - at);
}

/* ---- Entropy ---- */

static void test_entropy(void)
{
	static u8 bytes[2][6000];
	unsigned count[256] = { 0 };

	entropy_read(bytes[0], sizeof(bytes[0]));
	entropy_read(bytes[1], sizeof(bytes[1]));
	CHECK(memcmp(bytes[0], bytes[1], sizeof(bytes[0])) != 0);
	for (unsigned i = 0; i < 2 * sizeof(bytes[0]); i++)
		count[bytes[i % 2][i / 2]]++;
	for (unsigned i = 0; i < 256; i++)
		CHECK(count[i] > 5 && count[i] < 200);
	log_line("entropy: ok");
}

/* ---- The life ends and an heir comes ---- */

static unsigned life;

static void begin_life(void)
{
	memset(slots[life % 2], 0, SLOT_SIZE);
	pages_init(slots[life % 2], SLOT_SIZE);
	drivers_init();
	life++;
}

/* Devices are busy, nobody waits for them, interrupts are claimed and never completed: all of it must end with the life. */
static void test_heirs(void)
{
	u8 frame[60];

	for (unsigned i = 0; i < 20; i++) {
		unsigned before = done_count;
		u32 claimed = 0;

		fill(0, i % 3 ? BLK_READ : BLK_WRITE);
		fill(1, BLK_READ);
		arp(frame);
		for (unsigned k = 0; k < 30; k++)
			net_backend->transmit(net_backend, frame, sizeof(frame));
		say("said before the end\n");
		for (u64 end = arch_time() + i * SECOND / 1000; arch_time() < end;)
			claimed = claimed ? claimed : io_read32(CLAIM);

		begin_life();
		memset(data, 0xee, sizeof(data));
		memset(slots[life % 2], 0xee,
		       SLOT_SIZE); /* of the dead life: nobody may write there any more */
		for (u64 end = arch_time() + SECOND / 50; arch_time() < end;)
			turn();
		CHECK(done_count == before);
		for (size_t at = 0; at < sizeof(data); at++)
			CHECK(data[at] == 0xee);
		for (size_t at = 0; at < SLOT_SIZE; at++)
			CHECK(slots[life % 2][at] == 0xee);

		CHECK(transfer(0, BLK_READ, 2000, data, 512) == 0);
		check_sector(0, 2000, data);
		CHECK(transfer(1, BLK_READ, 2000, data, 512) == 0);
		check_sector(1, 2000, data);
		test_net(1);
	}
	test_disks();
	test_entropy();
	log_line("heirs: ok");
}

/* ---- A device that breaks the rules: registers in RAM, and we are the device ---- */

static u32 fake[1024] __attribute__((aligned(4096)));

static void fake_begin(u32 version)
{
	memset(fake, 0, sizeof(fake));
	fake[0] = 0x74726976;
	fake[1] = version;
	fake[2] = 2;		/* block device */
	fake[0x10 / 4] = 1;	/* features, low and high word: VERSION_1 is bit 0 of the high one */
	fake[0x34 / 4] = 256;	/* QueueNumMax */
	fake[0x100 / 4] = 1000; /* sectors */
	estate.machine.virtio[0] = (struct machine_range){ (uintptr_t)fake, sizeof(fake) };
	begin_life();
}

static u16 *fake_used(void)
{
	return (u16 *)(uintptr_t)(fake[0xa0 / 4] | (u64)fake[0xa4 / 4] << 32);
}

/* A request is under way; the device answers with used index `idx` and element `id`. All of them end with an error. */
static void fake_answer(u16 idx, u32 id)
{
	struct blk_request r[3];
	unsigned before = done_count;
	struct blk_backend *b;
	u16 *used;

	fake_begin(2);
	b = blk_backends[3]; /* RAM lies above the machine's own devices */
	CHECK(b && b->sectors == 1000);
	for (unsigned i = 0; i < 2; i++) {
		prepare(&r[i], BLK_READ, 0);
		add_segment(&r[i], data, 512);
		CHECK(b->submit(b, &r[i]) == 0);
	}
	turn();
	CHECK(done_count == before);
	used = fake_used();
	memcpy(used + 2, &id, 4);
	memcpy(used + 6, &id, 4); /* the second element, too: the same buffer twice */
	used[1] = idx;
	prepare(&r[2], BLK_FLUSH, 0);
	CHECK(b->submit(b, &r[2]) == 0); /* marks the device for the next turn */
	turn();
	turn();
	CHECK(done_count == before + 3);
	CHECK(fake[0x70 / 4] == 0); /* reset */
	CHECK(finish(b, (prepare(&r[0], BLK_FLUSH, 0), &r[0])) == -EIO);
}

static void test_hostile(void)
{
	struct machine_range own = estate.machine.virtio[0];

	fake_answer(3, 0);	/* more than was under way */
	fake_answer(0xffff, 0); /* backwards */
	fake_answer(1, 256);	/* no such descriptor */
	fake_answer(1, ~0u);
	fake_answer(1, 1); /* not the first of its buffer */
	fake_answer(2, 0); /* the same buffer twice */
	fake_begin(1);	   /* legacy: refused, and takes no number */
	CHECK(blk_backends[2] && !blk_backends[3]);
	estate.machine.virtio[0] = own;
	begin_life();
	CHECK(transfer(0, BLK_READ, 2000, data, 512) == 0);
	log_line("hostile device: ok");
}

static void make_machine(void)
{
	struct machine_record *m = &estate.machine;

	m->timebase = VIRT_TIMEBASE;
	m->hart_count = 1;
	m->plic_context[0] = CONTEXT;
	m->uart = (struct machine_range){ VIRT_UART, 0x100 };
	m->plic = (struct machine_range){ VIRT_PLIC, 0x600000 };
	m->plic_sources = 95;
	m->virtio_count = 9; /* the first is for the device of test_hostile */
	for (u32 i = 0; i < 8; i++) {
		m->virtio[i + 1] = (struct machine_range){ VIRT_VIRTIO + i * 0x1000ull, 0x1000 };
		m->virtio_irq[i + 1] = i + 1;
	}
}

void test_main(void)
{
	serial_write("silent\n", 7); /* no UART is known yet */
	make_machine();
	log_line("driver test");
	begin_life();
	if (!blk_backends[0])
		verdict(!net_backend && !control_stream); /* the run with legacy devices */
	if (blk_backends[0]->readonly)
		verdict(test_order());
	test_disks();
	test_full();
	test_without_interrupts();
	test_net(200);
	test_entropy();
	say("echo\n");
	echo(ECHO_BYTES);
	log_line("control: ok");
	test_heirs();
	say("echo\n");
	echo(ECHO_BYTES);
	test_hostile();
	say("end\n");
	verdict(true);
}
