#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""exports.py INCLUDE_DIR MAP SHARED STATIC: what the headers declare, what the map lists
and what the libraries export are the same names, both ways."""
import os
import re
import subprocess
import sys
import tempfile


def run(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def declared(include):
    """The functions of the public headers, as the compiler sees them."""
    headers = sorted(h for h in os.listdir(os.path.join(include, "weir")) if h.endswith(".h"))
    with tempfile.TemporaryDirectory() as d:
        source, out = os.path.join(d, "all.c"), os.path.join(d, "out")
        with open(source, "w") as f:
            f.writelines(f"#include <weir/{h}>\n" for h in headers)
        run("gcc", "-std=c11", "-I", include, "-fsyntax-only", "-aux-info", out, source)
        with open(out) as f:
            ours = [l for l in f if os.path.join(include, "weir") in l.split(" ")[1]]
    return {re.search(r"(\w+) \(", l).group(1) for l in ours if " static " not in l}


def listed(path):
    with open(path) as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    body = re.search(r"global:(.*)local:\s*\*;", text, re.S).group(1)
    names = [n.strip() for n in body.split(";") if n.strip()]
    if names != sorted(names):
        print(f"{path}: the names are not sorted")
        sys.exit(1)
    return set(names)


def exported(path, *options):
    """{name: type} of the defined global symbols."""
    found = {}
    for line in run("nm", "--defined-only", "--extern-only", *options, path).split("\n"):
        parts = line.split()
        if len(parts) == 3:
            found[parts[2]] = parts[1]
    return found


def compare(what, names, other, others):
    bad = 0
    for n in sorted(names - others):
        print(f"{n} is in {what}, not in {other}")
        bad += 1
    for n in sorted(others - names):
        print(f"{n} is in {other}, not in {what}")
        bad += 1
    return bad


def main(include, map_path, shared, static):
    header = declared(include)
    version = re.search(r"^(\w+) \{", open(map_path).read(), re.M).group(1)
    dynamic = exported(shared, "--dynamic")
    bad = compare("the headers", header, "the map", listed(map_path))
    names = {n.split("@")[0] for n in dynamic if n != version}
    names -= {n for n in names if n.startswith("__asan") or n.startswith("__odr_asan")}
    bad += compare("the headers", header, "libweir.so", names)
    for n in sorted(dynamic):
        if n != version and not n.endswith("@@" + version):
            print(f"libweir.so exports {n} without the version {version}")
            bad += 1
    archive = exported(static)
    for n in sorted(archive):
        if not re.match(r"(weir|wr)_", n):
            print(f"libweir.a defines {n}, which could collide with a program's own")
            bad += 1
    bad += compare(
        "the headers", header, "libweir.a", {n for n in archive if n.startswith("weir_")}
    )
    print(f"{len(header)} names declared, {len(names)} exported, {bad} differences")
    return 1 if bad or not header else 0


sys.exit(main(*sys.argv[1:]))
