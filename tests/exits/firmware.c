/* The firmware of fake harts, and the warden: stops harts, writes down what it finds in them, sends them on. */
#include "arch/riscv64/firmware.h"
#include "arch/riscv64/csr.h"
#include "arch/riscv64/hart.h"
#include "tests/exits/inside.h"
#include <string.h>

HOST_KEEP struct exits_firmware exits_firmware;
HOST_KEEP u64 exits_collected;

static void keep_trap_registers(struct hart_found *f, const struct exits_hart *h)
{
	f->sstatus = h->csr.sstatus;
	f->hstatus = h->csr.hstatus;
	f->sepc = h->csr.sepc;
	f->scause = h->csr.scause;
	f->stval = h->csr.stval;
	f->htval = h->csr.htval;
	f->htinst = h->csr.htinst;
	f->sscratch = h->csr.sscratch;
}

static void keep_hs(struct hart_found *f, const struct exits_hart *h)
{
	if (f->state == FOUND_HS || f->state == FOUND_PARKED)
		return;
	memcpy(f->x, h->x, sizeof(f->x));
	f->pc = h->in_entry ? h->pc : exits_entry_base(fixture_life) + KIB(64);
	keep_trap_registers(f, h);
	f->state = FOUND_HS;
}

static void keep_parked(struct hart_found *f, const struct exits_hart *h)
{
	memcpy(f->x, h->x, sizeof(f->x));
	keep_trap_registers(f, h);
	f->pc = h->pc;
	f->sepc = h->pc;
	f->scause = WARDEN_EXIT_NONE;
	f->state = FOUND_PARKED;
}

void exits_stop(unsigned hart)
{
	struct warden_record *w = estate.warden;

	for (unsigned n = 0; n < host->harts; n++) {
		struct exits_hart *h = &exits_harts[n];
		struct hart_found *f = &estate.harts[n].found;

		if (h->where == EXITS_WFI)
			h->where = EXITS_HS;
		if (h->where == EXITS_HS)
			keep_hs(f, h);
		else if (h->where == EXITS_GUEST)
			f->state = FOUND_GUEST;
		h->csr.sip = 0;
	}
	w->cause = LIFE_PANIC;
	w->hart = hart;
	w->dead_slot = (fixture_life - 1) % LAYOUT_SLOTS;
	w->crashes++;
	w->t_fault = w->t_stopped = w->t_heir = host->now;
	w->text_size = strnlen(host->text, sizeof(w->text));
	memcpy(w->text, host->text, w->text_size);
	w->valid = 1;
	exits_collected = 0;
}

/* The hart enters at the secondary entry of the heir, as warden/stop.c sends it. */
void exits_bring(unsigned n)
{
	struct exits_hart *h = &exits_harts[n];

	if (h->where == EXITS_GUEST)
		keep_parked(&estate.harts[n].found, h);
	for (unsigned i = 1; i < 32; i++)
		h->x[i] = 0xbad1bad1bad1bad1ull;
	h->in_entry = false;
	exits_run_on(n, hart_secondary);
}

static unsigned hart_of_id(u64 id)
{
	for (unsigned n = 0; n < hart_count; n++) {
		if (harts[n].id == id)
			return n;
	}
	host_fail("the firmware is asked for a hart that does not exist");
}

static void send_ipis(u64 mask, u64 base)
{
	for (; mask; mask &= mask - 1) {
		exits_harts[hart_of_id(base + (u64)__builtin_ctzll(mask))].csr.sip |= IRQ_SSI;
		exits_firmware.ipis++;
	}
}

/* HSM's stop, which a hart calls for itself, and its status. */
static struct sbi_result hart_state_management(u64 function, u64 id)
{
	unsigned n;

	if (function == 1) {
		n = arch_hart();
		if (exits_firmware.stuck >> n & 1)
			return (struct sbi_result){ SBI_ERR_FAILED, 0 };
		exits_harts[n].where = EXITS_OFF;
		longjmp(exits_out_of[n], 1);
	}
	n = hart_of_id(id);
	return (struct sbi_result){ SBI_SUCCESS, exits_harts[n].where == EXITS_OFF };
}

/* The machine goes to whom `native` describes, if no other hart has anything to do with it. */
static struct sbi_result give_away(const struct warden_native *native, bool only_check)
{
	unsigned self = arch_hart();

	for (unsigned n = 0; n < hart_count; n++) {
		if (n != self && exits_harts[n].where != EXITS_OFF)
			return (struct sbi_result){ -10, 0 };
	}
	if (exits_firmware.refuses || only_check)
		return (struct sbi_result){ exits_firmware.refuses, 0 };
	exits_firmware.gone = true;
	exits_firmware.native = *native;
	exits_harts[self].where = EXITS_OFF;
	longjmp(exits_out_of[self], 1);
}

struct sbi_result sbi_call(u64 extension, u64 function, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4)
{
	struct exits_firmware *fw = &exits_firmware;

	if (extension == SBI_EXT_IPI) {
		send_ipis(a0, a1);
	} else if (extension == SBI_EXT_RFENCE) {
		fw->fences++;
		fw->fence_function = function;
		fw->fence_mask = a0;
		fw->fence_base = a1;
		fw->fence_from = a2;
		fw->fence_bytes = a3;
		fw->fence_asid = a4;
	} else if (extension == WARDEN_EXT && function == WARDEN_COLLECT) {
		if (fw->late)
			exits_collected |= 1ull << hart_of_id(a0);
		else
			exits_bring(hart_of_id(a0));
	} else if (extension == WARDEN_EXT && function == WARDEN_DEVIRTUALISE) {
		return give_away((const struct warden_native *)(uintptr_t)a0, a1);
	} else if (extension == SBI_EXT_HSM && (function == 1 || function == 2)) {
		return hart_state_management(function, a0);
	} else {
		host_fail("a call of the firmware that the fake one does not have");
	}
	return (struct sbi_result){ 0 };
}
