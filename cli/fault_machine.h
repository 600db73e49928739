/*
 * A machine that the gdb stub has stopped, as the fault campaign sees it: where the life lies, which harts are in it, and what
 * it can write to.
 *
 * A hart is in the hypervisor if it is in supervisor mode with a trap vector that only the hypervisor has: what the stub says
 * of a hart in a guest are the guest's registers, and those of its CSRs.
 */
#ifndef CLI_FAULT_MACHINE_H
#define CLI_FAULT_MACHINE_H

#include "cli/fault_image.h"
#include "cli/gdb_remote.h"

#define FAULT_HARTS_MAX 8

/* Numbers of CSRs (privileged specification, tables 3 and 4). */
#define CSR_SSTATUS    0x100u
#define CSR_SIE	       0x104u
#define CSR_STVEC      0x105u
#define CSR_SSCRATCH   0x140u
#define CSR_SEPC       0x141u
#define CSR_STIMECMP   0x14du
#define CSR_SATP       0x180u
#define CSR_HSTATUS    0x600u
#define CSR_HEDELEG    0x602u
#define CSR_HIDELEG    0x603u
#define CSR_HCOUNTEREN 0x606u
#define CSR_HENVCFG    0x60au
#define CSR_HGATP      0x680u

struct fault_hart {
	u64 pc, sp, satp, hgatp;
	bool is_inside; /* in the hypervisor */
	u64 slot;	/* then: where its life lies */
};

/* Pages that a life may write to. */
struct fault_range {
	u64 at, bytes;
};

#define FAULT_RANGES_MAX 256
#define FAULT_TABLES_MAX 512

struct fault_machine {
	struct gdb_remote *gdb;
	const struct fault_image *image;
	u32 hart_count;
	struct fault_hart harts[FAULT_HARTS_MAX];
	u64 slot; /* of the life that runs; 0: there is none yet */
	u64 life; /* its number */
	u64 estate_size;
	/* By fault_machine_tables. */
	struct fault_range writable[FAULT_RANGES_MAX];
	size_t writable_count;
	u64 tables[FAULT_TABLES_MAX]; /* pages of page tables, its own and the guests' */
	size_t table_count;
};

/* All return 0 or a negative errno of the stub's. */

/* Looks at all harts, and at the estate for the life. */
int fault_machine_look(struct fault_machine *m);

/* Finds what it can write and where the tables lie. */
int fault_machine_tables(struct fault_machine *m);

/* How many bytes of the life's heap have ever been given out. */
int fault_machine_heap(struct fault_machine *m, u64 *bytes);

/* The n-th of the harts that are in the hypervisor, NULL if there is none. */
const struct fault_hart *fault_machine_inside(const struct fault_machine *m, u64 n);

/* The life's estate lies there. */
u64 fault_machine_estate(void);

/* Start of a slot. */
u64 fault_machine_slot(unsigned n);

#endif
