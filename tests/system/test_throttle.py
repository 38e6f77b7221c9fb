"""What failed logins cost, and whom they cost nothing."""
import os
import signal
import subprocess
import time

import pytest

from guesser import (WRONG, at_once, connect_from, guess, log_in, log_in_with_patience, retry_s, source, try_login)
from harness import LOOPBACK, PASSWORD, Server, environment, program, wait_until

HERE = "127.0.0.9"
REFILL_S = 10  # a failure comes back


def accounts(server, *names):
    for name in names:
        c = connect_from(server.port, LOOPBACK)
        c.login(name)
        c.close()


def checked(server):
    return server.status()["passwords_checked"]


def limits(address=1000000, account=1000000, delay="off"):
    return ["--address-failures", str(address), "--account-failures", str(account), "--failure-delay", delay]


def disable(server, name):
    subprocess.run([program("echoctl"), "--state", server.state, "user", "disable", name], check=True,
                   env=environment(server.folder), capture_output=True, timeout=15)


def show(server, name):
    return subprocess.run([program("echoctl"), "--state", server.state, "user", "show", name], check=True, text=True,
                          env=environment(server.folder), capture_output=True, timeout=15).stdout


def test_an_address_may_fail_so_often_and_then_waits(folder):
    with Server(folder, *limits(address=6), penalties=True, listen=["127.0.0.1:0"]) as server:
        accounts(server, "anna", "diana")
        disable(server, "diana")
        before = checked(server)
        for name in ("anna", "diana", "anna", "diana", "anna", "diana"):
            assert guess(server.port, HERE, name) == 530
        for name in ("anna", "diana", "anna"):
            code, text = try_login(server.port, HERE, name, PASSWORD)
            assert code == 421 and 0 < retry_s(text) <= REFILL_S
        assert checked(server) == before + 6
        server.wait_log("disconnect", reason="penalty")
        wait_until(lambda: server.status()["closed"]["penalty"] == 3, "three connections closed for penalties")
        assert log_in(server.port, LOOPBACK) == 230  # from elsewhere
        assert log_in_with_patience(server.port, HERE, timeout=2 * REFILL_S) > 1
        assert log_in(server.port, HERE) == 230


def test_names_that_are_none_cost_the_same(folder):
    with Server(folder, "--register", "closed", *limits(address=3), penalties=True, warm=False) as server:
        for _ in range(3):
            assert guess(server.port, HERE, "nobody") == 530
        assert guess(server.port, HERE, "nobody") == 421
        assert checked(server) == 3


def test_successes_cost_nothing(folder):
    with Server(folder, *limits(address=1), penalties=True) as server:
        accounts(server, "anna")
        assert at_once([(log_in, server.port, HERE)] * 60) == [230] * 60
        assert guess(server.port, HERE) == 530
        assert log_in(server.port, HERE) == 421


def test_guesses_at_once_do_not_slip_through(folder):
    with Server(folder, *limits(address=5), penalties=True) as server:
        accounts(server, "anna")
        before = checked(server)
        said = at_once([(guess, server.port, HERE)] * 40, threads=40)
        assert sorted(said) == [421] * 35 + [530] * 5
        assert checked(server) == before + 5


def test_tokens_that_are_none_cost_their_address(folder):
    with Server(folder, *limits(address=5), penalties=True) as server:
        accounts(server, "anna")
        said = [try_login(server.port, HERE, None, f"{i:043d}", "RESUME")[0] for i in range(8)]
        assert said == [530] * 5 + [421] * 3
        assert log_in(server.port, HERE) == 421
        assert log_in(server.port, LOOPBACK) == 230


@pytest.mark.alone
def test_refusals_wait_and_others_do_not(folder):
    with Server(folder, *limits(delay="1s"), "--workers", "1", penalties=True) as server:
        accounts(server, "anna")
        began = time.monotonic()
        assert guess(server.port, HERE) == 530
        assert time.monotonic() - began < 0.9, "a first slip is held back"
        waits = []
        for _ in range(2):
            c = connect_from(server.port, HERE)
            assert c.code() == 220 and c.ask("USER anna") == 331
            began = time.monotonic()
            c.send(f"PASS {WRONG}\r\n")
            others = 0
            c.sock.settimeout(0)
            while True:
                try:
                    assert c.code() == 530
                    break
                except BlockingIOError:
                    assert log_in(server.port, LOOPBACK) == 230
                    others += 1
            waits.append(time.monotonic() - began)
            assert others >= 5, f"{others} logins while a refusal waited"
            c.close()
        assert 1 <= waits[0] < 2 <= waits[1] < 4, waits
        assert guess(server.port, source(1)) == 530
        c = connect_from(server.port, source(1))
        assert c.code() == 220 and c.ask("USER anna") == 331
        c.send(f"PASS {WRONG}\r\n")
        c.close()  # whoever does not wait leaves nothing behind: the harness looks


