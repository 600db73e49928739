/*
 * Making an estate, and taking one over.
 *
 * Layout: header, machine record, warden record and lives in the first 64 KiB, hart records at ESTATE_HARTS_OFFSET; so
 * much is fixed, because the warden and the check of the header rely on it. Log, VMs, consoles, vCPUs and crash records
 * follow where the header says.
 */
#include "core/estate/estate.h"
#include "core/estate/cold.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/sealed.h"

#define OFFSET_MACHINE KIB(16)
#define OFFSET_LIVES   KIB(36)
#define OFFSET_LOG     (ESTATE_HARTS_OFFSET + MAX_HARTS * sizeof(struct hart_record))

#define VCPUS_MIN 64
#define VCPUS_MAX 4096

_Static_assert(ESTATE_HEADER_OFFSET + 2 * ESTATE_COLD_STRIDE <= OFFSET_MACHINE, "estate layout");
_Static_assert(OFFSET_MACHINE + 2 * ESTATE_COLD_STRIDE <= ESTATE_WARDEN_OFFSET, "estate layout");
_Static_assert(ESTATE_WARDEN_OFFSET + sizeof(struct warden_record) <= ESTATE_RECORDER_OFFSET,
	       "estate layout");
_Static_assert(ESTATE_RECORDER_OFFSET + sizeof(struct recorder_record) <= OFFSET_LIVES, "estate layout");
_Static_assert(OFFSET_LIVES + LIFE_COUNT * sizeof(struct life_record) <= ESTATE_HARTS_OFFSET,
	       "estate layout");

SEALED struct estate estate;

/* Offsets for so many vCPU records; the estate's size, before rounding, is the end of the last table. */
static void lay_out(struct estate_header *h, u64 vcpus)
{
	h->machine = OFFSET_MACHINE;
	h->lives = OFFSET_LIVES;
	h->harts = ESTATE_HARTS_OFFSET;
	h->log = OFFSET_LOG;
	h->vms = h->log + sizeof(struct log_ring);
	h->consoles = h->vms + MAX_VMS * VM_RECORD_SIZE;
	h->vcpus = h->consoles + MAX_VMS * sizeof(struct console_ring);
	h->vcpu_count = vcpus;
	h->crashes = ALIGN_UP(h->vcpus + vcpus * VCPU_RECORD_SIZE, PAGE_SIZE);
	h->pmsg = h->crashes + CRASH_RECORDS * CRASH_RECORD_STRIDE;
	h->size = ALIGN_UP(h->pmsg + sizeof(struct pmsg_ring), BLOCK_SIZE);
}

u64 estate_size(u64 ram, u32 *vcpus)
{
	struct estate_header h = { 0 };
	u64 wanted = ram / MIB(1);

	*vcpus = (u32)(wanted < VCPUS_MIN ? VCPUS_MIN : wanted > VCPUS_MAX ? VCPUS_MAX : wanted);
	lay_out(&h, *vcpus);
	return h.size;
}

static void set_pointers(u64 base)
{
	const struct estate_header *h = &estate.header;

	estate.base = base;
	estate.size = h->size;
	estate.harts = (struct hart_record *)(base + h->harts);
	estate.lives = (struct life_record *)(base + h->lives);
	estate.log = (struct log_ring *)(base + h->log);
	estate.warden = (struct warden_record *)(base + ESTATE_WARDEN_OFFSET);
	estate.vms = (u8 *)(base + h->vms);
	estate.consoles = (struct console_ring *)(base + h->consoles);
	estate.vcpus = (u8 *)(base + h->vcpus);
	estate.vcpu_count = (u32)h->vcpu_count;
	estate.crashes = (u8 *)(base + h->crashes);
	estate.pmsg = (struct pmsg_ring *)(base + h->pmsg);
}

/* Ranges that can be computed with: none wraps, no two share a byte. */
static bool ram_valid(const struct machine_record *m)
{
	if (m->ram_count > MACHINE_MAX_RAM)
		return false;
	for (u32 i = 0; i < m->ram_count; i++) {
		if (m->ram[i].base + m->ram[i].size < m->ram[i].base)
			return false;
		for (u32 k = 0; k < i; k++) {
			if (ranges_overlap(m->ram[i].base, m->ram[i].size, m->ram[k].base, m->ram[k].size))
				return false;
		}
	}
	return true;
}

/* The numbers that bound loops and tables. What a device's address may be is the business of its driver. */
static bool machine_valid(const struct machine_record *m)
{
	if (m->reserved_count > MACHINE_MAX_RESERVED)
		return false;
	for (u32 i = 0; i < m->reserved_count; i++) {
		if (m->reserved[i].base + m->reserved[i].size < m->reserved[i].base)
			return false;
	}
	return ram_valid(m) && m->timebase && m->hart_count >= 1 && m->hart_count <= MAX_HARTS &&
	       m->virtio_count <= MACHINE_MAX_VIRTIO && m->pack.base + m->pack.size >= m->pack.base &&
	       m->dtb.base + m->dtb.size >= m->dtb.base;
}

