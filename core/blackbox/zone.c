/* See zone.h. */
#include "core/blackbox/zone.h"

const char *zone_check(const struct pstore_zone_header *h, enum pstore_type type, u32 room)
{
	if (h->signature != PSTORE_SIGNATURE_OF(type))
		return "signature of another type";
	if (h->datalen > room)
		return "datalen beyond the zone";
	if (h->start > room)
		return "start beyond the zone";
	return NULL;
}

bool zone_is_other(const struct pstore_zone_header *h, enum pstore_type type)
{
	u32 found = h->signature ^ PSTORE_SIGNATURE;

	return found <= PSTORE_PMSG && found != (u32)type;
}

const char *zone_state_name(enum zone_state state)
{
	static const char *const names[] = {
		[ZONE_ABSENT] = "absent", [ZONE_ERASED] = "erased", [ZONE_GOOD] = "good",
		[ZONE_TORN] = "torn",	  [ZONE_BAD] = "bad",	    [ZONE_UNREADABLE] = "unreadable",
	};

	return (size_t)state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

const char *zone_type_name(enum pstore_type type)
{
	switch (type) {
	case PSTORE_KMSG:
		return "kmsg";
	case PSTORE_CONSOLE:
		return "console";
	case PSTORE_FTRACE:
		return "ftrace";
	case PSTORE_PMSG:
		return "pmsg";
	}
	return "unknown";
}

const char *zone_reason_name(u32 reason)
{
	static const char *const names[] = {
		[PSTORE_REASON_PANIC] = "panic",
		[PSTORE_REASON_OOPS] = "oops",
		[PSTORE_REASON_EMERGENCY] = "emergency",
		[PSTORE_REASON_SHUTDOWN] = "shutdown",
	};

	return reason < ARRAY_SIZE(names) && names[reason] ? names[reason] : "unknown";
}
