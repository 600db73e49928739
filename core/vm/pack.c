/* The boot pack: see pack.h. */
#include "core/vm/pack.h"
#include "abi/dump.h"
#include "abi/estate.h"
#include "abi/private_size.h"
#include "abi/pstore.h"
#include "core/lib/check.h"
#include "core/lib/crc32c.h"
#include "core/lib/errno.h"
#include "core/lib/string.h"

/* Where the complaint goes. */
struct complaint {
	char *text;
	size_t size;
};

/* A failed check: its text, and the error, in one expression. */
#define BAD(c, ...) (format((c)->text, (c)->size, __VA_ARGS__), -EINVAL)

static bool is_zero(const void *at, size_t bytes)
{
	const u8 *byte = at;

	for (size_t i = 0; i < bytes; i++)
		if (byte[i])
			return false;
	return true;
}

/* True if `s` ends inside its array and consists of printable ASCII. */
static bool is_text(const char *s, size_t size)
{
	size_t length = strnlen(s, size);

	for (size_t i = 0; i < length; i++)
		if (s[i] < ' ' || s[i] > '~')
			return false;
	return length < size;
}

/* Command lines may have any bytes but must end. */
static bool is_terminated(const char *s, size_t size)
{
	return strnlen(s, size) < size;
}

static u64 tables_size(const struct pack_header *h)
{
	return sizeof(*h) + (u64)h->item_count * sizeof(struct pack_item) +
	       (u64)h->vm_count * sizeof(struct vm_config);
}

static u32 pack_crc(const struct pack_header *header)
{
	struct pack_header h = *header;

	h.crc = 0;
	return crc32c(crc32c(0, &h, sizeof(h)), header + 1, (size_t)(tables_size(header) - sizeof(h)));
}

/* The header alone, before anything behind it is looked at. */
static int check_header(const struct pack_header *h, u64 size, struct complaint *c)
{
	if (h->magic != PACK_MAGIC)
		return BAD(c, "no boot pack: magic is %llx", (unsigned long long)h->magic);
	if (h->version != PACK_VERSION)
		return BAD(c, "pack is of version %u, this is %u", h->version, PACK_VERSION);
	if (h->header_size != sizeof(*h))
		return BAD(c, "header of %u bytes instead of %zu", h->header_size, sizeof(*h));
	if (h->item_count > PACK_MAX_ITEMS)
		return BAD(c, "%u items, at most %u", h->item_count, PACK_MAX_ITEMS);
	if (h->vm_count > MAX_VMS)
		return BAD(c, "%u VMs, at most %u", h->vm_count, MAX_VMS);
	if (h->total_size > size)
		return BAD(c, "truncated: %llu bytes of %llu", (unsigned long long)size,
			   (unsigned long long)h->total_size);
	if (tables_size(h) > h->total_size)
		return BAD(c, "tables need %llu bytes, the pack has %llu", (unsigned long long)tables_size(h),
			   (unsigned long long)h->total_size);
	return 0;
}

/* Numbers of the machine's disks, and sizes as pstore has them: whether they fit that disk is seen when it is opened. */
static int check_evidence(const struct pack_evidence *e, struct complaint *c)
{
	u64 zones = (u64)e->blackbox_pmsg + e->blackbox_console + e->blackbox_ftrace + e->blackbox_kmsg;
	u32 sizes = e->blackbox_pmsg | e->blackbox_console | e->blackbox_ftrace | e->blackbox_kmsg;

	if (e->blackbox_disk > MACHINE_MAX_VIRTIO || e->dump_disk > MACHINE_MAX_VIRTIO)
		return BAD(c, "evidence on disk %u",
			   (e->blackbox_disk > e->dump_disk ? e->blackbox_disk : e->dump_disk) - 1);
	if (e->blackbox_disk && e->blackbox_disk == e->dump_disk)
		return BAD(c, "black box and dumps are on the same disk, %u", e->dump_disk - 1);
	if (sizes % PSTORE_ZONE_UNIT || zones > PSTORE_TOTAL_MAX || !zones != !e->blackbox_disk)
		return BAD(c, "black box with zones of %u, %u, %u and %u bytes", e->blackbox_pmsg,
			   e->blackbox_console, e->blackbox_ftrace, e->blackbox_kmsg);
	if (e->dump_keep > DUMP_KEEP_MAX || !e->dump_keep != !e->dump_disk)
		return BAD(c, "%u dumps to be kept", e->dump_keep);
	if (e->reserved)
		return BAD(c, "reserved words of the evidence are not zero");
	return 0;
}

