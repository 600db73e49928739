#!/usr/bin/env python3
"""What is wrong with a host is said in a line that names the file, the line or the field, before anything is started; and
the exit status is the one that the manual names.
timeout: 120 s
"""

import json
import os
import re
import socket

from lib import steps
from lib.host import BUILD, INITRD, Host, disk, environment, image, linux, outlive, scratch
from lib.steps import check

FAILED, USAGE, NOT_FOUND, INVALID = 1, 2, 3, 4


def refused(arguments, status, *fragments, lines=1, extra=None):
    """The command refuses with that status and says so in as many lines, which contain the fragments."""
    done = outlive(*arguments, status=status, seconds=20, extra=extra)
    said = [line for line in done.stderr.splitlines() if not line.startswith("outlive: starting")]
    check(len(said) == lines, f"outlive {' '.join(map(str, arguments))} says {len(said)} lines: {done.stderr}")
    for fragment in fragments:
        check(any(re.search(fragment, line) for line in said), f"no line says {fragment!r}: {done.stderr}")
    check(not done.stdout, f"it prints: {done.stdout}")
    check(not list((scratch() / "run/outlive").glob("*/qemu.pid")), "QEMU was started")


def host_file(text, name="bad.yaml"):
    path = scratch() / name
    path.write_text(text, encoding="utf-8")
    return path


def of_vm(**changes):
    """A host file with one VM, as a good one changed."""
    vm = {**linux("a"), **changes}
    return host_file(json.dumps({"vms": [{key: value for key, value in vm.items() if value is not None}]}, indent=1))


def refused_file(path, *fragments, lines=1):
    refused(["run", "--detach", path], INVALID, *fragments, lines=lines)
    done = outlive("check", path, status=INVALID)
    check(all(re.search(fragment, done.stderr) for fragment in fragments), f"check says something else: {done.stderr}")
    done = outlive("check", "--json", path, status=INVALID)
    found = json.loads(done.stdout)
    check(found["valid"] is False and len(found["errors"]) == lines, f"check --json says: {found}")


def step_a_good_file_is_good():
    path = of_vm()
    check(outlive("check", path).stderr.count("error") == 0, "a good file has errors")
    check(json.loads(outlive("check", "--json", path).stdout)["valid"] is True, "check --json of a good file")


def step_kernel():
    nonsense = scratch() / "nonsense"
    nonsense.write_bytes(b"this is no kernel " * 500)
    empty = scratch() / "empty"
    empty.touch()
    refused_file(of_vm(kernel=str(nonsense)), r"bad\.yaml:\d+: vms\[0\]\.kernel: .*nonsense")
    refused_file(of_vm(kernel=str(empty)), r"vms\[0\]\.kernel: .*empty is empty")
    refused_file(of_vm(kernel=str(scratch())), r"vms\[0\]\.kernel: .*not a regular file")
    refused_file(of_vm(kernel="/nowhere/Image"), r"vms\[0\]\.kernel: /nowhere/Image: No such file")
    refused_file(of_vm(initrd="/nowhere/initrd"), r"vms\[0\]\.initrd: /nowhere/initrd: No such file")
    # An ELF file, but for another machine.
    refused_file(of_vm(kernel="/bin/true"), r"vms\[0\]\.kernel: /bin/true ")
    refused(["run", "--kernel", nonsense], INVALID, r"--kernel: .*nonsense")
    refused(["run", "--kernel", "/nowhere/Image"], INVALID, r"--kernel: /nowhere/Image: No such file")
    refused(["run", "--kernel", image(), "--initrd", empty], INVALID, r"--initrd: .*empty is empty")
    refused(["run", "--kernel", image(), "--memory", "16MiB"], INVALID, "--memory: 16 MiB is too little")
    refused(["run", "--kernel", image(), "--vcpus", "none"], INVALID, "--vcpus: \"none\" is not")


