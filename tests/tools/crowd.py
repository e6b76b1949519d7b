# SPDX-License-Identifier: MIT OR Apache-2.0
"""A process with consumers to look at, as tests start it; what it does says crowd.c."""
import os
import signal
import subprocess

from harness import equal


class Crowd:
    """A process with consumers, which lives until it is ended."""

    def __init__(self, b, *args, bus="default", **kw):
        self.b = b
        self.p = subprocess.Popen([os.environ["WEIR_CROWD"], bus, *args], env=b.env,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, **kw)
        b.started.append(self.p)
        self.pid = self.p.pid
        b.await_line(self.p.stdout, "ready")

    def stop(self):
        self.p.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def end(self):
        self.p.send_signal(signal.SIGCONT)
        equal(self.b.finish(self.p, b"")[0], 0, "crowd")
