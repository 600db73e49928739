#!/bin/bash
# For how long a recovery stops vCPUs: see bench/pauses.py.
exec python3 "$(dirname "$0")/pauses.py" "$@"
