/*
 * A host that is none: a program that `outlive run --qemu` takes for QEMU, with the control channel's other end in it.
 * Tests use it to make happen what a real host does rarely. It reads the boot pack, has the VMs that are in it, and
 * echoes their consoles' input; "off" on a line of its own powers the VM off.
 *
 * FAKE_HOST in the environment names its faults, with commas between them:
 *   silent     never says hello
 *   strange    speaks another version of the control channel
 *   broken     ends at once with an error
 *   deaf       ignores each request once: the life ended with it
 *   twice      sends all console output twice
 *   torn       before each frame, most of it
 *   gap        100 bytes of console output are lost at the beginning
 *   flood      each VM prints 200000 bytes at the beginning
 *   stubborn   does not power off
 *   greedless  takes one byte of input at a time
 *   resets     a crash resets the machine
 *   forge      a console prints what looks like a frame
 *   undumped   knows nothing of dumps
 *   forgetful  loses the first dump of each VM after some pages, as if a life had ended
 *   amnesic    loses every dump
 *   slow       10 ms for each piece of a dump
 *   babbling   answers a dump with bytes that make no sense
 */
#include "abi/control.h"
#include "abi/estate.h"
#include "core/control/frame.h"
#include "core/lib/crc32c.h"
#include "core/vm/pack.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TIMEBASE 1000000

struct fake_vm {
	struct ctl_vm info;
	u64 sent, acknowledged;
	char *output; /* all of it, ever; byte n at n */
	char line[64];
	size_t line_length;
};

static int channel = -1, serial = -1, serial_log = -1;
static struct fake_vm vms[MAX_VMS];
static u32 vm_count;
static u32 pack_flags;
static u64 life = 1, life_started;
static struct ctl_life history[64];
static u32 heard[1024]; /* tags of requests that "deaf" has ignored */
static size_t heard_count;
static char host_log[65536];

static bool fault(const char *name)
{
	const char *faults = getenv("FAKE_HOST");
	size_t length = strlen(name);

	for (const char *at = faults; at && (at = strstr(at, name)); at += length)
		if ((at == faults || at[-1] == ',') && (!at[length] || at[length] == ','))
			return true;
	return false;
}

static u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * TIMEBASE + (u64)t.tv_nsec / 1000;
}

static void put(int fd, const void *bytes, size_t count)
{
	const u8 *from = bytes;

	while (count) {
		ssize_t got = write(fd, from, count);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			exit(0);
		from += got;
		count -= (size_t)got;
	}
}

static void say(const char *text)
{
	char line[256];
	int length = snprintf(line, sizeof(line), "[%5llu.%06llu] h0: %s\n",
			      (unsigned long long)(now() / TIMEBASE), (unsigned long long)(now() % TIMEBASE),
			      text);

	put(serial, line, (size_t)length);
	if (serial_log >= 0)
		put(serial_log, line, (size_t)length);
	if (strlen(host_log) + (size_t)length < sizeof(host_log))
		strcat(host_log, line);
}

/* The beginning of a frame that claims more than it has. */
static void send_torn(void)
{
	struct ctl_header header = { .type = CTL_EVENT_CONSOLE };
	u8 frame[FRAME_MAX], payload[1000] = { 0 };
	size_t size = frame_encode(frame, sizeof(frame), &header, payload, sizeof(payload));

	put(channel, frame, size / 2);
}

static void send_frame(struct ctl_header header, const void *payload, size_t length)
{
	u8 frame[FRAME_MAX];
	size_t size = frame_encode(frame, sizeof(frame), &header, payload, length);

	if (fault("strange")) {
		memcpy(&header, frame, sizeof(header));
		header.version = CTL_VERSION + 1;
		header.crc = 0;
		header.crc = crc32c(crc32c(0, &header, sizeof(header)), payload, length);
		memcpy(frame, &header, sizeof(header));
	}
	/* Without its last byte, or with the next frame's first it would be whole again. */
	if (fault("torn"))
		put(channel, frame, size - 1 - (frame[size - 1] == (u8)CTL_MAGIC));
	put(channel, frame, size);
}

static void send_console(struct fake_vm *vm)
{
	while (vm->sent < vm->info.console_head) {
		u8 payload[512];
		size_t count = (size_t)(vm->info.console_head - vm->sent);

		if (count > sizeof(payload) - sizeof(u64))
			count = sizeof(payload) - sizeof(u64);
		count = frame_split(vm->output + vm->sent, count);
		memcpy(payload, &vm->sent, sizeof(u64));
		memcpy(payload + sizeof(u64), vm->output + vm->sent, count);
		for (int i = 0; i < (fault("twice") ? 2 : 1); i++)
			send_frame((struct ctl_header){ .type = CTL_EVENT_CONSOLE, .vm = vm->info.index },
				   payload, sizeof(u64) + count);
		vm->sent += count;
	}
}

