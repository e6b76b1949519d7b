# SPDX-License-Identifier: MIT OR Apache-2.0
"""top.py WEIR CASE: weir top on a real terminal, which is tmux's, and without one."""
import os
import re
import shutil
import subprocess

from crowd import Crowd
from harness import SIGINT, WEIR, await_true, check, equal, lines, main

TOPIC = ("topic", "answers", "rate", "messages", "publishers", "subscribers", "waiting",
         "behind", "lost", "age_ns", "publisher")
CONSUMER = ("who", "pid", "number", "kind", "name", "answers", "tier", "weight", "percent",
            "share_want", "share_got", "poll_ns", "threshold_ns", "rate", "waiting", "lost",
            "why", "latency")
REACTOR = ("who", "pid", "answers", "state", "seen", "consumers", "active", "round",
           "polls_rate", "messages_rate", "asleep", "sleeps_rate", "violations_rate",
           "threshold_ns")


class Terminal:
    """A shell in a terminal of so many columns and lines, on a tmux server of its own."""

    def __init__(self, b, columns=80, rows=24, **env):
        self.b = b
        self.socket = b.path("tmux")
        words = dict(LC_ALL="C.UTF-8", PS1="$ ", **env)
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows),
                  "env", *(f"{k}={v}" for k, v in words.items()), "sh")
        self.await_screen(r"^\$ ?$")

    def tmux(self, *args):
        env = {k: v for k, v in self.b.env.items() if k not in ("TMUX", "TERM")}
        return subprocess.run(["tmux", "-S", self.socket, "-f", "/dev/null", *args], env=env,
                              capture_output=True, check=True, text=True).stdout

    def press(self, *keys):
        self.tmux("send-keys", *keys)

    def screen(self, *how):
        return self.tmux("capture-pane", "-p", *how)

    def await_screen(self, pattern):
        """Waits until that is seen; returns the whole screen."""
        seen = ""

        def look():
            nonlocal seen
            seen = self.screen()
            return re.search(pattern, seen.rstrip("\n"), re.M)
        await_true(look, "waiting to see", repr(pattern))
        return seen

    def run(self, *args):
        """Types a command, which says how it ended."""
        self.press("-l", " ".join((WEIR, *args)) + "; echo \"exit $?\"")
        self.press("Enter")

    def end(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], check=False,
                       stderr=subprocess.DEVNULL)


def on_terminal(**how):
    """The case gets a terminal; where there is none, or no screen, it is skipped."""
    def wrap(case):
        def run(b):
            if not shutil.which("tmux") or os.environ.get("WEIR_NO_SCREEN"):
                print("SKIPPED: no tmux, or weir top was built without a screen")
                return 77
            t = Terminal(b, **how)
            try:
                case(b, t)
            except Exception:
                print(t.screen())
                raise
            finally:
                t.end()
            return 0
        run.__name__ = case.__name__
        return run
    return wrap


def busy(b):
    """A consumer at tier yield, because its handler takes 2 ms, and what it is fed with."""
    crowd = Crowd(b, "slow", "2")
    pub = b.start("pub", "slow", "x", "-n", "0", "-r", "50")
    return crowd, pub


def rest(b, crowd, pub):
    pub.send_signal(SIGINT)
    b.finish(pub)
    crowd.end()


