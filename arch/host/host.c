/* The fake machine: RAM, harts, lives and their ends. */
#include "arch/host/host.h"
#include "core/arch.h"
#include "core/estate/estate.h"
#include "core/lib/errno.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

HOST_KEEP struct host *host;
_Thread_local unsigned host_hart;

/* The life that the calling thread is in. */
static _Thread_local struct {
	jmp_buf end;
	bool alive;
	u64 stores;
	u64 die_before;
	u64 path;
} life;

HOST_KEEP bool host_sites_counted;
HOST_KEEP struct host_site host_sites[HOST_SITES];

/* Of the last host_live, if sites are counted. */
HOST_KEEP static struct {
	u64 number; /* of all such */
	u64 store[HOST_FRESH];
	unsigned count;
} fresh;

/* Places are numbered in this by some bits each; what is older has left it. */
#define CONTEXT_BITS 10
HOST_KEEP static u64 contexts[HOST_CONTEXTS];

_Noreturn void host_fail(const char *what)
{
	(void)fprintf(stderr, "host: %s\n", what);
	abort();
}

/* ---- The pristine image ---- */

#ifdef UNDER_FUZZER

static void image_save(void)
{
}

void host_next_life(void)
{
}

#else

/* The program's static variables: the linker's names for both ends of them, and of those that are kept. */
extern u64 __data_start[], _end[];		   /* NOLINT(bugprone-reserved-identifier) */
extern u8 __start_host_keep[], __stop_host_keep[]; /* NOLINT(bugprone-reserved-identifier) */

HOST_KEEP static u8 *image;
HOST_KEEP static size_t image_size;

/* Not instrumented: this steps over the sanitizer's red zones between variables. By words, since tests begin many lives. */
__attribute__((no_sanitize("address", "thread", "undefined"), noinline)) static void
image_copy(u8 *to, const u8 *from, size_t bytes)
{
	size_t i = 0;

	if (!(((uintptr_t)to | (uintptr_t)from) % sizeof(u64))) {
		for (; i + sizeof(u64) <= bytes; i += sizeof(u64))
			*(volatile u64 *)(to + i) = *(const volatile u64 *)(from + i);
	}
	for (; i < bytes; i++)
		((volatile u8 *)to)[i] = from[i];
}

