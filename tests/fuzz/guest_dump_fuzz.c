/*
 * Requests for dumps of a VM, in any order and with any numbers, between writes of the guest and of its devices. Answers fit
 * where they belong; and when the dump is over nobody waits for it, and all memory is back.
 */
#include "core/dump/guest_dump.h"
#include "core/dump/snapshot.h"
#include "core/lib/errno.h"
#include "core/memory/backing.h"
#include "core/memory/pages.h"
#include "tests/lib/fixture.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define MEMORY MIB(16)

#define MUST(c)                  \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static struct vm *vm;
static size_t pages_before;

struct step {
	u8 what;
	u8 id;
	u16 offset;
	u64 at;
};

static void ask(const struct step *s)
{
	static u8 answer[CTL_PAYLOAD_MAX];
	struct ctl_dump_begin begin = { .id = s->id % 4, .flags = s->offset };
	/* Mostly pages of the guest's; now and then any number. */
	struct ctl_dump_at at = { .id = s->id % 4,
				  .at = s->id & 0x80 ? s->at
						     : GUEST_RAM_BASE + s->at % MEMORY / 4096 * 4096 };
	struct ctl_dump info;
	size_t used = 0;
	int error = 0;

	switch (s->what % 4) {
	case 0:
		error = guest_dump_begin(vm, &begin, &info);
		break;
	case 1:
		error = guest_dump_vcpus(vm, &at, answer, sizeof(answer), &used);
		MUST(error || used >= sizeof(struct ctl_dump_data));
		break;
	case 2:
		error = guest_dump_read(vm, &at, answer, sizeof(answer), &used);
		MUST(error || used >= sizeof(struct ctl_dump_data));
		break;
	default:
		error = guest_dump_end(vm, &at);
	}
	MUST(used <= sizeof(answer) && error <= 0);
}

static void write_somewhere(const struct step *s)
{
	gpa_t at = GPA(GUEST_RAM_BASE + s->at % (MEMORY - 64));
	int error;

	if (s->what % 2) {
		MUST(guest_write(vm, at, s, sizeof(*s)) == 0);
		return;
	}
	error = guest_ram_fault(vm, at, s->id % 2);
	MUST(!error || error == -EAGAIN);
	if (error)
		snapshot_stall(&vm->vcpu[s->id % 2]);
}

static void set_up(void)
{
	struct vm_config c = { .memory = MEMORY };

	/* Hardly any RAM to spare: the pool gets full. */
	fixture_start_with(MIB(22) + MEMORY, 2);
	vm = fixture_vm(&c);
	fixture_run(vm);
	for (u64 at = 0; at < MEMORY; at += BLOCK_SIZE)
		MUST(backing_touch(vm, GPA(GUEST_RAM_BASE + at)) == 0);
	pages_before = pages_free();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct step s;

	if (!vm)
		set_up();
	for (; size >= sizeof(s); data += sizeof(s), size -= sizeof(s)) {
		memcpy(&s, data, sizeof(s));
		if (s.what < 128)
			ask(&s);
		else
			write_somewhere(&s);
		if (s.offset > 60000)
			host->now += s.at % 400000000;
		guest_dump_poll();
		gstage_quiescent(0);
	}
	guest_dump_forget(vm);
	while (guest_dump_poll())
		;
	MUST(!vm->held && !vm->gstage.track && !vm->vcpu[0].stalled && !vm->vcpu[1].stalled);
	MUST(gstage_zap(&vm->gstage, GPA(0), ~0ull) == 0);
	for (unsigned i = 0; i < 100; i++)
		gstage_quiescent(0);
	MUST(pages_free() == pages_before);
	return 0;
}
