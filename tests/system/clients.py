"""Clients of the system tests, and data of which every place is known. Nothing here sleeps for a fixed time: what is
waited for is an event or a counter, and each wait has a limit."""
import os
import random
import re
import select
import selectors
import socket
import struct
import time

SEED = int(os.environ.get("TEST_SEED", random.SystemRandom().randrange(1 << 32)))
PATIENCE_S = 15  # for anything that should take much less
POLL_S = 0.01
CHUNK = 64 * 1024
LOOPBACK = "127.0.0.1"
PASSWORD = "correct horse"
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
IP_BIND_ADDRESS_NO_PORT = 24


def randomness(*what):
    """A generator of its own for each purpose, so that one test's draws do not shift another's."""
    return random.Random(":".join(str(part) for part in (SEED, *what)))


class Positional:
    """An endless stream of bytes of which any part can be had. No 64 KiB block is like another, so that bytes which
    are lost, doubled or displaced are seen."""

    BLOCK = 64 * 1024

    def __init__(self, *what):
        self.what = what
        self.blocks = {}

    def block(self, index):
        if index not in self.blocks:
            if len(self.blocks) > 256:
                self.blocks.clear()
            self.blocks[index] = randomness("data", *self.what, index).randbytes(self.BLOCK)
        return self.blocks[index]

    def at(self, offset, length):
        first, last = offset // self.BLOCK, (offset + length - 1) // self.BLOCK if length else offset // self.BLOCK
        text = b"".join(self.block(index) for index in range(first, last + 1))
        return text[offset - first * self.BLOCK:][:length]

    def check(self, offset, came):
        wanted = self.at(offset, len(came))
        if came != wanted:
            where = next(i for i in range(len(came)) if came[i] != wanted[i])
            raise AssertionError(f"byte {offset + where} differs: {came[where:where + 16].hex()} instead of "
                                 f"{wanted[where:where + 16].hex()} (TEST_SEED={SEED})")


def wait_until(condition, what, timeout=PATIENCE_S):
    """Polls until condition() is true, and returns what it gave."""
    end = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout} s in vain for {what}")
        time.sleep(POLL_S)


def connect(address, rcvbuf=None, sndbuf=None, mss=None, timeout=PATIENCE_S, source=None):
    """address: a port on loopback, (host, port), or a unix socket's path. Small buffers are set before connecting.
    source: the address to come from, as 127.0.0.2."""
    if isinstance(address, int):
        address = (LOOPBACK, address)
    s = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    if rcvbuf:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    if sndbuf:
        try:
            s.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, sndbuf)
        except PermissionError:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
    if mss and s.family != socket.AF_UNIX:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)
    s.settimeout(timeout)
    if source:
        s.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        s.bind((source, 0))
    s.connect(address)
    if s.family != socket.AF_UNIX:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


class Client:
    """One connection and the login dialogue on it. What was read too far is kept for the next read."""

    def __init__(self, sock):
        self.sock = sock
        self.kept = b""

    def fileno(self):
        return self.sock.fileno()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes with an RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def read(self, most=1 << 16):
        """Some bytes; b"" is the server's FIN."""
        if self.kept:
            some, self.kept = self.kept[:most], self.kept[most:]
            return some
        return self.sock.recv(most)

    def exactly(self, length):
        parts, left = [], length
        while left:
            some = self.read(min(left, 1 << 20))
            assert some, f"the connection ended {left} bytes before the {length} that were awaited"
            parts.append(some)
            left -= len(some)
        return b"".join(parts)

    def to_end(self):
        """All up to the server's FIN; a reset is an error."""
        parts = []
        while True:
            some = self.read()
            if not some:
                return b"".join(parts)
            parts.append(some)

    def line(self):
        while b"\n" not in self.kept:
            some = self.sock.recv(1 << 16)
            assert some, f"the connection ended within a line: {self.kept!r}"
            self.kept += some
        line, _, self.kept = self.kept.partition(b"\n")
        assert line.endswith(b"\r"), f"a reply that does not end in CRLF: {line!r}"
        return line[:-1].decode()

    def reply(self):
        """A whole reply: its code and its lines' texts."""
        texts, code = [], None
        while True:
            line = self.line()
            assert re.match(r"\d\d\d[ -]", line), f"not a reply: {line!r}"
            assert code in (None, line[:3]), f"two codes in one reply: {line!r}"
            code = line[:3]
            texts.append(line[4:])
            if line[3] == " ":
                return int(code), texts

    def code(self):
        return self.reply()[0]

    def ask(self, line, end=b"\r\n"):
        """Sends a command and returns its reply's code."""
        self.send((line if isinstance(line, bytes) else line.encode()) + end)
        return self.code()

    def login(self, name="anna", password=PASSWORD):
        """From the greeting to the echo phase; registers where there is no such account."""
        assert self.code() == 220
        code = self.ask(f"USER {name}")
        assert code in (331, 332), code
        assert self.ask(f"PASS {password}") == 230
        return code == 332  # whether it is new

    def echoes(self, data):
        data = data if isinstance(data, bytes) else data.encode()
        self.send(data)
        assert self.exactly(len(data)) == data


