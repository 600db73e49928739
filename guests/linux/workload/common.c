/* What all parts use: time, lines, numbers that look random, checksums, threads. */
#include "guests/linux/workload/workload.h"
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

_Atomic uint64_t errors;
atomic_bool stop;

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

void sleep_ms(uint64_t ms)
{
	struct timespec t = { (time_t)(ms / 1000), (long)(ms % 1000) * (long)NS_PER_MS };

	if (ms > 0)
		nanosleep(&t, NULL);
}

void print_line(const char *format, ...)
{
	char line[512];
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	if (size < 0)
		return;
	if ((size_t)size > sizeof(line) - 2)
		size = sizeof(line) - 2;
	line[size++] = '\n';
	/* Nothing can be done about a console that does not take it. */
	if (write(STDOUT_FILENO, line, (size_t)size) < 0)
		return;
}

uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static uint32_t crc_table[256];

void crc32c_prepare(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ ((crc & 1) ? 0x82f63b78u : 0);
		crc_table[i] = crc;
	}
}

uint32_t crc32c(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint32_t crc = 0xffffffffu;

	for (size_t i = 0; i < size; i++)
		crc = (crc >> 8) ^ crc_table[(crc ^ bytes[i]) & 0xff];
	return ~crc;
}

void start_thread(void *(*function)(void *), void *argument, int hart)
{
	pthread_attr_t attributes;
	cpu_set_t set;
	pthread_t thread;

	pthread_attr_init(&attributes);
	if (hart >= 0) {
		CPU_ZERO(&set);
		CPU_SET((size_t)hart, &set);
		pthread_attr_setaffinity_np(&attributes, sizeof(set), &set);
	}
	int result = pthread_create(&thread, &attributes, function, argument);

	if (result != 0)
		error("start: cannot create a thread: %s", strerror(result));
	pthread_attr_destroy(&attributes);
}
