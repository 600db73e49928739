/* `outlive check` and `outlive pack`: what can be done with a host file without running it. */
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/host_file.h"
#include "cli/json_out.h"
#include "cli/message.h"
#include "cli/pack_writer.h"
#include "cli/run.h"
#include "cli/schema_print.h"
#include "cli/units.h"
#include <fcntl.h>
#include <stdio.h>

static void report_good(const struct host_plan *plan, const char *file, bool json)
{
	char memory[24], pack[24], pool[24];

	if (json)
		json_out(json_pack("{s:b,s:[],s:s,s:i,s:i,s:o,s:o,s:o}", "valid", 1, "errors", "name",
				   plan->spec->name.value, "vms", (int)plan->vm_count, "harts",
				   (int)plan->harts, "memory", json_number(plan->memory), "pack_bytes",
				   json_number(plan->pack_size), "pool", json_number(plan->pool)),
			 false);
	else
		printf("%s: good: %u VMs on %u harts with %s%s%s, boot pack of %s\n", file, plan->vm_count,
		       plan->harts, units_format_size(memory, sizeof(memory), plan->memory),
		       plan->pool ? ", of which for confidential VMs " : "",
		       plan->pool ? units_format_size(pool, sizeof(pool), plan->pool) : "",
		       units_format_size(pack, sizeof(pack), plan->pack_size));
}

int check_command(const struct options *o)
{
	struct host_spec spec = { 0 };
	struct host_plan plan = { 0 };
	int code;

	if (o->schema) {
		schema_print_text(o->json);
		return EXIT_CODE_OK;
	}
	if (!o->argument_count) {
		message_error("check which file?");
		return EXIT_CODE_USAGE;
	}
	code = run_load(o->arguments[0], HOST_CHECK_RUN, &spec, &plan, o->json);
	if (!code)
		report_good(&plan, o->arguments[0], o->json);
	host_plan_free(&plan);
	host_spec_free(&spec);
	return code;
}

int pack_command(const struct options *o)
{
	struct host_spec spec = { 0 };
	struct host_plan plan = { 0 };
	char size[24];
	int code;

	if (!o->output) {
		message_error("pack needs --output IMAGE");
		return EXIT_CODE_USAGE;
	}
	code = run_load(o->arguments[0], HOST_CHECK_PACK, &spec, &plan, o->json);
	if (!code)
		code = pack_write(&plan, AT_FDCWD, o->output) < 0 ? EXIT_CODE_FAILED : EXIT_CODE_OK;
	if (!code && o->json)
		json_out(json_pack("{s:s,s:o,s:i,s:i}", "file", o->output, "bytes",
				   json_number(plan.pack_size), "items", (int)plan.item_count, "vms",
				   (int)plan.vm_count),
			 false);
	else if (!code)
		message_note("%s: %s, %u files for %u VMs", o->output,
			     units_format_size(size, sizeof(size), plan.pack_size), plan.item_count,
			     plan.vm_count);
	host_plan_free(&plan);
	host_spec_free(&spec);
	return code;
}
