"""Linux that dumps itself with a crash kernel (build/kdump.cpio): panics, and looks at what was saved."""

from .host import BUILD, cache
from .steps import check
from .vmcore import Core, gdb

INITRD = BUILD / "kdump.cpio"
# How long a crash kernel may take to boot, and to save what it has.
BOOT_SECONDS = 90
SAVE_SECONDS = 150
RESERVED = 128 << 20


def cmdline(device, words="", end="poweroff"):
    """For a Linux with INITRD: reserves memory, loads the crash kernel; `words` are for that one."""
    return (f'crashkernel={RESERVED >> 20}M '
            f'"outlive.kdump=console=ttyS0 quiet outlive.vmcore={device} outlive.end={end} {words}"')


def panic(console, cpu):
    """Lets a CPU panic by its own doing; returns a position on the console before that."""
    at = console.mark()
    console.type(f"taskset {1 << cpu:x} sh -c 'echo c >/proc/sysrq-trigger'")
    console.wait(r"Kernel panic - not syncing: sysrq triggered crash", 30, at)
    return at


def saved(console, after):
    """Waits until the crash kernel has saved the dump. Returns its harts, its firmware's SBI id, their ISA, bytes."""
    harts = int(console.wait(r"CRASH: Linux \S+ with (\d+) harts", BOOT_SECONDS, after).group(1))
    firmware = int(console.wait(r"CRASH: SBI implementation ID=(0x\w+)", 10, after).group(1), 16)
    isa = console.wait(r"CRASH: isa\s*: (\w+)", 10, after).group(1)
    size = int(console.wait(r"CRASH: (?:vmcore of (\d+) bytes is on|writing /proc/vmcore|there is no)", SAVE_SECONDS,
                            after).group(1) or 0)
    check(size, f"nothing was saved: {console.text(after)[-300:]}")
    return harts, firmware, isa, size


def check_linux(path, harts, memory):
    """The dump at the start of `path` is whole, and of the stock kernel on so many CPUs with `memory` bytes of RAM."""
    core = Core(path)
    info = core.vmcoreinfo()
    release = (cache() / "linux/version").read_text().strip()
    check(info["OSRELEASE"] == release, f"VMCOREINFO is of {info['OSRELEASE']}, not of {release}")
    registers = core.registers()
    check(len(registers) == harts, f"registers of {len(registers)} CPUs, not of {harts}")
    text = int(info["SYMBOL(_stext)"], 16)
    for pid, pc, sp in registers:
        check(text <= pc < text + (32 << 20) and sp >> 56 == 0xff, f"pid {pid} stands at {pc:#x} with its stack at {sp:#x}")
    # The same bytes through the image's mapping and the linear one.
    names = int(info["SYMBOL(init_uts_ns)"], 16) + int(info["OFFSET(uts_namespace.name)"])
    seen = core.read(names, 5)
    check(seen == b"Linux", f"init_uts_ns in the dump begins with {seen}")
    physical = names - int(info["NUMBER(va_kernel_pa_offset)"], 16) & (1 << 64) - 1
    linear = int(info["NUMBER(PAGE_OFFSET)"], 16) + physical - int(info["NUMBER(phys_ram_base)"])
    check(core.read(linear, 5) == b"Linux", f"the linear map has {core.read(linear, 5)} at {linear:#x}")
    have = sum(s["memsz"] for s in core.loads() if s["vaddr"] >> 63 and s["vaddr"] < text)
    check(memory - RESERVED - (4 << 20) <= have <= memory - RESERVED, f"{have >> 20} MiB of {memory >> 20} are in the dump")
    said = gdb(path, f"x/s {names:#x}", "info threads")
    check('"Linux"' in said and said.count("Target Id") == 1, f"gdb says of the dump: {said}")
    return core
