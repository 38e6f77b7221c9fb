"""Resume tokens: who has one comes back without a password, and who has a copy of one ends them all."""
import base64
import glob
import hashlib
import os
import re
import select
import sqlite3
import subprocess
import threading
import time

import pytest

import clients
from harness import (LOOPBACK, PASSWORD, SEED, Client, check_sanitizer, environment, program, randomness, run_echod,
                     wait_until)
from test_wire import run_elsewhere

TOKEN = re.compile(r"TOKEN ([A-Za-z0-9_-]{43}) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")
CHEAP = ("--hash-memory", "64", "--hash-passes", "1")
VERSION_1 = """
PRAGMA journal_mode = WAL;
CREATE TABLE account (
 name TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
 hash TEXT NOT NULL CHECK (length(hash) BETWEEN 1 AND 127),
 created_us INTEGER NOT NULL CHECK (created_us >= 0),
 last_login_us INTEGER NOT NULL DEFAULT 0 CHECK (last_login_us >= 0),
 last_address TEXT NOT NULL DEFAULT '' CHECK (length(last_address) < 80),
 logins INTEGER NOT NULL DEFAULT 0 CHECK (logins >= 0),
 failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
 disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1))
) STRICT, WITHOUT ROWID;
PRAGMA application_id = 1701013615;
PRAGMA user_version = 1;
"""


def fresh(server, **kwargs):
    c = server.connect(**kwargs)
    assert c.code() == 220
    return c


def token_in(texts):
    found = [m for m in map(TOKEN.fullmatch, texts) if m]
    assert len(found) == 1, texts
    return found[0][1]


def log_in(server, name="anna", password=PASSWORD, **kwargs):
    """A login by password that asks for a token: the connection and the token."""
    c = fresh(server, **kwargs)
    assert c.ask("OPTS TOKEN") == 200
    assert c.ask(f"USER {name}") in (331, 332)
    c.send(f"PASS {password}\r\n")
    code, texts = c.reply()
    assert code == 230, texts
    return c, token_in(texts)


def try_resume(server, token, **kwargs):
    """The connection, the code, and the next token where there is one."""
    c = fresh(server, **kwargs)
    c.send(f"RESUME {token}\r\n")
    code, texts = c.reply()
    return c, code, token_in(texts) if code == 230 else None


def resume(server, token):
    c, code, following = try_resume(server, token)
    assert code == 230
    c.close()
    return following


def is_good(server, token):
    c, code, _ = try_resume(server, token)
    c.close()
    assert code in (230, 530)
    return code == 230


def echoctl(server, *args, password=PASSWORD):
    done = subprocess.run([program("echoctl"), "user", *args, "--state", server.state, *CHEAP],
                          input=password + "\n", text=True, capture_output=True, timeout=60,
                          env=environment(server.folder))
    assert done.returncode == 0, done.stderr
    check_sanitizer(server.folder)
    return done


def store_of(server):
    return os.path.join(server.state, "cli_info")


# ---- what a token does ----

def test_a_token_logs_in_and_is_followed_by_another(server):
    s = server()
    c, token = log_in(s)
    c.echoes(b"by password")
    seen = {token}
    for _ in range(5):
        c, code, token = try_resume(s, token)
        assert code == 230
        c.echoes(b"by token\r\nRESUME is data now\r\n")
        assert token not in seen
        seen.add(token)
    assert s.status()["logins"] == s.baseline["logins"] + 6


def test_a_resumption_is_a_login_like_any_other(server):
    """What is told of the last login, and what is logged."""
    s = server()
    c, token = log_in(s)
    peer = "%s:%d" % c.sock.getsockname()
    c.close()
    c = fresh(s)
    c.send(f"RESUME {token}\n")
    code, texts = c.reply()
    assert code == 230 and texts[-1] == "Welcome, anna. Echo begins"
    assert texts[0].startswith("Last login ") and f"from {peer};" in texts[0]
    mark = hashlib.sha256(base64.urlsafe_b64decode(token + "=")).hexdigest()[:8]
    s.wait_log("login", how="registered", issued=mark)
    s.wait_log("login", how="token", user="anna", token=mark)


