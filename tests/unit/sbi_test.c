/* The SBI that guests see, against the text of the specification (RISC-V SBI 2.0): results, sets of harts, states. */
#include "arch/riscv64/csr.h"
#include "arch/riscv64/guest.h"
#include "arch/riscv64/sbi.h"
#include "core/memory/backing.h"
#include "tests/exits/scene.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define HSM_STARTED	 0
#define HSM_STOPPED	 1
#define HSM_STOP_PENDING 3
#define HSM_SUSPENDED	 4

#define RAM GUEST_RAM_BASE

static struct vm *vm;
static u64 value; /* of the last call */

static void start(enum scene_kind kind)
{
	const struct scene_exit none = { .name = "none", .scene = kind };

	scene_start(&none);
	vm = vms[0];
}

static struct exits_hart *hart_of(u32 vcpu)
{
	int n = exits_hart_of(&vm->vcpu[vcpu]);

	return n < 0 ? NULL : &exits_harts[n];
}

/* vCPU `n` makes a call that does not return to where it was. */
static void call_away(u32 n, u64 extension, u64 function, u64 a0, u64 a1, u64 a2)
{
	struct exits_hart *h = hart_of(n);

	assert_non_null(h);
	h->x[10] = a0;
	h->x[11] = a1;
	h->x[12] = a2;
	h->x[16] = function;
	h->x[17] = extension;
	exits_trap((unsigned)(h - exits_harts), CAUSE_ECALL_VS, 0, 0);
	exits_settle();
}

/* One that returns: all other registers stay, the pc is behind the call. */
static s64 call_from(u32 n, u64 extension, u64 function, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4)
{
	struct exits_hart *h = hart_of(n);
	u64 x[32], pc;

	assert_non_null(h);
	h->x[13] = a3;
	h->x[14] = a4;
	pc = h->pc;
	memcpy(x, h->x, sizeof(x));
	call_away(n, extension, function, a0, a1, a2);
	h = hart_of(n);
	assert_non_null(h);
	assert_int_equal(h->pc, pc + 4);
	for (unsigned i = 1; i < 32; i++) {
		u64 should = i == 12 ? a2 : i == 16 ? function : i == 17 ? extension : x[i];

		if (i != 10 && i != 11)
			assert_int_equal(h->x[i], should);
	}
	value = h->x[11];
	return (s64)h->x[10];
}

static s64 call(u64 extension, u64 function, u64 a0, u64 a1, u64 a2)
{
	return call_from(0, extension, function, a0, a1, a2, 0, 0);
}

/* ---- Which calls there are ---- */

static void base(void **state)
{
	static const u64 there[] = { SBI_EXT_BASE, SBI_EXT_TIME, SBI_EXT_IPI,  SBI_EXT_RFENCE,
				     SBI_EXT_HSM,  SBI_EXT_SRST, SBI_EXT_DBCN, SBI_EXT_SUSP };

	(void)state;
	start(SCENE_USUAL);
	assert_int_equal(call(SBI_EXT_BASE, 0, 0, 0, 0), SBI_SUCCESS);
	assert_int_equal(value, 0x02000000);
	for (u64 f = 1; f < 7; f++)
		assert_int_equal(call(SBI_EXT_BASE, f, 0, 0, 0), SBI_SUCCESS);
	for (unsigned n = 0; n < ARRAY_SIZE(there); n++) {
		assert_int_equal(call(SBI_EXT_BASE, 3, there[n], 0, 0), SBI_SUCCESS);
		assert_int_not_equal(value, 0);
	}
	for (u64 legacy = 0; legacy <= SBI_EXT_LEGACY_LAST; legacy++) {
		assert_int_equal(call(SBI_EXT_BASE, 3, legacy, 0, 0), SBI_SUCCESS);
		assert_int_equal(value, 0);
	}
	assert_int_equal(call(SBI_EXT_BASE, 3, 1ull << 32 | SBI_EXT_BASE, 0, 0), SBI_SUCCESS);
	assert_int_equal(value, 0);
}

