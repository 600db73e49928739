#!/usr/bin/env python3
"""Crashes of all kinds at random times, for a minute, under guests that take all the time that there is.
timeout: 300 s

SEED chooses the times, which a failure prints.
"""

import os
import random
import time

from lib import steps
from lib.host import CAUSES, CRASHES_AT_WILL, Host, worker
from lib.steps import check, note

SECONDS = 30


def step_storm():
    seed = int(os.environ.get("SEED") or time.time())
    note(f"SEED={seed}")
    chance = random.Random(seed)
    vms = [worker("a", "pause=0", address="10.0.0.1", peer="10.0.0.2", vcpus=3),
           worker("b", "pause=1", address="10.0.0.2", peer="10.0.0.1", vcpus=2, console="virtio"),
           worker("c", address="10.0.0.3", peer="10.0.0.1", vcpus=1)]
    with Host({"harts": 3, **CRASHES_AT_WILL, "watchdog": "500ms"}, vms) as host:
        before = host.workloads()
        end = time.monotonic() + SECONDS
        crashes = 0
        while time.monotonic() < end:
            kind = chance.choice([*CAUSES, "panic", "trap"])
            host.crash(kind)
            crashes += 1
            time.sleep(chance.choice([0, 0, 0.05, 0.3, 1]) * chance.random())
        note(f"{crashes} crashes")
        check(host.life() >= crashes + 1, f"{crashes} crashes, and life {host.life()}")
        host.check_alive(before)
        check(all(life["vms_lost"] == 0 for life in host.lives()[:-1]), "VMs were lost")


if __name__ == "__main__":
    steps.main(globals())
