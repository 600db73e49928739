/* Loads a VM: see load.h. What goes where is load_plan.c's; here it is carried out. */
#include "core/vm/load.h"
#include "core/devices/backend.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/memory/backing.h"
#include "core/private/private.h"
#include "core/root/root.h"
#include "core/vm/guest_fdt.h"
#include "core/vm/load_plan.h"

static int fail(struct load_result *result, int error, const char *text)
{
	format(result->text, sizeof(result->text), "%s", text);
	return error;
}

/*
 * Opens the window on the 2 MiB block of guest RAM that `at` is in. Loading goes through whole blocks rather than
 * guest_write's pages, which would change the mapping thousands of times for a kernel.
 */
static int block_open(struct vm *vm, u64 at, u8 **block)
{
	u64 start = ALIGN_DOWN(at, BLOCK_SIZE), run;
	hpa_t host;
	int error = backing_touch(vm, GPA(start));

	if (!error)
		error = backing_lookup(vm, GPA(start), &host, &run);
	if (error)
		return error;
	if (run < BLOCK_SIZE || host.a % BLOCK_SIZE)
		return -EFAULT;
	*block = arch_window_block(host);
	return 0;
}

/* Tells the watchdog after each block that this hart lives: an initrd may be as large as a VM. */
static int copy_in(struct vm *vm, u64 to, const u8 *from, u64 bytes)
{
	if (vm_is_confidential(vm))
		return private_load(vm, GPA(to), from, bytes);
	while (bytes) {
		u64 piece = BLOCK_SIZE - to % BLOCK_SIZE;
		u8 *block;
		int error = block_open(vm, to, &block);

		if (error)
			return error;
		if (piece > bytes)
			piece = bytes;
		memcpy(block + to % BLOCK_SIZE, from, (size_t)piece);
		arch_window_block_close();
		arch_beat();
		to += piece;
		from += piece;
		bytes -= piece;
	}
	return 0;
}

/*
 * A confidential VM's is made in its bounce buffers and loaded from there. The seed is left out: it would make the measurement
 * another each time, and is worth nothing from a host that is not trusted.
 */
static int put_confidential_dtb(struct vm *vm, const struct load_plan *plan, const struct guest_isa *isa,
				const struct guest_boot *boot)
{
	const hpa_t made = HPA(vm->config.shared.hpa);
	u8 *block = arch_window_block(made);
	u64 used = 0;
	int error;

	arch_zero(block, BLOCK_SIZE);
	error = guest_fdt_build(vm, isa, boot, block, BLOCK_SIZE, &used);
	arch_window_block_close();
	return error ? error
		     : private_load(vm, GPA(plan->dtb), (const void *)(uintptr_t)made.a,
				    ALIGN_UP(used, PAGE_SIZE));
}

/* The device tree is made in place, in a block that has nothing else in it. */
static int put_dtb(struct vm *vm, const struct load_plan *plan, u64 initrd_size)
{
	char why[120] = "";
	struct guest_isa isa = guest_isa_of(&estate.machine);
	struct guest_boot boot = { .initrd = GPA(plan->initrd), .initrd_size = initrd_size };
	u64 used;
	u8 *block;
	int error;

	if (vm_is_confidential(vm))
		return put_confidential_dtb(vm, plan, &isa, &boot);
	boot.seeded = true;
	entropy_read(boot.rng_seed, sizeof(boot.rng_seed));
	error = block_open(vm, plan->dtb, &block);
	if (error)
		return error;
	if (vm_is_root(vm))
		error = root_fdt_build(vm, &boot, block, BLOCK_SIZE, why, sizeof(why));
	else
		error = guest_fdt_build(vm, &isa, &boot, block, BLOCK_SIZE, &used);
	arch_window_block_close();
	if (why[0])
		log_line("%s: device tree: %s", vm->config.name, why);
	return error;
}

static int carry_out(struct vm *vm, const struct load_request *q, const struct load_plan *plan,
		     const void *initrd)
{
	int error = 0;

	for (unsigned i = 0; !error && i < plan->parts; i++)
		error = copy_in(vm, plan->part[i].to, (const u8 *)q->kernel + plan->part[i].offset,
				plan->part[i].file);
	if (!error && initrd)
		error = copy_in(vm, plan->initrd, initrd, q->initrd_size);
	return error ? error : put_dtb(vm, plan, q->initrd_size);
}

int load_vm(struct vm *vm, const struct pack *pack, struct load_result *result)
{
	struct load_request q = { .ram_base = backing_base(&vm->config),
				  .ram_size = vm->config.memory,
				  .dtb_size = vm_is_root(vm) ? root_fdt_bound()
							     : guest_fdt_bound(vm->config.vcpus) };
	const void *initrd = NULL;
	struct load_plan plan;
	int error;

	*result = (struct load_result){ 0 };
	q.kernel = pack_item_bytes(pack, vm->config.kernel_item, &q.kernel_size);
	if (!q.kernel)
		return fail(result, -ENOENT, "the boot pack does not have the kernel");
	if (vm->config.initrd_item != VM_NO_ITEM) {
		initrd = pack_item_bytes(pack, vm->config.initrd_item, &q.initrd_size);
		if (!initrd)
			return fail(result, -ENOENT, "the boot pack does not have the initrd");
	}
	error = load_plan_make(&q, &plan);
	if (error)
		return fail(result, error, plan.text);
	error = carry_out(vm, &q, &plan, initrd);
	if (error)
		return fail(result, error,
			    error == -EFAULT ? "the VM's memory is not what its configuration says"
					     : "the device tree could not be made");
	result->entry = GPA(plan.entry);
	result->dtb = GPA(plan.dtb);
	return 0;
}
