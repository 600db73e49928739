/*
 * Kernels as an enemy writes them: whatever the plan says must be inside the file, inside RAM, and not on top of each
 * other. The first bytes choose RAM and initrd, the rest is the kernel.
 */
#include "core/memory/backing.h"
#include "core/vm/load_plan.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD 4

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void plan_is_sound(const struct load_request *q, const struct load_plan *plan)
{
	u64 ram_end = GUEST_RAM_BASE + q->ram_size;

	check(plan->parts > 0 && plan->parts <= LOAD_MAX_PARTS);
	check(plan->kernel_end <= plan->dtb && plan->dtb % BLOCK_SIZE == 0);
	check(plan->dtb >= GUEST_RAM_BASE && plan->dtb + BLOCK_SIZE <= ram_end);
	if (q->initrd_size)
		check(plan->initrd >= plan->kernel_end && plan->initrd + q->initrd_size <= plan->dtb &&
		      plan->initrd % PAGE_SIZE == 0);
	check(plan->entry >= GUEST_RAM_BASE && plan->entry < plan->kernel_end);
	for (unsigned i = 0; i < plan->parts; i++) {
		const struct load_part *p = &plan->part[i];

		check(p->file <= q->kernel_size && p->offset <= q->kernel_size - p->file);
		check(p->file <= p->memory && p->to >= GUEST_RAM_BASE && p->to + p->memory > p->to);
		check(p->to + p->memory <= plan->kernel_end);
		for (unsigned k = 0; k < i; k++)
			check(p->to + p->memory <= plan->part[k].to ||
			      plan->part[k].to + plan->part[k].memory <= p->to);
	}
}

/* Most inputs become one of the known formats: a fuzzer does not have to find magic numbers. */
static void mend(u8 *kernel, size_t size, u8 how)
{
	if ((how & 3) == 1 && size >= 64) {
		memcpy(kernel, "\177ELF\2\1\1", 7);
		kernel[16] = (u8)(2 + (how >> 2 & 1));
		kernel[17] = 0;
		kernel[18] = 243;
		kernel[19] = 0;
		kernel[54] = 56;
		kernel[55] = 0;
		if (how & 8) {
			memset(kernel + 32, 0, 8);
			kernel[32] = 64;
			kernel[57] = 0;
		}
	}
	if ((how & 3) == 2 && size >= 64)
		memcpy(kernel + 56, "RSC\x05", 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct load_request q = { .dtb_size = KIB(64), .ram_base = GUEST_RAM_BASE };
	struct load_plan plan;
	u8 *kernel;

	if (size < HEAD)
		return 0;
	q.ram_size = (1 + (u64)data[1]) * BLOCK_SIZE << data[2] % 8;
	q.initrd_size = (u64)data[3] << data[2] / 8;
	q.kernel_size = size - HEAD;
	kernel = malloc(size - HEAD ? size - HEAD : 1);
	memcpy(kernel, data + HEAD, size - HEAD);
	mend(kernel, size - HEAD, data[0]);
	q.kernel = kernel;
	if (!load_plan_make(&q, &plan))
		plan_is_sound(&q, &plan);
	else
		check(plan.text[0] && strnlen(plan.text, sizeof(plan.text)) < sizeof(plan.text));
	free(kernel);
	return 0;
}
