/*
 * A workload that checks itself, for a guest whose hypervisor may die at any instant. Whatever happens below it, the
 * memory that it wrote, the blocks that it flushed, its registers and its clock must be what they were.
 *
 *   usage: workload [NAME=VALUE...]
 *
 *   seconds=N      ends after N seconds; 0, the default, is never
 *   memory=MIB     size of the memory that is written and verified (32), 0 for none
 *   disk=DEVICE    where blocks are written and verified (/dev/vda if it is there); none for no disk. DESTROYS CONTENTS
 *   disk_mib=MIB   how much of it (8)
 *   peer=ADDRESS   another workload's IPv4 address: exchanges UDP packets with it
 *   port=N         UDP port on which packets are echoed (7007)
 *   grace=N        seconds until the first echo must have come (60)
 *   pause=N        milliseconds to sleep between pieces of work (5); 0 takes all the time that there is
 *
 * Each can also be on the kernel's command line, as workload.NAME=VALUE; an argument has precedence.
 *
 * Once a second it prints a line, all figures counted from the start except gap_ms, the longest gap since the last line:
 *
 *   WORKLOAD t=12.3 boot_id=... mem=MIB-VERIFIED disk=BLOCKS-VERIFIED net=ECHOES lost=N dup=N served=N regs=ROUNDS
 *       clock=ok gap_ms=7 max_gap_ms=31 errors=0
 *
 * and for each error "WORKLOAD ERROR what: details". disk=- or net=- is what is not in use. It ends with
 * "WORKLOAD END t=... errors=N" and exit status 1 if there were errors.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MIB	  (1024u * 1024u)
#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

#define MAX_HARTS	64
#define MAX_ERROR_LINES 100 /* of one run: a broken machine must not drown the console */
#define DISK_BLOCK	4096u
#define DISK_WORKERS	2u
#define DISK_BATCH	16u
#define NET_TIMEOUT_NS	(10 * NS_PER_S)

static struct {
	uint64_t seconds;
	uint64_t memory_mib;
	char disk[64]; /* empty: not said */
	uint64_t disk_mib;
	char peer[64]; /* empty: none */
	uint64_t port;
	uint64_t grace_s;
	uint64_t pause_ms;
} options = { .memory_mib = 32, .disk_mib = 8, .port = 7007, .grace_s = 60, .pause_ms = 5 };

static char boot_id[64] = "unknown";

/* What the reporter prints. Each counter has one kind of thread that adds to it. */
static _Atomic uint64_t mem_mib, disk_blocks, net_echoes, net_lost, net_duplicates, net_served, regs_rounds;
static _Atomic uint64_t gap_ns, max_gap_ns, clock_errors, errors;
static atomic_bool stop;
static bool disk_used, net_used;

/* --- Common ----------------------------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void sleep_ms(uint64_t ms)
{
	struct timespec t = { (time_t)(ms / 1000), (long)(ms % 1000) * (long)NS_PER_MS };

	if (ms > 0)
		nanosleep(&t, NULL);
}

/* Prints a line with one write, so that lines of several threads do not mix. */
static void print_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void print_line(const char *format, ...)
{
	char line[512];
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	if (size < 0)
		return;
	if ((size_t)size > sizeof(line) - 2)
		size = sizeof(line) - 2;
	line[size++] = '\n';
	/* Nothing can be done about a console that does not take it. */
	if (write(STDOUT_FILENO, line, (size_t)size) < 0)
		return;
}

#define error(format, ...)                                                                  \
	do {                                                                                \
		uint64_t nth = atomic_fetch_add(&errors, 1);                                \
		if (nth < MAX_ERROR_LINES)                                                  \
			print_line("WORKLOAD ERROR " format, __VA_ARGS__);                  \
		else if (nth == MAX_ERROR_LINES)                                            \
			print_line("WORKLOAD ERROR more: further errors are only counted"); \
	} while (0)

/* A number that looks random and is a function of its argument (splitmix64's finaliser). */
static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static uint32_t crc_table[256];

static void crc32c_prepare(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ ((crc & 1) ? 0x82f63b78u : 0);
		crc_table[i] = crc;
	}
}