@on_terminal()
def P24_screen(b, t):
    """Tabs, details, reasons, sort, filter, pause; and it leaves the terminal as it was."""
    crowd, pub = busy(b)
    t.press("-l", "stty -g >before; echo 'what stood here'")
    t.press("Enter")
    t.await_screen("^what stood here$")
    t.run("top", "--every", "100ms")
    who = rf"crowd\[{crowd.pid}\]"
    seen = t.await_screen(rf"^{who}/slow +(warn|yield|isolate) .* \d\S*/s ")
    check(re.search(r"^CONSUMER +TIER +WEIGHT +GOT +A POLL USED +RATE +LAG +LOST$", seen, re.M),
          seen)
    check(re.search(rf"^{who}/slow +\w+[ ▲▼]+10×(75|50|25)% .* [█░]+▶? ", seen, re.M), seen)
    check(re.search(r"^  why\?  \S", seen, re.M), "who is above monitor says why", seen)
    check(re.search(r"^weir top  bus default: 2 processes, \d consumers, 1 above monitor", seen),
          seen)
    check("what stood here" not in seen, "it has a screen of its own", seen)
    equal(len(seen.splitlines()), 24, "lines")
    check("q quit" in seen.splitlines()[-1], seen)
    t.press("j", "Enter")
    seen = t.await_screen(r"^  budget  a poll may take 1 ms")
    check(re.search(rf"^subscription slow, number \d+ of {who}: ", seen, re.M), seen)
    t.press("Escape")
    t.await_screen("^CONSUMER")
    t.press("w")
    seen = t.await_screen(r"^  try     ")
    why = b.run("consumer", "why", "slow")[1]
    words = re.search(r"^  means   (.*)$", why, re.M)[1]
    check(re.search("^  means   it has [0-9]+ % of its turns", seen, re.M) and "of its turns" in
          words, seen, why)
    t.press("t")
    t.await_screen(r"^TOPIC +RATE +MESSAGES .*\nslow +\S+/s ")
    t.press("r")
    t.await_screen(rf"^REACTOR +STATE .*\n{who} +(turns|asleep) +2 ")
    t.press("l")
    t.await_screen("nobody has times taken: a program calls weir_measure")
    t.press("?")
    t.await_screen("^weir top only looks")
    t.press("c")
    t.await_screen("^CONSUMER")
    t.press("f", "W", "A", "T", "C", "H")
    seen = t.await_screen("^only lines with: WATCH")
    check(f"crowd[{crowd.pid}]/watch" in seen and "/slow" not in seen, seen)
    t.press("Escape")
    t.await_screen("/slow ")
    t.press("s")
    t.await_screen(r"by TIER$")
    t.press("S")
    seen = t.await_screen(r"by TIER reversed$")
    check(seen.index("/watch") < seen.index("/slow"), "reversed", seen)
    t.press("p")
    t.await_screen("paused$")
    t.tmux("resize-window", "-x", "130", "-y", "12")
    t.await_screen(r"^CONSUMER +TIER +WEIGHT +WANT +GOT +A POLL LIMIT USED .* P50 +P99$")
    t.press("q")
    seen = t.await_screen("^exit 0$")
    check("what stood here" in seen and "CONSUMER" not in seen, "what stood there is back", seen)
    t.press("-l", "stty -g >after; cmp before after && echo 'the same'")
    t.press("Enter")
    t.await_screen("^the same$")
    rest(b, crowd, pub)


@on_terminal()
def P24_a_stopped_process_is_shown(b, t):
    """As what it is, while all keys work; and it is seen to go on. Interrupted, it cleans up."""
    crowd, pub = busy(b)
    who = rf"crowd\[{crowd.pid}\]"
    t.run("top", "--every", "100ms")
    t.await_screen(rf"^{who}/slow +.* \d\S*/s ")
    crowd.stop()
    t.await_screen(rf"^{who}/slow +\w+.* stopped ")
    t.await_screen("1 stopped")
    t.press("r")
    t.await_screen(rf"^{who} +stopped ")
    t.press("w")
    t.await_screen("its process does not answer")
    t.press("c")
    t.await_screen("^CONSUMER")
    crowd.end()
    t.await_screen(r"^weir top  bus default: 1 process, ")
    t.press("C-c")
    t.await_screen("^exit 130$")
    pub.send_signal(SIGINT)
    b.finish(pub)


@on_terminal(NO_COLOR="1")
def P24_plain(b, t):
    """Without colours, and where there is ASCII alone; with colours where they are asked for."""
    crowd, pub = busy(b)
    colour = re.compile(r"\x1b\[(?:\d+;)*3[1-7]")
    t.run("top", "--every", "100ms")
    t.await_screen(r"/slow +\w+.* \d\S*/s ")
    check(not colour.search(t.screen("-e")), "NO_COLOR", repr(t.screen("-e")))
    t.press("q")
    t.await_screen("^exit 0$")
    t.press("-l", "clear; LC_ALL=C; export LC_ALL")
    t.press("Enter")
    t.run("top", "--every", "100ms", "--color", "always")
    seen = t.await_screen(r"/slow +\w+[ ^v]+10x(75|50|25)% .* [#.]+>? .*\d\S*/s ")
    check(seen.isascii(), "ASCII", seen)
    check(colour.search(t.screen("-e")), "--color always", repr(t.screen("-e")))
    t.press("q")
    t.await_screen("^exit 0$")
    rest(b, crowd, pub)


@on_terminal()
def N7_looking_on(b, t):
    """While it looks on nobody has one consumer more, and no process turns for it."""
    crowd = Crowd(b, "slow", "0")
    before = b.json("topic", "info", "slow")["publishers"][0]
    polls = [c["polls"] for c in b.json("consumer", "ls")["consumers"]]
    t.run("top", "--every", "50ms")
    t.await_screen("/slow .* 0/s ")
    for tab in "trlc":
        t.press(tab)
    t.press("Down", "Enter")
    t.await_screen("^  reads   slow of feeder")
    after = b.json("topic", "info", "slow")["publishers"][0]
    equal([r["who"] for r in after["readers"]], [r["who"] for r in before["readers"]], "readers")
    equal(after["subscribers"], before["subscribers"], "subscribers")
    equal([c["polls"] for c in b.json("consumer", "ls")["consumers"]], polls, "polls")
    t.press("q")
    t.await_screen("^exit 0$")
    crowd.end()


