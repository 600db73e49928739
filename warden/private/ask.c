#include "warden/private/pool.h"
#include "warden/private/table.h"

enum precondition {
#define PRECONDITION(name, error, text) IS_##name,
#include "warden/private/calls.h"
	PRECONDITIONS
};

/* A precondition: does the argument's value meet it? It may note in the ask what it has found. */
typedef bool (*check)(struct private_ask *a, u64 value);

static bool check_VM(struct private_ask *a, u64 value)
{
	if (value >= PRIVATE_VMS)
		return false;
	a->vm = private_vm(value);
	return true;
}

#define check_VM_UNLOCKED check_VM

static bool check_STATE_NONE(struct private_ask *a, u64 value)
{
	(void)value;
	return a->vm->state == PRIVATE_VM_NONE;
}

static bool check_STATE_LAUNCH(struct private_ask *a, u64 value)
{
	(void)value;
	return a->vm->state == PRIVATE_VM_LAUNCH;
}

static bool check_STATE_ALIVE(struct private_ask *a, u64 value)
{
	(void)value;
	return a->vm->state == PRIVATE_VM_ALIVE;
}

static bool check_STATE_LIVE(struct private_ask *a, u64 value)
{
	return check_STATE_LAUNCH(a, value) || check_STATE_ALIVE(a, value);
}

static bool check_STATE_ANY(struct private_ask *a, u64 value)
{
	return !check_STATE_NONE(a, value);
}

static bool devices_are_sane(const struct private_config *c)
{
	u64 i, j;

	if (c->device_count > PRIVATE_DEVICES)
		return false;
	for (i = 0; i < PRIVATE_DEVICES; i++) {
		const u64 base = c->device[i].base;

		if (i >= c->device_count) {
			if (base || c->device[i].kind)
				return false;
			continue;
		}
		if (base % PAGE_SIZE || base >= PRIVATE_SHARED_BIT ||
		    (base >= c->ram_base && base - c->ram_base < c->ram_size))
			return false;
		for (j = 0; j < i; j++)
			if (c->device[j].base == base)
				return false;
	}
	return true;
}

static bool config_is_sane(const struct private_config *c)
{
	return c->ram_base % BLOCK_SIZE == 0 && c->ram_size % BLOCK_SIZE == 0 && c->ram_size &&
	       c->ram_base < PRIVATE_SHARED_BIT && c->ram_size <= PRIVATE_SHARED_BIT - c->ram_base &&
	       c->vcpus >= 1 && c->vcpus <= PRIVATE_VCPUS && devices_are_sane(c);
}

/* `bytes` of ordinary RAM at a multiple of `alignment`. */
static bool is_host(struct private_ask *a, u64 address, u64 bytes, u64 alignment)
{
	if (address % alignment || !port_is_ordinary(address, bytes))
		return false;
	a->host = port_at(address);
	return true;
}

/* Read once: what is checked is what is used. The VM does not exist yet, so nobody looks at its configuration. */
static bool check_CONFIG(struct private_ask *a, u64 value)
{
	if (!is_host(a, value, sizeof(a->vm->config), sizeof(u64)))
		return false;
	port_copy(&a->vm->config, a->host, sizeof(a->vm->config));
	return config_is_sane(&a->vm->config);
}

static bool check_BLOCK(struct private_ask *a, u64 value)
{
	a->block = value;
	return pool_has_block(value);
}

static bool check_BLOCK_FREE(struct private_ask *a, u64 value)
{
	(void)a;
	return pool_owner(value) == 0;
}

static bool owns(const struct private_vm *vm, u64 block)
{
	return pool_has_block(block) && pool_owner(block) == 1 + private_vm_number(vm);
}

static bool check_BLOCK_OWNED(struct private_ask *a, u64 value)
{
	return owns(a->vm, value);
}

static bool check_BLOCK_LEAVES(struct private_ask *a, u64 value)
{
	if (a->vm->state == PRIVATE_VM_ENDING)
		return __atomic_load_n(&a->vm->running, __ATOMIC_ACQUIRE) == 0;
	return pool_block_is_unused(value);
}

