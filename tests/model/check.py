#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Keeps the models in step with the code.

    check.py labels     every label of the code stands in a model, and the other way round
    check.py mutants    mutants.txt and bus/mutant.def name the same planted bugs

A label of the code is the first argument of the macros of bus/atomic.h whose first
parameter is called `label`; in a model it is a comment, /* @label */. What no model needs
stands in unmodelled.txt with its reason.
Exit: 0 the same, 1 not, 77 there is no code yet.
"""

import glob
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
ROOMS = ("bus", "scheduler", "transports", "protocols", "bindings/c")


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def lines(name):
    for line in read(os.path.join(HERE, name)).splitlines():
        if line.strip() and not line.startswith("#"):
            yield line


def without_comments(text):
    """Comments go, line ends and strings stay, so that places can still be named."""
    def blank(match):
        kept = match[0]
        return kept if kept[0] in "\"'" else "\n" * kept.count("\n") or " "

    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'', blank, text,
                  flags=re.S)


def place(path, text, at):
    return "%s:%d" % (os.path.relpath(path, ROOT), text.count("\n", 0, at) + 1)


def sources():
    for room in ROOMS:
        for kind in ("c", "h"):
            yield from glob.glob(os.path.join(ROOT, room, "**", "*." + kind),
                                 recursive=True)


def labels_of_code():
    atomic = os.path.join(ROOT, "bus", "atomic.h")
    macros = set(re.findall(r"^#define (\w+)\(label\b", read(atomic), flags=re.M))
    if "wr_store_release" not in macros:
        sys.exit("bus/atomic.h defines no wr_store_release(label, ...)")
    use = re.compile(r"\b(?:%s)\s*\(\s*(\w+)" % "|".join(sorted(macros)))
    found = {}
    for path in sources():
        if os.path.samefile(path, atomic):
            continue
        text = without_comments(read(path))
        for match in use.finditer(text):
            found.setdefault(match[1], place(path, text, match.start()))
    return found


def labels_of_models():
    found = {}
    for path in sorted(glob.glob(os.path.join(HERE, "*.pml"))):
        text = read(path)
        for comment in re.finditer(r"/\*((?:\s*@\w+)+)\s*\*/", text):
            for label in re.findall(r"@(\w+)", comment[1]):
                found.setdefault(label, place(path, text, comment.start()))
    return found


def labels():
    if not os.path.exists(os.path.join(ROOT, "bus", "atomic.h")):
        print("skipped: there is no bus/atomic.h yet")
        return 77
    code, models = labels_of_code(), labels_of_models()
    excused = {}
    for line in lines("unmodelled.txt"):
        label, _, reason = line.partition(":")
        if not reason.strip():
            sys.exit("unmodelled.txt: '%s' needs a reason" % label)
        excused[label.strip()] = reason.strip()
    bad = 0
    for label in sorted(models.keys() - code.keys()):
        print("%s: @%s stands for nothing: no such label in the code"
              % (models[label], label))
        bad += 1
    for label in sorted(code.keys() - models.keys() - excused.keys()):
        print("%s: '%s' is in no model; model the step, or excuse it in unmodelled.txt"
              % (code[label], label))
        bad += 1
    for label in sorted(excused):
        if label in models:
            print("unmodelled.txt: '%s' is modelled: %s" % (label, models[label]))
            bad += 1
        elif label not in code:
            print("unmodelled.txt: '%s' is not in the code" % label)
            bad += 1
    print("%d labels of the code, %d modelled, %d excused, %d differences"
          % (len(code), len(code.keys() & models.keys()), len(excused), bad))
    return 1 if bad else 0


def mutants():
    table = os.path.join(ROOT, "bus", "mutant.def")
    if not os.path.exists(table):
        print("skipped: there is no bus/mutant.def yet")
        return 77
    code = set(re.findall(r"^\s*WR_MUTANT_DEF\((\w+)\)", without_comments(read(table)),
                          flags=re.M))
    listed, bad = {}, 0
    for line in lines("mutants.txt"):
        name, where, expect = (part.strip() for part in line.split("|")[:3])
        if name in listed or where not in ("code", "model", "test") or expect not in (
                "wrong", "stuck", "cycle", "none"):
            print("mutants.txt: cannot read '%s'" % line)
            bad += 1
        listed[name] = where
    for name in sorted(code - listed.keys()):
        print("%s is in bus/mutant.def and not in mutants.txt" % name)
        bad += 1
    for name in sorted(name for name, where in listed.items()
                       if (where != "model") != (name in code) and name in listed):
        print("mutants.txt says '%s' of %s, bus/mutant.def %s" % (listed[name], name,
              "has it" if name in code else "does not have it"))
        bad += 1
    used = {}
    for path in sources():
        text = without_comments(read(path))
        for match in re.finditer(r"\bWR_MUTANT\(\s*(\w+)\s*\)", text):
            used.setdefault(match[1], place(path, text, match.start()))
    for name in sorted(code - used.keys()):
        print("%s is in bus/mutant.def and planted nowhere" % name)
        bad += 1
    print("%d mutants, %d of them in the code, %d differences"
          % (len(listed), len(code), bad))
    return 1 if bad else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["labels"]:
        sys.exit(labels())
    if sys.argv[1:] == ["mutants"]:
        sys.exit(mutants())
    sys.exit(__doc__)
