#!/usr/bin/env python3
"""Live update: back and forth between two images under guests that check themselves, images that are refused, images that do
not stand their trial, and crashes before, during and after. UPDATES is how often (CI: 12; "make soak": 100).
timeout: 300 s
"""

import errno
import hashlib
import json
import os
import struct
import subprocess

from lib import steps
from lib.channel import UPDATE_BEGIN, UPDATE_CHECK, UPDATE_COMMIT, UPDATE_WRITE, Channel
from lib.host import BUILD, Host, image, linux, outlive, scratch, worker
from lib.steps import check, note

FAILED, NOT_FOUND, INVALID, REFUSED = 1, 3, 4, 6
UPDATES = int(os.environ.get("UPDATES") or (100 if os.environ.get("OUTLIVE_SOAK") else 12))

HEIR_ENTRY = 0x80
HASH, INCOMPLETE = 9, 8  # enum image_problem
PIECE = 7 << 10

JUMP_TO_ITSELF = bytes.fromhex("6f000000")
ILLEGAL = bytes(4)
RETURN_MINUS_1 = bytes.fromhex("7d558280")


def original():
    return bytearray((BUILD / "outlive.bin").read_bytes())


def symbol(name):
    """Where a function is in the image, which is linked at 0."""
    listed = subprocess.run(["riscv64-linux-gnu-nm", BUILD / "outlive.elf"], capture_output=True, text=True, check=True).stdout
    return next(int(line.split()[0], 16) for line in listed.splitlines() if line.split()[-1] == name)


