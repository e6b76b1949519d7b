# SPDX-License-Identifier: MIT OR Apache-2.0
"""compare.py WEIR CASE: weir bench compare tells what became slower, and nothing else."""
import json
import math
import os
import random
import re

from harness import check, equal, lines, main

MACHINE = "Some processor, 2 cores, Linux 6.1 x86_64"
WHAT = ("case", "peer", "work", "size", "publishers", "subscribers", "wait")
FIELDS = WHAT + ("msgs_per_s", "delivered_per_s", "lost", "p50_ns", "p99_ns", "p999_ns",
                 "max_ns", "value", "unit", "ratio_of", "ratio", "lo", "hi", "runs",
                 "machine", "commit")
# What 15 pairs of a quiet machine show: a side varies by about this much, and now and then
# something else runs.
NOISE, INTERRUPTED = 0.012, 0.03
# How far one session lies from the next; more than the interval within one of them.
DRIFT = 0.025


# ---- lines as a benchmark prints them ------------------------------------------------------


def row(work="one-way", peer="ours", **figures):
    """A line of a result; what is not given is null."""
    line = dict.fromkeys(FIELDS)
    line.update(case="some", peer=peer, work=work, size=64, publishers=1, subscribers=1,
                wait="spin", runs=15, machine=MACHINE, commit="0123456789ab")
    check(set(figures) <= set(FIELDS), figures)
    line.update(figures)
    return line


def latency(ratio=1.1, half=0.01, work="one-way", ratio_of="raw", **more):
    return row(work, p50_ns=110, ratio_of=ratio_of, ratio=ratio, lo=ratio - half,
               hi=ratio + half, **more)


def throughput(ratio=1.1, half=0.01, work="throughput", ratio_of="raw", **more):
    return row(work, msgs_per_s=5e6, delivered_per_s=5e6, lost=0, ratio_of=ratio_of,
               ratio=ratio, lo=ratio - half, hi=ratio + half, **more)


def file_of(b, name, *results):
    text = "".join(json.dumps(r, separators=(",", ":")) + "\n" for r in results)
    return b.path(name, text.encode())


