/*
 * The host's log. A line is formatted on the stack of its writer and put out under a lock that nobody waits for
 * for ever: a life may end with the lock held, and its last line is the one that people want to see.
 */
#include "core/lib/log.h"
#include "core/estate/estate.h"
#include "core/lib/sealed.h"
#include "core/lib/string.h"

#define LINE_MAX 320

/*
 * Turns to wait for the lock. A line on a slow serial port takes 30 ms; the first figure is some hundreds of
 * milliseconds on any hart, the second a few.
 */
#define PATIENCE	    20000000u
#define PATIENCE_AT_THE_END 200000u

static SEALED struct log_ring *log_ring;
static void (*log_listener)(void);
static u32 log_busy;
static u32 log_patience = PATIENCE;

/* True if the lock is ours; false if its holder does not come back. Then we go on without it: lines may mix. */
static bool log_take(void)
{
	for (u32 turn = 0; turn < __atomic_load_n(&log_patience, __ATOMIC_RELAXED); turn++) {
		if (!__atomic_load_n(&log_busy, __ATOMIC_RELAXED) &&
		    !__atomic_exchange_n(&log_busy, 1, __ATOMIC_ACQUIRE))
			return true;
		arch_relax();
	}
	return false;
}

static void log_give(bool taken)
{
	if (taken)
		__atomic_store_n(&log_busy, 0, __ATOMIC_RELEASE);
}

void log_last_words(void)
{
	__atomic_store_n(&log_patience, PATIENCE_AT_THE_END, __ATOMIC_RELAXED);
}

void log_on_line(void (*f)(void))
{
	__atomic_store_n(&log_listener, f, __ATOMIC_RELAXED);
}

void log_open(struct log_ring *ring)
{
	/* A head that no log reaches in its time is none. */
	if (estate_load(&ring->head) >> 62)
		estate_store(&ring->head, 0);
	log_ring = ring;
}

/* The bytes go first, then the head that makes them part of the log. */
static void ring_put(struct log_ring *ring, const char *text, size_t bytes)
{
	u64 head = estate_load(&ring->head);

	for (size_t i = 0; i < bytes; i++)
		ring->data[(head + i) % LOG_DATA_SIZE] = text[i];
	estate_store(&ring->head, head + bytes);
}

void log_line(const char *f, ...)
{
	u64 timebase = estate.machine.timebase ? estate.machine.timebase : 1;
	u64 now = estate.machine.timebase ? arch_time() : 0;
	char line[LINE_MAX];
	size_t n;
	va_list list;
	void (*on_line)(void);
	bool taken;

	n = format(line, sizeof(line) - 1, "[%5lu.%06lu] h%u: ", (unsigned long)(now / timebase),
		   (unsigned long)(now % timebase * 1000000 / timebase), arch_hart());
	va_start(list, f);
	n += format_list(line + n, sizeof(line) - 1 - n, f, list);
	va_end(list);
	line[n++] = '\n';

	taken = log_take();
	if (log_ring)
		ring_put(log_ring, line, n);
	arch_serial_write(line, n);
	log_give(taken);
	on_line = __atomic_load_n(&log_listener, __ATOMIC_RELAXED);
	if (on_line)
		on_line();
}

u64 log_head(void)
{
	return log_ring ? estate_load(&log_ring->head) : 0;
}

size_t log_read(u64 *from, char *to, size_t size)
{
	u64 head, oldest;
	size_t n = 0, at, first;
	bool taken;

	if (!log_ring)
		return 0;
	taken = log_take();
	head = log_head();
	oldest = head > LOG_DATA_SIZE ? head - LOG_DATA_SIZE : 0;
	if (*from < oldest)
		*from = oldest;
	if (*from < head)
		n = head - *from < size ? (size_t)(head - *from) : size;
	at = *from % LOG_DATA_SIZE;
	first = n < LOG_DATA_SIZE - at ? n : LOG_DATA_SIZE - at;
	memcpy(to, log_ring->data + at, first);
	memcpy(to + first, log_ring->data, n - first);
	log_give(taken);
	return n;
}
