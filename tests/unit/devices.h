/*
 * Test VMs with devices on the fake machine, and the guest's side of them: register accesses, and the driver's half of
 * a virtqueue. For unit tests and fuzzers alike, so it checks with MUST and not with cmocka.
 *
 * With DEVICES_CONFIDENTIAL the VMs' rings are the warden's to read, as a confidential VM's are (devices_private.h).
 *
 * What a test keeps across lives it keeps on its stack or in HOST_KEEP. VMs are named by their index, because struct vm
 * dies with its life.
 */
#ifndef TESTS_UNIT_DEVICES_H
#define TESTS_UNIT_DEVICES_H

#include "core/devices/console.h"
#include "core/devices/mmio.h"
#include "core/devices/plic.h"
#include "core/devices/uart.h"
#include "core/devices/vdev.h"
#include "core/devices/virtio.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/memory/backing.h"
#include "core/survive/adopt.h"
#include "core/survive/life.h"
#include "core/vcpu/sched.h"
#include "tests/lib/fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef DEVICES_CONFIDENTIAL
#include "tests/unit/devices_private.h"
#define DEVICES_BOUNCED true
#else
#define DEVICES_BOUNCED false
#endif

#define MUST(c)                                                                               \
	do {                                                                                  \
		if (!(c)) {                                                                   \
			(void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #c); \
			abort();                                                              \
		}                                                                             \
	} while (0)

/* Guest RAM of each test VM: blocks of which none continues the one before on the host. */
#define DEVICES_BLOCKS 3
#define DEVICES_MEMORY (DEVICES_BLOCKS * BLOCK_SIZE)

/* First life: the machine and its estate, no VM yet. Its RAM has holes, so that guest RAM is in pieces. */
static inline void devices_start(void)
{
	const u64 window[4] = { 0 };
	struct machine_record m;

	fixture_machine(&m, MIB(64), 1);
	m.ram[0].size = LAYOUT_ESTATE_OFFSET + MIB(4);
	for (m.ram_count = 1; m.ram_count < MACHINE_MAX_RAM; m.ram_count++)
		m.ram[m.ram_count] = (struct machine_range){
			.base = host->ram + MIB(24) + m.ram_count * 2 * BLOCK_SIZE,
			.size = BLOCK_SIZE,
		};
	MUST(!estate_create(host->ram + LAYOUT_ESTATE_OFFSET, &m));
	log_open(estate.log);
	life_begin(false, host_slot(fixture_life), 0, arch_time(), window);
	sched_init(estate.machine.timebase);
}

/* A VM has been made. */
static inline void devices_made(struct vm *vm)
{
#ifdef DEVICES_CONFIDENTIAL
	devices_hide(vm);
	rings_host_start(vm);
#else
	(void)vm;
#endif
}

/* The next VM, with these devices. It runs as far as devices care, but its vCPUs are stopped. */
static inline void devices_vm(u32 vcpus, const struct vm_device_config *devices)
{
	struct vm_config config = { .vcpus = vcpus, .memory = DEVICES_MEMORY };
	struct vm *vm;

	if (devices)
		memcpy(config.devices, devices, sizeof(config.devices));
	vm = fixture_vm(&config);
	MUST(vm->config.extent_count == DEVICES_BLOCKS);
	estate_store(&vm->s->run_state, VM_RUNNING);
	uart_reset(vm);
	for (u64 i = 0; i < DEVICES_BLOCKS; i++)
		MUST(!backing_touch(vm, GPA(GUEST_RAM_BASE + i * BLOCK_SIZE)));
	devices_made(vm);
}

/* The heir of the life that has just ended, ready to run its VMs. */
static inline void devices_heir(void)
{
	fixture_heir();
	for (unsigned n = 0; n < MAX_VMS; n++)
		MUST(estate_vm(n)->state.run_state == VM_UNUSED || vms[n]);
#ifdef DEVICES_CONFIDENTIAL
	for (unsigned n = 0; n < MAX_VMS; n++)
		if (vms[n])
			devices_hide(vms[n]);
#endif
	adopt_resume();
}

/* ---- The guest ---- */

static inline void guest_finish(struct vcpu *v, struct txn *t, u64 value, void *cookie)
{
	if (cookie)
		txn_set(t, &v->r->x[10], value);
	txn_set(t, &v->r->pc, v->r->pc + 4);
}

/* Loads into a0, or stores, as vCPU `cpu` of VM `n`. */
static inline int guest_access(unsigned n, unsigned cpu, u64 at, unsigned bytes, bool write, u64 *value)
{
	return mmio_access(&vms[n]->vcpu[cpu], arch_txn(), GPA(at), bytes, write, value, guest_finish,
			   write ? NULL : value);
}

static inline u32 guest_in(unsigned n, u64 at, unsigned bytes)
{
	u64 value = 0;

	MUST(!guest_access(n, 0, at, bytes, false, &value));
	MUST(vms[n]->vcpu[0].r->x[10] == value);
	return (u32)value;
}

static inline void guest_out(unsigned n, u64 at, unsigned bytes, u64 value)
{
#ifdef DEVICES_CONFIDENTIAL
	rings_host_store(n, at, bytes, value);
#endif
	MUST(!guest_access(n, 0, at, bytes, true, &value));
}

/* Guest RAM as the guest's CPU sees it, up to the end of its block. */
static inline void *guest_ram(unsigned n, u64 at)
{
	hpa_t host_at;
	u64 run;

	MUST(!backing_lookup(vms[n], GPA(at), &host_at, &run));
	return (void *)(uintptr_t)host_at.a;
}

/* What the harts' loops do for devices, until nothing has been left for a while: the host's devices take turns. */
static inline void guest_loop(void)
{
	unsigned idle = 0;

	for (unsigned rounds = 0; idle < 8; rounds++) {
		bool more = false;

		MUST(rounds < 10000);
		drivers_poll();
		for (unsigned n = 0; n < MAX_VMS; n++)
			if (vms[n])
				more |= virtio_work(vms[n], arch_txn());
		idle = more ? 0 : idle + 1;
	}
}

/* ---- The driver's side of a virtqueue (virtio 1.2, section 2.7) ---- */

struct driver_desc {
	u64 at;
	u32 bytes;
	u16 flags;
	u16 next;
};

#define DRIVER_NEXT	1u
#define DRIVER_WRITE	2u
#define DRIVER_INDIRECT 4u

/* A queue of VM `vm`'s device `slot`; its rings begin at `base`, which is a multiple of 64 KiB. */
struct driver_queue {
	unsigned vm, slot, number;
	u64 base;
	u16 num;
	u16 next_desc; /* given out round robin; tests never have all of them under way */
	u16 used;      /* elements taken back */
};

#define DRIVER_DESC  0x0000u
#define DRIVER_AVAIL 0x2000u
#define DRIVER_USED  0x3000u
#define DRIVER_DATA  0x4000u /* room for buffers behind the rings */

static inline u64 driver_reg(unsigned slot, u64 reg)
{
	return GUEST_VIRTIO_BASE + slot * GUEST_VIRTIO_STRIDE + reg;
}

static inline u32 driver_in(unsigned vm, unsigned slot, u64 reg)
{
	return guest_in(vm, driver_reg(slot, reg), 4);
}

static inline void driver_out(unsigned vm, unsigned slot, u64 reg, u64 value)
{
	guest_out(vm, driver_reg(slot, reg), 4, value);
}

/* Initialisation up to FEATURES_OK with all that the device offers; returns that. */
static inline u64 driver_begin(unsigned vm, unsigned slot)
{
	u64 features;

	driver_out(vm, slot, 0x70, 0);
	driver_out(vm, slot, 0x70, 1);
	driver_out(vm, slot, 0x70, 3);
	driver_out(vm, slot, 0x14, 1);
	features = (u64)driver_in(vm, slot, 0x10) << 32;
	driver_out(vm, slot, 0x14, 0);
	features |= driver_in(vm, slot, 0x10);
	driver_out(vm, slot, 0x24, 1);
	driver_out(vm, slot, 0x20, features >> 32);
	driver_out(vm, slot, 0x24, 0);
	driver_out(vm, slot, 0x20, (u32)features);
	driver_out(vm, slot, 0x70, 11);
	MUST(driver_in(vm, slot, 0x70) == 11);
	return features;
}

static inline void driver_queue_addresses(const struct driver_queue *q, u64 desc, u64 avail, u64 used)
{
	driver_out(q->vm, q->slot, 0x30, q->number);
	driver_out(q->vm, q->slot, 0x38, q->num);
	driver_out(q->vm, q->slot, 0x80, (u32)desc);
	driver_out(q->vm, q->slot, 0x84, desc >> 32);
	driver_out(q->vm, q->slot, 0x90, (u32)avail);
	driver_out(q->vm, q->slot, 0x94, avail >> 32);
	driver_out(q->vm, q->slot, 0xa0, (u32)used);
	driver_out(q->vm, q->slot, 0xa4, used >> 32);
	driver_out(q->vm, q->slot, 0x44, 1);
}

static inline void driver_queue_start(struct driver_queue *q)
{
	q->next_desc = 0;
	q->used = 0;
	memset(guest_ram(q->vm, q->base), 0, DRIVER_DATA);
	driver_queue_addresses(q, q->base + DRIVER_DESC, q->base + DRIVER_AVAIL, q->base + DRIVER_USED);
}

static inline void driver_ok(unsigned vm, unsigned slot)
{
	driver_out(vm, slot, 0x70, 15);
}

static inline struct driver_desc *driver_desc(const struct driver_queue *q, unsigned n)
{
	return (struct driver_desc *)guest_ram(q->vm, q->base + DRIVER_DESC) + n;
}

/* avail: [0] flags, [1] idx, then the ring. */
static inline u16 *driver_avail(const struct driver_queue *q)
{
	return guest_ram(q->vm, q->base + DRIVER_AVAIL);
}

static inline u16 driver_used_idx(const struct driver_queue *q)
{
	return ((u16 *)guest_ram(q->vm, q->base + DRIVER_USED))[1];
}

static inline u32 *driver_used(const struct driver_queue *q, u16 entry)
{
	return (u32 *)guest_ram(q->vm, q->base + DRIVER_USED + 4 + 8ull * (entry % q->num));
}

/* Makes descriptor `head` available. */
static inline void driver_offer(struct driver_queue *q, u16 head)
{
	u16 *avail = driver_avail(q);

	avail[2 + avail[1] % q->num] = head;
	avail[1]++;
}

/* A chain of `count` buffers; their `next` is filled in. Returns its head. */
static inline u16 driver_chain(struct driver_queue *q, const struct driver_desc *buffers, unsigned count)
{
	u16 head = (u16)(q->next_desc % q->num);

	for (unsigned i = 0; i < count; i++) {
		unsigned at = (unsigned)q->next_desc++ % q->num;

		*driver_desc(q, at) = buffers[i];
		if (i + 1 < count) {
			driver_desc(q, at)->flags |= DRIVER_NEXT;
			driver_desc(q, at)->next = (u16)((at + 1) % q->num);
		}
	}
	return head;
}

static inline void driver_add(struct driver_queue *q, const struct driver_desc *buffers, unsigned count)
{
	driver_offer(q, driver_chain(q, buffers, count));
}

static inline void driver_kick(const struct driver_queue *q)
{
	driver_out(q->vm, q->slot, 0x50, q->number);
}

/* Takes the next used element: true and what it says, or false and nonsense. */
static inline bool driver_take(struct driver_queue *q, u32 *head, u32 *bytes)
{
	*head = *bytes = ~0u;
	if (q->used == driver_used_idx(q))
		return false;
	*head = driver_used(q, q->used)[0];
	*bytes = driver_used(q, q->used)[1];
	q->used++;
	return true;
}

static inline bool driver_broken(unsigned vm, unsigned slot)
{
	return driver_in(vm, slot, 0x70) & 64;
}

static inline bool driver_interrupted(unsigned vm, unsigned slot)
{
	return driver_in(vm, slot, 0x60) & 1;
}

/* The line of the slot is up at the interrupt controller. */
static inline bool driver_line(unsigned vm, unsigned slot)
{
	return vms[vm]->s->plic.line >> GUEST_VIRTIO_IRQ(slot) & 1;
}

static inline void driver_acknowledge(unsigned vm, unsigned slot)
{
	driver_out(vm, slot, 0x64, 3);
}

#endif
