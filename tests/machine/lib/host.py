"""A host under test: started, asked and ended through the outlive command, as a user would."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from .guest import Console
from .steps import Failure, check, note, wait_for

ROOT = Path(__file__).resolve().parents[3]
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
OUTLIVE = BUILD / "outlive"
INITRD = BUILD / "initrd.cpio.gz"

# How long a stock kernel may take to its first report, in QEMU on a busy machine with two cores.
BOOT_SECONDS = 150
# Part of a machine that may crash as often as a test likes.
CRASHES_AT_WILL = {"crash_limit": 60, "crash_window": "1s"}

# How long after a crash everything must have moved on; a hang is found after a second or two.
RECOVER_SECONDS = 20


def cache():
    return Path(os.environ.get("CACHE") or
                subprocess.run([ROOT / "tools/fetch.sh", "--cache"], capture_output=True, text=True,
                               check=True).stdout.strip())


def image():
    """The stock kernel."""
    return cache() / "linux/Image"


def scratch():
    """A directory of this test's own."""
    if "TEST_TMP" not in os.environ:
        os.environ["TEST_TMP"] = tempfile.mkdtemp(prefix="outlive-test-")
    return Path(os.environ["TEST_TMP"])


def environment():
    """With a place of its own for run directories, so that a host that somebody else runs is not in the way."""
    run = scratch() / "run"
    run.mkdir(mode=0o700, exist_ok=True)
    return {**os.environ, "XDG_RUNTIME_DIR": str(run)}


def outlive(*arguments, status=0, seconds=40, given=None, extra=None):
    """Runs the command; a Failure if it ends with another status than expected (None: any), or not in time."""
    command = [str(OUTLIVE), *map(str, arguments)]
    try:
        done = subprocess.run(command, env={**environment(), **(extra or {})}, timeout=seconds, capture_output=True,
                              input=given if given is not None else b"", check=False)
    except subprocess.TimeoutExpired as late:
        said = (late.stdout or b"").decode("utf-8", "replace")[-400:]
        raise Failure(f"outlive {' '.join(command[1:])} did not end within {seconds} s; it said: {said}") from None
    done.stdout = done.stdout.decode("utf-8", "replace")
    done.stderr = done.stderr.decode("utf-8", "replace")
    check(status is None or done.returncode == status,
          f"outlive {' '.join(command[1:])} ended with status {done.returncode}, not {status}; it said: "
          f"{(done.stderr or done.stdout).strip()}")
    return done


def disk(name, mib=16):
    """An empty disk image in the scratch directory."""
    path = scratch() / name
    with open(path, "wb") as file:
        file.truncate(mib << 20)
    return path


def linux(name, cmdline="", **more):
    """A VM with the stock kernel, as a mapping of the host file."""
    return {"name": name, "memory": "256MiB", "kernel": str(image()), "initrd": str(INITRD),
            "cmdline": f"console=ttyS0 quiet outlive.name={name} {cmdline}".strip(), **more}


def worker(name, arguments="", *, address=None, peer=None, with_disk=True, cmdline="", **more):
    """A VM with the self-checking workload, with a disk and, given an address, on the switch "lan"."""
    words = "/bin/workload" + (f" {arguments}" if arguments else "")
    cmdline += f' "outlive.run={words}"'
    if address:
        cmdline += f" outlive.ip={address}/24"
        more.setdefault("networks", [{"switch": "lan"}])
    if peer:
        cmdline += f" workload.peer={peer}"
    if with_disk:
        more.setdefault("disks", [{"file": str(disk(f"{name}.disk"))}])
    return linux(name, cmdline.strip(), **more)


