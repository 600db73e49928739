#!/usr/bin/env python3
"""Each kind of crash leaves a dump from which gdb and `outlive crash show` tell how every hart came to where it was; and
what becomes of dumps that are damaged, cut short, or written to a disk that is full.
timeout: 240 s
"""

import json
import os
import re
import resource
import shutil
import subprocess

from lib import steps
from lib.host import BUILD, CAUSES, CRASHES_AT_WILL, OUTLIVE, Host, environment, outlive, scratch
from lib.steps import check, note, wait_for

HARTS = 3
# Where a backtrace of the hypervisor begins, by how the hart came into it.
OUTERMOST = {"secondary_entry", "boot_start", "guest_exit", "guest_enter"}
REGION = scratch() / "dumps.img"
ELF = BUILD / "outlive.elf"


def guest(name):
    return {"name": name, "memory": "32MiB", "kernel": str(BUILD / "guests/bench.bin"), "format": "flat",
            "cmdline": "rest=1"}


def listed(*where):
    return json.loads(outlive("dump", "--host", "--list", "--json", *where).stdout)["dumps"]


def gdb(core, *commands):
    words = ["gdb-multiarch", "-nx", "-batch"]
    for command in commands:
        words += ["-ex", command]
    done = subprocess.run([*words, str(ELF), str(core)], capture_output=True, text=True, errors="replace", timeout=60,
                          check=False)
    check(done.returncode == 0, f"gdb ended with status {done.returncode}: {done.stderr[-400:]}")
    return done.stdout


def backtraces(text):
    """From the name that gdb has for a thread, hart + 1, to its lines."""
    parts = re.split(r"^Thread \d+ \(LWP (\d+)\):\n", text, flags=re.MULTILINE)
    return {int(name) - 1: [line for line in lines.splitlines() if line.startswith("#")]
            for name, lines in zip(parts[1::2], parts[2::2])}


def functions(lines):
    return [re.sub(r"^#\d+ +(0x[0-9a-f]+ in )?", "", line).split(" ")[0] for line in lines]


def check_gdb(core, shown):
    """gdb finds its way without being told anything, and agrees with what crash show says of the harts."""
    text = gdb(core, "thread apply all bt", "thread", "p estate.machine.hart_count", "p sizeof(harts) / sizeof(harts[0])",
               "p harts[1].index")
    found = backtraces(text)
    check(set(found) == set(range(HARTS)), f"gdb has threads for harts {sorted(found)}")
    check(re.search(rf"\$1 = {HARTS}\n\$2 = 64\n\$3 = 1\n", text), f"gdb has other values of variables: {text[-300:]}")
    crashed = shown["crash_hart"]
    check(f"[Current thread is 1 (LWP {crashed + 1})]" in text, "gdb does not begin with the hart that crashed")
    check("inject_crash" in functions(found[crashed]), f"gdb sees the crash elsewhere: {found[crashed]}")
    for hart in shown["harts"]:
        if hart["state"] != "hypervisor":
            continue
        names = functions(found[hart["hart"]])
        check(names[-1] in OUTERMOST, f"gdb's backtrace of hart {hart['hart']} ends in {names[-1]}")
        check("??" not in names, f"gdb's backtrace of hart {hart['hart']}: {names}")


def check_show(shown, with_memory):
    check(len(shown["harts"]) == HARTS, f"crash show has {len(shown['harts'])} harts")
    check(shown["symbols"], "crash show has no symbols")
    for hart in shown["harts"]:
        if hart["state"] == "guest":
            check(hart["vcpu"] == "a/0", f"a hart in a guest has vCPU {hart['vcpu']}")
            continue
        check(hart["state"] == "hypervisor", f"hart {hart['hart']} was {hart['state']}")
        frames = [f for f in hart["frames"] if f]
        check(not with_memory or frames[-1]["function"] in OUTERMOST,
              f"the backtrace of hart {hart['hart']} ends in {frames[-1]}")
        if hart["crashed"]:
            injected = [f for f in frames if f["function"] == "inject_crash"]
            check(injected or not with_memory, f"the backtrace does not show inject_crash: {frames}")
            check(all(f["file"] == "core/survive/inject.c" and f["line"] > 0 for f in injected),
                  f"inject_crash lies elsewhere: {injected}")
    check("crash of kind" in shown["log"], f"the log lacks its end: {shown['log'][-200:]}")


