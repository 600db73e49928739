/*
 * What virtual devices need of the machine's real ones. drivers/ implements it on the target, tests do on the host.
 * Registered while a life starts; the tables are constant afterwards.
 */
#ifndef CORE_DEVICES_BACKEND_H
#define CORE_DEVICES_BACKEND_H

#include "abi/types.h"

/* ---- Block ---- */

enum blk_op { BLK_READ, BLK_WRITE, BLK_FLUSH };

#define BLK_SEGMENTS_MAX 32
#define BLK_SECTOR	 512u

struct blk_segment {
	hpa_t at;
	u32 bytes; /* a multiple of 512 in total, any length each */
};

/* A request under way. The owner keeps it, and the memory of its segments, until `done` has been called. */
struct blk_request {
	enum blk_op op;
	u64 sector;
	unsigned segments;
	struct blk_segment segment[BLK_SEGMENTS_MAX];
	/* Called once, from blk_backend's poll or interrupt work, with no lock of the backend held. status 0 or -EIO. */
	void (*done)(struct blk_request *request, int status);
	void *owner;
	u64 backend_private[4];
};

struct blk_backend {
	u64 sectors;
	bool readonly;
	/* 0: taken, `done` will come. -EAGAIN: full, try again later. Any hart. */
	int (*submit)(struct blk_backend *b, struct blk_request *request);
};

#define BLK_BACKENDS_MAX 32
/* By vm_device_config.host_unit; NULL where the machine has none. */
extern struct blk_backend *blk_backends[BLK_BACKENDS_MAX];

/* ---- Network ---- */

#define NET_FRAME_MAX 1526u /* Ethernet header, VLAN tag and 1500 bytes, rounded */

/* The port to the outside: one a host. NULL: none. */
struct net_backend {
	u8 mac[6];
	/* Sends one frame, copied before it returns. -EAGAIN: full (the frame may be dropped). */
	int (*transmit)(struct net_backend *b, const void *frame, size_t bytes);
	/* Set by the switch: a frame has come. Called without locks of the backend. */
	void (*receive)(struct net_backend *b, const void *frame, size_t bytes);
};
extern struct net_backend *net_backend;

/* ---- Byte stream of the control channel ---- */

struct stream_backend {
	/* Takes as many bytes as it has room for, returns how many. */
	size_t (*write)(struct stream_backend *s, const void *bytes, size_t count);
	/* Gives what has come, at most `size` bytes. */
	size_t (*read)(struct stream_backend *s, void *to, size_t size);
};
extern struct stream_backend *control_stream;

/* Entropy: fills `to`. The machine's best source (drivers/entropy.c says which). */
void entropy_read(void *to, size_t bytes);

/* ---- Devices of the machine that are passed through to the root VM ---- */

/*
 * Resets the device in the machine's n-th virtio window, if there is one, and waits until it touches no memory. -EIO: it
 * does not come out of its reset. A hart with a patient watchdog: 20 ms at most.
 */
int host_window_reset(unsigned n);

/* Tells the machine's interrupt controller that a source it handed out (root_interrupt) is done with. Any hart. */
void host_irq_complete(unsigned irq);

/* The machine's clock: nanoseconds since 1970; 0: it has none. Two harts that read at once may get each other's high half. */
u64 clock_read(void);

/* Lets all host devices do their work (completions, receive). From the hart loop of any hart; no locks held. */
void drivers_poll(void);

/*
 * The same, of devices that have had no interrupt, too: for who waits for one. The hart may be the one that takes their
 * interrupts, and takes none meanwhile.
 */
void drivers_look(void);

#endif
