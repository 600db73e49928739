"""For test programs that go on behind what is wrong: check() says what, in which line, and end() is the program's last."""

import sys

_failures = 0


def check(holds, what):
    global _failures
    if not holds:
        _failures += 1
        print(f"FAILED (line {sys._getframe(1).f_lineno}): {what}")


def end():
    print(f"{_failures} failures" if _failures else "all good")
    sys.exit(_failures != 0)
