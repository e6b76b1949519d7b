# SPDX-License-Identifier: MIT OR Apache-2.0
"""consumer.py WEIR CASE: who is on whose loop, and why it is treated as it is, seen from
another process; also of one that is stopped."""
import os
import re
import resource
import signal
import subprocess
import threading
import time

from crowd import Crowd
from harness import SIGKILL, check, equal, lines, main

LS = ("who", "pid", "number", "kind", "name", "weight", "percent", "tier", "tier_since_ns",
      "state", "polls", "messages", "busy_ns", "violations", "yields", "promotions",
      "demotions", "waiting", "changed", "latency")
LOOP = ("who", "pid", "node", "silent", "seen", "consumers", "active", "idle", "not_shown",
        "round", "turns", "polls", "messages", "busy_ns", "idle_ns", "sleeps", "timers",
        "violations")
CHANGE = ("from", "to", "reason", "text", "when_ns", "ago_ns", "stayed_ns")


def one(b, name, *args):
    """The one consumer of that name, from the list."""
    got = [c for c in b.json("consumer", "ls", *args)["consumers"] if c["name"] == name]
    equal(len(got), 1, f"consumers called {name}")
    return got[0]


def ls(b):
    """Both forms, of a loop with a subscription and of one that has none."""
    crowd = Crowd(b, "slow", "0")
    b.run("pub", "slow", "hi")
    got = b.json("consumer", "ls")
    equal(got["bus"], "default", "bus")
    equal({tuple(loop) for loop in got["loops"]}, {LOOP}, "fields of a loop")
    equal({tuple(c) for c in got["consumers"]}, {LS}, "fields of a consumer")
    loops = {loop["who"]: loop for loop in got["loops"]}
    equal(set(loops), {f"crowd[{crowd.pid}]", f"feeder[{crowd.pid}]"}, "loops")
    loop = loops[f"crowd[{crowd.pid}]"]
    equal((loop["consumers"], loop["idle"] + loop["active"], loop["not_shown"], loop["seen"],
           loop["silent"]), (2, 2, 0, True, False), loop)
    equal(loops[f"feeder[{crowd.pid}]"]["consumers"], 0, "who only publishes")
    c = one(b, "slow")
    equal((c["kind"], c["weight"], c["percent"], c["tier"], c["pid"], c["changed"],
           c["latency"]), ("subscription", 10, 100, "monitor", crowd.pid, None, None), c)
    (watch,) = [c for c in got["consumers"] if c["kind"] == "watch"]
    equal((watch["name"], watch["weight"], watch["waiting"]), (None, 3, None), watch)
    code, out, err = b.run("consumer", "ls")
    equal(code, 0, err)
    check(re.search(r"^LOOP +CONSUMERS +ACTIVE +ROUND +TURNS .* VIOLATIONS$", out, re.M), out)
    check(re.search(rf"^crowd\[{crowd.pid}\] +2 ", out, re.M), out)
    check(re.search(r"^LOOP +NUMBER +KIND +NAME +WEIGHT +TIER +STATE +POLLS .* CHANGED$", out,
                    re.M), out)
    check(re.search(rf"^crowd\[{crowd.pid}\] +\d+  subscription  slow +10  monitor +\w+ .* "
                    "never$", out, re.M), out)
    check(re.fullmatch(r"weir: 2 consumers on 2 loops: \d active, \d idle\n", err), err)
    # The same by another name of the bus; lines; and nothing on stdout but data.
    equal(b.run("consumer", "ls", "default", "-q")[2], "", "quiet")
    code, out, err = b.run("consumer", "ls", "-o", "jsonl")
    equal([tuple(c) for c in lines(out)], [LS, LS], "lines")
    code, out, err = b.run("consumer", "ls", "--latency")
    check(code == 0 and "nobody has times taken" in err, err)
    crowd.end()


def usage(b):
    """Used wrongly, no such bus, no such consumer."""
    equal(b.run("consumer", "ls", "a", "b")[0], 2, "two buses")
    equal(b.run("consumer", "ls", "--state", "asleep")[0], 2, "no such state")
    equal(b.run("consumer", "why")[0], 2, "why of nobody")
    equal(b.run("consumer", "why", "a", "b", "c")[0], 2, "three words")
    equal(b.run("consumer", "ls")[0], 3, "no bus")
    equal(b.run("consumer", "why", "x")[0], 3, "no bus")
    crowd = Crowd(b, "idle", "1")
    code, out, err = b.run("consumer", "why", "nobody")
    check(code == 3 and out == "" and "there is no consumer 'nobody' on bus 'default'; weir "
          "consumer ls shows who is there" in err, code, out, err)
    equal(b.json("consumer", "why", "nobody", want=3),
          {"bus": "default", "asked": "nobody", "consumers": []}, "json")
    crowd.end()


