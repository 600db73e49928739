/*
 * The SBI (2.0) that confidential guests see. Most of it ends here: what concerns the guest's integrity (its fences, its
 * harts), and what needs nobody. Of the calls that the hypervisor answers it gets the arguments that the table gives it.
 */
#include "warden/private/enter.h"
#include "warden/private/vcpu.h"

#include "abi/guest.h"

#define EXT_BASE   0x10u
#define EXT_TIME   0x54494d45u
#define EXT_IPI	   0x735049u
#define EXT_RFENCE 0x52464e43u
#define EXT_HSM	   0x48534du
#define EXT_SRST   0x53525354u
#define EXT_DBCN   0x4442434eu
#define EXT_SUSP   0x53555350u

#define SPEC_VERSION 0x02000000u
/* As the hypervisor tells its ordinary guests. */
#define IMPL_ID	     0x4f4c56u
#define IMPL_VERSION 1

/* The hypervisor takes so much text at once. */
#define TEXT_MAX 64

/* A call on its way. */
struct ecall {
	struct private_vm *vm;
	struct private_vcpu *v;
	struct vcpu_exit *exit;
	u64 function;
	const u64 *a; /* a0 .. a5 */
	s64 error;
	u64 value;
	bool told;	/* the hypervisor is told of it */
	bool no_return; /* the handler has seen to pc and registers itself, or it happens again */
};

struct extension {
	u64 id;
	u32 functions;
	void (*handle)(struct ecall *c);
};

static const struct extension *find(u64 id);

/* ---- What the hypervisor answers ---- */

static void ask(struct ecall *c, u32 arguments)
{
	u32 n;

	c->exit->kind = PRIVATE_EXIT_CALL;
	for (n = 0; n < 6; n++)
		c->exit->arg[n] = n < arguments ? c->a[n] : 0;
	c->exit->arg[6] = c->function;
	c->exit->arg[7] = c->v->x[17];
	c->exit->length = 4;
	c->told = true;
	c->no_return = true;
}

static void ipi(struct ecall *c)
{
	ask(c, 2); /* hart mask, its base */
}

static void srst(struct ecall *c)
{
	if ((u32)c->a[0] > 2 || (u32)c->a[1] > 1)
		c->error = PRIVATE_INVALID_PARAM;
	else
		ask(c, 2); /* type, reason */
}

/* ---- Text ---- */

/* The page is not there yet: the hypervisor is asked for it, and the call is made again. */
static void fault(struct ecall *c, u64 at, u64 access)
{
	c->exit->kind = PRIVATE_EXIT_FAULT;
	c->exit->arg[0] = at & ~(PAGE_SIZE - 1);
	c->exit->arg[1] = access;
	c->told = true;
	c->no_return = true;
}

static void clear_text(struct ecall *c)
{
	u32 n;

	for (n = 0; n < 8; n++)
		c->exit->arg[n] = 0;
}

/*
 * Copies what may be told of `bytes` at `at`: as much as lies in one page, and fits. False: the page is not there yet.
 */
static bool copy_text(struct ecall *c, u64 at, u64 bytes)
{
	const u64 count = MIN(MIN(bytes, (u64)TEXT_MAX), PAGE_SIZE - at % PAGE_SIZE);
	const u64 page = table_private_page(c->vm, at & ~(PAGE_SIZE - 1));

	if (!page) {
		fault(c, at, 0);
		return false;
	}
	clear_text(c);
	port_copy(c->exit->arg, port_at(page + at % PAGE_SIZE), count);
	c->exit->bytes = count;
	return true;
}

static bool is_private(const struct private_vm *vm, u64 at, u64 bytes)
{
	return !(at & PRIVATE_SHARED_BIT) && exit_is_ram(vm, at, bytes);
}

