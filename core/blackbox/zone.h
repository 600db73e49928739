/* What recovery says of a zone, whichever its type. */
#ifndef CORE_BLACKBOX_ZONE_H
#define CORE_BLACKBOX_ZONE_H

#include "abi/pstore.h"

enum zone_state {
	ZONE_ABSENT, /* no signature: never used, or something else lies here */
	ZONE_ERASED, /* nothing in it */
	ZONE_GOOD,
	ZONE_TORN,	 /* a write was interrupted: what is complete is there */
	ZONE_BAD,	 /* a field that cannot be */
	ZONE_UNREADABLE, /* the device says so */
};

/* What is wrong with a zone's header, for any type; NULL if nothing is. `room`: bytes of data that the zone has. */
const char *zone_check(const struct pstore_zone_header *h, enum pstore_type type, u32 room);

/* True if the header bears the signature of a type other than `type`: a zone of another layout. */
bool zone_is_other(const struct pstore_zone_header *h, enum pstore_type type);

/* Names for people and JSON: "good"; "kmsg". Constant texts. */
const char *zone_state_name(enum zone_state state);
const char *zone_type_name(enum pstore_type type);
const char *zone_reason_name(u32 reason);

#endif
