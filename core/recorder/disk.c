/* See disk.h. */
#include "core/recorder/disk.h"
#include "core/arch.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"

#define NO_PAGE (-1)

/* On the hart that polled the driver. The recorder's own poll comes after that. */
static void request_ended(struct blk_request *request, int status)
{
	struct recorder_disk *d = request->owner;

	d->status = status;
	__atomic_store_n(&d->state, DISK_ENDED, __ATOMIC_RELEASE);
	arch_kick(arch_hart());
}

bool disk_is_busy(const struct recorder_disk *d)
{
	return __atomic_load_n(&d->state, __ATOMIC_ACQUIRE) == DISK_BUSY;
}

/* A page that has come is kept, whoever wanted it. */
static void keep_page(struct recorder_disk *d)
{
	if (__atomic_load_n(&d->state, __ATOMIC_ACQUIRE) != DISK_ENDED || d->page == NO_PAGE)
		return;
	d->kept[d->page].is_valid = !d->status;
	d->state = DISK_IDLE;
}

/* The same request again gets the answer of the first. */
static int ask(struct recorder_disk *d, enum blk_op op, u64 at, const void *memory, u32 bytes, int page)
{
	struct blk_request *r = &d->request;
	u32 state = __atomic_load_n(&d->state, __ATOMIC_ACQUIRE);

	if (state == DISK_BUSY)
		return -EAGAIN;
	d->state = DISK_IDLE;
	if (state == DISK_ENDED && r->op == op && d->at == at && d->memory == memory && d->bytes == bytes)
		return d->status;
	*r = (struct blk_request){ .op = op, .sector = at / BLK_SECTOR, .done = request_ended, .owner = d };
	if (bytes) {
		r->segments = 1;
		r->segment[0] = (struct blk_segment){ HPA((u64)(uintptr_t)memory), bytes };
	}
	d->at = at;
	d->memory = memory;
	d->bytes = bytes;
	d->page = page;
	d->begun = arch_time();
	__atomic_store_n(&d->state, DISK_BUSY, __ATOMIC_RELEASE);
	if (d->backend->submit(d->backend, r))
		d->state = DISK_IDLE; /* full: VMs' requests go first */
	return -EAGAIN;
}

static int find_page(const struct recorder_disk *d, u64 at)
{
	for (u32 n = 0; n < DISK_PAGES; n++)
		if (d->kept[n].is_valid && d->kept[n].at == at)
			return (int)n;
	return NO_PAGE;
}

/* The page at `at`, kept; NULL with *error: -EAGAIN or the device's. */
static const u8 *page_at(struct recorder_disk *d, u64 at, int *error)
{
	u8 *memory;
	int n;

	*error = 0;
	if (__atomic_load_n(&d->state, __ATOMIC_ACQUIRE) == DISK_ENDED && d->page != NO_PAGE && d->at == at &&
	    d->status)
		*error = d->status;
	keep_page(d);
	if (*error)
		return NULL;
	n = find_page(d, at);
	if (n != NO_PAGE)
		return d->pages + (u64)n * PAGE_SIZE;
	memory = d->pages + (u64)d->next_page * PAGE_SIZE;
	if (!disk_is_busy(d)) {
		n = (int)d->next_page;
		d->next_page = (d->next_page + 1) % DISK_PAGES;
		d->kept[n].at = at;
		d->kept[n].is_valid = false;
		ask(d, BLK_READ, at, memory, PAGE_SIZE, n);
	}
	*error = -EAGAIN;
	return NULL;
}

int disk_read_kept(struct recorder_disk *d, u64 at, void *to, u32 bytes)
{
	while (bytes) {
		u32 skip = (u32)(at % PAGE_SIZE);
		u32 part = (u32)PAGE_SIZE - skip < bytes ? (u32)PAGE_SIZE - skip : bytes;
		int error;
		const u8 *page = page_at(d, at - skip, &error);

		if (!page)
			return error;
		memcpy(to, page + skip, part);
		to = (u8 *)to + part;
		at += part;
		bytes -= part;
	}
	return 0;
}

bool disk_kept(const struct recorder_disk *d, u64 at, void *to, u32 bytes)
{
	while (bytes) {
		u32 skip = (u32)(at % PAGE_SIZE);
		u32 part = (u32)PAGE_SIZE - skip < bytes ? (u32)PAGE_SIZE - skip : bytes;
		int n = find_page(d, at - skip);

		if (n == NO_PAGE)
			return false;
		memcpy(to, d->pages + (u64)n * PAGE_SIZE + skip, part);
		to = (u8 *)to + part;
		at += part;
		bytes -= part;
	}
	return true;
}

static int disk_read(struct blackbox_device *device, u64 at, void *to, u32 bytes)
{
	struct recorder_disk *d = device->owner;

	if (bytes <= device->sector)
		return disk_read_kept(d, at, to, bytes);
	keep_page(d);
	return ask(d, BLK_READ, at, to, bytes, NO_PAGE);
}

static int disk_write(struct blackbox_device *device, u64 at, const void *from, u32 bytes)
{
	struct recorder_disk *d = device->owner;

	keep_page(d);
	for (u32 n = 0; n < DISK_PAGES; n++)
		if (ranges_overlap(d->kept[n].at, PAGE_SIZE, at, bytes))
			d->kept[n].is_valid = false;
	return ask(d, BLK_WRITE, at, from, bytes, NO_PAGE);
}

static int disk_flush(struct blackbox_device *device)
{
	struct recorder_disk *d = device->owner;

	keep_page(d);
	return ask(d, BLK_FLUSH, 0, NULL, 0, NO_PAGE);
}

void disk_open(struct recorder_disk *d, struct blk_backend *backend, u8 *pages)
{
	*d = (struct recorder_disk){ .backend = backend, .pages = pages, .page = NO_PAGE };
	d->device = (struct blackbox_device){
		.bytes = ALIGN_DOWN(backend->sectors * BLK_SECTOR, (u64)PAGE_SIZE),
		.sector = BLK_SECTOR,
		.read = disk_read,
		.write = backend->readonly ? NULL : disk_write,
		.flush = disk_flush,
		.owner = d,
	};
}
