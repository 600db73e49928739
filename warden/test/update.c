/* Updates: candidates that are refused, undone, put in force, and one that does not report. See payload.h. */
#include "warden/test/payload.h"

/* SHA-256 of the images with mark 1 and 2: QEMU's loader puts them there. */
#define DIGESTS ((const volatile u8 *)(RAM + MIB(32) + 64))

/* By which the images differ; warden.sh changes it in the file. */
extern const volatile u64 image_mark;
const volatile u64 image_mark = 1;

static struct warden_update wanted;
static u8 piece[WARDEN_UPDATE_PIECE];

/* The piece of this image at `offset`, as it is with another mark. */
static u64 make_piece(u64 offset, u64 mark)
{
	const u64 left = ((const struct image_header *)_start)->file_size - offset;
	const u64 bytes = left < sizeof(piece) ? left : sizeof(piece);
	const u64 at = (u64)&image_mark - (u64)_start;

	for (u64 i = 0; i < bytes; i++)
		*(volatile u8 *)&piece[i] = offset + i == at ? (u8)mark
							     : ((const volatile u8 *)_start)[offset + i];
	return bytes;
}

/* Says that the image with mark `named` comes, and sends the one with `sent`. */
static void send_image(u64 named, u64 sent)
{
	struct result r;
	u64 bytes;

	wanted.size = ((const struct image_header *)_start)->file_size;
	for (u64 i = 0; i < sizeof(wanted.sha256); i++)
		wanted.sha256[i] = DIGESTS[(named - 1) * sizeof(wanted.sha256) + i];
	r = warden(WARDEN_UPDATE_BEGIN, (u64)&wanted, 0, 0, 0);
	check(r.error == 0 && r.value == 0, r.value);
	for (u64 offset = 0; offset < wanted.size; offset += bytes) {
		bytes = make_piece(offset, sent);
		r = warden(WARDEN_UPDATE_WRITE, offset, (u64)piece, bytes, 0);
		check(r.error == 0 && r.value == offset + bytes, r.value);
	}
	/* Again, from where it stopped. */
	r = warden(WARDEN_UPDATE_BEGIN, (u64)&wanted, 0, 0, 0);
	check(r.error == 0 && r.value == wanted.size, r.value);
}

static u64 update_problem(void)
{
	const struct result r = warden(WARDEN_UPDATE_CHECK, 0, 0, 0, 0);

	check(r.error == 0, r.error);
	return r.value;
}

__attribute__((noreturn)) static void update_to(u64 mark)
{
	send_image(mark, mark);
	check(update_problem() == IMAGE_GOOD, update_problem());
	warden(WARDEN_UPDATE, now(), 0, 0, 0);
	check(false, mark);
	finish();
}

