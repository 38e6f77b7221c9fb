"""The faulty path itself: each fault does what it says, in its direction, and nothing else; both ends are the test's."""
import contextlib
import errno
import random
import selectors
import socket
import struct
import time

import pytest

from clients import LOOPBACK, PATIENCE_S, randomness, wait_until
from faulty_path import FaultProxy

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LATE_S = 0.5  # what other work on the machine may add to any time that is asserted here


class Path:
    """A proxy, and the test as its target."""

    def __init__(self, stack):
        self.stack = stack
        self.listener = stack.enter_context(socket.create_server((LOOPBACK, 0)))
        self.listener.settimeout(PATIENCE_S)
        self.proxy = stack.enter_context(FaultProxy(self.listener.getsockname()[1]))

    def open(self):
        """A connection's two ends: the client's, and the target's."""
        client = self.stack.enter_context(socket.create_connection((LOOPBACK, self.proxy.port), PATIENCE_S))
        server = self.stack.enter_context(self.listener.accept()[0])
        server.settimeout(PATIENCE_S)
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client, server

    def settled(self):
        """Whatever was sent before has reached the proxy's end of things: its one loop has served a newer connection."""
        client, server = self.open()
        client.sendall(b"x")
        assert read(server, 1) == b"x"
        client.close()
        server.close()


@pytest.fixture
def path():
    with contextlib.ExitStack() as stack:
        yield Path(stack)


def read(sock, size):
    parts = []
    while size and (some := sock.recv(size)):
        parts.append(some)
        size -= len(some)
    return b"".join(parts)


def read_all(sock):
    return read(sock, 1 << 30)


def has_nothing(sock):
    sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        sock.recv(1)
    sock.settimeout(PATIENCE_S)


def seconds_of(act):
    begin = time.monotonic()
    act()
    return time.monotonic() - begin


def is_reset(sock):
    with pytest.raises(ConnectionResetError):
        while sock.recv(1 << 16):
            pass
    return True


def pass_on(sender, taker, data):
    """Sends all of data and a FIN, and gives what came."""
    came, at = bytearray(), 0
    with selectors.DefaultSelector() as selector:
        sender.setblocking(False)
        selector.register(sender, selectors.EVENT_WRITE)
        selector.register(taker, selectors.EVENT_READ)
        while True:
            events = selector.select(PATIENCE_S)
            assert events, f"{len(came)} of {len(data)} bytes came"
            for key, _ in events:
                if key.fileobj is sender:
                    at += sender.send(data[at:at + (1 << 18)])
                    if at == len(data):
                        selector.unregister(sender)
                        sender.shutdown(socket.SHUT_WR)
                elif some := taker.recv(1 << 18):
                    came += some
                else:
                    sender.settimeout(PATIENCE_S)
                    return bytes(came)


# ---- bytes ----

@pytest.mark.parametrize("fault", [None, "latency both 5 5 1", "bandwidth both 20000", "slicer both 5000 0.1",
                                   "slow_close both 20", "limit_data both 100000000"])
def test_no_byte_is_lost_or_moved_either_way(path, fault):
    if fault:
        path.proxy.add(fault)
    client, server = path.open()
    for sender, taker in ((client, server), (server, client)):
        data = randomness("path", fault).randbytes(1_000_000)
        assert pass_on(sender, taker, data) == data
    assert path.proxy.tell("count") == 1


def test_faults_come_and_go_under_a_running_transfer(path):
    client, server = path.open()
    data = randomness("come and go").randbytes(400_000)
    for fault in ("latency up 3 2", "slicer up 700", "bandwidth up 9000", "latency up 1"):
        path.proxy.add(fault)
        client.sendall(data)
        assert read(server, len(data)) == data
    path.proxy.clear()
    assert pass_on(client, server, data) == data


def test_a_reset_is_handed_on(path):
    client, server = path.open()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert is_reset(server)


@pytest.mark.parametrize("wrong", ["gone", "add gone", "add latency", "add latency up x", "add idle_cut 3 loudly",
                                   "add reset_peer 3", "outage", "plan"])
def test_what_is_no_command_is_answered(path, wrong):
    with pytest.raises(AssertionError, match="error"):
        path.proxy.ask(wrong)
    path.settled()


# ---- time ----