def K54_one_active_and_100000_idle(b):
    """Who has something to do, among those that have not."""
    crowd = Crowd(b, "idle", "100000")
    got = b.json("consumer", "ls", "--state", "active")
    (loop,) = [loop for loop in got["loops"] if loop["consumers"]]
    equal((loop["consumers"], loop["active"], loop["idle"], loop["not_shown"], loop["round"]),
          (100002, 1, 100001, 0, 3), loop)
    equal([(c["kind"], c["state"]) for c in got["consumers"]], [("task", "active")], "active")
    code, out, err = b.run("consumer", "ls", "--state", "idle", "-o", "jsonl")
    equal(code, 0, err)
    equal(out.count('"state":"idle"'), 100001, "idle")
    equal(out.count('"kind":"task"'), 100000, "tasks")
    code, out, err = b.run("consumer", "ls", "--state", "active")
    check("100,002 consumers on 2 loops: 1 active, 100,001 idle" in err, err)
    equal(len(out.strip().splitlines()), 6, out)
    crowd.end()


def P2_why(b):
    """Tier, since when, what led to it, what it means, and what to try; text and JSON."""
    crowd = Crowd(b, "slow", "2")
    (got,) = b.json("consumer", "why", "slow")["consumers"]
    equal(tuple(got), LS + ("changes", "means", "try"), "fields")
    equal((got["tier"], got["percent"], got["promotions"], got["demotions"]),
          ("yield", 50, 2, 0), got)
    equal([(c["from"], c["to"], c["reason"]) for c in got["changes"]],
          [("warn", "yield", "overrun"), ("monitor", "warn", "overrun")], "changes")
    equal({tuple(c) for c in got["changes"]}, {CHANGE}, "fields of a change")
    equal(got["changed"]["text"], got["changes"][0]["text"], "the last one")
    equal(got["changes"][0]["when_ns"], got["tier_since_ns"], "when")
    check(got["changes"][0]["ago_ns"] >= 0 and got["violations"] >= 8, got)
    check("weir_should_yield" in got["try"] and "50 % of its turns" in got["means"], got)
    number = str(got["number"])
    for args in (("slow",), (number,), ("default", "slow")):
        code, out, err = b.run("consumer", "why", *args)
        equal((code, err), (0, ""), args)
        check(re.match(rf"subscription slow, number {number} of crowd\[{crowd.pid}\]: yield, "
                       r"since \S+ \w+\n", out), out)
        check("\n  means   it has 50 % of its turns: of each round 5 polls, not 10\n" in out, out)
        check(re.search(r"\n  why     \S+ \w+ ago  warn -> yield: a poll took \S+ ms, more "
                        r"than 1 ms, the \d+\w\w in a row \(penalty \d+, after .*\)\n"
                        r"          \S+ \w+ ago  monitor -> warn: a poll took ", out), out)
        check(re.search(r"\n  so far  \d+ polls, \d+ messages, \d+ over a limit; up 2 times, "
                        r"down 0\n  now     \w+, \d+ messages? waiting for it\n", out), out)
        check("\n  try     do less in each call: return when weir_should_yield says so" in out,
              out)
    c = one(b, "slow")
    equal((c["tier"], c["changed"]["reason"]), ("yield", "overrun"), c)
    check(re.search(r" 2 +0  overrun \S+ \w+ ago$", b.run("consumer", "ls")[1], re.M), "ls")
    code, out, err = b.run("consumer", "why", "slow", "-o", "jsonl")
    equal([c["name"] for c in lines(out)], ["slow"], "lines")
    # Nothing is held against the other one.
    watch = [c for c in b.json("consumer", "ls")["consumers"] if c["kind"] == "watch"][0]
    out = b.run("consumer", "why", str(watch["number"]))[1]
    check("nothing is held against it" in out and "all of its turns: 3 polls" in out
          and "try" not in out, out)
    crowd.end()


