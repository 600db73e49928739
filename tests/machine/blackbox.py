#!/usr/bin/env python3
"""The host's black box: what is on the disk after crashes, with and without an heir, and what a host says of it that
starts again; guests that write to it; disks that are no good.
timeout: 240 s
"""

import json
import os
import shutil
import stat

from lib import steps
from lib.host import BUILD, CRASHES_AT_WILL, Host, kill, linux, outlive, scratch
from lib.steps import check, wait_for


def guest(name, cmdline="", **more):
    """A small guest: it writes what its command line says to the black box, and waits."""
    return {"name": name, "memory": "16MiB", "kernel": str(BUILD / "guests/pmsg.bin"), "format": "flat", "cmdline": cmdline,
            "rng": False, **more}


def box(name):
    path = scratch() / name
    path.unlink(missing_ok=True)
    return path


def machine(file, **more):
    return {"harts": 2, **CRASHES_AT_WILL, "blackbox": {"file": str(file), **more.pop("blackbox", {})}, **more}


def zones(file):
    """By name, as `outlive blackbox ls` shows them."""
    return {zone["zone"]: zone for zone in json.loads(outlive("blackbox", "ls", file, "--json").stdout)["zones"]}


def text(file, zone):
    return outlive("blackbox", "read", file, zone).stdout


def logged(host, what, seconds=20):
    wait_for(f"the log to say \"{what}\"", seconds, lambda: what in host.log())


def has_lines(text_on_disk, log):
    """Each line of the log is there, in order; a life that ended may have begun to write one that its heir writes again."""
    rest = iter(this_run(text_on_disk).splitlines())
    return all(line in rest for line in log.splitlines())


def this_run(console):
    """The part of the console zone that the last run of the machine has written."""
    return console[console.rindex("---- machine started"):].split("\n", 1)[1]


def step_crash_is_on_disk_and_a_host_that_starts_again_tells_of_it():
    file = box("crash.box")
    with Host(machine(file), [guest("a")]) as host:
        logged(host, "black box: disk 0")
        check(outlive("log", "--previous", "--host", "host").stdout == "", "a new black box has something to say")
        host.crash("panic")
        logged(host, "the end of life 1 is on disk")
        host.crash("hang")
        logged(host, "the end of life 2 is on disk")
        host.run("log", "--note", "a word from outside")
        host.run("log", "--note", "", status=2)
        host.run("log", "--note", "x" * 401, status=2)
        host.run("log", "--note", "x", "--previous", status=2)
        said = host.log()
        check("operator: a word from outside" in said, "the operator's note is not in the log")
        wait_for("the log to be on disk", 5, lambda: has_lines(text(file, "console"), said))
        kill(host.pids()["qemu"], 9)
    found = zones(file)
    check((found["kmsg-0"]["reason"], found["kmsg-0"]["counter"]) == ("panic", 1), f"the first record is {found['kmsg-0']}")
    check((found["kmsg-1"]["reason"], found["kmsg-1"]["counter"]) == ("panic", 2), f"the second record is {found['kmsg-1']}")
    check("kmsg-2" not in found or found["kmsg-2"]["state"] != "good", "there is a third record of two crashes")
    record = text(file, "kmsg-0")
    check("<6>" in record and "panic: crash on request" in record, f"no log in the record: {record[:300]}")
    check("life 1 ended by panic on hart " in record.splitlines()[-1], f"the record ends with {record.splitlines()[-1]}")
    check("life 2 ended by hang" in text(file, "kmsg-1"), "the second record does not say how life 2 ended")

    with Host(machine(file), [guest("a")]) as host:
        previous = host.run("log", "--previous").stdout
        check("life 3 begins" in previous and "panic: crash on request" in previous, f"--previous says: {previous[-300:]}")
        check("kmsg-1: panic#2" in previous and "life 2 ended by hang" in previous, f"--previous says: {previous[-300:]}")
        objects = [json.loads(line) for line in host.run("log", "--previous", "--json").stdout.splitlines()]
        check(any(o.get("reason") == "panic" and o.get("counter") == 2 for o in objects), "no record as JSON")
        about = host.run("log", "--previous", "--vm", "a").stdout
        check("a: started" in about and "panic" not in about, f"--vm a says: {about}")
        check(host.run("log", "--previous", "--since", "1ms").stdout.count("\n") == 0, "--since 1ms shows something old")
        host.run("log", "--since", "yesterday", status=2)
        past = host.json("crash", "list")["past"]
        check([(p["record"], p["counter"]) for p in past] == [(0, 1), (1, 2)], f"crash list tells of {past}")
        check("life 2 ended by hang" in host.run("crash", "list").stdout, "crash list does not tell of the past")
        check(text(file, "kmsg-0") == record, "an old record has changed")
        host.crash("trap")
        logged(host, "the end of life 1 is on disk")
    check(zones(file)["kmsg-2"]["counter"] == 3, "counters do not go on")


