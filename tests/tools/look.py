# SPDX-License-Identifier: MIT OR Apache-2.0
"""look.py WEIR CASE: all that looks at a bus, at once, touches nothing."""
import hashlib
import re
import subprocess

from crowd import Crowd
from harness import SIGINT, SIGKILL, await_true, check, equal, main

# Those that end by themselves, and those that look on until they are ended.
ONCE = (("ls",), ("topic", "info", ">"), ("topic", "account", ">"), ("topic", "lag", ">"),
        ("consumer", "ls"), ("consumer", "ls", "--latency"), ("consumer", "why", "slow"),
        ("doctor", "--for", "200ms"))
ON = (("topic", "echo", ">", "--json"), ("topic", "hz", ">", "--every", "100ms"),
      ("topic", "bw", ">", "--every", "100ms"), ("topic", "delay", ">", "--every", "100ms"),
      ("topic", "lag", ">", "--every", "100ms"))
REGION = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S{4}) .* (/memfd:\S+)")


def regions(pid):
    """[(from, to, permissions, label)] of the shared regions that a process has mapped."""
    with open(f"/proc/{pid}/maps") as f:
        found = [REGION.match(line) for line in f]
    return [(int(m[1], 16), int(m[2], 16), m[3], m[4]) for m in found if m]


def content(pid, is_meant):
    """What is in the regions of a process whose labels are meant, as one hash."""
    got = hashlib.sha256()
    with open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for start, end, _, label in regions(pid):
            if is_meant(label):
                mem.seek(start)
                got.update(mem.read(end - start) or b"")
    return got.hexdigest()


def is_of_a_stream(label):
    return label == "/memfd:weir:t"


def standing(b, topic):
    """Who reads a topic, on what terms, and where each of them stands."""
    def look():
        code, out, err = b.run("-o", "json", "topic", "account", topic)
        if code in (3, 4):
            return None  # it is not there yet, or the machine let somebody miss his time
        equal(code, 0, err)
        return out
    got = await_true(look, "account")
    times = r'"(stalled_ns|last_ns|age_ns|visible_first|visible_last)":[^,}]*,?'
    return re.sub(times, "", got)


def start_all(b, verbs):
    return [b.start(*verb) for verb in verbs]


def maps_are_read_only(lookers):
    """How many regions they have mapped; none that they could write to is another's."""
    seen = 0
    for p in lookers:
        try:
            mapped = regions(p.pid)
        except OSError:
            continue  # it has ended
        for start, end, permissions, label in mapped:
            check("w" not in permissions, p.args, label, permissions)
            seen += 1
    return seen


def N7_all_lookers_at_once(b):
    """While nothing is published: not a byte of the publisher's streams changes, readers,
    gates and cursors stay where they are, and no looker has mapped what it could write."""
    crowd = Crowd(b, "slow", "0")
    sub = b.subscriber("t", "--json")
    pub = b.start("pub", "t", "--keep", "100", stdin=subprocess.PIPE)
    pub.stdin.write(b"".join(b"%d\n" % i for i in range(50)))
    pub.stdin.flush()
    await_true(lambda: re.search(r'"delivered": ?50,.*"waiting": ?0,', standing(b, "t")),
               "all is read")
    before = standing(b, "t"), content(pub.pid, is_of_a_stream)
    on = start_all(b, ON)
    once = start_all(b, ONCE)
    mapped = maps_are_read_only(on + once)
    while any(p.poll() is None for p in once):
        mapped += maps_are_read_only(on + once)
    for p in once:
        code, _, err = b.finish(p)
        check(code in (0, 1), p.args, code, err)
    check(mapped > 0, "no looker had mapped anything")
    equal(content(pub.pid, is_of_a_stream), before[1], "what is in its streams")
    equal(standing(b, "t"), before[0], "who reads, and where")
    for p in on:
        check(p.poll() is None, p.args, "has ended")
        p.send_signal(SIGKILL)
        p.wait()
    code, _, err = b.finish(pub, b"")
    check(code == 0 and "not waited for" not in err, code, err)
    sub.send_signal(SIGINT)
    b.finish(sub)
    crowd.end()


main({f.__name__: f for f in (N7_all_lookers_at_once,)})
