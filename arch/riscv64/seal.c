/*
 * Read-only from here on: what is constant once a life has begun. A wild store to it is a trap, and costs this life in
 * place of what the store would have made the life do.
 *
 * In the image: variables marked SEALED, and the tables of constants that relocation has written. In the estate: all cold
 * records, and what belongs to no hart, VM or vCPU that exists.
 */
#include "arch/riscv64/csr.h"
#include "arch/riscv64/hart.h"
#include "arch/riscv64/paging.h"
#include "core/estate/estate.h"
#include "core/survive/scrub.h"
#include "core/vm/vm.h"

extern char image_start[], image_sealed[], image_data[];

_Static_assert(ESTATE_WARDEN_OFFSET % PAGE_SIZE == 0 && offsetof(struct vm_record, state) % PAGE_SIZE == 0,
	       "cold records share no page with hot ones");
_Static_assert(VM_RECORD_SIZE % PAGE_SIZE == 0, "VMs share no page");
_Static_assert(sizeof(struct console_ring) % PAGE_SIZE == 0, "consoles share no page");

static void open(const void *from, u64 bytes)
{
	paging_set_writable((u64)(uintptr_t)from, bytes, true);
}

static void open_vm(unsigned n)
{
	struct vm_state *s = &estate_vm(n)->state;

	if (s->run_state == VM_UNUSED)
		return;
	open(s, sizeof(*s));
	open(&estate.consoles[n], sizeof(estate.consoles[n]));
	if (vms[n])
		open(estate_vcpu(s->first_vcpu), (u64)vms[n]->config.vcpus * VCPU_RECORD_SIZE);
}

static void seal_estate(void)
{
	paging_set_writable(estate.base, estate.size, false);
	/* Records of the warden and the black box, and the history of lives, up to the harts. */
	open((void *)(uintptr_t)(estate.base + ESTATE_WARDEN_OFFSET),
	     ESTATE_HARTS_OFFSET - ESTATE_WARDEN_OFFSET);
	for (unsigned n = 0; n < hart_count; n++)
		open(harts[n].record, sizeof(*harts[n].record));
	open(estate.log, sizeof(*estate.log));
	for (unsigned n = 0; n < MAX_VMS; n++)
		open_vm(n);
	open(estate.crashes, CRASH_RECORDS * CRASH_RECORD_STRIDE);
	open(estate.pmsg, sizeof(*estate.pmsg));
}

void paging_seal(void)
{
	/* Addresses are the same without translation, and nothing is read-only then. */
	csr_write(satp, 0);
	sfence_vma_all();
	paging_set_writable((u64)(uintptr_t)image_sealed,
			    (u64)((uintptr_t)image_data - (uintptr_t)image_sealed), false);
	seal_estate();
	scrub_add(image_start, (u64)((uintptr_t)image_data - (uintptr_t)image_start));
	paging_each_table(scrub_add);
	scrub_begin();
	paging_load();
}
