#!/usr/bin/env python3
"""The demonstration: a hypervisor that is made to crash again and again, and guests that do not notice.

    tools/demo.py          ("make demo" builds what it needs and runs it)

Starts the host of examples/demo.yaml, two Debian guests whose workload checks its own memory, disk, network, clock and
registers; crashes the hypervisor under them in five ways; and shows it live: on a terminal as a picture that changes, on
anything else as lines. Then shows what is left of the dead lives, and that their dumps open. Ends by itself, in about a
minute and a half.

The exit status is 0 if each crash was followed by a new life, and every guest is still in the same boot, going on, and
without an error. What was seen is also written to build/demo.json. BUILD names another build directory, COLUMNS another
width.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
sys.path.insert(0, str(ROOT / "tests/machine"))
from demo_evidence import Evidence, EvidenceError  # noqa: E402
from lib.guest import Console  # noqa: E402  (what guests say is read here as the tests read it)

OUTLIVE = BUILD / "outlive"
HOST_FILE = ROOT / "examples/demo.yaml"
PLACE = BUILD / "demo"
HOST = "demo"

# kind, what is done, what to look for
CRASHES = [
    ("panic", "gives up by itself, as when an assertion fails",
     "The warden below it has started an heir from a pristine image, which was left nothing but the estate."),
    ("wild-write", "writes through a wild pointer",
     "Guest RAM is not mapped in the hypervisor, so that the store faults and hits nobody."),
    ("hang", "spins for ever, with interrupts off",
     "Nobody cries for help: the warden's watchdog has to find it, and guests run on as long as they need nothing."),
    ("trap", "reads from an address that is not mapped",
     "Harts that are inside a guest are left running until they exit, and park with their registers intact."),
    ("stack", "recurses without end",
     "The stack runs into its guard page, and what is left of it is enough for a last word."),
]

STEPS = [("stopped", "fault_to_stopped_us"), ("heir entered", "stopped_to_heir_us"),
         ("estate adopted", "heir_to_adopted_us"), ("first guest", "adopted_to_first_guest_us"),
         ("all guests", "first_to_last_guest_us")]

BOOT_SECONDS = 110
ALL_SECONDS = 200
CALM_SECONDS = 3.0  # between crashes, so that there is something to see
HEIR_SECONDS = 15
GOING_ON_SECONDS = 20


class DemoError(Exception):
    pass


# ---- What is shown ----

class Picture:
    """Lines that stay, and below them, on a terminal, a few that are drawn again and again."""

    COLOURS = {"red": "31;1", "green": "32", "yellow": "33", "blue": "34;1", "magenta": "35", "cyan": "36", "bold": "1",
               "dim": "2"}

    def __init__(self):
        self.is_live = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.has_colour = self.is_live and "NO_COLOR" not in os.environ
        self.has_blocks = "utf" in (sys.stdout.encoding or "").lower()
        self.drawn = 0
        self.begun = time.monotonic()
        if self.is_live:
            sys.stdout.write("\x1b[?25l")

    @property
    def width(self):
        return shutil.get_terminal_size((100, 24)).columns

    def paint(self, text, colour):
        return f"\x1b[{self.COLOURS[colour]}m{text}\x1b[0m" if self.has_colour and colour else text

    def _erase(self):
        if self.drawn:
            sys.stdout.write(f"\x1b[{self.drawn}A\r\x1b[J")
            self.drawn = 0

    def say(self, text="", colour=None, clock=True):
        """A line that stays."""
        self._erase()
        seconds = int(time.monotonic() - self.begun)
        stamp = f"{seconds // 60}:{seconds % 60:02}" if clock and text else ""
        width = max(40, self.width - 7) if self.is_live else 1000
        # What is painted already has been made to fit.
        for line in textwrap.wrap(text, width) if len(text) > width and "\x1b" not in text else [text.rstrip()]:
            sys.stdout.write((self.paint(f"{stamp:<6}", "dim") + self.paint(line, colour) if line else "") + "\n")
            stamp = ""
        sys.stdout.flush()

    def draw(self, lines):
        """The lines that change; each a list of (text, colour)."""
        if not self.is_live:
            return
        out = []
        for pieces in lines:
            left, line = self.width - 1, ""
            for text, colour in pieces:
                line += self.paint(text[:left], colour)
                left -= len(text[:left])
            out.append(line + "\x1b[K\n")
        up = f"\x1b[{self.drawn}A\r" if self.drawn else ""
        sys.stdout.write(up + "".join(out) + "\x1b[J")
        sys.stdout.flush()
        self.drawn = len(out)

    def close(self):
        self._erase()
        if self.is_live:
            sys.stdout.write("\x1b[?25h")
        sys.stdout.flush()

    def spark(self, gaps):
        """A gap a character, each step twice as long: 10, 20, 40 ... ms."""
        marks = "▁▂▃▄▅▆▇█" if self.has_blocks else "_.-=+*%#"
        return "".join(marks[min(len(marks) - 1, max(0, (gap // 10).bit_length()))] for gap in gaps)


def milliseconds(us):
    if us is None:
        return "?"
    return f"{us / 1000:.1f}" if us < 100000 else f"{us / 1000:.0f}"


# ---- The host ----

def outlive(*arguments, seconds=30):
    """Runs the command; its output. A DemoError with its message if it fails."""
    command = [str(OUTLIVE), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds,
                              stdin=subprocess.DEVNULL, start_new_session=True, check=False)
    except subprocess.TimeoutExpired:
        raise DemoError(f"outlive {arguments[0]} did not end within {seconds} s") from None
    except OSError as error:
        raise DemoError(f"{OUTLIVE}: {error.strerror} (\"make\" builds it)") from None
    if done.returncode:
        said = [line for line in done.stderr.strip().splitlines() if line] or [f"status {done.returncode}"]
        reason = next((line for line in said if "error:" in line), said[0])
        raise DemoError(f"outlive {arguments[0]}: {reason.removeprefix('outlive: ').removeprefix('error: ')}")
    return done.stdout


def ask(*arguments, **more):
    return json.loads(outlive(*arguments, "--json", "--host", HOST, **more))


def has_dump(life):
    dumps = json.loads(outlive("dump", "--host", "--list", "--json", "--on", HOST))["dumps"]
    return any(dump["life"] == life and dump["state"] == "complete" for dump in dumps)


class Waiting:
    """A condition that is looked at twice a second only."""

    def __init__(self, condition):
        self.condition, self.next = condition, 0.0

    def __call__(self):
        if time.monotonic() < self.next:
            return False
        self.next = time.monotonic() + 0.5
        return self.condition()


class Guest:
    def __init__(self, name):
        self.name = name
        self.console = Console([str(OUTLIVE), "console", name, "--backlog", "--host", HOST], dict(os.environ))
        self.boots = None

    @property
    def reports(self):
        return self.console.reports

    def latest(self):
        return self.console.latest()

    def moved_on(self, base):
        """True if every counter is past a report."""
        last = self.latest()
        return bool(last and base and last["t"] > base["t"] and
                    all(last[n] is not None and last[n] > base[n] for n in ("mem", "disk", "net", "regs")))

    def is_at_work(self):
        last = self.latest()
        return bool(last and all(last[n] for n in ("mem", "disk", "net", "regs")))

    def boot_ids(self):
        return {report["boot_id"] for _, report in self.reports}

    def errors(self):
        last = self.latest()
        return last["errors"] if last else None

    def longest_gap(self, begin=0.0, end=float("inf")):
        """In the reports that came within a span of time; ms, or None."""
        return max((report["gap_ms"] for when, report in list(self.reports) if begin <= when < end), default=None)

    def last_line(self):
        for _, line in reversed(self.console.lines[-20:]):
            if line.strip():
                return line.strip()
        return "(nothing yet)"


class Demo:
    def __init__(self):
        self.picture = Picture()
        self.deadline = time.monotonic() + ALL_SECONDS
        self.guests = []
        self.crashes = []  # what is known of each, in order
        self.life = 0
        self.life_since = 0.0
        self.is_dead = False  # a crash is under way
        self.is_up = False
        self.lines_at = 0.0

    # ---- Live ----

    def hypervisor_line(self):
        age = time.monotonic() - self.life_since
        count = len(self.crashes)
        crashes = f"{count} crash{'' if count == 1 else 'es'} behind it" if count else "no crash yet"
        if self.is_dead:
            return [("  hypervisor  ", "bold"), (f"life {self.life} is being ended ...", "red")]
        return [("  hypervisor  ", "bold"), (f"life {self.life}", "green"), (f"  for {age:.0f} s, {crashes}", None)]

    def guest_line(self, guest):
        last = guest.latest()
        name = (f"  {guest.name:<12}", "bold")
        if not last:
            return [name, ("boots: ", "yellow"), (guest.last_line(), "dim")]
        gaps = [report["gap_ms"] for _, report in guest.reports[-24:]]
        unit = {n: "-" if last[n] is None else f"{last[n]:,}" for n in ("mem", "disk", "net")}
        errors = last["errors"]
        return [name, (f"{last['t']:5.0f} s {unit['mem']:>9} {unit['disk']:>9} {unit['net']:>9}", None),
                (f" {errors:>7}", "red" if errors else "green"), (f"  {last['gap_ms']:>5}/{last['max_gap_ms']:<5} ", None),
                (self.picture.spark(gaps), "cyan")]

    def show(self):
        if self.picture.is_live:
            head = f"  {'':<12}{'up':>7} {'MiB':>9} {'blocks':>9} {'echoes':>9} {'errors':>7}  gap ms/max  gaps, each second"
            self.picture.draw([[("", None)], self.hypervisor_line(), [("", None)], [(head, "dim")],
                               *(self.guest_line(guest) for guest in self.guests), [("", None)]])
        elif time.monotonic() - self.lines_at >= 5:
            self.lines_at = time.monotonic()
            for guest in self.guests:
                last = guest.latest()
                if not last:
                    self.picture.say(f"{guest.name}: boots: {guest.last_line()[:100]}")
                    continue
                self.picture.say(f"{guest.name}: up {last['t']:.0f} s, verified {last['mem']} MiB, {last['disk']} blocks, "
                                 f"{last['net']} echoes, errors {last['errors']}, gap {last['gap_ms']} ms, "
                                 f"longest {last['max_gap_ms']} ms")

    def watch(self, seconds, until, what):
        """Shows what goes on until until() is true. `what`: what has not happened if it never is; None: that is no error."""
        end = time.monotonic() + seconds
        while not until():
            now = time.monotonic()
            if now >= self.deadline:
                raise DemoError(f"it all took longer than {ALL_SECONDS} s: too busy a machine?")
            for guest in self.guests:
                if guest.console.process.poll() is not None:
                    raise DemoError("the host has ended; its logs are in " + str(PLACE / "host"))
            self.check_guests()
            if now >= end:
                if what:
                    raise DemoError(f"{what} within {seconds:.0f} s")
                return
            self.show()
            time.sleep(0.1)
        self.show()

    # ---- The acts ----

    def start(self):
        if not OUTLIVE.exists():
            raise DemoError(f"{OUTLIVE} is not there; \"make\" builds it")
        text = HOST_FILE.read_text(encoding="utf-8")
        PLACE.mkdir(exist_ok=True)
        file = PLACE / HOST_FILE.name
        # The same file, wherever the build directory is.
        file.write_text(text.replace("../build/", f"{BUILD}/"), encoding="utf-8")
        # Evidence of this run only: lives are counted anew.
        for old in ("blackbox", "dumps"):
            (PLACE / old).unlink(missing_ok=True)
        self.picture.say("Outlive starts in QEMU: 4 harts, 2 GiB, two Debian guests.", "bold")
        self.is_up = True  # or will be, should this be interrupted
        try:
            outlive("run", "--detach", str(file), "--dir", str(PLACE / "host"), seconds=60)
        except DemoError:
            self.is_up = False  # and if a host of that name is, then it is not ours
            raise
        seen = ask("ps")
        self.life = seen["host"]["life"]
        self.life_since = time.monotonic()
        self.guests = [Guest(vm["name"]) for vm in seen["vms"]]
        self.picture.say(f"(to look at a guest, in another terminal: {os.path.relpath(OUTLIVE)} console "
                         f"{self.guests[0].name} --host {HOST})", "dim", clock=False)

    def boot(self):
        self.watch(BOOT_SECONDS, lambda: all(guest.is_at_work() for guest in self.guests), "the guests were not at work")
        self.picture.say("Both guests are at work: they write and verify memory, disk and registers, send each other "
                         "packets, and watch the clock. Whatever is wrong, they count as an error.", "green")
        now = time.monotonic()
        self.watch(CALM_SECONDS, lambda: time.monotonic() >= now + CALM_SECONDS, None)

    def inject(self, kind):
        """Crashes the host while the picture goes on; what `outlive crash inject` said of it."""
        result = {}

        def run():
            try:
                result["dead"] = ask("crash", "inject", kind, "--timeout", str(HEIR_SECONDS), seconds=HEIR_SECONDS + 10)
            except (DemoError, ValueError) as error:
                result["error"] = error

        self.is_dead = True
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.watch(HEIR_SECONDS + 12, lambda: not thread.is_alive(), "no answer to the injection came")
        self.is_dead = False
        if "error" in result:
            raise DemoError(f"{kind}: {result['error']}")
        return result["dead"]

    def asked_at(self):
        """When the host was last told to crash, in its own seconds, by its log; None if it does not say."""
        asked = None
        for line in outlive("log", "--host", HOST).splitlines():
            if "of kind" in line and line.startswith("["):
                asked = float(line[1:].split("]")[0])
        return asked

    def crash(self, number, kind, what, comment):
        self.picture.say()
        self.picture.say(f"Crash {number} of {len(CRASHES)}, {kind}: the hypervisor {what}.", "red")
        begun = time.monotonic()
        before = self.life
        bases = [guest.latest() for guest in self.guests]
        dead = self.inject(kind)
        host = ask("ps")["host"]
        self.life, self.life_since = host["life"], time.monotonic()
        if dead.get("life") != before or self.life != before + 1 or dead.get("vms_lost"):
            raise DemoError(f"{kind}: life {before} was followed by life {self.life}, and {dead.get('vms_lost', '?')} guests "
                            "were lost")
        crash = {"kind": kind, "recorded": dead["cause"], "begun": begun, "pause_us": dead["fault_to_last_guest_us"],
                 "dead": dead}
        self.crashes.append(crash)
        self.picture.say(f"Life {before} is dead ({dead['cause']}), life {self.life} goes on. {comment}", "yellow")
        self.show_timeline(dead, self.asked_at())
        self.watch(GOING_ON_SECONDS, lambda: all(g.moved_on(b) for g, b in zip(self.guests, bases)),
                   f"after the {kind}, not everything in the guests went on")
        self.watch(GOING_ON_SECONDS, Waiting(lambda: has_dump(before)), f"life {before} was not dumped")
        after = time.monotonic()
        # A report that covers the crash may be a second late.
        self.watch(CALM_SECONDS, lambda: time.monotonic() >= after + CALM_SECONDS, None)
        crash["gaps"] = {guest.name: guest.longest_gap(begun) for guest in self.guests}
        gaps = ", ".join(f"{name} {gap} ms" for name, gap in crash["gaps"].items())
        self.picture.say(f"Guests went on where they were; their longest gap: {gaps}.", "green")
        self.check_guests()

    def show_timeline(self, dead, asked):
        """The pause as a bar, each step as wide as it took long, and its numbers."""
        times = [dead.get(key) or 0.0 for _, key in STEPS]
        total = dead["fault_to_last_guest_us"]
        if total is None:
            raise DemoError(f"life {dead['life']} was not followed by its last guest")
        colours = ["red", "magenta", "blue", "cyan", "green"]
        if asked is not None and dead["ended_seconds"] - asked > 0.1:
            self.picture.say(f"Found after {dead['ended_seconds'] - asked:.1f} s, and from then:", clock=False)
        width = max(20, min(60, self.picture.width - 30))
        marks = "█▓▒░·" if self.picture.has_blocks else "#=+-."
        bar = ""
        for i, (took, colour) in enumerate(zip(times, colours)):
            bar += self.picture.paint(marks[i] * max(1, round(width * took / total)) if total else "", colour)
        self.picture.say(f"{bar} {milliseconds(total)} ms", clock=False)
        self.picture.say("  ".join(self.picture.paint(f"{marks[i]} {name} {milliseconds(took)}", colour)
                                   for i, ((name, _), took, colour) in enumerate(zip(STEPS, times, colours))), clock=False)

    def check_guests(self):
        for guest in self.guests:
            if len(guest.boot_ids()) > 1:
                raise DemoError(f"{guest.name} has booted anew")
            if guest.errors():
                line = next((text for _, text in guest.console.lines if "WORKLOAD ERROR" in text), "")
                raise DemoError(f"{guest.name} reports {guest.errors()} errors: {line}")

    # ---- The end ----

    def summary(self):
        first_crash = self.crashes[0]["begun"] if self.crashes else float("inf")
        # The second in which the workload starts is no measure of anything.
        calm = {g.name: g.longest_gap(end=first_crash) for g in self.guests}
        say = lambda text="", colour=None: self.picture.say(text, colour, clock=False)  # noqa: E731
        say()
        say(f"{'life':<6}{'ended by':<13}{'recorded as':<13}{'pause of the guests, ms':<26}" +
            "".join(f"{'gap in ' + g.name:>15}" for g in self.guests), "bold")
        for crash in self.crashes:
            dead = crash["dead"]
            gaps = crash.get("gaps", {})
            say(f"{dead['life']:<6}{crash['kind']:<13}{crash['recorded']:<13}{milliseconds(crash['pause_us']):<26}" +
                "".join(f"{str(gaps.get(g.name, '?')) + ' ms':>15}" for g in self.guests))
        say(f"{self.life:<6}{'goes on':<13}{'':<13}{'without a crash:':<26}" +
            "".join(f"{str(calm[g.name]) + ' ms':>15}" for g in self.guests))
        say()
        say(f"{'guest':<10}{'boot':<42}{'same boot':<11}{'errors':>7}{'longest gap':>14}", "bold")
        for guest in self.guests:
            last = guest.latest() or {}
            same = len(guest.boot_ids()) == 1
            say(f"{guest.name:<10}{last.get('boot_id', '?'):<42}{'yes' if same else 'NO':<11}{last.get('errors', '?'):>7}"
                f"{str(last.get('max_gap_ms', '?')) + ' ms':>14}", None if same and not last.get("errors") else "red")
        say()

    def show_evidence(self):
        def run(*arguments, by="--host"):
            return outlive(*arguments, by, HOST, seconds=60)

        try:
            Evidence(run, lambda text="", colour=None: self.picture.say(text, colour, clock=False), self.crashes, BUILD,
                     PLACE).show(self.guests[0].name)
        except EvidenceError as error:
            raise DemoError(str(error)) from None
        # Looking at the dead has harmed nobody.
        bases = [guest.latest() for guest in self.guests]
        self.watch(GOING_ON_SECONDS, lambda: all(g.moved_on(b) for g, b in zip(self.guests, bases)),
                   "after the dumps, not everything in the guests went on")

    def write_result(self):
        result = {
            "lives": self.life,
            "crashes": [{"cause": crash["kind"], "recorded": crash["recorded"], "pause_us": crash["pause_us"]}
                        for crash in self.crashes],
            "guests": [{"name": guest.name, "boot_id_same": len(guest.boot_ids()) == 1, "errors": guest.errors(),
                        "longest_gap_ms": (guest.latest() or {}).get("max_gap_ms")} for guest in self.guests],
        }
        (BUILD / "demo.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")

    def run(self):
        self.start()
        self.boot()
        for number, (kind, what, comment) in enumerate(CRASHES, 1):
            self.crash(number, kind, what, comment)
        if self.life != 1 + len(CRASHES):
            raise DemoError(f"{len(CRASHES)} crashes, but life {self.life}")
        self.show_evidence()
        self.write_result()
        self.summary()
        self.picture.say(f"{len(CRASHES)} crashes of the hypervisor, {self.life} lives, and no guest has noticed more than a "
                         "pause.", "green", clock=False)

    def close(self):
        """Ends what was started, whatever state it is in."""
        for guest in self.guests:
            guest.console.close()
        if self.is_up:
            try:
                outlive("poweroff", "--force", "--host", HOST)
            except DemoError:
                end_process(PLACE / "host")
        self.picture.close()


def end_process(directory):
    """The host did not hear: end `outlive run`, and QEMU goes with it."""
    for file, program in (("pid", "outlive"), ("qemu.pid", "qemu")):
        try:
            pid = int((directory / file).read_text())
            if program in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode():
                os.kill(pid, signal.SIGKILL)
        except (OSError, ValueError):
            pass


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    demo = Demo()
    failure, status = None, 0
    try:
        demo.run()
    except KeyboardInterrupt:
        failure, status = "interrupted", 130
    except DemoError as error:
        failure, status = str(error), 1
        if demo.guests:
            demo.write_result()
    except OSError as error:
        failure, status = f"{error.filename}: {error.strerror}", 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    demo.close()
    if failure:
        print(f"demo: {failure}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
