/*
 * A hypervisor that is an attacker: it makes a confidential VM, as it must, and then tries all it can think of to see or change what
 * is the guest's. Each attempt has to be refused, with the error that stands here, and the guest, which looks at all that is its own
 * after each of them, must find it unharmed.
 */
#include "abi/private.h"

#include "warden/test/payload.h"

#define VM	  5ul
#define OTHER	  6ul
#define GUEST	  0x80000000ul
#define GUEST_RAM MIB(4)
#define SHARED	  (RAM + MIB(48)) /* ordinary RAM */
#define REPORT	  (SHARED + KIB(16))
#define TABLES	  (RAM + MIB(50))
#define EVIL	  (TABLES + KIB(32))

extern char victim[], victim_end[];

u64 guest_load_traps(u64 address, u64 *value);
void guest_fence(void);

static struct private_run run;
static struct private_config config;
/* Blocks of the pool: its own two, the other VM's two, and one that nobody has. */
static u64 first, memory, other_first, other_memory, loose;
static u64 attempts;

/* ---- The VMs ---- */

#define GOOD(...) good(warden(__VA_ARGS__).error, #__VA_ARGS__, __LINE__)

static void good(long error, const char *what, int line)
{
	check_line(error == 0, what, (u64)error, __FILE__, line);
}

static u64 pool_base(void)
{
	return warden(PRIVATE_INFO, PRIVATE_INFO_POOL, 0, 0, 0).value;
}

static u64 free_block(u64 skip)
{
	u64 n;

	for (n = 0;; n++)
		if (!warden(PRIVATE_INFO, PRIVATE_INFO_OWNER, n, 0, 0).value && !skip--)
			return pool_base() + n * BLOCK_SIZE;
}

/* Page n of the VM's first block, and of its memory. */
static u64 own(u64 n)
{
	return first + n * PAGE_SIZE;
}

static u64 ram(u64 n)
{
	return memory + n * PAGE_SIZE;
}

static void make(u64 vm, u64 *notes, u64 *pages)
{
	*notes = free_block(0);
	GOOD(PRIVATE_CREATE, vm, *notes, (u64)&config, 0);
	*pages = free_block(0);
	GOOD(PRIVATE_DONATE, vm, *pages, 0, 0);
	GOOD(PRIVATE_LINK, vm, GUEST, 2, *notes + 16 * PAGE_SIZE);
	GOOD(PRIVATE_LINK, vm, GUEST, 1, *notes + 17 * PAGE_SIZE);
	GOOD(PRIVATE_VCPU, vm, 0, *notes + 18 * PAGE_SIZE, 0);
	GOOD(PRIVATE_VCPU, vm, 1, *notes + 19 * PAGE_SIZE, 0);
}

static void launch(void)
{
	make(VM, &first, &memory);
	GOOD(PRIVATE_SET, VM, GUEST, 0, ram(0));
	GOOD(PRIVATE_SET, VM, GUEST + PAGE_SIZE, 0, ram(1));
	/* cppcheck-suppress comparePointers ; two labels of one piece of code */
	GOOD(PRIVATE_LOAD, VM, GUEST, (u64)victim, (u64)(victim_end - victim));
	GOOD(PRIVATE_FINAL, VM, GUEST, GUEST + PAGE_SIZE, 0);
}

/* ---- The guest's word ---- */

/* Runs it until it has looked at everything once more. What it found goes to the device. */
static void unharmed_line(int line)
{
	struct result r;
	u64 rounds;

	for (rounds = 0; rounds < 2; rounds++) {
		run.answered = run.number;
		run.result[0] = run.result[1] = 0;
		run.lines = 0;
		r = warden(PRIVATE_ENTER, VM, 0, (u64)&run, 0);
		check_line(r.error == 0, "it can be entered", (u64)r.error, __FILE__, line);
		if (r.error || run.exit != PRIVATE_EXIT_NONE)
			break;
	}
	check_line(run.exit == PRIVATE_EXIT_STORE, "it stores to its device", run.exit, __FILE__, line);
	check_line(run.arg[0] == 0x10000020, "it stores where it should", run.arg[0], __FILE__, line);
	check_line(run.arg[2] == 0, "it has found nothing changed", run.arg[2], __FILE__, line);
}

