/*
 * A disk: blocks of 4 KiB with the block's number, a sequence number and a pattern of both, written, read back later, and
 * compared; a flush now and then. Several requests are under way, on blocks of their own each, so that the contents of
 * every block are known. What the disk had before this start is not looked at.
 */
#include "guests/lib/csr.h"
#include "guests/lib/guest.h"
#include "guests/witness/virtio.h"
#include "guests/witness/witness.h"

#define DISK_BLOCK   KIB(4)
#define DISK_BLOCKS  1024 /* at most */
#define DISK_WAYS    4	  /* requests under way */
#define DISK_SECTORS (DISK_BLOCK / 512)

/* Longer than any recovery. */
#define DISK_SECONDS 30

/* virtio 1.2, section 5.2. */
#define BLK_F_FLUSH (1u << 9)
#define BLK_IN	    0u
#define BLK_OUT	    1u
#define BLK_FLUSH   4u

struct request {
	u32 type;
	u32 reserved;
	u64 sector;
	u8 status;
	bool busy;
	u64 block;
	u64 since; /* time */
	u64 data[DISK_BLOCK / 8] __attribute__((aligned(4096)));
};

/* Way n has descriptors 3n to 3n + 2 and the blocks that are n modulo DISK_WAYS. */
static struct request requests[DISK_WAYS];
static u64 sequences[DISK_BLOCKS]; /* 0: not written yet */
static u64 block_count;
static u32 under_way;

static struct virtio disk;
static struct vq queue;

u64 disk_blocks;

void disk_interrupt(void)
{
	virtio_came(&disk);
}

bool disk_start(void)
{
	u64 sectors;

	if (!virtio_open(&disk, "disk", VIRTIO_BLK, BLK_F_FLUSH, disk_interrupt))
		return false;
	virtio_queue(&disk, 0, &queue);
	virtio_ready(&disk);
	sectors = virtio_config(&disk, 0) | (u64)virtio_config(&disk, 4) << 32;
	block_count = sectors / DISK_SECTORS;
	if (block_count > DISK_BLOCKS)
		block_count = DISK_BLOCKS;
	return block_count >= DISK_WAYS;
}

static u64 word(u64 block, u64 i)
{
	if (i == 0)
		return block;
	if (i == 1)
		return sequences[block];
	return mix(block << 48 ^ sequences[block] << 16 ^ i ^ witness_boot);
}

static void describe(u16 n, const void *at, u32 bytes, u16 flags)
{
	queue.descriptor[n] = (struct vq_descriptor){ (u64)(uintptr_t)at, bytes, flags, (u16)(n + 1) };
}

static void submit(unsigned way, u32 type, u64 block)
{
	struct request *r = &requests[way];
	u16 head = (u16)(3 * way), status = (u16)(head + 1);

	r->type = type;
	r->sector = type == BLK_FLUSH ? 0 : block * DISK_SECTORS;
	r->block = block;
	r->status = 0xff;
	r->busy = true;
	r->since = time_now();
	describe(head, r, 16, VQ_NEXT);
	if (type != BLK_FLUSH) {
		describe(status, r->data, sizeof(r->data), type == BLK_IN ? VQ_NEXT | VQ_WRITE : VQ_NEXT);
		status++;
	}
	describe(status, &r->status, 1, VQ_WRITE);
	under_way |= 1u << head;
	virtio_send(&disk, 0, &queue, head);
}

static void begin(unsigned way)
{
	struct request *r = &requests[way];
	u64 random = witness_random();
	u64 block = random % (block_count / DISK_WAYS) * DISK_WAYS + way;

	if (random >> 60 == 0) {
		submit(way, BLK_FLUSH, block);
		return;
	}
	if (sequences[block] && random >> 59 & 1) {
		for (u64 i = 0; i < ARRAY_SIZE(r->data); i++)
			r->data[i] = ~0ull;
		submit(way, BLK_IN, block);
		return;
	}
	sequences[block]++;
	for (u64 i = 0; i < ARRAY_SIZE(r->data); i++)
		r->data[i] = word(block, i);
	submit(way, BLK_OUT, block);
}

static void finish(struct request *r, u32 bytes)
{
	u32 expected = r->type == BLK_IN ? DISK_BLOCK + 1 : 1;

	expect("disk_status", r->block, 0, *(volatile u8 *)&r->status);
	expect("disk_bytes", r->block, expected, bytes);
	/* What was written is compared, too: a device must only read it. */
	for (u64 i = 0; r->type != BLK_FLUSH && i < ARRAY_SIZE(r->data); i++) {
		u64 right = word(r->block, i);

		if (r->data[i] == right)
			continue;
		witness_error(r->type == BLK_IN ? "disk_read" : "disk_write", r->block << 16 | i, right,
			      r->data[i]);
		break;
	}
	if (r->type != BLK_FLUSH)
		disk_blocks++;
	r->busy = false;
}

void disk_step(void)
{
	struct vq_used used;

	if (virtio_take(&disk, &queue, &under_way, &used))
		finish(&requests[used.id / 3], used.bytes);
	for (unsigned way = 0; way < DISK_WAYS; way++) {
		struct request *r = &requests[way];

		if (!r->busy) {
			begin(way);
			return;
		}
		if (time_now() - r->since > DISK_SECONDS * guest_timebase) {
			witness_error("disk_stuck", r->block, 0, r->type);
			r->since = time_now();
		}
	}
}
