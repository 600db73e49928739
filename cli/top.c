/* `outlive top`: what the VMs do, from two looks at their counters. */
#include "abi/estate.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_out.h"
#include "cli/memory.h"
#include "cli/names.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VCPUS_MAX   4096
#define SNAPSHOT_MS 500
#define REFRESH_MS  1000

/* All counters at one time. */
struct look {
	struct ctl_host host;
	struct ctl_vm vms[MAX_VMS];
	size_t vm_count;
	struct ctl_vcpu vcpus[VCPUS_MAX];
	size_t vcpu_count;
};

static int read_vcpus(struct client *c, struct look *l)
{
	struct client_reply reply;

	for (l->vcpu_count = 0; l->vcpu_count < VCPUS_MAX;) {
		u32 first = (u32)l->vcpu_count;
		size_t count;
		int code = client_do(c, CTL_TOP, 0, &first, sizeof(first), &reply, "vCPUs");

		if (code)
			return code;
		count = reply.length / sizeof(*l->vcpus);
		if (count > VCPUS_MAX - l->vcpu_count)
			count = VCPUS_MAX - l->vcpu_count;
		if (!count)
			break;
		memcpy(&l->vcpus[l->vcpu_count], reply.payload, count * sizeof(*l->vcpus));
		l->vcpu_count += count;
	}
	return EXIT_CODE_OK;
}

static int take_look(struct client *c, struct look *l)
{
	int code = client_host(c, &l->host);

	if (!code)
		code = client_vms(c, l->vms, &l->vm_count);
	if (!code)
		code = read_vcpus(c, l);
	return code;
}

/* Per second of the machine's time, between two values of a counter. */
static double rate(u64 before, u64 after, const struct look *a, const struct look *b)
{
	u64 ticks = b->host.now - a->host.now;

	if (after < before || b->host.now <= a->host.now || !b->host.timebase)
		return 0;
	return (double)(after - before) * (double)b->host.timebase / (double)ticks;
}

static double percent(u64 before, u64 after, const struct look *a, const struct look *b)
{
	return b->host.timebase ? 100 * rate(before, after, a, b) / (double)b->host.timebase : 0;
}

/* The same VM in the earlier look, or the later one itself: a rate of 0. */
static const struct ctl_vm *before_vm(const struct look *a, const struct ctl_vm *vm)
{
	for (size_t i = 0; i < a->vm_count; i++)
		if (a->vms[i].index == vm->index && a->vms[i].boots == vm->boots)
			return &a->vms[i];
	return vm;
}

static const struct ctl_vcpu *before_vcpu(const struct look *a, const struct look *b, size_t i)
{
	return i < a->vcpu_count && a->vcpus[i].vm == b->vcpus[i].vm && a->vcpus[i].id == b->vcpus[i].id
		       ? &a->vcpus[i]
		       : &b->vcpus[i];
}

static const char *vm_name(const struct look *l, u32 index)
{
	for (size_t i = 0; i < l->vm_count; i++)
		if (l->vms[i].index == index)
			return l->vms[i].name;
	return "?";
}

static void print_json(const struct look *a, const struct look *b, bool compact)
{
	json_t *vms = json_array(), *vcpus = json_array();

	for (size_t i = 0; i < b->vm_count; i++) {
		const struct ctl_vm *vm = &b->vms[i], *was = before_vm(a, vm);
		json_t *o = json_of_vm(vm, b->host.timebase);

		json_object_set_new(o, "cpu_percent",
				    json_real(percent(was->run_ticks, vm->run_ticks, a, b)));
		json_object_set_new(o, "exits_per_second", json_real(rate(was->exits, vm->exits, a, b)));
		json_array_append_new(vms, o);
	}
	for (size_t i = 0; i < b->vcpu_count; i++) {
		const struct ctl_vcpu *v = &b->vcpus[i], *was = before_vcpu(a, b, i);

		if (v->state == VCPU_UNUSED)
			continue;
		json_array_append_new(
			vcpus,
			json_pack("{s:s,s:o,s:s,s:s,s:o,s:f,s:f,s:o,s:o}", "vm", vm_name(b, v->vm), "id",
				  json_number(v->id), "state", name_of_vcpu_state(v->state), "park_reason",
				  name_of_park_reason(v->park_reason), "hart", json_number(v->last_hart),
				  "cpu_percent", percent(was->run_ticks, v->run_ticks, a, b),
				  "exits_per_second", rate(was->exits, v->exits, a, b), "exits",
				  json_number(v->exits), "pc", json_number(v->pc)));
	}
	json_out(json_pack("{s:o,s:o,s:o}", "host", json_of_host(&b->host), "vms", vms, "vcpus", vcpus),
		 compact);
}