static void check_update_arguments(void)
{
	const u64 slot = RAM + LAYOUT_SLOT_OFFSET(this_slot());

	check(warden(WARDEN_UPDATE_WRITE, 0, (u64)piece, 8, 0).error == ERR_STATE, 0);
	check(update_problem() == IMAGE_INCOMPLETE, 0);
	check(warden(WARDEN_UPDATE, 0, 0, 0, 0).error == ERR_INVALID, 0);
	check(warden(WARDEN_UPDATE_UNDO, 0, 0, 0, 0).error == ERR_STATE, 0);
	check(warden(WARDEN_CRASH, LIFE_UPDATE, 0, 0, 0).error == ERR_INVALID, 0);
	check(warden(WARDEN_UPDATE_BEGIN, RAM, 0, 0, 0).error == ERR_ADDRESS, 0);
	check(warden(WARDEN_UPDATE_BEGIN, slot + LAYOUT_SLOT_SIZE - 8, 0, 0, 0).error == ERR_ADDRESS, 0);
	check(warden(WARDEN_UPDATE_BEGIN, (u64)&wanted + 4, 0, 0, 0).error == ERR_ADDRESS, 0);
	wanted.size = IMAGE_HEADER_SIZE;
	check(warden(WARDEN_UPDATE_BEGIN, (u64)&wanted, 0, 0, 0).error == ERR_INVALID, 0);
	wanted.size = IMAGE_FILE_MAX + 1;
	check(warden(WARDEN_UPDATE_BEGIN, (u64)&wanted, 0, 0, 0).error == ERR_INVALID, 0);
	send_image(1, 2);
	check(update_problem() == IMAGE_HASH, update_problem());
	check(warden(WARDEN_UPDATE, 0, 0, 0, 0).error == ERR_INVALID, 0);
	check(warden(WARDEN_UPDATE_WRITE, wanted.size, (u64)piece, 1, 0).error == ERR_INVALID, 0);
	check(warden(WARDEN_UPDATE_WRITE, ~0ul, (u64)piece, 2, 0).error == ERR_INVALID, 0);
	check(warden(WARDEN_UPDATE_WRITE, 0, (u64)piece, sizeof(piece) + 1, 0).error == ERR_INVALID, 0);
	check(warden(WARDEN_UPDATE_WRITE, 0, RAM, 8, 0).error == ERR_ADDRESS, 0);
	check(warden(WARDEN_UPDATE_WRITE, 0, ~0ul - 4, 8, 0).error == ERR_ADDRESS, 0);
	make_piece(0, 2);
	piece[100]++;
	check(warden(WARDEN_UPDATE_WRITE, 0, (u64)piece, sizeof(piece), 0).error == ERR_INVALID, 0);
}

void update_first_life(void)
{
	check_update_arguments();
	update_to(2);
}

/* What an heir is told, and which image it runs from. */
static void check_updated(u64 update, u64 cause, u64 crashes, u64 mark)
{
	volatile struct warden_record *w = warden_record();

	check(w->valid == 1 && w->update == update, w->update);
	check(w->cause == cause, w->cause);
	check(w->crashes == crashes, w->crashes);
	check(w->t_fault <= w->t_stopped && w->t_update <= w->t_fault, w->t_update);
	check(image_mark == mark, image_mark);
	w->valid = 0;
	take_over_all();
}

/* Reports for duty, with all harts. */
static void settle(void)
{
	ready(CRASH_RESET);
	others_up();
}

void update_heir(void)
{
	static const char words[] = "no, thanks";
	volatile struct warden_record *w = warden_record();

	switch (NOTES->lives) {
	case 2:
		check_updated(WARDEN_UPDATE_TRIAL, LIFE_UPDATE, 0, 2);
		check(warden(WARDEN_UPDATE_BEGIN, (u64)&wanted, 0, 0, 0).error == ERR_STATE, 0);
		check(warden(WARDEN_UPDATE_CHECK, 0, 0, 0, 0).error == ERR_STATE, 0);
		check(warden(WARDEN_UPDATE, 0, 0, 0, 0).error == ERR_STATE, 0);
		warden(WARDEN_UPDATE_UNDO, (u64)words, sizeof(words) - 1, 0, 0);
		break;
	case 3:
		check(w->text_size == sizeof(words) - 1 && w->text[0] == 'n' && w->text[9] == 's',
		      w->text_size);
		check_updated(WARDEN_UPDATE_UNDONE, LIFE_ADOPTION, 0, 1);
		settle();
		update_to(2);
	case 4:
		check_updated(WARDEN_UPDATE_TRIAL, LIFE_UPDATE, 0, 2);
		settle();
		check(warden(WARDEN_VERIFY, 0, 0, 0, 0).value == 1, 0);
		crash("of an image that is in force");
	case 5:
		check_updated(WARDEN_UPDATE_NONE, LIFE_PANIC, 1, 2);
		settle();
		update_to(1);
	case 6:
		check(image_mark == 1, image_mark);
		spin_planted(SEED);
	case 7:
		check_updated(WARDEN_UPDATE_UNDONE, LIFE_ADOPTION, 1, 2);
		finish();
	}
	check(false, NOTES->lives);
	finish();
}