def step_disk():
    def with_disk(**entry):
        return of_vm(disks=[entry])

    good = disk("good.disk")
    refused_file(with_disk(file=str(scratch())), r"vms\[0\]\.disks\[0\]\.file: .* is a directory")
    refused_file(with_disk(file="/nowhere.disk"), r"vms\[0\]\.disks\[0\]\.file: /nowhere\.disk: No such file")
    refused_file(with_disk(file="/dev/null"), r"neither a file nor a block device")
    tiny = scratch() / "tiny.disk"
    tiny.write_bytes(b"x")
    refused_file(with_disk(file=str(tiny)), "shorter than one sector")
    refused(["run", "--kernel", image(), "--disk", scratch()], INVALID, "--disk: .* is a directory")
    if os.geteuid() != 0:  # nothing is read-only for root
        readonly = disk("readonly.disk")
        readonly.chmod(0o444)
        refused_file(with_disk(file=str(readonly)), "is not writable; use \"readonly: true\"")
    two = [linux(name, disks=[{"file": str(good)}]) for name in ("a", "b")]
    refused_file(host_file(json.dumps({"vms": two}, indent=1)), r"vms\[1\]\.disks\[0\]\.file: .*vms\[0\]\.disks\[0\] too")


def step_read_only_file_system():
    """A disk that even root cannot write: a file of a read-only mount."""
    for path in ("/sys/kernel/notes", "/proc/cmdline"):
        if os.path.exists(path) and not os.access(path, os.W_OK):
            refused_file(of_vm(disks=[{"file": path}]), r"vms\[0\]\.disks\[0\]\.file: ")
            return


