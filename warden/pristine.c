#include "warden/pristine.h"

#include <bearssl_hash.h>
#include <sbi/riscv_atomic.h>
#include <sbi/riscv_locks.h>
#include <sbi/sbi_console.h>
#include <sbi/sbi_error.h>
#include <sbi/sbi_string.h>
#include <sbi/sbi_timer.h>

#include "warden/hart.h"
#include "warden/life.h"

/* Copy and checksum go by chunks of this many words; behind the file the buffer is zero. */
#define CHUNK_WORDS 8
#define LANES	    4

/* 256 bytes cost some 18,000 instructions: at most once in 50 ms, 0.04% of a hart with 1 instruction a nanosecond. */
#define SLICE_BYTES	  256
#define SLICES_PER_SECOND 20

static u64 words[PRISTINE_MAX / sizeof(u64)] __aligned(64);
static u64 size;
static u64 checksum;
static u8 digest[br_sha256_SIZE];
static volatile bool damaged;

static struct {
	spinlock_t lock;
	br_sha256_context sha;
	u64 done;
	u64 next; /* ticks */
} background;

bool pristine_header_is_sane(const struct image_header *image)
{
	return image->linux_magic2 == IMAGE_LINUX_MAGIC2 && image->header_version == IMAGE_HEADER_VERSION &&
	       image->file_size > IMAGE_HEADER_SIZE && image->file_size <= PRISTINE_MAX &&
	       image->memory_size >= image->file_size && image->memory_size <= LAYOUT_SLOT_SIZE;
}

static u64 chunks(void)
{
	return (size / sizeof(u64) + CHUNK_WORDS) / CHUNK_WORDS;
}

/*
 * One step of the checksum: a product of 128 bits folded to 64. Unlike sums and products modulo 2^64, where the top
 * bits of two words can cancel each other, every bit reaches every other.
 */
static inline u64 fold(u64 sum, u64 word)
{
	unsigned __int128 product = (unsigned __int128)(sum ^ word) * 0x9e3779b97f4a7c15ul;

	return (u64)product ^ (u64)(product >> 64);
}

/* Copies the buffer, which is what time goes into when a life has ended, and returns the checksum of what it copied. */
static u64 copy_words(volatile u64 *to)
{
	const u64 *from = words, *end = words + chunks() * CHUNK_WORDS;
	u64 lane[LANES] = { 1, 2, 3, 4 };

	for (; from < end; from += CHUNK_WORDS, to += CHUNK_WORDS) {
		const u64 a = from[0], b = from[1], c = from[2], d = from[3];
		const u64 e = from[4], f = from[5], g = from[6], h = from[7];

		to[0] = a;
		to[1] = b;
		to[2] = c;
		to[3] = d;
		to[4] = e;
		to[5] = f;
		to[6] = g;
		to[7] = h;
		lane[0] = fold(fold(lane[0], a), e);
		lane[1] = fold(fold(lane[1], b), f);
		lane[2] = fold(fold(lane[2], c), g);
		lane[3] = fold(fold(lane[3], d), h);
	}
	return fold(fold(fold(lane[0], lane[1]), lane[2]), lane[3]);
}

void pristine_keep(const struct image_header *image)
{
	br_sha256_context sha;

	size = image->file_size;
	sbi_memcpy(words, image, size);
	br_sha256_init(&sha);
	br_sha256_update(&sha, words, size);
	br_sha256_out(&sha, digest);
	/* Onto itself: the slot gets the same bytes again, and the checksum is that of the copy that it will be. */
	checksum = copy_words((u64 *)image);
	br_sha256_init(&background.sha);
}

u64 pristine_size(void)
{
	return size;
}

u32 pristine_name(void)
{
	return (u32)digest[0] << 24 | (u32)digest[1] << 16 | (u32)digest[2] << 8 | digest[3];
}

bool pristine_unpack(u64 slot)
{
	u64 sum;

	if (damaged || !hart_open(slot, MIB(1)))
		return false;
	sum = copy_words((u64 *)slot);
	hart_close();
	if (sum != checksum)
		damaged = true;
	return sum == checksum;
}

/* Compares and remembers. */
static bool is_good(const br_sha256_context *sha)
{
	u8 now[br_sha256_SIZE];

	br_sha256_out(sha, now);
	if (sbi_memcmp(now, digest, sizeof(now)))
		damaged = true;
	return !damaged;
}

int pristine_verify(void)
{
	const u64 number = life.number;
	br_sha256_context sha;
	u64 done, part;

	br_sha256_init(&sha);
	for (done = 0; done < size; done += part) {
		/* A stop waits for this hart: let it go. */
		if (life.number != number)
			return SBI_EFAIL;
		part = MIN(size - done, KIB(4));
		br_sha256_update(&sha, (const u8 *)words + done, part);
	}
	return is_good(&sha);
}

void pristine_check_a_slice(u64 now)
{
	u64 part;

	if (now < background.next || !spin_trylock(&background.lock))
		return;
	background.next = now + sbi_timer_get_device()->timer_freq / SLICES_PER_SECOND;
	part = MIN(size - background.done, SLICE_BYTES);
	br_sha256_update(&background.sha, (const u8 *)words + background.done, part);
	background.done += part;
	if (background.done == size) {
		const bool was_damaged = damaged;

		if (!is_good(&background.sha) && !was_damaged)
			sbi_printf(
				"warden: the pristine image is damaged: the next crash will not be recovered\n");
		br_sha256_init(&background.sha);
		background.done = 0;
	}
	spin_unlock(&background.lock);
}
