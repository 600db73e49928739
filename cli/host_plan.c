/* From a host's description to its pack and machine: see host_plan.h. */
#include "cli/host_plan.h"
#include "cli/blackbox.h"
#include "cli/host_check.h"
#include "cli/memory.h"
#include "cli/plan_memory.h"
#include "core/lib/crc32c.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The estate has room for a vCPU per MiB of RAM, within these bounds (core/estate/estate.c). */
#define VCPUS_ALWAYS 64
#define VCPUS_MOST   4096

u64 host_plan_items_offset(const struct host_plan *plan)
{
	return ALIGN_UP(sizeof(struct pack_header) + plan->item_count * sizeof(struct pack_item) +
				plan->vm_count * sizeof(struct vm_config),
			PAGE_SIZE);
}

/* Index of the file's item, which is added if it is new. VM_NO_ITEM if the file is not there (reported elsewhere). */
static u32 add_item(struct host_plan *plan, const struct field_text *file, const char *field,
		    struct diagnostics *d)
{
	struct stat st;
	struct plan_item *item;

	if (!file->value || stat(file->value, &st) < 0)
		return VM_NO_ITEM;
	for (u32 i = 0; i < plan->item_count; i++)
		if (plan->items[i].device == st.st_dev && plan->items[i].inode == st.st_ino)
			return i;
	if (plan->item_count == PACK_MAX_ITEMS) {
		diagnostics_add(d, file->line, field, "more than %d different files", PACK_MAX_ITEMS);
		return VM_NO_ITEM;
	}
	item = &plan->items[plan->item_count];
	*item = (struct plan_item){
		.path = file->value, .size = (u64)st.st_size, .device = st.st_dev, .inode = st.st_ino
	};
	return plan->item_count++;
}

/* Number of a switch: the order in which the file names them first. */
static u32 switch_number(const struct host_spec *spec, const char *name)
{
	const char *known[MAX_VMS * VM_MAX_DEVICES];
	u32 count = 0;

	for (size_t v = 0; v < spec->vms.count; v++)
		for (size_t i = 0; i < host_vm(spec, v)->networks.count; i++) {
			const char *other = vm_network(host_vm(spec, v), i)->to.value;
			u32 n = 0;

			if (!other)
				continue;
			while (n < count && strcmp(known[n], other) != 0)
				n++;
			if (strcmp(other, name) == 0)
				return n;
			if (n == count)
				known[count++] = other;
		}
	return 0;
}

static bool switch_has_uplink(const struct host_spec *spec, const char *name)
{
	for (size_t v = 0; v < spec->vms.count; v++)
		for (size_t i = 0; i < host_vm(spec, v)->networks.count; i++) {
			const struct network_spec *network = vm_network(host_vm(spec, v), i);

			if (network->uplink.value && network->to.value &&
			    strcmp(network->to.value, name) == 0)
				return true;
		}
	return false;
}

/* The same host and VM get the same address each time, so that a guest's leases and rules hold. */
static void make_mac(const struct host_spec *spec, const struct vm_spec *vm, size_t index, u8 mac[6])
{
	const char *host = spec->name.value ? spec->name.value : "";
	u32 crc = crc32c(crc32c(0, host, strlen(host) + 1), vm->name.value, strlen(vm->name.value));

	mac[0] = 0x02; /* locally administered */
	mac[1] = (u8)index;
	for (int i = 0; i < 4; i++)
		mac[2 + i] = (u8)(crc >> 8 * i);
}

static void plan_disks(struct host_plan *plan, const struct vm_spec *vm, struct vm_device_config **device)
{
	for (size_t i = 0; i < vm->disks.count; i++) {
		const struct disk_spec *disk = vm_disk(vm, i);
		struct vm_device_config *to = (*device)++;

		to->kind = VM_DEV_BLK;
		to->flags = disk->readonly.value ? VM_DEV_READONLY : 0;
		to->host_unit = plan->disk_count;
		if (disk->serial.value)
			snprintf(to->serial, sizeof(to->serial), "%s", disk->serial.value);
		else
			snprintf(to->serial, sizeof(to->serial), "disk%u", (unsigned)i);
		plan->disks[plan->disk_count++] =
			(struct plan_disk){ disk->file.value, disk->readonly.value };
	}
}

