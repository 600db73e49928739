/*
 * Live update: what image_check finds wrong, and the requests of the control channel, in front of a warden that only takes
 * notes.
 */
#include "abi/image.h"
#include "tests/unit/control_line.h"

/* ---- Images ---- */

static struct image_header good(void)
{
	return (struct image_header){
		.linux_magic = IMAGE_LINUX_MAGIC,
		.linux_magic2 = IMAGE_LINUX_MAGIC2,
		.magic = IMAGE_OUTLIVE_MAGIC,
		.header_version = IMAGE_HEADER_VERSION,
		.estate_version = 5,
		.file_size = 100000,
		.memory_size = 200000,
		.estate_oldest = 3,
	};
}

static void test_image_versions(void **state)
{
	struct image_header h = good();

	(void)state;
	assert_int_equal(image_check(&h, 100000, 2), IMAGE_ESTATE_NEWER);
	for (u32 version = 3; version <= 5; version++)
		assert_int_equal(image_check(&h, 100000, version), IMAGE_GOOD);
	assert_int_equal(image_check(&h, 100000, 6), IMAGE_ESTATE_OLDER);
	/* One that says nothing about it adopts what it writes. */
	h.estate_oldest = 0;
	assert_int_equal(image_check(&h, 100000, 4), IMAGE_ESTATE_NEWER);
	assert_int_equal(image_check(&h, 100000, 5), IMAGE_GOOD);
}

static void test_image_sizes(void **state)
{
	struct image_header h = good();

	(void)state;
	assert_int_equal(image_check(&h, 99999, 5), IMAGE_TRUNCATED);
	assert_int_equal(image_check(&h, 100001, 5), IMAGE_SIZES);
	h.memory_size = 99999;
	assert_int_equal(image_check(&h, 100000, 5), IMAGE_SIZES);
	h.memory_size = IMAGE_MEMORY_MAX + 1;
	assert_int_equal(image_check(&h, 100000, 5), IMAGE_SIZES);
	h = good();
	h.file_size = IMAGE_HEADER_SIZE;
	assert_int_equal(image_check(&h, IMAGE_HEADER_SIZE, 5), IMAGE_SIZES);
	h.file_size = IMAGE_FILE_MAX + 1;
	h.memory_size = IMAGE_MEMORY_MAX;
	assert_int_equal(image_check(&h, IMAGE_FILE_MAX + 1, 5), IMAGE_SIZES);
	h.file_size = IMAGE_FILE_MAX;
	assert_int_equal(image_check(&h, IMAGE_FILE_MAX, 5), IMAGE_GOOD);
}

static void test_image_kinds(void **state)
{
	struct image_header h = good();

	(void)state;
	assert_int_equal(image_check(&h, IMAGE_HEADER_SIZE - 1, 5), IMAGE_NOT_OURS);
	h.magic ^= 1;
	assert_int_equal(image_check(&h, 100000, 5), IMAGE_NOT_OURS);
	h = good();
	h.linux_magic = 0;
	assert_int_equal(image_check(&h, 100000, 5), IMAGE_OTHER_MACHINE);
	h = good();
	h.linux_magic2 = 0x644d5241; /* "ARM\x64" */
	assert_int_equal(image_check(&h, 100000, 5), IMAGE_OTHER_MACHINE);
	h = good();
	h.header_version++;
	assert_int_equal(image_check(&h, 100000, 5), IMAGE_OTHER_HEADER);
}

/* ---- Requests ---- */

static struct {
	enum warden_call call;
	u64 a0, a2;
	struct warden_update update; /* WARDEN_UPDATE_BEGIN */
	u8 bytes[CTL_UPDATE_PIECE];  /* WARDEN_UPDATE_WRITE */
	s64 answer;
	unsigned updates;
} noted;

static s64 take_note(enum warden_call call, u64 a0, u64 a1, u64 a2)
{
	noted.call = call;
	noted.a0 = a0;
	noted.a2 = a2;
	if (call == WARDEN_UPDATE_BEGIN)
		memcpy(&noted.update, (const void *)(uintptr_t)a0, sizeof(noted.update));
	if (call == WARDEN_UPDATE_WRITE)
		memcpy(noted.bytes, (const void *)(uintptr_t)a1, a2);
	noted.updates += call == WARDEN_UPDATE;
	return noted.answer;
}

static int set_up_warden(void **state)
{
	memset(&noted, 0, sizeof(noted));
	set_up(state);
	host->on_update = take_note;
	return 0;
}

static struct ctl_update_state state_said(void)
{
	struct ctl_update_state said;

	assert_int_equal(got.length, sizeof(said));
	memcpy(&said, payload, sizeof(said));
	return said;
}

static void test_transfer(void **state)
{
	struct ctl_update u = { .size = 0x12345 };
	struct {
		u64 offset;
		u8 bytes[CTL_UPDATE_PIECE];
	} piece = { .offset = 777 };

	(void)state;
	memset(u.sha256, 0xa5, sizeof(u.sha256));
	noted.answer = 4096;
	assert_int_equal(ask(CTL_UPDATE_BEGIN, 0, &u, sizeof(u)), 0);
	assert_int_equal(noted.call, WARDEN_UPDATE_BEGIN);
	assert_int_equal(noted.update.size, 0x12345);
	assert_memory_equal(noted.update.sha256, u.sha256, sizeof(u.sha256));
	assert_int_equal(state_said().received, 4096);
	assert_int_equal(state_said().estate_version, ESTATE_VERSION);
	assert_int_equal(state_said().estate_oldest, ESTATE_OLDEST);

	memset(piece.bytes, 0x3c, sizeof(piece.bytes));
	assert_int_equal(ask(CTL_UPDATE_WRITE, 0, &piece, sizeof(piece)), 0);
	assert_int_equal(noted.call, WARDEN_UPDATE_WRITE);
	assert_int_equal(noted.a0, 777);
	assert_int_equal(noted.a2, sizeof(piece.bytes));
	assert_memory_equal(noted.bytes, piece.bytes, sizeof(piece.bytes));

	noted.answer = IMAGE_HASH;
	assert_int_equal(ask(CTL_UPDATE_CHECK, 0, NULL, 0), 0);
	assert_int_equal(state_said().problem, IMAGE_HASH);
	noted.answer = -EINVAL;
	assert_int_equal(ask(CTL_UPDATE_WRITE, 0, &piece, 9), -EINVAL);
	assert_int_equal(got.length, 0);
}

