/*
 * The machine as OpenSBI sees it: whatever the device tree names and OpenSBI's library has a driver for, like OpenSBI's
 * own generic platform. What is ours about it: the boot hart is fixed, the firmware keeps inside the RAM that
 * abi/layout.h gives it, and the hooks where the warden comes in (duty.h).
 */
#include <libfdt.h>
#include <sbi/riscv_asm.h>
#include <sbi/sbi_bitops.h>
#include <sbi/sbi_hart.h>
#include <sbi/sbi_heap.h>
#include <sbi/sbi_platform.h>
#include <sbi/sbi_string.h>
#include <sbi/sbi_tlb.h>
#include <sbi_utils/cppc/fdt_cppc.h>
#include <sbi_utils/fdt/fdt_domain.h>
#include <sbi_utils/fdt/fdt_fixup.h>
#include <sbi_utils/fdt/fdt_helper.h>
#include <sbi_utils/fdt/fdt_pmu.h>
#include <sbi_utils/hsm/fdt_hsm.h>
#include <sbi_utils/ipi/fdt_ipi.h>
#include <sbi_utils/irqchip/fdt_irqchip.h>
#include <sbi_utils/irqchip/imsic.h>
#include <sbi_utils/mpxy/fdt_mpxy.h>
#include <sbi_utils/reset/fdt_reset.h>
#include <sbi_utils/serial/fdt_serial.h>
#include <sbi_utils/serial/semihosting.h>
#include <sbi_utils/suspend/fdt_suspend.h>
#include <sbi_utils/timer/fdt_timer.h>

#include "warden/contract.h"
#include "warden/duty.h"

extern struct sbi_platform platform;
extern char _fw_start[], _fw_end[];

static u32 hart_ids[SBI_HARTMASK_MAX_BITS];
static u32 lowest_hart;
static bool has_imsic;

/* Entries of a hart's queue of remote fences. A sender that finds it full waits. */
static u32 tlb_entries(void)
{
	return MIN(platform.hart_count, 8);
}

static u32 heap_size(u32 harts)
{
	const u64 need = SBI_PLATFORM_DEFAULT_HEAP_SIZE(harts) + SBI_TLB_INFO_SIZE * 8 * harts;

	return (u32)ROUNDUP(need, HEAP_BASE_ALIGN);
}

/* How many of the machine's harts have room for their stack and heap in front of slot A. */
static u32 harts_that_fit(u32 harts)
{
	/* cppcheck-suppress comparePointers ; the linker's marks of one image */
	while (harts > 1 && (u64)(_fw_end - _fw_start) + (u64)harts * SBI_PLATFORM_DEFAULT_HART_STACK_SIZE +
					    heap_size(harts) >
				    LAYOUT_SEED_OFFSET)
		harts--;
	return harts;
}

/* Called by fw_base.S, on the boot hart, before anything else; the arguments are those of the previous boot stage. */
unsigned long fw_platform_init(unsigned long hart, unsigned long fdt_address, unsigned long info,
			       unsigned long a3, unsigned long a4);
unsigned long fw_platform_init(unsigned long hart, unsigned long fdt_address, unsigned long info,
			       unsigned long a3, unsigned long a4)
{
	const void *fdt = (const void *)fdt_address;
	int cpus = fdt_path_offset(fdt, "/cpus"), cpu, length;
	const char *model = fdt_getprop(fdt, 0, "model", &length);
	u32 id, count = 0;

	(void)hart, (void)info, (void)a3, (void)a4;
	if (cpus < 0)
		for (;;)
			wfi();
	if (model)
		sbi_strncpy(platform.name, model, sizeof(platform.name) - 1);

	lowest_hart = -1U;
	fdt_for_each_subnode(cpu, fdt, cpus)
	{
		if (fdt_parse_hart_id(fdt, cpu, &id) || id >= SBI_HARTMASK_MAX_BITS ||
		    !fdt_node_is_enabled(fdt, cpu))
			continue;
		hart_ids[count++] = id;
		lowest_hart = MIN(lowest_hart, id);
	}
	platform.hart_count = harts_that_fit(count);
	platform.heap_size = heap_size(platform.hart_count);
	has_imsic = fdt_check_imsic_mlevel(fdt);
	return fdt_address;
}

