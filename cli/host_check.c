/* Checks of files and relations: see host_check.h. */
#include "cli/host_check.h"
#include "abi/private.h"
#include "cli/evidence.h"
#include "cli/kernel_image.h"
#include "cli/units.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

const char *host_field(char *to, size_t size, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(to, size, format, list);
	va_end(list);
	return to;
}

/* Reads the head of a file that goes into the pack; -1 with an error reported if it cannot be one. */
static ssize_t read_head(const struct field_text *file, const char *field, void *head, size_t size,
			 u64 *file_size, struct diagnostics *d)
{
	struct stat st;
	ssize_t got = -1;
	int fd = open(file->value, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0) {
		diagnostics_add(d, file->line, field, "%s: %s", file->value, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		diagnostics_add(d, file->line, field, "%s is not a regular file", file->value);
	} else if (st.st_size == 0) {
		diagnostics_add(d, file->line, field, "%s is empty", file->value);
	} else {
		got = read(fd, head, size);
		*file_size = (u64)st.st_size;
		if (got < 0)
			diagnostics_add(d, file->line, field, "%s: %s", file->value, strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	return got;
}

static void check_boot_files(const struct vm_spec *vm, size_t index, struct diagnostics *d)
{
	char field[HOST_FIELD_MAX], need[24], have[24];
	u64 kernel_size = 0, initrd_size = 0, wanted;
	u8 head[KERNEL_IMAGE_HEAD];
	const char *why = NULL;
	ssize_t got;

	if (vm->kernel.value) {
		host_field(field, sizeof(field), "vms[%zu].kernel", index);
		got = read_head(&vm->kernel, field, head, sizeof(head), &kernel_size, d);
		if (got >= 0 && vm->format.value != KERNEL_FLAT &&
		    kernel_image_kind(head, (size_t)got, &why) == KERNEL_IMAGE_UNKNOWN)
			diagnostics_add(d, vm->kernel.line, field, "%s %s", vm->kernel.value, why);
		if (got >= 0 && kernel_image_memory(head, (size_t)got) > kernel_size)
			kernel_size = kernel_image_memory(head, (size_t)got);
	}
	if (vm->initrd.value) {
		host_field(field, sizeof(field), "vms[%zu].initrd", index);
		read_head(&vm->initrd, field, head, sizeof(head), &initrd_size, d);
	}
	if (__builtin_add_overflow(kernel_size, initrd_size, &wanted) ||
	    __builtin_add_overflow(wanted, MIB(2), &wanted))
		wanted = ~0ull;
	if (vm->memory.given && kernel_size && wanted > vm->memory.value) {
		host_field(field, sizeof(field), "vms[%zu].memory", index);
		diagnostics_add(d, vm->memory.line, field,
				"%s is too little: kernel and initrd alone take %s",
				units_format_size(have, sizeof(have), vm->memory.value),
				units_format_size(need, sizeof(need), wanted));
	}
}

void host_check_disk_file(const struct field_text *file, const char *field, const char *if_readonly,
			  struct diagnostics *d)
{
	struct stat st;

	if (stat(file->value, &st) < 0)
		diagnostics_add(d, file->line, field, "%s: %s", file->value, strerror(errno));
	else if (S_ISDIR(st.st_mode))
		diagnostics_add(d, file->line, field,
				"%s is a directory; a disk is a raw image or a block device", file->value);
	else if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		diagnostics_add(d, file->line, field, "%s is neither a file nor a block device", file->value);
	else if (access(file->value, R_OK | (if_readonly ? W_OK : 0)) < 0)
		diagnostics_add(d, file->line, field, "%s is not %s%s", file->value,
				access(file->value, R_OK) < 0 ? "readable" : "writable",
				access(file->value, R_OK) == 0 ? if_readonly : "");
	else if (S_ISREG(st.st_mode) && st.st_size < 512)
		diagnostics_add(d, file->line, field, "%s is shorter than one sector", file->value);
}

static void check_disk(const struct disk_spec *disk, size_t vm, size_t index, struct diagnostics *d)
{
	char field[HOST_FIELD_MAX];

	if (!disk->file.value)
		return;
	host_field(field, sizeof(field), "vms[%zu].disks[%zu].file", vm, index);
	host_check_disk_file(
		&disk->file, field,
		disk->readonly.value ? NULL : "; use \"readonly: true\" if the guest need not write", d);
}

/* Calls f for each disk of the host. */
#define EACH_DISK(host, v, i)                          \
	for (size_t v = 0; v < (host)->vms.count; v++) \
		for (size_t i = 0; i < host_vm(host, v)->disks.count; i++)

bool host_is_same_file(const char *a, const char *b)
{
	struct stat x, y;

	if (stat(a, &x) < 0 || stat(b, &y) < 0)
		return false;
	if (S_ISBLK(x.st_mode) && S_ISBLK(y.st_mode))
		return x.st_rdev == y.st_rdev;
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A disk that somebody writes to belongs to one VM alone. */
static void check_shared_disks(const struct host_spec *host, struct diagnostics *d)
{
	EACH_DISK(host, v, i)
	{
		const struct disk_spec *disk = vm_disk(host_vm(host, v), i);
		bool found = false;

		EACH_DISK(host, w, k)
		{
			const struct disk_spec *other = vm_disk(host_vm(host, w), k);
			char field[HOST_FIELD_MAX];

			if (found || w > v || (w == v && k >= i) || !disk->file.value || !other->file.value)
				continue;
			if ((disk->readonly.value && other->readonly.value) ||
			    !host_is_same_file(disk->file.value, other->file.value))
				continue;
			found = true;
			host_field(field, sizeof(field), "vms[%zu].disks[%zu].file", v, i);
			diagnostics_add(
				d, disk->file.line, field,
				"%s is vms[%zu].disks[%zu] too, and not read-only in both: it would be damaged",
				disk->file.value, w, k);
		}
	}
}

static void check_names(const struct host_spec *host, struct diagnostics *d)
{
	char field[HOST_FIELD_MAX];

	for (size_t i = 0; i < host->vms.count; i++)
		for (size_t k = 0; k < i; k++) {
			const struct field_text *a = &host_vm(host, i)->name, *b = &host_vm(host, k)->name;

			if (!a->value || !b->value || strcmp(a->value, b->value) != 0)
				continue;
			host_field(field, sizeof(field), "vms[%zu].name", i);
			diagnostics_add(d, a->line, field, "\"%s\" is the name of vms[%zu] (line %u) too",
					a->value, k, b->line);
			break;
		}
}

static bool parse_port(const char *text, u16 *port)
{
	u64 value;

	if (!units_parse_number(text, &value) || value < 1 || value > 65535)
		return false;
	*port = (u16)value;
	return true;
}

bool host_parse_forward(const char *text, struct port_forward *forward)
{
	char copy[64], *parts[4], *rest = copy;
	struct in_addr address;
	size_t count = 0;

	memset(forward, 0, sizeof(*forward));
	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	while (rest && count < ARRAY_SIZE(parts))
		parts[count++] = strsep(&rest, ":");
	if (rest || count < 3)
		return false;
	forward->is_udp = strcmp(parts[0], "udp") == 0;
	if (!forward->is_udp && strcmp(parts[0], "tcp") != 0)
		return false;
	if (count == 4) {
		if (inet_pton(AF_INET, parts[2], &address) != 1)
			return false;
		inet_ntop(AF_INET, &address, forward->guest, sizeof(forward->guest));
	}
	return parse_port(parts[1], &forward->port) && parse_port(parts[count - 1], &forward->guest_port);
}

static bool is_port_free(const struct port_forward *forward)
{
	int fd = socket(AF_INET, (forward->is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(forward->port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int one = 1;
	bool is_free;

	if (fd < 0)
		return true;
	/* As QEMU does it: a port in TIME_WAIT is free. */
	if (!forward->is_udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	is_free = bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 || errno != EADDRINUSE;
	close(fd);
	return is_free;
}

static void check_forwards(const struct network_spec *network, const char *field, enum host_check_scope scope,
			   struct diagnostics *d)
{
	const struct field_text *items = network->forward.items;

	if (network->forward.count && !network->uplink.value)
		diagnostics_add(d, network->forward.line, field,
				"forward works on a network with \"uplink: true\" only");
	if (network->forward.count && network->uplink_socket.value)
		diagnostics_add(d, network->forward.line, field,
				"forward and uplink_socket exclude each other");
	for (size_t i = 0; i < network->forward.count; i++) {
		char below[HOST_FIELD_MAX];
		struct port_forward forward;

		if (!items[i].value)
			continue;
		host_field(below, sizeof(below), "%.60s.forward[%zu]", field, i);
		if (!host_parse_forward(items[i].value, &forward))
			diagnostics_add(
				d, items[i].line, below,
				"\"%s\" is not a forwarding (like tcp:2222:22 or udp:5353:10.0.2.16:53)",
				items[i].value);
		else if (scope == HOST_CHECK_RUN && !is_port_free(&forward))
			diagnostics_add(d, items[i].line, below, "port %u is in use on this machine",
					forward.port);
	}
}

/* The first network of the host with that property before vms[vm].networks[index], or NULL. */
static const struct network_spec *network_before(const struct host_spec *host, size_t vm, size_t index,
						 bool (*has)(const struct network_spec *,
							     const struct network_spec *))
{
	const struct network_spec *this = vm_network(host_vm(host, vm), index);

	for (size_t v = 0; v <= vm; v++)
		for (size_t i = 0; i < host_vm(host, v)->networks.count && (v < vm || i < index); i++)
			if (has(vm_network(host_vm(host, v), i), this))
				return vm_network(host_vm(host, v), i);
	return NULL;
}

static bool has_same_mac(const struct network_spec *a, const struct network_spec *b)
{
	return a->mac.given && b->mac.given && memcmp(a->mac.mac, b->mac.mac, sizeof(a->mac.mac)) == 0;
}

static bool has_other_uplink(const struct network_spec *a, const struct network_spec *b)
{
	return a->uplink.value && b->uplink.value && a->to.value && b->to.value &&
	       strcmp(a->to.value, b->to.value) != 0;
}

static bool has_same_uplink(const struct network_spec *a, const struct network_spec *b)
{
	return a->uplink_socket.value && b->uplink_socket.value;
}

static void check_networks(const struct host_spec *host, size_t vm, enum host_check_scope scope,
			   struct diagnostics *d)
{
	for (size_t i = 0; i < host_vm(host, vm)->networks.count; i++) {
		const struct network_spec *network = vm_network(host_vm(host, vm), i);
		const struct network_spec *other;
		char field[HOST_FIELD_MAX];

		host_field(field, sizeof(field), "vms[%zu].networks[%zu]", vm, i);
		other = network_before(host, vm, i, has_same_mac);
		if (other)
			diagnostics_add(d, network->mac.line, field, "mac is that of line %u too",
					other->mac.line);
		other = network_before(host, vm, i, has_other_uplink);
		if (other)
			diagnostics_add(d, network->uplink.line, field,
					"a host has one uplink, and switch \"%s\" (line %u) has it",
					other->to.value, other->uplink.line);
		if (network->uplink_socket.value && !network->uplink.value)
			diagnostics_add(d, network->uplink_socket.line, field,
					"uplink_socket needs \"uplink: true\"");
		if (network_before(host, vm, i, has_same_uplink))
			diagnostics_add(d, network->uplink_socket.line, field,
					"uplink_socket is given twice");
		check_forwards(network, field, scope, d);
	}
}

/* What the root VM cannot have: it has the machine's devices, and its harts. */
static void check_root(const struct host_spec *host, size_t i, struct diagnostics *d)
{
	const struct vm_spec *vm = host_vm(host, i);
	const struct field_number *harts = &host->machine.harts;
	const struct {
		const char *key;
		bool is_wrong;
		unsigned line;
		const char *why;
	} rules[] = {
		{ "affinity", vm->affinity.given, vm->affinity.line,
		  "the root VM's vCPUs are the machine's harts, each on its own" },
		{ "confidential", vm->confidential.value != 0, vm->confidential.line,
		  "the root VM cannot be" },
		{ "networks", vm->networks.count != 0, vm->networks.line,
		  "not supported for the root VM: it has devices of the machine only" },
		{ "console", vm->console.value == CONSOLE_VIRTIO, vm->console.line,
		  "the root VM's console is the UART" },
		{ "vcpus", vm->vcpus.line && harts->given && vm->vcpus.value != harts->value, vm->vcpus.line,
		  "the root VM has as many as the machine has harts (machine.harts)" },
		{ "vcpus", vm->vcpus.line && vm->vcpus.value > MAX_HARTS, vm->vcpus.line,
		  "the root VM has as many as the machine has harts, which are 64 at most" },
	};
	char field[HOST_FIELD_MAX];

	for (size_t n = 0; n < ARRAY_SIZE(rules); n++)
		if (rules[n].is_wrong) {
			host_field(field, sizeof(field), "vms[%zu].%s", i, rules[n].key);
			diagnostics_add(d, rules[n].line, field, "%s", rules[n].why);
		}
	for (size_t k = 0; k < i; k++)
		if (host_vm(host, k)->root.value) {
			host_field(field, sizeof(field), "vms[%zu].root", i);
			diagnostics_add(d, vm->root.line, field,
					"a host has one root VM, and vms[%zu] (line %u) is it", k,
					host_vm(host, k)->root.line);
			break;
		}
}

static void check_vm(const struct host_spec *host, size_t i, enum host_check_scope scope,
		     struct diagnostics *d)
{
	const struct vm_spec *vm = host_vm(host, i);
	const struct field_number *harts = &host->machine.harts;
	char field[HOST_FIELD_MAX];

	if (vm->confidential.value && !vm->root.value && vm->vcpus.value > PRIVATE_VCPUS) {
		host_field(field, sizeof(field), "vms[%zu].vcpus", i);
		diagnostics_add(d, vm->vcpus.line, field, "a confidential VM has at most %d", PRIVATE_VCPUS);
	}
	if (vm->affinity.given && (!vm->affinity.value || (harts->given && harts->value < 64 &&
							   vm->affinity.value >> harts->value))) {
		host_field(field, sizeof(field), "vms[%zu].affinity", i);
		diagnostics_add(d, vm->affinity.line, field, "names %s",
				vm->affinity.value ? "a hart that the machine does not have (machine.harts)"
						   : "no hart");
	}
	if (vm->root.value)
		check_root(host, i, d);
	check_boot_files(vm, i, d);
	check_networks(host, i, scope, d);
	for (size_t k = 0; scope == HOST_CHECK_RUN && k < vm->disks.count; k++)
		check_disk(vm_disk(vm, k), i, k, d);
}

/* The first one that is too many. */
static void check_confidential_count(const struct host_spec *host, struct diagnostics *d)
{
	char field[HOST_FIELD_MAX];
	size_t count = 0;

	for (size_t i = 0; i < host->vms.count; i++) {
		const struct field_number *is = &host_vm(host, i)->confidential;

		if (!is->value || ++count != PRIVATE_VMS + 1)
			continue;
		host_field(field, sizeof(field), "vms[%zu].confidential", i);
		diagnostics_add(d, is->line, field, "a host has at most %d confidential VMs", PRIVATE_VMS);
	}
}

void host_check(const struct host_spec *host, enum host_check_scope scope, struct diagnostics *d)
{
	const struct field_number *pool = &host->machine.confidential;

	if (pool->value & (pool->value - 1))
		diagnostics_add(d, pool->line, "machine.confidential", "is not a power of two");
	if (host->machine.crash_window.value % 1000)
		diagnostics_add(d, host->machine.crash_window.line, "machine.crash_window",
				"is not in whole seconds");
	check_names(host, d);
	check_confidential_count(host, d);
	evidence_check(host, scope, d);
	for (size_t i = 0; i < host->vms.count; i++)
		check_vm(host, i, scope, d);
	if (scope == HOST_CHECK_RUN)
		check_shared_disks(host, d);
}