static bool check_PRIVATE(struct private_ask *a, u64 value)
{
	const struct private_config *c = &a->vm->config;

	a->at = value;
	return value % PAGE_SIZE == 0 && value >= c->ram_base && value - c->ram_base < c->ram_size;
}

static bool check_SHARED(struct private_ask *a, u64 value)
{
	const bool is_ram = check_PRIVATE(a, value ^ PRIVATE_SHARED_BIT);

	a->at = value;
	return is_ram;
}

static bool check_ADDRESS(struct private_ask *a, u64 value)
{
	return check_PRIVATE(a, value) || check_SHARED(a, value);
}

static bool check_LEVEL_ANY(struct private_ask *a, u64 value)
{
	a->level = (u32)value;
	return value <= 2;
}

static bool check_LEVEL_TABLE(struct private_ask *a, u64 value)
{
	return value && check_LEVEL_ANY(a, value);
}

static bool check_LEVEL_LEAF(struct private_ask *a, u64 value)
{
	return value <= 1 && check_LEVEL_ANY(a, value) && a->at % table_span(a->level) == 0;
}

static bool check_LEVEL_PAGE(struct private_ask *a, u64 value)
{
	a->level = 0;
	return value == 0;
}

static bool check_TABLE_THERE(struct private_ask *a, u64 value)
{
	(void)value;
	a->entry = table_entry(a->vm, a->at, a->level);
	return a->entry;
}

static bool check_EMPTY(struct private_ask *a, u64 value)
{
	return check_TABLE_THERE(a, value) && !*a->entry;
}

static bool check_TABLE_EMPTY(struct private_ask *a, u64 value)
{
	return check_TABLE_THERE(a, value) && table_entry_is_table(*a->entry) && table_is_empty(*a->entry);
}

static bool check_LEAF(struct private_ask *a, u64 value)
{
	return check_TABLE_THERE(a, value) && table_entry_is_leaf(*a->entry);
}

static bool check_HUGE(struct private_ask *a, u64 value)
{
	a->level = 1;
	return check_LEAF(a, value);
}

static bool check_TABLE_FULL(struct private_ask *a, u64 value)
{
	a->level = 1;
	return check_TABLE_THERE(a, value) && table_entry_is_table(*a->entry) && table_is_full(*a->entry);
}

static bool check_MAPPED(struct private_ask *a, u64 value)
{
	a->page = table_private_page(a->vm, value);
	return a->page;
}

static bool check_NOT_SHARED(struct private_ask *a, u64 value)
{
	return table_none_shared(a->vm, value, a->level);
}

static bool check_NOT_PRIVATE(struct private_ask *a, u64 value)
{
	return !table_private_page(a->vm, value ^ PRIVATE_SHARED_BIT);
}

static bool check_ASKED(struct private_ask *a, u64 value)
{
	const u64 span = table_span(a->level);
	u32 i;

	for (i = 0; i < PRIVATE_VCPUS; i++) {
		const struct private_conversion *c = &a->vm->conversion[i];

		if (c->to_shared && value >= c->from && value < c->to && c->to - value >= span)
			return true;
	}
	return false;
}

static bool check_PAGE(struct private_ask *a, u64 value)
{
	a->page = value;
	return value % PAGE_SIZE == 0 && owns(a->vm, value - value % BLOCK_SIZE);
}

static bool check_PAGE_UNUSED(struct private_ask *a, u64 value)
{
	(void)a;
	return pool_use(value) == PRIVATE_PAGE_UNUSED;
}

/* A leaf's pages lie in one block, because both it and the leaf begin at a multiple of the leaf's size. */
static bool check_PAGES_UNUSED(struct private_ask *a, u64 value)
{
	return a->level ? value % BLOCK_SIZE == 0 && pool_block_is_unused(value)
			: check_PAGE_UNUSED(a, value);
}

static bool check_HOST_PAGE(struct private_ask *a, u64 value)
{
	return is_host(a, value, PAGE_SIZE, PAGE_SIZE);
}

