/* Sizes, presets and places of zones: see layout.h. */
#include "core/blackbox/layout.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"

static const struct {
	const char *name;
	struct blackbox_sizes sizes;
} presets[] = {
	{ "linux-debian", { .kmsg = BLACKBOX_ZONE_DEFAULT } },
	{ "full",
	  { .pmsg = BLACKBOX_ZONE_DEFAULT,
	    .console = BLACKBOX_ZONE_DEFAULT,
	    .kmsg = BLACKBOX_ZONE_DEFAULT } },
};

bool layout_preset(const char *name, struct blackbox_sizes *sizes)
{
	for (size_t i = 0; i < ARRAY_SIZE(presets); i++) {
		if (strcmp(presets[i].name, name) == 0) {
			*sizes = presets[i].sizes;
			return true;
		}
	}
	return false;
}

static u64 usable(u64 bytes)
{
	return ALIGN_DOWN(bytes < PSTORE_TOTAL_MAX ? bytes : PSTORE_TOTAL_MAX, (u64)PSTORE_ZONE_UNIT);
}

/* The multiple of the unit next to `size`, from one unit to all that a black box may have. */
static u64 nearest_multiple(u64 size)
{
	u64 down = ALIGN_DOWN(size, (u64)PSTORE_ZONE_UNIT);

	if (size >= PSTORE_TOTAL_MAX)
		return PSTORE_TOTAL_MAX;
	return !down || size - down > PSTORE_ZONE_UNIT / 2 ? down + PSTORE_ZONE_UNIT : down;
}

/* The power of two next to `size`, which is not 0. */
static u64 nearest_power(u64 size)
{
	u64 below = PSTORE_ZONE_UNIT;

	while (below * 2 <= size)
		below *= 2;
	return size > below && size - below > below / 2 ? below * 2 : below;
}

static int check_size(const char *name, u32 size, char *why)
{
	if (size % PSTORE_ZONE_UNIT == 0)
		return 0;
	format(why, BLACKBOX_WHY_SIZE, "%s: %u is not a multiple of %u; the nearest is %lu", name, size,
	       PSTORE_ZONE_UNIT, (unsigned long)nearest_multiple(size));
	return -EINVAL;
}

static int check_sizes(const struct blackbox_sizes *s, char *why)
{
	if (check_size("pmsg", s->pmsg, why) || check_size("console", s->console, why) ||
	    check_size("kmsg", s->kmsg, why))
		return -EINVAL;
	if (s->ftrace && (s->ftrace < PSTORE_ZONE_UNIT || (s->ftrace & (s->ftrace - 1)))) {
		format(why, BLACKBOX_WHY_SIZE,
		       "ftrace: %u is not a power of two from %u on; the nearest is %lu", s->ftrace,
		       PSTORE_ZONE_UNIT, (unsigned long)nearest_power(s->ftrace));
		return -EINVAL;
	}
	if (!s->pmsg && !s->console && !s->kmsg && !s->ftrace) {
		format(why, BLACKBOX_WHY_SIZE, "all sizes are 0; the nearest that is right is kmsg of %u",
		       BLACKBOX_ZONE_DEFAULT);
		return -EINVAL;
	}
	return 0;
}

int layout_make(struct blackbox_layout *l, const struct blackbox_sizes *sizes, u64 bytes, char *why)
{
	u64 total = usable(bytes), rings;

	if (check_sizes(sizes, why))
		return -EINVAL;
	*l = (struct blackbox_layout){ .sizes = *sizes };
	l->console_at = sizes->pmsg;
	l->ftrace_at = l->console_at + sizes->console;
	l->kmsg_at = l->ftrace_at + sizes->ftrace;
	rings = l->kmsg_at;
	if (rings + sizes->kmsg > total) {
		format(why, BLACKBOX_WHY_SIZE,
		       "the zones need %lu bytes and there are %lu; the nearest for %s is %lu",
		       (unsigned long)(rings + sizes->kmsg), (unsigned long)total,
		       sizes->kmsg && rings < total ? "kmsg" : "all together",
		       (unsigned long)(rings < total ? total - rings : total));
		return -EINVAL;
	}
	if (sizes->kmsg)
		l->kmsg_count = (u32)((total - rings) / sizes->kmsg);
	l->end = l->kmsg_at + (u64)l->kmsg_count * sizes->kmsg;
	return 0;
}

u32 layout_count(const struct blackbox_layout *l)
{
	return (l->sizes.pmsg ? 1u : 0) + (l->sizes.console ? 1u : 0) + (l->sizes.ftrace ? 1u : 0) +
	       l->kmsg_count;
}

struct blackbox_zone layout_zone(const struct blackbox_layout *l, u32 n)
{
	const struct blackbox_zone rings[] = {
		{ PSTORE_PMSG, 0, 0, l->sizes.pmsg },
		{ PSTORE_CONSOLE, 0, l->console_at, l->sizes.console },
		{ PSTORE_FTRACE, 0, l->ftrace_at, l->sizes.ftrace },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rings); i++) {
		if (!rings[i].size)
			continue;
		if (!n--)
			return rings[i];
	}
	return (struct blackbox_zone){ PSTORE_KMSG, n, l->kmsg_at + (u64)n * l->sizes.kmsg, l->sizes.kmsg };
}
