/*
 * The guest's PLIC, after the RISC-V Platform-Level Interrupt Controller Specification 1.0.
 *
 * Each source has a level-triggered gateway: a line that is up becomes pending once, and again only after the claim of it
 * has been completed. What is pending stays so until it is claimed, even if the line falls meanwhile (chapter 3).
 *
 * The words are shared by all vCPUs of the VM and change in the transaction of the access that changes them, so that a
 * claim cannot get lost between PLIC and guest. `irq` of each vCPU follows from them and is computed afterwards.
 *
 * Repeats after a crash: the PLIC has no effects outside the estate.
 */
#include "core/devices/plic.h"
#include "core/devices/backend.h"
#include "core/lib/errno.h"
#include "core/root/root.h"

/* Memory map (chapter 4). */
#define PLIC_PENDING	       0x1000u
#define PLIC_ENABLE	       0x2000u
#define PLIC_ENABLE_STRIDE     0x80u
#define PLIC_CONTEXT	       0x200000u
#define PLIC_CONTEXT_STRIDE    0x1000u
#define PLIC_CONTEXT_THRESHOLD 0u
#define PLIC_CONTEXT_CLAIM     4u

/* Levels of priority are the platform's choice (chapter 5): seven, and 0 for "never". */
#define PLIC_PRIORITY_MASK 7u

/* Source 0 does not exist (chapter 4). */
#define PLIC_REAL_SOURCES (~1ull)

/*
 * By VM, under its dev_lock: every vCPU's `irq` agrees with the PLIC's words. Not in the estate: a new life begins with
 * nothing settled.
 */
static bool settled[MAX_VMS];

/* Stages a word from which `irq` follows. */
static void plic_set(struct vm *vm, struct txn *t, u64 *word, u64 value)
{
	settled[vm->index] = false;
	txn_set(t, word, value);
}

/* Number of the lowest set bit; bits != 0. (The base instruction set has none for this.) */
static unsigned plic_lowest(u64 bits)
{
	unsigned n = 0;

	for (unsigned half = 32; half; half /= 2)
		if (!(bits & ((1ull << half) - 1))) {
			bits >>= half;
			n += half;
		}
	return n;
}

/* Source of the highest priority above `above` in the set, the lowest number among equals; 0: none (chapter 8). */
static unsigned plic_best(const struct plic_state *p, u64 sources, u64 above)
{
	unsigned best = 0;

	for (; sources; sources &= sources - 1) {
		unsigned source = plic_lowest(sources);
		u64 priority = estate_load(&p->priority[source]);

		if (priority > above) {
			best = source;
			above = priority;
		}
	}
	return best;
}

/* A claim takes what is enabled and pending, whatever the threshold (chapter 8). */
static u64 plic_claim(struct vm *vm, struct txn *t, struct vcpu *v)
{
	struct plic_state *p = &vm->s->plic;
	u64 pending = estate_load(&p->pending);
	unsigned source = plic_best(p, pending & estate_load(&v->r->plic_enable), 0);
	u64 bit = 1ull << source;

	if (!source)
		return 0;
	plic_set(vm, t, &p->pending, pending & ~bit);
	plic_set(vm, t, &p->claimed, estate_load(&p->claimed) | bit);
	/* What is up when the root completes was handed out by the machine since: see root.h. */
	if (vm_is_root(vm) && (root_sources() & bit))
		plic_set(vm, t, &p->line, estate_load(&p->line) & ~bit);
	plic_set(vm, t, &v->r->plic_claimed, estate_load(&v->r->plic_claimed) | bit);
	return source;
}

/* The context that claimed a source. The completion may come from another, which makes this a search. */
static struct vcpu *plic_claimer(struct vm *vm, struct vcpu *likely, u64 bit)
{
	if (estate_load(&likely->r->plic_claimed) & bit)
		return likely;
	for (u32 i = 0; i < vm->config.vcpus; i++)
		if (estate_load(&vm->vcpu[i].r->plic_claimed) & bit)
			return &vm->vcpu[i];
	return NULL;
}

