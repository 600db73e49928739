#!/usr/bin/env python3
"""The command's "blackbox" on images that are put together here, field by field, as Linux writes them."""

import hashlib
import json
import os
import re
import struct
import subprocess
import zlib
from pathlib import Path

from lib.counting import check, end

OUTLIVE = Path(os.environ["BUILD"]).resolve() / "outlive"
TMP = Path(os.environ["TEST_TMP"])
ZONE = 4096
ROOM = ZONE - 12


def run(*arguments, code=0):
    done = subprocess.run([OUTLIVE, "blackbox", *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                          check=False)
    if done.returncode != code:
        check(False, f"{arguments}: status {done.returncode}, not {code}: {done.stderr.decode()}")
    return done


def ring(signature, text, start=None):
    """A zone of a ring; with `start` one that has wrapped."""
    if start is None:
        return (struct.pack("<III", signature, len(text), len(text)) + text).ljust(ZONE, b"\0")
    assert len(text) == ROOM
    return struct.pack("<III", signature, ROOM, start) + text[ROOM - start:] + text[:ROOM - start]


def record(reason, counter, seconds, nanoseconds, text, compressed=0, datalen=None):
    length = 40 + len(text) if datalen is None else datalen
    head = struct.pack("<IIIIIqqB3xIII", 0x43474244, length, 0, 0x4DFC3AE5, 0, seconds, nanoseconds, compressed, counter,
                       reason, 0)
    return (head + text).ljust(ZONE, b"\0")


def deflate(text):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(text) + packer.flush()


PMSG = bytes(97 + n % 26 for n in range(ROOM))
CONSOLE = b"<6>[    0.000000] Linux\nlast line\n"
PANIC = b"Panic#7 Part1\n<0>[   12.000000] Kernel panic\n"
OOPS = b"Oops#3 Part1\n" + b"<4>[   13.000000] Call Trace:\n" * 200

image = TMP / "box.img"
image.write_bytes(ring(0x43474243, PMSG, 1000) + ring(0x43474246, CONSOLE)
                  + record(1, 7, 1700000000, 123456789, PANIC)
                  + record(2, 3, 1700000001, 5, deflate(OOPS), compressed=1)
                  + record(1, 8, 1700000002, 0, b"Panic#8 Part1\nTORN IN THE MIDDLE", datalen=60)
                  + record(1, 6, 1699999999, 0, b"Panic#6 Part1\n", datalen=0)
                  + record(2, 2, 1700000003, 0, deflate(OOPS)[:40], compressed=1)
                  + bytes(ZONE))


def state_of_image():
    stat = image.stat()
    return hashlib.sha256(image.read_bytes()).hexdigest(), stat.st_mtime_ns


before = state_of_image()

# ---- ls ----

found = json.loads(run("ls", image, "--json").stdout)
check(found["layout"] == {"pmsg": ZONE, "console": ZONE, "ftrace": 0, "kmsg": ZONE}, found["layout"])
zones = {zone["zone"]: zone for zone in found["zones"]}
check(len(zones) == 8, zones.keys())
check([zones[n]["state"] for n in zones] == ["good", "good", "good", "good", "torn", "erased", "good", "absent"],
      [zones[n]["state"] for n in zones])
panic = zones["kmsg-0"]
check((panic["reason"], panic["counter"], panic["seconds"], panic["nanoseconds"], panic["compressed"], panic["bytes"])
      == ("panic", 7, 1700000000, 123456789, False, len(PANIC)), panic)
check(zones["kmsg-1"]["compressed"] and zones["kmsg-3"]["counter"] == 6, "kmsg-1, kmsg-3")
table = run("ls", image).stdout.decode()
check(re.search(r"kmsg-0 +good +45 +panic +7 +2023-11-14 22:13:20\.123456789", table), table)
check("(pmsg=4KiB,console=4KiB,kmsg=4KiB), 1 of them unused" in table, table)

# ---- read ----

check(run("read", image, "pmsg").stdout == PMSG, "pmsg")
check(run("read", image, "console").stdout == CONSOLE, "console")
check(run("read", image, "kmsg-0").stdout == PANIC, "kmsg-0")
check(run("read", image, "kmsg-1").stdout == OOPS, "kmsg-1, inflated")
torn = run("read", image, "kmsg-2")
check(torn.stdout == b"Panic#8 Part1\nTORN I" and b"kmsg-2 is torn" in torn.stderr, torn)
check(b"nothing to read in kmsg-3: erased" in run("read", image, "kmsg-3", code=3).stderr, "kmsg-3")
check(b"cannot be inflated" in run("read", image, "kmsg-4", code=1).stderr, "kmsg-4")
check(b'no zone "kmsg-9"' in run("read", image, "kmsg-9", code=3).stderr, "kmsg-9")
everything = run("read", image, code=1).stdout
check(b"==> pmsg <==\n" + PMSG in everything and b"==> kmsg-0 <==\n" + PANIC in everything, everything[:200])
lines = [json.loads(line) for line in run("read", image, "--json", code=1).stdout.splitlines()]
check([line["zone"] for line in lines] == ["pmsg", "console", "kmsg-0", "kmsg-1", "kmsg-2"], lines)
check(lines[3]["text"] == OOPS.decode(), "kmsg-1 as JSON")

# ---- export ----

export = TMP / "export"
run("export", image, export, code=1)
names = {path.name: path for path in export.iterdir()}
check(sorted(names) == ["console-pstore_blk-0", "dmesg-pstore_blk-0", "dmesg-pstore_blk-1", "dmesg-pstore_blk-2",
                        "pmsg-pstore_blk-0"], names)
check(names["dmesg-pstore_blk-1"].read_bytes() == OOPS, "exported oops")
check(names["dmesg-pstore_blk-0"].stat().st_mtime_ns == 1700000000123456789, "time of an exported panic")
check(b"File exists; --force" in run("export", image, export, code=1).stderr, "export over files")
check(b"File exists" not in run("export", image, export, "--force", code=1).stderr, "export --force")

# A file system of 8 KiB: two zones of 4 KiB fit, the rest does not.
script = ('mount -t tmpfs -o size=12k none "$2" && { "$0" blackbox export "$1" "$2"; echo "status $?"; ls -s "$2"; }')
full = TMP / "full"
full.mkdir()
done = subprocess.run(["unshare", "-rm", "sh", "-c", script, OUTLIVE, image, full], capture_output=True, text=True,
                      check=False)
if "status" in done.stdout:
    check("status 1" in done.stdout and "No space left on device" in done.stderr, done)
    check(".tmp" not in done.stdout, "half a file is left: " + done.stdout)
else:
    print("no file system of our own here: a full disk was not tried: " + done.stderr.strip())

check(state_of_image() == before, "reading has changed the image")

# ---- erase, and layouts ----

other = run("ls", image, "--layout", "linux-debian", code=1)
check(b"not a multiple" in other.stderr or b"need" in other.stderr, other.stderr)
other = run("erase", image, "--layout", "pmsg=8KiB,kmsg=4KiB", code=1)
check(b"another layout" in other.stderr, other.stderr)
check(state_of_image() == before, "a refused erase has changed the image")
check(b"neither full" in run("ls", image, "--layout", "pmsg:8", code=2).stderr, "a layout that is none")
check(b"nearest is 4096" in run("ls", image, "--layout", "kmsg=5000", code=1).stderr, "a size that is none")

was = image.read_bytes()
run("erase", image, "kmsg-0")
now = image.read_bytes()
at = 2 * ZONE
check(now[:at + 4] == was[:at + 4] and now[at + 4:at + 12] == bytes(8) and now[at + 12:] == was[at + 12:],
      "erasing has changed more than datalen")
run("erase", image)
zones = json.loads(run("ls", image, "--json").stdout)["zones"]
check({zone["state"] for zone in zones} == {"erased", "absent"}, zones)
check(zones[2]["counter"] == 7, "counters go on")

# ---- format ----

new = TMP / "new.img"
run("format", new, "--size", "1MiB")
found = json.loads(run("ls", new, "--json").stdout)
check(found["layout"] == {"pmsg": 65536, "console": 65536, "ftrace": 0, "kmsg": 65536}, found["layout"])
check(len(found["zones"]) == 16 and new.stat().st_size == 1 << 20, "format")
check(b"there is a black box; --force" in run("format", new, code=1).stderr, "format twice")
check(b"of another layout; --force" in run("format", new, "--layout", "linux-debian", code=1).stderr, "format another")
run("format", new, "--layout", "linux-debian", "--force")
check(json.loads(run("ls", new, "--json").stdout)["layout"]["pmsg"] == 0, "format --force")
check(b"File exists" in run("format", new, "--size", "1MiB", code=1).stderr, "format --size over a file")
text = TMP / "text"
text.write_bytes(b"x" * (1 << 20))
check(b"not empty" in run("format", text, code=1).stderr, "format over something else")
check(text.read_bytes() == b"x" * (1 << 20), "format over something else")
check(b"no black box" in run("ls", text, code=1).stderr, "ls of something else")
check(b"nearest" in run("format", TMP / "small", "--size", "64KiB", code=1).stderr, "format of too little")
check(not (TMP / "small").exists(), "what could not be formatted is left")
check(b"No such file" in run("ls", TMP / "nothing", code=1).stderr, "ls of nothing")
check(b"neither a file nor" in run("ls", TMP, code=1).stderr, "ls of a directory")
run("ls", code=2)
run("read", image, "pmsg", "more", code=2)

end()
