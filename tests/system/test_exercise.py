"""The classic exercise this project grew out of, one test a line of it (S3 and S4: test_exercise_where.py)."""
import contextlib
import json
import os
import re
import select
import signal
import sqlite3
import subprocess
import time

import pytest

from harness import (LOOPBACK, PASSWORD, PATIENCE_S, Positional, Server, check_sanitizer, connect, environment,
                     free_ports, has, program, wait_until)
from terminal import echoc, pipe_echoc

needs_echoc = pytest.mark.skipif(not has("echoc"), reason="echoc is not built")
needs_echoctl = pytest.mark.skipif(not has("echoctl"), reason="echoctl is not built")
BOTH = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]


# ---- S1: what is typed comes back ----

def test_S1_echoes_what_is_typed(server):
    s = server(listen=BOTH)
    for kind in ("login", "raw"):
        c = s.echo_client(kind)
        for line in ("hello\n", "Привет, мир\n", "\n", "no end of line", "\r\n", "x" * 4095 + "\n"):
            c.echoes(line)
        c.half_close()
        assert c.to_end() == b""


@needs_echoc
def test_S1_echoc_shows_what_came_back(server, folder):
    s = server()
    with echoc(folder, f"{LOOPBACK}:{s.port}", "--user", "anna", ECHOC_PASSWORD=PASSWORD) as t:
        t.wait_for("Connected")
        for line in ("hello", "Привет, мир"):
            t.type(line + "\n")
            t.wait_for(f"{line}   ")  # as it came back, with its time
            t.wait_for(" ms")
        t.type("exit\n")
        assert t.end() == 0
    check_sanitizer(folder)


@needs_echoc
def test_S1_echoc_gives_back_a_file(server, folder):
    s = server(listen=BOTH)
    data = Positional("file").at(0, 3 << 20)
    for address in (f"{LOOPBACK}:{s.ports[0]}", f"raw:{LOOPBACK}:{s.ports[1]}"):
        p = pipe_echoc(folder, address, "--user", "anna")
        out, err = p.communicate(data, timeout=30)
        assert p.returncode == 0, err
        assert out == data


# ---- S2: clients go away and come back ----

def test_S2_rude_clients_50_times(server):
    s = server(listen=BOTH)
    running = s.echo_client()
    for turn in range(50):
        c = s.connect()
        if turn % 5 == 0:
            c.reset()  # before the greeting is read
        elif turn % 5 == 1:
            assert c.code() == 220
            c.send("USER an")
            c.reset()
        elif turn % 5 == 2:
            c.code()
            c.send(f"USER rude{turn}\nPASS {PASSWORD}\n")  # and does not wait for the answer
            c.reset()
        elif turn % 5 == 3:
            c.login("anna")
            c.send(bytes(100000))
            c.read(10)
            c.reset()
        else:
            c.login("anna")
            c.send("half a mess")
            c.close()
        raw = s.connect("raw")
        raw.send(bytes(1000))
        raw.reset() if turn % 2 else raw.close()
        back = s.echo_client()
        back.echoes(f"back again {turn}")
        back.close()
        running.echoes(f"undisturbed {turn}")
    status = s.wait_status(lambda st: st["connections"]["open"] == 1, "the rude ones to be gone")
    assert status["restarts"] == {"front": 0, "keeper": 0}
    assert status["closed"]["reset"] >= 30


@needs_echoc
def test_S2_echoc_comes_back_when_the_server_does(folder):
    port = free_ports(1)
    data, sent = Positional("reconnect"), 0
    with Server(folder, name="first", listen=[f"{LOOPBACK}:{port}"]) as first:
        p = pipe_echoc(folder, f"{LOOPBACK}:{port}", "--user", "anna")
        came = b""

        def send(size):
            nonlocal sent
            p.stdin.write(data.at(sent, size))
            p.stdin.flush()
            sent += size

        def await_all():
            nonlocal came
            while len(came) < sent:
                assert select.select([p.stdout], [], [], PATIENCE_S)[0], f"{len(came)} of {sent} came back"
                some = os.read(p.stdout.fileno(), 1 << 16)
                assert some, f"echoc ended: {p.stderr.read()}"
                came += some

        try:
            send(200000)
            await_all()
            first.kill_9()
            send(40000)  # into the gap; more than a pipe holds would wait for the server to be back
            with Server(folder, name="second", listen=[f"{LOOPBACK}:{port}"], state=first.state,
                        busy=True) as second:
                await_all()
                send(100000)
                await_all()
                p.stdin.close()
                assert p.wait(PATIENCE_S) == 0
                err = p.stderr.read().decode()
                assert f"{LOOPBACK}:{port}" in err and "back at" in err, err
                data.check(0, came)
                second.wait_log("login", user="anna")
        finally:
            if p.poll() is None:
                p.kill()
                p.wait()
    check_sanitizer(folder, err)