static void print(struct fake_vm *vm, const char *text, size_t count)
{
	vm->output = realloc(vm->output, (size_t)vm->info.console_head + count);
	if (!vm->output)
		exit(1);
	memcpy(vm->output + vm->info.console_head, text, count);
	vm->info.console_head += count;
}

static struct ctl_host describe(void)
{
	return (struct ctl_host){ .protocol = CTL_VERSION,
				  .estate_version = ESTATE_VERSION,
				  .life = life,
				  .timebase = TIMEBASE,
				  .now = now(),
				  .started = life_started,
				  .memory = MIB(512),
				  .memory_free = MIB(100),
				  .harts = 2,
				  .vms = vm_count,
				  .vcpus = vm_count,
				  .has_warden = 1,
				  .build = "fa4e" };
}

static void report_life(void)
{
	struct ctl_host host = describe();

	send_frame((struct ctl_header){ .type = CTL_EVENT_LIFE }, &host, sizeof(host));
}

static void change(struct fake_vm *vm, u32 state, u32 reason)
{
	bool is_idle = true;

	vm->info.run_state = state;
	vm->info.reason = reason;
	vm->info.boots += state == VM_RUNNING && reason != VM_REASON_NONE;
	send_frame((struct ctl_header){ .type = CTL_EVENT_VM, .vm = vm->info.index }, &vm->info,
		   sizeof(vm->info));
	for (u32 i = 0; i < vm_count; i++)
		is_idle = is_idle &&
			  (vms[i].info.run_state == VM_STOPPED || vms[i].info.run_state == VM_CRASHED);
	if (is_idle && (pack_flags & PACK_FLAG_EXIT_WHEN_IDLE))
		exit(0);
}

/* The life ends in the middle of a frame; what was not acknowledged comes again. */
static void crash(u32 kind)
{
	struct ctl_life *dead = &history[life % 64];

	say("the end");
	*dead = (struct ctl_life){ .number = life,
				   .cause = kind == CTL_CRASH_HANG ? LIFE_HANG : LIFE_PANIC,
				   .crash_pc = 0x1234,
				   .t_start = life_started,
				   .t_fault = now(),
				   .vms_adopted = vm_count,
				   .text = "a crash on request" };
	send_torn();
	usleep(20000);
	dead->t_stopped = dead->t_fault + 10;
	dead->t_heir = dead->t_fault + 30;
	dead->t_adopted = dead->t_fault + 60;
	dead->t_first_guest = dead->t_fault + 100;
	dead->t_last_guest = dead->t_fault + 150;
	life++;
	life_started = now();
	history[life % 64] = (struct ctl_life){ .number = life, .t_start = life_started };
	say("another life");
	report_life();
	for (u32 i = 0; i < vm_count; i++) {
		vms[i].sent = vms[i].acknowledged;
		print(&vms[i], "+", 1);
		send_console(&vms[i]);
	}
}

static void begin_consoles(void);

/* All begins again: the estate is gone. */
static void reset(void)
{
	send_torn();
	life = 1;
	life_started = now();
	memset(history, 0, sizeof(history));
	history[1] = (struct ctl_life){ .number = 1, .t_start = life_started };
	for (u32 i = 0; i < vm_count; i++)
		vms[i].info.console_head = vms[i].sent = vms[i].acknowledged = 0;
	report_life();
	begin_consoles();
}

static void echo(struct fake_vm *vm, const u8 *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		print(vm, (const char *)&bytes[i], 1);
		if (bytes[i] != '\n' && bytes[i] != '\r') {
			if (vm->line_length + 1 < sizeof(vm->line))
				vm->line[vm->line_length++] = (char)bytes[i];
			continue;
		}
		vm->line[vm->line_length] = '\0';
		vm->line_length = 0;
		if (strcmp(vm->line, "off") == 0) {
			print(vm, "bye\n", 4);
			send_console(vm);
			change(vm, VM_STOPPED, VM_REASON_POWEROFF);
		} else if (strcmp(vm->line, "fail") == 0) {
			change(vm, VM_CRASHED, VM_REASON_GUEST_FAILURE);
		} else if (strcmp(vm->line, "die") == 0) {
			crash(CTL_CRASH_PANIC);
		}
	}
	send_console(vm);
}

