# SPDX-License-Identifier: MIT OR Apache-2.0
"""terms.py WEIR CASE: on what terms is read, who is behind, and whether the books balance."""
import json
import os
import re
import signal
import subprocess

from harness import SIGINT, SIGKILL, await_true, check, equal, lines, main

SIZE = 1000
BEYOND = 4000  # messages of that size that no window of 1 MiB holds


def steady(b, *args, want=0):
    """The JSON of a look, asked again while the machine lets a process miss its time."""
    def answer():
        code, out, err = b.run("-o", "json", *args)
        if code == 4:
            return None
        equal(code, want, f"exit of {args}, stderr {err!r}")
        return (json.loads(out),)
    return await_true(answer, args)[0]


class Feed:
    """A publisher that sends the lines that it is given."""

    def __init__(self, b, topic, *args):
        self.b, self.topic, self.sent = b, topic, 0
        self.p = b.start("pub", topic, "--window", "1M", *args, stdin=subprocess.PIPE)
        await_true(lambda: b.run("topic", "info", topic)[0] == 0, "the publisher is there")

    def send(self, count, size=8):
        """Lines that begin with their numbers; returns when all are published."""
        for i in range(self.sent, self.sent + count):
            self.p.stdin.write((b"%07d" % i).ljust(size, b".") + b"\n")
        self.p.stdin.flush()
        self.sent += count
        await_true(lambda: self.info()["messages"] == self.sent, "all is published")

    def info(self):
        return steady(self.b, "topic", "info", self.topic)["publishers"][0]

    def end(self):
        return self.b.finish(self.p, b"")


def readers(b, topic, want=0):
    got = steady(b, "topic", "account", topic, want=want)
    return [r for stream in got["streams"] for r in stream["readers"]]


def total(r):
    return sum(r[k] for k in ("from", "delivered", "held", "lost_behind", "lost_conflated",
                              "lost_expired", "lost_gone", "aborted", "waiting",
                              "aborted_ahead", "gone_ahead"))


def N20_from(b):
    """Where a subscription begins: told on stderr, and seen in the numbers."""
    feed = Feed(b, "t", "--keep", "100")
    feed.send(20)
    ident = feed.info()["publisher"]
    for args, first, said in (
            (["--from", "oldest"], 0, "joined at seq 0; 0 earlier messages not seen"),
            (["--from", "last:5"], 15, "joined at seq 15; 15 earlier messages not seen"),
            (["--from", f"{ident}:7"], 7, "joined at seq 7; 7 earlier"),
            (["--from", f"{ident[2:]}:7"], 7, "joined at seq 7; 7 earlier")):
        code, out, err = b.run("sub", "t", "-n", "3", "--json", *args)
        equal(code, 0, err)
        equal([m["seq"] for m in lines(out)], [first, first + 1, first + 2], args)
        check(said in err, args, err)
    sub = b.subscriber("t", "-n", "1", "--from", "new")
    # It has sent its word that it is there, which is heard before who asks now is answered.
    await_true(lambda: feed.info()["subscribers"] == 1, "the others have left")
    feed.send(1)
    code, out, err = b.finish(sub)
    check(out.startswith("0000020") and "joined at seq 20; 20 earlier" in err, out, err)
    equal(feed.end()[0], 0, "pub")


def N20_asked_for_and_gone(b):
    """What was asked for and is not there any more is counted as that, and as lost."""
    feed = Feed(b, "t", "--keep", "100")
    feed.send(2 * BEYOND, SIZE)
    code, out, err = b.run("sub", "t", "-n", "1", "--json", "--from",
                           feed.info()["publisher"] + ":5")
    equal(code, 0, err)
    msg = lines(out)[0]
    check(msg["lost"] > 0 and msg["seq"] == 5 + msg["lost"], msg)
    check(re.search(rf"joined at seq {msg['seq']}; {msg['lost']} messages from seq 5 on were "
                    "asked for and are not there any more", err), err)
    check(f"({msg['lost']} gone before the join)" in err, err)
    code, _, err = b.run("sub", "t", "-n", "1", "-q", "--from", feed.info()["publisher"] + ":5")
    check("not there any more" in err, "-q does not hide it:", err)
    equal(feed.end()[0], 4, "nobody was there")


