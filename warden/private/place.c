#include "warden/private/place.h"

#include <libfdt.h>
#include <sbi/sbi_console.h>
#include <sbi/sbi_domain.h>
#include <sbi/sbi_hart.h>
#include <sbi/sbi_scratch.h>
#include <sbi/sbi_string.h>
#include <sbi_utils/fdt/fdt_helper.h>

#include "warden/private/enter.h"
#include "warden/private/pool.h"

#define POOL_MIN     MIB(4)
#define RANGES	     32
#define FDT_GROWTH   KIB(64) /* OpenSBI and the next stages write into it */
#define HGATP_SV39X4 8ul

extern char _fw_start[], _rodata_end[];

struct range {
	u64 start;
	u64 end;
};

struct ranges {
	u32 count;
	bool overflow;
	struct range at[RANGES];
};

static struct ranges ram, closed;
static struct range pool;
static enum private_absence why_not = PRIVATE_NOT_WANTED;
static u8 warden_digest[32];

/* What cannot be noted makes the list unusable, and that is noted. */
static void add(struct ranges *list, u64 start, u64 size)
{
	if (!size || size > ~0ul - start)
		return;
	if (list->count == RANGES) {
		list->overflow = true;
		return;
	}
	list->at[list->count++] = (struct range){ start, start + size };
}

/* The first of them that has something of [start, end), or NULL. */
static const struct range *overlap(const struct ranges *list, u64 start, u64 end)
{
	u32 i;

	for (i = 0; i < list->count; i++)
		if (start < list->at[i].end && list->at[i].start < end)
			return &list->at[i];
	return NULL;
}

static void find_ram(const void *fdt)
{
	uint64_t start, size;
	int node = -1, i;

	while ((node = fdt_node_offset_by_prop_value(fdt, node, "device_type", "memory", sizeof("memory"))) >=
	       0)
		for (i = 0; !fdt_get_node_addr_size(fdt, node, i, &start, &size); i++)
			add(&ram, start, size);
}

static bool read_address(const void *fdt, int node, const char *name, u64 *value)
{
	int length;
	const fdt32_t *cells = fdt_getprop(fdt, node, name, &length);

	if (!cells || (length != 4 && length != 8))
		return false;
	*value = fdt32_to_cpu(cells[0]);
	if (length == 8)
		*value = *value << 32 | fdt32_to_cpu(cells[1]);
	return true;
}

/* What the boot stages have put into RAM, or keep for themselves. */
static void find_taken(const void *fdt, struct ranges *taken)
{
	const int chosen = fdt_path_offset(fdt, "/chosen"),
		  reserved = fdt_path_offset(fdt, "/reserved-memory");
	uint64_t start, size;
	int node, i;
	u64 end;

	add(taken, (u64)fdt, fdt_totalsize(fdt) + FDT_GROWTH);
	for (i = 0; i < fdt_num_mem_rsv(fdt); i++)
		if (!fdt_get_mem_rsv(fdt, i, &start, &size))
			add(taken, start, size);
	if (chosen >= 0 && read_address(fdt, chosen, "linux,initrd-start", &start) &&
	    read_address(fdt, chosen, "linux,initrd-end", &end) && end > start)
		add(taken, start, end - start);
	if (reserved >= 0)
		fdt_for_each_subnode(
			node, fdt, reserved) for (i = 0; !fdt_get_node_addr_size(fdt, node, i, &start, &size);
						  i++) add(taken, start, size);
}

/* What the boot pack asks for; 0: nothing, or there is no pack. */
static u64 wanted(const void *fdt)
{
	const int chosen = fdt_path_offset(fdt, "/chosen");
	const struct pack_header *pack;
	u64 start, end;

	if (chosen < 0 || !read_address(fdt, chosen, "linux,initrd-start", &start) ||
	    !read_address(fdt, chosen, "linux,initrd-end", &end) || end <= start ||
	    end - start < sizeof(*pack) || start % sizeof(u64))
		return 0;
	pack = (const struct pack_header *)start;
	return pack->magic == PACK_MAGIC && pack->version == PACK_VERSION ? pack->pool : 0;
}

/* The highest place of the RAM with `base`, above all that abi/layout.h names, where nothing else is. */
static bool find_place(const void *fdt, u64 base, u64 size)
{
	const struct range *node = overlap(&ram, base, base + 1);
	const u64 low = base + LAYOUT_MIN_RAM;
	struct ranges taken = { 0 };
	const struct range *other;
	u64 at;

	find_taken(fdt, &taken);
	if (taken.overflow || ram.overflow || !node || size < POOL_MIN || (size & (size - 1)) ||
	    node->end - node->start < size)
		return false;
	at = (node->end - size) & ~(size - 1);
	while (at >= low) {
		other = overlap(&taken, at, at + size);
		if (!other) {
			pool = (struct range){ at, at + size };
			return true;
		}
		if (other->start < size)
			return false;
		at = (other->start - size) & ~(size - 1);
	}
	return false;
}