#define unharmed() unharmed_line(__LINE__)

static void try_line(const char *what, long error, struct result r, int line)
{
	attempts++;
	check_line(r.error == error, what, (u64)r.error, __FILE__, line);
	unharmed_line(line);
}

/* An attempt that is to be refused with this error. */
#define TRY(what, error, ...) try_line(what, error, warden(__VA_ARGS__), __LINE__)

/* ---- Attempts ---- */

static void reach(u64 address)
{
	attempts++;
	check(traps(address, 0) && traps(address, 1), address);
	unharmed();
}

/* Loads and stores. */
static void look_at_memory(void)
{
	u64 n;

	for (n = 0; n < 24; n++)
		reach(own(n));
	for (n = 0; n < 4; n++)
		reach(ram(n));
	reach(pool_base());
	reach(loose);
	reach(RAM + LAYOUT_SEED_OFFSET);
}

/* The firmware is asked to read or write there. */
static void use_firmware(void)
{
	const u64 secret = ram(1);

	/* DBCN: text to the console, and from it. */
	try_line("console write", ERR_INVALID, sbi(0x4442434e, 0, 16, secret, 0, 0), __LINE__);
	try_line("console read", ERR_INVALID, sbi(0x4442434e, 1, 16, secret, 0, 0), __LINE__);
	/* HSM: a hart is started there. There is no such hart, or it runs: what counts is that it's not begun. */
	attempts++;
	check(sbi(0x48534d, 0, 1, secret, 0, 0).error != 0, 0);
	/* Shared memory of extensions: PMU, DBTR, MPXY. Not there, or refused. */
	attempts += 3;
	check(sbi(0x504d55, 7, secret, 0, 0, 0).error != 0, 0);
	check(sbi(0x44425452, 1, secret, 0, 0, 0).error != 0, 0);
	check(sbi(0x4d505859, 1, secret, 0, 0, 0).error != 0, 0);
	unharmed();
	TRY("its memory as a text of a crash", ERR_ADDRESS, WARDEN_CRASH, LIFE_PANIC, secret, 64, 0);
}

