"""echoc ping: what it measures and how it says it."""
import os
import re
import signal
import subprocess
import time

import pytest

from certificates import pin_of
from echoc_bench import fake  # noqa: F401
from harness import LOOPBACK, PATIENCE_S, environment, free_ports, program
from ping_bench import HeldEcho, interrupted, lines_of, ping, run, strict  # noqa: F401
from test_peers import LISTEN, peer, xinetd

MS = 1_000_000
PROBE = r"(\d+) bytes: seq=(\d+) time=(\d+\.\d{3}) ms"
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z "
ALL = (f"raw:{LOOPBACK}:0", f"{LOOPBACK}:0", f"tls:{LOOPBACK}:0", f"raw+tls:{LOOPBACK}:0")
KEYS = {"schema", "type", "version", "host", "clock", "started_at", "options", "phases", "seen_as", "elapsed_s",
        "interrupted", "probes", "rtt", "reconnects", "downtime_s", "outage_count", "outages", "stalls", "stalled_s",
        "damages", "first_damage", "tcp_info", "status", "why"}


def where(s, kind):
    if "unix" in kind:
        return f"{kind}:{s.address_of(kind)}"
    return ("" if kind == "login" else kind + ":") + f"{LOOPBACK}:{s.address_of(kind)}"


@pytest.fixture
def raw(server):
    return where(server(listen=ALL[:1]), "raw")


# ---- every kind of server

@pytest.mark.parametrize("kind", ["raw", "login", "tls", "raw+tls", "raw+unix", "unix"])
def test_every_kind_of_address(server, run, folder, kind):
    s = server(listen=(*ALL, f"unix:{folder}/l", f"raw+unix:{folder}/r"))
    pin = ["--pin", s.wait_log("tls_key")["pin"]] if "tls" in kind else []
    done = run(where(s, kind), "--user", "anna", *pin, "-c", "5", "-i", "5ms", "--json", "--quiet")
    result = strict(done.stdout)
    assert (done.returncode, set(result)) == (0, KEYS), done.stderr
    assert result["type"] == "result" and result["schema"] == "echoc.ping/1" and result["status"] == 0
    assert (result["probes"]["sent"], result["probes"]["echoed"], result["rtt"]["count"]) == (5, 5, 5)
    known = {name for name, ns in result["phases"].items() if ns is not None}
    assert known == {"tcp_ns", "echo_ns"} | ({"lookup_ns"} if "unix" not in kind else set()) | \
        ({"tls_ns"} if "tls" in kind else set()) | ({"login_ns"} if "raw" not in kind else set())
    if "unix" in kind:
        assert result["tcp_info"] is None
    else:
        assert 0 < result["tcp_info"]["min_rtt_us"] <= result["tcp_info"]["rtt_us"]
        assert result["tcp_info"]["retransmits"] < 3  # of tails, on a busy machine


@pytest.mark.parametrize("how", ["EXEC:cat", "PIPE"])
@pytest.mark.parametrize("size", ["16", "65536"])
def test_socat(run, how, size):
    with peer("socat", "-t", "10", LISTEN, how) as (_, port):
        done = run(f"raw:{LOOPBACK}:{port}", "-c", "10", "-i", "5ms", "-s", size)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[0] for line in lines_of(done.stdout, PROBE)] == [size] * 10


def test_xinetd(run, folder):
    with xinetd(folder) as port:
        done = run(f"raw:{LOOPBACK}:{port}", "-c", "10", "-i", "5ms")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("size", [16, 1000, 65536])
def test_sizes(raw, run, size):
    result = strict(run(raw, "-c", "20", "-i", "5ms", "-s", str(size), "--json", "-q").stdout)
    assert (result["probes"]["echoed"], result["options"]["size_bytes"], result["status"]) == (20, size, 0)


# ---- what is said