static void write_text(struct ecall *c, enum private_exit kind)
{
	const u64 bytes = c->a[0];

	if (c->a[2] || !is_private(c->vm, c->a[1], bytes)) {
		c->error = PRIVATE_INVALID_PARAM;
	} else if (bytes && copy_text(c, c->a[1], bytes)) {
		c->exit->kind = kind;
		c->exit->reg = 1;
		c->exit->length = 4;
		c->told = true;
		c->no_return = true;
	}
}

static void debug_console(struct ecall *c)
{
	switch (c->function) {
	case 0:
		write_text(c, PRIVATE_EXIT_CONSOLE);
		break;
	case 1:
		/* Input goes to the UART only. */
		break;
	default:
		c->exit->kind = PRIVATE_EXIT_CONSOLE;
		clear_text(c);
		c->exit->arg[0] = c->a[0] & 0xff;
		c->exit->bytes = 1;
		c->exit->reg = 0;
		c->exit->length = 4;
		c->told = true;
		c->no_return = true;
		break;
	}
}

/* ---- BASE, TIME ---- */

static void base(struct ecall *c)
{
	switch (c->function) {
	case 0:
		c->value = SPEC_VERSION;
		break;
	case 1:
		c->value = IMPL_ID;
		break;
	case 2:
		c->value = IMPL_VERSION;
		break;
	case 3:
		c->value = find(c->a[0]) != NULL;
		break;
	default: /* mvendorid, marchid, mimpid: 0 means not given */
		break;
	}
}

static void set_timer(struct ecall *c)
{
	enter_set_timer(c->a[0]);
}

/* ---- RFENCE ---- */

static struct private_vcpu *vcpu_with_id(const struct private_vm *vm, u64 id)
{
	return id < PRIVATE_VCPUS ? vm->vcpu[id] : NULL;
}

/*
 * The set of vCPUs that (mask, base) names; base -1: all. False: one of them does not exist. Vcpu ids are below 64, so that
 * bits that would wrap are ids that do not exist.
 */
static bool targets(const struct private_vm *vm, u64 mask, u64 base, u64 *set)
{
	u64 all = 0, id;

	for (id = 0; id < PRIVATE_VCPUS; id++)
		if (vm->vcpu[id])
			all |= 1ull << id;
	if (base == ~0ull) {
		*set = all;
		return true;
	}
	if (mask && (base >= PRIVATE_VCPUS || mask << base >> base != mask))
		return false;
	*set = mask ? mask << base : 0;
	return !(*set & ~all);
}

/*
 * The harts that have one of those vCPUs now. One that is entered later fences everything as it enters: it has said where it
 * is before that.
 */
static u64 harts_of(const struct private_vm *vm, u64 set)
{
	u64 harts = 0, id;
	u32 hart;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (id = 0; set >> id; id++) {
		if (!(set >> id & 1))
			continue;
		hart = __atomic_load_n(&vm->vcpu[id]->hart, __ATOMIC_RELAXED);
		if (hart)
			harts |= 1ull << (hart - 1);
		if (id == PRIVATE_VCPUS - 1)
			break;
	}
	return harts;
}

static void rfence(struct ecall *c)
{
	static const enum enter_fence kinds[] = { ENTER_FENCE_I, ENTER_FENCE_VMA, ENTER_FENCE_VMA_ASID };
	const u64 self = 1ull << c->v->id;
	u64 set;

	if (c->function >= sizeof(kinds) / sizeof(kinds[0])) {
		/* HFENCE is for hypervisors; guests have no H extension. */
		c->error = PRIVATE_NOT_SUPPORTED;
		return;
	}
	if (!targets(c->vm, c->a[0], c->a[1], &set)) {
		c->error = PRIVATE_INVALID_PARAM;
		return;
	}
	enter_remote_fence(c->vm, kinds[c->function], set & self, harts_of(c->vm, set & ~self), c->a[2],
			   c->a[3], c->a[4]);
}

/* ---- HSM, SUSP ---- */

#define HSM_STARTED	 0
#define HSM_STOPPED	 1
#define HSM_STOP_PENDING 3

