/*
 * QEMU's command line for a host.
 *
 * The virt machine has eight virtio-mmio slots. Each device is put into one by name, in ascending order: without that
 * QEMU fills them from the highest address downwards. Slot 0 has the control channel, then come the disks in the order
 * of their unit numbers, then the uplink, then an entropy source if a VM has an entropy device. The last slots, from slot 7
 * down, have the devices that are passed through to the root VM.
 */
#include "abi/layout.h"
#include "cli/attest_seed.h"
#include "cli/host_check.h"
#include "cli/memory.h"
#include "cli/qemu.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
	char **list;
	size_t count;
	u32 slot; /* next free virtio-mmio slot */
};

static void add(struct arguments *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct arguments *a, const char *format, ...)
{
	va_list list;
	char *text;

	va_start(list, format);
	text = memory_format_list(format, list);
	va_end(list);
	/* Always with a NULL behind it. */
	a->list = memory_resize(a->list, a->count + 2, sizeof(*a->list));
	a->list[a->count++] = text;
	a->list[a->count] = NULL;
}

/* A path as the value of an option: QEMU takes two commas for one. */
static char *escape(const char *path)
{
	char *text = memory_new(1, 2 * strlen(path) + 1), *to = text;

	for (; *path; path++) {
		if (*path == ',')
			*to++ = ',';
		*to++ = *path;
	}
	return text;
}

static void add_machine(struct arguments *a, const struct host_plan *plan, const struct qemu_options *options,
			const struct rundir *dir)
{
	char *name = escape(plan->spec->name.value);

	add(a, "%s", options->program ? options->program : QEMU_DEFAULT);
	add(a, "-name");
	add(a, "%s", name);
	add(a, "-nodefaults");
	add(a, "-display");
	add(a, "none");
	add(a, "-M");
	add(a, "virt");
	add(a, "-cpu");
	add(a, "rv64,h=true%s", plan->spec->machine.vector.value ? ",v=true" : "");
	add(a, "-smp");
	add(a, "%u", plan->harts);
	add(a, "-m");
	add(a, "%lluM", (unsigned long long)(plan->memory / MIB(1)));
	if (options->icount) {
		add(a, "-icount");
		add(a, "shift=0,align=off,sleep=off");
	}
	add(a, "-bios");
	add(a, "%s", options->firmware);
	add(a, "-kernel");
	add(a, "%s", options->image);
	add(a, "-initrd");
	add(a, "%s/pack", dir->path);
	free(name);
}

/* What the warden's key is made of, at its place in the warden's RAM. */
static void add_seed(struct arguments *a, const struct host_plan *plan, const struct rundir *dir)
{
	char *path;

	if (!plan->pool)
		return;
	path = escape(dir->path);
	add(a, "-device");
	add(a, "loader,file=%s/" ATTEST_SEED_FILE ",addr=0x%llx,force-raw=on", path,
	    (unsigned long long)(PLAN_RAM_BASE + LAYOUT_SEED_OFFSET));
	free(path);
}

static void add_streams(struct arguments *a, const struct rundir *dir, int control_fd, int serial_fd)
{
	char *path = escape(dir->path);

	add(a, "-chardev");
	add(a, "socket,id=serial,fd=%d,logfile=%s/serial.log,logappend=off", serial_fd, path);
	add(a, "-serial");
	add(a, "chardev:serial");
	add(a, "-chardev");
	add(a, "socket,id=control,fd=%d", control_fd);
	add(a, "-global");
	add(a, "virtio-mmio.force-legacy=false");
	add(a, "-device");
	add(a, "virtio-serial-device,max_ports=1,bus=virtio-mmio-bus.%u", a->slot++);
	add(a, "-device");
	add(a, "virtconsole,chardev=control");
	free(path);
}

static void add_disks(struct arguments *a, const struct host_plan *plan)
{
	for (u32 i = 0; i < plan->disk_count; i++) {
		const struct plan_disk *disk = &plan->disks[i];
		char *path = escape(disk->path);

		add(a, "-drive");
		add(a, "file=%s,format=raw,if=none,id=disk%u,cache=writeback,file.locking=auto%s", path, i,
		    disk->is_readonly ? ",readonly=on" : "");
		add(a, "-device");
		add(a, "virtio-blk-device,drive=disk%u,bus=virtio-mmio-bus.%u", i, a->slot++);
		free(path);
	}
}

