/* Finds and reads a guest's VMCOREINFO: see vmcoreinfo.h. */
#include "cli/vmcoreinfo.h"
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char name[12] = "VMCOREINFO";

/* True if all of it is lines of printable text, with nothing but NUL behind. Sets *length to that of the text. */
static bool is_text(const char *text, size_t room, size_t *length)
{
	size_t end = strnlen(text, room);

	for (size_t i = end; i < room; i++)
		if (text[i])
			return false;
	for (size_t i = 0; i < end; i++)
		if (text[i] != '\n' && text[i] != '\t' && (text[i] < ' ' || text[i] > '~'))
			return false;
	*length = end;
	return end > 0;
}

/* A note is complete: is it better than what there is? */
static void judge(struct vmcoreinfo *info, struct vmcoreinfo_part *part)
{
	struct vmcoreinfo *found;
	int score = part->is_aligned ? 4 : 0;
	size_t length;
	u64 number;

	part->next = 0;
	part->text[part->want] = '\0';
	if (strncmp(part->text, "OSRELEASE=", 10) != 0 || !is_text(part->text, part->want, &length))
		return;
	found = calloc(1, sizeof(*found));
	if (!found)
		return;
	found->length = length;
	memcpy(found->text, part->text, length + 1);
	score += vmcoreinfo_symbol(found, "swapper_pg_dir", &number) ? 2 : 0;
	score += vmcoreinfo_number(found, "CRASHTIME", &number) ? 1 : 0;
	if (vmcoreinfo_number(found, "PAGESIZE", &number) && number == PAGE_SIZE && score >= info->score) {
		info->score = score;
		info->length = length;
		memcpy(info->text, found->text, length + 1);
	}
	free(found);
}

static void collect(struct vmcoreinfo *info, struct vmcoreinfo_part *part, u64 at, const u8 *bytes,
		    size_t count)
{
	size_t take = part->want - part->have < count ? part->want - part->have : count;

	memcpy(part->text + part->have, bytes, take);
	part->have += take;
	part->next = at + PAGE_SIZE;
	if (part->have == part->want)
		judge(info, part);
}

/* Linux's note has a page boundary before it; others get the last place only, so that nobody can crowd it out. */
static struct vmcoreinfo_part *place(struct vmcoreinfo *info, bool is_aligned)
{
	struct vmcoreinfo_part *last = &info->parts[VMCOREINFO_LIVE - 1];

	if (is_aligned)
		return &info->parts[info->turn++ % (VMCOREINFO_LIVE - 1)];
	return last->next ? NULL : last;
}

/* `offset` of the name in the page: is a note's header before it? */
static void begin(struct vmcoreinfo *info, u64 at, const u8 *page, size_t offset)
{
	size_t start = offset - sizeof(Elf64_Nhdr);
	struct vmcoreinfo_part *part;
	Elf64_Nhdr head;

	if (offset < sizeof(head) || offset % 4 || start + VMCOREINFO_HEADER > PAGE_SIZE)
		return;
	memcpy(&head, page + start, sizeof(head));
	if (head.n_namesz != strlen(name) + 1 || head.n_type != 0 || head.n_descsz < 16 ||
	    head.n_descsz > VMCOREINFO_MAX || memcmp(page + offset, name, sizeof(name)) != 0)
		return;
	part = place(info, start == 0);
	if (!part)
		return;
	part->have = 0;
	part->want = head.n_descsz;
	part->is_aligned = start == 0;
	collect(info, part, at, page + start + VMCOREINFO_HEADER, PAGE_SIZE - start - VMCOREINFO_HEADER);
}

void vmcoreinfo_look(struct vmcoreinfo *info, u64 at, const u8 *page)
{
	const u8 *found = page;

	for (size_t i = 0; i < VMCOREINFO_LIVE; i++) {
		struct vmcoreinfo_part *part = &info->parts[i];

		if (part->next == at && part->have)
			collect(info, part, at, page, PAGE_SIZE);
		else if (part->next && part->next < at)
			part->next = 0;
	}
	while ((found = memmem(found, (size_t)(page + PAGE_SIZE - found), name, strlen(name)))) {
		begin(info, at, page, (size_t)(found - page));
		found++;
	}
}

/* What stands behind "key=", or NULL. */
static const char *find(const struct vmcoreinfo *info, const char *key)
{
	size_t length = strlen(key);

	for (const char *line = info->length ? info->text : NULL; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, length) == 0 && line[length] == '=')
			return line + length + 1;
	}
	return NULL;
}

static bool number(const char *text, int base, u64 *value)
{
	char *end;

	if (!text)
		return false;
	/* Of a negative number this is the two's complement, which is what is meant. */
	*value = strtoull(text, &end, base);
	return end != text && (*end == '\n' || *end == '\0');
}

bool vmcoreinfo_number(const struct vmcoreinfo *info, const char *key, u64 *value)
{
	const char *text = find(info, key);

	return number(text, text && strncmp(text, "0x", 2) == 0 ? 16 : 10, value);
}

bool vmcoreinfo_symbol(const struct vmcoreinfo *info, const char *symbol, u64 *address)
{
	char key[64];

	snprintf(key, sizeof(key), "SYMBOL(%s)", symbol);
	return number(find(info, key), 16, address);
}

void vmcoreinfo_text(const struct vmcoreinfo *info, const char *key, char *to, size_t size)
{
	const char *text = find(info, key);
	size_t length = text ? strcspn(text, "\n") : 0;

	snprintf(to, size, "%.*s", (int)length, text ? text : "");
}
