"""Limits: connections, descriptors, stalling and idling."""
import select
import resource
import time

import pytest

from harness import (fill, LOOPBACK, Positional, assert_one_sentence, cpu_seconds, has, run_echod)

BOTH = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]


# ---- limits ----

def test_connection_limit(server):
    s = server("--max-connections", "20", listen=BOTH)
    assert s.status()["connections"]["max"] == 20
    inside = [s.echo_client(kind, name=f"in{i}") for kind in ("login", "raw") for i in range(10)]
    cpu, front = cpu_seconds(s.children()["front"]), s.children()["front"]
    began = time.monotonic()
    refused = [s.connect(kind) for kind in ("login", "raw") for _ in range(15)]
    for c in refused[:15]:
        assert c.code() == 421
        assert c.to_end() == b""
    for c in refused[15:]:
        assert c.to_end() == b""
    for c in inside:
        c.echoes(b"still served")
    status = s.status()
    assert status["connections"]["open"] == 20
    assert status["refused"] == 30
    # While the refused stay, being full costs nothing: the time passes as the server's own 2 s for them.
    s.wait_status(lambda st: st["connections"]["closing"] == 0, "the refused to be let go", 5)
    busy = cpu_seconds(front) - cpu
    assert busy < 0.25 * (time.monotonic() - began) + 0.1, f"{busy} s of CPU while full"
    for c in inside[5:15]:
        c.close()
    s.wait_status(lambda st: st["connections"]["open"] == 10, "ten to have left")
    for kind in ("login", "raw"):
        for i in range(5):
            s.echo_client(kind, name=f"new{i}").echoes(b"let in")
    assert s.status()["connections"]["open"] == 20
    c = s.connect()
    assert c.code() == 421


def test_a_flood_over_the_limit(server):
    """More than are told so at once: each gets its FIN all the same, those inside go on."""
    s = server("--max-connections", "4", listen=BOTH)
    inside = [s.echo_client("raw") for _ in range(4)]
    refused = [s.connect("raw") for _ in range(80)]
    for c in refused:
        assert c.to_end() == b""
    for c in inside:
        c.echoes(b"still served")
    assert s.status()["refused"] == 80


def test_low_limit_on_open_files(server):
    """All that fits is served, the rest refused; nothing else gets into trouble for want of descriptors."""
    s = server("--workers", "2", listen=BOTH, preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128)))
    most = s.status()["connections"]["max"]
    assert 20 <= most < 128
    inside = [s.echo_client("raw") for _ in range(most)]
    for c in inside:
        c.echoes(b"x")
    front = s.children()["front"]
    cpu, began = cpu_seconds(front), time.monotonic()
    refused = [s.connect() for _ in range(60)]
    for c in refused:
        assert c.code() == 421
        assert c.to_end() == b""
    for c in inside:
        c.echoes(b"y")
    s.wait_status(lambda st: st["connections"]["closing"] == 0, "the refused to be let go", 5)
    busy = cpu_seconds(front) - cpu
    assert busy < 0.25 * (time.monotonic() - began) + 0.1, f"{busy} s of CPU while full"
    assert s.status()["accept_errors"] == 0
    s.close_clients()
    s.wait_still()
    s.echo_client().echoes(b"let in again")


def test_too_low_a_limit_on_open_files_is_said(folder):
    done = run_echod(folder, "--listen", "raw:127.0.0.1:0", "--log", f"{folder}/log", "--max-connections", "5000",
                     preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128)))
    assert done.returncode == 1 and done.stdout == ""
    assert_one_sentence(done.stderr, "128", "ulimit")


def test_stall_time(server):
    s = server("--stall-time", "1s", listen=BOTH)
    for kind in ("raw", "login"):
        reader, mute = s.echo_client(kind), s.echo_client(kind, rcvbuf=32 * 1024, mss=1460)
        before = s.status()["closed"]["stall_time"]
        fill(mute, Positional("stall"))
        began = time.monotonic()
        s.wait_status(lambda st: st["closed"]["stall_time"] == before + 1, "the mute one to be closed", 5)
        assert time.monotonic() - began < 3
        with pytest.raises(ConnectionResetError):
            while mute.read():
                pass
        reader.echoes(b"an idle one stays")
        mute.close()


def test_stall_time_leaves_a_slow_reader_alone(server):
    """It takes a little all the time, for longer than the limit."""
    s = server("--stall-time", "1s", listen=[f"raw:{LOOPBACK}:0"])
    c = s.connect("raw", rcvbuf=16 * 1024, mss=1460, sndbuf=64 * 1024)
    data = Positional("slow")
    sent = fill(c, data)
    c.half_close()
    came, end = 0, time.monotonic() + 2.5
    while came < sent:
        some = c.read(16384)
        assert some, f"ended after {came} of {sent}"
        data.check(came, some)
        came += len(some)
        if time.monotonic() < end:
            select.select([], [], [], 2.5 / (sent / 16384))  # the reader's pace, not a wait for anything
    assert c.to_end() == b""
    assert s.status()["closed"]["stall_time"] == 0


def test_stall_time_after_the_clients_fin(server):
    """Half-closed, and reading nothing of its tail: the limit applies there, too."""
    s = server("--stall-time", "1s", listen=[f"raw:{LOOPBACK}:0"])
    c = s.connect("raw", rcvbuf=16 * 1024, mss=1460)
    c.send(bytes(200000))
    c.half_close()
    s.wait_status(lambda st: st["closed"]["stall_time"] == 1, "the mute one to be closed", 5)


def test_idle_time_on_raw(server):
    s = server("--idle-time", "1s", listen=BOTH)
    login, idle, busy = s.echo_client(), s.connect("raw"), s.connect("raw")
    began = time.monotonic()
    while not select.select([idle], [], [], 0.2)[0]:
        busy.echoes(b"tick")
        assert time.monotonic() - began < 5, "the idle one is not closed"
    assert 0.9 <= time.monotonic() - began < 2.5
    assert idle.to_end() == b""
    idle.close()
    s.wait_status(lambda st: st["closed"]["idle_time"] == 1, "the end to be counted as idle_time")
    busy.echoes(b"one who speaks stays")
    login.echoes(b"and so does who has logged in")


def test_login_idle_time(server):
    s = server("--login-idle-time", "1s", listen=BOTH)
    login, raw = s.echo_client(), s.connect("raw")
    assert login.to_end() == b""
    raw.echoes(b"loopback's raw clients may idle")
