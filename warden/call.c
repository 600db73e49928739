#include "warden/call.h"

#include <sbi/riscv_asm.h>
#include <sbi/sbi_ecall.h>
#include <sbi/sbi_error.h>
#include <sbi/sbi_trap.h>

#include "warden/found.h"
#include "warden/guest.h"
#include "warden/hart.h"
#include "warden/life.h"
#include "warden/native.h"
#include "warden/pristine.h"
#include "warden/private/private.h"
#include "warden/update.h"
#include "warden/watchdog.h"

#define TEXT_MAX sizeof(((struct warden_record *)0)->text)

/* stub.S has the number in its code. */
_Static_assert(WARDEN_EXT == 0x0a4f4c56, "extension id of the parking stub");

/* A guest's exit. The hart leaves when there is an order for it. */
static void park(struct hart *h, struct sbi_trap_regs *regs)
{
	found_parked(h, regs);
	hart_hold(h, regs);
}

/*
 * The arguments of a dying life are checked before anything happens: it may call again without the text. The text is
 * cut to what the estate holds, and must lie in the caller's slot, which is neither firmware nor a device.
 */
static int crash(u64 cause, u64 text, u64 text_size, struct sbi_trap_regs *regs)
{
	const u64 slot = life_slot_address(life.slot);

	if (cause <= LIFE_RUNNING || cause > LIFE_ADOPTION || cause == LIFE_UPDATE)
		return SBI_EINVAL;
	text_size = MIN(text_size, TEXT_MAX);
	if (text && (text < slot || text - slot > LAYOUT_SLOT_SIZE - text_size))
		return SBI_EINVALID_ADDR;
	life_end((enum life_cause)cause, text, text_size, regs);
	return SBI_OK;
}

/* abi/private.h */
static int private(u64 function, const struct sbi_trap_regs *regs, unsigned long *value)
{
	const u64 arguments[] = { regs->a0, regs->a1, regs->a2, regs->a3, regs->a4 };

	return (int)private_call(function, arguments, value);
}

static int handle(unsigned long id, unsigned long function, struct sbi_trap_regs *regs,
		  struct sbi_ecall_return *out)
{
	struct hart *h = hart_this();
	int rc;

	(void)id;
	if (life.phase == LIFE_IS_NATIVE)
		return SBI_ENOTSUPP;
	/* medeleg sends the ecalls of guests and of user mode to HS-mode: this is for a machine that does otherwise. */
	if (sbi_regs_from_virt(regs) || sbi_mstatus_prev_mode(regs->mstatus) != PRV_S)
		return SBI_ENOTSUPP;
	if (guest_stub_calls_from(regs->mepc)) {
		if (h->where != HART_GUEST)
			return SBI_EDENIED;
		park(h, regs);
		out->skip_regs_update = true;
		return SBI_OK;
	}
	/* A hart of a life that has ended: the stop has not reached it yet. */
	if (h->life != life.number) {
		life_end(LIFE_PANIC, 0, 0, regs);
		out->skip_regs_update = true;
		return SBI_OK;
	}

	switch (function) {
	case WARDEN_INFO:
		out->value = WARDEN_VERSION;
		return SBI_OK;
	case WARDEN_READY:
		return life_report_ready(regs->a0, regs->a1, regs->a2, regs->a3);
	case WARDEN_CRASH:
		rc = crash(regs->a0, regs->a1, regs->a2, regs);
		/* The hart has a new place to go. */
		out->skip_regs_update = rc == SBI_OK;
		return rc;
	case WARDEN_COLLECT:
		return life_collect(regs->a0, regs->a1);
	case WARDEN_PARK:
		return SBI_EDENIED;
	case WARDEN_WATCHDOG:
		return watchdog_start(regs->a0);
	case WARDEN_VERIFY:
		rc = pristine_verify();
		if (rc < 0)
			return rc;
		out->value = (unsigned long)rc;
		return SBI_OK;
	case WARDEN_DEVIRTUALISE:
		rc = native_enter(regs->a0, regs->a1, regs);
		out->skip_regs_update = rc == NATIVE_ENTERED;
		return rc == NATIVE_ENTERED ? SBI_OK : rc;
	case WARDEN_UPDATE_BEGIN:
		return update_begin(regs->a0, &out->value);
	case WARDEN_UPDATE_WRITE:
		return update_write(regs->a0, regs->a1, regs->a2, &out->value);
	case WARDEN_UPDATE_CHECK:
		return update_check(&out->value);
	case WARDEN_UPDATE:
		rc = update_go(regs->a0, regs);
		out->skip_regs_update = rc == SBI_OK;
		return rc;
	case WARDEN_UPDATE_UNDO:
		rc = life.trial ? crash(LIFE_ADOPTION, regs->a0, regs->a1, regs) : SBI_EINVALID_STATE;
		out->skip_regs_update = rc == SBI_OK;
		return rc;
	default:
		return private(function, regs, &out->value);
	}
}

/* A kernel that has got the machine sees a plain OpenSBI. */
static int probe(unsigned long id, unsigned long *value)
{
	(void)id;
	*value = life.phase != LIFE_IS_NATIVE;
	return SBI_OK;
}

static struct sbi_ecall_extension extension = {
	.name = "outlive",
	.extid_start = WARDEN_EXT,
	.extid_end = WARDEN_EXT,
	.probe = probe,
	.handle = handle,
};

int call_init(void)
{
	return sbi_ecall_register_extension(&extension);
}