static void print_vms(const struct look *a, const struct look *b)
{
	static const char *const heads[] = { "VM",	"<STATE", "VCPUS", "CPU %",
					     "EXITS/s", "MEMORY", "USED",  "<" };
	struct table t;

	table_begin(&t, heads, ARRAY_SIZE(heads));
	for (size_t i = 0; i < b->vm_count; i++) {
		const struct ctl_vm *vm = &b->vms[i], *was = before_vm(a, vm);
		char size[24];

		table_cell(&t, "%s", vm->name);
		table_cell(&t, "%s", name_of_run_state(vm->run_state));
		table_cell(&t, "%u", vm->vcpus);
		table_cell(&t, "%.1f", percent(was->run_ticks, vm->run_ticks, a, b));
		table_cell(&t, "%.0f", rate(was->exits, vm->exits, a, b));
		table_cell(&t, "%s", units_format_size(size, sizeof(size), vm->memory));
		table_cell(&t, "%s", units_format_size(size, sizeof(size), vm->touched));
		table_cell(&t, "%s", name_of_vm_kind(vm->flags));
	}
	table_end(&t);
}

static void print_vcpus(const struct look *a, const struct look *b)
{
	static const char *const heads[] = { "VM", "VCPU", "<STATE", "HART", "CPU %", "EXITS/s", "PC", "<" };
	struct table t;

	table_begin(&t, heads, ARRAY_SIZE(heads));
	for (size_t i = 0; i < b->vcpu_count; i++) {
		const struct ctl_vcpu *v = &b->vcpus[i], *was = before_vcpu(a, b, i);

		if (v->state == VCPU_UNUSED)
			continue;
		table_cell(&t, "%s", vm_name(b, v->vm));
		table_cell(&t, "%u", v->id);
		table_cell(&t, "%s", name_of_vcpu_state(v->state));
		table_cell(&t, "%u", v->last_hart);
		table_cell(&t, "%.1f", percent(was->run_ticks, v->run_ticks, a, b));
		table_cell(&t, "%.0f", rate(was->exits, v->exits, a, b));
		table_cell(&t, "0x%llx", (unsigned long long)v->pc);
		table_cell(&t, "%s", name_of_park_reason(v->park_reason));
	}
	table_end(&t);
}

static void print_text(const char *name, const struct look *a, const struct look *b, bool rows)
{
	char left[24];

	printf("host %s: life %llu, up %.1f s, %u harts, %s free\n\n", name, (unsigned long long)b->host.life,
	       b->host.timebase ? (double)b->host.now / (double)b->host.timebase : 0, b->host.harts,
	       units_format_size(left, sizeof(left), b->host.memory_free));
	print_vms(a, b);
	if (rows) {
		putchar('\n');
		print_vcpus(a, b);
	}
	fflush(stdout);
}

/* Waits; true if somebody pressed q. */
static bool sleep_or_quit(int ms, bool is_person)
{
	struct pollfd fd = { .fd = is_person ? STDIN_FILENO : -1, .events = POLLIN };
	char key = 0;

	if (poll(&fd, 1, ms) <= 0 || !fd.revents)
		return false;
	return read(STDIN_FILENO, &key, 1) <= 0 || key == 'q' || key == 'Q';
}

static int show(struct client *c, const struct options *o, struct look *a, struct look *b)
{
	bool is_person = isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) && !o->json;
	bool goes_on = is_person || o->follow;
	int code = take_look(c, a);

	if (is_person)
		terminal_keys();
	while (!code) {
		struct look *swap = a;

		if (sleep_or_quit(goes_on ? REFRESH_MS : SNAPSHOT_MS, is_person))
			break;
		code = take_look(c, b);
		if (code)
			break;
		if (is_person)
			printf("\033[H\033[J");
		if (o->json)
			print_json(a, b, goes_on);
		else
			print_text(c->info.name, a, b, o->vcpu_rows);
		if (!goes_on || ferror(stdout))
			break;
		a = b;
		b = swap;
	}
	terminal_restore();
	return code;
}

int top_command(const struct options *o)
{
	struct look *looks = memory_new(2, sizeof(*looks));
	struct client c;
	int code = client_open(&c, o);

	if (!code) {
		code = show(&c, o, &looks[0], &looks[1]);
		client_close(&c);
	}
	free(looks);
	return code;
}
