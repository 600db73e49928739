/* The part of the fixture that needs no VM; see fixture.h. */
#include "tests/lib/fixture.h"
#include "core/lib/log.h"
#include "core/memory/pages.h"
#include <string.h>

#define TIMEBASE 10000000

/* Room for the image and the stacks at the start of a slot, as on the target. */
#define SLOT_IMAGE MIB(2)

/* Number of the life, for its slot. */
HOST_KEEP u64 fixture_life;

const struct crash_stacks fixture_stacks = { MIB(1), MIB(1), KIB(16) };

void fixture_pages(void)
{
	pages_init((void *)(uintptr_t)(host_slot(fixture_life) + SLOT_IMAGE), LAYOUT_SLOT_SIZE - SLOT_IMAGE);
}

void fixture_machine(struct machine_record *m, u64 ram, unsigned harts)
{
	host_start(ram, harts);
	fixture_life = 1;
	fixture_pages();
	memset(m, 0, sizeof(*m));
	m->timebase = TIMEBASE;
	m->hart_count = harts;
	for (unsigned n = 0; n < harts; n++) {
		m->hart_ids[n] = n;
		m->plic_context[n] = 2 * n + 1;
	}
	m->ram[0] = (struct machine_range){ .base = host->ram, .size = host->ram_size };
	m->ram_count = 1;
	m->uart = (struct machine_range){ .base = 0x10000000, .size = 0x100 };
	m->uart_irq = 10;
	m->plic = (struct machine_range){ .base = 0x0c000000, .size = 0x04000000 };
	m->plic_sources = 96;
	m->crash_limit = 5;
	m->crash_window = 60;
}

const char *fixture_log(void)
{
	static char text[LOG_DATA_SIZE + 1];
	u64 from = 0;

	text[log_read(&from, text, LOG_DATA_SIZE)] = 0;
	return text;
}
