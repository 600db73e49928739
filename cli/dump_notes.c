/* Notes of a dead life's core: see dump_notes.h. */
#include "cli/dump_notes.h"
#include "cli/dump_core.h"
#include "cli/estate_view.h"
#include "cli/memory.h"
#include "cli/names.h"
#include <elf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long ull;

/* ---- Text ---- */

struct text {
	char *bytes;
	size_t count;
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *t, const char *format, ...)
{
	va_list list;
	char *line;
	size_t count;

	va_start(list, format);
	line = memory_format_list(format, list);
	va_end(list);
	count = strlen(line);
	t->bytes = memory_resize(t->bytes, t->count + count, 1);
	memcpy(t->bytes + t->count, line, count);
	t->count += count;
	free(line);
}

/* A text that others chose, so that it stays one value on one line. */
static void put_quoted(struct text *t, const char *key, const char *text)
{
	put(t, "%s\"", key);
	for (; *text; text++)
		put(t, "%c", *text < ' ' || *text == '"' || *text > '~' ? '?' : *text);
	put(t, "\"");
}

/* ---- Harts ---- */

/* True if it is known where this hart was when the life ended. */
static bool is_known(const struct crash_record *r, const struct crash_hart *h)
{
	return h->life == r->life && (h->found.state == FOUND_HS || h->found.state == FOUND_PARKED ||
				      h->found.state == FOUND_GUEST);
}

/* One thread. What a guest's hart has for a pc is the guest's: that is what it was executing. */
static u64 put_hart(struct elf_notes *notes, const struct crash_record *r, const struct crash_hart *h)
{
	if (!is_known(r, h))
		return 0;
	elf_notes_put_hart(notes, (u32)h->id + 1, h->found.pc, h->found.x);
	return 1;
}

/* The hart that crashed comes first: debuggers begin there. */
static u64 put_harts(struct elf_notes *notes, const struct crash_record *r)
{
	u64 threads = 0;

	for (u64 i = 0; i < r->hart_count; i++)
		if (r->harts[i].id == r->hart)
			threads += put_hart(notes, r, &r->harts[i]);
	for (u64 i = 0; i < r->hart_count; i++)
		if (r->harts[i].id != r->hart)
			threads += put_hart(notes, r, &r->harts[i]);
	return threads;
}

/* ---- The others ---- */

/* With it a debugger moves outlive.elf, which is linked at 0, to where the life lay. */
static void put_auxv(struct elf_notes *notes, const struct dump_life *life)
{
	const u64 auxv[] = { AT_PAGESZ, PAGE_SIZE, AT_ENTRY, life->head.slot_base, AT_NULL, 0 };

	elf_notes_put(notes, "CORE", NT_AUXV, auxv, sizeof(auxv));
}

static void put_vmcoreinfo(struct elf_notes *notes, const struct dump_life *life)
{
	const struct dump_head *h = &life->head;
	struct text t = { 0 };

	put(&t, "OSRELEASE=outlive-%s\n", h->build);
	put(&t, "BUILD-ID=%s\n", h->build);
	put(&t, "PAGESIZE=%u\n", (unsigned)PAGE_SIZE);
	put(&t, "NUMBER(phys_ram_base)=0x%llx\n", (ull)h->ram_base);
	put(&t, "KERNELOFFSET=%llx\n", (ull)h->slot_base);
	put(&t, "SYMBOL(image_start)=%llx\n", (ull)h->slot_base);
	put(&t, "NUMBER(slot_size)=%llu\n", (ull)h->slot_size);
	put(&t, "NUMBER(estate_base)=0x%llx\n", (ull)h->estate_base);
	put(&t, "NUMBER(estate_size)=%llu\n", (ull)h->estate_size);
	put(&t, "CRASHTIME=%lld\n", (long long)h->seconds);
	elf_notes_put(notes, "VMCOREINFO", 0, t.bytes, t.count);
	free(t.bytes);
}

static const char *found_name(u64 state)
{
	switch (state) {
	case FOUND_HS:
		return "hypervisor";
	case FOUND_PARKED:
	case FOUND_GUEST:
		return "guest";
	case FOUND_NO_SHOW:
		return "no-show";
	default:
		return "not-running";
	}
}

static void put_own_harts(struct text *t, const struct crash_record *r)
{
	for (u64 i = 0; i < r->hart_count; i++) {
		const struct crash_hart *h = &r->harts[i];

		put(t, "HART id=%llu thread=%llu found=%s", (ull)h->id, is_known(r, h) ? (ull)h->id + 1 : 0,
		    h->life == r->life ? found_name(h->found.state) : "not-running");
		if (h->vcpu != NO_VCPU)
			put(t, " vcpu=%llu", (ull)h->vcpu);
		put(t, "%s\n", h->id == r->hart ? " crashed" : "");
	}
}

static void put_vm(struct text *t, const struct estate_view *v, u32 n, const struct vm_config *c,
		   const struct vm_state *s)
{
	put(t, "VM index=%u", n);
	put_quoted(t, " name=", c->name);
	put(t, " state=%s vcpus=%u memory=%llu\n", name_of_run_state(s->run_state), c->vcpus, (ull)c->memory);
	for (u32 i = 0; i < c->extent_count; i++)
		put(t, "EXTENT vm=%u guest=0x%llx host=0x%llx size=%llu\n", n, (ull)c->extents[i].gpa,
		    (ull)c->extents[i].hpa, (ull)c->extents[i].size);
	for (u32 i = 0; i < c->vcpus; i++) {
		struct vcpu_record record;
		u64 index = s->first_vcpu + i, at = estate_view_vcpu(v, index, &record);

		if (at && record.vm == n)
			put(t, "VCPU vm=%u id=%llu index=%llu record=0x%llx state=%s\n", n, (ull)record.id,
			    (ull)index, (ull)at, name_of_vcpu_state(record.state));
	}
}

static void put_own(struct elf_notes *notes, const struct dump_life *life)
{
	const struct dump_head *h = &life->head;
	struct estate_view v;
	struct text t = { 0 };

	put(&t, "OUTLIVE=1\nLIFE number=%llu dump=%llu cause=%s hart=%llu slot=0x%llx", (ull)h->life,
	    (ull)h->number, name_of_life_cause(h->cause), (ull)h->crash_hart, (ull)h->slot_base);
	put_quoted(&t, " text=", h->text);
	put(&t, "\nTIME hz=%llu fault=%llu begun=%llu ended=%llu\n", (ull)h->timebase, (ull)h->t_fault,
	    (ull)h->t_begun, (ull)h->t_ended);
	if (life->crash)
		put_own_harts(&t, life->crash);
	if (estate_view_open(&v, life)) {
		for (u32 n = 0; n < MAX_VMS; n++) {
			struct vm_config config;
			struct vm_state state;

			if (estate_view_vm(&v, n, &config, &state))
				put_vm(&t, &v, n, &config, &state);
		}
	}
	elf_notes_put(notes, DUMP_CORE_NOTE, DUMP_CORE_NOTE_TYPE, t.bytes, t.count);
	free(t.bytes);
}

u64 dump_notes_put(struct elf_notes *notes, const struct dump_life *life)
{
	u64 threads = life->crash ? put_harts(notes, life->crash) : 0;

	put_auxv(notes, life);
	put_vmcoreinfo(notes, life);
	put_own(notes, life);
	return threads;
}
