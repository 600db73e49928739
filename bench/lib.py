"""What the benchmarks share: a host that is started and asked, and tables."""

import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
QEMU = os.environ.get("QEMU", "qemu-system-riscv64")
OUTLIVE = BUILD / "outlive"

# Seconds of the clock on the wall, which only bound what has gone wrong.
COMMAND_SECONDS = 20


class Unmeasured(Exception):
    """Why a figure is missing."""


class Host:
    """A host, which ends with the block, whatever has become of it. Its files are gone then, too."""

    def __init__(self, machine, vms, icount=True, qemu=QEMU):
        self.place = tempfile.TemporaryDirectory()
        self.directory = Path(self.place.name) / "run"
        self.file = Path(self.place.name) / "bench.yaml"
        # JSON is YAML.
        self.file.write_text(json.dumps({"machine": machine, "vms": vms}), encoding="utf-8")
        self.icount = icount
        self.qemu = qemu
        self.process = None
        self.error = ""

    def __enter__(self):
        with open(self.file.with_suffix(".err"), "w", encoding="utf-8") as errors:
            self.process = subprocess.Popen(
                [OUTLIVE, "run", *["--icount"][:self.icount], "--qemu", self.qemu, "--name", f"bench-{os.getpid()}",
                 "--dir", self.directory, self.file],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        return self

    def __exit__(self, *_):
        try:
            self.end()
        finally:
            self.place.cleanup()

    def end(self):
        if self.process.poll() is None:
            self.ask("poweroff", "--force")
        # QEMU ends with it.
        for end in (self.process.terminate, self.process.kill):
            try:
                self.process.wait(5)
                return
            except subprocess.TimeoutExpired:
                end()
        self.process.wait()

    def wait_for(self, what, seconds, ready):
        end = time.monotonic() + seconds
        while True:
            result = ready()
            if result:
                return result
            if self.process.poll() is not None:
                said = self.file.with_suffix(".err").read_text(encoding="utf-8", errors="replace").splitlines()
                # What an error quotes follows it, indented.
                said = [line for line in said if line and not line[0].isspace()] or ["no word why"]
                raise Unmeasured(f"the host ended: {said[-1]}")
            if time.monotonic() > end:
                raise Unmeasured(f"{what} took more than {seconds} s")
            time.sleep(0.1)

    def ask(self, *arguments, seconds=COMMAND_SECONDS):
        """The command's output; None if it failed, and then `error` is what it said."""
        try:
            # A dump of the host is what --host means there.
            which = "--on" if arguments[0] == "dump" else "--host"
            done = subprocess.run([OUTLIVE, *arguments, which, self.directory], capture_output=True, text=True,
                                  check=False, timeout=seconds)
        except subprocess.TimeoutExpired:
            self.error = f"no end within {seconds} s"
            return None
        self.error = (done.stderr.strip().splitlines() or ["no word why"])[-1]
        return done.stdout if done.returncode == 0 else None

    def console(self, vm="guest"):
        file = self.directory / f"console-{vm}.log"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def wait_for_log(self, pattern, seconds):
        """The match in the log."""
        return self.wait_for(f"\"{pattern}\" in the log", seconds, lambda: re.search(pattern, self.ask("log") or ""))

    def lives(self):
        try:
            answer = json.loads(self.ask("crash", "list", "--json") or "[]")
        except ValueError:
            answer = []
        return answer if isinstance(answer, list) else answer.get("lives", [])


def small(memory, vcpus, words, **more):
    """A VM with a guest of ours, of `memory` MiB."""
    return {"name": "guest", "vcpus": vcpus, "memory": f"{memory}MiB", "kernel": str(BUILD / "guests/bench.bin"),
            "format": "flat", "cmdline": words, **more}


def need_memory(mib):
    """The guest touches all that it has, so this machine must have it, and what QEMU takes."""
    needed = mib + 512
    free = int(re.search(r"MemAvailable: *(\d+)", Path("/proc/meminfo").read_text(encoding="utf-8"))[1]) >> 10
    if free < needed:
        raise Unmeasured(f"needs {needed:,} MiB of free memory, here are {free:,}")


def number_of(value):
    return "-" if value is None else f"{value:,.0f}"


def print_table(header, rows, left=(0,)):
    """The columns of `left` begin at their left; -1 is the last. A row of two is a name and why there are no figures."""
    left = [column % len(header) for column in left]
    full = [header] + [row for row in rows if len(row) > 2 or len(header) == 2]
    widths = [max(len(row[i]) for row in full) for i in range(len(header))]
    widths[0] = max(len(row[0]) for row in [header] + rows)
    for row in [header, ["-" * width for width in widths]] + rows:
        if len(row) == len(header):
            row = [text.ljust(width) if i in left else text.rjust(width) for i, (text, width) in enumerate(zip(row, widths))]
        else:
            row = [row[0].ljust(widths[0]), row[1]]
        print("  ".join(row).rstrip())
