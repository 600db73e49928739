/* `outlive ps`: the VMs of a host. */
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/json_out.h"
#include "cli/names.h"
#include "cli/table.h"
#include "cli/units.h"
#include <stdio.h>

static double seconds(u64 ticks, u64 timebase)
{
	return timebase ? (double)ticks / (double)timebase : 0;
}

static void print_json(const char *name, const struct ctl_host *host, const struct ctl_vm *vms, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_of_vm(&vms[i], host->timebase));
	json_out(json_pack("{s:s,s:o,s:o}", "name", name, "host", json_of_host(host), "vms", list), false);
}

static void print_host(const char *name, const struct ctl_host *host)
{
	char all[24], left[24];

	printf("host %s: life %llu for %.1f s, build %.8s, up %.1f s, %u harts, %s (%s free)%s\n\n", name,
	       (unsigned long long)host->life, seconds(host->now - host->started, host->timebase),
	       host->build, seconds(host->now, host->timebase), host->harts,
	       units_format_size(all, sizeof(all), host->memory),
	       units_format_size(left, sizeof(left), host->memory_free),
	       host->has_warden ? "" : ", no warden");
}

static void print_vms(const struct ctl_vm *vms, size_t count, u64 timebase)
{
	static const char *const heads[] = { "VM",    "<STATE", "VCPUS", "MEMORY", "USED",
					     "BOOTS", "TIME",	"EXITS", "<",	   "<" };
	struct table t;

	table_begin(&t, heads, ARRAY_SIZE(heads));
	for (size_t i = 0; i < count; i++) {
		const struct ctl_vm *vm = &vms[i];
		char size[24];

		table_cell(&t, "%s", vm->name);
		table_cell(&t, "%s", name_of_run_state(vm->run_state));
		table_cell(&t, "%u", vm->vcpus);
		table_cell(&t, "%s", units_format_size(size, sizeof(size), vm->memory));
		table_cell(&t, "%s", units_format_size(size, sizeof(size), vm->touched));
		table_cell(&t, "%llu", (unsigned long long)vm->boots);
		table_cell(&t, "%.1f s", seconds(vm->run_ticks, timebase));
		table_cell(&t, "%llu", (unsigned long long)vm->exits);
		table_cell(&t, "%s", name_of_vm_kind(vm->flags));
		table_cell(&t, "%s", name_of_stop_reason(vm->reason));
	}
	table_end(&t);
}

int ps_command(const struct options *o)
{
	struct ctl_vm vms[MAX_VMS];
	struct ctl_host host;
	struct client c;
	size_t count;
	int code = client_open(&c, o);

	if (code)
		return code;
	code = client_host(&c, &host);
	if (!code)
		code = client_vms(&c, vms, &count);
	if (!code && o->json) {
		print_json(c.info.name, &host, vms, count);
	} else if (!code) {
		print_host(c.info.name, &host);
		print_vms(vms, count, host.timebase);
	}
	client_close(&c);
	return code;
}
