#!/usr/bin/python3
"""A TCP proxy with the faults of a path: fault_proxy.py LISTEN_PORT TARGET_PORT, both on 127.0.0.1, 0 for any port.

It says `ready PORT` and then takes commands from standard input, a line each, and answers each with a line:

  add NAME [up|down|both] …  from now on the path has this fault, instead of one of that name, upwards (to the target),
                             downwards or both ways, which is meant unless said; connections that are open have it too
  remove NAME [up|down|both] it has it no longer; `clear` removes all of them
  outage SECONDS             resets all connections and closes the port, for so long; answers how many there were
  outage_s                   answers how long the last outage was
  reset                      resets both ends of all connections that are open; answers how many there were
  plan up|down BYTES         the next connection that has no plan yet is reset when so many bytes have passed; answers
                             how many plans wait
  plan down BYTES fin        the same, but those bytes having passed, the rest waits until the client has half-closed
  count, cuts                answer how many connections there have been, and how many were cut for idling

The faults, and what follows their name (toxiproxy's toxics have the same names; times are ms, but for idle_cut):

  latency MS [JITTER [SEED]]     each piece takes so long, give or take the jitter, and none overtakes another
  bandwidth KB_PER_S             0: nothing passes until it is removed
  slicer BYTES [MS [SEED]]       pieces of about so many bytes, with a pause between them
  timeout MS                     data disappears, and after so long the connection is closed; 0: it never is
  reset_peer NUMBERms|NUMBERb    resets after so long, or when so many bytes have passed
  limit_data BYTES               closes when so many bytes have passed
  slow_close MS                  a FIN takes so long
  half_open                      neither data nor FIN passes any more, and the sockets stay open, even when it is removed
  damage OFFSET                  flips a bit of that byte
  idle_cut SECONDS [silent|fin|reset]  without traffic for so long a connection is cut; after a silent cut what comes
                                 disappears. Both ways only, as is the next
  proxy_v2 [HOST PORT]           the target is told the client's address, or that one, by a PROXY header

Without them it hands on bytes, FINs and resets. It ends with its standard input.
"""
import ctypes
import heapq
import itertools
import os
import selectors
import socket
import struct
import sys
import time

from fault_flow import KINDS, SO_TIMESTAMPNS, Flow

LOOPBACK = "127.0.0.1"
SPIN_S = 0.0003    # a select returns late by less than this
PR_SET_TIMERSLACK = 29
WAYS = ("up", "down")
clock = time.monotonic