/* VMIDs are told apart up to this one. A hart's own value is given back. */
static u32 last_vmid(void)
{
	const unsigned long before = csr_swap(CSR_HGATP, HGATP_VMID_MASK);
	const unsigned long found = csr_swap(CSR_HGATP, before);

	return (u32)((found & HGATP_VMID_MASK) >> HGATP_VMID_SHIFT);
}

static bool has_sv39x4(void)
{
	const unsigned long before = csr_swap(CSR_HGATP, HGATP_SV39X4 << HGATP_MODE_SHIFT);
	const unsigned long found = csr_swap(CSR_HGATP, before);

	return found >> HGATP_MODE_SHIFT == HGATP_SV39X4;
}

static bool hardware_suits(struct sbi_scratch *scratch)
{
	return sbi_hart_has_extension(scratch, SBI_HART_EXT_SSTC) &&
	       !sbi_hart_has_extension(scratch, SBI_HART_EXT_SMEPMP) && has_sv39x4() &&
	       last_vmid() >= MAX_VMS + PRIVATE_VMS;
}

static bool pmp_has_room(struct sbi_scratch *scratch)
{
	const struct sbi_domain_memregion *region;
	u32 regions = 0;

	sbi_domain_for_each_memregion(&root, region) regions++;
	return regions < sbi_hart_pmp_count(scratch);
}

int place_domains_init(const void *fdt, u64 base)
{
	struct sbi_scratch *scratch = sbi_scratch_thishart_ptr();
	const u64 size = wanted(fdt);

	find_ram(fdt);
	if (!size)
		return 0;
	if (!hardware_suits(scratch))
		why_not = PRIVATE_NO_HARDWARE;
	else if (!pmp_has_room(scratch))
		why_not = PRIVATE_NO_PMP;
	else if (!find_place(fdt, base, size))
		why_not = PRIVATE_NO_ROOM;
	else
		return sbi_domain_root_add_memrange(pool.start, size, size,
						    SBI_DOMAIN_MEMREGION_M_READABLE |
							    SBI_DOMAIN_MEMREGION_M_WRITABLE);
	return 0;
}

/* What is closed to HS-mode, the pool with it. */
static void find_closed(void)
{
	const unsigned long open = SBI_DOMAIN_MEMREGION_SU_READABLE | SBI_DOMAIN_MEMREGION_SU_WRITABLE;
	const struct sbi_domain_memregion *region;

	sbi_domain_for_each_memregion(&root, region) if ((region->flags & open) != open &&
							 region->order < __riscv_xlen)
		add(&closed, region->base, 1ul << region->order);
}

bool place_is_ordinary(u64 address, u64 bytes)
{
	const struct range *node;

	if (!bytes || bytes > ~0ul - address || closed.overflow)
		return false;
	node = overlap(&ram, address, address + 1);
	return node && address + bytes <= node->end && !overlap(&closed, address, address + bytes);
}

static const char *why_text(void)
{
	switch (why_not) {
	case PRIVATE_NO_ROOM:
		return "no piece of RAM of that size, at a multiple of it, is free: give the machine more memory";
	case PRIVATE_NO_PMP:
		return "the harts have too few PMP entries";
	default:
		return "the harts lack Sstc, Sv39x4 or VMIDs, or have Smepmp";
	}
}

void place_begin(void)
{
	br_sha256_context sha;

	if (!pool.end) {
		pool_is_absent(why_not);
		if (why_not != PRIVATE_NOT_WANTED)
			sbi_printf("warden: no memory for confidential VMs: %s\n", why_text());
		return;
	}
	find_closed();
	br_sha256_init(&sha);
	/* cppcheck-suppress comparePointers ; the linker's marks of one image */
	br_sha256_update(&sha, _fw_start, (unsigned long)(_rodata_end - _fw_start));
	br_sha256_out(&sha, warden_digest);
	pool_begin(pool.start, pool.end - pool.start, last_vmid());
	if (!enter_init()) {
		pool_is_absent(PRIVATE_NO_PMP);
		return;
	}
	sbi_printf("warden: %lu MiB at 0x%lx are kept for confidential VMs\n", (pool.end - pool.start) >> 20,
		   pool.start);
}

void place_warden_digest(u8 digest[32])
{
	sbi_memcpy(digest, warden_digest, sizeof(warden_digest));
}
