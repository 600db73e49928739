/* Page states: faults, conversions, and what of its memory the host may reach. */
#include "core/arch.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/memory/backing.h"
#include "core/private/inside.h"

/*
 * The state of a page is that of the direct root: it is shared if it has a leaf there. Who changes or relies on it holds the claim
 * of its block; there are fewer claims than blocks. Faults of different blocks, and walks, do not wait for each other.
 */
#define CLAIM_COUNT 64
static struct lock claim[CLAIM_COUNT];

static struct lock *claim_of(const struct vm *vm, gpa_t at)
{
	return &claim[(at.a / BLOCK_SIZE + vm->index * 37) % CLAIM_COUNT];
}

/* Pages of a conversion that one call goes through. */
#define CONVERT_STEP 64
/* Bytes of one: what abi/guest.h allows. */
#define CONVERT_MAX BLOCK_SIZE

unsigned shared_word(const struct vm *vm, u64 page)
{
	unsigned n = 0;

	while (n < VM_SHARED_PAGES && estate_load(&vm->s->shared[n]) != page)
		n++;
	return n;
}

/*
 * The leaf of a private page: the whole block, or the page alone where the block has others that are shared. When all are
 * private again they become one leaf.
 */
static int fill_private(struct vm *vm, gpa_t page)
{
	struct gstage *mirror = &vm->confidential->mirror;
	const gpa_t block = GPA(ALIGN_DOWN(page.a, BLOCK_SIZE));
	const struct gstage_leaf shared = gstage_lookup(&vm->gstage, shared_address(page));
	const unsigned level = shared.level ? 1 : 0;
	hpa_t host;
	u64 run;
	int error;

	if (shared.rights)
		return -EFAULT;
	error = backing_lookup(vm, level ? block : page, &host, &run);
	if (!error)
		error = gstage_map(mirror, page, level, host, GSTAGE_ALL);
	if (!error && !gstage_lookup(mirror, page).level)
		gstage_collapse(mirror, block, 1);
	return error;
}

/* The leaf of a page that is shared, if it has none: a life has ended between the two. */
static int fill_shared(struct vm *vm, gpa_t page)
{
	unsigned n;

	if (gstage_lookup(&vm->gstage, shared_address(page)).rights)
		return 0;
	n = shared_word(vm, page.a);
	if (n == VM_SHARED_PAGES || gstage_lookup(&vm->confidential->mirror, page).rights)
		return -EFAULT;
	return gstage_map(&vm->gstage, shared_address(page), 0, shared_page(vm, n), GSTAGE_ALL);
}

int private_fault(struct vm *vm, gpa_t at)
{
	const gpa_t page = GPA(ALIGN_DOWN(at.a & ~PRIVATE_SHARED_BIT, PAGE_SIZE));
	struct lock *mine = claim_of(vm, page);
	int error;

	if (!vm->confidential || !backing_has(&vm->config, page.a))
		return -EFAULT;
	error = private_know(vm, page);
	if (error)
		return error;
	lock_take(mine);
	error = at.a & PRIVATE_SHARED_BIT ? fill_shared(vm, page) : fill_private(vm, page);
	lock_release(mine);
	return error;
}

int private_reach(struct vm *vm, gpa_t at, hpa_t *host, u64 *run)
{
	const u64 bounce = bounce_bytes(&vm->config);
	struct gstage_leaf leaf;
	int error;

	if (range_inside(at.a, 1, BOUNCE_BASE, bounce)) {
		*host = HPA(vm->config.shared.hpa + (at.a - BOUNCE_BASE));
		*run = bounce - (at.a - BOUNCE_BASE);
		return 0;
	}
	if (!(at.a & PRIVATE_SHARED_BIT))
		return -EFAULT;
	leaf = gstage_lookup(&vm->gstage, at);
	if (!leaf.rights) {
		error = private_fault(vm, at);
		if (error)
			return error;
		leaf = gstage_lookup(&vm->gstage, at);
	}
	if (!leaf.rights)
		return -EFAULT;
	*host = leaf.host;
	*run = PAGE_SIZE - at.a % PAGE_SIZE;
	return 0;
}

/* ---- Conversions ---- */

struct conversion {
	struct vm *vm;
	u64 from; /* private address */
	unsigned pages;
	unsigned have;			   /* of them, that have a word */
	unsigned free;			   /* words */
	u16 word[CONVERT_MAX / PAGE_SIZE]; /* of each page: 1 + its number, or 0 */
};

/* Which pages of the range are shared, as the records say. */
static void look_at_words(struct conversion *c)
{
	for (unsigned n = 0; n < VM_SHARED_PAGES; n++) {
		u64 page = estate_load(&c->vm->s->shared[n]);

		if (!page) {
			c->free++;
		} else if (range_inside(page, 1, c->from, c->pages * PAGE_SIZE)) {
			c->word[(page - c->from) / PAGE_SIZE] = (u16)(n + 1);
			c->have++;
		}
	}
}