# ---- S5: names and passwords ----

def test_S5_registers_greets_by_name_and_refuses(server):
    s = server()
    c = s.connect()
    assert c.code() == 220
    assert c.ask("USER Анна") == 332
    c.send(f"PASS {PASSWORD}\r\n")
    code, texts = c.reply()
    assert code == 230 and "Анна" in texts[-1]
    c.echoes(b"in")
    again = s.connect()
    again.code()
    assert again.ask("USER Анна") == 331
    assert again.ask("PASS wrong horse") == 530
    assert again.ask("USER Анна") == 331
    again.send(f"PASS {PASSWORD}\r\n")
    code, texts = again.reply()
    assert code == 230 and "Анна" in texts[-1]
    again.echoes(b"in, too")


def test_S5_registration_closed_tells_known_from_unknown_by_nothing(folder):
    with Server(folder, name="open") as s:
        s.echo_client(name="known").close()
        state = s.state
    with Server(folder, "--register", "closed", name="closed", state=state) as s:
        replies = {}
        for name in ("known", "unknown"):
            c = s.connect()
            c.code()
            c.send(f"USER {name}\r\nPASS wrong horse\r\n")
            replies[name] = [c.reply(), c.reply()]
        assert replies["known"] == replies["unknown"]
        assert [r[0] for r in replies["known"]] == [331, 530]
        known = s.connect()
        known.login("known")
        known.echoes(b"in")
        # Both cost a hash: nobody learns from the clock who is there, or asks for free.
        before = s.status()["passwords_checked"]
        c = s.connect()
        c.code()
        c.ask("USER nobody")
        assert c.ask("PASS short") == 530
        assert s.status()["passwords_checked"] == before + 1
        assert s.status()["accounts_created"] == 0


# ---- S6: the file ----

def open_store(path):
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)


def test_S6_cli_info_is_a_real_sqlite_file(server):
    s = server()
    s.echo_client(name="Анна").close()
    path = os.path.join(s.state, "cli_info")
    with open(path, "rb") as f:
        assert f.read(16) == b"SQLite format 3\0"
    with contextlib.closing(open_store(path)) as db:  # while the server runs
        rows = dict(db.execute("SELECT name, hash FROM account"))
        assert "Анна" in rows
        assert rows["Анна"].startswith("$argon2id$")
        assert PASSWORD not in rows["Анна"]
        schema = db.execute("SELECT sql FROM sqlite_schema WHERE name = 'account'").fetchone()[0]
        assert "STRICT" in schema
        assert db.execute("PRAGMA table_list('account')").fetchone()[5] == 1  # strict
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"

    def stamped():
        with contextlib.closing(open_store(path)) as db:
            logins, address, us = db.execute(
                "SELECT logins, last_address, last_login_us FROM account WHERE name = 'Анна'").fetchone()
            return logins == 1 and address.startswith(LOOPBACK) and abs(us / 1e6 - time.time()) < 60

    wait_until(stamped, "the login to be noted in the file")
    assert PASSWORD.encode() not in open(path, "rb").read()


@needs_echoctl
def test_S6_echoctl_shows_the_account(server, folder):
    s = server()
    s.echo_client(name="Анна").close()
    done = subprocess.run([program("echoctl"), "--state", s.state, "user", "list"], capture_output=True, timeout=20,
                          env=environment(folder))
    assert done.returncode == 0, done.stderr
    assert "Анна" in done.stdout.decode()
    done = subprocess.run([program("echoctl"), "--state", s.state, "status", "--json"], capture_output=True, timeout=20,
                          env=environment(folder))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pid"] == s.pid
    check_sanitizer(folder)


# ---- S7: the console ----

def test_S7_with_log_the_console_has_the_ready_line_only(folder):
    with Server(folder, listen=BOTH, log_level="debug") as s:
        c = s.echo_client()
        c.echoes(b"hello")
        c.close()
        bad = s.connect()
        bad.send("X\nX\nX\n")
        bad.code()
        bad.close()
        os.kill(s.children()["keeper"], signal.SIGKILL)
        s.wait_log("child_ended")
        s.wait_status(lambda st: st["keeper_ready"] and st["restarts"]["keeper"] == 1, "the keeper to be back")
    # the harness has seen that stdout had the ready line and no more
    assert s.stderr() == ""
    assert len(s.log_events()) > 5


