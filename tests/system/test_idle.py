"""echoc idle: after how long something on the path cuts what is idle. The path is a proxy here that cuts it."""
import contextlib
import json
import re
import select
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from certificates import Maker, pin_of
from echoc_bench import ECHOC, LIMIT, PASSWORD, echoc, environment, fake, free_port, one_sentence, program, terminal, \
    wait_for

QUICK = ["--min", "100ms", "--max", "1s", "--resolution", "100ms"]


class Cutter:
    """Hands bytes on to a server. When none has passed for cut_s, the connection is cut: `fin` and `reset` end both
    sides, `silent` swallows all that comes, `late` answers the next byte with a reset, `noise` sends a byte of its own.
    which(number) tells whether a connection, from 1, is cut at all; most is how many there may be at once; those from
    number hung on are answered nothing."""

    def __init__(self, target, cut_s, how, which=lambda number: True, most=1000, hung=1000):
        self.target, self.cut_s, self.how, self.which, self.most = target, cut_s, how, which, most
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.count = self.open = 0
        self.hung, self.kept = hung, []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                self.count += 1
                if self.count >= self.hung:
                    self.kept.append(client)
                    continue
                if self.open >= self.most:
                    client.close()
                    continue
                self.open += 1
                threading.Thread(target=self.hand_on, args=(client, self.which(self.count)), daemon=True).start()

    def hand_on(self, client, cuts):
        with client, socket.create_connection(self.target) as server, contextlib.suppress(OSError):
            while True:
                ready = select.select([client, server], [], [], self.cut_s if cuts else None)[0]
                if not ready:
                    break
                for one in ready:
                    data = one.recv(65536)
                    if not data:
                        return self.left()
                    (server if one is client else client).sendall(data)
            self.cut(client, server)
        return self.left()

    def left(self):
        self.open -= 1

    def cut(self, client, server):
        if self.how == "noise":
            client.sendall(b"x")
        if self.how in ("silent", "late", "noise"):
            client.recv(1)
        if self.how == "silent":
            while client.recv(65536):
                pass
        if self.how in ("reset", "late"):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.fixture
def cutter():
    """A Cutter before a server, as HOST:PORT."""
    started = []

    def start(address, *args, **kwargs):
        host, _, port = address.removeprefix("raw:").rpartition(":")
        started.append(Cutter((host, int(port)), *args, **kwargs))
        return started[-1]
    yield start
    for one in started:
        one.listener.close()


@pytest.fixture
def raw(fake):
    return fake("--raw").address


def objects(result):
    return [json.loads(line) for line in result.stdout.decode().splitlines()]


def look(echoc, address, *args, **how):
    """Runs it with --json and returns the result, which a few things hold for in any case."""
    result = echoc("idle", address, *args, "--json", "--user", "anna", **how)
    [found] = objects(result)
    assert (found["schema"], found["type"], found["status"]) == ("echoc.idle/1", "result", result.returncode)
    assert found["took_s"] <= found["estimate_s"]
    assert found["upper_s"] == found["cut_after_s"]
    assert result.stderr.decode().count("echoc: idle for ") == len(found["trials"])
    return found


def is_between(found, cut_s, resolution_s=0.1):
    """The bracket is about the cut, and the cut the nearer end."""
    late = 0.05  # of two programs on a busy machine
    assert found["lower_s"] < cut_s + late and cut_s - late <= found["upper_s"] <= cut_s + resolution_s + late
    assert found["upper_s"] - found["lower_s"] <= resolution_s


# Cuts

@pytest.mark.parametrize("how, outcome", [("fin", "cut_fin"), ("reset", "cut_reset")])
def test_a_cut_that_is_seen(echoc, cutter, raw, how, outcome):
    path = cutter(raw, 0.5, how)
    found = look(echoc, "raw:" + path.address, *QUICK)
    assert (found["status"], found["how"], found["survived_beyond_s"]) == (0, outcome, None)
    is_between(found, 0.5)
    assert abs(found["cut_after_s"] - 0.5) < 0.05  # it is seen when it happens
    assert max(t["round"] for t in found["trials"]) == 2
    assert {t["exact"] for t in found["trials"]} == {True}


