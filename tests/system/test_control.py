"""The control socket and what echoctl asks over it: each command, at every limit, and whatever its clients do."""
import fcntl
import json
import os
import pwd
import resource
import select
import signal
import socket
import sqlite3
import struct
import subprocess
import termios

import pytest

from harness import (LOOPBACK, PASSWORD, PATIENCE_S, SERVER_USER, UNPRIVILEGED, Positional, connect, environment, program, randomness,
                     wait_until)

CLIENTS = 8  # CONTROL_CLIENTS of src/echod/parent/control.h
LINE_MAX = 320  # CONTROL_LINE_MAX: a line with its end
BOTH = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]


def path_of(s):
    return f"{s.state}/run/{s.pid}.sock"


def say(s, data, half_close=False):
    """Sends bytes to the control socket and returns all that comes back; a reset behind it is the server's right."""
    with connect(path_of(s)) as c:
        parts = []
        try:
            c.sendall(data)
            if half_close:
                c.shutdown(socket.SHUT_WR)
            while some := c.recv(1 << 16):
                parts.append(some)
        except (ConnectionResetError, BrokenPipeError):
            pass
        return b"".join(parts)


def echoctl(s, *args, status=0):
    done = subprocess.run([program("echoctl"), "--state", s.state, *args], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=PATIENCE_S, env=environment(s.folder))
    assert done.returncode == status, done
    if "--json" in args:
        assert done.stderr == "" and isinstance(json.loads(done.stdout), dict)
    elif status:
        lines = done.stderr.splitlines()
        assert len(lines) == 1 and lines[0].startswith("echoctl: ") and lines[0].endswith("."), done.stderr
    return done


def unread(c):
    """How much of what was sent the other end has not taken yet."""
    return struct.unpack("i", fcntl.ioctl(c, termios.TIOCOUTQ, b"\0" * 4))[0]


def limit_parent(s):
    """Lets the parent open no descriptor but those below its highest; returns how many are free there."""
    fds = [int(fd) for fd in os.listdir(f"/proc/{s.pid}/fd")]
    set_limit(s, max(fds) + 1)
    return max(fds) + 1 - len(fds)


def set_limit(s, soft):
    """By a process of the same user: root itself may lack the right."""
    subprocess.run(["prlimit", f"--nofile={soft}:", "--pid", str(s.pid)], check=True,
                   **({"user": SERVER_USER.pw_uid, "group": SERVER_USER.pw_gid, "extra_groups": []} if UNPRIVILEGED
                      else {}))


# ---- drain ----

def test_drain_by_command(server):
    s = server(listen=BOTH)
    slow = s.connect("raw", rcvbuf=4096)
    data, sent = Positional("drain by command"), 160 * 1024  # less than the kernel and one chunk take
    slow.send(data.at(0, sent))
    s.wait_status(lambda st: st["bytes_in"] == sent, "all to be taken")
    answer = s.control("drain")
    assert answer == {"draining": True, "open": 1}
    assert s.status()["draining"] is True
    assert s.control("drain")["draining"] is True  # a second one forces nothing
    came = slow.to_end()
    data.check(0, came)
    assert len(came) == sent
    s.wait()
    s.check_ended()
    assert [e["event"] for e in s.log_events()].count("drain") == 1


def test_echoctl_drain(server):
    s = server()
    assert echoctl(s, "drain").stdout == "draining: true\nopen: 0\n"
    s.wait()
    s.check_ended()
    echoctl(s, "drain", status=3)


# ---- reload ----

def test_reload_opens_the_log_anew(server):
    s = server()
    os.rename(s.log_path, s.log_path + ".1")
    assert s.control("reload") == {"reloaded": ["log"]}
    s.echo_client(name="anna").echoes(b"x")
    s.wait_log("login", user="anna")
    assert json.loads(echoctl(s, "reload", "--json").stdout) == {"reloaded": ["log"]}
    assert "- log" in echoctl(s, "reload").stdout


