#!/usr/bin/env python3
"""What follows a crash that is not to be recovered from: too many within the time, other policies, stock firmware.
timeout: 420 s
"""

import time

from lib import steps
from lib.host import BOOT_SECONDS, RECOVER_SECONDS, Host, outlive, worker
from lib.steps import check, wait_for


def small(**more):
    return worker("a", "memory=4", vcpus=2, **more)


def boot_ids(host):
    return {report["boot_id"] for _, report in host.console("a").reports}


def check_was_reset(host, before):
    """The machine has begun anew: life 1, and the guest in another boot, healthy."""
    wait_for("the machine to be up again", 60, lambda: host.run("ps", "--json", status=None).returncode == 0)
    host.console("a").wait_report(BOOT_SECONDS, lambda r: r["boot_id"] != before["a"]["boot_id"] and r["regs"],
                                  "a report with another boot id")
    check(host.life() == 1, f"after a reset the host is in life {host.life()}")
    check(len(boot_ids(host)) == 2, f"boots of the guest that were seen: {boot_ids(host)}")
    host.console("a").check_healthy()
    check("reset" in (host.directory / "serial.log").read_text(errors="replace"), "the serial line does not tell of the reset")


def check_has_halted(host):
    """Nothing goes on, the host does not answer, and can be ended."""
    wait_for("the warden's word", 20,
             lambda: "halted" in (host.directory / "serial.log").read_text(errors="replace"))
    time.sleep(2)
    last = host.console("a").latest()
    time.sleep(3)
    check(host.console("a").latest() == last, "the machine has halted, and the guest goes on")
    host.run("ps", "--timeout", "3", status=5)
    host.run("poweroff", "--timeout", "20", status=None, seconds=30)
    wait_for("the host's processes to end", 10, lambda: not any(host.pids().values()))


def step_sixth_crash_within_a_minute_resets():
    with Host({"harts": 2}, [small()]) as host:  # 5 within 60 s is the default
        before = host.workloads()
        for life in range(2, 7):
            host.crash("panic")
            check(host.life() == life, f"crash {life - 1} within the limit led to life {host.life()}")
        host.check_alive(before)
        host.crash("panic", status=None)
        check_was_reset(host, before)
        # And the count begins anew.
        again = host.reports()
        host.crash("panic")
        host.check_survived(again, "panic", 2)


def step_crashes_that_are_far_apart_do_not_count():
    with Host({"harts": 2, "crash_limit": 1, "crash_window": "3s"}, [small()]) as host:
        before = host.workloads()
        for life in (2, 3, 4):
            host.crash("panic")
            host.check_survived(before, "panic", life)
            time.sleep(4)


def step_policy_reset():
    with Host({"harts": 2, "on_crash": "reset"}, [small()]) as host:
        before = host.workloads()
        host.crash("trap", status=None)
        check_was_reset(host, before)


def step_policy_halt():
    with Host({"harts": 2, "on_crash": "halt"}, [small()]) as host:
        host.workloads()
        host.crash("panic", status=5)
        check_has_halted(host)


def step_stock_firmware():
    """Runs without the warden, and says what it cannot do."""
    with Host({"harts": 2}, [small()], "--firmware", "stock") as host:
        before = host.workloads()
        check(not host.ps()["host"]["warden"], "ps claims that there is a warden")
        check("no warden" in host.run("ps").stdout, "ps does not say that there is no warden")
        check("stock firmware: no recovery" in host.log(), "the log does not say what stock firmware cannot do")
        host.check_alive(before)
        host.crash("panic", status=None)
        wait_for("the end or another life", RECOVER_SECONDS, lambda: not host.pids()["qemu"] or host.life() > 0)
        text = (host.directory / "serial.log").read_text(errors="replace")
        check("no warden: this life ends without an heir" in text, f"the serial line says: {text[-400:]}")
    outlive("ps", "--host", "host", status=3)


if __name__ == "__main__":
    steps.main(globals())
