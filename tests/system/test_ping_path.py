"""echoc ping over a path that fails: outages, stalls and damage, with their lengths, and no byte lost."""
import os
import re
import signal
import time

import pytest

from echoc_bench import fake  # noqa: F401
from echoc_relay import Relay, relay  # noqa: F401
from harness import LOOPBACK, Server, descriptors_of, free_ports
from ping_bench import interrupted, ping, run, strict  # noqa: F401

NEAR = 0.25  # seconds; 0.06 on an idle machine


def address_of(relay, raw=True):
    return ("raw:" if raw else "") + relay.address


class Tcp:
    """What a relay wants of a server."""

    def __init__(self, port):
        self.address = f"{LOOPBACK}:{port}"


@pytest.fixture
def echod(server):
    return server(listen=(f"raw:{LOOPBACK}:0", f"{LOOPBACK}:0"))


def assert_whole(result, status=0):
    probes = result["probes"]
    assert (result["status"], probes["lost"], probes["damaged"]) == (status, 0, 0)
    assert probes["sent"] == probes["echoed"] + probes["on_their_way"]


def cut_at(end):
    return lambda offset, some: some if offset < end else None


# ---- outages

@pytest.mark.parametrize("kind", ["raw", "login"])
def test_an_outage_is_as_long_as_it_was(echod, relay, ping, kind):
    between = relay(Tcp(echod.address_of(kind)))
    p = ping(address_of(between, kind == "raw"), "--user", "anna", "-i", "20ms")
    p.answered(3)
    began = time.monotonic()
    between.end()
    p.event("drop")
    time.sleep(0.5)
    between.begin()
    lasted = time.monotonic() - began
    back = p.event("back")
    p.answered(3)
    status, result = interrupted(p)
    assert_whole(result)
    assert (status, result["reconnects"], result["outage_count"]) == (0, 1, 1)
    assert abs(back["duration_s"] - lasted) < NEAR
    assert abs(result["outages"][0]["length_s"] - lasted) < NEAR and result["outages"][0]["over"]
    assert abs(result["downtime_s"] - back["duration_s"]) < 1e-3
    assert back["not_sent"] == result["probes"]["not_sent"] > 15
    assert p.kinds() == ["drop", "redial_failed", "back"]


def test_an_outage_does_not_wait_for_the_next_probe(echod, relay, ping):
    """Its length is right though probes are rare: one is sent at once when the connection is back."""
    between = relay(Tcp(echod.address_of("raw")))
    p = ping(address_of(between), "-i", "1s", "-c", "3")
    p.answered(1)
    between.cut()
    assert p.event("back")["duration_s"] < 0.5
    assert p.end()[0] == 0
    assert [o["seq"] for o in p.objects if o["type"] == "probe"] == [1, 2, 3]


def test_a_killed_server_comes_back(folder, ping):
    port = free_ports(1)
    one = Server(folder, listen=(f"raw:{LOOPBACK}:{port}",), name="one", busy=True).__enter__()
    p = ping(f"raw:{LOOPBACK}:{port}", "-i", "20ms")
    p.answered(3)
    began = time.monotonic()
    one.kill_9()
    p.event("drop")
    with Server(folder, listen=(f"raw:{LOOPBACK}:{port}",), name="two", busy=True):
        lasted = time.monotonic() - began
        back = p.event("back")
        p.answered(3)
        status, result = interrupted(p)
    assert status == 0
    assert_whole(result)
    assert back["duration_s"] < lasted + NEAR


def test_what_was_in_the_air_is_sent_again(fake, run):
    server = fake("--raw", "--drop-after", "200")
    done = run("raw:" + server.address, "-c", "7", "-i", "150ms", "--json-stream", "-q")
    *objects, result = [strict(line) for line in done.stdout.splitlines()]
    assert_whole(result)
    assert (done.returncode, result["reconnects"], result["probes"]["resent"]) == (0, 2, 2)
    again = [o for o in objects if o["type"] == "probe" and o["resent"]]
    assert [o["seq"] for o in again] == [4, 7]
    assert all(o["rtt_ns"] is None and o["after_ns"] > 0 for o in again)
    assert result["rtt"]["count"] == 5  # what was sent again is no round trip


def test_the_lines_of_an_outage(fake, run):
    server = fake("--raw", "--drop-after", "100", "--connections", "1")
    done = run("raw:" + server.address, "-c", "3", "-i", "20ms")
    text = done.stdout
    assert re.search(r"^drop: raw:\S+ ended the connection with 28 bytes still to come back\.$", text, re.M)
    assert re.search(r"^back: the outage lasted 0\.\d{3} s(, in which .*)?\.$", text, re.M)
    assert re.search(r"^64 bytes: seq=2 back after \d+\.\d{3} ms \(sent again\)$", text, re.M)
    assert re.search(r"^outage: from \d+\.\d{3} s on, for 0\.\d{3} s$", text, re.M)


