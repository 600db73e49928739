/* The warden's word for a confidential VM: carried, not believed. */
#include "core/arch.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"
#include "core/private/private.h"

/* Tries, if another hart is in a call for the VM: some tenths of a second. Who asks asks again then. */
#define TRIES 20000

int private_report(const struct vm *vm, const struct private_request *request, struct private_report *report)
{
	/* The warden takes whole structures in this life's own data; control_poll's lock protects them. */
	static struct private_request asked;
	static struct private_report answer;
	int error = -EAGAIN;

	if (!vm_is_confidential(vm))
		return -EOPNOTSUPP;
	if (vm->s->run_state != VM_RUNNING && vm->s->run_state != VM_PAUSED)
		return -ENXIO;
	asked = *request;
	for (int i = 0; i < TRIES && error == -EAGAIN; i++) {
		arch_beat();
		error = arch_private(PRIVATE_REPORT, private_number(vm), (uintptr_t)&asked,
				     (uintptr_t)&answer, 0, 0, NULL);
	}
	if (!error)
		*report = answer;
	return error;
}
