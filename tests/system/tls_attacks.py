"""Attackers over TLS, of any number: the quick tests and those at full size are made of them."""
import contextlib
import os
import select
import selectors
import signal
import socket
import ssl
import subprocess
import time

from clients import CHUNK, LOOPBACK, PATIENCE_S, Client, Positional, connect, randomness
from tls_clients import TlsSocket, context, tls_connect


def half_hello(ctx):
    """The first half of a ClientHello."""
    ends = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ctx.wrap_bio(*ends, server_hostname="host.example")
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = ends[1].read()
    return hello[:len(hello) // 2]


def never_shake(index, address, mute, half, places, drip_s=0.5):
    """So many connections that say nothing, and so many that say half a ClientHello and then a byte every drip_s.
    Returns when each was ended, in seconds from its beginning."""
    sel, ended, hello = selectors.DefaultSelector(), [], half_hello(context())
    for i in range(mute + half):
        s = connect(address, source=places[(index + i) % len(places)])
        began = time.monotonic()
        if i >= mute:
            s.sendall(hello[:-40])
        sel.register(s, selectors.EVENT_READ, (began, i >= mute))
        s.setblocking(False)
    dripped, next_drip = 0, time.monotonic() + drip_s
    while sel.get_map():
        for key, _ in sel.select(0.05):
            with contextlib.suppress(ConnectionResetError):
                assert not key.fileobj.recv(100), "a client that has not shaken hands was told something"
            ended.append(time.monotonic() - key.data[0])
            sel.unregister(key.fileobj)
            key.fileobj.close()
        if time.monotonic() >= next_drip:
            next_drip, dripped = next_drip + drip_s, dripped + 1
            for key in list(sel.get_map().values()):
                if key.data[1]:
                    with contextlib.suppress(OSError):
                        key.fileobj.send(hello[-40 + dripped % 39:][:1])
    return ended


def shake_on(index, address, place, stop):
    """Full handshakes from one address, as fast as they come. Returns how many there were, and how many were refused."""
    ctx, count, refused = context(), 0, 0
    while not stop.is_set():
        try:
            tls_connect(address, ctx=ctx, source=place).reset()
            count += 1
        except OSError:
            refused += 1
    return count, refused


def send_in_records_of_one_byte(index, address, count):
    """All come back, in as many records as the server likes, and behind them the end. Returns how long it took."""
    data, tls = Positional("small", index), TlsSocket(connect(address), context()).shake()
    wire = b"".join(tls.wire(data.at(i, 1)) for i in range(count))
    began, came = time.monotonic(), 0
    tls.sock.setblocking(False)
    while came < count:
        readable, writable, _ = select.select([tls.sock], [tls.sock] if wire else [], [], PATIENCE_S)
        assert readable or writable, f"{came} of {count} bytes came back, and nothing more"
        if writable:
            wire = wire[tls.sock.send(wire[:CHUNK]):]
        if readable:
            tls.fill()
            with contextlib.suppress(ssl.SSLWantReadError):
                while some := tls.tls.read(1 << 16):
                    data.check(came, some)
                    came += len(some)
    took = time.monotonic() - began
    tls.sock.settimeout(PATIENCE_S)
    tls.notify()
    assert Client(tls).to_end() == b"" and tls.how == "close_notify"
    tls.close()
    return took


def update_keys(address, letter="k", most=100_000):
    """openssl s_client sends a key update for each read of its input that begins with k; with K it wants one back, too.
    Returns when it has been cut off, with how many were sent."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client = subprocess.Popen(["openssl", "s_client", "-connect", f"{LOOPBACK}:{address}"], stdin=its,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    its.close()
    sent = 0
    try:
        while b"Verify return code" not in os.read(client.stdout.fileno(), 1 << 16):
            pass
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):  # it goes when it is cut off
            while sent < most:
                ours.sendall(letter.encode() + b"\n")
                sent += 1
        client.communicate(timeout=PATIENCE_S)
        return sent
    finally:
        ours.close()
        if client.poll() is None:
            client.send_signal(signal.SIGKILL)
            client.communicate()


def reset_at_random(index, raw, login, count):
    """Connections that are reset at any point: within the handshake, within the login, while bytes go both ways, behind
    an end of their own."""
    dice, ctx, text = randomness("tls reset", index), context(), bytes(CHUNK)
    hello = half_hello(ctx)
    for _ in range(count):
        is_raw = dice.random() < 0.7
        small = {"rcvbuf": 2048, "sndbuf": 1 << 20, "mss": 1460} if dice.random() < 0.3 else {}
        s = connect(raw if is_raw else login, **small)
        try:
            if dice.random() < 0.2:
                s.send(hello[:dice.randrange(len(hello))])
                continue
            c = Client(TlsSocket(s, ctx).shake())
            if not is_raw and dice.random() < 0.5:
                c.login(f"reset{index}")
            s.setblocking(False)
            for _ in range(dice.randint(0, 8 if small else 4)):
                s.send(c.sock.wire(text[:dice.randint(1, CHUNK)]))
            if small:
                select.select([], [], [], dice.random() / 200)  # a random moment, which need not be the first
            if dice.random() < 0.3:
                c.half_close()
            if dice.random() < 0.5:
                s.recv(dice.randint(1, CHUNK))
        except (BlockingIOError, ConnectionError):
            pass
        finally:
            Client(s).reset()
    return count
