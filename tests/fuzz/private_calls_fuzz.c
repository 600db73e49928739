/*
 * A hostile hypervisor: calls with any arguments. A call is a byte that names it and one for each argument, which stands for a
 * number that comes close to something: a page of the pool, of RAM, of the guest, or 8 raw bytes. After each input all that
 * world_check knows must hold.
 */
#include <string.h>

#include "tests/private/world.h"

struct input {
	const u8 *at;
	const u8 *end;
};

static u8 byte(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static u64 raw(struct input *in)
{
	u64 value = 0;

	for (u32 i = 0; i < 8; i++)
		value = value << 8 | byte(in);
	return value;
}

static u64 argument(struct input *in)
{
	const u8 kind = byte(in);
	const u64 n = byte(in);

	switch (kind % 9) {
	case 0:
		return n % 20; /* small: a VM, a level, a vCPU */
	case 1:
		return WORLD_POOL + n % (WORLD_POOL_BLOCKS + 1) * BLOCK_SIZE;
	case 2:
		return WORLD_BLOCK(0) + n * PAGE_SIZE;
	case 3:
		return WORLD_GUEST + n % 5 * BLOCK_SIZE + n / 5 * PAGE_SIZE;
	case 4:
		return PRIVATE_SHARED_BIT | (WORLD_GUEST + n % 5 * BLOCK_SIZE + n / 5 * PAGE_SIZE);
	case 5:
		return WORLD_RAM + n * PAGE_SIZE;
	case 6:
		return world_config(1 + n % 3);
	case 7:
		return n * 24;
	default:
		return raw(in);
	}
}

static void ask_to_share(struct input *in)
{
	const u64 vm = byte(in) % PRIVATE_VMS, from = WORLD_GUEST + byte(in) * PAGE_SIZE;

	world_asks(vm, byte(in) % PRIVATE_VCPUS, from, from + byte(in) * PAGE_SIZE);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, data + size };
	u64 a[5];

	world_start();
	while (in.at < in.end) {
		const u8 call = byte(&in);

		if (call == 0xff) {
			ask_to_share(&in);
			continue;
		}
		for (u32 i = 0; i < 5; i++)
			a[i] = i < 4 ? argument(&in) : 0;
		(void)world_call(
			(enum private_call)(PRIVATE_INFO + call % (PRIVATE_CALL_END - PRIVATE_INFO + 1)),
			a[0], a[1], a[2], a[3], a[4]);
	}
	world_check();
	world_stop();
	world_check();
	return 0;
}