static bool check_HOST_USES(struct private_ask *a, u64 value)
{
	return is_host(a, value, POOL_BLOCK_PAGES, 1);
}

static bool check_HOST_BYTES(struct private_ask *a, u64 value)
{
	const u64 bytes = a->arg[3];

	return bytes >= 1 && bytes <= PAGE_SIZE && is_host(a, value, bytes, 1);
}

static bool check_HOST_REPORT(struct private_ask *a, u64 value)
{
	return is_host(a, value, sizeof(struct private_report), sizeof(u64));
}

static bool check_HOST_REQUEST(struct private_ask *a, u64 value)
{
	return is_host(a, value, sizeof(struct private_request), sizeof(u64));
}

static bool check_VCPU(struct private_ask *a, u64 value)
{
	return value < a->vm->config.vcpus;
}

static bool check_VCPU_NONE(struct private_ask *a, u64 value)
{
	return !a->vm->vcpu[value];
}

static bool check_VCPUS(struct private_ask *a, u64 value)
{
	u64 i;

	(void)value;
	for (i = 0; i < a->vm->config.vcpus; i++)
		if (!a->vm->vcpu[i])
			return false;
	return true;
}

static bool check_EVEN(struct private_ask *a, u64 value)
{
	(void)a;
	return value % 2 == 0;
}

static const struct {
	check check;
	s64 error;
} preconditions[PRECONDITIONS] = {
#define PRECONDITION(name, error, text) [IS_##name] = { check_##name, PRIVATE_##error },
#include "warden/private/calls.h"
};

#define CONDITIONS 8

struct call {
	s64 (*handler)(struct private_ask *a);
	struct {
		u8 is; /* 1 + enum precondition; 0: no more */
		u8 argument;
	} when[CONDITIONS];
};

static const struct call calls[PRIVATE_CALL_END] = {
#define WHEN(name, n)            \
	{                        \
		1 + IS_##name, n \
	}
#define CALL(name, handler, ...) [PRIVATE_##name] = { handler, { __VA_ARGS__ } },
#include "warden/private/calls.h"
};

/* The lock comes with the number. */
static s64 find_vm(const struct call *call, struct private_ask *a)
{
	if (!check_VM(a, a->arg[call->when[0].argument]))
		return PRIVATE_INVALID_PARAM;
	return port_lock_try(&a->vm->lock) ? PRIVATE_OK : PRIVATE_BUSY;
}

static s64 do_call(const struct call *call, struct private_ask *a)
{
	u32 i;

	for (i = 0; i < CONDITIONS && call->when[i].is; i++) {
		const u32 is = call->when[i].is - 1u;

		if (!preconditions[is].check(a, a->arg[call->when[i].argument]))
			return preconditions[is].error;
	}
	return call->handler(a);
}

s64 private_call(u64 function, const u64 arg[5], u64 *value)
{
	struct private_ask a;
	const struct call *call;
	s64 rc;

	if (function >= PRIVATE_CALL_END || !calls[function].handler)
		return PRIVATE_NOT_SUPPORTED;
	call = &calls[function];
	/* What preconditions find is there when they have been met; a structure of zeroes costs as much as a call. */
	a.arg[0] = arg[0];
	a.arg[1] = arg[1];
	a.arg[2] = arg[2];
	a.arg[3] = arg[3];
	a.arg[4] = arg[4];
	a.vm = NULL;
	a.value = 0;
	/* Without a pool there are no VMs, and INFO says why. */
	if (!pool_is_there() && function != PRIVATE_INFO)
		return PRIVATE_NOT_SUPPORTED;
	if (function == PRIVATE_ENTER && arg[0] < PRIVATE_VMS) {
		/* Nothing else has to be fast. */
		a.vm = private_vm(arg[0]);
		return vcpu_enter(&a);
	}
	if (call->when[0].is == 1 + IS_VM) {
		rc = find_vm(call, &a);
		if (rc)
			return rc;
		rc = do_call(call, &a);
		port_unlock(&a.vm->lock);
	} else {
		rc = do_call(call, &a);
	}
	*value = a.value;
	return rc;
}
