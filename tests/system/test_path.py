"""What echoc says about a path whose faults are known, and about servers that no one here wrote. The bounds are generous,
for other work may hold up any of it: how exact it is, script/bench measures (PERFORMANCE.md)."""
import concurrent.futures
import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import time

import pytest

from clients import LOOPBACK, PASSWORD, PATIENCE_S, randomness
from faulty_path import FaultProxy
from harness import check_sanitizer, environment, program
from test_peers import LISTEN, peer, xinetd

MS, S = 1_000_000, 1_000_000_000  # in ns
LATE_NS = 60 * MS  # what other work may add to a median
TOLD = ("198.51.100.9", 51544)


def argv(*words):
    return [program("echoc"), *map(str, words)]


def run(folder, *words, data=b"", limit=PATIENCE_S):
    done = subprocess.run(argv(*words), input=data, capture_output=True, timeout=limit, start_new_session=True,
                          env=environment(folder, ECHOC_PASSWORD=PASSWORD))
    check_sanitizer(folder, done.stderr.decode())
    return done


def result(folder, *words, status=0, **how):
    """What a mode prints with --json."""
    done = run(folder, *words, "--json", **how)
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    said = json.loads(done.stdout)
    assert said["status"] == status
    return said


class Ping:
    """A ping that goes on: what it tells with --json-stream, line by line."""

    def __init__(self, folder, *words):
        self.process = subprocess.Popen(argv("ping", *words, "--json-stream"), stdin=subprocess.DEVNULL, bufsize=0,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        env=environment(folder, ECHOC_PASSWORD=PASSWORD))
        self.text, self.said, self.seen = b"", [], 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def read_some(self, left):
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            assert left > 0 and selector.select(left), f"it tells no more than {self.said[-3:]}"
        some = os.read(self.process.stdout.fileno(), 1 << 16)
        assert some, f"it ended with {self.said[-3:]}"
        *lines, self.text = (self.text + some).split(b"\n")
        self.said += map(json.loads, lines)

    def until(self, count=1, **wanted):
        """Reads until count lines have these members, behind those that were awaited; gives the last."""
        end = time.monotonic() + PATIENCE_S
        while True:
            while self.seen < len(self.said):
                line = self.said[self.seen]
                self.seen += 1
                count -= wanted.items() <= line.items()
                if count == 0:
                    return line
            self.read_some(end - time.monotonic())

    def end(self):
        self.process.send_signal(signal.SIGINT)
        last = self.until(type="result")
        assert self.process.wait(PATIENCE_S) == last["status"]
        return last


def assert_no_byte_lost(said):
    probes = said["probes"]
    assert (said["status"], probes["lost"], probes["damaged"]) == (0, 0, 0), said
    assert probes["sent"] == probes["echoed"] + probes["on_their_way"] and probes["echoed"] > 0


@pytest.fixture(params=["raw", "login"])
def way(request, server):
    """A faulty path, and the words that lead echoc through it."""
    s = server(listen=(f"raw:{LOOPBACK}:0", f"{LOOPBACK}:0"))
    with FaultProxy(s.address_of(request.param)) as path:
        words = {"raw": [f"raw:{LOOPBACK}:{path.port}"], "login": [f"{LOOPBACK}:{path.port}", "--user", "anna"]}
        yield path, words[request.param]


# ---- ping ----

def test_ping_sees_the_latency(folder, way):
    path, words = way
    path.add("latency", "both", 2.5)
    said = result(folder, "ping", *words, "--interval", "5ms", "--count", 60)
    assert_no_byte_lost(said)
    assert 4.9 * MS < said["rtt"]["min_ns"] <= said["rtt"]["p50_ns"] < 5 * MS + LATE_NS


def test_ping_sees_the_jitter(folder, server):
    """Round trips are the sum of two even draws from 2 to 18 ms, so neighbours differ by 7.5 ms in the mean."""
    s = server(listen=(f"raw:{LOOPBACK}:0",))
    with FaultProxy(s.port) as path:
        calm = result(folder, "ping", f"raw:{LOOPBACK}:{path.port}", "--interval", "20ms", "--count", 30)
        path.add("latency", "both", 10, 8, 5)
        said = result(folder, "ping", f"raw:{LOOPBACK}:{path.port}", "--interval", "40ms", "--count", 30)
    assert 3.9 * MS < said["rtt"]["min_ns"] < said["rtt"]["p50_ns"] < 20 * MS + LATE_NS
    assert 3 * MS < said["rtt"]["jitter_ns"] < 8 * MS + LATE_NS
    assert calm["rtt"]["p50_ns"] < said["rtt"]["p50_ns"]