def policies(b):
    """latest sees the newest, of each key with --key; none is waited for."""
    feed = Feed(b, "t")
    subs = {"latest": b.subscriber("t", "--json", "--policy", "latest"),
            "key": b.subscriber("t", "--json", "--policy", "latest", "--key", "6:1")}
    for sub in subs.values():
        sub.send_signal(signal.SIGSTOP)
    feed.send(100)
    got = {r["pid"]: r for r in readers(b, "t")}
    for name, sub in subs.items():
        r = got[sub.pid]
        equal((r["policy"], r["gating"], r["why_not"], r["waiting"], r["balanced"]),
              ("latest", False, "never waited for", 100, True), name)
        sub.send_signal(signal.SIGCONT)
    await_true(lambda: all(r["waiting"] == 0 for r in readers(b, "t")), "all is read")
    for name, sub in subs.items():
        sub.send_signal(SIGINT)
        code, out, err = b.finish(sub)
        equal(code, 130, err)
        seqs = [m["seq"] for m in lines(out)]
        equal(seqs, [99] if name == "latest" else list(range(90, 100)), name)
        check(f"{100 - len(seqs)} lost ({100 - len(seqs)} conflated)" in err, name, err)
        check("! t: lost" not in err, "who wants the newest is not told of each other:", err)
    equal(feed.end()[0], 0, "pub")


def expires(b):
    """A time to live, of the topic or of the reader: what is older is passed over and told."""
    feed = Feed(b, "t", "--ttl", "60s")
    sub = b.subscriber("t", "--ttl", "50", "-n", "1", "--json")
    sub.send_signal(signal.SIGSTOP)
    feed.send(10)
    code, out, _ = b.run("topic", "echo", "t", "--oldest", "-n", "1", "--json")
    age_from = lines(out)[0]["time_ns"]
    await_true(lambda: lines(b.run("topic", "echo", "t", "--oldest", "-n", "1", "--json")[1])
               [0]["age_ns"] > 200e6, "it is old", code, age_from)
    sub.send_signal(signal.SIGCONT)
    await_true(lambda: readers(b, "t")[0]["lost_expired"] == 10, "they have expired")
    feed.send(1)
    code, out, err = b.finish(sub)
    # That one may have been late as well, on a machine that is busy.
    if code == 0:
        check(lines(out)[0]["lost"] == 10 and "lost 10 messages before seq 10 (10 expired)"
              in err, out, err)
    equal(feed.info()["ttl_ns"], 60 * 10**9, "the topic's")
    equal(feed.end()[0], 0, "pub")


class Reader:
    """A weir sub whose output goes to a file, where it is in nobody's way."""

    def __init__(self, b, topic, *args, **kw):
        self.b, self.path = b, b.path(f"out{len(b.started)}")
        with open(self.path, "wb") as out:
            self.p = b.subscriber(topic, "--json", *args, stdout=out, **kw)
        self.pid = self.p.pid

    def stop(self):
        self.p.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.p.send_signal(signal.SIGCONT)

    def end(self, sig=None):
        """(exit code, messages, stderr)"""
        if sig:
            self.p.send_signal(sig)
        code, _, err = self.b.finish(self.p)
        with open(self.path, "rb") as out:
            return code, lines(out.read()) if sig != SIGKILL else None, err


def one_stops(b, *args):
    """A feed with a reader that stops, and one that keeps up and loses nothing; returns
    what the publisher and the stopped one said, and what that one had."""
    feed = Feed(b, "t")
    slow, fast = Reader(b, "t", "--until-end", *args), Reader(b, "t", "--until-end")
    feed.send(10)
    await_true(lambda: all(r["delivered"] == 10 for r in readers(b, "t")), "they read")
    slow.stop()
    feed.send(BEYOND, SIZE)
    (row,) = [r for r in readers(b, "t") if r["pid"] == slow.pid]
    equal((row["gating"], row["detached"], row["balanced"]), (False, 1, True), row)
    check(row["why_not"].startswith("PEER_") and row["stalled_ns"] > 0, row)
    code, _, err = feed.end()
    equal(code, 0, err)
    told = re.search(rf"! t: weir-sub\[{slow.pid}\] is not waited for any more: (PEER_\w+), .*; "
                     r"it cost [\d.]+ \ws of waiting so far", err)
    check(told and told[1] == row["why_not"], err, row)
    check(f"[{fast.pid}]" not in err, "the fast one is left alone:", err)
    code, got, err = fast.end()
    equal((code, [m["seq"] for m in got]), (0, list(range(feed.sent))), err)
    slow.go_on()
    code, got, err = slow.end()
    equal(code, 0, err)
    check(f"does not wait for us any more: {told[1]}, " in err, err)
    return feed.sent, got, err


