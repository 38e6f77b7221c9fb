"""The limit on descriptors, reached by many more clients than there is room for, and left again."""
import resource
import select
import time

import pytest

from harness import (LOOPBACK, PATIENCE_S, Positional, connect, cpu_seconds, descriptors_of, limit_process,
                     wait_until)
from load import open_echo

BOTH = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]
FULL_S = 5.0  # how long the front is looked at while it is full


@pytest.fixture
def folder(memory_folder):
    return memory_folder


def limit_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))


def test_2000_clients_at_256_descriptors(server):
    s = server(listen=BOTH, preexec=limit_descriptors)
    front, data = s.children()["front"], Positional("limit")
    most = s.status()["connections"]["max"]
    assert 100 <= most < 256
    inside = [s.echo_client(("raw", "login")[i % 2], name=f"in{i % 10}") for i in range(most)]
    cpu, began = cpu_seconds(front), time.monotonic()
    outside = [connect(s.address_of(("raw", "login")[i % 2])) for i in range(2000)]
    s.wait_status(lambda st: st["refused"] >= 2000, "all others to be refused")
    turn = 0
    while time.monotonic() < began + FULL_S:  # the time itself is what is looked at
        c = inside[turn % most]
        asked = time.monotonic()
        c.send(data.at(turn, 100))
        data.check(turn, c.exactly(100))
        assert time.monotonic() - asked < 2, "an echo takes too long while the server is full"
        turn += 1
        select.select([], [], [], 0.02)
    busy, passed = cpu_seconds(front) - cpu, time.monotonic() - began
    print(f"full: {busy:.2f} s of CPU in {passed:.1f} s; {turn} echoes")
    assert busy < passed / 10, f"{busy:.2f} s of CPU in {passed:.1f} s while full"
    status = s.status()
    assert status["connections"]["open"] == most
    assert status["accept_errors"] == 0, "those who are told so take descriptors from the others"
    assert len(s.open_files()["front"]) <= 256
    for c in outside:
        c.close()
    s.close_clients()
    left = time.monotonic()
    for kind in ("raw", "login"):
        wait_until(lambda: is_served(s, kind), f"a {kind} client to be served again", PATIENCE_S)
    took = time.monotonic() - left
    assert took < 1, f"served again only after {took:.2f} s"
    # That nothing has leaked is looked at when the server ends.


def set_descriptor_limit(pid, most):
    limit_process(pid, resource.RLIMIT_NOFILE, (most, limit_process(pid, resource.RLIMIT_NOFILE)[1]))


def test_no_descriptor_is_left_to_accept_with(server):
    """The limit falls below what the front has open, as when all of the system's are used: clients are told so by the
    one that is kept for it, and when that has gone, too, they wait, and the front does not spin."""
    s = server(listen=BOTH)
    front, full = s.children()["front"], limit_process(s.children()["front"], resource.RLIMIT_NOFILE)[0]
    inside = [s.echo_client(("raw", "login")[i % 2], name="in") for i in range(20)]
    s.wait_status(lambda st: st["connections"]["echo"] == len(inside), "all to be inside")
    while (used := descriptors_of(front)) != list(range(len(used))):
        inside.append(s.echo_client("raw"))
        inside[-1].echoes(b"inside")
    set_descriptor_limit(front, len(used))
    count = 200
    outside = [(kind, s.connect(kind)) for kind in ("raw", "login") for _ in range(count // 2)]
    # One at a time, each behind a pause, would take 20 s.
    status = s.wait_status(lambda st: st["refused"] == count, "all to be turned away", 10)
    for kind, c in outside:
        assert kind == "raw" or c.code() == 421
        assert c.to_end() == b""
    assert status["accept_errors"] >= count
    assert descriptors_of(front) == used, "a descriptor has leaked, or the one that is kept has gone"

    set_descriptor_limit(front, 3)
    waiting, cpu, began = s.connect("raw"), cpu_seconds(front), time.monotonic()
    while time.monotonic() < began + FULL_S / 2:
        for c in inside:
            c.echoes(b"still served")
        select.select([], [], [], 0.1)
    busy, passed = cpu_seconds(front) - cpu, time.monotonic() - began
    assert busy < passed / 10, f"{busy:.2f} s of CPU in {passed:.1f} s while nobody can be accepted"
    looks = s.status()["accept_errors"] - status["accept_errors"]
    assert 0 < looks < 200 * passed, f"the front has looked for a client {looks} times in {passed:.1f} s"
    set_descriptor_limit(front, full)
    waiting.echoes(b"let in")
    s.echo_client("login").echoes(b"let in")


def is_served(server, kind):
    c = None
    try:
        c = open_echo(server.address_of(kind), kind, "again")
        c.echoes(b"again")
        return True
    except (AssertionError, ConnectionError):  # told that there is no room yet
        return False
    finally:
        if c:
            c.close()
