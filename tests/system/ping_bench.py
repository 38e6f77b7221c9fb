"""A ping under test: what its system tests share."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness import LOOPBACK, PASSWORD, PATIENCE_S, check_sanitizer, environment, program


def strict(text):
    """A JSON document, without NaN and the like."""
    def refuse(word):
        raise AssertionError(f"{word} is no JSON")
    return json.loads(text, parse_constant=refuse)


class Ping:
    """An echoc that pings and prints an object a line; they are awaited as they come."""

    def __init__(self, folder, *args, json_stream=True, stdin=subprocess.DEVNULL, **env):
        self.folder, self.objects, self.came = folder, [], threading.Condition()
        env = environment(folder, ECHOC_PASSWORD=PASSWORD, **env)
        form = ["--json-stream", "--quiet"] if json_stream else []
        self.process = subprocess.Popen([program("echoc"), "ping", *args, *form], stdin=stdin, env=env, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        self.pid = self.process.pid
        self.reader = threading.Thread(target=self.read if json_stream else lambda: None, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            with self.came:
                self.objects.append(strict(line))
                self.came.notify_all()

    def wait_for(self, what, **wanted):
        """The first object that holds all of wanted."""
        def found():
            return next((o for o in self.objects if wanted.items() <= o.items()), None)
        with self.came:
            assert self.came.wait_for(found, PATIENCE_S), f"no {what}: {self.objects[-5:]}"
            return found()

    def event(self, kind):
        return self.wait_for(kind, type="event", kind=kind)

    def answered(self, count=1):
        """Waits until so many more probes came back."""
        with self.came:
            wanted = sum(o["type"] == "probe" for o in self.objects) + count
            assert self.came.wait_for(lambda: sum(o["type"] == "probe" for o in self.objects) >= wanted, PATIENCE_S)

    def signal(self, number):
        os.kill(self.pid, number)

    def end(self, number=None):
        """Ends it, or awaits its end; returns its status and its result."""
        if number:
            self.signal(number)
        self.process.wait(PATIENCE_S)
        self.reader.join(PATIENCE_S)
        self.error = self.process.stderr.read()
        check_sanitizer(self.folder, self.error)
        return self.process.returncode, self.objects[-1] if self.objects else None

    def kinds(self):
        return [o["kind"] for o in self.objects if o["type"] == "event"]

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.reader.join(PATIENCE_S)
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def ping(folder):
    started = []

    def start(*args, **how):
        started.append(Ping(folder, *args, **how))
        return started[-1]
    yield start
    for one in started:
        one.close()


@pytest.fixture
def run(folder):
    """Runs a ping to its end."""
    def start(*args, **env):
        done = subprocess.run([program("echoc"), "ping", *args], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=PATIENCE_S, start_new_session=True,
                              env=environment(folder, ECHOC_PASSWORD=PASSWORD, **env))
        check_sanitizer(folder, done.stderr)
        return done
    return start


class HeldEcho:
    """A server that sends each piece back a fixed time after it came, to some microseconds: it spins for the rest."""

    def __init__(self, hold_s):
        self.hold_s, self.held = hold_s, []
        self.listener = socket.create_server((LOOPBACK, 0))
        self.address = f"raw:{LOOPBACK}:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        client = self.listener.accept()[0]
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with client, contextlib.suppress(OSError):
            while some := client.recv(65536):
                came = time.perf_counter()
                due = came + self.hold_s
                time.sleep(max(0, self.hold_s - 0.003))
                while time.perf_counter() < due:
                    pass
                self.held.append(time.perf_counter() - came)
                client.sendall(some)

    def close(self):
        self.listener.close()


def lines_of(text, pattern):
    return [line for line in text.splitlines() if re.fullmatch(pattern, line)]


def interrupted(ping):
    return ping.end(signal.SIGINT)