/* Always the same hart boots, so that what happens next happens again. */
static bool cold_boot_allowed(u32 hart)
{
	return hart == lowest_hart;
}

static int nascent_init(void)
{
	if (has_imsic)
		imsic_local_irqchip_init();
	return 0;
}

static int early_init(bool cold_boot)
{
	const void *fdt = fdt_get_address();
	int rc;

	if (!cold_boot)
		return 0;
	rc = semihosting_enabled() ? semihosting_init() : fdt_serial_init(fdt);
	if (rc)
		return rc;
	fdt_cppc_init(fdt);
	fdt_hsm_init(fdt);
	fdt_reset_init(fdt);
	fdt_suspend_init(fdt);
	return 0;
}

static int domains_init(void)
{
	int rc = fdt_domains_populate(fdt_get_address());

	return rc < 0 ? rc : duty_domains_init();
}

static int final_init(bool cold_boot)
{
	void *fdt = fdt_get_address_rw();

	/*
	 * OpenSBI keeps illegal instructions for itself, to emulate CSRs that these harts have, and prints a line for each that
	 * it does not know: a guest could fill the serial line with them. They belong to HS-mode and its guests, as long as there
	 * are any.
	 */
	if (duty_is_on())
		csr_set(CSR_MEDELEG, 1ul << CAUSE_ILLEGAL_INSTRUCTION);
	if (!cold_boot) {
		duty_hart_started();
		return 0;
	}
	fdt_cpu_fixup(fdt);
	fdt_fixups(fdt);
	fdt_domain_fixup(fdt);
	return duty_begin();
}

static int extensions_init(struct sbi_hart_features *features)
{
	return fdt_parse_isa_extensions(fdt_get_address(), current_hartid(), features->extensions);
}

static int pmu_init(void)
{
	int rc = fdt_pmu_setup(fdt_get_address());

	return rc == SBI_ENOENT ? 0 : rc;
}

static uint64_t pmu_event(uint32_t index, uint64_t data)
{
	if (index == SBI_PMU_EVENT_RAW_IDX || index == SBI_PMU_EVENT_RAW_V2_IDX)
		return data;
	return fdt_pmu_get_select_value(index) ?: index;
}

static u64 fence_limit(void)
{
	return SBI_PLATFORM_TLB_RANGE_FLUSH_LIMIT_DEFAULT;
}

static int mpxy_init(void)
{
	fdt_mpxy_init(fdt_get_address());
	return 0;
}

const struct sbi_platform_operations platform_ops = {
	.cold_boot_allowed = cold_boot_allowed,
	.nascent_init = nascent_init,
	.early_init = early_init,
	.final_init = final_init,
	.final_exit = duty_hart_stopped,
	.extensions_init = extensions_init,
	.domains_init = domains_init,
	.irqchip_init = fdt_irqchip_init,
	.ipi_init = fdt_ipi_init,
	.pmu_init = pmu_init,
	.pmu_xlate_to_mhpmevent = pmu_event,
	.get_tlbr_flush_limit = fence_limit,
	.get_tlb_num_entries = tlb_entries,
	.timer_init = fdt_timer_init,
	.mpxy_init = mpxy_init,
};

struct sbi_platform platform = {
	.opensbi_version = OPENSBI_VERSION,
	.platform_version = SBI_PLATFORM_VERSION(0x0, 0x01),
	.name = "Outlive",
	.features = SBI_PLATFORM_DEFAULT_FEATURES,
	.hart_count = SBI_HARTMASK_MAX_BITS,
	.hart_index2id = hart_ids,
	.hart_stack_size = SBI_PLATFORM_DEFAULT_HART_STACK_SIZE,
	.heap_size = SBI_PLATFORM_DEFAULT_HEAP_SIZE(0),
	.platform_ops_addr = (unsigned long)&platform_ops,
};
