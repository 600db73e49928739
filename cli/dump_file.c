/* The dump region of a host: see dump_file.h. */
#include "cli/dump_file.h"
#include "cli/exit_code.h"
#include "cli/message.h"
#include "cli/units.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long long ull;

static int read_source(void *owner, u64 at, void *to, size_t bytes)
{
	struct blackbox_image *i = owner;

	return i->device.read(&i->device, at, to, (u32)bytes);
}

static void read_heads(struct dump_file *f)
{
	const struct region_source source = { .read = read_source,
					      .owner = &f->image,
					      .bytes = f->image.device.bytes };

	f->error = dump_region_open(&f->view, &source);
}

int dump_file_again(struct dump_file *f)
{
	read_heads(f);
	if (f->error)
		dump_file_complain(f);
	return f->error;
}

int dump_file_open(struct dump_file *f, char *path)
{
	int code;

	*f = (struct dump_file){ .path = path };
	code = blackbox_device_open(&f->image, path, false);
	if (code) {
		free(path);
		return code;
	}
	read_heads(f);
	return EXIT_CODE_OK;
}

int dump_file_open_host(struct dump_file *f, const struct rundir *dir)
{
	char *path = rundir_read_text(dir, "dumps");

	return path ? dump_file_open(f, path) : EXIT_CODE_NOT_FOUND;
}

int dump_file_complain(const struct dump_file *f)
{
	const char *why = f->error == -ENODATA ? "no dump has been written to it yet"
			  : f->error == -EINVAL
				  ? "no dump region, or one that this command does not know, or damaged"
				  : strerror(-f->error);

	message_error("%s: %s", f->path, why);
	return EXIT_CODE_FAILED;
}

void dump_file_close(struct dump_file *f)
{
	close(f->image.fd);
	free(f->path);
}

static bool is_newer(const struct dump_slot *a, const struct dump_slot *b)
{
	return !b || a->head.number > b->head.number;
}

/* The newest dump that passes; `arg` is for the test. */
static const struct dump_slot *
newest(const struct dump_file *f, bool (*passes)(const struct dump_head *h, const u64 *arg), const u64 *arg)
{
	const struct dump_slot *best = NULL;

	for (u32 i = 0; i < f->view.count; i++) {
		const struct dump_slot *s = &f->view.slots[i];

		if (s->state == DUMP_SLOT_GOOD && passes(&s->head, arg) && is_newer(s, best))
			best = s;
	}
	return best;
}

static bool any(const struct dump_head *h, const u64 *arg)
{
	(void)h;
	(void)arg;
	return true;
}

static bool is_complete(const struct dump_head *h, const u64 *arg)
{
	(void)arg;
	return h->state == DUMP_COMPLETE;
}

static bool is_of_life(const struct dump_head *h, const u64 *life)
{
	return h->life == *life;
}

static bool is_of_end(const struct dump_head *h, const u64 *life_and_time)
{
	return h->life == life_and_time[0] && h->t_fault == life_and_time[1];
}

static bool has_number(const struct dump_head *h, const u64 *number)
{
	return h->number == *number;
}

bool dump_file_names_one(const char *which)
{
	u64 number;

	return units_parse_number(which + (*which == '@'), &number);
}

const struct dump_slot *dump_file_select(const struct dump_file *f, const char *which)
{
	const struct dump_slot *found;
	u64 number = 0;

	if (!which) {
		found = newest(f, is_complete, NULL);
		found = found ? found : newest(f, any, NULL);
		if (!found)
			message_error("%s: there is no dump in it that can be read", f->path);
		return found;
	}
	units_parse_number(which + (*which == '@'), &number);
	found = newest(f, *which == '@' ? has_number : is_of_life, &number);
	if (!found)
		message_error(
			"%s: no dump of that %s %llu; \"outlive dump --host --list\" shows what there is",
			f->path, *which == '@' ? "number," : "life,", (ull)number);
	return found;
}

const struct dump_slot *dump_file_of_life(const struct dump_file *f, u64 life, u64 t_fault)
{
	return newest(f, is_of_end, (const u64[]){ life, t_fault });
}

const char *dump_slot_text(const struct dump_slot *slot)
{
	if (slot->state == DUMP_SLOT_GOOD)
		return slot->head.state == DUMP_COMPLETE    ? "complete"
		       : slot->head.state == DUMP_TRUNCATED ? "truncated"
							    : "unfinished";
	return slot->state == DUMP_SLOT_EMPTY	  ? "empty"
	       : slot->state == DUMP_SLOT_DAMAGED ? "damaged"
						  : "missing";
}
