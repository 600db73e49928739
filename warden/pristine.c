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

/* A whole chunk more: the copy ends behind the last word, not with it. */
static u64 words[2][IMAGE_FILE_MAX / sizeof(u64) + CHUNK_WORDS] __aligned(64);
static struct pristine images[2] = { { .words = words[0] }, { .words = words[1] } };
static struct pristine *volatile in_force = &images[0];

static struct {
	spinlock_t lock;
	br_sha256_context sha;
	u64 done;
	u64 next; /* ticks */
} background;

bool pristine_header_is_sane(const struct image_header *image)
{
	return image->linux_magic2 == IMAGE_LINUX_MAGIC2 && image->header_version == IMAGE_HEADER_VERSION &&
	       image_sizes_make_sense(image);
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

/* Copies an image, which is what time goes into when a life has ended, and returns the checksum of what it copied. */
static u64 copy_words(const struct pristine *image, volatile u64 *to)
{
	const u64 chunks = (image->size / sizeof(u64) + CHUNK_WORDS) / CHUNK_WORDS;
	const u64 *from = image->words, *end = from + chunks * CHUNK_WORDS;
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
	struct pristine *p = in_force;
	br_sha256_context sha;

	SPIN_LOCK_INIT(background.lock);
	p->size = image->file_size;
	sbi_memcpy(p->words, image, p->size);
	br_sha256_init(&sha);
	br_sha256_update(&sha, p->words, p->size);
	br_sha256_out(&sha, p->digest);
	/* The slot gets the same bytes again, and the checksum is that of the copy that it will be. */
	p->checksum = copy_words(p, (u64 *)image);
	br_sha256_init(&background.sha);
}

const struct image_header *pristine_header(void)
{
	return (const struct image_header *)in_force->words;
}

u32 pristine_name(void)
{
	const u8 *digest = in_force->digest;

	return (u32)digest[0] << 24 | (u32)digest[1] << 16 | (u32)digest[2] << 8 | digest[3];
}

void pristine_digest(u8 digest[32])
{
	sbi_memcpy(digest, in_force->digest, sizeof(in_force->digest));
}

struct pristine *pristine_spare(void)
{
	return in_force == &images[0] ? &images[1] : &images[0];
}

void pristine_seal(struct pristine *image)
{
	image->checksum = copy_words(image, image->words);
	image->damaged = false;
}

void pristine_replace(void)
{
	spin_lock(&background.lock);
	in_force = pristine_spare();
	br_sha256_init(&background.sha);
	background.done = 0;
	spin_unlock(&background.lock);
}

static bool unpack(struct pristine *image, u64 slot)
{
	u64 sum;

	if (image->damaged || !hart_open(slot, MIB(1)))
		return false;
	sum = copy_words(image, (u64 *)slot);
	hart_close();
	if (sum != image->checksum)
		image->damaged = true;
	return sum == image->checksum;
}

bool pristine_unpack(u64 slot)
{
	return unpack(in_force, slot);
}

bool pristine_unpack_spare(u64 slot)
{
	return unpack(pristine_spare(), slot);
}

/* Compares and remembers. */
static bool is_good(struct pristine *image, const br_sha256_context *sha)
{
	u8 now[br_sha256_SIZE];

	br_sha256_out(sha, now);
	if (sbi_memcmp(now, image->digest, sizeof(now)))
		image->damaged = true;
	return !image->damaged;
}

int pristine_verify(void)
{
	struct pristine *image = in_force;
	const u64 number = life.number;
	br_sha256_context sha;
	u64 done, part;

	br_sha256_init(&sha);
	for (done = 0; done < image->size; done += part) {
		/* A stop waits for this hart: let it go. */
		if (life.number != number)
			return SBI_EFAIL;
		part = MIN(image->size - done, KIB(4));
		br_sha256_update(&sha, (const u8 *)image->words + done, part);
	}
	return is_good(image, &sha);
}

void pristine_check_a_slice(u64 now)
{
	struct pristine *image;
	u64 part;

	if (now < background.next || !spin_trylock(&background.lock))
		return;
	image = in_force;
	background.next = now + sbi_timer_get_device()->timer_freq / SLICES_PER_SECOND;
	part = MIN(image->size - background.done, SLICE_BYTES);
	br_sha256_update(&background.sha, (const u8 *)image->words + background.done, part);
	background.done += part;
	if (background.done == image->size) {
		const bool was_damaged = image->damaged;

		if (!is_good(image, &background.sha) && !was_damaged)
			sbi_printf(
				"warden: the pristine image is damaged: the next crash will not be recovered\n");
		br_sha256_init(&background.sha);
		background.done = 0;
	}
	spin_unlock(&background.lock);
}
