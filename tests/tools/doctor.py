# SPDX-License-Identifier: MIT OR Apache-2.0
"""doctor.py WEIR CASE: each thing that can be wrong is made wrong, and found by its name."""
import ctypes
import json
import os

from crowd import Crowd
from harness import check, equal, main

CAUSES = ("not seen", "debug build", "does not yield", "yields too often", "timers are late")


def findings(b, crowd=None, **kw):
    """What it says of one process (crowd) or of the machine; its exit code is held to it."""
    code, out, err = b.run("doctor", "--for", "300ms", "-o", "json", **kw)
    got = json.loads(out)
    equal(got["bus"], "default", "bus")
    equal(code, 1 if got["findings"] else 0, err)
    for f in got["findings"]:
        equal(set(f), {"cause", "who", "what", "try"}, "fields")
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
    (f,) = findings(b)
    equal(f["cause"], "timers are late", f)
    check("power saving" in f["try"], f)
    crowd.end()


def P23_not_seen(b):
    equal(b.run("doctor", "none-such")[0], 3, "no such bus")
    equal(b.run("doctor", "one", "two")[0], 2, "two buses")


main({f.__name__: f for f in (
    P23_healthy, P23_does_not_yield, P23_yields_too_often, P23_debug_build,
    P23_timers_are_late, P23_not_seen)})
