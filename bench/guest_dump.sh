#!/bin/bash
# What a dump of a VM costs its guest, and how long it takes: see bench/guest_dump.py.
exec python3 "$(dirname "$0")/guest_dump.py"
