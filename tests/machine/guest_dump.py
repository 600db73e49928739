#!/usr/bin/env python3
"""Dumps of the stock kernel, as a debugger sees them: gdb on the ELF cores, paused and live, and the kdump format.
timeout: 300 s
"""

import json
import re
import struct
import subprocess
import time
import zlib

from lib import steps
from lib.host import BOOT_SECONDS, OUTLIVE, Host, environment, linux, outlive, scratch
from lib.steps import check, note

SYMBOLS = ("_stext", "_etext", "linux_banner", "jiffies_64")


def gdb(core, *commands):
    words = [word for command in commands for word in ("-ex", command)]
    done = subprocess.run(["gdb-multiarch", "-nx", "-batch", "-core", str(core), *words], capture_output=True, timeout=60,
                          check=False)
    text = done.stdout.decode() + done.stderr.decode()
    check(done.returncode == 0 and "Cannot access" not in text, f"gdb on {core.name} says: {text[-600:]}")
    return text


def ask_kernel(console):
    """Addresses of symbols, and the text of the banner, from the guest itself."""
    console.shell(BOOT_SECONDS)
    console.ask("echo 0 >/proc/sys/kernel/kptr_restrict; echo done-$((1+1))", "^done-2")
    symbols = {name: int(console.ask(f"grep ' {name}$' /proc/kallsyms", rf"^([0-9a-f]{{16}}) . {name}").group(1), 16)
               for name in SYMBOLS}
    return symbols, console.ask("cat /proc/version", r"^(Linux version .*)").group(1)


def dump(host, *arguments):
    told = json.loads(outlive("dump", "guest", "--json", "--on", host.name, *arguments, seconds=120).stdout)
    note(f"{' '.join(map(str, arguments[2:])) or 'paused'}: {told['seconds']:.1f} s, {told['mb_per_s']:.0f} MB/s, stood still "
         f"for {told['pause_us'] / 1000:.1f} ms; {told['bytes'] >> 10} KiB, {told['disk_bytes'] >> 10} on disk, of "
         f"{told['memory'] >> 10}, zero {told['zero_pages']}, untouched {told['untouched_pages']} of {told['pages']} pages")
    check(told["vmcoreinfo"] and told["vcpus"] == 2 and told["tries"] == 1, f"{told}")
    check(told["memory"] == 256 << 20 and told["untouched_pages"] > 1000 and told["zero_pages"] > 100, f"{told}")
    return told


def check_core(core, symbols, banner):
    """What gdb finds without any symbols; returns the guest's time."""
    text = gdb(core, "info threads", f"x/s {symbols['linux_banner']:#x}", f"x/gx {symbols['jiffies_64']:#x}",
               "thread apply all -q x/4gx $sp", "thread apply all -q p/x $pc")
    check(banner[:60] in text, f"no \"{banner[:60]}\" where linux_banner is: {text}")
    check(len(re.findall(r"^[* ] +\d+ +LWP", text, re.M)) == 2, f"not two threads: {text}")
    places = [int(value, 16) for value in re.findall(r"^\$\d+ = (0x[0-9a-f]+)", text, re.M)]
    check(len(places) == 2 and all(symbols["_stext"] <= pc < symbols["_etext"] for pc in places),
          f"harts that idle are not in the kernel's text: {[hex(pc) for pc in places]}")
    # Their stacks are in vmalloc's range, which only the guest's own page tables tell.
    check(len(re.findall(r"^0xff[0-9a-f]{14}:\t0x", text, re.M)) >= 4, f"no stacks: {text}")
    return int(re.search(rf"^{symbols['jiffies_64']:#x}:?\t(0x[0-9a-f]+)", text, re.M).group(1), 16)


def kdump_memory(path, address, count):
    """Physical memory out of a kdump-compressed file."""
    data = path.read_bytes()
    sub, blocks = struct.unpack_from("<iI", data, 432)
    second, descriptors = (1 + sub) * 4096 + blocks // 2 * 4096, (1 + sub + blocks) * 4096
    pfn = address // 4096
    before = int.from_bytes(data[second:second + pfn // 8 + 1], "little") & ((1 << pfn) - 1)
    offset, size, flags = struct.unpack_from("<QII", data, descriptors + 24 * bin(before).count("1"))
    page = data[offset:offset + size]
    return (zlib.decompress(page) if flags & 1 else page)[address % 4096:address % 4096 + count]


def kdump_info(path):
    data = path.read_bytes()
    at, size = struct.unpack_from("<QQ", data, 4096 + 32)
    return dict(line.split("=", 1) for line in data[at:at + size].decode("ascii").splitlines())


def crash_meanwhile(host, symbols, banner):
    """The heir knows nothing of a dump: the command begins again."""
    core = scratch() / "again.core"
    with subprocess.Popen([OUTLIVE, "dump", "guest", "-o", core, "--json", "--on", host.name], env=environment(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        time.sleep(1)
        host.crash("panic")
        out, err = process.communicate(timeout=120)
    check(process.returncode == 0 and "beginning again" in err.decode(), f"a dump and a crash: {err.decode()}")
    check(json.loads(out)["tries"] == 2 and host.life() == 2, f"it has not begun again: {out.decode()}")
    check_core(core, symbols, banner)


def step_dumps():
    with Host({"harts": 2}, [linux("guest", vcpus=2)]) as host:
        console = host.console("guest")
        symbols, banner = ask_kernel(console)
        still, live, packed = (scratch() / name for name in ("still.core", "live.core", "packed.kdump"))
        told = dump(host, "-o", still)
        check(told["disk_bytes"] < told["memory"], "zero pages take space on the disk")
        first = check_core(still, symbols, banner)
        console.ask("echo on-$((40+2))", "^on-42")
        time.sleep(1)  # until the shell waits again
        dump(host, "-o", live, "--live", "--exclude", "zero,free")
        check(check_core(live, symbols, banner) > first, "time stands still in the guest")
        check(live.stat().st_size < still.stat().st_size, "nothing is excluded")
        told = dump(host, "-o", packed, "--live", "--format", "kdump")
        check(told["bytes"] < told["memory"] // 2, "it is not compressed")
        info = kdump_info(packed)
        physical = symbols["linux_banner"] - int(info["NUMBER(va_kernel_pa_offset)"], 16)
        check(kdump_memory(packed, physical, 60).decode() == banner[:60], "the banner in the kdump file")
        check(info["OSRELEASE"] in banner, f"VMCOREINFO is of {info['OSRELEASE']}")
        console.ask("echo on-$((40+3))", "^on-43")
        check(host.life() == 1, "the hypervisor has crashed")
        crash_meanwhile(host, symbols, banner)
        console.ask("echo on-$((40+4))", "^on-44")


if __name__ == "__main__":
    steps.main(globals())
