/*
 * A host on fake harts whose VMs come from a boot pack, and a command at its control channel.
 *
 * VM 0 has three vCPUs, a console, a generator of entropy, and is started anew when it crashes or reboots; VM 1 has one vCPU.
 * Both start by themselves. Their kernel is a page of nothing in particular.
 */
#ifndef TESTS_EXITS_PACKED_H
#define TESTS_EXITS_PACKED_H

#include "abi/control.h"
#include "tests/exits/exits.h"

#define PACKED_HARTS 4

enum packed_extra {
	PACKED_PLAIN,
	PACKED_BOX,	/* the host has a black box */
	PACKED_LACKING, /* VM 1 has a disk, which the machine lacks */
};

/* The machine, with no life yet; and its first life. Afterwards vCPU 0 of both VMs is in a guest. */
void packed_power_on(enum packed_extra extra);
void packed_start(void);

/* All harts go round their loops until the black box has what there is for it. */
void packed_settle(void);

/* Takes the request with this type, VM and payload to the host, and waits some rounds for the reply. */
void packed_ask(u16 type, u32 vm, const void *payload, size_t bytes);

/* What has come for the last request. The payload is valid until the next one. */
bool packed_answered(s32 *status);
const u8 *packed_payload(size_t *bytes);

/* The same request again, as a command repeats it that has heard nothing: with the same tag. */
void packed_ask_again(void);

#endif
