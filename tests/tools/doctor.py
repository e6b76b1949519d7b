# SPDX-License-Identifier: MIT OR Apache-2.0
"""doctor.py WEIR CASE: each thing that can be wrong is made wrong, and found by its name."""
import ctypes
import json
import os
import re
import subprocess
import sys

from crowd import Crowd
from harness import SIGKILL, await_true, check, equal, main

CAUSES = ("not seen", "debug build", "does not yield", "yields too often", "timers are late",
          "slow handler", "polled late", "not polling", "stopped", "throttled", "descheduled",
          "page faults")
EVIDENCE = {"polls", "violations", "poll_ns", "threshold_ns", "stuck_ns", "gap_ns", "turns",
            "delayed_ns", "throttles", "throttled_ns", "minor_faults", "major_faults"}


def findings(b, crowd=None, time="300ms", **kw):
    """What it says of one process (crowd) or of the machine; its exit code is held to it."""
    code, out, err = b.run("doctor", "--for", time, "-o", "json", **kw)
    got = json.loads(out)
    equal(got["bus"], "default", "bus")
    equal(code, 1 if got["findings"] else 0, err)
    for f in got["findings"]:
        equal(tuple(f), ("cause", "who", "what", "try", "part_ns", "time_ns", "evidence"), "fields")
        equal(f["evidence"] is not None, f["cause"] in CAUSES[5:], "evidence")
        equal(set(f["evidence"] or EVIDENCE), EVIDENCE, "evidence")
        check(f["cause"] in CAUSES, f)
    return [f for f in got["findings"]
            if (f["who"] == "this machine" if crowd is None else f"[{crowd.pid}]" in f["who"])]


def await_cause(b, crowd, cause):
    """Polls come one by one, so it looks until enough of them have been seen."""
    while True:
        got = [f for f in findings(b, crowd) if f["cause"] == cause]
        if got:
            return got[0]


def P23_healthy(b):
    """Of who has nothing wrong nothing is said, but what its build is."""
    crowd = Crowd(b, "idle", "3")
    equal([f for f in findings(b, crowd) if f["cause"] != "debug build"], [], "findings")
    crowd.end()


def P23_does_not_yield(b):
    crowd = Crowd(b, "batches")
    f = await_cause(b, crowd, "does not yield")
    check("flood" in f["who"] and "WEIR_BUDGET" in f["try"], f)
    check("took longer" in f["what"], f)
    code, out, err = b.run("doctor", "--for", "300ms")
    equal(code, 1, err)
    check("  try     " in out, out)
    crowd.end()


def P23_yields_too_often(b):
    crowd = Crowd(b, "eager")
    f = await_cause(b, crowd, "yields too often")
    check("flood" in f["who"] and "raise WEIR_BUDGET" in f["try"], f)
    crowd.end()


def P23_debug_build(b):
    """A library with faults built in is not what one measures."""
    program = os.environ["WEIR_CROWD"]
    os.environ["WEIR_CROWD"] = os.environ["WEIR_CROWD_PLANTED"]
    crowd = Crowd(b, "idle", "3")
    os.environ["WEIR_CROWD"] = program
    f = await_cause(b, crowd, "debug build")
    check("release" in f["try"], f)
    crowd.end()


def P23_timers_are_late(b):
    """A process whose sleeps the kernel may end 50 ms late sees late timers."""
    crowd = Crowd(b, "idle", "3")
    libc = ctypes.CDLL(None, use_errno=True)
    pr_set_timerslack = 29
    # The slack of who starts a program is that program's own.
    equal(libc.prctl(pr_set_timerslack, ctypes.c_ulong(50000000), 0, 0, 0), 0, "prctl")
    # It may end them early all the same, while other timers of that core go off.
    (f,) = await_true(lambda: findings(b), "timers are late")
    equal(f["cause"], "timers are late", f)
    check("power saving" in f["try"], f)
    crowd.end()


def P23_not_seen(b):
    equal(b.run("doctor", "none-such")[0], 3, "no such bus")
    equal(b.run("doctor", "one", "two")[0], 2, "two buses")


class Ailing:
    """A crowd with a subscription that is slow, and whoever feeds it."""

    def __init__(self, b, what, **kw):
        self.b = b
        kw.setdefault("preexec_fn", go_first)
        self.crowd = Crowd(b, what, **kw)
        self.pub = b.start("pub", "ailing", "-n", "0", "-r", "4000", "--wait-subs", "1",
                           "x" * 100)

    def reads(self):
        return [c for c in self.b.json("consumer", "ls")["consumers"]
                if c["name"] == "ailing" and c["messages"] > 0]

    def starved_ns(self):
        """How long its threads were ready to run and had no core, as the kernel tells."""
        total = 0
        for tid in os.listdir(f"/proc/{self.crowd.pid}/task"):
            with open(f"/proc/{self.crowd.pid}/task/{tid}/schedstat") as f:
                total += int(f.read().split()[1])
        return total

    def causes(self):
        """What is said of it. There is one cause at most."""
        got = [f for f in findings(self.b, self.crowd, "250ms") if "ailing" in f["who"]]
        check(len(got) <= 1, "more than one cause:", got)
        return got

    def diagnosis(self, cause):
        """Looks until it is behind, and its cause is named; no other one may be. Only where
        the kernel says as well that other programs had its core, that may be said."""
        def look():
            before = self.starved_ns()
            got = self.causes()
            starved = self.starved_ns() - before > 50e6
            for f in got:
                if starved and f["cause"] == "descheduled" != cause:
                    return None
                check(f["cause"] == cause, "another cause:", f)
            return got
        (f,) = await_true(look, cause)
        check(0 < f["part_ns"] <= f["time_ns"], f)
        check(f["time_ns"] >= 250e6, f)
        check(re.match(r"[\d,]+ messages? waits? for it: (its|a poll) ", f["what"]), f)
        check(len(f["try"]) > 20, f)
        return f

    def end(self):
        self.pub.send_signal(SIGKILL)
        self.pub.wait()
        self.crowd.end()