def test_no_token_where_none_was_asked_for(server):
    c = fresh(server())
    c.ask("USER anna")
    c.send(f"PASS {PASSWORD}\n")
    assert c.reply() == (230, ["Welcome, anna. Echo begins"])


def test_feat_and_help_tell(server):
    c = fresh(server())
    c.send("FEAT\n")
    assert {"OPTS TOKEN", "RESUME"} <= set(c.reply()[1])
    c.send("HELP\n")
    assert "RESUME" in " ".join(c.reply()[1])


def test_a_token_goes_on_over_restarts(server):
    s = server()
    _, token = log_in(s)
    s.close_clients()
    s.stop()
    s = server(state=s.state)
    resume(s, token)


# ---- bytes behind RESUME ----

def test_what_follows_resume_is_echo_data(server):
    s = server()
    _, token = log_in(s)
    data = clients.Positional("behind resume").at(0, 300000)
    c = s.connect()
    sender = threading.Thread(target=lambda: (c.send(f"RESUME {token}\r\n".encode() + data), c.half_close()))
    sender.start()
    assert c.code() == 220 and c.code() == 230
    assert c.to_end() == data
    sender.join()


def test_what_follows_a_refused_resume_is_commands(server):
    s = server()
    c = s.connect()
    c.send(f"RESUME {'x' * 43}\nNOOP\nUSER anna\nPASS {PASSWORD}\nhello\n")
    c.half_close()
    assert [c.code() for _ in range(5)] == [220, 530, 200, 332, 230]
    assert c.to_end() == b"hello\n"


def test_random_segments_of_a_resumption(server):
    s = server()
    _, token = log_in(s)
    dice = randomness("segments of resume")
    for _ in range(20):
        script = f"NOOP\nRESUME {token}\r\nhello\n".encode()
        c = fresh(s)
        while script:
            n = dice.randint(1, 20)
            c.send(script[:n])
            script = script[n:]
        c.half_close()
        assert c.code() == 200
        code, texts = c.reply()
        assert code == 230, f"TEST_SEED={SEED}"
        assert c.to_end() == b"hello\n"
        token = token_in(texts)


# ---- what becomes of tokens ----

def test_a_lost_230_leaves_the_old_token_good(server):
    s = server()
    _, old = log_in(s)
    for _ in range(3):
        c = s.connect()
        c.send(f"RESUME {old}\n")
        assert c.line().startswith("220")
        c.reset()  # whatever came of it
    new = resume(s, old)
    newer = resume(s, new)
    assert is_good(s, newer)


def test_a_replay_ends_the_family_and_no_other(server):
    s = server()
    _, first = log_in(s)
    _, other = log_in(s)
    second = resume(s, first)
    third = resume(s, second)
    assert not is_good(s, first)
    for token in (third, second, first):
        assert not is_good(s, token)
    mark = hashlib.sha256(base64.urlsafe_b64decode(first + "=")).hexdigest()[:8]
    event = s.wait_log("token_replay")
    assert mark in event["msg"] and "anna" in event["msg"]
    assert is_good(s, other)


def test_two_resume_at_once(server):
    """Both hold the same token. Both may come in, but one line of descent goes on, or none."""
    s = server()
    for _ in range(10):
        _, token = log_in(s)
        both = [fresh(s), fresh(s)]
        for c in both:
            c.send(f"RESUME {token}\n")
        answers = [c.reply() for c in both]
        assert [code for code, _ in answers] == [230, 230]
        one, other = (token_in(texts) for _, texts in answers)
        next_of_one = resume(s, one)
        c, code, _ = try_resume(s, other)
        assert code == 530
        assert not is_good(s, next_of_one)  # nobody can tell who the thief is
        s.close_clients()


