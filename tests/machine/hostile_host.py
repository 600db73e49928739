#!/usr/bin/env python3
# timeout: 120 s
"""A hypervisor that attacks its confidential VM: the life of warden/test/hostile.c, on the real warden.

It tries, one by one and then at random, to read and to change what is the guest's, and the guest looks after each attempt whether
anything of its own has changed. What it is refused with is checked there; here, that it came to its end and how often it tried."""

import os
import re
import subprocess
import sys
from pathlib import Path

BUILD = Path(os.environ.get("BUILD", "build"))
WORK = Path(os.environ.get("TEST_TMP", "."))
QEMU = os.environ.get("QEMU", "qemu-system-riscv64")

HOSTILE = 25  # warden/test/payload.h
POOL = 16 << 20
MAGIC, VERSION = 0x4B4341504C54554F, 3  # abi/pack.h
LEAST_ATTEMPTS = 4000


def pack():
    """A boot pack's header that asks for a pool; the warden reads no more of it."""
    header = MAGIC.to_bytes(8, "little") + VERSION.to_bytes(4, "little")
    header += bytes(88 - len(header)) + POOL.to_bytes(8, "little")
    file = WORK / "pack"
    file.write_bytes(header.ljust(4096, b"\0"))
    return file


def machine(harts):
    command = [QEMU, "-M", "virt", "-cpu", "rv64,h=true", "-smp", str(harts), "-m", "256", "-nographic", "-no-reboot",
               "-bios", BUILD / "warden.bin", "-kernel", BUILD / "tests/machine/warden.bin",
               "-device", f"loader,addr=0x82000000,data={HOSTILE},data-len=8"]
    command += ["-initrd", pack()]
    run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                         check=False)
    return run.stdout.decode(errors="replace")


def main():
    for harts in (1, 2, 4):
        out = machine(harts)
        attempts = re.search(r"^ATTEMPTS (\d+)", out, re.M)
        if not re.search(r"^PASS", out, re.M) or re.search(r"^(CHECK|FAIL)", out, re.M) or not attempts:
            sys.exit(f"with {harts} harts:\n{out}")
        if int(attempts[1]) < LEAST_ATTEMPTS:
            sys.exit(f"only {attempts[1]} attempts")
        if f"{POOL >> 20} MiB" not in out:
            sys.exit(f"the warden does not say what it keeps:\n{out}")
        print(f"ok    {attempts[1]} attempts with {harts} harts")


if __name__ == "__main__":
    main()
