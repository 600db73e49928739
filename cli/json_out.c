/* See json_out.h. The names of the fields are part of the command's interface: they stay. */
#include "cli/json_out.h"
#include "cli/memory.h"
#include "cli/names.h"
#include "cli/units.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void json_out(json_t *value, bool compact)
{
	json_dumpf(value, stdout, (compact ? JSON_COMPACT : JSON_INDENT(2)) | JSON_REAL_PRECISION(12));
	putchar('\n');
	fflush(stdout);
	json_decref(value);
}

json_t *json_number(u64 value)
{
	char text[24];

	if (value <= INT64_MAX)
		return json_integer((json_int_t)value);
	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
	return json_string(text);
}

json_t *json_text(const char *bytes, size_t count)
{
	json_t *text = json_stringn(bytes, count);
	char *copy;

	if (text)
		return text;
	copy = memory_new(1, count + 1);
	for (size_t i = 0; i < count; i++)
		copy[i] = (unsigned char)bytes[i] < 0x80 ? bytes[i] : '?';
	text = json_stringn(copy, count);
	free(copy);
	return text;
}

static json_t *bounded_text(const char *text, size_t size)
{
	return json_text(text, strnlen(text, size));
}

static double seconds(u64 ticks, u64 timebase)
{
	return timebase ? (double)ticks / (double)timebase : 0;
}

json_t *json_of_host(const struct ctl_host *host)
{
	json_t *o = json_object();

	json_object_set_new(o, "life", json_number(host->life));
	json_object_set_new(o, "up_seconds", json_real(seconds(host->now, host->timebase)));
	json_object_set_new(o, "life_seconds", json_real(seconds(host->now - host->started, host->timebase)));
	json_object_set_new(o, "timebase", json_number(host->timebase));
	json_object_set_new(o, "harts", json_number(host->harts));
	json_object_set_new(o, "memory", json_number(host->memory));
	json_object_set_new(o, "memory_free", json_number(host->memory_free));
	json_object_set_new(o, "vms", json_number(host->vms));
	json_object_set_new(o, "vcpus", json_number(host->vcpus));
	json_object_set_new(o, "warden", json_boolean(host->has_warden));
	json_object_set_new(o, "estate_version", json_number(host->estate_version));
	json_object_set_new(o, "build", bounded_text(host->build, sizeof(host->build)));
	return o;
}

json_t *json_of_vm(const struct ctl_vm *vm, u64 timebase)
{
	json_t *o = json_object();

	json_object_set_new(o, "name", bounded_text(vm->name, sizeof(vm->name)));
	json_object_set_new(o, "index", json_number(vm->index));
	json_object_set_new(o, "state", json_string(name_of_run_state(vm->run_state)));
	json_object_set_new(o, "reason", json_string(name_of_stop_reason(vm->reason)));
	json_object_set_new(o, "root", json_boolean(vm->flags & VM_ROOT));
	json_object_set_new(o, "confidential", json_boolean(vm->flags & VM_CONFIDENTIAL));
	json_object_set_new(o, "vcpus", json_number(vm->vcpus));
	json_object_set_new(o, "memory", json_number(vm->memory));
	json_object_set_new(o, "touched", json_number(vm->touched));
	json_object_set_new(o, "boots", json_number(vm->boots));
	json_object_set_new(o, "run_seconds", json_real(seconds(vm->run_ticks, timebase)));
	json_object_set_new(o, "exits", json_number(vm->exits));
	json_object_set_new(o, "console_bytes", json_number(vm->console_head));
	return o;
}

json_t *json_of_life(const struct ctl_life *life, u64 timebase)
{
	const struct {
		const char *name;
		u64 from, to;
	} pauses[] = {
		{ "fault_to_stopped_us", life->t_fault, life->t_stopped },
		{ "stopped_to_heir_us", life->t_stopped, life->t_heir },
		{ "heir_to_adopted_us", life->t_heir, life->t_adopted },
		{ "adopted_to_first_guest_us", life->t_adopted, life->t_first_guest },
		{ "first_to_last_guest_us", life->t_first_guest, life->t_last_guest },
		{ "fault_to_last_guest_us", life->t_fault, life->t_last_guest },
	};
	json_t *o = json_object();
	char build[17];

	json_object_set_new(o, "life", json_number(life->number));
	json_object_set_new(o, "cause", json_string(name_of_life_cause(life->cause)));
	json_object_set_new(o, "slot", json_number(life->slot));
	json_object_set_new(o, "boot_hart", json_number(life->boot_hart));
	json_object_set_new(o, "started_seconds", json_real(seconds(life->t_start, timebase)));
	snprintf(build, sizeof(build), "%016llx", (unsigned long long)life->build);
	json_object_set_new(o, "build", life->build ? json_string(build) : json_null());
	if (!life->cause)
		return o;
	json_object_set_new(o, "rolled_back", json_boolean(life->undone));
	json_object_set_new(o, "crash_hart", json_number(life->crash_hart));
	json_object_set_new(o, "crash_pc", json_number(life->crash_pc));
	json_object_set_new(o, "crash_value", json_number(life->crash_value));
	json_object_set_new(o, "ended_seconds", json_real(seconds(life->t_fault, timebase)));
	for (size_t i = 0; i < ARRAY_SIZE(pauses); i++)
		json_object_set_new(
			o, pauses[i].name,
			pauses[i].from && pauses[i].to
				? json_real(units_microseconds(pauses[i].from, pauses[i].to, timebase))
				: json_null());
	json_object_set_new(o, "vms_adopted", json_number(life->vms_adopted));
	json_object_set_new(o, "vms_lost", json_number(life->vms_lost));
	json_object_set_new(o, "text", bounded_text(life->text, sizeof(life->text)));
	return o;
}
