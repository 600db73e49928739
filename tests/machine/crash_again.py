#!/usr/bin/env python3
"""Crashes while a crash is being recovered from: at points of the heir's start that a debugger picks, and by injections
that come as fast as they can.
timeout: 300 s
"""

import subprocess
import time

from lib import steps
from lib.debugger import qemu_with_debugger
from lib.host import BUILD, CRASHES_AT_WILL, OUTLIVE, Host, environment, scratch, worker
from lib.steps import check, note, wait_for

# Functions of the heir, in the order in which it comes to them.
POINTS = ("adopt_redo", "adopt_vms", "adopt_resume")
SLOTS = (0x80200000, 0x80a00000)


class Debugger:
    """gdb, which sends a hart to an address that is not mapped when it comes to a function in one of the slots."""

    def __init__(self, function, slot):
        elf = BUILD / "outlive.elf"
        commands = ["set pagination off", "set confirm off", "set architecture riscv:rv64", f"add-symbol-file {elf} -o {slot}",
                    f"target remote {scratch()}/gdb", f"hbreak {function}", "echo armed\\n", "continue",
                    "echo reached\\n", "set var $pc = 0x10", "delete", "detach", "quit"]
        arguments = ["gdb-multiarch", "--nx", "--batch", "-q"]
        for command in commands:
            arguments += ["-ex", command]
        self.log = open(scratch() / "gdb.log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def said(self, word):
        return word in (scratch() / "gdb.log").read_text(encoding="utf-8", errors="replace").splitlines()

    def wait(self, word, seconds):
        wait_for(f"gdb to say {word!r}", seconds, lambda: self.said(word))

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


def pair():
    return [worker("a", address="10.0.0.1", peer="10.0.0.2", vcpus=2),
            worker("b", address="10.0.0.2", peer="10.0.0.1", vcpus=2)]


def step_heir_dies_at_chosen_points():
    # No watchdog: it would find the time that gdb takes.
    with Host({"harts": 4, **CRASHES_AT_WILL, "watchdog": "off"}, pair(), "--qemu", qemu_with_debugger()) as host:
        before = host.workloads()
        life = 1
        for point in POINTS:
            debugger = Debugger(point, SLOTS[life % 2])
            try:
                debugger.wait("armed", 20)
                time.sleep(1)
                host.run("crash", "inject", "panic", "--timeout", "30", seconds=60, status=None)
                debugger.wait("reached", 20)
                debugger.process.wait(20)
            finally:
                debugger.close()
            life += 2
            wait_for(f"life {life}", 30, lambda: host.life() == life)
            middle, last = host.lives()[-2], host.lives()[-3]
            note(f"{point}: life {middle['life']} ended by {middle['cause']}: {middle['text']}")
            check(last["cause"] == "panic" and middle["cause"] in ("trap", "adoption"),
                  f"a crash during recovery was recorded as {last['cause']}, {middle['cause']}")
            host.check_alive(before)


def step_injections_on_top_of_each_other():
    with Host({"harts": 4, **CRASHES_AT_WILL}, pair()) as host:
        before = host.workloads()
        for kinds in (("panic", "panic"), ("trap", "stack"), ("hang", "panic"), ("wild-write",) * 4):
            life = host.life()
            injectors = [subprocess.Popen([OUTLIVE, "crash", "inject", kind, "--host", host.name], env=environment(),
                                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                         for kind in kinds]
            for injector in injectors:
                injector.wait(60)
            host.check_alive(before)
            now = host.life()
            note(f"{' + '.join(kinds)}: {now - life} lives ended")
            check(life < now <= life + len(kinds), f"{len(kinds)} injections, and life {life} became life {now}")


def step_injected_as_soon_as_the_heir_says_hello():
    with Host({"harts": 4, **CRASHES_AT_WILL}, pair()) as host:
        before = host.workloads()
        life = host.life()
        begin = time.monotonic()
        for turn in range(10):
            host.crash(("panic", "trap", "stack", "wild-write")[turn % 4])
        note(f"10 crashes within {time.monotonic() - begin:.1f} s")
        check(host.life() == life + 10, f"10 crashes led from life {life} to life {host.life()}")
        host.check_alive(before)


if __name__ == "__main__":
    steps.main(globals())
