#!/usr/bin/env python3
"""The stock kernel on the bare machine, without Outlive, dumps itself: kdump-load, the shim, the crash kernel's initrd. When
this fails, look here before you look at devirtualisation.
timeout: 300 s
"""

import os

from lib import kdump, steps
from lib.guest import Console
from lib.host import disk, image
from lib.steps import check

MEMORY = 384 << 20
OPENSBI = 1


class Bare:
    """with Bare(harts, cmdline) as console: QEMU with the kernel that has a crash kernel in its initrd."""

    def __init__(self, harts, cmdline):
        self.disk = disk("disk", MEMORY >> 20)
        self.command = ["qemu-system-riscv64", "-M", "virt", "-smp", str(harts), "-m", str(MEMORY >> 20), "-nographic",
                        "-no-reboot", "-kernel", str(image()), "-initrd", str(kdump.INITRD),
                        "-append", f"console=ttyS0 quiet {cmdline}",
                        "-drive", f"file={self.disk},if=none,format=raw,id=disk", "-device", "virtio-blk-device,drive=disk"]

    def __enter__(self):
        self.console = Console(self.command, os.environ)
        return self.console

    def __exit__(self, *_):
        self.console.close()


def dump(harts, cpu):
    bare = Bare(harts, kdump.cmdline("/dev/vda"))
    with bare as console:
        console.wait(r"kdump-load: \S+ is loaded, \d+ MiB at \S+, behind the shim", 100)
        console.shell()
        if harts == 1:
            refuses(console)
        after = kdump.panic(console, cpu)
        seen, firmware, isa, _ = kdump.saved(console, after)
        console.wait("Power down", 20, after)
    # On a busy machine Linux may give up on a hart that is slow to start: that is between it and the firmware here.
    check(harts - 1 <= seen <= harts and seen, f"the crash kernel has {seen} of {harts} harts")
    check(firmware == OPENSBI and "h" in isa, f"the crash kernel found firmware {firmware} and {isa}")
    check("outlive shim" not in console.text(after), "the shim complains where there is nothing to complain of")
    kdump.check_linux(bare.disk, harts, MEMORY)


def refuses(console):
    console.ask("kdump-load /kdump/Image", "kdump-load: a crash kernel is loaded already")
    console.ask("kdump-load --unload && echo unloaded $?", "^unloaded 0")
    console.ask("kdump-load /bin/busybox", "kdump-load: /bin/busybox: is no kernel Image")
    console.ask("kdump-load --shim /bin/busybox /kdump/Image", "kdump-load: /bin/busybox: is no shim of Outlive")
    console.ask("kdump-load --initrd /none /kdump/Image", "kdump-load: /none: No such file")
    console.ask("kdump-load", "usage: kdump-load")
    # Without the shim, from the words of this kernel.
    console.ask("kdump-load --initrd /kdump/initrd.gz /kdump/Image", r"kdump-load: \S+ is loaded, 128 MiB at \w+$")
    console.ask("kdump-load --unload && kdump-load --shim /kdump/shim.bin --initrd /kdump/initrd.gz --append "
                "'console=ttyS0 quiet outlive.vmcore=/dev/vda outlive.end=poweroff' /kdump/Image", "behind the shim")


def step_one_hart():
    dump(harts=1, cpu=0)


def step_four_harts_and_not_the_first_panics():
    dump(harts=4, cpu=2)


def step_nothing_is_reserved():
    with Bare(1, "panic=1 outlive.kdump=quiet") as console:
        console.wait(r"kdump-load: no memory is reserved for a crash kernel: boot this one with crashkernel=", 100)


if __name__ == "__main__":
    steps.main(globals())
