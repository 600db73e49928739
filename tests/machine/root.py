#!/usr/bin/env python3
"""The root VM: stock Debian with the machine's addresses, harts and devices, beside an ordinary guest; the hypervisor crashes
under both, and the root starts anew.
timeout: 300 s
"""

import re

from lib import steps
from lib.host import BOOT_SECONDS, CRASHES_AT_WILL, Host, linux, worker
from lib.steps import check


def step_crashes_under_the_root():
    root = worker("root", "memory=8", memory="256MiB", root=True)
    other = {**worker("other", "memory=8", memory="192MiB", rng=False), "vcpus": 1}
    with Host({"harts": 2, **CRASHES_AT_WILL}, [root, other]) as host:
        before = host.workloads()
        check(host.vm("root")["vcpus"] == 2, f"the root has the machine's two harts: {host.vm('root')}")
        check(host.vm("root")["root"] and not host.vm("other")["root"], f"root is who is the root: {host.vm('other')}")
        for life, kind in enumerate(("panic", "hang", "wild-write"), 2):
            host.crash(kind)
            host.check_survived(before, kind, life)
        # Its devices start anew as well, although the host's drivers never touch them.
        host.run("reset", "root")
        host.console("root").wait_report(
            BOOT_SECONDS, lambda r: r["boot_id"] != before["root"]["boot_id"] and r["disk"] and r["t"] > 1.5,
            "a report of the next boot")
        host.check_alive({"other": before["other"]})


def step_what_the_root_sees():
    """Its RAM and harts are the machine's, what is not its own is reserved, and it cannot have more."""
    root = linux("root", memory="192MiB", root=True)
    with Host({"harts": 2, "memory": "512MiB"}, [root]) as host:
        console = host.console("root")
        console.shell()
        console.type("cat /proc/iomem; ls /proc/device-tree/reserved-memory; "
                     "grep -E '^(processor|isa)' /proc/cpuinfo; echo; echo end-$((1+1))")
        console.wait("^end-2", 20)
        text = console.text()
        ram = [[int(x, 16) for x in m] for m in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) : System RAM", text, re.M)]
        check(ram and all(0x80000000 <= a < b < 0x80000000 + (512 << 20) for a, b in ram), f"its RAM is at {ram}")
        size = sum(b + 1 - a for a, b in ram)
        check((180 << 20) < size <= (192 << 20), f"it has {size >> 20} MiB of RAM")
        for name in ("outlive-slot@80200000", "outlive-slot@80a00000", "outlive-estate@81200000", "outlive-kept@"):
            check(name in text, f"{name} is not among its reserved memory")
        isa = re.findall(r"^isa\s+: (\S+)", text, re.M)
        check(len(isa) == 2 and all("h" not in one.split("_")[0] for one in isa), f"its harts have {isa}")


if __name__ == "__main__":
    steps.main(globals())