class Flow:
    """One connection of an exchange: sends size positional bytes and checks what comes back.

    piece: a callable that gives the size of the next send. greedy: reads whenever something is there; else only when
    nothing more can be sent, and then in small pieces until it can.
    """

    def __init__(self, client, size, data, piece=lambda: CHUNK, greedy=True, half_close=True):
        self.client, self.size, self.data, self.piece = client, size, data, piece
        self.greedy, self.half_close = greedy, half_close
        self.sent = self.came = 0
        self.ended = False
        client.sock.setblocking(False)
        self.take(client.kept)
        client.kept = b""

    def take(self, some):
        self.data.check(self.came, some)
        self.came += len(some)
        assert self.came <= self.sent, "more came back than was sent"

    def send_some(self):
        """Returns whether the kernel took anything."""
        some = self.data.at(self.sent, min(self.piece(), self.size - self.sent))
        try:
            n = self.client.sock.send(some)
        except BlockingIOError:
            return False
        self.sent += n
        if self.sent == self.size and self.half_close:
            self.client.half_close()
        return True

    def read_some(self, most):
        some = self.client.sock.recv(most)
        if some:
            self.take(some)
            return
        assert self.came == self.size and self.sent == self.size, \
            f"the connection ended after {self.came} of {self.size} bytes"
        self.ended = True

    @property
    def done(self):
        return self.ended if self.half_close else self.came == self.size


def exchange(flows, timeout=50):
    """Runs all flows at once until each has all its bytes (and the FIN, where it has half-closed)."""
    end = time.monotonic() + timeout
    sel = selectors.DefaultSelector()
    for f in flows:
        if f.size == 0 and f.half_close:
            f.client.half_close()
        sel.register(f.client.sock, selectors.EVENT_READ, f)
    open_flows = set(flows)

    def watch(f):
        sends = f.sent < f.size
        if not sends or f.greedy:
            mask = selectors.EVENT_READ | (selectors.EVENT_WRITE if sends else 0)
        else:
            mask = selectors.EVENT_WRITE
        if sel.get_key(f.client.sock).events != mask:
            sel.modify(f.client.sock, mask, f)

    for f in flows:
        watch(f)
    while open_flows:
        left = end - time.monotonic()
        assert left > 0, f"{len(open_flows)} connections had not ended after {timeout} s: " + \
            ", ".join(f"{f.sent} sent {f.came} came of {f.size}" for f in list(open_flows)[:5])
        ready = sel.select(min(left, 0.05))
        if not ready:  # the lazy ones can send no more: they read a little
            for f in list(open_flows):
                if not f.greedy and f.sent < f.size:
                    try:
                        f.read_some(CHUNK)
                    except BlockingIOError:
                        pass
        for key, mask in ready:
            f = key.data
            if mask & selectors.EVENT_WRITE and f.sent < f.size:
                f.send_some()
            if mask & selectors.EVENT_READ:
                f.read_some(1 << 20 if f.greedy else 4096)
            if f.done:
                sel.unregister(f.client.sock)
                open_flows.discard(f)
            else:
                watch(f)
    sel.close()
    for f in flows:
        f.client.sock.settimeout(PATIENCE_S)


def fill(client, data):
    """Writes until neither side takes more. Returns how much was written."""
    sent = 0
    client.sock.setblocking(False)
    while True:
        try:
            sent += client.sock.send(data.at(sent, CHUNK))
        except BlockingIOError:
            if not select.select([], [client.sock], [], 0.3)[1]:
                client.sock.settimeout(PATIENCE_S)
                return sent
