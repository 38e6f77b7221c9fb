"""Half-close, and what a reader that is slow or mute costs: the bytes come back exactly, then FIN, never a reset."""
import os
import signal
import socket
import threading

import pytest

from harness import (CHUNK, LOOPBACK, PATIENCE_S, Client, Flow, Positional, Server, connect, exchange, wait_until)

SIZES = [0, 1, 64 * 1024, 8 * 1024 * 1024]
MSS = 1460  # loopback's 64 KiB segments do not fit a small receive buffer, and each would wait for a window probe


def all_kinds(folder):
    return [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0", f"unix:{folder}/l.sock", f"raw+unix:{folder}/r.sock"]


def send_all_then_fin(client, data, size):
    """All of it into the kernel at once, where its buffer takes that; else by a thread, while nobody reads."""
    client.send(data.at(0, size))
    client.half_close()


@pytest.mark.parametrize("kind", ["raw", "login", "unix", "raw+unix"])
@pytest.mark.parametrize("reader", ["fast", "slow"])
def test_half_close(folder, kind, reader):
    with Server(folder, listen=all_kinds(folder)) as server:
        for size in SIZES:
            data = Positional("half-close", kind, reader, size)
            if reader == "fast":
                c = server.echo_client(kind)
                exchange([Flow(c, size, data)])
            else:
                c = server.echo_client(kind, rcvbuf=16 * 1024, sndbuf=size + (1 << 20), mss=MSS)
                sender = threading.Thread(target=send_all_then_fin, args=(c, data, size))
                sender.start()
                if size <= CHUNK or "unix" not in kind:  # SO_SNDBUFFORCE holds all for TCP; a unix socket has no queue
                    sender.join(20)
                    assert not sender.is_alive(), "the kernel did not take all that was sent"
                came = 0
                while some := c.read(8192):  # the timeout is the socket's
                    data.check(came, some)
                    came += len(some)
                sender.join()
                assert came == size
            c.close()
            server.wait_status(lambda s: s["connections"]["open"] == 0, "the connection to be gone")
        closed = server.status()["closed"]
        assert closed["reset"] == closed["error"] == closed["forced"] == 0
        assert closed["eof"] >= len(SIZES)


def write_until_full(client, data, sent):
    """Writes flat out for as long as the kernel takes it. Returns how much has been sent in all."""
    client.sock.setblocking(False)
    try:
        while True:
            sent += client.sock.send(data.at(sent, 4 * CHUNK))
    except BlockingIOError:
        return sent
    finally:
        client.sock.settimeout(PATIENCE_S)


@pytest.mark.parametrize("kind", ["raw", "login", "unix", "raw+unix"])
def test_a_mute_reader_holds_one_chunk(folder, kind):
    """A client that writes flat out and never reads is not read from: 64 KiB of it are held, and no more. The front
    is stopped at first, so that as much as the kernel holds lies before it when it goes on."""
    with Server(folder, "--workers", "1", listen=all_kinds(folder)) as server:
        c, data = server.echo_client(kind, rcvbuf=64 * 1024, mss=MSS), Positional("mute", kind)
        front = server.children()["front"]
        os.kill(front, signal.SIGSTOP)
        sent = write_until_full(c, data, 0)
        os.kill(front, signal.SIGCONT)
        seen = {"in": -1, "still": 0}

        def is_stuck():
            """Whether nothing has moved in 20 looks in a row although the client writes what it can."""
            nonlocal sent
            sent = write_until_full(c, data, sent)
            status = server.status()
            assert status["bytes_held"] <= CHUNK, f"{status['bytes_held']} bytes are held for one connection"
            seen["still"] = seen["still"] + 1 if status["bytes_in"] == seen["in"] else 0
            seen["in"] = status["bytes_in"]
            return seen["still"] >= 20 and status["chunks_held"] == 1

        wait_until(is_stuck, "the connection to be held up")
        assert seen["in"] < sent
        c.half_close()
        came = 0
        while some := c.read(1 << 20):
            data.check(came, some)
            came += len(some)
        assert came == sent


def test_many_mute_readers_hold_one_chunk_each(folder):
    count = 16
    with Server(folder, listen=[f"raw:{LOOPBACK}:0"]) as server:
        clients = [server.connect("raw", rcvbuf=32 * 1024, mss=MSS) for _ in range(count)]
        datas = [Positional("mute", i) for i in range(count)]
        sent = [0] * count

        def all_are_stuck():
            for i, c in enumerate(clients):
                sent[i] = write_until_full(c, datas[i], sent[i])
            s = server.status()
            assert s["bytes_held"] <= count * CHUNK
            assert s["chunks_held"] <= count
            return s["chunks_held"] == count

        wait_until(all_are_stuck, "each connection to hold a chunk")
        for i, c in enumerate(clients):
            c.half_close()
            came = 0
            while some := c.read(1 << 20):
                datas[i].check(came, some)
                came += len(some)
            assert came == sent[i]


def test_client_shuts_down_at_once_after_connecting(folder):
    """FIN as the first and only thing: EOF comes back, on both kinds; login says its greeting before."""
    with Server(folder, listen=all_kinds(folder)) as server:
        for kind in ("raw", "raw+unix"):
            c = server.connect(kind)
            c.half_close()
            assert c.to_end() == b""
        for kind in ("login", "unix"):
            c = server.connect(kind)
            c.half_close()
            assert c.to_end().startswith(b"220 ")


def test_no_reset_after_the_last_byte(folder):
    """A client that reads late, when the server has long gone from the connection, still gets all, then FIN."""
    with Server(folder, listen=[f"raw:{LOOPBACK}:0"]) as server:
        size = 200 * 1024
        data = Positional("late")
        c = Client(connect(server.address_of("raw"), rcvbuf=256 * 1024))
        c.send(data.at(0, size))
        c.half_close()
        server.wait_status(lambda s: s["connections"]["echo"] == 0, "the echo to be over")
        came = c.to_end()
        assert len(came) == size
        data.check(0, came)
        assert c.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        c.close()