def test_S7_without_log_the_messages_are_on_stderr(folder):
    with Server(folder, log=None) as s:
        s.echo_client().echoes(b"hello")
    events = [line.partition("event=")[2].split(" ")[0] for line in s.stderr().splitlines()]
    for event in ("start", "listen", "connect", "login", "disconnect", "stop"):
        assert event in events


# ---- S8: the log ----

def test_S8_every_event_is_logged(folder):
    with Server(folder, log_level="debug") as s:
        c = s.echo_client()
        c.echoes(b"hello")
        c.close()
        wrong = s.connect()
        wrong.code()
        wrong.ask("USER anna")
        wrong.ask("PASS wrong horse")
        wrong.close()
        s.wait_log("disconnect", user="anna")
        s.wait_log("disconnect", bytes_in=0)
        version = s.status()["version"]
    events = s.log_events()

    def one(event, **fields):
        found = [e for e in events if e["event"] == event and fields.items() <= e.items()]
        assert len(found) == 1, f"{event} {fields}: {found}"
        return found[0]

    one("start", pid=str(s.pid), version=version)
    one("listen", address=s.listen[0])
    login = one("login", user="anna", how="registered")
    conn = login["conn"]
    assert re.fullmatch(r"127\.0\.0\.1:\d+", login["peer"])
    one("connect", conn=conn, peer=login["peer"])
    one("recv", conn=conn, bytes="5", level="debug")
    one("send", conn=conn, bytes="5", level="debug")
    one("login_failed", name="anna")
    end = one("disconnect", conn=conn)
    assert (end["reason"], end["bytes_in"], end["bytes_out"], end["user"]) == ("eof", "5", "5", "anna")
    one("stop", status="0")
    for e in events:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", e["time"])
        assert e["level"] in ("error", "warning", "info", "debug")
    with open(s.log_path) as f:
        text = f.read()
    assert PASSWORD not in text and "wrong horse" not in text


def test_S8_info_does_not_log_chunks_and_error_almost_nothing(folder):
    with Server(folder, name="info") as s:
        s.echo_client().echoes(b"hello")
    assert not {"recv", "send"} & {e["event"] for e in s.log_events()}
    with Server(folder, name="error", log_level="error") as s:
        s.echo_client().echoes(b"hello")
    assert s.log_events() == []


def test_S8_what_strangers_say_cannot_forge_a_line(folder):
    with Server(folder, log_level="debug") as s:
        s.echo_client(name="known").close()
        c = s.connect()
        c.code()
        c.send(b"USER x\" event=login user=root\n")
        c.send(b"USER known\nPASS \x1b[2J\xff event=login user=root\n")
        codes = [c.code() for _ in range(3)]
        assert codes == [501, 331, 530]
        c.close()
    for e in s.log_events():
        assert e.get("user") != "root"
    with open(s.log_path, "rb") as f:
        assert all(b == 10 or 32 <= b < 127 for b in f.read())


# ---- S9: a polite end ----

@needs_echoc
@pytest.mark.parametrize("word", ["exit\n", "/exit\n", "/quit\n", "\x04"])
def test_S9_exit_and_ctrl_d_end_echoc_politely(server, folder, word):
    s = server()
    with echoc(folder, f":{s.port}", "--user", "anna", ECHOC_PASSWORD=PASSWORD) as t:
        t.wait_for("Connected")
        t.type("hello\n")
        t.wait_for("hello   ")
        t.type(word)
        assert t.end() == 0
    s.wait_log("disconnect", user="anna", reason="eof", bytes_in=6, bytes_out=6)
    check_sanitizer(folder, t.text.decode())


@needs_echoc
def test_S9_in_a_pipe_exit_is_data(server, folder):
    s = server()
    p = pipe_echoc(folder, f":{s.port}", "--user", "anna")
    out, err = p.communicate(b"exit\n/quit\n", timeout=20)
    assert (p.returncode, out) == (0, b"exit\n/quit\n"), err


def test_S9_quit_at_login(server):
    s = server()
    c = s.connect()
    c.code()
    assert c.ask("QUIT") == 221
    assert c.to_end() == b""
    c.close()
    s.wait_status(lambda st: st["closed"]["quit"] == 1, "the end to be counted as quit")
