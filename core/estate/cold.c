/*
 * Cold records. A write goes to the copy that does not count, so that there is a valid one at every instant: first it
 * makes that copy invalid, then fills it, and stores magic and size, which are one word, last.
 */
#include "core/estate/cold.h"
#include "core/estate/estate.h"
#include "core/lib/check.h"
#include "core/lib/crc32c.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"

/* Words of a copy: the head's three, then the body. */
#define WORD_MAGIC    0
#define WORD_SEQUENCE 1
#define WORD_CRC      2
#define WORD_BODY     3
_Static_assert(sizeof(struct cold_head) == WORD_BODY * sizeof(u64), "head of a cold record is three words");
_Static_assert(offsetof(struct cold_head, crc) == WORD_CRC * sizeof(u64),
	       "head of a cold record is three words");

static const u8 *copy_of(const void *pair, unsigned which)
{
	return (const u8 *)pair + which * ESTATE_COLD_STRIDE;
}

static u32 checksum(const struct cold_head *head, const void *body)
{
	return crc32c(crc32c(0, head, offsetof(struct cold_head, crc)), body, head->size);
}

/* True if the copy has the form and the checksum of a valid one; its sequence number then. */
static bool copy_valid(const u8 *copy, u32 magic, u32 size, u64 *sequence)
{
	struct cold_head head;

	memcpy(&head, copy, sizeof(head));
	*sequence = head.sequence;
	return head.magic == magic && head.size == size && head.reserved == 0 &&
	       head.crc == checksum(&head, copy + sizeof(head));
}

/* Sequence numbers go round: newer is what lies ahead by less than half of the circle. */
static bool newer(u64 a, u64 b)
{
	return (s64)(a - b) > 0;
}

/* Number of the copy that counts; -ENOENT if none. */
static int copy_newest(const void *pair, u32 magic, u32 size, u64 *sequence)
{
	u64 first, second;
	bool first_valid = copy_valid(copy_of(pair, 0), magic, size, &first);
	bool second_valid = copy_valid(copy_of(pair, 1), magic, size, &second);

	if (second_valid && (!first_valid || newer(second, first))) {
		*sequence = second;
		return 1;
	}
	*sequence = first;
	return first_valid ? 0 : -ENOENT;
}

void cold_write(void *pair, u32 magic, const void *body, u32 size)
{
	struct cold_head head = { .magic = magic, .size = size };
	int newest;
	u64 *to, word;

	ASSERT(size <= ESTATE_COLD_STRIDE - sizeof(head));
	newest = copy_newest(pair, magic, size, &head.sequence);
	head.sequence = newest < 0 ? 1 : head.sequence + 1;
	head.crc = checksum(&head, body);

	to = (u64 *)(uintptr_t)copy_of(pair, newest == 0);
	estate_store(&to[WORD_MAGIC], 0);
	estate_store(&to[WORD_SEQUENCE], head.sequence);
	estate_store(&to[WORD_CRC], head.crc);
	for (u32 at = 0; at < size; at += (u32)sizeof(word)) {
		word = 0;
		memcpy(&word, (const u8 *)body + at, size - at < sizeof(word) ? size - at : sizeof(word));
		estate_store(&to[WORD_BODY + at / sizeof(word)], word);
	}
	memcpy(&word, &head, sizeof(word));
	estate_store(&to[WORD_MAGIC], word);
}

void cold_write_both(void *pair, u32 magic, const void *body, u32 size)
{
	cold_write(pair, magic, body, size);
	cold_write(pair, magic, body, size);
}

int cold_read(const void *pair, u32 magic, void *body, u32 size)
{
	u64 sequence;
	int newest = copy_newest(pair, magic, size, &sequence);

	if (newest < 0)
		return newest;
	memcpy(body, copy_of(pair, (unsigned)newest) + sizeof(struct cold_head), size);
	return 0;
}
