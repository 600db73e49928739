/* Host files: no text makes the parser, the checks or the plan fail other than by saying what is wrong. */
#include "cli/host_check.h"
#include "cli/host_file.h"
#include "cli/host_plan.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct diagnostics d = { .file = "host.yaml" };
	struct host_spec spec;
	struct host_plan plan;

	/* Names of files lead nowhere. */
	host_file_parse((const char *)data, size, "/nonexistent", &spec, &d);
	host_check(&spec, HOST_CHECK_PACK, &d);
	host_plan_make(&spec, &plan, &d);
	for (size_t i = 0; i < d.count; i++)
		if (!d.items[i].text || !d.items[i].field)
			abort();
	/* Without complaints there is no VM without a name, and memory for all of them. */
	for (u32 i = 0; !d.count && i < plan.vm_count; i++)
		if (!plan.vms[i].name[0] || plan.vms[i].memory > plan.memory)
			abort();
	host_plan_free(&plan);
	host_spec_free(&spec);
	diagnostics_free(&d);
	return 0;
}
