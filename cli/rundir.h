/*
 * Run directories: where a running host keeps its socket, logs and pack. A host of name NAME has
 *
 *   ${XDG_RUNTIME_DIR:-/tmp/outlive-UID}/outlive/NAME/     or a symbolic link there to the directory of --dir
 *     pid          of the `outlive run` process, which holds a lock on the file as long as it lives
 *     qemu.pid     of QEMU
 *     control      unix socket of the broker
 *     pack         the boot pack
 *     serial.log   what firmware and hypervisor wrote to the serial line
 *     qemu.log     what QEMU itself said
 *     dumps        path of the host's dump region, if it has one
 *     attestation.seed  of a host with confidential VMs: what the warden's key is made of; only its user can read it
 *     attestation.pem   the public half of that key
 *     run.log      of a detached host: what `outlive run` would have printed
 *     console-VM.log  output of a VM's consoles
 *
 * A directory whose pid is not locked is stale: its host has ended, however that was. Its logs stay for reading until a
 * host of that name is started again.
 */
#ifndef CLI_RUNDIR_H
#define CLI_RUNDIR_H

#include "abi/types.h"

struct rundir {
	char *path; /* absolute */
	char *name;
	char *link;	/* with --dir: the link under the host's name, else NULL */
	int fd;		/* of the directory */
	int pid_fd;	/* locked; -1 if the directory is not ours */
	bool temporary; /* nobody will ask for it by name: rundir_end removes it */
};

/*
 * Makes (or takes over a stale) directory for a host and locks it. `directory` is --dir or NULL. 0, or a negative errno
 * with the error printed: -EBUSY if such a host runs.
 */
int rundir_create(struct rundir *dir, const char *name, const char *directory);

/* Writes the caller's process id into the pid file: after a fork that took the lock along. */
void rundir_own(struct rundir *dir);

/* A small file with a number. */
void rundir_write_number(struct rundir *dir, const char *file, long number);

/* A small file with a text of one line. */
void rundir_write_text(struct rundir *dir, const char *file, const char *text);

/* Its text; free() it. NULL if there is no such file. */
char *rundir_read_text(const struct rundir *dir, const char *file);

/* Removes what only a running host needs, then closes. The logs stay. */
void rundir_end(struct rundir *dir);

void rundir_close(struct rundir *dir);

/*
 * Opens the directory of a running host: that of the name (or of the path, if it has a '/'), or with NULL the only one
 * that is running. 0, or a negative errno with the error printed: -ENOENT if there is none, -E2BIG if there are several.
 */
int rundir_open(struct rundir *dir, const char *name);

/* Process id of the host's `outlive run`, 0 if it does not run. */
long rundir_running(int fd);

/* "/proc/self/fd/N/FILE": a way into the directory that fits into a socket's address. Returns `to`. */
const char *rundir_socket_path(const struct rundir *dir, const char *file, char *to, size_t size);

#endif
