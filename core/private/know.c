/*
 * What an heir has to learn. The mirror cannot be had by faulting: what is private is mapped already. It is read from the warden's
 * own tables, 1 GiB at a time when that is first needed, so that an adoption does not take longer for a larger VM.
 */
#include "core/arch.h"
#include "core/gstage/entry.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/memory/backing.h"
#include "core/memory/pages.h"
#include "core/private/inside.h"

void private_know_all(struct confidential *c, bool all)
{
	for (unsigned i = 0; i < ARRAY_SIZE(c->known); i++)
		__atomic_store_n(&c->known[i], all ? ~0ull : 0, __ATOMIC_RELEASE);
}

/* True if a leaf is one that the records allow. */
static bool leaf_agrees(const struct vm *vm, u64 at, unsigned level, u64 host)
{
	hpa_t backing;
	unsigned n;
	u64 run;

	if (at & PRIVATE_SHARED_BIT) {
		n = shared_word(vm, at & ~PRIVATE_SHARED_BIT);
		return level == 0 && n < VM_SHARED_PAGES && host == shared_page(vm, n).a;
	}
	return !backing_lookup(vm, GPA(at), &backing, &run) && backing.a == host && run >= level_size(level);
}

static int contradiction(const struct vm *vm, u64 at)
{
	log_line("%s: the warden's tables say of %lx what its records do not", vm->config.name, at);
	return -EIO;
}

/* The table that has entries of `level` over `at`, and those below it. 0 also if there is none. */
static int read_table(struct vm *vm, struct gstage *g, u64 at, unsigned level)
{
	u64 *table = page_alloc();
	int error;

	if (!table)
		return -ENOMEM;
	error = private_ask(PRIVATE_READ_TABLE, private_number(vm), at, level, (u64)(uintptr_t)table, NULL);
	if (!error)
		error = gstage_restore(g, GPA(at), level + 1, HPA(~0ull));
	for (unsigned i = 0; i < TABLE_ENTRIES && !error; i++) {
		u64 where = at + i * level_size(level);

		if (entry_table(table[i]) && level) {
			error = read_table(vm, g, where, level - 1);
		} else if (table[i] & ENTRY_V) {
			error = leaf_agrees(vm, where, level, entry_address(table[i]))
					? gstage_restore(g, GPA(where), level, HPA(entry_address(table[i])))
					: contradiction(vm, where);
		}
		arch_beat();
	}
	page_free(table);
	/* INVALID_STATE: there is no such table. */
	return error == -EBUSY ? 0 : error;
}

int private_know(struct vm *vm, gpa_t at)
{
	struct confidential *c = vm->confidential;
	const u64 piece = (at.a - GUEST_RAM_BASE) / GIB(1), first = ALIGN_DOWN(at.a, GIB(1));
	int error = 0;

	if (__builtin_expect(__atomic_load_n(&c->known[piece / 64], __ATOMIC_ACQUIRE) >> piece % 64 & 1, 1))
		return 0;
	lock_take(&c->rebuilding);
	if (!(c->known[piece / 64] >> piece % 64 & 1)) {
		error = read_table(vm, &c->mirror, first, 1);
		if (!error)
			error = read_table(vm, &vm->gstage, shared_address(GPA(first)).a, 1);
		if (!error)
			__atomic_fetch_or(&c->known[piece / 64], 1ull << piece % 64, __ATOMIC_RELEASE);
	}
	lock_release(&c->rebuilding);
	return error;
}

/* Words of shared pages: pages of RAM, each once. Bounded: not every page is compared with each if few are shared. */
static bool words_valid(const struct vm *vm)
{
	const u64 *shared = vm->s->shared;

	for (unsigned n = 0; n < VM_SHARED_PAGES; n++) {
		if (!shared[n])
			continue;
		if (shared[n] % PAGE_SIZE || !backing_has(&vm->config, shared[n]) ||
		    shared_word(vm, shared[n]) != n)
			return false;
	}
	return vm->s->converting <= vm->config.vcpus;
}

/* Which pages of the blocks for tables are in use. */
static int read_kept(struct vm *vm)
{
	struct confidential *c = vm->confidential;
	u8 *use = page_alloc();
	int error = use ? 0 : -ENOMEM;

	for (u64 n = 0; n < kept_pages(vm) && !error; n += BLOCK_SIZE / PAGE_SIZE) {
		error = private_ask(PRIVATE_READ_BLOCK, private_number(vm),
				    vm->config.kept.hpa + n * PAGE_SIZE, (u64)(uintptr_t)use, 0, NULL);
		for (u64 i = 0; i < BLOCK_SIZE / PAGE_SIZE && !error; i++)
			if (use[i] != PRIVATE_PAGE_UNUSED)
				c->kept_used[(n + i) / 64] |= 1ull << (n + i) % 64;
	}
	if (use)
		page_free(use);
	return error;
}

static int complain(char *why, size_t size, const char *text)
{
	format(why, size, "%s", text);
	return -EINVAL;
}

int private_adopt(struct vm *vm, char *why, size_t size)
{
	const u64 run_state = vm->s->run_state;
	const char *absent;
	const struct machine_range pool = private_pool(&absent);
	u64 state = PRIVATE_VM_NONE;
	int error;

	if (!pool.size)
		return complain(why, size, absent);
	if (!words_valid(vm))
		return complain(why, size, "a record of its shared pages is damaged");
	/* What does not run, or is being started, is made anew at its next start. */
	if (run_state != VM_RUNNING && run_state != VM_PAUSED)
		return 0;
	error = private_ask(PRIVATE_INFO, PRIVATE_INFO_VM, private_number(vm), 0, 0, &state);
	if (error || state != PRIVATE_VM_ALIVE)
		return complain(why, size, "the warden does not have it");
	error = read_kept(vm);
	return error ? complain(why, size, "the warden's blocks of it are not those of its records") : 0;
}
