# SPDX-License-Identifier: MIT OR Apache-2.0
"""flow.py WEIR CASE: weir bench flow measures, its lines have the fields of every benchmark,
and what it proves on the way holds: beside slow readers the healthy lose nothing, and
exactly the slow ones are put out. No figure of it is judged here."""
import json
import subprocess

from harness import FIELDS, Failure, check, equal, lines, main

WATCHDOG = 500
LOADS = ("flat out", "20,000/s")
SLOW = {"stalled": "1 stalled", "stalled3": "3 stalled", "late": "1 at 10 ms a message",
        "tenth": "1 ten times slower"}


def measure(b, case):
    """The lines of one case and what was said beside them; None where there is one core."""
    p = b.start("bench", "flow", "--json", "--quick", "--runs", "1", "--case", case)
    try:
        out, err = (text.decode() for text in p.communicate(timeout=WATCHDOG))
    except subprocess.TimeoutExpired:
        p.kill()
        raise Failure("bench flow does not end") from None
    if not out and "needs two cores" in err:
        return None, err
    equal(p.returncode, 0, f"exit, {err!r}")
    got = lines(out)
    check(got, "no lines", err)
    for line in got:
        equal(tuple(line), FIELDS, "fields")
        equal((line["case"], type(line["runs"])), (case, int), "case and runs")
        if line["ratio_of"] and line["runs"]:
            check(line["lo"] <= line["ratio"] <= line["hi"], line)
    path = b.path("run.jsonl", out.encode())
    code, told, err2 = b.run("bench", "compare", path, path, "-o", "json")
    if code != 3:  # bench compare is there
        equal(code, 0, f"exit of compare, {err2!r}")
        equal(json.loads(told)["old"]["lines"], len(got), "lines that compare understood")
    return got, err


def row(got, what, load, which):
    found = [r for r in got if r["work"] == f"beside {what}, {load}: {which}"]
    equal(len(found), 1, f"rows of {which}, beside {what}, {load}")
    return found[0]


def rates(got, what, load):
    without = [r for r in got if r["work"] == f"7 healthy, {load}"]
    check(without and all(r["msgs_per_s"] > 0 for r in without), without)
    publisher = row(got, what, load, "publisher")
    check(publisher["msgs_per_s"] > 0 and publisher["ratio"] > 0, publisher)
    check(row(got, what, load, "delivered to 7")["ratio"] >= 0, load)
    if load != "flat out":
        check(row(got, what, load, "p99 of 7")["p99_ns"] > 0, load)


def ours(case):
    def run(b):
        got, err = measure(b, case)
        if got is None:
            return 77
        for load in LOADS:
            what = SLOW[case]
            rates(got, what, load)
            lost = row(got, what, load, "lost by 7")
            equal((lost["lost"], lost["value"]), (0, 0), f"lost by the healthy, {load}")
            equal(row(got, what, load, "exactly the slow put out")["value"], 1,
                  f"exactly the slow put out, {load}, {err}")
            check(row(got, what, load, "cost until put out")["value"] >= 0, load)
            check(f"ours beside {what}, {load}, run 1: at " in err, "no stall is told", err)
            check("HEALTHY" not in err, err)
        return 0
    return run


def peer(case):
    def run(b):
        got, err = measure(b, case)
        if got is None:
            return 77
        if got[0]["work"].startswith("not measured"):
            equal((len(got), got[0]["runs"]), (1, 0), "what is said of an absent peer")
            return 77
        for what in SLOW.values():
            for load in LOADS:
                rates(got, what, load)
                check(0 <= row(got, what, load, "lost by 7")["value"] <= 1, load)
        return 0
    return run


def kill(b):
    got, _ = measure(b, "kill")
    if got is None:
        return 77
    equal((len(got), got[0]["unit"]), (1, "ms"), "rows")
    check(0 < got[0]["p50_ns"] <= got[0]["p99_ns"] <= got[0]["max_ns"], got[0])
    return 0


main({"N1_" + case: ours(case) for case in SLOW}
     | {case: peer(case) for case in ("gate", "nng", "zmq", "nodrop", "nats")}
     | {"kill": kill})
