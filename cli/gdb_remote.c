/* A connection to QEMU's gdb stub: see gdb_remote.h. */
#include "cli/gdb_remote.h"
#include "cli/clock.h"
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Bytes of memory in one request. QEMU's packets have 4096 bytes. */
#define MEMORY_PIECE 1024

/* How long a machine may take to stop for a connection. */
#define FIRST_STOP_MS 1000

#define BREAK_IN 0x03

/* What a stopped machine says of why: gdb's numbers of signals. */
#define SIGNAL_BREAK_IN 2

/* ---- Packets ---- */

static int send_all(struct gdb_remote *g, const char *bytes, size_t count)
{
	while (count) {
		ssize_t put = send(g->fd, bytes, count, MSG_NOSIGNAL);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return -EPIPE;
		bytes += put;
		count -= (size_t)put;
	}
	return 0;
}

/* 1: a byte; 0: none until then. */
static int next_byte(struct gdb_remote *g, u64 until, u8 *byte)
{
	while (g->input_at == g->input_fill) {
		struct pollfd fd = { .fd = g->fd, .events = POLLIN };
		u64 now = clock_ms();
		ssize_t got;
		int ready = poll(&fd, 1, now < until ? (int)(until - now) : 0);

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return ready;
		got = recv(g->fd, g->input, sizeof(g->input), 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -EPIPE;
		g->input_at = 0;
		g->input_fill = (size_t)got;
	}
	*byte = g->input[g->input_at++];
	return 1;
}

/* 1: the decoder has a packet, which is acknowledged; 0: none within that time. */
static int receive(struct gdb_remote *g, u64 ms)
{
	u64 until = clock_ms() + ms;
	u8 byte;

	for (;;) {
		int got = next_byte(g, until, &byte);

		if (got <= 0)
			return got;
		switch (gdb_decode(&g->decoder, byte)) {
		case GDB_PACKET:
			return send_all(g, "+", 1) < 0 ? -EPIPE : 1;
		case GDB_BROKEN:
			if (send_all(g, "-", 1) < 0)
				return -EPIPE;
			break;
		case GDB_NAK:
			return -EPROTO;
		case GDB_MORE:
		case GDB_ACK:
			break;
		}
	}
}

static int send_request(struct gdb_remote *g, const char *request)
{
	char packet[2 * MEMORY_PIECE + 128];
	size_t size = gdb_encode(packet, sizeof(packet), request, strlen(request));

	return size ? send_all(g, packet, size) : -EMSGSIZE;
}

/* Sends a request and waits for its answer, which is in the decoder then. */
static int ask(struct gdb_remote *g, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int ask(struct gdb_remote *g, const char *format, ...)
{
	char request[2 * MEMORY_PIECE + 64];
	va_list list;
	int got;

	va_start(list, format);
	vsnprintf(request, sizeof(request), format, list);
	va_end(list);
	got = send_request(g, request);
	if (got < 0)
		return got;
	got = receive(g, g->timeout_ms);
	if (got <= 0)
		return got ? got : -ETIMEDOUT;
	return g->decoder.data[0] == 'E' ? -EIO : 0;
}

static int ask_ok(struct gdb_remote *g, int asked)
{
	return asked ? asked : strcmp(g->decoder.data, "OK") == 0 ? 0 : -EIO;
}

/* ---- Connection ---- */

/*
 * The description of the CSRs says in plain text which number each has. It comes in pieces, 'm' before each and 'l' before the
 * last; the line of a CSR whose own number is known is looked for.
 */
static int find_csr_base(struct gdb_remote *g)
{
	static const char name[] = "name=\"sstatus\"", number[] = "regnum=\"";
	const char *at;
	int error = ask(g, "qXfer:features:read:riscv-csr.xml:0,800");

	if (error)
		return error;
	at = strstr(g->decoder.data, name);
	at = at ? strstr(at, number) : NULL;
	if (!at)
		return -EPROTO;
	/* Its own number is 0x100. */
	g->csr_base = (u32)strtoul(at + strlen(number), NULL, 10) - 0x100;
	return 0;
}

static int begin(struct gdb_remote *g)
{
	int error = receive(g, FIRST_STOP_MS);

	/* A machine that was running says that it has stopped; one that was not says nothing. */
	error = error < 0 ? error : ask(g, "qSupported:xmlRegisters=riscv");
	if (!error)
		error = ask(g, "?");
	/* Not before the first description has been asked for does QEMU make the others. */
	if (!error)
		error = ask(g, "qXfer:features:read:target.xml:0,ff");
	if (!error)
		error = find_csr_base(g);
	if (!error)
		error = ask_ok(g, ask(g, "Qqemu.PhyMemMode:1"));
	return error;
}

int gdb_connect(struct gdb_remote *g, int directory, const char *file, u64 timeout_ms)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int error;

	*g = (struct gdb_remote){ .timeout_ms = timeout_ms };
	/* A way that fits into an address, however long the path is. */
	snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/%s", directory, file);
	g->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (g->fd < 0)
		return -errno;
	error = connect(g->fd, (struct sockaddr *)&at, sizeof(at)) < 0 ? -errno : begin(g);
	if (error)
		gdb_close(g);
	return error;
}

void gdb_close(struct gdb_remote *g)
{
	if (g->fd >= 0)
		close(g->fd);
	g->fd = -1;
}

/* ---- Memory and registers ---- */

int gdb_read(struct gdb_remote *g, u64 at, void *to, size_t bytes)
{
	u8 *out = to;

	while (bytes) {
		size_t piece = bytes < MEMORY_PIECE ? bytes : MEMORY_PIECE;
		int error = ask(g, "m%llx,%zx", (unsigned long long)at, piece);

		if (error)
			return error;
		if (gdb_bytes(g->decoder.data, out, piece) != (long)piece)
			return -EPROTO;
		out += piece;
		at += piece;
		bytes -= piece;
	}
	return 0;
}

int gdb_write(struct gdb_remote *g, u64 at, const void *from, size_t bytes)
{
	char digits[2 * MEMORY_PIECE + 1];
	const u8 *in = from;

	while (bytes) {
		size_t piece = bytes < MEMORY_PIECE ? bytes : MEMORY_PIECE;
		int error;

		gdb_put_bytes(digits, in, piece);
		error = ask_ok(g, ask(g, "M%llx,%zx:%s", (unsigned long long)at, piece, digits));
		if (error)
			return error;
		in += piece;
		at += piece;
		bytes -= piece;
	}
	return 0;
}

/* Threads are the harts, from 1 on. */
static int select_hart(struct gdb_remote *g, u32 hart)
{
	return ask_ok(g, ask(g, "Hg%x", hart + 1));
}

int gdb_register(struct gdb_remote *g, u32 hart, u32 number, u64 *value)
{
	u8 bytes[8];
	int error = select_hart(g, hart);

	if (!error)
		error = ask(g, "p%x", number);
	if (error)
		return error;
	if (gdb_bytes(g->decoder.data, bytes, sizeof(bytes)) != sizeof(bytes))
		return -EPROTO;
	memcpy(value, bytes, sizeof(*value));
	return 0;
}

int gdb_set_register(struct gdb_remote *g, u32 hart, u32 number, u64 value)
{
	char digits[17];
	int error = select_hart(g, hart);

	gdb_put_bytes(digits, (const u8 *)&value, sizeof(value));
	return error ? error : ask_ok(g, ask(g, "P%x=%s", number, digits));
}

u32 gdb_csr(const struct gdb_remote *g, u32 csr)
{
	return g->csr_base + csr;
}

u32 gdb_mode(const struct gdb_remote *g)
{
	/* A register that QEMU has made up, just before the CSRs. */
	return g->csr_base - 1;
}

/* ---- Running ---- */

int gdb_set_breakpoint(struct gdb_remote *g, u64 at, bool is_set)
{
	return ask_ok(g, ask(g, "%c0,%llx,2", is_set ? 'Z' : 'z', (unsigned long long)at));
}

int gdb_continue(struct gdb_remote *g)
{
	int error = send_request(g, "vCont;c");

	g->is_running = !error;
	return error;
}

/* What a packet says that has come while the machine ran: 1 if it has stopped, for *signal. */
static int read_stop(struct gdb_remote *g, u64 *signal, u32 *hart)
{
	static const char thread[] = "thread:";
	const char *text = g->decoder.data, *at;

	if (text[0] == 'W' || text[0] == 'X')
		return -EPIPE;
	if (text[0] != 'T' && text[0] != 'S')
		return 0;
	text++;
	*signal = gdb_number(&text);
	at = strstr(text, thread);
	if (at) {
		u64 number;

		at += strlen(thread);
		number = gdb_number(&at);
		*hart = number ? (u32)number - 1 : 0;
	}
	g->is_running = false;
	return 1;
}

static int wait_signal(struct gdb_remote *g, u64 ms, u64 *signal, u32 *hart)
{
	u64 until = clock_ms() + ms;

	for (;;) {
		u64 now = clock_ms();
		int got = receive(g, now < until ? until - now : 0);

		if (got > 0)
			got = read_stop(g, signal, hart);
		else if (!got)
			return 0;
		if (got)
			return got;
	}
}

int gdb_wait(struct gdb_remote *g, u64 ms, u32 *hart)
{
	u64 signal;

	return wait_signal(g, ms, &signal, hart);
}

int gdb_stop(struct gdb_remote *g, u32 *hart)
{
	static const char byte = BREAK_IN;
	u64 signal = 0;
	int got;

	if (!g->is_running)
		return 0;
	if (send_all(g, &byte, 1) < 0)
		return -EPIPE;
	got = wait_signal(g, g->timeout_ms, &signal, hart);
	if (got <= 0)
		return got ? got : -ETIMEDOUT;
	return signal != SIGNAL_BREAK_IN;
}

int gdb_step(struct gdb_remote *g, u32 hart)
{
	char request[32];
	int error;
	u32 at;

	snprintf(request, sizeof(request), "vCont;s:%x", hart + 1);
	error = send_request(g, request);
	if (error)
		return error;
	g->is_running = true;
	error = gdb_wait(g, g->timeout_ms, &at);
	return error < 0 ? error : error ? 0 : -ETIMEDOUT;
}