static uint32_t crc32c(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint32_t crc = 0xffffffffu;

	for (size_t i = 0; i < size; i++)
		crc = (crc >> 8) ^ crc_table[(crc ^ bytes[i]) & 0xff];
	return ~crc;
}

static void start_thread(void *(*function)(void *), void *argument, int hart)
{
	pthread_attr_t attributes;
	cpu_set_t set;
	pthread_t thread;

	pthread_attr_init(&attributes);
	if (hart >= 0) {
		CPU_ZERO(&set);
		CPU_SET((size_t)hart, &set);
		pthread_attr_setaffinity_np(&attributes, sizeof(set), &set);
	}
	int result = pthread_create(&thread, &attributes, function, argument);

	if (result != 0)
		error("start: cannot create a thread: %s", strerror(result));
	pthread_attr_destroy(&attributes);
}

/* --- Memory ----------------------------------------------------------------------------------------------------- */

static void check_memory(const uint64_t *words, size_t count, uint64_t round, size_t first)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t expected = mix(round << 32 ^ (first + i));
		uint64_t found = words[i];

		if (found != expected)
			error("memory: round %" PRIu64 " at %p: expected %016" PRIx64 ", found %016" PRIx64
			      ", reading again gives %016" PRIx64,
			      round, (const void *)&words[i], expected, found,
			      *(const volatile uint64_t *)&words[i]);
	}
}

/* Fills all of the memory, then verifies all of it, so that each word waits as long as possible. */
static void *memory_worker(void *unused)
{
	size_t mib_words = MIB / sizeof(uint64_t);
	size_t size = (size_t)options.memory_mib * MIB;
	uint64_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)unused;
	if (memory == MAP_FAILED) {
		error("memory: cannot map %" PRIu64 " MiB: %s", options.memory_mib, strerror(errno));
		return NULL;
	}
	for (uint64_t round = 1; !atomic_load(&stop); round++) {
		for (size_t m = 0; m < options.memory_mib; m++) {
			for (size_t i = m * mib_words; i < (m + 1) * mib_words; i++)
				memory[i] = mix(round << 32 ^ i);
			sleep_ms(options.pause_ms);
		}
		for (size_t m = 0; m < options.memory_mib && !atomic_load(&stop); m++) {
			check_memory(memory + m * mib_words, mib_words, round, m * mib_words);
			atomic_fetch_add(&mem_mib, 1);
			sleep_ms(options.pause_ms);
		}
	}
	return NULL;
}

/* --- Disk ------------------------------------------------------------------------------------------------------- */

#define BLOCK_MAGIC UINT64_C(0x4b434f4c424c5457)

struct disk_block {
	uint64_t magic;
	uint64_t number;
	uint64_t sequence;
	uint64_t nonce; /* of this run */
	uint64_t pattern[(DISK_BLOCK - 40) / 8];
	uint32_t reserved;
	uint32_t crc; /* of all before it */
};
_Static_assert(sizeof(struct disk_block) == DISK_BLOCK, "a block is as large as a block");

struct disk_worker {
	int file;
	uint64_t first; /* number of its first block */
	uint64_t count;
	uint64_t *sequences; /* of each block as last written and flushed, 0 for not yet */
	struct disk_block *buffer;
};

static uint64_t run_nonce;

static bool write_block(struct disk_worker *w, uint64_t index, uint64_t sequence)
{
	struct disk_block *b = w->buffer;
	uint64_t number = w->first + index;

	b->magic = BLOCK_MAGIC;
	b->number = number;
	b->sequence = sequence;
	b->nonce = run_nonce;
	for (size_t i = 0; i < sizeof(b->pattern) / sizeof(b->pattern[0]); i++)
		b->pattern[i] = mix(sequence << 24 ^ number << 12 ^ i);
	b->reserved = 0;
	b->crc = crc32c(b, offsetof(struct disk_block, crc));

	ssize_t done = pwrite(w->file, b, DISK_BLOCK, (off_t)(number * DISK_BLOCK));

	if (done != DISK_BLOCK) {
		error("disk: write of block %" PRIu64 ": %s", number,
		      done < 0 ? strerror(errno) : "incomplete");
		return false;
	}
	w->sequences[index] = sequence;
	return true;
}

