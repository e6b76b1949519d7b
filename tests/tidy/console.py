#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""console.py SOURCE BUILD FILE...: runs what the documents show.

A block marked ```console is run in a scratch directory, by one shell, with the built weir
on PATH and a runtime directory of its own. Its lines "$ command" are the commands; the
lines after one are what it prints, where "..." stands for anything. A command has to exit
with 0, unless its block prints "exit N" after it. `cc` and pkg-config find the prefix that
the consumer tests installed. A file example.c in the scratch directory comes from a block
marked ```c example.c before it."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

BLOCK = re.compile(r"^```(\w+)(?: ([\w.]+))?\n(.*?)^```$", re.S | re.M)


def steps_of(block):
    """[(command, [expected lines])]; a command goes on while its line ends with a \\."""
    steps = []
    for line in block.rstrip("\n").split("\n"):
        if line.startswith("$ "):
            steps.append([line[2:], []])
        elif steps and not steps[-1][1] and steps[-1][0].endswith("\\"):
            steps[-1][0] += "\n" + line
        elif steps:
            steps[-1][1].append(line)
        else:
            raise ValueError(f"output before the first command: {line}")
    return steps


def pattern_of(lines):
    parts = [r".*?".join(re.escape(p) for p in l.rstrip().split("...")) for l in lines]
    return re.compile(r"\n".join(parts) + r"\n?", re.S)


def script_of(steps):
    mark = "@@weir-doc@@"
    text = ["exec 2>&1"]
    for command, _ in steps:
        text += [command, f"printf '\\n{mark} %d\\n' $?"]
    return "\n".join(text) + "\n", mark


def run_block(steps, env, cwd):
    """What went wrong, as text; "" if nothing."""
    script, mark = script_of(steps)
    shell = subprocess.Popen(
        ["sh", "-c", script], cwd=cwd, env=env, text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    )
    got = []
    for command, _ in steps:
        print(f"$ {command}", flush=True)
        lines = []
        for line in shell.stdout:
            m = re.fullmatch(mark + r" (\d+)\n", line)
            if m:
                break
            lines.append(line)
        else:
            m = None
        # The mark brings a newline of its own.
        got.append(("".join(lines).removesuffix("\n"), int(m[1]) if m else -1))
    try:
        os.killpg(shell.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    shell.wait()
    for (command, expected), (text, code) in zip(steps, got):
        want = 0
        if expected and re.fullmatch(r"exit \d+", expected[-1]):
            want = int(expected.pop().split()[1])
        if code != want:
            return f"$ {command}\n{text}\nexited with {code}, not {want}"
        if expected and not pattern_of(expected).fullmatch(text):
            return f"$ {command}\nprinted\n{text}\nand not\n" + "\n".join(expected)
    return ""


def main(source, build, *paths):
    ran = bad = 0
    prefix = os.environ.get("PREFIX", "")
    libdir = os.environ.get("LIBDIR", "lib")
    for path in paths:
        with open(path, encoding="utf-8") as f:
            blocks = BLOCK.findall(f.read())
        with tempfile.TemporaryDirectory(prefix="weir-doc-") as scratch:
            env = dict(
                os.environ, PATH=f"{build}/bin:{os.environ['PATH']}", LC_ALL="C.UTF-8",
                WEIR_RUNTIME_DIR=f"{scratch}/run", TERM="dumb",
                PKG_CONFIG_PATH=f"{prefix}/{libdir}/pkgconfig",
                LD_LIBRARY_PATH=f"{prefix}/{libdir}",
            )
            os.mkdir(f"{scratch}/run", 0o700)
            shutil.copytree(f"{source}/examples", f"{scratch}/examples")
            for language, name, text in blocks:
                if name:
                    with open(f"{scratch}/{name}", "w") as f:
                        f.write(text)
                if language != "console":
                    continue
                steps = steps_of(text)
                ran += len(steps)
                wrong = run_block(steps, env, scratch)
                if wrong:
                    bad += 1
                    print(f"{path}: {wrong}\n", file=sys.stderr)
    print(f"{ran} commands of {len(paths)} documents ran, {bad} blocks are wrong")
    return 1 if bad or not ran else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
