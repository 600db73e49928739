/* Changes of the roots go to the warden; where its tables' pages come from. */
#include "core/arch.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/private/inside.h"

int private_ask(enum private_call call, u64 a0, u64 a1, u64 a2, u64 a3, u64 *value)
{
	for (;;) {
		int error = arch_private(call, a0, a1, a2, a3, 0, value);

		if (error != -EAGAIN)
			return error;
		arch_beat();
		arch_relax();
	}
}

u64 kept_take(struct confidential *c)
{
	const u64 pages = kept_pages(c->vm);
	u64 found = 0;

	lock_take(&c->kept_lock);
	for (u64 i = 0; i < pages && !found; i++) {
		u64 n = c->kept_next++;

		if (c->kept_next == pages)
			c->kept_next = 0;
		if (c->kept_used[n / 64] >> n % 64 & 1)
			continue;
		c->kept_used[n / 64] |= 1ull << n % 64;
		found = c->vm->config.kept.hpa + n * PAGE_SIZE;
	}
	lock_release(&c->kept_lock);
	return found;
}

void kept_give(struct confidential *c, u64 page)
{
	u64 n = (page - c->vm->config.kept.hpa) / PAGE_SIZE;

	if (n >= kept_pages(c->vm))
		return;
	lock_take(&c->kept_lock);
	c->kept_used[n / 64] &= ~(1ull << n % 64);
	lock_release(&c->kept_lock);
}

/* What refuses is either side's mistake, and the fault's caller says what follows. */
static int refused(const struct vm *vm, enum gstage_change change, u64 at, unsigned level, int error)
{
	static const char *const names[] = {
		[GSTAGE_LINK] = "a table",	   [GSTAGE_SET] = "a leaf",
		[GSTAGE_CLEAR] = "no leaf",	   [GSTAGE_RECLAIM] = "no table",
		[GSTAGE_SPLIT] = "smaller leaves", [GSTAGE_COLLAPSE] = "one leaf",
	};

	log_line("%s: the warden refuses %s at %lx, level %u: error %d", vm->config.name, names[change], at,
		 level, -error);
	return -EIO;
}

/* A change that gives the warden a page for a table. */
static int with_page(struct confidential *c, enum private_call call, u64 at, u64 level)
{
	const u64 vm = private_number(c->vm);
	u64 page = kept_take(c);
	int error;

	if (!page)
		return -ENOMEM;
	error = call == PRIVATE_LINK ? private_ask(call, vm, at, level, page, NULL)
				     : private_ask(call, vm, at, page, 0, NULL);
	if (error)
		kept_give(c, page);
	return error;
}

/* One that gets a table's page back. */
static int for_page(struct confidential *c, enum private_call call, u64 at, u64 level)
{
	u64 page = 0;
	int error = private_ask(call, private_number(c->vm), at, level, 0, &page);

	if (!error)
		kept_give(c, page);
	return error;
}

static int ask_change(struct confidential *c, enum gstage_change change, u64 at, u64 level, u64 host)
{
	const u64 vm = private_number(c->vm);
	const bool shared = at & PRIVATE_SHARED_BIT;

	switch (change) {
	case GSTAGE_LINK:
		return with_page(c, PRIVATE_LINK, at, level);
	case GSTAGE_SET:
		return private_ask(shared ? PRIVATE_SHARE : PRIVATE_SET, vm, at, level, host, NULL);
	case GSTAGE_CLEAR:
		return private_ask(shared ? PRIVATE_UNSHARE : PRIVATE_CLEAR, vm, at, level, 0, NULL);
	case GSTAGE_RECLAIM:
		return for_page(c, PRIVATE_UNLINK, at, level);
	case GSTAGE_SPLIT:
		return shared ? -EINVAL : with_page(c, PRIVATE_SPLIT, at, level);
	case GSTAGE_COLLAPSE:
		return shared ? -EINVAL : for_page(c, PRIVATE_MERGE, at, level);
	}
	return -EINVAL;
}

static int hook(struct confidential *c, enum gstage_change change, u64 at, unsigned level, u64 host)
{
	int error = ask_change(c, change, at, level, host);

	return error && error != -ENOMEM ? refused(c->vm, change, at, level, error) : error;
}

int private_mirror_hook(struct gstage *g, enum gstage_change change, gpa_t at, unsigned level, hpa_t host)
{
	struct confidential *c = (struct confidential *)((u8 *)g - offsetof(struct confidential, mirror));

	return hook(c, change, at.a, level, host.a);
}

int private_direct_hook(struct gstage *g, enum gstage_change change, gpa_t at, unsigned level, hpa_t host)
{
	struct vm *vm = (struct vm *)((u8 *)g - offsetof(struct vm, gstage));

	return hook(vm->confidential, change, at.a, level, host.a);
}