def test_a_silent_cut(echoc, cutter, raw):
    found = look(echoc, "raw:" + cutter(raw, 0.5, "silent").address, *QUICK)
    assert (found["status"], found["how"]) == (0, "cut_silent")
    is_between(found, 0.5)
    assert {t["outcome"] for t in found["trials"]} == {"survived", "cut_silent"}


def test_a_cut_that_is_told_when_somebody_speaks(echoc, cutter, raw):
    """As a balancer does that has forgotten the connection."""
    found = look(echoc, "raw:" + cutter(raw, 0.5, "late").address, *QUICK)
    assert (found["status"], found["how"]) == (0, "cut_reset")
    is_between(found, 0.5)
    assert {t["exact"] for t in found["trials"] if t["outcome"] == "cut_reset"} == {False}


@pytest.mark.parametrize("connections", ["1", "64"])
def test_any_number_of_connections(echoc, cutter, raw, connections):
    found = look(echoc, "raw:" + cutter(raw, 0.5, "fin").address, *QUICK, "--connections", connections)
    is_between(found, 0.5)


def test_tls(echoc, fake, cutter, tmp_path):
    pem = Maker(tmp_path).certificate()
    path = cutter(fake("--raw", "--tls", pem).address, 0.5, "fin")
    found = look(echoc, "raw+tls:" + path.address, *QUICK, "--pin", pin_of(pem))
    assert found["how"] == "cut_fin"
    is_between(found, 0.5)


def test_nothing_cuts(echoc):
    with program("socat", "TCP-LISTEN:%d,bind=127.0.0.1,fork,reuseaddr", "EXEC:cat") as address:
        result = echoc("idle", address, "--max", "1200ms")
    shown = result.stdout.decode()
    assert result.returncode == 0 and "nothing cuts what is idle for up to 1.2 s" in shown
    assert "keepalives" in shown  # which nobody can see from here


def test_cut_even_at_the_least(echoc, cutter, raw):
    result = echoc("idle", "raw:" + cutter(raw, 0.15, "fin").address, "--min", "300ms", "--max", "1s", "--resolution", "100ms")
    shown = result.stdout.decode()
    assert result.returncode == 0 and "--min of less than 0.3 s" in shown and "survived" not in shown


def test_several_paths(echoc, cutter, raw):
    """Every second connection is cut, as behind a balancer with two ways."""
    path = cutter(raw, 0.3, "fin", which=lambda number: number % 2)
    found = look(echoc, "raw:" + path.address, *QUICK)
    assert "not_always" in found["notes"] and found["survived_beyond_s"] >= 0.4
    assert abs(found["cut_after_s"] - 0.3) < 0.05


def test_a_cut_that_happens_once_is_no_limit(echoc, cutter, raw):
    path = cutter(raw, 0.3, "fin", which=lambda number: number <= 7)  # the first one and six of the first round
    found = look(echoc, "raw:" + path.address, *QUICK)
    assert "not_always" in found["notes"]


# Servers of ours

def test_our_raw_server(echoc, server):
    ours = server("--idle-time", "1s", listen=("raw:127.0.0.1:0",))
    result = echoc("idle", f"raw:127.0.0.1:{ours.port}", "--min", "500ms", "--max", "2s", "--resolution", "300ms")
    shown, told = result.stdout.decode(), result.stderr.decode()
    assert result.returncode == 0 and re.search(r"idle for 1\.[0-4] s is cut with a FIN", shown)
    assert "may be the server's own limit" in shown and "keepalives" in told and "a cut may be its own" in told


def test_our_login_server_s_own_limit(echoc, server):
    ours = server("--login-idle-time", "1s")
    found = look(echoc, f"127.0.0.1:{ours.port}", "--min", "500ms", "--max", "2s", "--resolution", "300ms")
    assert (found["keepalive_off"], found["server_idle_limit_s"]) == (True, 1)
    assert found["notes"] == ["server_cut", "server_limit"] and 0.9 < found["cut_after_s"] < 1.5


