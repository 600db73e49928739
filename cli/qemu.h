/* QEMU as the machine: its version, its command line, its process. */
#ifndef CLI_QEMU_H
#define CLI_QEMU_H

#include "cli/host_plan.h"
#include "cli/rundir.h"
#include <sys/types.h>

#define QEMU_DEFAULT "qemu-system-riscv64"

struct qemu_options {
	const char *program;  /* NULL: QEMU_DEFAULT */
	const char *firmware; /* file, or "default" for the one that QEMU brings */
	const char *image;    /* the hypervisor */
	const char *gdb;      /* unix socket for the gdb stub, or NULL */
	bool icount;
};

/* A running QEMU. */
struct qemu {
	pid_t pid;
	int control_fd; /* the host's virtio console: a byte stream, non-blocking */
	int serial_fd;	/* the host's serial line, non-blocking */
};

/* Is it there, does it run, is it recent enough (7.2)? 0, or -1 with the error printed. */
int qemu_check(const char *program);

/* Its version, "7.2.22"; "" if it does not say. */
void qemu_version(const char *program, char *to, size_t size);

/*
 * The command line for a plan whose pack is in `dir`; NULL-terminated, free with qemu_free_arguments. control_fd and
 * serial_fd are the numbers that the sockets have in QEMU.
 */
char **qemu_arguments(const struct host_plan *plan, const struct qemu_options *options,
		      const struct rundir *dir, int control_fd, int serial_fd);

void qemu_free_arguments(char **arguments);

/*
 * Starts it. It dies with this process, and a terminal's Ctrl-C does not reach it. What it says goes to qemu.log in
 * `dir`. 0, or a negative errno with the error printed.
 */
int qemu_start(struct qemu *qemu, const struct host_plan *plan, const struct qemu_options *options,
	       struct rundir *dir);

#endif