def test_the_lines(raw, run):
    done = run(raw, "-c", "3", "-i", "10ms")
    lines = [line for line in done.stdout.splitlines() if " late by this machine" not in line]
    assert lines[0] == f"PING {raw}: a probe of 64 bytes every 0.01 s."
    assert re.fullmatch(r"lookup \d+\.\d{3} ms, TCP \d+\.\d{3} ms, first echo \d+\.\d{3} ms", lines[1])
    assert [re.fullmatch(PROBE, line)[2] for line in lines[2:5]] == ["1", "2", "3"]
    assert re.fullmatch(rf"--- {raw}: \d+\.\d{{3}} s ---", lines[5])
    assert lines[6].startswith("sent 3, echoed 3, damaged 0, lost 0, late 0")
    assert re.fullmatch(r"round trip: min [\d.]+ p50 [\d.]+ p90 [\d.]+ max [\d.]+ ms", lines[7])
    assert re.fullmatch(r"mean [\d.]+ ms, jitter [\d.]+ ms", lines[8])
    assert lines[9] == "reconnects 0, downtime 0.000 s, stalls 0 (0.000 s)"
    assert re.fullmatch(r"TCP_INFO: rtt [\d.]+ ms, rttvar [\d.]+ ms, min rtt [\d.]+ ms, retransmits \d", lines[10])
    assert (len(lines), done.returncode, done.stderr) == (11, 0, "")


def test_time_stamps_stand_on_the_same_line(raw, run):
    done = run(raw, "-c", "3", "-i", "10ms", "-D")
    assert len(lines_of(done.stdout, STAMP + PROBE)) == 3
    assert abs(time.time() - time.mktime(time.strptime(re.search(STAMP, done.stdout)[0][:19], "%Y-%m-%dT%H:%M:%S"))
               + time.timezone) < 60


def test_quiet_leaves_the_summary(raw, run):
    assert run(raw, "-c", "2", "-i", "10ms", "-q").stdout.startswith("--- raw:")
    done = run(raw, "-c", "2", "-i", "10ms", "-q", "--json")
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")


def test_text_goes_to_standard_error_beside_json(raw, run):
    done = run(raw, "-c", "2", "-i", "10ms", "--json")
    assert strict(done.stdout)["status"] == 0
    assert len(lines_of(done.stderr, PROBE)) == 2 and "\n--- raw:" in done.stderr


def test_the_login_is_a_phase(server, run):
    done = run(where(server(), "login"), "--user", "anna", "-c", "1")
    assert re.search(r"^lookup \S+ ms, TCP \S+ ms, login \S+ ms, first echo \S+ ms$", done.stdout, re.M)


def test_stream(raw, ping):
    p = ping(raw, "-c", "3", "-i", "10ms")
    status, result = p.end()
    assert status == 0
    assert [o["type"] for o in p.objects] == ["start", "probe", "probe", "probe", "result"]
    assert [o["seq"] for o in p.objects[1:4]] == [1, 2, 3]
    for probe in p.objects[1:4]:
        assert probe["rtt_ns"] == probe["after_ns"] > 0 and not probe["late"] and not probe["resent"]
        assert probe["outcome"] == "echoed" and probe["at"].endswith("Z")
    assert sorted(o["rtt_ns"] for o in p.objects[1:4])[1] <= result["rtt"]["p50_ns"]
    assert {"version", "host", "clock", "options", "phases"} <= set(p.objects[0])


# ---- how it measures

def test_the_median_is_the_injected_one(run):
    server = HeldEcho(0.020)
    result = strict(run(server.address, "-c", "21", "-i", "40ms", "--json", "-q").stdout)
    server.close()
    held = sorted(s * 1e9 for s in server.held)
    assert held[0] <= result["rtt"]["min_ns"] < held[0] + 5 * MS
    assert held[10] <= result["rtt"]["p50_ns"] * 1.001 < held[10] + 10 * MS  # on an idle machine 0.1 ms more
    assert result["tcp_info"]["rtt_us"] > 5_000  # the ACK comes with the echo