static void test_malformed(void **state)
{
	u8 bytes[8 + CTL_UPDATE_PIECE + 1] = { 0 };

	(void)state;
	assert_int_equal(ask(CTL_UPDATE_BEGIN, 0, bytes, sizeof(struct ctl_update) - 1), -EINVAL);
	assert_int_equal(ask(CTL_UPDATE_BEGIN, 0, bytes, sizeof(struct ctl_update) + 1), -EINVAL);
	assert_int_equal(ask(CTL_UPDATE_WRITE, 0, bytes, 7), -EINVAL);
	assert_int_equal(ask(CTL_UPDATE_WRITE, 0, bytes, sizeof(bytes)), -EINVAL);
	assert_int_equal(ask(CTL_UPDATE_CHECK, 0, bytes, 1), -EINVAL);
	assert_int_equal(ask(CTL_UPDATE_COMMIT, 0, bytes, 4), -EINVAL);
	assert_int_equal(noted.call, WARDEN_INFO);
}

static void test_no_warden(void **state)
{
	struct ctl_update u = { .size = 1000 };

	(void)state;
	host->on_update = NULL;
	assert_int_equal(ask(CTL_UPDATE_BEGIN, 0, &u, sizeof(u)), -ENOSYS);
	assert_int_equal(ask(CTL_UPDATE_CHECK, 0, NULL, 0), -ENOSYS);
	assert_int_equal(ask64(CTL_UPDATE_COMMIT, 1), -ENOSYS);
}

static void poll_once(void *context)
{
	(void)context;
	poll();
}

static void test_commit(void **state)
{
	(void)state;
	/* Another life than this one, or an image that is none. */
	assert_int_equal(ask64(CTL_UPDATE_COMMIT, 0), -EALREADY);
	assert_int_equal(ask64(CTL_UPDATE_COMMIT, 2), -EINVAL);
	noted.answer = IMAGE_INCOMPLETE;
	assert_int_equal(ask64(CTL_UPDATE_COMMIT, 1), -EINVAL);
	poll();
	assert_int_equal(noted.updates, 0);

	noted.answer = IMAGE_GOOD;
	send((struct ctl_header){ .type = CTL_UPDATE_COMMIT, .tag = 99 }, &(u64){ 1 }, sizeof(u64));
	assert_int_equal(host_live(poll_once, NULL, 0), HOST_ENDED);
	assert_int_equal(host->cause, LIFE_UPDATE);
	/* The reply is out before the end. */
	do
		assert_true(receive());
	while (got.type != (CTL_UPDATE_COMMIT | CTL_REPLY));
	assert_int_equal(got.status, 0);
}

/* While guests of the life before are on their way back it is not the time, but not for ever. */
static void test_commit_after_a_crash(void **state)
{
	(void)state;
	estate.warden->cause = LIFE_PANIC;
	estate.warden->valid = 1;
	life_begin(true, host_slot(2), 0, arch_time(), NULL);
	life_adopted(2, 0, 1);
	noted.answer = IMAGE_GOOD;
	assert_int_equal(ask64(CTL_UPDATE_COMMIT, 1), -EALREADY);
	assert_int_equal(ask64(CTL_UPDATE_COMMIT, 2), -EBUSY);
	poll();
	assert_int_equal(noted.updates, 0);
	host->now += 3 * SECOND;
	send((struct ctl_header){ .type = CTL_UPDATE_COMMIT, .tag = 99 }, &(u64){ 2 }, sizeof(u64));
	assert_int_equal(host_live(poll_once, NULL, 0), HOST_ENDED);
	assert_int_equal(noted.updates, 1);
}

/* Nobody reads: the life ends nevertheless, a little later. */
static void test_commit_unread(void **state)
{
	(void)state;
	poll();
	line.out_room = 0;
	send((struct ctl_header){ .type = CTL_UPDATE_COMMIT, .tag = 99 }, &(u64){ 1 }, sizeof(u64));
	assert_int_equal(host_live(poll_once, NULL, 0), HOST_RETURNED);
	assert_int_equal(noted.updates, 0);
	host->now += SECOND;
	assert_int_equal(host_live(poll_once, NULL, 0), HOST_ENDED);
	assert_int_equal(noted.updates, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_image_versions),
		cmocka_unit_test(test_image_sizes),
		cmocka_unit_test(test_image_kinds),
		cmocka_unit_test_setup(test_transfer, set_up_warden),
		cmocka_unit_test_setup(test_malformed, set_up_warden),
		cmocka_unit_test_setup(test_no_warden, set_up_warden),
		cmocka_unit_test_setup(test_commit, set_up_warden),
		cmocka_unit_test_setup(test_commit_after_a_crash, set_up_warden),
		cmocka_unit_test_setup(test_commit_unread, set_up_warden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
