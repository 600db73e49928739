#!/usr/bin/env python3
"""`outlive dump VM` against a host that is none (tests/unit/cli_fake_host.c), which loses dumps, babbles and is slow.

timeout: 120 s
"""

import json
import os
import resource
import signal
import struct
import subprocess
import time
import zlib
from pathlib import Path

from lib.counting import check, end

BUILD = Path(os.environ["BUILD"]).resolve()
TMP = Path(os.environ["TEST_TMP"])
OUTLIVE = BUILD / "outlive"
ENVIRONMENT = {**os.environ, "XDG_RUNTIME_DIR": str(TMP / "run"), "OUTLIVE_LIB": str(TMP / "lib")}
MIB = 1 << 20
RAM = 0x80000000
PAGES = 8 * MIB // 4096


def run(*arguments, code=0, **more):
    done = subprocess.run([OUTLIVE, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, check=False,
                          env={**ENVIRONMENT, **more.pop("extra", {})}, timeout=60, **more)
    done.out, done.err = done.stdout.decode(), done.stderr.decode()
    check(code is None or done.returncode == code, f"{arguments}: status {done.returncode}, not {code}: {done.err}")
    return done


def up(faults=""):
    run("run", "--quiet", "--qemu", BUILD / "tests/unit/cli_fake_host", "--detach", TMP / "host.yaml",
        extra={"FAKE_HOST": faults})


def down():
    run("poweroff", "--force")


def page(number):
    """What the fake host has there (cli_fake_host.c)."""
    if number % 512 >= 256 or number % 7 == 6:
        return bytes(4096)
    bytes_ = bytearray([number % 251 + 1]) * 4096
    bytes_[0:8] = struct.pack("<Q", number)
    if number % 8 == 0:
        bytes_[100:104] = b"TCLF"
    return bytes(bytes_)


MEMORY = b"".join(page(n) for n in range(PAGES))


def read_elf(path):
    """All RAM, by physical addresses."""
    data = path.read_bytes()
    memory = bytearray(len(MEMORY))
    for n in range(struct.unpack_from("<H", data, 56)[0]):
        kind, _, offset, _, at, size, _, _ = struct.unpack_from("<IIQQQQQQ", data, 64 + 56 * n)
        if kind == 1:
            memory[at - RAM:at - RAM + size] = data[offset:offset + size]
    return bytes(memory)


def read_kdump(path):
    data = path.read_bytes()
    check(data[:8] == b"KDUMP   ", "not a kdump file")
    sub, blocks = struct.unpack_from("<iI", data, 432)
    second = (1 + sub) * 4096 + blocks // 2 * 4096
    descriptor = (1 + sub + blocks) * 4096
    memory = bytearray(len(MEMORY))
    for n in range(PAGES):
        pfn = RAM // 4096 + n
        if not data[second + pfn // 8] >> pfn % 8 & 1:
            continue
        offset, size, flags = struct.unpack_from("<QII", data, descriptor)
        descriptor += 24
        bytes_ = data[offset:offset + size]
        memory[n * 4096:(n + 1) * 4096] = zlib.decompress(bytes_) if flags & 1 else bytes_
    return bytes(memory)


def said(text):
    """How often the fake host has said something."""
    return run("log").out.count(text)


def left_behind():
    return [p.name for p in (TMP / "out").iterdir()]


for name in ("run", "lib", "out"):
    (TMP / name).mkdir(mode=0o700)
for name in ("lib/outlive.bin", "lib/warden.bin"):
    (TMP / name).touch()
(TMP / "kernel").write_bytes(bytes(5000))
(TMP / "host.yaml").write_text("vms:\n" + "".join(
    f"  - {{name: {vm}, memory: 8MiB, kernel: {TMP}/kernel, format: flat}}\n" for vm in ("one", "two")))
core = TMP / "out/core"

# ---- What is asked for arrives ----

up()
told = json.loads(run("dump", "one", "-o", core, "--json").out)
check(read_elf(core) == MEMORY, "the memory in the ELF core")
check(told["memory"] == 8 * MIB and told["untouched_pages"] == PAGES // 2 and told["excluded_pages"] == 0
      and told["tries"] == 1 and told["pause_us"] >= 10000 and told["vcpus"] == 1 and not told["live"], told)
check(told["bytes"] == core.stat().st_size and told["disk_bytes"] < 6 * MIB, told)
check(core.stat().st_mode & 0o77 == 0, "others may read the guest's memory")
whole = core.stat().st_size
check("File exists" in run("dump", "one", "-o", core, code=1).err, "a file of that name")
told = json.loads(run("dump", "one", "-o", core, "--force", "--live", "--exclude", "free,zero", "--json").out)
check(told["live"] and told["pause_us"] == 1234 and told["excluded_pages"] > PAGES // 2, told)
check(read_elf(core) == MEMORY and core.stat().st_size <= whole - 3 * MIB, "excluded pages")
check(said("a dump begins, live") == 1, "--live")
for exclude in ([], ["--exclude", "free"], ["--exclude", "zero"]):
    run("dump", "two", "-o", core, "--format", "kdump", "--force", *exclude)
    check(read_kdump(core) == MEMORY, f"the memory in the kdump file, {exclude}")
core.unlink()

# ---- Bad input ----

for arguments, status, words in (
        (["one"], 2, "-o"), (["one", "-o", core, "--format", "pdf"], 2, "pdf"),
        (["one", "-o", core, "--exclude", "zero,cache"], 2, "cache"), (["nobody", "-o", core], 3, "nobody"),
        (["one", "-o", "-"], 1, "pipe"), (["one", "-o", TMP / "nowhere/core"], 1, "nowhere/core"),
        (["one", "-o", "/dev/null", "--force"], 1, "/dev/null")):
    done = run("dump", *arguments, code=status)
    check(words in done.err, f"{arguments}: {done.err}")
run("stop", "two")
check("not running" in run("dump", "two", "-o", core, code=6).err, "a VM that is stopped")

# The file cannot grow: it is named, nothing of it stays, and the guest goes on.
done = run("dump", "one", "-o", core, code=1,
           preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MIB, 2 * MIB)))
check(str(core) in done.err, done.err)
check(left_behind() == [], left_behind())
check(said("a dump begins") == said("a dump ends"), "the guest does not go on")
down()

# ---- Hosts that do not do as they should ----

up("forgetful")
told = json.loads(run("dump", "one", "-o", core, "--json").out)
check(told["tries"] == 2 and read_elf(core) == MEMORY, told)
core.unlink()
down()
for fault, words in (("amnesic", "lost the dump 5 times"), ("babbling", "no sense"), ("undumped", "cannot do that")):
    up(fault)
    check(words in run("dump", "one", "-o", core, code=None).err, fault)
    check(left_behind() == [], left_behind())
    down()

# ---- Ctrl-C, and progress ----

up("slow")
dump = subprocess.Popen([OUTLIVE, "dump", "one", "-o", core], env=ENVIRONMENT, stderr=subprocess.PIPE)
time.sleep(2)
dump.send_signal(signal.SIGINT)
err = dump.communicate(timeout=20)[1].decode()
check(dump.returncode == 1 and "interrupted" in err, err)
check("% of 8 MiB" in err, f"no progress: {err}")
check(left_behind() == [], left_behind())
check(said("a dump begins") == said("a dump ends") == 1, "the guest does not go on after Ctrl-C")

# The place of the file goes away in the middle.
dump = subprocess.Popen([OUTLIVE, "dump", "one", "-o", core], env=ENVIRONMENT, stderr=subprocess.PIPE)
time.sleep(0.5)
for name in left_behind():
    (TMP / "out" / name).unlink()
err = dump.communicate(timeout=60)[1].decode()
check(dump.returncode == 1 and str(core) in err, err)
check(said("a dump begins") == said("a dump ends") == 2, "the guest does not go on after the file has gone")

# The host ends in the middle.
dump = subprocess.Popen([OUTLIVE, "dump", "one", "-o", core], env=ENVIRONMENT, stderr=subprocess.PIPE)
time.sleep(0.5)
down()
err = dump.communicate(timeout=20)[1].decode()
check(dump.returncode == 1 and "has ended" in err, err)
check(left_behind() == [], left_behind())

end()
