/*
 * The warden's reading of rings by itself: a guest whose pages lie apart in the host's memory, so that a copy which goes on
 * behind a page's end is found by the address sanitizer, and the driver's half of a queue. For unit tests and the fuzzer.
 */
#ifndef TESTS_UNIT_RINGS_WORLD_H
#define TESTS_UNIT_RINGS_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In place of OpenSBI's types and BearSSL's. */
#define WARDEN_CONTRACT_H
#define WARDEN_PRIVATE_MEASURE_H
#include "abi/estate.h"
struct measure {
	int unused;
};

#include "warden/private/rings.c" /* NOLINT(bugprone-suspicious-include): with other names */

#define MUST(c)                                                                               \
	do {                                                                                  \
		if (!(c)) {                                                                   \
			(void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #c); \
			abort();                                                              \
		}                                                                             \
	} while (0)

#define WORLD_BASE  0x80000000ull
#define WORLD_PAGES 64
#define WORLD_SIZE  (WORLD_PAGES * PAGE_SIZE)

#define DEVICE_BASE(n) (0x10001000ull + (n)*0x1000ull)

/* What the hypervisor offers; each by itself on the heap. */
#define ROOM PRIVATE_ROOM_MAX

static struct {
	u8 *private[WORLD_PAGES]; /* NULL: there is no leaf */
	u8 *shared[WORLD_PAGES];
	struct private_vm vm;
	struct private_rings rings[PRIVATE_DEVICES];
	u8 *bounce;
	struct private_request_io *io;
} world;

/* ---- What rings.c asks of the rest of the warden ---- */

void *port_at(u64 address)
{
	return (void *)(uintptr_t)address;
}

bool port_is_ordinary(u64 address, u64 bytes)
{
	u64 bounce = (u64)(uintptr_t)world.bounce, io = (u64)(uintptr_t)world.io;

	return (address >= bounce && bytes <= ROOM && address - bounce <= ROOM - bytes) ||
	       (address == io && bytes == sizeof(*world.io));
}

void port_copy(void *to, const void *from, u64 bytes)
{
	memcpy(to, from, bytes);
}

static u64 world_page(u8 *const *pages, u64 offset)
{
	MUST(offset < WORLD_SIZE);
	return (u64)(uintptr_t)pages[offset / PAGE_SIZE];
}

u64 table_private_page(const struct private_vm *vm, u64 at)
{
	MUST(vm == &world.vm && !(at & PRIVATE_SHARED_BIT));
	return world_page(world.private, at - WORLD_BASE);
}

u64 table_shared_page(const struct private_vm *vm, u64 at)
{
	MUST(vm == &world.vm && (at & PRIVATE_SHARED_BIT));
	return world_page(world.shared, (at & ~PRIVATE_SHARED_BIT) - WORLD_BASE);
}

/* ---- The guest ---- */

static void world_map(u8 **pages, unsigned n)
{
	if (!pages[n])
		pages[n] = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	memset(pages[n], 0, PAGE_SIZE);
}

static void world_unmap(u8 **pages, unsigned n)
{
	free(pages[n]);
	pages[n] = NULL;
}

/* Private pages all there, none shared, nothing in the bounce pages that could be mistaken. */
static inline void world_start(void)
{
	if (!world.bounce)
		world.bounce = aligned_alloc(PAGE_SIZE, ROOM);
	if (!world.io)
		world.io = aligned_alloc(16, (sizeof(*world.io) + 15) & ~15ull);
	memset(world.bounce, 0xee, ROOM);
	for (unsigned n = 0; n < WORLD_PAGES; n++) {
		world_map(world.private, n);
		world_unmap(world.shared, n);
	}
	memset(world.rings, 0, sizeof(world.rings));
	world.vm = (struct private_vm){ .state = PRIVATE_VM_ALIVE };
	world.vm.config = (struct private_config){
		.ram_base = WORLD_BASE,
		.ram_size = WORLD_SIZE,
		.vcpus = 1,
		.device_count = 2,
		.device = { { .base = DEVICE_BASE(0), .kind = 2 }, { .base = DEVICE_BASE(2), .kind = 1 } },
	};
	rings_create(&world.vm, world.rings);
}

/* Copies to or from the guest's RAM, as the guest does: pages that are there. */
static inline void world_put(u64 at, const void *from, u64 bytes)
{
	for (const u8 *p = from; bytes; bytes--, at++, p++) {
		u64 page = ((at & ~PRIVATE_SHARED_BIT) - WORLD_BASE) / PAGE_SIZE;
		u8 *to = at & PRIVATE_SHARED_BIT ? world.shared[page] : world.private[page];

		memcpy(to + at % PAGE_SIZE, p, 1);
	}
}

static inline void world_get(void *to, u64 at, u64 bytes)
{
	for (u8 *p = to; bytes; bytes--, at++)
		*p++ = (at & PRIVATE_SHARED_BIT ? world.shared
						: world.private)[((at & ~PRIVATE_SHARED_BIT) - WORLD_BASE) /
								 PAGE_SIZE][at % PAGE_SIZE];
}

/* ---- The driver's half of a queue of device 0 ---- */

#define QUEUE_DESC   WORLD_BASE
#define QUEUE_DRIVER (WORLD_BASE + 0x1000)
#define QUEUE_DEVICE (WORLD_BASE + 0x2000)

static inline void driver_write(unsigned device, u64 offset, u32 value)
{
	rings_store(&world.vm, world.vm.config.device[device].base + offset, 4, value);
}

static inline void driver_address(u64 offset, u64 at)
{
	driver_write(0, offset, (u32)at);
	driver_write(0, offset + 4, (u32)(at >> 32));
}

static inline void driver_queue_at(u32 num, u64 desc, u64 driver, u64 device)
{
	driver_write(0, REG_QUEUE_SEL, 0);
	driver_write(0, REG_QUEUE_NUM, num);
	driver_address(REG_QUEUE_DESC, desc);
	driver_address(REG_QUEUE_DRIVER, driver);
	driver_address(REG_QUEUE_DEVICE, device);
	driver_write(0, REG_QUEUE_READY, 1);
}

static inline void driver_queue(u32 num)
{
	driver_queue_at(num, QUEUE_DESC, QUEUE_DRIVER, QUEUE_DEVICE);
}

static inline void driver_desc(unsigned n, u64 at, u32 bytes, u16 flags, u16 next)
{
	const struct ring_desc desc = { .at = at, .bytes = bytes, .flags = flags, .next = next };

	world_put(QUEUE_DESC + n * sizeof(desc), &desc, sizeof(desc));
}

static inline void driver_index(u16 index)
{
	world_put(QUEUE_DRIVER + AVAIL_IDX, &index, sizeof(index));
}

static inline void driver_head(unsigned place, u16 head)
{
	world_put(QUEUE_DRIVER + AVAIL_RING + 2 * place, &head, sizeof(head));
}

static inline u16 used_index(void)
{
	u16 index;

	world_get(&index, QUEUE_DEVICE + USED_IDX, sizeof(index));
	return index;
}

/* ---- The hypervisor ---- */

static inline s64 host_call(s64 (*call)(struct private_ask *), u64 queue, u64 entry, u64 *value)
{
	struct private_ask ask = {
		.arg = { 0, queue, entry, (u64)(uintptr_t)world.io },
		.vm = &world.vm,
	};
	s64 error = call(&ask);

	*value = ask.value;
	return error;
}

static inline void host_offer(u64 room)
{
	*world.io = (struct private_request_io){ .bounce = (u64)(uintptr_t)world.bounce, .room = room };
}

static inline s64 host_take(u64 entry, u64 *value)
{
	host_offer(ROOM);
	return host_call(rings_take, 0, entry, value);
}

static inline s64 host_complete(u64 entry, u64 written, u64 *value)
{
	host_offer(ROOM);
	world.io->written = written;
	return host_call(rings_complete, 0, entry, value);
}

#endif