static void verify_block(struct disk_worker *w, uint64_t index)
{
	struct disk_block *b = w->buffer;
	uint64_t number = w->first + index;

	memset(b, 0, sizeof(*b));

	ssize_t done = pread(w->file, b, DISK_BLOCK, (off_t)(number * DISK_BLOCK));

	if (done != DISK_BLOCK) {
		error("disk: read of block %" PRIu64 ": %s", number,
		      done < 0 ? strerror(errno) : "incomplete");
		return;
	}

	uint32_t crc = crc32c(b, offsetof(struct disk_block, crc));

	if (crc != b->crc || b->magic != BLOCK_MAGIC)
		error("disk: block %" PRIu64 " is corrupt: magic %016" PRIx64
		      ", checksum %08x, computed %08x, "
		      "says it is block %" PRIu64 " sequence %" PRIu64,
		      number, b->magic, b->crc, crc, b->number, b->sequence);
	else if (b->number != number || b->nonce != run_nonce || b->sequence != w->sequences[index])
		error("disk: block %" PRIu64 " is not what was written last: expected sequence %" PRIu64
		      ", found block %" PRIu64 " sequence %" PRIu64 "%s",
		      number, w->sequences[index], b->number, b->sequence,
		      b->nonce == run_nonce ? "" : " of another run");
	else
		atomic_fetch_add(&disk_blocks, 1);
}

/*
 * Rounds of: write a batch of blocks, flush, read them back, and as many others that were flushed long ago: a write
 * that is repeated later than a newer one to the same block shows up there.
 */
static void *disk_worker(void *argument)
{
	struct disk_worker *w = argument;
	uint64_t sequence = 0;
	uint64_t batch[DISK_BATCH];

	for (uint64_t round = 1; !atomic_load(&stop); round++) {
		for (uint64_t i = 0; i < DISK_BATCH; i++) {
			batch[i] = mix(round * DISK_BATCH + i + w->first) % w->count;
			if (!write_block(w, batch[i], ++sequence))
				sleep_ms(1000);
		}
		if (fdatasync(w->file) != 0)
			error("disk: flush: %s", strerror(errno));
		for (uint64_t i = 0; i < DISK_BATCH; i++) {
			uint64_t other = mix(~(round * DISK_BATCH + i)) % w->count;

			verify_block(w, batch[i]);
			if (w->sequences[other] != 0)
				verify_block(w, other);
		}
		sleep_ms(options.pause_ms * 2);
	}
	return NULL;
}

static uint64_t size_of_file(int file)
{
	struct stat status;
	uint64_t size = 0;

	if (fstat(file, &status) != 0)
		return 0;
	if (S_ISREG(status.st_mode))
		return (uint64_t)status.st_size;
	return ioctl(file, BLKGETSIZE64, &size) == 0 ? size : 0;
}

static void start_disk(void)
{
	static struct disk_worker workers[DISK_WORKERS];
	bool wanted = options.disk[0] != 0;
	const char *path = wanted ? options.disk : "/dev/vda";
	int file;

	if (strcmp(path, "none") == 0)
		return;
	file = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (file < 0 && errno == EINVAL)
		file = open(path, O_RDWR | O_SYNC | O_CLOEXEC);
	if (file < 0) {
		if (wanted)
			error("disk: cannot open %s: %s", path, strerror(errno));
		return;
	}

	uint64_t size = size_of_file(file);

	if (size > options.disk_mib * MIB)
		size = options.disk_mib * MIB;

	uint64_t count = size / DISK_BLOCK / DISK_WORKERS;

	if (count < DISK_BATCH) {
		error("disk: %s is too small (%" PRIu64 " bytes)", path, size);
		close(file);
		return;
	}
	disk_used = true;
	for (unsigned int i = 0; i < DISK_WORKERS; i++) {
		struct disk_worker *w = &workers[i];

		w->file = file;
		w->first = i * count;
		w->count = count;
		w->sequences = calloc(count, sizeof(*w->sequences));
		w->buffer = aligned_alloc(DISK_BLOCK, DISK_BLOCK);
		if (w->sequences == NULL || w->buffer == NULL)
			error("disk: no memory for %" PRIu64 " blocks", count);
		else
			start_thread(disk_worker, w, -1);
	}
}

