#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""features.py [--junit FILE] [--promises FILE] [--table FILE] [--rows FILE] [--list FILE]

Checks docs/features.md: the table | row | state | test | command | holds every row of
tests/tidy/rows.txt exactly once, and nothing else. With --junit, each test that a row
names exists in that run, and those of a row that is done ran and passed. With --list (by
default ../shared/FEATURES.md, where it is there) rows.txt is compared with that list. With
--promises, each item of that page's section Promised names its tests, and they passed."""
import argparse
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import junit  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STATES = ("done", "part", "open")


def table(path):
    """(line, row, state, [tests], command) of each line of the table."""
    with open(path, encoding="utf-8") as f:
        for n, line in enumerate(f, 1):
            cells = [c.strip() for c in line.strip().strip("|").split("|")]
            if line.startswith("|") and re.fullmatch(r"[KPN]\d+", cells[0]):
                cells += [""] * (4 - len(cells))
                tests = re.findall(r"`([^`]+)`", cells[2])
                yield n, cells[0], cells[1], tests, cells[3]


def rows_of_list(path):
    """The row names of FEATURES.md, with K59–K70 written out."""
    found = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            m = re.match(r"\| ([KPN])(\d+)(?:–[KPN](\d+))? \|", line)
            if m:
                first, last = int(m[2]), int(m[3] or m[2])
                found += [f"{m[1]}{i}" for i in range(first, last + 1)]
    return found


def check_rows(rows, entries, say):
    seen = [row for _, row, _, _, _ in entries]
    for row in rows:
        if seen.count(row) != 1:
            say(f"{row} is there {seen.count(row)} times")
    for row in dict.fromkeys(seen):
        if row not in rows:
            say(f"{row} is no row of the list")


def check_entries(entries, say):
    for n, row, state, tests, command in entries:
        if state not in STATES:
            say(f"line {n}: {row} is '{state}', which is none of {', '.join(STATES)}")
        if state == "done" and not tests:
            say(f"line {n}: {row} is done and names no test")
        if state == "done" and not command:
            say(f"line {n}: {row} is done and names no command")


def check_run(entries, ran, say):
    for n, row, state, tests, _ in entries:
        for test in tests:
            if test not in ran:
                say(f"line {n}: {row} names {test}, which no test is called")
            elif state == "done" and ran[test] != "passed":
                say(f"line {n}: {row} is done but {test} {ran[test]}")


def promises(path):
    """(line, text, [tests]) of each item of the section Promised."""
    items = []
    with open(path, encoding="utf-8") as f:
        text = f.read()
    start = text.index("\n## Promised\n")
    end = text.find("\n## ", start + 1)
    first = text.count("\n", 0, start) + 1
    for n, line in enumerate(text[start:end].split("\n"), first):
        if line.startswith("- "):
            items.append([n, line])
        elif line.startswith("  ") and items:
            items[-1][1] += " " + line.strip()
    return [(n, item, re.findall(r"`(\w+/\w+)`", item)) for n, item in items]


def check_promises(path, ran, say):
    for n, item, tests in promises(path):
        if not tests:
            say(f"{path}:{n}: no test is named for: {item[2:60]}...")
        for test in tests:
            if ran is not None and ran.get(test) != "passed":
                say(f"{path}:{n}: {test} {ran.get(test, 'is not there')}")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--junit")
    options.add_argument("--table", default=os.path.join(ROOT, "docs/features.md"))
    options.add_argument("--promises", help="docs/guarantees.md")
    options.add_argument("--rows", default=os.path.join(ROOT, "tests/tidy/rows.txt"))
    options.add_argument("--list", default=os.path.join(ROOT, "../shared/FEATURES.md"))
    o = options.parse_args()
    wrong = []

    with open(o.rows, encoding="utf-8") as f:
        rows = [r for line in f if not line.startswith("#") for r in line.split()]
    if os.path.exists(o.list) and sorted(rows_of_list(o.list)) != sorted(rows):
        differ = set(rows_of_list(o.list)) ^ set(rows)
        wrong.append(f"{o.rows} differs from {o.list}: {' '.join(sorted(differ))}")
    entries = list(table(o.table))
    check_rows(rows, entries, wrong.append)
    check_entries(entries, wrong.append)
    ran = junit.outcomes(o.junit) if o.junit else None
    if o.junit:
        check_run(entries, ran, wrong.append)
    wrong = [f"{o.table}: {line}" for line in wrong]
    if o.promises:
        check_promises(o.promises, ran, wrong.append)
    print("".join(line + "\n" for line in wrong), end="")
    states = [e[2] for e in entries]
    print("features: " + ", ".join(f"{states.count(s)} {s}" for s in STATES))
    return 1 if wrong else 0


sys.exit(main())
