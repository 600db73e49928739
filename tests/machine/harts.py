#!/usr/bin/env python3
"""The stock kernel on 1, 2, 4 and 8 harts, and more vCPUs than harts.
timeout: 420 s
"""

from lib import steps
from lib.host import BOOT_SECONDS, Host, worker
from lib.steps import check


def run_to_the_end(harts):
    """A guest with as many vCPUs as the host has harts: works for some seconds, and powers itself off."""
    vm = worker("a", "seconds=5 memory=4", vcpus=harts, cmdline="outlive.poweroff")
    with Host({"harts": harts}, [vm]) as host:
        console = host.console("a")
        check(host.ps()["host"]["harts"] == harts, f"the host has {host.ps()['host']['harts']} harts")
        console.wait(r"WORKLOAD END t=[0-9.]+ errors=0", BOOT_SECONDS)
        console.wait(r"ended with status 0", 20)
        vm = host.wait_state("a", "stopped")
        check(vm["reason"] == "powered off", f"the guest powered off, and is {vm}")
        console.check_healthy()
        last = console.latest()
        check(last["mem"] and last["disk"] and last["regs"], f"something did not move: {last}")


def step_one_hart():
    run_to_the_end(1)


def step_two_harts():
    run_to_the_end(2)


def step_four_harts():
    run_to_the_end(4)


def step_eight_harts():
    run_to_the_end(8)


def step_more_vcpus_than_harts():
    vms = [worker("a", address="10.0.0.1", peer="10.0.0.2", vcpus=4), worker("b", address="10.0.0.2", peer="10.0.0.1", vcpus=2),
           worker("c", address="10.0.0.3", peer="10.0.0.1", vcpus=1, affinity="1")]
    with Host({"harts": 2}, vms) as host:
        before = host.workloads()
        host.check_alive(before)
        for number, kind in enumerate(("panic", "hang"), 2):
            host.crash(kind)
            host.check_survived(before, kind, number)


def step_guest_sees_its_harts():
    """What the guest is told of its harts, and that each of them works."""
    vms = [worker("a", "seconds=3 memory=4", vcpus=5, with_disk=False)]
    with Host({"harts": 2}, vms) as host:
        console = host.console("a")
        console.wait(r"WORKLOAD END t=[0-9.]+ errors=0", BOOT_SECONDS)
        console.shell()
        console.ask("nproc", r"^5\b")
        console.ask("grep -c ^processor /proc/cpuinfo", r"^5\b")
        for hart in range(5):
            console.ask(f"taskset -c {hart} sh -c 'echo hart-$((10+{hart}))'", f"^hart-{10 + hart}")
        console.ask("echo 0 >/sys/devices/system/cpu/cpu3/online; nproc", r"^4\b")
        console.ask("echo 1 >/sys/devices/system/cpu/cpu3/online; nproc", r"^5\b")
        console.check_healthy()


if __name__ == "__main__":
    steps.main(globals())