def build_id():
    """Bytes of the build id, as they stand in the image behind the note's header."""
    data = bytes(original())
    at = data.find(b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0")
    check(at > 0, "the image has no build id")
    return at + 16


def variant(name, *changes, cut=None):
    """A file with the image, changed: (offset, bytes) each."""
    data = original()
    for at, new in changes:
        data[at:at + len(new)] = new
    path = scratch() / f"{name}.bin"
    path.write_bytes(data[:cut])
    return path


def field(offset, value, size=4):
    return offset, value.to_bytes(size, "little")


# Offsets in the header, abi/image.h.
LINUX_MAGIC, MAGIC, HEADER_VERSION, ESTATE_VERSION, FILE_SIZE, MEMORY_SIZE, ESTATE_OLDEST = 48, 64, 72, 76, 80, 88, 96


def second_build():
    return variant("second", (build_id(), b"\x5e\xc0\xdb\x11"))


def pair():
    return [worker("a", address="10.0.0.1", peer="10.0.0.2", vcpus=2),
            worker("b", address="10.0.0.2", peer="10.0.0.1", vcpus=2)]


def update(host, path, *arguments, status=0):
    done = host.run("update", path, "--json", *arguments, status=status, seconds=60)
    return json.loads(done.stdout) if done.stdout else {}, done.stderr


def refused(host, path, status, words):
    before = host.life()
    for arguments in ((), ("--check",)):
        said = host.run("update", path, *arguments, status=status).stderr
        check(words in said and str(path) in said, f"{path} was refused in other words than {words!r}: {said}")
    check(host.life() == before, f"{path} was refused, and life {before} has ended")


def back_and_forth(host):
    """Many times between two images; no more crashes are allowed than the default."""
    images = [second_build(), BUILD / "outlive.bin"]
    pauses = []
    for turn in range(UPDATES):
        life = host.life()
        before = host.reports() if turn % 4 == 0 else before
        result, _ = update(host, images[turn % 2])
        check(result["updated"] and result["life"] == life + 1 and result["from"] != result["to"], f"an update says {result}")
        check(result["to"].startswith("5ec0db11") == (turn % 2 == 0), f"an update led to build {result['to']}")
        dead = host.lives()[-2]
        check(dead["cause"] == "update" and dead["vms_lost"] == 0 and dead["vms_adopted"] == 2 and not dead["record"] and
              not dead["rolled_back"], f"the history has an update as {dead}")
        pauses.append(result["pause_us"])
        if turn % 4 == 3 or turn == UPDATES - 1:
            host.check_alive(before)
    shown = host.run("crash", "show", dead["life"]).stdout
    check("ended: update" in shown and "from build" in shown and "no record" not in shown, f"crash show says {shown}")
    pauses.sort()
    note(f"{UPDATES} updates, pause of the last vCPU: median {pauses[len(pauses) // 2] / 1000:.1f} ms, "
         f"longest {pauses[-1] / 1000:.1f} ms")


def refusals(host):
    size = len(original())
    garbage = scratch() / "garbage.bin"
    garbage.write_bytes(hashlib.sha256(b"1").digest() * 1000)
    empty = scratch() / "empty.bin"
    empty.write_bytes(b"")
    refused(host, garbage, INVALID, "not an image of Outlive")
    refused(host, empty, INVALID, "not an image of Outlive")
    refused(host, image(), INVALID, "not an image of Outlive")
    refused(host, variant("arm", (LINUX_MAGIC, b"ARM\x64\0\0\0\0")), INVALID, "not an image for RISC-V")
    refused(host, variant("cut", cut=size - 4096), INVALID, f"truncated: {size - 4096} bytes of {size}")
    refused(host, variant("stub", cut=100), INVALID, "not an image of Outlive")
    refused(host, variant("memory", field(MEMORY_SIZE, 1 << 40, 8)), INVALID, "sizes that cannot be")
    refused(host, variant("header", field(HEADER_VERSION, 77)), INVALID, "header is of version 77")
    refused(host, variant("newer", field(ESTATE_VERSION, 99), field(ESTATE_OLDEST, 98)), INVALID, "cannot adopt this host's estate")
    refused(host, variant("older", field(ESTATE_VERSION, 1), field(ESTATE_OLDEST, 1)), INVALID, "older than this host's estate")
    refused(host, scratch() / "missing.bin", FAILED, "No such file")
    refused(host, scratch(), FAILED, "Is a directory")
    # One that says it reads old estates too is good.
    host.run("update", "--check", variant("reads-old", field(ESTATE_VERSION, 99)))


def begin(channel, data, digest=None):
    status, answer = channel.ask(UPDATE_BEGIN, struct.pack("<Q", len(data)) + (digest or hashlib.sha256(data).digest()))
    check(status == 0, f"an image of {len(data)} bytes cannot be begun: {status}")
    return struct.unpack_from("<Q", answer)[0]


def write(channel, data, offset):
    return channel.ask(UPDATE_WRITE, struct.pack("<Q", offset) + data[offset:offset + PIECE])[0]


def problem(channel):
    status, answer = channel.ask(UPDATE_CHECK)
    check(status == 0, f"the check fails with {status}")
    return struct.unpack_from("<QI", answer)[1]


def transfers(host):
    """What no command sends: what is checked is what has arrived."""
    data = bytes(original())
    life = host.life()
    with Channel(host) as channel:
        check(begin(channel, data, bytes(32)) == 0, "an image that is new has arrived already")
        check(write(channel, data, PIECE) == -errno.EINVAL, "a piece behind a gap was taken")
        check(problem(channel) == INCOMPLETE, "nothing has arrived, and it is whole")
        for offset in range(0, len(data), PIECE):
            check(write(channel, data, offset) == 0, f"the piece at {offset} was not taken")
            check(write(channel, data, offset) == 0, f"the piece at {offset} was not taken again")
        check(write(channel, data[:-PIECE] + b"x" * PIECE, len(data) - PIECE) == -errno.EINVAL, "a piece came twice, with other bytes")
        check(problem(channel) == HASH, "a wrong hash was not noticed")
        check(channel.ask(UPDATE_COMMIT, struct.pack("<Q", life))[0] == -errno.EINVAL, "a wrong hash was committed")
        check(channel.ask(UPDATE_COMMIT, struct.pack("<Q", life + 5))[0] == -errno.EINVAL, "a life to come was ended")
        check(channel.ask(UPDATE_COMMIT, struct.pack("<Q", 0))[0] == -errno.EALREADY, "an old commit was repeated")
        check(channel.ask(UPDATE_BEGIN, struct.pack("<Q", 1 << 40) + bytes(32))[0] == -errno.EINVAL, "1 TiB was begun")
    check(host.life() == life, "a life has ended for a transfer")


def crash_during_the_transfer(host):
    path = second_build()
    data = path.read_bytes()
    before, life = host.reports(), host.life()
    with Channel(host) as channel:
        begin(channel, data)
        for offset in range(0, len(data) // 2, PIECE):
            write(channel, data, offset)
        host.crash("panic")
        check(begin(channel, data) > len(data) // 2, "what had arrived is gone")
    result, _ = update(host, path)
    check(result["updated"] and result["life"] == life + 2, f"after a crash in the middle: {result}")
    host.check_alive(before)


def crash_right_after(host):
    """What is recovered from is the new image."""
    before, life = host.reports(), host.life()
    build = host.ps()["host"]["build"]
    host.run("update", second_build() if not build.startswith("5ec0db11") else BUILD / "outlive.bin")
    updated = host.ps()["host"]["build"]
    host.crash("trap")
    check(host.ps()["host"]["build"] == updated != build, "the heir of an updated life is of another build")
    host.check_survived(before, "trap", life + 2)


def rolled_back(host, path, words, seconds):
    """Who says that he cannot go on is not waited for: the pause is less than the 2 s in which he would have to report."""
    before, life = host.reports(), host.life()
    build = host.ps()["host"]["build"]
    result, said = update(host, path, status=FAILED)
    said = said.splitlines()[-1]
    note(said)
    check("rolled back" in said and words in said and str(path) in said, f"{path.name}: {said}")
    check(not result["updated"] and words in result["reason"] and result["life"] == life + 2, f"{path.name}: {result}")
    check(host.life() == life + 2 and host.ps()["host"]["build"] == build, f"{path.name}: not what was before is running")
    check(result["pause_us"] < seconds * 1e6, f"{path.name}: rolled back after {result['pause_us']} us")
    trial, ended = host.lives()[-2], host.lives()[-3]
    check(ended["cause"] == "update" and ended["life"] == life and not ended["rolled_back"], f"{path.name}: {ended}")
    check(trial["cause"] == "adoption" and trial["rolled_back"], f"{path.name}: {trial}")
    check("rolled back" in host.log(), f"{path.name}: the log does not tell")
    host.check_alive(before)


def trials_that_fail(host):
    rolled_back(host, variant("hangs", (HEIR_ENTRY, JUMP_TO_ITSELF)), "did not report", 5)
    rolled_back(host, variant("traps", (symbol("adopt_vms"), ILLEGAL)), "trap 2", 2)
    rolled_back(host, variant("traps early", (symbol("estate_adopt"), ILLEGAL)), "trap before there was a handler", 2)
    rolled_back(host, variant("cannot", (symbol("estate_adopt"), RETURN_MINUS_1)), "no estate to adopt", 2)


def step_under_load():
    # With the default limit of 5 crashes within 60 s. No hang is made here, and a busy machine must not make one up.
    with Host({"harts": 4, "watchdog": "5s"}, pair()) as host:
        host.workloads()
        refusals(host)
        transfers(host)
        back_and_forth(host)
        crash_during_the_transfer(host)
        trials_that_fail(host)
        crash_right_after(host)


def step_where_a_crash_has_no_heir():
    for policy, vm in (("reset", linux("a")), ("devirtualise", linux("root", memory="192MiB", root=True))):
        with Host({"harts": 1, "memory": "512MiB", "on_crash": policy}, [vm]) as host:
            result, _ = update(host, second_build())
            check(result["updated"] and host.life() == 2, f"with on_crash: {policy} an update says {result}")
            result, _ = update(host, variant("cannot", (symbol("estate_adopt"), RETURN_MINUS_1)), status=FAILED)
            now = host.vm(vm["name"])
            check(result["life"] == 4 and now["boots"] == 1 and now["state"] == "running",
                  f"with on_crash: {policy} a trial that fails says {result}, the VM is {now}")
            check("takes the machine over" not in host.log(), "an update gives the machine to the root VM")


def step_without_the_warden():
    with Host({"harts": 1}, [linux("a")], "--firmware", "stock") as host:
        said = host.run("update", BUILD / "outlive.bin", status=REFUSED).stderr
        check("not supported" in said and "warden" in said, f"stock firmware: {said}")
    said = outlive("update", BUILD / "outlive.bin", "--host", "nobody", status=NOT_FOUND).stderr
    check("nobody" in said, f"no such host: {said}")


if __name__ == "__main__":
    steps.main(globals())
