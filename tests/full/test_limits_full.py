"""The limit on descriptors, reached by many more clients than there is room for, and left again."""
import resource
import select
import time

import pytest

from harness import LOOPBACK, PATIENCE_S, Positional, connect, cpu_seconds, wait_until
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