def test_an_administrator_sees_and_forgives(folder):
    def penalties():
        return server.control("penalties")["penalties"]

    with Server(folder, *limits(address=3, account=5), penalties=True) as server:
        accounts(server, "anna")
        assert penalties() == []
        assert [guess(server.port, HERE) for _ in range(4)] == [530] * 3 + [421]
        assert guess(server.port, source(0)) == 530
        first, second, third = penalties()
        assert (first["kind"], first["who"], first["failures"]) == ("address", HERE, 3)
        assert 0 < first["wait_s"] <= REFILL_S
        assert (second["kind"], second["who"], second["failures"]) == ("address", source(0), 1)
        assert (third["kind"], third["failures"], third["wait_s"]) == ("account", 4, 0)
        assert len(third["who"]) == 16 and "anna" not in third["who"]
        assert server.control("penalties clear") == {"cleared": 3}
        assert penalties() == []
        assert [guess(server.port, HERE) for _ in range(4)] == [530] * 3 + [421]


def test_no_more_penalties_are_shown_than_anybody_reads(folder):
    with Server(folder, *limits(), penalties=True) as server:
        accounts(server, "anna")
        assert set(at_once([(guess, server.port, source(i)) for i in range(600)])) == {530}
        shown = server.control("penalties")
        assert len(shown["penalties"]) == 501 and shown["more"] == 100
        assert shown["penalties"][500]["kind"] == "account"


@pytest.mark.parametrize("name", ["anna", "nobody"])
def test_a_name_has_a_slow_lane_and_its_owner_does_not(folder, name):
    with Server(folder, "--register", "closed", *limits(account=4), penalties=True, warm=False) as server:
        subprocess.run([program("echoctl"), "--state", server.state, "user", "add", "anna"], check=True,
                       input=PASSWORD.encode() + b"\n", env=environment(server.folder), capture_output=True, timeout=15)
        assert log_in(server.port, HERE, "anna") == 230
        before = checked(server)
        assert [guess(server.port, source(i), name) for i in range(4)] == [530] * 4
        for i in range(10, 20):
            code, text = try_login(server.port, source(i), name, WRONG)
            assert code == 421 and 0 < retry_s(text) <= 2 * REFILL_S
        assert checked(server) == before + 4
        assert guess(server.port, source(20), "somebody") == 530  # another name
        for _ in range(5):
            assert log_in(server.port, HERE, "anna") == 230  # where he was before
        if name == "anna":
            assert log_in(server.port, source(30), name) == 421
            log_in_with_patience(server.port, source(30), name, timeout=2 * REFILL_S)  # from elsewhere, in his turn
            assert log_in(server.port, source(30), name) == 230


def test_a_new_keeper_knows_where_owners_were(folder):
    with Server(folder, *limits(account=3), penalties=True, warm=False) as server:
        accounts(server, "anna")
        assert log_in(server.port, HERE) == 230
        wait_until(lambda: HERE in show(server, "anna"), "the store to know where the last login came from")
        os.kill(server.children()["keeper"], signal.SIGKILL)
        server.wait_status(lambda s: s["restarts"]["keeper"] == 1 and s["keeper_ready"], "a new keeper")
        assert [guess(server.port, source(i)) for i in range(3)] == [530] * 3
        assert log_in(server.port, source(99)) == 421
        assert log_in(server.port, HERE) == 230


@pytest.mark.alone
def test_one_address_does_not_fill_the_queue(folder):
    hashes = ["--hash-memory", "65536", "--hash-passes", "3"]
    with Server(folder, *limits(), *hashes, "--limit-local", penalties=True, cheap=False) as server:
        accounts(server, "anna", "ben")
        names = ["anna", "ben"] * 10
        clients = []
        for name in names:
            c = connect_from(server.port, HERE)
            assert c.code() == 220 and c.ask(f"USER {name}") == 331
            clients.append(c)
        for c in clients:
            c.send(f"PASS {PASSWORD}\r\n")
        said = [c.code() for c in clients]
        for c in clients:
            c.close()
        cores = os.sysconf("SC_NPROCESSORS_ONLN")
        assert set(said) == {230, 421}
        assert 4 <= said.count(230) <= 2 * (4 + cores), said  # some were checked while the others came
        wait_until(lambda: server.status()["closed"]["busy"] == said.count(421), "the refusals to be for want of room")
        assert log_in_with_patience(server.port, LOOPBACK) < 5


@pytest.mark.parametrize("option", ["--address-failures", "--account-failures"])
@pytest.mark.parametrize("value", ["0", "-1", "1000001", "many", "off"])
def test_limits_that_are_none_are_refused(folder, option, value):
    done = subprocess.run([program("echod"), "--state", folder, option, value], capture_output=True, text=True,
                          env=environment(folder), timeout=15)
    assert done.returncode == 2 and option in done.stderr
