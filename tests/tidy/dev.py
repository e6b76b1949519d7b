#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""dev.py SOURCE: the one script answers as its help says: every command of the help is a
command, a mistake exits with 2 and says what it was, the presets are those of the build."""
import json
import re
import subprocess
import sys

source = sys.argv[1]
wrong = []


def dev(*args):
    done = subprocess.run(
        ["sh", f"{source}/dev", *args], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    return done.returncode, done.stdout, done.stderr


def expect(good, what):
    if not good:
        wrong.append(what)


with open(f"{source}/dev", encoding="utf-8") as f:
    text = f.read()
code, out, _ = dev("help")
told = re.findall(r"^  ([a-z]+) ", out, re.M)
taken = re.search(r"^case \$command in\n(.*?)\)", text, re.S | re.M).group(1).split(" | ")
expect(code == 0, "help does not exit with 0")
expect(sorted(told) == sorted(taken), f"help tells {told}, taken are {taken}")
for command in told:
    expect(f"\ncmd_{command}() {{" in text, f"{command} has no function")
for args in (["fly"], ["test", "--fly"], ["build", "--fly"], ["build", "--preset", "fly"]):
    code, _, err = dev(*args)
    expect(code == 2 and err, f"{args}: {code} {err!r}")
with open(f"{source}/CMakePresets.json", encoding="utf-8") as f:
    presets = [p["name"] for p in json.load(f)["configurePresets"] if not p.get("hidden")]
for name in presets:
    expect(re.search(rf"\b{name}\b", out), f"help does not name the preset {name}")
    expect(re.search(rf"\b{name}\b.*\) echo", text), f"no directory for the preset {name}")
for line in wrong:
    print(line)
print(f"{len(told)} commands, {len(presets)} presets, {len(wrong)} wrong")
sys.exit(1 if wrong else 0)
