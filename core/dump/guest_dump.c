/* See guest_dump.h. */
#include "core/dump/guest_dump.h"
#include "core/arch.h"
#include "core/control/frame.h"
#include "core/dump/guest_pages.h"
#include "core/dump/guest_registers.h"
#include "core/dump/snapshot.h"
#include "core/estate/estate.h"
#include "core/lib/check.h"
#include "core/lib/errno.h"
#include "core/lib/log.h"
#include "core/lib/string.h"
#include "core/memory/backing.h"
#include "core/memory/pages.h"

#define VCPUS_A_PAGE (PAGE_SIZE / sizeof(struct ctl_dump_vcpu))

/* Bytes of guest RAM whose small leaves guest_dump_poll removes at a time. */
#define TIDY_STEP MIB(512)

static struct {
	struct lock lock; /* over the snapshot's; operations on VMs are outside of it */
	struct vm *vm;	  /* NULL: no dump */
	bool live;
	u64 heard; /* ticks: the last request */
	struct ctl_dump info;
	struct ctl_dump_vcpu *vcpus[(MAX_VCPU_ID + VCPUS_A_PAGE - 1) / VCPUS_A_PAGE];
	/* Behind a live dump: leaves of this VM from there on may be small without need. */
	struct vm *tidy;
	u64 tidy_at, tidy_end;
} dump;

static struct ctl_dump_vcpu *vcpu(u64 n)
{
	return &dump.vcpus[n / VCPUS_A_PAGE][n % VCPUS_A_PAGE];
}

static void free_vcpus(void)
{
	for (unsigned n = 0; n < ARRAY_SIZE(dump.vcpus) && dump.vcpus[n]; n++) {
		page_free(dump.vcpus[n]);
		dump.vcpus[n] = NULL;
	}
}

static int allocate_vcpus(u64 count)
{
	u64 pages = (count + VCPUS_A_PAGE - 1) / VCPUS_A_PAGE;

	if (pages > ARRAY_SIZE(dump.vcpus) || pages_free() < pages + DIRTY_RESERVE)
		return -ENOMEM;
	for (u64 n = 0; n < pages; n++) {
		dump.vcpus[n] = page_alloc();
		if (!dump.vcpus[n])
			return -ENOMEM;
	}
	return 0;
}

/* ---- Beginning and end ---- */

/* The whole VM becomes tidy: see guest_dump_poll. */
static void tidy_later(struct vm *vm)
{
	dump.tidy = vm;
	dump.tidy_at = backing_base(&vm->config);
	dump.tidy_end = dump.tidy_at + vm->config.memory;
}

/* Under the lock. The vCPUs' memory goes, the snapshot, and the guest's stillness. */
static void end(void)
{
	struct vm *vm = dump.vm;

	dump.vm = NULL;
	snapshot_end();
	free_vcpus();
	if (dump.live)
		tidy_later(vm);
	else
		vm_let_go(vm);
}

static void describe(const struct vm *vm, u64 id)
{
	dump.info = (struct ctl_dump){
		.id = id,
		.memory = vm->config.memory,
		.instant = arch_time(),
		.timebase = estate.machine.timebase,
		.vcpus = vm->config.vcpus,
		.ranges = vm->config.extent_count,
	};
	for (u32 i = 0; i < vm->config.extent_count; i++) {
		dump.info.range[i].at = vm->config.extents[i].gpa;
		dump.info.range[i].size = vm->config.extents[i].size;
	}
}

/* The instant: for vm_freeze. */
static int take(struct vm *vm, void *context)
{
	const struct ctl_dump_begin *begin = context;
	bool live = begin->flags & CTL_DUMP_LIVE;
	int error;

	lock_take(&dump.lock);
	error = dump.vm ? -EBUSY : allocate_vcpus(vm->config.vcpus);
	if (!error)
		error = snapshot_begin(vm, live);
	if (!error) {
		if (dump.tidy == vm)
			dump.tidy = NULL;
		describe(vm, begin->id);
		for (u32 n = 0; n < vm->config.vcpus; n++)
			guest_registers(&vm->vcpu[n], dump.info.instant, vcpu(n));
		dump.vm = vm;
		dump.live = live;
		dump.heard = dump.info.instant;
	} else if (error != -EBUSY) {
		free_vcpus();
	}
	lock_release(&dump.lock);
	return error;
}

static bool has_passed_device(const struct vm *vm)
{
	for (unsigned slot = 0; slot < VM_MAX_DEVICES; slot++)
		if (vm->config.devices[slot].kind == VM_DEV_PASS)
			return true;
	return false;
}

