#!/usr/bin/env python3
"""The other end of the control channel for tests/machine/driver.sh: peer.py SOCKET.

Waits for each "echo" line, sends a pattern, and checks that it comes back whole.
"""

import socket
import sys
import time

BYTES = 1000000
# QEMU's virtconsole drops what the socket does not take: never have more under way than that has room for.
WINDOW = 50000


def connect(path):
    for _ in range(100):
        line = socket.socket(socket.AF_UNIX)
        try:
            line.connect(path)
            return line
        except OSError:
            line.close()
            time.sleep(0.1)
    sys.exit("peer: no socket")


def wait_for_line(stream, wanted):
    for line in stream:
        if line == wanted:
            return
    sys.exit("peer: the stream ended")


def main():
    line = connect(sys.argv[1])
    stream = line.makefile("rb")
    pattern = bytes(i * i // 7 % 251 for i in range(BYTES))
    for _ in range(2):
        wait_for_line(stream, b"echo\n")
        for at in range(0, BYTES, WINDOW):
            part = pattern[at:at + WINDOW]
            line.sendall(part)
            got = stream.read(len(part))
            if got != part:
                first = next((i for i, (a, b) in enumerate(zip(got, part)) if a != b), len(got))
                sys.exit(f"peer: wrong from {at + first} on")
    wait_for_line(stream, b"end\n")
    print("peer: ok")


main()