static void what_is_not_there(void **state)
{
	static const u64 ids[] = { 0, 8, 0x0a4f4c56, 0x12345678, ~0ull, 1ull << 32 | SBI_EXT_TIME };

	(void)state;
	start(SCENE_USUAL);
	for (unsigned n = 0; n < ARRAY_SIZE(ids); n++)
		assert_int_equal(call(ids[n], 0, 0, 0, 0), SBI_ERR_NOT_SUPPORTED);
	for (unsigned n = 0; n < guest_extension_count; n++) {
		const struct guest_extension *e = &guest_extensions[n];

		assert_int_equal(call(e->id, e->functions, 0, 0, 0), SBI_ERR_NOT_SUPPORTED);
		assert_int_equal(call(e->id, ~0ull, 0, 0, 0), SBI_ERR_NOT_SUPPORTED);
		assert_int_equal(call(e->id, 1ull << 32, 0, 0, 0), SBI_ERR_NOT_SUPPORTED);
	}
}

/* ---- TIME ---- */

static void timer(void **state)
{
	(void)state;
	start(SCENE_USUAL);
	assert_int_equal(call(SBI_EXT_TIME, 0, 12345, 0, 0), SBI_SUCCESS);
	assert_int_equal(hart_of(0)->csr.vstimecmp, 12345);
	assert_int_equal(call(SBI_EXT_TIME, 0, ~0ull, 0, 0), SBI_SUCCESS);
	assert_int_equal(hart_of(0)->csr.vstimecmp, ~0ull);
}

/* ---- Sets of harts ---- */

static bool has_ipi(u32 n)
{
	const struct vcpu *v = &vm->vcpu[n];
	const struct exits_hart *h = hart_of(n);

	return v->r->ipi || (h && (h->csr.hvip & IRQ_VSSI));
}

static void clear_ipis(void)
{
	for (u32 n = 0; n < 3; n++) {
		vm->vcpu[n].r->ipi = 0;
		if (hart_of(n))
			hart_of(n)->csr.hvip = 0;
	}
}

static void masks(void **state)
{
	static const struct {
		u64 mask, base;
		s64 error;
		unsigned reached; /* bit n: vCPU n */
	} table[] = {
		{ 1, 0, SBI_SUCCESS, 1 },
		{ 7, 0, SBI_SUCCESS, 3 }, /* 2 is stopped */
		{ 2, 0, SBI_SUCCESS, 2 },
		{ 1, 1, SBI_SUCCESS, 2 },
		{ 3, 1, SBI_SUCCESS, 2 },
		{ 0, ~0ull, SBI_SUCCESS, 3 }, /* all, whatever the mask */
		{ 8, ~0ull, SBI_SUCCESS, 3 },
		{ 0, 0, SBI_SUCCESS, 0 },
		{ 0, 5000, SBI_SUCCESS, 0 },
		{ 8, 0, SBI_ERR_INVALID_PARAM, 0 },
		{ 9, 0, SBI_ERR_INVALID_PARAM,
		  0 }, /* one that is there and one that is not: nothing happens */
		{ 1, 3, SBI_ERR_INVALID_PARAM, 0 },
		{ 1, 4096, SBI_ERR_INVALID_PARAM, 0 },
		{ 1ull << 63, 0, SBI_ERR_INVALID_PARAM, 0 },
		{ 4, ~0ull - 1, SBI_ERR_INVALID_PARAM, 0 }, /* would wrap to id 0 */
		{ 1, 1ull << 63, SBI_ERR_INVALID_PARAM, 0 },
	};

	(void)state;
	start(SCENE_USUAL);
	for (unsigned n = 0; n < ARRAY_SIZE(table); n++) {
		clear_ipis();
		assert_int_equal(call(SBI_EXT_IPI, 0, table[n].mask, table[n].base, 0), table[n].error);
		for (u32 i = 0; i < 3; i++)
			assert_int_equal(has_ipi(i), table[n].reached >> i & 1);
		assert_int_equal(vms[1]->vcpu[0].r->ipi, 0);
	}
}

