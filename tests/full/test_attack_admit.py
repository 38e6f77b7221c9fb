"""Attacks by mere numbers, at full size: each beside an honest client that has to keep logging in and echoing. The
quick forms are in tests/system/test_admit.py and test_proxy.py."""
import os
import random
import resource
import select
import selectors
import time

import pytest

from harness import CHUNK, LOOPBACK, PATIENCE_S, Client, Positional, connect, cpu_seconds, randomness
from honest import Honest, percentile
from load import Flag, Processes, kernel_tcp_bytes, memory_kib
from test_admit import assert_told, pump, send_on, write_flat_out
from test_proxy import RELAY, v1, v2

BOTH = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]
HONEST = "127.0.9.9"
MIB = 1 << 20


@pytest.fixture
def folder(memory_folder):
    return memory_folder


def sources(count):
    return [f"127.0.0.{2 + i}" for i in range(count)]


# ---- logins that never end ----

def drip_logins(index, address, count, places, every_s):
    """So many logins that send a byte now and then. Returns when each ended, in seconds from its own beginning."""
    sel, ended, text = selectors.DefaultSelector(), [], b"USER " + b"x" * 400
    for i in range(count):
        c = Client(connect(address, source=places[(index * count + i) % len(places)]))
        c.began, c.sent, c.next = time.monotonic(), 0, time.monotonic() + every_s if every_s else float("inf")
        c.sock.setblocking(False)
        sel.register(c.sock, selectors.EVENT_READ, c)
    while sel.get_map():
        for key, _ in sel.select(0.05):
            try:
                some = key.fileobj.recv(1 << 12)
            except ConnectionResetError:
                some = b""
            if not some:
                ended.append(time.monotonic() - key.data.began)
                sel.unregister(key.fileobj)
        now = time.monotonic()
        for key in list(sel.get_map().values()):
            c = key.data
            if now >= c.next:
                try:
                    c.sock.send(text[c.sent:c.sent + 1])
                except OSError:
                    pass
                c.sent, c.next = c.sent + 1, now + every_s
    return ended


@pytest.mark.parametrize("every_s", [1, 0], ids=["slowloris", "mute"])
def test_1000_logins_that_never_end(server, every_s):
    """The limit counts from accept, however many bytes come; 200 of the mute are relays' without a header."""
    s = server("--login-time", "3s", "--login-slots", "2000", "--listen", f"{LOOPBACK}:0", "--listen", f"{LOOPBACK}:0", "--proxy-from", RELAY,
               listen=None)
    with Honest(s.ports[0], source=HONEST) as honest, Processes() as group:
        for i in range(4):
            group.start(drip_logins, i, s.ports[0], 200 if not every_s else 250, sources(20), every_s)
        if not every_s:
            group.start(drip_logins, 0, s.ports[1], 200, [RELAY], 0)
        ended = [t for part in group.results(60) for t in part]
    print(f"{len(ended)} ended after {min(ended):.2f} to {max(ended):.2f} s")
    assert len(ended) == 1000
    assert 2.5 < min(ended) and max(ended) < 4.5
    honest.assert_served(logins=3, login_s=1)
    closed = s.status()["closed"]
    assert closed["login_time"] + closed["proxy_header"] == 1000, closed


def flood_logins(index, address, place, stop):
    """New logins from one address, as fast as they come, each left open for a moment."""
    held, count = [], 0
    while not stop.is_set():
        held.append(connect(address, source=place))
        count += 1
        if len(held) > 400:
            held.pop(0).close()
    return count


def test_a_flood_of_logins_pushes_out_its_own(server, folder):
    """Three addresses flood, far more than there are slots; the honest client's login always finds its place."""
    s, stop = server("--workers", "2", "--login-slots", "300"), Flag(folder)
    inside = [s.echo_client(name=f"in{i % 5}", source=HONEST) for i in range(20)]
    with Honest(s.address_of("login"), source=HONEST) as honest, Processes() as group:
        for i in range(3):
            group.start(flood_logins, i, s.address_of("login"), sources(3)[i], stop)
        end = time.monotonic() + 8
        while time.monotonic() < end:  # the time itself is what is looked at
            for c in inside:
                c.echoes("who is in stays in")
            assert s.status()["login_slots"] < 300 + 2 * 500
        stop.set()
        count = sum(group.results(PATIENCE_S))
    closed = s.status()["closed"]
    print(f"{count} logins, {closed['login_slots']} pushed out, {s.status()['refused']} refused")
    assert closed["login_slots"] > 300 and s.status()["refused"] == 0
    honest.assert_served(logins=3, echo_s=1)


