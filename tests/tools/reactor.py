# SPDX-License-Identifier: MIT OR Apache-2.0
"""reactor.py WEIR CASE: the allocator from the command line, in virtual time."""
import json

from harness import check, equal, lines, main

TABLE = "9x10,18x6,10x3,11x1"
WEIGHTS = [10] * 9 + [6] * 18 + [3] * 10 + [1] * 11


def counts(polls):
    each = [0] * len(WEIGHTS)
    for consumer in polls:
        each[consumer] += 1
    return each


def K2_round(b):
    """{"polls":[...]}: each round has each consumer as often as its weight says, and the
    order is the same whenever it is asked for."""
    args = ("reactor", "round", "--classes", TABLE, "--rounds", "3")
    got = b.json(*args)
    equal(list(got), ["polls"], "the fields")
    equal(len(got["polls"]), 3 * 239, "polls")
    for r in range(3):
        equal(counts(got["polls"][r * 239:(r + 1) * 239]), WEIGHTS, f"round {r}")
    last, gaps = {}, {10: 0, 6: 0, 3: 0, 1: 0}
    for at, consumer in enumerate(got["polls"]):
        weight = WEIGHTS[consumer]
        gaps[weight] = max(gaps[weight], at - last.get(consumer, at))
        last[consumer] = at
    for weight, most in {10: 28, 6: 42, 3: 82, 1: 239}.items():
        check(gaps[weight] <= most, "weight", weight, "waits", gaps[weight], "polls")
    equal(b.json(*args), got, "the same again")
    each = lines(b.run(*args, "-o", "jsonl")[1])
    equal([e["consumer"] for e in each], got["polls"], "-o jsonl")


def K1_round_by_discipline(b):
    """Every discipline is there by its name, and has its own order."""
    def of(name):
        return b.json("reactor", "round", "--classes", TABLE, "--discipline", name)["polls"]

    each = counts(of("robin"))
    equal([sum(each[:9]), sum(each[9:27]), sum(each[27:37]), sum(each[37:])],
          [45, 90, 50, 54], "round robin")
    for name in ("priority", "classes", "table"):
        equal(counts(of(name)), WEIGHTS, name)
    for had, weight in zip(counts(of("time")), WEIGHTS):
        check(abs(had - weight) <= 1, "time", had, weight)
    check(of("priority") != of("classes") != of("table"), "two are the same")
    tree = b.json("reactor", "round", "--classes", "2x3,1x1", "--rounds", "300",
                  "--discipline", "tree")["polls"]
    shares = [tree.count(i) / len(tree) for i in range(3)]
    for share, want in zip(shares, (3 / 8, 3 / 8, 1 / 4)):
        check(abs(share - want) < 0.002, "tree", shares)


def picture(b):
    """A line for each consumer, a mark for each of its polls."""
    code, out, _ = b.run("reactor", "round", "--classes", "1x10,1x6,1x3,1x1")
    equal(code, 0, "exit")
    rows = out.splitlines()
    equal(rows[0], "polls 0 to 19", "the heading")
    equal([r.count("#") for r in rows[1:]], [10, 6, 3, 1], "marks")
    for column in range(20):
        equal(sum(r.split()[2][column] == "#" for r in rows[1:]), 1, f"column {column}")
    code, out, _ = b.run("reactor", "round", "--classes", "30x3")
    check("polls 60 to 89" in out and out.count("#") == 90, "a long one:", out)


def N9_simulate(b):
    """Shares, round length, admission; a seed is the whole of a run."""
    args = ("reactor", "simulate", "--rounds", "200", "--limit", "400")
    got = b.json(*args)
    equal((got["round"], got["limit"], got["over"], got["broken"], got["why"]),
          (239, 400, 0, 0, None), "the summary")
    equal([c["polls"] for c in got["classes"]], [18000, 21600, 6000, 2200], "polls")
    equal([c["ideal_percent"] for c in got["classes"]], [37.657, 45.188, 12.552, 4.603],
          "ideal")
    for c in got["classes"]:
        equal(c["poll_percent"], c["ideal_percent"], "share")
    check(got["ahead_rounds"] <= 1 and got["jain_ppm"] >= 999999, got)
    crowd = ("reactor", "simulate", "--consumers", "3000", "--flips", "10", "--rounds", "20",
             "--seed")
    one, two, other = (b.run(*crowd, seed, "-o", "json")[1] for seed in ("7", "7", "8"))
    equal(one, two, "one seed twice")
    check(one != other, "two seeds are the same run")
    got = json.loads(one)
    equal((sum(c["consumers"] for c in got["classes"]), got["broken"]), (3000, 0), "a crowd")
    check(got["flips"] > 1000, got["flips"])


