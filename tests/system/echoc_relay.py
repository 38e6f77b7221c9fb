"""What lies between echoc and its server: hands bytes on, changes them, cuts connections, is gone for a while."""
import contextlib
import socket
import struct
import threading

import pytest

from harness import free_ports


class Relay:
    """change(offset, bytes) is what becomes of bytes that the server sends: others, or None, which cuts there."""

    def __init__(self, target, change):
        self.targets, self.change = [target], change  # one after the other, the last for all that follow
        self.count, self.port = 0, free_ports(1)
        self.lock, self.open = threading.Lock(), []
        self.listener = None
        self.begin()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def begin(self):
        """Takes connections, on the port that it had before."""
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.run, args=(self.listener,), daemon=True).start()

    def end(self):
        """Resets what there is, and takes no more."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()

    def cut(self):
        with self.lock:
            cut, self.open = self.open, []
        for one in cut:
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.shutdown(socket.SHUT_RD)
            one.close()

    def run(self, listener):
        while True:
            try:
                client = listener.accept()[0]
                server = socket.create_connection(self.targets.pop(0) if self.targets[1:] else self.targets[0])
            except OSError:
                return
            self.count += 1
            with self.lock:
                self.open += [client, server]
            for one, other, change in ((client, server, None), (server, client, self.change)):
                threading.Thread(target=self.pump, args=(one, other, change), daemon=True).start()

    @staticmethod
    def pump(one, other, change):
        at = 0
        with contextlib.suppress(OSError):
            while some := one.recv(65536):
                sent = change(at, some) if change else some
                at += len(some)
                if sent is None:
                    break
                other.sendall(sent)
            other.shutdown(socket.SHUT_WR)


def where(server):
    host, port = server.address.split(":")
    return host, int(port)


@pytest.fixture
def relay():
    made = []

    def make(server, change=None, then=None):
        made.append(Relay(where(server), change))
        if then:
            made[-1].targets.append(where(then))
        return made[-1]
    yield make
    for one in made:
        one.end()
