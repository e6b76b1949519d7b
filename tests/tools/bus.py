# SPDX-License-Identifier: MIT OR Apache-2.0
"""bus.py WEIR CASE: pub, sub, and what looks at them."""
import base64
import json
import os
import re
import signal
import subprocess

from harness import SIGINT, SIGKILL, await_true, check, equal, lines, main, text

# Not UTF-8, with what would steer a terminal, and without an end of line.
NASTY = bytes(range(256)) + b"\x1b[31m\xc2\x9b\xed\xa0\x80"


def roundtrip(b):
    """One message: as an argument, with both sides saying what happened."""
    sub = b.subscriber("hello", "-n", "1")
    code, out, err = b.run("pub", "hello", "hi there")
    equal((code, out), (0, ""), f"pub, {err!r}")
    equal(err, "weir: 1 message, 8 B -> 1 consumer\n", "what pub says")
    code, out, err = b.finish(sub)
    equal((code, out), (0, "hi there\n"), f"sub, {err!r}")
    check("hello: weir-pub[" in err, "the join is told:", err)
    check("1 message, 8 B, 0 lost" in err, err)


def nobody(b):
    """Publishing to nobody is said, with advice, and is exit 4."""
    code, out, err = b.run("pub", "hello", "x")
    equal((code, out), (4, ""), err)
    check("-> 0 consumers" in err and "weir sub hello" in err and "--wait-subs" in err, err)
    code, _, err = b.run("pub", "hello", "x", "--wait-subs", "2", "--timeout", "300ms")
    check(code == 4 and "0 of 2 consumers" in err, code, err)
    check("messages" not in err, "nothing was published:", err)
    got = b.run("pub", "hello", "x", "-o", "json", "-q")
    equal(got[0], 4, "exit with JSON")
    equal(json.loads(got[1]), {"bus": "default", "topic": "hello", "messages": 1, "bytes": 1,
                               "consumers": 0, "unheard": 1}, "pub -o json")
    equal(got[2], "", "-q is quiet")


def wait_subs(b):
    """--wait-subs N waits for N, and then nothing is missed."""
    pub = b.start("pub", "t", "m{{seq}}", "-n", "100", "--wait-subs", "2", "-b", "other")
    b.await_line(pub.stderr, "waiting for 2 consumers on 't', 0 so far")
    subs = [b.start("sub", "t", "-b", "other", "-n", "100") for _ in range(2)]
    code, _, err = b.finish(pub)
    check(code == 0 and "100 messages, 290 B -> 2 consumers" in err, code, err)
    want = "".join(f"m{i}\n" for i in range(100))
    for sub in subs:
        code, out, _ = b.finish(sub)
        equal((code, out), (0, want), "what a subscriber got")


def stdin_lines(b):
    """Each line is a message, the last one without a newline too; -n ends early."""
    sub = b.subscriber("log", "-n", "5", "--json")
    data = b"one\n\nthree {{seq}}\r\nlast"
    code, _, err = b.run("pub", "log", data=data)
    check(code == 0 and "4 messages" in err, code, err)
    code, _, err = b.run("pub", "log", "-", "-n", "1", data=b"fifth\nsixth\n")
    check(code == 0 and "1 message," in err, code, err)
    code, out, _ = b.finish(sub)
    equal(code, 0, "sub")
    equal([m["text"] for m in lines(out)], ["one", "", "three 2\r", "last", "fifth"], "lines")


def long_line(b):
    """A line above the topic's largest message is refused by name, not cut."""
    code, _, err = b.run("pub", "log", data=b"x" * 65537 + b"\n")
    check(code == 2 and "USAGE_TOOBIG" in err, code, err)
    sub = b.subscriber("log", "-n", "1", "--json")
    code, _, err = b.run("pub", "log", "--max-message", "1M", data=b"x" * 65537 + b"\n")
    equal(code, 0, err)
    equal(lines(b.finish(sub)[1])[0]["len"], 65537, "length")


def files(b):
    """A file is one message, byte for byte, however large; braces in it stay."""
    for content in (b"", NASTY, b"{{seq}} {{now}}", os.urandom(3 << 20)):
        path = b.path("content", content)
        sub = b.subscriber("file", "-n", "1", "--raw", stderr=subprocess.PIPE)
        code, _, err = b.run("pub", "file", "@" + path)
        equal(code, 0, err)
        b.finish(sub)
        check(b.last_out == content, "content of", len(content), "bytes came back changed")
    code, _, err = b.run("pub", "file", "@/nonexistent")
    check(code == 3 and "/nonexistent" in err, code, err)