static void rfence(void **state)
{
	u64 running, before;

	(void)state;
	start(SCENE_USUAL);
	running = 1ull << exits_hart_of(&vm->vcpu[0]) | 1ull << exits_hart_of(&vm->vcpu[1]);
	for (u64 f = 0; f < 3; f++) {
		for (u32 n = 0; n < 3; n++)
			vm->vcpu[n].r->fence = 0;
		before = exits_firmware.fences;
		assert_int_equal(call_from(0, SBI_EXT_RFENCE, f, 7, 0, 0x1000, 0x3000, 42), SBI_SUCCESS);
		assert_int_equal(exits_firmware.fences, before + 1);
		assert_int_equal(exits_firmware.fence_mask << exits_firmware.fence_base, running);
		/* 0: fence.i; 6 and 5: hfence.vvma without and with ASID, for the VMID that is in those harts. */
		assert_int_equal(exits_firmware.fence_function, f == 0 ? 0 : f == 1 ? 6 : 5);
		if (f > 0) {
			assert_int_equal(exits_firmware.fence_from, 0x1000);
			assert_int_equal(exits_firmware.fence_bytes, 0x3000);
		}
		if (f > 1)
			assert_int_equal(exits_firmware.fence_asid, 42);
		/* Who does not run does it later. */
		assert_int_equal(vm->vcpu[2].r->fence, 1);
	}
	assert_int_equal(call_from(0, SBI_EXT_RFENCE, 1, 0, ~0ull, 0, ~0ull, 0), SBI_SUCCESS);
	assert_int_equal(exits_firmware.fence_bytes, ~0ull);
	before = exits_firmware.fences;
	assert_int_equal(call_from(0, SBI_EXT_RFENCE, 1, 8, 0, 0, 0, 0), SBI_ERR_INVALID_PARAM);
	for (u64 f = 3; f < 7; f++)
		assert_int_equal(call_from(0, SBI_EXT_RFENCE, f, 1, 0, 0, 0, 0), SBI_ERR_NOT_SUPPORTED);
	assert_int_equal(exits_firmware.fences, before);
}

/* What is fenced for later is fenced when the vCPU's hart is told to look. */
static void fence_later(void **state)
{
	struct exits_hart *h;
	u64 before, before_i;

	(void)state;
	start(SCENE_USUAL);
	h = hart_of(1);
	before = h->hfence_vvma;
	before_i = h->fence_i;
	vm->vcpu[1].r->fence = 1;
	arch_kick_vcpu((unsigned)(h - exits_harts));
	exits_interrupt((unsigned)(h - exits_harts));
	assert_true(h->hfence_vvma > before);
	assert_true(h->fence_i > before_i);
	assert_int_equal(vm->vcpu[1].r->fence, 0);
}

/* ---- HSM ---- */

static s64 status(u64 id)
{
	s64 error = call(SBI_EXT_HSM, 2, id, 0, 0);

	return error ? error : (s64)value;
}

static void hart_start(void **state)
{
	struct exits_hart *h;

	(void)state;
	start(SCENE_USUAL);
	assert_int_equal(status(0), HSM_STARTED);
	assert_int_equal(status(1), HSM_STARTED);
	assert_int_equal(status(2), HSM_STOPPED);
	assert_int_equal(status(3), SBI_ERR_INVALID_PARAM);
	assert_int_equal(status(~0ull), SBI_ERR_INVALID_PARAM);
	assert_int_equal(call(SBI_EXT_HSM, 0, 0, RAM, 0), SBI_ERR_ALREADY_AVAILABLE);
	assert_int_equal(call(SBI_EXT_HSM, 0, 1, RAM, 0), SBI_ERR_ALREADY_AVAILABLE);
	assert_int_equal(call(SBI_EXT_HSM, 0, 3, RAM, 0), SBI_ERR_INVALID_PARAM);
	assert_int_equal(call(SBI_EXT_HSM, 0, 4096, RAM, 0), SBI_ERR_INVALID_PARAM);
	assert_int_equal(call(SBI_EXT_HSM, 0, 2, RAM - 4, 0), SBI_ERR_INVALID_ADDRESS);
	assert_int_equal(call(SBI_EXT_HSM, 0, 2, RAM + MIB(4), 0), SBI_ERR_INVALID_ADDRESS);
	assert_int_equal(call(SBI_EXT_HSM, 0, 2, 0, 0), SBI_ERR_INVALID_ADDRESS);
	assert_int_equal(call(SBI_EXT_HSM, 0, 2, ~0ull, 0), SBI_ERR_INVALID_ADDRESS);
	assert_int_equal(status(2), HSM_STOPPED);
	assert_int_equal(call(SBI_EXT_HSM, 0, 2, RAM + 0x2000, 0x1234), SBI_SUCCESS);
	assert_int_equal(status(2), HSM_STARTED);
	h = hart_of(2);
	assert_non_null(h);
	assert_int_equal(h->pc, RAM + 0x2000);
	assert_int_equal(h->x[10], 2);
	assert_int_equal(h->x[11], 0x1234);
	assert_int_equal(h->csr.vsatp, 0);
	assert_false(h->csr.vsstatus & SSTATUS_SIE);
	assert_true(h->csr.sstatus & SSTATUS_SPP);
}

