#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Each rule finds what it is there for: a small tree that keeps the rules passes, and each
way to break one is found. The same for the checker of the feature table and for the
counting of a ctest run."""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import console  # noqa: E402
import junit  # noqa: E402

SPDX = "/* SPDX-License-Identifier: MIT OR Apache-2.0 */\n"
GOOD = {
    "dev": "#!/bin/sh\n# SPDX-License-Identifier: MIT OR Apache-2.0\n"
           "case $command in\nbuild | test) x ;;\nesac\n",
    "include/weir/weir.h": SPDX + "#include <stddef.h>\n#define WEIR_A_MAX (64u << 10) /* */\n",
    "docs/guarantees.md": "| `WEIR_A_MAX` | 64 KiB | of |\n",
    "bus/log.h": SPDX + '#include "bus/atomic.h"\n#include <weir/weir.h>\n',
    "bus/log.c": SPDX + '#include "bus/log.h"\n/* memory_order_relaxed would do */\n'
                 "wr_store_release(\n\tput_len, p, 1);\n",
    "bus/atomic.h": SPDX + "#include <stdatomic.h>\n",
    "protocols/pub.c": SPDX + '#include "bus/log.h"\n',
    "tools/main.c": SPDX + '#include <weir/weir.h>\n#include "tools/cmd.h"\n',
    "tools/cmd.h": SPDX,
    "tests/bus/test_log.c": SPDX + '#include "bus/log.h"\nwr_suite_log\n',
    "tests/bus/test_log_edges.c": SPDX + "wr_suite_log_edges\n",
    "docs/a.md": "# One two\n\n[b](b.md#three) [top](#one-two) `[x](y)`\n\n./dev build\n",
    "docs/b.md": "## Three\n\n`bus/log.c`\n",
    "docs/memory-order.md": "| label | what |\n|---|---|\n| `put_len` | last |\n",
}
# rule: [(file, text, what is said about it)]
BAD = {
    "includes": [
        ("bus/up.h", SPDX + '#include "protocols/pub.h"\n', "may not include"),
        ("conf/up.c", SPDX + '#include "bus/log.h"\n', "may not include"),
        ("bus/bare.c", SPDX + '#include "log.h"\n', "without its room"),
        ("tools/deep.c", SPDX + '#include "bus/log.h"\n', "sees <weir/...> only"),
        ("examples/deep.c", SPDX + '#include "bus/log.h"\n', "sees <weir/...> only"),
        ("bindings/python/x.c", SPDX + '#include "bus/log.h"\n', "sees <weir/...> only"),
        ("include/weir/x.h", SPDX + "#include <pthread.h>\n", "a public header"),
        ("include/weir/x.h", SPDX + '#include "bus/log.h"\n', "a public header"),
        ("protocols/x.c", SPDX + "#include <nng/nng.h>\n", "belongs in"),
    ],
    "names": [
        ("bus/Log.c", SPDX, "lower case"),
        ("tests/bus/test_nothing.c", SPDX + "wr_suite_nothing\n", "no file of bus"),
        ("tests/bus/test_log.c", SPDX, "does not define"),
        ("bus/log.c", SPDX + '#include <stdio.h>\n#include "bus/log.h"\n', "comes first"),
    ],
    "spdx": [
        ("bus/x.c", "int x;\n", "SPDX"),
        ("bus/x.c", "\n" + SPDX, "SPDX"),
        ("cmake/x.cmake", "x()\n", "SPDX"),
    ],
    "words": [
        ("docs/x.md", "see /ho" + "me/me/x\n", "a path"),
        ("docs/x.md", "see /wo" + "rk/x\n", "a path"),
        ("bus/x.c", SPDX + "/* see no" + "tes/x.md */\n", "not here"),
        ("bus/x.c", SPDX + "<<<<" + "<<< here\n", "merge"),
        ("bus/x.c", SPDX + "/* FIX" + "ME */\n", "leftover"),
        ("bus/x.c", SPDX + "int x; \n", "space"),
        ("bus/x.c", SPDX + "int x;", "newline"),
    ],
    "orders": [
        ("bus/log.c", SPDX + "f(memory_order_relaxed);\n", "memory_order_relaxed"),
        ("bus/log.c", SPDX + "__atomic_load_n(p, 0);\n", "__atomic"),
        ("protocols/x.c", SPDX + "atomic_fetch_add(p, 1);\n", "atomic_fetch_add"),
        ("tools/x.h", SPDX + "_Atomic int x;\n", "atomic type"),
    ],
    "links": [
        ("docs/x.md", "[b](c.md)\n", "leads nowhere"),
        ("docs/x.md", "[b](b.md#four)\n", "no heading"),
        ("docs/x.md", "./dev fly\n", "no command"),
        ("docs/x.md", "see `bus/lag.c`\n", "is not there"),
    ],
    "limits": [
        ("docs/guarantees.md", "| `WEIR_A_MAX` | 64 | of |\n", "is 65536 in"),
        ("docs/guarantees.md", "nothing\n", "not stated"),
        ("docs/guarantees.md", "| `WEIR_A_MAX` | 64 KiB | |\n| `WEIR_B_MAX` | 1 | |\n", "is None"),
    ],
    "labels": [
        ("bus/x.c", SPDX + "wr_load_acquire(take_len, p);\n", "take_len has no row"),
        ("docs/memory-order.md", "| `put_len` | |\n| `gone` | |\n", "labelled gone"),
        ("docs/memory-order.md", "| `put_len` | |\n| `put_len` | |\n", "already"),
    ],
}

wrong = []


def expect(good, what):
    if not good:
        wrong.append(what)


def run(script, *args):
    done = subprocess.run(
        [sys.executable, os.path.join(HERE, script), *args], capture_output=True, text=True
    )
    return done.returncode, done.stdout


def write(root, path, text):
    whole = os.path.join(root, path)
    os.makedirs(os.path.dirname(whole), exist_ok=True)
    with open(whole, "w", encoding="utf-8") as f:
        f.write(text)


def tidy_rules():
    rules = run("tidy.py", "--list")[1].split()
    expect(sorted(rules) == sorted(BAD), f"rules without a break of their own: {rules}")
    with tempfile.TemporaryDirectory() as root:
        for path, text in GOOD.items():
            write(root, path, text)
        code, out = run("tidy.py", "--root", root, *rules)
        expect(code == 0, f"the good tree: {out}")
        for rule, cases in BAD.items():
            for path, text, said in cases:
                write(root, path, text)
                code, out = run("tidy.py", "--root", root, rule)
                expect(code == 1 and path in out and said in out, f"{rule}, {path}: {out!r}")
                os.unlink(os.path.join(root, path))
                if path in GOOD:
                    write(root, path, GOOD[path])


TABLE = "| row | state | test | command |\n|---|---|---|---|\n"
RUN = """<testsuite>
<testcase name="a/good" status="run"/>
<testcase name="a/bad" status="fail"><failure/><system-out>why</system-out></testcase>
<testcase name="a/skip" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/></testcase>
<testcase name="a/lost" status="notrun"><skipped message="Unable to find executable"/></testcase>
</testsuite>"""
DONE = "| K1 | done | `a/good` | `x` |\n"
TABLES = [
    (DONE + "| K2 | open | | |\n", ""),
    (DONE, "K2 is there 0 times"),
    (DONE + DONE + "| K2 | open | | |\n", "K1 is there 2 times"),
    (DONE + "| K2 | open | | |\n| K3 | open | | |\n", "K3 is no row"),
    (DONE + "| K2 | perhaps | | |\n", "none of"),
    (DONE + "| K2 | done | | `x` |\n", "names no test"),
    (DONE + "| K2 | done | `a/good` | |\n", "names no command"),
    (DONE + "| K2 | done | `a/none` | `x` |\n", "no test is called"),
    (DONE + "| K2 | part | `a/none` | `x` |\n", "no test is called"),
    (DONE + "| K2 | done | `a/good`, `a/bad` | `x` |\n", "a/bad failed"),
    (DONE + "| K2 | done | `a/skip` | `x` |\n", "a/skip skipped"),
    (DONE + "| K2 | done | `a/lost` | `x` |\n", "a/lost failed"),
]


PROMISES = [
    ("- It works\n  always (`a/good`).", ""),
    ("- It works (`a/good`).\n- So does this.", "no test is named"),
    ("- It works (`a/good`, `a/bad`).", "a/bad failed"),
    ("- It works (`a/none`).", "is not there"),
]


def feature_table():
    with tempfile.TemporaryDirectory() as root:
        at = lambda name: os.path.join(root, name)  # noqa: E731
        write(root, "rows", "# comment\nK1 K2\n")
        write(root, "run.xml", RUN)
        base = ["--junit", at("run.xml"), "--rows", at("rows"), "--table", at("t.md")]
        for text, said in TABLES:
            write(root, "t.md", TABLE + text)
            code, out = run("features.py", *base, "--list", at("none"))
            good = code == 0 if not said else code == 1 and said in out
            expect(good, f"features: wanted {said!r}, got {out!r}")
        write(root, "t.md", TABLE + TABLES[0][0])
        for rows, code_wanted in (("| K1–K2 | x |\n", 0), ("| K1 | x |\n", 1)):
            write(root, "list.md", rows)
            code, out = run("features.py", *base, "--list", at("list.md"))
            expect(code == code_wanted, f"features, list {rows!r}: {out!r}")
        write(root, "t.md", TABLE + TABLES[0][0])
        for item, said in PROMISES:
            write(root, "p.md", f"# P\n\n## Promised\n\n{item}\n\n## Not\n\n- nothing\n")
            code, out = run("features.py", *base, "--list", at("none"), "--promises", at("p.md"))
            good = code == 0 if not said else code == 1 and said in out
            expect(good, f"promises: wanted {said!r}, got {out!r}")
        for rc, counts in (("8", "1 2 1"), ("0", "1 2 1")):
            expect(run("junit.py", at("run.xml"), rc)[1].strip() == counts, "junit counts")
        expect(run("junit.py", at("none"), "1")[1].strip() == "0 1 0", "junit, no run")
        named = "failed a/bad\n  | why\nskipped a/skip\nfailed a/lost\n"
        expect(run("junit.py", "--names", at("run.xml"))[1] == named, "junit names")
        expect(run("junit.py", "--names", at("none"))[1] == "", "junit names, no run")
        expect(junit.outcomes(at("run.xml"))["a/lost"] == "failed", "junit, a lost program")


BLOCKS = [
    ("$ echo hi\nhi\n", ""),
    ("$ echo hi\n", ""),
    ("$ echo hi there\nhi ...\n", ""),
    ("$ printf '1\\n2\\n3\\n'\n1\n...\n3\n", ""),
    ("$ echo a \\\n  b\na b\n", ""),
    ("$ sh -c 'exit 4'\nexit 4\n", ""),
    ("$ sleep 1000 & echo on\non\n", ""),
    ("$ echo hi\nho\n", "and not"),
    ("$ false\n", "exited with 1"),
    ("$ true\nexit 1\n", "exited with 0"),
    ("$ exit 3\n", "exited with -1"),
]


def console_blocks():
    with tempfile.TemporaryDirectory() as cwd:
        for text, said in BLOCKS:
            got = console.run_block(console.steps_of(text), dict(os.environ), cwd)
            expect(said in got if said else not got, f"console {text!r}: {got!r}")
    found = console.BLOCK.findall("```c example.c\nint x;\n```\n\n```console\n$ a\n```\n")
    expect(found == [("c", "example.c", "int x;\n"), ("console", "", "$ a\n")], "blocks")


for part in (tidy_rules, feature_table, console_blocks):
    part()
for line in wrong:
    print(line)
print(f"{len(wrong)} rules do not do what they are there for")
sys.exit(1 if wrong else 0)