/* --- Network ---------------------------------------------------------------------------------------------------- */

#define PACKET_MAGIC 0x4b505457u
#define PACKET_MAX   1400u
#define NET_WINDOW   1024u /* sequence numbers whose echo is remembered */

enum packet_kind { PACKET_REQUEST = 1, PACKET_ECHO = 2 };

struct packet {
	uint32_t magic;
	uint32_t crc;	/* of the packet with this member 0 */
	uint64_t nonce; /* of the sender's run */
	uint64_t sequence;
	uint32_t kind;
	uint32_t size; /* of the whole packet */
	uint8_t pattern[PACKET_MAX - 32];
};
_Static_assert(sizeof(struct packet) == PACKET_MAX, "a packet has no holes");

static void seal_packet(struct packet *p)
{
	p->crc = 0;
	p->crc = crc32c(p, p->size);
}

static bool packet_is_good(struct packet *p, size_t size)
{
	uint32_t crc = p->crc;

	if (size < offsetof(struct packet, pattern) || p->magic != PACKET_MAGIC || p->size != size)
		return false;
	p->crc = 0;

	bool good = crc32c(p, size) == crc;

	p->crc = crc;
	return good;
}

static int open_socket(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int file = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	/* So that receiving ends now and then, to look whether to stop. */
	struct timeval limit = { .tv_usec = 200000 };

	if (file < 0 || setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
	    bind(file, (struct sockaddr *)&address, sizeof(address)) != 0) {
		error("net: cannot open UDP port %u: %s", port, strerror(errno));
		return -1;
	}
	return file;
}

static void *echo_server(void *unused)
{
	int file = open_socket((uint16_t)options.port);

	(void)unused;
	while (file >= 0 && !atomic_load(&stop)) {
		struct packet p;
		struct sockaddr_in from;
		socklen_t from_size = sizeof(from);
		ssize_t size = recvfrom(file, &p, sizeof(p), 0, (struct sockaddr *)&from, &from_size);

		if (size < 0)
			continue;
		if (!packet_is_good(&p, (size_t)size) || p.kind != PACKET_REQUEST) {
			error("net: corrupt request of %zd bytes, sequence %" PRIu64, size, p.sequence);
			continue;
		}
		p.kind = PACKET_ECHO;
		seal_packet(&p);
		/* An echo that cannot be sent is a lost one. */
		if (sendto(file, &p, (size_t)size, 0, (struct sockaddr *)&from, from_size) == size)
			atomic_fetch_add(&net_served, 1);
	}
	return NULL;
}

struct net_client {
	int file;
	struct sockaddr_in peer;
	_Atomic uint64_t sent; /* the last sequence number that was sent */
};

static void *net_sender(void *argument)
{
	struct net_client *c = argument;
	struct packet p = { .magic = PACKET_MAGIC, .nonce = run_nonce, .kind = PACKET_REQUEST };

	for (uint64_t sequence = 1; !atomic_load(&stop); sequence++) {
		p.sequence = sequence;
		p.size = (uint32_t)(offsetof(struct packet, pattern) +
				    mix(sequence) % (sizeof(p.pattern) + 1));
		for (size_t i = 0; i < sizeof(p.pattern); i++)
			p.pattern[i] = (uint8_t)(sequence + i * 7);
		seal_packet(&p);
		atomic_store(&c->sent, sequence);
		/* A full queue or a network that is not up yet counts as lost packets. */
		(void)sendto(c->file, &p, p.size, 0, (struct sockaddr *)&c->peer, sizeof(c->peer));
		sleep_ms(10);
	}
	return NULL;
}

/*
 * The echoes of the last NET_WINDOW packets. A packet whose place is taken by a later one without having been echoed is
 * lost; an echo that comes again, or so late, is a duplicate.
 */