/* True if one range of RAM holds what abi/layout.h puts before an estate at `base`, and the estate. */
static bool machine_holds(const struct machine_record *m, u64 base, u64 size)
{
	for (u32 i = 0; i < m->ram_count; i++) {
		if (base >= LAYOUT_ESTATE_OFFSET &&
		    range_inside(base - LAYOUT_ESTATE_OFFSET, LAYOUT_ESTATE_OFFSET + size, m->ram[i].base,
				 m->ram[i].size))
			return true;
	}
	return false;
}

static u64 machine_ram(const struct machine_record *m)
{
	u64 total = 0;

	for (u32 i = 0; i < m->ram_count && i < MACHINE_MAX_RAM; i++)
		total += m->ram[i].size;
	return total;
}

int estate_create(u64 base, const struct machine_record *machine)
{
	struct estate_header *h = &estate.header;
	u32 vcpus;
	u64 size = estate_size(machine_ram(machine), &vcpus);

	if (!ram_valid(machine) || !machine_holds(machine, base, size))
		return -ENOMEM;
	*h = (struct estate_header){ .magic = ESTATE_MAGIC, .version = ESTATE_VERSION, .base = base };
	lay_out(h, vcpus);
	set_pointers(base);
	estate.machine = *machine;

	/* From the start on: an old header goes before what it describes. The new one comes last. */
	arch_zero((void *)base, size);
	for (unsigned i = 0; i < MAX_HARTS; i++) {
		estate_store(&estate.harts[i].vcpu, NO_VCPU);
		estate_store(&estate.harts[i].lazy, NO_VCPU);
	}
	estate_machine_write();
	cold_write_both((void *)(base + ESTATE_HEADER_OFFSET), COLD_HEADER, h, sizeof(*h));
	return 0;
}

/* A table of `bytes` at `offset`: aligned, behind the one before, inside the estate. Moves *end behind it. */
static bool table_valid(const struct estate_header *h, u64 offset, u64 bytes, u64 *end)
{
	if (offset % PAGE_SIZE || offset < *end || !range_inside(offset, bytes, 0, h->size))
		return false;
	*end = offset + bytes;
	return true;
}

static bool tables_valid(const struct estate_header *h)
{
	u64 end = OFFSET_LOG;

	return h->machine == OFFSET_MACHINE && h->lives == OFFSET_LIVES && h->harts == ESTATE_HARTS_OFFSET &&
	       h->vcpu_count >= 1 && h->vcpu_count <= VCPUS_MAX &&
	       table_valid(h, h->log, sizeof(struct log_ring), &end) &&
	       table_valid(h, h->vms, MAX_VMS * VM_RECORD_SIZE, &end) &&
	       table_valid(h, h->consoles, MAX_VMS * sizeof(struct console_ring), &end) &&
	       table_valid(h, h->vcpus, h->vcpu_count * VCPU_RECORD_SIZE, &end) &&
	       table_valid(h, h->crashes, CRASH_RECORDS * CRASH_RECORD_STRIDE, &end) &&
	       table_valid(h, h->pmsg, sizeof(struct pmsg_ring), &end);
}

int estate_adopt(u64 base)
{
	struct estate_header *h = &estate.header;
	struct machine_record *m = &estate.machine;
	u32 vcpus;

	if (cold_read((void *)(base + ESTATE_HEADER_OFFSET), COLD_HEADER, h, sizeof(*h)) ||
	    h->magic != ESTATE_MAGIC)
		return -ENOENT;
	if (h->version < ESTATE_OLDEST || h->version > ESTATE_VERSION)
		return -EPROTO;
	if (h->base != base || h->size % BLOCK_SIZE || h->size > estate_size(~0ull, &vcpus) ||
	    !tables_valid(h))
		return -EINVAL;
	/* At a fixed place in the first 64 KiB: readable whatever the header says. */
	if (cold_read((void *)(base + OFFSET_MACHINE), COLD_MACHINE, m, sizeof(*m)))
		return -ENOENT;
	if (!machine_valid(m) || !machine_holds(m, base, h->size))
		return -EINVAL;
	set_pointers(base);
	return 0;
}

void estate_machine_write(void)
{
	cold_write_both((void *)(estate.base + estate.header.machine), COLD_MACHINE, &estate.machine,
			sizeof(estate.machine));
}

struct life_record *estate_newest_life(void)
{
	struct life_record *newest = NULL;

	for (unsigned i = 0; i < LIFE_COUNT; i++) {
		struct life_record *life = &estate.lives[i];
		u64 number = estate_load(&life->number);

		/* A number belongs into its slot of the ring; anything else is damage. */
		if (number && number % LIFE_COUNT == i && (!newest || number > estate_load(&newest->number)))
			newest = life;
	}
	return newest;
}
