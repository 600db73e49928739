/* What an estate in a dump says of its VMs. Every number in it is an enemy's until it has been checked. */
#ifndef CLI_ESTATE_VIEW_H
#define CLI_ESTATE_VIEW_H

#include "abi/estate.h"
#include "cli/dump_region.h"

struct estate_view {
	const struct dump_life *life;
	struct estate_header header;
};

/* False if the dump has no estate that can be believed. */
bool estate_view_open(struct estate_view *v, const struct dump_life *life);

/* VM `n`, below MAX_VMS; its texts are terminated. False if there is none of that number. */
bool estate_view_vm(const struct estate_view *v, u32 n, struct vm_config *config, struct vm_state *state);

/* Where vCPU record `index` is; 0 if there is none, or if it is not known or another's. */
u64 estate_view_vcpu(const struct estate_view *v, u64 index, struct vcpu_record *record);

#endif
