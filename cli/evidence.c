/* See evidence.h. */
#include "cli/evidence.h"
#include "abi/dump.h"
#include "cli/blackbox.h"
#include "cli/exit_code.h"
#include "cli/memory.h"
#include "cli/message.h"
#include "cli/units.h"
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Checks ---- */

static bool is_there(const struct field_text *file)
{
	struct stat st;

	return stat(file->value, &st) == 0;
}

/* A file that is not there will be made. */
static void check_place(const struct field_text *file, const char *field, struct diagnostics *d)
{
	char *copy = memory_copy(file->value);

	if (access(dirname(copy), W_OK | X_OK) < 0)
		diagnostics_add(d, file->line, field, "%s is not there and cannot be made: %s", file->value,
				strerror(errno));
	free(copy);
}

/* A black box of the key's layout, or nothing but zeros. */
static void check_box(struct blackbox_image *i, const struct blackbox_layout *l,
		      const struct field_text *file, struct diagnostics *d)
{
	u8 scratch[BLACKBOX_SECTOR_MAX];
	struct layout_found found = { 0 };
	bool is_empty = false;
	int error = layout_compare(&i->device, scratch, l, &found);

	if (!error && !found.signatures)
		error = blackbox_image_is_empty(i, l, &is_empty);
	if (error)
		diagnostics_add(d, file->line, "machine.blackbox.file", "%s: %s", file->value,
				strerror(-error));
	else if (found.matched < found.signatures)
		diagnostics_add(
			d, file->line, "machine.blackbox.file",
			"%s: a black box of another layout: give machine.blackbox.layout what \"outlive blackbox "
			"ls\" says, or overwrite it with \"outlive blackbox format --force\"",
			file->value);
	else if (!found.signatures && !is_empty)
		diagnostics_add(
			d, file->line, "machine.blackbox.file",
			"%s: holds something else than a black box; \"outlive blackbox format --force\" overwrites "
			"it",
			file->value);
}

static void check_blackbox(const struct blackbox_spec *box, enum host_check_scope scope,
			   struct diagnostics *d)
{
	const bool is_new = scope != HOST_CHECK_RUN || !is_there(&box->file);
	const struct field_text *file = &box->file;
	struct blackbox_image i = { .device.bytes = box->size.value };
	char why[BLACKBOX_WHY_SIZE];
	struct blackbox_sizes sizes;
	struct blackbox_layout l;

	if (!box->layout.value)
		return;
	if (!blackbox_parse_sizes(box->layout.value, &sizes)) {
		diagnostics_add(d, box->layout.line, "machine.blackbox.layout",
				"\"%s\" is neither full, linux-debian nor sizes like "
				"pmsg=64KiB,console=64KiB,kmsg=64KiB",
				box->layout.value);
		return;
	}
	if (scope == HOST_CHECK_RUN && is_new)
		check_place(file, "machine.blackbox.file", d);
	if (!is_new) {
		unsigned before = (unsigned)d->count;

		host_check_disk_file(file, "machine.blackbox.file", "", d);
		if (d->count > before || blackbox_device_open(&i, file->value, false))
			return;
	}
	if (layout_make(&l, &sizes, i.device.bytes, why))
		diagnostics_add(d, is_new ? box->size.line : file->line,
				is_new ? "machine.blackbox" : "machine.blackbox.file", "%s%s%s",
				is_new ? "" : file->value, is_new ? "" : ": ", why);
	else if (blackbox_memory(&l) > BLACKBOX_HOST_MEMORY)
		diagnostics_add(
			d, box->layout.line, "machine.blackbox.layout",
			"its zones need %llu KiB of the hypervisor's memory, at most %llu are there for them: "
			"smaller pmsg and console, or larger kmsg zones",
			(unsigned long long)(blackbox_memory(&l) / KIB(1)),
			(unsigned long long)(BLACKBOX_HOST_MEMORY / KIB(1)));
	else if (!is_new)
		check_box(&i, &l, file, d);
	if (!is_new)
		close(i.fd);
}

/* Dumps, or nothing yet. */
static void check_region(const struct field_text *file, struct diagnostics *d)
{
	static const u8 zeros[DUMP_BLOCK];
	u8 head[DUMP_BLOCK];
	struct blackbox_image i;
	u64 magic;

	if (blackbox_device_open(&i, file->value, false))
		return;
	if (i.device.bytes >= sizeof(head) && i.device.read(&i.device, 0, head, sizeof(head)) == 0) {
		memcpy(&magic, head, sizeof(magic));
		if (magic != DUMP_REGION_MAGIC && memcmp(head, zeros, sizeof(head)) != 0)
			diagnostics_add(
				d, file->line, "machine.dumps.file",
				"%s: holds something else than dumps; name another file, or remove it",
				file->value);
	}
	close(i.fd);
}

static void check_dumps(const struct dumps_spec *dumps, enum host_check_scope scope, struct diagnostics *d)
{
	size_t before = d->count;

	if (scope != HOST_CHECK_RUN)
		return;
	if (!is_there(&dumps->file)) {
		check_place(&dumps->file, "machine.dumps.file", d);
		return;
	}
	host_check_disk_file(&dumps->file, "machine.dumps.file", "", d);
	if (d->count == before)
		check_region(&dumps->file, d);
}

