/* Files and devices with a black box: see blackbox.h. */
#include "cli/blackbox.h"
#include "cli/blackbox_inflate.h"
#include "cli/exit_code.h"
#include "cli/memory.h"
#include "cli/message.h"
#include "cli/units.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- The device ---- */

static int file_read(struct blackbox_device *d, u64 at, void *to, u32 bytes)
{
	const struct blackbox_image *i = d->owner;

	while (bytes) {
		ssize_t got = pread(i->fd, to, bytes, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		to = (u8 *)to + got;
		at += (u64)got;
		bytes -= (u32)got;
	}
	return 0;
}

static int file_write(struct blackbox_device *d, u64 at, const void *from, u32 bytes)
{
	const struct blackbox_image *i = d->owner;

	while (bytes) {
		ssize_t put = pwrite(i->fd, from, bytes, (off_t)at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		from = (const u8 *)from + put;
		at += (u64)put;
		bytes -= (u32)put;
	}
	return 0;
}

static int file_flush(struct blackbox_device *d)
{
	const struct blackbox_image *i = d->owner;

	return fdatasync(i->fd) < 0 ? -errno : 0;
}

/* Bytes of a regular file or a block device. */
static int find_size(int fd, u64 *bytes)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISBLK(st.st_mode))
		return ioctl(fd, BLKGETSIZE64, bytes) < 0 ? -errno : 0;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	*bytes = (u64)st.st_size;
	return 0;
}

