/*
 * RISC-V Platform-Level Interrupt Controller, version 1.0.0.
 *
 * All sources go to one hart, the one that starts this life: a source that is open for several harts interrupts all of
 * them each time, and takes a guest from each, for one to find the work. Which hart does the work afterwards is decided
 * in drivers_poll.
 */
#include "drivers/plic.h"
#include "core/devices/backend.h"
#include "core/estate/estate.h"
#include "core/lib/log.h"
#include "core/root/root.h"
#include "drivers/drivers.h"
#include "drivers/io.h"

/* Chapter 3, "Memory Map". */
#define PLIC_PRIORITY(source)	     (4ull * (source))
#define PLIC_ENABLE(context, source) (0x2000 + 0x80ull * (context) + 4ull * ((source) / 32))
#define PLIC_THRESHOLD(context)	     (0x200000 + 0x1000ull * (context))
#define PLIC_CLAIM(context)	     (PLIC_THRESHOLD(context) + 4)
#define PLIC_CONTEXTS		     15872u
#define PLIC_SOURCES_MAX	     1023u
#define PLIC_THRESHOLD_NONE	     7u /* above every priority that we give */

/* Claims in one go: more can't be pending at once on a machine that we drive, unless a device is mad. */
#define PLIC_CLAIMS_MAX 64

static unsigned receiver; /* index of the hart that gets the interrupts */

static u64 plic(u64 offset)
{
	return estate.machine.plic.base + offset;
}

static unsigned sources(void)
{
	u32 n = estate.machine.plic_sources;

	return n < PLIC_SOURCES_MAX ? n : PLIC_SOURCES_MAX;
}

/* The context of a hart's supervisor, if the PLIC has it. */
static bool context_of(unsigned hart, u32 *context)
{
	if (!estate.machine.plic.base || hart >= MAX_HARTS || hart >= estate.machine.hart_count)
		return false;
	*context = estate.machine.plic_context[hart];
	return *context < PLIC_CONTEXTS && PLIC_CLAIM(*context) + 4 <= estate.machine.plic.size;
}

/*
 * A completion counts only for a source that is enabled for that context (chapter 9, "Interrupt Completion"), so all are
 * enabled for a moment, at priority 0, which never interrupts. Any context will do: it need not be the one that claimed.
 */
static void complete_all(u32 context)
{
	for (unsigned source = 0; source <= sources(); source += 32)
		io_write32(plic(PLIC_ENABLE(context, source)), ~0u);
	for (unsigned source = 1; source <= sources(); source++)
		io_write32(plic(PLIC_CLAIM(context)), source);
	for (unsigned source = 0; source <= sources(); source += 32)
		io_write32(plic(PLIC_ENABLE(context, source)), 0);
}

/* Closes every source for every context of ours. */
static void close_all(u32 threshold)
{
	u32 context;

	for (unsigned source = 1; source <= sources(); source++)
		io_write32(plic(PLIC_PRIORITY(source)), 0);
	for (unsigned hart = 0; hart < MAX_HARTS; hart++) {
		if (!context_of(hart, &context))
			continue;
		io_write32(plic(PLIC_THRESHOLD(context)), threshold);
		for (unsigned source = 0; source <= sources(); source += 32)
			io_write32(plic(PLIC_ENABLE(context, source)), 0);
	}
}

void host_plic_release(void)
{
	u32 context;

	if (!estate.machine.plic.base)
		return;
	close_all(0);
	if (context_of(receiver, &context))
		complete_all(context);
}

void host_plic_init(void)
{
	u32 context;

	receiver = arch_hart();
	if (!context_of(receiver, &context)) {
		log_line("plic: no context for hart %u: the host's devices work without interrupts, slowly",
			 receiver);
		return;
	}
	close_all(PLIC_THRESHOLD_NONE);
	complete_all(context);
	io_write32(plic(PLIC_THRESHOLD(context)), 0);
}

void host_plic_enable(unsigned irq)
{
	u32 context;
	u64 word;

	if (!irq || irq > sources() || !context_of(receiver, &context))
		return;
	word = plic(PLIC_ENABLE(context, irq));
	io_write32(word, io_read32(word) | 1u << irq % 32);
	io_write32(plic(PLIC_PRIORITY(irq)), 1);
}

/* By its priority and not by its enable bit: that is a store, where the bit would be a race with its 31 neighbours. */
void host_plic_disable(unsigned irq)
{
	if (irq && irq <= sources() && estate.machine.plic.base)
		io_write32(plic(PLIC_PRIORITY(irq)), 0);
}

void host_plic_handle(unsigned hart)
{
	u32 context;

	if (!context_of(hart, &context))
		return;
	for (unsigned i = 0; i < PLIC_CLAIMS_MAX; i++) {
		u32 irq = io_read32(plic(PLIC_CLAIM(context)));

		if (!irq)
			return;
		/* The root VM's: it completes it when it is done with the device. One that it left behind is closed. */
		if (root_interrupt(irq))
			continue;
		if (irq < PLIC_SOURCES && (root_sources() >> irq & 1))
			host_plic_disable(irq);
		drivers_interrupt(irq);
		io_write32(plic(PLIC_CLAIM(context)), irq);
	}
}

void host_irq_complete(unsigned irq)
{
	u32 context;

	/* Any hart may do it for the one that claimed: a completion counts for the source, not for the context. */
	if (context_of(receiver, &context))
		io_write32(plic(PLIC_CLAIM(context)), irq);
}
