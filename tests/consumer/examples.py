#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""examples.py SOURCE PREFIX LIBDIR SCRATCH: the two small programs are small, compile
without a warning against an installed prefix, and work as a pair; the pipeline between
threads adds up."""
import os
import re
import signal
import subprocess
import sys
import tempfile

LINES_MAX = 15


def source_lines(path):
    """Lines that hold more than white space and comment."""
    with open(path) as f:
        code = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    return [l for l in re.sub(r"//.*", "", code).split("\n") if l.strip()]


def compiled(source, prefix, libdir, scratch):
    env = dict(os.environ, PKG_CONFIG_PATH=f"{prefix}/{libdir}/pkgconfig")
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "weir"],
        env=env, check=True, capture_output=True, text=True,
    ).stdout.split()
    out = os.path.join(scratch, "example-" + os.path.basename(source)[:-2])
    warnings = "-Wall -Wextra -Wshadow -Wconversion -pedantic -Werror".split()
    subprocess.run(["gcc", "-std=c11", *warnings, "-o", out, source, *flags], check=True)
    return out


def pair(publisher, subscriber, env):
    """Starts both, hears three messages in order, ends both by Ctrl-C."""
    sub = subprocess.Popen([subscriber], env=env, stdout=subprocess.PIPE, text=True)
    pub = subprocess.Popen([publisher], env=env)
    try:
        heard = [int(re.fullmatch(r"hello (\d+)\n", sub.stdout.readline())[1]) for _ in range(3)]
        if heard != list(range(heard[0], heard[0] + 3)):
            sys.exit(f"not in order: {heard}")
        for program, name in ((pub, "publisher"), (sub, "subscriber")):
            program.send_signal(signal.SIGINT)
            if program.wait() != 0:
                sys.exit(f"the {name} ended with {program.returncode}")
    finally:
        for program in (pub, sub):
            program.kill()
            program.wait()
    return heard


def main(source, prefix, libdir, scratch):
    programs = {}
    for name in ("publisher", "subscriber"):
        path = f"{source}/examples/{name}.c"
        n = len(source_lines(path))
        print(f"{name}.c: {n} source lines")
        if n > LINES_MAX:
            sys.exit(f"more than {LINES_MAX}")
        programs[name] = compiled(path, prefix, libdir, scratch)
    with tempfile.TemporaryDirectory(prefix="weir-test-") as run:
        env = dict(os.environ, WEIR_RUNTIME_DIR=run, LD_LIBRARY_PATH=f"{prefix}/{libdir}")
        heard = pair(programs["publisher"], programs["subscriber"], env)
        pipeline = compiled(f"{source}/examples/pipeline.c", prefix, libdir, scratch)
        added = subprocess.run([pipeline], env=env, capture_output=True, text=True, timeout=300)
        if added.stdout != "10000100000\n":
            sys.exit(f"the pipeline ended with {added.returncode}: {added.stdout}{added.stderr}")
        left = [os.path.join(d, f) for d, _, names in os.walk(run) for f in names]
        if left:
            sys.exit(f"left behind: {left}")
    print(f"heard hello {heard[0]} to {heard[-1]}, and the pipeline added up")


main(*sys.argv[1:])