/* The disks of VMs are theirs alone. */
static void check_shared(const struct host_spec *host, const struct field_text *file, const char *field,
			 struct diagnostics *d)
{
	for (size_t v = 0; v < host->vms.count; v++)
		for (size_t i = 0; i < host_vm(host, v)->disks.count; i++) {
			const struct disk_spec *disk = vm_disk(host_vm(host, v), i);

			if (disk->file.value && host_is_same_file(disk->file.value, file->value))
				diagnostics_add(d, file->line, field, "%s is vms[%zu].disks[%zu] too",
						file->value, v, i);
		}
}

/* A guest's lines need a place. */
static void check_pmsg(const struct host_spec *host, struct diagnostics *d)
{
	const struct blackbox_spec *box = &host->machine.blackbox;
	struct blackbox_sizes sizes = { 0 };
	char field[HOST_FIELD_MAX];

	if (box->file.value &&
	    (!box->layout.value || !blackbox_parse_sizes(box->layout.value, &sizes) || sizes.pmsg))
		return;
	for (size_t i = 0; i < host->vms.count; i++) {
		if (!host_vm(host, i)->pmsg.value)
			continue;
		host_field(field, sizeof(field), "vms[%zu].pmsg", i);
		diagnostics_add(d, host_vm(host, i)->pmsg.line, field, "needs %s",
				box->file.value ? "a machine.blackbox.layout with a pmsg zone"
						: "machine.blackbox");
	}
}

void evidence_check(const struct host_spec *host, enum host_check_scope scope, struct diagnostics *d)
{
	const struct field_text *box = &host->machine.blackbox.file, *dumps = &host->machine.dumps.file;

	check_pmsg(host, d);
	if (box->value) {
		check_blackbox(&host->machine.blackbox, scope, d);
		check_shared(host, box, "machine.blackbox.file", d);
	}
	if (dumps->value) {
		check_dumps(&host->machine.dumps, scope, d);
		check_shared(host, dumps, "machine.dumps.file", d);
	}
	if (box->value && dumps->value &&
	    (strcmp(box->value, dumps->value) == 0 || host_is_same_file(box->value, dumps->value)))
		diagnostics_add(d, dumps->line, "machine.dumps.file", "%s is machine.blackbox.file too",
				dumps->value);
}

/* ---- Making them ---- */

/* A file that is there keeps its size; who said another one is told. */
static void note_size(const char *path, const struct field_number *size, const char *field)
{
	char have[24], wanted[24];
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || !size->line || (u64)st.st_size == size->value)
		return;
	message_note("%s stays as large as it is, %s; %s says %s", path,
		     units_format_size(have, sizeof(have), (u64)st.st_size), field,
		     units_format_size(wanted, sizeof(wanted), size->value));
}

static int prepare_blackbox(const struct blackbox_spec *box)
{
	char why[BLACKBOX_WHY_SIZE], size[24];
	struct blackbox_sizes sizes;
	struct blackbox_layout l;
	struct blackbox_image i;
	bool is_new = !is_there(&box->file), is_empty = false;
	int code = is_new ? blackbox_image_create(box->file.value, box->size.value) : EXIT_CODE_OK;

	if (!code)
		code = blackbox_device_open(&i, box->file.value, true);
	if (code)
		return code;
	if (!blackbox_parse_sizes(box->layout.value, &sizes) || layout_make(&l, &sizes, i.device.bytes, why))
		code = EXIT_CODE_FAILED;
	/* One that somebody else made and left empty is as good as a new one. */
	else if (blackbox_image_is_empty(&i, &l, &is_empty) == 0 && is_empty)
		code = blackbox_image_format(&i, &l);
	close(i.fd);
	if (!code && is_new)
		message_note("%s: made an empty black box of %s", box->file.value,
			     units_format_size(size, sizeof(size), box->size.value));
	else if (!code)
		note_size(box->file.value, &box->size, "machine.blackbox.size");
	if (code && is_new)
		unlink(box->file.value);
	return code;
}

static int prepare_dumps(const struct dumps_spec *dumps)
{
	char size[24];
	int code;

	if (is_there(&dumps->file)) {
		note_size(dumps->file.value, &dumps->size, "machine.dumps.size");
		return EXIT_CODE_OK;
	}
	code = blackbox_image_create(dumps->file.value, dumps->size.value);
	if (!code)
		message_note("%s: made, for dumps of the hypervisor, of %s", dumps->file.value,
			     units_format_size(size, sizeof(size), dumps->size.value));
	return code;
}

int evidence_prepare(const struct host_plan *plan)
{
	const struct machine_spec *machine = &plan->spec->machine;
	int code = machine->blackbox.file.value ? prepare_blackbox(&machine->blackbox) : EXIT_CODE_OK;

	if (!code && machine->dumps.file.value)
		code = prepare_dumps(&machine->dumps);
	return code;
}
