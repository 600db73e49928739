/*
 * What a run leaves: see campaign_run.h. In KEEP/run-N are
 *
 *   run.log, host.yaml, outlive/campaign/   logs of host, guests and QEMU, and the host file
 *   result.txt                              what was done, and what came of it
 *   harts.txt                               registers of all harts as the machine stands
 *   memory.bin                              both slots and the estate: physical memory from 0x80200000 on
 */
#include "abi/estate.h"
#include "cli/campaign_run.h"
#include "cli/message.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef unsigned long long ull;

static FILE *create(const struct campaign_run *r, const char *name)
{
	int fd = openat(r->host.fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

	if (!file)
		message_error("%s/%s: %s", r->host.path, name, strerror(errno));
	return file;
}

static void finish(const struct campaign_run *r, FILE *file, const char *name)
{
	bool has_failed = ferror(file) != 0;

	if (fclose(file) != 0 || has_failed)
		message_error("%s/%s: it could not be written whole", r->host.path, name);
}

static void write_result(const struct campaign_run *r)
{
	const struct campaign_result *result = r->result;
	FILE *file = create(r, "result.txt");

	if (!file)
		return;
	fprintf(file, "seed %llu run %llu\nfault %s: %s\noutcome %s: %s\nlives ended %llu, first by %s\n",
		(ull)result->seed, (ull)result->run, fault_kinds[result->plan.first.kind].name, result->fault,
		campaign_outcomes[result->outcome].name, result->reason, (ull)result->lives,
		*result->cause ? result->cause : "-");
	finish(r, file, "result.txt");
}

static void write_harts(struct campaign_run *r)
{
	static const struct {
		const char *name;
		u32 csr;
	} csrs[] = { { "stvec", CSR_STVEC }, { "sepc", CSR_SEPC },	 { "sscratch", CSR_SSCRATCH },
		     { "satp", CSR_SATP },   { "sstatus", CSR_SSTATUS }, { "hgatp", CSR_HGATP } };
	FILE *file = create(r, "harts.txt");
	u64 value;

	for (u32 hart = 0; file && hart < r->host.harts; hart++) {
		fprintf(file, "hart %u\n", hart);
		for (u32 n = 0; n <= GDB_PC; n++)
			if (gdb_register(&r->gdb, hart, n, &value) == 0)
				fprintf(file, "  %s%u 0x%llx\n", n == GDB_PC ? "pc/" : "x", n, (ull)value);
		if (gdb_register(&r->gdb, hart, gdb_mode(&r->gdb), &value) == 0)
			fprintf(file, "  mode %llu\n", (ull)value);
		for (size_t n = 0; n < ARRAY_SIZE(csrs); n++)
			if (gdb_register(&r->gdb, hart, gdb_csr(&r->gdb, csrs[n].csr), &value) == 0)
				fprintf(file, "  %s 0x%llx\n", csrs[n].name, (ull)value);
	}
	if (file)
		finish(r, file, "harts.txt");
}

static void write_memory(struct campaign_run *r)
{
	u64 at = fault_machine_slot(0), end = fault_machine_estate() + r->machine.estate_size;
	FILE *file = create(r, "memory.bin");
	static u8 piece[KIB(64)];

	for (; file && at < end; at += sizeof(piece)) {
		if (gdb_read(&r->gdb, at, piece, sizeof(piece)) < 0 ||
		    fwrite(piece, sizeof(piece), 1, file) != 1)
			break;
	}
	if (file)
		finish(r, file, "memory.bin");
}

static bool is_worth_it(const struct campaign_run *r)
{
	switch (r->result->outcome) {
	case OUTCOME_VM_LOST:
	case OUTCOME_HOST_LOST:
	case OUTCOME_HANG:
	case OUTCOME_SILENT:
		return r->settings->keep;
	default:
		return r->settings->keep && r->settings->keep_all;
	}
}

/* Not what can be made again from what is kept, nor what is of no use without a machine. */
static void drop_the_rest(struct campaign_run *r)
{
	static const char *const files[] = { "gdb",
					     "alpha.disk",
					     "beta.disk",
					     "outlive/campaign/pack",
					     "outlive/campaign/control",
					     "outlive/campaign/pid" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		unlinkat(r->host.fd, files[i], 0);
}

void campaign_keep(struct campaign_run *r)
{
	char *to;
	u32 hart;

	if (!is_worth_it(r))
		return;
	write_result(r);
	if (r->has_gdb && campaign_host_is_there(&r->host) && gdb_stop(&r->gdb, &hart) >= 0) {
		write_harts(r);
		write_memory(r);
	}
	campaign_host_end(&r->host);
	drop_the_rest(r);
	if (mkdir(r->settings->keep, 0700) < 0 && errno != EEXIST) {
		message_error("%s: %s", r->settings->keep, strerror(errno));
		return;
	}
	if (asprintf(&to, "%s/run-%llu", r->settings->keep, (ull)r->result->run) < 0)
		abort();
	campaign_host_remove(to);
	if (rename(r->host.path, to) < 0)
		message_error("%s cannot become %s: %s", r->host.path, to, strerror(errno));
	else
		snprintf(r->result->dump, sizeof(r->result->dump), "%s", to);
	free(to);
}