def left_behind(b):
    """A reader that stops is detached: both sides are told why, and what that cost."""
    sent, got, err = one_stops(b, "--quota", "512k")
    lost = sum(m["lost"] for m in got)
    check(lost > 0 and lost + len(got) == sent, lost, len(got))
    check(re.search(r"! t: lost \d+ messages before seq \d+ \(\d+ left behind\)", err), err)
    check(re.search(rf" {lost:,} lost \({lost} left behind\)", err), err)


def disconnects(b):
    """--policy disconnect: the stream ends for who is too slow."""
    sent, got, err = one_stops(b, "--policy", "disconnect")
    check(len(got) < sent, len(got))
    check(all(m["lost"] == 0 for m in got), "nothing is left out before the end")
    check(" 0 lost" in err, err)


def N4_account(b):
    """The books of each reader, as a table and as JSON; exit 0, and 3 without a topic."""
    feed = Feed(b, "cam.front")
    subs = [b.subscriber("cam.*", "--json"), b.subscriber("cam.front", "--json")]
    feed.send(100)
    await_true(lambda: all(r["waiting"] == 0 for r in readers(b, "cam.front")), "all is read")
    got = steady(b, "topic", "account", "cam.*")
    equal((got["bus"], got["asked"], got["readers"], got["unbalanced"], got["unknown"]),
          ("default", "cam.*", 2, 0, 0), "account")
    equal([(s["topic"], s["pid"]) for s in got["streams"]], [("cam.front", feed.p.pid)], "who")
    for r in got["streams"][0]["readers"]:
        check(r["pid"] in [s.pid for s in subs], r)
        equal((r["from"], r["delivered"], r["held"], r["aborted"], r["gone_ahead"], r["sum"],
               r["published_first"], r["published_last"], r["balanced"], r["off"]),
              (0, 100, 0, 0, 0, 100, 100, 100, True, 0), "books")
        equal(total(r), 100, "sum")
        equal((r["policy"], r["gating"], r["why_not"], r["detached"], r["stalled_ns"]),
              ("drop-oldest", True, None, 0, 0), "terms")
    code, out, err = b.run("--timeout", "20s", "topic", "account", "cam.front")
    equal(code, 0, err)
    check("the books of 2 readers balance" in err, err)
    for sub in subs:
        check(re.search(rf"^cam\.front +weir-sub\[{sub.pid}\] +0 +100 .* 100 +100 +yes$", out,
                        re.M), out)
    equal(b.run("--timeout", "20s", "topic", "account", "nothing")[0], 3, "no such topic")
    equal(b.run("--timeout", "20s", "topic", "account", "a..b")[0], 3, "no topic at all")
    equal(b.run("--timeout", "20s", "topic", "account", "x", "-b", "none")[0], 3, "no such bus")
    for sub in subs:
        sub.send_signal(SIGINT)
        b.finish(sub)
    code, out, err = b.run("--timeout", "20s", "topic", "account", "cam.front")
    check((code, out) == (0, "") and "nobody reads there" in err, code, out, err)
    equal(steady(b, "topic", "account", "cam.front")["streams"][0]["readers"], [], "no readers")
    equal(feed.end()[0], 0, "pub")


