# SPDX-License-Identifier: MIT OR Apache-2.0
"""table.py FILE...: the tables of docs/benchmarks.md, from lines of weir bench slow --json."""
import json
import sys

SHAPES = {"one": "Handlers on one loop", "several": "Handlers on four loops of a process",
          "processes": "Handlers in processes of their own"}
LOADS = ("flat out", "20,000/s")
WAYS = ("stalled", "spins", "10 ms each", "a tenth")
ALONE, HOG = "7 healthy", "7 and a hog"
HEAD = ("Who", "The slow one", "Rate, flat out", "Blocked", "Rate, 20,000/s", "Blocked",
        "p50 / p99 / p99.9 / max of the 7", "p99 after the pause", "Lost by the 7",
        "Lost by it")


def read(paths):
    """{(case, peer): {(kind, load, which, ratio_of): row}}, in the order of the lines."""
    cells, about = {}, None
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                about = f"{row['machine']}; commit {row['commit']}"
                if row["size"] is None:
                    continue  # a peer that is not there
                what, _, which = row["work"].partition(": ")
                _, kind, load = what.split(", ", 2)
                cell = cells.setdefault((row["case"], row["peer"]), {})
                cell[kind, load, which, row["ratio_of"]] = row
    return cells, about


def time(ns):
    if ns is None:
        return "-"
    for unit, name in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
        if ns >= unit:
            return f"{ns / unit:.3g} {name}"
    return f"{ns:.0f} ns"


def times(row):
    keys = ("p50_ns", "p99_ns", "p999_ns", "max_ns")
    return " / ".join(time(row[key]) for key in keys) if row else ""


def times_as_much(value):
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def ratio(row):
    if not row or row["ratio"] is None:
        return "-"
    if row["runs"] < 2:
        return times_as_much(row["ratio"])
    lo, hi = times_as_much(row["lo"]), times_as_much(row["hi"])
    return f"{times_as_much(row['ratio'])} [{lo}, {hi}]"


def rate(per_s):
    return f"{per_s / 1e6:.2f} M/s" if per_s >= 1e6 else f"{per_s / 1e3:.1f} k/s"


def share(row):
    return f"{row['value']:.1f} %" if row and row["value"] is not None else "-"


def losses(rows):
    """Of the healthy, in all runs of both loads."""
    lost = [r["lost"] for r in rows if r and r["lost"] is not None]
    return f"{sum(lost):,.0f}" if lost else "-"


def untold(rows):
    """Of the slow one, a run of each load; and what it was not told of."""
    told = []
    for row in rows:
        if row and row["lost"] is not None:
            text = f"{row['lost']:,.0f}"
            told.append(text + (f" ({row['value']:,.0f} untold)" if row["value"] else ""))
    return "; ".join(told) or "-"


def alone(cell, peer):
    flat, paced = (cell.get((ALONE, load, "", None)) for load in LOADS)
    blocked = [share(cell.get((ALONE, load, "blocked", None))) for load in LOADS]
    return (f"**{peer}**", "none", rate(flat["msgs_per_s"]) if flat else "-", blocked[0],
            rate(paced["msgs_per_s"]) if paced else "-", blocked[1], times(paced), "",
            losses([flat, paced]), "")


def beside(cell, way):
    flat, paced = ({which: cell.get((way, load, which, of)) for which, of in (
        ("publisher", ALONE), ("blocked", None), ("latency of 7", ALONE), ("after the pause", ALONE),
        ("lost by 7", None), ("lost by the slow one, and of that untold", None))}
        for load in LOADS)
    if not any(flat.values()) and not any(paced.values()):
        return None
    last = "lost by the slow one, and of that untold"
    return ("", way, ratio(flat["publisher"]), share(flat["blocked"]),
            ratio(paced["publisher"]), share(paced["blocked"]), times(paced["latency of 7"]),
            ratio(paced["after the pause"]), losses([flat["lost by 7"], paced["lost by 7"]]),
            untold([flat[last], paced[last]]))


def hog(cell):
    """What a spinning handler costs beside what any spinning process costs."""
    flat, paced = (cell.get(("spins", load, "publisher", HOG)) for load in LOADS)
    late = cell.get(("spins", LOADS[1], "after the pause", HOG))
    if not flat and not paced:
        return None
    return ("", "spins, to a hog", ratio(flat), "", ratio(paced), "", "", ratio(late), "", "")


def table(case, cells):
    print(f"### {SHAPES[case]}\n")
    print("| " + " | ".join(HEAD) + " |")
    print("|" + "---|" * len(HEAD))
    for (of, peer), cell in cells.items():
        if of != case:
            continue
        rows = [alone(cell, peer)] + [beside(cell, way) for way in WAYS]
        rows.insert(3, hog(cell))
        for row in rows:
            if row:
                print("| " + " | ".join(row) + " |")
    print()


def main(paths):
    cells, about = read(paths)
    if not cells:
        sys.exit("table.py: no lines of weir bench slow --json")
    print(f"Measured on: {about}.\n")
    for case in SHAPES:
        if any(of == case for of, _ in cells):
            table(case, cells)


main(sys.argv[1:])