# ---- more connections than there is room for ----

def test_a_refusal_is_read_1000_times_of_1000(server):
    """Whoever goes on sending while it is refused reads why all the same."""
    s = server("--limit-local", "--address-connections", "1", "--address-rate", "0")
    s.echo_client(source="127.0.0.2")
    with Honest(s.address_of("login"), source=HONEST) as honest:
        for _ in range(125):
            refused = [Client(connect(s.address_of("login"), source="127.0.0.2")) for _ in range(8)]
            for c in refused:
                send_on(c)
            for c in refused:
                assert_told(c, "Too many connections from your address")
                c.close()
    s.wait_status(lambda st: st["closed"]["address_limit"] == 1000, "all to be counted")
    honest.assert_served(logins=1)


def limit_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))


def test_2000_connects_in_ten_seconds_at_256_descriptors(server):
    """Those inside go on, being full costs little, and TLS and relays' listeners are closed without a word."""
    s = server("--listen", f"{LOOPBACK}:0", "--listen", f"raw:{LOOPBACK}:0", "--listen", f"{LOOPBACK}:0",
               "--proxy-from", RELAY, listen=None, preexec=limit_descriptors)
    front, most = s.children()["front"], s.status()["connections"]["max"]
    with Honest(s.ports[1], kind="raw", source=HONEST, echoes=1 << 30) as honest:
        s.wait_status(lambda st: st["connections"]["echo"] == 1, "the honest one to be inside")
        inside = [Client(connect(s.ports[1])) for _ in range(most - 1)]
        s.wait_status(lambda st: st["connections"]["echo"] == most, "it to be full")
        cpu, began, kept = cpu_seconds(front), time.monotonic(), []
        for i in range(2000):
            c = Client(connect(s.ports[i % 3], source=RELAY))
            kept.append(c)
            if i % 3 == 2:
                assert c.to_end() == b"", "a relay was told something"
            if len(kept) > 200:
                kept.pop(0).close()
            select.select([], [], [], max(began + (i + 1) / 200 - time.monotonic(), 0))  # 200 a second
        busy, passed = cpu_seconds(front) - cpu, time.monotonic() - began
        assert s.status()["refused"] == 2000
        print(f"full: {busy:.2f} s of CPU in {passed:.1f} s")
        assert busy < passed / 10
        for c in inside + kept:
            c.close()
        left = time.monotonic()
        c = Client(connect(s.ports[0]))
        while c.code() != 220:
            c = Client(connect(s.ports[0]))
        assert time.monotonic() - left < 1
        c.close()
    honest.assert_served(logins=1, echo_s=0.05)


# ---- relays ----

def test_spoofed_headers_change_nothing(server):
    """From an address that is no relay's, any header is garbage or data, and the log has the true address."""
    s, dice = server("--register", "open", "--listen", f"{LOOPBACK}:0", "--proxy-from", RELAY, "--listen", f"raw:{LOOPBACK}:0",
                     "--proxy-from", RELAY, listen=None), randomness("spoof")
    with Honest(s.ports[0], source=RELAY, preamble=v1("127.0.0.1", "127.0.0.1")) as honest:
        for i in range(500):
            ip = ".".join(str(dice.randrange(1, 255)) for _ in range(4))
            header = dice.choice((v1, v2))(ip, ip, port=dice.randrange(1, 65536))
            c = Client(connect(s.ports[1], source="127.0.0.9"))
            c.echoes(header)
            c.close()
            c = Client(connect(s.ports[0], source="127.0.0.9"))
            c.send(header + b"\r\n")
            assert c.code() == 220 and c.code() in (500, 501)
            c.reset()
    honest.assert_served(logins=1)
    s.wait_status(lambda st: st["accepted"] >= 1000, "all to be seen")
    peers = {e["peer"].rpartition(":")[0] for e in s.log_events() if e["event"] == "connect" and "via" not in e}
    assert peers <= {"127.0.0.9", LOOPBACK}, peers


# ---- turns ----

