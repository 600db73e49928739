"""gdb, for tests that change what a machine in QEMU has in memory or registers."""

import subprocess

from .host import scratch
from .steps import Failure


def qemu_with_debugger():
    """A QEMU that listens for gdb on a socket, without the command knowing."""
    script = scratch() / "qemu-gdb"
    script.write_text("#!/bin/sh\n"
                      f'[ "$1" = --version ] && exec qemu-system-riscv64 --version\n'
                      f'exec qemu-system-riscv64 "$@" -gdb unix:path={scratch()}/gdb,server=on,wait=off\n', encoding="utf-8")
    script.chmod(0o755)
    return script


# Runs in gdb. A vCPU of the guest is in a hart if the hart's memory, as it is translated there, begins with the guest's.
IN_GUEST = """
import gdb, sys
kernel, where, wanted, commands = {arguments}
for thread in gdb.selected_inferior().threads():
    thread.switch()
    try:
        if bytes(gdb.selected_inferior().read_memory(where, len(kernel))) != kernel:
            continue
        if int(gdb.parse_and_eval(wanted[0])) != wanted[1]:
            continue
    except gdb.MemoryError:
        continue
    for command in commands:
        gdb.execute("set var " + command)
    gdb.execute("echo done\\\\n")
    break
"""


def change_guest(elf, kernel, wanted, assignments):
    """
    Makes assignments in a flat guest's memory, all at one instant, if a vCPU of its runs just then. `wanted` is an expression
    and its value, which tell the guest from others with the same kernel. False: none runs.
    """
    arguments = (kernel.read_bytes()[:64], 0x80200000, wanted, assignments)
    script = scratch() / "change.py"
    script.write_text(IN_GUEST.format(arguments=repr(arguments)), encoding="utf-8")
    command = ["gdb-multiarch", "--nx", "--batch", "-q"]
    for word in ("set pagination off", "set confirm off", "set architecture riscv:rv64", f"file {elf}",
                 f"target remote {scratch()}/gdb", f"source {script}", "detach", "quit"):
        command += ["-ex", word]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    if "Remote communication error" in done.stderr or "Connection refused" in done.stderr:
        raise Failure(f"gdb does not reach the machine: {done.stderr}")
    return "done" in done.stdout.splitlines()