def N9_simulate_time(b):
    """What polls cost counts where time is shared, and does not where polls are."""
    def shares(name):
        got = b.json("reactor", "simulate", "--discipline", name, "--rounds", "800",
                     "--classes", "9x10@1us,18x6@5us,10x3@1us,11x1@1us")
        return [c["time_percent"] for c in got["classes"]]

    for got, want in zip(shares("priority"), (13.41, 80.48, 4.47, 1.64)):
        check(abs(got - want) < 0.01, "polls:", got, want)
    for got, want in zip(shares("time"), (37.66, 45.19, 12.55, 4.60)):
        check(abs(got - want) < 0.1, "time:", got, want)


def N9_simulate_says_what_is_too_much(b):
    code, out, err = b.run("reactor", "simulate", "--classes", "26x10,18x6,10x3,11x1",
                           "--limit", "400", "--rounds", "2")
    check(code == 1 and "9 more than the limit of 400" in err, code, err)
    check("45.188" not in out and "LONGEST WAIT" in out, out)
    code, _, err = b.run("reactor", "simulate", "--limit", "400", "--rounds", "2")
    check(code == 0 and "161 polls of the limit are left" in err, code, err)
    equal(b.json("reactor", "simulate", "--limit", "200", want=1)["over"], 39, "over")


def N9_simulate_tiers(b):
    """Who is slow climbs, with a reason, has what its tier leaves it, and comes back."""
    args = ("reactor", "simulate", "--classes", "9x4@20us,1x8@20us~2ms:100ms-1s", "--tiers",
            "balanced")
    got = b.json(*args, "--time", "9s")
    equal((got["tiers"], got["rounds"], got["broken"], got["changes"]),
          ("balanced", None, 0, 6), "the summary")
    good, slow = got["classes"]
    equal((good["promotions"], good["demotions"], good["violations"]), (0, 0, 0), "the nine")
    equal((slow["promotions"], slow["demotions"]), (3, 3), "the slow one")
    equal([t["tier"] for t in slow["tiers"]], ["monitor", "warn", "yield", "isolate"], "names")
    equal([t["consumers"] for t in slow["tiers"]], [1, 0, 0, 0], "in the end")
    equal(sum(t["time_ns"] for t in slow["tiers"]), got["time_ns"], "its time")
    equal(sum(t["polls"] for t in slow["tiers"]), slow["polls"], "its polls")
    told = got["transitions"]
    equal([(t["consumer"], t["class"]) for t in told], [(9, 1)] * 6, "who")
    equal([t["to"] for t in told], ["warn", "yield", "isolate", "yield", "warn", "monitor"],
          "where to")
    check("a poll took 2 ms, more than 1 ms, the 5th in a row" in told[0]["why"], told[0])
    check(100e6 < told[0]["at_ns"] < 200e6 and told[5]["at_ns"] > 6e9, told)
    equal(b.json(*args, "--time", "9s"), got, "the same again")
    code, out, err = b.run(*args, "--time", "500ms")
    equal(code, 0, err)
    check("ISOLATE" in out and "0, 0, 0, 1" in out, out)
    check("consumer 9: yield -> isolate: " in out and "tiers changed 3 times" in err, out, err)
    # From then on it has a quarter of its weight: 2 polls to 36.
    args = ("reactor", "simulate", "--classes", "9x4,1x8~2ms", "--tiers", "balanced")
    first, then = (b.json(*args, "--time", t)["classes"] for t in ("1s", "3s"))
    others, own = (then[c]["polls"] - first[c]["polls"] for c in (0, 1))
    check(abs(others - 18 * own) <= 36, others, own)
    off = b.json("reactor", "simulate", "--classes", "9x4,1x8~2ms", "--rounds", "100")
    equal((off["tiers"], off["changes"], off["transitions"]), ("off", 0, []), "off")
    equal(off["classes"][1]["tiers"][0]["polls"], 800, "without tiers")


def N9_simulate_timers(b):
    """A class of a timer has a poll for each time that it fires."""
    got = b.json("reactor", "simulate", "--classes", "2x10,5x1/1ms+50us*2/10", "--time", "1s")
    equal(got["broken"], 0, got["why"])
    timed = got["classes"][1]
    check(abs(got["timers"] - 5000) <= 5, got["timers"])
    equal(timed["polls"] + timed["waiting"], got["timers"], "polls")
    check(abs(timed["time_ns"] - 5000 * (0.8 * 1e3 + 0.2 * 50e3)) < 5e5, timed["time_ns"])


