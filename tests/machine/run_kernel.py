#!/usr/bin/env python3
"""`outlive run --kernel`: a VM without a host file, whose console is the terminal, and which ends with an exit status.
timeout: 300 s
"""

import os
import pty
import re
import select
import signal
import subprocess
import termios
import time

from lib import steps
from lib.guest import parse_report
from lib.host import BUILD, INITRD, OUTLIVE, disk, environment, image, outlive, scratch
from lib.steps import Failure, check, note

KERNEL = ["run", "--kernel", str(image()), "--initrd", str(INITRD)]
SECONDS = 120


# The shell's prompt, and the question for the cursor's place that its line editor may ask behind it.
PROMPT = r"# (\x1b\[6n)?$"


class Terminal:
    """A terminal with `outlive run --kernel` in it."""

    def __init__(self, *arguments):
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.text = ""
        self.process = subprocess.Popen([str(OUTLIVE), *arguments], env=environment(), stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            print("    the terminal shows last:\n      | " + "\n      | ".join(self.text.splitlines()[-25:]))
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def _read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.text += os.read(self.master, 65536).decode("utf-8", "replace")
            return True
        return False

    def wait(self, pattern, seconds, after=0):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text[after:], re.M):
            check(self.process.poll() is None or self._read(0.2), f"it ended (status {self.process.returncode}) without "
                  f"showing {pattern!r}")
            check(time.monotonic() < end, f"the terminal did not show {pattern!r} within {seconds} s")
            self._read(0.5)

    def type(self, text):
        os.write(self.master, text.encode())

    def ask(self, command, pattern, seconds=20):
        after = len(self.text)
        self.type(command + "\r")
        self.wait(pattern, seconds, after)

    def end(self, seconds):
        """Waits for the command to end; its status."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() >= end:
                raise Failure(f"it did not end within {seconds} s")
            self._read(0.2)
        while self._read(0):
            pass
        check(termios.tcgetattr(self.slave) == self.before, "the terminal is not as it was before")
        return self.process.returncode


def step_works_and_ends_with_status_0():
    append = 'console=ttyS0 quiet "outlive.run=/bin/workload seconds=3 memory=4" outlive.poweroff'
    begin = time.monotonic()
    done = outlive(*KERNEL, "--append", append, "--vcpus", "2", "--memory", "256MiB", "--disk", disk("k.disk"),
                   seconds=SECONDS)
    note(f"from nothing to power-off in {time.monotonic() - begin:.1f} s")
    reports = [r for r in map(parse_report, done.stdout.splitlines()) if r]
    check(reports and reports[-1]["disk"] and reports[-1]["errors"] == 0, f"the workload reports: {reports[-1:]}")
    check("INIT: /bin/workload ended with status 0" in done.stdout, "the last words are missing")
    check("reboot: Power down" in done.stdout, "the kernel's very last words are missing")
    check(re.search(r'outlive: starting "kernel-\d+"', done.stderr), f"on stderr: {done.stderr}")


def step_console_is_the_terminal():
    with Terminal(*KERNEL, "--append", "console=ttyS0 quiet", "--memory", "192MiB") as terminal:
        terminal.wait("initrd's shell", SECONDS)
        terminal.wait(PROMPT, 20)
        terminal.ask("echo typed-$((40+2))", "^typed-42")
        # Ctrl-C is the guest's.
        terminal.type("sleep 1000\r")
        time.sleep(1)
        terminal.type("\x03")
        terminal.ask("echo after-$((1+1))", "^after-2")
        # Ctrl-A Ctrl-A is a Ctrl-A, which the shell's line editor takes for "begin of the line".
        terminal.ask("$((2+3))\x01\x01echo begin-", "^begin-5")
        terminal.type("poweroff -f\r")
        status = terminal.end(30)
        check(status == 0, f"the guest powered off, and the status is {status}")


def step_ctrl_a_x_quits():
    with Terminal(*KERNEL, "--append", "console=ttyS0 quiet", "--memory", "192MiB") as terminal:
        terminal.wait("starting", 20)
        time.sleep(3)
        terminal.type("\x01x")
        status = terminal.end(20)
        check(status == 0, f"Ctrl-A x, and the status is {status}")
    outlive("ps", status=3)


def step_signal_ends_it():
    with Terminal(*KERNEL, "--append", "console=ttyS0 quiet", "--memory", "192MiB") as terminal:
        terminal.wait("starting", 20)
        time.sleep(3)
        terminal.process.send_signal(signal.SIGTERM)
        terminal.end(20)
        steps.wait_for("the host to end", 15, lambda: outlive("ps", status=None).returncode == 3)


def step_pipes_at_both_ends():
    # Typed before there is anybody: a terminal would keep it as well.
    with subprocess.Popen([OUTLIVE, *KERNEL, "--append", "console=ttyS0 quiet", "--memory", "192MiB"], env=environment(),
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            text = ""
            end = time.monotonic() + SECONDS
            while "initrd's shell" not in text and time.monotonic() < end:
                text += os.read(process.stdout.fileno(), 4096).decode("utf-8", "replace")
            time.sleep(3)
            out, said = process.communicate(b"echo piped-$((6*7)); poweroff -f\r", timeout=60)
        finally:
            process.kill()
    check(b"piped-42" in out, f"the guest's answer did not come out: {out[-300:]!r}")
    check(process.returncode == 0, f"status {process.returncode}: {said!r}")


def step_reboot_starts_again():
    with Terminal(*KERNEL, "--append", "console=ttyS0 quiet", "--memory", "192MiB") as terminal:
        terminal.wait("initrd's shell", SECONDS)
        terminal.wait(PROMPT, 20)
        after = len(terminal.text)
        terminal.type("reboot -f\r")
        terminal.wait("initrd's shell", SECONDS, after)
        terminal.wait(PROMPT, 20, after)
        terminal.type("poweroff -f\r")
        check(terminal.end(30) == 0, "reboot, then power-off, and the status is not 0")


def step_flat_kernel():
    """A flat binary of our own; it ends by itself."""
    kernel = BUILD / "guests/hostile.bin"
    done = outlive("run", "--kernel", kernel, "--flat", "--memory", "32MiB", "--append", "seconds=3 only=0", seconds=60)
    check("HOSTILE end" in done.stdout, f"it said: {done.stdout[-300:]}")


def step_guest_that_cannot_run_ends_with_status_1():
    """A flat kernel that asks for a shutdown because of a failure."""
    # li a7, 0x53525354 (SRST); li a6, 0; li a0, 0 (shutdown); li a1, 1 (system failure); ecall
    code = [0x535258b7, 0x35488893, 0x00000813, 0x00000513, 0x00100593, 0x00000073, 0x0000006f]
    kernel = scratch() / "fails.bin"
    kernel.write_bytes(b"".join(word.to_bytes(4, "little") for word in code).ljust(4096, b"\0"))
    done = outlive("run", "--kernel", kernel, "--flat", "--memory", "16MiB", status=1, seconds=60)
    check("error: the VM has crashed: guest failure" in done.stderr, f"it said: {done.stderr}")


if __name__ == "__main__":
    steps.main(globals())
