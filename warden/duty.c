#include "warden/duty.h"

#include <libfdt.h>
#include <sbi/sbi_console.h>
#include <sbi/sbi_domain.h>
#include <sbi/sbi_hart.h>
#include <sbi/sbi_scratch.h>
#include <sbi/sbi_version.h>
#include <sbi_utils/fdt/fdt_helper.h>

#include "warden/call.h"
#include "warden/contract.h"
#include "warden/guest.h"
#include "warden/hart.h"
#include "warden/life.h"
#include "warden/pristine.h"
#include "warden/private/place.h"
#include "warden/private/report.h"
#include "warden/stop.h"
#include "warden/update.h"
#include "warden/watchdog.h"

/* Not null: why there is nothing to do. */
static const char *off_duty = "not started yet";

/* True if one RAM node of the device tree covers all that abi/layout.h names. */
static bool ram_holds_layout(u64 base)
{
	const void *fdt = fdt_get_address();
	int node = -1, index;
	uint64_t start, size;

	while ((node = fdt_node_offset_by_prop_value(fdt, node, "device_type", "memory", sizeof("memory"))) >=
	       0)
		for (index = 0; !fdt_get_node_addr_size(fdt, node, index, &start, &size); index++)
			if (start <= base && base - start + LAYOUT_MIN_RAM <= size)
				return true;
	return false;
}

static const char *why_off_duty(struct sbi_scratch *scratch)
{
	u64 base = scratch->fw_start;
	const struct image_header *image = (const struct image_header *)(base + LAYOUT_SLOT_OFFSET(0));

	if (scratch->next_addr != (u64)image)
		return "the next stage is not where Outlive is loaded";
	if (!ram_holds_layout(base))
		return "too little RAM";
	if (image->magic != IMAGE_OUTLIVE_MAGIC)
		return "the next stage is not Outlive";
	if (!pristine_header_is_sane(image))
		return "the sizes in Outlive's image make no sense";
	if (!misa_extension('H'))
		return "the harts have no H extension";
	if (scratch->fw_size > LAYOUT_SEED_OFFSET)
		return "the firmware does not fit in front of Outlive";
	if (sbi_hart_pmp_log2gran(scratch) > PAGE_SHIFT)
		return "PMP cannot protect a single page";
	return NULL;
}

int duty_domains_init(void)
{
	struct sbi_scratch *scratch = sbi_scratch_thishart_ptr();
	int rc;

	off_duty = why_off_duty(scratch);
	if (off_duty)
		return 0;

	/* The page of the parking stub, inside the firmware's closed region: HS may execute it, nothing else. */
	rc = sbi_domain_root_add_memrange(guest_stub_page(), PAGE_SIZE, PAGE_SIZE,
					  SBI_DOMAIN_MEMREGION_SHARED_SUX_MRX);
	if (rc)
		return rc;
	/*
	 * Under Smepmp M-mode cannot touch what is HS-mode's. The estate's part that the warden reads and writes is
	 * shared; the slots are opened for the moment of use (hart_open). Nothing executes in the estate.
	 */
	if (sbi_hart_has_extension(scratch, SBI_HART_EXT_SMEPMP))
		rc = sbi_domain_root_add_memrange(scratch->fw_start + LAYOUT_ESTATE_OFFSET, KIB(256),
						  KIB(256), SBI_DOMAIN_MEMREGION_SHARED_SURW_MRW);
	return rc ?: place_domains_init(fdt_get_address(), scratch->fw_start);
}

int duty_begin(void)
{
	struct sbi_scratch *scratch = sbi_scratch_thishart_ptr();
	const u64 base = scratch->fw_start;
	int rc;

	/* Nobody else is to find it, whether there is something to do or not. */
	report_take_seed(base + LAYOUT_SEED_OFFSET);
	if (off_duty) {
		sbi_printf("warden: %s: this is a plain OpenSBI %d.%d\n", off_duty, OPENSBI_VERSION_MAJOR,
			   OPENSBI_VERSION_MINOR);
		return 0;
	}
	hart_init();
	place_begin();
	life_init(base);
	update_init();
	pristine_keep((const void *)(base + LAYOUT_SLOT_OFFSET(0)));
	rc = stop_init();
	if (!rc)
		rc = watchdog_init();
	if (!rc)
		rc = call_init();
	if (rc)
		return rc;
	hart_this()->life = life.number;
	hart_this()->where = HART_LIFE;
	sbi_printf("warden: OpenSBI %d.%d, %u harts, Outlive's image of %lu bytes, SHA-256 %08x...\n",
		   OPENSBI_VERSION_MAJOR, OPENSBI_VERSION_MINOR, hart_count(), pristine_header()->file_size,
		   pristine_name());
	return 0;
}

bool duty_is_on(void)
{
	return !off_duty;
}

void duty_is_over(void)
{
	off_duty = "the machine has been given away";
}

void duty_hart_started(void)
{
	struct hart *h;

	if (off_duty)
		return;
	h = hart_this();
	spin_lock(&life.lock);
	/* Started by a life that has ended meanwhile: it will be stopped with the others of that life. */
	h->life = life.phase == LIFE_IS_ON ? life.number : life.number - 1;
	h->where = HART_LIFE;
	spin_unlock(&life.lock);
	watchdog_arm(h);
}

void duty_hart_stopped(void)
{
	if (!off_duty)
		hart_this()->where = HART_OUT;
}