def step_every_kind():
    machine = {"harts": HARTS, **CRASHES_AT_WILL, "dumps": {"file": str(REGION), "size": "128MiB", "keep": len(CAUSES)}}
    with Host(machine, [guest("a")]) as host:
        on = ("-H", host.name)
        for life, kind in enumerate(CAUSES, 1):
            host.crash(kind)
            dump = wait_for(f"the dump of life {life}", 30,
                            lambda life=life: [d for d in listed(*on) if d.get("life") == life and d["state"] == "complete"])
            check(dump[0]["cause"] in CAUSES[kind], f"the dump of {kind} says {dump[0]['cause']}")
            core = scratch() / f"vmcore.{life}"
            done = json.loads(outlive("dump", "--host", life, *on, "-o", core, "--json").stdout)
            check(done["whole"] and done["harts"] == HARTS, f"the core of {kind}: {done}")
            check(os.stat(core).st_blocks * 512 < done["bytes"] / 2, "zero pages are no holes")
            shown = host.json("crash", "show", life)
            check(shown["dump"] == dump[0]["number"], f"crash show does not use the dump: {shown['dump']}")
            check_show(shown, True)
            check_gdb(core, shown)
            note(f"{kind}: {done['bytes'] >> 10} KiB, of which {done['stored_bytes'] >> 10} in the file; "
                 f"hart {shown['crash_hart']} crashed")
        lives = host.lives()
        check([l["dump"] for l in lives] == [*range(1, len(CAUSES) + 1), None], f"crash list has other dumps: {lives}")
        check([l["record"] for l in lives] == [False] * (len(CAUSES) - 2) + [True, True, False],
              f"crash list has other records: {lives}")


def step_a_host_without_dumps():
    """The record in the estate has the registers and the tops of the stacks."""
    with Host({"harts": HARTS, **CRASHES_AT_WILL}, [guest("a")]) as host:
        for life, kind in enumerate(("panic", "trap"), 1):
            host.crash(kind)
            shown = host.json("crash", "show", life)
            check(shown["record"] and shown["dump"] is None, f"crash show found other things: {shown['dump']}")
            check_show(shown, False)
            check(any(f["function"] == "inject_crash" for h in shown["harts"] if h["crashed"] for f in h["frames"]),
                  f"the record's backtrace of {kind} does not show inject_crash")
        said = outlive("dump", "--host", "-H", host.name, status=3).stderr
        check("keeps no dumps" in said, f"dump --host of a host without dumps: {said}")


def step_a_host_that_is_off():
    region = ("--region", REGION)
    dumps = listed(*region)
    check(sorted(d["life"] for d in dumps) == list(range(1, len(CAUSES) + 1)), f"the region has other dumps: {dumps}")
    check("inject_crash+0x" in outlive("crash", "show", 2, *region).stdout, "no backtrace of a host that is off")
    check_show(json.loads(outlive("crash", "show", "@3", *region, "--json").stdout), True)
    core = scratch() / "newest"
    outlive("dump", "--host", *region, "-o", core)
    check("life number=5" in core.read_bytes()[:65536].decode("latin1").lower(), "not the newest dump is taken")
    outlive("dump", "--host", *region, "-o", core, status=1)
    outlive("dump", "--host", *region, "-o", core, "--force")
    outlive("dump", "--host", 77, *region, "-o", scratch() / "none", status=3)
    outlive("dump", "--host", "x", *region, "-o", scratch() / "none", status=2)
    outlive("crash", "show", "x", *region, status=2)
    outlive("dump", "--host", *region, "-o", "-", status=1)
    check(not (scratch() / "none").exists(), "a core file of no dump")
    # Symbols of another program are worse than none.
    other = outlive("crash", "show", 1, *region, "--symbols", BUILD / "guests/bench.elf").stdout
    check("not of the life's build" in other and "+0x" in other and "inject_crash" not in other,
          f"symbols of another build were used: {other}")


def step_damage():
    """A whole chunk is lost to one byte; a file that ends early has what comes before."""
    region = scratch() / "damaged.img"
    at = listed("--region", REGION)
    first = next(d for d in at if d["life"] == 1)
    shutil.copy(REGION, region)
    with open(region, "r+b") as file:
        file.seek(first["at"] + first["bytes"] // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0x10]))
    core = scratch() / "damaged"
    done = json.loads(outlive("dump", "--host", 1, "--region", region, "-o", core, "--json", status=1).stdout)
    check(not done["whole"] and done["damaged_places"] == 1 and len(done["missing"]) == 1, f"a flipped byte: {done}")
    check(0 < done["missing"][0]["bytes"] <= 65536, f"one chunk is missing: {done['missing']}")
    check("inject_crash" in gdb(core, "thread apply all bt"), "gdb cannot read the rest")
    with open(region, "r+b") as file:
        file.truncate(first["at"] + 4096 + first["bytes"] // 2)
    said = outlive("dump", "--host", 1, "--region", region, "-o", core, "--force", status=1).stderr
    check("is missing" in said, f"what is missing is not named: {said}")
    outlive("dump", "--host", "--list", "--region", region, status=1)
    with open(region, "r+b") as file:
        file.write(b"\xff" * 16)
    outlive("dump", "--host", "--list", "--region", region, status=1)


def step_a_full_disk():
    core = scratch() / "full"
    done = subprocess.run([OUTLIVE, "dump", "--host", "1", "--region", REGION, "-o", core], env=environment(),
                          capture_output=True, text=True, timeout=40, check=False,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, 1 << 18)))
    check(done.returncode == 1 and str(core) in done.stderr, f"a full disk: {done.returncode} {done.stderr}")
    check(not list(scratch().glob("full*")), "a partial file stays")


if __name__ == "__main__":
    steps.main(globals())