class Pair:
    """A connection and its target's. live: neither closed nor reset."""

    def __init__(self, proxy, client, server, plan):
        self.proxy, self.client, self.server = proxy, client, server
        way, limit, self.after_fin = plan or (None, None, False)
        self.up = Flow(client, server, proxy.faults["up"], limit if way == "up" else None)
        self.down = Flow(server, client, proxy.faults["down"], limit if way == "down" else None)
        self.flows = {"up": self.up, "down": self.down}
        self.watched, self.armed = {}, {}
        self.live = True
        self.moved = clock()  # when there was traffic
        for way, faults in proxy.faults.items():
            for name in faults:
                self.meet(way, name)

    # ---- events ----

    def events(self, sock):
        inward, outward = (self.up, self.down) if sock is self.client else (self.down, self.up)
        return (selectors.EVENT_READ if inward.wants_read() else 0) | (selectors.EVENT_WRITE if outward.blocked else 0)

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

    def arm(self):
        for way, flow in self.flows.items():
            due = flow.next_due()
            if due is not None and due != self.armed.get(way):
                self.armed[way] = due
                self.proxy.at(due, self.settle)

    def step(self, sock, events):
        flow, back = (self.up, self.down) if sock is self.client else (self.down, self.up)
        if events & selectors.EVENT_READ and flow.wants_read():
            self.read(flow)
        if events & selectors.EVENT_WRITE:
            back.blocked = False
        self.settle()

    def read(self, flow):
        try:
            if flow.read():
                self.moved = clock()
        except BlockingIOError:
            pass
        except OSError:
            flow.ended = True
            if not flow.hole:
                self.reset()

    def settle(self):
        """Delivers what is due, and does what follows from that."""
        for flow, back in ((self.up, self.down), (self.down, self.up)):
            if not self.live:
                return
            try:
                if not flow.blocked:
                    flow.deliver(clock())
            except OSError:
                if back.hole:
                    flow.vanish()
                else:
                    self.reset()
        if self.live:
            self.look_at_ends()
        if self.live:
            self.watch()
            self.arm()

    def look_at_ends(self):
        if self.planned_moment() or self.has_met("reset_peer"):
            self.reset()
        elif all(flow.done or (flow.hole and flow.ended) for flow in self.flows.values()):
            self.close()
        elif self.has_met("limit_data"):
            self.end()

    def has_met(self, name):
        """So many bytes have passed as that fault of either direction says."""
        return any(name in flow.faults and flow.at_limit(flow.faults[name].limit) for flow in self.flows.values())

    def planned_moment(self):
        if self.after_fin:
            return self.down.at_limit(self.down.plan) and self.up.done
        return self.up.at_limit(self.up.plan) or self.down.at_limit(self.down.plan)

    # ---- faults ----

    def meet(self, way, name):
        """The path has this fault from now on."""
        flow, fault = self.flows[way], self.proxy.faults[way][name]
        if name == "half_open":
            flow.vanish()
        elif name == "idle_cut" and way == "up":
            self.proxy.at(self.moved + fault.after_s, lambda: self.look_idle(fault))
        elif name == "timeout" and fault.after_s:
            self.proxy.at(clock() + fault.after_s, lambda: self.end_by(way, name, fault, self.end))
        elif name == "reset_peer" and fault.after_s is not None:
            self.proxy.at(clock() + fault.after_s, lambda: self.end_by(way, name, fault, self.reset))

    def end_by(self, way, name, fault, end):
        if self.live and self.proxy.faults[way].get(name) is fault:
            end()

    def look_idle(self, fault):
        if not self.live or self.proxy.faults["up"].get("idle_cut") is not fault or self.up.hole or self.down.hole:
            return
        due = self.moved + fault.after_s
        if clock() < due:
            self.proxy.at(due, lambda: self.look_idle(fault))
            return
        self.proxy.cuts += 1
        if fault.how == "silent":
            self.up.vanish()
            self.down.vanish()
            self.settle()
        else:
            (self.reset if fault.how == "reset" else self.end)()

    # ---- ends ----

    def end(self):
        """Both get a FIN, and it comes first: what they sent and nobody took makes close() send a reset."""
        for sock in (self.client, self.server):
            try:
                sock.shutdown(socket.SHUT_WR)
            except OSError:  # it has gone already
                pass
        self.close()

    def close(self):
        if not self.live:
            return
        self.live = False
        for sock in (self.client, self.server):
            if self.watched.pop(sock, 0):
                self.proxy.selector.unregister(sock)
            sock.close()
        self.proxy.pairs.discard(self)

    def reset(self):
        if self.live:
            for sock in (self.client, self.server):
                reset_at_close(sock)
            self.close()


