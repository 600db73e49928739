#!/usr/bin/env python3
"""The ring of vmcores in the host's dump region, as lives and machines come and go; regions that are too small.
timeout: 240 s
"""

import re
import time

from lib import steps
from lib.host import BUILD, CRASHES_AT_WILL, RECOVER_SECONDS, Host, outlive, scratch
from lib.steps import check, note, wait_for

KINDS = {"panic": "panic", "hang": "hang", "stack": "stack"}


def machine(file, **more):
    return {"harts": 2, **CRASHES_AT_WILL, "dumps": {"file": str(file), **more}}


def guest():
    """One that touches its memory and sleeps, and says so."""
    return {"name": "a", "vcpus": 2, "memory": "64MiB", "kernel": str(BUILD / "guests/bench.bin"), "format": "flat",
            "cmdline": "rest=1"}


def wait_log(host, pattern, what):
    return wait_for(what, RECOVER_SECONDS, lambda: re.search(pattern, host.log()))


def beats(host):
    return host.console("a").text().count("REST beat")


def check_beats(host):
    before = beats(host)
    wait_for("the guest's heart to beat", RECOVER_SECONDS, lambda: beats(host) > before + 1)


def dumps(file):
    """What the region holds, by number."""
    lines = outlive("dump", "--host", "--list", "--region", file).stdout.splitlines()
    return {int(found.group(1)): line for line in lines if (found := re.search(r"@(\d+) ", line))}


def step_ring_of_dumps():
    file = scratch() / "dumps"
    with Host(machine(file, size="64MiB", keep=2), [guest()]) as host:
        wait_log(host, r"dumps: the last 2, of at most 32764 KiB each", "the region")
        check_beats(host)
        for life, kind in enumerate(KINDS, 1):
            host.crash(kind)
            found = wait_log(host, rf"dump {life} of life {life} is complete.*", f"the dump of the {kind}")
            note(f"{kind}: {found.group(0)}")
        check_beats(host)
        listed = dumps(file)
        check(sorted(listed) == [2, 3], f"the region holds {listed}")
        for number, kind in list(enumerate(KINDS, 1))[1:]:
            check("complete" in listed[number] and KINDS[kind] in listed[number], f"a {kind} is listed as {listed[number]}")
        # Two crashes in a row: the last one has a dump, whatever has become of the other.
        for _ in range(2):
            host.crash("panic")
        wait_log(host, r"dump \d+ of life 5 is complete", "the dump of the second crash in a row")
        check_beats(host)
        newest = max(dumps(file))
    # The region outlives the machine, and numbers go on.
    with Host(machine(file, keep=3), [guest()]) as host:
        host.crash("trap")
        wait_log(host, rf"dump {newest + 1} of life 1 is complete", "the dump after the machine was started again")
        check(len(dumps(file)) == 2, f"after another start the region holds {dumps(file)}")


def step_region_too_small():
    file = scratch() / "small"
    file.write_bytes(bytes(64 << 10))
    with Host(machine(file, keep=1), [guest()]) as host:
        wait_log(host, "one that hardly compresses is cut off", "the word that the region is small")
        host.crash("panic")
        found = wait_log(host, r"dump 1 of life 1 is cut off: its place of \d+ KiB holds (\d+) of (\d+) KiB; (\d+) KiB are enough",
                         "the dump that does not fit")
        kept, whole, needed = map(int, found.groups())
        check(0 < kept < whole < needed, f"kept {kept}, whole {whole}, needed {needed}")
        check_beats(host)
    check("truncated" in dumps(file)[1], f"the dump is listed as {dumps(file)[1]}")
    outlive("dump", "--host", "--region", file, "-o", scratch() / "part", status=1)

    file = scratch() / "tiny"
    file.write_bytes(bytes(8 << 10))
    with Host(machine(file, keep=3), [guest()]) as host:
        wait_log(host, r"dumps: the disk of 8 KiB is too small: \d+ KiB are needed", "the word that the disk is too small")
        host.crash("panic")
        check_beats(host)
        time.sleep(0.5)
        check(" begins" not in host.log().split("dumps:")[-1].replace("life 2 begins", ""), "a dump begins all the same")


if __name__ == "__main__":
    steps.main(globals())