def test_reload_with_a_log_that_cannot_be_opened(server):
    s = server()
    os.rename(s.log_path, s.log_path + ".1")
    os.mkdir(s.log_path)
    answer = s.control("reload")
    assert answer["status"] == 1 and s.log_path in answer["error"]
    assert s.log_path in echoctl(s, "reload", status=1).stderr
    assert json.loads(echoctl(s, "reload", "--json", status=1).stdout)["status"] == 1
    os.rmdir(s.log_path)
    os.rename(s.log_path + ".1", s.log_path)
    s.wait_log("log_reopen", level="error")


def test_reload_without_anything_to_reload(server):
    assert server(log=None).control("reload") == {"reloaded": []}


# ---- what the keeper answers ----

@pytest.mark.parametrize("command", ["revoke anna", "penalties", "penalties clear"])
def test_the_keeper_is_away(server, command):
    s = server(warm=False)
    keeper = s.children()["keeper"]
    os.kill(keeper, signal.SIGSTOP)
    with connect(path_of(s)) as waiting:
        waiting.sendall(command.encode() + b"\n")
        assert not select.select([waiting], [], [], 0.1)[0]
        os.kill(keeper, signal.SIGKILL)
        answer = json.loads(waiting.makefile().read())
    assert answer["status"] == 1 and "ended meanwhile" in answer["error"]
    s.wait_status(lambda st: st["keeper_ready"] and st["restarts"]["keeper"] == 1, "a new keeper")


def test_a_keeper_that_does_not_answer(server):
    """Each who asks is told so in time, nobody else waits, and those that have gone leave nothing."""
    s = server(warm=False)
    keeper = s.children()["keeper"]
    os.kill(keeper, signal.SIGSTOP)
    waiting = [connect(path_of(s)) for _ in range(3)]
    for c in waiting:
        c.sendall(b"penalties\n")
    gone = connect(path_of(s))
    gone.sendall(b"revoke anna\n")
    assert s.status()["pid"] == s.pid
    gone.close()
    for c in waiting:
        answer = json.loads(c.makefile().read())
        assert answer["status"] == 1 and "does not answer" in answer["error"]
        c.close()
    os.kill(keeper, signal.SIGCONT)
    assert s.status()["restarts"]["keeper"] == 0


@pytest.mark.parametrize("command", ["revoke anna", "penalties", "penalties clear"])
def test_a_raw_server_has_no_accounts(server, command):
    s = server(listen=["raw:" + f"{LOOPBACK}:0"])
    answer = s.control(command)
    assert answer["status"] == 3 and "no accounts" in answer["error"]
    assert echoctl(s, *command.split(), status=3).stderr


@pytest.mark.parametrize("name", [b"", b" ", b"an na", b"\xff\xfe", b"a\x1bb", b"a" * 257, "а".encode() * 129, b"\xc2\x85"])
def test_what_cannot_be_a_name_is_not_asked(server, name):
    s = server()
    asked = s.status()["asked"]
    answer = json.loads(say(s, b"revoke " + name + b"\n"))
    assert "revoke and a name" in answer["error"]
    assert s.status()["asked"] == asked


# ---- whoever comes ----

def test_lines_in_pieces(server):
    s = server()
    with connect(path_of(s)) as c:
        for byte in b"status":
            c.sendall(bytes([byte]))
            assert not select.select([c], [], [], 0.01)[0]
        c.sendall(b"\n")
        assert json.loads(c.makefile().read())["pid"] == s.pid
    assert json.loads(say(s, b"status\n", half_close=True))["pid"] == s.pid


@pytest.mark.parametrize("line", [
    b"\n", b"\r\n", b"status\r\n", b"STATUS\n", b"status now\n", b"drain \n", b"revoke\n", b"penalties  clear\n", b"\0\n",
    b"status\0\n", b"\xff\xfe\n", b"{}\n", b"x" * (LINE_MAX - 1) + b"\n", b"x" * LINE_MAX, b"x" * 100000])