def templates(b):
    sub = b.subscriber("t", "-n", "4", "--json")
    b.run("pub", "t", "{{seq}}/{{now}}/{{rand}}/{{other}}/{{seq", "-n", "3")
    b.run("pub", "t", "{{seq}}", "--verbatim")
    got = [m["text"] for m in lines(b.finish(sub)[1])]
    for i, line in enumerate(got[:3]):
        check(re.fullmatch(rf"{i}/\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{6}}Z/\d+/"
                           r"\{\{other\}\}/\{\{seq", line), line)
    check(len({line.split("/")[2] for line in got[:3]}) > 1, "rand is the same thrice", got)
    equal(got[3], "{{seq}}", "--verbatim")


def modes(b):
    """text, hex, raw and JSON of the same bytes; nothing in text can steer a terminal."""
    path = b.path("nasty", NASTY)
    ways = {"text": [], "hex": ["--hex"], "raw": ["--raw"], "json": ["--json"]}
    subs = {k: b.subscriber("t.a", "-n", "1", *v) for k, v in ways.items()}
    subs["many"] = b.subscriber("t.*", "x", "-n", "1", "--hex")
    equal(b.run("pub", "t.a", "@" + path)[0], 0, "pub")
    got = {}
    for k, sub in subs.items():
        code, _, _ = b.finish(sub)
        equal(code, 0, k)
        got[k] = b.last_out
    equal(got["raw"], NASTY, "raw")
    equal(got["hex"], NASTY.hex().encode() + b"\n", "hex")
    equal(got["many"], b"t.a: " + NASTY.hex().encode() + b"\n", "hex with its topic")
    message = json.loads(got["json"])
    equal(base64.b64decode(message["base64"]), NASTY, "base64")
    equal((message["topic"], message["seq"], message["lost"], message["len"]),
          ("t.a", 0, 0, len(NASTY)), "envelope")
    check(message["time_ns"] > 0 and message["age_ns"] > 0, message)
    check(re.fullmatch(r"0x[0-9a-f]+", message["publisher"]), message)
    plain = got["text"]
    check(not re.search(rb"[\x00-\x08\x0b-\x1f\x7f-\xff]", plain), "text steers:", plain)
    check(b"\\x1b[31m\\xc2\\x9b\\xed\\xa0\\x80" in plain, plain)


def patterns(b):
    sub = b.subscriber("a.*", "b.>", "-n", "3")
    for topic in ("a.x", "a.x.y", "b", "b.c.d", "a.z"):
        b.run("pub", topic, "in " + topic)
    equal(b.finish(sub)[1], "a.x: in a.x\nb.c.d: in b.c.d\na.z: in a.z\n", "what matched")
    for bad in ("a..b", "", "a b", "x" * 201):
        code, _, err = b.run("sub", bad)
        check(code == 2 and "USAGE_NAME" in err, repr(bad), code, err)
    equal(b.run("pub", "a.*", "x")[0], 2, "a pattern is no topic")


def late(b):
    """Who joins late is told what it has missed, and that is not called lost."""
    first = b.subscriber("t", "-n", "3")
    pub = b.start("pub", "t", stdin=subprocess.PIPE)
    pub.stdin.write(b"0\n1\n2\n")
    pub.stdin.flush()
    equal(b.finish(first)[1], "0\n1\n2\n", "the first")
    second = b.subscriber("t", "-n", "1")
    code, _, _ = b.finish(pub, b"3\n")
    equal(code, 0, "pub")
    code, out, err = b.finish(second)
    equal((code, out), (0, "3\n"), "the second")
    check("joined at seq 3; 3 earlier messages not seen" in err, err)
    check("0 lost" in err, err)


def ends(b):
    """--until-end, a timeout, a signal, a reader that goes: each has its exit code."""
    sub = b.subscriber("t", "--until-end")
    b.run("pub", "t", "x", "-n", "10")
    code, out, _ = b.finish(sub)
    equal((code, out), (0, "x\n" * 10), "--until-end")
    equal(b.run("sub", "t", "--timeout", "200ms")[0], 4, "nothing within the timeout")
    for sig in (SIGINT, 15):
        sub = b.subscriber("t")
        sub.send_signal(sig)
        code, _, err = b.finish(sub)
        check(code == 130 and "0 messages" in err, sig, code, err)
    pub = b.start("pub", "t", "x", "-n", "0", "-r", "0.001")
    await_true(lambda: b.run("topic", "info", "t")[0] == 0, "the publisher is there")
    pub.send_signal(SIGINT)
    equal(b.finish(pub)[0], 130, "an interrupted publisher")
    equal(os.listdir(b.run_dir) and b.json("ls")["buses"], [], "nothing is left")