static void plan_networks(struct host_plan *plan, const struct vm_spec *vm, struct vm_device_config **device)
{
	for (size_t i = 0; i < vm->networks.count; i++) {
		const struct network_spec *network = vm_network(vm, i);
		struct vm_device_config *to = (*device)++;

		to->kind = VM_DEV_NET;
		if (network->to.value) {
			to->host_unit = switch_number(plan->spec, network->to.value);
			if (switch_has_uplink(plan->spec, network->to.value)) {
				to->flags = VM_DEV_UPLINK;
				plan->has_uplink = true;
			}
		}
		if (network->mac.given)
			memcpy(to->mac, network->mac.mac, sizeof(to->mac));
		else if (vm->name.value)
			make_mac(plan->spec, vm, i, to->mac);
	}
}

static void plan_devices(struct host_plan *plan, size_t index, struct vm_config *config,
			 struct diagnostics *d)
{
	const struct vm_spec *vm = host_vm(plan->spec, index);
	bool has_console = vm->console.value == CONSOLE_VIRTIO;
	size_t count = vm->disks.count + vm->networks.count + has_console + vm->rng.value + vm->pmsg.value;
	struct vm_device_config *device = config->devices;
	char field[HOST_FIELD_MAX];

	if (count > VM_MAX_DEVICES) {
		host_field(field, sizeof(field), "vms[%zu]", index);
		diagnostics_add(
			d, vm->line, field,
			"has %zu virtio devices (disks, networks, virtio console, pmsg, rng), at most %d",
			count, VM_MAX_DEVICES);
		return;
	}
	plan_disks(plan, vm, &device);
	plan_networks(plan, vm, &device);
	if (has_console)
		(device++)->kind = VM_DEV_CONSOLE;
	if (vm->pmsg.value)
		(device++)->kind = VM_DEV_PMSG;
	if (vm->rng.value) {
		device->kind = VM_DEV_RNG;
		plan->has_rng = true;
	}
}

/* The root VM's devices are the machine's. What it cannot have has been reported by host_check. */
static void plan_passes(struct host_plan *plan, size_t index, struct vm_config *config, struct diagnostics *d)
{
	const struct vm_spec *vm = host_vm(plan->spec, index);
	size_t count = vm->disks.count + (vm->rng.value != 0);
	char field[HOST_FIELD_MAX];

	if (count > PLAN_MACHINE_SLOTS - 1) {
		host_field(field, sizeof(field), "vms[%zu]", index);
		diagnostics_add(d, vm->line, field, "has %zu devices of the machine (disks, rng), at most %d",
				count, PLAN_MACHINE_SLOTS - 1);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		struct plan_pass *pass;

		if (plan->pass_count == PLAN_MACHINE_SLOTS)
			return;
		pass = &plan->passes[plan->pass_count];
		pass->window = PLAN_MACHINE_SLOTS - 1 - plan->pass_count++;
		config->devices[i].kind = VM_DEV_PASS;
		config->devices[i].host_unit = pass->window;
		if (i == vm->disks.count) {
			/* And one for the hypervisor, which seeds the root's kernel. */
			plan->has_rng = true;
			break;
		}
		pass->disk = vm_disk(vm, i);
		if (pass->disk->serial.value)
			snprintf(pass->serial, sizeof(pass->serial), "%s", pass->disk->serial.value);
		else
			snprintf(pass->serial, sizeof(pass->serial), "disk%u", (unsigned)i);
	}
}

static void plan_vm(struct host_plan *plan, size_t index, struct diagnostics *d)
{
	const struct vm_spec *vm = host_vm(plan->spec, index);
	struct vm_config *config = &plan->vms[index];
	char field[HOST_FIELD_MAX];

	if (vm->name.value)
		snprintf(config->name, sizeof(config->name), "%s", vm->name.value);
	if (vm->cmdline.value)
		snprintf(config->cmdline, sizeof(config->cmdline), "%s", vm->cmdline.value);
	config->memory = vm->memory.value;
	config->vcpus = (u32)vm->vcpus.value;
	host_field(field, sizeof(field), "vms[%zu].kernel", index);
	config->kernel_item = add_item(plan, &vm->kernel, field, d);
	host_field(field, sizeof(field), "vms[%zu].initrd", index);
	config->initrd_item = add_item(plan, &vm->initrd, field, d);
	config->autostart = (u32)vm->autostart.value;
	config->on_poweroff = (u32)vm->on_poweroff.value;
	config->on_reboot = (u32)vm->on_reboot.value;
	config->on_crash = (u32)vm->on_crash.value;
	config->affinity = vm->affinity.value;
	if (vm->confidential.value)
		config->flags |= VM_CONFIDENTIAL;
	if (vm->root.value) {
		config->flags |= VM_ROOT;
		plan_passes(plan, index, config, d);
	} else {
		plan_devices(plan, index, config, d);
	}
}

