/* Memory keeps what was written to it. */
#include "guests/linux/workload/workload.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

_Atomic uint64_t mem_mib;

static void check_memory(const uint64_t *words, size_t count, uint64_t round, size_t first)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t expected = mix(round << 32 ^ (first + i));
		uint64_t found = words[i];

		if (found != expected)
			error("memory: round %" PRIu64 " at %p: expected %016" PRIx64 ", found %016" PRIx64
			      ", reading again gives %016" PRIx64,
			      round, (const void *)&words[i], expected, found,
			      *(const volatile uint64_t *)&words[i]);
	}
}

/* Fills all of the memory, then verifies all of it, so that each word waits as long as possible. */
static void *memory_worker(void *unused)
{
	size_t mib_words = MIB / sizeof(uint64_t);
	size_t size = (size_t)options.memory_mib * MIB;
	uint64_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)unused;
	if (memory == MAP_FAILED) {
		error("memory: cannot map %" PRIu64 " MiB: %s", options.memory_mib, strerror(errno));
		return NULL;
	}
	for (uint64_t round = 1; !atomic_load(&stop); round++) {
		for (size_t m = 0; m < options.memory_mib; m++) {
			for (size_t i = m * mib_words; i < (m + 1) * mib_words; i++)
				memory[i] = mix(round << 32 ^ i);
			sleep_ms(options.pause_ms);
		}
		for (size_t m = 0; m < options.memory_mib && !atomic_load(&stop); m++) {
			check_memory(memory + m * mib_words, mib_words, round, m * mib_words);
			atomic_fetch_add(&mem_mib, 1);
			sleep_ms(options.pause_ms);
		}
	}
	return NULL;
}

void start_memory(void)
{
	if (options.memory_mib > 0)
		start_thread(memory_worker, NULL, -1);
}