#define SUSPEND_RETENTIVE     0u
#define SUSPEND_NON_RETENTIVE 0x80000000u

static void hart_start(struct ecall *c)
{
	struct private_vcpu *target = vcpu_with_id(c->vm, c->a[0]);
	u32 stopped = PRIVATE_VCPU_STOPPED;

	if (!target) {
		c->error = PRIVATE_INVALID_PARAM;
	} else if (!is_private(c->vm, c->a[1], 1) || c->a[1] % 2) {
		c->error = PRIVATE_INVALID_ADDRESS;
	} else if (!__atomic_compare_exchange_n(&target->state, &stopped, PRIVATE_VCPU_RUNNING, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		c->error = PRIVATE_ALREADY_AVAILABLE;
	} else {
		vcpu_reset(target, c->a[1], c->a[2]);
		__atomic_store_n(&target->state, PRIVATE_VCPU_READY, __ATOMIC_RELEASE);
		c->exit->kind = PRIVATE_EXIT_START;
		c->exit->arg[0] = target->id;
		c->exit->length = 4;
		c->told = true;
		c->no_return = true;
	}
}

static void hart_stop(struct ecall *c)
{
	c->exit->kind = PRIVATE_EXIT_STOPPED;
	c->told = true;
	c->no_return = true;
}

static void hart_status(struct ecall *c)
{
	const struct private_vcpu *target = vcpu_with_id(c->vm, c->a[0]);

	if (!target)
		c->error = PRIVATE_INVALID_PARAM;
	else
		c->value = __atomic_load_n(&target->state, __ATOMIC_ACQUIRE) == PRIVATE_VCPU_STOPPED
				   ? HSM_STOPPED
				   : HSM_STARTED;
}

static void wait_at(struct ecall *c)
{
	if (enter_is_awaited())
		return;
	exit_waits(c->vm, c->exit);
	c->told = true;
}

/* Goes on at `pc` with reset supervisor registers once something is pending. */
static void suspend_non_retentive(struct ecall *c, u64 pc, u64 opaque)
{
	if (!is_private(c->vm, pc, 1) || pc % 2) {
		c->error = PRIVATE_INVALID_ADDRESS;
		return;
	}
	wait_at(c);
	enter_reset_supervisor();
	c->v->pc = pc;
	c->v->x[10] = c->v->id;
	c->v->x[11] = opaque;
	c->no_return = true;
}

static void hart_suspend(struct ecall *c)
{
	if (c->a[0] == SUSPEND_RETENTIVE)
		wait_at(c);
	else if (c->a[0] == SUSPEND_NON_RETENTIVE)
		suspend_non_retentive(c, c->a[1], c->a[2]);
	else
		c->error = PRIVATE_INVALID_PARAM;
}

static void hsm(struct ecall *c)
{
	static void (*const functions[])(struct ecall * c) = { hart_start, hart_stop, hart_status,
							       hart_suspend };

	functions[c->function](c);
}

static void system_suspend(struct ecall *c)
{
	u64 id;

	if ((u32)c->a[0]) {
		c->error = PRIVATE_INVALID_PARAM;
		return;
	}
	for (id = 0; id < PRIVATE_VCPUS; id++) {
		const struct private_vcpu *other = c->vm->vcpu[id];

		if (other && other != c->v &&
		    __atomic_load_n(&other->state, __ATOMIC_ACQUIRE) != PRIVATE_VCPU_STOPPED) {
			c->error = PRIVATE_DENIED;
			return;
		}
	}
	suspend_non_retentive(c, c->a[1], c->a[2]);
}

/* ---- abi/guest.h ---- */

static void convert(struct ecall *c, bool to_shared)
{
	struct private_conversion *conversion = &c->vm->conversion[c->v->id];
	const u64 at = c->a[0], bytes = c->a[1];

	if (!bytes || bytes > BLOCK_SIZE || at % PAGE_SIZE || bytes % PAGE_SIZE ||
	    !is_private(c->vm, at, bytes)) {
		c->error = PRIVATE_INVALID_PARAM;
		return;
	}
	/* The end last: until then there is nothing for PRIVATE_CLEAR, which may look at it meanwhile. */
	conversion->from = at;
	conversion->to_shared = to_shared;
	__atomic_store_n(&conversion->to, at + bytes, __ATOMIC_RELEASE);
	c->exit->kind = PRIVATE_EXIT_CONVERT;
	c->exit->arg[0] = at;
	c->exit->arg[1] = bytes;
	c->exit->arg[2] = to_shared;
	c->exit->length = 4;
	c->told = true;
	c->no_return = true;
}

/* A pointer into the guest's private memory, `bytes` of it in one page; NULL: it is told something else. */
static void *private_bytes(struct ecall *c, u64 at, u64 bytes, u64 access)
{
	u64 page;

	if (!is_private(c->vm, at, bytes) || at % PAGE_SIZE > PAGE_SIZE - bytes) {
		c->error = PRIVATE_INVALID_PARAM;
		return NULL;
	}
	page = table_private_page(c->vm, at & ~(PAGE_SIZE - 1));
	if (!page) {
		fault(c, at, access);
		return NULL;
	}
	return port_at(page + at % PAGE_SIZE);
}

/* Made beside the guest's memory: what is signed is not to change meanwhile. */
static void report(struct ecall *c)
{
	const void *given = private_bytes(c, c->a[0], PRIVATE_NONCE_SIZE, 0);
	void *to = given ? private_bytes(c, c->a[1], sizeof(struct private_report), PRIVATE_ACCESS_WRITE)
			 : NULL;
	struct private_report made;
	u8 nonce[PRIVATE_NONCE_SIZE];

	if (!to)
		return;
	port_copy(nonce, given, sizeof(nonce));
	c->error = report_make(c->vm, nonce, &made);
	if (!c->error)
		port_copy(to, &made, sizeof(made));
}

static void outlive(struct ecall *c)
{
	switch (c->function) {
	case GUEST_INFO:
		c->value = GUEST_VERSION;
		break;
	case GUEST_PMSG_WRITE:
		write_text(c, PRIVATE_EXIT_PMSG);
		break;
	case GUEST_SHARE:
	case GUEST_UNSHARE:
		convert(c, c->function == GUEST_SHARE);
		break;
	case GUEST_REPORT:
		report(c);
		break;
	default: /* the root VM's */
		c->error = PRIVATE_DENIED;
		break;
	}
}

/* ---- Dispatch ---- */

static const struct extension extensions[] = {
	// clang-format off
	{ EXT_BASE,   7, base },
	{ EXT_TIME,   1, set_timer },
	{ EXT_IPI,    1, ipi },
	{ EXT_RFENCE, 7, rfence },
	{ EXT_HSM,    4, hsm },
	{ EXT_SRST,   1, srst },
	{ EXT_DBCN,   3, debug_console },
	{ EXT_SUSP,   1, system_suspend },
	{ GUEST_EXT,  8, outlive },
	// clang-format on
};

static const struct extension *find(u64 id)
{
	const struct extension *e;

	for (e = extensions; e < extensions + sizeof(extensions) / sizeof(extensions[0]); e++)
		if (e->id == id)
			return e;
	return NULL;
}

bool ecall_is_told(struct private_vm *vm, struct private_vcpu *v, struct vcpu_exit *exit)
{
	struct ecall c = { .vm = vm, .v = v, .exit = exit, .function = v->x[16], .a = &v->x[10] };
	const struct extension *e = find(v->x[17]);

	if (e && c.function < e->functions)
		e->handle(&c);
	else
		c.error = PRIVATE_NOT_SUPPORTED;
	if (!c.no_return) {
		v->x[10] = (u64)c.error;
		v->x[11] = c.value;
		v->pc += 4;
	}
	return c.told;
}
