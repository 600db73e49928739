/*
 * What a schema cannot say about a host: that its files are there and are what they should be, that names and addresses
 * are unique, that nothing is used twice that cannot be.
 */
#ifndef CLI_HOST_CHECK_H
#define CLI_HOST_CHECK_H

#include "cli/diagnostics.h"
#include "cli/host_spec.h"

enum host_check_scope {
	HOST_CHECK_PACK, /* what goes into a boot pack */
	HOST_CHECK_RUN,	 /* also what only this machine needs: disks, ports, sockets */
};

/* Checks what the spec has, adds to `d`. Works on one that has errors already: what is missing is passed over. */
void host_check(const struct host_spec *host, enum host_check_scope scope, struct diagnostics *d);

/*
 * Adds to `d` why a file that is there cannot be a disk: not a file or a block device, not readable or writable, shorter than
 * a sector. `if_readonly` is what then could be done, or ""; NULL: it need not be writable.
 */
void host_check_disk_file(const struct field_text *file, const char *field, const char *if_readonly,
			  struct diagnostics *d);

/* True if both are the same file or the same block device; false if one is not there. */
bool host_is_same_file(const char *a, const char *b);

/* "vms[1].disks[0].file" for errors. Returns `to`. */
const char *host_field(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define HOST_FIELD_MAX 96

/* A forwarded port: "tcp:2222:22", "udp:5353:10.0.2.16:53". */
struct port_forward {
	bool is_udp;
	u16 port;
	u16 guest_port;
	char guest[16]; /* IPv4 address, or "" for the first guest */
};

/* False if the text is not a forwarding. */
bool host_parse_forward(const char *text, struct port_forward *forward);

#endif
