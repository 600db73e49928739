/*
 * Every word of the estate is overwritten, one at a time, before an heir adopts it. timeout: 300 s, soak: 36000 s
 *
 * The heir neither dies nor hangs. No VM is lost or changed but the one that the word belongs to, and if that is lost the log says
 * why. What belongs to no VM costs none.
 *
 *	estate_words_test	the words of all records that are in use with a value each, and a few of the rest
 *	EXITS_ALL=1 ...		every word with all values, as make soak does
 *	EXITS_VALUES=1 ...	words in use with all values
 *	EXITS_WORD=0x1238 ...	one word, with all values
 */
#include "arch/riscv64/csr.h"
#include "arch/riscv64/sbi.h"
#include "core/estate/cold.h"
#include "core/lib/check.h"
#include "tests/exits/inside.h"
#include "tests/exits/scene.h"
#include "tests/exits/view.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>
#include <cmocka.h>

#define NOBODY	     (~0u)
#define FAILURES_MAX 40
#define PATIENCE_S   10

/* ---- A machine whose life has just ended, again and again ---- */

HOST_KEEP static struct {
	struct exits_hart harts[MAX_HARTS];
	struct exits_firmware firmware;
	struct host host;
	u64 life, base, size;
	unsigned boot; /* the hart that the heir begins on */
} ended;

/* RAM becomes a private mapping of a file, so that forgetting what an heir has done costs little. */
static void keep_ram(void)
{
	int file = memfd_create("ram", 0);
	const u8 *ram = (const u8 *)(uintptr_t)host->ram;
	static const u8 zeros[PAGE_SIZE];

	if (file < 0 || ftruncate(file, (off_t)host->ram_size))
		host_fail("no file for RAM");
	for (u64 at = 0; at < host->ram_size; at += PAGE_SIZE) {
		if (memcmp(ram + at, zeros, PAGE_SIZE) != 0 &&
		    pwrite(file, ram + at, PAGE_SIZE, (off_t)at) != PAGE_SIZE)
			host_fail("no room for RAM");
	}
	if (mmap((void *)(uintptr_t)host->ram, host->ram_size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_FIXED, file, 0) == MAP_FAILED)
		host_fail("RAM cannot be mapped");
	(void)close(file);
}

static void keep(unsigned boot)
{
	memcpy(ended.harts, exits_harts, sizeof(ended.harts));
	ended.firmware = exits_firmware;
	ended.host = *host;
	ended.life = fixture_life;
	ended.base = estate.base;
	ended.size = estate.size;
	ended.boot = boot;
	keep_ram();
}

static void restore(void)
{
	(void)madvise((void *)(uintptr_t)host->ram, host->ram_size, MADV_DONTNEED);
	memcpy(exits_harts, ended.harts, sizeof(ended.harts));
	exits_firmware = ended.firmware;
	*host = ended.host;
	fixture_life = ended.life;
	exits_collected = 0;
}

static void heir(void *context)
{
	(void)context;
	exits_heir(ended.boot);
	exits_advance(1000);
}

/* ---- How lives end ---- */

static void perform(void *context)
{
	scene_perform(context);
}

/* All vCPUs are in their guests, and a device has something to do. */
static void end_in_guests(void)
{
	static const struct scene_exit e = { .scene = SCENE_KICK };
	unsigned boot = 0;

	scene_start(&e);
	while (exits_harts[boot].where != EXITS_WFI)
		boot++;
	exits_stop(boot);
	keep(boot);
}

/* A hart has committed what it has not applied yet: it starts a vCPU of its VM. */
static void end_in_commit(void)
{
	static const struct scene_exit e = {
		.cause = CAUSE_ECALL_VS, .a = { 2, GUEST_RAM_BASE + 0x2000, 0x77, [6] = 0, [7] = SBI_EXT_HSM }
	};

	for (u64 store = 1;; store++) {
		scene_start(&e);
		if (host_live(perform, (void *)(uintptr_t)&e, store) != HOST_DIED)
			host_fail("an exit that commits nothing");
		if (estate.harts[host_hart].redo.count > 1)
			break;
	}
	exits_stop(host_hart);
	keep(host_hart);
}

/* A hart is on its way out of the guest, and has half of the registers stored. */
static void end_in_entry(void)
{
	static const struct scene_exit e = { .cause = CAUSE_ECALL_VS, .a = { [7] = SBI_EXT_BASE } };

	scene_start(&e);
	if (host_live(perform, (void *)(uintptr_t)&e, 15) != HOST_DIED || !exits_harts[host_hart].in_entry)
		host_fail("the trap entry is shorter than that");
	exits_stop(host_hart);
	keep(host_hart);
}

/* ---- Whose a word is ---- */

struct table {
	u64 from, bytes, stride; /* from the start of the estate */
	u64 used;		 /* bytes of a record that mean something */
};

enum { HEADER, MACHINE, WARDEN, RECORDER, LIVES, HARTS, LOG, VMS, CONSOLES, VCPUS, CRASHES, PMSG, TABLES };