def test_probes_are_due_at_fixed_times(run):
    """Also while answers are under way: more in the air than one."""
    server = HeldEcho(0.060)
    done = run(server.address, "-c", "8", "-i", "20ms", "--json-stream", "-q")
    server.close()
    probes = [strict(line) for line in done.stdout.splitlines()][1:-1]
    assert len(probes) == 8
    for p in probes:
        due = (p["seq"] - 1) * 0.02
        assert abs(p["elapsed_s"] - p["sent_late_ns"] / 1e9 - due) < 0.002, probes
    assert all(p["rtt_ns"] >= 60 * MS for p in probes)


@pytest.mark.parametrize("count, p99, p99_9", [(100, False, False), (101, True, False), (1001, True, True)])
def test_percentiles_need_samples(raw, run, count, p99, p99_9):
    done = run(raw, "-c", str(count), "-i", "1ms", "--json")
    result = strict(done.stdout)
    assert result["probes"]["echoed"] + result["probes"]["not_sent"] == count
    assert (result["rtt"]["p99_ns"] is not None, result["rtt"]["p99_9_ns"] is not None) == (p99, p99_9)
    assert (" p99 " in done.stderr, " p99.9 " in done.stderr) == (p99, p99_9)
    assert sum(n for _, n in result["rtt"]["histogram"]) == result["rtt"]["count"]


def test_jitter_is_the_mean_difference_of_neighbours(raw, ping):
    p = ping(raw, "-c", "20", "-i", "5ms")
    _, result = p.end()
    times = [o["rtt_ns"] for o in p.objects if o["type"] == "probe"]
    wanted = sum(abs(a - b) for a, b in zip(times, times[1:])) / (len(times) - 1)
    assert abs(result["rtt"]["jitter_ns"] - wanted) <= 1


# ---- how it ends