int blackbox_device_open(struct blackbox_image *i, const char *path, bool for_writing)
{
	u64 bytes = 0;
	int error;

	*i = (struct blackbox_image){ .path = path };
	i->fd = open(path, (for_writing ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (i->fd < 0) {
		message_error("%s: %s", path, strerror(errno));
		return EXIT_CODE_FAILED;
	}
	error = find_size(i->fd, &bytes);
	if (error) {
		message_error("%s: %s", path,
			      error == -EINVAL ? "neither a file nor a block device" : strerror(-error));
		close(i->fd);
		return EXIT_CODE_FAILED;
	}
	i->device = (struct blackbox_device){
		.bytes = ALIGN_DOWN(bytes, (u64)PSTORE_ZONE_UNIT),
		.sector = BLACKBOX_SECTOR_MIN,
		.read = file_read,
		.write = for_writing ? file_write : NULL,
		.flush = file_flush,
		.owner = i,
	};
	return EXIT_CODE_OK;
}

/* ---- Layouts ---- */

/* "pmsg=64KiB" of a list. */
static bool parse_part(char *part, struct blackbox_sizes *s)
{
	static const char *const names[] = { "pmsg", "console", "ftrace", "kmsg" };
	u32 *const sizes[] = { &s->pmsg, &s->console, &s->ftrace, &s->kmsg };
	char *equals = strchr(part, '=');
	u64 bytes;

	if (!equals)
		return false;
	*equals = '\0';
	if (!units_parse_size(equals + 1, &bytes) || bytes > UINT32_MAX)
		return false;
	for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
		if (strcmp(names[n], part) == 0) {
			*sizes[n] = (u32)bytes;
			return true;
		}
	}
	return false;
}

bool blackbox_parse_sizes(const char *text, struct blackbox_sizes *sizes)
{
	char *copy, *at, *part;
	bool is_good = true;

	if (layout_preset(text, sizes))
		return true;
	*sizes = (struct blackbox_sizes){ 0 };
	copy = at = memory_copy(text);
	while (is_good && (part = strsep(&at, ",")))
		is_good = parse_part(part, sizes);
	free(copy);
	return is_good;
}

bool blackbox_parse_layout(const char *text, struct blackbox_sizes *sizes)
{
	bool is_good = blackbox_parse_sizes(text, sizes);

	if (!is_good)
		message_error(
			"--layout: \"%s\" is neither full, linux-debian nor sizes like pmsg=64KiB,console=64KiB,"
			"kmsg=64KiB",
			text);
	return is_good;
}

const char *blackbox_layout_text(char *to, size_t size, const struct blackbox_sizes *s)
{
	const struct {
		const char *name;
		u32 bytes;
	} parts[] = {
		{ "pmsg", s->pmsg }, { "console", s->console }, { "ftrace", s->ftrace }, { "kmsg", s->kmsg }
	};
	size_t used = 0;

	*to = '\0';
	for (size_t n = 0; n < ARRAY_SIZE(parts) && used < size; n++)
		if (parts[n].bytes)
			used += (size_t)snprintf(to + used, size - used, "%s%s=%uKiB", used ? "," : "",
						 parts[n].name, parts[n].bytes / 1024);
	return to;
}

/* The layout that was given, if it is not contradicted, or the one that is found. */
static int choose_layout(struct blackbox_image *i, const struct options *o, struct blackbox_layout *l)
{
	u8 scratch[BLACKBOX_SECTOR_MAX];
	char why[BLACKBOX_WHY_SIZE];
	struct blackbox_sizes sizes;
	int error;

	if (!o->layout) {
		error = layout_find(&i->device, scratch, l, &i->found);
		if (error)
			message_error("%s: %s", i->path,
				      error == -ENOENT ? "no black box in it" : strerror(-error));
		else if (i->found.matched < i->found.signatures)
			message_note("%s: %u of %u signatures are not where this layout has a zone", i->path,
				     i->found.signatures - i->found.matched, i->found.signatures);
		return error ? EXIT_CODE_FAILED : EXIT_CODE_OK;
	}
	if (!blackbox_parse_layout(o->layout, &sizes))
		return EXIT_CODE_USAGE;
	if (layout_make(l, &sizes, i->device.bytes, why)) {
		message_error("%s: %s", i->path, why);
		return EXIT_CODE_FAILED;
	}
	error = layout_compare(&i->device, scratch, l, &i->found);
	if (error) {
		message_error("%s: %s", i->path, strerror(-error));
		return EXIT_CODE_FAILED;
	}
	if (i->found.matched < i->found.signatures && !o->overwrite) {
		message_error(
			"%s: a black box of another layout: %u of %u signatures are not where this one has a zone; "
			"--force takes it all the same",
			i->path, i->found.signatures - i->found.matched, i->found.signatures);
		return EXIT_CODE_FAILED;
	}
	return EXIT_CODE_OK;
}

int blackbox_image_open(struct blackbox_image *i, const struct options *o, bool for_writing)
{
	struct blackbox_layout l;
	int code = blackbox_device_open(i, o->arguments[0], for_writing), error;

	if (code)
		return code;
	code = choose_layout(i, o, &l);
	if (!code) {
		i->memory = aligned_alloc(BLACKBOX_SECTOR_MAX, blackbox_memory(&l));
		error = i->memory ? blackbox_open(&i->box, &i->device, &l, i->memory) : -ENOMEM;
		if (error) {
			message_error("%s: %s", i->path, strerror(-error));
			code = EXIT_CODE_FAILED;
		}
	}
	if (code)
		blackbox_image_close(i);
	return code;
}

void blackbox_image_close(struct blackbox_image *i)
{
	close(i->fd);
	free(i->memory);
}

/* ---- Zones ---- */

static void describe_ring(struct blackbox_content *c, const struct ring *r)
{
	c->state = r->state;
	c->why = r->why;
	c->bytes = ring_bytes(r, false);
}

void blackbox_describe(const struct blackbox_image *i, u32 n, struct blackbox_content *c)
{
	*c = (struct blackbox_content){ .zone = layout_zone(&i->box.layout, n) };
	switch (c->zone.type) {
	case PSTORE_PMSG:
		describe_ring(c, &i->box.pmsg);
		break;
	case PSTORE_CONSOLE:
		describe_ring(c, &i->box.console);
		break;
	case PSTORE_FTRACE:
		c->state = ZONE_ABSENT;
		c->why = "only Linux reads ftrace";
		break;
	case PSTORE_KMSG:
		c->record = &i->box.records.info[c->zone.number];
		c->state = c->record->state;
		c->why = c->record->why;
		c->bytes = c->record->bytes;
		break;
	}
	if (c->record)
		snprintf(c->name, sizeof(c->name), "kmsg-%u", c->zone.number);
	else
		snprintf(c->name, sizeof(c->name), "%s", zone_type_name(c->zone.type));
}

int blackbox_find_zone(const struct blackbox_image *i, const char *name, struct blackbox_content *c)
{
	for (u32 n = 0; n < layout_count(&i->box.layout); n++) {
		blackbox_describe(i, n, c);
		if (strcmp(c->name, name) == 0)
			return EXIT_CODE_OK;
	}
	message_error("%s: no zone \"%s\"; \"outlive blackbox ls\" lists them", i->path, name);
	return EXIT_CODE_NOT_FOUND;
}

bool blackbox_has_text(const struct blackbox_content *c)
{
	return (c->state == ZONE_GOOD || c->state == ZONE_TORN) && c->zone.type != PSTORE_FTRACE;
}

static char *inflated(const struct blackbox_image *i, const struct blackbox_content *c, char *text,
		      size_t *bytes)
{
	char *result = blackbox_inflate(text, c->bytes, bytes);

	if (!result)
		message_error("%s: %s cannot be inflated: it is damaged", i->path, c->name);
	free(text);
	return result;
}

char *blackbox_text(struct blackbox_image *i, const struct blackbox_content *c, size_t *bytes)
{
	char *text = memory_new(c->bytes + 1, 1);
	int got;

	*bytes = c->bytes;
	if (!c->record) {
		ring_read(c->zone.type == PSTORE_PMSG ? &i->box.pmsg : &i->box.console, false, 0, text,
			  c->bytes);
		return text;
	}
	got = records_read(&i->box.records, &i->device, c->zone.number, 0, text, c->bytes);
	if (got < 0) {
		message_error("%s: %s: %s", i->path, c->name, strerror(-got));
		free(text);
		return NULL;
	}
	return c->record->compressed ? inflated(i, c, text, bytes) : text;
}

const char *blackbox_time_text(char *to, size_t size, struct blackbox_time t)
{
	time_t seconds = (time_t)t.seconds;
	size_t used = 0;
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		used = strftime(to, size, "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(to + used, size - used, ".%09ld", (long)t.nanoseconds);
	return to;
}