def test_ping_tells_the_length_of_an_outage_and_loses_no_byte(folder, way):
    path, words = way
    with Ping(folder, *words, "--interval", "20ms") as ping:
        ping.until(5, type="probe", outcome="echoed")
        assert path.outage(1) == 1
        ping.until(type="event", kind="drop")
        back = ping.until(type="event", kind="back")
        ping.until(5, type="probe", outcome="echoed")
        said = ping.end()
    assert_no_byte_lost(said)
    assert [0.7 < length < 1.8 for length in (back["duration_s"], said["downtime_s"])] == [True, True], said
    assert [outage["over"] for outage in said["outages"]] == [True] and said["reconnects"] == 1
    assert abs(said["outages"][0]["length_s"] - path.outage_s) < 0.8


def test_ping_over_many_resets_loses_no_byte(folder, way):
    path, words = way
    dice = randomness("resets", words[0])
    with Ping(folder, *words, "--interval", "5ms", "--size", 1000) as ping:
        for _ in range(6):
            ping.until(dice.randrange(1, 6), type="probe", outcome="echoed")
            path.reset()
            ping.until(type="event", kind="back")
        said = ping.end()
    assert_no_byte_lost(said)
    assert said["reconnects"] == said["outage_count"] == 6


def test_ping_leaves_a_half_open_connection(folder, way):
    path, words = way
    with Ping(folder, *words, "--interval", "20ms", "--late", "200ms", "--redial", "600ms") as ping:
        ping.until(5, type="probe", outcome="echoed")
        path.add("half_open")
        path.remove("half_open")
        ping.until(type="event", kind="stall")
        back = ping.until(type="event", kind="back")
        ping.until(5, type="probe", outcome="echoed")
        said = ping.end()
    assert_no_byte_lost(said)
    assert 0.55 < back["duration_s"] < 2 and said["stalls"] == 1 and said["probes"]["resent"] > 0, said
    assert path.tell("count") == 2


def test_ping_sees_a_path_that_stalls_and_goes_on(folder, way):
    path, words = way
    with Ping(folder, *words, "--interval", "20ms", "--late", "100ms") as ping:
        ping.until(5, type="probe", outcome="echoed")
        path.add("bandwidth", "down", 0)
        ping.until(type="event", kind="stall")
        path.remove("bandwidth")
        ping.until(type="event", kind="stall_end")
        said = ping.end()
    assert_no_byte_lost(said)
    assert said["reconnects"] == 0 and said["stalls"] == 1 and said["probes"]["late"] > 0, said


def test_ping_finds_a_damaged_byte(folder, server):
    s = server(listen=(f"raw:{LOOPBACK}:0",))
    with FaultProxy(s.port) as path:
        path.add("damage", "down", 64 * 3 + 5)
        said = result(folder, "ping", f"raw:{LOOPBACK}:{path.port}", "--interval", "10ms", "--count", 3, status=0)
        assert_no_byte_lost(said)
        said = result(folder, "ping", f"raw:{LOOPBACK}:{path.port}", "--interval", "10ms", "--count", 4, status=1)
    assert (said["probes"]["damaged"], said["damages"]) == (1, 1) and str(64 * 3 + 5) in said["first_damage"], said


def test_ping_tells_which_address_the_server_sees(folder, server):
    s = server("--proxy-from", f"{LOOPBACK}/32", "--allow-cleartext", "--register", "open", warm=False, busy=True)
    with FaultProxy(s.port) as path:
        path.add("proxy_v2", *TOLD)
        words = [f"{LOOPBACK}:{path.port}", "--user", "anna", "--allow-cleartext", "--interval", "10ms", "--count", 3]
        assert result(folder, "ping", *words)["seen_as"] == "%s:%d" % TOLD
        assert "%s:%d" % TOLD in run(folder, "ping", *words).stdout.decode()
    s.wait_log("login", peer="%s:%d" % TOLD, user="anna")


