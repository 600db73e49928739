/*
 * A host to test on: a fake machine, its estate, VMs with RAM and vCPUs; and what an heir finds after its life has ended.
 *
 *	fixture_start();
 *	struct vm *vm = fixture_vm(NULL);
 *	fixture_run(vm);
 *	for (u64 n = 1; host_live(operation, vm, n) == HOST_DIED; n++) {
 *		fixture_heir();
 *		vm = vms[0];
 *		... what the guest sees must be that of before or of after the operation ...
 *		... back to where it began, or fixture_start again ...
 *	}
 *
 * See arch/host/host.h for what happens to static variables at fixture_start and fixture_heir: they are the life's.
 */
#ifndef TESTS_LIB_FIXTURE_H
#define TESTS_LIB_FIXTURE_H

#include "abi/estate.h"
#include "arch/host/host.h"
#include "core/arch.h"
#include "core/estate/estate.h"
#include "core/estate/txn.h"
#include "core/survive/crash.h"
#include "core/vm/vm.h"

/* Number of the running life. */
extern u64 fixture_life;

/* Where a life has its stacks, as on the target. */
extern const struct crash_stacks fixture_stacks;

/* 256 MiB of RAM, 4 harts, a timebase of 10 MHz; an estate, this life's pages, the log. Ends what was before. */
void fixture_start(void);
void fixture_start_with(u64 ram, unsigned harts);

/* The machine of fixture_start_with, for tests that make the estate themselves: host_start and pages_init only. */
void fixture_machine(struct machine_record *m, u64 ram, unsigned harts);

/* Gives the pages of slot (life % 2) to page_alloc, as a life does when it starts. */
void fixture_pages(void);

/*
 * A new VM, VM_STOPPED, with the next index and vCPU records. Of `config` count memory, vcpus, name, devices, affinity;
 * what is 0 gets a value: 64 MiB, 2 vCPUs, "test0". NULL: all so. Ends the program if it cannot be made.
 */
struct vm *fixture_vm(const struct vm_config *config);

/* As if it had been started: VM_RUNNING, all vCPUs runnable and queued. No kernel is loaded. */
void fixture_run(struct vm *vm);

/*
 * The running life ends on hart 1, as the warden leaves the estate behind it. What it says of its end may be longer than what is
 * kept of it. For fixture_heir, some ticks later.
 */
void fixture_die(enum life_cause cause, const char *text);

/*
 * The next life: volatile state is gone; adopts the estate, finishes transactions, makes the VMs, takes back vCPUs from
 * harts. What it finds wrong is in vms[] (NULL) and in the VM's state. Ends the program if the estate itself is refused.
 * Devices do not work on and vCPUs are not queued until adopt_resume().
 */
void fixture_heir(void);

/* What the log holds of this and former lives; for messages that a test expects. Valid until the next call. */
const char *fixture_log(void);

#endif
