#!/usr/bin/env python3
"""Writes the tables of docs/confidential-calls.md, from warden/private/calls.h and abi/private.h.

usage: tools/private-calls.py [--check]     --check: only says whether the page is up to date
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "confidential-calls.md"
MARK = "<!-- tables -->\n"


def strings(text):
    """The C string literals of text, as one."""
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text))


def macros(source, name):
    """The arguments of each NAME(...) at the start of a line, as text."""
    for match in re.finditer(rf"^{name}\(((?:[^()\"]|\"[^\"]*\"|\([^()]*\))*)\)$", source, re.M):
        yield match.group(1)


def tables():
    calls_h = (ROOT / "warden/private/calls.h").read_text(encoding="ascii")
    numbers = dict(re.findall(r"^\tPRIVATE_(\w+) = (\d+),$", (ROOT / "abi/private.h").read_text(encoding="ascii"), re.M))
    conditions = {}
    for text in macros(calls_h, "PRECONDITION"):
        name, error, _ = (part.strip() for part in text.split(",", 2))
        conditions[name] = (error, strings(text))
    yield "| a6 | call | what is checked, in this order: a0 to a3 |\n| --- | --- | --- |\n"
    for text in macros(calls_h, "CALL"):
        name = text.split(",")[0]
        checks = [f"a{n} {condition}" for condition, n in re.findall(r"WHEN\((\w+), (\d)\)", text)]
        yield f"| {numbers[name]} | {name} | {', '.join(checks)} |\n"
    yield "\n| check | holds if | else |\n| --- | --- | --- |\n"
    for name, (error, text) in conditions.items():
        yield f"| {name} | {text} | {error} |\n"


def main():
    before = PAGE.read_text(encoding="utf-8")
    after = before[: before.index(MARK) + len(MARK)] + "\n" + "".join(tables())
    if sys.argv[1:] == ["--check"]:
        if before != after:
            sys.exit(f"{PAGE.relative_to(ROOT)} is out of date: tools/private-calls.py")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        PAGE.write_text(after, encoding="utf-8")


main()
