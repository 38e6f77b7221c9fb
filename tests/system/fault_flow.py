"""The faults of a path, and one direction of a connection that has them: fault_proxy.py's own."""
import collections
import random
import re
import socket
import struct
import time

PIECE = 256 * 1024
QUEUE_MAX = 4 << 20  # bytes of a direction that are on their way; a sender waits beyond
SMOOTH_S = 0.01      # what a bandwidth lets through in this time is one piece
LAG_MAX_S = 0.05     # a data's age that is greater is a jump of the wall clock
SO_TIMESTAMPNS = 35

Latency = collections.namedtuple("Latency", "delay_s")      # delay_s() is the delay of one piece
Bandwidth = collections.namedtuple("Bandwidth", "per_s")    # bytes
Slicer = collections.namedtuple("Slicer", "size pause_s")   # size() is that of one piece
Timeout = collections.namedtuple("Timeout", "after_s")      # 0: never
ResetPeer = collections.namedtuple("ResetPeer", "after_s limit")  # one of them is None
LimitData = collections.namedtuple("LimitData", "limit")
SlowClose = collections.namedtuple("SlowClose", "by_s")
HalfOpen = collections.namedtuple("HalfOpen", "")
Damage = collections.namedtuple("Damage", "offset")
IdleCut = collections.namedtuple("IdleCut", "after_s how")
ProxyV2 = collections.namedtuple("ProxyV2", "source")       # (host, port), or None for the client's own


def latency(ms, jitter="0", seed="0"):
    mean, half, dice = float(ms) / 1000, float(jitter) / 1000, random.Random(int(seed))
    if not half:
        return Latency(lambda: mean)
    return Latency(lambda: max(0.0, dice.uniform(mean - half, mean + half)))


def slicer(average, pause_ms="0", seed="0"):
    most, dice = 2 * int(average) - 1, random.Random(int(seed))
    return Slicer(lambda: dice.randint(1, most), float(pause_ms) / 1000)


def reset_peer(when):
    number, unit = re.fullmatch(r"([0-9.]+)(ms|b)", when).groups()
    return ResetPeer(float(number) / 1000, None) if unit == "ms" else ResetPeer(None, int(number))


def idle_cut(seconds, how="silent"):
    if how not in ("silent", "fin", "reset"):
        raise ValueError(how)
    return IdleCut(float(seconds), how)


def proxy_v2(host=None, port=None):
    return ProxyV2((host, int(port)) if host else None)


KINDS = {
    "latency": latency, "bandwidth": lambda kb: Bandwidth(float(kb) * 1000), "slicer": slicer,
    "timeout": lambda ms: Timeout(float(ms) / 1000), "reset_peer": reset_peer,
    "limit_data": lambda size: LimitData(int(size)), "slow_close": lambda ms: SlowClose(float(ms) / 1000),
    "half_open": HalfOpen, "damage": lambda offset: Damage(int(offset)), "idle_cut": idle_cut, "proxy_v2": proxy_v2,
}


class Flow:
    """One direction: what is read from source waits in the queue until it is due, and is written to sink.

    A place on the way that is held up holds up all behind it; but how long each piece takes is counted from when it
    came, so that a latency is the same for many on their way as for one. An end is queued as data is (as None). plan is
    how many bytes may pass before the pair's moment, taken counts what was read, faults are those of this direction."""

    def __init__(self, source, sink, faults, plan=None):
        self.source, self.sink, self.faults, self.plan = source, sink, faults, plan
        self.queue, self.queued = collections.deque(), 0  # of (due, data)
        self.free = self.last_due = 0.0  # when the line is free again; when the last piece is due
        self.taken = 0
        self.ended = False    # the source has sent its FIN
        self.done = False     # and it has been handed on
        self.hole = False     # what comes disappears
        self.blocked = False  # the sink takes no more at present

    def limit(self):
        """How many bytes may pass in all, or None."""
        reset, most = self.faults.get("reset_peer"), self.faults.get("limit_data")
        limits = [self.plan, reset and reset.limit, most and most.limit]
        return min((n for n in limits if n is not None), default=None)

    def at_limit(self, limit):
        return limit is not None and self.taken >= limit and not self.queue

    def wants_read(self):
        if self.ended or self.hole:
            return not self.ended
        line, limit = self.faults.get("bandwidth"), self.limit()
        most = QUEUE_MAX if line is None else min(QUEUE_MAX, line.per_s / 4)
        return self.queued < most and (limit is None or self.taken < limit)

    def read(self):
        """Returns how many bytes came."""
        limit = None if self.hole else self.limit()
        some, came = self.receive(PIECE if limit is None else min(PIECE, limit - self.taken))
        begin, self.taken, self.ended = self.taken, self.taken + len(some), not some
        if self.hole or "timeout" in self.faults:
            return len(some)
        if some:
            self.put(self.damaged(some, begin), came)
        else:
            slow = self.faults.get("slow_close")
            self.enqueue(None, max(came, self.free) + (slow.by_s if slow else 0))
        return len(some)

    def receive(self, most):
        """Also gives when it came, to the kernel: waking up takes 0.1 ms after a sleep, and is no part of the path. The
        wall clock is read first, so that a pause between the two clocks makes that later and nothing early."""
        if "latency" not in self.faults:
            return self.source.recv(most), time.monotonic()
        some, notes, _, _ = self.source.recvmsg(most, 64)
        stamps = [struct.unpack("qq", data) for _, kind, data in notes if kind == SO_TIMESTAMPNS]
        age = (time.time_ns() - stamps[0][0] * 1_000_000_000 - stamps[0][1]) / 1e9 if stamps else 0
        return some, time.monotonic() - min(max(0.0, age), LAG_MAX_S)

    def damaged(self, some, begin):
        fault = self.faults.get("damage")
        at = fault.offset - begin if fault else -1
        return some[:at] + bytes([some[at] ^ 0x10]) + some[at + 1:] if 0 <= at < len(some) else some

    def put(self, some, came):
        line, cutter, at = self.faults.get("bandwidth"), self.faults.get("slicer"), 0
        while at < len(some):
            size = cutter.size() if cutter else len(some)
            if line:
                size = min(size, max(1, int(line.per_s * SMOOTH_S)))
            piece = some[at:at + size]
            at += len(piece)
            self.free = max(came, self.free) + (len(piece) / line.per_s if line else 0)
            self.enqueue(piece, self.free)
            self.free += cutter.pause_s if cutter else 0

    def enqueue(self, data, leaves):
        slow = self.faults.get("latency")
        self.last_due = max(self.last_due, leaves + (slow.delay_s() if slow else 0))
        self.queue.append((self.last_due, data))
        self.queued += len(data or b"")

    def next_due(self):
        """When there is something to do again without an event, or None."""
        return self.queue[0][0] if self.queue and not self.blocked else None

    def deliver(self, now):
        """Writes what is due."""
        self.blocked = False
        while self.queue and self.queue[0][0] <= now:
            due, data = self.queue[0]
            if data is None:
                self.sink.shutdown(socket.SHUT_WR)
                self.done = True
            else:
                try:
                    sent = self.sink.send(data)
                except BlockingIOError:
                    sent = 0
                self.queued -= sent
                if sent < len(data):
                    self.queue[0] = (due, memoryview(data)[sent:])
                    self.blocked = True
                    return
            self.queue.popleft()

    def vanish(self):
        """From now on what comes disappears, and so does what is on its way."""
        self.hole, self.blocked, self.queued = True, False, 0
        self.queue.clear()
