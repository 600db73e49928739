/*
 * A network: frames to everybody on the switch, each of whom sends them back, as witnesses do. A frame may get lost or come
 * twice, which is counted; one with other contents than it was sent with is an error.
 */
#include "core/lib/crc32c.h"
#include "core/lib/string.h"
#include "guests/lib/csr.h"
#include "guests/lib/guest.h"
#include "guests/witness/virtio.h"
#include "guests/witness/witness.h"

#define NET_RECEIVE  0
#define NET_TRANSMIT 1

#define NET_F_MAC (1u << 5)

/* Time between two frames of ours, and how many numbers of them are remembered. */
#define NET_PERIOD_US 2000
#define NET_WINDOW    1024

/* Frames that are looked at in a turn. */
#define NET_TURN 4

#define ETHERTYPE 0xb588u /* 88b5, for local experiments; big-endian */
#define MAGIC	  0x57495453u

enum frame_kind { FRAME_REQUEST = 1, FRAME_ECHO = 2 };

#define PAYLOAD_WORDS 160

struct frame {
	u8 header[12]; /* the device's */
	u8 to[6], from[6];
	u16 type;
	u16 kind;
	u32 crc; /* of what follows */
	u32 magic;
	u32 words; /* of the payload */
	u64 boot;  /* of who asks */
	u64 sequence;
	u64 payload[PAYLOAD_WORDS];
} __attribute__((packed, aligned(8)));

#define FRAME_BYTES(words) (offsetof(struct frame, payload) + 8ull * (words))

static struct frame received[VQ_SIZE], sent[VQ_SIZE];
static struct vq receive_queue, transmit_queue;
static struct virtio net;
static u32 receiving, transmitting; /* heads of chains under way */
static u8 mac[6];

static u64 sequence; /* of the last frame of ours */
static u64 send_at;  /* time */
static bool seen[NET_WINDOW];
static bool peer_known; /* before there is one, frames are not lost */

u64 net_echoes, net_lost, net_duplicates;

void net_interrupt(void)
{
	virtio_came(&net);
}

static u32 checksum(const struct frame *f)
{
	return crc32c(0, &f->magic, FRAME_BYTES(f->words) - offsetof(struct frame, magic));
}

static void receive(u16 n)
{
	receive_queue.descriptor[n] =
		(struct vq_descriptor){ (u64)(uintptr_t)&received[n], sizeof(received[n]), VQ_WRITE, 0 };
	receiving |= 1u << n;
	virtio_send(&net, NET_RECEIVE, &receive_queue, n);
}

bool net_start(void)
{
	if (!virtio_open(&net, "net", VIRTIO_NET, NET_F_MAC, net_interrupt))
		return false;
	for (unsigned i = 0; i < sizeof(mac); i++)
		mac[i] = (u8)(virtio_config(&net, i & ~3u) >> 8 * (i & 3));
	virtio_queue(&net, NET_RECEIVE, &receive_queue);
	virtio_queue(&net, NET_TRANSMIT, &transmit_queue);
	virtio_ready(&net);
	for (u16 n = 0; n < VQ_SIZE; n++)
		receive(n);
	return true;
}

/* A frame that is not on its way, or NULL. */
static struct frame *frame_free(void)
{
	for (unsigned n = 0; n < VQ_SIZE; n++) {
		if (!(transmitting >> n & 1))
			return &sent[n];
	}
	return NULL;
}

static void transmit(struct frame *f)
{
	u16 n = (u16)(f - sent);

	memset(f->header, 0, sizeof(f->header));
	memcpy(f->from, mac, sizeof(mac));
	f->type = ETHERTYPE;
	transmit_queue.descriptor[n] =
		(struct vq_descriptor){ (u64)(uintptr_t)f, (u32)FRAME_BYTES(f->words), 0, 0 };
	transmitting |= 1u << n;
	virtio_send(&net, NET_TRANSMIT, &transmit_queue, n);
}

static void ask(void)
{
	struct frame *f = frame_free();

	if (!f)
		return;
	sequence++;
	if (!seen[sequence % NET_WINDOW] && sequence > NET_WINDOW && peer_known)
		net_lost++;
	seen[sequence % NET_WINDOW] = false;
	memset(f->to, 0xff, sizeof(f->to));
	f->kind = FRAME_REQUEST;
	f->magic = MAGIC;
	f->boot = witness_boot;
	f->sequence = sequence;
	f->words = (u32)(mix(sequence) % (PAYLOAD_WORDS + 1));
	for (u32 i = 0; i < f->words; i++)
		f->payload[i] = mix(sequence << 16 ^ i ^ witness_boot);
	f->crc = checksum(f);
	transmit(f);
}

static void answer(const struct frame *request, u64 bytes)
{
	struct frame *f = frame_free();

	/* One that cannot be sent is a lost one. */
	if (!f)
		return;
	memcpy(f, request, bytes);
	memcpy(f->to, request->from, sizeof(f->to));
	f->kind = FRAME_ECHO;
	transmit(f);
}

/* An echo of ours; several may answer the same frame. */
static void count(const struct frame *f)
{
	for (u32 i = 0; i < f->words; i++)
		expect("net_payload", f->sequence << 16 | i, mix(f->sequence << 16 ^ i ^ witness_boot),
		       f->payload[i]);
	peer_known = true;
	if (f->sequence + NET_WINDOW <= sequence || seen[f->sequence % NET_WINDOW]) {
		net_duplicates++;
		return;
	}
	seen[f->sequence % NET_WINDOW] = true;
	net_echoes++;
}

static void look(const struct frame *f, u32 bytes)
{
	/* Others may be on the switch who say other things. */
	if (bytes < FRAME_BYTES(0) || f->type != ETHERTYPE)
		return;
	if (f->magic != MAGIC || f->words > PAYLOAD_WORDS || bytes < FRAME_BYTES(f->words) ||
	    f->crc != checksum(f)) {
		witness_error("net_frame", f->sequence, f->crc,
			      f->words > PAYLOAD_WORDS ? f->words : checksum(f));
	} else if (f->kind == FRAME_REQUEST) {
		answer(f, FRAME_BYTES(f->words));
	} else if (f->boot != witness_boot || f->sequence > sequence) {
		/* Of our last start, perhaps; of this one it cannot be. */
		if (f->boot == witness_boot)
			witness_error("net_sequence", f->sequence, sequence, f->sequence);
	} else {
		count(f);
	}
}

void net_step(void)
{
	struct vq_used used;
	u64 now = time_now();

	while (virtio_take(&net, &transmit_queue, &transmitting, &used))
		;
	for (unsigned n = 0; n < NET_TURN && virtio_take(&net, &receive_queue, &receiving, &used); n++) {
		look(&received[used.id], used.bytes);
		receive((u16)used.id);
	}
	if (now >= send_at) {
		ask();
		send_at = now + NET_PERIOD_US * guest_timebase / 1000000;
	}
}
