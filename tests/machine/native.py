#!/usr/bin/env python3
"""A root VM of our own takes the machine over, by itself and because the hypervisor crashed, and looks whether it has it.
timeout: 240 s
"""

from lib import steps
from lib.host import BUILD, Host, disk, outlive, scratch
from lib.steps import check, wait_for


def root(cmdline="", **more):
    return {"name": "root", "root": True, "memory": "32MiB", "kernel": str(BUILD / "guests/takeover.bin"), "format": "flat",
            "cmdline": cmdline, "disks": [{"file": str(disk("root.disk", 1))}], **more}


def bystander():
    """An ordinary VM that is never idle."""
    return {"name": "other", "memory": "32MiB", "kernel": str(BUILD / "guests/hostile.bin"), "format": "flat",
            "cmdline": "seed=1", "on_crash": "restart", "on_poweroff": "restart"}


def serial(host):
    return (host.directory / "serial.log").read_text(errors="replace")


def black_box():
    """For a machine: a box that is empty."""
    path = scratch() / "box.img"
    path.unlink(missing_ok=True)
    return {"blackbox": {"file": str(path)}}


def check_recorded(*lines):
    """The black box has them, although nobody came after the life that said them."""
    text = outlive("blackbox", "read", scratch() / "box.img", "console").stdout
    for line in lines:
        check(line in text, f"the black box does not say {line!r}: {text[-800:]}")


def check_taken_over(host):
    """What the root VM says once the machine is its own, and that the machine then goes off."""
    wait_for("the root VM to have the machine", 40, lambda: "TAKEOVER done" in serial(host) or "wrong" in serial(host))
    text = serial(host)
    check("TAKEOVER wrong" not in text, f"the serial line says: {text[-800:]}")
    for line in ("root: has the machine; this life ends", "warden: the machine is given away",
                 "takeover: this is the machine's UART", "takeover: and this goes through the firmware", "TAKEOVER done"):
        check(line in text, f"the serial line does not say {line!r}: {text[-800:]}")
    wait_for("the machine to go off", 20, lambda: not host.pids()["qemu"])


def step_takes_over_by_itself():
    with Host({"harts": 2}, [bystander(), root("hart=1")]) as host:
        check_taken_over(host)


def step_alone_on_one_hart():
    with Host({"harts": 1}, [root()]) as host:
        check_taken_over(host)


def step_ordinary_requests_are_refused():
    """The same program as an ordinary VM gets an error for everything, and nobody notices."""
    vm = {**root(), "name": "plain", "root": False, "vcpus": 2, "disks": []}
    with Host({"harts": 2}, [vm]) as host:
        console = host.console("plain")
        wait_for("its errors", 30, lambda: "TAKEOVER wrong: devirtualise: -4" in console.text())
        check("TAKEOVER wrong: prepare: -4" in console.text(), f"it says: {console.text()}")
        check("plain: asks to devirtualise, and is not the root VM" in host.log(), "the log does not tell of it")
        check(host.life() == 1, "the hypervisor has died of it")


def struck(host):
    """The hypervisor crashes, and the root VM is waiting for that."""
    wait_for("the root VM to wait", 30, lambda: "takeover: waits" in host.console("root").text())
    host.crash("panic", status=None)


def step_policy_devirtualise():
    with Host({"harts": 2, "on_crash": "devirtualise", **black_box()}, [bystander(), root("wait=1")]) as host:
        struck(host)
        check_taken_over(host)
        check("its kernel is made to panic" in serial(host), "the heir does not say what it does")
    check_recorded("panic: crash on request", "its kernel is made to panic", "root: has the machine; this life ends")


def step_crashes_until_recovering_is_given_up():
    with Host({"harts": 2, "crash_limit": 1}, [bystander(), root("wait=1")]) as host:
        struck(host)
        wait_for("life 2", 20, lambda: host.life() == 2)
        check("made to panic" not in serial(host), "the first crash is not recovered from")
        host.crash("panic", status=None)
        check_taken_over(host)


def step_root_that_only_reboots():
    """No crash kernel: its reboot is the machine's, as the next policy."""
    why = "the root VM does not take the machine over: it ends; the machine is reset"
    with Host({"harts": 2, "on_crash": "devirtualise", **black_box()}, [bystander(), root("wait=1 reboot=1")]) as host:
        struck(host)
        wait_for("the reset", 30, lambda: serial(host).count("Outlive: 2 harts") == 2)
        check(why in serial(host), serial(host)[-800:])
        wait_for("the black box of the machine's next run", 30, lambda: "opened in" in serial(host).rsplit("Outlive: 2 harts")[-1])
    check_recorded("panic: crash on request", why)


def step_without_a_root_vm():
    """The next policy, and the log says why from the start, as does the command."""
    with Host({"harts": 2, "on_crash": "devirtualise"}, [bystander()]) as host:
        check("no VM is the root VM, so a crash will reset the machine" in host.said, host.said)
        check("a crash cannot devirtualise: there is no root VM; it will reset the machine" in host.log(), host.log())
        host.crash("panic", status=None)
        wait_for("the reset", 30, lambda: serial(host).count("Outlive: 2 harts") == 2)


if __name__ == "__main__":
    steps.main(globals())