/* What the checksum covers but only a wrong writer can have got wrong. */
static int check_settings(const struct pack_header *h, struct complaint *c)
{
	if (h->crc != pack_crc(h))
		return BAD(c, "checksum %08x, computed %08x", h->crc, pack_crc(h));
	if (h->crash_policy > CRASH_DEVIRTUALISE)
		return BAD(c, "unknown crash policy %u", h->crash_policy);
	if (h->flags & ~PACK_FLAG_EXIT_WHEN_IDLE)
		return BAD(c, "unknown flags %x", h->flags);
	if (!is_zero(h->reserved, sizeof(h->reserved)))
		return BAD(c, "reserved words of the header are not zero");
	if (h->pool && (h->pool < PRIVATE_POOL_MIN || (h->pool & (h->pool - 1))))
		return BAD(c, "pool of %llu bytes for confidential VMs", (unsigned long long)h->pool);
	return check_evidence(&h->evidence, c);
}

static bool is_evidence_disk(const struct pack_evidence *e, u32 unit)
{
	return (e->blackbox_disk && e->blackbox_disk - 1 == unit) ||
	       (e->dump_disk && e->dump_disk - 1 == unit);
}

static int check_item(const struct pack_header *h, const struct pack_item *item, u32 n, struct complaint *c)
{
	if (!is_text(item->name, sizeof(item->name)) || !item->name[0])
		return BAD(c, "item %u: bad name", n);
	if (item->offset % PAGE_SIZE)
		return BAD(c, "item %u (%s): offset is not a multiple of 4 KiB", n, item->name);
	if (item->offset < tables_size(h) || !range_inside(item->offset, item->size, 0, h->total_size))
		return BAD(c, "item %u (%s): outside of the pack", n, item->name);
	return 0;
}

/* Flags that a device of a kind may have. */
static const u32 device_flags[] = {
	[VM_DEV_NONE] = 0,
	[VM_DEV_CONSOLE] = 0,
	[VM_DEV_BLK] = VM_DEV_READONLY,
	[VM_DEV_NET] = VM_DEV_UPLINK,
	[VM_DEV_RNG] = 0,
	[VM_DEV_PMSG] = 0,
	[VM_DEV_PASS] = 0,
};

static int check_device(const struct pack_header *h, const struct vm_config *vm, unsigned slot,
			struct complaint *c)
{
	const struct vm_device_config *d = &vm->devices[slot];

	if (d->kind >= ARRAY_SIZE(device_flags))
		return BAD(c, "VM %s, device %u: unknown kind %u", vm->name, slot, d->kind);
	if (d->kind == VM_DEV_BLK && is_evidence_disk(&h->evidence, d->host_unit))
		return BAD(c, "VM %s, device %u: disk %u is the host's own", vm->name, slot, d->host_unit);
	if (d->flags & ~device_flags[d->kind])
		return BAD(c, "VM %s, device %u: unknown flags %x", vm->name, slot, d->flags);
	if (!is_zero(d->reserved, sizeof(d->reserved)))
		return BAD(c, "VM %s, device %u: reserved bytes are not zero", vm->name, slot);
	if (d->kind == VM_DEV_NET && (d->mac[0] & 1))
		return BAD(c, "VM %s, device %u: a group address is no address of a card", vm->name, slot);
	if (d->kind == VM_DEV_PASS && (!(vm->flags & VM_ROOT) || d->host_unit >= MACHINE_MAX_VIRTIO))
		return BAD(c, "VM %s, device %u: window %u cannot be passed through%s", vm->name, slot,
			   d->host_unit, vm->flags & VM_ROOT ? "" : " to a VM that is not the root VM");
	if (!is_text(d->serial, sizeof(d->serial)))
		return BAD(c, "VM %s, device %u: bad serial", vm->name, slot);
	return 0;
}

/* Memory, processors and what a VM starts from. */
static int check_vm_size(const struct pack_header *h, const struct vm_config *vm, struct complaint *c)
{
	if (!vm->memory || vm->memory % BLOCK_SIZE || vm->memory > VM_MEMORY_MAX)
		return BAD(c, "VM %s: memory of %llu bytes", vm->name, (unsigned long long)vm->memory);
	if (!vm->vcpus || vm->vcpus > MAX_VCPU_ID)
		return BAD(c, "VM %s: %u vCPUs, between 1 and %u", vm->name, vm->vcpus, MAX_VCPU_ID);
	if (vm->kernel_item >= h->item_count)
		return BAD(c, "VM %s: kernel is item %u of %u", vm->name, vm->kernel_item, h->item_count);
	if (vm->initrd_item != VM_NO_ITEM && vm->initrd_item >= h->item_count)
		return BAD(c, "VM %s: initrd is item %u of %u", vm->name, vm->initrd_item, h->item_count);
	return 0;
}

/* The root VM's vCPUs are the machine's harts, and its devices the machine's, each once. */
static int check_root(const struct vm_config *vm, struct complaint *c)
{
	u32 windows = 0;

	if (vm->affinity)
		return BAD(c, "VM %s: the root VM's vCPUs are bound to their harts, it has no affinity",
			   vm->name);
	for (unsigned slot = 0; slot < VM_MAX_DEVICES; slot++) {
		const struct vm_device_config *d = &vm->devices[slot];

		if (d->kind == VM_DEV_NONE)
			continue;
		if (d->kind != VM_DEV_PASS)
			return BAD(c, "VM %s, device %u: the root VM has devices of the machine only",
				   vm->name, slot);
		if (windows >> d->host_unit & 1)
			return BAD(c, "VM %s, device %u: window %u is passed through twice", vm->name, slot,
				   d->host_unit);
		windows |= 1u << d->host_unit;
	}
	return 0;
}