HOST_KEEP static struct table tables[TABLES];
HOST_KEEP static unsigned vm_of_hart[MAX_HARTS], vm_of_vcpu[4096];

static unsigned vm_of(u64 index)
{
	return index < estate.vcpu_count ? vm_of_vcpu[index] : NOBODY;
}

/* The estate is as the life left it. */
static void find_owners(void)
{
	const struct estate_header *h = &estate.header;
	const u64 cold = 2ull * ESTATE_COLD_STRIDE;

	tables[HEADER] = (struct table){ 0, cold, ESTATE_COLD_STRIDE, sizeof(struct cold_head) + sizeof(*h) };
	tables[MACHINE] = (struct table){ h->machine, cold, ESTATE_COLD_STRIDE,
					  sizeof(struct cold_head) + sizeof(struct machine_record) };
	tables[WARDEN] = (struct table){ ESTATE_WARDEN_OFFSET, sizeof(struct warden_record), KIB(2),
					 sizeof(struct warden_record) };
	tables[RECORDER] = (struct table){ ESTATE_RECORDER_OFFSET, sizeof(struct recorder_record), KIB(2),
					   sizeof(struct recorder_record) };
	tables[LIVES] = (struct table){ h->lives, LIFE_COUNT * sizeof(struct life_record),
					sizeof(struct life_record), sizeof(struct life_record) };
	tables[HARTS] = (struct table){ h->harts, MAX_HARTS * sizeof(struct hart_record),
					sizeof(struct hart_record), offsetof(struct hart_record, pad) };
	tables[LOG] = (struct table){ h->log, sizeof(struct log_ring), sizeof(struct log_ring), 64 };
	tables[VMS] = (struct table){ h->vms, MAX_VMS * VM_RECORD_SIZE, VM_RECORD_SIZE,
				      offsetof(struct vm_record, state.touched) + 64 };
	tables[CONSOLES] = (struct table){ h->consoles, MAX_VMS * sizeof(struct console_ring),
					   sizeof(struct console_ring), 64 };
	tables[VCPUS] = (struct table){ h->vcpus, h->vcpu_count * VCPU_RECORD_SIZE, VCPU_RECORD_SIZE,
					sizeof(struct vcpu_record) };
	tables[CRASHES] =
		(struct table){ h->crashes, CRASH_RECORDS * CRASH_RECORD_STRIDE, CRASH_RECORD_STRIDE, 256 };
	tables[PMSG] = (struct table){ h->pmsg, sizeof(struct pmsg_ring), sizeof(struct pmsg_ring), 64 };
	for (u64 n = 0; n < estate.vcpu_count; n++)
		vm_of_vcpu[n] = estate_vcpu(n)->magic == VCPU_MAGIC ? estate_vcpu(n)->vm : NOBODY;
	for (unsigned n = 0; n < MAX_HARTS; n++)
		vm_of_hart[n] = vm_of(estate.harts[n].vcpu);
}

/* -> the table, and the number of the record in it; TABLES: none. */
static unsigned find_table(u64 offset, u64 *record, u64 *within)
{
	for (unsigned n = 0; n < TABLES; n++) {
		if (offset - tables[n].from >= tables[n].bytes)
			continue;
		*record = (offset - tables[n].from) / tables[n].stride;
		*within = (offset - tables[n].from) % tables[n].stride;
		return n;
	}
	return TABLES;
}

static unsigned owner_of(u64 offset)
{
	u64 record, within;

	switch (find_table(offset, &record, &within)) {
	case HARTS:
		return vm_of_hart[record];
	case VMS:
	case CONSOLES:
		return (unsigned)record;
	case VCPUS:
		return vm_of_vcpu[record];
	default:
		return NOBODY;
	}
}

/* ---- What it is overwritten with ---- */

enum { ZERO, ONES, FLIPPED, NEIGHBOUR, SMALL, VALUES };

static u64 word_at(u64 offset)
{
	return *(u64 *)(uintptr_t)(ended.base + offset);
}

/* That of the same field in the next record, or the one before. */
static u64 neighbour_of(u64 offset)
{
	u64 record, within, stride = sizeof(u64);
	unsigned table = find_table(offset, &record, &within);

	if (table < TABLES && tables[table].bytes > tables[table].stride)
		stride = tables[table].stride;
	if (table < TABLES && offset + stride >= tables[table].from + tables[table].bytes)
		return word_at(offset - stride);
	return offset + stride < ended.size ? word_at(offset + stride) : 0;
}

static u64 scramble(u64 n)
{
	n *= 0x9e3779b97f4a7c15ull;
	return n ^ n >> 29;
}

static u64 value_for(u64 offset, unsigned kind)
{
	switch (kind) {
	case ZERO:
		return 0;
	case ONES:
		return ~0ull;
	case FLIPPED:
		return word_at(offset) ^ 1ull << scramble(offset) % 64;
	case NEIGHBOUR:
		return neighbour_of(offset);
	default:
		return word_at(offset) + 1;
	}
}

