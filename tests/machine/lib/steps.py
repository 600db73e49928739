"""A test program of several steps: functions whose names begin with "step_", in the order in which they are written.

    if __name__ == "__main__":
        steps.main(globals())

Each step prints a line with its result and time. One that fails does not keep the next from running. Arguments choose
the steps whose names contain one of them.
"""

import signal
import sys
import time
import traceback


class Failure(Exception):
    """Something is not as a user would expect it; the text says what."""


def check(condition, text):
    if not condition:
        raise Failure(text)


def wait_for(what, seconds, look, every=0.2):
    """Calls look() until it returns something true, and returns that. `what` completes "waited N s for"."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() >= end:
            raise Failure(f"waited {seconds:.0f} s for {what}")
        time.sleep(every)


def note(text):
    print(f"    {text}", flush=True)


def main(names):
    # What a time-out or a Ctrl-C interrupts cleans up after itself on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    wanted = sys.argv[1:]
    failed = []
    for name, step in list(names.items()):
        if not name.startswith("step_") or (wanted and not any(w in name for w in wanted)):
            continue
        title = name.removeprefix("step_").replace("_", " ")
        print(f"--- {title}", flush=True)
        start = time.monotonic()
        try:
            step()
            result = "ok"
        except Failure as failure:
            result = f"FAIL: {failure}"
            failed.append(title)
        except Exception:  # a mistake of the test's own counts as a failure as well
            traceback.print_exc(file=sys.stdout)
            result = "FAIL"
            failed.append(title)
        print(f"--- {title}: {result} ({time.monotonic() - start:.1f} s)", flush=True)
    if failed:
        print("failed: " + ", ".join(failed))
    sys.exit(1 if failed else 0)
