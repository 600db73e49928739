"""The machine's own serial line: what the warden and the hypervisor say, and whoever has the machine after them."""

import re

from .steps import wait_for


class Serial:
    """Reads like a guest's console (guest.Console), without anybody to type to."""

    def __init__(self, host):
        self.path = host.directory / "serial.log"

    def text(self, after=0):
        return self.path.read_text(encoding="utf-8", errors="replace").replace("\r", "")[after:]

    def mark(self):
        return len(self.text())

    def wait(self, pattern, seconds, after=0):
        """Waits for a line that matches; returns the match."""
        def look():
            # The last line may not be whole yet.
            whole = self.text(after).rpartition("\n")[0]
            return next(filter(None, (re.search(pattern, line) for line in whole.splitlines())), None)
        return wait_for(f"the serial line to say {pattern!r}", seconds, look)
