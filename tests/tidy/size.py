#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""size.py known SIZE_SH | report SIZE_SH ROOT LIBRARY: the size report of the build.

known counts a tree whose numbers are known; report prints the real one and holds it to
the budget: a bus is small, or it is not understood."""
import os
import subprocess
import sys
import tempfile

LINES_MAX = 44000
LIBRARY_KIB_MAX = 512

KNOWN = {
    "bus/a.c": """/* SPDX */
#include "bus/a.h" /* one */

// not a line
/* a comment
 * goes on
 */ int x; /* but here is code */
int
first(void)
{
	return 1; // code
}

static int
second(int a)
{
	return a;
}
""",
    "bus/a.h": "struct a {\n\tint b;\n};\nstruct a;\ntypedef struct c {\n\tint d;\n} c;\n",
    "bus/os/b.c": "\n\n/* nothing */\n",
    "include/weir/e.def": "E(1)\nE(2)\n",
    "tests/t.c": "int not_counted;\n",
}
EXPECTED = {
    # room: files, lines, structs, functions
    "bus": [3, 19, 2, 2],
    "include": [1, 2, 0, 0],
    "total": [4, 21, 2, 2],
}


def report(*argv):
    out = subprocess.run(["sh", *argv], check=True, capture_output=True, text=True).stdout
    rows = {}
    for line in out.split("\n"):
        words = line.split()
        if len(words) == 5 and words[1].isdigit():
            rows[words[0]] = [int(w) for w in words[1:]]
    return out, rows


def known(script):
    with tempfile.TemporaryDirectory() as root:
        for room in "include conf bus scheduler transports protocols bindings tools".split():
            os.makedirs(os.path.join(root, room))
        for path, text in KNOWN.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w") as f:
                f.write(text)
        out, rows = report(script, root)
    print(out)
    return rows == EXPECTED


def real(script, root, library):
    out, rows = report(script, root, library)
    print(out)
    line = next(l for l in out.split("\n") if l.startswith("libweir: "))
    kib = int(line.split()[1])
    print(f"budget: {LINES_MAX} lines, {LIBRARY_KIB_MAX} KiB")
    parts = sum(v[1] for k, v in rows.items() if k != "total")
    return (
        rows["total"][1] == parts
        and 0 < parts <= LINES_MAX
        and 0 < kib <= LIBRARY_KIB_MAX
        and all(r in rows for r in ("include", "bus", "bindings"))
    )


case = {"known": known, "report": real}[sys.argv[1]]
sys.exit(0 if case(*sys.argv[2:]) else 1)
