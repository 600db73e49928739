#include "tests/lib/rings.h"
#include "arch/host/host.h"
#include "core/arch.h"
#include "core/lib/errno.h"
#include "core/memory/backing.h"
#include "core/private/bounce.h"
#include <string.h>

/* In place of OpenSBI's types and BearSSL's; and no other's functions by these names. */
#define WARDEN_CONTRACT_H
#define WARDEN_PRIVATE_MEASURE_H
struct measure {
	int unused;
};

#define port_at		   rings_port_at
#define port_is_ordinary   rings_port_is_ordinary
#define port_copy	   rings_port_copy
#define table_private_page rings_private_page
#define table_shared_page  rings_shared_page
#define rings_take	   rings_host_take
#define rings_complete	   rings_host_complete
#define rings_store	   rings_host_store_to
#define rings_create	   rings_host_create
#define vm_create	   rings_vm_create
#include "warden/private/rings.c" /* NOLINT(bugprone-suspicious-include): with other names */

/* The warden's memory outlives lives; the guest's leaves are those of its extents. */
HOST_KEEP static struct private_vm kept[RINGS_VMS];
HOST_KEEP static struct private_rings devices[RINGS_VMS][PRIVATE_DEVICES];
HOST_KEEP static struct vm_extent extents[RINGS_VMS][VM_MAX_EXTENTS];
HOST_KEEP static u64 missing;

void *port_at(u64 address)
{
	return (void *)(uintptr_t)address;
}

bool port_is_ordinary(u64 address, u64 bytes)
{
	return address >= 4096 && address + bytes >= address;
}

void port_copy(void *to, const void *from, u64 bytes)
{
	memcpy(to, from, bytes);
}

u64 table_private_page(const struct private_vm *vm, u64 at)
{
	const struct vm_extent *e = extents[vm - kept];

	if (missing && at / PAGE_SIZE == missing / PAGE_SIZE)
		return 0;
	for (unsigned i = 0; i < VM_MAX_EXTENTS; i++)
		if (at - e[i].gpa < e[i].size)
			return (e[i].hpa + (at - e[i].gpa)) & ~(u64)(PAGE_SIZE - 1);
	return 0;
}

u64 table_shared_page(const struct private_vm *vm, u64 at)
{
	(void)vm;
	(void)at;
	return 0;
}

void rings_host_start(struct vm *vm)
{
	struct private_vm *k = &kept[vm->index];

	memset(devices[vm->index], 0, sizeof(devices[vm->index]));
	memcpy(extents[vm->index], vm->config.extents, sizeof(extents[vm->index]));
	missing = 0;
	*k = (struct private_vm){ .state = PRIVATE_VM_ALIVE };
	k->config = (struct private_config){ .ram_base = GUEST_RAM_BASE, .ram_size = vm->config.memory };
	bounce_declare(&vm->config, &k->config);
	rings_create(k, devices[vm->index]);
}

static int errno_of(s64 error)
{
	switch (error) {
	case PRIVATE_OK:
		return 0;
	case PRIVATE_INVALID_PARAM:
		return -EINVAL;
	case PRIVATE_INVALID_ADDRESS:
		return -EFAULT;
	case PRIVATE_DENIED:
		return -EPERM;
	case PRIVATE_ALREADY_AVAILABLE:
		return -EALREADY;
	default:
		return -EIO;
	}
}

int rings_host_call(enum private_call call, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 *value)
{
	struct private_ask ask = { .arg = { a0, a1, a2, a3, a4 } };
	s64 error;

	if (call != PRIVATE_TAKE && call != PRIVATE_COMPLETE)
		return -ENOSYS;
	if (a0 >= RINGS_VMS)
		return -EINVAL;
	ask.vm = &kept[a0];
	arch_estate_point();
	error = call == PRIVATE_TAKE ? rings_take(&ask) : rings_complete(&ask);
	*value = ask.value;
	arch_estate_point();
	return errno_of(error);
}

void rings_host_store(unsigned vm, u64 at, unsigned bytes, u64 value)
{
	rings_store(&kept[vm], at, bytes, value);
}

void rings_host_lose(u64 page)
{
	missing = page;
}

int rings_host_fault(u64 page)
{
	if (!missing || page / PAGE_SIZE != missing / PAGE_SIZE)
		return -EFAULT;
	missing = 0;
	return 0;
}
