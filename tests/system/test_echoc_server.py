"""echoc and echod together, over TLS and with tokens: what both sides say fits, and nobody is asked for a password."""
import os
import re
import signal
import subprocess

import pytest

from clients import wait_until
from echoc_relay import Relay
from harness import LOOPBACK, PASSWORD, PATIENCE_S, Server, environment, free_ports, program

BOTH = (f"tls:{LOOPBACK}:0", f"raw+tls:{LOOPBACK}:0")


def pin_of(server):
    return server.wait_log("tls_key")["pin"]


def echoc(folder, *args, data=b"", password=PASSWORD, **kwargs):
    more = {"ECHOC_PASSWORD": password} if password else {}
    return subprocess.run([program("echoc"), *args], input=data, capture_output=True, timeout=PATIENCE_S, check=False,
                          start_new_session=True, env=environment(folder, **more), **kwargs)


class Pipe:
    """An echoc that stays."""

    def __init__(self, folder, *args, password=PASSWORD):
        more = {"ECHOC_PASSWORD": password} if password else {}
        self.process = subprocess.Popen([program("echoc"), *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, start_new_session=True, env=environment(folder, **more))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def echo(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()
        return self.process.stdout.read(len(data)) == data

    def end(self):
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out, err.decode()


def logins(server, count):
    """How the first so many went, and that there are no more."""
    def found():
        return [e["how"] for e in server.log_events() if e["event"] == "login" and e["user"] != "warm-up"]
    wait_until(lambda: len(found()) >= count, f"{count} logins in the log", PATIENCE_S)
    assert len(found()) == count, found()
    return found()


def test_the_fingerprint_is_the_one_of_the_log(folder):
    with Server(folder, listen=BOTH) as s:
        result = echoc(folder, s.listen[0], "--user", "anna", data=b"x")
        assert result.returncode == 5
        assert re.search(rb"--pin (SHA256:\S{43})\.\n", result.stderr)[1].decode() == pin_of(s)
        result = echoc(folder, s.listen[0], "--user", "anna", "--pin", pin_of(s), data=b"x")
        assert (result.returncode, result.stdout) == (0, b"x")


@pytest.mark.parametrize("index", [0, 1], ids=["tls", "raw+tls"])
def test_half_close(folder, index):
    with Server(folder, listen=BOTH) as s:
        before = s.status()["closed"]
        for size in (0, 1, 64 << 10, 8 << 20):
            data = os.urandom(size)
            result = echoc(folder, s.listen[index], "--user", "anna", "--pin", pin_of(s), "--quiet", data=data)
            assert result.returncode == 0 and result.stdout == data and not result.stderr
        s.wait_status(lambda status: status["connections"]["open"] == 0, "the connections to be gone")
        closed = s.status()["closed"]
        assert {k for k in closed if closed[k] != before[k]} == {"eof"}


def test_the_wrong_kind_of_listener(folder):
    with Server(folder, listen=(*BOTH, f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0")) as s:
        tls, raw_tls, login, raw = s.listen
        pin = pin_of(s)
        for address in ("raw+" + tls, raw_tls.removeprefix("raw+")):
            result = echoc(folder, address, "--pin", pin, data=b"x")
            assert result.returncode == 5 and b"application protocol" in result.stderr and b"raw+tls:" in result.stderr
        result = echoc(folder, "tls:" + login, "--pin", pin, data=b"x")
        assert result.returncode == 5 and f"say {login} ".encode() in result.stderr
        result = echoc(folder, "raw+tls:" + raw.removeprefix("raw:"), "--pin", pin, data=b"x")
        assert result.returncode == 5 and f"say {raw}.".encode() in result.stderr


@pytest.mark.parametrize("kind", ["login", "tls", "unix"])
def test_killed_server(folder, kind):
    """Nobody has a password, and the server is killed: the token is good at the next one that has accounts and key."""
    port = free_ports(1)  # the second one's, too
    listen = {"login": f"{LOOPBACK}:{port}", "tls": f"tls:{LOOPBACK}:{port}", "unix": f"unix:{folder}/socket"}[kind]
    state = os.path.join(folder, "state")
    first = Server(folder, listen=(listen,), state=state, name="first").__enter__()
    try:
        pin = ["--pin", pin_of(first)] if kind == "tls" else []
        address = first.listen[0]
        assert echoc(folder, address, "--user", "anna", *pin).returncode == 0
        with Pipe(folder, address, "--user", "anna", *pin, password=None) as pipe:
            assert pipe.echo(b"before")
            assert logins(first, 2) == ["registered", "token"]
            first.kill_9()
            with Server(folder, listen=(address,), state=state, name="second", busy=True) as second:
                assert pipe.echo(b"after")
                status, out, err = pipe.end()
                assert (status, out) == (0, b"") and "resumed as anna" in err and "back at" in err
                assert logins(second, 1) == ["token"]
    finally:
        first.kill()


def test_password_change_ends_tokens(folder):
    """What was resumed goes on, but nothing is resumed any more."""
    with Server(folder, listen=BOTH) as s:
        pin = ["--pin", pin_of(s)]
        assert echoc(folder, s.listen[0], "--user", "anna", *pin).returncode == 0
        assert echoc(folder, s.listen[0], "--user", "anna", *pin, password=None, data=b"x").stdout == b"x"
        other = os.path.join(folder, "other")
        with open(other, "w", encoding="ascii") as f:
            f.write("another horse\n")
        subprocess.run([program("echoctl"), "--state", s.state, "user", "passwd", "anna", "--password-file", other], check=True,
                       capture_output=True, env=environment(folder))
        result = echoc(folder, s.listen[0], "--user", "anna", *pin, password=None, data=b"x")
        assert (result.returncode, result.stdout) == (4, b"")
        assert echoc(folder, s.listen[0], "--user", "anna", *pin, password="another horse", data=b"x").stdout == b"x"


def test_many_processes_and_drops(folder):
    """Each has a family of its own, and none is taken for a thief: every login after the first is one with a token."""
    with Server(folder) as s:
        assert echoc(folder, s.listen[0], "--user", "anna").returncode == 0
        between = Relay((LOOPBACK, s.port), None)
        try:
            pipes = [Pipe(folder, between.address, "--user", "anna") for _ in range(6)]
            for pipe in pipes:
                assert pipe.echo(b"a")
            for letter in (b"b", b"c", b"d"):
                between.cut()
                for pipe in pipes:
                    assert pipe.echo(letter)
            for pipe in pipes:
                assert pipe.end()[0] == 0
        finally:
            between.end()
        how = logins(s, 25)
        assert how[:7] == ["registered"] + ["password"] * 6 and how[7:] == ["token"] * 18


@pytest.mark.alone
@pytest.mark.limit(180)
def test_storm(folder):
    """All come back from a server that was away, each with its token, spread over the time that their waits give them."""
    count, state = 60, os.path.join(folder, "state")
    first = Server(folder, listen=(f"{LOOPBACK}:{free_ports(1)}",), state=state, name="first").__enter__()
    names = [f"user{n % 15}" for n in range(count)]  # an account keeps 8 families
    pipes = []
    try:
        pipes = [Pipe(folder, first.listen[0], "--user", name) for name in names[:15]]
        assert all(pipe.echo(b"a") for pipe in pipes)
        pipes += [Pipe(folder, first.listen[0], "--user", name) for name in names[15:]]
        assert all(pipe.echo(b"b") for pipe in pipes)
        first.kill_9()
        with Server(folder, listen=(first.listen[0],), state=state, name="second", busy=True) as second:
            assert all(pipe.echo(b"c") for pipe in pipes)
            assert all(pipe.end()[0] == 0 for pipe in pipes)
            assert logins(second, count) == ["token"] * count
            # Full jitter: the first waits alone are up to half a second, so no tenth of a second has them all.
            times = [e["time"] for e in second.log_events() if e["event"] == "login"]
            tenths = [t[:len("2026-01-02T03:04:05.1")] for t in times]
            assert max(tenths.count(t) for t in tenths) <= count * 3 // 4, tenths
    finally:
        for pipe in pipes:
            pipe.__exit__()
        first.kill()


def test_stopped_server_in_the_handshake(folder):
    """A server that stands still is no answer in time; after a drop it is waited for."""
    with Server(folder, listen=BOTH) as s:
        pin = ["--pin", pin_of(s)]
        with Pipe(folder, s.listen[1], "--reconnect", *pin) as pipe:
            assert pipe.echo(b"x")
            front = s.children()["front"]
            os.kill(front, signal.SIGSTOP)
            try:
                result = echoc(folder, s.listen[1], *pin, data=b"x")
                assert result.returncode == 3 and b"did not finish the TLS handshake in 10 s" in result.stderr
            finally:
                os.kill(front, signal.SIGCONT)
            assert pipe.echo(b"y")
            assert pipe.end()[0] == 0


def test_load(folder):
    with Server(folder, listen=BOTH) as s:
        for address in s.listen:
            result = echoc(folder, "load", address, "--user", "anna", "--pin", pin_of(s), "--connections", "8", "--size",
                           "1-50k", "--in-flight", "3", "--duration", "1s", "--warm-up", "0", "--messages", "200", "--json",
                           "--quiet")
            assert result.returncode == 0, result.stderr
        wait_until(lambda: s.status()["connections"]["open"] == 0, "the connections to be gone", PATIENCE_S)
        assert not [e for e in s.log_events() if e.get("how") == "token" or "issued" in e]
