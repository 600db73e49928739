#!/usr/bin/env python3
"""The processes of a host are killed: what is left says so and cleans up, and the host can be started again.
timeout: 180 s
"""

import os
import signal
import subprocess
import time

from lib import steps
from lib.host import OUTLIVE, Host, environment, is_running, kill, linux, outlive
from lib.steps import check, wait_for


def vms():
    return [linux("a", memory="192MiB")]


def foreground(host):
    """The host in the foreground, and its processes once it is up."""
    process = subprocess.Popen([OUTLIVE, "run", host.file, "--name", host.name], env=environment(), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    wait_for("the host to be up", 30, lambda: outlive("ps", "--host", host.name, status=None).returncode == 0)
    return process, host.pids()


def step_qemu_is_killed():
    host = Host({"harts": 1}, vms())
    process, pids = foreground(host)
    try:
        kill(pids["qemu"], signal.SIGKILL)
        said, _ = process.communicate(timeout=10)
        check(process.returncode == 1, f"run ended with status {process.returncode} when QEMU was killed")
        last = said.splitlines()[-1]
        check("error: QEMU was killed by signal 9" in last, f"run said last: {last!r}")
    finally:
        process.kill()
        host.end()
    outlive("ps", "--host", host.name, status=3)


def step_qemu_of_a_detached_host_is_killed():
    with Host({"harts": 1}, vms()) as host:
        pids = host.pids()
        kill(pids["qemu"], signal.SIGKILL)
        wait_for("the broker to end", 10, lambda: not is_running(pids["broker"]))
        check("QEMU was killed by signal 9" in (host.directory / "run.log").read_text(), "run.log does not tell of the end")
        outlive("ps", "--host", host.name, status=3)


def step_broker_is_killed():
    with Host({"harts": 1}, vms()) as host:
        pids = host.pids()
        kill(pids["broker"], signal.SIGKILL)
        wait_for("QEMU to go with its broker", 10, lambda: not is_running(pids["qemu"]))
        done = outlive("ps", "--host", host.name, status=3)
        check("no host" in done.stderr, f"ps says: {done.stderr}")
    # What it left is in nobody's way.
    with Host({"harts": 1}, vms()) as host:
        host.console("a").shell()


def step_ctrl_c_powers_off():
    for number, status in ((signal.SIGINT, 0), (signal.SIGTERM, 0)):
        host = Host({"harts": 1}, vms())
        process, pids = foreground(host)
        try:
            time.sleep(1)
            process.send_signal(number)
            said, _ = process.communicate(timeout=15)
            check(process.returncode == status, f"run ended with status {process.returncode}; it said: {said[-300:]}")
            check("powering off" in said, f"run does not say that it powers off: {said[-300:]}")
            check(not is_running(pids["qemu"]), "QEMU runs on")
        finally:
            process.kill()
            host.end()


def step_a_host_runs_already():
    with Host({"harts": 1}, vms()) as host:
        done = outlive("run", "--detach", host.file, "--name", host.name, status=1)
        check(len(done.stderr.splitlines()) == 1 and "is running already" in done.stderr, f"it says: {done.stderr}")
        check(host.ps()["host"]["life"] == 1, "the first host was disturbed")
        other = Host({"harts": 1}, vms(), name="other")
        with other:
            done = outlive("ps", status=3)
            check("several hosts" in done.stderr, f"ps without a name says: {done.stderr}")


def step_stopped_qemu_is_reported():
    """A QEMU that does not move is no reason to wait for ever."""
    with Host({"harts": 1}, vms()) as host:
        pids = host.pids()
        os.kill(pids["qemu"], signal.SIGSTOP)
        begin = time.monotonic()
        done = host.run("log", "--timeout", "2", status=5)
        check(time.monotonic() - begin < 8 and "did not answer" in done.stderr, f"log says: {done.stderr}")
        os.kill(pids["qemu"], signal.SIGCONT)
        host.run("log")
        os.kill(pids["qemu"], signal.SIGSTOP)
        host.run("poweroff", "--force")
        wait_for("the end", 10, lambda: not is_running(pids["qemu"]))


if __name__ == "__main__":
    steps.main(globals())