def P24_info(b):
    """All of one consumer: what why says, its place and limit, what it lost, and its terms."""
    crowd = Crowd(b, "slow", "2")
    who = f"crowd[{crowd.pid}]"
    (why,) = b.json("consumer", "why", "slow")["consumers"]
    (got,) = b.json("consumer", "info", "slow")["consumers"]
    equal(tuple(got), tuple(why) + ("silent", "place", "threshold_ns", "waiting_bytes", "lost",
                                    "streams"), "fields")
    for key in ("tier", "tier_since_ns", "means", "try", "polls"):
        equal(got[key], why[key], key)
    equal((got["silent"], got["place"], got["threshold_ns"]), (False, "loop", 1000000), got)
    equal(got["lost"], {"all": 0, "behind": 0, "conflated": 0, "expired": 0, "gone": 0}, "lost")
    (stream,) = got["streams"]
    equal((stream["topic"], stream["who"], stream["policy"]), ("slow", who, "drop-oldest"), stream)
    equal(stream["waiting"], got["waiting"], "what waits")
    for name in ("slow", "crowd/slow", f"{crowd.pid}/slow", f"{who}/{got['number']}"):
        code, out, err = b.run("consumer", "info", name)
        equal((code, err), (0, ""), name)
        for line in (rf"subscription slow, number {got['number']} of {re.escape(who)}: yield, ",
                     "  means   it has 50 % of its turns", r"  why     .* a poll took ",
                     "  place   on the loop of its process; weight 10$",
                     r"  budget  a poll may take 1 ms; its handler had \S+ m?s in all",
                     "  lost    0$", "  times   not taken",
                     rf"  reads   slow of feeder\[{crowd.pid}\]: drop-oldest, waited for, ",
                     "  try     do less in each call"):
            check(re.search("^" + line, out, re.M), line, out)
    equal(b.run("consumer", "info", "other/slow")[0], 3, "nobody's")
    equal(b.run("consumer", "info")[0], 2, "of nobody")
    watch = [c for c in b.json("consumer", "ls")["consumers"] if c["kind"] == "watch"][0]
    (got,) = b.json("consumer", "info", str(watch["number"]))["consumers"]
    equal((got["lost"], got["streams"], got["place"]), (None, [], "loop"), got)
    crowd.stop()
    (got,) = b.json("consumer", "info", "slow")["consumers"]
    equal((got["silent"], got["tier"]), (True, "yield"), got)
    crowd.end()


def take_slowly(stream):
    """Reads so little at a time that whoever writes has to wait in each of its polls."""
    while stream.read(4096):
        time.sleep(0.003)


def P2_why_of_a_sub_that_is_slow(b):
    """A real weir sub whose output is taken slowly: told on its stderr, and seen from here."""
    sub = b.subscriber("t", "--stall", "none")
    reader = threading.Thread(target=take_slowly, args=(sub.stdout,), daemon=True)
    reader.start()
    pub = b.start("pub", "t", "-n", "0", "-r", "20000", "x" * 1000)
    said = b.await_line(sub.stderr, "~ t: monitor -> warn: ")
    (got,) = b.json("consumer", "why", "t")["consumers"]
    first = got["changes"][-1]
    check(got["promotions"] >= 1 and first["reason"] in ("overrun", "lag", "stall", "age"), got)
    if got["promotions"] + got["demotions"] <= 4:
        equal((first["from"], first["to"]), ("monitor", "warn"), "the first change")
        check(first["text"] in said, "the log says the same", said, got)
    for p in (pub, sub):
        p.send_signal(SIGKILL)
        p.wait()
    reader.join()


def N7_a_stopped_process_is_seen(b):
    """By who comes after it has stopped: its tier, its reason, and what waits for it."""
    crowd = Crowd(b, "slow", "1")
    before = one(b, "slow")
    crowd.stop()
    got = b.json("consumer", "ls")
    equal({(loop["silent"], loop["seen"]) for loop in got["loops"]}, {(True, True)}, "loops")
    after = one(b, "slow")
    for key in LS:
        if key not in ("polls", "messages", "busy_ns", "changed", "waiting", "state"):
            equal(after[key], before[key], key)
    equal(after["changed"]["when_ns"], before["changed"]["when_ns"], "when it changed")
    code, out, err = b.run("consumer", "why", "slow")
    equal(code, 0, err)
    check("monitor -> warn: a poll took" in out and "its process does not answer (stopped?)"
          in out, out)
    check(f"crowd[{crowd.pid}] does not answer (stopped?); this is what its memory says" in err,
          err)
    crowd.end()


def a_loop_that_is_not_shown(b):
    """Without room for a roster a bus does its work all the same, and it is said."""
    crowd = Crowd(b, "idle", "1", preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_FSIZE, (8 << 20, 8 << 20)))
    code, out, err = b.run("consumer", "ls")
    equal(code, 4, err)
    check(re.search(rf"^crowd\[{crowd.pid}\] +\?( +\?)+$", out, re.M), out)
    check(f"crowd[{crowd.pid}] does not show who is on its loop" in err, err)
    got = b.json("consumer", "ls", want=4)
    equal({(loop["seen"], loop["silent"]) for loop in got["loops"]}, {(False, False)}, "loops")
    equal(got["consumers"], [], "consumers")
    equal(b.run("consumer", "why", "x")[0], 4, "it may be there")
    crowd.end()


