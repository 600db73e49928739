/*
 * The console ring of a VM, in the estate: output waits here for the control channel, across lives.
 *
 * Bytes are stored into the ring before the transaction that counts them commits. If the life dies between the two, up to
 * CONSOLE_STAGE_MAX of the oldest bytes have been overwritten by ones that do not count. So the ring never gives out the
 * CONSOLE_STAGE_MAX bytes that lie where the next ones go.
 */
#include "core/devices/console.h"
#include "core/lib/string.h"

#define CONSOLE_KEPT (CONSOLE_DATA_SIZE - CONSOLE_STAGE_MAX)

size_t console_stage(struct vm *vm, struct txn *t, const void *bytes, size_t count)
{
	struct console_ring *ring = vm->console;
	u64 head = txn_get(t, &ring->head);
	u64 staged = head - estate_load(&ring->head);
	const char *from = bytes;

	if (count > CONSOLE_STAGE_MAX - staged)
		count = CONSOLE_STAGE_MAX - staged;
	if (!count)
		return 0;
	for (size_t done = 0; done < count;) {
		u64 at = (head + done) % CONSOLE_DATA_SIZE;
		size_t run = count - done;

		if (run > CONSOLE_DATA_SIZE - at)
			run = CONSOLE_DATA_SIZE - at;
		arch_estate_point();
		memcpy(&ring->data[at], from + done, run);
		done += run;
	}
	txn_set(t, &ring->head, head + count);
	return count;
}

size_t console_peek(struct vm *vm, u64 *offset, void *to, size_t size)
{
	struct console_ring *ring = vm->console;
	char *out = to;
	u64 head;

	lock_take(&vm->dev_lock);
	head = estate_load(&ring->head);
	if (head > CONSOLE_KEPT && *offset < head - CONSOLE_KEPT)
		*offset = head - CONSOLE_KEPT;
	if (*offset > head)
		*offset = head;
	if (size > head - *offset)
		size = head - *offset;
	for (size_t done = 0; done < size;) {
		u64 at = (*offset + done) % CONSOLE_DATA_SIZE;
		size_t run = size - done;

		if (run > CONSOLE_DATA_SIZE - at)
			run = CONSOLE_DATA_SIZE - at;
		memcpy(out + done, &ring->data[at], run);
		done += run;
	}
	lock_release(&vm->dev_lock);
	return size;
}

void console_sent(struct vm *vm, u64 offset)
{
	struct console_ring *ring = vm->console;

	lock_take(&vm->dev_lock);
	if (offset > estate_load(&ring->sent) && offset <= estate_load(&ring->head))
		estate_store(&ring->sent, offset);
	lock_release(&vm->dev_lock);
}
