/* The records of crashes; see crash.h. */
#include "core/survive/crash.h"
#include "core/estate/estate.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/survive/life.h"

#define WORD sizeof(u64)

#define REGISTER_SP 2

/*
 * Copies from the dead life's slot, which is mapped nowhere else. The range lies inside the slot.
 */
static void copy_from_slot(u8 *to, u64 from, u64 bytes)
{
	while (bytes) {
		u64 skip = from % PAGE_SIZE;
		u64 n = bytes < PAGE_SIZE - skip ? bytes : PAGE_SIZE - skip;
		const u8 *page = arch_window(0, HPA(from - skip));

		memcpy(to, page + skip, n);
		arch_window_close(0);
		to += n;
		from += n;
		bytes -= n;
	}
}

/* The top of the stack of a hart that was in the hypervisor. Its stack pointer may be anything. */
static void copy_stack(struct crash_hart *to, const struct crash_stacks *stacks)
{
	u64 first = life_dead_slot() + stacks->from;
	u64 sp = to->found.x[REGISTER_SP];
	u64 room;

	to->stack_at = to->stack_bytes = 0;
	if (to->found.state != FOUND_HS || sp < first || sp - first >= stacks->bytes)
		return;
	room = stacks->stride - (sp - first) % stacks->stride;
	to->stack_bytes = room < CRASH_STACK_BYTES ? room : CRASH_STACK_BYTES;
	copy_from_slot(to->stack, sp, to->stack_bytes);
	to->stack_at = sp;
}

static void write_hart(struct crash_hart *to, u64 id, const struct life_record *dead,
		       const struct crash_stacks *stacks)
{
	const struct hart_record *h = &estate.harts[id % MAX_HARTS];

	estate_store(&to->id, id);
	to->vcpu = h->vcpu;
	to->redo = h->redo.count;
	to->found = h->found;
	/* What was found before this end began is of the one before, whose heir has not come to this hart. */
	to->life = h->found.state != FOUND_NOTHING && h->found.time >= dead->t_fault ? dead->number : h->life;
	copy_stack(to, stacks);
}

/* The last lines, from a word on: that makes it a copy of words. */
static u64 write_log(char *to)
{
	u64 head = log_head();
	u64 from = head > CRASH_LOG_BYTES ? ALIGN_UP(head - CRASH_LOG_BYTES, WORD) : 0;

	return log_read(&from, to, CRASH_LOG_BYTES);
}

void crash_write(const struct crash_stacks *stacks)
{
	const struct life_record *dead = life_before();
	const struct machine_record *m = &estate.machine;
	struct crash_record *c;

	if (!dead || !dead->number || dead->cause == LIFE_UPDATE || dead->cause == LIFE_POWEROFF)
		return;
	c = estate_crash(dead->number);
	estate_store(&c->valid, 0);
	c->life = dead->number;
	c->cause = dead->cause;
	c->hart = dead->crash_hart;
	c->slot_base = life_dead_slot();
	c->pc = c->slot_base + dead->crash_pc;
	c->value = dead->crash_value;
	c->t_fault = dead->t_fault;
	c->t_stopped = dead->t_stopped;
	c->hart_count = m->hart_count;
	memset(c->reserved, 0, sizeof(c->reserved));
	memcpy(c->text, dead->text, sizeof(c->text));
	c->log_bytes = write_log(c->log);
	for (u32 n = 0; n < m->hart_count; n++)
		write_hart(&c->harts[n], m->hart_ids[n], dead, stacks);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	estate_store(&c->valid, dead->number + 1);
}

static bool record_valid(const struct crash_record *c, u64 life)
{
	return estate_load(&c->valid) == life + 1 && c->life == life && c->hart_count <= MAX_HARTS &&
	       c->log_bytes <= CRASH_LOG_BYTES;
}

void crash_hart_came(unsigned n, const struct hart_record *h)
{
	struct crash_record *c = estate_crash(h->life);
	struct crash_hart *to;

	if (h->found.state != FOUND_PARKED || !record_valid(c, h->life) || n >= c->hart_count)
		return;
	to = &c->harts[n];
	if (to->found.state != FOUND_GUEST)
		return;
	memcpy(&to->found.x, &h->found.x, sizeof(h->found) - offsetof(struct hart_found, x));
	__atomic_thread_fence(__ATOMIC_RELEASE);
	estate_store(&to->found.state, FOUND_PARKED);
}

const struct crash_record *crash_find(u64 life, size_t *bytes)
{
	const struct crash_record *found = NULL;

	for (u64 n = 0; n < CRASH_RECORDS; n++) {
		const struct crash_record *c = estate_crash(n);

		if (c->life % CRASH_RECORDS != n || !record_valid(c, c->life) || (life && c->life != life))
			continue;
		if (!found || c->life > found->life)
			found = c;
	}
	if (found)
		*bytes = sizeof(*found) + found->hart_count * sizeof(found->harts[0]);
	return found;
}