static void hart_stop(void **state)
{
	(void)state;
	start(SCENE_USUAL);
	call_away(1, SBI_EXT_HSM, 1, 0, 0, 0);
	assert_null(hart_of(1));
	assert_int_equal(status(1), HSM_STOPPED);
	/* An IPI does not start it, and is gone when the hart is. */
	assert_int_equal(call(SBI_EXT_IPI, 0, 2, 0, 0), SBI_SUCCESS);
	assert_null(hart_of(1));
	assert_int_equal(call(SBI_EXT_HSM, 0, 1, RAM, 7), SBI_SUCCESS);
	assert_non_null(hart_of(1));
	assert_int_equal(hart_of(1)->x[11], 7);
	assert_false(has_ipi(1));
	/* Nor does one start it that it got, and did not take, before it stopped. */
	vm->vcpu[1].r->ipi = 1;
	call_away(1, SBI_EXT_HSM, 1, 0, 0, 0);
	assert_int_equal(call(SBI_EXT_HSM, 0, 1, RAM, 7), SBI_SUCCESS);
	assert_false(has_ipi(1));
}

/* Two harts start the same one: the second is told so. */
static void start_race(void **state)
{
	(void)state;
	start(SCENE_USUAL);
	assert_int_equal(call_from(0, SBI_EXT_HSM, 0, 2, RAM + 0x100, 1, 0, 0), SBI_SUCCESS);
	assert_int_equal(call_from(1, SBI_EXT_HSM, 0, 2, RAM + 0x200, 2, 0, 0), SBI_ERR_ALREADY_AVAILABLE);
	assert_int_equal(hart_of(2)->pc, RAM + 0x100);
}

/* A hart that has stopped but whose old hart has not put it down is not there to be started. */
static void start_of_one_that_is_going(void **state)
{
	(void)state;
	start(SCENE_USUAL);
	vm->vcpu[1].r->state = VCPU_STOPPED;
	assert_int_equal(status(1), HSM_STOP_PENDING);
	assert_int_equal(call(SBI_EXT_HSM, 0, 1, RAM, 0), SBI_ERR_ALREADY_AVAILABLE);
	start(SCENE_USUAL);
	vm->vcpu[2].away = 1;
	assert_int_equal(status(2), HSM_STOP_PENDING);
	assert_int_equal(call(SBI_EXT_HSM, 0, 2, RAM, 0), SBI_ERR_ALREADY_AVAILABLE);
}

static void suspend(void **state)
{
	struct exits_hart *h;

	(void)state;
	start(SCENE_USUAL);
	assert_int_equal(call(SBI_EXT_HSM, 3, 1, 0, 0), SBI_ERR_INVALID_PARAM);
	assert_int_equal(call(SBI_EXT_HSM, 3, 0x80000001, 0, 0), SBI_ERR_INVALID_PARAM);
	assert_int_equal(call(SBI_EXT_HSM, 3, 1ull << 32, 0, 0), SBI_ERR_INVALID_PARAM);
	assert_int_equal(call(SBI_EXT_HSM, 3, ~0ull, 0, 0), SBI_ERR_INVALID_PARAM);

	/* Retentive: goes on behind the call when something comes. */
	hart_of(1)->csr.hvip = 0;
	call_away(1, SBI_EXT_HSM, 3, 0, 0, 0);
	assert_null(hart_of(1));
	assert_int_equal(status(1), HSM_SUSPENDED);
	assert_int_equal(call(SBI_EXT_HSM, 0, 1, RAM, 0), SBI_ERR_ALREADY_AVAILABLE);
	assert_int_equal(call(SBI_EXT_IPI, 0, 2, 0, 0), SBI_SUCCESS);
	assert_int_equal(status(1), HSM_STARTED);
	h = hart_of(1);
	assert_non_null(h);
	assert_int_equal(h->x[10], SBI_SUCCESS);
	assert_int_equal(h->pc, SCENE_PC + 0x100 + 4);
	assert_true(h->csr.hvip & IRQ_VSSI);

	/* Non-retentive: where it says, in supervisor mode without translation. */
	h->csr.hvip = 0;
	h->csr.vsatp = 8ull << 60;
	call_away(1, SBI_EXT_HSM, 3, 0x80000000, RAM + 0x4000, 0x77);
	assert_null(hart_of(1));
	assert_int_equal(status(1), HSM_SUSPENDED);
	assert_int_equal(call(SBI_EXT_IPI, 0, 2, 0, 0), SBI_SUCCESS);
	h = hart_of(1);
	assert_non_null(h);
	assert_int_equal(h->pc, RAM + 0x4000);
	assert_int_equal(h->x[10], 1);
	assert_int_equal(h->x[11], 0x77);
	assert_int_equal(h->csr.vsatp, 0);
	assert_false(h->csr.vsstatus & SSTATUS_SIE);

	/* What is pending and enabled already ends it at once, of either kind. */
	assert_true(h->csr.hvip & IRQ_VSSI);
	call_away(1, SBI_EXT_HSM, 3, 0, 0, 0);
	assert_non_null(hart_of(1));
	call_away(1, SBI_EXT_HSM, 3, 0x80000000, RAM + 0x5000, 0x78);
	assert_non_null(hart_of(1));
	assert_int_equal(hart_of(1)->pc, RAM + 0x5000);
}