class Host:
    """with Host(machine, vms) as host: runs `outlive run --detach`, and ends it however the block ends."""

    def __init__(self, machine, vms, *arguments, name="host"):
        self.name = name
        self.arguments = arguments
        self.file = scratch() / f"{name}.yaml"
        # JSON is YAML.
        self.file.write_text(json.dumps({"machine": machine, "vms": vms}, indent=1), encoding="utf-8")
        self.vms = [vm["name"] for vm in vms]
        self.consoles = {}
        self.said = ""  # by the command while it started the host

    @property
    def directory(self):
        return Path(environment()["XDG_RUNTIME_DIR"]) / "outlive" / self.name

    def __enter__(self):
        start = time.monotonic()
        try:
            self.said = outlive("run", "--detach", *self.arguments, self.file, "--name", self.name, seconds=60).stderr
        except BaseException:
            self.tell()
            self.end()
            raise
        note(f"host up after {time.monotonic() - start:.1f} s")
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            self.tell()
        self.end()

    def tell(self):
        """For the log of a failed test: what host and guests said last."""
        for file in sorted(self.directory.glob("*.log")):
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            print(f"    {file.name}, the last of {len(lines)} lines:")
            for line in lines[-25:]:
                print(f"      | {line}")
        keep = Path(os.environ.get("OUTLIVE_KEEP_LOGS", ""))
        if keep.name:
            shutil.copytree(self.directory, keep / self.name, dirs_exist_ok=True,
                            ignore=lambda _, names: [n for n in names if not n.endswith(".log")])

    def end(self):
        for console in self.consoles.values():
            console.close()
        pids = self.pids()
        if pids["broker"]:
            outlive("poweroff", "--force", "--host", self.name, status=None)
            end = time.monotonic() + 5
            while is_running(pids["broker"]) and time.monotonic() < end:
                time.sleep(0.05)
        for pid in self.pids().values():
            if pid:
                kill(pid, signal.SIGKILL)

    def pids(self):
        """Process ids of the host's `outlive run` ("broker") and of QEMU, 0 for one that does not run."""
        def read(file, program):
            try:
                pid = int((self.directory / file).read_text())
            except (OSError, ValueError):
                return 0
            return pid if program in program_of(pid) else 0
        return {"broker": read("pid", "outlive"), "qemu": read("qemu.pid", "qemu")}

    # ---- Commands ----

    def run(self, *arguments, **more):
        return outlive(*arguments, "--host", self.name, **more)

    def json(self, *arguments, **more):
        return json.loads(self.run(*arguments, "--json", **more).stdout)

    def ps(self):
        return self.json("ps")

    def life(self):
        return self.ps()["host"]["life"]

    def vm(self, name):
        return next(vm for vm in self.ps()["vms"] if vm["name"] == name)

    def wait_state(self, name, state, seconds=30):
        return wait_for(f"{name} to be {state}", seconds, lambda: (lambda vm: vm["state"] == state and vm)(self.vm(name)))

    def lives(self):
        return self.json("crash", "list")["lives"]

    def log(self):
        return self.run("log").stdout

    def crash(self, kind, **more):
        return self.run("crash", "inject", kind, seconds=60, **more)

    def console(self, name):
        """The console of a VM, connected at the first call, with all that it said before."""
        if name not in self.consoles:
            command = [str(OUTLIVE), "console", name, "--backlog", "--host", self.name]
            self.consoles[name] = Console(command, environment())
        return self.consoles[name]

    # ---- What is expected again and again ----

    def workloads(self, names=None):
        """Waits until the workload of each VM has made progress; their reports by name."""
        names = names or self.vms
        for name in names:
            self.console(name)
        return {name: self.console(name).wait_report(
            BOOT_SECONDS, lambda r: r["t"] > 1.5 and all(r[n] != 0 for n in ("mem", "disk", "net", "regs")),
            "a report with all counters moving") for name in names}

    def reports(self, names=None):
        """A new report of each workload's, by name: what `check_survived` compares with."""
        now = time.monotonic()
        return {name: self.console(name).wait_report(RECOVER_SECONDS, after=now) for name in names or self.vms}

    def check_alive(self, before):
        """The workloads of `before` (reports by name) are in the same boot, unharmed, and all their counters go on."""
        now = self.reports(before)
        for name, report in now.items():
            self.console(name).progress(RECOVER_SECONDS, report)
            self.console(name).check_healthy(before[name]["boot_id"])

    def check_recorded(self, kind, life):
        """After a crash: `life` is the new life, and the history has the crash."""
        check(self.life() == life, f"the host is in life {self.life()}, not {life}")
        dead = self.lives()[-2]
        check(dead["life"] == life - 1 and dead["cause"] in CAUSES[kind], f"{kind} was recorded as {dead}")
        check(dead["vms_lost"] == 0 and dead["vms_adopted"] == len(self.vms), f"VMs were lost: {dead}")

    def check_survived(self, before, kind, life):
        """The same, and the workloads are alive."""
        self.check_recorded(kind, life)
        self.check_alive(before)


# What the history calls a crash of each kind.
CAUSES = {"panic": ("panic",), "trap": ("trap",), "hang": ("hang",), "wild-write": ("trap",),
          "stack": ("stack", "trap", "trap loop")}


def program_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    except OSError:
        return ""


def kill(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def is_running(pid):
    """True if the process is there and not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
