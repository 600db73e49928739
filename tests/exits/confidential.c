/* The warden's side of confidential vCPUs: see confidential.h, and abi/private.h for what it is to do. */
#include "tests/exits/confidential.h"
#include "core/arch.h"
#include "core/lib/errno.h"
#include "tests/exits/exits.h"
#include <string.h>

HOST_KEEP struct confidential_vcpu confidential[CONFIDENTIAL_VCPUS];

static const u32 questions = 1u << PRIVATE_EXIT_LOAD | 1u << PRIVATE_EXIT_STORE | 1u << PRIVATE_EXIT_CALL |
			     1u << PRIVATE_EXIT_START | 1u << PRIVATE_EXIT_CONSOLE |
			     1u << PRIVATE_EXIT_CONVERT | 1u << PRIVATE_EXIT_PMSG;

static const struct confidential_exit waits = { PRIVATE_EXIT_WAIT, 0, { ~0ull } };
static const struct confidential_exit is_stopped = { PRIVATE_EXIT_STOPPED, 0, { 0 } };

static void tell(const struct confidential_vcpu *v, const struct confidential_exit *e,
		 struct private_run *run)
{
	run->exit = e->exit;
	run->number = v->number;
	run->bytes = e->bytes;
	memcpy(run->arg, e->arg, sizeof(run->arg));
}

static void next(struct confidential_vcpu *v, struct private_run *run)
{
	const struct confidential_exit *e = v->at < v->steps ? &v->step[v->at] : &waits;

	if (questions >> e->exit & 1) {
		v->number++;
		v->state = PRIVATE_VCPU_ASKING;
		if (e->exit == PRIVATE_EXIT_START)
			confidential[e->arg[0]].state = PRIVATE_VCPU_READY;
	} else if (v->at < v->steps && e->exit != PRIVATE_EXIT_BROKEN) {
		v->at++;
		if (e->exit == PRIVATE_EXIT_STOPPED)
			v->state = PRIVATE_VCPU_STOPPED;
	}
	tell(v, e, run);
}

static int enter(struct confidential_vcpu *v, struct private_run *run)
{
	if (v->state == PRIVATE_VCPU_STOPPED) {
		tell(v, &is_stopped, run);
		return 0;
	}
	v->lines |= run->lines;
	v->raised += run->lines & PRIVATE_RAISE_SOFTWARE;
	if (v->state == PRIVATE_VCPU_ASKING) {
		if (run->answered != v->number) {
			tell(v, &v->step[v->at], run);
			return 0;
		}
		memcpy(v->result[v->answers++], run->result, sizeof(run->result));
		v->state = PRIVATE_VCPU_READY;
		v->at++;
	}
	next(v, run);
	return 0;
}

/* A pool behind the machine's RAM. Nobody reaches it. */
static int info(u64 what, u64 *value)
{
	if (what == PRIVATE_INFO_POOL)
		*value = host->ram + GIB(1);
	else if (what == PRIVATE_INFO_POOL_SIZE)
		*value = MIB(64);
	else if (what == PRIVATE_INFO_VM)
		*value = PRIVATE_VM_ALIVE;
	return 0;
}

int confidential_call(enum private_call call, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 *value)
{
	(void)a3;
	(void)a4;
	if (value)
		*value = 0;
	switch (call) {
	case PRIVATE_INFO:
		return value ? info(a0, value) : 0;
	case PRIVATE_READ_TABLE:
		return -EBUSY;
	case PRIVATE_READ_BLOCK:
		memset((void *)(uintptr_t)a2, PRIVATE_PAGE_UNUSED, BLOCK_SIZE / PAGE_SIZE);
		return 0;
	case PRIVATE_ENTER:
		return a1 < CONFIDENTIAL_VCPUS ? enter(&confidential[a1], (void *)(uintptr_t)a2) : -EINVAL;
	case PRIVATE_VCPU_STATE:
		if (a1 < CONFIDENTIAL_VCPUS && value)
			*value = confidential[a1].state;
		return 0;
	default:
		/* Whatever is asked of tables and pages. */
		return 0;
	}
}

void confidential_reset(void)
{
	memset(confidential, 0, sizeof(confidential));
	for (unsigned n = 0; n < CONFIDENTIAL_VCPUS; n++)
		confidential[n].state = n ? PRIVATE_VCPU_STOPPED : PRIVATE_VCPU_READY;
}

void confidential_add(unsigned id, const struct confidential_exit *e)
{
	struct confidential_vcpu *v = &confidential[id];

	if (v->steps == CONFIDENTIAL_STEPS)
		host_fail("too many exits of a confidential vCPU");
	v->step[v->steps++] = *e;
}
