/* What a transaction needs seldom: reading back, and being finished by an heir. */
#include "core/estate/txn.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"

void txn_overflow(void)
{
	panic("a transaction with more than %d effects", REDO_MAX);
}

u64 txn_get(const struct txn *t, const u64 *word)
{
	for (const struct redo_op *op = t->next; op-- > t->redo->op;) {
		if (op->word == (u64)(uintptr_t)word)
			return op->value;
	}
	return estate_load(word);
}

/*
 * True if the word at `offset` lies in a table of `count` records, between bytes `first` and `end` of its record: *record then.
 */
static bool word_in_table(u64 offset, const void *table, u64 count, u64 stride, u64 first, u64 end,
			  u64 *record)
{
	u64 from = (u64)(uintptr_t)table - estate_base();
	u64 within;

	if (!range_inside(offset, sizeof(u64), from, count * stride))
		return false;
	within = (offset - from) % stride;
	*record = (offset - from) / stride;
	return within >= first && within + sizeof(u64) <= end;
}

/*
 * What operations change: the state of a VM, not its configuration; console rings; vCPU records. *vm: whose, which nobody has
 * checked.
 */
static bool word_transactional(u64 offset, u64 *vm)
{
	u64 record;

	if (offset % sizeof(u64))
		return false;
	if (word_in_table(offset, estate.vms, MAX_VMS, VM_RECORD_SIZE, offsetof(struct vm_record, state),
			  sizeof(struct vm_record), vm) ||
	    word_in_table(offset, estate.consoles, MAX_VMS, sizeof(struct console_ring), 0,
			  sizeof(struct console_ring), vm))
		return true;
	if (!word_in_table(offset, estate.vcpus, estate.vcpu_count, VCPU_RECORD_SIZE, 0,
			   sizeof(struct vcpu_record), &record))
		return false;
	*vm = estate_vcpu(record)->vm;
	return true;
}

int txn_recover(struct redo_entry *redo)
{
	u64 count = estate_load(&redo->count), vm = 0, first = 0;

	if (count > REDO_MAX)
		return -EINVAL;
	/* No operation changes words of two VMs. */
	for (u64 i = 0; i < count; i++) {
		if (!word_transactional(redo->op[i].word - estate_base(), &vm) || (i && vm != first))
			return -EINVAL;
		first = vm;
	}
	for (u64 i = 0; i < count; i++)
		estate_store((u64 *)(uintptr_t)redo->op[i].word, redo->op[i].value);
	if (count)
		estate_store(&redo->count, 0);
	return 0;
}