/* In a sample: of what is in use each word, with a value; of the rest some. */
static bool is_in_sample(u64 offset, unsigned kind)
{
	u64 record, within;
	unsigned table = find_table(offset, &record, &within);
	/* One more than there is of each. */
	bool used = table < TABLES && within < tables[table].used && record < 6;

	if (table == VMS || table == CONSOLES)
		used = used && record < 3;
	if (table == VMS && within < offsetof(struct vm_record, state))
		used = used &&
		       within % ESTATE_COLD_STRIDE < sizeof(struct cold_head) + sizeof(struct vm_config);
	if (!used && offset / sizeof(u64) % 211)
		return false;
	return (used && getenv("EXITS_VALUES")) || scramble(offset + 8) % VALUES == kind;
}

/* ---- A trial ---- */

HOST_KEEP static struct view wanted, now;
HOST_KEEP static u64 place, value, trials, lost, failures;

static void say(const char *what, unsigned vm)
{
	u64 record = 0, within = 0;
	static const char *const names[] = { "header",	"machine", "warden", "recorder", "lives",
					     "harts",	"log",	   "VMs",    "consoles", "vCPUs",
					     "crashes", "pmsg",	   "nothing" };
	unsigned table = find_table(place, &record, &within);

	failures++;
	/* NOLINTNEXTLINE(bugprone-signal-handler): the process ends here */
	(void)printf("word 0x%llx (%s %llu, +0x%llx) = 0x%llx: %s %u; last words: %s\n",
		     (unsigned long long)place, names[table], (unsigned long long)record,
		     (unsigned long long)within, (unsigned long long)value, what, vm, host->text);
}

static void hangs(int number)
{
	(void)number;
	say("the heir hangs", 0);
	abort();
}

/* What is in the view of one VM. */
static void only(const struct view *all, unsigned vm, struct view *one)
{
	one->count = 0;
	for (unsigned n = 0; n < all->count; n++) {
		if (all->item[n].vm == vm)
			one->item[one->count++] = all->item[n];
	}
}

static bool is_told(unsigned vm)
{
	char line[40];

	(void)snprintf(line, sizeof(line), "VM %u is lost: ", vm);
	return strstr(fixture_log(), line);
}

static void look(unsigned owner)
{
	static struct view a, b;

	view_take(&now);
	for (unsigned vm = 0; vm < 2; vm++) {
		if (vm == owner) {
			lost += !vms[vm];
			if (!vms[vm] && estate_vm(vm)->state.run_state != VM_UNUSED && !is_told(vm))
				say("nobody is told of the loss of VM", vm);
			continue;
		}
		if (!vms[vm]) {
			say("it costs another VM,", vm);
			continue;
		}
		only(&wanted, vm, &a);
		only(&now, vm, &b);
		if (!view_same(&a, &b, NULL, false)) {
			view_same(&a, &b, NULL, true);
			say("it changes another VM,", vm);
		}
	}
}

/* Of time on a processor: others may want it, too. */
static void set_patience(long seconds)
{
	const struct itimerval t = { .it_value = { .tv_sec = seconds } };

	(void)setitimer(ITIMER_PROF, &t, NULL);
}

static void overwrite(u64 offset, unsigned kind)
{
	unsigned owner;

	restore();
	place = offset;
	value = value_for(offset, kind);
	if (value == word_at(offset))
		return;
	owner = owner_of(offset);
	*(u64 *)(uintptr_t)(ended.base + offset) = value;
	trials++;
	set_patience(PATIENCE_S);
	if (host_live(heir, NULL, 0) != HOST_RETURNED)
		say("the heir dies", 0);
	else
		look(owner);
	set_patience(0);
}

static void overwrite_all(void (*end)(void))
{
	const char *one = getenv("EXITS_WORD");
	bool all = getenv("EXITS_ALL") || getenv("OUTLIVE_SOAK") || one;

	failures = 0;
	end();
	find_owners();
	restore();
	assert_int_equal(host_live(heir, NULL, 0), HOST_RETURNED);
	view_take(&wanted);
	(void)signal(SIGPROF, hangs);
	for (u64 offset = one ? strtoull(one, NULL, 0) : 0; offset < ended.size && failures < FAILURES_MAX;
	     offset += sizeof(u64)) {
		for (unsigned kind = 0; kind < VALUES; kind++) {
			if (all || is_in_sample(offset, kind))
				overwrite(offset, kind);
		}
		if (one)
			break;
	}
	assert_int_equal(failures, 0);
}

static void in_guests(void **state)
{
	(void)state;
	overwrite_all(end_in_guests);
}

static void in_commit(void **state)
{
	(void)state;
	overwrite_all(end_in_commit);
}

static void in_entry(void **state)
{
	(void)state;
	overwrite_all(end_in_entry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_guests),
		cmocka_unit_test(in_commit),
		cmocka_unit_test(in_entry),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	(void)printf("%llu words overwritten, %llu times the VM was lost that they belonged to\n",
		     (unsigned long long)trials, (unsigned long long)lost);
	return failed;
}
