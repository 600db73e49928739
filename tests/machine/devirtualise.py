#!/usr/bin/env python3
"""The stock kernel as root VM takes the machine over with its crash kernel, because it or the hypervisor has crashed, and dumps
all of it. What the requests do in the wrong order and for the wrong VM is native.py's.
timeout: 480 s
"""

import re

from lib import kdump, steps
from lib.host import BUILD, Host, disk, linux, scratch
from lib.serial import Serial
from lib.steps import check, wait_for
from lib.vmcore import gdb

MEMORY = 384 << 20
HARTS = 2
OPENSBI = 1
PANIC = 1  # enum life_cause
# The first life's slot, and the second's (abi/layout.h).
SLOTS = 0x80200000, 0x80a00000


def root(cmdline):
    """A root VM whose first disk, which it drives itself, is root.disk."""
    return {**linux("root", cmdline, root=True, memory=f"{MEMORY >> 20}MiB"), "initrd": str(kdump.INITRD),
            "disks": [{"file": str(disk("root.disk", 768))}]}


def bystander():
    """An ordinary VM, whose memory is to be found in the dump."""
    return {"name": "other", "memory": "32MiB", "kernel": str(BUILD / "guests/hostile.bin"), "format": "flat",
            "cmdline": "seed=1", "on_crash": "restart", "on_poweroff": "restart"}


def ready(host):
    """Waits until the root has loaded its crash kernel; the other VM gives it the time."""
    host.run("pause", "other")
    console = host.console("root")
    console.wait("kdump-load: .*, behind the shim", 150)
    console.shell()
    return console


def check_machine_is_ours(host, serial):
    """A crash kernel comes up on the bare machine with all harts, saves its dump and powers off."""
    serial.wait("root: has the machine; this life ends", 60)
    serial.wait("outlive shim: on the bare machine", 10)
    harts, firmware, isa, _ = kdump.saved(serial, 0)
    check(harts == HARTS, f"the crash kernel has {harts} of the machine's {HARTS} harts")
    check(firmware == OPENSBI, f"the crash kernel found firmware {firmware:#x} below it: it is still a guest")
    check(re.match("rv64ima", isa), f"the crash kernel found {isa}")
    wait_for("the machine to go off", 30, lambda: not host.pids()["qemu"])


def values(slot, *expressions):
    """What gdb finds for expressions, with the symbols of the hypervisor in a slot."""
    said = gdb(disk_path(), f"add-symbol-file {BUILD / 'outlive.elf'} -o {slot:#x}",
               *(f'printf "value %#lx\\n", (long){expression}' for expression in expressions))
    found = re.findall(r"^value (\w+)$", said, re.M)
    check(len(found) == len(expressions), f"gdb does not find all of {expressions} in slot {slot:#x}: {said[-300:]}")
    return [int(number, 0) for number in found]


def check_dump(lives):
    """The dump has the root's Linux, each of so many lives of the hypervisor in its slot, and the other guest's memory."""
    core = kdump.check_linux(disk_path(), HARTS, MEMORY)
    for number, slot in enumerate(SLOTS[:lives], 1):
        life, base, said, harts = values(slot, "'core/survive/life.c'::mine->number", "estate.base", "estate.header.base",
                                         "estate.machine.hart_count")
        check(life == number and harts == HARTS, f"slot {slot:#x} has life {life} on a machine with {harts} harts")
        # The estate has the same address in all lives, and its header says that as well.
        check(base == said and b"OLSETAT1" in core.read(base, 64, "paddr"), f"life {life} has its estate at {base:#x}")
    image = (BUILD / "guests/hostile.bin").read_bytes()[:4096]
    check(any(core.read(at, len(image)) == image for load in core.loads() if load["vaddr"] < 1 << 40
              for at in range(load["vaddr"], load["vaddr"] + load["memsz"] - len(image), 2 << 20)),
          "the other guest's memory is not in the dump")


def disk_path():
    return scratch() / "root.disk"


def step_root_panics_beside_its_boot_hart():
    with Host({"harts": HARTS}, [bystander(), root(kdump.cmdline("/dev/vda"))]) as host:
        kdump.panic(ready(host), 1)
        check_machine_is_ours(host, Serial(host))
    check_dump(lives=1)


def step_hypervisor_crashes_and_the_root_dumps_it():
    with Host({"harts": HARTS, "on_crash": "devirtualise"}, [bystander(), root(kdump.cmdline("/dev/vda"))]) as host:
        ready(host)
        host.crash("panic", status=None)
        serial = Serial(host)
        serial.wait("its kernel is made to panic", 30)
        check_machine_is_ours(host, serial)
    check_dump(lives=2)
    cause, = values(SLOTS[1], "estate.lives[1].cause")
    check(cause == PANIC, f"the dump says that life 1 died of {cause}")


def step_no_crash_kernel():
    """The root honours its panic timeout: its own panic restarts it, the hypervisor's is followed by the next policy."""
    vm = {**root("panic=1"), "memory": "256MiB", "on_reboot": "restart"}
    with Host({"harts": HARTS, "on_crash": "devirtualise"}, [vm]) as host:
        console = host.console("root")
        console.shell(150)
        kdump.panic(console, 0)
        wait_for("the root to start again", 60, lambda: host.vm("root")["boots"] == 2)
        check(host.life() == 1, "the host did not go on in the life that it had")
        console.shell(150, console.mark())
        host.crash("panic", status=None)
        Serial(host).wait("the root VM does not take the machine over: it ends; the machine is reset", 60)


def step_ordinary_vm_dumps_only_itself():
    """Its crash kernel starts as a guest, and the host goes on."""
    vm = {**root(kdump.cmdline("/dev/vda")), "name": "plain", "root": False, "vcpus": HARTS, "on_poweroff": "stop"}
    with Host({"harts": HARTS}, [vm]) as host:
        console = host.console("plain")
        console.wait("kdump-load: .*, behind the shim", 150)
        console.shell()
        after = kdump.panic(console, 1)
        console.wait("outlive shim: no root VM; the crash kernel starts inside the virtual machine", 30, after)
        harts, firmware, _, _ = kdump.saved(console, after)
        check(harts == HARTS and firmware != OPENSBI, f"the crash kernel has {harts} harts and firmware {firmware:#x}")
        host.wait_state("plain", "stopped")
        check(host.life() == 1, "the hypervisor has died of it")
    kdump.check_linux(disk_path(), HARTS, MEMORY)


if __name__ == "__main__":
    steps.main(globals())
