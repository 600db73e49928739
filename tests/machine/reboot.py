#!/usr/bin/env python3
"""Guests that reboot, power off and panic: what follows is what the host file says, and their neighbour does not notice.
timeout: 300 s
"""

from lib import steps
from lib.host import Host, linux, worker
from lib.steps import check


def step_ends_of_guests():
    small = {"memory": "192MiB"}
    vms = [linux("again", **small),  # on_reboot is restart, on_poweroff is stop
           linux("once", on_reboot="stop", **small),
           linux("stubborn", on_poweroff="restart", **small),
           linux("panics", "panic=1", on_reboot="stop", **small),
           worker("neighbour", vcpus=2)]
    with Host({"harts": 4}, vms) as host:
        before = host.workloads(["neighbour"])
        for name in ("again", "once", "stubborn", "panics"):
            host.console(name).shell()
        reboot(host)
        power_off(host)
        panic(host)
        host.check_alive(before)
        check(host.life() == 1, "the hypervisor crashed over a guest's end")


def type_last(host, name, command):
    """Types what ends the guest; the position in its output."""
    after = host.console(name).mark()
    host.console(name).type(command)
    return after


def reboot(host):
    for turn in (2, 3):
        after = type_last(host, "again", "reboot -f")
        host.console("again").wait("reboot: Restarting system|reboot: ", 20, after)
        host.console("again").shell(after=after)
        vm = host.vm("again")
        check(vm["state"] == "running" and vm["boots"] == turn, f"a guest that rebooted: {vm}")
    after = type_last(host, "once", "reboot -f")
    vm = host.wait_state("once", "stopped")
    check(vm["reason"] == "reboot" and vm["boots"] == 1, f"on_reboot: stop, and the VM is {vm}")
    host.run("start", "once")
    host.console("once").shell(after=after)
    check(host.vm("once")["boots"] == 2, "a VM that was started again")


def power_off(host):
    type_last(host, "again", "poweroff -f")
    vm = host.wait_state("again", "stopped")
    check(vm["reason"] == "powered off" and vm["boots"] == 3, f"a guest that powered off: {vm}")
    after = type_last(host, "stubborn", "poweroff -f")
    host.console("stubborn").shell(after=after)
    vm = host.vm("stubborn")
    check(vm["state"] == "running" and vm["boots"] == 2, f"on_poweroff: restart, and the VM is {vm}")


def panic(host):
    after = type_last(host, "panics", "echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger")
    host.console("panics").wait("Kernel panic - not syncing", 20, after)
    vm = host.wait_state("panics", "stopped")
    check(vm["reason"] == "reboot", f"a guest that panicked and rebooted: {vm}")
    # A guest that panics and stays there: it is its own affair, and it can be reset.
    after = type_last(host, "stubborn", "echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger")
    host.console("stubborn").wait("end Kernel panic", 20, after)
    check(host.vm("stubborn")["state"] == "running", "a guest that hangs in its own panic runs, as far as anybody can see")
    host.run("reset", "stubborn")
    host.console("stubborn").shell(after=after + 1)


if __name__ == "__main__":
    steps.main(globals())