def N4_account_of_the_stopped(b):
    """Who is stopped is counted all the same: what waits, and what is gone by now."""
    feed = Feed(b, "t")
    sub = Reader(b, "t", "--until-end", "--stall", "none")
    feed.send(10)
    await_true(lambda: readers(b, "t")[0]["delivered"] == 10, "all is read")
    sub.stop()
    feed.send(BEYOND, SIZE)
    (r,) = readers(b, "t")
    equal((r["delivered"], r["lost_behind"], r["balanced"], r["sum"], r["stall_ns"]),
          (10, 0, True, feed.sent, 0), "stopped")
    check(r["gone_ahead"] > 0 and r["waiting"] > 0, r)
    (lag,) = steady(b, "topic", "lag", "t")["readers"]
    equal((lag["waiting"], lag["gone_ahead"]), (r["waiting"], r["gone_ahead"]), "lag")
    sub.go_on()
    await_true(lambda: readers(b, "t")[0]["waiting"] == 0, "all is read")
    (now,) = readers(b, "t")
    equal((now["lost_behind"], now["delivered"], now["gone_ahead"], now["balanced"]),
          (r["gone_ahead"], feed.sent - r["gone_ahead"], 0, True), "after it")
    equal(feed.end()[0], 0, "pub")
    code, got, err = sub.end()
    equal((code, sum(m["lost"] for m in got)), (0, r["gone_ahead"]), err)


def N4_account_finds_who_forgets(b):
    """A planted reader that does not count what it missed: exit 1, and its name."""
    feed = Feed(b, "t")
    bad = b.subscriber("t", "--stall", "none", executable=os.environ["WEIR_PLANTED"],
                       env={"WEIR_MUTANT": "BOOKS_FORGET"}, stdout=subprocess.DEVNULL)
    good = b.subscriber("t", "--stall", "none", stdout=subprocess.DEVNULL)
    feed.send(10)
    await_true(lambda: all(r["delivered"] == 10 for r in readers(b, "t")), "they read")
    for p in (bad, good):
        p.send_signal(signal.SIGSTOP)
    feed.send(BEYOND, SIZE)
    equal(b.run("--timeout", "2s", "topic", "account", "t")[0], 0, "while it has not come there")
    for p in (bad, good):
        p.send_signal(signal.SIGCONT)
    await_true(lambda: all(r["waiting"] + r["gone_ahead"] == 0 for r in
                           [r for s in anyway(b)["streams"] for r in s["readers"]]),
               "all is read")
    got = anyway(b)
    equal((got["readers"], got["unbalanced"], got["unknown"]), (2, 1, 0), "account")
    for r in got["streams"][0]["readers"]:
        equal(r["balanced"], r["pid"] == good.pid, r)
        if r["pid"] == bad.pid:
            check(r["off"] < 0 and r["sum"] - r["off"] == feed.sent, r)
    code, out, err = b.run("--timeout", "20s", "topic", "account", "t")
    equal(code, 1, err)
    check(re.search(rf"the books of weir-sub\[{bad.pid}\] do not balance: they say \d+ claims "
                    "too few", err), err)
    check(re.search(rf"\[{bad.pid}\].* off by -\d+$", out, re.M), out)
    check(re.search(rf"\[{good.pid}\].* yes$", out, re.M), out)
    for p in (bad, good):
        p.send_signal(SIGKILL)
        b.finish(p)
    feed.end()


def anyway(b):
    """The account, whatever it says."""
    return json.loads(b.run("-o", "json", "topic", "account", "t")[1])


def lag(b):
    """How far each reader is behind, once or again and again."""
    feed = Feed(b, "t")
    sub = b.subscriber("t", "--quota", "512k", "--stall", "2ms")
    sub.send_signal(signal.SIGSTOP)
    feed.send(300, SIZE)
    (r,) = steady(b, "topic", "lag", "t")["readers"]
    equal((r["topic"], r["pid"], r["waiting"], r["waiting_bytes"], r["gone_ahead"],
           r["quota_bytes"], r["stall_ns"], r["gating"]),
          ("t", sub.pid, 300, 300 * SIZE, 0, 2 * feed.info()["segment_bytes"], 2 * 10**6, True),
          "lag")
    check(r["segments"] >= 1, r)
    code, out, err = b.run("topic", "lag", "t", "--every", "50ms", "-n", "3", "-o", "jsonl")
    equal(code, 0, err)
    equal([[x["waiting"] for x in o["readers"]] for o in lines(out)], [[300]] * 3, "each time")
    code, out, err = b.run("topic", "lag", "t", "--every", "50ms", "--timeout", "1s", "--json")
    check(code == 0 and len(lines(out)) >= 1, "until the time is up", code, err)
    code, out, err = b.run("--timeout", "2s", "topic", "lag", "t")
    check(re.search(rf"^t +weir-sub\[{sub.pid}\] +300 +0 .* waited for$", out, re.M), out)
    endless = b.start("topic", "lag", "t", "--every", "50ms")
    endless.stdout.readline()
    endless.send_signal(SIGINT)
    equal(b.finish(endless)[0], 130, "interrupted")
    code, _, err = b.run("topic", "lag", "nothing")
    check(code == 4 and f"process {sub.pid} does not answer" in err, code, err)
    sub.send_signal(SIGKILL)
    b.finish(sub)
    equal(b.run("--timeout", "20s", "topic", "lag", "nothing")[0], 3, "no such topic")
    equal(feed.end()[0], 0, "pub")


