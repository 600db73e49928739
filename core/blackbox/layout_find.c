/*
 * From what is on a disk to sizes. Linux writes a zone's header when the zone is first used, so most of them may be
 * missing; and the text in a zone may look like a header. Candidates come from the distances between signatures, and
 * the one that explains most of them with the fewest zones that should show one and do not is taken.
 */
#include "core/blackbox/layout.h"
#include "core/blackbox/transfer.h"
#include "core/blackbox/zone.h"
#include "core/lib/errno.h"

/* As many as can say something new: what lies behind them only confirms. */
#define SEEN_MAX 96

struct seen {
	u64 at;
	enum pstore_type type;
};

struct scan {
	struct seen seen[SEEN_MAX];
	u32 count;
	u64 total; /* usable bytes */
};

typedef void visit(void *context, u64 at, enum pstore_type type);

static bool type_of(const struct pstore_zone_header *h, enum pstore_type *type)
{
	static const enum pstore_type types[] = { PSTORE_KMSG, PSTORE_CONSOLE, PSTORE_FTRACE, PSTORE_PMSG };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		*type = types[i];
		if (h->signature == PSTORE_SIGNATURE_OF(*type))
			return h->start <= h->datalen;
	}
	return false;
}

static u64 usable(const struct blackbox_device *d)
{
	u64 bytes = d->bytes < PSTORE_TOTAL_MAX ? d->bytes : PSTORE_TOTAL_MAX;

	return ALIGN_DOWN(bytes, (u64)PSTORE_ZONE_UNIT);
}

/* Calls `each` for every signature whose header makes sense. */
static int go_through(struct blackbox_device *d, void *scratch, visit *each, void *context)
{
	if (!device_usable(d))
		return -EINVAL;
	for (u64 at = 0; at < usable(d); at += PSTORE_ZONE_UNIT) {
		struct pstore_zone_header h;
		enum pstore_type type;
		int error = device_read(d, scratch, at, &h, sizeof(h));

		if (error)
			return error;
		if (type_of(&h, &type))
			each(context, at, type);
	}
	return 0;
}

static void remember(void *context, u64 at, enum pstore_type type)
{
	struct scan *s = context;

	if (s->count < SEEN_MAX)
		s->seen[s->count++] = (struct seen){ at, type };
}

/* ---- Does a layout explain them? ---- */

/* True if the layout has a zone of that type that begins at `at`. */
static bool zone_begins(const struct blackbox_layout *l, u64 at, enum pstore_type type)
{
	switch (type) {
	case PSTORE_PMSG:
		return l->sizes.pmsg && at == 0;
	case PSTORE_CONSOLE:
		return l->sizes.console && at == l->console_at;
	case PSTORE_FTRACE:
		return l->sizes.ftrace && at >= l->ftrace_at && at < l->kmsg_at;
	case PSTORE_KMSG:
		return l->sizes.kmsg && at >= l->kmsg_at && at < l->end &&
		       (at - l->kmsg_at) % l->sizes.kmsg == 0;
	}
	return false;
}

/* Signatures that it explains, less the zones before the last of them that show none, which Linux does not leave. */
static s64 score(const struct scan *s, const struct blackbox_layout *l)
{
	u64 last = 0;
	s64 matched = 0, expected = 0;

	for (u32 i = 0; i < s->count; i++) {
		if (!zone_begins(l, s->seen[i].at, s->seen[i].type))
			continue;
		matched++;
		last = s->seen[i].at;
	}
	if (!matched)
		return 0;
	if (last >= l->kmsg_at && l->sizes.kmsg)
		expected = (s64)((last - l->kmsg_at) / l->sizes.kmsg) + 1;
	expected += (l->sizes.pmsg ? 1 : 0) + (l->sizes.console ? 1 : 0) + (l->sizes.ftrace ? 1 : 0);
	return 4 * matched - (expected > matched ? expected - matched : 0);
}

/* ---- Candidates ---- */

static u64 first_at(const struct scan *s, enum pstore_type type, u64 otherwise)
{
	for (u32 i = 0; i < s->count; i++)
		if (s->seen[i].type == type)
			return s->seen[i].at;
	return otherwise;
}

static bool has(const struct scan *s, enum pstore_type type)
{
	return first_at(s, type, UINT64_MAX) != UINT64_MAX;
}

/*
 * Sizes of pmsg, console and ftrace, if the kmsg zones begin at `kmsg_at`. A zone that shows no signature lies before
 * one that does only if there is a place for it.
 */