static s32 operate(u16 type, struct fake_vm *vm)
{
	bool is_running = vm->info.run_state == VM_RUNNING;

	switch (type) {
	case CTL_VM_START:
		if (is_running)
			return -EALREADY;
		change(vm, VM_RUNNING, VM_REASON_OPERATOR);
		return 0;
	case CTL_VM_STOP:
		if (vm->info.run_state == VM_STOPPED)
			return -EALREADY;
		change(vm, VM_STOPPED, VM_REASON_OPERATOR);
		return 0;
	case CTL_VM_PAUSE:
		if (!is_running)
			return -EBUSY;
		change(vm, VM_PAUSED, VM_REASON_NONE);
		return 0;
	case CTL_VM_RESUME:
		if (vm->info.run_state != VM_PAUSED)
			return -EBUSY;
		change(vm, VM_RUNNING, VM_REASON_NONE);
		return 0;
	default:
		change(vm, VM_RUNNING, VM_REASON_OPERATOR);
		return 0;
	}
}

static size_t reply_vms(u32 first, u8 *reply)
{
	size_t length = 0;

	/* Two at a time, so that there is a next time. */
	for (u32 i = first; i < vm_count && i < first + 2; i++, length += sizeof(vms[i].info))
		memcpy(reply + length, &vms[i].info, sizeof(vms[i].info));
	return length;
}

static size_t reply_lives(u64 first, u8 *reply)
{
	size_t length = 0;

	for (u64 n = first ? first : 1; n <= life && length + sizeof(*history) <= CTL_PAYLOAD_MAX; n++) {
		memcpy(reply + length, &history[n % 64], sizeof(*history));
		length += sizeof(*history);
	}
	return length;
}

static size_t reply_log(u64 from, u8 *reply)
{
	struct ctl_log log = { .offset = from, .head = strlen(host_log) };
	size_t count = from < log.head ? (size_t)(log.head - from) : 0;

	/* Little at a time, and lines torn. */
	if (count > 100)
		count = 100;
	memcpy(reply, &log, sizeof(log));
	memcpy(reply + sizeof(log), host_log + from, count);
	return sizeof(log) + count;
}

static size_t reply_vcpus(u32 first, u8 *reply)
{
	struct ctl_vcpu vcpu = {
		.vm = first, .state = VCPU_RUNNABLE, .run_ticks = now() / 2, .exits = now(), .pc = ~0ull << 31
	};

	if (first >= vm_count)
		return 0;
	memcpy(reply, &vcpu, sizeof(vcpu));
	return sizeof(vcpu);
}

/* True once for each tag. */
static bool is_ignored(u32 tag)
{
	if (!fault("deaf"))
		return false;
	for (size_t i = 0; i < heard_count; i++)
		if (heard[i] == tag)
			return false;
	if (heard_count < 1024)
		heard[heard_count++] = tag;
	return true;
}

static u64 number(const u8 *payload, size_t length)
{
	u64 value = 0;

	memcpy(&value, payload, length < sizeof(value) ? length : sizeof(value));
	return value;
}

/* ---- Dumps ---- */

#define FAKE_RAM 0x80000000ull

static u64 dump_id; /* of the dump that is under way, 0: none */
static u32 dump_reads, dumps_begun;

/*
 * What a page of the fake VM's memory is: of 512 pages the first half have bytes, every seventh is zero, every eighth does not
 * compress; the rest has never been used.
 */
static enum ctl_dump_kind page_kind(u64 page)
{
	if (page % 512 >= 256)
		return CTL_DUMP_UNTOUCHED;
	return page % 7 == 6 ? CTL_DUMP_ZERO : CTL_DUMP_RAW;
}

/* One page as a run; what is not compressed gets a byte of its number everywhere, and one in eight the magic of a frame. */
static size_t put_page(u64 page, u8 *to)
{
	struct ctl_dump_run run = { .pages = 1, .kind = (u16)page_kind(page) };
	u8 *bytes = to + sizeof(run);

	if (run.kind == CTL_DUMP_RAW) {
		run.bytes = (u16)PAGE_SIZE;
		memset(bytes, (int)(page % 251 + 1), PAGE_SIZE);
		memcpy(bytes, &page, sizeof(page));
		if (page % 8 == 0)
			memcpy(bytes + 100, &(u32){ CTL_MAGIC }, sizeof(u32));
	}
	memcpy(to, &run, sizeof(run));
	return sizeof(run) + run.bytes;
}

