#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""junit.py FILE RC: "passed failed skipped" of a ctest run that ended with RC.
junit.py --names FILE: each test that did not pass, and the end of what the failed ones said.

A run that failed without a failed test (it could not start, a check after it failed)
counts as one failure."""
import os
import sys
import xml.etree.ElementTree as tree

SAID = 12  # lines of what a failed test said last


def outcome(case):
    if case.find("failure") is not None or case.get("status") == "fail":
        return "failed"
    if case.get("status") == "run":
        return "passed"
    # ctest also calls a program that is missing "notrun"; that is no skip.
    skipped = case.find("skipped")
    if skipped is not None and skipped.get("message", "").startswith("SKIP_RETURN_CODE"):
        return "skipped"
    return "failed"


def cases(path):
    """Each test's element; none where there was no run."""
    return tree.parse(path).getroot().iter("testcase") if os.path.exists(path) else ()


def outcomes(path):
    """{test: "passed" | "failed" | "skipped"}; empty where there was no run."""
    return {case.get("name"): outcome(case) for case in cases(path)}


def names(path):
    for case in cases(path):
        ended = outcome(case)
        if ended != "passed":
            print(ended, case.get("name"))
        if ended == "failed":
            for line in (case.findtext("system-out") or "").splitlines()[-SAID:]:
                print("  |", line)


def counts(path, rc):
    ended = list(outcomes(path).values())
    passed, failed, skipped = (ended.count(w) for w in ("passed", "failed", "skipped"))
    if int(rc) != 0 and failed == 0:
        failed = 1
    print(passed, failed, skipped)


if __name__ == "__main__":
    if sys.argv[1] == "--names":
        names(sys.argv[2])
    else:
        counts(*sys.argv[1:])
