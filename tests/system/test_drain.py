"""The end of a server: nothing that has arrived is lost, and nobody is waited for in vain."""
import os
import select
import signal
import time

from harness import (fill, CHUNK, LOOPBACK, PATIENCE_S, Positional, Server, connect, has, wait_until)

BOTH = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]


def take_the_rest(client, data):
    """Reads to the end, which may be a reset, and checks it all; returns how much came."""
    came = 0
    try:
        while some := client.read(4096):
            data.check(came, some)
            came += len(some)
    except ConnectionResetError:
        pass  # the server has stopped to read what came after its end
    return came


# ---- drain ----

def test_drain_gives_back_all_that_was_sent_before(folder):
    for turn in range(3):
        with Server(folder, name=f"drain{turn}", listen=[*BOTH, f"unix:{folder}/s", f"raw+unix:{folder}/r"]) as s:
            idle = [s.echo_client(kind) for kind in ("login", "raw", "unix", "raw+unix")]
            logging_in = s.connect()
            assert logging_in.code() == 220
            active, data, size = [], Positional("drain", turn), 100000
            for kind in ("login", "raw", "unix", "raw+unix"):
                c = s.echo_client(kind)
                c.send(data.at(0, size))
                active.append(c)
            began = time.monotonic()
            s.send_signal(signal.SIGTERM)
            for c in active:
                came = c.to_end()
                data.check(0, came)
                assert len(came) == size
            for c in idle:
                assert c.to_end() == b""
            assert logging_in.code() == 421
            assert logging_in.to_end() == b""
            assert s.wait() == 0
            assert time.monotonic() - began < 0.5 + 1.0, "nothing was unsent"
            s.check_ended()


def test_drain_gives_back_what_had_arrived_and_was_not_read(folder):
    """The front is stopped while the clients send and the end begins, so that all of it still lies in its sockets; and
    it is more than one read takes."""
    with Server(folder, listen=[f"raw+unix:{folder}/r"]) as s:
        clients = [s.connect("raw+unix", sndbuf=1 << 20) for _ in range(40)]
        for c in clients:
            c.echoes(b"accepted")
        data, size, front = Positional("unread"), 150000, s.children()["front"]
        os.kill(front, signal.SIGSTOP)
        for c in clients:
            c.send(data.at(0, size))
        s.send_signal(signal.SIGTERM)
        s.wait_status(lambda st: st["draining"], "the drain")
        os.kill(front, signal.SIGCONT)
        for c in clients:
            came = c.to_end()
            data.check(0, came)
            assert len(came) == size
        assert s.wait() == 0
        s.check_ended()


def test_drain_without_clients_is_quick(folder):
    with Server(folder, listen=BOTH) as s:
        began = time.monotonic()
        s.stop()
        assert time.monotonic() - began < 1.0


def test_drain_waits_for_a_slow_reader(folder):
    """A chunk is held for it when the end begins; it gets that, and FIN, and the status is 0."""
    with Server(folder, "--drain", "20s", listen=[f"raw:{LOOPBACK}:0"]) as s:
        c = s.connect("raw", rcvbuf=32 * 1024, mss=1460, sndbuf=64 * 1024)
        data = Positional("slow drain")
        sent = fill(c, data)
        s.wait_status(lambda st: st["chunks_held"] == 1, "a chunk to be held")
        arrived = s.status()["bytes_in"]
        s.send_signal(signal.SIGTERM)
        s.wait_status(lambda st: st["draining"], "the drain")
        came = take_the_rest(c, data)
        assert came >= arrived, f"{came} of {arrived}, of {sent} sent"
        c.close()
        assert s.wait() == 0
        s.check_ended()


def test_drain_does_not_wait_for_who_has_everything(folder):
    """The slow reader takes its tail and the FIN, but keeps its own side open: the server need not wait for that."""
    with Server(folder, "--drain", "10s", listen=[f"raw:{LOOPBACK}:0"]) as s:
        # More than its window takes, and less than would leave the kernel so much unsent that it takes no more from us.
        c, data, size = s.connect("raw", rcvbuf=32 * 1024, mss=1460), Positional("stays"), 100000
        c.send(data.at(0, size))
        s.wait_status(lambda st: st["bytes_in"] == size and st["chunks_held"] == 0, "the kernel to have it all")
        s.send_signal(signal.SIGTERM)
        s.wait_status(lambda st: st["draining"] and st["connections"]["closing"] == 1, "the drain")
        select.select([], [], [], 0.5)  # a reader that is slower than the server lingers for others
        came = c.to_end()
        data.check(0, came)
        assert len(came) == size
        began = time.monotonic()
        assert s.wait() == 0
        assert time.monotonic() - began < 3
        s.check_ended()


def test_drain_loses_nothing_when_the_client_keeps_writing(folder):
    """What the server says it has sent back has reached the client, however much more that one has to say."""
    with Server(folder, "--drain", "20s", listen=[f"raw:{LOOPBACK}:0"]) as s:
        c = s.connect("raw", rcvbuf=32 * 1024, mss=1460, sndbuf=8 << 20)
        data = Positional("writes on")
        fill(c, data)
        s.send_signal(signal.SIGTERM)
        s.wait_status(lambda st: st["draining"], "the drain")
        came = take_the_rest(c, data)
        c.close()
        assert s.wait() == 0
        out = int(next(e for e in s.log_events() if e["event"] == "disconnect")["bytes_out"])
        assert came >= out, f"{came} bytes came of {out} that the log says went out"
        s.check_ended()


def test_drain_time_is_a_limit(folder):
    with Server(folder, "--drain", "500ms", listen=[f"raw:{LOOPBACK}:0"], status=1) as s:
        mute = s.connect("raw", rcvbuf=32 * 1024, mss=1460)
        fill(mute, Positional("mute drain"))
        began = time.monotonic()
        s.send_signal(signal.SIGTERM)
        assert s.wait() == 1
        assert 0.4 < time.monotonic() - began < 3
        s.check_ended()


def test_second_sigterm_forces(folder):
    with Server(folder, listen=[f"raw:{LOOPBACK}:0"], status=1) as s:
        mute = s.connect("raw", rcvbuf=32 * 1024, mss=1460)
        fill(mute, Positional("mute force"))
        s.send_signal(signal.SIGTERM)
        s.wait_status(lambda st: st["draining"], "the drain")
        assert s.process.poll() is None
        began = time.monotonic()
        s.send_signal(signal.SIGTERM)
        assert s.wait() == 1
        assert time.monotonic() - began < 1.5
        s.check_ended()


def test_sigint_drains_too(folder):
    with Server(folder, listen=BOTH) as s:
        s.stop(signal.SIGINT)


def test_no_connection_while_draining(folder):
    with Server(folder, "--drain", "20s", listen=[f"raw:{LOOPBACK}:0"], status=1) as s:
        mute = s.connect("raw", rcvbuf=32 * 1024, mss=1460)
        fill(mute, Positional("mute refuse"))
        s.send_signal(signal.SIGTERM)
        s.wait_status(lambda st: st["draining"], "the drain")

        def is_refused():
            try:
                connect(s.port).close()
                return False
            except (ConnectionRefusedError, ConnectionResetError):
                return True

        wait_until(is_refused, "the port to be given back", 5)
        s.send_signal(signal.SIGTERM)
        s.wait()
        s.check_ended()