# ---- idle ----

def idle(folder, port, *words):
    return result(folder, "idle", f"raw:{LOOPBACK}:{port}", *words, limit=40)


def test_idle_finds_the_cut(folder, server):
    """Of two seconds, in each way; they are looked for at the same time."""
    s = server(listen=(f"raw:{LOOPBACK}:0",), busy=True)

    def find(how):
        with FaultProxy(s.port) as path:
            path.add("idle_cut", 2, how)
            said = idle(folder, path.port, "--min", "500ms", "--max", "3s", "--resolution", "1s")
            return said, path.tell("cuts")

    hows = ("silent", "fin", "reset")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for how, (said, cuts) in zip(hows, pool.map(find, hows)):
            assert said["how"] == f"cut_{how}" and cuts > 0, said
            assert said["lower_s"] < 2 and 1.9 < said["cut_after_s"] < 4, said


def test_idle_tells_that_nothing_cuts(folder):
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(xinetd(folder))] + [stack.enter_context(peer(*words))[1] for words in PEERS.values()]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for said in pool.map(lambda port: idle(folder, port, "--min", "200ms", "--max", "500ms"), ports):
                assert said["cut_after_s"] is None and said["how"] is None and said["lower_s"] >= 0.5, said


# ---- data ----

@pytest.mark.parametrize("kind", ["raw", "login"])
def test_data_comes_back_whole_through_resets(folder, server, kind):
    s = server(listen=(f"raw:{LOOPBACK}:0", f"{LOOPBACK}:0"))
    dice = randomness("through resets", kind)
    data = dice.randbytes(3_000_000)
    with FaultProxy(s.address_of(kind)) as path:
        path.add("latency", "both", 1, 1)
        path.add("slicer", "down", 20_000)
        for _ in range(3):
            path.tell("plan", dice.choice(["up", "down"]), dice.randrange(10_000, 700_000))
        words = [f"raw:{LOOPBACK}:{path.port}", "--reconnect"] if kind == "raw" else \
            [f"{LOOPBACK}:{path.port}", "--user", "anna"]
        done = run(folder, *words, data=data)
        assert (done.returncode, done.stdout == data) == (0, True), done.stderr
        assert path.tell("count") == 4


# ---- servers that no one here wrote ----

PEERS = {"socat and cat": ["socat", LISTEN, "EXEC:cat"], "socat": ["socat", LISTEN, "PIPE"],
         "ncat and cat": ["ncat", "-l", LOOPBACK, "%d", "--keep-open", "--exec", "/bin/cat"]}
DAMAGING = ["socat", LISTEN, "EXEC:stdbuf -o0 tr 0-~ X"]


def all_is_well(folder, port):
    done = run(folder, "check", f"raw:{LOOPBACK}:{port}")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    said = result(folder, "ping", f"raw:{LOOPBACK}:{port}", "--interval", "10ms", "--count", 10, "--size", 3000)
    assert_no_byte_lost(said)
    assert said["probes"]["sent"] == said["rtt"]["count"] == 10 and said["reconnects"] == 0


@pytest.mark.parametrize("who", PEERS)
def test_check_and_ping(folder, who):
    with peer(*PEERS[who]) as (_, port):
        all_is_well(folder, port)


def test_check_and_ping_xinetd(folder):
    with xinetd(folder) as port:
        all_is_well(folder, port)


def test_a_server_that_damages_is_found(folder):
    with peer(*DAMAGING) as (_, port):
        idling = result(folder, "idle", f"raw:{LOOPBACK}:{port}", "--min", "200ms", "--max", "500ms", status=1)
        assert re.search(r"offset \d+ sent .* came 58", idling["error"]["detail"]), idling
        done = run(folder, "check", f"raw:{LOOPBACK}:{port}")
        assert done.returncode == 1 and re.search(r"offset \d+ sent .* came 58", done.stderr.decode()), done.stderr
        said = result(folder, "ping", f"raw:{LOOPBACK}:{port}", "--interval", "10ms", "--count", 3, status=1)
    assert said["probes"]["damaged"] > 0 and re.search(r"offset \d+ sent .* came 58", said["first_damage"]), said
