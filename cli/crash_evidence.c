/* What there is of a life that ended: see crash_evidence.h. */
#include "cli/crash_evidence.h"
#include "cli/estate_view.h"
#include "cli/exit_code.h"
#include "cli/memory.h"
#include "cli/message.h"
#include <stdlib.h>
#include <string.h>

/* ---- The record in the estate ---- */

/* Asks for a piece of it. False if there is none. */
static bool ask_piece(struct client *c, u64 life, u64 offset, struct client_reply *reply)
{
	const struct ctl_crash_at at = { .life = life, .offset = offset };

	return client_ask(c, CTL_CRASH_RECORD, 0, &at, sizeof(at), reply) == EXIT_CODE_OK && !reply->status;
}

bool crash_evidence_has_record(struct client *c, u64 life)
{
	struct client_reply reply;

	return ask_piece(c, life, 0, &reply);
}

/* All pieces. An heir may write the record of another end meanwhile: then there is none any more. */
static struct crash_record *fetch_record(struct client *c, u64 life)
{
	struct crash_pieces pieces = { .life = life };
	struct client_reply reply;
	int got = 0;

	while (!got && ask_piece(c, life, pieces.have, &reply))
		got = crash_pieces_take(&pieces, reply.payload, reply.length);
	if (got == 1)
		return (struct crash_record *)pieces.bytes;
	free(pieces.bytes);
	return NULL;
}

/* ---- Names of vCPUs ---- */

static void make_names(struct crash_evidence *e)
{
	if (e->record)
		e->vcpus = memory_new(e->record->hart_count + 1, sizeof(*e->vcpus));
}

static void name_from_host(struct crash_evidence *e, struct client *c)
{
	struct ctl_vm vms[MAX_VMS];
	size_t count;

	if (!e->record || client_vms(c, vms, &count))
		return;
	for (u64 i = 0; i < e->record->hart_count; i++) {
		u64 index = e->record->harts[i].vcpu;
		u32 first = (u32)index;
		struct client_reply reply;
		struct ctl_vcpu v;

		if (index == NO_VCPU || first != index ||
		    client_ask(c, CTL_TOP, 0, &first, sizeof(first), &reply) || reply.status ||
		    reply.length < sizeof(v))
			continue;
		memcpy(&v, reply.payload, sizeof(v));
		for (size_t n = 0; n < count; n++)
			if (vms[n].index == v.vm && !e->vcpus[i])
				e->vcpus[i] = memory_format("%.*s/%u", VM_NAME_SIZE, vms[n].name, v.id);
	}
}

static void name_from_dump(struct crash_evidence *e)
{
	struct estate_view view;

	if (!e->record || !estate_view_open(&view, &e->dump))
		return;
	for (u64 i = 0; i < e->record->hart_count; i++) {
		struct vcpu_record v;
		struct vm_config config;
		struct vm_state state;

		if (!e->vcpus[i] && estate_view_vcpu(&view, e->record->harts[i].vcpu, &v) && v.vm < MAX_VMS &&
		    estate_view_vm(&view, v.vm, &config, &state))
			e->vcpus[i] = memory_format("%s/%llu", config.name, (unsigned long long)v.id);
	}
}

/* ---- All of it ---- */

static bool read_dump(struct crash_evidence *e, const struct dump_file *f, const struct dump_slot *slot)
{
	int error = dump_life_read(&f->view, slot, &e->dump);

	if (error) {
		message_error("%s: %s", f->path, strerror(-error));
		dump_life_free(&e->dump);
		return false;
	}
	e->has_dump = true;
	e->record = e->dump.crash;
	memcpy(e->build, e->dump.head.build, sizeof(e->build));
	return true;
}

bool crash_evidence_read(struct crash_evidence *e, const struct dump_file *f, const struct dump_slot *slot)
{
	memset(e, 0, sizeof(*e));
	if (!read_dump(e, f, slot))
		return false;
	make_names(e);
	name_from_dump(e);
	return true;
}

void crash_evidence_find(struct crash_evidence *e, struct client *c, const struct ctl_life *life,
			 const struct ctl_host *host)
{
	const struct dump_slot *slot;
	struct dump_file f;

	memset(e, 0, sizeof(*e));
	/* After an update a dead life may have been of another build than the one that runs. */
	if (life->build)
		snprintf(e->build, sizeof(e->build), "%016llx", (unsigned long long)life->build);
	else
		memcpy(e->build, host->build, sizeof(e->build) - 1);
	if (dump_file_open_host(&f, &c->dir) == EXIT_CODE_OK) {
		slot = f.error ? NULL : dump_file_of_life(&f, life->number, life->t_fault);
		if (slot)
			read_dump(e, &f, slot);
		dump_file_close(&f);
	}
	if (!e->record)
		e->record = fetch_record(c, life->number);
	make_names(e);
	name_from_host(e, c);
}

void crash_evidence_symbols(struct crash_evidence *e, const char *option)
{
	char *path = host_symbols_find(option);

	if (!path) {
		e->no_symbols = memory_copy("no outlive.elf beside this program; --symbols names it");
	} else if (host_symbols_open(&e->symbols, path)) {
		e->no_symbols = memory_format("%s cannot be read", path);
	} else if (!host_symbols_match(&e->symbols, e->build)) {
		host_symbols_close(&e->symbols);
		e->no_symbols =
			memory_format("%s is not of the life's build (%s); --symbols names the one that is",
				      path, e->build);
	} else {
		e->has_symbols = true;
	}
	free(path);
}

/* From the dump, or from the tops of stacks that the record has. */
static bool read_memory(void *arg, u64 address, void *to, size_t bytes)
{
	const struct crash_evidence *e = arg;

	if (e->has_dump && dump_life_memory(&e->dump, address, to, bytes))
		return true;
	for (u64 i = 0; e->record && i < e->record->hart_count; i++) {
		const struct crash_hart *h = &e->record->harts[i];
		u64 at = address - h->stack_at;

		if (h->stack_at && at < h->stack_bytes && bytes <= h->stack_bytes - at) {
			memcpy(to, h->stack + at, bytes);
			return true;
		}
	}
	return false;
}

struct unwind crash_evidence_unwind(struct crash_evidence *e)
{
	return (struct unwind){ .symbols = e->has_symbols ? &e->symbols : NULL,
				.slot_base = e->record ? e->record->slot_base : 0,
				.slot_size = LAYOUT_SLOT_SIZE,
				.memory = read_memory,
				.arg = e };
}

void crash_evidence_free(struct crash_evidence *e)
{
	for (u64 i = 0; e->vcpus && i < e->record->hart_count; i++)
		free(e->vcpus[i]);
	free(e->vcpus);
	if (e->record != e->dump.crash)
		free(e->record);
	if (e->has_dump)
		dump_life_free(&e->dump);
	if (e->has_symbols)
		host_symbols_close(&e->symbols);
	free(e->no_symbols);
	memset(e, 0, sizeof(*e));
}
