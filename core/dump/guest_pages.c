/* See guest_pages.h. */
#include "core/dump/guest_pages.h"
#include "core/arch.h"
#include "core/control/frame.h"
#include "core/dump/snapshot.h"
#include "core/lib/check.h"
#include "core/lib/compress.h"
#include "core/lib/string.h"

/*
 * Pages that are compressed together. They fit into an answer unless they hardly shrink; more of them often would not, after
 * all the work.
 */
#define TOGETHER 2u

/*
 * An answer ends where pages that have been looked at reach a multiple of so much: the client asks for several such pieces
 * at a time. And it finds so many 2 MiB blocks untouched.
 */
#define PIECE	   KIB(256)
#define BLOCKS_MAX 4096u

/* The answer that is being made. Its owner's lock (guest_dump.c) is over all of this. */
struct answer {
	u8 *to;
	size_t room, used;
	struct ctl_dump_run run; /* without bytes, not written yet; no pages: none */
	u64 at;			 /* the next page */
};

static u8 pages[TOGETHER][PAGE_SIZE] __attribute__((aligned(64)));
static struct compress_state state;

static bool is_zero(const u8 *page)
{
	const u64 *word = (const u64 *)(const void *)page;

	for (size_t i = 0; i < PAGE_SIZE / sizeof(u64); i += 8) {
		if (word[i] | word[i + 1] | word[i + 2] | word[i + 3] | word[i + 4] | word[i + 5] |
		    word[i + 6] | word[i + 7])
			return false;
	}
	return true;
}

/* Bytes left, with room for a run without bytes kept aside. */
static size_t room_left(const struct answer *a)
{
	size_t needed = a->used + 2 * sizeof(a->run);

	return a->room > needed ? a->room - needed : 0;
}

static void put_run(struct answer *a, struct ctl_dump_run run)
{
	memcpy(a->to + a->used, &run, sizeof(run));
	a->used += sizeof(run) + run.bytes;
}

static void finish_run(struct answer *a)
{
	if (a->run.pages)
		put_run(a, a->run);
	a->run.pages = 0;
}

/* Pages without bytes. */
static void add_bare(struct answer *a, enum ctl_dump_kind kind, u64 count)
{
	if (a->run.kind != kind)
		finish_run(a);
	a->run.kind = (u16)kind;
	a->run.pages += (u32)count;
	a->at += count * PAGE_SIZE;
}

/* The first `count` of `pages`. False: there is no room for them. */
static bool add_data(struct answer *a, u64 count)
{
	size_t room, size;

	finish_run(a);
	room = room_left(a);
	size = compress_block(&state, pages, count * PAGE_SIZE, a->to + a->used + sizeof(a->run),
			      room < count * PAGE_SIZE ? room : count * PAGE_SIZE - 1);
	if (size) {
		put_run(a, (struct ctl_dump_run){
				   .pages = (u32)count, .kind = CTL_DUMP_LZ4, .bytes = (u16)size });
		a->at += count * PAGE_SIZE;
		return true;
	}
	for (u64 n = 0; n < count; n++) {
		if (room_left(a) < PAGE_SIZE)
			return n > 0;
		memcpy(a->to + a->used + sizeof(a->run), pages[n], PAGE_SIZE);
		put_run(a, (struct ctl_dump_run){ .pages = 1, .kind = CTL_DUMP_RAW, .bytes = PAGE_SIZE });
		a->at += PAGE_SIZE;
	}
	return true;
}

/* Reads what follows pages[0] into `pages`, up to the first that has no bytes of its own. The number of pages. */
static u64 gather(const struct answer *a, u64 end)
{
	u64 count = 1;

	while (count < TOGETHER && a->at + count * PAGE_SIZE < end &&
	       !snapshot_read(GPA(a->at + count * PAGE_SIZE), pages[count]) && !is_zero(pages[count]))
		count++;
	return count;
}

/*
 * Adds what begins at a->at: bytes up to `piece_end`, untouched blocks up to `end`. 1: done; 0: no room, or behind its end;
 * -ENOENT.
 */
static int add_next(struct answer *a, u64 piece_end, u64 end)
{
	int error = snapshot_read(GPA(a->at), pages[0]);
	u64 block_end = ALIGN_DOWN(a->at, BLOCK_SIZE) + BLOCK_SIZE;

	if (error < 0)
		return error;
	if (error == SNAPSHOT_UNTOUCHED) {
		add_bare(a, CTL_DUMP_UNTOUCHED, ((block_end < end ? block_end : end) - a->at) / PAGE_SIZE);
		return 1;
	}
	if (a->at >= piece_end)
		return 0;
	if (is_zero(pages[0])) {
		add_bare(a, CTL_DUMP_ZERO, 1);
		return 1;
	}
	return add_data(a, gather(a, piece_end < end ? piece_end : end));
}

int guest_pages_read(u64 at, u64 end, u8 *to, size_t room, size_t *used)
{
	struct answer a = { .to = to, .room = room, .used = sizeof(struct ctl_dump_data), .at = at };
	struct ctl_dump_data head = { .at = at };
	u64 piece_end = ALIGN_DOWN(at, PIECE) + PIECE;
	int result = 1;

	for (unsigned n = 0; result > 0 && a.at < end && n < BLOCKS_MAX; n++) {
		result = add_next(&a, piece_end, end);
		arch_beat();
	}
	if (result < 0 && a.at == at)
		return result;
	finish_run(&a);
	head.next = a.at;
	head.mask = frame_mask(to + sizeof(head), a.used - sizeof(head), arch_time());
	memcpy(to, &head, sizeof(head));
	*used = a.used;
	return 0;
}
