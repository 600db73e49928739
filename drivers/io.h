/*
 * Access to registers of the machine's devices, and order between them and memory that devices read and write.
 *
 * Registers are identity-mapped, and DMA is coherent with the harts' caches, as RISC-V platforms have it.
 */
#ifndef DRIVERS_IO_H
#define DRIVERS_IO_H

#include "abi/types.h"

/* Orders all accesses before it, to memory and to registers, before all that follow. */
static inline void io_fence(void)
{
	__asm__ volatile("fence iorw, iorw" ::: "memory");
}

/* What is read from memory afterwards is at least as new as the register's value. */
static inline u32 io_read32(u64 at)
{
	u32 value = *(volatile u32 *)(uintptr_t)at;

	__asm__ volatile("fence i, ir" ::: "memory");
	return value;
}

/* The device sees all stores to memory before this one. */
static inline void io_write32(u64 at, u32 value)
{
	__asm__ volatile("fence w, o" ::: "memory");
	*(volatile u32 *)(uintptr_t)at = value;
}

static inline u8 io_read8(u64 at)
{
	u8 value = *(volatile u8 *)(uintptr_t)at;

	__asm__ volatile("fence i, ir" ::: "memory");
	return value;
}

static inline void io_write8(u64 at, u8 value)
{
	__asm__ volatile("fence w, o" ::: "memory");
	*(volatile u8 *)(uintptr_t)at = value;
}

/* Memory shared with a device: read and written exactly once, as the device may change it meanwhile. */
#define SHARED_READ(x)	       __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define SHARED_WRITE(x, value) __atomic_store_n(&(x), (value), __ATOMIC_RELAXED)

#endif
