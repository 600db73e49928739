/* `outlive blackbox format`: an empty black box, in a new file or over what is there. */
#include "cli/blackbox.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_out.h"
#include "cli/message.h"
#include "cli/units.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int blackbox_image_create(const char *path, u64 bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0) {
		message_error("%s: %s", path, strerror(errno));
		return EXIT_CODE_FAILED;
	}
	if (ftruncate(fd, (off_t)bytes) < 0) {
		message_error("%s: %s", path, strerror(errno));
		close(fd);
		unlink(path);
		return EXIT_CODE_FAILED;
	}
	close(fd);
	return EXIT_CODE_OK;
}

/* A new file of --size. */
static int create(const char *path, const char *size)
{
	u64 bytes;

	if (!units_parse_size(size, &bytes) || !bytes || bytes > INT64_MAX) {
		message_error("--size: \"%s\" is not a size like 1MiB", size);
		return EXIT_CODE_USAGE;
	}
	return blackbox_image_create(path, bytes);
}

int blackbox_image_is_empty(struct blackbox_image *i, const struct blackbox_layout *l, bool *is_empty)
{
	static const u8 zeros[PSTORE_ZONE_UNIT];
	u8 page[PSTORE_ZONE_UNIT];

	*is_empty = true;
	for (u64 at = 0; *is_empty && at < l->end; at += sizeof(page)) {
		int error = i->device.read(&i->device, at, page, sizeof(page));

		if (error)
			return error;
		*is_empty = memcmp(page, zeros, sizeof(page)) == 0;
	}
	return 0;
}

/* Nothing but zeros may be overwritten without being asked. */
static int check_empty(struct blackbox_image *i, const struct blackbox_layout *l)
{
	struct layout_found found = { 0 };
	u8 scratch[BLACKBOX_SECTOR_MAX];
	bool is_empty;
	int error = blackbox_image_is_empty(i, l, &is_empty);

	if (!error && is_empty)
		return EXIT_CODE_OK;
	if (error)
		message_error("%s: %s", i->path, strerror(-error));
	else if (layout_compare(&i->device, scratch, l, &found) == 0 && found.signatures)
		message_error("%s: there is a black box%s; --force overwrites it", i->path,
			      found.matched < found.signatures ? " of another layout" : "");
	else
		message_error("%s: not empty; --force overwrites what is there", i->path);
	return EXIT_CODE_FAILED;
}

/* A header for each zone, so that the layout can be told from it. */
int blackbox_image_format(struct blackbox_image *i, const struct blackbox_layout *l)
{
	int error = 0;

	for (u32 n = 0; !error && n < layout_count(l); n++) {
		struct blackbox_zone zone = layout_zone(l, n);
		struct pstore_zone_header h = { .signature = PSTORE_SIGNATURE_OF(zone.type) };

		for (u64 at = 0; !error && at < zone.size; at += PSTORE_ZONE_UNIT) {
			u8 page[PSTORE_ZONE_UNIT] = { 0 };

			if (!at)
				memcpy(page, &h, sizeof(h));
			error = i->device.write(&i->device, zone.at + at, page, sizeof(page));
		}
	}
	if (!error)
		error = i->device.flush(&i->device);
	if (!error)
		return EXIT_CODE_OK;
	message_error("%s: %s", i->path, strerror(-error));
	return EXIT_CODE_FAILED;
}

static void report(const struct blackbox_image *i, const struct blackbox_layout *l, bool json)
{
	char text[96];

	blackbox_layout_text(text, sizeof(text), &l->sizes);
	if (json)
		json_out(json_pack("{s:s,s:s,s:o,s:o}", "file", i->path, "layout", text, "zones",
				   json_number(layout_count(l)), "kmsg_zones", json_number(l->kmsg_count)),
			 false);
	else
		message_note("%s: %u zones (%s)", i->path, layout_count(l), text);
}

int blackbox_format_command(const struct options *o)
{
	const char *name = o->layout ? o->layout : "full";
	char why[BLACKBOX_WHY_SIZE];
	struct blackbox_sizes sizes;
	struct blackbox_layout l;
	struct blackbox_image i;
	int code;

	if (!blackbox_parse_layout(name, &sizes))
		return EXIT_CODE_USAGE;
	code = o->size ? create(o->arguments[0], o->size) : EXIT_CODE_OK;
	if (!code)
		code = blackbox_device_open(&i, o->arguments[0], true);
	if (code)
		return code;
	if (layout_make(&l, &sizes, i.device.bytes, why)) {
		message_error("%s: %s", i.path, why);
		code = EXIT_CODE_FAILED;
	}
	if (!code && !o->overwrite)
		code = check_empty(&i, &l);
	if (!code)
		code = blackbox_image_format(&i, &l);
	if (!code)
		report(&i, &l, o->json);
	if (code && o->size)
		unlink(o->arguments[0]);
	close(i.fd);
	return code;
}
