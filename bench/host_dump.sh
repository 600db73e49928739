#!/bin/bash
# What a vmcore of the host costs while it is written: see bench/host_dump.py.
exec python3 "$(dirname "$0")/host_dump.py"