static void misuse_pages(void)
{
	TRY("a page at a second address", ERR_STATE, PRIVATE_SET, VM, GUEST + 2 * PAGE_SIZE, 0, ram(1));
	TRY("another page in its place", ERR_STATE, PRIVATE_SET, VM, GUEST + PAGE_SIZE, 0, ram(2));
	TRY("a block over it", ERR_STATE, PRIVATE_SET, VM, GUEST, 1, memory);
	TRY("its page to another VM", ERR_ADDRESS, PRIVATE_SET, OTHER, GUEST, 0, ram(1));
	TRY("another VM's page", ERR_ADDRESS, PRIVATE_SET, VM, GUEST + 2 * PAGE_SIZE, 0, other_memory);
	TRY("a page that nobody has", ERR_ADDRESS, PRIVATE_SET, VM, GUEST + 2 * PAGE_SIZE, 0, loose);
	TRY("a page of ordinary RAM", ERR_ADDRESS, PRIVATE_SET, VM, GUEST + 2 * PAGE_SIZE, 0, SHARED);
	TRY("a page of the firmware", ERR_ADDRESS, PRIVATE_SET, VM, GUEST + 2 * PAGE_SIZE, 0, RAM);
	TRY("its table as its memory", ERR_STATE, PRIVATE_SET, VM, GUEST + 2 * PAGE_SIZE, 0, own(17));
	TRY("its registers as its memory", ERR_STATE, PRIVATE_SET, VM, GUEST + 2 * PAGE_SIZE, 0, own(18));
	TRY("the warden's notes as its memory", ERR_STATE, PRIVATE_SET, VM, GUEST + 2 * PAGE_SIZE, 0, own(0));
	TRY("its memory as a table", ERR_STATE, PRIVATE_LINK, VM, GUEST | PRIVATE_SHARED_BIT, 2, ram(1));
	TRY("a page that it has not given", ERR_DENIED, PRIVATE_CLEAR, VM, GUEST + PAGE_SIZE, 0, 0);
	TRY("a table in use", ERR_STATE, PRIVATE_UNLINK, VM, GUEST, 1, 0);
	TRY("its block taken", ERR_STATE, PRIVATE_RECLAIM, VM, memory, 0, 0);
	TRY("its block taken for another", ERR_DENIED, PRIVATE_RECLAIM, OTHER, memory, 0, 0);
	TRY("its block given away", ERR_STATE, PRIVATE_DONATE, OTHER, memory, 0, 0);
	TRY("the warden's block given away", ERR_ADDRESS, PRIVATE_DONATE, VM, pool_base(), 0, 0);
	TRY("ordinary RAM given as a block", ERR_ADDRESS, PRIVATE_DONATE, VM, ALIGN_DOWN(SHARED, BLOCK_SIZE),
	    0, 0);
	TRY("small pages as a large one", ERR_STATE, PRIVATE_MERGE, VM, GUEST, 0, 0);
	TRY("a leaf that is none split", ERR_STATE, PRIVATE_SPLIT, VM, GUEST, own(25), 0);
}

static void misuse_shared(void)
{
	const u64 at = GUEST | PRIVATE_SHARED_BIT;

	GOOD(PRIVATE_LINK, VM, at, 2, own(20));
	GOOD(PRIVATE_LINK, VM, at, 1, own(21));
	TRY("its page as shared memory", ERR_STATE, PRIVATE_SHARE, VM, at + PAGE_SIZE, 0, SHARED);
	TRY("shared memory in its own", ERR_ADDRESS, PRIVATE_SHARE, VM, at + 2 * PAGE_SIZE, 0, ram(1));
	TRY("shared memory in the pool", ERR_ADDRESS, PRIVATE_SHARE, VM, at + 2 * PAGE_SIZE, 0, loose);
	TRY("shared memory in the firmware", ERR_ADDRESS, PRIVATE_SHARE, VM, at + 2 * PAGE_SIZE, 0, RAM);
	TRY("shared memory in devices", ERR_ADDRESS, PRIVATE_SHARE, VM, at + 2 * PAGE_SIZE, 0, 0x10000000);
	GOOD(PRIVATE_SHARE, VM, at + 2 * PAGE_SIZE, 0, SHARED);
	TRY("private where it is shared", ERR_STATE, PRIVATE_SET, VM, GUEST + 2 * PAGE_SIZE, 0, ram(2));
	GOOD(PRIVATE_UNSHARE, VM, at + 2 * PAGE_SIZE, 0, 0);
}

