/*
 * Adoption of an estate that an enemy wrote. Fields of all records get values from the input; checksums are made good
 * again, so that the values reach those who check them. Adoption must give an error or an estate whose pointers stay
 * inside of it, cost at most the VMs whose records are bad, and never end the life.
 *
 * Input: steps of 12 bytes, each the place of a word and how it changes.
 */
#include "core/estate/cold.h"
#include "core/lib/check.h"
#include "core/lib/crc32c.h"
#include "core/lib/log.h"
#include "core/memory/backing.h"
#include "core/root/takeover.h"
#include "core/survive/adopt.h"
#include "core/survive/life.h"
#include "tests/lib/fixture.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ESTATE_MAX MIB(12)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static u64 base;
static size_t pristine_size;

static void check(bool holds, const char *what)
{
	if (!holds)
		host_fail(what);
}

/* A host with two VMs; its estate becomes a private mapping of a file, so that forgetting changes costs little. */
static void set_up(void)
{
	struct vm_config c = { .memory = MIB(8), .vcpus = 3 };
	int file = memfd_create("estate", 0);

	fixture_start_with(MIB(64), 4);
	fixture_run(fixture_vm(&c));
	fixture_vm(&c);
	base = estate.base;
	pristine_size = ESTATE_MAX;
	check(file >= 0 && write(file, (void *)base, pristine_size) == (ssize_t)pristine_size,
	      "no file for the estate");
	check(mmap((void *)base, pristine_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0) ==
		      (void *)base,
	      "the estate cannot be mapped");
}

struct step {
	u8 area;
	u8 index;
	u16 word;
	u8 value[8];
};

/* The values of a step: as given, or what an off-by-one of a check would let through. */
static u64 value_of(const struct step *s, u64 old)
{
	u64 value;

	memcpy(&value, s->value, sizeof(value));
	switch (s->area >> 4) {
	case 0:
		return old + value;
	case 1:
		return old ^ 1ull << (value & 63);
	case 2:
		return base + value;
	case 3:
		return value % KIB(16);
	case 4:
		return ~0ull - value % 16;
	case 5:
		return ALIGN_DOWN(value, BLOCK_SIZE);
	default:
		return value;
	}
}

static void change(void *record, size_t bytes, const struct step *s)
{
	u8 *at = (u8 *)record + (s->word * sizeof(u64)) % ALIGN_DOWN(bytes, sizeof(u64));
	u64 word;

	memcpy(&word, at, sizeof(word));
	word = value_of(s, word);
	/* Half words too: counts are 32 bits wide. */
	memcpy(at + (s->word >> 15) * 4, &word, s->word >> 15 ? 4 : 8);
}

static void change_cold(u64 offset, u32 magic, size_t bytes, const struct step *s)
{
	static u8 body[ESTATE_COLD_STRIDE];

	if (cold_read((void *)(base + offset), magic, body, (u32)bytes))
		return;
	change(body, bytes, s);
	cold_write((void *)(base + offset), magic, body, (u32)bytes);
}

static void change_vcpu(u64 index, const struct step *s)
{
	struct vcpu_record *r = estate_vcpu(index);
	u32 crc;

	change(r, sizeof(*r), s);
	crc = crc32c(0, &r->magic, sizeof(r->magic));
	crc = crc32c(crc, &r->vm, sizeof(r->vm));
	if (s->index < 0x80)
		r->identity_crc = crc32c(crc, &r->id, sizeof(r->id));
}

static void apply(const struct step *s)
{
	unsigned hart = s->index % MAX_HARTS, vm = s->index % 4;

	switch (s->area & 15) {
	case 0:
		change_cold(0, COLD_HEADER, sizeof(struct estate_header), s);
		break;
	case 1:
		change_cold(KIB(16), COLD_MACHINE, sizeof(struct machine_record), s);
		break;
	case 2:
		change_cold((u64)estate_vm(vm)->config - base, COLD_VM, sizeof(struct vm_config), s);
		break;
	case 3:
		change(&estate_vm(vm)->state, offsetof(struct vm_state, touched), s);
		break;
	case 4:
		change_vcpu(s->index % 8, s);
		break;
	case 5:
		change(&estate.harts[hart].redo, sizeof(struct redo_entry), s);
		break;
	case 6:
		change(&estate.harts[hart], sizeof(struct hart_record), s);
		break;
	case 7:
		change(estate.lives, LIFE_COUNT * sizeof(struct life_record), s);
		break;
	case 8:
		change(estate.log, 8, s);
		break;
	case 9:
		change(estate.warden, sizeof(struct warden_record), s);
		break;
	case 10:
		change(&estate.consoles[vm], 64, s);
		break;
	default:
		/* Anywhere in the first 512 KiB, checksums or not. */
		change((void *)(base + (u64)s->index * KIB(2)), KIB(2), s);
	}
}

