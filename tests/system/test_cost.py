"""What a message costs, counted and not timed: system calls and instructions of the front, and memory while idle."""
import glob
import os
import re
import select
import shutil
import subprocess

import pytest

from harness import LOOPBACK, STILL_ROOT, Positional, Server, wait_until

BOTH = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]
SIZE = 64
MESSAGES = 1000
# Counts are of the build that users have: sanitizers add their own.
PLAIN = os.environ.get("ECHOD_PLAIN_BUILD")

pytestmark = [pytest.mark.alone, pytest.mark.limit(120),
              pytest.mark.skipif(not PLAIN, reason="ECHOD_PLAIN_BUILD names no build without sanitizers")]

needs_strace = pytest.mark.skipif(not shutil.which("strace") or os.geteuid() != 0,
                                  reason="no strace, or not root, who alone may look into the server's processes")


class PlainServer(Server):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, listen=BOTH, **kwargs)
        self.argv[self.argv.index(next(a for a in self.argv if a.endswith("/echod")))] = os.path.join(PLAIN, "echod")


def ping_pong(client, count):
    data = Positional("cost")
    for turn in range(count):
        client.send(data.at(turn * SIZE, SIZE))
        data.check(turn * SIZE, client.exactly(SIZE))


def pace(seconds):
    """A client's pace is itself what is looked at."""
    select.select([], [], [], seconds)


class Strace:
    """Counts the system calls of a process's threads by name."""

    def __init__(self, pid, folder):
        self.pid, self.path, self.said = pid, os.path.join(folder, "calls"), os.path.join(folder, "strace")

    def __enter__(self):
        with open(self.said, "wb") as err:
            self.process = subprocess.Popen(["strace", "-f", "-o", self.path, "-e", "signal=none", "-p", str(self.pid)],
                                            stderr=err)
        wait_until(lambda: "attached" in open(self.said).read(), "strace to attach to all threads")
        return self

    def __exit__(self, *what):
        self.process.terminate()
        self.process.wait(10)

    def counts(self):
        """Calls by name, once strace has ended."""
        found = {}
        for name in re.findall(r"^\d+ +(\w+)\(", open(self.path).read(), re.M):
            found[name] = found.get(name, 0) + 1
        return found


@needs_strace
@pytest.mark.parametrize("kind", ["raw", "login"])
def test_a_small_message_costs_two_system_calls_beside_the_wait(folder, kind):
    with PlainServer(folder, "--workers", "1") as s:
        c = s.echo_client(kind)
        ping_pong(c, 3)
        with Strace(s.children()["front"], folder) as trace:
            ping_pong(c, MESSAGES)
        calls = trace.counts()
        waits = calls.pop("epoll_wait", 0)
        assert calls.get("recvfrom", 0) >= MESSAGES and calls.get("sendto", 0) >= MESSAGES, calls
        assert sum(calls.values()) <= 2 * MESSAGES + 20, calls
        assert waits <= MESSAGES + 20, waits


@needs_strace
def test_busy_polling_gives_up_where_messages_are_rare(folder):
    """While they come one behind the other it spins; with a pause between them each costs a wait and nothing more."""
    with PlainServer(folder, "--workers", "1", "--busy-poll", "50us") as s:
        c = s.echo_client("raw")
        ping_pong(c, MESSAGES)
        for _ in range(20):  # what it still tries in vain
            pace(0.02)
            ping_pong(c, 1)
        with Strace(s.children()["front"], folder) as trace:
            for _ in range(20):
                pace(0.02)
                ping_pong(c, 1)
        calls = trace.counts()
        assert calls.get("sendto", 0) == 20, calls
        assert calls["epoll_wait"] <= 3 * 20, calls


def instructions(folder, kind, messages):
    """All that the front executes in its life, with so many messages in it."""
    name = f"{kind}{messages}"
    out = os.path.join(folder, name, "callgrind")
    valgrind = ("valgrind", "-q", "--tool=callgrind", "--trace-children=yes", f"--callgrind-out-file={out}.%p")
    # valgrind makes its file at the start, and must be able to open it at the end.
    with PlainServer(folder, "--workers", "1", name=name, prefix=valgrind, tidy=False, busy=True,
                     run_as=STILL_ROOT) as s:
        c = s.echo_client(kind)
        ping_pong(c, messages)
        c.half_close()
        assert c.to_end() == b""
    for path in glob.glob(out + ".*"):
        text = open(path).read()
        if "echod-front" in re.search(r"^cmd: (.*)", text, re.M)[1]:
            return int(re.search(r"^(?:summary|totals): (\d+)", text, re.M)[1])
    raise AssertionError(f"no counts of echod-front in {os.listdir(os.path.join(folder, name))}")


@pytest.mark.skipif(not shutil.which("valgrind"), reason="no valgrind")
@pytest.mark.parametrize("kind", ["raw", "login"])
def test_a_small_message_costs_at_most_400_instructions(folder, kind):
    few, many = 100, 100 + MESSAGES
    cost = (instructions(folder, kind, many) - instructions(folder, kind, few)) / MESSAGES
    print(f"{cost:.0f} instructions a message")
    assert 50 < cost <= 400, f"{cost:.0f} instructions a message of {SIZE} bytes"


def memory_bytes(pid):
    """What the process has in memory of its own."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("RssAnon:"))


def test_an_idle_connection_costs_at_most_256_bytes(folder):
    few, many = 200, 4000
    with PlainServer(folder, "--workers", "1") as s:
        front = s.children()["front"]
        for _ in range(few):
            s.echo_client()
        before = memory_bytes(front)
        for _ in range(many):
            s.echo_client()
        cost = (memory_bytes(front) - before) / many
    print(f"{cost:.0f} bytes a connection")
    assert 100 < cost <= 256, f"{cost:.0f} bytes for an idle connection that has logged in"
