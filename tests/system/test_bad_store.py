"""Stores that cannot be served."""
import os
import sqlite3
import time

import pytest

from harness import (LOOPBACK, PASSWORD, Server, assert_one_sentence, own_folder, program, run_echod, wait_until)

BOTH = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]
CHEAP = ["--hash-memory", "64", "--hash-passes", "1"]


# ---- the store ----

def make_store(folder):
    """A good one, made by a server, with one account."""
    with Server(folder, name="maker") as s:
        s.echo_client(name="kept").close()
        path = os.path.join(s.state, "cli_info")
    return path


def snapshot(path):
    with open(path, "rb") as f:
        return f.read()


def edit(path, sql):
    db = sqlite3.connect(path)
    db.executescript(sql)
    db.commit()
    db.close()


def damage(path):
    data = bytearray(snapshot(path))
    data[200:] = b"\xa5" * (len(data) - 200)
    with open(path, "wb") as f:
        f.write(data)


def make_foreign(path):
    os.unlink(path)
    edit(path, "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1);")


def overwrite(path, data):
    with open(path, "wb") as f:
        f.write(data)


@pytest.fixture(scope="module")
def good_store():
    with own_folder() as folder:
        return snapshot(make_store(folder))


@pytest.mark.parametrize("how, about", [
    (damage, "damaged"),
    (lambda p: overwrite(p, b"These are not the accounts you are looking for.\n" * 100), "no SQLite database"),
    (lambda p: overwrite(p, snapshot(p)[:50]), "no SQLite database"),
    (lambda p: overwrite(p, snapshot(p)[:5000]), "damaged"),
    (lambda p: overwrite(p, b""), "empty"),
    (make_foreign, "another program"),
    (lambda p: edit(p, "PRAGMA user_version = 3"), "newer"),
], ids=["corrupt", "text", "cut", "half", "empty", "foreign", "newer"])
def test_a_bad_store_is_not_served_and_not_touched(folder, good_store, how, about):
    state = os.path.join(folder, "state")
    os.mkdir(state, 0o700)
    path = os.path.join(state, "cli_info")
    overwrite(path, good_store)
    how(path)
    before = snapshot(path)
    done = run_echod(folder, "--listen", "127.0.0.1:0", "--log", f"{folder}/log", *CHEAP, timeout=10)
    assert done.returncode == 1 and done.stdout == ""
    assert_one_sentence(done.stderr, path, about)
    assert snapshot(path) == before
    assert sorted(os.listdir(state)) == ["cli_info", "run"] and os.listdir(f"{state}/run") == []


def test_a_store_kept_locked(folder, good_store):
    state = os.path.join(folder, "state")
    os.mkdir(state, 0o700)
    path = os.path.join(state, "cli_info")
    overwrite(path, good_store)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    db.execute("BEGIN EXCLUSIVE")
    try:
        began = time.monotonic()
        done = run_echod(folder, "--listen", "127.0.0.1:0", "--log", f"{folder}/log", *CHEAP, timeout=10)
        assert done.returncode == 1 and done.stdout == ""
        assert_one_sentence(done.stderr, path, "locked")
        assert 4 < time.monotonic() - began
    finally:
        db.rollback()
        db.close()
    with Server(folder, state=state, name="after") as s:
        assert s.connect().login("kept") is False


@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_read_only_store(folder, good_store, what):
    accounts = os.path.join(folder, "accounts")
    path = os.path.join(accounts, "cli_info")
    os.mkdir(accounts)
    overwrite(path, good_store)
    if what == "folder":
        os.chmod(accounts, 0o555)
    else:
        os.chmod(path, 0o444)
    done = run_echod(folder, "--listen", "127.0.0.1:0", "--accounts", f"sqlite:{path}", "--log", f"{folder}/log",
                     *CHEAP, timeout=10)
    assert done.returncode == 1 and done.stdout == ""
    assert_one_sentence(done.stderr, path)
    assert snapshot(path) == good_store


def test_a_raw_server_needs_no_store(folder):
    state = os.path.join(folder, "state")
    os.mkdir(state, 0o700)
    overwrite(os.path.join(state, "cli_info"), b"rubbish")
    with Server(folder, state=state, listen=[f"raw:{LOOPBACK}:0"]) as s:
        s.connect("raw").echoes(b"x")


def test_a_store_that_goes_bad_while_running(server):
    """It is 451 for logins, and nothing else; put back, logins work."""
    s = server(listen=BOTH)
    running = s.echo_client()
    path = os.path.join(s.state, "cli_info")
    os.rename(path, path + ".away")
    c = s.connect()
    assert c.code() == 220
    assert c.ask("USER anna") == 451
    running.echoes(b"goes on")
    s.connect("raw").echoes(b"so do raw ones")
    assert not os.path.exists(path), "a new one was made in its place"
    os.rename(path + ".away", path)
    wait_until(lambda: c.ask("USER anna") == 331, "the accounts to be back", 5)
    assert c.ask("PASS " + PASSWORD) == 230


def test_a_damaged_address_breaks_no_reply_line(server):
    """What the store holds of a last login is shown as text, whatever it is."""
    s = server()
    s.echo_client("login").close()
    s.wait_still()
    path = os.path.join(s.state, "cli_info")
    stamped = "SELECT last_address != '' FROM account WHERE name = 'anna'"
    wait_until(lambda: sqlite3.connect(path).execute(stamped).fetchone()[0], "the login to be stamped")
    edit(path, "UPDATE account SET last_address = CAST(x'0d0a32333020ff' AS TEXT) WHERE name = 'anna'")
    c = s.connect()
    assert c.code() == 220 and c.ask("USER anna") == 331
    c.send(f"PASS {PASSWORD}\r\n")
    code, texts = c.reply()
    assert code == 230 and any(r"from \x0d\x0a230 \xff;" in text for text in texts), texts
    c.echoes(b"in")