/* A suspended hart's own timer ends it, and the hart that it slept on sees to that. */
static void suspend_until_a_timer(void **state)
{
	struct exits_hart *h;

	(void)state;
	start(SCENE_USUAL);
	h = hart_of(1);
	h->csr.hvip = 0;
	h->csr.vstimecmp = host->now + 5000;
	call_away(1, SBI_EXT_HSM, 3, 0, 0, 0);
	assert_null(hart_of(1));
	assert_int_equal(h->where, EXITS_WFI);
	assert_int_equal(h->csr.stimecmp, host->now + 5000);
	host->now += 5000;
	exits_schedule();
	assert_non_null(hart_of(1));
}

static void system_suspend(void **state)
{
	(void)state;
	start(SCENE_USUAL);
	/* Another hart is not stopped. */
	assert_int_equal(call(SBI_EXT_SUSP, 0, 0, RAM + 0x100, 1), SBI_ERR_DENIED);
	start(SCENE_ALONE);
	assert_int_equal(call(SBI_EXT_SUSP, 0, 1, RAM + 0x100, 1), SBI_ERR_INVALID_PARAM);
	assert_int_equal(call(SBI_EXT_SUSP, 0, 0x80000000, RAM + 0x100, 1), SBI_ERR_INVALID_PARAM);
	assert_int_equal(call(SBI_EXT_SUSP, 0, 0, RAM + MIB(4), 1), SBI_ERR_INVALID_ADDRESS);
	assert_int_equal(call(SBI_EXT_SUSP, 0, 0, 0x1000, 1), SBI_ERR_INVALID_ADDRESS);
	call_away(0, SBI_EXT_SUSP, 0, 0, RAM + 0x100, 0x55);
	assert_null(hart_of(0));
	vm->vcpu[0].r->ipi = 1;
	vcpu_notify(&vm->vcpu[0]);
	exits_settle();
	assert_non_null(hart_of(0));
	assert_int_equal(hart_of(0)->pc, RAM + 0x100);
	assert_int_equal(hart_of(0)->x[10], 0);
	assert_int_equal(hart_of(0)->x[11], 0x55);
	/* Suspended is not stopped. */
	start(SCENE_USUAL);
	hart_of(1)->csr.hvip = 0;
	call_away(1, SBI_EXT_HSM, 3, 0, 0, 0);
	assert_int_equal(call(SBI_EXT_SUSP, 0, 0, RAM + 0x100, 1), SBI_ERR_DENIED);
}

/* ---- SRST ---- */

