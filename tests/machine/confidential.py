#!/usr/bin/env python3
"""Confidential VMs: they go on over crashes of the hypervisor, unharmed, and nothing that the host leaves anywhere has a word
of what they hide.
timeout: 240 s
"""

import array
import re

from lib import steps
from lib.host import BUILD, CAUSES, CRASHES_AT_WILL, Host, outlive, scratch, worker
from lib.steps import check, note, wait_for
from lib.witness import beginning, progress, witness

MASK = (1 << 64) - 1

# As many words as guests/secret hides: registers, CSRs, memory.
WORDS = 128 + 64


def word(number):
    """What guests/secret works out as its n-th word."""
    x = (number + 1) * 0x9e3779b97f4a7c15 & MASK
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 & MASK
    x = (x ^ x >> 27) * 0x94d049bb133111eb & MASK
    return x ^ x >> 31


SECRETS = {word(number) for number in range(WORDS)}
# As another order of bytes would show them.
BINARY = SECRETS | {int.from_bytes(one.to_bytes(8, "little"), "big") for one in SECRETS}
CHUNK = 1 << 20


def secret(**more):
    return {"name": "secret", "vcpus": 2, "memory": "16MiB", "kernel": str(BUILD / "guests/secret.bin"), "format": "flat",
            "rng": False, "confidential": True, **more}


def words_of(data):
    """All words of 8 bytes that lie anywhere in the data."""
    found = set()
    for offset in range(8):
        words = array.array("Q")
        words.frombytes(data[offset:offset + (len(data) - offset) // 8 * 8])
        found |= set(words) & BINARY
    return found | ({int(digits, 16) for digits in re.findall(rb"[0-9a-f]{14,16}", data)} & SECRETS)


def leaks(directory):
    """The files with a secret in them."""
    found, looked_at = [], 0
    for file in (file for file in directory.rglob("*") if file.is_file()):
        with open(file, "rb") as opened:
            end = b""
            while chunk := opened.read(CHUNK):
                if chunk.count(0) != len(chunk):
                    looked_at += len(chunk)
                    for leak in words_of(end + chunk):
                        found.append(f"{file.name}: {leak:x}")
                end = chunk[-16:]
    note(f"{looked_at >> 20} MiB looked at")
    return found


def reports(console, after):
    return [line for _, line in console.lines[after:] if re.match(r"SECRET (t=|ERROR)", line)]


def goes_on(console, reports_wanted=3, seconds=40):
    """So many more reports, and never an error."""
    after = console.mark()
    wait_for("reports of the guest", seconds, lambda: len(reports(console, after)) >= reports_wanted)
    lines = reports(console, 0)
    check(not [line for line in lines if "ERROR" in line or not line.endswith("errors=0")], f"the guest says: {lines[-5:]}")
    return lines[-1]


def step_survives_and_keeps_its_secrets():
    evidence = scratch() / "evidence.img"
    with open(evidence, "wb") as file:
        file.truncate(96 << 20)
    machine = {"harts": 2, **CRASHES_AT_WILL, "blackbox": {"file": str(scratch() / "black.box")},
               "dumps": {"file": str(evidence)}}
    with Host(machine, [secret(pmsg=False)]) as host:
        console = host.console("secret")
        console.wait(r"^SECRET begins: confidential=1", 60)
        for what in ("shared pages", "uart", "access fault", "timer", "registers", "harts"):
            console.wait(f"^SECRET ok: {what}", 60)
        goes_on(console)
        for number, kind in enumerate(("panic", "hang", "wild-write"), start=2):
            host.crash(kind)
            note(goes_on(console))
            host.check_recorded(kind, number)
        outlive("dump", "secret", "-H", host.name, "-o", scratch() / "secret.vmcore", status=None)
        # Those in the region are compressed.
        wait_for("the dumps", 20, lambda: host.log().count("is complete") == 3)
        for life in (1, 2, 3):
            outlive("dump", "--host", life, "-H", host.name, "-o", scratch() / f"host{life}.vmcore")
        found = leaks(scratch())
        check(not found, f"what the guest hides is in {found}")
        # Whoever looks finds what is there.
        (scratch() / "planted").write_bytes(b"xyz" + word(7).to_bytes(8, "little"))
        check(leaks(scratch()) == [f"planted: {word(7):x}"], "a secret that is there is not found")


def step_witness():
    with Host({"harts": 2, **CRASHES_AT_WILL}, [witness("w", 3, with_disk=False, confidential=True),
                                                witness("o", 1, with_disk=False)]) as host:
        consoles = {name: host.console(name) for name in ("w", "o")}
        seen = {name: beginning(console, 90) for name, console in consoles.items()}
        for kind in CAUSES:
            host.crash(kind)
            seen = {name: progress(console, seen[name], 40) for name, console in consoles.items()}
        note(str(seen["w"]))


def step_stock_kernel():
    vms = [worker("a", address="10.0.0.1", peer="10.0.0.2", confidential=True, memory="124MiB"),
           worker("b", address="10.0.0.2", peer="10.0.0.1")]
    with Host({"harts": 2, **CRASHES_AT_WILL}, vms) as host:
        consoles = [host.console(name) for name in ("a", "b")]
        before = [console.progress(120) for console in consoles]
        host.crash("panic")
        host.crash("hang")
        for console, then in zip(consoles, before):
            now = console.progress(60, then)
            console.check_healthy(then["boot_id"])
            check(all(now[what] > then[what] for what in ("mem", "disk", "net", "served")), f"{then}, then {now}")
            note(str(now))


if __name__ == "__main__":
    steps.main(globals())