static size_t reply_read(const struct fake_vm *vm, u64 at, u8 *reply)
{
	struct ctl_dump_data head = { .at = at };
	u64 page = (at - FAKE_RAM) / PAGE_SIZE, pages = vm->info.memory / PAGE_SIZE;
	size_t length = sizeof(head);

	if (fault("slow"))
		usleep(10000);
	while (page < pages && length + sizeof(struct ctl_dump_run) + PAGE_SIZE <= CTL_PAYLOAD_MAX) {
		if (page_kind(page) == CTL_DUMP_UNTOUCHED) {
			struct ctl_dump_run run = { .pages = 512 - (u32)(page % 512),
						    .kind = CTL_DUMP_UNTOUCHED };

			memcpy(reply + length, &run, sizeof(run));
			length += sizeof(run);
			page += run.pages;
			continue;
		}
		length += put_page(page++, reply + length);
	}
	head.next = FAKE_RAM + page * PAGE_SIZE;
	if (fault("babbling"))
		head.next += 1;
	head.mask = 0x5a5a5a5a;
	frame_unmask(reply + sizeof(head), length - sizeof(head), head.mask);
	memcpy(reply, &head, sizeof(head));
	return length;
}

static size_t reply_dump_vcpu(u64 first, u8 *reply)
{
	struct ctl_dump_data head = { .at = first, .next = first + 1, .mask = 0xa5a5a5a5 };
	struct ctl_dump_vcpu vcpu = { .id = first, .pc = 0xffffffff80001234ull, .mode = 1 };

	for (u64 i = 1; i < 32; i++)
		vcpu.x[i] = i * 0x1111;
	memcpy(reply + sizeof(head), &vcpu, sizeof(vcpu));
	frame_unmask(reply + sizeof(head), sizeof(vcpu), head.mask);
	memcpy(reply, &head, sizeof(head));
	return sizeof(head) + sizeof(vcpu);
}

static s32 dump_request(struct fake_vm *vm, const struct ctl_header *header, const u8 *payload, u8 *reply,
			size_t *length)
{
	u64 id = number(payload, header->length);
	u64 at = number(payload + sizeof(id), header->length - sizeof(id));
	bool is_live = header->type == CTL_DUMP_BEGIN && at & CTL_DUMP_LIVE;
	struct ctl_dump info = { .id = id,
				 .memory = vm->info.memory,
				 .instant = now(),
				 .timebase = TIMEBASE,
				 .pause = 1234,
				 .vcpus = vm->info.vcpus,
				 .ranges = 1,
				 .range = { { FAKE_RAM, vm->info.memory } } };

	if (fault("undumped"))
		return -ENOSYS;
	if (header->type == CTL_DUMP_BEGIN) {
		if (dump_id && dump_id != id)
			return -EBUSY;
		if (vm->info.run_state == VM_STOPPED)
			return -ENXIO;
		say(is_live ? "a dump begins, live" : "a dump begins");
		dump_id = id;
		dump_reads = 0;
		dumps_begun++;
		memcpy(reply, &info, *length = sizeof(info));
		return 0;
	}
	if (dump_id != id)
		return -ENOENT;
	if (header->type == CTL_DUMP_END) {
		say("a dump ends");
		dump_id = 0;
		return 0;
	}
	if (header->type == CTL_DUMP_VCPU) {
		*length = reply_dump_vcpu(at, reply);
		return 0;
	}
	if (++dump_reads == 100 && (fault("amnesic") || (fault("forgetful") && dumps_begun == 1))) {
		dump_id = 0;
		return -ENOENT;
	}
	if (at < FAKE_RAM || at - FAKE_RAM >= vm->info.memory || at % PAGE_SIZE)
		return -EINVAL;
	*length = reply_read(vm, at, reply);
	return 0;
}

static void request(const struct ctl_header *header, const u8 *payload)
{
	struct ctl_header reply = { .type = header->type | CTL_REPLY, .tag = header->tag, .vm = header->vm };
	struct fake_vm *vm = &vms[header->vm < vm_count ? header->vm : 0];
	u64 value = number(payload, header->length);
	struct ctl_host host = describe();
	u8 bytes[CTL_PAYLOAD_MAX];
	size_t length = 0;
	u32 taken;

	if (header->type == CTL_CONSOLE_ACK) {
		vm->acknowledged = value;
		return;
	}
	if (is_ignored(header->tag))
		return;
	switch (header->type) {
	case CTL_HELLO:
		memcpy(bytes, &host, length = sizeof(host));
		break;
	case CTL_PS:
		length = reply_vms((u32)value, bytes);
		break;
	case CTL_LIVES:
		length = reply_lives(value, bytes);
		break;
	case CTL_LOG:
		length = reply_log(value, bytes);
		break;
	case CTL_TOP:
		length = reply_vcpus((u32)value, bytes);
		break;
	case CTL_CRASH:
		if (fault("resets"))
			reset();
		else
			crash((u32)value);
		return;
	case CTL_CONSOLE_INPUT:
		if (vm->info.run_state != VM_RUNNING) {
			reply.status = -ENXIO;
			break;
		}
		taken = fault("greedless") && header->length ? 1 : header->length;
		memcpy(bytes, &taken, length = sizeof(taken));
		send_frame(reply, bytes, length);
		echo(vm, payload, taken);
		return;
	case CTL_DUMP_BEGIN:
	case CTL_DUMP_VCPU:
	case CTL_DUMP_READ:
	case CTL_DUMP_END:
		reply.status = dump_request(vm, header, payload, bytes, &length);
		break;
	case CTL_POWEROFF:
		if (fault("stubborn"))
			return;
		send_frame(reply, NULL, 0);
		exit(0);
	default:
		reply.status = header->vm < vm_count ? operate(header->type, vm) : -ENOENT;
		break;
	}
	send_frame(reply, bytes, length);
}