def test_a_cut_before_our_server_s_limit_is_the_path_s(echoc, server, cutter):
    path = cutter(f"127.0.0.1:{server('--login-idle-time', '10s').port}", 0.5, "fin")
    found = look(echoc, path.address, *QUICK)
    assert (found["notes"], found["server_idle_limit_s"]) == ([], 10)
    is_between(found, 0.5)


def timers(port):
    """The timers of connections to and from the port: 2 is a keepalive (proc_net_tcp)."""
    with open("/proc/net/tcp", encoding="ascii") as lines:
        rows = [line.split() for line in list(lines)[1:]]
    end = f":{port:04X}"
    return [row[5].split(":")[0] for row in rows if row[3] == "01" and (row[1].endswith(end) or row[2].endswith(end))]


def test_no_keepalive_on_either_side(server, tmp_path):
    port = server("--keepalive", "60s").port
    process = subprocess.Popen([ECHOC, "idle", f"127.0.0.1:{port}", "--max", "60s", "--connections", "2", "--user", "anna"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=environment(tmp_path, ECHOC_PASSWORD=PASSWORD))
    try:
        wait_for(lambda: len(timers(port)) == 4)  # two connections and their other ends
        wait_for(lambda: timers(port) == ["00"] * 4)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LIMIT)


# Connections that cannot be had

def test_fewer_connections_than_wanted(echoc, cutter, raw):
    path = cutter(raw, 0.5, "fin", most=2)
    found = look(echoc, "raw:" + path.address, *QUICK, "--max", "5s", "--connections", "3", "--retry-time", "300ms")
    assert (found["status"], found["connections"]) == (0, 2) and "fewer_connections" in found["notes"]
    is_between(found, 0.5)


def test_a_busy_server_is_tried_again(echoc, server):
    ours = server("--max-connections", "2")
    found = look(echoc, f"127.0.0.1:{ours.port}", *QUICK, "--connections", "4", "--retry-time", "100ms")
    assert (found["status"], found["connections"], found["cut_after_s"]) == (0, 2, None)


def test_no_connection_any_more(echoc, cutter, raw):
    path = cutter(raw, 0.3, "fin")

    def close_soon():
        wait_for(lambda: path.count > 4)
        path.listener.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=close_soon).start()
    result = echoc("idle", "raw:" + path.address, *QUICK, "--connections", "4", "--retry-time", "300ms", "--json")
    [found] = objects(result)
    assert result.returncode == found["status"] == 3 and "refused" in found["trouble"]
    assert "not_done" in found["notes"] and "moment's interruption" in result.stderr.decode()
    assert found["trouble"] in result.stderr.decode() and abs(found["upper_s"] - 0.3) < 0.05


def test_nobody_is_there(echoc):
    result = echoc("idle", f"raw:127.0.0.1:{free_port()}", "--json")
    [failure] = objects(result)
    assert result.returncode == failure["status"] == 3 and failure["error"]["phase"] == "tcp"
    one_sentence(result, "Connection refused")


def test_no_echo_server(echoc, fake):
    result = echoc("idle", "raw:" + fake("--raw", "--damage-at", "1").address)
    assert result.returncode == 1 and not result.stdout
    one_sentence(result, "at offset 1")


def test_bytes_that_nobody_sent(echoc, cutter, raw):
    found = look(echoc, "raw:" + cutter(raw, 0.3, "noise").address, *QUICK)
    assert found["status"] == 1 and "other bytes" in found["trouble"]


# What is shown

def test_stream(echoc, cutter, raw):
    result = echoc("idle", "raw:" + cutter(raw, 0.3, "fin").address, *QUICK, "--json-stream", "--quiet")
    shown = objects(result)
    assert not result.stderr
    assert [o["type"] for o in shown] == ["start"] + ["trial"] * (len(shown) - 2) + ["result"]
    assert [{k: v for k, v in o.items() if k not in ("schema", "type", "at")} for o in shown[1:-1]] == shown[-1]["trials"]
    assert shown[0]["estimate_s"] == shown[-1]["estimate_s"] > 0
    assert shown[0]["options"] == {"address": shown[0]["options"]["address"], "min_s": 0.1, "max_s": 1, "connections": 8,
                                   "resolution_s": 0.1}


