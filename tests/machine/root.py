#!/usr/bin/env python3
"""The root VM: stock Debian with the machine's addresses, harts and devices, beside an ordinary guest; the hypervisor crashes
under both.
timeout: 300 s
"""

import re

from lib import steps
from lib.host import CRASHES_AT_WILL, Host, linux, outlive, scratch, worker
from lib.steps import check, note

ROOT_MEMORY = 256 << 20


def step_crashes_under_the_root():
    root = worker("root", "memory=8", memory="256MiB", root=True, cmdline="quiet")
    other = {**worker("other", "memory=8", memory="192MiB", rng=False), "vcpus": 1}
    with Host({"harts": 2, **CRASHES_AT_WILL}, [root, other]) as host:
        before = host.workloads()
        check(host.vm("root")["vcpus"] == 2, f"the root has the machine's two harts: {host.vm('root')}")
        for life, kind in enumerate(("panic", "hang", "wild-write"), 2):
            host.crash(kind)
            host.check_survived(before, kind, life)
            note(f"{kind}: {host.console('root').latest()}")


if __name__ == "__main__":
    steps.main(globals())
