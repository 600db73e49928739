#!/usr/bin/env python3
"""Each kind of crash ten times in a row, under guests that check themselves.
timeout: 600 s
"""

from lib import steps
from lib.host import CAUSES, CRASHES_AT_WILL, Host, worker
from lib.steps import check, note

TIMES = 10


def step_every_kind_ten_times():
    vms = [worker("a", address="10.0.0.1", peer="10.0.0.2", vcpus=2),
           worker("b", address="10.0.0.2", peer="10.0.0.1", vcpus=2)]
    with Host({"harts": 4, **CRASHES_AT_WILL}, vms) as host:
        before = host.workloads()
        life = 1
        for kind in CAUSES:
            pauses = []
            for _ in range(TIMES):
                life += 1
                dead = host.json("crash", "inject", kind, seconds=60)
                check(dead["life"] == life - 1, f"crash inject speaks of life {dead['life']}, not {life - 1}")
                host.check_recorded(kind, life)
                for name, report in host.reports().items():
                    check(report["boot_id"] == before[name]["boot_id"], f"{name} has booted anew")
                pauses.append(dead["fault_to_last_guest_us"])
            host.check_alive(before)
            check(all(0 < pause < 2e6 for pause in pauses), f"pauses of lives that were recovered from, us: {pauses}")
            note(f"{kind}: {TIMES} times; guests paused {min(pauses) / 1000:.1f} to {max(pauses) / 1000:.1f} ms")
        lives = host.lives()
        check([l["life"] for l in lives] == list(range(1, life + 1)), f"the history has gaps: {[l['life'] for l in lives]}")
        log = host.log()
        check(f"life {life} begins" in log and "lost" in log, "the log does not tell of the last recovery")
        host.run("log", "--previous")
        text = host.run("crash", "list").stdout
        check(len(text.splitlines()) == life + 1, f"crash list prints {len(text.splitlines())} lines for {life} lives")
        check("crash on request" in host.run("crash", "show", "1").stdout, "crash show does not have the panic's text")
        host.run("crash", "show", "999", status=3)


if __name__ == "__main__":
    steps.main(globals())
