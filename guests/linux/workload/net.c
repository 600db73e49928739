/* Packets to another workload come back as they were. */
#include "guests/linux/workload/workload.h"
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#define NET_TIMEOUT_NS (10 * NS_PER_S)

_Atomic uint64_t net_echoes, net_lost, net_duplicates, net_served;
bool net_used;

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

void start_net(void)
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