def test_a_path_that_is_down_at_the_end(echod, relay, ping):
    between = relay(Tcp(echod.address_of("raw")))
    p = ping(address_of(between), "-i", "20ms", "-c", "30")
    p.answered(3)
    between.end()
    status, result = p.end()
    assert (status, result["status"], result["outages"][0]["over"]) == (1, 1, False)
    assert result["downtime_s"] > 0.1
    assert result["probes"]["sent"] + result["probes"]["not_sent"] == 30


def test_busy_on_the_way_back(fake, ping):
    server = fake("--busy", "--connections", "2", "--drop-after", "100", "--drop-on", "1")
    p = ping(server.address, "--user", "anna", "-i", "20ms")
    assert "421" in p.event("redial_failed")["detail"]
    p.event("back")
    p.answered(1)
    assert interrupted(p)[0] == 0


def test_a_refused_login_is_the_end(fake, ping):
    server = fake("--refuse", "--forget-tokens", "--connections", "2-", "--drop-after", "100", "--drop-on", "1")
    p = ping(server.address, "--user", "anna", "-i", "20ms")
    status, result = p.end()
    assert (status, result["status"]) == (4, 4)
    assert "530" in result["why"] and re.fullmatch(r"echoc: [^\n]+ refused anna [^\n]+\.\n", p.error), p.error


def test_an_account_that_is_gone_is_registered_anew(server, relay, ping, run):
    """As after a server has lost its store: that is an event like others, and not a line of its own."""
    first, second, third = (Tcp(server(listen=(f"{LOOPBACK}:0",)).address_of("login")) for _ in range(3))
    p = ping(relay(first, cut_at(500), then=second).address, "--user", "anna", "-i", "5ms")
    assert p.event("registered")["detail"] == "anna"
    p.event("back")
    assert interrupted(p)[0] == 0 and p.error == ""
    again = relay(first, cut_at(500), then=third)
    done = run(again.address, "--user", "anna", "-i", "5ms", "-c", "20")
    assert re.search(rf"^registered anna at {again.address}\.$", done.stdout, re.M), done.stdout
    assert "registered" not in done.stderr


def test_ctrl_c_while_a_login_hangs(fake, ping):
    server = fake("--no-greeting", "--connections", "2-", "--drop-after", "100", "--drop-on", "1")
    p = ping(server.address, "--user", "anna", "-i", "20ms")
    p.event("drop")
    while server.connections() < 2:
        os.sched_yield()
    begin = time.monotonic()
    status, result = interrupted(p)
    assert time.monotonic() - begin < 1
    assert (status, result["interrupted"]) == (1, True)


def test_50_reconnects_leave_nothing_open(echod, relay, ping):
    between = relay(Tcp(echod.address_of("raw")))
    p = ping(address_of(between), "-i", "5ms")
    p.answered(1)
    before = descriptors_of(p.pid)
    for i in range(50):
        between.cut()
        p.wait_for("back", kind="back")
        with p.came:
            assert p.came.wait_for(lambda n=i: p.kinds().count("back") > n, 10)
        p.answered(1)
    assert descriptors_of(p.pid) == before
    status, result = interrupted(p)
    assert_whole(result)
    assert (status, result["reconnects"]) == (0, 50)


# ---- stalls

def test_a_stall_and_its_length(fake, ping):
    server = fake("--raw")
    p = ping("raw:" + server.address, "-i", "20ms", "-W", "200ms")
    p.answered(3)
    server.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    assert 0.2 <= p.event("stall")["duration_s"] < 0.3
    time.sleep(0.3)
    server.process.send_signal(signal.SIGCONT)
    lasted = time.monotonic() - began
    stall = p.event("stall_end")
    p.answered(20)
    status, result = interrupted(p)
    assert_whole(result)
    assert (status, result["reconnects"]) == (0, 0)
    assert abs(stall["duration_s"] - lasted) < NEAR
    ends = [o["duration_s"] for o in p.objects if o.get("kind") == "stall_end"]
    assert abs(result["stalled_s"] - sum(ends)) < 1e-3 and result["stalls"] == len(ends)  # a busy machine has more
    late = [o for o in p.objects if o["type"] == "probe" and o["late"]]
    assert len(late) == result["probes"]["late"] > 5
    assert all(o["rtt_ns"] > 200e6 for o in late)
    assert result["rtt"]["max_ns"] == max(o["rtt_ns"] for o in late)  # they count


