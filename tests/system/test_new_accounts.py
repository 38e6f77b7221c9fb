"""How many accounts an address may register in an hour, and how many there may be in all."""
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading

import pytest

from harness import PASSWORD, PATIENCE_S, Client


def register(server, name, source="127.0.0.1", listener="login"):
    """The last reply of a registration: its code and its last text."""
    if listener == "login":
        s = socket.create_connection(("127.0.0.1", server.address_of(listener)), PATIENCE_S, (source, 0))
    else:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(PATIENCE_S)
        s.connect(server.address_of(listener))
    with s:
        c = Client(s)
        assert c.code() == 220
        code = c.ask(f"USER {name}")
        if code != 332:
            return code, ""
        c.send(f"PASS {PASSWORD}\n")
        code, texts = c.reply()
        return code, texts[-1]


def count(server):
    db = sqlite3.connect(os.path.join(server.state, "cli_info"))
    try:
        rows = db.execute("SELECT count(*), (SELECT accounts FROM tally) FROM account").fetchone()
    finally:
        db.close()
    assert rows[0] == rows[1]
    return rows[0]


def test_one_address_makes_ten_an_hour(server):
    s = server("--limit-local")
    for i in range(10):
        assert register(s, f"anna{i}", "127.0.0.5")[0] == 230
    code, text = register(s, "anna10", "127.0.0.5")
    assert code == 421 and "new accounts" in text
    assert s.wait_log("disconnect", reason="new_accounts")["peer"].startswith("127.0.0.5:")
    assert register(s, "bob", "127.0.0.6")[0] == 230
    # who has an account logs in, and what made none does not count
    with socket.create_connection(("127.0.0.1", s.port), PATIENCE_S, ("127.0.0.5", 0)) as sock:
        c = Client(sock)
        assert [c.code(), c.ask("USER anna3"), c.ask(f"PASS {PASSWORD}")] == [220, 331, 230]
    s.wait_status(lambda st: st["closed"]["new_accounts"] == 1, "the counter")


def test_what_makes_no_account_is_not_counted(server):
    s = server("--limit-local", "--address-accounts", "2")
    holder = socket.create_connection(("127.0.0.1", s.port), PATIENCE_S, ("127.0.0.7", 0))
    c = Client(holder)
    assert [c.code(), c.ask("USER taken")] == [220, 332]
    assert register(s, "taken", "127.0.0.8")[0] == 230
    assert c.ask(f"PASS {PASSWORD}") == 530
    assert [c.ask("USER short"), c.ask("PASS short")] == [332, 501]
    holder.close()
    assert [register(s, f"x{i}", "127.0.0.7")[0] for i in range(3)] == [230, 230, 421]


def test_many_at_once_from_one_address(server):
    """They are counted before their passwords are hashed, so no more than may are under way."""
    s = server("--limit-local", "--address-accounts", "5")
    codes = []
    threads = [threading.Thread(target=lambda i=i: codes.append(register(s, f"n{i}", "127.0.0.9")[0]))
               for i in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(codes) == [230] * 5 + [421] * 15


def test_this_machine_has_no_limit_of_its_own(server, folder):
    s = server("--address-accounts", "1", listen=["127.0.0.1:0", f"unix:{folder}/sock"])
    for i in range(4):
        assert register(s, f"a{i}")[0] == 230
        assert register(s, f"b{i}", listener="unix")[0] == 230


def test_unix_users_count_with_limit_local(server, folder):
    s = server("--address-accounts", "1", "--limit-local", listen=[f"unix:{folder}/sock"], warm=False)
    assert [register(s, f"b{i}", listener="unix")[0] for i in range(2)] == [230, 421]


ELSEWHERE = """
import sys
sys.path.insert(0, {here!r})
import socket
from harness import Server, Client, PASSWORD
with Server({folder!r}, "--allow-cleartext", "--register", "open", "--address-accounts", "2", name="elsewhere",
            listen=["10.98.7.1:0"], warm=False) as server:
    def login(name, source, *before):
        c = Client(socket.create_connection(("10.98.7.1", server.port), 10, (source, 0)))
        codes = [c.code()] + [c.ask(line) for line in (*before, "USER " + name)]
        c.send("PASS " + PASSWORD + "\\n")
        code, texts = c.reply()
        told = ["You come from %s:%d" % c.sock.getsockname()]
        c.close()
        return code, [t for t in texts if t.startswith("You come")] == (told if code == 230 else [])
    for name, source in (("a1", "10.98.7.2"), ("a2", "10.98.7.2"), ("a3", "10.98.7.2"), ("a3", "10.98.7.3"),
                         ("a1", "10.98.7.2")):
        assert login(name, source) == (421 if (name, source) == ("a3", "10.98.7.2") else 230, True), (name, source)
    for i in range(4):
        assert login("own%d" % i, "10.98.7.1") == (230, False)  # its own machine's: no limit, and nothing told
"""


def test_another_machine_has_one_and_is_told_its_address(folder):
    setup = "ip link set lo up && for n in 1 2 3; do ip addr add 10.98.7.$n/32 dev lo; done"
    if not shutil.which("ip") or subprocess.run(["unshare", "-n", "sh", "-c", setup], capture_output=True).returncode:
        pytest.skip("no network namespace can be made here")
    code = ELSEWHERE.format(here=os.path.dirname(__file__), folder=folder)
    done = subprocess.run(["unshare", "-n", "sh", "-c", setup + ' && exec "$@"', "sh", sys.executable, "-c", code],
                          capture_output=True, text=True, timeout=40)
    assert done.returncode == 0, done.stderr


def test_so_many_accounts_in_all(server):
    s = server("--max-accounts", "3")  # one is the harness's
    assert [register(s, f"a{i}")[0] for i in range(2)] == [230, 230]
    code, text = register(s, "a2")
    assert code == 451 and "No more accounts" in text
    assert "--max-accounts" in s.wait_log("accounts_full")["msg"]
    assert register(s, "a0")[0] == 331
    assert count(s) == 3


def test_two_servers_keep_to_the_limit_together(server):
    one = server("--max-accounts", "10", warm=False)
    two = server("--max-accounts", "10", warm=False, state=one.state)
    codes = []

    def some(s, name):
        for i in range(10):
            codes.append(register(s, f"{name}{i}")[0])

    threads = [threading.Thread(target=some, args=(s, f"{n}-{j}-")) for n, s in enumerate((one, two)) for j in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert codes.count(230) == 10 and codes.count(451) == 30
    assert count(one) == 10


def test_no_limits(server):
    s = server("--max-accounts", "0", "--address-accounts", "0", "--limit-local")
    assert [register(s, f"a{i}")[0] for i in range(12)] == [230] * 12