/* What the warden can keep. */
static int check_confidential(const struct pack_header *h, const struct vm_config *vm, struct complaint *c)
{
	if (vm->flags & VM_ROOT)
		return BAD(c, "VM %s: the root VM cannot be confidential", vm->name);
	if (!h->pool)
		return BAD(c, "VM %s: is confidential, and there is no pool for it", vm->name);
	if (vm->vcpus > PRIVATE_VCPUS)
		return BAD(c, "VM %s: %u vCPUs, a confidential VM has at most %u", vm->name, vm->vcpus,
			   PRIVATE_VCPUS);
	return 0;
}

static int check_vm(const struct pack_header *h, const struct vm_config *vm, u32 n, struct complaint *c)
{
	int error;

	if (!is_text(vm->name, sizeof(vm->name)) || !vm->name[0])
		return BAD(c, "VM %u: bad name", n);
	if (!is_terminated(vm->cmdline, sizeof(vm->cmdline)))
		return BAD(c, "VM %s: command line does not end", vm->name);
	error = check_vm_size(h, vm, c);
	if (error)
		return error;
	if ((vm->flags & ~(VM_ROOT | VM_CONFIDENTIAL)) || vm->private_number)
		return BAD(c, "VM %s: flags %x are not supported", vm->name, vm->flags);
	if (vm->autostart > 1)
		return BAD(c, "VM %s: autostart is %u", vm->name, vm->autostart);
	if (vm->on_poweroff > VM_ACTION_RESTART || vm->on_reboot > VM_ACTION_RESTART ||
	    vm->on_crash > VM_ACTION_RESTART)
		return BAD(c, "VM %s: unknown action", vm->name);
	if (vm->extent_count || !is_zero(vm->extents, sizeof(vm->extents)) ||
	    !is_zero(&vm->kept, sizeof(vm->kept)) || !is_zero(&vm->shared, sizeof(vm->shared)))
		return BAD(c, "VM %s: has memory extents before it has memory", vm->name);
	for (unsigned slot = 0; slot < VM_MAX_DEVICES; slot++) {
		error = check_device(h, vm, slot, c);
		if (error)
			return error;
	}
	if (vm->flags & VM_CONFIDENTIAL)
		return check_confidential(h, vm, c);
	return vm->flags & VM_ROOT ? check_root(vm, c) : 0;
}

/* All that the tables say; the header's bounds are good. */
static int check_tables(const struct pack *p, struct complaint *c)
{
	int error = check_settings(p->header, c);
	u32 roots = 0, confidential = 0;

	for (u32 i = 0; !error && i < p->header->item_count; i++)
		error = check_item(p->header, &p->items[i], i, c);
	for (u32 i = 0; !error && i < p->header->vm_count; i++) {
		error = check_vm(p->header, &p->vms[i], i, c);
		roots += p->vms[i].flags & VM_ROOT;
		if (!error && roots > 1)
			error = BAD(c, "VM %s: a host has one root VM", p->vms[i].name);
		confidential += (p->vms[i].flags & VM_CONFIDENTIAL) != 0;
		if (!error && confidential > PRIVATE_VMS)
			error = BAD(c, "more than %u confidential VMs", PRIVATE_VMS);
		for (u32 k = 0; !error && k < i; k++)
			if (!strcmp(p->vms[i].name, p->vms[k].name))
				error = BAD(c, "two VMs are named %s", p->vms[i].name);
	}
	return error;
}

int pack_open(struct pack *pack, const void *at, u64 size, char *why, size_t why_size)
{
	struct complaint c = { why, why_size };
	const struct pack_header *h = at;
	struct pack p;
	int error;

	*pack = (struct pack){ 0 };
	if (why_size)
		why[0] = 0;
	if ((uintptr_t)at % 8)
		return BAD(&c, "pack is not aligned to 8 bytes");
	if (size < sizeof(*h))
		return BAD(&c, "truncated: %llu bytes", (unsigned long long)size);
	error = check_header(h, size, &c);
	if (error)
		return error;
	p.header = h;
	p.items = (const struct pack_item *)(h + 1);
	p.vms = (const struct vm_config *)(p.items + h->item_count);
	error = check_tables(&p, &c);
	if (!error)
		*pack = p;
	return error;
}

const void *pack_item_bytes(const struct pack *pack, u32 item, u64 *size)
{
	*size = 0;
	if (!pack->header || item >= pack->header->item_count)
		return NULL;
	*size = pack->items[item].size;
	return (const u8 *)pack->header + pack->items[item].offset;
}

const char *pack_item_name(const struct pack *pack, u32 item)
{
	return pack->header && item < pack->header->item_count ? pack->items[item].name : "";
}