static void image_save(void)
{
	if (image)
		return;
	image_size = (uintptr_t)_end - (uintptr_t)__data_start;
	image = mmap(NULL, image_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (image == MAP_FAILED)
		host_fail("no memory for the image");
	image_copy(image, (u8 *)__data_start, image_size);
}

void host_next_life(void)
{
	u8 *data = (u8 *)__data_start;
	size_t kept = (uintptr_t)__start_host_keep - (uintptr_t)data;
	size_t behind = (uintptr_t)__stop_host_keep - (uintptr_t)data;

	image_copy(data, image, kept);
	image_copy(data + behind, image + behind, image_size - behind);
	host_hart = 0;
	host->on_fence = NULL;
	host->on_kick = NULL;
	host->on_kick_vcpu = NULL;
	host->on_serial = NULL;
	host->on_update = NULL;
	memset(host->current, 0, sizeof(host->current));
}

#endif

/* ---- RAM ---- */

/* Reserves twice the alignment and gives back what is too much, so that 1 GiB pages of a guest can be tested. */
static u64 map_ram(u64 size)
{
	u64 room = size + GIB(1), at, from;
	void *p =
		mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		host_fail("no address space for RAM");
	at = (u64)(uintptr_t)p;
	from = ALIGN_UP(at, GIB(1));
	if (from > at)
		munmap(p, from - at);
	munmap((void *)(uintptr_t)(from + size), at + room - (from + size));
	return from;
}

void host_start(u64 ram_size, unsigned harts)
{
	if (host && host->ram)
		munmap((void *)(uintptr_t)host->ram, host->ram_size);
	if (!host) {
		/* Not among the variables, and kept apart from what the sanitizers count. */
		host = mmap(NULL, sizeof(*host), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (host == MAP_FAILED)
			host_fail("no memory");
	}
	image_save();
	memset(host, 0, sizeof(*host));
	host->ram_size = ALIGN_UP(ram_size, BLOCK_SIZE);
	host->ram = map_ram(host->ram_size);
	host->harts = harts;
	host->now = 1000000;
	host_next_life();
	for (unsigned n = 0; n < LAYOUT_SLOTS; n++)
		memset((void *)(uintptr_t)(host->ram + LAYOUT_SLOT_OFFSET(n)), 0xa5, KIB(64));
	memset((void *)(uintptr_t)(host->ram + LAYOUT_ESTATE_OFFSET), 0xa5, KIB(512));
}

static void *ram_at(hpa_t at, u64 bytes)
{
	if (at.a % bytes || at.a < host->ram || at.a - host->ram >= host->ram_size)
		host_fail("a window to what is no RAM, or not aligned");
	return (void *)(uintptr_t)at.a;
}

#define WINDOWS	     5
#define WINDOW_BLOCK 4
static _Thread_local bool window_open[WINDOWS];

static void *open_window(unsigned which, hpa_t at, u64 bytes)
{
	if (which >= WINDOWS)
		host_fail("a hart has no such window");
	window_open[which] = true;
	return ram_at(at, bytes);
}

static void close_window(unsigned which)
{
	if (which >= WINDOWS || !window_open[which])
		host_fail("a window is closed that is not open");
	window_open[which] = false;
}

void *arch_window(unsigned which, hpa_t page)
{
	if (which >= WINDOW_BLOCK)
		host_fail("a hart has no such window");
	return open_window(which, page, PAGE_SIZE);
}

void arch_window_close(unsigned which)
{
	close_window(which);
}

void *arch_window_block(hpa_t block)
{
	return open_window(WINDOW_BLOCK, block, BLOCK_SIZE);
}

void arch_window_block_close(void)
{
	close_window(WINDOW_BLOCK);
}

void arch_zero(void *at, size_t bytes)
{
	if ((uintptr_t)at % 64 || bytes % 64)
		host_fail("arch_zero: not aligned");
	memset(at, 0, bytes);
}

/* ---- Lives ---- */

void host_be_hart(unsigned hart)
{
	host_hart = hart;
}

enum host_end host_live(void (*f)(void *), void *context, u64 die_before)
{
	/* setjmp returns twice: what is used behind it must not live in registers. */
	volatile int end;

	life.stores = 0;
	life.path = 0;
	life.die_before = die_before;
	life.alive = true;
	if (host_sites_counted) {
		fresh.number++;
		fresh.count = 0;
	}
	memset(window_open, 0, sizeof(window_open));
	end = setjmp(life.end);
	if (!end)
		f(context);
	life.alive = false;
	return (enum host_end)end;
}

u64 host_stores(void)
{
	return life.stores;
}

static _Noreturn void end_life(enum host_end end)
{
	if (!life.alive)
		host_fail(host->text[0] ? host->text : "a life has ended outside of host_live");
	longjmp(life.end, (int)end);
}

struct host_site *host_site(u64 at)
{
	u64 n = at * 0x9e3779b97f4a7c15ull >> 52;

	_Static_assert(HOST_SITES == 1u << 12, "so many bits of the hash");
	while (host_sites[n].at && host_sites[n].at != at)
		n = (n + 1) % HOST_SITES;
	host_sites[n].at = at;
	return &host_sites[n];
}

static void count_site(u64 at, bool ends)
{
	struct host_site *site = host_site(at);

	site->reached++;
	site->ended += ends;
	if (!site->ended && site->life != fresh.number && fresh.count < HOST_FRESH)
		fresh.store[fresh.count++] = life.stores + 1;
	site->life = fresh.number;
	if (life.stores < HOST_CONTEXTS)
		contexts[life.stores] = (life.stores ? contexts[life.stores - 1] << CONTEXT_BITS : 0) ^
					at * 0x9e3779b97f4a7c15ull >> (64 - CONTEXT_BITS);
	life.path = (life.path ^ at) * 0x9e3779b97f4a7c15ull;
}

u64 host_context(u64 n)
{
	return n && n <= life.stores && n <= HOST_CONTEXTS ? contexts[n - 1] : 0;
}

unsigned host_fresh(u64 stores[HOST_FRESH])
{
	memcpy(stores, fresh.store, fresh.count * sizeof(stores[0]));
	return fresh.count;
}

u64 host_path(void)
{
	return life.path;
}

void arch_estate_point(void)
{
	bool ends = life.stores + 1 == life.die_before;

	if (!life.alive)
		return;
	if (host_sites_counted)
		count_site((u64)(uintptr_t)__builtin_return_address(0), ends);
	if (ends)
		end_life(HOST_DIED);
	life.stores++;
}

void arch_life_end(enum life_cause cause, const char *text)
{
	host->cause = cause;
	(void)snprintf(host->text, sizeof(host->text), "%s", text);
	end_life(HOST_ENDED);
}

s64 arch_update(enum warden_call call, u64 a0, u64 a1, u64 a2)
{
	return host->on_update ? host->on_update(call, a0, a1, a2) : -ENOSYS;
}

int arch_private(enum private_call call, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 *value)
{
	if (!host->on_private && value)
		*value = PRIVATE_NOT_WANTED;
	return host->on_private ? host->on_private(call, a0, a1, a2, a3, a4, value) : -ENOSYS;
}

s64 arch_update_now(void)
{
	s64 error = arch_update(WARDEN_UPDATE, arch_time(), 0, 0);

	if (error)
		return error;
	host->cause = LIFE_UPDATE;
	host->text[0] = 0;
	end_life(HOST_ENDED);
}

void arch_machine_off(bool reset)
{
	end_life(reset ? HOST_RESET : HOST_OFF);
}

/* ---- What core asks of the machine ---- */

u64 arch_time(void)
{
	return __atomic_fetch_add(&host->now, __atomic_load_n(&host->time_step, __ATOMIC_RELAXED),
				  __ATOMIC_RELAXED);
}

void arch_kick(unsigned hart)
{
	__atomic_fetch_add(&host->kicks[hart], 1, __ATOMIC_RELAXED);
	if (host->on_kick)
		host->on_kick(hart);
}

void arch_kick_vcpu(unsigned hart)
{
	if (!host->on_kick_vcpu) {
		arch_kick(hart);
		return;
	}
	__atomic_fetch_add(&host->kicks[hart], 1, __ATOMIC_RELAXED);
	host->on_kick_vcpu(hart);
}

void arch_beat(void)
{
	/* Code that needs no machine is tested without one. */
	if (!host)
		return;
	__atomic_fetch_add(&host->beats, 1, __ATOMIC_RELAXED);
	if (estate.base)
		estate_store(&estate.harts[host_hart].beat, estate.harts[host_hart].beat + 1);
}

void arch_gstage_fence(unsigned vmid, u64 harts, gpa_t from, u64 bytes)
{
	__atomic_fetch_add(&host->fences, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&host->fence_vmid, vmid, __ATOMIC_RELAXED);
	__atomic_store_n(&host->fence_harts, harts, __ATOMIC_RELAXED);
	__atomic_store_n(&host->fence_from, from.a, __ATOMIC_RELAXED);
	__atomic_store_n(&host->fence_bytes, bytes, __ATOMIC_RELAXED);
	if (host->on_fence)
		host->on_fence(vmid, harts, from, bytes);
}

void arch_serial_write(const char *text, size_t bytes)
{
	if (host->on_serial)
		host->on_serial(text, bytes);
	else if (getenv("HOST_SERIAL"))
		(void)fwrite(text, 1, bytes, stderr);
}