def K35_info(b):
    """Everything that was configured is printed as it was, and read back."""
    feed = Feed(b, "t", "--window", "2M", "--keep", "10", "--keep-bytes", "1M", "--ttl", "60s",
                "--stall", "7ms", "--max-message", "1000")
    plain = Feed(b, "plain")
    sub = b.subscriber("t", "--policy", "disconnect", "--quota", "512k", "--stall", "2ms")
    info = feed.info()
    equal([info[k] for k in ("topic", "window_bytes", "max_message", "segment_bytes",
                             "keep_messages", "keep_bytes", "ttl_ns", "stall_cap_ns",
                             "allowed", "priority", "type")],
          ["t", 2 << 20, 1000, 256 << 10, 10, 1 << 20, 60 * 10**9, 7 * 10**6, None, None, None],
          "info")
    check(info["region_bytes"] > 3 << 20, info)
    (r,) = info["readers"]
    equal((r["pid"], r["policy"], r["quota_bytes"], r["stall_ns"], r["gating"], r["why_not"],
           r["detached"], r["stalled_ns"]),
          (sub.pid, "disconnect", 512 << 10, 2 * 10**6, True, None, 0, 0), "its reader")
    other = plain.info()
    equal([other[k] for k in ("keep_messages", "keep_bytes", "ttl_ns", "stall_cap_ns",
                              "readers")], [0, 0, None, 20 * 10**6, []], "defaults")
    out = b.run("--timeout", "20s", "topic", "info", "t")[1]
    for part in ("messages to 1,000 B, window 2,097,152 B, segments of 262,144 B",
                 "10 messages, 1,048,576 B of log, at least", "ttl       60 s",
                 "stalls    7 ms of any 100 ms", "rights    read by whoever may attach",
                 "priority  none",
                 f"weir-sub[{sub.pid}]: disconnect, quota 524,288 B, may cost 2 ms of any "
                 "100 ms; waited for"):
        check(part in out, repr(part), "is not in", out)
    out = b.run("--timeout", "20s", "topic", "info", "plain")[1]
    check("keeps     the last message" in out, "defaults", out)
    # A budget is never larger than what the topic allows all together.
    big = b.subscriber("t", "--stall", "50ms", "--policy", "block")
    terms = {r["pid"]: r for r in feed.info()["readers"]}
    equal(terms[big.pid]["stall_ns"], None, "block: as long as it takes")
    for p in (sub, big):
        p.send_signal(SIGINT)
        b.finish(p)
    for f in (feed, plain):
        equal(f.end()[0], 0, "pub")


def N7_looking(b):
    """account, lag and info are nobody's consumers, and gate nobody."""
    feed = Feed(b, "t")
    sub = b.subscriber("t")
    feed.send(5)
    before = feed.info()
    for _ in range(5):
        for verb in ("account", "lag", "info"):
            equal(b.run("--timeout", "20s", "topic", verb, "t")[0], 0, verb)
    after = feed.info()
    equal((after["subscribers"], len(after["readers"]), after["region_bytes"]),
          (1, 1, before["region_bytes"]), "after looking")
    check(after["readers"][0]["gating"], after)
    sub.send_signal(SIGINT)
    b.finish(sub)
    code, _, err = feed.end()
    check(code == 0 and "not waited for" not in err, code, err)


main({f.__name__: f for f in (
    N20_from, N20_asked_for_and_gone, policies, expires, left_behind, disconnects, N4_account,
    N4_account_of_the_stopped, N4_account_finds_who_forgets, lag, K35_info, N7_looking)})
