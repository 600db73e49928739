/* A host on fake harts with a root VM, two harts of four at work, and another VM; and what the root VM asks for. */
#ifndef TESTS_EXITS_ROOT_SCENE_H
#define TESTS_EXITS_ROOT_SCENE_H

#include "tests/exits/exits.h"

#define ROOT_HARTS  4
#define ROOT_PC	    (root->config.extents[0].gpa + 0x1000)
#define ROOT_VECTOR (root->config.extents[0].gpa + 0x3000)

/* Of the running life. */
extern struct vm *root, *other;

void root_start(void);
void root_set_policy(enum crash_policy policy);

/* After a heir: `root` and `other` are its. */
void root_find(void);

/* A vCPU, which is in its guest, makes a request of abi/guest.h. */
void root_ask(struct vcpu *v, u64 function);

/* One that comes back. While it is under way the guest stays at its instruction, and makes it again. -> SBI error. */
s64 root_request(struct vcpu *v, u64 function, u64 *value);

/* The boot vCPU prepares and suspends. */
void root_get_ready(void);

/* The boot vCPU asks for the machine; true if it has it. */
bool root_takes_machine(void);

/* All that root_start has set to work are in their guests. */
bool root_all_run(void);

/* The operator stops the root VM. */
void root_end(void);

/* The device of the machine that the root VM has interrupts. */
#define ROOT_DEVICE_IRQ 8
void root_device_interrupts(void);

#endif