def garbage(b):
    """What is wrong is refused by name, with exit 2."""
    for args, part in (
            (["reactor"], "needs one of simulate, round"),
            (["reactor", "spin"], "needs one of simulate, round"),
            (["reactor", "round", "x"], "takes no 'x'"),
            (["reactor", "simulate", "x"], "takes no 'x'"),
            (["reactor", "round", "--classes", ""], "is not COUNTxWEIGHT"),
            (["reactor", "round", "--classes", "9"], "'9' is not COUNTxWEIGHT"),
            (["reactor", "round", "--classes", "9x10,"], "'' is not COUNTxWEIGHT"),
            (["reactor", "round", "--classes", "9x10;1x1"], "is not COUNTxWEIGHT"),
            (["reactor", "round", "--classes", "-1x10"], "is not COUNTxWEIGHT"),
            (["reactor", "round", "--classes", "9x10@5"], "is not COUNTxWEIGHT"),
            (["reactor", "round", "--classes", "9x10@0us"], "is not COUNTxWEIGHT"),
            (["reactor", "round", "--classes", ",".join(["1x1"] * 17)], "more than 16"),
            (["reactor", "simulate", "--classes", "9x10@5h"], "is not COUNTxWEIGHT"),
            (["reactor", "simulate", "--classes", "9x10/0ms"], "is not COUNTxWEIGHT"),
            (["reactor", "simulate", "--classes", "9x10+5ms"], "is not COUNTxWEIGHT"),
            (["reactor", "simulate", "--classes", "9x10+5ms/0"], "is not COUNTxWEIGHT"),
            (["reactor", "simulate", "--classes", "9x10+5ms*3/2"], "a burst of 3 polls"),
            (["reactor", "simulate", "--classes", "9x10~5ms:1s-"], "is not COUNTxWEIGHT"),
            (["reactor", "simulate", "--classes", "9x10~5ms:2s-1s"], "behaves again before"),
            (["reactor", "simulate", "--classes", "9x10@61s"], "more than a minute"),
            (["reactor", "simulate", "--tiers", "brisk"], "'brisk' is neither a profile"),
            (["reactor", "simulate", "--tiers", "warn.violations=1001"],
             "warn.violations is 1001"),
            (["reactor", "simulate", "--time", "1s", "--rounds", "3"], "not --rounds as well"),
            (["reactor", "round", "--classes", "9x0"], "the weight of class 1 is 0"),
            (["reactor", "round", "--classes", "1x100,1x7"], "class 1, 100, is more than 64"),
            (["reactor", "round", "--classes", "0x1"], "no consumer"),
            (["reactor", "round", "--classes", "99999999x1"], "is not COUNTxWEIGHT"),
            (["reactor", "round", "--discipline", "lottery"], "no discipline 'lottery'"),
            (["reactor", "round", "--rounds", "0"], "--rounds: 1 to 4184 rounds of 239"),
            (["reactor", "round", "--rounds", "4185"], "--rounds: 1 to 4184"),
            (["reactor", "round", "--rounds", "many"], "is not a whole number"),
            (["reactor", "simulate", "--consumers", "1000001"], "at most 1000000"),
            (["reactor", "simulate", "--consumers", "5", "--classes", "1x1"],
             "not --consumers as well"),
            (["reactor", "simulate", "--flips", "101"], "a part of 100"),
            (["reactor", "simulate", "--flips", "-1"], "is not a number"),
            (["reactor", "simulate", "--limit", "5000000000"], "at most 4294967295"),
            (["reactor", "simulate", "--rounds", "1000000000"], "--rounds: 1 to 418410"),
    ):
        code, out, err = b.run(*args)
        equal((code, out), (2, ""), f"{args}, {err!r}")
        check(part in err, args, "lacks", repr(part), "in", repr(err))
    code, _, err = b.run("reactor", "round", "--classes", "300x60", "--discipline", "table")
    check(code == 7 and "18000 places" in err, code, err)
    equal(counts(b.json("reactor", "round", "--classes", "9x1000,18x600,10x300,11x100")
                 ["polls"]), WEIGHTS, "weights with a common divisor")


main({f.__name__: f for f in (
    K2_round, K1_round_by_discipline, picture, N9_simulate, N9_simulate_time,
    N9_simulate_says_what_is_too_much, N9_simulate_tiers, N9_simulate_timers, garbage)})
