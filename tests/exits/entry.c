/* An interpreter of the straight parts of arch/riscv64/entry.S: it reads the source that the target is built from. */
#include "arch/riscv64/csr.h"
#include "arch/riscv64/hart.h"
#include "tests/exits/exits.h"
#include <stdio.h>
#include <string.h>

#define SOURCE "arch/riscv64/entry.S"

struct instruction {
	char op[8];
	unsigned reg;
	u64 offset; /* sd, ld: in the record; csr...: of the register in struct exits_csrs */
	u64 value;  /* li, csrsi, csrci */
	unsigned line;
};

struct code {
	struct instruction at[100];
	unsigned count;
};

HOST_KEEP static struct code leave, enter; /* guest_exit to entry_saved, guest_enter to sret */
HOST_KEEP static unsigned label[4];

static const char *const label_names[4] = { "entry_begin:", "entry_swapped:", "entry_moved:",
					    "entry_saved:" };

static unsigned register_number(const char *name)
{
#define X(n, abi)                    \
	if (strcmp(name, #abi) == 0) \
		return n;
	VCPU_GPRS(X)
#undef X
	host_fail("entry.S: no such register");
}

static u64 record_offset(const char *name)
{
#define X(n, abi)                         \
	if (strcmp(name, "X_" #abi) == 0) \
		return offsetof(struct vcpu_record, x[n]);
	VCPU_GPRS(X)
#undef X
#define X(field, reset, what)          \
	if (strcmp(name, #field) == 0) \
		return offsetof(struct vcpu_record, field);
	VCPU_TRAP_CSRS(X)
#undef X
	if (strcmp(name, "ENTRY") == 0)
		return offsetof(struct vcpu_record, volatile_entry);
	host_fail("entry.S: no such word of the record");
}

static u64 csr_offset(const char *name)
{
	static const struct {
		const char *name;
		u64 offset;
	} table[] = {
		{ "sscratch", offsetof(struct exits_csrs, sscratch) },
		{ "sepc", offsetof(struct exits_csrs, sepc) },
		{ "hstatus", offsetof(struct exits_csrs, hstatus) },
		{ "sstatus", offsetof(struct exits_csrs, sstatus) },
		{ "stvec", offsetof(struct exits_csrs, stvec) },
		{ "hideleg", offsetof(struct exits_csrs, hideleg) },
	};

	for (unsigned n = 0; n < ARRAY_SIZE(table); n++) {
		if (strcmp(name, table[n].name) == 0)
			return table[n].offset;
	}
	host_fail("entry.S: no such control register");
}

/* One line of the source; ends the program at what is no part of an entry. */
static void decode(struct code *c, const char *line, unsigned number)
{
	struct instruction *i = &c->at[c->count];
	char a[32], b[32];

	if (c->count == ARRAY_SIZE(c->at))
		host_fail("entry.S: too long");
	i->line = number;
	if (sscanf(line, " sd %31[a-z0-9], VCPU_%31[A-Za-z0-9_](a0)", a, b) == 2 ||
	    sscanf(line, " ld %31[a-z0-9], VCPU_%31[A-Za-z0-9_](a0)", a, b) == 2) {
		i->reg = register_number(a);
		i->offset = record_offset(b);
	} else if (sscanf(line, " csrr %31[a-z0-9], %31[a-z]", a, b) == 2) {
		i->reg = register_number(a);
		i->offset = csr_offset(b);
	} else if (sscanf(line, " csrw %31[a-z], %31[a-z0-9]", b, a) == 2) {
		i->reg = register_number(a);
		i->offset = csr_offset(b);
	} else if (sscanf(line, " csrrw a0, %31[a-z], %31[a-z0-9]", b, a) == 2) {
		i->reg = register_number(a);
		i->offset = csr_offset(b);
		if (i->reg != 10)
			host_fail("entry.S: an exchange of two registers");
	} else if (sscanf(line, " csrsi %31[a-z], ENTRY_%31[A-Z]", a, b) == 2 ||
		   sscanf(line, " csrci %31[a-z], ENTRY_%31[A-Z]", a, b) == 2) {
		i->offset = csr_offset(a);
		i->value = strcmp(b, "INSIDE") == 0 ? 8 : 16;
	} else if (sscanf(line, " li %31[a-z0-9], HART_%31[A-Z_]", a, b) == 2) {
		i->reg = register_number(a);
		i->value = HART_HIDELEG;
	} else if (sscanf(line, " bne %31[a-z0-9], %31[a-z0-9], entry_going_in", a, b) == 2) {
		i->reg = register_number(a);
		i->value = register_number(b);
	} else {
		(void)fprintf(stderr, "%s:%u: %s", SOURCE, number, line);
		host_fail("entry.S: what the interpreter does not know");
	}
	(void)sscanf(line, " %7s", i->op);
	c->count++;
}

static void parse_label(const char *line, struct code **into)
{
	for (unsigned n = 0; n < ARRAY_SIZE(label); n++) {
		if (strncmp(line, label_names[n], strlen(label_names[n])) == 0)
			label[n] = leave.count;
	}
	if (strncmp(line, "guest_exit:", 11) == 0)
		*into = &leave;
	else if (strncmp(line, "guest_enter:", 12) == 0)
		*into = &enter;
	else if (strncmp(line, "entry_saved:", 12) == 0 || strncmp(line, "hs_trap:", 8) == 0)
		*into = NULL;
}

static void parse(void)
{
	struct code *into = NULL;
	char line[200];
	FILE *f;

	if (leave.count)
		return;
	f = fopen(SOURCE, "r");
	if (!f)
		host_fail("run me in the root of the repository: no " SOURCE);
	/* cppcheck-suppress nullPointerRedundantCheck ; host_fail does not return */
	for (unsigned number = 1; fgets(line, sizeof(line), f); number++) {
		if (line[0] != '\t')
			parse_label(line, &into);
		else if (into && strstr(line, "sret"))
			into = NULL;
		else if (into && line[1] != '.' && line[1] != '/' && line[1] != ' ')
			decode(into, line, number);
	}
	(void)fclose(f);
	if (!leave.count || !enter.count)
		host_fail("entry.S: no guest_exit or no guest_enter");
}

unsigned entry_length(void)
{
	parse();
	return leave.count;
}

unsigned entry_caught_from(void)
{
	parse();
	for (unsigned n = 0; n < leave.count; n++) {
		if (strcmp(leave.at[n].op, "csrci") == 0)
			return n + 1;
	}
	host_fail("entry.S: traps in the trap entry are not caught");
}

void entry_labels(unsigned labels[4])
{
	parse();
	memcpy(labels, label, sizeof(label));
}

static void execute(struct exits_hart *h, const struct instruction *i)
{
	u64 *word = (u64 *)(h->x[10] + i->offset);
	u64 *csr = (u64 *)((u8 *)&h->csr + i->offset);
	u64 old;

	if (strcmp(i->op, "sd") == 0) {
		estate_store(word, h->x[i->reg]);
	} else if (strcmp(i->op, "ld") == 0) {
		h->x[i->reg] = estate_load(word);
	} else if (strcmp(i->op, "csrr") == 0) {
		h->x[i->reg] = *csr;
	} else if (strcmp(i->op, "csrw") == 0) {
		*csr = h->x[i->reg];
	} else if (strcmp(i->op, "csrsi") == 0) {
		*csr |= i->value;
	} else if (strcmp(i->op, "csrci") == 0) {
		*csr &= ~i->value;
	} else if (strcmp(i->op, "li") == 0) {
		h->x[i->reg] = i->value;
	} else if (strcmp(i->op, "bne") == 0) {
		if (h->x[i->reg] != h->x[i->value])
			host_fail("entry.S: the record's address is not what it was");
	} else {
		old = *csr;
		*csr = h->x[10];
		h->x[10] = old;
	}
}

void entry_execute(struct exits_hart *h, u64 base, unsigned end)
{
	parse();
	h->in_entry = true;
	for (unsigned n = 0; n < end; n++) {
		h->pc = base + 4ull * n;
		execute(h, &leave.at[n]);
	}
	h->pc = base + 4ull * end;
}

void entry_enter(struct exits_hart *h, struct vcpu_record *record)
{
	parse();
	h->x[10] = (u64)(uintptr_t)record;
	for (unsigned n = 0; n < enter.count; n++)
		execute(h, &enter.at[n]);
	h->pc = h->csr.sepc;
	h->in_entry = false;
}
