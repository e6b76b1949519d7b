# SPDX-License-Identifier: MIT OR Apache-2.0
"""demo.py WEIR CASE: the demo, to its end, to an early end, and past deaths; a consumer that
is slow for a while, and one that should not have been."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios

from harness import (SIGINT, SIGKILL, WEIR, Watchdog, await_true, check, children_of, equal,
                     main, text)

BOOKS = ("published", "delivered", "lost", "lost_behind", "lost_conflated", "lost_expired",
         "lost_gone", "waiting", "held", "aborted", "holes", "damaged")


def clean_up_seen(b):
    equal(os.listdir(b.run_dir), [], "what the demo left behind")


def balanced(demo):
    source = demo["source"]
    check(source["published"] > 0, "nothing was published:", demo)
    equal([(c["name"], c["slow"]) for c in demo["consumers"]],
          [("each", False), ("batch", False), ("slow", True)], "consumers")
    for c in demo["consumers"]:
        # Healthy: all of it. Slow: what it lost it was told of, and the content says the same.
        lost = c["lost"] if c["slow"] else 0
        equal({k: c[k] for k in BOOKS},
              dict.fromkeys(BOOKS, 0) | {"published": source["published"],
                                         "delivered": source["published"] - lost,
                                         "lost": lost, "lost_behind": lost, "holes": lost},
              c["name"])
        equal(sum(s["lost"] for s in c["streams"]), lost, "lost by stream")
        check(c["balanced"] and c["finished"] and c["missed"] == 0, c)
        check(0 < c["p50_ns"] <= c["p99_ns"] <= c["max_ns"], c)
    equal((demo["missed"], demo["healthy_missed"]), (0, 0), "missed")


def live(b):
    """The machine's own data to three processes: the slow one is left behind, is told of its
    exact gap and comes back; the others have all of it, in order, intact. No trace."""
    code, out, err = b.run("demo", "--seconds", "6", "--json")
    equal((code, err), (0, ""), "exit and stderr")
    demo = json.loads(out)
    balanced(demo)
    equal(demo["source"]["kind"], "proc", "kind")
    check(not demo["interrupted"], demo)
    check(re.match(r"cpu \d+ % busy", demo["fact"]), "the content was read:", demo["fact"])
    went_and_came(demo)
    clean_up_seen(b)


def went_and_came(demo):
    """The slow one was detached while it was slow, lost something, and is waited for again."""
    source, slow = demo["source"], demo["consumers"][2]
    equal((demo["quota_bytes"], demo["slow_from"], demo["slow_until"]), (1 << 20, 1.5, 3.6),
          "what was announced")
    went = [s for s in slow["streams"] if s["detached"]]
    check(went and all(s["returned"] and s["waited_for"] for s in went), slow["streams"])
    for s in went:
        check(re.match("PEER_(SLOW|STOPPED|CAP)$", s["why"]) and s["stalled_ns"] > 0, s)
        check(source["start_ns"] + 1.5e9 < s["detached_ns"] < s["returned_ns"], s)
    check(slow["lost"] > 0 and sum(s["gaps"] for s in slow["streams"]) > 0, slow)
    check(0 < source["stalled_ns"] <= source["wait_ns"] and source["waits"] > 0, source)
    told = [sum(s[k] for c in demo["consumers"] for s in c["streams"])
            for k in ("detached", "returned")]
    check(0 < told[0] <= source["detached"] and 0 < told[1] <= source["returned"],
          told, source)
    for c in demo["consumers"]:
        parts = [c["before"], c["during"], c["after"]]
        equal(sum(p["messages"] for p in parts), c["delivered"], c["name"])
        check(all(0 < p["p50_ns"] <= p["p99_ns"] for p in parts), parts)
    check(slow["during"]["p50_ns"] > 10 * slow["before"]["p50_ns"], slow)


def slow(b):
    """The same for a person: a line when it was left behind and why, a line when it is waited
    for again and what it lost meanwhile, and the sums at the end."""
    code, out, err = b.run("demo", "--seconds", "5")
    equal((code, err), (0, ""), "exit and stderr")
    lines = out.splitlines()
    left = [i for i, line in enumerate(lines) if re.fullmatch(
        r" *\d\.\d s  slow: demo\.\w+ no longer waits for it: PEER_\w+, "
        r"stalled [\d.]+ ms", line)]
    back = {}
    for i, line in enumerate(lines):
        m = re.fullmatch(r" *\d\.\d s  slow: demo\.(\w+) waits for it again; "
                         r"lost ([\d,]+), as (\d+) messages told it", line)
        if m:
            back[m[1]] = (i, m[2])
    check(left and back and left[0] < min(i for i, _ in back.values()), out)
    summary = out[out.index("CONSUMER  PUBLISHED"):]
    m = re.search(r"^slow +[\d,]+ +[\d,]+ +([\d,]+) +0 +0 +([\d,]+) behind$", summary, re.M)
    check(m and m[1] == m[2] != "0", summary)
    for name in ("each", "batch"):
        check(re.search(rf"^{name} +([\d,]+) +\1 +0 +0 +0 +-$", summary, re.M), summary)
        check(re.search(rf"^{name}( +[\d.]+ [num]?s){{6}}$", summary, re.M), summary)
    for name, (_, lost) in back.items():
        check(re.search(rf"^demo\.{name} +\d\.\d s .* {lost} +\d+ +\d\.\d s$", summary, re.M),
              summary)
    equal(lines[-1], "The books balance: the healthy ones lost nothing; "
          "slow was told of all it lost.", "the last line")
    for line in lines:
        check(len(line) <= 80 and "\x1b" not in line, repr(line))
    clean_up_seen(b)


def published(line):
    m = re.match(r" *\d+ s +([\d,]+) ", line)
    return int(m[1].replace(",", "")) if m else None


def await_published(b, p, count):
    """Until a line says that so many were published; returns how many that were."""
    watchdog = Watchdog()
    while True:
        have = published(b.await_line(p.stdout, " s "))
        if have is not None and have >= count:
            return have
        watchdog.look("the demo publishes")


def healthy_loses(b):
    """One that was said to be healthy and is stopped loses messages: that is exit 1."""
    p = b.start("demo", "--seconds", "1000")
    each = running(p)["each"]
    have = await_published(b, p, 1)
    os.kill(each, signal.SIGSTOP)
    # Three streams by turns, of which the first to fill its window of 2 MiB does so with
    # some hundred messages.
    await_published(b, p, have + 9000)
    os.kill(each, signal.SIGCONT)
    b.await_line(p.stdout, "each: demo.vm waits for it again")
    p.send_signal(SIGINT)
    code, out, err = b.finish(p)
    equal((code, err), (1, ""), "exit and stderr")
    check(re.search(r"^each missed [\d,]+ messages\.$", out, re.M), out)
    equal(out.splitlines()[-1], "The healthy ones lost something: that must not be.", "verdict")
    clean_up_seen(b)


def headless(b):
    """Without a terminal: a line a second, then the books, and an end by itself. One that did
    not lag by more than it may was not left behind."""
    code, out, err = b.run("demo", "--seconds", "2500ms", "--rate", "200")
    equal((code, err), (0, ""), "exit and stderr")
    check(re.search(r"^ +1 s +[\d,]+ +\S+/s +\d+/\d.* [mu]s .*\d+/.*\d [mu]s$", out, re.M), out)
    check("The books balance: every consumer had every message" in out, out)
    for line in out.splitlines():
        check(len(line) <= 80 and "\x1b" not in line, repr(line))
    clean_up_seen(b)


def terminal(b):
    """On a terminal of 80 columns: a table redrawn in place, the cursor given back."""
    main_end, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    p = b.start("demo", "--seconds", "4", stdin=other, stdout=other, stderr=other,
                env={"TERM": "xterm"})
    os.close(other)
    seen = b""
    watchdog = Watchdog()
    while True:
        watchdog.look("the demo on a terminal")
        if not select.select([main_end], [], [], 1)[0]:
            continue
        try:
            data = os.read(main_end, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
    os.close(main_end)
    equal(b.finish(p)[0], 0, "exit")
    out = text(seen)
    check(out.count("CONSUMER") > 5, "the table is redrawn", out.count("CONSUMER"))
    check(re.search(r"slow .*  left", out) and re.search(r"each .*  waited for", out),
          "the state is shown")
    check(re.search(r"demo\.vm +\d\.\d s +1  PEER_\w+", out), "why it was left is shown")
    check(out.rfind("\x1b[?25h") > out.rfind("\x1b[?25l"), "the cursor is given back")
    check(out.rfind("\x1b[?7h") > out.rfind("\x1b[?7l"), "wrapping is given back")
    for line in re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", out).splitlines():
        check(len(line) <= 80, "too wide:", repr(line))
    check("The books balance" in out, out[-500:])
    clean_up_seen(b)


def interrupted(b):
    """Ctrl-C, to the whole group as a terminal sends it: the summary, then 130."""
    p = b.start("demo", "--seconds", "1000", "--json", start_new_session=True)
    publishing(b, running(p)["source"])
    os.killpg(p.pid, SIGINT)
    code, out, err = b.finish(p)
    equal((code, err), (130, ""), "exit and stderr")
    demo = json.loads(out)
    check(demo["interrupted"], demo)
    balanced(demo)
    clean_up_seen(b)


def interrupted_twice(b):
    """Who asks twice is not made to wait for a consumer that is stopped."""
    p = b.start("demo", "--seconds", "1000", "--json")
    roles = running(p)
    publishing(b, roles["source"])
    os.kill(roles["slow"], signal.SIGSTOP)
    p.send_signal(SIGINT)
    for role in ("each", "batch"):
        await_true(lambda: not os.path.exists(f"/proc/{roles[role]}"), "the others end")
    p.send_signal(SIGINT)
    code, out, err = b.finish(p)
    check(code == 1 and f"slow[{roles['slow']}] did not come to its end" in err, code, err)
    finished = {c["name"]: c["finished"] for c in json.loads(out)["consumers"]}
    equal(finished, {"each": True, "batch": True, "slow": False}, "who finished")
    clean_up_seen(b)


def unread(b):
    """A reader that goes ends the demo early, without a word."""
    p = b.start("demo", "--seconds", "1000")
    b.await_line(p.stdout, "weir --dir ")
    p.stdout.close()
    p.stdout = None
    equal(b.finish(p)[::2], (0, ""), "exit and stderr")
    clean_up_seen(b)


def running(p):
    """pid by role, once all are there."""
    def roles():
        found = {}
        for pid, args in children_of(p.pid).items():
            if "_demo-source" in args:
                found["source"] = pid
            elif "_demo-consumer" in args:
                found[("each", "batch", "slow")[int(args[4])]] = pid
        return found if len(found) == 4 else None
    return await_true(roles, "the processes of the demo")


def publishing(b, pid):
    """Waits until the source has published something: then all are admitted."""
    del b

    def wrote():
        with open(f"/proc/{pid}/io") as f:
            return int(re.search(r"syscr: (\d+)", f.read())[1]) > 100
    await_true(wrote, "the source publishes")


def consumer_dies(b):
    """A consumer that is killed has missed something: exit 1, and it is named."""
    p = b.start("demo", "--seconds", "1000", "--json")
    roles = running(p)
    publishing(b, roles["source"])
    os.kill(roles["batch"], SIGKILL)
    code, out, err = b.finish(p)
    equal(code, 1, err)
    check(f"batch[{roles['batch']}] was killed by signal 9" in err, err)
    by_name = {c["name"]: c for c in json.loads(out)["consumers"]}
    check(not by_name["batch"]["finished"], by_name["batch"])
    for name in ("each", "slow"):
        c = by_name[name]
        check(c["finished"] and c["balanced"] and c["missed"] == 0, c)
    clean_up_seen(b)


def source_dies(b):
    """The source dies: the consumers drain what it had committed; exit 1."""
    p = b.start("demo", "--seconds", "1000", "--json")
    roles = running(p)
    publishing(b, roles["source"])
    os.kill(roles["source"], SIGKILL)
    code, out, err = b.finish(p)
    equal(code, 1, err)
    check(f"source[{roles['source']}] was killed" in err, err)
    demo = json.loads(out)
    for c in demo["consumers"]:
        lost = c["lost"] if c["slow"] else 0
        equal((c["finished"], c["holes"], c["damaged"], c["lost"]), (True, lost, 0, lost),
              c["name"])
    equal(len({c["delivered"] + c["lost"] for c in demo["consumers"]}), 1, "all have the same")
    clean_up_seen(b)


def watcher_dies(b):
    """The watching process is killed: the others end and clear the directory."""
    p = b.start("demo", "--seconds", "1000", "--json")
    roles = running(p)
    publishing(b, roles["source"])
    p.send_signal(SIGKILL)
    p.wait()
    await_true(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in roles.values()),
               "the children end")
    clean_up_seen(b)


def files(b):
    """A file is published line by line, to its end, again with --repeat until the time."""
    count = 300
    path = b.path("lines", b"".join(b"line %d \xff\n" % i for i in range(count)))
    code, out, err = b.run("demo", "--file", path, "--rate", "0", "--json")
    equal(code, 0, err)
    demo = json.loads(out)
    balanced(demo)
    equal((demo["source"]["kind"], demo["source"]["published"]), ("file", count), "lines")
    code, out, _ = b.run("demo", "--file", path, "--rate", "0", "--repeat", "--seconds", "1",
                         "--json")
    equal(code, 0, "--repeat")
    demo = json.loads(out)
    balanced(demo)
    check(demo["source"]["published"] > count, demo)
    code, _, err = b.run("demo", "--file", "/nonexistent", "--json")
    check(code == 3 and "/nonexistent" in err, code, err)
    clean_up_seen(b)


def stdin(b):
    """So is stdin, and its end is the end."""
    code, out, err = b.run("demo", "--stdin", "--rate", "0", "--json", "--seconds", "1000",
                           data=b"a\nb\nc")
    equal(code, 0, err)
    demo = json.loads(out)
    balanced(demo)
    equal(demo["source"]["published"], 3, "lines")
    code, out, _ = b.run("demo", "--stdin", "--json", "--seconds", "1000", data=b"")
    equal((code, json.loads(out)["source"]["published"]), (0, 0), "an empty stdin")
    clean_up_seen(b)


def looked_at(b):
    """It can be looked at meanwhile, as its first lines say, and that disturbs nothing."""
    p = b.start("demo", "--seconds", "1000")
    where = b.await_line(p.stdout, "weir --dir ").split()
    args = where[1:where.index("topic")]
    hz = [json.loads(line) for line in
          b.run(*args, "topic", "hz", ">", "-n", "3", "--json", "--every", "500ms")[1]
          .splitlines()]
    equal({r["topic"] for r in hz}, {"demo.stat", "demo.net", "demo.vm"}, "topics")
    p.send_signal(SIGINT)
    code, out, err = b.finish(p)
    check(code == 130 and "The books balance" in out, code, out, err)


def asked_to_be_slow(b):
    """From another terminal the third becomes slow in each way, and the demo ends all the same
    while its handler does not return, with books that balance."""
    p = b.start("demo", "--seconds", "1000")
    where = b.await_line(p.stdout, "weir --dir ").split()
    args = where[1:where.index("topic")]
    slow_one = [c["who"] for c in b.json(*args, "consumer", "ls")["consumers"]
                if c["who"].startswith("demo-slow[")][0]
    for how in ("sleep", "spin", "off", "block"):
        code, out, err = b.run("demo", "slow", how)
        equal(code, 0, err)
        check(out.startswith(slow_one.removeprefix("demo-")), "who answers", out, slow_one)
    code, _, err = b.run("demo", "slow", "lazy")
    check(code == 2 and "none of spin" in err, code, err)
    p.send_signal(SIGINT)
    code, out, err = b.finish(p)
    check(code == 130 and "The books balance" in out, code, out, err)
    code, _, err = b.run("demo", "slow", "off")
    check(code == 3 and "no demo runs" in err, code, err)


if __name__ == "__main__":
    assert WEIR and subprocess
    main({f.__name__: f for f in (
        live, slow, healthy_loses, headless, terminal, interrupted, interrupted_twice, unread, consumer_dies,
        source_dies, watcher_dies, files, stdin, looked_at,
        asked_to_be_slow)})
