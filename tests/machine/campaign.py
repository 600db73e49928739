#!/usr/bin/env python3
"""Faults from outside, made in a hypervisor as it is shipped: what a seed decides is done again by a replay, panics and hangs
are recovered, and each run has a result.
timeout: 240 s
"""

import json

from lib import steps
from lib.host import outlive, scratch
from lib.steps import check, note

OUTCOMES = {"not-injected", "no-effect", "recovered", "vm-lost", "host-lost", "hang", "silent"}


def results(path):
    lines = (path / "results.jsonl").read_text(encoding="utf-8").splitlines()[1:]
    return sorted((json.loads(line) for line in lines), key=lambda line: line["run"])


def campaign(name, *arguments):
    path = scratch() / name
    outlive("campaign", "--out", path, "--harts", "3", "--jobs", "2", *arguments, seconds=150)
    for line in results(path):
        note(f"{line['kind']}: {line['fault']}: {line['outcome']}, {line['wall_ms']} ms")
    return path


def step_forced():
    """What the hypervisor must survive each time."""
    lines = results(campaign("forced", "--seed", "3", "--runs", "6", "--faults", "panic,hang"))
    check([line["run"] for line in lines] == list(range(6)), f"runs: {lines}")
    check({line["kind"] for line in lines} == {"panic", "hang"}, "there are not faults of both kinds")
    for line in lines:
        check(line["outcome"] == "recovered", f"run {line['run']}: {line}")
        check(line["cause"] == line["kind"] and line["lives"] >= 1, f"how the life ended: {line}")
        check(line["symbol"] and line["hart"] < 3, f"where the fault was made: {line}")
        check(line["pause_exits_ns"] and line["recovery_ns"], f"nothing was measured: {line}")


def step_all_kinds():
    """Any kind: each run has a result, and says what was hit."""
    lines = results(campaign("all", "--seed", "1", "--runs", "6"))
    check(len(lines) == 6 and len({line["kind"] for line in lines}) > 2, f"kinds: {lines}")
    for line in lines:
        check(line["outcome"] in OUTCOMES, f"outcome: {line}")
        check(line["outcome"] == "not-injected" or len(line["fault"]) > 10, f"nothing says what was done: {line}")
        check(bool(line["cause"]) == bool(line["lives"]), f"lives: {line}")


def step_again():
    """A run is decided by its seed: a replay does the same to the same byte, and keeps what it leaves."""
    path = campaign("first", "--seed", "4", "--runs", "1", "--faults", "data")
    first = results(path)[0]
    done = outlive("campaign", "--replay", "4:0", "--faults", "data", "--harts", "3", "--out", path, "--json", seconds=100)
    again = json.loads(done.stdout)
    for name in ("kind", "fault", "address", "bit"):
        check(first[name] == again[name], f"{name}: {first[name]}, and then {again[name]}")
    kept = path / "replay/run-0"
    check({"result.txt", "harts.txt", "memory.bin", "host.yaml"} <= {file.name for file in kept.iterdir()},
          f"kept: {list(kept.iterdir())}")
    check((kept / "memory.bin").stat().st_size > 16 << 20, "memory.bin is too short")
    check("hart 2" in (kept / "harts.txt").read_text(encoding="utf-8"), "harts.txt")


if __name__ == "__main__":
    steps.main(globals())
