"""The server as a service: side by side, under load, with its processes killed."""
import json
import os
import signal

from harness import (CHUNK, LOOPBACK, PASSWORD, Flow, Positional, Server, connect, exchange, has, randomness,
                     wait_until)

BOTH = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]


# ---- side by side ----

def test_eight_servers_at_once_take_eight_ports(folder):
    state = os.path.join(folder, "state")
    servers = [Server(folder, name=f"eight{i}", state=state, listen=None) for i in range(8)]
    try:
        for s in servers:
            s.start()
        for s in servers:
            s.await_ready(40)
        ports = [s.port for s in servers]
        assert len(set(ports)) == 8 and min(ports) >= 7862, ports
        for s in servers:
            s.take_baseline()
            with open(os.path.join(state, "run", f"{s.pid}.ready")) as f:
                assert f.read() == s.ready_line
            assert s.status()["pid"] == s.pid
        servers[0].echo_client(name="shared").echoes(b"registered here")
        for s in servers[1:]:
            c = s.connect()
            assert not c.login("shared"), "the account is not seen by another server"
            c.echoes(str(s.port))
        for s in servers:
            s.finish()
    finally:
        for s in servers:
            if not s.ended:
                s.kill()
    assert os.listdir(os.path.join(state, "run")) == []


# ---- load ----

def test_64_mib_through_64_connections(server):
    """Raw and login, chunks of 1 B to 64 KiB, half of the readers slow: each byte in its place."""
    s = server(listen=BOTH)
    size, flows = 1 << 20, []
    for i in range(64):
        kind, slow = ("raw", "login")[i % 2], i % 4 < 2
        c = s.echo_client(kind, name=f"user{i}", **({"rcvbuf": 32 * 1024, "mss": 1460} if slow else {}))
        dice = randomness("sizes", i)
        piece = (lambda d: lambda: int(2 ** (d.random() * 16)))(dice)
        flows.append(Flow(c, size, Positional("load", i), piece, greedy=not slow))
    exchange(flows)
    s.close_clients()
    status = s.wait_still()
    assert status["bytes_in"] == status["bytes_out"] == 64 * size
    assert status["bytes_dropped"] == 0
    assert status["closed"]["eof"] >= 64 and status["closed"]["reset"] == 0


def test_many_come_and_go(server):
    s = server(listen=BOTH)
    for _ in range(5):
        clients = [s.connect("raw") for _ in range(40)]
        for i, c in enumerate(clients):
            c.send(f"client {i}")
        for i, c in enumerate(clients):
            assert c.exactly(len(f"client {i}")) == f"client {i}".encode()
        s.close_clients()


# ---- the parts die ----

def test_front_killed_under_clients(server):
    s = server(listen=BOTH)
    clients = [s.echo_client(kind) for kind in ("login", "raw") for _ in range(5)]
    mute = s.connect("raw", rcvbuf=16 * 1024, mss=1460)
    mute.sock.setblocking(False)

    def holds():
        try:
            mute.sock.send(bytes(CHUNK))
        except BlockingIOError:
            pass
        return s.status()["chunks_held"] == 1

    wait_until(holds, "a chunk to be held")
    before = s.status()
    assert before["connections"]["open"] == 11
    os.kill(s.children()["front"], signal.SIGKILL)
    for c in clients:
        try:
            assert c.read() == b""
        except ConnectionResetError:
            pass
    after = s.wait_status(lambda st: st["restarts"]["front"] == 1 and st["connections"]["open"] == 0, "a new front")
    assert after["listen"] == before["listen"]
    assert after["bytes_held"] == after["chunks_held"] == 0
    for kind in ("login", "raw"):
        s.echo_client(kind).echoes(b"the same port")
    s.wait_log("child_ended", level="error")


def test_front_killed_again_and_again(server):
    """Clients that connect while it is away wait in the listener's queue, which is the parent's."""
    s = server(listen=BOTH)
    for turn in (1, 2):
        os.kill(s.children()["front"], signal.SIGKILL)
        c = s.connect("raw")
        s.wait_status(lambda st: st["restarts"]["front"] == turn, "a new front")
        try:
            c.echoes(b"waited")
        except (AssertionError, ConnectionError):  # the dying front had accepted it
            s.connect("raw").echoes(b"once more")
        wait_until(lambda: "front" in s.children(), "the front")
    s.echo_client().echoes(b"login, too")


def test_keeper_killed_under_clients(server):
    s = server(listen=BOTH)
    flows = [Flow(s.echo_client(kind, name=f"k{i}"), 1 << 20, Positional("keeper", kind, i))
             for kind in ("login", "raw") for i in range(4)]
    for f in flows:
        f.send_some()
    os.kill(s.children()["keeper"], signal.SIGKILL)
    exchange(flows)
    s.wait_status(lambda st: st["restarts"]["keeper"] == 1 and st["keeper_ready"], "a new keeper")
    c = s.connect()
    assert c.code() == 220
    wait_until(lambda: c.ask("USER k0") == 331, "an answer", 3)
    assert c.ask("PASS " + PASSWORD) == 230
    c.echoes(b"back")
    assert s.status()["restarts"]["front"] == 0


def test_parent_killed(folder):
    with Server(folder, name="first", listen=BOTH) as first:
        running = [first.echo_client(kind) for kind in ("login", "raw")]
        ports, state = first.ports, first.state
        first.kill_9()
    for c in running:
        try:
            assert c.read() == b""
        except ConnectionResetError:
            pass
    again = [f"{LOOPBACK}:{ports[0]}", f"raw:{LOOPBACK}:{ports[1]}"]
    with Server(folder, "--strict-port", name="second", listen=again, state=state) as second:
        assert second.ports == ports
        assert not second.connect().login("anna"), "the account has gone"
        second.connect("raw").echoes(b"at once")


# ---- the control socket ----

def test_control_socket_takes_no_harm(server):
    s = server(listen=BOTH)
    path = f"{s.state}/run/{s.pid}.sock"
    assert "error" in s.control("nonsense")
    with connect(path) as c:
        c.sendall(b"x" * 2000)
    mutes = [connect(path) for _ in range(3)]
    assert s.status()["pid"] == s.pid
    for c in mutes:
        c.close()
    status = s.status()
    assert status["schema"] == "echod.status/1"
    assert status["listen"] == s.listen and status["draining"] is False
    json.dumps(status)