def reset_at_close(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def header_v2(source, target):
    block = socket.inet_aton(source[0]) + socket.inet_aton(target[0]) + struct.pack("!HH", source[1], target[1])
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", 0x21, 0x11, len(block)) + block


class Proxy:
    def __init__(self, port, target):
        self.target = target
        self.selector = selectors.SelectSelector()  # unlike epoll's, its time-outs are finer than a millisecond
        self.pairs, self.plans, self.count, self.cuts, self.text = set(), [], 0, 0, b""
        self.faults = {"up": {}, "down": {}}
        self.timers, self.order = [], itertools.count()
        self.outage_s, self.out = 0.0, False
        self.port = port
        self.bind()
        self.open()
        self.selector.register(0, selectors.EVENT_READ)

    def at(self, when, act):
        heapq.heappush(self.timers, (when, next(self.order), act))

    # ---- the port ----

    def bind(self):
        """The port is kept although nobody listens there."""
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((LOOPBACK, self.port))
        self.port = self.listener.getsockname()[1]

    def open(self):
        self.listener.listen(64)
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.out = False

    def outage(self, seconds):
        if self.out:
            raise ValueError("there is an outage already")
        begin, self.out = clock(), True
        self.selector.unregister(self.listener)
        self.listener.close()
        reset = self.reset_all()
        self.bind()

        def reopen():
            self.open()
            self.outage_s = clock() - begin

        self.at(begin + seconds, reopen)
        return reset

    def accept(self):
        client, address = self.listener.accept()
        self.count += 1
        try:
            server = socket.create_connection((LOOPBACK, self.target))
            header = self.faults["up"].get("proxy_v2")
            if header:
                server.sendall(header_v2(header.source or address, (LOOPBACK, self.port)))
        except OSError:
            reset_at_close(client)
            client.close()
            return
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            sock.setblocking(False)
        pair = Pair(self, client, server, self.plans.pop(0) if self.plans else None)
        self.pairs.add(pair)
        pair.settle()

    # ---- commands ----

    def reset_all(self):
        pairs = list(self.pairs)
        for pair in pairs:
            pair.reset()
        return len(pairs)

    def ways(self, words):
        """Takes the direction off the words."""
        way = words.pop(0) if words and words[0] in (*WAYS, "both") else "both"
        return WAYS if way == "both" else (way,)

    def add(self, words):
        name, *words = words
        for way in self.ways(words):
            self.faults[way][name] = KINDS[name](*words)
            for pair in list(self.pairs):
                pair.meet(way, name)
                pair.settle()
        return "ok"

    def remove(self, words):
        name, *words = words
        for way in self.ways(words):
            self.faults[way].pop(name, None)
        return self.go_on()

    def clear(self):
        for faults in self.faults.values():
            faults.clear()
        return self.go_on()

    def go_on(self):
        """What a fault held up is read again."""
        for pair in list(self.pairs):
            pair.settle()
        return "ok"

    def plan(self, words):
        self.plans.append((words[0], int(words[1]), words[2:] == ("fin",)))
        return len(self.plans)

    def obey(self, command, *words):
        answers = {"add": lambda: self.add(words), "remove": lambda: self.remove(words), "clear": self.clear,
                   "outage": lambda: self.outage(float(words[0])), "outage_s": lambda: self.outage_s,
                   "reset": self.reset_all, "plan": lambda: self.plan(words), "count": lambda: self.count,
                   "cuts": lambda: self.cuts}
        return answers[command]()

    def read_commands(self):
        """Returns whether there may be more."""
        some = os.read(0, 4096)
        *lines, self.text = (self.text + some).split(b"\n")
        for line in lines:
            try:
                answer = self.obey(*line.decode().split())
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                answer = f"error: {line.decode()}: {error!r}"
            print(answer, flush=True)
        return bool(some)

    # ---- the loop ----

    def run_timers(self):
        while self.timers and self.timers[0][0] <= clock():
            heapq.heappop(self.timers)[2]()

    def patience(self):
        """How long to wait for an event: less than until the next moment, for a wait ends late."""
        return max(0.0, self.timers[0][0] - clock() - SPIN_S) if self.timers else None

    def run(self):
        ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1)  # a wait ends as soon as it can, not 50 us later
        print(f"ready {self.port}", flush=True)
        while True:
            events = self.selector.select(self.patience())
            self.run_timers()
            for key, what in events:
                if key.fileobj == 0:
                    if not self.read_commands():
                        return
                elif key.fileobj is self.listener:
                    self.accept()
                elif key.data and key.data.live:
                    key.data.step(key.fileobj, what)


if __name__ == "__main__":
    Proxy(int(sys.argv[1]), int(sys.argv[2])).run()
