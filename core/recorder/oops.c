/* What recorder_oops is told waits here until the black box can take it; see recorder.h. */
#include "core/arch.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/recorder/inside.h"
#include "core/recorder/recorder.h"

/* More at once are in the log only: a record has its end anyway. */
#define OOPS_MAX  8u
#define OOPS_SIZE 160u

static struct {
	struct lock lock;
	u32 first, count;
	char text[OOPS_MAX][OOPS_SIZE];
} oops;

void recorder_oops(const char *f, ...)
{
	va_list list;

	if (__atomic_load_n(&recorder.stage, __ATOMIC_RELAXED) == RECORDER_OFF)
		return;
	lock_take(&oops.lock);
	if (oops.count < OOPS_MAX) {
		va_start(list, f);
		format_list(oops.text[(oops.first + oops.count) % OOPS_MAX], OOPS_SIZE, f, list);
		va_end(list);
		__atomic_store_n(&oops.count, oops.count + 1, __ATOMIC_RELAXED);
	}
	lock_release(&oops.lock);
	arch_kick(arch_hart());
}

bool oops_waits(void)
{
	return __atomic_load_n(&oops.count, __ATOMIC_RELAXED);
}

bool oops_take(char *to, size_t size)
{
	bool found;

	lock_take(&oops.lock);
	found = oops.count;
	if (found) {
		format(to, size, "%s", oops.text[oops.first]);
		oops.first = (oops.first + 1) % OOPS_MAX;
		__atomic_store_n(&oops.count, oops.count - 1, __ATOMIC_RELAXED);
	}
	lock_release(&oops.lock);
	return found;
}
