#include "core/devices/net_switch.h"
#include "core/devices/vdev.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"
#include "core/memory/pages.h"

/* Addresses learned, by hash: a power of two. Two that fall together displace each other, at the price of a flood. */
#define NET_LEARNED 256

/* Where a frame comes from or goes to: a port's index, or one of these. */
#define PORT_UPLINK NET_PORTS
#define PORT_NONE   (NET_PORTS + 1)

struct net_learned {
	u64 address; /* 0: unused */
	u32 port;
};

struct net_switch {
	struct lock lock; /* everything here, and the heads of the ports' queues */
	bool uplink;
	unsigned ports;
	struct net_port *port[NET_PORTS];
	struct net_learned learned[NET_LEARNED];
};

/* Set while a life starts, constant afterwards. */
static struct net_switch *switches[NET_SWITCHES];
static struct net_switch *uplink_switch;

/* An address as a number: first byte lowest. */
static u64 net_address(const u8 *mac)
{
	u64 address = 0;

	memcpy(&address, mac, 6);
	return address;
}

/* Group bit of an address (IEEE 802, section 8.2.2): broadcast and multicast. */
static bool net_group(u64 address)
{
	return address & 1;
}

static struct net_learned *net_bucket(struct net_switch *s, u64 address)
{
	return &s->learned[(address * 0x9e3779b97f4a7c15ull) >> 56];
}

_Static_assert(NET_LEARNED == 1 << 8, "the hash has 8 bits");

/* Port whose own address it is, or PORT_NONE. */
static u32 net_owner(const struct net_switch *s, u64 address)
{
	for (u32 i = 0; i < s->ports; i++)
		if (s->port[i]->address == address)
			return i;
	return PORT_NONE;
}

/* Where to send for an address: a port, the uplink, or PORT_NONE for everywhere. */
static u32 net_lookup(struct net_switch *s, u64 address)
{
	const struct net_learned *l = net_bucket(s, address);
	u32 port;

	if (net_group(address))
		return PORT_NONE;
	port = net_owner(s, address);
	if (port == PORT_NONE && l->address == address)
		port = l->port;
	return port;
}

static void net_queue(struct net_port *port, const void *frame, size_t bytes)
{
	u32 head = port->head;
	struct net_frame *slot = &port->queue[head % NET_QUEUE];

	if (!__atomic_load_n(&port->open, __ATOMIC_RELAXED))
		return;
	if (head - __atomic_load_n(&port->tail, __ATOMIC_ACQUIRE) == NET_QUEUE) {
		port->dropped++;
		return;
	}
	slot->bytes = (u32)bytes;
	memcpy(slot->data, frame, bytes);
	__atomic_store_n(&port->head, head + 1, __ATOMIC_RELEASE);
	vdev_mark(port->owner);
}

static void net_deliver(struct net_switch *s, u32 to, const void *frame, size_t bytes)
{
	if (to != PORT_UPLINK)
		net_queue(s->port[to], frame, bytes);
	else if (s->uplink)
		net_backend->transmit(net_backend, frame, bytes);
}

/* Lock held. */
static void net_forward(struct net_switch *s, u32 from, const u8 *frame, size_t bytes)
{
	u64 source = net_address(frame + 6);
	u32 owner = net_owner(s, source);
	u32 to = net_lookup(s, net_address(frame));

	/* The address of a port's device is not for others: no VM gets another's traffic by taking its name. */
	if (net_group(source) || (owner != PORT_NONE && owner != from))
		return;
	if (owner == PORT_NONE)
		*net_bucket(s, source) = (struct net_learned){ .address = source, .port = from };
	if (to == from)
		return;
	if (to != PORT_NONE) {
		net_deliver(s, to, frame, bytes);
		return;
	}
	for (to = 0; to < s->ports; to++)
		if (to != from)
			net_deliver(s, to, frame, bytes);
	if (from != PORT_UPLINK)
		net_deliver(s, PORT_UPLINK, frame, bytes);
}

/* From the backend, which has no locks: a frame from outside. */
static void net_uplink_receive(struct net_backend *b, const void *frame, size_t bytes)
{
	struct net_switch *s = uplink_switch;

	(void)b;
	if (bytes < NET_FRAME_MIN || bytes > NET_FRAME_MAX)
		return;
	lock_take(&s->lock);
	net_forward(s, PORT_UPLINK, frame, bytes);
	lock_release(&s->lock);
}

static int net_uplink_connect(struct net_switch *s)
{
	if (!net_backend || (uplink_switch && uplink_switch != s))
		return -ENODEV;
	s->uplink = true;
	uplink_switch = s;
	net_backend->receive = net_uplink_receive;
	return 0;
}

int net_port_create(struct net_port *port, struct vdev *owner, unsigned number, const u8 mac[6], bool uplink)
{
	struct net_switch *s;
	int error = 0;

	if (number >= NET_SWITCHES)
		return -ENODEV;
	if (!switches[number])
		switches[number] = object_alloc(sizeof(*s));
	s = switches[number];
	if (!s)
		return -ENOMEM;
	if (s->ports == NET_PORTS)
		return -ENOSPC;
	if (net_owner(s, net_address(mac)) != PORT_NONE)
		return -EEXIST;
	port->queue = object_alloc(NET_QUEUE * sizeof(*port->queue));
	if (!port->queue)
		return -ENOMEM;
	if (uplink)
		error = net_uplink_connect(s);
	if (error)
		return error;
	port->net = s;
	port->owner = owner;
	port->address = net_address(mac);
	port->index = s->ports;
	s->port[s->ports++] = port;
	return 0;
}

void net_port_open(struct net_port *port, bool open)
{
	__atomic_store_n(&port->open, open, __ATOMIC_RELAXED);
	if (!open)
		__atomic_store_n(&port->tail, __atomic_load_n(&port->head, __ATOMIC_ACQUIRE),
				 __ATOMIC_RELEASE);
}

const struct net_frame *net_port_peek(const struct net_port *port)
{
	u32 tail = port->tail;

	if (__atomic_load_n(&port->head, __ATOMIC_ACQUIRE) == tail)
		return NULL;
	return &port->queue[tail % NET_QUEUE];
}

void net_port_next(struct net_port *port)
{
	__atomic_store_n(&port->tail, port->tail + 1, __ATOMIC_RELEASE);
}

void net_port_send(struct net_port *port, const void *frame, size_t bytes)
{
	struct net_switch *s = port->net;

	lock_take(&s->lock);
	net_forward(s, port->index, frame, bytes);
	lock_release(&s->lock);
}