def test_quiet(echoc, cutter, raw):
    result = echoc("idle", "raw:" + cutter(raw, 0.3, "fin").address, *QUICK, "--quiet")
    assert not result.stderr and "is cut with a FIN" in result.stdout.decode()


@pytest.mark.parametrize("plain", [[], ["--plain"]], ids=["bar", "plain"])
def test_terminal(terminal, cutter, raw, plain):
    t = terminal("idle", "raw:" + cutter(raw, 0.3, "fin").address, *QUICK, *plain)
    t.expect("looking for a cut between 0.1 and 1.0 s of idling, which takes [0-9]+ s at most")
    t.expect("idle for 0.[0-9] s: survived" if plain else r"\[=* *\] 0:0[0-9] of 0:0[0-9] at most, cut between")
    t.expect("is cut with a FIN")
    assert t.end() == 0


def test_ctrl_c_tells_what_is_known(cutter, raw, tmp_path):
    args = ["raw:" + cutter(raw, 9, "fin").address, "--min", "100ms", "--max", "30s", "--json-stream"]
    process = subprocess.Popen([ECHOC, "idle", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(tmp_path))
    while json.loads(process.stdout.readline())["type"] != "trial":
        pass
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT)
    found = json.loads(out.splitlines()[-1])
    assert process.returncode == found["status"] == 1 and found["interrupted"]
    assert 0.1 <= found["lower_s"] < 1 and found["upper_s"] is None
    assert b"longer was not found out" in err


def test_a_connection_that_hangs_holds_nothing_up(fake, cutter, tmp_path):
    """Neither those that stand, nor Ctrl-C."""
    pem = Maker(tmp_path).certificate()
    path = cutter(fake("--raw", "--tls", pem).address, 1.5, "fin", hung=4)  # longer than a handshake on a busy machine
    args = ["raw+tls:" + path.address, "--pin", pin_of(pem), "--min", "2s", "--max", "30s", "--json-stream"]
    process = subprocess.Popen([ECHOC, "idle", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=environment(tmp_path))
    assert json.loads(process.stdout.readline())["type"] == "start"
    trial = json.loads(process.stdout.readline())
    assert trial["outcome"] == "cut_fin" and trial["exact"] and 1 < trial["idle_s"] < 2
    assert path.count == 4
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT)
    assert time.monotonic() - begin < 2
    found = json.loads(out.splitlines()[-1])
    assert process.returncode == found["status"] == 1 and found["interrupted"]
    assert b"is cut with a FIN" in err


def test_a_cut_while_it_was_stopped_is_not_timed(cutter, raw, tmp_path):
    """It may have been cut at any time meanwhile, and nothing says that it was when it was seen."""
    args = ["raw:" + cutter(raw, 0.5, "fin").address, "--min", "100ms", "--max", "20s", "--json-stream"]
    process = subprocess.Popen([ECHOC, "idle", *args, "--connections", "1"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=environment(tmp_path))
    assert json.loads(process.stdout.readline())["type"] == "start"
    time.sleep(0.2)
    process.send_signal(signal.SIGSTOP)
    time.sleep(1.5)
    process.send_signal(signal.SIGCONT)
    trial = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=LIMIT)
    assert (trial["outcome"], trial["exact"]) == ("cut_fin", False) and trial["idle_s"] > 1


@pytest.mark.parametrize("args, says", [
    (["--min", "2s", "--max", "2s"], "--max"), (["--resolution", "50ms"], "--resolution"), (["--min", "off"], "--min"),
    (["--connections", "0"], "--connections"), (["--connections", "65"], "--connections")])
def test_usage(echoc, args, says):
    result = echoc("idle", "raw::7", *args)
    assert result.returncode == 2 and says in result.stderr.decode()