def test_lines_that_are_no_commands(server, line):
    s = server()
    answer = json.loads(say(s, line))
    assert set(answer) == {"error", "status"} and answer["status"] == 1 and answer["error"].endswith(".")
    assert not s.status()["draining"]


def test_what_has_no_end_is_not_obeyed(server):
    s = server()
    for half in (b"", b"drain", b"x" * (LINE_MAX - 1)):
        assert say(s, half, half_close=True) == b""
    assert not s.status()["draining"]


def test_random_lines(server):
    s = server()
    dice = randomness("control lines")
    for _ in range(300):
        line = dice.randbytes(dice.randrange(400)).replace(b"\n", b"x") + b"\n"
        assert set(json.loads(say(s, line))) == {"error", "status"}, line


def test_another_user_is_refused(server):
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    s = server()
    stranger = "daemon" if SERVER_USER.pw_name != "daemon" else "nobody"
    ask = ("import socket, sys\n"
           "c = socket.socket(socket.AF_UNIX)\n"
           "try:\n"
           "    c.connect(sys.argv[1]); c.sendall(b'status\\n'); print(repr(c.recv(100)))\n"
           "except OSError as e:\n"
           "    print(type(e).__name__)\n")

    def ask_as_stranger():
        return subprocess.run(["/usr/bin/python3", "-c", ask, path_of(s)], user=stranger,
                              group=pwd.getpwnam(stranger).pw_gid, extra_groups=[],
                              capture_output=True, text=True, timeout=PATIENCE_S).stdout.strip()

    assert os.stat(path_of(s)).st_mode & 0o777 == 0o600
    assert os.stat(f"{s.state}/run").st_mode & 0o777 == 0o700
    os.chmod(os.path.dirname(s.folder), 0o755)
    assert ask_as_stranger() == "PermissionError"
    for path, mode in ((s.state, 0o755), (f"{s.state}/run", 0o755), (path_of(s), 0o666)):
        os.chmod(path, mode)
    assert ask_as_stranger() in ("b''", "ConnectionResetError", "BrokenPipeError")  # let in by the file, but not by us
    assert s.status()["pid"] == s.pid


# ---- at every limit ----

def test_silent_clients_lock_nobody_out(server):
    s = server()
    silent = [connect(path_of(s)) for _ in range(CLIENTS)]
    for c in silent[:3]:
        c.sendall(b"stat")
    for _ in range(2 * CLIENTS):
        assert s.status()["pid"] == s.pid
    assert echoctl(s, "status").stdout
    # the oldest gave way, one for each that came while all were taken
    assert silent[0].recv(1) == b""
    silent[-1].sendall(b"status\n")
    assert json.loads(silent[-1].makefile().read())["pid"] == s.pid
    for c in silent:
        c.close()


def test_clients_that_wait_for_the_keeper_lock_nobody_out_for_long(server):
    s = server(warm=False)
    keeper = s.children()["keeper"]
    os.kill(keeper, signal.SIGSTOP)
    waiting = [connect(path_of(s)) for _ in range(CLIENTS)]
    for c in waiting:
        c.sendall(b"penalties\n")
    wait_until(lambda: not any(map(unread, waiting)), "the commands to be taken")
    with connect(path_of(s)) as late:
        late.sendall(b"status\n")
        assert not select.select([late], [], [], 0.3)[0]  # in the queue, and those that wait stay
        waiting[3].close()
        assert json.loads(late.makefile().read())["pid"] == s.pid
    os.kill(keeper, signal.SIGCONT)
    for c in waiting:
        c.close()


def test_at_the_limit_on_connections(server):
    s = server("--max-connections", "4", listen=BOTH)
    inside = [s.echo_client("raw") for _ in range(4)]
    assert s.connect("raw").to_end() == b""
    assert s.status()["connections"]["open"] == 4
    assert s.control("reload") == {"reloaded": ["log"]}
    for c in inside:
        c.echoes(b"still here")
    assert s.control("drain")["open"] == 4
    for c in inside:
        assert c.to_end() == b""
    s.wait()
    s.check_ended()


