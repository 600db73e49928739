/* The boot pack's writer: see pack_writer.h. */
#include "cli/pack_writer.h"
#include "cli/memory.h"
#include "cli/message.h"
#include "core/lib/crc32c.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE KIB(256)

static int write_all(int fd, const void *bytes, size_t count, u64 at)
{
	const u8 *from = bytes;

	while (count) {
		ssize_t put = pwrite(fd, from, count, (off_t)at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		from += put;
		count -= (size_t)put;
		at += (u64)put;
	}
	return 0;
}

/* Copies exactly `size` bytes of a file to `at`. A file that has become shorter is an error: its size is in the tables. */
static int copy_file(int to, u64 at, const char *path, u64 size)
{
	u8 *piece = memory_new(1, PIECE);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int error = fd < 0 ? -errno : 0;

	while (!error && size) {
		ssize_t got = read(fd, piece, size < PIECE ? (size_t)size : PIECE);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			error = got < 0 ? -errno : -ESTALE;
			break;
		}
		error = write_all(to, piece, (size_t)got, at);
		at += (u64)got;
		size -= (u64)got;
	}
	if (error)
		message_error("%s: %s", path,
			      error == -ESTALE ? "changed while it was read" : strerror(-error));
	if (fd >= 0)
		close(fd);
	free(piece);
	return error;
}

static void name_item(struct pack_item *item, const char *path)
{
	const char *base = strrchr(path, '/');

	snprintf(item->name, sizeof(item->name), "%s", base ? base + 1 : path);
	/* The name is for the hypervisor's messages: plain characters only. */
	for (char *at = item->name; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
}

static void fill_header(const struct host_plan *plan, struct pack_header *header)
{
	const struct machine_spec *machine = &plan->spec->machine;

	*header = (struct pack_header){
		.magic = PACK_MAGIC,
		.version = PACK_VERSION,
		.header_size = sizeof(*header),
		.total_size = plan->pack_size,
		.item_count = plan->item_count,
		.vm_count = plan->vm_count,
		.crash_policy = (u32)machine->on_crash.value,
		.crash_limit = (u32)machine->crash_limit.value,
		.crash_window = (u32)(machine->crash_window.value / 1000),
		.watchdog_ms = (u32)machine->watchdog.value,
		.host_harts = plan->harts,
		.flags = plan->spec->exit_when_idle ? PACK_FLAG_EXIT_WHEN_IDLE : 0,
		.evidence = plan->evidence,
		.pool = plan->pool,
	};
}

/* Header and tables, with the checksum. */
static int write_tables(const struct host_plan *plan, const struct pack_item *items, int fd)
{
	size_t items_size = plan->item_count * sizeof(*items);
	size_t vms_size = plan->vm_count * sizeof(*plan->vms);
	struct pack_header header;
	int error;

	fill_header(plan, &header);
	header.crc = crc32c(0, &header, sizeof(header));
	header.crc = crc32c(header.crc, items, items_size);
	header.crc = crc32c(header.crc, plan->vms, vms_size);
	error = write_all(fd, &header, sizeof(header), 0);
	if (!error)
		error = write_all(fd, items, items_size, sizeof(header));
	if (!error)
		error = write_all(fd, plan->vms, vms_size, sizeof(header) + items_size);
	return error;
}

static int write_pack(const struct host_plan *plan, int fd)
{
	struct pack_item *items = memory_new(plan->item_count, sizeof(*items));
	u64 at = host_plan_items_offset(plan);
	int error = 0;

	for (u32 i = 0; !error && i < plan->item_count; i++) {
		items[i].offset = at;
		items[i].size = plan->items[i].size;
		name_item(&items[i], plan->items[i].path);
		error = copy_file(fd, at, plan->items[i].path, items[i].size);
		at += ALIGN_UP(items[i].size, PAGE_SIZE);
	}
	if (!error) {
		error = write_tables(plan, items, fd);
		/* The end of the last item is padding; truncation makes it a hole of zeros. */
		if (!error && ftruncate(fd, (off_t)plan->pack_size) < 0)
			error = -errno;
		if (error)
			message_error("boot pack: %s", strerror(-error));
	}
	free(items);
	return error;
}

int pack_write(const struct host_plan *plan, int directory, const char *path)
{
	char *temporary = memory_format("%s.%d.tmp", path, (int)getpid());
	int fd = openat(directory, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int error = 0;

	if (fd < 0) {
		error = -errno;
		message_error("%s: %s", temporary, strerror(errno));
		free(temporary);
		return error;
	}
	error = write_pack(plan, fd);
	if (close(fd) < 0 && !error) {
		error = -errno;
		message_error("%s: %s", temporary, strerror(errno));
	}
	if (!error && renameat(directory, temporary, directory, path) < 0) {
		error = -errno;
		message_error("%s: %s", path, strerror(errno));
	}
	if (error)
		unlinkat(directory, temporary, 0);
	free(temporary);
	return error;
}
