/*
 * vmcore-save: copies /proc/vmcore to a device, in a crash kernel. What cp would do, many times as fast: the kernel maps and
 * unmaps each page of the dead kernel's memory to read it, but maps megabytes at once for mmap(2). Pages of zeros are not
 * written one by one; the device's own way to zero itself does for all of them.
 */
#include "abi/types.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHUNK		 MIB(16)
#define PIECE		 KIB(64)
#define PROGRESS_SECONDS 5

_Noreturn __attribute__((format(printf, 1, 2))) static void die(const char *format, ...)
{
	va_list args;

	fputs("vmcore-save: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static bool is_zero(const u8 *data, u64 size)
{
	return !size || (!data[0] && !memcmp(data, data + 1, size - 1));
}

static void write_at(int fd, const u8 *data, u64 size, u64 offset, const char *name)
{
	while (size) {
		ssize_t done = pwrite(fd, data, size, (off_t)offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			die("%s: at byte %" PRIu64 ": %s", name, offset, done ? strerror(errno) : "no space");
		data += done;
		offset += (u64)done;
		size -= (u64)done;
	}
}

/* Makes the target read as zeros for `size` bytes from its start. False: zeros have to be written. */
static bool zero_target(int fd, u64 size, const char *name)
{
	u64 range[2] = { 0, ALIGN_UP(size, PAGE_SIZE) };
	struct stat st;
	u64 room;

	if (fstat(fd, &st))
		die("%s: %s", name, strerror(errno));
	if (S_ISREG(st.st_mode))
		return !ftruncate(fd, 0) && !ftruncate(fd, (off_t)size);
	if (!S_ISBLK(st.st_mode))
		return false;
	if (ioctl(fd, BLKGETSIZE64, &room))
		die("%s: %s", name, strerror(errno));
	if (room < range[1])
		die("%s: has %" PRIu64 " MiB, and the dump %" PRIu64, name, room >> 20,
		    (size + MIB(1) - 1) >> 20);
	return !ioctl(fd, BLKZEROOUT, range);
}

/* A chunk of the source, mapped or, where it cannot be, read. */
static const u8 *take(int fd, u64 offset, u64 size, u8 *buffer, const char *name)
{
	u8 *mapped = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, (off_t)offset);

	if (mapped != MAP_FAILED)
		return mapped;
	for (u64 done = 0; done < size;) {
		ssize_t got = pread(fd, buffer + done, size - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			die("%s: at byte %" PRIu64 ": %s", name, offset + done,
			    got ? strerror(errno) : "ends");
		done += (u64)got;
	}
	return buffer;
}

static void copy(int from, int to, u64 size, char **names)
{
	bool zeroed = zero_target(to, size, names[1]);
	u8 *buffer = malloc(CHUNK);
	time_t told = time(NULL);

	if (!buffer)
		die("not enough memory");
	for (u64 offset = 0; offset < size; offset += CHUNK) {
		u64 chunk = size - offset < CHUNK ? size - offset : CHUNK;
		const u8 *data = take(from, offset, chunk, buffer, names[0]);

		for (u64 at = 0; at < chunk; at += PIECE) {
			u64 piece = chunk - at < PIECE ? chunk - at : PIECE;

			if (!zeroed || !is_zero(data + at, piece))
				write_at(to, data + at, piece, offset + at, names[1]);
		}
		if (data != buffer)
			munmap((void *)data, chunk);
		if (time(NULL) - told >= PROGRESS_SECONDS) {
			told = time(NULL);
			printf("vmcore-save: %" PRIu64 " of %" PRIu64 " MiB\n", (offset + chunk) >> 20,
			       size >> 20);
			fflush(stdout);
		}
	}
	if (fsync(to) && errno != EINVAL)
		die("%s: %s", names[1], strerror(errno));
	free(buffer);
}

int main(int argc, char **argv)
{
	struct stat st;
	int from, to;

	if (argc != 3) {
		fputs("usage: vmcore-save /proc/vmcore DEVICE-OR-FILE\n", stderr);
		return 2;
	}
	from = open(argv[1], O_RDONLY);
	if (from < 0 || fstat(from, &st))
		die("%s: %s", argv[1], strerror(errno));
	to = open(argv[2], O_WRONLY | O_CREAT, 0600);
	if (to < 0)
		die("%s: %s", argv[2], strerror(errno));
	copy(from, to, (u64)st.st_size, argv + 1);
	printf("vmcore-save: %" PRIu64 " bytes are on %s\n", (u64)st.st_size, argv[2]);
	return 0;
}