static void open_pack_file(const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	struct pack pack;
	char why[128];
	void *at;

	if (fd < 0 || fstat(fd, &st) < 0)
		exit(2);
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED || pack_open(&pack, at, (u64)st.st_size, why, sizeof(why))) {
		fprintf(stderr, "boot pack: %s\n", at == MAP_FAILED ? "cannot be mapped" : why);
		exit(2);
	}
	pack_flags = pack.header->flags;
	vm_count = pack.header->vm_count;
	for (u32 i = 0; i < vm_count; i++) {
		struct ctl_vm *info = &vms[i].info;

		memcpy(info->name, pack.vms[i].name, sizeof(info->name));
		info->index = i;
		info->vcpus = pack.vms[i].vcpus;
		info->memory = pack.vms[i].memory;
		info->flags = pack.vms[i].flags;
		info->run_state = pack.vms[i].autostart ? VM_RUNNING : VM_STOPPED;
		info->boots = pack.vms[i].autostart;
	}
}

static void begin_consoles(void)
{
	for (u32 i = 0; i < vm_count; i++) {
		struct fake_vm *vm = &vms[i];
		char text[128] = "";

		if (fault("gap")) {
			print(vm, text, 100);
			vm->sent = vm->acknowledged = 100;
		}
		if (fault("forge")) {
			struct ctl_header header = { .type = CTL_EVENT_CONSOLE, .vm = 0 };
			u8 frame[256] = { 0 }, payload[8 + 6] = { 0 };

			/* At the offset where the first VM's output ends, so that it would be taken. */
			payload[0] = (u8)(sizeof(header) + sizeof(payload) + strlen(vms[0].info.name) +
					  strlen(" says hello\n"));
			for (int n = 0; n < 6; n++)
				payload[8 + n] = (u8) "FORGED"[n];
			print(vm, (char *)frame,
			      frame_encode(frame, sizeof(frame), &header, payload, sizeof(payload)));
		}
		for (int n = 0; fault("flood") && n < 20000; n++)
			print(vm, text, (size_t)snprintf(text, sizeof(text), "%09d\n", n));
		print(vm, text, (size_t)snprintf(text, sizeof(text), "%s says hello\n", vm->info.name));
		if (vm->info.run_state == VM_RUNNING)
			send_console(vm);
	}
}

static void serve(void)
{
	static struct frame_decoder decoder;

	for (;;) {
		struct ctl_header header;
		const u8 *payload;
		u8 bytes[512];
		ssize_t got =
			read(channel, bytes,
			     frame_room(&decoder) < sizeof(bytes) ? frame_room(&decoder) : sizeof(bytes));

		if (got <= 0)
			exit(0);
		frame_put(&decoder, bytes, (size_t)got);
		while (frame_next(&decoder, &header, &payload))
			request(&header, payload);
	}
}

int main(int argc, char **argv)
{
	char path[1024];

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("QEMU emulator version 7.2.0 (none at all)");
		return 0;
	}
	if (fault("broken")) {
		fputs("fake host: broken, as asked for\n", stderr);
		return 3;
	}
	for (int i = 1; i < argc; i++) {
		sscanf(argv[i], "socket,id=control,fd=%d", &channel);
		if (sscanf(argv[i], "socket,id=serial,fd=%d,logfile=%1023[^,]", &serial, path) == 2)
			serial_log = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		if (strcmp(argv[i - 1], "-initrd") == 0)
			open_pack_file(argv[i]);
	}
	if (channel < 0 || serial < 0 || !vm_count)
		return 2;
	life_started = now();
	history[1] = (struct ctl_life){ .number = 1, .t_start = life_started };
	say("fake host");
	if (fault("silent"))
		for (;;)
			pause();
	report_life();
	begin_consoles();
	serve();
}
