"""The load on a server, and what the server spends on it."""
import os
import re
import select
import subprocess
import time
from dataclasses import dataclass

PATIENCE_S = 60
LEAST_MESSAGES = 8
LOGIN = ("bench", "benchbench")


class Failed(Exception):
    """A server did not do what a load asked of it, or was not there."""


@dataclass(frozen=True)
class Cell:
    connections: int
    bytes: int
    in_flight: int

    @property
    def name(self):
        return f"{self.connections}x{self.bytes}x{self.in_flight}"

    def __str__(self):
        return f"{self.connections:,} × {self.bytes:,} B × {self.in_flight}"


def cpu_ns(pids):
    """What processes have spent, with all their threads, those that ended too. The clock's number is the kernel's
    CPUCLOCK_SCHED of a process (include/linux/posix-timers.h): the scheduler's own nanoseconds, as in schedstat."""
    total = 0
    for pid in pids:
        try:
            total += time.clock_gettime_ns((~pid << 3) | 2)
        except OSError:
            continue
    return total


def on_core(core):
    return ("taskset", "-c", str(core))


class Load:
    """bench/client on one core, for a `with` block. Its connections are made when the block begins."""

    def __init__(self, client, core, port, cell, login=False, **options):
        self.options = options
        argv = [*on_core(core), client, "--port", port, "--connections", cell.connections, "--bytes", cell.bytes,
                "--in-flight", cell.in_flight]
        if login:
            argv += ["--login", ":".join(LOGIN)]
        for name, value in options.items():
            argv += [f"--{name}"] if value is True else [f"--{name}", value]
        self.process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, bufsize=0)

    def __enter__(self):
        try:
            if self.read_line() != "ready":
                raise Failed("the load did not get ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def read_line(self, patience_s=PATIENCE_S):
        """A line, however it comes in pieces; it is awaited, but not for ever."""
        line, until = b"", time.monotonic() + patience_s
        while not line.endswith(b"\n"):
            if not select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))[0]:
                raise Failed(f"nothing came back for {patience_s} s")
            piece = os.read(self.process.stdout.fileno(), 4096)
            if not piece:
                raise Failed(self.process.stderr.read().decode(errors="replace").strip() or "the load ended")
            line += piece
        return line.decode().strip()

    def go(self):
        self.say(b"g")

    def say(self, word):
        try:
            os.write(self.process.stdin.fileno(), word)
        except BrokenPipeError:
            raise Failed(self.process.stderr.read().decode(errors="replace").strip()) from None

    def await_mark(self):
        return {key: int(value) for key, value in re.findall(r"(\w+) (\d+)", self.read_line())}

    def mark(self):
        self.say(b"m")
        return self.await_mark()

    def run_all(self):
        """With messages=N: all of them, and the mark that follows."""
        self.go()
        return self.await_mark()


def await_messages(load, before, seconds):
    """Waits for seconds, and where that is too little for a few messages, for them."""
    until = time.monotonic() + PATIENCE_S
    time.sleep(seconds)
    while not load.options.get("record") and load.mark()["messages"] < before["messages"] + LEAST_MESSAGES:
        if time.monotonic() > until:
            raise Failed(f"hardly anything came back in {PATIENCE_S} s")
        time.sleep(seconds)


def window(load, pids, seconds, warm_s):
    """Lets a load run, and returns what changed within a window of seconds: the marks' numbers, and server_cpu_ns.
    pids is called when the load runs. What was recorded (…_ns with p or max) is the window's own."""
    load.go()
    time.sleep(warm_s)
    family = pids()
    before, spent = load.mark(), cpu_ns(family)
    await_messages(load, before, seconds)
    after, spent = load.mark(), cpu_ns(family) - spent
    moved = {key: after[key] - before[key] for key in ("messages", "bytes", "wall_ns", "cpu_ns")}
    return {**after, **moved, "server_cpu_ns": spent}