/* Window 1, as guest_read's. */
#define WINDOW_SHARED 1

/* The page that backs a shared page is of zeroes before there is a record of it. *next: where to look for a free one. */
static bool take_word(struct vm *vm, u64 page, unsigned *next)
{
	while (*next < VM_SHARED_PAGES && estate_load(&vm->s->shared[*next]))
		++*next;
	if (*next == VM_SHARED_PAGES)
		return false;
	arch_zero(arch_window(WINDOW_SHARED, shared_page(vm, *next)), PAGE_SIZE);
	arch_window_close(WINDOW_SHARED);
	estate_store(&vm->s->shared[*next], page);
	return true;
}

/* What was there goes: the warden lets it, because the guest asks for it. */
static int drop_private(struct vm *vm, gpa_t page)
{
	struct gstage *mirror = &vm->confidential->mirror;
	int error = gstage_split(mirror, page, 0);

	if (error == -ENOENT)
		return 0;
	return error ? error : gstage_zap(mirror, page, PAGE_SIZE);
}

static int share(struct vm *vm, gpa_t page, unsigned n)
{
	struct lock *mine = claim_of(vm, page);
	int error;

	lock_take(mine);
	error = drop_private(vm, page);
	if (!error)
		error = gstage_map(&vm->gstage, shared_address(page), 0, shared_page(vm, n), GSTAGE_ALL);
	lock_release(mine);
	return error;
}

static int unshare(struct vm *vm, gpa_t page, unsigned n)
{
	struct lock *mine = claim_of(vm, page);
	int error;

	lock_take(mine);
	error = gstage_zap(&vm->gstage, shared_address(page), PAGE_SIZE);
	if (!error)
		estate_store(&vm->s->shared[n], 0);
	lock_release(mine);
	return error;
}

/* -EAGAIN: there is more to do. */
static int share_pages(struct conversion *c)
{
	unsigned done = 0, next = 0;

	for (unsigned i = 0; i < c->pages; i++) {
		const gpa_t page = GPA(c->from + i * PAGE_SIZE);
		int error;

		if (c->word[i] && gstage_lookup(&c->vm->gstage, shared_address(page)).rights)
			continue;
		if (done++ == CONVERT_STEP)
			return -EAGAIN;
		if (!c->word[i] && !take_word(c->vm, page.a, &next))
			return -ENOMEM;
		error = share(c->vm, page, c->word[i] ? c->word[i] - 1u : next);
		if (error)
			return error;
		arch_beat();
	}
	return 0;
}

/* The tables of small leaves go with the last of them, so that faults make whole blocks again. */
static int unshare_pages(struct conversion *c)
{
	unsigned done = 0;
	int error = 0;

	for (unsigned i = 0; i < c->pages && !error; i++) {
		if (!c->word[i])
			continue;
		if (done++ == CONVERT_STEP)
			return -EAGAIN;
		error = unshare(c->vm, GPA(c->from + i * PAGE_SIZE), c->word[i] - 1u);
		arch_beat();
	}
	if (!error)
		error = gstage_reclaim(&c->vm->gstage, shared_address(GPA(c->from)));
	if (!error)
		error = gstage_reclaim(&c->vm->gstage,
				       shared_address(GPA(c->from + (c->pages - 1) * PAGE_SIZE)));
	return error;
}

static int convert(struct conversion *c, u64 me, bool to_shared)
{
	u64 owner = estate_load(&c->vm->s->converting);
	int error = 0;

	if (owner && owner != me)
		return -EAGAIN;
	look_at_words(c);
	/* Has been checked, if this is its own and a life or a round has ended in it. */
	if (!owner && c->have != (to_shared ? 0 : c->pages))
		return -EINVAL;
	if (!owner && to_shared && c->free < c->pages)
		return -ENOMEM;
	for (u64 at = c->from; !error && at < c->from + c->pages * PAGE_SIZE;
	     at = ALIGN_DOWN(at, GIB(1)) + GIB(1))
		error = private_know(c->vm, GPA(at));
	if (error)
		return error;
	if (!owner)
		estate_store(&c->vm->s->converting, me);
	error = to_shared ? share_pages(c) : unshare_pages(c);
	if (error != -EAGAIN)
		txn_set(arch_txn(), &c->vm->s->converting, 0);
	return error;
}

int private_convert(struct vcpu *v, gpa_t at, u64 bytes, bool to_shared)
{
	struct conversion c = { .vm = v->vm, .from = at.a, .pages = (unsigned)(bytes / PAGE_SIZE) };
	int error;

	if (!bytes || (at.a | bytes) % PAGE_SIZE || bytes > CONVERT_MAX || !v->vm->confidential ||
	    !range_inside(at.a, bytes, backing_base(&v->vm->config), v->vm->config.memory))
		return -EINVAL;
	if (!lock_try(&v->vm->confidential->converting))
		return -EAGAIN;
	error = convert(&c, 1 + (u64)(v - v->vm->vcpu), to_shared);
	lock_release(&v->vm->confidential->converting);
	return error;
}