def go_first():
    """Before other programs, if we may: else they may be why it is slow."""
    try:
        os.nice(-15)
    except OSError:
        pass


def N8_slow_handler(b):
    for what in ("burns", "stuck", "further", "sleeps"):
        a = Ailing(b, what)
        f = a.diagnosis("slow handler")
        equal(f["evidence"]["stuck_ns"] > 0, what == "stuck", f)
        equal("has not returned for" in f["what"], what == "stuck", f)
        if what != "stuck":
            check("a poll of it takes" in f["what"], f)
            check(f["evidence"]["poll_ns"] > f["evidence"]["threshold_ns"] > 0, f)
        if what != "sleeps":
            a.end()
    code, out, err = b.run("doctor", "--for", "300ms")
    equal(code, 1, err)
    check(re.search(r"^slow handler: crowd\[\d+\] \d+ ailing\n  .* for it: (its|a poll) .*\n"
                    r"  try     do less in each call", out, re.M), out)
    a.end()


def N8_polled_late(b):
    a = Ailing(b, "late")
    f = a.diagnosis("polled late")
    check(re.search(r"turn comes every \d\S* ms, .* neighbours have taken \d+ % of", f["what"]),
          f)
    check("weight" in f["try"] and f["evidence"]["violations"] == 0, f)
    a.end()


def N8_not_polling(b):
    for what in ("away", "seldom", "unread"):
        a = Ailing(b, what)
        f = a.diagnosis("not polling")
        turns = f["evidence"]["turns"]
        check(what == "unread" or f"turned the loop {turns} times" in f["what"], f)
        check(what != "unread" or "its owner reads it" in f["what"], f)
        equal(turns > 0, what != "away", f)
        check("weir_run" in f["try"], f)
        a.end()


def N8_stopped(b):
    a = Ailing(b, "short")
    await_true(a.reads, "it reads")
    a.crowd.stop()
    f = a.diagnosis("stopped")
    equal(f["part_ns"], f["time_ns"], "all of the time")
    check("kill -CONT" in f["try"], f)
    a.end()


def N8_descheduled(b):
    """Its core belongs to others, who are never done."""
    core = min(os.sched_getaffinity(0))
    burning = [subprocess.Popen([sys.executable, "-c", "while True: pass"],
                                preexec_fn=lambda: os.sched_setaffinity(0, {core}))
               for _ in range(8)]
    b.started.extend(burning)
    a = Ailing(b, "short", preexec_fn=lambda: os.sched_setaffinity(0, {core}))
    f = a.diagnosis("descheduled")
    check(re.search(r"had no core for \d+ % of", f["what"]), f)
    check(f["evidence"]["delayed_ns"] >= f["part_ns"] > f["time_ns"] / 2, f)
    for p in burning:
        p.kill()
        p.wait()
    a.end()


def N8_page_faults(b):
    a = Ailing(b, "pages")
    f = a.diagnosis("page faults")
    (rate,) = re.findall(r"has (\d+) page faults a second", f["what"])
    shown = f["evidence"]
    equal(round((shown["minor_faults"] + shown["major_faults"]) * 1e9 / f["time_ns"]), int(rate),
          "rate")
    check(int(rate) > 1000, f)
    a.end()


def quota_group():
    """A new control group with a quota of a twentieth of a core, of either version; or None."""
    for root, quota in (("/sys/fs/cgroup", ("cpu.max", "5000 100000")),
                        ("/sys/fs/cgroup/cpu", ("cpu.cfs_quota_us", "5000"))):
        group = f"{root}/weir-test-{os.getpid()}"
        try:
            os.mkdir(group)
        except OSError:
            continue
        try:
            with open(f"{group}/{quota[0]}", "r+") as f:
                f.write(quota[1])
            return group
        except OSError:
            os.rmdir(group)
    return None


def N8_throttled(b):
    group = quota_group()
    if not group:
        print("SKIPPED: no control group with a quota may be made here")
        return 77
    a = Ailing(b, "short")
    try:
        with open(f"{group}/cgroup.procs", "w") as f:
            f.write(str(a.crowd.pid))
        f = a.diagnosis("throttled")
        check(f"throttled {f['evidence']['throttles']} times, for " in f["what"], f)
        check(f["evidence"]["throttles"] > 0, f)
    finally:
        # A group can go when nobody is in it any more, whatever has been found.
        for p in (a.pub, a.crowd.p):
            p.kill()
            p.wait()
        os.rmdir(group)
    return 0


def N8_who_keeps_up(b):
    """Of who is not slow no cause is named, though much goes through it."""
    crowd = Crowd(b, "slow", "0")
    pub = b.start("pub", "slow", "-n", "0", "-r", "100", "x")
    equal([f for f in findings(b, crowd) if "slow" in f["who"]], [], "findings")
    pub.send_signal(SIGKILL)
    pub.wait()
    crowd.end()


main({f.__name__: f for f in (
    P23_healthy, P23_does_not_yield, P23_yields_too_often, P23_debug_build,
    P23_timers_are_late, P23_not_seen, N8_slow_handler, N8_polled_late, N8_not_polling,
    N8_stopped, N8_throttled, N8_descheduled, N8_page_faults, N8_who_keeps_up)})
