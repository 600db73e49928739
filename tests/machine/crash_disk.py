#!/usr/bin/env python3
"""What a guest has written and flushed is on the disk, and nothing else, however often the hypervisor crashed meanwhile.
timeout: 300 s
"""

import hashlib
import time

from lib import steps
from lib.host import CRASHES_AT_WILL, Host, disk, linux
from lib.steps import check, note

MIB = 24
# Writes random bytes, flushes, and says what they were; what it said once must hold for ever.
WRITER = ("i=0; while [ $i -lt {count} ]; do dd if=/dev/urandom of=/tmp/p bs=256k count=1 2>/dev/null; "
          "dd if=/tmp/p of=/dev/vda bs=256k seek=$i conv=notrunc,fsync 2>/dev/null || echo WRITE-FAILED; "
          "echo piece $i $(sha256sum </tmp/p | cut -c1-64); i=$((i+1)); done; echo all-$((1+1))-written")


def step_contents_survive():
    image = disk("contents.disk", MIB)
    pieces = MIB * 4
    vm = linux("a", vcpus=2, memory="256MiB", disks=[{"file": str(image)}])
    with Host({"harts": 2, **CRASHES_AT_WILL}, [vm]) as host:
        console = host.console("a")
        console.shell()
        console.type(WRITER.format(count=pieces))
        crashes = 0
        while "all-2-written" not in console.text():
            host.crash(("panic", "trap", "wild-write", "stack")[crashes % 4])
            crashes += 1
            check(crashes < 500, "the guest does not come to an end")
            time.sleep(0.3)
        console.wait("all-2-written", 60)
        said = dict(line.split()[1:3] for line in console.text().splitlines() if line.startswith("piece ") and
                    len(line.split()) == 3)
        check("WRITE-FAILED" not in console.text().split("all-2-written")[-1] and len(said) == pieces,
              f"{len(said)} of {pieces} pieces were written")
        # As the guest reads it, past its cache ...
        console.type("echo 3 >/proc/sys/vm/drop_caches")
        total = console.ask("echo sum $(sha256sum </dev/vda)", r"^sum ([0-9a-f]{64})", 60).group(1)
        check(host.life() == crashes + 1, f"{crashes} crashes, and life {host.life()}")
        console.type("poweroff -f")
        host.wait_state("a", "stopped")
        note(f"{crashes} crashes while {pieces} pieces were written")
    # ... and as it lies here.
    data = image.read_bytes()
    for number, expected in said.items():
        begin = int(number) * 262144
        check(hashlib.sha256(data[begin:begin + 262144]).hexdigest() == expected, f"piece {number} is not what was written")
    check(hashlib.sha256(data).hexdigest() == total, "the guest had read something else than what is there")


def step_read_only_stays_as_it_is():
    image = disk("readonly.disk", 4)
    image.write_bytes(bytes(range(256)) * 16384)
    before = hashlib.sha256(image.read_bytes()).hexdigest()
    image.chmod(0o444)
    vms = [linux(name, disks=[{"file": str(image), "readonly": True, "serial": "shared"}]) for name in ("a", "b")]
    with Host({"harts": 2}, vms) as host:
        for name in ("a", "b"):
            console = host.console(name)
            console.shell()
            check(console.ask("echo sum $(sha256sum </dev/vda)", r"^sum ([0-9a-f]{64})", 60).group(1) == before,
                  f"{name} reads something else")
            console.ask("cat /sys/block/vda/serial; cat /sys/block/vda/ro", "shared1$")
            console.ask("dd if=/dev/zero of=/dev/vda bs=512 count=1 2>&1 || echo refused-$((1+1))", "refused-2")
    check(hashlib.sha256(image.read_bytes()).hexdigest() == before, "a read-only disk was written")


if __name__ == "__main__":
    steps.main(globals())
