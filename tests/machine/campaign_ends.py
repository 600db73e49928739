#!/usr/bin/env python3
"""A fault campaign that is killed, interrupted, or out of room keeps its results, leaves no process behind, and goes on.
timeout: 180 s
"""

import json
import os
import resource
import signal
import subprocess
import time
from pathlib import Path
from xml.dom import minidom

from lib import steps
from lib.host import OUTLIVE, environment, outlive, scratch
from lib.steps import check, wait_for

FAILED, USAGE, NOT_FOUND = 1, 2, 3
SETTINGS = ["--seed", "5", "--faults", "panic", "--harts", "2"]


def directory(name):
    return scratch() / name


def lines(path):
    """The whole lines of a file of results, parsed."""
    try:
        text = (path / "results.jsonl").read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.split("\n")[:-1]]


def processes(path):
    """Those that have to do with a directory: in it, or with it in their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or entry.name == str(os.getpid()):
            continue
        try:
            where = os.readlink(entry / "cwd")
            arguments = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if arguments and (where.startswith(str(path)) or str(path).encode() in arguments):
            found.append(arguments.replace(b"\0", b" ").decode(errors="replace"))
    return found


def start(path, *arguments):
    # pylint: disable=consider-using-with
    return subprocess.Popen([str(OUTLIVE), "campaign", *SETTINGS, "--out", str(path), *arguments], env=environment(),
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_gone(path):
    wait_for("all processes of the campaign to end", 10, lambda: not processes(path))


def step_killed():
    path = directory("killed")
    campaign = start(path, "--runs", "4", "--jobs", "2")
    try:
        wait_for("a result", 60, lambda: len(lines(path)) > 1, every=0.02)
        check(processes(path), "there are no processes of a campaign that runs")
    finally:
        campaign.kill()
        campaign.communicate()
    wait_gone(path)
    before = lines(path)
    with open(path / "results.jsonl", "a", encoding="utf-8") as file:
        file.write('{"run":3,"kind":"pan')
    done = outlive("campaign", "--resume", "--out", path, "--jobs", "2", "--json", seconds=120)
    check("torn" in done.stderr, f"nothing is said of the torn line: {done.stderr}")
    after = lines(path)
    check(after[:len(before)] == before, "results have changed")
    check(sorted(line["run"] for line in after[1:]) == [0, 1, 2, 3], f"runs: {[line['run'] for line in after[1:]]}")
    said = [json.loads(line) for line in done.stdout.splitlines()]
    check(said[:-1] == after[len(before):], "what was printed is not what has been added")
    report = said[-1]
    check(report["done"] == 4 and report["kinds"].keys() == {"panic"}, f"report: {report}")
    check(sum(report["outcomes"].values()) == 4, f"outcomes: {report['outcomes']}")
    check("4 runs with seed 5" in (path / "report.txt").read_text(encoding="utf-8"), "report.txt")
    check(minidom.parse(str(path / "report.svg")).documentElement.tagName == "svg", "report.svg")
    wait_gone(path)

    # The same again: nothing is left to do. Other settings: they are named.
    began = time.monotonic()
    outlive("campaign", *SETTINGS, "--out", path, "--runs", "4")
    check(time.monotonic() - began < 5 and lines(path) == after, "a campaign that is complete was run again")
    done = outlive("campaign", *SETTINGS, "--seed", "6", "--harts", "3", "--out", path, status=FAILED)
    check("--seed 5; this is 6" in done.stderr and "--harts 2; this is 3" in done.stderr, f"it says: {done.stderr}")
    done = outlive("campaign", "--report", path, "--json")
    check(json.loads(done.stdout) == report, "the report of what is there is another")


def step_interrupted():
    path = directory("interrupted")
    campaign = start(path, "--runs", "1000", "--jobs", "1")
    wait_for("a machine", 30, lambda: any("qemu" in arguments for arguments in processes(path)), every=0.05)
    campaign.send_signal(signal.SIGINT)
    _, said = campaign.communicate(timeout=10)
    check(campaign.returncode == FAILED and "the same command goes on" in said, f"{campaign.returncode}: {said}")
    check((path / "report.txt").exists(), "no report")
    wait_gone(path)


def step_no_room():
    """Files cannot grow: the disks of a machine do not fit, the results do."""
    path = directory("full")
    done = subprocess.run([str(OUTLIVE), "campaign", *SETTINGS, "--runs", "3", "--out", str(path)], env=environment(),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)))
    check(done.returncode == FAILED and ".disk: File too large" in done.stderr, f"{done.returncode}: {done.stderr}")
    check(len(lines(path)) == 1, "a run without a machine has a result")
    wait_gone(path)


def step_bad_input():
    for arguments, status, fragment in (
            (["--runs", "0"], USAGE, "--runs: \"0\" is not a number from 1"),
            (["--seed", "x"], USAGE, "--seed: \"x\" is not a number"),
            (["--jobs", "1000"], USAGE, "--jobs: \"1000\" is not"),
            (["--harts", "9"], USAGE, "--harts: \"9\" is not a number from 1 to 8"),
            (["--faults", "code,rust"], USAGE, "no kind of fault \"rust\""),
            (["--replay", "7"], USAGE, "--replay: \"7\" is not SEED:RUN"),
            (["--replay", "7:1", "--resume"], USAGE, "--replay SEED:RUN goes with"),
            (["--resume"], USAGE, "--resume goes on in the directory that --out names"),
            (["--resume", "--out", "/nowhere"], NOT_FOUND, "/nowhere/results.jsonl: No such file"),
            (["--report", "/nowhere"], NOT_FOUND, "/nowhere/results.jsonl: No such file"),
            (["--out", "/proc/nowhere"], FAILED, "/proc/nowhere: "),
            (["--qemu", "/nowhere/qemu"], FAILED, "/nowhere/qemu is not installed"),
    ):
        done = outlive("campaign", *arguments, status=status)
        check(fragment in done.stderr and not done.stdout, f"{arguments}: {done.stderr}")
    rubbish = directory("rubbish")
    rubbish.mkdir()
    (rubbish / "results.jsonl").write_text("this is\nnot mine\n", encoding="utf-8")
    done = outlive("campaign", "--report", rubbish, status=FAILED)
    check("results.jsonl:1: no JSON" in done.stderr, f"it says: {done.stderr}")
    outlive("campaign", *SETTINGS, "--out", rubbish, status=FAILED)
    check((rubbish / "results.jsonl").read_text(encoding="utf-8") == "this is\nnot mine\n", "it was overwritten")
    kinds = json.loads(outlive("campaign", "--faults", "help", "--json").stdout)["faults"]
    check({"register", "estate"} <= {kind["name"] for kind in kinds}, f"kinds: {kinds}")


if __name__ == "__main__":
    steps.main(globals())