def be_a_hog(index, address, stop):
    c, text, moved = Client(connect(address)), bytes(4 * CHUNK), 0
    c.sock.setblocking(False)
    while not stop.is_set():
        readable, writable, _ = select.select([c], [c], [], 0.1)
        try:
            if writable:
                c.sock.send(text)
            if readable:
                moved += len(c.sock.recv(1 << 20))
        except BlockingIOError:
            pass
    return moved


def be_pingers(index, address, count, stop):
    """Each of so many sends 64 bytes, takes them back, and waits a little. Returns all round trips, in seconds."""
    clients, times, text = [Client(connect(address)) for _ in range(count)], [], bytes(64)
    while not stop.is_set():
        for c in random.sample(clients, count):
            began = time.monotonic()
            c.send(text)
            c.exactly(64)
            times.append(time.monotonic() - began)
        select.select([], [], [], 0.01)
    return times


def test_four_hogs_and_100_pingers(server, folder):
    s, stop = server("--workers", "1", listen=BOTH), Flag(folder)
    with Honest(s.address_of("login"), source=HONEST) as honest, Processes() as hogs, Processes() as pingers:
        pingers.start(be_pingers, 0, s.address_of("raw"), 100, stop)
        for i in range(4):
            hogs.start(be_a_hog, i, s.address_of("raw"), stop)
        select.select([], [], [], 8)
        stop.set()
        moved, times = hogs.results(PATIENCE_S), pingers.results(PATIENCE_S)[0]
    p99 = percentile(times, 99)
    print(f"hogs {[m // MIB for m in moved]} MiB; {len(times)} pings, p99 {p99 * 1000:.2f} ms")
    assert min(moved) > 100 * MIB and min(moved) > max(moved) / 10, "a hog is held up"
    assert len(times) > 500 and p99 < 0.05
    honest.assert_served()


@pytest.mark.parametrize("count", [1, 4])
def test_a_loop_of_two_servers(server, count):
    """1 MiB goes round between two servers for ten seconds: it is bounded by its own relay, and holds up nobody."""
    a, b, data = server(listen=BOTH, name="a"), server(listen=BOTH, name="b"), Positional("loop")
    front = a.children()["front"]
    with Honest(a.address_of("login"), source=HONEST) as honest, Processes() as group:
        memory = memory_kib(front)
        for i in range(count):
            group.start(join, i, a.address_of("raw"), b.address_of("raw"), data.at(0, MIB))
        moved = sum(group.results(60))
        grown = memory_kib(front) - memory
    print(f"{moved // MIB} MiB went round, front +{grown} KiB")
    assert moved > 100 * MIB and grown < 1024 * (count + 1)
    honest.assert_served(echo_s=0.5)


def join(index, one, other, text):
    ends = Client(connect(one)), Client(connect(other))
    ends[0].sock.settimeout(None)
    for i in range(0, len(text), CHUNK):
        ends[0].send(text[i:i + CHUNK])
    return pump(*ends, 10)


# ---- what is left unread ----

def write_and_never_read(index, address, count, size):
    clients = [Client(connect(address, sndbuf=256 * 1024)) for _ in range(count)]
    reset = write_flat_out(clients, size)
    select.select([], [], [], 2)  # the server's next looks
    return reset, os.getpid()


def test_600_slow_readers_do_not_exhaust_the_kernel(server):
    """Each was fast before, so that its buffer has grown; without a limit they take several times of it."""
    limit = 128
    s = server("--unread-memory", str(limit), "--stall-time", "off", listen=BOTH)
    before, most = kernel_tcp_bytes(), 0
    with Honest(s.address_of("login"), source=HONEST) as honest, Processes() as group:
        for i in range(4):
            group.start(write_and_never_read, i, s.address_of("raw"), 150, 8 * MIB)
        running = list(group.all)
        while running:
            most = max(most, s.status()["bytes_unread"])
            done = select.select([p.fd for p in running], [], [], 0.2)[0]
            running = [p for p in running if p.fd not in done]
        kernel = kernel_tcp_bytes() - before
        reset = sum(r for r, _ in group.results(PATIENCE_S))
    print(f"{reset} of 600 reset; at most {most >> 20} MiB unread, the kernel had {kernel >> 20} MiB at the end")
    assert most > limit * MIB // 2, "the limit was not reached: the attack is too weak"
    assert reset > 50
    assert most < 3 * limit * MIB
    assert s.status()["closed"]["memory"] >= reset
    honest.assert_served(login_s=5, echo_s=1)
