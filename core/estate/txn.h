/*
 * Transactions on the estate: either every word of an operation changes or none does.
 *
 * A hart has one redo entry, in its hart record. An operation stages the words that it wants to change; the commit
 * stores their number, which makes the entry valid, applies them and clears the number. A life that dies before that
 * store has done nothing and the heir lets the operation happen again; one that dies behind it is finished by the
 * heir, which applies the entry: to apply it twice does no harm.
 *
 * Two harts never have the same word in their entries at a time: what a word belongs to (a device, a VM, a vCPU that
 * is loaded on a hart) has a lock or an owner, and the owner keeps it until the entry is applied.
 */
#ifndef CORE_ESTATE_TXN_H
#define CORE_ESTATE_TXN_H

#include "abi/estate.h"
#include "core/estate/estate.h"

/* Staged effects of the operation that the calling hart has under way. */
struct txn {
	struct redo_entry *redo;
	struct redo_op *next; /* behind the last that is staged */
};

/* Begins with nothing staged. `redo` belongs to the calling hart (tests: to anyone). */
static inline void txn_begin(struct txn *t, struct redo_entry *redo)
{
	t->redo = redo;
	t->next = redo->op;
}

static inline bool txn_is_empty(const struct txn *t)
{
	return t->next == t->redo->op;
}

static inline u64 txn_count(const struct txn *t)
{
	return (u64)(t->next - t->redo->op);
}

/* Ends a life by assertion if an operation has more effects than an entry holds. */
_Noreturn void txn_overflow(void);

/* Stages: `word` of the estate will be `value`. A later value for the same word wins. */
static inline void txn_set(struct txn *t, u64 *word, u64 value)
{
	struct redo_op *op = t->next;

	if (__builtin_expect(op == &t->redo->op[REDO_MAX], 0))
		txn_overflow();
	estate_store(&op->word, (u64)(uintptr_t)word);
	estate_store(&op->value, value);
	t->next = op + 1;
}

/* The value that `word` will have: the staged one, or what is there. */
u64 txn_get(const struct txn *t, const u64 *word);

/* Commits and applies. Afterwards the transaction is empty and may be used again. */
static inline void txn_commit(struct txn *t)
{
	struct redo_entry *redo = t->redo;
	const struct redo_op *op = redo->op, *end = t->next;

	if (op == end)
		return;
	estate_store(&redo->count, txn_count(t));
	do
		estate_store((u64 *)(uintptr_t)op->word, op->value);
	while (++op < end);
	estate_store(&redo->count, 0);
	t->next = redo->op;
}

/*
 * txn_commit in two halves, for a handler that still has in registers what it staged: between them it stores each staged word
 * itself, with the staged value. A life that dies in between is finished as any other.
 */
static inline void txn_commit_begin(const struct txn *t)
{
	estate_store(&t->redo->count, txn_count(t));
}

static inline void txn_commit_end(struct txn *t)
{
	estate_store(&t->redo->count, 0);
	t->next = t->redo->op;
}

/*
 * For the heir: finishes what a dead life committed. -EINVAL, and nothing applied, if the entry is not one that
 * txn_commit can have left (count, alignment, words of VM and vCPU records, all of one VM).
 */
int txn_recover(struct redo_entry *redo);

#endif
