/* Names of faults and outcomes: see campaign.h. */
#include "cli/campaign.h"
#include <string.h>

const struct fault_kind_entry fault_kinds[FAULT_KINDS] = {
	[FAULT_REGISTER] = { "register", "a bit of a general register or pc" },
	[FAULT_CSR] = { "csr", "a bit of a CSR of the hypervisor's" },
	[FAULT_CODE] = { "code", "a bit of the hypervisor's code" },
	[FAULT_DATA] = { "data", "a bit of its data" },
	[FAULT_HEAP] = { "heap", "a bit of its heap, where it is in use" },
	[FAULT_TABLE] = { "table", "a bit of an entry of a page table, its own or a guest's" },
	[FAULT_STACK] = { "stack", "a bit of a stack in use" },
	[FAULT_WILD_STORE] = { "wild-store",
			       "8 random bytes in any page that it may write, but for the estate" },
	[FAULT_HANG] = { "hang", "a hart in an endless loop" },
	[FAULT_PANIC] = { "panic", "a panic out of nowhere" },
	[FAULT_RECOVERY] = { "recovery", "a panic, and another fault while the heir recovers" },
	[FAULT_ESTATE] = { "estate",
			   "a bit of the estate, which is what has to survive; only if it is named" },
};

const struct campaign_outcome_entry campaign_outcomes[OUTCOME_COUNT] = {
	[OUTCOME_NOT_INJECTED] = { "not-injected", "the moment did not come; does not count" },
	[OUTCOME_NO_EFFECT] = { "no-effect", "no life ended, all guests are well" },
	[OUTCOME_RECOVERED] = { "recovered", "a life ended, all guests are well" },
	[OUTCOME_VM_LOST] = { "vm-lost", "a VM was stopped, the others are well" },
	[OUTCOME_HOST_LOST] = { "host-lost", "the machine or all of its VMs are lost" },
	[OUTCOME_HANG] = { "hang", "host or guests stand still" },
	[OUTCOME_SILENT] = { "silent", "a guest's state is wrong" },
};

bool fault_is_of_hart(enum fault_kind kind)
{
	return kind == FAULT_REGISTER || kind == FAULT_CSR || kind == FAULT_STACK || kind == FAULT_HANG ||
	       kind == FAULT_PANIC || kind == FAULT_RECOVERY;
}

int fault_kind_find(const char *name)
{
	for (int i = 0; i < FAULT_KINDS; i++)
		if (strcmp(fault_kinds[i].name, name) == 0)
			return i;
	return -1;
}

int campaign_outcome_find(const char *name)
{
	for (int i = 0; i < OUTCOME_COUNT; i++)
		if (strcmp(campaign_outcomes[i].name, name) == 0)
			return i;
	return -1;
}
