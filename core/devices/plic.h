/*
 * The guest's PLIC (RISC-V Platform-Level Interrupt Controller 1.0): 64 sources, one context (supervisor) a vCPU; context
 * n belongs to hart id n, but for the root VM (core/root/root.h). Its words are struct plic_state of the VM and plic_* of each vCPU's record, under vm->dev_lock.
 */
#ifndef CORE_DEVICES_PLIC_H
#define CORE_DEVICES_PLIC_H

#include "core/devices/mmio.h"

extern const struct mmio_device plic_device;

/* The same for the root VM: contexts are the machine's, and sources of devices that are passed through are the machine's, too. */
extern const struct mmio_device plic_root_device;

/* Stages a change of an input line (level-triggered). dev_lock held. */
void plic_stage_line(struct vm *vm, struct txn *t, unsigned source, bool level);

/* For an heir: puts a line to what the device behind it says, without a transaction. The VM does not run yet. */
void plic_restore_line(struct vm *vm, unsigned source, bool level);

/*
 * After a commit that may have changed it: recomputes `irq` of every vCPU (a word that follows from the others, so that it
 * is no part of the transaction) and notifies those whose value changed. dev_lock held. Also rebuilds after a recovery.
 */
void plic_update(struct vm *vm);

/* Reset values. VM stopped. */
void plic_reset(struct vm *vm);

/* True if an heir may go on with these words, those in the vCPUs' records included. vm->vcpu is set up. */
bool plic_valid(const struct vm *vm);

#endif
