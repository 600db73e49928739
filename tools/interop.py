#!/usr/bin/env python3
"""A real Linux reads black boxes that we wrote, and we read those that it wrote. Called by interop.sh.

    usage: tools/interop.py KERNEL BUSYBOX WRITER OUTLIVE WORK

The guest's init is a script. It sends what it finds under /sys/fs/pstore to a second disk as a tar archive, with a list of
the files' times, which tar has only in seconds.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/machine"))
from lib.counting import check, end  # noqa: E402

INIT = r"""#!/bin/sh
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev 2>/dev/null
mount -t pstore none /sys/fs/pstore
mkdir -p /tmp/out
cd /sys/fs/pstore
for file in *; do
	[ -e "$file" ] || continue
	cp "$file" /tmp/out/
	stat -c '%n %y' "$file" >>/tmp/out/times
	stat -c '%n %Y' "$file" >>/tmp/out/seconds
done
cd /
case $(cat /proc/cmdline) in
*job=write*)
	mount -t debugfs none /sys/kernel/debug
	n=0
	while [ $n -lt LINES ]; do
		echo "linux says line $n to pmsg" >/dev/pmsg0
		n=$((n + 1))
	done
	echo "<4>linux says this to its log" >/dev/kmsg
	# The writer dies of it and the kernel goes on: its record is written later, by a worker.
	(echo EXCEPTION >/sys/kernel/debug/provoke-crash/DIRECT)
	sleep 5
	;;
