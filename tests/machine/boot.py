#!/usr/bin/env python3
"""The stock kernel on four harts, and what an operator does with its VMs: look, type, pause, stop, start, reset.
timeout: 300 s
"""

import json
import re
import subprocess
import time

from lib import steps
from lib.host import BOOT_SECONDS, OUTLIVE, Host, environment, linux, outlive, worker
from lib.steps import check, wait_for

MACHINE = {"harts": 4}


def pair():
    return [worker("a", address="10.0.0.1", peer="10.0.0.2", vcpus=2),
            worker("b", address="10.0.0.2", peer="10.0.0.1", vcpus=2, rng=False)]


def alone():
    return worker("c", "memory=4", memory="192MiB")


def step_two_guests_at_work():
    with Host(MACHINE, [*pair(), alone()]) as host:
        before = host.workloads()
        check(before["a"]["boot_id"] != before["b"]["boot_id"], "two guests have one boot id")
        for name in ("a", "b"):
            report = host.console(name).progress(20)
            host.console(name).check_healthy(before[name]["boot_id"])
            check(report["served"] > 0, f"{name} has served no packet: {report}")
        looks(host)
        pause_and_resume(host, before)
        pipe(host)
        stop_start_reset(host, before)


def looks(host):
    """What ps, top, log and crash list say of a host that runs."""
    seen = host.ps()
    check(seen["name"] == host.name and seen["host"]["harts"] == 4 and seen["host"]["life"] == 1 and seen["host"]["warden"],
          f"ps says of the host: {seen['host']}")
    for vm in seen["vms"][:2]:
        check(vm["state"] == "running" and vm["vcpus"] == 2 and vm["memory"] == 256 << 20 and vm["boots"] == 1,
              f"ps says of a VM: {vm}")
        check(32 << 20 < vm["touched"] <= vm["memory"], f"a guest that has verified 32 MiB uses {vm['touched']} bytes")
        check(vm["exits"] > 1000, f"a guest that has worked for seconds: {vm}")
    text = host.run("ps").stdout
    check(re.search(r"^a +running +2 +256 MiB", text, re.M), f"ps prints: {text}")
    check(host.json("top")["vms"], "top shows no VM")
    check("Outlive: 4 harts" in host.log(), "the log does not begin with the machine")
    lives = host.lives()
    check(len(lives) == 1 and lives[0]["cause"] == "running", f"the history of a host that never crashed: {lives}")


def pause_and_resume(host, before):
    host.run("pause", "a")
    check(host.vm("a")["state"] == "paused", "pause does not pause")
    host.run("pause", "a")  # is no error
    time.sleep(1)
    a, b = host.console("a").latest(), host.console("b").latest()
    time.sleep(4)
    check(host.console("a").latest() == a, "a paused guest goes on")
    check(host.console("b").latest()["regs"] > b["regs"], "its neighbour does not")
    host.run("resume", "a")
    check(host.vm("a")["state"] == "running", "resume does not resume")
    host.check_alive(before)


def pipe(host):
    """`outlive console` where neither end is a terminal."""
    done = host.run("console", "a", "--until", "WORKLOAD t=", "--timeout", "10", seconds=20)
    check("WORKLOAD t=" in done.stdout, f"--until ended without the text: {done.stdout[-200:]!r}")
    host.run("console", "a", "--until", "no guest says this", "--timeout", "2", status=5, seconds=10)
    done = host.run("console", "a", "--backlog", "--timeout", "0", seconds=10)
    check("eth0 has 10.0.0.1" in done.stdout, "--backlog does not begin with the boot")
    done = host.run("console", "a", "--json", "--until", "WORKLOAD t=", "--timeout", "10", seconds=20)
    check(all("offset" in json.loads(line) for line in done.stdout.splitlines()), "--json is not an object a line")
    host.run("console", "nobody", status=3)
    # A reader that goes away must not disturb.
    with subprocess.Popen([OUTLIVE, "console", "b", "--backlog"], env=environment(), stdout=subprocess.PIPE,
                          stdin=subprocess.DEVNULL) as reader:
        reader.stdout.read(10)
        reader.kill()
    host.console("b").progress(20)


def stop_start_reset(host, before):
    ids = [before["c"]["boot_id"]]
    host.run("stop", "c")
    vm = host.vm("c")
    check(vm["state"] == "stopped" and vm["reason"] == "operator", f"a VM that was stopped: {vm}")
    host.run("resume", "c", status=6)  # it cannot be resumed
    for boots, command in ((2, "start"), (3, "reset")):
        host.run(command, "c")
        report = host.console("c").wait_report(BOOT_SECONDS, lambda r: r["boot_id"] not in ids and r["regs"],
                                               "a report with another boot id")
        ids.append(report["boot_id"])
        check(host.vm("c")["boots"] == boots, f"after {command}: {host.vm('c')}")
    host.run("start", "c", status=None)
    check(host.vm("c")["boots"] == 3, "a VM that runs was started again")
    host.check_alive({name: before[name] for name in ("a", "b")})


def step_shell_on_a_pipe():
    vms = [linux("uart", vcpus=1), linux("virtio", "console=hvc0", console="virtio"), linux("idle", autostart=False)]
    with Host({"harts": 2}, vms) as host:
        for name in ("uart", "virtio"):
            console = host.console(name)
            console.shell()
            console.ask("cat /proc/sys/kernel/hostname", f"^{name}")
            # More than any queue takes at once: nothing may be lost or doubled.
            console.ask("stty -echo 2>/dev/null; echo quiet", "^quiet")
            for part in range(8):
                console.type(f"t$(echo {'x' * 200} | wc -c)() {{ :; }}; echo piece-{part}-$((100+{part}))")
            for part in range(8):
                console.wait(f"piece-{part}-{100 + part}$", 20)
        check(host.vm("idle")["state"] == "stopped" and host.vm("idle")["boots"] == 0, "autostart: false was started")
        host.run("start", "idle")
        host.console("idle").shell()
        # A pipe that ends before the answer comes.
        done = host.run("console", "uart", "--until", "answer-42", "--timeout", "20", given=b"echo answer-$((40+2))\r",
                        seconds=30)
        check("answer-42" in done.stdout, "the answer to a pipe's command did not come")


def step_processor_time():
    """A guest that computes has used processor time, whether or not anything else wanted its hart."""
    vm = {**linux("a", '"outlive.run=/bin/workload pause=0 memory=8"', memory="192MiB"), "vcpus": 1}
    with Host({"harts": 2}, [vm]) as host:
        host.console("a").wait_report(BOOT_SECONDS, lambda r: r["t"] > 2)
        check(host.vm("a")["run_seconds"] > 1, f"a guest that has worked for seconds: {host.vm('a')}")
        busy = host.json("top")["vms"][0]["cpu_percent"]
        check(busy > 10, f"a guest that computes takes {busy} % of a hart")


def step_stdin_stays_open_after_poweroff():
    """`outlive poweroff` ends a host, and whoever looks at a console is told."""
    with Host({"harts": 1}, [linux("a", memory="192MiB")]) as host:
        watcher = subprocess.Popen([OUTLIVE, "console", "a"], env=environment(), stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        pids = host.pids()
        check(pids["qemu"] and pids["broker"], f"who is who: {pids}")
        time.sleep(1)
        host.run("poweroff")
        wait_for("the host's processes to end", 10, lambda: host.pids() == {"broker": 0, "qemu": 0})
        _, said = watcher.communicate(timeout=10)
        check("has ended" in said, f"the console's reader was told: {said!r}")
        outlive("ps", "--host", host.name, status=3)


if __name__ == "__main__":
    steps.main(globals())
