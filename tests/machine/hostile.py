#!/usr/bin/env python3
"""A guest that breaks every rule next to a healthy one, which must not notice; and neither must the hypervisor.
timeout: 240 s

SEED chooses what the hostile guest does (each time something else in "make soak"), SECONDS for how long.
"""

import os
import re
import time

from lib import steps
from lib.host import BUILD, Host, disk, worker
from lib.steps import check, note, wait_for

SECONDS = int(os.environ.get("SECONDS", "30"))


def hostile(name, seed, **more):
    return {"name": name, "memory": "32MiB", "kernel": str(BUILD / "guests/hostile.bin"), "format": "flat",
            "cmdline": f"seed={seed}", "disks": [{"file": str(disk(f"{name}.disk", 1))}], "on_crash": "restart",
            "on_poweroff": "restart", **more}


def beats(host, name):
    return len(re.findall(r"^HOSTILE beat", host.console(name).text(), re.M))


def step_hostile_guests_beside_a_healthy_one():
    seed = int(os.environ.get("SEED") or (time.time() if os.environ.get("OUTLIVE_SOAK") else 1)) & 0xffffffff
    note(f"SEED={seed}")
    # One switch for all: whatever the hostile guests put on it.
    lan = {"networks": [{"switch": "lan"}]}
    vms = [worker("a", address="10.0.0.1", peer="10.0.0.2", vcpus=2), worker("b", address="10.0.0.2", peer="10.0.0.1", vcpus=1),
           hostile("h1", seed, vcpus=2, **lan), hostile("h2", seed + 1, vcpus=1, console="virtio", **lan)]
    with Host({"harts": 4}, vms) as host:
        before = host.workloads(["a", "b"])
        for name in ("h1", "h2"):
            wait_for(f"{name}'s first beat", 60, lambda name=name: beats(host, name) > 0)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            reset_the_silent(host, ("h1", "h2"))
            check(host.life() == 1, f"a guest has brought the hypervisor down: {host.lives()[0]}")
        for name in ("h1", "h2"):
            vm = host.vm(name)
            note(f"{name}: {beats(host, name)} beats, {vm['exits']} exits, {vm['boots']} boots, {vm['state']} {vm['reason']}")
            check(beats(host, name) > 2, f"{name} has hardly done anything")
        host.check_alive(before)
        # And the hypervisor can still do its work beside them.
        host.crash("panic")
        check(host.life() == 2, "a crash beside hostile guests is not recovered from")
        host.check_alive(before)
        # Those that have not locked themselves up meanwhile go on, and the others can be started again.
        for name in ("h1", "h2"):
            check(host.vm(name)["state"] == "running", f"{name} was lost: {host.vm(name)}")
        seen = {name: beats(host, name) for name in ("h1", "h2")}
        reset_the_silent(host, ("h1", "h2"))
        for name in ("h1", "h2"):
            wait_for(f"{name}'s next beat", 60, lambda name=name: beats(host, name) > seen[name])


def reset_the_silent(host, names):
    """A guest may well trap itself for ever: it is started again, so that it goes on attacking."""
    seen = {name: beats(host, name) for name in names}
    time.sleep(5)
    for name in (name for name in names if beats(host, name) == seen[name]):
        host.run("reset", name)


if __name__ == "__main__":
    steps.main(globals())