static void misuse_buffers(void)
{
	const u64 table = GUEST + PAGE_SIZE;

	TRY("a table over its memory", ERR_ADDRESS, PRIVATE_READ_TABLE, VM, table, 0, ram(1));
	TRY("a table over its registers", ERR_ADDRESS, PRIVATE_READ_TABLE, VM, table, 0, own(18));
	TRY("a table over the firmware", ERR_ADDRESS, PRIVATE_READ_TABLE, VM, table, 0, RAM);
	TRY("notes over its memory", ERR_ADDRESS, PRIVATE_READ_BLOCK, VM, memory, ram(1), 0);
	TRY("what it begins with, later", ERR_STATE, PRIVATE_LOAD, VM, GUEST, SHARED, PAGE_SIZE);
	GOOD(PRIVATE_SET, OTHER, GUEST, 0, other_memory);
	TRY("its memory as another's begin", ERR_ADDRESS, PRIVATE_LOAD, OTHER, GUEST, ram(1), PAGE_SIZE);
	TRY("the firmware as another's begin", ERR_ADDRESS, PRIVATE_LOAD, OTHER, GUEST, RAM, PAGE_SIZE);
	TRY("the seed as another's begin", ERR_ADDRESS, PRIVATE_LOAD, OTHER, GUEST, RAM + LAYOUT_SEED_OFFSET,
	    64);
	TRY("a report over its memory", ERR_ADDRESS, PRIVATE_REPORT, VM, SHARED, ram(1), 0);
	TRY("a nonce out of its memory", ERR_ADDRESS, PRIVATE_REPORT, VM, ram(1), REPORT, 0);
	TRY("an exit over its memory", ERR_ADDRESS, PRIVATE_ENTER, VM, 0, ram(1), 0);
	TRY("an exit over its registers", ERR_ADDRESS, PRIVATE_ENTER, VM, 0, own(18), 0);
	TRY("an exit over the firmware", ERR_ADDRESS, PRIVATE_ENTER, VM, 0, RAM, 0);
	TRY("a configuration in its memory", ERR_INVALID, PRIVATE_CREATE, 7, loose, ram(1), 0);
}

static void misuse_vcpus(void)
{
	TRY("it is made again", ERR_STATE, PRIVATE_CREATE, VM, loose, (u64)&config, 0);
	TRY("it begins again, elsewhere", ERR_STATE, PRIVATE_FINAL, VM, GUEST + 64, 0, 0);
	TRY("a vCPU made again", ERR_STATE, PRIVATE_VCPU, VM, 0, own(24), 0);
	TRY("a vCPU that it has not", ERR_INVALID, PRIVATE_ENTER, VM, 2, (u64)&run, 0);
	TRY("a vCPU of a VM that is not final", ERR_STATE, PRIVATE_ENTER, OTHER, 0, (u64)&run, 0);
	TRY("a VM that there is not", ERR_INVALID, PRIVATE_ENTER, PRIVATE_VMS, 0, (u64)&run, 0);
}

/* Answers to questions that nobody has asked: the one that waits is told again. */
static void forge_answers(void)
{
	static const u64 numbers[] = { 0, 1, ~0ul, 1ul << 63 };
	u64 number, i;

	unharmed();
	number = run.number;
	for (i = 0; i < 6; i++) {
		attempts++;
		run.answered = i < 4 ? numbers[i] : i == 4 ? number + 1 : number - 1;
		run.result[0] = run.result[1] = ~0ul;
		check(warden(PRIVATE_ENTER, VM, 0, (u64)&run, 0).error == 0, i);
		check(run.exit == PRIVATE_EXIT_STORE && run.number == number, run.number);
	}
	unharmed();
}

/* A vCPU that has not been started by the guest. */
static void start_hart(void)
{
	attempts++;
	check(warden(PRIVATE_ENTER, VM, 1, (u64)&run, 0).error == 0, 0);
	check(run.exit == PRIVATE_EXIT_STOPPED, run.exit);
	run.number = 0;
	unharmed();
}