def K12_latency(b):
    """Times are shown where a program has them measured."""
    crowd = Crowd(b, "times")
    c = one(b, "timed")
    equal(tuple(c["latency"]), ("delivery", "wait", "handler"), "times")
    for what, times in c["latency"].items():
        equal(tuple(times), ("count", "p50_ns", "p99_ns", "p999_ns", "max_ns"), what)
        check(0 < times["p50_ns"] <= times["p99_ns"] <= times["p999_ns"] <= times["max_ns"],
              what, times)
    equal(c["latency"]["handler"]["count"], c["messages"], "a time a message")
    check(c["latency"]["handler"]["p50_ns"] >= 100000, c)
    code, out, err = b.run("consumer", "ls", "--latency")
    equal(code, 0, err)
    span = r"\S+ \w+ / \S+ \w+ / \S+ \w+ / \S+ \w+"
    check(re.search(r"STATE +DELIVERY 50/99/99.9/MAX +WAIT 50/99/99.9/MAX +HANDLER "
                    "50/99/99.9/MAX$", out, re.M), out)
    check(re.search(rf" timed +10 +monitor +\w+ +{span} +{span} +{span}$", out, re.M), out)
    check(re.search(r" watch +- +3 +monitor +\w+ +- +- +-$", out, re.M), out)
    crowd.end()


def N7_looking_at_consumers(b):
    """It attaches no consumer, and no process does anything for it but say what there is."""
    crowd = Crowd(b, "slow", "0")
    before = b.json("topic", "info", "slow")["publishers"][0]
    polls = one(b, "slow")["polls"]
    for _ in range(2):
        equal(b.run("consumer", "ls")[0], 0, "ls")
        equal(b.run("consumer", "why", "slow")[0], 0, "why")
    after = b.json("topic", "info", "slow")["publishers"][0]
    equal((after["subscribers"], len(after["readers"])), (before["subscribers"], 1), "readers")
    equal(one(b, "slow")["polls"], polls, "its polls")
    crowd.end()


def set_skip_kick(b):
    """Each is answered with what is in force, and seen from outside; refused with a reason."""
    crowd = Crowd(b, "slow", "0")
    code, out, err = b.run("consumer", "set", "slow", "--weight", "7", "--batch", "5",
                           "--poll-budget", "3ms")
    equal((code, out), (0, f"crowd[{crowd.pid}]/slow: weight 7, batch 5, poll budget 3000 us\n"),
          err)
    equal(one(b, "slow")["weight"], 7, "its weight")
    got = b.json("consumer", "set", f"{crowd.pid}/slow", "--weight", "9")
    equal((got["weight"], got["batch"], got["error"]), (9, 5, None), got)
    code, out, err = b.run("consumer", "skip", "slow")
    equal((code, out), (0, f"crowd[{crowd.pid}]/slow: 0 messages passed over\n"), err)
    for args, exit_code, part in (
            (["set", "slow"], 2, "nothing to set"),
            (["set", "slow", "--weight", "65"], 2, "1 to 64"),
            (["set", "nobody", "--weight", "3"], 3, "there is no consumer 'nobody'"),
            (["kick"], 2, "one consumer is to be named")):
        code, out, err = b.run("consumer", *args)
        equal((code, out), (exit_code, ""), err)
        check(part in err, args, err)
    os.kill(crowd.pid, signal.SIGSTOP)
    code, out, err = b.run("--timeout", "200ms", "consumer", "set", "slow", "--weight", "3")
    os.kill(crowd.pid, signal.SIGCONT)
    equal((code, out), (4, ""), err)
    check("is stopped" in err and "not carried out later" in err, err)
    equal(one(b, "slow")["weight"], 9, "its weight")
    code, out, err = b.run("consumer", "kick", "slow")
    equal((code, out), (0, f"crowd[{crowd.pid}]/slow: off all its streams\n"), err)
    crowd.end()


main({f.__name__: f for f in (
    ls, usage, K54_one_active_and_100000_idle, P2_why, P24_info, P2_why_of_a_sub_that_is_slow,
    N7_a_stopped_process_is_seen, a_loop_that_is_not_shown, K12_latency,
    N7_looking_at_consumers, set_skip_kick)})