def test_without_a_descriptor_left(server):
    """The parent has none to take a client with, or to open a log: it keeps a few for that."""
    s = server()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # up to which a server raises its own
    assert limit_parent(s) < CLIENTS
    silent = [connect(path_of(s)) for _ in range(CLIENTS + 1)]
    for _ in range(20):
        assert s.status()["descriptors"]["front"] > 0
        assert s.control("reload") == {"reloaded": ["log"]}
    for c in silent:
        c.close()
    set_limit(s, before)


def test_a_client_that_does_not_read(server):
    """Nobody waits for it."""
    s = server()
    deaf = connect(path_of(s))
    deaf.sendall(b"status\n")
    for _ in range(3):
        assert s.status()["pid"] == s.pid
    wait_until(lambda: len(deaf.recv(1 << 20, socket.MSG_PEEK)) > 100, "its answer")
    deaf.close()


# ---- revoke ----

def test_revoke(server):
    s = server()
    c = s.connect()
    assert c.code() == 220
    assert c.ask("OPTS TOKEN") == 200
    assert c.ask("USER анна") == 332
    c.send(f"PASS {PASSWORD}\r\n")
    code, texts = c.reply()
    assert code == 230 and any(t.startswith("TOKEN ") for t in texts)
    done = echoctl(s, "revoke", "анна")
    assert done.stdout == "анна: 1 token revoked\n"
    assert json.loads(echoctl(s, "revoke", "анна", "--json").stdout) == {"revoked": 0}
    assert "no account nemo" in echoctl(s, "revoke", "nemo", status=4).stderr
    error = json.loads(echoctl(s, "revoke", "nemo", "--json", status=4).stdout)
    assert error["status"] == 4 and "nemo" in error["error"]
    c.echoes(b"who is in stays in")


def test_revoke_without_a_server(server):
    s = server()
    s.echo_client(name="anna")
    s.close_clients()
    s.stop()
    assert echoctl(s, "revoke", "anna").stdout == "anna: 0 tokens revoked\n"
    assert json.loads(echoctl(s, "revoke", "anna", "--json").stdout) == {"revoked": 0}
    echoctl(s, "revoke", "nemo", status=4)
    os.unlink(f"{s.state}/cli_info")
    echoctl(s, "revoke", "anna", status=3)
    assert not os.path.exists(f"{s.state}/cli_info")


def test_revoke_while_the_accounts_are_locked(server):
    s = server()
    s.echo_client(name="anna")
    db = sqlite3.connect(f"{s.state}/cli_info", isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    done = echoctl(s, "revoke", "anna", status=1)
    assert s.status()["pid"] == s.pid
    db.execute("ROLLBACK")
    db.close()
    assert "could not do it" in done.stderr
    echoctl(s, "revoke", "anna")


# ---- penalties ----

def test_penalties(server):
    s = server("--failure-delay", "off")
    assert s.control("penalties") == {"schema": "echod.penalties/1", "penalties": [], "more": 0}
    s.echo_client(name="anna")
    for _ in range(2):
        c = s.connect()
        assert c.code() == 220 and c.ask("USER anna") == 331 and c.ask("PASS wrong horse") == 530
    answer = s.control("penalties")
    assert answer["penalties"] and answer["more"] == 0 and all(isinstance(p, dict) for p in answer["penalties"])
    assert LOOPBACK in json.dumps(answer)
    assert json.loads(echoctl(s, "penalties", "--json").stdout) == s.control("penalties")
    assert LOOPBACK in echoctl(s, "penalties").stdout
    assert s.control("penalties clear") == {"cleared": len(answer["penalties"])}
    assert s.control("penalties")["penalties"] == []
    assert echoctl(s, "penalties", "clear").stdout == "cleared: 0\n"