/* Translations of its own under the guest's VMID, and the guest's own tables. */
static void poison(void)
{
	volatile u64 *root = (u64 *)TABLES, *middle = (u64 *)(TABLES + KIB(16)),
		     *leaves = (u64 *)(TABLES + KIB(20));
	u64 vmid, value = 0, i;

	for (i = 0; i < KIB(48) / 8; i++)
		root[i] = 0;
	root[GUEST >> 30] = (u64)middle >> 12 << 10 | 1;
	middle[0] = (u64)leaves >> 12 << 10 | 1;
	leaves[1] = EVIL >> 12 << 10 | 0xdf;
	*(u64 *)EVIL = 0x666;
	csr_write(hgatp, 0x3ffful << 44);
	vmid = (csr_read(hgatp) >> 44 & 0x3fff) - VM;
	csr_write(hstatus, csr_read(hstatus) | 1ul << 8); /* SPVP */
	for (i = vmid - 2; i <= vmid + 2; i++) {
		attempts++;
		csr_write(hgatp, 8ul << 60 | i << 44 | TABLES >> 12);
		guest_fence();
		check(guest_load_traps(GUEST + PAGE_SIZE, &value) == 0 && value == 0x666, value);
		unharmed();
		/* And the other way round: what the guest had is not there. */
		check(guest_load_traps(GUEST + PAGE_SIZE, &value) == 0 && value == 0x666, value);
	}
	attempts++;
	csr_write(hgatp, 8ul << 60 | vmid << 44 | first >> 12);
	guest_fence();
	check(guest_load_traps(GUEST + PAGE_SIZE, &value), value);
	leaves[1] = ram(1) >> 12 << 10 | 0xdf;
	csr_write(hgatp, 8ul << 60 | vmid << 44 | TABLES >> 12);
	guest_fence();
	check(guest_load_traps(GUEST + PAGE_SIZE, &value), value);
	csr_write(hgatp, 0);
	guest_fence();
	unharmed();
}

/* ---- Whatever comes to mind ---- */

static u64 state = 1;

static u64 random(u64 below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

static u64 any(void)
{
	const u64 known[] = {
		VM,	      OTHER,	    7,	       0,	1,	   2,
		PAGE_SIZE,    own(0),	    own(17),   own(18), own(24),   ram(0),
		ram(1),	      ram(2),	    ram(3),    loose,	memory,	   other_memory,
		other_first,  pool_base(),  RAM,       SHARED,	REPORT,	   GUEST,
		GUEST + 4096, GUEST + 8192, 1ul << 38, ~0ul,	1ul << 63, (1ul << 38) + GUEST + 8192
	};
	const u64 value = known[random(ARRAY_SIZE(known))];

	return random(8) ? value : value + random(PAGE_SIZE);
}

/*
 * Calls with arguments of which each makes some sense. It may end a VM, so that is left out; and beginning the other one, which
 * would run nothing that ever exits.
 */
static void rave(void)
{
	u64 n, call;

	for (n = 0; n < 4000; n++) {
		call = PRIVATE_INFO + random(PRIVATE_CALL_END + 2 - PRIVATE_INFO);
		if (call == PRIVATE_END || call == PRIVATE_FINAL)
			continue;
		warden(call, random(4) ? VM : any(), any(), any(), any());
		if (n % 100 == 99) {
			run.number = 0;
			unharmed();
		}
	}
	attempts += n;
}

/* ---- Its end ---- */

/* All that it had comes back of zeroes: the next one there looks. */
static void end(void)
{
	GOOD(PRIVATE_END, VM, 0, 0, 0);
	check(warden(PRIVATE_ENTER, VM, 0, (u64)&run, 0).error == ERR_STATE, 0);
	GOOD(PRIVATE_RECLAIM, VM, memory, 0, 0);
	GOOD(PRIVATE_RECLAIM, VM, first, 0, 0);
	check(traps(memory + PAGE_SIZE, 0), 0);
}

void hostile_life(void)
{
	config.ram_base = GUEST;
	config.ram_size = GUEST_RAM;
	config.vcpus = 2;
	launch();
	make(OTHER, &other_first, &other_memory);
	loose = free_block(1);
	unharmed();
	look_at_memory();
	use_firmware();
	misuse_pages();
	misuse_shared();
	misuse_buffers();
	misuse_vcpus();
	forge_answers();
	start_hart();
	poison();
	rave();
	end();
	run.number = 0;
	launch();
	unharmed();
	print("ATTEMPTS ");
	print_decimal(attempts);
	print("\n");
	finish();
}