static bool split_rings(const struct scan *s, u64 kmsg_at, struct blackbox_sizes *sizes)
{
	u64 pmsg_end = kmsg_at, console_end = kmsg_at;

	*sizes = (struct blackbox_sizes){ 0 };
	if (has(s, PSTORE_FTRACE))
		pmsg_end = console_end = first_at(s, PSTORE_FTRACE, kmsg_at);
	if (has(s, PSTORE_CONSOLE))
		pmsg_end = first_at(s, PSTORE_CONSOLE, kmsg_at);
	else if (has(s, PSTORE_PMSG) && console_end > BLACKBOX_ZONE_DEFAULT &&
		 console_end == 2 * (u64)BLACKBOX_ZONE_DEFAULT)
		pmsg_end = BLACKBOX_ZONE_DEFAULT; /* a console that has never said anything */
	if (pmsg_end > console_end || console_end > kmsg_at)
		return false;
	sizes->pmsg = (u32)pmsg_end;
	sizes->console = (u32)(console_end - pmsg_end);
	sizes->ftrace = (u32)(kmsg_at - console_end);
	return true;
}

struct best {
	struct blackbox_layout layout;
	s64 score;
};

/* The first of equals stays. */
static void try(const struct scan *s, struct best *best, u64 kmsg_at, u64 kmsg)
{
	struct blackbox_layout l;
	struct blackbox_sizes sizes;
	char why[BLACKBOX_WHY_SIZE];
	s64 points;

	if (kmsg > s->total || !split_rings(s, kmsg_at, &sizes))
		return;
	sizes.kmsg = (u32)kmsg;
	if (layout_make(&l, &sizes, s->total, why))
		return;
	points = score(s, &l);
	if (points <= best->score)
		return;
	best->score = points;
	best->layout = l;
}

/* All distances between two kmsg signatures are tried as the size of a zone, the default first. */
static void try_sizes(const struct scan *s, struct best *best, u64 kmsg_at)
{
	try(s, best, kmsg_at, BLACKBOX_ZONE_DEFAULT);
	for (u32 i = 0; i < s->count; i++) {
		if (s->seen[i].type != PSTORE_KMSG || s->seen[i].at < kmsg_at)
			continue;
		for (u32 k = i + 1; k < s->count && k < i + 8; k++)
			if (s->seen[k].type == PSTORE_KMSG)
				try(s, best, kmsg_at, s->seen[k].at - s->seen[i].at);
	}
	try(s, best, kmsg_at, s->total - kmsg_at);
}

/* Where kmsg zones begin if none shows itself: behind rings of the usual size. */
static u64 behind_rings(const struct scan *s)
{
	const struct seen *last = &s->seen[s->count - 1];

	return last->at + BLACKBOX_ZONE_DEFAULT < s->total ? last->at + BLACKBOX_ZONE_DEFAULT : s->total;
}

int layout_find(struct blackbox_device *d, void *scratch, struct blackbox_layout *l,
		struct layout_found *found)
{
	struct scan s = { .total = usable(d) };
	struct best best = { .score = 0 };
	int error = go_through(d, scratch, remember, &s);

	if (error)
		return error;
	if (!s.count)
		return -ENOENT;
	for (u32 i = 0; i < s.count; i++)
		if (s.seen[i].type == PSTORE_KMSG)
			try_sizes(&s, &best, s.seen[i].at);
	if (!has(&s, PSTORE_KMSG)) {
		u64 kmsg_at = behind_rings(&s);

		try(&s, &best, kmsg_at, kmsg_at < s.total ? BLACKBOX_ZONE_DEFAULT : 0);
		try(&s, &best, kmsg_at, 0);
	}
	if (!best.score)
		return -ENOENT;
	*l = best.layout;
	return layout_compare(d, scratch, l, found);
}

/* ---- Comparing ---- */

struct comparison {
	const struct blackbox_layout *layout;
	struct layout_found *found;
};

static void compare(void *context, u64 at, enum pstore_type type)
{
	struct comparison *c = context;

	c->found->signatures++;
	if (zone_begins(c->layout, at, type))
		c->found->matched++;
}

int layout_compare(struct blackbox_device *d, void *scratch, const struct blackbox_layout *l,
		   struct layout_found *found)
{
	struct comparison c = { l, found };

	*found = (struct layout_found){ 0 };
	return go_through(d, scratch, compare, &c);
}
