# SPDX-License-Identifier: MIT OR Apache-2.0
"""seen.py WEIR CASE: weir bench look measures what a send takes while everything that only
looks does so at once (FEATURES N7), its lines have the fields of every benchmark, and that
readers neither come nor go meanwhile holds: the benchmark ends with 1 if they do. No figure of
it is judged here."""
from harness import FIELDS, check, equal, lines, main

WATCHDOG = 120


def looked_at(b):
    p = b.start("bench", "look", "--json", "--quick", "--case", "apart", "--runs", "1")
    try:
        out, err = (text.decode() for text in p.communicate(timeout=WATCHDOG))
    finally:
        p.kill()
    if not out and "needs two cores" in err:
        return 77
    equal(p.returncode, 0, f"exit, {err!r}")
    got = lines(out)
    for line in got:
        equal(tuple(line), FIELDS, "fields")
        equal((line["case"], line["runs"]), ("apart", 1), "case and runs")
    alone = [r for r in got if r["work"] == "nobody looks"]
    equal(len(alone), 1, "lines of nobody who looks")
    check(0 < alone[0]["p50_ns"] <= alone[0]["p99_ns"], alone)
    beside = {r["ratio_of"] for r in got if r["work"] == "all look at once" and r["ratio"]}
    equal(len(beside), 2, f"what it is held against: {beside}")
    looks = [r["value"] for r in got if r["unit"] == "looks/s"]
    check(looks and min(looks) > 0, f"looks a second: {looks}")
    return 0


main({"N7_a_send": looked_at})