def test_latency_is_of_its_direction_and_goes(path):
    client, server = path.open()

    def up():
        client.sendall(b"hello")
        assert read(server, 5) == b"hello"

    def down():
        server.sendall(b"hello")
        assert read(client, 5) == b"hello"

    path.proxy.add("latency", "up", 100)
    assert 0.0995 < seconds_of(up) < 0.1 + LATE_S
    assert seconds_of(down) < 0.09
    path.proxy.remove("latency")
    assert seconds_of(up) < 0.09


def test_pieces_are_on_their_way_at_the_same_time(path):
    """Each is late by the latency, and not by that of those before it."""
    path.proxy.add("latency", "up", 100)
    client, server = path.open()
    begin = time.monotonic()
    for _ in range(20):
        client.sendall(b"x")
        time.sleep(0.002)
    assert read(server, 20) == b"x" * 20
    assert time.monotonic() - begin < 0.1 + 20 * 0.002 + LATE_S


def test_jitter_is_within_its_bounds_and_drawn_from_its_seed(path):
    def delays(seed):
        path.proxy.add("latency", "up", 10, 8, seed)
        client, server = path.open()
        found = []
        for _ in range(12):
            begin = time.monotonic()
            client.sendall(b"x")
            assert server.recv(1) == b"x"
            found.append(time.monotonic() - begin)
        return found

    dice = random.Random(7)
    wanted = [dice.uniform(0.002, 0.018) for _ in range(12)]
    found = delays(7)
    assert min(found) > 0.0019 and max(wanted) - min(wanted) > 0.008
    assert all(-0.0005 < f - w < LATE_S for f, w in zip(found, wanted)), (found, wanted)


def test_bandwidth(path):
    path.proxy.add("bandwidth", "up", 100)
    client, server = path.open()
    client.sendall(bytes(30_000))
    assert 0.29 < seconds_of(lambda: read(server, 30_000)) < 0.3 + LATE_S


def test_a_path_without_bandwidth_passes_nothing_until_it_has_some(path):
    client, server = path.open()
    path.proxy.add("bandwidth", "up", 0)
    client.sendall(b"hello")
    server.sendall(b"hello")
    assert read(client, 5) == b"hello"
    has_nothing(server)
    path.proxy.remove("bandwidth")
    assert read(server, 5) == b"hello"


def test_slicer(path):
    path.proxy.add("slicer", "down", 10, 2)
    client, server = path.open()
    server.sendall(bytes(range(256)))
    parts, begin = [], time.monotonic()
    while sum(map(len, parts)) < 256:
        parts.append(client.recv(256))
    assert time.monotonic() - begin > 12 * 0.002  # they are of 19 bytes at most
    assert b"".join(parts) == bytes(range(256))
    assert len(parts) > 2, list(map(len, parts))


def test_slow_close(path):
    path.proxy.add("slow_close", "up", 150)
    client, server = path.open()
    client.sendall(b"hello")
    client.shutdown(socket.SHUT_WR)
    assert read(server, 5) == b"hello"
    has_nothing(server)
    assert 0.1 < seconds_of(lambda: read_all(server)) < 0.15 + LATE_S


# ---- ends ----

def test_timeout(path):
    client, server = path.open()
    path.proxy.add("timeout", "up", 150)
    client.sendall(b"lost")
    server.sendall(b"comes")
    assert read(client, 5) == b"comes"
    assert 0.1 < seconds_of(lambda: read_all(client)) < 0.15 + LATE_S
    assert read_all(server) == b""


def test_reset_after_a_time(path):
    path.proxy.add("reset_peer", "100ms")
    client, server = path.open()
    assert 0.09 < seconds_of(lambda: is_reset(client)) < 0.1 + LATE_S
    assert is_reset(server)


def test_reset_after_bytes(path):
    path.proxy.add("reset_peer", "up", "7b")
    client, server = path.open()
    client.sendall(b"123456")
    assert read(server, 6) == b"123456"
    client.sendall(b"78")
    assert is_reset(client) and is_reset(server)


def test_limit_data_gives_so_many_bytes_and_a_fin_though_more_is_sent(path):
    path.proxy.add("limit_data", "down", 1000)
    path.proxy.add("bandwidth", "up", 0)
    client, server = path.open()
    client.sendall(bytes(10_000))
    server.sendall(bytes(5000))
    assert len(read_all(client)) == 1000
    client.close()
    server.close()