/* ",hostfwd=..." for every forwarded port of every network: they all belong to the one uplink. */
static char *forwards(const struct host_spec *spec, const struct network_spec **with_socket)
{
	char *text = memory_copy("");

	for (size_t v = 0; v < spec->vms.count; v++)
		for (size_t i = 0; i < host_vm(spec, v)->networks.count; i++) {
			const struct network_spec *network = vm_network(host_vm(spec, v), i);

			if (network->uplink_socket.value)
				*with_socket = network;
			for (size_t k = 0; k < network->forward.count; k++) {
				struct port_forward f;
				char *longer;

				if (!host_parse_forward(network_forward(network, k), &f))
					continue;
				longer = memory_format("%s,hostfwd=%s:127.0.0.1:%u-%s:%u", text,
						       f.is_udp ? "udp" : "tcp", f.port, f.guest,
						       f.guest_port);
				free(text);
				text = longer;
			}
		}
	return text;
}

static void add_uplink(struct arguments *a, const struct host_plan *plan, const struct rundir *dir)
{
	const struct network_spec *with_socket = NULL;
	char *ports, *local, *remote;

	if (!plan->has_uplink)
		return;
	ports = forwards(plan->spec, &with_socket);
	add(a, "-netdev");
	if (with_socket) {
		local = escape(dir->path);
		remote = escape(with_socket->uplink_socket.value);
		add(a, "dgram,id=uplink,local.type=unix,local.path=%s/uplink,remote.type=unix,remote.path=%s",
		    local, remote);
		free(local);
		free(remote);
	} else {
		add(a, "user,id=uplink%s", ports);
	}
	add(a, "-device");
	add(a, "virtio-net-device,netdev=uplink,bus=virtio-mmio-bus.%u", a->slot++);
	free(ports);
}

/* Devices that are passed through to the root VM, each in the window that its configuration names. */
static void add_passes(struct arguments *a, const struct host_plan *plan)
{
	for (u32 i = 0; i < plan->pass_count; i++) {
		const struct plan_pass *pass = &plan->passes[i];
		char *path, *serial;

		if (!pass->disk) {
			add(a, "-device");
			add(a, "virtio-rng-device,bus=virtio-mmio-bus.%u", pass->window);
			continue;
		}
		if (!pass->disk->file.value)
			continue;
		path = escape(pass->disk->file.value);
		serial = escape(pass->serial);
		add(a, "-drive");
		add(a, "file=%s,format=raw,if=none,id=root%u,cache=writeback,file.locking=auto%s", path, i,
		    pass->disk->readonly.value ? ",readonly=on" : "");
		add(a, "-device");
		add(a, "virtio-blk-device,drive=root%u,serial=%s,bus=virtio-mmio-bus.%u", i, serial,
		    pass->window);
		free(serial);
		free(path);
	}
}

static void add_entropy(struct arguments *a, const struct host_plan *plan)
{
	if (!plan->has_rng)
		return;
	add(a, "-device");
	add(a, "virtio-rng-device,bus=virtio-mmio-bus.%u", a->slot++);
}

static void add_gdb(struct arguments *a, const char *socket)
{
	char *path;

	if (!socket)
		return;
	path = escape(socket);
	add(a, "-chardev");
	add(a, "socket,id=gdb,path=%s,server=on,wait=off", path);
	add(a, "-gdb");
	add(a, "chardev:gdb");
	free(path);
}

char **qemu_arguments(const struct host_plan *plan, const struct qemu_options *options,
		      const struct rundir *dir, int control_fd, int serial_fd)
{
	struct arguments a = { 0 };

	add_machine(&a, plan, options, dir);
	add_seed(&a, plan, dir);
	add_streams(&a, dir, control_fd, serial_fd);
	add_disks(&a, plan);
	add_uplink(&a, plan, dir);
	add_entropy(&a, plan);
	add_passes(&a, plan);
	add_gdb(&a, options->gdb);
	return a.list;
}

void qemu_free_arguments(char **arguments)
{
	for (char **at = arguments; at && *at; at++)
		free(*at);
	free(arguments);
}
