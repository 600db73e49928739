/* A black box; see box.h. */
#include "tests/exits/box.h"
#include "abi/pstore.h"
#include "arch/host/host.h"
#include "core/blackbox/blackbox.h"
#include "core/lib/errno.h"
#include "tests/exits/devices.h"
#include <stdlib.h>
#include <string.h>

#define UNIT 1
#define ZONE KIB(64)

void box_make(struct machine_record *m)
{
	u8 *medium = devices.medium[UNIT];

	m->evidence = (struct pack_evidence){ .blackbox_disk = UNIT + 1,
					      .blackbox_pmsg = ZONE,
					      .blackbox_console = ZONE,
					      .blackbox_kmsg = ZONE };
	for (u64 at = 0; at < DEVICES_DISK_BYTES; at += ZONE) {
		u32 type = at == 0 ? PSTORE_PMSG : at == ZONE ? PSTORE_CONSOLE : PSTORE_KMSG;
		struct pstore_zone_header h = { .signature = PSTORE_SIGNATURE_OF(type) };

		memcpy(medium + at, &h, sizeof(h));
	}
}

static int read_medium(struct blackbox_device *d, u64 at, void *to, u32 bytes)
{
	if (at + bytes > d->bytes)
		host_fail("a read behind the end of the black box");
	memcpy(to, devices.medium[UNIT] + at, bytes);
	return 0;
}

static int write_medium(struct blackbox_device *d, u64 at, const void *from, u32 bytes)
{
	(void)d;
	(void)at;
	(void)from;
	(void)bytes;
	return -EPERM;
}

static struct blackbox found;
static char text[ZONE];
HOST_KEEP static void *memory;

static void open_found(void)
{
	const struct blackbox_sizes sizes = { .pmsg = ZONE, .console = ZONE, .kmsg = ZONE };
	static struct blackbox_device device;
	static struct blackbox_layout layout;
	char why[BLACKBOX_WHY_SIZE];

	device = (struct blackbox_device){
		.bytes = DEVICES_DISK_BYTES, .sector = BLK_SECTOR, .read = read_medium, .write = write_medium
	};
	if (layout_make(&layout, &sizes, DEVICES_DISK_BYTES, why))
		host_fail(why);
	if (!memory)
		memory = aligned_alloc(BLACKBOX_SECTOR_MAX,
				       ALIGN_UP(blackbox_memory(&layout), BLACKBOX_SECTOR_MAX));
	if (!memory || blackbox_open(&found, &device, &layout, memory))
		host_fail("the black box is none");
}

static const char *ring_of(struct ring *r)
{
	text[ring_read(r, false, 0, text, ZONE - 1)] = 0;
	return text;
}

const char *box_log(void)
{
	open_found();
	return ring_of(&found.console);
}

const char *box_lines(void)
{
	open_found();
	return ring_of(&found.pmsg);
}

bool box_has_record(const char *what)
{
	open_found();
	for (unsigned n = 0; n < found.layout.kmsg_count; n++) {
		int got = records_read(&found.records, found.device, n, 0, text, ZONE - 1);

		text[got > 0 ? got : 0] = 0;
		if (strstr(text, what))
			return true;
	}
	return false;
}
