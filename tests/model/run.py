#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Searches the models to the end and shows that each planted bug is found.

    run.py [--long] [--model NAME]... [--only NAME]... [--jobs N]

Runs come from runs.txt, mutants from mutants.txt. A run passes if the whole state space
was searched without an error; a mutant passes if the search ends as mutants.txt expects.
Exit: 0 all passed, 1 not, 77 spin or a C compiler is missing.
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DEPTH = {"ci": 4_000_000, "long": 40_000_000}
SEARCH = {  # flags of the compiler and of the search
    "safe": (["-DSAFETY"], []),
    "cycles": (["-DNP"], ["-l"]),
    "fair": (["-DNP", "-DNFAIR=3"], ["-l", "-f"]),
}


class Job:
    def __init__(self, name, model, search, flags, expect, depth, what=""):
        self.name, self.model, self.search = name, model, search
        self.flags, self.expect, self.depth, self.what = flags, expect, depth, what
        self.found = self.states = self.seconds = None


def lines(path):
    with open(os.path.join(HERE, path), encoding="utf-8") as f:
        for line in f:
            line = line.strip()
            if line and not line.startswith("#"):
                yield line


def runs(long):
    for line in lines("runs.txt"):
        name, model, group, search, *flags = line.split()
        if group == "ci" or long:
            yield Job(name, model, search, flags, "none", DEPTH[group])


def mutants():
    for line in lines("mutants.txt"):
        name, where, expect, flags, what = (part.strip() for part in line.split("|", 4))
        if where == "test":
            continue
        model = name.split("_")[0].lower()
        with open(os.path.join(HERE, model + ".pml"), encoding="utf-8") as f:
            if name not in f.read():
                sys.exit("mutants.txt: %s.pml has no %s" % (model, name))
        search = "fair" if expect == "cycle" else "safe"
        yield Job(name, model, search, flags.split() + ["-D" + name], expect,
                  DEPTH["ci"], what)


def judge(out):
    """What the search found: none, wrong, stuck, cycle, or why it does not count."""
    errors = re.search(r"errors: (\d+)", out)
    if not errors:
        return "no result"
    if int(errors[1]) > 0:
        what = re.search(r"^pan:\d+: (.*)", out, flags=re.M)
        for words, verdict in (("assertion violated", "wrong"),
                               ("invalid end state", "stuck"),
                               ("non-progress cycle", "cycle")):
            if what and what[1].startswith(words):
                return verdict
        return "unknown error"
    for words in ("max search depth too small", "out of memory", "Search not completed",
                  "aborting"):
        if words in out:
            return "not searched to the end: " + words
    return "none"


def call(args, where, quiet=False):
    done = subprocess.run(args, cwd=where, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode != 0 and not quiet:
        raise RuntimeError(" ".join(args) + "\n" + done.stdout)
    return done.stdout


def run(job, cc):
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="weir-model-") as where:
        try:
            source = job.model + ".pml"
            shutil.copy(os.path.join(HERE, source), where)
            said = call(["spin", "-a", *job.flags, source], where)
            if "Error" in said:
                raise RuntimeError(said)
            compile_flags, search_flags = SEARCH[job.search]
            # A mutant is found early: there the compiler's time counts.
            speed = "-O2" if job.expect == "none" else "-O0"
            call([cc, speed, "-w", "-DCOLLAPSE", *compile_flags, "-o", "pan", "pan.c"],
                 where)
            out = call(["./pan", "-m%d" % job.depth, "-w24", *search_flags], where,
                       quiet=True)
            job.found = judge(out)
            states = re.search(r"(\d+(?:\.\d+e\+\d+)?) states, stored", out)
            job.states = int(float(states[1])) if states else 0
        except RuntimeError as error:
            job.found, job.states = "cannot be built", 0
            sys.stderr.write("%s: %s\n" % (job.name, error))
    job.seconds = time.monotonic() - began
    return job


def report(job):
    good = job.found == job.expect
    result = {"none": "0 errors"}.get(job.found, job.found)
    print("%-4s %-20s %-7s %-6s %12s %7.1f s  %s" % ("ok" if good else "FAIL", job.name,
          job.model, job.search, format(job.states, ","), job.seconds, result), flush=True)
    if not good:
        print("     expected: %s  (spin -a %s %s.pml) %s" % (job.expect,
              " ".join(job.flags), job.model, job.what), flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--long", action="store_true", help="the full sizes as well")
    parser.add_argument("--model", action="append", help="this model only")
    parser.add_argument("--only", action="append", help="this run or mutant only")
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()

    cc = os.environ.get("CC") or shutil.which("gcc") or shutil.which("cc")
    if not shutil.which("spin") or not cc:
        print("skipped: spin and a C compiler are needed")
        return 77
    jobs = [job for job in [*runs(args.long or bool(args.only)), *mutants()]
            if (not args.model or job.model in args.model)
            and (not args.only or job.name in args.only)]
    if not jobs:
        parser.error("nothing of that name")
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        good = [report(job) for job in pool.map(lambda job: run(job, cc), jobs)]
    print("%d of %d as expected, %s states, %.0f s" % (sum(good), len(good),
          format(sum(job.states for job in jobs), ","), sum(job.seconds for job in jobs)))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
