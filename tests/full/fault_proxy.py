#!/usr/bin/python3
"""A TCP proxy that loses connections when it is told to: fault_proxy.py LISTEN_PORT TARGET_PORT, both on 127.0.0.1.

It says `ready` and then takes commands from standard input, a line each, and answers each with a line:

  reset                    resets both ends of all connections that are open; answers how many there were
  plan up|down BYTES       the next connection that has no plan yet is reset when so many bytes have passed upwards (to
                           the target) or downwards; answers how many plans wait
  plan down BYTES fin      the same, but those bytes having passed, the rest waits until the client has half-closed
  count                    answers how many connections there have been

Without a command it hands on bytes, FINs and resets. It ends with its standard input.
"""
import os
import selectors
import socket
import struct
import sys

LOOPBACK = "127.0.0.1"
PIECE = 256 * 1024


class Flow:
    """One direction. limit is how many bytes may pass before the plan's moment."""

    def __init__(self, source, sink, limit=None):
        self.source, self.sink, self.limit = source, sink, limit
        self.waiting = memoryview(b"")
        self.taken = 0
        self.ended = False  # the source has sent its FIN
        self.done = False  # and it has been handed on

    def at_limit(self):
        return self.limit is not None and self.taken >= self.limit and not self.waiting

    def wants_read(self):
        return not self.ended and not self.waiting and not self.at_limit()

    def read(self):
        most = PIECE if self.limit is None else min(PIECE, self.limit - self.taken)
        some = self.source.recv(most)
        self.taken += len(some)
        self.waiting = memoryview(some)
        self.ended = not some

    def write(self):
        self.waiting = self.waiting[self.sink.send(self.waiting):]

    def hand_on_end(self):
        if self.ended and not self.waiting and not self.done:
            self.sink.shutdown(socket.SHUT_WR)
            self.done = True


class Pair:
    def __init__(self, proxy, client, server, plan):
        self.proxy, self.client, self.server = proxy, client, server
        way, limit, self.after_fin = plan or (None, None, False)
        self.up = Flow(client, server, limit if way == "up" else None)
        self.down = Flow(server, client, limit if way == "down" else None)
        self.watched = {}

    def events(self, sock):
        inward, outward = (self.up, self.down) if sock is self.client else (self.down, self.up)
        return (selectors.EVENT_READ if inward.wants_read() else 0) | (selectors.EVENT_WRITE if outward.waiting else 0)

    def watch(self):
        for sock in (self.client, self.server):
            before, now = self.watched.get(sock, 0), self.events(sock)
            if now == before:
                continue
            if not before:
                self.proxy.selector.register(sock, now, self)
            elif not now:
                self.proxy.selector.unregister(sock)
            else:
                self.proxy.selector.modify(sock, now, self)
            self.watched[sock] = now

    def step(self, sock, events):
        try:
            for flow in (self.up, self.down):
                if events & selectors.EVENT_READ and flow.source is sock and flow.wants_read():
                    with_patience(flow.read)
                if flow.waiting:
                    with_patience(flow.write)
                flow.hand_on_end()
        except OSError:
            self.reset()
            return
        if self.planned_moment():
            self.reset()
        elif self.up.done and self.down.done:
            self.close()
        else:
            self.watch()

    def planned_moment(self):
        if self.after_fin:
            return self.down.at_limit() and self.up.done
        return self.up.at_limit() or self.down.at_limit()

    def close(self):
        for sock in (self.client, self.server):
            if self.watched.pop(sock, 0):
                self.proxy.selector.unregister(sock)
            sock.close()
        self.proxy.pairs.discard(self)

    def reset(self):
        for sock in (self.client, self.server):
            reset_at_close(sock)
        self.close()


def with_patience(act):
    try:
        act()
    except BlockingIOError:
        pass


def reset_at_close(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Proxy:
    def __init__(self, port, target):
        self.target = target
        self.selector = selectors.DefaultSelector()
        self.pairs, self.plans, self.count, self.text = set(), [], 0, b""
        self.listener = socket.create_server((LOOPBACK, port), backlog=64)
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(0, selectors.EVENT_READ)

    def accept(self):
        client, _ = self.listener.accept()
        self.count += 1
        try:
            server = socket.create_connection((LOOPBACK, self.target))
        except OSError:
            reset_at_close(client)
            client.close()
            return
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
        pair = Pair(self, client, server, self.plans.pop(0) if self.plans else None)
        self.pairs.add(pair)
        if pair.planned_moment():
            pair.reset()
        else:
            pair.watch()

    def obey(self, words):
        if words == ["reset"]:
            pairs = list(self.pairs)
            for pair in pairs:
                pair.reset()
            return len(pairs)
        if words[0] == "plan":
            self.plans.append((words[1], int(words[2]), words[3:] == ["fin"]))
            return len(self.plans)
        if words == ["count"]:
            return self.count
        raise ValueError(f"no such command: {words}")

    def read_commands(self):
        """Returns whether there may be more."""
        some = os.read(0, 4096)
        *lines, self.text = (self.text + some).split(b"\n")
        for line in lines:
            print(self.obey(line.decode().split()), flush=True)
        return bool(some)

    def run(self):
        print("ready", flush=True)
        while True:
            for key, events in self.selector.select():
                if key.fileobj == 0:
                    if not self.read_commands():
                        return
                elif key.fileobj is self.listener:
                    self.accept()
                elif key.data in self.pairs:
                    key.data.step(key.fileobj, events)


if __name__ == "__main__":
    Proxy(int(sys.argv[1]), int(sys.argv[2])).run()
