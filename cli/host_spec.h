/*
 * A host as the operator describes it: what a host file says, or the options of `run --kernel`.
 *
 * Each value keeps the line that it came from, so that an error found later still names it; line 0 is a default.
 */
#ifndef CLI_HOST_SPEC_H
#define CLI_HOST_SPEC_H

#include "abi/types.h"

struct field_text {
	char *value; /* NULL: not given and without a default */
	unsigned line;
};

struct field_number {
	u64 value;
	unsigned line;
	bool given; /* also by a default */
};

struct field_mac {
	u8 mac[6];
	bool given;
	unsigned line;
};

struct field_list {
	void *items;
	size_t count;
	unsigned line;
};

struct disk_spec {
	unsigned line;
	struct field_text file;
	struct field_number readonly;
	struct field_text serial;
};

struct network_spec {
	unsigned line;
	struct field_text to; /* name of the switch */
	struct field_mac mac;
	struct field_number uplink;
	struct field_text uplink_socket;
	struct field_list forward; /* of field_text */
};

enum kernel_choice { KERNEL_AUTO, KERNEL_FLAT };
enum console_choice { CONSOLE_UART, CONSOLE_VIRTIO };

struct vm_spec {
	unsigned line;
	struct field_text name;
	struct field_number vcpus;
	struct field_number memory; /* bytes */
	struct field_text kernel;
	struct field_number format; /* enum kernel_choice */
	struct field_text initrd;
	struct field_text cmdline;
	struct field_list disks;     /* of disk_spec */
	struct field_list networks;  /* of network_spec */
	struct field_number console; /* enum console_choice */
	struct field_number rng;
	struct field_number pmsg;
	struct field_number affinity; /* bits */
	struct field_number autostart;
	struct field_number on_poweroff; /* enum vm_action */
	struct field_number on_reboot;
	struct field_number on_crash;
	struct field_number confidential;
	struct field_number root;
};

/* Without a file: none. */
struct blackbox_spec {
	unsigned line;
	struct field_text file;
	struct field_number size; /* bytes */
	struct field_text layout; /* see blackbox_parse_sizes */
};

struct dumps_spec {
	unsigned line;
	struct field_text file;
	struct field_number size; /* bytes */
	struct field_number keep;
};

struct machine_spec {
	unsigned line;
	struct field_number harts;
	struct field_number memory;	  /* bytes */
	struct field_number confidential; /* bytes: the pool of confidential VMs */
	struct field_number vector;
	struct field_number on_crash; /* enum crash_policy */
	struct field_number crash_limit;
	struct field_number crash_window; /* ms */
	struct field_number watchdog;	  /* ms */
	struct blackbox_spec blackbox;
	struct dumps_spec dumps;
};

struct host_spec {
	unsigned line;
	struct field_text name;
	struct machine_spec machine;
	struct field_list vms; /* of vm_spec */
	bool exit_when_idle;   /* run --kernel: the host ends with its VM */
};

static inline struct vm_spec *host_vm(const struct host_spec *host, size_t i)
{
	return (struct vm_spec *)host->vms.items + i;
}

static inline struct disk_spec *vm_disk(const struct vm_spec *vm, size_t i)
{
	return (struct disk_spec *)vm->disks.items + i;
}

static inline struct network_spec *vm_network(const struct vm_spec *vm, size_t i)
{
	return (struct network_spec *)vm->networks.items + i;
}

static inline const char *network_forward(const struct network_spec *network, size_t i)
{
	return ((struct field_text *)network->forward.items)[i].value;
}

#endif