def pipe(b):
    """A reader that has enough ends the subscriber, quietly, and properly: on the next
    message, and also where none comes."""
    busy = b.subscriber("t")
    idle = b.subscriber("nothing")
    other = b.subscriber("t", "-v")
    pub = b.start("pub", "t", "x", "-n", "0", "-r", "100")
    busy.stdout.readline()
    for sub in (busy, idle):
        sub.stdout.close()
        sub.stdout = None
        code, _, err = b.finish(sub)
        check(code == 0 and "rror" not in err and "ipe" not in err, code, err)
    for p in (pub, other):
        p.send_signal(SIGINT)
        b.finish(p)


def no_stdout(b):
    """Without a stdout no socket takes its number: what cannot be written is said."""
    sub = b.subscriber("t", "-n", "1", stdout=None, preexec_fn=lambda: os.close(1))
    b.run("pub", "t", "x")
    code, _, err = b.finish(sub)
    check(code == 1 and "could not write to stdout: Bad file" in err, code, err)


def death(b):
    """The death of a publisher is told on stderr, after its last message."""
    sub = b.subscriber("t", "--until-end")
    pub = b.start("pub", "t", stdin=subprocess.PIPE)
    pub.stdin.write(b"last words\n")
    pub.stdin.flush()
    equal(text(sub.stdout.readline()), "last words\n", "the message")
    pub.send_signal(SIGKILL)
    code, _, err = b.finish(sub)
    check(code == 0 and "died" in err, code, err)


def ls(b):
    """ls and topic info say who is there, and exit 1 and 3 where nobody is."""
    equal(b.json("ls"), {"buses": []}, "no bus")
    equal(b.run("ls", "-b", "none")[0], 3, "no such bus")
    sub = b.subscriber("cam.*")
    lone = b.subscriber("lonely")
    pub = b.start("pub", "cam.front", stdin=subprocess.PIPE)
    pub.stdin.write(b"a\nb\n")
    pub.stdin.flush()
    for _ in range(2):
        sub.stdout.readline()
    buses = b.json("ls")["buses"]
    equal([bus["bus"] for bus in buses], ["default"], "buses")
    topics = {t["topic"]: t for t in buses[0]["topics"]}
    equal(sorted(topics), ["cam.front", "lonely"], "topics")
    front = topics["cam.front"]
    equal([front[k] for k in ("publishers", "subscribers", "messages", "lost", "type")],
          [1, 1, 2, 0, None], "cam.front")
    equal((topics["lonely"]["publishers"], topics["lonely"]["subscribers"]), (0, 1), "lonely")
    equal(sorted(n["pid"] for n in buses[0]["nodes"]), sorted((sub.pid, lone.pid, pub.pid)),
          "nodes")
    code, out, _ = b.run("ls")
    check(code == 0 and re.search(rf"^cam\.front +2 .* weir-pub\[{pub.pid}\]$", out, re.M), out)
    code, out, _ = b.run("ls", "cam*")
    check(code == 0 and "lonely" not in out, out)
    equal(b.run("ls", "nothing*")[0], 1, "a pattern without a match")
    info = b.json("topic", "info", "cam.front")
    equal([p["pid"] for p in info["publishers"]], [pub.pid], "publishers")
    equal([(s["pid"], s["delivered"], s["lost"]) for s in info["subscribers"]],
          [(sub.pid, 2, 0)], "subscribers")
    out = b.run("topic", "info", "cam.front")[1]
    check(f"weir-pub[{pub.pid}]" in out and "2 delivered, 0 lost" in out, out)
    equal(b.run("topic", "info", "nothing")[0], 3, "no such topic")


def stopped(b):
    """A stopped process is said to be silent, and holds up nobody who looks."""
    sub = b.subscriber("t", "-n", "1")
    pub = b.start("pub", "u", stdin=subprocess.PIPE)
    await_true(lambda: b.run("topic", "info", "u")[0] == 0, "the publisher is there")
    sub.send_signal(signal.SIGSTOP)
    nodes = b.json("ls")["buses"][0]["nodes"]
    equal(sorted(n["silent"] for n in nodes), [False, True], "silent")
    code, out, err = b.run("ls")
    check(code == 0 and "does not answer (stopped?)" in err and "weir-pub" in out, out, err)
    sub.send_signal(signal.SIGCONT)
    equal(b.run("pub", "t", "x")[0], 0, "pub after it")
    equal(b.finish(sub)[:2], (0, "x\n"), "sub after it")
    b.finish(pub, b"")


