# SPDX-License-Identifier: MIT OR Apache-2.0
"""slow.py WEIR CASE: weir bench slow measures, its lines have the fields of every benchmark,
and what it proves on the way holds: beside a stalled one the healthy lose nothing, wherever
their handlers are, and it is told of everything that it lost. No figure of it is judged
here."""
import json
import os
import subprocess
import sys

from harness import FIELDS, Failure, check, equal, lines, main

WATCHDOG = 120
SHAPES = {"one": "one loop", "processes": "processes"}
UNTOLD = "lost by the slow one, and of that untold"


def measure(b, case, peer, *more):
    """The lines of one case and what was said beside them; None where there is one core."""
    p = b.start("bench", "slow", "--json", "--quick", "--case", case, "--peer", peer, *more)
    try:
        out, err = (text.decode() for text in p.communicate(timeout=WATCHDOG))
    except subprocess.TimeoutExpired:
        p.kill()
        raise Failure("bench slow does not end") from None
    if not out and "needs two cores" in err:
        return None, err
    equal(p.returncode, 0, f"exit, {err!r}")
    got = lines(out)
    for line in got:
        equal(tuple(line), FIELDS, "fields")
        equal((line["case"], type(line["runs"])), (case, int), "case and runs")
    path = b.path("run.jsonl", out.encode())
    code, told, err2 = b.run("bench", "compare", path, path, "-o", "json")
    if code != 3:  # bench compare is there
        equal(code, 0, f"exit of compare, {err2!r}")
        equal(json.loads(told)["old"]["lines"], len(got), "lines that compare understood")
    return {r["work"]: r for r in got}, err


def ours(case):
    def run(b):
        got, err = measure(b, case, "ours")
        if got is None:
            return 77
        shape = SHAPES[case]
        alone = got[f"{shape}, 7 healthy, 20,000/s"]
        equal((alone["lost"], alone["subscribers"]), (0, 7), "lost with no slow one")
        beside = f"{shape}, stalled, 20,000/s"
        publisher = got[f"{beside}: publisher"]
        check(publisher["msgs_per_s"] > 0 and publisher["ratio"] > 0, publisher)
        blocked = got[f"{beside}: blocked"]
        check(0 <= blocked["value"] <= 101 and blocked["unit"] == "%", blocked)
        late = got[f"{beside}: latency of 7"]
        check(0 < late["p50_ns"] <= late["p99_ns"] <= late["p999_ns"] <= late["max_ns"], late)
        lost = got[f"{beside}: lost by 7"]
        equal((lost["lost"], lost["value"]), (0, 0), "lost by the healthy")
        told = got[f"{beside}: {UNTOLD}"]
        equal((told["lost"] > 0, told["value"]), (True, 0), "lost by the slow one, and untold")
        check(f"ours, {shape}, stalled, 20,000/s, run 1: at " in err, "no stall is told", err)
        return 0
    return run


def yardstick(b):
    """The ring that waits stands still with its slow one, which is what its blocked time says,
    and what was due meanwhile counts as late. What is drawn is written as data too, and a
    table is made of the lines."""
    folder = os.path.join(b.dir, "pictures")
    got, err = measure(b, "several", "gate", "--plot", folder)
    if got is None:
        return 77
    beside = "4 loops, stalled, 20,000/s"
    publisher, blocked = got[f"{beside}: publisher"], got[f"{beside}: blocked"]
    check(publisher["ratio"] < 0.9 and blocked["value"] > 10, publisher, blocked)
    check(got[f"{beside}: latency of 7"]["max_ns"] > 50e6, "who was held up was late")
    with open(os.path.join(folder, "line-several-gate.dat"), encoding="utf-8") as data:
        times = [float(line.split()[0]) for line in data]
    check(times[0] < 0 and times == sorted(times), "times before and after", times)
    # The ring holds 0.2 s of messages; what was due in the last 0.1 s was sent afterwards.
    check(times[-1] >= 280, "what could not be sent was left out", times[-1])
    check("pictures are in" in err or "no pictures, but their data" in err, err)
    table = os.path.join(os.path.dirname(__file__), "../../bench/table.py")
    made = subprocess.run([sys.executable, "-B", table, os.path.join(b.dir, "run.jsonl")],
                          capture_output=True, check=True, text=True).stdout
    equal([line.split(" | ")[1] for line in made.splitlines() if line.startswith("| ")],
          ["The slow one", "none", "stalled"], "rows of the table")
    return 0


main({"N1_" + case: ours(case) for case in SHAPES} | {"yardstick": yardstick})