@on_terminal(columns=100)
def N7_all_at_once(b, t):
    """Everything that looks, at the same time, at a stream that goes on and loses nothing."""
    sub = b.subscriber("t", "--until-end", stdout=subprocess.DEVNULL)
    pub = b.start("pub", "t", "{{seq}}", "-n", "0", "-r", "500", "--wait-subs", "1", "-o", "json")
    await_true(lambda: b.json("topic", "info", "t")["publishers"], "a publisher")

    def seen():
        info = b.json("topic", "info", "t")["publishers"][0]
        return ([r["who"] for r in info["readers"]], [r["gating"] for r in info["readers"]],
                info["subscribers"], info["region_bytes"])
    before = seen()
    every = ("--every", "50ms")
    lookers = [b.start("topic", *args, stdout=subprocess.PIPE) for args in (
        ("echo", "t", "-o", "jsonl"), ("hz", "t", "-o", "jsonl", *every),
        ("bw", "t", "-o", "jsonl", *every), ("delay", "t", "-o", "jsonl", *every),
        ("lag", "t", "-o", "jsonl", *every))]
    t.run("top", *every)
    for p in lookers:
        b.await_line(p.stdout, "{")
    t.await_screen(r"^weir-sub\[\d+\]/t ")
    for verb in (("ls",), ("topic", "account", "t"), ("consumer", "ls"), ("consumer", "why", "t"),
                 ("consumer", "info", "t"), ("doctor",)):
        code, _, err = b.run(*verb)
        equal(code, 0, (verb, err))
    equal(seen(), before, "readers, whether they are waited for, subscribers, memory")
    check([p.poll() for p in lookers] == [None] * 5, "all of them looked on")
    for p in lookers:
        p.send_signal(SIGINT)
        b.finish(p)
    t.press("q")
    t.await_screen("^exit 0$")
    pub.send_signal(SIGINT)
    code, out, err = b.finish(pub)
    (made,) = lines(out)
    equal((code, made["consumers"], made["unheard"]), (130, 1, 0), err)
    code, _, err = b.finish(sub)
    check(code == 0 and ", 0 lost" in err, code, err)


def working(b):
    """The consumer, if it took something between two looks."""
    (c,) = [c for c in b.json("top", "--every", "200ms")["consumers"] if c["name"] == "slow"]
    return c if c["rate"] and c["poll_ns"] else None


def P24_once(b):
    """One look as tables, as JSON, as lines; where stdout is no terminal that is said."""
    crowd, pub = busy(b)
    code, out, err = b.run("top", "--every", "200ms")
    equal(code, 0, err)
    check("stdout is not a terminal, so this is one look" in err or "without ncurses" in err, err)
    for head in ("TOPIC +RATE", "CONSUMER +TIER", "REACTOR +STATE"):
        check(re.search(f"^{head} ", out, re.M), head, out)
    check("MSG P50" not in out, "nobody is measured", out)
    check(re.search(rf"^crowd\[{crowd.pid}\]/slow +\w+.* [#.]+>? +\S+/s +\d", out, re.M), out)
    check(re.search(rf"^  why crowd\[{crowd.pid}\]/slow\?  \S", out, re.M), out)
    check("\x1b" not in out and out.isascii(), "plain", repr(out))
    code, out, err = b.run("top", "--once", "--every", "50ms", "--tab", "latency")
    check(code == 0 and out == "" and "nobody has times taken" in err, code, out, err)
    got = b.json("top", "--every", "300ms")
    equal(tuple(got), ("bus", "topics", "consumers", "reactors"), "lists")
    equal({tuple(o) for o in got["topics"]}, {TOPIC}, "fields of a topic")
    equal({tuple(o) for o in got["consumers"]}, {CONSUMER}, "fields of a consumer")
    equal({tuple(o) for o in got["reactors"]}, {REACTOR}, "fields of a reactor")
    # Between two looks it may not have had a core.
    c = await_true(lambda: working(b), "it works")
    check(c["why"] and c["tier"] != "monitor", c)
    equal((c["weight"], c["threshold_ns"], c["answers"]), (10, 1000000, "yes"), c)
    check(c["poll_ns"] >= 1000000, "what its polls take", c)
    code, out, err = b.run("top", "-o", "jsonl", "--every", "50ms", "--tab", "reactors")
    equal({o["is"] for o in lines(out)}, {"reactor"}, "lines")
    crowd.stop()
    (c,) = [c for c in b.json("top", "--every", "50ms")["consumers"] if c["name"] == "slow"]
    equal(c["answers"], "stopped", c)
    rest(b, crowd, pub)
    equal(b.run("top", "a", "b")[0], 2, "two buses")
    equal(b.run("top", "nowhere")[0], 3, "no bus")


main({f.__name__: f for f in (
    P24_screen, P24_a_stopped_process_is_shown, P24_plain, N7_looking_on,
    N7_all_at_once, P24_once)})