/* The root VM has the machine's harts: a number of its own decides how many those are, where nothing else does. */
static void plan_root_harts(struct host_plan *plan, u64 *vcpus)
{
	for (u32 i = 0; i < plan->vm_count; i++) {
		const struct field_number *own = &host_vm(plan->spec, i)->vcpus;

		if (!(plan->vms[i].flags & VM_ROOT))
			continue;
		if (own->line && !plan->spec->machine.harts.given)
			plan->harts = own->value < MAX_HARTS ? (u32)own->value : MAX_HARTS;
		*vcpus = *vcpus - plan->vms[i].vcpus + plan->harts;
		plan->vms[i].vcpus = plan->harts;
	}
}

static void plan_harts(struct host_plan *plan, struct diagnostics *d)
{
	const struct field_number *given = &plan->spec->machine.harts;
	u64 room = plan->memory / MIB(1);
	u64 vcpus = 0;

	for (u32 i = 0; i < plan->vm_count; i++)
		vcpus += plan->vms[i].vcpus;
	plan->harts = given->given ? (u32)given->value : vcpus < 1 ? 1 : vcpus > 4 ? 4 : (u32)vcpus;
	plan_root_harts(plan, &vcpus);
	if (room < VCPUS_ALWAYS)
		room = VCPUS_ALWAYS;
	if (room > VCPUS_MOST)
		room = VCPUS_MOST;
	if (vcpus > room)
		diagnostics_add(d, plan->spec->vms.line, "vms",
				"have %llu vCPUs together; this machine has room for %llu",
				(unsigned long long)vcpus, (unsigned long long)room);
}

/* The disks for evidence are the machine's last ones. */
static void plan_evidence(struct host_plan *plan)
{
	const struct blackbox_spec *box = &plan->spec->machine.blackbox;
	const struct dumps_spec *dumps = &plan->spec->machine.dumps;
	struct pack_evidence *e = &plan->evidence;
	struct blackbox_sizes sizes;

	if (box->file.value && blackbox_parse_sizes(box->layout.value, &sizes)) {
		plan->disks[plan->disk_count++] = (struct plan_disk){ box->file.value, false };
		e->blackbox_disk = plan->disk_count;
		e->blackbox_pmsg = sizes.pmsg;
		e->blackbox_console = sizes.console;
		e->blackbox_ftrace = sizes.ftrace;
		e->blackbox_kmsg = sizes.kmsg;
	}
	if (dumps->file.value) {
		plan->disks[plan->disk_count++] = (struct plan_disk){ dumps->file.value, false };
		e->dump_disk = plan->disk_count;
		e->dump_keep = (u32)dumps->keep.value;
	}
}

void host_plan_make(const struct host_spec *spec, struct host_plan *plan, struct diagnostics *d)
{
	u32 slots;

	memset(plan, 0, sizeof(*plan));
	plan->spec = spec;
	plan->vm_count = (u32)spec->vms.count;
	plan->vms = memory_new(spec->vms.count, sizeof(*plan->vms));
	for (size_t i = 0; i < spec->vms.count; i++)
		plan_vm(plan, i, d);
	plan_evidence(plan);
	plan_memory(plan, d);
	plan_harts(plan, d);
	slots = 1 + plan->disk_count + plan->pass_count + plan->has_uplink + plan->has_rng;
	if (slots > PLAN_MACHINE_SLOTS)
		diagnostics_add(
			d, spec->vms.line, "vms",
			"need %u devices of the machine (%u disks%s%s), which has room for %d beside the control "
			"channel",
			slots - 1, plan->disk_count + plan->pass_count,
			plan->has_uplink ? ", the uplink" : "",
			plan->has_rng ? ", an entropy source for rng" : "", PLAN_MACHINE_SLOTS - 1);
}

void host_plan_free(struct host_plan *plan)
{
	free(plan->vms);
	plan->vms = NULL;
}