static void system_reset(void **state)
{
	static const struct {
		u64 type, reason;
		enum vm_run_state state;
		enum vm_stop_reason why;
	} table[] = {
		{ 0, 0, VM_STOPPED, VM_REASON_POWEROFF },
		{ 1, 0, VM_STOPPED, VM_REASON_REBOOT },
		{ 2, 0, VM_STOPPED, VM_REASON_REBOOT },
		{ 0, 1, VM_CRASHED, VM_REASON_GUEST_FAILURE },
	};

	(void)state;
	start(SCENE_USUAL);
	assert_int_equal(call(SBI_EXT_SRST, 0, 3, 0, 0), SBI_ERR_INVALID_PARAM);
	assert_int_equal(call(SBI_EXT_SRST, 0, 0, 2, 0), SBI_ERR_INVALID_PARAM);
	assert_int_equal(call(SBI_EXT_SRST, 0, 0xf0000000, 0, 0), SBI_ERR_INVALID_PARAM);
	assert_int_equal(vm->s->run_state, VM_RUNNING);
	for (unsigned n = 0; n < ARRAY_SIZE(table); n++) {
		start(SCENE_USUAL);
		call_away(0, SBI_EXT_SRST, 0, table[n].type, table[n].reason, 0);
		assert_int_equal(vm->s->run_state, table[n].state);
		assert_int_equal(vm->s->reason, table[n].why);
		for (u32 i = 0; i < 3; i++)
			assert_null(hart_of(i));
		assert_int_equal(vms[1]->s->run_state, VM_RUNNING);
		assert_true(exits_hart_of(&vms[1]->vcpu[0]) >= 0);
	}
}

/* ---- DBCN ---- */

static void debug_console(void **state)
{
	const u64 end = RAM + MIB(4);
	u64 head;

	(void)state;
	start(SCENE_USUAL);
	memcpy(exits_ram(vm, RAM + 0x5000), "hello\n", 6);
	assert_int_equal(call(SBI_EXT_DBCN, 0, 6, RAM + 0x5000, 0), SBI_SUCCESS);
	assert_int_equal(value, 6);
	assert_int_equal(vm->console->head, 6);
	assert_memory_equal(vm->console->data, "hello\n", 6);
	assert_int_equal(call(SBI_EXT_DBCN, 2, 0xffffff21, 0, 0), SBI_SUCCESS);
	assert_int_equal(vm->console->head, 7);
	assert_int_equal(vm->console->data[6], '!');
	/* Some of a long text may be written, not none. */
	head = vm->console->head;
	assert_int_equal(call(SBI_EXT_DBCN, 0, 100000, RAM + 0x5000, 0), SBI_SUCCESS);
	assert_true(value > 0 && value <= 100000);
	assert_int_equal(vm->console->head, head + value);
	/* Up to the end of RAM, and not behind it; nothing that wraps. */
	assert_int_equal(call(SBI_EXT_DBCN, 0, 2, end - 2, 0), SBI_SUCCESS);
	head = vm->console->head;
	assert_int_equal(call(SBI_EXT_DBCN, 0, 3, end - 2, 0), SBI_ERR_INVALID_PARAM);
	assert_int_equal(call(SBI_EXT_DBCN, 0, 1, end, 0), SBI_ERR_INVALID_PARAM);
	assert_int_equal(call(SBI_EXT_DBCN, 0, 1, RAM - 1, 0), SBI_ERR_INVALID_PARAM);
	assert_int_equal(call(SBI_EXT_DBCN, 0, 2, RAM - 1, 0), SBI_ERR_INVALID_PARAM);
	assert_int_equal(call(SBI_EXT_DBCN, 0, 16, ~0ull - 3, 0), SBI_ERR_INVALID_PARAM);
	assert_int_equal(call(SBI_EXT_DBCN, 0, ~0ull, RAM - 256, 0), SBI_ERR_INVALID_PARAM);
	assert_int_equal(call(SBI_EXT_DBCN, 0, 1, RAM, 1), SBI_ERR_INVALID_PARAM);
	assert_int_equal(vm->console->head, head);
	assert_int_equal(call(SBI_EXT_DBCN, 1, 10, RAM, 0), SBI_SUCCESS);
	assert_int_equal(value, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base),		  cmocka_unit_test(what_is_not_there),
		cmocka_unit_test(timer),	  cmocka_unit_test(masks),
		cmocka_unit_test(rfence),	  cmocka_unit_test(fence_later),
		cmocka_unit_test(hart_start),	  cmocka_unit_test(hart_stop),
		cmocka_unit_test(start_race),	  cmocka_unit_test(start_of_one_that_is_going),
		cmocka_unit_test(suspend),	  cmocka_unit_test(suspend_until_a_timer),
		cmocka_unit_test(system_suspend), cmocka_unit_test(system_reset),
		cmocka_unit_test(debug_console),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