def step_last_words_without_an_heir():
    for arguments, more in ((["--firmware", "stock"], {}), ([], {"on_crash": "reset"})):
        file = box("last.box")
        with Host(machine(file, **more), [guest("a")], *arguments) as host:
            logged(host, "black box: disk 0")
            for kind in ("panic", "stack"):
                before = len([z for z in zones(file).values() if z.get("reason") == "panic"])
                host.crash(kind, status=None)
                wait_for("a record", 20, lambda n=before: len(
                    [z for z in zones(file).values() if z.get("reason") == "panic" and z["state"] == "good"]) == n + 1)
                wait_for("the machine to be up again", 30, lambda: host.run("ps", status=None).returncode == 0)
                logged(host, "black box: disk 0")
            check("stack overflow" in text(file, "kmsg-1"), "the second record does not tell of the stack")
            check("kmsg-1: panic#2" in host.run("log", "--previous").stdout, "--previous does not show the record")


def step_guests_write_each_within_its_share():
    file = box("guests.box")
    vms = [guest("flood", "flood=4", pmsg=True), guest("steady", "lines=60 gap=20000", pmsg=True), guest("mute", "lines=3")]
    with Host(machine(file), vms) as host:
        host.console("steady").wait(r"PMSG done: 60 taken", 60)
        host.console("mute").wait(r"PMSG error -2", 20)
        host.crash("panic")
        host.console("flood").wait(r"PMSG done: (\d+) taken, (\d+) refused", 60)
        wait_for("the lines to be on disk", 10, lambda: "steady: steady 59" in text(file, "pmsg"))
        said = host.run("log", "--vm", "steady").stdout
        check("steady: steady 59" in said and "flood" not in said, f"log --vm steady says: {said[-200:]}")
        logged(host, "the end of life 1 is on disk")
        log = host.log()
        wait_for("the log to be on disk", 10, lambda: has_lines(text(file, "console"), log))
    lines = text(file, "pmsg").splitlines()
    check([l for l in dict.fromkeys(lines) if l.startswith("steady: ")] == [f"steady: steady {n}" for n in range(60)],
          "lines of the guest that does not flood are missing")
    check(all(l.startswith(("flood: ", "steady: ", "---- ")) for l in lines), "a line without its VM's name")
    check(has_lines(text(file, "console"), log), "lines of the log are missing on the disk")


def step_linux_writes_to_its_second_console():
    file = box("linux.box")
    with Host(machine(file), [linux("lin", pmsg=True)]) as host:
        console = host.console("lin")
        console.shell()
        console.ask("echo before > /dev/hvc0; echo WR''ITTEN", "WRITTEN")
        wait_for("the line to be on disk", 10, lambda: "lin: before\n" in text(file, "pmsg"))
        host.crash("panic")
        console.ask("echo behind > /dev/hvc0; echo AG''AIN", "AGAIN")
        wait_for("the line of the heir's time", 10, lambda: "lin: behind\n" in text(file, "pmsg"))


def step_disk_that_is_no_good():
    """The command would not let us start such hosts: the machine gets another disk behind its back."""
    file, other = box("good.box"), box("other.box")
    program = shutil.which("qemu-system-riscv64")
    wrapper = scratch() / "qemu-system-other"
    wrapper.write_text("#!/bin/sh\nfor a; do shift; case $a in *good.box*) a=$(echo \"$a\" | sed s/good.box/other.box/);; esac\n"
                       f"set -- \"$@\" \"$a\"; done\nexec {program} \"$@\"\n")
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    for make, says in (
            (lambda: os.truncate(other, 128 << 10), "the zones need 196608 bytes and there are 131072"),
            (lambda: os.truncate(other, 1 << 20), "bears no black box"),
            (lambda: outlive("blackbox", "format", other, "--layout", "linux-debian"), "a black box of another layout")):
        other.unlink(missing_ok=True)
        other.touch()
        make_bytes = 1 << 20
        os.truncate(other, make_bytes)
        make()
        before = other.read_bytes()
        with Host(machine(file), [guest("a")], "--qemu", wrapper) as host:
            logged(host, says)
            host.crash("panic")
            host.check_recorded("panic", 2)
            check(says in host.run("log", "--previous").stdout, "the life before does not say it")
            host.run("poweroff")
        check(other.read_bytes() == before, "a disk that is no good was written to")


if __name__ == "__main__":
    steps.main(globals())