def test_a_long_stall_is_given_up(fake, ping):
    """The new connection gets what the old one has not answered, and its stall is the outage."""
    server = fake("--raw")
    p = ping("raw:" + server.address, "-i", "20ms", "-W", "100ms", "--redial", "300ms")
    p.answered(3)
    server.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    assert p.event("drop")["detail"] == f"raw:{server.address} has stalled"
    server.process.send_signal(signal.SIGCONT)
    lasted = time.monotonic() - began
    back = p.event("back")
    p.answered(3)
    status, result = interrupted(p)
    assert_whole(result)
    assert (status, result["reconnects"]) == (0, 1)
    if result["stalls"] == 1:  # a busy machine has more
        assert result["stalled_s"] == 0
    assert abs(back["duration_s"] - lasted) < NEAR
    assert result["probes"]["resent"] > 5


def test_a_ping_that_was_held_up_says_so(echod, ping):
    """As by Ctrl-Z: what was due meanwhile is left out, and the path is not blamed."""
    p = ping(f"raw:{LOOPBACK}:{echod.address_of('raw')}", "-i", "50ms", "-W", "300ms")
    p.answered(2)
    p.signal(signal.SIGSTOP)
    time.sleep(1.3)
    p.signal(signal.SIGCONT)
    held = p.event("held_up")
    p.answered(2)
    status, result = interrupted(p)
    assert_whole(result)
    assert status == 0 and 1 < held["duration_s"] < 3
    assert held["not_sent"] == result["probes"]["not_sent"] > 15
    assert "drop" not in p.kinds()


def test_held_up_for_less_than_an_interval(echod, ping):
    """It is told once, and the one probe that was due is sent, late by our own fault."""
    p = ping(f"raw:{LOOPBACK}:{echod.address_of('raw')}", "-i", "1300ms", "-c", "2")
    p.wait_for("answer", type="probe")
    p.signal(signal.SIGSTOP)
    time.sleep(2.4)
    p.signal(signal.SIGCONT)
    status, result = p.end()
    assert_whole(result)
    assert (status, p.kinds()) == (0, ["held_up"])
    assert (result["probes"]["echoed"], result["probes"]["not_sent"], result["probes"]["sent_late"]) == (2, 0, 1)


def test_a_late_answer_is_late_and_not_lost(fake, run):
    done = run("raw:" + fake("--raw", "--delay", "0.1").address, "-c", "2", "-i", "200ms", "-W", "50ms")
    assert done.returncode == 0
    assert len(re.findall(r"^64 bytes: seq=\d time=1\d\d\.\d{3} ms \(late\)$", done.stdout, re.M)) == 2
    assert "lost 0, late 2" in done.stdout


# ---- damage

def test_a_damaged_byte(fake, run):
    server = fake("--raw", "--damage-at", "70", "--connections", "1")
    done = run("raw:" + server.address, "-c", "4", "-i", "20ms", "--json-stream")
    *objects, result = [strict(line) for line in done.stdout.splitlines()]
    damage = next(o for o in objects if o.get("kind") == "damage")
    assert (damage["seq"], damage["offset"]) == (2, 70)
    assert damage["detail"].startswith("at offset 70 sent 00 02 ") and ", came 01 02 " in damage["detail"]
    assert re.search(r"^damage: seq=2 came back changed: at offset 70 sent 00 02 .*, came 01 02 .*\.$", done.stderr, re.M)
    probes = result["probes"]
    assert (done.returncode, probes["damaged"], probes["echoed"], probes["lost"]) == (1, 1, 3, 0)
    assert (result["reconnects"], result["outage_count"]) == (1, 0)  # the path was not down
    assert [o["outcome"] for o in objects if o["type"] == "probe"] == ["echoed", "damaged", "echoed", "echoed"]


def test_bytes_that_were_never_sent(fake, run):
    """The interval is long enough for them to come before the next probe, on a busy machine too."""
    server = fake("--raw", "--extra", "3", "--connections", "1")
    done = run("raw:" + server.address, "-c", "2", "-i", "700ms", "--json")
    result = strict(done.stdout)
    assert (done.returncode, result["damages"], result["probes"]["echoed"]) == (1, 1, 2)
    assert "at offset 64 sent nothing, came 78 78 78" in done.stderr


def test_a_server_that_changes_everything_is_not_pressed(fake, run):
    done = run("raw:" + fake("--raw", "--damage-at", "0").address, "-w", "500ms", "-i", "5ms", "--json", "-q")
    result = strict(done.stdout)
    assert done.returncode == 1
    assert 0 < result["damages"] < 20


def test_damage_within_tls(folder, echod, relay, ping):
    """TLS sees it: nothing is worth a retry."""
    def change(offset, some):
        return some[:-1] + bytes([some[-1] ^ 1]) if offset > 2000 else some
    with Server(folder, listen=(f"raw+tls:{LOOPBACK}:0",), name="tls") as s:
        between = relay(Tcp(s.address_of("raw+tls")), change)
        p = ping("raw+tls:" + between.address, "--pin", s.wait_log("tls_key")["pin"], "-i", "5ms", "-s", "1000")
        status, result = p.end()
    assert (status, result["status"]) == (5, 5)
    assert "TLS" in result["why"]
