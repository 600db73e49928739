/* See names.h. */
#include "cli/names.h"
#include "abi/control.h"
#include "abi/estate.h"
#include <string.h>

static const char *look_up(const char *const *names, size_t count, u64 number)
{
	return number < count && names[number] ? names[number] : "unknown";
}

const char *name_of_run_state(u64 state)
{
	static const char *const names[] = {
		[VM_UNUSED] = "unused", [VM_STOPPED] = "stopped", [VM_RUNNING] = "running",
		[VM_PAUSED] = "paused", [VM_CRASHED] = "crashed", [VM_STARTING] = "starting",
	};

	return look_up(names, ARRAY_SIZE(names), state);
}

const char *name_of_stop_reason(u64 reason)
{
	static const char *const names[] = {
		[VM_REASON_NONE] = "",
		[VM_REASON_POWEROFF] = "powered off",
		[VM_REASON_REBOOT] = "reboot",
		[VM_REASON_GUEST_FAILURE] = "guest failure",
		[VM_REASON_OPERATOR] = "operator",
		[VM_REASON_RECORD] = "record refused",
		[VM_REASON_TABLES] = "impossible tables",
		[VM_REASON_MEMORY] = "no memory",
		[VM_REASON_UNHANDLED] = "unhandled exit",
		[VM_REASON_LOAD] = "not loadable",
	};

	return look_up(names, ARRAY_SIZE(names), reason);
}

const char *name_of_vcpu_state(u64 state)
{
	static const char *const names[] = {
		[VCPU_UNUSED] = "unused",   [VCPU_STOPPED] = "stopped", [VCPU_RUNNABLE] = "runnable",
		[VCPU_WAITING] = "waiting", [VCPU_PARKED] = "parked",
	};

	return look_up(names, ARRAY_SIZE(names), state);
}

const char *name_of_park_reason(u64 reason)
{
	static const char *const names[] = {
		[PARK_NONE] = "",
		[PARK_PAUSED] = "paused",
		[PARK_MEMORY] = "no memory",
		[PARK_TABLES] = "impossible tables",
		[PARK_UNHANDLED] = "unhandled exit",
		[PARK_RECORD] = "record refused",
		[PARK_DEVICE] = "device failed",
	};

	return look_up(names, ARRAY_SIZE(names), reason);
}

const char *name_of_vm_kind(u64 flags)
{
	return flags & VM_ROOT ? "root" : flags & VM_CONFIDENTIAL ? "confidential" : "";
}

const char *name_of_life_cause(u64 cause)
{
	static const char *const names[] = {
		[LIFE_RUNNING] = "running", [LIFE_PANIC] = "panic",	    [LIFE_TRAP] = "trap",
		[LIFE_HANG] = "hang",	    [LIFE_TRAP_LOOP] = "trap loop", [LIFE_STACK] = "stack",
		[LIFE_UPDATE] = "update",   [LIFE_POWEROFF] = "poweroff",   [LIFE_ADOPTION] = "adoption",
	};

	return look_up(names, ARRAY_SIZE(names), cause);
}

int crash_kind(const char *name)
{
	static const char *const names[] = {
		[CTL_CRASH_PANIC] = "panic",	       [CTL_CRASH_TRAP] = "trap",   [CTL_CRASH_HANG] = "hang",
		[CTL_CRASH_WILD_WRITE] = "wild-write", [CTL_CRASH_STACK] = "stack",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}
