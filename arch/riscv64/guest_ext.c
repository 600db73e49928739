/* What guests have beyond the SBI: abi/guest.h. */
#include "abi/guest.h"
#include "arch/riscv64/guest_call.h"
#include "arch/riscv64/native.h"
#include "core/lib/errno.h"
#include "core/memory/backing.h"
#include "core/recorder/recorder.h"
#include "core/root/takeover.h"

/* The result of a request of the root VM. */
static void answer(struct call *c, int error)
{
	switch (error) {
	case 0:
		break;
	case -EPERM:
		c->error = SBI_ERR_DENIED;
		if (!vm_is_root(c->v->vm))
			takeover_refuse(c->v->vm);
		break;
	default:
		c->error = SBI_ERR_FAILED;
		break;
	}
}

/* Prepare and suspend: what they change is committed with the result, under the lock of the VM's state. */
static void step(struct call *c)
{
	struct vm *vm = c->v->vm;
	int error;

	lock_take(&vm->dev_lock);
	error = c->function == GUEST_ROOT_PREPARE ? takeover_prepare(c->v, c->t, &c->value)
						  : takeover_suspend(c->v, c->t);
	if (error == -EAGAIN) {
		/* The guest waits at its ecall, as it does when it asks for a reset. */
		c->hart->kicked = KICK_LOOP;
		c->no_return = true;
	} else if (!error) {
		guest_call_commit(c, c->t);
		c->no_return = true;
	}
	lock_release(&vm->dev_lock);
	if (error != -EAGAIN)
		answer(c, error);
}

static void devirtualise(struct call *c)
{
	int error = takeover_permitted(c->v, &c->value);

	if (!error)
		error = native_devirtualise(c->hart, c->v);
	answer(c, error);
}

/* Bytes of one call: as the debug console takes them. */
#define PMSG_CHUNK 256u

/* The lines are in the estate before the result is: a life that ends in between has them twice (core/recorder/pmsg.c). */
static void pmsg_write(struct call *c)
{
	struct vm *vm = c->v->vm;
	u64 bytes = c->a[0] < PMSG_CHUNK ? c->a[0] : PMSG_CHUNK;
	char text[PMSG_CHUNK];

	if (!recorder_takes_pmsg(vm)) {
		c->error = SBI_ERR_NOT_SUPPORTED;
	} else if (c->a[2] || guest_read(vm, GPA(c->a[1]), text, bytes)) {
		c->error = SBI_ERR_INVALID_PARAM;
	} else if (recorder_pmsg_fits(vm, text, (u32)bytes)) {
		recorder_pmsg(vm, text, (u32)bytes);
		c->value = bytes;
	}
}

void guest_ext(struct call *c)
{
	switch (c->function) {
	case GUEST_INFO:
		c->value = GUEST_VERSION;
		break;
	case GUEST_PMSG_WRITE:
		pmsg_write(c);
		break;
	case GUEST_ROOT_PREPARE:
	case GUEST_ROOT_SUSPEND:
		step(c);
		break;
	case GUEST_ROOT_DEVIRTUALISE:
		devirtualise(c);
		break;
	default:
		c->error = SBI_ERR_NOT_SUPPORTED;
		break;
	}
}
