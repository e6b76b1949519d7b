#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""junit.py FILE RC: "passed failed skipped" of a ctest run that ended with RC.

A run that failed without a failed test (it could not start, a check after it failed)
counts as one failure."""
import os
import sys
import xml.etree.ElementTree as tree


def outcomes(path):
    """{test: "passed" | "failed" | "skipped"}; empty where there was no run."""
    if not os.path.exists(path):
        return {}
    found = {}
    for case in tree.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.get("status") == "fail":
            found[case.get("name")] = "failed"
        elif case.get("status") == "run":
            found[case.get("name")] = "passed"
        elif case.find("skipped") is not None:
            # ctest also calls a program that is missing "notrun"; that is no skip.
            reason = case.find("skipped").get("message", "")
            skipped = reason.startswith("SKIP_RETURN_CODE")
            found[case.get("name")] = "skipped" if skipped else "failed"
        else:
            found[case.get("name")] = "failed"
    return found


def main(path, rc):
    all_of_them = list(outcomes(path).values())
    passed, failed, skipped = (all_of_them.count(w) for w in ("passed", "failed", "skipped"))
    if int(rc) != 0 and failed == 0:
        failed = 1
    print(passed, failed, skipped)


if __name__ == "__main__":
    main(*sys.argv[1:])
