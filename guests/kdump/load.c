/*
 * kdump-load: loads a crash kernel, with the shim before it, for the kernel that runs. It is what kexec-tools' "kexec -p"
 * does on other architectures, for RISC-V, and it knows of the RAM that Outlive keeps from its root VM.
 */
#include "guests/kdump/corehdr.h"
#include "guests/kdump/iomem.h"
#include "guests/kdump/tree.h"
#include "guests/shim/shim.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/kexec.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As the kernel's interface has it; the C library's header has none of it. */
struct segment {
	const void *buffer;
	size_t buffer_size;
	u64 memory;
	size_t memory_size;
};

struct crash_kernel {
	struct blob part[PART_COUNT];
	struct place place[PART_COUNT];
	struct iomem iomem;
	char *command_line;
};

_Noreturn __attribute__((format(printf, 1, 2))) static void die(const char *format, ...)
{
	va_list args;

	fputs("kdump-load: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* At most `limit` bytes of a file, with a zero behind them. What is asked for is there, or the program ends. */
static struct blob read_file(const char *path, u64 limit)
{
	struct blob out = { 0 };
	u64 room = 0;
	FILE *file = fopen(path, "rb");

	if (!file)
		die("%s: %s", path, strerror(errno));
	/* One read is one system call: /proc/kcore takes offence at more than asked for. */
	setvbuf(file, NULL, _IONBF, 0);
	while (out.size < limit) {
		u64 wanted = limit - out.size < MIB(1) ? limit - out.size : MIB(1);
		size_t got;

		if (out.size + wanted + 1 > room) {
			room = 2 * room + wanted + 1;
			out.data = realloc(out.data, room);
			if (!out.data)
				die("%s: not enough memory", path);
		}
		got = fread(out.data + out.size, 1, wanted, file);
		out.size += got;
		if (!got)
			break;
	}
	if (ferror(file))
		die("%s: %s", path, strerror(errno));
	fclose(file);
	if (!out.data)
		die("%s: is empty", path);
	out.data[out.size] = '\0';
	return out;
}

static void call_kexec_load(u64 entry, size_t count, const struct segment *segments)
{
	if (!syscall(SYS_kexec_load, entry, count, segments,
		     (unsigned long)(KEXEC_ON_CRASH | KEXEC_ARCH_RISCV)))
		return;
	switch (errno) {
	case EPERM:
		die("not permitted: it takes root, and a kernel without lockdown or kexec_load_disabled");
	case ENOSYS:
		die("this kernel has no kexec_load(2)");
	default:
		die("kexec_load: %s", strerror(errno));
	}
}

static void read_iomem(struct iomem *iomem)
{
	struct blob text = read_file("/proc/iomem", MIB(1));
	int error = iomem_parse((const char *)text.data, iomem);

	if (error)
		die("/proc/iomem: %s",
		    error == -EPERM ? "the addresses are hidden: it takes root" : strerror(-error));
	free(text.data);
	if (!iomem->crash.size)
		die("no memory is reserved for a crash kernel: boot this one with crashkernel=SIZE (128M will do)");
}

static void check_nothing_loaded(void)
{
	struct blob state = read_file("/sys/kernel/kexec_crash_loaded", 16);

	if (state.data[0] == '1')
		die("a crash kernel is loaded already; kdump-load --unload takes it away");
	free(state.data);
}

/* One or two numbers in a file of sysfs, to this base; false if there is no such file. */
static bool read_numbers(const char *path, int base, u64 *first, u64 *second)
{
	char line[64] = "";
	FILE *file = fopen(path, "r");
	char *end;

	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	*first = strtoull(line, &end, base);
	if (second)
		*second = strtoull(end, NULL, base);
	return end != line;
}

/* Where the kernel will leave the registers of its CPUs, and its own description. */
static void find_notes(struct ranges *notes)
{
	char path[96];
	u64 base, size;
	int error = 0;

	*notes = (struct ranges){ 0 };
	for (int cpu = 0; cpu < RANGES_MAX && !error; cpu++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/crash_notes", cpu);
		if (!read_numbers(path, 16, &base, NULL))
			continue;
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/crash_notes_size", cpu);
		if (!read_numbers(path, 10, &size, NULL))
			die("%s: cannot be read", path);
		error = ranges_add(notes, base, size, 0);
	}
	if (!read_numbers("/sys/kernel/vmcoreinfo", 16, &base, &size))
		die("/sys/kernel/vmcoreinfo: cannot be read; the kernel has no support for crash dumps");
	error = error ? error : ranges_add(notes, base, size, 0);
	if (error)
		die("too many CPUs");
}

/* Takes ranges out of a list, or the program ends. */
static void leave_out(struct ranges *list, const struct ranges *what)
{
	for (unsigned i = 0; i < what->count; i++)
		if (ranges_subtract(list, what->range[i].base, what->range[i].size))
			die("memory is in too many pieces");
}

/* All RAM that the dump is to have: this kernel's, but for the crash kernel's, and Outlive's. */
static void find_ram(const struct iomem *iomem, const struct blob *dtb, struct ranges *ram, u32 *flags)
{
	struct blob start = read_file("/proc/kcore", 64), kcore;
	struct ranges firmware, outlive;
	u64 size = corehdr_kcore_size(&start);

	if (!size)
		die("/proc/kcore: is none of a 64-bit RISC-V kernel");
	kcore = read_file("/proc/kcore", size);
	if (corehdr_kernel_maps(&kcore, ram, flags))
		die("/proc/kcore: cannot be understood");
	if (tree_reserved(dtb, TREE_FIRMWARE, &firmware) || tree_reserved(dtb, TREE_OUTLIVE, &outlive))
		die("/sys/firmware/fdt: cannot be understood");

	leave_out(&outlive, &iomem->ram);
	for (unsigned i = 0; i < outlive.count; i++)
		if (ranges_add(ram, outlive.range[i].base, outlive.range[i].size, outlive.range[i].map))
			die("memory is in too many pieces");
	leave_out(ram, &firmware);
	if (ranges_subtract(ram, iomem->crash.base, iomem->crash.size))
		die("memory is in too many pieces");
	free(start.data);
	free(kcore.data);
}

static struct blob make_corehdr(const struct iomem *iomem, const struct blob *dtb)
{
	struct ranges notes, ram;
	struct blob out;
	u32 flags;

	find_ram(iomem, dtb, &ram, &flags);
	find_notes(&notes);
	out = corehdr_make(&notes, &ram, flags);
	if (!out.size)
		die("not enough memory");
	return out;
}

/* This kernel's command line, without what reserves memory for another. */
static char *own_command_line(void)
{
	struct blob text = read_file("/proc/cmdline", KIB(64));
	char *line = calloc(1, text.size + 2);
	char *save = NULL;

	if (!line)
		die("not enough memory");
	for (char *word = strtok_r((char *)text.data, " \n", &save); word;
	     word = strtok_r(NULL, " \n", &save)) {
		if (!strncmp(word, "crashkernel=", 12))
			continue;
		if (*line)
			strcat(line, " ");
		strcat(line, word);
	}
	free(text.data);
	return line;
}

static void find_places(struct crash_kernel *crash, const struct blob *dtb, const char *kernel,
			const char *shim)
{
	struct place *place = crash->place;
	u64 needed;
	int error;

	if (image_memory(&crash->part[PART_KERNEL], &place[PART_KERNEL].memory))
		die("%s: is no kernel Image for RISC-V (a compressed one must be unpacked)", kernel);
	if (shim && image_shim_memory(&crash->part[PART_SHIM], &place[PART_SHIM].memory))
		die("%s: is no shim of Outlive", shim);
	place[PART_INITRD].memory = crash->part[PART_INITRD].size;
	place[PART_COREHDR].memory = crash->part[PART_COREHDR].size;
	place[PART_DTB].memory = tree_room(dtb, crash->command_line);
	error = image_place(crash->iomem.crash, place, &needed);
	if (error)
		die("the memory for the crash kernel is too small: %" PRIu64 " MiB, and it takes %" PRIu64
		    " MiB before the kernel has begun to work",
		    crash->iomem.crash.size >> 20, (needed + MIB(1) - 1) >> 20);
}

static void make_tree(struct crash_kernel *crash, const struct blob *dtb)
{
	const struct place *place = crash->place;
	struct tree_chosen chosen = {
		.usable = crash->iomem.crash,
		.corehdr = { place[PART_COREHDR].base, crash->part[PART_COREHDR].size, 0 },
		.initrd = { place[PART_INITRD].base, crash->part[PART_INITRD].size, 0 },
		.command_line = crash->command_line,
	};

	crash->part[PART_DTB] = tree_make(dtb, &chosen);
	if (!crash->part[PART_DTB].size)
		die("/sys/firmware/fdt: cannot be changed");
}

static void load(struct crash_kernel *crash)
{
	struct segment segments[PART_COUNT];
	size_t count = 0;
	int first = crash->place[PART_SHIM].memory ? PART_SHIM : PART_KERNEL;

	if (first == PART_SHIM) {
		u64 kernel = crash->place[PART_KERNEL].base - crash->place[PART_SHIM].base;

		memcpy(crash->part[PART_SHIM].data + SHIM_KERNEL_OFFSET, &kernel, sizeof(kernel));
	}
	for (int part = 0; part < PART_COUNT; part++) {
		struct place place = crash->place[part];

		if (!place.memory)
			continue;
		segments[count++] = (struct segment){ crash->part[part].data, crash->part[part].size,
						      place.base, place.memory };
	}
	call_kexec_load(crash->place[first].base, count, segments);
}

_Noreturn static void usage(int status)
{
	fputs("usage: kdump-load [--shim FILE] [--initrd FILE] [--append COMMAND-LINE] KERNEL\n"
	      "       kdump-load --unload\n"
	      "\n"
	      "Loads KERNEL, a raw Image, as what takes over when this kernel panics. This one must have been booted with\n"
	      "crashkernel=SIZE.\n"
	      "\n"
	      "  --shim FILE            Outlive's shim, which takes the machine over for the crash kernel in a root VM\n"
	      "  --initrd FILE          the crash kernel's initrd\n"
	      "  --append COMMAND-LINE  its command line; else this kernel's, without crashkernel=\n"
	      "  --unload               take away what is loaded\n",
	      status ? stderr : stdout);
	exit(status);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "shim", required_argument, NULL, 's' },   { "initrd", required_argument, NULL, 'i' },
		{ "append", required_argument, NULL, 'a' }, { "unload", no_argument, NULL, 'u' },
		{ "help", no_argument, NULL, 'h' },	    { 0 },
	};
	struct crash_kernel crash = { 0 };
	const char *shim = NULL, *initrd = NULL;
	struct blob dtb;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1)
		switch (option) {
		case 's':
			shim = optarg;
			break;
		case 'i':
			initrd = optarg;
			break;
		case 'a':
			crash.command_line = optarg;
			break;
		case 'u':
			call_kexec_load(0, 0, NULL);
			return 0;
		default:
			usage(option == 'h' ? 0 : 2);
		}
	if (optind + 1 != argc)
		usage(2);

	read_iomem(&crash.iomem);
	check_nothing_loaded();
	crash.part[PART_KERNEL] = read_file(argv[optind], GIB(1));
	if (shim)
		crash.part[PART_SHIM] = read_file(shim, BLOCK_SIZE);
	if (initrd)
		crash.part[PART_INITRD] = read_file(initrd, GIB(1));
	if (!crash.command_line)
		crash.command_line = own_command_line();
	dtb = read_file("/sys/firmware/fdt", MIB(2));
	crash.part[PART_COREHDR] = make_corehdr(&crash.iomem, &dtb);
	find_places(&crash, &dtb, argv[optind], shim);
	make_tree(&crash, &dtb);
	load(&crash);

	printf("kdump-load: %s is loaded, %" PRIu64 " MiB at %#" PRIx64 "%s\n", argv[optind],
	       crash.iomem.crash.size >> 20, crash.iomem.crash.base, shim ? ", behind the shim" : "");
	return 0;
}
