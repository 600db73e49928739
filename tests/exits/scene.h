/*
 * Two VMs on fake harts, an exit that one of them makes, and what both can see of the outcome.
 */
#ifndef TESTS_EXITS_SCENE_H
#define TESTS_EXITS_SCENE_H

#include "core/memory/backing.h"
#include "tests/exits/exits.h"

enum scene_kind {
	SCENE_USUAL, /* vCPUs 0 and 1 of VM 0 run, 2 is stopped; VM 1 runs */
	SCENE_ALONE, /* vCPU 0 of VM 0 runs, 1 and 2 are stopped */
	SCENE_LIVE,  /* as usual, and the console of VM 0 has a live output queue, which is empty */
	SCENE_KICK,  /* the same with a line of text in it that the device has not been told of yet */
	SCENE_COUNT,
};

#define SCENE_HARTS 4

/* An exit of vCPU 0 of VM 0. */
struct scene_exit {
	char name[80];
	enum scene_kind scene;
	u64 cause, stval, htval;
	u32 instruction; /* at the guest's pc; 0: what is there */
	u64 a[8];	 /* a0 .. a7 */
	u64 value;	 /* in x15; 0: what is there */
	bool devices;  /* VM 0 has a disk, a network and a console to the black box in its slots 2, 3 and 4 */
	bool unit_off; /* its floating point and vector registers are in the record */
	void (*prepare)(struct vm *vm); /* more to set up, or NULL */
	bool (*outside)(void);		/* what has left the host is as it should be; or NULL */
};

/* Starts a machine in which the exit is about to happen. All registers of all running vCPUs have values of their own. */
void scene_start(const struct scene_exit *e);

/* Lets it happen, and whatever follows from it on other harts. vCPU 0 of VM 0 is in a guest, or comes into one now. */
void scene_perform(const struct scene_exit *e);

/* Where the text of SCENE_KICK is. */
#define SCENE_TEXT "a line of text\n"

#define SCENE_PC     (GUEST_RAM_BASE + 0x1000)
#define SCENE_VECTOR (GUEST_RAM_BASE + 0x3000)

#endif