def looking(b):
    """echo, hz, bw and delay are nobody's consumers: a publisher finds no one there."""
    keep = b.subscriber("other")  # so that there is a bus
    lookers = [b.start("topic", verb, "t", "-n", "1", *more) for verb, more in
               (("echo", ["--json"]), ("hz", ["--json", "--every", "200ms"]),
                ("bw", ["--json", "--every", "200ms"]),
                ("delay", ["--json", "--every", "200ms"]))]
    for p in lookers:
        b.await_line(p.stderr, "nobody publishes 't'")
    pub = b.start("pub", "t", "{{seq}}", "-n", "0", "-r", "200", "-o", "json")
    got = {}
    for p in lookers:
        code, out, err = b.finish(p)
        equal(code, 0, f"{p.args}, {err!r}")
        got[p.args[2]] = lines(out)[0]
    info = b.json("topic", "info", "t")
    equal(info["publishers"][0]["subscribers"], 0, "subscribers while being looked at")
    pub.send_signal(SIGINT)
    code, out, _ = b.finish(pub)
    made = json.loads(out)
    equal((code, made["consumers"], made["unheard"]), (130, 0, made["messages"]), "pub")
    equal(got["echo"]["text"], str(got["echo"]["seq"]), "echo reads what was written")
    hz, bw, delay = got["hz"], got["bw"], got["delay"]
    check(hz["min_ns"] <= hz["mean_ns"] <= hz["max_ns"] and hz["rate"] > 0, hz)
    check(1 <= bw["min_len"] <= bw["mean_len"] <= bw["max_len"], bw)
    check(abs(bw["bytes_per_second"] - bw["mean_len"] * bw["rate"]) < 1, bw)
    check(0 < delay["p50_ns"] <= delay["p99_ns"] <= delay["max_ns"], delay)
    keep.send_signal(SIGINT)
    b.finish(keep)


def rate(b):
    """hz says what the times in the messages say, whatever pace the machine allowed."""
    sub = b.subscriber("t", "--json", "--until-end")
    hz = b.start("topic", "hz", "t", "--json", "--every", "300ms", "-n", "3")
    pub = b.start("pub", "t", "x", "-n", "0", "-r", "100")
    _, out, _ = b.finish(hz)
    pub.send_signal(SIGINT)
    b.finish(pub)
    times = [m["time_ns"] for m in lines(b.finish(sub)[1])]
    gaps = [y - x for x, y in zip(times, times[1:])]
    reports = lines(out)
    equal(len(reports), 3, "reports")
    for r in reports:
        check(min(gaps) - 1 <= r["mean_ns"] <= max(gaps) + 1, r, min(gaps), max(gaps))
        check(abs(r["rate"] * r["mean_ns"] / 1e9 - 1) < 0.01, "rate and mean differ", r)
        equal(r["missed"], 0, "missed")


def clean(b):
    """What a death left is found, named, and removed only with --yes; what lives stays."""
    dead = b.subscriber("t")
    dead.send_signal(SIGKILL)
    b.finish(dead)
    code, out, err = b.run("clean")
    equal((code, out), (1, "bus default: 1 dead socket\n"), err)
    check("--yes" in err, err)
    equal(b.json("clean", want=1), {"buses": [{"bus": "default", "dead": 1,
                                               "removed": False}]}, "clean -o json")
    code, out, _ = b.run("clean", "--yes")
    equal((code, out), (0, "bus default: 1 dead socket removed\n"), "clean --yes")
    equal(b.run("clean")[0], 0, "clean after it")
    alive = b.subscriber("t", "-n", "1")
    equal(b.run("clean", "--yes")[:2], (0, ""), "clean beside what lives")
    equal(b.run("pub", "t", "x")[0], 0, "the living one is still there")
    equal(b.finish(alive)[1], "x\n", "and hears")


def unsafe(b):
    """A runtime directory that others can write to is refused, with exit 5."""
    os.chmod(b.run_dir, 0o777)
    code, _, err = b.run("pub", "t", "x")
    check(code == 5 and "ENV_UNSAFE" in err and "try: " in err, code, err)


main({f.__name__: f for f in (
    roundtrip, nobody, wait_subs, stdin_lines, long_line, files, templates, modes, patterns,
    late, ends, pipe, no_stdout, death, ls, stopped, looking, rate, clean, unsafe)})