def step_port_in_use():
    for kind, word in ((socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")):
        with socket.socket(socket.AF_INET, kind) as taken:
            taken.bind(("127.0.0.1", 0))
            if kind == socket.SOCK_STREAM:
                taken.listen()
            port = taken.getsockname()[1]
            path = of_vm(networks=[{"switch": "lan", "uplink": True, "forward": [f"{word}:{port}:22"]}])
            refused(["run", "--detach", path], INVALID, rf"networks\[0\]\.forward\[0\]: port {port} is in use")


def step_qemu():
    good = of_vm()

    def fake(name, text):
        path = scratch() / name
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        path.chmod(0o755)
        return path

    old = fake("qemu-old", "echo 'QEMU emulator version 6.2.0 (Debian 1:6.2)'")
    odd = fake("qemu-odd", "echo 'I am a teapot'")
    broken = fake("qemu-broken", "exit 3")
    mortal = fake("qemu-mortal", '[ "$1" = --version ] && exec echo QEMU emulator version 8.0.0\necho cannot do that >&2; exit 1')
    run = ["run", "--detach", good, "--qemu"]
    refused([*run, "/nowhere/qemu"], FAILED, "/nowhere/qemu is not installed .*qemu-system-misc")
    refused([*run, old], FAILED, r"version 6\.2; at least 7\.2 is needed")
    refused([*run, odd], FAILED, "does not look like QEMU")
    refused([*run, broken], FAILED, "does not run")
    refused(["run", "--detach", good], FAILED, "qemu-system-riscv64 is not installed", extra={"PATH": str(scratch())})
    done = outlive(*run, mortal, status=FAILED)
    check("QEMU ended with status 1" in done.stderr and "cannot do that" in done.stderr, f"it says: {done.stderr}")


def step_products():
    good = of_vm()
    refused(["run", "--detach", good], FAILED, r"hypervisor outlive\.bin is not", extra={"OUTLIVE_LIB": str(scratch())})
    (scratch() / "outlive.bin").write_bytes((BUILD / "outlive.bin").read_bytes())
    refused(["run", "--detach", good], FAILED, r"firmware warden\.bin is not", extra={"OUTLIVE_LIB": str(scratch())})
    (scratch() / "outlive.bin").unlink()
    refused(["run", "--detach", good, "--firmware", "bios"], USAGE, "--firmware is warden or stock")


def step_host_file():
    vm = f'  - name: a\n    memory: 256MiB\n    kernel: {image()}\n    initrd: {INITRD}\n'
    for text, *fragments in (
        ("vms: [\n", r"bad\.yaml:\d+"),
        ("", r"bad\.yaml"),
        ("just text\n", r"bad\.yaml:1"),
        ("machine:\n  harts: 2\n", "vms"),
        ("vms: []\n", "vms"),
        (f"vms:\n{vm}    vcpu: 2\n", r"bad\.yaml:6: vms\[0\]\.?.*vcpu"),
        (f"vms:\n{vm}    vcpus: 0\n", r"bad\.yaml:6: vms\[0\]\.vcpus: "),
        (f"vms:\n{vm}    vcpus: many\n", r"bad\.yaml:6: vms\[0\]\.vcpus: .*many"),
        (f"vms:\n{vm}    rng: perhaps\n", r"bad\.yaml:6: vms\[0\]\.rng: "),
        (f"vms:\n{vm}    on_reboot: explode\n", r"bad\.yaml:6: vms\[0\]\.on_reboot: .*restart"),
        (f"machine:\n  confidential: 24MiB\nvms:\n{vm}", r"bad\.yaml:2: machine\.confidential: is not a power of two"),
        (f"vms:\n{vm}    confidential: true\n    vcpus: 65\n",
         r"bad\.yaml:7: vms\[0\]\.vcpus: a confidential VM has at most 64"),
        (f"vms:\n{vm}    affinity: 7\nmachine:\n  harts: 2\n", r"bad\.yaml:6: vms\[0\]\.affinity: "),
        (f"vms:\n{vm}{vm}", r"bad\.yaml:6: vms\[1\]\.name: \"a\" is the name of vms\[0\]"),
        (f"machine:\n  memory: 128MiB\nvms:\n{vm}", r"bad\.yaml:2: machine\.memory: 128 MiB is too little"),
        (f"machine:\n  harts: 1000\nvms:\n{vm}", r"bad\.yaml:2: machine\.harts: "),
        (f"machine:\n  crash_window: 1500ms\nvms:\n{vm}", r"bad\.yaml:2: machine\.crash_window: .*whole seconds"),
        (f"vms:\n  - name: a\n    kernel: {image()}\n", r"vms\[0\].*memory"),
        (f"vms:\n{vm}    cmdline: {'x' * 2000}\n", r"bad\.yaml:6: vms\[0\]\.cmdline: "),
    ):
        refused_file(host_file(text), *fragments)
    # All of it is said, not only the first.
    refused_file(host_file(f"vms:\n{vm}    vcpus: 0\n    rng: perhaps\n    colour: red\n"), "vcpus", "rng", "colour", lines=3)
    refused(["run", "--detach", "/nowhere/host.yaml"], INVALID, "/nowhere/host.yaml: .*No such file")
    refused(["run", "--detach", scratch()], INVALID, "directory")


def step_command_line():
    for arguments, fragment in ((["run"], "run what"), (["run", "--detach", "a", "b"], "usage: outlive run"), (["fly"], "fly"),
                                (["ps", "--colour"], "--colour"), (["run", "--timeout", "soon", "x"], "soon"),
                                (["run", "--memory", "1GiB", of_vm()], "go with --kernel"), (["crash", "inject"], "KIND"),
                                (["crash", "inject", "boredom"], "boredom"), (["stop"], "VM")):
        refused(arguments, USAGE, fragment)
    for arguments in (["ps"], ["log"], ["stop", "a"], ["console", "a"], ["crash", "list"], ["poweroff"]):
        refused(arguments, NOT_FOUND, "no host is running")
    refused(["ps", "--host", "nobody"], NOT_FOUND, "no host \"nobody\" is running")
    refused(["pack", "/nowhere/host.yaml", "-o", scratch() / "pack"], INVALID, "/nowhere/host.yaml")
    refused(["pack", of_vm()], USAGE, "--output")
    refused(["pack", of_vm(), "-o", "/nowhere/image"], FAILED, "/nowhere/image")


def step_no_such_vm():
    with Host({"harts": 1}, [linux("a", memory="192MiB")]) as host:
        for command in ("stop", "start", "pause", "resume", "reset", "console"):
            host.run(command, "b", status=NOT_FOUND)
        host.run("start", "a", status=6)
        host.run("resume", "a", status=None)
        check(host.ps()["vms"][0]["state"] == "running", "a VM was disturbed by commands that were refused")


def step_no_place_for_the_run_directory():
    refused(["run", "--detach", of_vm()], FAILED, "/proc", extra={"XDG_RUNTIME_DIR": "/proc"})
    refused(["run", "--detach", of_vm(), "--dir", "/nowhere/at/all"], FAILED, "/nowhere/at/all: No such file")


if __name__ == "__main__":
    environment()
    steps.main(globals())