/* A completion is heard if the source is enabled for the context; who claimed it does not matter (chapter 9). */
static void plic_complete(struct vm *vm, struct txn *t, struct vcpu *v, u64 source)
{
	struct plic_state *p = &vm->s->plic;
	u64 claimed = estate_load(&p->claimed);
	struct vcpu *claimer;
	u64 bit;

	if (source >= PLIC_SOURCES)
		return;
	bit = 1ull << source;
	if (!(estate_load(&v->r->plic_enable) & claimed & bit))
		return;
	claimer = plic_claimer(vm, v, bit);
	if (claimer)
		plic_set(vm, t, &claimer->r->plic_claimed, estate_load(&claimer->r->plic_claimed) & ~bit);
	plic_set(vm, t, &p->claimed, claimed & ~bit);
	if (estate_load(&p->line) & bit)
		plic_set(vm, t, &p->pending, estate_load(&p->pending) | bit);
}

/* The vCPU of a context: context n is hart id n's, for the root VM the machine's own numbering holds. */
static struct vcpu *plic_vcpu(const struct vm *vm, u64 context)
{
	return vm_is_root(vm) ? root_context(vm, context) : idmap_find(&vm->ids, context);
}

/* 32 bits of a word of one bit a source. */
static u64 plic_half(u64 word, u64 number)
{
	return number < PLIC_SOURCES / 32 ? (u32)(word >> (32 * number)) : 0;
}

static int plic_read(struct vm *vm, unsigned unit, struct txn *t, u64 offset, unsigned bytes, u64 *value)
{
	struct plic_state *p = &vm->s->plic;
	struct vcpu *v;

	(void)unit;
	if (bytes != 4)
		return -EFAULT;
	*value = 0;
	if (offset >= PLIC_CONTEXT) {
		v = plic_vcpu(vm, (offset - PLIC_CONTEXT) / PLIC_CONTEXT_STRIDE);
		offset %= PLIC_CONTEXT_STRIDE;
		if (v && offset == PLIC_CONTEXT_CLAIM)
			*value = plic_claim(vm, t, v);
		else if (v && offset == PLIC_CONTEXT_THRESHOLD)
			*value = estate_load(&v->r->plic_threshold);
	} else if (offset >= PLIC_ENABLE) {
		v = plic_vcpu(vm, (offset - PLIC_ENABLE) / PLIC_ENABLE_STRIDE);
		if (v)
			*value = plic_half(estate_load(&v->r->plic_enable), offset % PLIC_ENABLE_STRIDE / 4);
	} else if (offset >= PLIC_PENDING) {
		*value = plic_half(estate_load(&p->pending), (offset - PLIC_PENDING) / 4);
	} else if (offset / 4 < PLIC_SOURCES) {
		*value = estate_load(&p->priority[offset / 4]);
	}
	return 0;
}

static void plic_enable_write(struct vm *vm, struct txn *t, struct vcpu *v, u64 number, u64 value)
{
	u64 *word = &v->r->plic_enable;
	u64 shift = 32 * number;

	if (number >= PLIC_SOURCES / 32)
		return;
	value = (estate_load(word) & ~(0xffffffffull << shift)) | (value & 0xffffffffu) << shift;
	plic_set(vm, t, word, value & PLIC_REAL_SOURCES);
}

static int plic_write(struct vm *vm, unsigned unit, struct txn *t, u64 offset, unsigned bytes, u64 value)
{
	struct vcpu *v;

	(void)unit;
	if (bytes != 4)
		return -EFAULT;
	value = (u32)value;
	if (offset >= PLIC_CONTEXT) {
		v = plic_vcpu(vm, (offset - PLIC_CONTEXT) / PLIC_CONTEXT_STRIDE);
		offset %= PLIC_CONTEXT_STRIDE;
		if (v && offset == PLIC_CONTEXT_CLAIM)
			plic_complete(vm, t, v, value);
		else if (v && offset == PLIC_CONTEXT_THRESHOLD)
			plic_set(vm, t, &v->r->plic_threshold, value & PLIC_PRIORITY_MASK);
	} else if (offset >= PLIC_ENABLE) {
		v = plic_vcpu(vm, (offset - PLIC_ENABLE) / PLIC_ENABLE_STRIDE);
		if (v)
			plic_enable_write(vm, t, v, offset % PLIC_ENABLE_STRIDE / 4, value);
	} else if (offset < PLIC_PENDING && offset / 4 < PLIC_SOURCES && offset) {
		plic_set(vm, t, &vm->s->plic.priority[offset / 4], value & PLIC_PRIORITY_MASK);
	}
	/* Pending bits are read-only (chapter 6). */
	return 0;
}

