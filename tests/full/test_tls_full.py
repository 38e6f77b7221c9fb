"""TLS at full size: bulk, peers that do not read, and peers that break off."""
import os
import select
import selectors
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fault"))

import seams  # noqa: E402
from harness import CHUNK, LOOPBACK, PATIENCE_S, Positional, Server  # noqa: E402
from honest import Honest  # noqa: E402
from load import Flag, Processes, kernel_tcp_bytes, memory_kib, run_in_processes  # noqa: E402
from test_bytes import assert_all_came_back, pieces  # noqa: E402
from tls_attacks import reset_at_random  # noqa: E402
from tls_clients import echo_client, exchange, tls_connect  # noqa: E402

BOTH = [f"tls:{LOOPBACK}:0", f"raw+tls:{LOOPBACK}:0"]
KINDS = ["tls", "raw+tls"]
HONEST = "127.0.9.9"
MIB = 1 << 20
PROCESSES = 2


@pytest.fixture
def folder(memory_folder):
    return memory_folder


# ---- bulk ----

def be_one_of_many(index, i, address, kind, size):
    c = tls_connect(address)
    if kind == "tls":
        c.login(f"bulk{index}x{i}")
    exchange(c, Positional("tls", kind, index, i), size, pieces(MIB, index, i), slow=16 * 1024 if i % 4 == 0 else 0)
    c.close()


def run_bulk(index, address, kind, count, size):
    with ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(be_one_of_many, index, i, address, kind, size) for i in range(count)]:
            done.result()


@pytest.mark.parametrize("kind", KINDS)
def test_one_gib_through_64_connections(server, kind):
    """1 GiB each way, in writes of 1 B to 1 MiB; a quarter of the clients read only when they can send
    no more. Each ends with close_notify, and gets it behind the last byte."""
    s, count, size = server("--address-accounts", "0", listen=BOTH), 64, 16 * MIB
    run_in_processes(PROCESSES, run_bulk, s.address_of(kind), kind, count // PROCESSES, size, timeout=250)
    assert_all_came_back(s, count * size, count)
    for why in ("tls", "truncated"):
        assert s.status()["closed"][why] == s.baseline["closed"][why]


# ---- mute ----

def write_until_stuck(clients, quiet=0.5):
    """All write flat out until nobody has been able to for so many seconds. What a session has encrypted and its socket
    has not taken is its client's."""
    sel, text, sent = selectors.DefaultSelector(), bytes(CHUNK), 0
    for c in clients:
        c.sock.setblocking(False)
        sel.register(c.sock.sock, selectors.EVENT_WRITE, c)
    while ready := sel.select(quiet):
        for key, _ in ready:
            c = key.data
            try:
                if not c.wire:
                    c.wire = c.sock.wire(text)
                n = key.fileobj.send(c.wire)
                c.wire, sent = c.wire[n:], sent + n
            except BlockingIOError:
                pass
    sel.close()
    return sent


@pytest.mark.parametrize("count", [500])
def test_clients_that_write_and_never_read(server, count):
    """Each costs the front one chunk, a session, and what of a record has come."""
    s = server("--stall-time", "off", "--unread-memory", "0", "--address-accounts", "0", listen=BOTH)
    front, kernel = s.children()["front"], kernel_tcp_bytes()
    each_kib, spare_kib = 64 + 24, 16 * 1024
    with Honest(s.address_of("tls"), kind="tls", source=HONEST) as honest:
        memory = memory_kib(front)
        mutes = [echo_client(s, KINDS[i % 2], f"mute{i % 50}", rcvbuf=2048, sndbuf=16 * 1024, mss=536)
                 for i in range(count)]
        for c in mutes:
            c.wire = b""
        sent = write_until_stuck(mutes)
        s.wait_status(lambda st: st["chunks_held"] >= count, "each connection to hold a chunk")
        write_until_stuck(mutes)
        status, grown = s.status(), memory_kib(front) - memory
        kernel = kernel_tcp_bytes() - kernel
    print(f"{sent >> 20} MiB written; front +{grown >> 10} MiB, kernel +{kernel >> 20} MiB")
    assert status["bytes_held"] <= (count + 1) * CHUNK
    assert grown <= count * each_kib + spare_kib, f"the front has grown by {grown} KiB"
    honest.assert_served(echo_s=1)
    for c in mutes:
        c.reset()
    s.clients.clear()
    s.wait_still()
    assert memory_kib(front) - memory <= count * 64 + spare_kib


# ---- resets ----

@pytest.mark.skipif(not seams.folder_of_programs(), reason=seams.WHY_SKIPPED)
def test_2000_resets_with_the_sanitizers(folder):
    """At any point of the handshake, the login and the echo; nothing is used that is gone."""
    plan, count, processes = seams.Plan(folder), 2000, 3
    with seams.SeamServer(folder, plan, warm=True, tidy=True, listen=BOTH) as s:
        with Honest(s.address_of("tls"), kind="tls", source=HONEST) as honest, Processes() as group:
            for i in range(processes):
                group.start(reset_at_random, i, s.address_of("raw+tls"), s.address_of("tls"), count // processes + 1)
            assert sum(group.results(200)) >= count
        honest.assert_served(echo_s=2)
        status = s.wait_still()
        assert status["closed"]["reset"] > count // 4
        assert status["closed"]["error"] == status["closed"]["memory"] == 0, status["closed"]
        assert status["bytes_in"] == status["bytes_out"] + status["bytes_dropped"]
        assert status["restarts"] == {"front": 0, "keeper": 0}
        echo_client(s, "tls").echoes(b"as before")
