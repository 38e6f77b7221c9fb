"""Attacks on TLS at full size, each beside an honest client that has to keep logging in and echoing. The quick forms are
in tests/system/test_tls_attack.py; reloads under a flood of handshakes are in test_certificate_full.py."""
import select
import shutil

import pytest

from harness import LOOPBACK, PATIENCE_S
from honest import Honest
from load import Flag, Processes, memory_kib
from tls_attacks import never_shake, send_in_records_of_one_byte, shake_on, update_keys
from tls_clients import tls_connect

BOTH = [f"{LOOPBACK}:0", f"tls:{LOOPBACK}:0", f"raw+tls:{LOOPBACK}:0"]
HONEST = "127.0.9.9"
FLOOD_S = 6


@pytest.fixture
def folder(memory_folder):
    return memory_folder


def sources(count):
    return [f"127.0.0.{2 + i}" for i in range(count)]


@pytest.mark.parametrize("options, limit_s", [((), 10), (("--login-time", "3s"), 3)], ids=["handshake", "login"])
def test_1200_handshakes_that_never_end(server, options, limit_s):
    """1,000 say nothing, and 200 drip a ClientHello: the limit is the handshake's own, or the login's where that is less."""
    s = server("--login-slots", "2000", *options, listen=BOTH)
    with Honest(s.address_of("tls"), kind="tls", source=HONEST) as honest, Processes() as group:
        for i in range(4):
            group.start(never_shake, i, s.address_of("tls"), 250, 50, sources(20))
        ended = [t for part in group.results(60) for t in part]
    print(f"{len(ended)} ended after {min(ended):.2f} to {max(ended):.2f} s")
    assert len(ended) == 1200
    assert limit_s - 0.5 < min(ended) and max(ended) < limit_s + 1.5
    honest.assert_served(logins=3, login_s=1)
    closed = s.status()["closed"]
    assert closed["login_time"] == 1200, closed


def test_a_flood_of_handshakes(server, folder):
    """Three addresses of this machine, which has no limits; whoever is in stays in, and nothing is left of it."""
    s, stop = server("--workers", "2", listen=BOTH), Flag(folder)
    front = s.children()["front"]
    with Honest(s.address_of("tls"), kind="tls", source=HONEST) as honest, Processes() as group:
        memory = memory_kib(front)
        for i, place in enumerate(sources(3)):
            group.start(shake_on, i, s.address_of("raw+tls"), place, stop)
        select.select([], [], [], FLOOD_S)
        stop.set()
        results = group.results(PATIENCE_S)
    count, refused = sum(r[0] for r in results), sum(r[1] for r in results)
    s.wait_status(lambda st: st["connections"]["open"] == 0, "all to be gone")
    grown = memory_kib(front) - memory
    print(f"{count} handshakes in {FLOOD_S} s, {refused} refused; front +{grown} KiB")
    assert count > 300 and refused == 0 and grown < 16 * 1024
    assert s.status()["closed"]["tls"] == 0
    honest.assert_served(logins=3, echo_s=1)


def test_a_flood_of_handshakes_that_is_over_the_limit(server, folder):
    """Two addresses come as fast as they can and are let in 100 times a second; the others cost no handshake."""
    s, stop = server("--limit-local", "--address-rate", "100", listen=BOTH), Flag(folder)
    with Honest(s.address_of("tls"), kind="tls", source=HONEST) as honest, Processes() as group:
        for i, place in enumerate(sources(2)):
            group.start(shake_on, i, s.address_of("raw+tls"), place, stop)
        select.select([], [], [], FLOOD_S)
        stop.set()
        results = group.results(PATIENCE_S)
    closed = s.status()["closed"]
    print(f"let in and refused: {results}")
    assert closed["rate_limit"] > 100 and closed["tls"] == 0, closed
    assert all(count <= 100 * (FLOOD_S + 3) for count, _ in results)
    honest.assert_served(logins=3)


def test_100000_records_of_one_byte(server):
    s = server("--workers", "1", listen=BOTH)
    front = s.children()["front"]
    with Honest(s.address_of("tls"), kind="tls", source=HONEST) as honest, Processes() as group:
        memory, most = memory_kib(front), 0
        attack = group.start(send_in_records_of_one_byte, 0, s.address_of("raw+tls"), 100_000)
        while not select.select([attack.fd], [], [], 0.02)[0]:
            most = max(most, memory_kib(front) - memory)
        took = attack.result(PATIENCE_S)
    print(f"{took:.2f} s; front +{most} KiB at most")
    assert most < 2048
    honest.assert_served(logins=1)


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")
@pytest.mark.parametrize("letter", "kK")
def test_16_clients_that_only_update_keys(server, letter):
    s = server("--workers", "1", listen=BOTH)
    with Honest(s.address_of("tls"), kind="tls", source=HONEST) as honest, Processes() as group:
        for i in range(16):
            group.start(be_a_key_updater, i, s.address_of("raw+tls"), letter)
        sent = group.results(60)
    print(f"cut off at {min(sent)} to {max(sent)} updates")
    assert max(sent) < 100_000
    s.wait_status(lambda st: st["closed"]["tls"] == 16, "all to be cut off")
    honest.assert_served(logins=1)


def be_a_key_updater(index, address, letter):
    return update_keys(address, letter)


def test_nothing_is_left_of_2000_sessions(server):
    """Whatever becomes of them: ended well, cut short, reset."""
    s = server("--workers", "2", listen=BOTH)
    front, ends = s.children()["front"], ("end", "cut", "reset")

    def sessions(count):
        for i in range(count):
            c = tls_connect(s.address_of("raw+tls"))
            c.echoes(b"hello" * 1000)
            if ends[i % 3] == "end":
                c.half_close()
                assert c.to_end() == b""
            c.reset() if ends[i % 3] == "reset" else c.close()
        s.wait_status(lambda st: st["connections"]["open"] == 0, "all to be gone")

    sessions(300)
    memory = memory_kib(front)
    sessions(2000)
    grown = memory_kib(front) - memory
    print(f"front +{grown} KiB")
    assert grown < 1024