int guest_dump_begin(struct vm *vm, const struct ctl_dump_begin *begin, struct ctl_dump *info)
{
	struct ctl_dump_begin wanted = *begin;
	u64 pause;
	int error;

	if (!wanted.id || wanted.flags & ~CTL_DUMP_LIVE)
		return -EINVAL;
	if (vm_is_confidential(vm))
		return -EPERM;
	if ((wanted.flags & CTL_DUMP_LIVE) && has_passed_device(vm))
		return -EOPNOTSUPP;
	if (dump.vm != vm || dump.info.id != wanted.id) {
		if (dump.vm)
			return -EBUSY;
		error = vm_freeze(vm, !(wanted.flags & CTL_DUMP_LIVE), take, &wanted, &pause);
		if (error)
			return error;
		dump.info.pause = pause;
		log_line("%s: is being dumped%s; stood still for %lu us", vm->config.name,
			 wanted.flags & CTL_DUMP_LIVE ? ", live" : "",
			 (unsigned long)(pause * 1000000 / estate.machine.timebase));
	}
	*info = dump.info;
	return 0;
}

/* Takes the lock if the request is about the dump that there is. */
static bool enter(const struct vm *vm, const struct ctl_dump_at *at)
{
	lock_take(&dump.lock);
	if (dump.vm == vm && dump.info.id == at->id) {
		dump.heard = arch_time();
		return true;
	}
	lock_release(&dump.lock);
	return false;
}

int guest_dump_end(struct vm *vm, const struct ctl_dump_at *at)
{
	if (!enter(vm, at))
		return -ENOENT;
	end();
	lock_release(&dump.lock);
	return 0;
}

void guest_dump_forget(struct vm *vm)
{
	lock_take(&dump.lock);
	if (dump.vm == vm)
		end();
	lock_release(&dump.lock);
}

static u64 patience_ends(void)
{
	return dump.heard + GUEST_DUMP_PATIENCE_S * estate.machine.timebase;
}

bool guest_dump_poll(void)
{
	struct vm *tidy;
	u64 from, bytes;

	if (!__atomic_load_n(&dump.vm, __ATOMIC_RELAXED) && !__atomic_load_n(&dump.tidy, __ATOMIC_RELAXED))
		return false;
	lock_take(&dump.lock);
	if (dump.vm && arch_time() >= patience_ends()) {
		log_line("%s: nobody reads the dump: it is forgotten", dump.vm->config.name);
		end();
	}
	tidy = dump.tidy;
	from = dump.tidy_at;
	bytes = dump.tidy_end - from < TIDY_STEP ? dump.tidy_end - from : TIDY_STEP;
	dump.tidy_at += bytes;
	if (dump.tidy_at == dump.tidy_end)
		dump.tidy = NULL;
	lock_release(&dump.lock);
	if (tidy)
		(void)gstage_zap(&tidy->gstage, GPA(from), bytes);
	return dump.tidy;
}

u64 guest_dump_next(void)
{
	return dump.vm ? patience_ends() : ~0ull;
}

/* ---- Reading ---- */

int guest_dump_vcpus(struct vm *vm, const struct ctl_dump_at *at, void *to, size_t room, size_t *used)
{
	struct ctl_dump_data head = { .at = at->at, .next = at->at };
	u8 *vcpus = (u8 *)to + sizeof(head);
	size_t bytes = 0;

	*used = 0;
	if (!enter(vm, at))
		return -ENOENT;
	for (; head.next < dump.info.vcpus && room - sizeof(head) - bytes >= sizeof(*vcpu(0)); head.next++) {
		memcpy(vcpus + bytes, vcpu(head.next), sizeof(*vcpu(0)));
		bytes += sizeof(*vcpu(0));
	}
	lock_release(&dump.lock);
	head.mask = frame_mask(vcpus, bytes, arch_time());
	memcpy(to, &head, sizeof(head));
	*used = sizeof(head) + bytes;
	return 0;
}

/* End of the range that `at` lies in; 0: in none. */
static u64 range_end(u64 at)
{
	for (u32 i = 0; i < dump.info.ranges; i++)
		if (range_inside(at, PAGE_SIZE, dump.info.range[i].at, dump.info.range[i].size))
			return dump.info.range[i].at + dump.info.range[i].size;
	return 0;
}

int guest_dump_read(struct vm *vm, const struct ctl_dump_at *at, void *to, size_t room, size_t *used)
{
	u64 base = backing_base(&vm->config);
	int error = -EINVAL;
	u64 end_at;

	*used = 0;
	if (!enter(vm, at))
		return -ENOENT;
	end_at = at->at % PAGE_SIZE ? 0 : range_end(at->at);
	if (end_at) {
		if (dump.live && at->at - base > CTL_DUMP_WINDOW)
			snapshot_forget_below(GPA(at->at - CTL_DUMP_WINDOW));
		error = guest_pages_read(at->at, end_at, to, room, used);
	}
	lock_release(&dump.lock);
	return error;
}
