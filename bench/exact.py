"""Whether an echo server on 127.0.0.1 gives every byte back, in its place, and then ends the stream.

`exact(port)` returns what went wrong, in words; nothing when all is well. `bench/exact.py PORT` prints it, status 1 if
there is anything. Each case has ten seconds, so a check ends in under two minutes whatever the server does."""
import array
import select
import socket
import struct
import sys
import time

MIB = 1024 * 1024
LARGE = 8 * MIB
MUTE_S = 0.8  # socat and its like give the other side half a second after the client's end


def pattern(length, tag=0):
    """Bytes of which each eight name their offset, so that a piece in the wrong place shows where it belongs."""
    words = array.array("Q", range(tag << 32, (tag << 32) + (length + 7) // 8))
    return memoryview(words.tobytes())[:length]


class Failure(Exception):
    """One thing that went wrong, in words."""


class Client:
    """A connection that is sent `data` and compares what comes back with it. Nothing here waits past the deadline."""

    def __init__(self, port, data, deadline, receive_buffer=None):
        self.data, self.deadline = data, deadline
        self.sent = self.back = 0
        self.ended = False
        self.socket = socket.socket()
        try:
            if receive_buffer:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.settimeout(self.left())
            self.socket.connect(("127.0.0.1", port))
            self.socket.setblocking(False)
        except OSError as error:
            self.socket.close()
            raise Failure(f"no connection: {error}") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def left(self):
        return max(self.deadline - time.monotonic(), 0.001)

    def progress(self):
        return f"{self.back:,} of {self.sent:,} bytes back"

    def wait(self, read, write, most=None):
        """What of the two the socket is ready for; both False after `most` seconds. Past the deadline it fails."""
        if time.monotonic() >= self.deadline:
            raise Failure(f"not done in time, {self.progress()}")
        seconds = self.left() if most is None else min(most, self.left())
        readable, writable, _ = select.select([self.socket] * read, [self.socket] * write, [], seconds)
        return bool(readable), bool(writable)

    def write(self, until):
        """Sends what the socket takes, of the data up to an offset."""
        try:
            self.sent += self.socket.send(self.data[self.sent:min(until, self.sent + MIB)])
        except BlockingIOError:
            pass
        except OSError as error:
            raise Failure(f"reset while sending ({error.strerror}), {self.progress()}") from None

    def read(self, most=256 * 1024):
        try:
            piece = self.socket.recv(most)
        except BlockingIOError:
            return
        except OSError as error:
            raise Failure(f"reset instead of an orderly end ({error.strerror}), {self.progress()}") from None
        if piece:
            self.compare(piece)
        self.ended = not piece

    def compare(self, piece):
        wanted = self.data[self.back:self.back + len(piece)]
        if self.back + len(piece) > self.sent:
            raise Failure(f"{self.back + len(piece) - self.sent:,} bytes more came back than were sent")
        if piece != wanted:
            at = next(i for i, byte in enumerate(piece) if byte != wanted[i])
            belongs = bytes(self.data).find(piece[at:at + 16])
            origin = f"what belongs at {belongs:,}" if belongs >= 0 else "bytes that were not sent"
            raise Failure(f"damaged: at offset {self.back + at:,} came {origin}")
        self.back += len(piece)

    def half_close(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise Failure(f"reset before the half-close ({error.strerror}), {self.progress()}") from None

    def move(self, until, is_done):
        """Sends the data up to an offset, and takes what comes back, until is_done(); no end of the stream may come."""
        while not is_done():
            readable, writable = self.wait(True, self.sent < until)
            if writable:
                self.write(until)
            if readable:
                self.read()
            if self.ended:
                raise Failure(f"ended by the server, {self.progress()}")

    def echo(self, until):
        """Sends the data up to an offset and has it all back."""
        self.move(until, lambda: self.back >= until)

    def drain(self):
        """Reads on to the end of the stream, by which everything must be back."""
        while not self.ended:
            if self.wait(True, False)[0]:
                self.read()
        if self.back < self.sent:
            raise Failure(f"lost: the stream ended with {self.progress()}")

    def write_mute(self, until):
        """Sends without reading, until all is sent or for MUTE_S nothing more is taken."""
        while self.sent < until and self.wait(False, True, MUTE_S)[1]:
            self.write(until)

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def half_close(port, deadline, length):
    """All is sent and the half-close made as fast as the server allows."""
    with Client(port, pattern(length), deadline) as client:
        client.move(length, lambda: client.sent >= length)
        client.half_close()
        client.drain()


def slow_reader(port, deadline):
    """8 MiB. The client reads nothing while the server still takes data, and nothing for a while after its half-close;
    otherwise it reads 16 KiB at a time, slowly for the first 2 MiB. Its receive buffer is small."""
    with Client(port, pattern(LARGE), deadline, 64 * 1024) as client:
        client.write_mute(LARGE)
        while client.sent < LARGE:
            readable, writable = client.wait(True, True)
            if writable:
                client.write(LARGE)
            if readable:
                read_slowly(client)
        client.half_close()
        time.sleep(min(MUTE_S, client.left()))
        while not client.ended:
            if client.wait(True, False)[0]:
                read_slowly(client)
        client.drain()


def read_slowly(client):
    client.read(16 * 1024)
    if client.ended and client.sent < LARGE:
        raise Failure(f"ended before the half-close, {client.progress()}")
    if client.back < 2 * MIB:
        time.sleep(0.001)


def two_segments(port, deadline):
    """The first part is back before the second is sent; the third and fourth follow each other at once."""
    with Client(port, pattern(70_000), deadline) as client:
        client.echo(3)
        client.echo(1000)
        client.write(1001)
        client.echo(70_000)
        client.half_close()
        client.drain()


def reset_beside(port, deadline):
    """Connections reset with echoes on the way and unread do no harm to one that is open, nor to one that comes."""
    data = pattern(MIB)
    with Client(port, data, deadline) as neighbour:
        neighbour.echo(1000)
        for tag in range(1, 9):
            with Client(port, pattern(MIB, tag), deadline) as victim:
                victim.echo(tag)
                victim.write(MIB)
                neighbour.write(MIB)
                victim.reset()
        neighbour.echo(MIB)
        with Client(port, data, deadline) as newcomer:
            newcomer.echo(1000)
        neighbour.half_close()
        neighbour.drain()


def mute_beside(port, deadline):
    """A connection that sends and does not read does not stop another."""
    with Client(port, pattern(LARGE, 1), deadline) as neighbour, Client(port, pattern(LARGE), deadline) as mute:
        neighbour.echo(1000)
        mute.write_mute(LARGE)
        try:
            neighbour.echo(2000)
        finally:
            mute.reset()


CASES = (
    ("slow reader, 8 MiB", slow_reader),
    ("half-close after 0 bytes", lambda port, deadline: half_close(port, deadline, 0)),
    ("half-close after 1 byte", lambda port, deadline: half_close(port, deadline, 1)),
    ("half-close after 64 KiB", lambda port, deadline: half_close(port, deadline, 64 * 1024)),
    ("half-close after 8 MiB", lambda port, deadline: half_close(port, deadline, LARGE)),
    ("data in several segments", two_segments),
    ("others are reset beside it", reset_beside),
    ("another does not read beside it", mute_beside),
)


def exact(port, limit_s=10.0):
    """The failures of a server, one line each. A case that takes longer than `limit_s` is one."""
    failures = []
    for name, case in CASES:
        try:
            case(port, time.monotonic() + limit_s)
        except Failure as failure:
            failures.append(f"{name}: {failure}")
    return failures


def main(arguments):
    if len(arguments) != 1 or not arguments[0].isdigit():
        print("use: bench/exact.py PORT", file=sys.stderr)
        return 2
    failures = exact(int(arguments[0]))
    print("\n".join(failures) or "exact")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
