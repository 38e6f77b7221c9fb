"""echoc under test: what its system tests share."""
import contextlib
import fcntl
import hashlib
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import termios
import threading
import time

import pytest

from harness import BUILD, free_ports

HERE = os.path.dirname(os.path.abspath(__file__))
ECHOC = os.path.join(BUILD, "echoc")
LIMIT = 30  # seconds for anything that should take none
PASSWORD = "correct horse"


def environment(home, **more):
    env = {k: v for k, v in os.environ.items() if k not in ("ECHOC_PASSWORD", "STATE_DIRECTORY", "XDG_STATE_HOME")}
    return {**env, "LC_ALL": "C.UTF-8", "HOME": str(home), "TERM": "dumb",
            **{k: v for k, v in more.items() if v is not None}}


@pytest.fixture
def echoc(tmp_path):
    """Runs echoc without a terminal."""
    def run(*args, data=b"", password=PASSWORD, **how):
        how.setdefault("timeout", LIMIT)
        how.setdefault("stdout", subprocess.PIPE)
        prefix = how.pop("prefix", [])
        return subprocess.run([*prefix, ECHOC, *args], input=data, stderr=subprocess.PIPE, start_new_session=True,
                              env=environment(tmp_path, ECHOC_PASSWORD=password), check=False, **how)
    return run


class Fake:
    def __init__(self, record, args):
        self.record = record
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, "fake_echod.py"), "--record", record, *args],
                                        stdout=subprocess.PIPE)
        ready = self.process.stdout.readline().decode()
        self.address = re.fullmatch(r"ready listen=(\S+) pid=\d+\n", ready).group(1)

    def heard(self):
        with open(self.record, encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def commands(self, connection=None):
        """What was said, but for the question for a token, which stands before every login."""
        return [line for line in self.all_commands(connection) if line != "OPTS TOKEN"]

    def all_commands(self, connection=None):
        return [e["line"] for e in self.heard() if e.get("line") and connection in (None, e["connection"])]

    def connections(self):
        return max((e["connection"] for e in self.heard()), default=0)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def fake(tmp_path):
    started = []

    def start(*args):
        started.append(Fake(str(tmp_path / f"record{len(started)}"), args))
        return started[-1]
    yield start
    for one in started:
        one.stop()


def free_port():
    return free_ports(1)


@contextlib.contextmanager
def program(*command):
    """A server that says nothing when it is ready: `%d` in command becomes its port."""
    if not shutil.which(command[0]):
        pytest.skip(f"no {command[0]}")
    port = free_port()
    process = subprocess.Popen([c.replace("%d", str(port)) for c in command], stderr=subprocess.DEVNULL,
                               start_new_session=True)
    try:
        deadline = time.monotonic() + LIMIT
        while True:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert time.monotonic() < deadline
            os.sched_yield()
        yield f"raw:127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Terminal:
    """echoc on a pseudo-terminal of its own."""

    def __init__(self, command, env, stdin=None, stdout=None):
        self.master, slave = pty.openpty()
        self.slave = slave
        self.prepare()

        def own_terminal():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        self.process = subprocess.Popen(command, stdin=slave if stdin is None else stdin,
                                        stdout=slave if stdout is None else stdout, stderr=slave, env=env,
                                        preexec_fn=own_terminal)
        self.seen = ""
        self.raw = b""

    def prepare(self):
        """Sees to the terminal before echoc is there."""

    def took(self, data):
        """Gets what echoc has written."""
        self.raw += data
        text = self.raw.decode(errors="ignore")
        self.seen += text
        self.raw = self.raw[len(text.encode()):]

    def read_more(self, limit):
        """Waits for something and takes it. Returns whether it came in time."""
        if not select.select([self.master], [], [], limit)[0]:
            return False
        self.took(os.read(self.master, 65536))
        return True

    def expect(self, pattern, limit=LIMIT):
        """Waits for pattern and returns its match; what stands before it is done with."""
        deadline = time.monotonic() + limit
        while True:
            match = re.search(pattern, self.seen)
            if match:
                self.seen = self.seen[match.end():]
                return match
            left = deadline - time.monotonic()
            if left <= 0 or not self.read_more(left):
                raise AssertionError(f"no {pattern!r} in {self.seen!r}")

    def type(self, text):
        os.write(self.master, text.encode() if isinstance(text, str) else text)

    def echoes(self):
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def end(self, limit=LIMIT):
        return self.process.wait(limit)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(tmp_path):
    opened = []

    def start(*args, password=None, **how):
        opened.append(Terminal([ECHOC, *args], environment(tmp_path, ECHOC_PASSWORD=password), **how))
        return opened[-1]
    yield start
    for one in opened:
        one.close()


def one_sentence(result, *parts):
    """Standard error is exactly one line of echoc's, and says all of parts."""
    text = result.stderr.decode()
    assert re.fullmatch(r"echoc: [^\n]+\.\n", text), text
    for part in parts:
        assert part in text
    return text


def random_bytes(n):
    return os.urandom(n)


def wait_for(condition, limit=LIMIT):
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()


@pytest.fixture
def local_server(tmp_path):
    """Makes a process named echod and its ready file, without a server."""
    stand_in = tmp_path / "echod"
    shutil.copy(shutil.which("sleep"), stand_in)
    run = tmp_path / ".local/state/echod/run"
    run.mkdir(parents=True)
    processes = []

    def make(listen, age=0, live=True, name=str(stand_in)):
        process = subprocess.Popen([name, "1000"])
        wait_for(lambda: os.path.basename(os.readlink(f"/proc/{process.pid}/exe")) == os.path.basename(
            os.path.realpath(name)))
        processes.append(process)
        file = run / f"{process.pid}.ready"
        file.write_text(f"ready listen={listen} pid={process.pid}\n")
        when = time.time() - age
        os.utime(file, (when, when))
        if not live:
            process.kill()
            process.wait()
        return file
    yield make
    for process in processes:
        process.kill()
        process.wait()
