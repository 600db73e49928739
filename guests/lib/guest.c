/* Console, device tree and end of a guest: see guest.h. */
#include "guests/lib/guest.h"
#include "core/lib/lock.h"
#include "core/lib/string.h"
#include "guests/lib/csr.h"
#include "guests/lib/hart.h"
#include "guests/lib/sbi.h"
#include <libfdt.h>

u64 guest_ram_base;
u64 guest_ram_size;
u64 guest_timebase = 10000000;
const char *guest_cmdline = "";

static u64 random_seed;

/* ---- Console ---- */

static enum { CONSOLE_UART, CONSOLE_LEGACY, CONSOLE_DBCN } console;
static struct lock console_lock;

static void uart_put(char c)
{
	while (!(*(volatile u8 *)UART_LSR & UART_LSR_THRE))
		;
	*(volatile u8 *)UART_BASE = (u8)c;
}

static void write_out(const char *text, size_t length)
{
	while (length) {
		u64 done = 1;

		if (console == CONSOLE_DBCN) {
			struct sbi_result r = sbi(SBI_DBCN, SBI_DBCN_WRITE, length, (u64)text, 0, 0, 0);

			if (r.error)
				return;
			done = r.value;
		} else if (console == CONSOLE_LEGACY) {
			sbi(SBI_LEGACY_PUTCHAR, 0, (u8)*text, 0, 0, 0, 0);
		} else {
			uart_put(*text);
		}
		text += done;
		length -= done;
	}
}

/* For core's locks. Ours are short: a guest's hart that waits for one keeps its processor. */
void arch_doze(void)
{
}

void print(const char *text, ...)
{
	static char line[1024];
	u64 enabled = csr_read(sstatus) & SSTATUS_SIE;
	va_list list;

	csr_clear(sstatus, SSTATUS_SIE);
	va_start(list, text);
	lock_take(&console_lock);
	write_out(line, format_list(line, sizeof(line), text, list));
	lock_release(&console_lock);
	va_end(list);
	csr_set(sstatus, enabled);
}

_Noreturn void guest_off(void)
{
	sbi(SBI_SRST, 0, 0, 0, 0, 0, 0);
	sbi(SBI_LEGACY_SHUTDOWN, 0, 0, 0, 0, 0, 0);
	for (;;)
		wfi();
}

/* ---- Device tree ---- */

static const fdt32_t *property(const void *fdt, const char *path, const char *name, int least)
{
	int node = fdt_path_offset(fdt, path), length;
	const fdt32_t *at = node < 0 ? NULL : fdt_getprop(fdt, node, name, &length);

	return at && length >= least ? at : NULL;
}

/* Trusts the tree: it is our own machine's. Cells of 2 and 2, as on every machine that runs these guests. */
static void machine_read(const void *fdt)
{
	int memory = fdt_node_offset_by_prop_value(fdt, -1, "device_type", "memory", sizeof("memory"));
	const fdt32_t *at;
	int length;

	at = memory < 0 ? NULL : fdt_getprop(fdt, memory, "reg", &length);
	if (at && length >= 16) {
		guest_ram_base = (u64)fdt32_ld(at) << 32 | fdt32_ld(at + 1);
		guest_ram_size = (u64)fdt32_ld(at + 2) << 32 | fdt32_ld(at + 3);
	}
	at = property(fdt, "/cpus", "timebase-frequency", 4);
	if (at)
		guest_timebase = fdt32_ld(at);
	at = property(fdt, "/chosen", "bootargs", 1);
	if (at)
		guest_cmdline = (const char *)at;
	at = property(fdt, "/chosen", "rng-seed", 8);
	if (at)
		random_seed = (u64)fdt32_ld(at) << 32 | fdt32_ld(at + 1);
}

u64 guest_random(void)
{
	return random_seed ? random_seed : time_now();
}

u64 guest_option(const char *name, u64 otherwise)
{
	size_t length = strlen(name);

	for (const char *at = guest_cmdline; *at; at++) {
		u64 value = 0;

		if ((at != guest_cmdline && at[-1] != ' ') || strncmp(at, name, length) != 0 ||
		    at[length] != '=')
			continue;
		for (at += length + 1; *at >= '0' && *at <= '9'; at++)
			value = value * 10 + (u64)(*at - '0');
		return value;
	}
	return otherwise;
}

_Noreturn void guest_start(u64 hart_id, const void *fdt);
_Noreturn void guest_start(u64 hart_id, const void *fdt)
{
	(void)hart_id;
	console = sbi_has(SBI_DBCN)		? CONSOLE_DBCN
		  : sbi_has(SBI_LEGACY_PUTCHAR) ? CONSOLE_LEGACY
						: CONSOLE_UART;
	if (!fdt_check_header(fdt))
		machine_read(fdt);
	guest_main();
	guest_off();
}