const struct mmio_device plic_device = { .read = plic_read, .write = plic_write };

/* A completion goes on to the machine's PLIC, unless that has handed the source out anew. */
static void plic_root_after(struct vm *vm, unsigned unit, struct txn *t, u64 offset, u64 value)
{
	(void)unit;
	(void)t;
	value = (u32)value;
	if (offset < PLIC_CONTEXT || offset % PLIC_CONTEXT_STRIDE != PLIC_CONTEXT_CLAIM ||
	    value >= PLIC_SOURCES)
		return;
	if ((root_sources() & ~estate_load(&vm->s->plic.line)) >> value & 1)
		host_irq_complete((unsigned)value);
}

const struct mmio_device plic_root_device = { .read = plic_read,
					      .write = plic_write,
					      .after = plic_root_after };

void plic_stage_line(struct vm *vm, struct txn *t, unsigned source, bool level)
{
	struct plic_state *p = &vm->s->plic;
	u64 bit = 1ull << source;
	u64 line = txn_get(t, &p->line);
	u64 pending;

	if (level == !!(line & bit))
		return;
	plic_set(vm, t, &p->line, line ^ bit);
	pending = txn_get(t, &p->pending);
	if (level && !((txn_get(t, &p->claimed) | pending) & bit))
		plic_set(vm, t, &p->pending, pending | bit);
}

void plic_restore_line(struct vm *vm, unsigned source, bool level)
{
	struct plic_state *p = &vm->s->plic;
	u64 bit = 1ull << source;
	u64 line = estate_load(&p->line);

	settled[vm->index] = false;
	/* Pending first: an heir of this heir sees the same line and comes to the same end. */
	if (level && !(estate_load(&p->claimed) & bit))
		estate_store(&p->pending, estate_load(&p->pending) | bit);
	estate_store(&p->line, level ? line | bit : line & ~bit);
}

void plic_update(struct vm *vm)
{
	const struct plic_state *p = &vm->s->plic;
	u64 pending;

	if (settled[vm->index])
		return;
	settled[vm->index] = true;
	pending = estate_load(&p->pending);
	for (u32 i = 0; i < vm->config.vcpus; i++) {
		struct vcpu_record *r = vm->vcpu[i].r;
		u64 irq = plic_best(p, pending & estate_load(&r->plic_enable),
				    estate_load(&r->plic_threshold)) != 0;

		if (irq != estate_load(&r->irq)) {
			estate_store(&r->irq, irq);
			vcpu_notify(&vm->vcpu[i]);
		}
	}
}

void plic_reset(struct vm *vm)
{
	struct plic_state *p = &vm->s->plic;

	settled[vm->index] = false;
	estate_store(&p->line, 0);
	estate_store(&p->pending, 0);
	estate_store(&p->claimed, 0);
	for (unsigned i = 0; i < PLIC_SOURCES; i++)
		estate_store(&p->priority[i], 0);
	for (u32 i = 0; i < vm->config.vcpus; i++) {
		struct vcpu_record *r = vm->vcpu[i].r;

		estate_store(&r->plic_enable, 0);
		estate_store(&r->plic_threshold, 0);
		estate_store(&r->plic_claimed, 0);
		estate_store(&r->irq, 0);
	}
}

bool plic_valid(const struct vm *vm)
{
	const struct plic_state *p = &vm->s->plic;
	u64 pending = estate_load(&p->pending);
	u64 claimed = estate_load(&p->claimed);
	u64 by_contexts = 0;

	if ((estate_load(&p->line) | pending | claimed) & ~PLIC_REAL_SOURCES)
		return false;
	if (pending & claimed)
		return false;
	for (unsigned i = 0; i < PLIC_SOURCES; i++)
		if (estate_load(&p->priority[i]) > (i ? PLIC_PRIORITY_MASK : 0))
			return false;
	for (u32 i = 0; i < vm->config.vcpus; i++) {
		const struct vcpu_record *r = vm->vcpu[i].r;
		u64 own = estate_load(&r->plic_claimed);

		if (estate_load(&r->plic_enable) & ~PLIC_REAL_SOURCES)
			return false;
		if (estate_load(&r->plic_threshold) > PLIC_PRIORITY_MASK)
			return false;
		if (own & by_contexts)
			return false;
		by_contexts |= own;
	}
	return by_contexts == claimed;
}
