/*
 * The estate of this life: where its tables are, and the only way to store into it.
 */
#ifndef CORE_ESTATE_ESTATE_H
#define CORE_ESTATE_ESTATE_H

#include "abi/crash.h"
#include "abi/estate.h"
#include "core/arch.h"

/* Pointers into the estate, set up once by estate_create or estate_adopt; constant afterwards. */
struct estate {
	u64 base;
	u64 size;
	struct estate_header header;
	struct machine_record machine;
	struct hart_record *harts;
	struct life_record *lives;
	struct log_ring *log;
	struct warden_record *warden;
	u8 *vms;
	struct console_ring *consoles;
	u8 *vcpus;
	u32 vcpu_count;
	u8 *crashes;
	struct pmsg_ring *pmsg;
};

/* Hidden, as its definition is: else each use of it loads its address first. */
extern __attribute__((visibility("hidden"))) struct estate estate;

static inline u64 estate_base(void)
{
	return estate.base;
}

/* Every store of the hypervisor to the estate's hot words. */
static inline void estate_store(u64 *word, u64 value)
{
	arch_estate_point();
	arch_store(word, value);
	__asm__ volatile("" ::: "memory");
}

static inline u64 estate_load(const u64 *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* Adds to a word that several harts change, outside of transactions (statistics, flags): one atomic step. */
static inline u64 estate_or(u64 *word, u64 bits)
{
	arch_estate_point();
	return __atomic_fetch_or(word, bits, __ATOMIC_SEQ_CST);
}

static inline struct recorder_record *estate_recorder(void)
{
	return (struct recorder_record *)(estate.base + ESTATE_RECORDER_OFFSET);
}

static inline struct vm_record *estate_vm(unsigned n)
{
	return (struct vm_record *)(estate.vms + (u64)n * VM_RECORD_SIZE);
}

static inline struct vcpu_record *estate_vcpu(u64 n)
{
	return (struct vcpu_record *)(estate.vcpus + n * VCPU_RECORD_SIZE);
}

/* Bytes that an estate for a host with `ram` bytes takes, a multiple of 2 MiB; *vcpus: vCPU records it will have. */
u64 estate_size(u64 ram, u32 *vcpus);

/*
 * Makes a fresh estate at `base` (first life only); everything in it is zeroed, but that no hart has a vCPU
 * (NO_VCPU). `machine` has been read from the device tree. -ENOMEM if the RAM does not hold it.
 */
int estate_create(u64 base, const struct machine_record *machine);

/*
 * Takes over the estate of the life before: validates header and machine, sets up the pointers. Changes nothing.
 * -ENOENT: no valid header; -EPROTO: another version; -EINVAL: bounds.
 */
int estate_adopt(u64 base);

/* Writes the machine record again (the pack has been read). */
void estate_machine_write(void);

/* The record of life `number`. */
static inline struct life_record *estate_life(u64 number)
{
	return &estate.lives[number % LIFE_COUNT];
}

/* Where the crash record of life `number` is, or would be: core/survive/crash.h. */
static inline struct crash_record *estate_crash(u64 number)
{
	return (struct crash_record *)(estate.crashes + number % CRASH_RECORDS * CRASH_RECORD_STRIDE);
}

/* The newest life in the history, or NULL. */
struct life_record *estate_newest_life(void);

#endif