static void check_table(const void *table, u64 bytes)
{
	check((u64)table % PAGE_SIZE == 0 && range_inside((u64)table, bytes, base, estate.size),
	      "a table is outside");
}

static void check_pointers(void)
{
	check(estate.base == base && estate.size <= ESTATE_MAX, "an estate of impossible size was adopted");
	check_table(estate.harts, MAX_HARTS * sizeof(struct hart_record));
	check_table(estate.lives, LIFE_COUNT * sizeof(struct life_record));
	check_table(estate.log, sizeof(struct log_ring));
	check_table(estate.vms, MAX_VMS * VM_RECORD_SIZE);
	check_table(estate.consoles, MAX_VMS * sizeof(struct console_ring));
	check_table(estate.vcpus, estate.vcpu_count * VCPU_RECORD_SIZE);
	check(estate.vcpu_count > 0 && estate.machine.ram_count <= MACHINE_MAX_RAM &&
		      estate.machine.hart_count <= MAX_HARTS &&
		      estate.machine.virtio_count <= MACHINE_MAX_VIRTIO,
	      "a count of the machine is out of bounds");
}

static void check_memory(const struct vm *vm)
{
	u64 placed = 0;

	for (u32 i = 0; i < vm->config.extent_count; i++) {
		const struct vm_extent *e = &vm->config.extents[i];

		check(!ranges_overlap(e->hpa, e->size, base - LAYOUT_ESTATE_OFFSET,
				      LAYOUT_ESTATE_OFFSET + estate.size),
		      "a VM owns the estate");
		placed += e->size;
		for (unsigned n = 0; n < vm->index; n++) {
			for (u32 k = 0; vms[n] && k < vms[n]->config.extent_count; k++)
				check(!ranges_overlap(e->hpa, e->size, vms[n]->config.extents[k].hpa,
						      vms[n]->config.extents[k].size),
				      "two VMs own the same memory");
		}
	}
	check(placed == vm->config.memory && placed <= VM_MEMORY_MAX, "a VM has other memory than it says");
}

static void check_vcpus(const struct vm *vm)
{
	const struct vcpu *v = vm->vcpu, *end = v + vm->config.vcpus;

	for (; v < end; v++) {
		check(range_inside((u64)v->r, VCPU_RECORD_SIZE, (u64)estate.vcpus,
				   estate.vcpu_count * VCPU_RECORD_SIZE),
		      "a vCPU record is outside");
		check(idmap_find(&vm->ids, v->r->id) == v, "a vCPU is not in the map");
	}
}

static void adopt(void)
{
	const u64 window[4] = { 0 };
	char text[100];
	u64 from = 0;

	if (estate_adopt(base))
		return;
	check_pointers();
	fixture_pages();
	memset(vms, 0, sizeof(struct vm *) * MAX_VMS);
	log_open(estate.log);
	log_line("adopted");
	log_read(&from, text, sizeof(text));
	life_begin(true, host_slot(2), 0, arch_time(), window);
	(void)estate_newest_life();
	adopt_redo();
	adopt_vms();
	takeover_adopt();
	for (unsigned n = 0; n < MAX_VMS; n++) {
		if (!vms[n])
			continue;
		check_memory(vms[n]);
		check_vcpus(vms[n]);
	}
	(void)backing_free_bytes();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	if (!base)
		set_up();
	/* The pointers of before, to change what they point to. */
	madvise((void *)base, pristine_size, MADV_DONTNEED);
	check(!estate_adopt(base), "the pristine estate is refused");
	for (; size >= sizeof(struct step); data += sizeof(struct step), size -= sizeof(struct step)) {
		struct step s;

		memcpy(&s, data, sizeof(s));
		apply(&s);
	}
	adopt();
	return 0;
}