struct echo_window {
	uint64_t newest; /* sequence numbers up to here have been looked at */
	bool seen[NET_WINDOW];
};

static void window_advance(struct echo_window *w, uint64_t sequence)
{
	while (w->newest < sequence) {
		w->newest++;
		if (w->newest > NET_WINDOW && !w->seen[w->newest % NET_WINDOW])
			atomic_fetch_add(&net_lost, 1);
		w->seen[w->newest % NET_WINDOW] = false;
	}
}

static void window_count(struct echo_window *w, uint64_t sequence)
{
	window_advance(w, sequence);
	if (sequence + NET_WINDOW <= w->newest || w->seen[sequence % NET_WINDOW]) {
		atomic_fetch_add(&net_duplicates, 1);
		return;
	}
	w->seen[sequence % NET_WINDOW] = true;
	atomic_fetch_add(&net_echoes, 1);
}

/* Counts time without an echo. A step of it is at most half a second: while this guest is stopped, no time passes. */
struct silence {
	uint64_t last_ns;
	uint64_t silent_ns;
	uint64_t limit_ns;
	bool reported;
};

static void silence_check(struct silence *s, bool echo)
{
	uint64_t now = now_ns();
	uint64_t step = now - s->last_ns;

	s->last_ns = now;
	if (echo) {
		if (s->reported)
			print_line("WORKLOAD NOTE net: echoes again");
		*s = (struct silence){ .last_ns = now, .limit_ns = NET_TIMEOUT_NS };
		return;
	}
	s->silent_ns += step < NS_PER_S / 2 ? step : NS_PER_S / 2;
	if (s->silent_ns >= s->limit_ns && !s->reported) {
		error("net: no echo from %s for %" PRIu64 " s", options.peer, s->limit_ns / NS_PER_S);
		s->reported = true;
	}
}

static void *net_receiver(void *argument)
{
	struct net_client *c = argument;
	static struct echo_window window;
	struct silence silence = { .last_ns = now_ns(), .limit_ns = options.grace_s * NS_PER_S };

	while (!atomic_load(&stop)) {
		struct packet p;
		ssize_t size = recv(c->file, &p, sizeof(p), 0);
		bool good = size >= 0 && packet_is_good(&p, (size_t)size) && p.kind == PACKET_ECHO &&
			    p.nonce == run_nonce && p.sequence >= 1 && p.sequence <= atomic_load(&c->sent);

		silence_check(&silence, good);
		if (good)
			window_count(&window, p.sequence);
		else if (size >= 0)
			error("net: corrupt echo of %zd bytes, sequence %" PRIu64, size, p.sequence);
	}
	return NULL;
}

static void start_net(void)
{
	static struct net_client client;

	start_thread(echo_server, NULL, -1);
	if (options.peer[0] == 0)
		return;
	client.peer =
		(struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)options.port) };
	if (inet_pton(AF_INET, options.peer, &client.peer.sin_addr) != 1) {
		error("net: peer=%s is no IPv4 address", options.peer);
		return;
	}
	client.file = open_socket(0);
	if (client.file < 0)
		return;
	net_used = true;
	start_thread(net_receiver, &client, -1);
	start_thread(net_sender, &client, -1);
}

/* --- Clock ------------------------------------------------------------------------------------------------------ */

static _Atomic uint64_t latest_ns;

static void raise_to(_Atomic uint64_t *maximum, uint64_t value)
{
	uint64_t old = atomic_load(maximum);

	while (old < value && !atomic_compare_exchange_weak(maximum, &old, value))
		;
}

/* Reads the clock after the memory accesses before it: on RISC-V the time counter is ordered as device input. */
static uint64_t now_ns_ordered(void)
{
#ifdef __riscv
	__asm__ volatile("fence iorw, iorw" ::: "memory");
#endif
	return now_ns();
}

