/*
 * A connection to QEMU's gdb stub: just what a program needs that stops a machine from outside, looks at it, and changes it.
 *
 * All harts stop and go on together. Addresses of memory are physical. Functions return 0 or a negative errno: -ETIMEDOUT if
 * the stub does not answer in time, -EPIPE if it has gone, -EIO if it refuses, -EPROTO if its answer makes no sense.
 */
#ifndef CLI_GDB_REMOTE_H
#define CLI_GDB_REMOTE_H

#include "cli/gdb_packet.h"

struct gdb_remote {
	int fd;
	u64 timeout_ms; /* for one answer */
	u32 csr_base;	/* number of CSR 0 as a register */
	bool is_running;
	size_t input_at, input_fill;
	u8 input[4096];
	struct gdb_decoder decoder; /* with the last answer */
};

/* Numbers of registers: x0 to x31 are 0 to 31. */
#define GDB_PC 32u

/* Connects to the socket `file` in a directory, which stops the machine. gdb_close after 0. */
int gdb_connect(struct gdb_remote *g, int directory, const char *file, u64 timeout_ms);

/* The machine goes on. */
void gdb_close(struct gdb_remote *g);

int gdb_read(struct gdb_remote *g, u64 at, void *to, size_t bytes);
int gdb_write(struct gdb_remote *g, u64 at, const void *from, size_t bytes);

/* Harts are counted from 0. */
int gdb_register(struct gdb_remote *g, u32 hart, u32 number, u64 *value);
int gdb_set_register(struct gdb_remote *g, u32 hart, u32 number, u64 value);

/* A CSR's number as that of a register; and that of the present mode: 0 user, 1 supervisor, 3 machine. */
u32 gdb_csr(const struct gdb_remote *g, u32 csr);
u32 gdb_mode(const struct gdb_remote *g);

/* At a virtual address, on all harts. */
int gdb_set_breakpoint(struct gdb_remote *g, u64 at, bool is_set);

/* All harts go on. */
int gdb_continue(struct gdb_remote *g);

/* One hart executes one instruction; the others stay. */
int gdb_step(struct gdb_remote *g, u32 hart);

/* 1: the machine has stopped, at a breakpoint on *hart; 0: not within that time. */
int gdb_wait(struct gdb_remote *g, u64 ms, u32 *hart);

/* Stops the machine. 1: it was at a breakpoint already, on *hart; 0: stopped. */
int gdb_stop(struct gdb_remote *g, u32 *hart);

#endif