def interval(values):
    """Median, lo and hi: the ranks outside of which the median lies with at most 5 %."""
    values, n = sorted(values), len(values)
    rank = 0
    while sum(math.comb(n, k) for k in range(rank + 1)) / 2**n <= 0.025:
        rank += 1
    check(rank > 0, n, "values have no interval")
    middle = (values[(n - 1) // 2] + values[n // 2]) / 2
    return middle, values[rank - 1], values[n - rank]


# ---- asking --------------------------------------------------------------------------------


def compare(b, old, new, *options):
    """(exit code, {work: row of the output})."""
    code, out, err = b.run("bench", "compare", old, new, "-o", "jsonl", *options)
    check(code in (0, 1), "exit", code, err)
    return code, {r["work"]: r for r in lines(out)}


def verdict(b, old, new, *options):
    """(exit code, verdict) of one line held against another."""
    code, got = compare(b, file_of(b, "old", old), file_of(b, "new", new), *options)
    equal(len(got), 1, "rows")
    got = next(iter(got.values()))
    return code, got["verdict"]


def refused(b, code, part, *args):
    got, out, err = b.run("bench", "compare", *args)
    equal((got, out), (code, ""), f"{args}, {err!r}")
    check(part in err, args, "lacks", repr(part), "in", repr(err))
    return err


# ---- detection -----------------------------------------------------------------------------


def timed(rng):
    """What one run takes, where 1 is usual."""
    late = rng.uniform(1.2, 3) if rng.random() < INTERRUPTED else 1
    return math.exp(rng.gauss(0, NOISE)) * late


def session(rng, slower=1.0):
    """All rows of one benchmark whose measured side takes that much longer."""
    found = []
    for i in range(4):
        pairs = [slower * 1.1 * timed(rng) / timed(rng) for _ in range(15)]
        ratio, lo, hi = interval(pairs)
        found.append(row(f"latency {i}", p50_ns=110 * slower, ratio_of="raw", ratio=ratio,
                         lo=lo, hi=hi))
        pairs = [1.3 * timed(rng) / (slower * timed(rng)) for _ in range(15)]
        ratio, lo, hi = interval(pairs)
        found.append(row(f"rate {i}", msgs_per_s=5e6 / slower, delivered_per_s=5e6 / slower,
                         lost=0, ratio_of="raw", ratio=ratio, lo=lo, hi=hi))
    return found


def P25_ten_percent_are_seen_and_none_are_not(b):
    """Rows of 15 pairs, with the noise of a machine: a planted 10 % is found in latencies
    and in rates, 0 % is not, and an improvement is none."""
    rng = random.Random(25)
    seen = {1.1: [], 1.0: [], 1 / 1.1: []}
    for _ in range(12):
        old = file_of(b, "old", *session(rng))
        for slower, found in seen.items():
            new = file_of(b, "new", *session(rng, slower))
            code, got = compare(b, old, new)
            verdicts = [r["verdict"] for r in got.values()]
            found += verdicts
            equal(code, 1 if slower > 1 else 0, f"exit at {slower}, {verdicts}")
            equal("worse" in verdicts, slower > 1, f"worse at {slower}, {verdicts}")
    total = 12 * 8
    check(seen[1.1].count("worse") >= 0.95 * total, seen[1.1])
    check(seen[1 / 1.1].count("better") >= 0.95 * total, seen[1 / 1.1])
    equal(seen[1.1].count("better"), 0, "better at 1.1")
    check(seen[1.0].count("same") >= 0.95 * total, seen[1.0])


def appended(rng, slower=1.0, count=12):
    """Sessions that differ by more than each of them knows; a ratio, and a plain figure."""
    found = []
    for _ in range(count):
        ratio = 1.1 * slower * math.exp(rng.gauss(0, DRIFT))
        found.append(latency(ratio, 0.012 * ratio, "a ratio"))
        value = 0.07 * slower * math.exp(rng.gauss(0, DRIFT))
        found.append(row("a value", value=value, unit="ms/s", wait="adaptive"))
        found.append(row("a rate", value=4e9 / slower * math.exp(rng.gauss(0, DRIFT)),
                         unit="B/s"))
    return found


def P25_runs_are_appended(b):
    """Several lines of a row are several runs: the interval is that of their medians, and
    what one run would have called slower is only the next session."""
    rng = random.Random(28)
    old = appended(rng)
    alike = appended(rng)
    singles = [verdict(b, x, y)[1] for x, y in zip(old[::3], alike[::3])]
    check("worse" in singles and "better" in singles, "sessions do not drift:", singles)
    code, got = compare(b, file_of(b, "old", *old), file_of(b, "new", *alike))
    equal(code, 0, got)
    equal([r["verdict"] for r in got.values()], ["same"] * 3, "verdicts of 0 %")
    for work, key in (("a ratio", "ratio"), ("a value", "value"), ("a rate", "value")):
        for side, results in (("old", old), ("new", alike)):
            want = interval([r[key] for r in results if r["work"] == work])
            told = got[work][side]
            equal(told["lines"], 12, f"lines of {work}")
            for name, value in zip(("median", "lo", "hi"), want):
                check(math.isclose(told[name], value, rel_tol=1e-8), work, side, told, want)
        change = got[work]["new"]["median"] / got[work]["old"]["median"] - 1
        check(math.isclose(got[work]["change"], change, abs_tol=1e-8), got[work])
    counts = {n: [rng.uniform(1, 2) for _ in range(n)] for n in range(6, 26)}
    path = file_of(b, "counts", *[row(str(n), value=v, unit="s") for n, vs in counts.items()
                                  for v in vs])
    for n, told in compare(b, path, path)[1].items():
        want = interval(counts[int(n)])
        for name, value in zip(("median", "lo", "hi"), want):
            check(math.isclose(told["new"][name], value, rel_tol=1e-8), n, told, want)
    for slower, word in ((1.1, "worse"), (1 / 1.1, "better")):
        new = file_of(b, "new", *appended(rng, slower))
        code, got = compare(b, file_of(b, "old", *old), new)
        equal(code, int(slower > 1), f"exit at {slower}")
        equal([r["verdict"] for r in got.values()], [word] * 3, f"verdicts at {slower}")


def P25_too_few_runs_judge_nothing(b):
    """Six runs have an interval and five have none; then the intervals of the lines count,
    all of them together, and where these are missing nothing is judged."""
    def plain(values):
        return [row(value=v, unit="ns") for v in values]

    for count, word in ((5, "shown"), (6, "worse")):
        code, got = compare(b, file_of(b, "old", *plain([100] * count)),
                            file_of(b, "new", *plain([200] * count)))
        got = got["one-way"]
        equal((code, got["verdict"]), (int(count > 5), word), f"{count} lines")
        equal(got["old"]["lo"], 100 if count > 5 else None, f"{count} lines")
        equal(got["because"], None if count > 5 else "no 95 % interval", "because")
        equal(got["change"], 1, "change")
    for runs, word in ((5, "shown"), (6, "worse")):
        code, got = verdict(b, latency(1.0, runs=runs), latency(2.0))
        equal((code, got), (int(runs > 5), word), f"{runs} runs")
    for missing in ("lo", "hi"):
        equal(verdict(b, {**latency(1.0), missing: None}, latency(2.0)), (0, "shown"),
              f"without {missing}")
    # Two lines a side: [1.00, 1.12] and then [1.11, 1.31] or [1.13, 1.31].
    for two in ((1.01, 1.11), (1.11, 1.01)):
        old = file_of(b, "old", *[latency(x) for x in two])
        for first, word in ((1.12, "same"), (1.14, "worse")):
            code, got = compare(b, old, file_of(b, "new", latency(1.3), latency(first)))
            equal(got["one-way"]["verdict"], word, f"two lines, the lower at {first}")
            check(math.isclose(got["one-way"]["old"]["lo"], 1.0), got)
            check(math.isclose(got["one-way"]["old"]["hi"], 1.12), got)
    # One of two has no interval of its own, so the two have none together.
    old = file_of(b, "old", latency(1.01), latency(1.11, runs=3))
    code, got = compare(b, old, file_of(b, "new", latency(2)))
    equal((code, got["one-way"]["verdict"]), (0, "shown"), "one of two")
    _, out, err = b.run("bench", "compare", old, b.path("new"))
    check("1 row has no 95 % interval" in err and "no row was judged" in err, err)
    equal(b.run("bench", "compare", old, b.path("new"), "-q"), (0, out, ""), "with -q")


# ---- the gate ------------------------------------------------------------------------------


def P28_each_side_of_each_figure(b):
    """More is better of rates and less of times, in ratios and in plain figures; intervals
    that touch are no difference."""
    def value(unit, ratio_of=None):
        def make(x):
            at = {"ratio": x, "lo": x - 0.01, "hi": x + 0.01} if ratio_of else {}
            return [row(value=100 * x, unit=unit, ratio_of=ratio_of, **at)]
        return make if ratio_of else lambda x: 6 * make(x)

    def plain(**figures):
        return lambda x: 6 * [row(**{k: v * x for k, v in figures.items()})]

    less = {
        "a latency's ratio": lambda x: [latency(x)],
        # A paced run has its rate as well, but the pace has given that.
        "a paced ratio": lambda x: [latency(x, msgs_per_s=1e4, delivered_per_s=1e4, lost=0)],
        "a cost's ratio": value("ns CPU", "ours-1"),
        "a paced latency": lambda x: 6 * [row(p50_ns=x, delivered_per_s=1e4, msgs_per_s=1e4)],
        "a latency": plain(p50_ns=1e5),
        **{unit: value(unit) for unit in (
            "ns", "us", "ms", "s", "ns CPU", "ms/s", "B", "KiB", "MiB", "calls in 2 x 10^6",
            "in 10^6 messages", "a message")},
    }
    more = {
        "a rate's ratio": lambda x: [throughput(x)],
        "a rate": plain(delivered_per_s=1e6),
        "a rate of sending": plain(msgs_per_s=1e6),
        "B/s": value("B/s"), "yes": value("yes"),
    }
    for kinds, up, down in ((less, "worse", "better"), (more, "better", "worse")):
        for name, make in kinds.items():
            for x, want in ((1.1, up), (1 / 1.1, down), (1, "same")):
                code, got = compare(b, file_of(b, "old", *make(1)),
                                    file_of(b, "new", *make(x)))
                got = got["one-way"] if "one-way" in got else got["throughput"]
                equal((code, got["verdict"]), (int(want == "worse"), want), f"{name} x {x}")
                equal(got["better"], "less" if kinds is less else "more", name)
                check(math.isclose(got["change"], x - 1, abs_tol=1e-6), name, got)
    for x, want in ((1.25, "same"), (1.2500001, "worse"), (0.75, "same"),
                    (0.7499999, "better")):
        equal(verdict(b, latency(1, 0.125), latency(x, 0.125))[1], want, f"x {x}")


def P28_who_judges(b):
    """What is not Weir's and has no ratio is shown, and so is what has no better side or
    was not measured; rows with one name and two yardsticks are two rows."""
    for peer, word in (("machine", "shown"), ("raw", "shown"), ("zmq-push", "shown"),
                       ("ours", "worse"), ("ours-batch", "worse")):
        code, got = compare(b, file_of(b, "old", *6 * [row(peer=peer, p50_ns=100)]),
                            file_of(b, "new", *6 * [row(peer=peer, p50_ns=150)]))
        equal((code, got["one-way"]["verdict"]), (int(word == "worse"), word), peer)
        check((got["one-way"]["because"] == "not Weir's") == (word == "shown"), got)
    equal(verdict(b, latency(1, peer="raw"), latency(2, peer="raw")), (1, "worse"),
          "the yardstick's own ratio")
    code, got = compare(b, file_of(b, "old", *6 * [row(value=1, unit="calls")]),
                        file_of(b, "new", *6 * [row(value=9, unit="calls")]))
    equal((code, got["one-way"]["because"], got["one-way"]["better"]),
          (0, "neither more nor less is better", None), "calls")
    gone = {**latency(1), "ratio": None, "lo": None, "hi": None, "p50_ns": None, "runs": 0}
    for old, new in ((latency(1), gone), (gone, latency(1)), (gone, gone)):
        code, got = compare(b, file_of(b, "old", old), file_of(b, "new", new))
        equal((code, got["one-way"]["verdict"], got["one-way"]["because"]),
              (0, "shown", "not measured"), "not measured")
    # A run that could not be measured takes nothing from the others.
    many = 6 * [latency(1)]
    code, got = compare(b, file_of(b, "old", gone, *many), file_of(b, "new", *6 * [latency(2)]))
    equal((code, got["one-way"]["verdict"]), (1, "worse"), "one of seven not measured")
    beside = throughput(4, ratio_of="zmq-push")
    code, out, _ = b.run("bench", "compare", "-o", "jsonl",
                         file_of(b, "old", throughput(1), beside),
                         file_of(b, "new", throughput(1), throughput(3, ratio_of="zmq-push")))
    equal([(r["ratio_of"], r["verdict"]) for r in lines(out)],
          [("zmq-push", "worse"), ("raw", "same")], "two yardsticks")
    equal(code, 1, "exit")


def P28_only_in_one(b):
    """What only one of them has is named and judges nothing. Each field that says what was
    measured tells rows apart, 64 and 64.0 are one size, and nothing in common is no result."""
    others = {"case": "other", "peer": "ours-batch", "work": "other", "size": 128,
              "publishers": 2, "subscribers": 8, "wait": "park", "ratio_of": "zmq-push",
              "unit": "ns"}
    for key, value in others.items():
        other = {**latency(9), key: value}
        code, out, err = b.run("bench", "compare", "-o", "jsonl",
                               file_of(b, "old", latency(1), other),
                               file_of(b, "new", latency(1)))
        got = lines(out)
        equal([r["verdict"] for r in got], ["same", "only_old"], key)
        if key != "unit":
            equal(got[1][key], value, key)
        equal((code, got[1]["new"], got[1]["old"]["median"]), (0, None, 9), key)
        check("was not measured again: 1 of its rows" in err, err)
        code, got = compare(b, file_of(b, "old", latency(1)),
                            file_of(b, "new", {**latency(1), "work": "new"}, latency(1)))
        equal((code, got["new"]["verdict"], got["new"]["old"]), (0, "only_new", None), key)
        refused(b, 2, "no row in common", file_of(b, "old", latency(1)),
                file_of(b, "new", other))
    equal(verdict(b, latency(1), {**latency(1), "size": 64.0}), (0, "same"), "64.0")
    # One that is absent does not hide one that is worse.
    code, got = compare(b, file_of(b, "old", throughput(1), latency(1)),
                        file_of(b, "new", latency(2)))
    equal(code, 1, "exit")


def P28_one_machine(b):
    """Another machine is refused, in either file, with both named; and can be forced."""
    other = latency(2, machine="Another processor, 8 cores")
    old, new = file_of(b, "old", latency(1)), file_of(b, "new", other)
    err = refused(b, 2, f'{new}:1: measured on "Another processor, 8 cores"', old, new)
    check(f'{old}:1 on "{MACHINE}"' in err and "--any-machine" in err, err)
    equal(compare(b, old, new, "--any-machine")[0], 1, "exit with --any-machine")
    equal(compare(b, new, old, "--any-machine")[0], 0, "the other way")
    both = file_of(b, "both", latency(1), other)
    refused(b, 2, f"{both}:2: measured on", both, old)
    refused(b, 2, f"{both}:2: measured on", old, both)


def P28_malformed(b):
    """A line that is no result is named by file and line, with what was expected; all of
    them are, in both files. What benchmarks may add is passed over, blank lines too."""
    good = json.dumps(latency(1))
    other = file_of(b, "other", latency(1))

    def changed(**fields):
        return json.dumps({**latency(1), **fields})

    def without(key):
        return json.dumps({k: v for k, v in latency(1).items() if k != key})

    bad = {
        "latency: ours one-way": "expected one JSON object, as weir bench CASE --json",
        "[1, 2]": "no object; expected one JSON object",
        "17": "expected one JSON object",
        good[:-1]: "expected one JSON object",
        good + good: "expected one JSON object",
        good.replace('"lost"', '"size"'): "duplicate object key; expected one JSON object",
        good.replace("1.01", "1e999"): "expected one JSON object",
        good.replace("ours", "o\\u0000"): "expected one JSON object",
        "\udcff" + good: "expected one JSON object",
        **{without(key): f'"{key}" is missing; expected' for key in FIELDS},
        changed(size="64"): '"size" is something else; expected a number, or null',
        changed(case=None): '"case" is something else; expected a text of printable',
        changed(machine=7): '"machine" is something else; expected a text',
        changed(peer="\033[2J"): '"peer" is something else; expected a text of printable',
        changed(peer="\x9b2J"): '"peer" is something else; expected a text of printable',
        changed(wait=False): '"wait" is something else; expected a text of printable',
        changed(runs=1.5): '"runs" is something else; expected a whole number',
        changed(runs=-1): '"runs" is something else; expected a whole number',
        changed(lo=1.2): "expected lo <= ratio <= hi",
        changed(hi=0.9): "expected lo <= ratio <= hi",
    }
    for line, part in bad.items():
        text = f"{good}\n\n{line}\n{good}\n".encode("utf-8", "surrogateescape")
        path = b.path("bad", text)
        err = refused(b, 2, f"{path}:3: ", path, other)
        check(part in err, repr(line), "lacks", repr(part), "in", repr(err))
        equal(err, refused(b, 2, f"{path}:3: ", other, path), "in the other file")
        check(re.fullmatch(r"[\x20-\x7e\n]*", err), "is not printable:", repr(err))
    err = refused(b, 2, "bad:1: ", b.path("bad", b"x\n" * 12), b.path("worse", b"y\n"))
    equal(err.count("\n"), 12, "lines of the complaint")
    check("bad:10: " in err and "bad: and 2 lines more are wrong" in err, err)
    check("worse:1: " in err, err)
    path = b.path("odd", f"\n{changed(more=[1])}\n \t\r\n{changed(size=64.0)}".encode())
    code, got = compare(b, path, other)
    equal((code, got["one-way"]["old"]["lines"]), (0, 2), "blank lines, no end of line")


def P28_forms(b):
    """One object, an object a row, or a table, worst first; the same in each."""
    old = file_of(b, "old", throughput(1, work="slower"), throughput(1, work="alike"),
                  latency(2, work="quicker"), row("plain", value=0, unit="KiB"),
                  row("gone", p50_ns=7))
    new = file_of(b, "new", latency(1, work="quicker", commit="fedcba987654"),
                  throughput(1, work="alike"), row("plain", value=3, unit="KiB"),
                  throughput(0.5, work="slower"), row("come", p50_ns=8))
    want = ["slower", "quicker", "alike", "plain", "gone", "come"]
    code, out, _ = b.run("bench", "compare", old, new, "-o", "json")
    equal((code, out.count("\n")), (1, 1), out)
    got = json.loads(out)
    equal(got["old"], {"file": old, "commit": "0123456789ab", "lines": 5}, "old")
    equal(got["new"], {"file": new, "commit": None, "lines": 5}, "new, of two commits")
    equal({k: got[k] for k in ("worse", "better", "same", "shown", "only_old", "only_new")},
          dict.fromkeys(("worse", "better", "same", "shown", "only_old", "only_new"), 1),
          "counts")
    equal([r["work"] for r in got["rows"]], want, "order")
    equal(set(got) - {"worse", "better", "same", "shown", "only_old", "only_new"},
          {"old", "new", "rows"}, "fields")
    equal(got["rows"][0], {
        "verdict": "worse", "because": None, "case": "some", "peer": "ours",
        "work": "slower", "size": 64, "publishers": 1, "subscribers": 1, "wait": "spin",
        "ratio_of": "raw", "figure": "ratio", "unit": None, "better": "more",
        "old": {"median": 1.0, "lo": 0.99, "hi": 1.01, "lines": 1},
        "new": {"median": 0.5, "lo": 0.49, "hi": 0.51, "lines": 1}, "change": -0.5}, "a row")
    plain = got["rows"][3]
    equal((plain["figure"], plain["unit"], plain["change"]), ("value", "KiB", None), "plain")
    for args in (("--json",), ("--output=json",), ("--output", "json")):
        equal(b.run("bench", "compare", *args, old, new)[:2], (1, out), args)
    code, rows, _ = b.run("bench", "compare", old, new, "-o", "jsonl")
    equal((code, lines(rows)), (1, got["rows"]), "-o jsonl")
    code, table, _ = b.run("bench", "compare", old, new)
    equal(b.run("bench", "compare", old, new, "-o", "table")[:2], (code, table), "-o table")
    table = table.splitlines()
    equal(code, 1, "exit of the table")
    for line, (word, work) in zip(table, zip(
            ("WORSE", "better", "same", "shown", "only old", "only new"), want)):
        check(re.match(rf"{word} +some +ours {work} ", line), repr(line))
    check(table[0].endswith("64 B  1.000 [0.990-1.010] -> 0.500 [0.490-0.510]  -50.0 %"),
          repr(table[0]))
    check(table[3].endswith("0 KiB -> 3 KiB  (no 95 % interval)"), repr(table[3]))
    check(table[4].endswith("7 ns -> -"), repr(table[4]))
    equal(table[6:], ["1 worse, 1 better, 1 same, 1 shown, 1 only old, 1 only new"], "the end")


def P28_exits(b):
    """0 nothing is worse, 1 something is, 2 used wrongly, 3 not there, 5 not allowed."""
    old, new = file_of(b, "old", latency(1)), file_of(b, "new", latency(2))
    equal(b.run("bench", "compare", old, old)[0], 0, "the same")
    equal(b.run("bench", "compare", new, old)[0], 0, "better")
    equal(b.run("bench", "compare", old, new)[0], 1, "worse")
    for args in ((), (old,), (old, new, old), (old, new, "--fly"), (old, new, "-o")):
        refused(b, 2, "usage: bench-compare", *args)
    refused(b, 2, "table, json or jsonl", old, new, "-o", "yaml")
    refused(b, 2, "holds no result", old, b.path("empty", b""))
    refused(b, 2, "holds no result", b.path("empty"), old)
    code, out, err = b.run("bench", "compare", "--help")
    check(code == 0 and out.startswith("usage: ") and err == "", code, out, err)
    missing = b.path("missing")
    for args in ((missing, old), (old, missing), (missing, b.path("bad", b"x\n"))):
        refused(b, 3, f"could not read {missing}: No such file", *args)
    refused(b, 3, f"could not read {b.dir}: ", old, b.dir)
    if os.geteuid():
        os.chmod(new, 0)
        refused(b, 5, f"could not read {new}: Permission denied", old, new)
    with open("/dev/full", "wb") as full:
        code, _, err = b.run("bench", "compare", old, old, stdout=full)
    check(code == 2 and "No space left" in err, "/dev/full:", code, err)


def P28_a_real_run(b):
    """What a benchmark prints is understood, and equals itself."""
    code, out, err = b.run("bench", "core", "--json", "--quick", "--runs", "6", "--case",
                           "latency")
    if not out and "needs two cores" in err:
        return 77
    path = b.path("run.jsonl", out.encode())
    code, told, err = b.run("bench", "compare", path, path, "-o", "json")
    equal(code, 0, f"exit, {err!r}")
    told = json.loads(told)
    equal(told["old"]["lines"], len(out.splitlines()), "lines")
    equal(told["worse"] + told["better"] + told["only_old"] + told["only_new"], 0, told)
    for got in told["rows"]:
        line = next(r for r in lines(out) if all(r[k] == got[k] for k in WHAT))
        equal(list(line), list(FIELDS), "fields of a benchmark")
        figure = "ratio" if line["ratio_of"] else "p50_ns"
        equal((got["figure"], got["old"]["median"]), (figure, line[figure]), "figure")
        if line["ratio_of"] and line["runs"] >= 6:
            equal((got["verdict"], got["old"]["lo"]), ("same", line["lo"]), "verdict")
    return 0


def P28_the_policy(b):
    """The rules for contributions name the gate, and what they name is what refuses."""
    path = os.path.join(os.path.dirname(__file__), "../../CONTRIBUTING.md")
    with open(path, encoding="utf-8") as f:
        policy = f.read().split("\n## Performance\n")[1].split("\n## ")[0]
    commands = [line.split("#")[0].split() for line in policy.splitlines()
                if line.startswith("./dev bench ")]
    equal(commands, ["./dev bench core --json >old.jsonl".split(),
                     "./dev bench core --json >new.jsonl".split(),
                     "./dev bench compare old.jsonl new.jsonl".split()], "commands")
    for slower in (1.1, 1.0):
        file_of(b, "old.jsonl", *session(random.Random(1)))
        file_of(b, "new.jsonl", *session(random.Random(2), slower))
        code, out, _ = b.run(*commands[2][1:], cwd=b.dir)
        equal(code, int(slower > 1), f"{slower}: {out}")


main({name: fn for name, fn in globals().items() if re.match(r"P\d+_", name)})
