/* See warden.h. */
#include "tests/confidential/warden.h"
#include "core/lib/errno.h"
#include "core/memory/backing.h"
#include "tests/confidential/kept.h"

/* Both have one. */
#define vm_create warden_vm_create
#include "warden/private/pool.h"
#include "warden/private/table.h"
#include <string.h>

HOST_KEEP u64 warden_refusals;
HOST_KEEP u64 warden_done[PRIVATE_CALL_END];
HOST_KEEP u64 warden_refuses;
static HOST_KEEP bool outlives;
static HOST_KEEP u64 closed, closed_bytes;

/* False after a life has ended: the warden's variables have to come back. */
static bool awake;

/* ---- port.h ---- */

void *port_at(u64 address)
{
	if (address - host->ram >= host->ram_size)
		host_fail("the warden reaches for what is no RAM");
	return (void *)(uintptr_t)address;
}

bool port_is_ordinary(u64 address, u64 bytes)
{
	return bytes && address >= host->ram && address - host->ram < host->ram_size &&
	       bytes <= host->ram_size - (address - host->ram) && !pool_touches(address, bytes);
}

void port_fence(u32 vmid)
{
	(void)vmid;
	__atomic_fetch_add(&host->fences, 1, __ATOMIC_RELAXED);
}

void port_copy(void *to, const void *from, u64 bytes)
{
	memcpy(to, from, bytes);
}

void port_zero_page(u64 address)
{
	memset(port_at(address), 0, PAGE_SIZE);
}

/* ---- What is not looked at here ---- */

void measure_begin(struct measure *m, const struct private_config *config)
{
	(void)m;
	(void)config;
}

void measure_load(struct measure *m, u64 at, const void *bytes, u64 count)
{
	(void)m;
	(void)at;
	(void)bytes;
	(void)count;
}

void measure_end(struct measure *m, u64 pc, u64 a1, u8 digest[PRIVATE_DIGEST_SIZE])
{
	(void)m;
	(void)pc;
	(void)a1;
	memset(digest, 0, PRIVATE_DIGEST_SIZE);
}

void rings_create(struct private_vm *vm, void *notes)
{
	(void)vm;
	(void)notes;
}

void vcpu_create(struct private_vm *vm, u32 id, u64 page)
{
	vm->vcpu[id] = port_at(page);
}

void vcpu_begin(struct private_vm *vm, u64 pc, u64 a1)
{
	(void)vm;
	(void)pc;
	(void)a1;
}

static s64 nothing(void)
{
	return PRIVATE_NOT_SUPPORTED;
}

s64 rings_take(struct private_ask *a)
{
	(void)a;
	return nothing();
}

s64 rings_complete(struct private_ask *a)
{
	(void)a;
	return nothing();
}

s64 vcpu_enter(struct private_ask *a)
{
	(void)a;
	return nothing();
}

s64 vcpu_state(struct private_ask *a)
{
	(void)a;
	return nothing();
}

s64 report_call(struct private_ask *a)
{
	(void)a;
	return nothing();
}

bool report_has_key(void)
{
	return false;
}

/* ---- */

static int errno_of(s64 error)
{
	switch (error) {
	case PRIVATE_OK:
		return 0;
	case PRIVATE_NOT_SUPPORTED:
		return -ENOSYS;
	case PRIVATE_INVALID_PARAM:
		return -EINVAL;
	case PRIVATE_DENIED:
		return -EPERM;
	case PRIVATE_INVALID_ADDRESS:
		return -EFAULT;
	case PRIVATE_ALREADY_AVAILABLE:
		return -EALREADY;
	case PRIVATE_INVALID_STATE:
		return -EBUSY;
	case PRIVATE_BUSY:
		return -EAGAIN;
	default:
		return -EIO;
	}
}

static int call(enum private_call function, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 *value)
{
	const u64 arg[5] = { a0, a1, a2, a3, a4 };
	u64 result = 0;
	int error;

	if (outlives && !awake)
		warden_kept_restore();
	if (outlives)
		awake = true;
	error = function == warden_refuses ? -EIO : errno_of(private_call(function, arg, &result));
	if (outlives)
		warden_kept_save();
	if (error && error != -EAGAIN && function != PRIVATE_READ_TABLE)
		__atomic_fetch_add(&warden_refusals, 1, __ATOMIC_RELAXED);
	if (!error)
		__atomic_fetch_add(&warden_done[function], 1, __ATOMIC_RELAXED);
	if (value)
		*value = result;
	return error;
}

void warden_outlives(bool lives)
{
	outlives = lives;
	warden_kept_save();
}

void warden_start(u64 bytes)
{
	closed = host->ram + host->ram_size - bytes;
	closed_bytes = bytes;
	warden_refusals = 0;
	warden_refuses = 0;
	memset(warden_done, 0, sizeof(warden_done));
	memset((void *)(uintptr_t)closed, 0xa5, bytes);
	estate.machine.reserved[0] = (struct machine_range){ closed, bytes };
	estate.machine.reserved_count = 1;
	estate_machine_write();
	pool_begin(closed, bytes, 0x3fff);
	awake = true;
	host->on_private = call;
	warden_outlives(true);
}

void warden_asks(const struct vm *vm, u32 id, u64 from, u64 to)
{
	if (outlives && !awake)
		warden_kept_restore();
	if (outlives)
		awake = true;
	port_lock(&private_vm(private_number(vm))->lock);
	private_vm(private_number(vm))->conversion[id] = (struct private_conversion){ from, to, from != to };
	port_unlock(&private_vm(private_number(vm))->lock);
	if (outlives)
		warden_kept_save();
}

u8 *warden_reaches(const struct vm *vm, u64 at)
{
	const struct private_vm *p = private_vm(private_number(vm));
	const u64 page = at & PRIVATE_SHARED_BIT ? table_shared_page(p, at) : table_private_page(p, at);

	return page ? (u8 *)(uintptr_t)page + at % PAGE_SIZE : NULL;
}

struct vm *warden_vm(u64 memory, u32 vcpus)
{
	struct vm_config config = { .memory = memory, .vcpus = vcpus, .flags = VM_CONFIDENTIAL };
	char why[160];
	struct vm *vm;

	config.devices[0].kind = VM_DEV_CONSOLE;
	if (private_plan(&config, why, sizeof(why)))
		host_fail(why);
	vm = fixture_vm(&config);
	if (private_launch(vm) || private_final(vm, GPA(GUEST_RAM_BASE), 0))
		host_fail(fixture_log());
	fixture_run(vm);
	return vm;
}

void warden_heir(void)
{
	fixture_die(LIFE_PANIC, "test");
	fixture_heir();
}
