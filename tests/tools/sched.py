# SPDX-License-Identifier: MIT OR Apache-2.0
"""sched.py WEIR CASE: weir bench sched measures, and its lines have the fields of every
benchmark. No figure of it is judged here."""
import json
import subprocess

from harness import FIELDS, Failure, check, equal, lines, main

WATCHDOG = 120


def measure(b, case, unit="ns", least=1e-9, runs=6):
    p = b.start("bench", "sched", "--json", "--quick", "--case", case)
    try:
        out, err = (text.decode() for text in p.communicate(timeout=WATCHDOG))
    except subprocess.TimeoutExpired:
        p.kill()
        raise Failure("bench sched does not end") from None
    if not out and "needs two cores" in err:
        return None
    equal(p.returncode, 0, f"exit, {err!r}")
    got = lines(out)
    for line in got:
        equal(tuple(line), FIELDS, "fields")
        equal((line["case"], line["unit"]), (case, unit), "case and unit")
        check(line["value"] >= least and line["runs"] >= runs, line)
    path = b.path("run.jsonl", out.encode())
    code, told, err = b.run("bench", "compare", path, path, "-o", "json")
    if code != 3:  # bench compare is there
        equal(code, 0, f"exit of compare, {err!r}")
        equal(json.loads(told)["old"]["lines"], len(got), "lines that compare understood")
    return got


def decision(b):
    """The allocator's decision for 48 and for 4,096, beside a bare call of as many."""
    got = measure(b, "decision")
    if got is None:
        return 77
    equal([(r["peer"], r["subscribers"]) for r in got],
          [("ours", 48), ("ours", 4096), ("limit", 48), ("ours", 48), ("limit", 4096),
           ("ours", 4096)], "rows")
    return 0


def disciplines(b):
    got = measure(b, "disciplines")
    if got is None:
        return 77
    equal([r["peer"] for r in got], ["ours-time", "ours-classes", "ours-robin"], "rows")
    return 0


def idle(b):
    got = measure(b, "idle")
    if got is None:
        return 77
    equal([(r["ratio_of"], r["lo"] <= r["ratio"] <= r["hi"]) for r in got],
          [("ours", True), ("ours", True)], "the ratios")
    return 0


def poll(b):
    """P3: a poll with everything on, beside the bare call and two readings of a clock; and the
    spread of its cost with everything off and on."""
    got = measure(b, "poll", least=-1000)
    if got is None:
        return 77
    equal([r["peer"] for r in got], ["limit", "ours"] * 3 + ["limit", "ours", "ours"]
          + ["limit"] * 2, "rows")
    spread = got[6:9]
    equal([r["work"].rpartition(", ")[2] for r in spread[1:]], ["all off", "all on"], "rows")
    for r in spread:
        check(0 < r["p50_ns"] <= r["p99_ns"] <= r["p999_ns"] <= r["max_ns"], r)
        equal((r["subscribers"], r["value"]), (64, r["p50_ns"]), "polls, and the figure")
    check(all(r["p50_ns"] is None for r in got[:6] + got[9:]), "others have no spread")
    return 0


def wake(b):
    """K12: how many polls of others pass is counted, and so the same on every machine."""
    got = measure(b, "wake", "polls", 0)
    if got is None:
        return 77
    equal([r["value"] <= 20 for r in got], [True, True], "p50 and p99")
    return 0


def cores(b):
    """P14: two loops on two cores, beside one."""
    got = measure(b, "cores", "polls/s", runs=5)
    if got is None:
        return 77
    equal([(r["ratio_of"], r["lo"] <= r["ratio"] <= r["hi"]) for r in got],
          [("one loop", True)], "the ratio")
    return 0


main({f.__name__: f for f in (decision, disciplines, idle, poll, wake, cores)})
