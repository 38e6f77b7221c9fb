"""Peers that write and never read, and peers that break off: what they cost the server and its honest clients."""
import select
import selectors
import time

import pytest

from harness import CHUNK, LOOPBACK, PATIENCE_S, Client, Positional, connect, randomness
from load import Flag, Processes, kernel_tcp_bytes, memory_kib, open_echo

BOTH = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]
MIB = 1 << 20
ANSWER_S = 5  # an honest client's echo takes milliseconds, also on a busy machine


@pytest.fixture
def folder(memory_folder):
    return memory_folder


def be_honest(index, address, kind, stop, most=30000):
    """Sends and awaits echoes, each checked, until told to stop. Returns how many there were and the longest wait."""
    c, data, dice = open_echo(address, kind, f"honest{index}"), Positional("honest", index), randomness("honest", index)
    at, turns, longest = 0, 0, 0.0
    while not stop.is_set():
        size = dice.randint(1, most)
        began = time.monotonic()
        c.send(data.at(at, size))
        data.check(at, c.exactly(size))
        longest = max(longest, time.monotonic() - began)
        at += size
        turns += 1
    c.half_close()
    assert c.to_end() == b""
    c.close()
    return turns, longest


def start_honest(group, server, stop, count=4):
    for i in range(count):
        kind = ("raw", "login")[i % 2]
        group.start(be_honest, i, server.address_of(kind), kind, stop)


def assert_served(results):
    for turns, longest in results:
        assert turns > 20 and longest < ANSWER_S, f"{turns} echoes, of which one took {longest:.2f} s"


# ---- mute ----

def write_until_stuck(clients, quiet=0.5):
    """All write flat out until nobody has been able to for so many seconds."""
    sel, text, sent = selectors.DefaultSelector(), bytes(4 * CHUNK), 0
    for c in clients:
        c.sock.setblocking(False)
        sel.register(c.sock, selectors.EVENT_WRITE)
    while ready := sel.select(quiet):
        for key, _ in ready:
            try:
                sent += key.fileobj.send(text)
            except BlockingIOError:
                pass
    sel.close()
    return sent


def test_500_clients_that_write_and_never_read(server, folder):
    """Each costs the front one chunk, and the kernel what the two sockets' buffers are for."""
    s, count, stop = server("--stall-time", "off", "--unread-memory", "0", listen=BOTH), 500, Flag(folder)
    front = s.children()["front"]
    with Processes() as group:
        memory, kernel = memory_kib(front), kernel_tcp_bytes()
        start_honest(group, s, stop)
        # What the client's own socket holds is its own business: the least that there is.
        mutes = [s.echo_client(("raw", "login")[i % 2], name=f"mute{i % 50}", rcvbuf=2048, sndbuf=16 * 1024, mss=536)
                 for i in range(count)]
        sent = write_until_stuck(mutes)
        status = s.wait_status(lambda st: st["chunks_held"] >= count, "each connection to hold a chunk")
        write_until_stuck(mutes)
        status = s.status()
        grown, kernel_grown = memory_kib(front) - memory, kernel_tcp_bytes() - kernel
        stop.set()
        served = group.results(PATIENCE_S)
    print(f"{sent >> 20} MiB written; front +{grown >> 10} MiB, kernel +{kernel_grown >> 20} MiB")
    # The honest ones may be held up for a moment, too.
    assert status["bytes_held"] <= (count + 4) * CHUNK
    assert grown <= count * 64 + 16 * 1024, f"the front has grown by {grown} KiB"
    assert kernel_grown <= count * 2 * MIB, f"the kernel holds {kernel_grown >> 20} MiB for {count} connections"
    assert_served(served)
    for c in mutes:
        c.reset()
    s.clients.clear()
    s.wait_still()
    assert memory_kib(front) - memory <= count * 64 + 16 * 1024


def test_what_a_mute_client_may_leave_with_the_front(server, folder):
    """They take a little now and then, in step, and have more on its way than a read takes: a unix socket's queue is
    as long as its writer wants. Whenever they have stopped, the front holds one chunk for each at most."""
    s, count, most = server(listen=[f"raw+unix:{folder}/r"]), 50, 0
    clients = [s.connect("raw+unix", sndbuf=MIB) for _ in range(count)]
    for _ in range(24):
        write_until_stuck(clients, quiet=0.1)
        most = max(most, s.status()["bytes_held"])
        for c in clients:
            c.sock.recv(CHUNK // 2)
    print(f"{most >> 10} KiB held for {count}")
    assert count * CHUNK // 8 < most <= count * CHUNK, f"{most >> 10} KiB held for {count} clients"


# ---- resets ----

def reset_at_random(index, raw, login, count):
    """Connections that are reset at any point: before a byte, within the login, while bytes go both ways."""
    dice, text = randomness("reset", index), bytes(CHUNK)
    for turn in range(count):
        is_raw = dice.random() < 0.7
        # Some have a window that the front soon fills, and so holds bytes for them when they break off.
        small = {"rcvbuf": 2048, "sndbuf": MIB, "mss": 1460} if dice.random() < 0.3 else {}
        c = Client(connect(raw if is_raw else login, **small))
        try:
            if not is_raw and dice.random() < 0.5:
                c.login(f"reset{index}")
            elif not is_raw and dice.random() < 0.5:
                c.send(f"USER reset{index}\r\nPASS correct h"[:dice.randint(1, 30)])
            c.sock.setblocking(False)
            for _ in range(dice.randint(0, 8 if small else 4)):
                c.sock.send(text[:dice.randint(1, CHUNK)])
            if small:
                select.select([], [], [], dice.random() / 200)  # a random moment, which need not be the first
            if dice.random() < 0.5:
                c.sock.recv(dice.randint(1, CHUNK))
        except BlockingIOError:
            pass
        except ConnectionError:  # what it sent was no login, and it has been told so
            pass
        c.reset()
    return count


def test_20000_resets_during_traffic(server, folder):
    s, count, stop, processes = server(listen=BOTH), 20000, Flag(folder), 3
    front = s.children()["front"]
    memory = memory_kib(front)
    with Processes() as honest, Processes() as group:
        start_honest(honest, s, stop)
        for i in range(processes):
            group.start(reset_at_random, i, s.address_of("raw"), s.address_of("login"), count // processes + 1)
        done = sum(group.results(240))
        stop.set()
        assert_served(honest.results(PATIENCE_S))
    status = s.wait_still()
    assert done >= count
    # One that is reset before it was accepted may never be seen.
    ended = sum(status["closed"].values())
    assert status["accepted"] == ended, f"{status['accepted']} accepted, {ended} ended: {status['closed']}"
    assert status["accepted"] >= count
    assert status["closed"]["reset"] > count // 2
    assert status["closed"]["error"] == status["closed"]["memory"] == 0, status["closed"]
    assert status["bytes_in"] == status["bytes_out"] + status["bytes_dropped"]
    assert status["restarts"] == {"front": 0, "keeper": 0}
    grown = memory_kib(front) - memory
    print(f"front +{grown} KiB")
    assert grown * 1024 < count * 150, f"{grown} KiB more: each connection leaves something behind"
    s.echo_client().echoes(b"as before")
