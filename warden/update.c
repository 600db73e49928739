#include "warden/update.h"

#include <bearssl_hash.h>
#include <sbi/riscv_locks.h>
#include <sbi/sbi_error.h>
#include <sbi/sbi_string.h>

#include "warden/hart.h"
#include "warden/life.h"
#include "warden/pristine.h"

/* The lock is held for a piece at most; nobody waits for another hart while he has it. */
static struct {
	spinlock_t lock;
	bool begun;
	bool sealed;
	u64 received;
	u8 expected[br_sha256_SIZE];
	br_sha256_context sha;
} transfer;

void update_init(void)
{
	SPIN_LOCK_INIT(transfer.lock);
}

/* Only who is in force may say what comes next; the image of a life on trial is in the spare buffer itself. */
static bool may_update(void)
{
	return life.ready && !life.trial;
}

static bool lies_in_slot(u64 address, u64 bytes)
{
	const u64 slot = life_slot_address(life.slot);

	return address >= slot && bytes <= LAYOUT_SLOT_SIZE && address - slot <= LAYOUT_SLOT_SIZE - bytes;
}

static bool copy_in(void *to, u64 address, u64 bytes)
{
	const volatile u8 *from = (const volatile u8 *)address;
	u64 i;

	if (!hart_open(address, bytes))
		return false;
	for (i = 0; i < bytes; i++)
		((u8 *)to)[i] = from[i];
	hart_close();
	return true;
}

static void begin(const struct warden_update *u)
{
	struct pristine *spare = pristine_spare();

	transfer.begun = true;
	transfer.sealed = false;
	transfer.received = 0;
	sbi_memcpy(transfer.expected, u->sha256, sizeof(transfer.expected));
	br_sha256_init(&transfer.sha);
	sbi_memset(spare->words, 0, IMAGE_FILE_MAX);
	spare->size = u->size;
	spare->damaged = true;
}

int update_begin(u64 address, unsigned long *value)
{
	struct warden_update u;

	if (!may_update())
		return SBI_EINVALID_STATE;
	if (!lies_in_slot(address, sizeof(u)) || address % 8 || !copy_in(&u, address, sizeof(u)))
		return SBI_EINVALID_ADDR;
	if (u.size <= IMAGE_HEADER_SIZE || u.size > IMAGE_FILE_MAX)
		return SBI_EINVAL;
	spin_lock(&transfer.lock);
	if (!transfer.begun || pristine_spare()->size != u.size ||
	    sbi_memcmp(transfer.expected, u.sha256, sizeof(u.sha256)))
		begin(&u);
	*value = transfer.received;
	spin_unlock(&transfer.lock);
	return SBI_OK;
}

/* `piece` has `bytes` for `offset`; what is there already must be the same. Caller holds the lock. */
static int put(u64 offset, const u8 *piece, u64 bytes)
{
	struct pristine *spare = pristine_spare();
	u8 *image = (u8 *)spare->words;
	u64 known;

	if (!transfer.begun)
		return SBI_EINVALID_STATE;
	if (offset > transfer.received || offset > spare->size || bytes > spare->size - offset)
		return SBI_EINVAL;
	known = MIN(bytes, transfer.received - offset);
	if (sbi_memcmp(image + offset, piece, known))
		return SBI_EINVAL;
	sbi_memcpy(image + offset + known, piece + known, bytes - known);
	br_sha256_update(&transfer.sha, image + offset + known, bytes - known);
	transfer.received += bytes - known;
	return SBI_OK;
}

int update_write(u64 offset, u64 address, u64 bytes, unsigned long *value)
{
	/* A hart's stack is too small for it; the lock protects it. */
	static u8 piece[WARDEN_UPDATE_PIECE];
	int rc;

	if (!may_update())
		return SBI_EINVALID_STATE;
	if (bytes > sizeof(piece))
		return SBI_EINVAL;
	if (!lies_in_slot(address, bytes))
		return SBI_EINVALID_ADDR;
	spin_lock(&transfer.lock);
	rc = copy_in(piece, address, bytes) ? put(offset, piece, bytes) : SBI_EINVALID_ADDR;
	*value = transfer.received;
	spin_unlock(&transfer.lock);
	return rc;
}

/* Caller holds the lock. */
static enum image_problem problem(void)
{
	struct pristine *spare = pristine_spare();
	enum image_problem wrong;

	if (!transfer.begun || transfer.received < spare->size)
		return IMAGE_INCOMPLETE;
	br_sha256_out(&transfer.sha, spare->digest);
	if (sbi_memcmp(spare->digest, transfer.expected, sizeof(transfer.expected)))
		return IMAGE_HASH;
	wrong = image_check((const struct image_header *)spare->words, spare->size,
			    pristine_header()->estate_version);
	if (wrong)
		return wrong;
	if (!transfer.sealed)
		pristine_seal(spare);
	transfer.sealed = true;
	return IMAGE_GOOD;
}

int update_check(unsigned long *value)
{
	if (!may_update())
		return SBI_EINVALID_STATE;
	spin_lock(&transfer.lock);
	*value = problem();
	spin_unlock(&transfer.lock);
	return SBI_OK;
}

int update_go(u64 begun, struct sbi_trap_regs *regs)
{
	enum image_problem wrong;

	if (!may_update())
		return SBI_EINVALID_STATE;
	spin_lock(&transfer.lock);
	wrong = problem();
	/* The buffer is the heir's now, whatever comes of him: the next candidate begins anew. */
	if (!wrong)
		transfer.begun = false;
	spin_unlock(&transfer.lock);
	if (wrong)
		return SBI_EINVAL;
	life_update(begun, regs);
	return SBI_OK;
}
