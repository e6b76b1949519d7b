# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the tests of the command share: a private runtime directory, and processes that are
waited for under a watchdog and ended by their own handles."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

WEIR = sys.argv[1]
WATCHDOG = 120  # seconds after which a wait counts as a hang; no test measures with it

# Of each line that a benchmark prints.
FIELDS = ("case", "peer", "work", "size", "publishers", "subscribers", "wait", "msgs_per_s",
          "delivered_per_s", "lost", "p50_ns", "p99_ns", "p999_ns", "max_ns", "value", "unit",
          "ratio_of", "ratio", "lo", "hi", "runs", "machine", "commit")


class Failure(Exception):
    pass


def check(condition, *what):
    if not condition:
        raise Failure(" ".join(str(w) for w in what))


def equal(got, want, what):
    check(got == want, f"{what}: got {got!r}, want {want!r}")


class Bench:
    """One scratch directory with a runtime directory, and the processes of one test."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="weir-tools-")
        self.run_dir = os.path.join(self.dir, "run")
        os.mkdir(self.run_dir, 0o700)
        self.env = dict(os.environ, WEIR_RUNTIME_DIR=self.run_dir, LC_ALL="C", TERM="dumb",
                        XDG_RUNTIME_DIR=self.run_dir, WEIR_CONF="/dev/null")
        for name in ("WEIR_BUS", "NO_COLOR"):
            self.env.pop(name, None)
        self.started = []

    def close(self):
        for p in self.started:
            if p.poll() is None:
                p.kill()
                p.wait()
            for stream in (p.stdin, p.stdout, p.stderr):
                if stream:
                    stream.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, name, content=None):
        path = os.path.join(self.dir, name)
        if content is not None:
            with open(path, "wb") as f:
                f.write(content)
        return path

    def start(self, *args, **kw):
        kw.setdefault("stdin", subprocess.DEVNULL)
        kw.setdefault("stdout", subprocess.PIPE)
        kw.setdefault("stderr", subprocess.PIPE)
        env = dict(self.env, **kw.pop("env", {}))
        p = subprocess.Popen([WEIR, *args], env=env, **kw)
        self.started.append(p)
        return p

    def run(self, *args, data=None, **kw):
        """(exit code, stdout, stderr), as text."""
        if data is not None:
            kw["stdin"] = subprocess.PIPE
        return self.finish(self.start(*args, **kw), data)

    def finish(self, p, data=None):
        try:
            out, err = p.communicate(data, timeout=WATCHDOG)
        except subprocess.TimeoutExpired:
            p.kill()
            raise Failure(f"{p.args} does not end") from None
        self.last_out = out
        return p.returncode, text(out), text(err)

    def json(self, *args, want=0):
        code, out, err = self.run("-o", "json", *args)
        equal(code, want, f"exit of {args}, stderr {err!r}")
        return json.loads(out)

    def await_line(self, stream, part):
        """Reads lines until one has the part in it; returns that line."""
        seen = []
        watchdog = Watchdog()
        for line in stream:
            seen.append(text(line))
            if part in seen[-1]:
                return seen[-1]
            watchdog.look(seen)
        raise Failure(f"no line with {part!r} in {seen}")

    def subscriber(self, *args, **kw):
        """A weir sub that listens when this returns."""
        p = self.start("sub", *args, **kw)
        self.await_line(p.stderr, "listening to")
        return p


class Watchdog:
    def __init__(self):
        self.end = time.monotonic() + WATCHDOG

    def look(self, *what):
        check(time.monotonic() < self.end, "hangs:", *what)


def await_true(fn, *what):
    """Asks until the answer is true, and returns it."""
    watchdog = Watchdog()
    while True:
        answer = fn()
        if answer:
            return answer
        watchdog.look(*what)
        time.sleep(0.01)


def text(data):
    return "" if data is None else data.decode("utf-8", "surrogateescape")


def lines(output):
    return [json.loads(line) for line in output.splitlines()]


def children_of(pid):
    """pid: arguments, of its living children."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat") as f:
                fields = f.read().rpartition(")")[2].split()
            with open(f"/proc/{name}/cmdline", "rb") as f:
                args = text(f.read()).split("\0")
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found[int(name)] = args
    return found


def main(cases):
    name = sys.argv[2]
    bench = Bench()
    try:
        code = cases[name](bench)
    except Failure as failure:
        print(f"FAILED {name}: {failure}")
        code = 1
    finally:
        bench.close()
    sys.exit(code or 0)


SIGINT, SIGKILL, SIGTERM = signal.SIGINT, signal.SIGKILL, signal.SIGTERM