/* One of these on each hart: time must not go back, on this hart or as compared with another that was here first. */
static void *clock_worker(void *unused)
{
	uint64_t last = now_ns();

	(void)unused;
	while (!atomic_load(&stop)) {
		uint64_t before = atomic_load(&latest_ns);
		uint64_t now = now_ns_ordered();

		if (now < before) {
			atomic_fetch_add(&clock_errors, 1);
			error("clock: hart %d reads %" PRIu64 " ns after a hart has read %" PRIu64,
			      sched_getcpu(), now, before);
		}
		raise_to(&latest_ns, now);
		if (now > last) {
			raise_to(&gap_ns, now - last);
			raise_to(&max_gap_ns, now - last);
		}
		last = now;
		sleep_ms(1);
	}
	return NULL;
}

/* --- Registers -------------------------------------------------------------------------------------------------- */

/*
 * Loads floating-point registers and the callee-saved integer ones that the compiler can spare, waits some hundred
 * microseconds without a system call, so that only traps to below are in between, and compares.
 */
#ifdef __riscv
// clang-format off
#define EACH_FP(X) \
	X(0)  X(1)  X(2)  X(3)  X(4)  X(5)  X(6)  X(7)  X(8)  X(9)  X(10) X(11) X(12) X(13) X(14) X(15) \
	X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)
// clang-format on
#define LOAD_FP(n)  "fld f" #n ", 8*" #n "(%[in])\n"
#define STORE_FP(n) "fsd f" #n ", 8*" #n "(%[out])\n"
#define CLOBBER_FP                                                                                         \
	"f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "f10", "f11", "f12", "f13", "f14",     \
		"f15", "f16", "f17", "f18", "f19", "f20", "f21", "f22", "f23", "f24", "f25", "f26", "f27", \
		"f28", "f29", "f30", "f31"
#define REGISTERS	44u
#define LOAD_X(reg, n)	"ld " #reg ", 8*" #n "(%[in])\n"
#define STORE_X(reg, n) "sd " #reg ", 8*" #n "(%[out])\n"
#define EACH_X(X) \
	X(s2, 32) \
	X(s3, 33) \
	X(s4, 34) X(s5, 35) X(s6, 36) X(s7, 37) X(s8, 38) X(s9, 39) X(s10, 40) X(s11, 41) X(ra, 42) X(t6, 43)

static __attribute__((noinline)) void hold_registers(const uint64_t *in, uint64_t *out, uint64_t turns)
{
	/* clang-format off */
	__asm__ volatile(
		EACH_FP(LOAD_FP) EACH_X(LOAD_X)
		"1: addi %[turns], %[turns], -1\n"
		"bnez %[turns], 1b\n"
		EACH_FP(STORE_FP) EACH_X(STORE_X)
		: [turns] "+r"(turns)
		: [in] "r"(in), [out] "r"(out)
		: "memory", CLOBBER_FP, "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "ra", "t6");
	/* clang-format on */
}

static void *register_worker(void *unused)
{
	uint64_t in[REGISTERS], out[REGISTERS];

	(void)unused;
	for (uint64_t round = 1; !atomic_load(&stop); round++) {
		for (unsigned int i = 0; i < REGISTERS; i++) {
			in[i] = mix(round << 8 ^ i);
			out[i] = 0;
		}
		hold_registers(in, out, 200000);
		for (unsigned int i = 0; i < REGISTERS; i++)
			if (in[i] != out[i])
				error("registers: %s %u had %016" PRIx64 ", has %016" PRIx64,
				      i < 32 ? "f" : "integer", i, in[i], out[i]);
		atomic_fetch_add(&regs_rounds, 1);
		sleep_ms(options.pause_ms * 4);
	}
	return NULL;
}
#endif

/* --- Options and report ----------------------------------------------------------------------------------------- */

static bool parse_number(const char *text, uint64_t *number)
{
	char *end;

	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);

	if (errno != 0 || end == text || *end != 0 || text[0] == '-')
		return false;
	*number = value;
	return true;
}

