/* The host's device tree: see machine_fdt.h. */
#include "core/memory/machine_fdt.h"
#include "core/lib/errno.h"
#include "core/memory/machine_fdt_node.h"
#include <libfdt.h>

/*
 * Devicetree Specification 0.4, 5.6: the structure block is aligned to 4 bytes, the reservations to 8. libfdt takes that
 * for granted, and a misaligned load may trap.
 */
static bool is_aligned(const void *dtb, size_t max)
{
	return max >= sizeof(struct fdt_header) && (uintptr_t)dtb % 8 == 0 &&
	       fdt_off_dt_struct(dtb) % 4 == 0 && fdt_off_mem_rsvmap(dtb) % 8 == 0;
}

int machine_fdt_read(const void *dtb, size_t max, struct machine_record *m, struct machine_boot *boot)
{
	struct fdt_reader r = { .fdt = dtb, .m = m, .boot = boot };
	int error;

	*m = (struct machine_record){ 0 };
	*boot = (struct machine_boot){ 0 };
	if (!is_aligned(dtb, max))
		return fdt_reader_fail(&r, -EINVAL, -1, "truncated or misaligned");
	/* Everything that libfdt reads from here on lies inside the tree, strings end, and nodes nest. */
	error = fdt_check_full(dtb, max);
	if (error)
		return fdt_reader_fail(&r, -EINVAL, -1, "%s", fdt_strerror(error));
	boot->fdt_size = fdt_totalsize(dtb);
	error = machine_fdt_cpus(&r);
	if (!error)
		error = machine_fdt_memory(&r);
	return error ? error : machine_fdt_devices(&r);
}