def test_it_ends_after_the_deadline(raw, run):
    begin = time.monotonic()
    result = strict(run(raw, "-w", "300ms", "-i", "50ms", "--json", "-q").stdout)
    assert 0.3 <= time.monotonic() - begin
    assert 0.3 <= result["elapsed_s"] < 1
    assert (result["probes"]["sent"], result["status"], result["interrupted"]) == (6, 0, False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_the_summary(raw, ping, number):
    p = ping(raw, "-i", "10ms")
    p.answered(3)
    begin = time.monotonic()
    status, result = p.end(number)
    assert time.monotonic() - begin < 1
    assert (status, result["type"], result["interrupted"]) == (0, "result", True)
    assert result["probes"]["lost"] == 0


def test_an_answer_that_may_still_come_is_not_lost(ping):
    server = HeldEcho(5)
    p = ping(server.address, "-i", "10ms")
    p.wait_for("start", type="start")
    time.sleep(0.1)
    status, result = interrupted(p)
    server.close()
    assert (status, result["probes"]["lost"]) == (0, 0)
    assert result["probes"]["on_their_way"] == result["probes"]["sent"] > 0


def test_sigquit_shows_the_summary_so_far(raw, ping):
    p = ping(raw, "-i", "10ms")
    p.answered(2)
    p.signal(signal.SIGQUIT)
    interim = p.wait_for("interim", type="interim")
    assert interim["probes"]["echoed"] >= 2 and interim["status"] is None
    assert set(interim) == KEYS
    p.answered(2)
    assert interrupted(p)[0] == 0


@pytest.mark.parametrize("to", ["a closed pipe", "/dev/full"])
def test_standard_output_that_cannot_be_written(raw, folder, to):
    if to == "/dev/full":
        out = os.open(to, os.O_WRONLY)
    else:
        reading, out = os.pipe()
        os.close(reading)
    done = subprocess.run([program("echoc"), "ping", raw, "-i", "10ms"], stdin=subprocess.DEVNULL, stdout=out,
                          stderr=subprocess.PIPE, text=True, timeout=10, env=environment(folder))
    os.close(out)
    assert done.returncode == 1
    assert re.fullmatch(r"echoc: cannot write to standard output: [^\n]+\.\n", done.stderr), done.stderr


# ---- servers that are none

@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_mute_server(fake, run, more):
    server = fake("--raw", "--mute")
    done = run("raw:" + server.address, "-c", "2", "-i", "10ms", "-W", "100ms", *more)
    assert done.returncode == 6
    assert re.search(r"^echoc: raw:\S+ took the connection and echoed nothing for [\d.]+ s: check that it is an "
                     r"echo server\.$", done.stderr, re.M)
    if more:
        result = strict(done.stdout)
        assert (result["status"], result["probes"]["lost"]) == (6, 2) and "echoed nothing" in result["why"]


def test_a_server_that_hangs_up_again_and_again(fake, run):
    server = fake("--raw", "--drop-after", "0")
    done = run("raw:" + server.address, "-c", "3", "-i", "50ms", "-W", "100ms", "--json-stream", "-q")
    assert done.returncode == 6
    assert len(done.stdout.splitlines()) < 20  # the same is not told each time


def test_a_server_that_hangs_up_after_each_answer_is_not_pressed(fake, run):
    """One connection an interval at most, however fast they are lost."""
    server = fake("--raw", "--drop-after", "64")
    done = run("raw:" + server.address, "-i", "200ms", "-w", "1s", "--json", "-q")
    told = strict(done.stdout)
    assert 3 <= server.connections() <= 7 and told["reconnects"] == server.connections() - 1
    assert told["probes"]["sent"] <= 7


def test_an_address_is_shown_without_its_escapes(run):
    done = run("raw:\x1b[31mx", "--json")
    assert done.returncode == 2 and "\x1b" not in done.stderr and "\\x1b[31mx' is no address" in done.stderr


def test_no_descriptor_left(raw, folder):
    """After the one of the connection and that for signals."""
    done = subprocess.run(["prlimit", "--nofile=5", program("echoc"), "ping", raw, "--json"], capture_output=True, text=True,
                          timeout=PATIENCE_S, stdin=subprocess.DEVNULL, env=environment(folder))
    told = strict(done.stdout)
    assert (done.returncode, told["type"], told["status"]) == (1, "error", 1)
    assert told["error"]["detail"] == "cannot begin: Too many open files"


@pytest.mark.parametrize("args, said", [
    (("--greeting", "\x1b[31mred"), "\\x1b[31mred"),
    (("--greeting", "hello there"), "hello there"),
    (("--endless-greeting",), "not this protocol"),
])
def test_rubbish_instead_of_a_greeting(fake, run, args, said):
    server = fake(*args)
    done = run(server.address, "--user", "anna", "-c", "1", "-W", "500ms", "--json")
    assert (done.returncode, strict(done.stdout)["status"]) == (6, 6)
    assert "\x1b" not in done.stdout + done.stderr and len(done.stderr) < 2000
    assert said in done.stderr


@pytest.mark.parametrize("address, phase", [("raw:nohost.invalid:7", "lookup"), ("raw:127.0.0.1:PORT", "tcp")])
def test_what_cannot_be_reached(run, address, phase):
    done = run(address.replace("PORT", str(free_ports(1))), "--json")
    error = strict(done.stdout)
    assert (done.returncode, error["status"], error["error"]["phase"]) == (3, 3, phase)
    assert re.fullmatch(r"echoc: raw:[^\n]+ after \d+\.\d s: [^\n]+\.\n", done.stderr), done.stderr


def test_a_busy_server(fake, run):
    done = run(fake("--busy").address, "--user", "anna", "--retry-time", "100ms", "--json", "-q")
    assert (done.returncode, strict(done.stdout)["error"]["phase"]) == (3, "login")
