"""What guests say on their consoles: the reports of guests/linux/workload, and signs of trouble from the kernel."""

import re
import subprocess
import threading
import time

from .steps import Failure, check

REPORT = re.compile(r"WORKLOAD (t=.* errors=\d+)")
# What a healthy Linux guest never prints.
TROUBLE = re.compile(r"WORKLOAD ERROR|Oops|BUG:|Unable to handle|Kernel panic|I/O error|soft lockup|blocked for more than|"
                     r"rcu: INFO|Call Trace|clocksource: .*unstable|cannot load|no network")
NUMBERS = ("mem", "disk", "net", "lost", "dup", "served", "regs", "gap_ms", "max_gap_ms", "errors")


def parse_report(line):
    """The figures of a line of the workload, with "-" as None; None if the line is none."""
    found = REPORT.search(line)
    if not found:
        return None
    try:
        report = dict(word.split("=", 1) for word in found.group(1).split())
        for name in NUMBERS:
            report[name] = None if report[name] == "-" else int(report[name])
        report["t"] = float(report["t"])
        report["boot_id"], report["clock"]  # must be there
    except (ValueError, KeyError):
        return None  # a line that others have written into
    return report


class Console:
    """`outlive console` on a pipe: reads all that the guest has said and says, and writes to it."""

    def __init__(self, command, environment, on_line=None):
        self.lines = []  # (monotonic time, text)
        self.reports = []  # (monotonic time, figures)
        self.on_line = on_line
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, start_new_session=True)
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for raw in self.process.stdout:
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            report = parse_report(line)
            with self.changed:
                self.lines.append((time.monotonic(), line))
                if report:
                    self.reports.append((time.monotonic(), report))
                self.changed.notify_all()
            if self.on_line:
                self.on_line(line)
        with self.changed:
            self.changed.notify_all()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.reader.join(5)

    def type(self, text):
        """Types a line."""
        self.process.stdin.write(text.encode() + b"\r")
        self.process.stdin.flush()

    def mark(self):
        """A position for `after`: the lines that come from now on."""
        return len(self.lines)

    def text(self, after=0):
        return "\n".join(line for _, line in self.lines[after:])

    def wait(self, pattern, seconds, after=0):
        """Waits for a line that matches; returns the match."""
        end = time.monotonic() + seconds
        at = after
        with self.changed:
            while True:
                while at < len(self.lines):
                    found = re.search(pattern, self.lines[at][1])
                    if found:
                        return found
                    at += 1
                left = end - time.monotonic()
                if left <= 0:
                    break
                self.changed.wait(min(left, 1))
        said = self.text(after).splitlines()
        raise Failure(f"the guest did not say {pattern!r} within {seconds} s; its last lines were:\n        " +
                      "\n        ".join(said[-12:] or ["(nothing)"]))

    def ask(self, command, pattern, seconds=20):
        """Types a command to the guest's shell and waits for a line of its answer."""
        after = self.mark()
        self.type(command)
        return self.wait(pattern, seconds, after)

    def shell(self, seconds=120, after=0):
        """Waits for initrd's shell to take input."""
        self.wait(r"initrd's shell", seconds, after)
        # It may lose what is typed before it has the terminal.
        for attempt in range(10):
            try:
                self.ask(f"echo ready-$(({attempt}+100))", rf"^ready-{attempt + 100}", 3)
                return
            except Failure:
                continue
        raise Failure("the guest's shell does not answer")

    def latest(self):
        return self.reports[-1][1] if self.reports else None

    def wait_report(self, seconds, accept=lambda report: True, what="a new report", after=0.0):
        """Waits for a report of the workload that was made after a time and is acceptable; returns it."""
        end = time.monotonic() + seconds
        with self.changed:
            while True:
                for when, report in reversed(self.reports):
                    if when <= after:
                        break
                    if accept(report):
                        return report
                left = end - time.monotonic()
                if left <= 0:
                    break
                self.changed.wait(min(left, 1))
        raise Failure(f"waited {seconds:.0f} s for {what} of the workload's; the last was {self.latest()}")

    def progress(self, seconds, since=None):
        """Waits until every counter that is in use has moved on since a report (or now)."""
        base = since or self.latest() or {}
        moving = [n for n in ("mem", "disk", "net", "regs") if base.get(n) is not None]
        return self.wait_report(seconds, lambda r: r["t"] > base.get("t", -1) and all(r[n] > base[n] for n in moving),
                                f"a report with progress in {', '.join(moving) or 'anything'} since {base}")

    def check_healthy(self, boot_id=None):
        """No error so far, no complaint of the kernel, and no other boot after that one."""
        for _, line in self.lines:
            check(not TROUBLE.search(line), f"the guest says: {line}")
        last = self.latest()
        if last:
            check(last["errors"] == 0 and last["clock"] == "ok", f"the workload reports errors: {last}")
        boots = [report["boot_id"] for _, report in self.reports]
        later = boots[boots.index(boot_id):] if boot_id in boots else boots
        check(boot_id is None or set(later) == {boot_id}, f"the guest has another boot id: {later[-1]} after {boot_id}")