static bool set_option(const char *assignment)
{
	const struct {
		const char *name;
		uint64_t *number;
		char *text;
	} known[] = {
		{ "seconds", &options.seconds, NULL }, { "memory", &options.memory_mib, NULL },
		{ "disk", NULL, options.disk },	       { "disk_mib", &options.disk_mib, NULL },
		{ "peer", NULL, options.peer },	       { "port", &options.port, NULL },
		{ "grace", &options.grace_s, NULL },   { "pause", &options.pause_ms, NULL },
	};
	const char *value = strchr(assignment, '=');

	for (size_t i = 0; value != NULL && i < sizeof(known) / sizeof(known[0]); i++) {
		if (strlen(known[i].name) != (size_t)(value - assignment) ||
		    strncmp(known[i].name, assignment, (size_t)(value - assignment)) != 0)
			continue;
		if (known[i].number != NULL)
			return parse_number(value + 1, known[i].number);
		return snprintf(known[i].text, sizeof(options.disk), "%s", value + 1) <
		       (int)sizeof(options.disk);
	}
	return false;
}

static bool read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool done = file != NULL && fgets(line, (int)size, file) != NULL;

	if (file != NULL)
		fclose(file);
	line[done ? strcspn(line, "\n") : 0] = 0;
	return done;
}

static bool read_options(int count, char **arguments)
{
	static char line[4096];
	char *rest = line;
	char *word;

	read_line("/proc/cmdline", line, sizeof(line));
	while ((word = strsep(&rest, " ")) != NULL) {
		if (strncmp(word, "workload.", 9) == 0 && !set_option(word + 9)) {
			print_line("WORKLOAD ERROR start: bad option %s", word);
			return false;
		}
	}
	for (int i = 1; i < count; i++) {
		if (!set_option(arguments[i])) {
			print_line("WORKLOAD ERROR start: bad argument %s", arguments[i]);
			return false;
		}
	}
	return true;
}

static void format_count(char *text, size_t size, bool used, uint64_t value)
{
	if (used)
		snprintf(text, size, "%" PRIu64, value);
	else
		snprintf(text, size, "-");
}

static void report(double seconds)
{
	char disk[24], net[24];

	format_count(disk, sizeof(disk), disk_used, atomic_load(&disk_blocks));
	format_count(net, sizeof(net), net_used, atomic_load(&net_echoes));
	print_line("WORKLOAD t=%.1f boot_id=%s mem=%" PRIu64 " disk=%s net=%s lost=%" PRIu64 " dup=%" PRIu64
		   " served=%" PRIu64 " regs=%" PRIu64 " clock=%s gap_ms=%" PRIu64 " max_gap_ms=%" PRIu64
		   " errors=%" PRIu64,
		   seconds, boot_id, atomic_load(&mem_mib), disk, net, atomic_load(&net_lost),
		   atomic_load(&net_duplicates), atomic_load(&net_served), atomic_load(&regs_rounds),
		   atomic_load(&clock_errors) == 0 ? "ok" : "BAD", atomic_exchange(&gap_ns, 0) / NS_PER_MS,
		   atomic_load(&max_gap_ns) / NS_PER_MS, atomic_load(&errors));
}

int main(int count, char **arguments)
{
	uint64_t start = now_ns();
	long harts = sysconf(_SC_NPROCESSORS_ONLN);
	double seconds = 0;

	if (!read_options(count, arguments))
		return 2;
	read_line("/proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id));
	crc32c_prepare();
	run_nonce = mix(start ^ (uint64_t)getpid());
	for (const char *c = boot_id; *c != 0; c++)
		run_nonce = mix(run_nonce ^ (uint64_t)*c);

	for (int hart = 0; hart < harts && hart < MAX_HARTS; hart++)
		start_thread(clock_worker, NULL, hart);
	if (options.memory_mib > 0)
		start_thread(memory_worker, NULL, -1);
#ifdef __riscv
	start_thread(register_worker, NULL, -1);
#endif
	start_disk();
	start_net();

	while (options.seconds == 0 || seconds < (double)options.seconds) {
		sleep_ms(1000);
		seconds = (double)(now_ns() - start) / (double)NS_PER_S;
		report(seconds);
	}
	atomic_store(&stop, true);

	uint64_t found = atomic_load(&errors);

	print_line("WORKLOAD END t=%.1f errors=%" PRIu64, seconds, found);
	/* Threads may be in the middle of something: they go with the process. */
	_exit(found == 0 ? 0 : 1);
}
