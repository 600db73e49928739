/* Blocks that were flushed stay what they are, and no old write comes over a new one. */
#include "guests/linux/workload/workload.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DISK_BLOCK   4096u
#define DISK_WORKERS 2u
#define DISK_BATCH   16u

_Atomic uint64_t disk_blocks;
bool disk_used;

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

void start_disk(void)
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
