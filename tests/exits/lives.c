/* Lives on fake harts: arch/riscv64/boot.c, step by step, but for what only a real machine has. */
#include "arch/riscv64/found.h"
#include "core/control/control.h"
#include "core/dump/host_dump.h"
#include "core/lib/log.h"
#include "core/recorder/recorder.h"
#include "core/root/takeover.h"
#include "core/survive/adopt.h"
#include "core/survive/crash.h"
#include "core/survive/life.h"
#include "core/vcpu/sched.h"
#include "tests/exits/confidential.h"
#include "tests/exits/devices.h"
#include "tests/exits/inside.h"
#include <string.h>
#include <sys/mman.h>

static void go_round_loop(struct hart *hart)
{
	(void)hart;
	hart_loop();
}

static void set_up_harts(void)
{
	hart_count = estate.machine.hart_count;
	for (unsigned n = 0; n < hart_count; n++) {
		harts[n].index = n;
		harts[n].id = estate.machine.hart_ids[n];
		harts[n].record = &estate.harts[harts[n].id];
	}
}

static u64 begin_life(unsigned boot, bool heir)
{
	unsigned labels[4];
	u64 window[4], arrived;

	host_be_hart(boot);
	host->on_kick = hart_kick;
	host->on_kick_vcpu = hart_kick_vcpu;
	host->on_private = confidential_call;
	exits_harts[boot].where = EXITS_HS;
	exits_in_hypervisor = 1ull << boot;
	entry_labels(labels);
	for (unsigned n = 0; n < 4; n++)
		window[n] = exits_entry_base(fixture_life) + 4ull * labels[n];
	set_up_harts();
	log_open(estate.log);
	life_begin(heir, host_slot(fixture_life), boot, arch_time(), window);
	if (heir) {
		crash_write(&fixture_stacks);
		adopt_redo();
		adopt_claims();
	}
	arrived = found_collect(&harts[boot]);
	hart_init(&harts[boot]);
	sched_init(estate.machine.timebase);
	devices_init();
	recorder_init();
	control_init();
	host_dump_init();
	if (estate.machine.pack.size)
		vm_open_pack();
	return arrived;
}

void exits_power_on(u64 ram, unsigned count, void (*more)(struct machine_record *m))
{
	struct machine_record m;

	fixture_machine(&m, ram, count);
	/* A test starts thousands of machines. */
	(void)madvise((void *)(uintptr_t)host->ram, host->ram_size, MADV_HUGEPAGE);
	m.has_warden = 1;
	m.isa = MACHINE_ISA_SSTC | MACHINE_ISA_V;
	memset(exits_harts, 0, sizeof(exits_harts));
	memset(&exits_firmware, 0, sizeof(exits_firmware));
	devices_power_on();
	if (more)
		more(&m);
	if (estate_create(host->ram + LAYOUT_ESTATE_OFFSET, &m))
		host_fail("no estate");
}

void exits_first_life(void)
{
	begin_life(0, false);
	vm_create_all();
	hart_start_others();
	vm_autostart();
	exits_run_on(0, go_round_loop);
}

void exits_start(u64 ram, unsigned count)
{
	exits_power_on(ram, count, NULL);
	exits_first_life();
}

void exits_heir(unsigned boot)
{
	u64 base = host->ram + LAYOUT_ESTATE_OFFSET;
	u64 arrived;

	host_next_life();
	fixture_life++;
	fixture_pages();
	/* As boot.c: stop_early. */
	if (estate_adopt(base))
		arch_machine_off(true);
	exits_harts[boot].in_entry = false;
	arrived = begin_life(boot, true);
	adopt_vms();
	vm_create_all();
	takeover_adopt();
	adopt_resume();
	adopt_vcpu_arrived(arrived);
	hart_start_others();
	vm_autostart();
	exits_run_on(boot, go_round_loop);
	host_be_hart(0);
	for (unsigned n = 0; n < hart_count; n++) {
		if (exits_collected >> n & 1)
			exits_bring(n);
	}
	exits_collected = 0;
	exits_settle();
}
