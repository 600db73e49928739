#!/usr/bin/env python3
"""Opens dumps of a VM with the stock kernel by gdb, crash, drgn and makedumpfile: see interop_dump.sh.

usage: interop_dump.py IMAGE ROOT OUTLIVE INITRD WORK [--all]
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

IMAGE, ROOT, OUTLIVE, INITRD, WORK = (Path(argument).resolve() for argument in sys.argv[1:6])
IS_ALL = sys.argv[6:] == ["--all"]
VMLINUX = ROOT / "vmlinux"
ENVIRONMENT = {**os.environ, "XDG_RUNTIME_DIR": str(WORK / "run")}
DRGN = """
import sys
sys.path.insert(0, sys.argv[3])
import drgn
from drgn.helpers.linux import for_each_task
prog = drgn.Program()
prog.set_core_dump(sys.argv[1])
prog.load_debug_info([sys.argv[2]])
print(prog["linux_banner"].string_().decode())
print([task.comm.string_().decode() for task in for_each_task(prog)])
"""
failures = 0


def check(holds, what):
    global failures
    print(f"interop: {'ok' if holds else 'FAILED'}: {what}", flush=True)
    failures += not holds


def outlive(*arguments, **more):
    return subprocess.run([OUTLIVE, *map(str, arguments)], env=ENVIRONMENT, check=True, stdin=subprocess.DEVNULL, **more)


def riscv(program, *arguments):
    """Runs a program of ROOT; its status and all that it said."""
    done = subprocess.run(["qemu-riscv64-static", "-L", str(ROOT), str(ROOT / "usr/bin" / program), *map(str, arguments)],
                          capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=1800, cwd=WORK,
                          env={**os.environ, "PYTHONHOME": str(ROOT / "usr")})
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


def make_dumps():
    """The dumps, by name, of a guest that has said a word to its own log."""
    (WORK / "host.yaml").write_text(
        f"machine: {{harts: 2}}\nvms:\n  - {{name: guest, memory: 256MiB, vcpus: 2, kernel: {IMAGE}, initrd: {INITRD}, "
        f'cmdline: "console=ttyS0 quiet outlive.name=guest"}}\n')
    dumps = {name: WORK / name for name in ("paused.core", "live.core", "live.kdump")}
    outlive("run", "--detach", "--quiet", WORK / "host.yaml", "--name", "interop")
    try:
        outlive("console", "guest", "--backlog", "--until", "initrd's shell", "--timeout", "180", stdout=subprocess.DEVNULL)
        time.sleep(3)
        subprocess.run([OUTLIVE, "console", "guest", "--until", "said-2", "--timeout", "30"], env=ENVIRONMENT, check=True,
                       input=b"echo interop-was-here >/dev/kmsg; echo said-$((1+1))\r", stdout=subprocess.DEVNULL)
        outlive("dump", "guest", "-o", dumps["paused.core"], "--force")
        outlive("dump", "guest", "-o", dumps["live.core"], "--force", "--live", "--exclude", "zero,free")
        outlive("dump", "guest", "-o", dumps["live.kdump"], "--force", "--live", "--format", "kdump", "--exclude", "free")
    finally:
        outlive("poweroff", "--force", "--host", "interop")
    return dumps


def look_gdb(core):
    done = subprocess.run(["gdb-multiarch", "-nx", "-batch", str(VMLINUX), str(core), "-ex", "thread apply all bt",
                           "-ex", "p init_task.comm", "-ex", "p nr_cpu_ids"], capture_output=True, check=False)
    text = done.stdout.decode()
    traces = re.findall(r"^Thread \d+ .*\n#0 +.*\w \(.*\n#1 +.*\w \(", text, re.M)
    check(len(traces) == 2 and "?? ()" not in text, f"gdb: backtraces of both vCPUs in {core.name}")
    check("swapper/0" in text and re.search(r"= 2$", text, re.M), f"gdb: the kernel's variables in {core.name}")


def look_crash(dump):
    (WORK / "commands").write_text("sys\nps\nbt -a\nlog\nquit\n")
    begin = time.monotonic()
    _, text = riscv("crash", "-s", "-i", WORK / "commands", VMLINUX, dump)
    (WORK / f"{dump.name}.crash.log").write_text(text)
    name = f"in {dump.name} ({time.monotonic() - begin:.0f} s)"
    check(re.search(r"CPUS: 2$", text, re.M) and "NODENAME: guest" in text, f"crash: sys {name}")
    check(re.search(r"^ +1 +0 +\d+ +[0-9a-f]{16} .* init$", text, re.M) and "[kthreadd]" in text, f"crash: ps {name}")
    check(len(re.findall(r"^ #\d+ \[[0-9a-f]{16}\]", text, re.M)) >= 8, f"crash: bt {name}")
    check("interop-was-here" in text, f"crash: log {name}")


def look_drgn(dump):
    (WORK / "look.py").write_text(DRGN)
    _, text = riscv("python3.13", WORK / "look.py", dump, VMLINUX, ROOT / "usr/lib/python3/dist-packages")
    check("Linux version" in text and "'kthreadd'" in text, f"drgn: banner and tasks of {dump.name}")


def look_makedumpfile(dump):
    small = WORK / f"{dump.name}.d31"
    status, text = riscv("makedumpfile", "-f", "-c", "-d", "31", dump, small)
    check(status == 0 and small.exists(), f"makedumpfile: -d 31 of {dump.name}" + ("" if status == 0 else f": {text[-300:]}"))


WORK.mkdir(parents=True, exist_ok=True)
(WORK / "run").mkdir(mode=0o700, exist_ok=True)
found = make_dumps()
for each in found.values():
    if each.suffix == ".core":
        look_gdb(each)
    look_makedumpfile(each)
    look_drgn(each)
    if IS_ALL or each.name == "paused.core":
        look_crash(each)
sys.exit(failures != 0)
