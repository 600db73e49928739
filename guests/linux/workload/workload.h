/*
 * What the parts of the workload share. main.c says what it does, has the options and prints; each of the others has threads
 * that check something until `stop`.
 */
#ifndef GUESTS_LINUX_WORKLOAD_H
#define GUESTS_LINUX_WORKLOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIB	  (1024u * 1024u)
#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

#define MAX_ERROR_LINES 100 /* of one run: a broken machine must not drown the console */

struct options {
	uint64_t seconds;
	uint64_t memory_mib;
	char disk[64]; /* empty: not said */
	uint64_t disk_mib;
	char peer[64]; /* empty: none */
	uint64_t port;
	uint64_t grace_s;
	uint64_t pause_ms;
};
extern struct options options;

/* What the reporter prints. Each counter has one kind of thread that adds to it. */
extern _Atomic uint64_t mem_mib, disk_blocks, net_echoes, net_lost, net_duplicates, net_served, regs_rounds;
extern _Atomic uint64_t gap_ns, max_gap_ns, clock_errors, errors;
extern atomic_bool stop;
extern bool disk_used, net_used;
extern uint64_t
	run_nonce; /* what this run puts into blocks and packets, so that no other's pass for its own */

uint64_t now_ns(void);
void sleep_ms(uint64_t ms);

/* Prints a line with one write, so that lines of several threads do not mix. */
void print_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define error(format, ...)                                                                  \
	do {                                                                                \
		uint64_t nth = atomic_fetch_add(&errors, 1);                                \
		if (nth < MAX_ERROR_LINES)                                                  \
			print_line("WORKLOAD ERROR " format, __VA_ARGS__);                  \
		else if (nth == MAX_ERROR_LINES)                                            \
			print_line("WORKLOAD ERROR more: further errors are only counted"); \
	} while (0)

/* A number that looks random and is a function of its argument (splitmix64's finaliser). */
uint64_t mix(uint64_t x);

/* crc32c_prepare first. */
void crc32c_prepare(void);
uint32_t crc32c(const void *data, size_t size);

/* On that hart, or on any if it is negative. */
void start_thread(void *(*function)(void *), void *argument, int hart);

void start_memory(void);
void start_disk(void);
void start_net(void);
void start_clock(void); /* a thread on each hart */
void start_registers(void);

#endif
