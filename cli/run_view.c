/* A host in the foreground: see run_view.h. */
#include "cli/run_view.h"
#include "cli/clock.h"
#include "cli/json_out.h"
#include "cli/message.h"
#include "cli/names.h"
#include "cli/units.h"
#include <stdio.h>

static void show_serial(void *arg, const void *bytes, size_t count)
{
	const struct run_view *v = arg;

	if (v->json) {
		json_out(json_pack("{s:s,s:o}", "event", "log", "text", json_text(bytes, count)), true);
		return;
	}
	fwrite(bytes, 1, count, stdout);
	fflush(stdout);
}

static void show_up(void *arg, const struct ctl_host *host)
{
	const struct run_view *v = arg;
	double seconds = (double)(clock_ms() - v->started) / 1000;
	char total[24], left[24];

	if (v->json) {
		json_out(json_pack("{s:s,s:o}", "event", "up", "host", json_of_host(host)), true);
		return;
	}
	message_note("up after %.1f s: %u harts, %s (%s free), %u VMs, %s", seconds, host->harts,
		     units_format_size(total, sizeof(total), host->memory),
		     units_format_size(left, sizeof(left), host->memory_free), host->vms,
		     host->has_warden ? "warden" : "no warden");
}

static void show_vm(void *arg, const struct ctl_vm *vm)
{
	const struct run_view *v = arg;
	const char *reason = name_of_stop_reason(vm->reason);

	if (v->json)
		json_out(json_pack("{s:s,s:o}", "event", "vm", "vm", json_of_vm(vm, 0)), true);
	else if (*reason)
		message_note("%s: %s (%s)", vm->name, name_of_run_state(vm->run_state), reason);
	else
		message_note("%s: %s", vm->name, name_of_run_state(vm->run_state));
}

static void show_life(void *arg, const struct ctl_host *host, const struct ctl_life *dead)
{
	const struct run_view *v = arg;

	if (!dead && v->json)
		json_out(json_pack("{s:s,s:o}", "event", "reset", "host", json_of_host(host)), true);
	else if (!dead)
		message_note("the machine has been reset: VMs start again");
	else if (v->json)
		json_out(json_pack("{s:s,s:o,s:o}", "event", "life", "host", json_of_host(host), "dead",
				   json_of_life(dead, host->timebase)),
			 true);
	else
		message_note(
			"life %llu ended (%s); life %llu goes on, first guest after %.0f us, last after %.0f us",
			(unsigned long long)dead->number, name_of_life_cause(dead->cause),
			(unsigned long long)host->life,
			units_microseconds(dead->t_fault, dead->t_first_guest, host->timebase),
			units_microseconds(dead->t_fault, dead->t_last_guest, host->timebase));
}

const struct broker_view *run_view_init(struct run_view *v, const struct host_plan *plan, bool json,
					bool quiet)
{
	*v = (struct run_view){ .plan = plan, .json = json, .started = clock_ms() };
	v->view = (struct broker_view){ .serial = quiet ? NULL : show_serial,
					.up = show_up,
					.vm = show_vm,
					.life = show_life,
					.arg = v };
	return &v->view;
}