@pytest.mark.parametrize("fin", [False, True])
def test_a_plan_is_for_one_connection(path, fin):
    assert path.proxy.tell("plan down 3" + " fin" * fin) == 1
    client, server = path.open()
    server.sendall(b"12345")
    if fin:
        assert read(client, 3) == b"123"
        client.shutdown(socket.SHUT_WR)
        assert read_all(server) == b""
    assert is_reset(client) and (fin or is_reset(server))
    client, server = path.open()
    server.sendall(b"12345")
    assert read(client, 5) == b"12345"


def test_reset_by_command(path):
    pairs = [path.open() for _ in range(3)]
    assert path.proxy.reset() == 3
    assert all(is_reset(end) for pair in pairs for end in pair)
    assert path.proxy.reset() == 0


# ---- no end ----

def test_half_open_passes_nothing_and_closes_nothing(path):
    client, server = path.open()
    client.sendall(b"before")
    assert read(server, 6) == b"before"
    path.proxy.add("half_open")
    path.proxy.remove("half_open")
    client.sendall(b"after")
    client.shutdown(socket.SHUT_WR)
    path.settled()
    has_nothing(server)
    server.sendall(b"after")
    path.settled()
    has_nothing(client)
    client.close()
    path.settled()
    has_nothing(server)


def test_half_open_upwards_only(path):
    path.proxy.add("half_open", "up")
    client, server = path.open()
    client.sendall(b"lost")
    server.sendall(b"comes")
    assert read(client, 5) == b"comes"
    has_nothing(server)


@pytest.mark.parametrize("how", ["silent", "fin", "reset"])
def test_idle_cut(path, how):
    client, server = path.open()
    path.proxy.add("idle_cut", 0.2, how)
    for _ in range(4):  # 0.4 s, and never idle for so long
        time.sleep(0.1)
        client.sendall(b"x")
        assert read(server, 1) == b"x"
    begin = time.monotonic()
    wait_until(lambda: path.proxy.tell("cuts") == 1, "the cut")
    assert 0.15 < time.monotonic() - begin < 0.2 + LATE_S
    if how == "silent":
        client.sendall(b"lost")
        path.settled()
        has_nothing(server)
        has_nothing(client)
    else:
        assert [is_reset(end) if how == "reset" else read_all(end) == b"" for end in (client, server)] == [True, True]


def test_outage(path):
    pairs = [path.open() for _ in range(2)]
    begin = time.monotonic()
    assert path.proxy.outage(0.3) == 2
    assert all(is_reset(end) for pair in pairs for end in pair)
    with socket.socket() as other:
        assert other.connect_ex((LOOPBACK, path.proxy.port)) == errno.ECONNREFUSED

    def comes():
        with socket.socket() as one:
            return one.connect_ex((LOOPBACK, path.proxy.port)) == 0

    wait_until(comes, "the port to be open again")
    took = time.monotonic() - begin
    assert 0.3 <= path.proxy.outage_s <= took < 0.3 + LATE_S
    path.listener.accept()[0].close()  # of the one that looked
    path.settled()


# ---- what is told ----

@pytest.mark.parametrize("way", ["up", "down"])
def test_damage_is_one_bit_of_one_byte(path, way):
    path.proxy.add("damage", way, 5)
    client, server = path.open()
    for sender, taker, at in ((client, server, 5 if way == "up" else -1), (server, client, 5 if way == "down" else -1)):
        sender.sendall(bytes(3))
        came = read(taker, 3)
        sender.sendall(bytes(7))
        came += read(taker, 7)
        assert [(i, byte) for i, byte in enumerate(came) if byte] == ([(at, 0x10)] if at >= 0 else [])


@pytest.mark.parametrize("told", [None, ("198.51.100.9", 51544)])
def test_proxy_v2(path, told):
    path.proxy.add("proxy_v2", *(told or ()))
    client, server = path.open()
    client.sendall(b"hello")
    header = read(server, 28)
    assert header[:16] == SIGNATURE + b"\x21\x11\0\x0c"
    source, target = socket.inet_ntoa(header[16:20]), socket.inet_ntoa(header[20:24])
    assert ((source, struct.unpack("!H", header[24:26])[0]), target) == (told or client.getsockname(), LOOPBACK)
    assert struct.unpack("!H", header[26:28])[0] == path.proxy.port
    assert read(server, 5) == b"hello"