*job=erase*)
	rm -f /sys/fs/pstore/*
	;;
esac
tar -c -f /tmp/out.tar -C /tmp/out .
dd if=/tmp/out.tar of=/dev/vdb bs=64k conv=fsync 2>/dev/null
sync
echo "interop done"
poweroff -f
"""

class Guest:
    def __init__(self, kernel, busybox, work):
        self.kernel = kernel
        self.work = work
        root = work / "root"
        shutil.rmtree(root, ignore_errors=True)
        for name in ("bin", "dev", "proc", "sys", "tmp"):
            (root / name).mkdir(parents=True)
        shutil.copy(busybox, root / "bin/busybox")
        for applet in ("sh", "mount", "mkdir", "cp", "stat", "cat", "rm", "tar", "dd", "sync", "poweroff", "sleep"):
            (root / "bin" / applet).symlink_to("busybox")
        (root / "init").write_text(INIT.replace("LINES", "1500"))
        (root / "init").chmod(0o755)
        (root / "bin/busybox").chmod(0o755)
        files = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
        with open(work / "initrd.cpio", "wb") as archive:
            subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=root, input=files.encode(), stdout=archive,
                           check=True)

    def run(self, image, job, options=""):
        """Boots Linux with the image. Returns {name: (bytes, time as text, seconds)} of /sys/fs/pstore as it found it."""
        result = self.work / "result.img"
        with open(result, "wb") as file:
            file.truncate(8 << 20)
        command = ["timeout", "-k", "10", "120", "qemu-system-riscv64", "-machine", "virt", "-m", "256", "-nographic",
                   "-no-reboot", "-kernel", self.kernel, "-initrd", self.work / "initrd.cpio", "-append",
                   f"console=ttyS0 panic=-1 riscv_isa_fallback pstore_blk.blkdev=/dev/vda pstore_blk.best_effort=1 "
                   f"{options} job={job}",
                   "-global", "virtio-mmio.force-legacy=false"]
        for number, file in enumerate((image, result)):
            # Linux comes across the buses from the last to the first.
            command += ["-drive", f"file={file},format=raw,if=none,id=d{number}",
                        "-device", f"virtio-blk-device,drive=d{number},bus=virtio-mmio-bus.{1 - number}"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        console = done.stdout.decode(errors="replace")
        (self.work / f"{Path(image).stem}-{job}.log").write_text(console)
        if "interop done" not in console:
            print(console[-3000:])
            sys.exit(f"Linux did not get to its end: {done.stderr.decode()}")
        return self.files(result)

    @staticmethod
    def files(result):
        found, times, seconds = {}, {}, {}
        with tarfile.open(fileobj=io.BytesIO(result.read_bytes())) as tar:
            for member in tar.getmembers():
                name = os.path.basename(member.name)
                if not member.isfile():
                    continue
                text = tar.extractfile(member).read()
                if name == "times":
                    times = dict(line.split(" ", 1) for line in text.decode().splitlines())
                elif name == "seconds":
                    seconds = dict(line.split(" ", 1) for line in text.decode().splitlines())
                else:
                    found[name] = text
        return {name: (text, times[name], int(seconds[name])) for name, text in found.items()}


REASONS = {1: "Panic", 2: "Oops"}


def tool(outlive, *arguments):
    return subprocess.run([outlive, "blackbox", *map(str, arguments)], stdout=subprocess.PIPE, check=True).stdout


def check_ring(name, linux, path, room):
    """Linux shows the gap that a wrapped ring has, as NULs in front; what follows is the end of all that was said."""
    text = linux.lstrip(b"\0")
    said = path.read_bytes()
    check(said.endswith(text), f"{name}: not the end of what was written: {text[:100]}...")
    check(len(linux) == min(len(said), room), f"{name}: {len(linux)} bytes of {len(said)}")
    check(len(text) >= min(len(said), room - 5000), f"{name}: only {len(text)} bytes of text")


def linux_reads_ours(guest, writer, outlive, work, preset, lines, options):
    image = work / f"{preset}-{lines}.img"
    listed = subprocess.run([writer, image, preset, str(lines)], stdout=subprocess.PIPE, check=True).stdout.decode()
    records = [[int(word) for word in line.split()] for line in listed.splitlines()]
    check(len(records) == 4, "the writer's records")
    found = guest.run(image, "read", options)
    print(f"{image.name}: Linux shows {', '.join(sorted(found))}")
    expected = {f"dmesg-pstore_blk-{zone}" for zone, *_ in records}
    if preset == "full":
        expected |= {"pmsg-pstore_blk-0", "console-pstore_blk-0"}
    check(len(found) == len(expected), f"files {sorted(found)}, not {sorted(expected)}")

    # Linux numbers the records as it comes across them, so they are told by their time.
    by_time = {seconds: (text, full) for name, (text, full, seconds) in found.items() if name.startswith("dmesg")}
    for zone, reason, counter, seconds, nanoseconds in records:
        text, full = by_time.get(seconds, (b"", ""))
        ours = tool(outlive, "read", image, f"kmsg-{zone}")
        head = f"{REASONS[reason]}: Total {counter} times\n".encode()
        check(text == head + ours, f"kmsg-{zone}: {text[:200]} is not {(head + ours)[:200]}")
        check(f".{nanoseconds:09d}" in full, f"kmsg-{zone}: {full} has not {nanoseconds} ns")
    if preset == "full":
        for name in ("pmsg", "console"):
            check_ring(name, found[f"{name}-pstore_blk-0"][0], Path(f"{image}.{name}"), 65536 - 12)
    return image


def we_read_linux(guest, outlive, image, seconds):
    """Lets Linux write over our image and looks at what it has made of it."""
    guest.run(image, "write")
    found = json.loads(tool(outlive, "ls", image, "--json"))
    zones = {zone["zone"]: zone for zone in found["zones"]}
    check(found["layout"] == {"pmsg": 65536, "console": 65536, "ftrace": 0, "kmsg": 65536}, found["layout"])
    check(all(zone["state"] in ("good", "erased", "absent") for zone in zones.values()), found["zones"])

    said = b"".join(b"linux says line %d to pmsg\n" % n for n in range(1500))
    check(tool(outlive, "read", image, "pmsg") == said[-(65536 - 12):], "pmsg of Linux")
    console = tool(outlive, "read", image, "console")
    check(b"Linux version " in console and b"linux says this to its log" in console, f"console of Linux: {console[:200]}")

    oopses = [zone for zone in zones.values() if zone["state"] == "good" and zone.get("reason") == "oops"
              and zone["seconds"] > 1700001000]
    check(len(oopses) == 1, f"records of Linux: {oopses}")
    for oops in oopses:
        check(oops["counter"] == 3, f"the counter goes on from ours: {oops}")
        check(seconds <= oops["seconds"] <= time.time() + 5, f"time {oops['seconds']}")
        text = tool(outlive, "read", image, oops["zone"])
        check(re.match(rb"Oops#\d+ Part1\n", text) and b"lkdtm" in text, f"text of the oops: {text[:200]}")
        print(f"{image.name}: Linux wrote {oops['zone']}, {'' if oops['compressed'] else 'not '}compressed, "
              f"{len(text)} bytes of text")


def linux_erases_ours(guest, outlive, image, options):
    guest.run(image, "erase", options)
    zones = json.loads(tool(outlive, "ls", image, "--json"))["zones"]
    check(not any(zone["state"] == "good" and zone["type"] == "kmsg" for zone in zones), zones)
    check(max(zone.get("counter", 0) for zone in zones) == 3, "counters of what Linux erased")


def main():
    kernel, busybox, writer, outlive, work = (Path(argument).resolve() for argument in sys.argv[1:])
    work.mkdir(parents=True, exist_ok=True)
    guest = Guest(kernel, busybox, work)
    seconds = int(time.time())

    few = linux_reads_ours(guest, writer, outlive, work, "full", 200, "")
    many = linux_reads_ours(guest, writer, outlive, work, "full", 5000, "")
    kmsg_only = "pstore_blk.pmsg_size=0 pstore_blk.console_size=0"
    debian = linux_reads_ours(guest, writer, outlive, work, "linux-debian", 10, kmsg_only)
    we_read_linux(guest, outlive, few, seconds)
    we_read_linux(guest, outlive, many, seconds)
    linux_erases_ours(guest, outlive, debian, kmsg_only)
    end()


main()
