/* What goes where in a guest's RAM: see load_plan.h. */
#include "core/vm/load_plan.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"

/* Where a kernel goes that does not say: firmware of real boards has the first 2 MiB. */
#define FLAT_OFFSET MIB(2)

/*
 * initrd and device tree lie below this part of RAM if they can: kernels reach it before they have set up all of their
 * memory, whatever their translation mode.
 */
#define EARLY_LIMIT GIB(1)

int load_plan_fail(struct load_plan *plan, int error, const char *text, ...)
{
	va_list list;

	va_start(list, text);
	format_list(plan->text, sizeof(plan->text), text, list);
	va_end(list);
	return error;
}

int load_plan_add(const struct load_request *q, struct load_plan *plan, const struct load_part *part)
{
	u64 memory = part->memory > part->file ? part->memory : part->file;

	if (!memory)
		return 0;
	if (!range_inside(part->offset, part->file, 0, q->kernel_size))
		return load_plan_fail(plan, -EINVAL, "%s kernel is truncated: %llu bytes", plan->kind,
				      (unsigned long long)q->kernel_size);
	if (!range_inside(part->to, memory, q->ram_base, q->ram_size))
		return load_plan_fail(
			plan, -ENOMEM,
			"%s kernel wants %llu KiB at %llx: outside of the VM's %llu MiB at %llx", plan->kind,
			(unsigned long long)(memory >> 10), (unsigned long long)part->to,
			(unsigned long long)(q->ram_size >> 20), (unsigned long long)q->ram_base);
	for (unsigned i = 0; i < plan->parts; i++)
		if (ranges_overlap(part->to, memory, plan->part[i].to, plan->part[i].memory))
			return load_plan_fail(plan, -EINVAL, "%s kernel: segments overlap at %llx",
					      plan->kind, (unsigned long long)part->to);
	if (plan->parts == LOAD_MAX_PARTS)
		return load_plan_fail(plan, -EINVAL, "%s kernel: more than %u segments", plan->kind,
				      LOAD_MAX_PARTS);
	plan->part[plan->parts] = *part;
	plan->part[plan->parts].memory = memory;
	plan->parts++;
	if (part->to + memory > plan->kernel_end)
		plan->kernel_end = part->to + memory;
	return 0;
}

/* Anything that has no header: it goes where QEMU and kvmtool put it, and starts with its first byte. */
static int flat_plan(const struct load_request *q, struct load_plan *plan)
{
	const struct load_part all = { .file = q->kernel_size,
				       .memory = q->kernel_size,
				       .to = q->ram_base + FLAT_OFFSET };
	const char *foreign = load_image_foreign(q);

	if (foreign)
		return load_plan_fail(plan, -EINVAL, "kernel is %s", foreign);
	plan->kind = "flat";
	plan->entry = all.to;
	return load_plan_add(q, plan, &all);
}

/* Device tree in the last block below `limit`, initrd under it. False: the kernel is in the way. */
static bool place_below(const struct load_request *q, struct load_plan *plan, u64 limit)
{
	u64 kernel_end = ALIGN_UP(plan->kernel_end, PAGE_SIZE);
	u64 dtb = q->ram_base + limit - BLOCK_SIZE;

	if (limit < BLOCK_SIZE || kernel_end > dtb || q->initrd_size > dtb - kernel_end)
		return false;
	plan->dtb = dtb;
	plan->initrd = q->initrd_size ? ALIGN_DOWN(dtb - q->initrd_size, PAGE_SIZE) : 0;
	return true;
}

int load_plan_make(const struct load_request *q, struct load_plan *plan)
{
	int error;

	*plan = (struct load_plan){ .kind = "flat" };
	if (q->dtb_size > BLOCK_SIZE)
		return load_plan_fail(plan, -E2BIG, "device tree needs %llu KiB, there is room for %llu",
				      (unsigned long long)(q->dtb_size >> 10),
				      (unsigned long long)(BLOCK_SIZE >> 10));
	if (!q->kernel_size)
		return load_plan_fail(plan, -EINVAL, "kernel is empty");
	if (load_elf_is(q))
		error = load_elf_plan(q, plan);
	else if (load_image_is(q))
		error = load_image_plan(q, plan);
	else
		error = flat_plan(q, plan);
	if (error)
		return error;
	if ((q->ram_size > EARLY_LIMIT && place_below(q, plan, EARLY_LIMIT)) ||
	    place_below(q, plan, q->ram_size))
		return 0;
	return load_plan_fail(
		plan, -ENOMEM,
		"too little RAM: kernel up to %llu KiB, initrd %llu KiB and a device tree in %llu KiB",
		(unsigned long long)((plan->kernel_end - q->ram_base + 1023) >> 10),
		(unsigned long long)((q->initrd_size + 1023) >> 10), (unsigned long long)(q->ram_size >> 10));
}
