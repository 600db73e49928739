/*
 * A host of one VM from the command line. The options go through the same schema as a host file's keys, so they mean the
 * same and their errors say the same.
 */
#include "cli/run_kernel.h"
#include "cli/exit_code.h"
#include "cli/host_check.h"
#include "cli/memory.h"
#include "cli/message.h"
#include "cli/schema.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFAULT_MEMORY "512MiB"

static void set(const struct schema *schema, const char *name, const char *value, void *out,
		struct diagnostics *d)
{
	char *wanted;

	if (!value)
		return;
	wanted = schema_parse(schema_find(schema, name), value, 0, out);
	if (wanted)
		diagnostics_add(d, 0, name, "\"%s\" is not %s", value, wanted);
	free(wanted);
}

static void set_disks(const struct options *o, const struct schema *schema, struct vm_spec *vm,
		      struct diagnostics *d)
{
	struct disk_spec *disks = memory_new(o->disk_count, sizeof(*disks));

	for (size_t i = 0; i < o->disk_count; i++) {
		schema_defaults(schema, &disks[i]);
		set(schema, "file", o->disks[i], &disks[i], d);
	}
	vm->disks = (struct field_list){ .items = disks, .count = o->disk_count };
}

static void fill(const struct options *o, struct host_spec *spec, struct diagnostics *d)
{
	const struct schema_key *machine = schema_find(&schema_host, "machine");
	const struct schema *vm_schema = schema_find(&schema_host, "vms")->sub;
	struct vm_spec *vm = memory_new(1, sizeof(*vm));

	schema_defaults(&schema_host, spec);
	spec->vms = (struct field_list){ .items = vm, .count = 1 };
	spec->exit_when_idle = true;
	/* Several may run at once, and nobody has to name them. */
	spec->name.value = memory_format("kernel-%d", (int)getpid());
	set(machine->sub, "harts", o->harts, &spec->machine, d);
	set(machine->sub, "vector", o->vector ? "true" : NULL, &spec->machine, d);

	schema_defaults(vm_schema, vm);
	vm->name.value = memory_copy("vm");
	set(vm_schema, "kernel", o->kernel, vm, d);
	set(vm_schema, "initrd", o->initrd, vm, d);
	set(vm_schema, "cmdline", o->append, vm, d);
	set(vm_schema, "vcpus", o->vcpus, vm, d);
	set(vm_schema, "memory", o->memory ? o->memory : DEFAULT_MEMORY, vm, d);
	set(vm_schema, "format", o->flat ? "flat" : NULL, vm, d);
	set(vm_schema, "confidential", o->confidential ? "true" : NULL, vm, d);
	set_disks(o, schema_find(vm_schema, "disks")->sub, vm, d);
}

int run_kernel_load(const struct options *o, struct host_spec *spec, struct host_plan *plan)
{
	struct diagnostics d = { 0 };
	int code = EXIT_CODE_OK;

	if (o->argument_count) {
		message_error("a host file and --kernel exclude each other");
		return EXIT_CODE_USAGE;
	}
	fill(o, spec, &d);
	host_check(spec, HOST_CHECK_RUN, &d);
	host_plan_make(spec, plan, &d);
	if (d.count) {
		diagnostics_print(&d, stderr);
		code = EXIT_CODE_INVALID;
	}
	diagnostics_free(&d);
	return code;
}

bool run_kernel_has_options(const struct options *o)
{
	if (!o->initrd && !o->append && !o->vcpus && !o->memory && !o->harts && !o->disk_count && !o->flat &&
	    !o->vector && !o->confidential)
		return false;
	message_error(
		"--initrd, --append, --vcpus, --memory, --disk, --harts, --flat, --vector and --confidential go with --kernel; "
		"with a host file, write it there");
	return true;
}

int run_kernel_rename(struct host_spec *spec, const char *name)
{
	char *wanted = schema_parse(schema_find(&schema_host, "name"), name, 0, spec);

	if (!wanted)
		return EXIT_CODE_OK;
	message_error("--name: \"%s\" is not %s", name, wanted);
	free(wanted);
	return EXIT_CODE_USAGE;
}
