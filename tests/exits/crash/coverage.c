/*
 * Which places of the program store to the estate, and at which of them no life has ended.
 *
 * A place is a call of arch_estate_point, which estate_store and its like have inlined wherever they are used. They are
 * found in the program's own machine code, so that none is forgotten.
 */
#include "core/arch.h"
#include "tests/exits/crash/crash.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const u8 __executable_start[], etext[]; /* NOLINT(bugprone-reserved-identifier) */

/* Places at which no case ends a life, by a piece of their line, and why that is right. */
static struct exception {
	const char *file, *text;
	const char *why;
	u64 used;
} exceptions[] = {
	{ "arch/riscv64/hart.c", "estate_store(&hart->record->idle, 0);",
	  "wfi does not return on fake harts: wake_from_wfi (exits.c) does in its place what stands behind",
	  0 },
	{ "core/devices/virtio.c", "estate_load(&d->s->status) | STATUS_NEEDS_RESET",
	  "a queue that validates lies in the guest's RAM, where a used index can be stored", 0 },
	{ "core/private/launch.c", "",
	  "no case makes a confidential VM by the warden's calls yet, only exits of one", 0 },
	{ "core/private/pages.c", "", "the same", 0 },
	{ "core/devices/vring_private.c", "",
	  "the same; tests/unit/blk_private_test.c and its like end lives at each store of such a VM's devices",
	  0 },
};

struct place {
	u64 at;
	char function[100]; /* of the source, with all that it has inlined */
	char line[400];	    /* innermost, of who stores: file:number */
	char text[200];	    /* what stands there */
};

#define PLACES_MAX 1000
static struct place places[PLACES_MAX];

#ifdef __x86_64__

#define CALL	   0xe8u
#define CALL_BYTES 5u

/* The return address of the next call of arch_estate_point from `at` on, or NULL. */
__attribute__((no_sanitize("address", "undefined"))) static const u8 *next_site(const u8 *at)
{
	const u64 point = (u64)(uintptr_t)arch_estate_point;

	for (; at + CALL_BYTES <= etext; at++) {
		s32 offset;

		if (*at != CALL)
			continue;
		memcpy(&offset, at + 1, sizeof(offset));
		if ((u64)(uintptr_t)(at + CALL_BYTES) + (u64)(s64)offset == point)
			return at + CALL_BYTES;
	}
	return NULL;
}

#else

/* Elsewhere only the places that a life has come to are known. */
static const u8 *next_site(const u8 *at)
{
	const u8 *next = NULL;

	for (unsigned n = 0; n < HOST_SITES; n++) {
		const u8 *site = (const u8 *)(uintptr_t)host_sites[n].at;

		if (site > at && (!next || site < next))
			next = site;
	}
	return next;
}

#endif

static unsigned find_places(void)
{
	unsigned count = 0;

	for (const u8 *at = __executable_start; (at = next_site(at)) != NULL;) {
		if (count < PLACES_MAX)
			places[count++].at = (u64)(uintptr_t)at;
		else
			host_fail("more places that store to the estate than coverage.c has room for");
	}
	return count;
}

static FILE *ask_for_names(unsigned count)
{
	static char command[PLACES_MAX * 12 + 400];
	ssize_t bytes = sprintf(command, "addr2line -a -i -f -e '");
	ssize_t path = readlink("/proc/self/exe", command + bytes, 300);

	if (path < 0)
		host_fail("who am I?");
	bytes += path;
	bytes += sprintf(command + bytes, "'");
	for (unsigned n = 0; n < count; n++)
		bytes += sprintf(command + bytes, " %llx",
				 (unsigned long long)(places[n].at - (u64)(uintptr_t)__executable_start - 1));
	return popen(command, "r"); /* NOLINT(cert-env33-c) */
}

static bool is_wrapper(const char *line)
{
	return strstr(line, "core/estate/estate.h") || strstr(line, "core/estate/txn.h");
}

/* Relative to the root of the repository, if it is inside. */
static const char *without_root(const char *line)
{
	static char root[300];

	if (!root[0] && !getcwd(root, sizeof(root)))
		host_fail("where am I?");
	return strncmp(line, root, strlen(root)) == 0 ? line + strlen(root) + 1 : line;
}

/* Of each address a line with it, and then a pair of lines, function and place, for each function inlined in the next. */
static void name_places(unsigned count)
{
	static char function[400], line[400];
	FILE *f = ask_for_names(count);
	struct place *p = NULL;
	unsigned named = 0;

	if (!f)
		host_fail("no addr2line");
	/* cppcheck-suppress nullPointerRedundantCheck ; host_fail does not return */
	while (fgets(function, sizeof(function), f)) {
		if (strncmp(function, "0x", 2) == 0) {
			if (named == count)
				break;
			p = &places[named++];
			continue;
		}
		if (!p || !fgets(line, sizeof(line), f))
			break;
		function[strcspn(function, "\n")] = 0;
		line[strcspn(line, " \n")] = 0;
		(void)snprintf(p->function, sizeof(p->function), "%.99s", function);
		if (!p->line[0] && !is_wrapper(line))
			(void)snprintf(p->line, sizeof(p->line), "%s", without_root(line));
	}
	if (pclose(f) || named < count)
		host_fail("addr2line does not say what the places are called");
}

static bool is_product(const struct place *p)
{
	return strncmp(p->line, "core/", 5) == 0 || strncmp(p->line, "arch/riscv64/", 13) == 0;
}

/* What stands in the source at p->line. */
static void read_text(struct place *p)
{
	char name[400];
	unsigned number = 0;
	FILE *f;

	if (sscanf(p->line, "%399[^:]:%u", name, &number) != 2 || !(f = fopen(name, "r")))
		host_fail("run me in the root of the repository: a source is not there");
	while (number-- && fgets(p->text, sizeof(p->text), f))
		;
	(void)fclose(f);
	p->text[strcspn(p->text, "\n")] = 0;
}

static bool is_excepted(const struct place *p)
{
	for (unsigned n = 0; n < ARRAY_SIZE(exceptions); n++) {
		struct exception *e = &exceptions[n];

		if (strncmp(p->line, e->file, strlen(e->file)) != 0 || !strstr(p->text, e->text))
			continue;
		e->used++;
		return true;
	}
	return false;
}

unsigned crash_uncovered(void)
{
	unsigned count = find_places(), product = 0, ended = 0, wrong = 0;

	name_places(count);
	for (unsigned n = 0; n < count; n++) {
		struct place *p = &places[n];
		const struct host_site *site = host_site(p->at);

		if (!is_product(p))
			continue;
		product++;
		if (site->ended) {
			ended++;
			continue;
		}
		read_text(p);
		if (is_excepted(p))
			continue;
		wrong++;
		(void)printf("no life has ended at %s, in %s, reached %llu times: %s\n", p->line, p->function,
			     (unsigned long long)site->reached, p->text + strspn(p->text, "\t"));
	}
	for (unsigned n = 0; n < ARRAY_SIZE(exceptions); n++) {
		if (exceptions[n].used)
			continue;
		wrong++;
		(void)printf("%s: \"%s\" is no exception any more: lives end there\n", exceptions[n].file,
			     exceptions[n].text);
	}
	(void)printf("%u places store to the estate, lives ended at %u\n", product, ended);
	return wrong;
}
