#!/bin/bash
# The tables of docs/confidential-calls.md are those of the warden's preconditions.
set -euo pipefail

exec tools/private-calls.py --check
