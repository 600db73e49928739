#!/usr/bin/env python3
"""Prints the table of bench/exits.sh from what it has measured."""

import argparse
import json
import sys
from pathlib import Path

from lib import print_table


def results(path):
    """The guest's lines "BENCH name value unit"; a console may have put anything around them."""
    found, ended = {}, False
    for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split()
        if words[:2] == ["BENCH", "end"]:
            ended = True
        elif len(words) == 4 and words[0] == "BENCH":
            found[words[1]] = int(words[2])
    if not ended:
        sys.exit(f"bench: the guest did not reach its end; it said:\n{Path(path).read_text(errors='replace')[-2000:]}")
    return found


def peers(path):
    rows = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, what, *figures = line.split("\t")
            figures += [""] * (5 - len(figures))
            rows.append((name, what, figures[:4], figures[4]))
    return rows


def number(value):
    return "-" if value is None else f"{value:,}"


def target_of(text, bare):
    """A number, "N bare" for N times what the bare machine took ("bare": once), or nothing."""
    if text.endswith("bare"):
        return None if bare is None else int(float(text.split()[0] if " " in text else 1) * bare)
    return int(text) if text else None


def verdict(value, target):
    if target is None or value is None:
        return ""
    return "good" if value <= target else f"MISSED x{value / target:.2f}"


def exits(arguments):
    ours, bare = results(arguments.ours), results(arguments.bare)
    rows = []
    for name, what, figures, text in peers(arguments.peers):
        target = target_of(text, bare.get(name))
        rows.append([what, number(ours.get(name)), number(bare.get(name)),
                     *[number(int(figure)) if figure else "-" for figure in figures],
                     number(target), verdict(ours.get(name), target)])
    print(f"\nInstructions per operation: ours and bare here on QEMU {arguments.qemu}, the others on QEMU 10.0.2, "
          "both -icount shift=0\n")
    print_table(["operation", "Outlive", "bare here", "bare", "KVM", "Xvisor", "Bao", "target", "verdict"], rows)


def code_lines(folders, suffixes):
    """Lines that are neither blank nor comment. Own sources only: libfdt and OpenSBI are not ours."""
    count = 0
    for folder in folders:
        for path in sorted(Path(folder).rglob("*")):
            if path.suffix not in suffixes:
                continue
            inside = False
            for line in path.read_text(encoding="utf-8").splitlines():
                text = line.strip()
                comment = inside or text.startswith(("//", "/*"))
                if text.startswith("/*") or inside:
                    inside = "*/" not in text
                count += bool(text) and not comment
    return count


def reserved_memory(path):
    try:
        state = json.loads(Path(path).read_text(encoding="utf-8"))
        return state["host"]["memory"] - state["host"]["memory_free"] - sum(vm["memory"] for vm in state["vms"])
    except (OSError, ValueError, KeyError):
        return None


def file_size(path):
    return Path(path).stat().st_size if Path(path).exists() else None


def sizes(arguments):
    build = Path(arguments.build)
    reserved = reserved_memory(arguments.ps)
    rows = [
        ["memory reserved, host of one 256 MiB VM", number(reserved and reserved >> 10), "KiB"],
        ["hypervisor image (outlive.bin)", number(file_size(build / "outlive.bin")), "bytes"],
        ["warden image with OpenSBI (warden.bin)", number(file_size(build / "warden.bin")), "bytes"],
        ["code of the hypervisor's core (abi, core)", number(code_lines(["abi", "core"], {".c", ".h"})), "lines"],
        ["code of its machine (arch/riscv64, drivers)",
         number(code_lines(["arch/riscv64", "drivers"], {".c", ".h", ".S"})), "lines"],
        ["code of the warden", number(code_lines(["warden"], {".c", ".h", ".S"})), "lines"],
    ]
    print()
    print_table(["size", "Outlive", "unit"], rows)
    return reserved is not None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("peers", "bare", "ours", "ps", "build", "qemu"):
        parser.add_argument(f"--{name}", required=True)
    arguments = parser.parse_args()
    exits(arguments)
    return 0 if sizes(arguments) else 1


if __name__ == "__main__":
    sys.exit(main())