@pytest.mark.limit(90)
def test_two_that_share_a_token_race(server):
    """Each goes on with what it was told, as fast as it can: at most one is left at the end."""
    s = server()
    _, token = log_in(s)
    left = []

    def go_on(token):
        for _ in range(20):
            c = Client(clients.connect(s.port))
            with c.sock:
                assert c.code() == 220
                c.send(f"RESUME {token}\n")
                code, texts = c.reply()
                if code != 230:
                    return
                token = token_in(texts)
        left.append(token)

    threads = [threading.Thread(target=go_on, args=(token,)) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(left) <= 1


def test_nine_logins_have_eight_families(server):
    s = server()
    tokens = [log_in(s)[1] for _ in range(9)]
    assert not is_good(s, tokens[0])
    assert all(is_good(s, t) for t in tokens[1:])


def test_a_token_has_an_end(server):
    s = server("--token-life", "2s")
    before = time.time()
    c = fresh(s)
    c.ask("OPTS TOKEN")
    c.ask("USER anna")
    c.send(f"PASS {PASSWORD}\n")
    _, texts = c.reply()
    told = TOKEN.fullmatch(texts[-2])[2]
    end = time.mktime(time.strptime(told, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
    assert before + 1 <= end <= time.time() + 2
    old = token_in(texts)
    new = resume(s, old)
    wait_until(lambda: not is_good(s, old), "the token to end", 10)
    assert not is_good(s, new) or time.time() < end + 10  # each has its own time
    _, fresh_one = log_in(s)
    assert is_good(s, fresh_one)


@pytest.mark.parametrize("act", [
    lambda s: echoctl(s, "passwd", "anna", password="another horse"),
    lambda s: (echoctl(s, "disable", "anna"), echoctl(s, "enable", "anna")),
    lambda s: (echoctl(s, "remove", "anna"), echoctl(s, "add", "anna")),
], ids=["passwd", "disable", "remove"])
def test_what_ends_all_tokens(server, act):
    s = server()
    running, first = log_in(s)
    _, other = log_in(s)
    _, bob = log_in(s, "bob")
    second = resume(s, first)
    act(s)
    for token in (first, second, other):
        assert not is_good(s, token)
    assert is_good(s, bob)
    running.echoes(b"what runs goes on")


def test_every_refusal_is_the_same(server):
    """Unknown, malformed, ended, replayed, disabled."""
    s = server()
    _, spent = log_in(s)
    resume(s, resume(s, spent))
    _, ended = log_in(s, "bob")
    echoctl(s, "passwd", "bob")
    _, disabled = log_in(s, "carla")
    db = sqlite3.connect(store_of(s))
    with db:
        db.execute("UPDATE account SET disabled = 1 WHERE name = 'carla'")
    db.close()
    bad = [spent, ended, disabled, "x" * 43, "A" * 42, "A" * 44, "A" * 42 + "B", "", "é" * 20, "A" * 500,
           "A" * 43 + " "]
    replies = set()
    for token in bad:
        c = fresh(s)
        c.send(f"RESUME {token}\n".encode())
        replies.add(c.line())
        c.close()
    assert len(replies) == 1 and replies.pop().startswith("530 ")


def test_a_refusal_is_a_strike_and_user_may_follow(server):
    s = server()
    c = fresh(s)
    assert [c.ask("RESUME " + "x" * 43), c.ask("RESUME " + "y" * 43), c.ask("USER anna"), c.ask(f"PASS {PASSWORD}")] \
        == [530, 530, 332, 230]
    c = fresh(s)
    c.send(f"RESUME {'x' * 43}\n" * 3)
    assert [c.code() for _ in range(4)] == [530, 530, 530, 421]
    assert c.to_end() == b""


def test_451_while_the_accounts_are_out_of_reach(server):
    s = server()
    c, token = log_in(s)
    db = sqlite3.connect(store_of(s), isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    waiting = fresh(s)
    waiting.send(f"RESUME {token}\n")
    c.echoes(b"goes on")
    assert not select.select([waiting], [], [], 0)[0]
    assert waiting.code() == 451  # after five seconds
    db.execute("ROLLBACK")
    db.close()
    assert waiting.ask(f"RESUME {token}") == 230


def test_534_where_the_path_leaves_the_machine(folder):
    commands = ["OPTS TOKEN", "RESUME " + "x" * 43, "RESUME", "NOOP"]
    assert run_elsewhere(folder, commands) == [220, 534, 534, 534, 200, 220, 331, 530]


def test_tokens_with_allow_cleartext(folder):
    commands = ["OPTS TOKEN", "USER anna", "PASS " + PASSWORD]
    assert run_elsewhere(folder, commands, "--allow-cleartext", "--register", "open") \
        == [220, 200, 332, 230, 220, 331, 530]


# ---- secrets ----

def test_no_token_is_ever_logged_or_stored(server):
    s = server(log_level="debug")
    tokens = [log_in(s)[1]]
    for _ in range(3):
        tokens.append(resume(s, tokens[-1]))
    assert not is_good(s, tokens[0])
    s.wait_log("token_replay")
    s.close_clients()
    s.stop()
    for path in glob.glob(os.path.join(s.folder, "**"), recursive=True):
        if os.path.isfile(path):
            text = open(path, "rb").read()
            for token in tokens:
                assert token.encode() not in text, path
                assert token[:12].encode() not in text, path
                assert base64.urlsafe_b64decode(token + "=") not in text, path


# ---- the file ----

def make_version_1(state):
    """A store as the first echod made it, with anna in it, by way of today's."""
    os.makedirs(state, mode=0o700, exist_ok=True)
    path = os.path.join(state, "cli_info")
    now = sqlite3.connect(path)
    hashed = now.execute("SELECT hash FROM account WHERE name = 'anna'").fetchone()[0]
    now.close()
    for name in glob.glob(path + "*"):
        os.unlink(name)
    old = sqlite3.connect(path)
    old.executescript(VERSION_1)
    old.execute("INSERT INTO account (name, hash, created_us, logins) VALUES ('anna', ?, 1, 3)", (hashed,))
    old.commit()
    old.close()
    os.chmod(path, 0o600)
    return path


def test_a_version_1_store_is_upgraded(server, folder):
    state = os.path.join(folder, "state")
    subprocess.run([program("echoctl"), "user", "add", "anna", "--state", state, *CHEAP], input=PASSWORD + "\n",
                   text=True, capture_output=True, check=True, env=environment(folder))
    path = make_version_1(state)
    s = server(state=state)
    assert s.wait_log("store_upgraded")["level"] == "warning"
    assert len([e for e in s.log_events() if e["event"] == "store_upgraded"]) == 1
    c, token = log_in(s)
    resume(s, token)
    s.close_clients()
    s.stop()
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone() == (2,)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert db.execute("SELECT accounts FROM tally").fetchone() == (2,)
    db.close()
    make_version_1(state)
    done = subprocess.run([program("echoctl"), "user", "list", "--state", state], text=True, capture_output=True,
                          env=environment(folder))
    assert done.returncode == 0 and "older version" in done.stderr


def test_token_life_must_have_an_end(folder):
    done = run_echod(folder, "--token-life", "off")
    assert done.returncode == 2 and "--token-life" in done.stderr


def test_a_token_over_a_unix_socket(server, folder):
    s = server(listen=[f"unix:{folder}/sock", f"{LOOPBACK}:0"])
    _, token = log_in(s, kind="unix")
    resume(s, token)


def test_keeper_killed_in_the_middle(server):
    """A token whose 230 was sent is there, whatever happens to the keeper."""
    s = server()
    _, token = log_in(s)
    for i in range(5):
        os.kill(s.children()["keeper"], 9)
        s.wait_status(lambda st: st["keeper_ready"] and st["restarts"]["keeper"] == i + 1, "the keeper to be back")

        def again():
            nonlocal token
            c, code, following = try_resume(s, token)
            c.close()
            token = following or token
            return code == 230

        wait_until(again, "a resumption", 5)
