"""echoctl as people and scripts run it: real processes on a state directory of the test's own."""
import concurrent.futures
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import sqlite3
import struct
import subprocess
import termios
import threading
import time

import pytest

from harness import BUILD

ECHOCTL = os.path.join(BUILD, "echoctl")
CHEAP = ["--hash-memory", "64", "--hash-passes", "1"]
TIMEOUT_S = 30
RFC3339 = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")


def environment():
    env = {k: v for k, v in os.environ.items() if k not in ("STATE_DIRECTORY", "XDG_STATE_HOME")}
    env["LC_ALL"] = "C"  # what is shown does not hang on the locale
    return env


def run(state, *args, stdin=b"", status=0):
    done = subprocess.run([ECHOCTL, "--state", str(state), *args], input=stdin, capture_output=True, timeout=TIMEOUT_S,
                          env=environment())
    assert done.returncode == status, (args, done)
    return done


def add(state, name, password=b"correct horse\n"):
    return run(state, "user", "add", name, *CHEAP, stdin=password)


def show(state, name):
    return json.loads(run(state, "user", "show", name, "--json").stdout)


def hash_of(state, name):
    """The stored hash, which echoctl itself never shows."""
    with sqlite3.connect(state / "cli_info") as db:
        return db.execute("SELECT hash FROM account WHERE name = ?", (name,)).fetchone()[0]


def is_one_sentence(err):
    lines = err.decode().splitlines()
    return len(lines) == 1 and lines[0].startswith("echoctl: ") and lines[0].endswith(".")


# ---- the whole life of an account ----

def test_life_of_an_account(tmp_path):
    state = tmp_path / "deep" / "state"
    done = add(state, "anna")
    assert b"made a new file" in done.stderr and b"warning" in done.stderr
    assert (state / "cli_info").stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o777 == 0o700
    account = show(state, "anna")
    assert list(account) == ["name", "created", "last_login", "last_address", "logins", "failures", "disabled"]
    assert RFC3339.match(account["created"])
    assert account["last_login"] is None and account["last_address"] is None and account["disabled"] is False
    assert "made a new" not in run(state, "user", "disable", "anna").stderr.decode()
    assert show(state, "anna")["disabled"] is True
    assert b"disabled" in run(state, "user", "list").stdout
    run(state, "user", "enable", "anna")
    assert show(state, "anna")["disabled"] is False
    before = hash_of(state, "anna")
    run(state, "user", "passwd", "anna", *CHEAP, stdin=b"another one\n")
    assert hash_of(state, "anna") != before
    assert before.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    run(state, "user", "remove", "anna")
    run(state, "user", "show", "anna", status=4)


def test_default_hash_is_not_warned_of(tmp_path):
    done = run(tmp_path, "user", "add", "anna", stdin=b"correct horse\n")
    assert b"warning" not in done.stderr
    assert "$m=19456,t=2,p=1$" in hash_of(tmp_path, "anna")


def test_names_are_normalised(tmp_path):
    add(tmp_path, "и\u0306")
    assert show(tmp_path, "й")["name"] == "й"
    run(tmp_path, "user", "add", "й", *CHEAP, stdin=b"correct horse\n", status=4)


@pytest.mark.parametrize("command", ["passwd", "disable", "enable", "remove", "show"])
def test_no_such_account(tmp_path, command):
    done = run(tmp_path, "user", command, "anna", stdin=b"correct horse\n", status=4)
    assert b"no account anna" in done.stderr


def test_existing_account(tmp_path):
    add(tmp_path, "anna")
    before = hash_of(tmp_path, "anna")
    done = run(tmp_path, "user", "add", "anna", *CHEAP, stdin=b"correct horse\n", status=4)
    assert is_one_sentence(done.stderr)
    assert hash_of(tmp_path, "anna") == before


# ---- what is shown ----

def test_table_lines_up_by_width(tmp_path):
    for name in ("a", "王小明", "анна", "q\u0323\u0307"):
        add(tmp_path, name)
    lines = run(tmp_path, "user", "list").stdout.decode().splitlines()
    assert lines[0].split() == ["NAME", "CREATED", "LAST", "LOGIN", "FROM", "LOGINS", "FAILURES", "STATE"]
    wide = {"王": 2, "小": 2, "明": 2, "\u0323": 0, "\u0307": 0}
    starts = {sum(wide.get(c, 1) for c in line[:line.index("20")]) for line in lines[1:]}
    assert starts == {lines[0].index("CREATED")}
    assert len({line.rindex("enabled") - len(line) for line in lines[1:]}) == 1
    assert all(line == line.rstrip() for line in lines)


def test_empty_list(tmp_path):
    assert b"user add" in run(tmp_path, "user", "list").stdout
    assert json.loads(run(tmp_path, "user", "list", "--json").stdout) == []


def test_list_in_json(tmp_path):
    names = ["анна", "王小明", "bob@example.org", "Z-_.+1"]
    for name in names:
        add(tmp_path, name)
    done = run(tmp_path, "user", "list", "--json")
    accounts = json.loads(done.stdout)
    assert [a["name"] for a in accounts] == sorted(names)
    assert b"argon2" not in done.stdout and done.stderr == b""


def test_changes_answer_in_json(tmp_path):
    done = run(tmp_path, "user", "add", "anna", "--json", *CHEAP, stdin=b"correct horse\n")
    assert json.loads(done.stdout) == {"name": "anna", "done": "added"}
    for command in ("disable", "enable", "remove"):
        assert json.loads(run(tmp_path, "--json", "user", command, "anna").stdout)["name"] == "anna"


def test_hostile_rows_are_valid_json_and_quiet_on_a_terminal(tmp_path):
    hostile = ['"', "\\", "a\x1b[2Jb", "\u202ecba", "\u2028", "a\nb", "\x7f\x85", "</script>"]
    run(tmp_path, "user", "list")
    with sqlite3.connect(tmp_path / "cli_info") as db:
        for name in hostile:
            db.execute("INSERT INTO account (name, hash, created_us, last_login_us, last_address, logins)"
                       " VALUES (?, 'x', ?, ?, ?, ?)", (name, 2**62, 2**62, name, 2**62))
    accounts = json.loads(run(tmp_path, "user", "list", "--json").stdout)
    assert sorted(a["name"] for a in accounts) == sorted(hostile)
    assert {a["last_address"] for a in accounts} == set(hostile)
    for output in (run(tmp_path, "user", "list").stdout, run(tmp_path, "user", "list", "--json").stdout):
        text = output.decode()
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", text)
    assert len(run(tmp_path, "user", "list").stdout.decode().splitlines()) == len(hostile) + 1


def test_full_output_is_a_failure(tmp_path):
    add(tmp_path, "anna")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([ECHOCTL, "--state", str(tmp_path), "user", "list"], stdout=full, stderr=subprocess.PIPE,
                              timeout=TIMEOUT_S, env=environment())
    assert done.returncode == 1 and b"standard output" in done.stderr


# ---- passwords ----

@pytest.mark.parametrize("content, status", [
    (b"12345678", 0), (b"12345678\n", 0), (b"12345678\r\n", 0), (b"12345678\nmore\n", 0), (b"x" * 256 + b"\n", 0),
    (b"x" * 256 + b"\r\n", 0), ("пароль".encode(), 0), (b"        \n", 0),
    (b"", 1), (b"\n", 1), (b"1234567\n", 1), (b"1234567\n8", 1), (b"x" * 257, 1), (b"x" * 100000, 1), (b"1234\x005678\n", 1),
    (b"1234\r5678\n", 1),
])
@pytest.mark.parametrize("way", ["stdin", "dash", "file"])
def test_password_table(tmp_path, way, content, status):
    args = ["user", "add", "anna", *CHEAP]
    if way == "dash":
        args += ["--password-file", "-"]
    if way == "file":
        (tmp_path / "secret").write_bytes(content)
        args += ["--password-file", str(tmp_path / "secret")]
    done = run(tmp_path, *args, stdin=b"" if way == "file" else content, status=status)
    if status:
        assert b"8 to 256 bytes" in done.stderr
        assert json.loads(run(tmp_path, "user", "list", "--json").stdout) == []


def unread(pipe):
    """How many bytes the other end has not taken yet."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]


def test_password_that_comes_in_pieces(tmp_path):
    child = subprocess.Popen([ECHOCTL, "--state", str(tmp_path), "user", "add", "anna", *CHEAP], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    for byte in b"12345678\n":
        child.stdin.write(bytes([byte]))
        child.stdin.flush()
        end = time.monotonic() + TIMEOUT_S
        while unread(child.stdin) and time.monotonic() < end:
            os.sched_yield()
    out, err = child.communicate(timeout=TIMEOUT_S)  # the pipe stays open until the line has ended
    assert child.returncode == 0, err


def test_password_file_that_is_not_there(tmp_path):
    done = run(tmp_path, "user", "add", "anna", "--password-file", str(tmp_path / "none"), status=1)
    assert b"none" in done.stderr and b"No such file" in done.stderr


class Terminal:
    """echoctl on a terminal of its own."""

    def __init__(self, state, *args):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(ECHOCTL, [ECHOCTL, "--state", str(state), *args], environment())
        self.seen = b""

    def until(self, text):
        end = time.monotonic() + TIMEOUT_S
        while text not in self.seen:
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            assert ready, (text, self.seen)
            try:
                more = os.read(self.fd, 4096)
            except OSError:  # EIO: the other end has gone
                more = b""
            assert more, (text, self.seen)
            self.seen += more

    def answer(self, prompt, text):
        self.until(prompt)
        self.seen = b""
        os.write(self.fd, text)

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def end(self):
        rest = self.seen
        while True:
            ready, _, _ = select.select([self.fd], [], [], TIMEOUT_S)
            assert ready, rest
            try:
                more = os.read(self.fd, 4096)
            except OSError:
                more = b""
            if not more:
                break
            rest += more
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return status, rest


def test_prompt_twice_without_echo(tmp_path):
    terminal = Terminal(tmp_path, "user", "add", "анна", *CHEAP)
    terminal.until("Password for анна: ".encode())
    assert not terminal.echoes()
    terminal.answer(b": ", b"correct horse\n")
    terminal.answer(b"again: ", b"correct horse\n")
    status, rest = terminal.end()
    assert os.waitstatus_to_exitcode(status) == 0, rest
    assert b"horse" not in rest
    assert show(tmp_path, "анна")["logins"] == 0


def test_prompt_mismatch(tmp_path):
    terminal = Terminal(tmp_path, "user", "add", "anna", *CHEAP)
    terminal.answer(b"Password for anna: ", b"correct horse\n")
    terminal.answer(b"again: ", b"correct house\n")
    status, rest = terminal.end()
    assert os.waitstatus_to_exitcode(status) == 1
    assert b"differ" in rest
    run(tmp_path, "user", "show", "anna", status=4)


def test_prompt_takes_over_long_lines(tmp_path):
    terminal = Terminal(tmp_path, "user", "add", "anna", *CHEAP)
    terminal.answer(b"Password for anna: ", b"x" * 300 + b"\n")
    terminal.answer(b"again: ", b"x" * 300 + b"\n")
    status, rest = terminal.end()
    assert os.waitstatus_to_exitcode(status) == 1
    assert b"8 to 256 bytes" in rest


def test_ctrl_d_at_the_prompt(tmp_path):
    terminal = Terminal(tmp_path, "user", "add", "anna", *CHEAP)
    terminal.answer(b"Password for anna: ", b"\x04")
    terminal.answer(b"again: ", b"\x04")
    assert os.waitstatus_to_exitcode(terminal.end()[0]) == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_restores_the_terminal(tmp_path, how):
    master, slave = pty.openpty()
    child = subprocess.Popen([ECHOCTL, "--state", str(tmp_path), "user", "add", "anna"], stdin=slave,
                             stderr=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, env=environment())
    seen = b""
    while b"Password for anna: " not in seen:
        assert select.select([child.stderr], [], [], TIMEOUT_S)[0]
        seen += os.read(child.stderr.fileno(), 4096)
    assert not termios.tcgetattr(slave)[3] & termios.ECHO
    child.send_signal(how)
    child.communicate(timeout=TIMEOUT_S)
    assert child.returncode == -how
    assert termios.tcgetattr(slave)[3] & termios.ECHO
    os.close(master)
    os.close(slave)


def test_stop_and_continue_at_the_prompt(tmp_path):
    master, slave = pty.openpty()
    # A group of its own in this session: the terminal's stop signals are lost on a group without a parent (POSIX, orphaned).
    child = subprocess.Popen([ECHOCTL, "--state", str(tmp_path), "user", "add", "anna", *CHEAP], stdin=slave,
                             stderr=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=lambda: os.setpgid(0, 0),
                             env=environment())

    def until(text):
        seen = b""
        while text not in seen:
            assert select.select([child.stderr], [], [], TIMEOUT_S)[0], seen
            seen += os.read(child.stderr.fileno(), 4096)

    until(b"Password for anna: ")
    child.send_signal(signal.SIGTSTP)
    _, status = os.waitpid(child.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert termios.tcgetattr(slave)[3] & termios.ECHO
    child.send_signal(signal.SIGCONT)
    until(b"Password for anna: ")  # asked again
    assert not termios.tcgetattr(slave)[3] & termios.ECHO
    os.write(master, b"correct horse\n")
    until(b"again: ")
    os.write(master, b"correct horse\n")
    out, err = child.communicate(timeout=TIMEOUT_S)
    assert child.returncode == 0, err
    os.close(master)
    os.close(slave)


# ---- many at once ----

def test_eight_at_once_on_a_fresh_store(tmp_path):
    names = [f"user{i}" for i in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda name: add(tmp_path / "fresh", name), names))
    assert sum(b"made a new file" in d.stderr for d in done) == 1
    listed = json.loads(run(tmp_path / "fresh", "user", "list", "--json").stdout)
    assert [a["name"] for a in listed] == names
    assert os.listdir(tmp_path / "fresh") == ["cli_info"]


def test_one_of_eight_wins_a_name(tmp_path):
    def attempt(_):
        return subprocess.run([ECHOCTL, "--state", str(tmp_path), "user", "add", "anna", *CHEAP], input=b"correct horse\n",
                              capture_output=True, timeout=TIMEOUT_S, env=environment()).returncode
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(8))) == [0] + [4] * 7


# ---- the command line ----

BAD_LINES = [
    [], ["user"], ["user", "frobnicate"], ["user", "add"], ["user", "add", "anna", "bob"], ["user", "list", "anna"],
    ["user", "show"], ["user", "add", "an na"], ["user", "add", ""], ["user", "add", "a" * 65], ["user", "add", "a\u202eb"],
    ["user", "add", b"\xff"], ["user", "show", ""], ["status", "now"], ["drain", "now"], ["reload", "log"], ["revoke"],
    ["revoke", "an na"], ["revoke", "anna", "bob"], ["penalties", "all"], ["penalties", "clear", "all"], ["nonsense"], ["--nonsense", "user", "list"],
    ["user", "list", "-q"], ["user", "list", "--help=x"], ["user", "list", "--accounts"], ["user", "list", "--state"],
    ["user", "add", "anna", "--hash-memory", "7"], ["user", "add", "anna", "--hash-memory", "1048577"],
    ["user", "add", "anna", "--hash-memory", "x"], ["user", "add", "anna", "--hash-passes", "0"],
    ["user", "add", "anna", "--hash-passes", "11"], ["user", "add", "anna", "--hash-passes", "-1"],
]


@pytest.mark.parametrize("line", BAD_LINES, ids=lambda line: repr(line))
def test_bad_lines_are_usage_errors(tmp_path, line):
    done = subprocess.run([ECHOCTL, *line], capture_output=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL,
                          env={**environment(), "STATE_DIRECTORY": str(tmp_path / "state")})
    assert done.returncode == 2, done
    assert done.stdout == b"" and b"Try 'echoctl --help'." in done.stderr
    done = subprocess.run([ECHOCTL, "--json", *line], capture_output=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL,
                          env={**environment(), "STATE_DIRECTORY": str(tmp_path / "state")})
    error = json.loads(done.stdout)
    assert done.returncode == 2 and error["status"] == 2 and error["error"].endswith((".", "?"))
    assert done.stderr == b""
    assert not (tmp_path / "state").exists()


def test_a_missing_value_is_not_taken_from_the_words(tmp_path):
    done = run(tmp_path, "user", "add", "--password-file", status=2)
    assert b"--password-file" in done.stderr


def test_json_stands_anywhere(tmp_path):
    for line in (["--json", "user", "show", "anna"], ["user", "--json", "show", "anna"], ["user", "show", "anna", "--json"]):
        assert json.loads(run(tmp_path, *line, status=4).stdout)["status"] == 4


def test_a_name_behind_two_dashes(tmp_path):
    run(tmp_path, *CHEAP, "user", "add", "--", "-x", stdin=b"correct horse\n")
    assert json.loads(run(tmp_path, "user", "show", "--json", "--", "-x").stdout)["name"] == "-x"


def test_help_and_version(tmp_path):
    for option in ("--help", "-h"):
        done = run(tmp_path, "user", "add", option)
        assert done.stderr == b""
        text = done.stdout.decode()
        for word in ("add", "passwd", "disable", "enable", "remove", "list", "show", "status", "--state", "--accounts", "--json",
                     "--password-file", "--hash-memory", "--hash-passes", "--version", "Exit status"):
            assert word in text
        assert max(map(len, text.splitlines())) <= 120
    done = run(tmp_path, "--version")
    assert re.match(r"echoctl \d+\.\d+\.\d+\nSQLite 3\.\d+\.\d+\nlibsodium 1\.\d+\.\d+\n", done.stdout.decode())
    assert os.listdir(tmp_path) == []


def test_where_the_state_is(tmp_path):
    def listed(**env):
        return subprocess.run([ECHOCTL, "user", "list"], capture_output=True, timeout=TIMEOUT_S, env={**environment(), **env})
    assert listed(STATE_DIRECTORY=f"{tmp_path}/a:{tmp_path}/b").returncode == 0
    assert listed(XDG_STATE_HOME=str(tmp_path / "c")).returncode == 0
    assert listed(HOME=str(tmp_path / "d")).returncode == 0
    for path in ("a/cli_info", "c/echod/cli_info", "d/.local/state/echod/cli_info"):
        assert (tmp_path / path).exists()
    run(tmp_path / "e", "user", "list", "--accounts", f"sqlite:{tmp_path}/f/accounts")
    assert (tmp_path / "f/accounts").exists() and not (tmp_path / "e").exists()


# ---- stores that are out of reach ----

def test_stores_out_of_reach(tmp_path):
    store = tmp_path / "cli_info"
    for content in (b"", b"anna:secret\n", b"SQLite format 3\0" + b"\0" * 4096):
        store.write_bytes(content)
        done = run(tmp_path, "user", "list", status=3)
        assert is_one_sentence(done.stderr) and str(store).encode() in done.stderr
        assert store.read_bytes() == content
        error = json.loads(run(tmp_path, "user", "list", "--json", status=3).stdout)
        assert error["status"] == 3 and str(store) in error["error"]
    run(tmp_path, "user", "list", "--accounts", "postgresql://host/db", status=3)
    run("/proc/nowhere", "user", "list", status=3)


# ---- status ----

DOCUMENT = {"version": "0.1.0", "pid": 1, "draining": False, "listeners": [{"address": "127.0.0.1:7862", "accepted": 3}],
            "empty": {}, "evil": "a\x1b[2J\u202eb", "nothing": None, "counters": {"bytes": 1.5e3, "ключ": "значение"}}


class Server:
    """The far end of a control socket, for one question."""

    def __init__(self, state, pid, answer, age_s=0):
        run_folder = state / "run"
        run_folder.mkdir(parents=True, exist_ok=True)
        here = os.open(run_folder, os.O_PATH)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(f"/proc/self/fd/{here}/{pid}.sock")
        os.close(here)
        then = time.time() - age_s
        os.utime(run_folder / f"{pid}.sock", (then, then))
        self.socket.listen()
        self.socket.settimeout(TIMEOUT_S)
        self.answer, self.request = answer, None
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        try:
            connection, _ = self.socket.accept()
        except OSError:
            return
        with connection:
            self.request = connection.recv(100)
            if self.answer is None:
                connection.recv(100)  # until the other end gives up
                return
            for at in range(0, len(self.answer), 7):
                connection.sendall(self.answer[at:at + 7])

    def close(self):
        self.socket.close()


def test_status(tmp_path):
    answer = json.dumps(DOCUMENT).encode() + b"\n"
    deep = tmp_path / ("long" * 30)  # longer than a socket's address may be
    server = Server(deep, 4242, answer)
    done = run(deep, "status", "--json")
    assert done.stdout == answer
    server.thread.join(TIMEOUT_S)
    assert server.request == b"status\n"
    server.close()
    server = Server(deep, 4243, answer)
    lines = run(deep, "status").stdout.decode().splitlines()
    server.close()
    assert lines == ["version: 0.1.0", "pid: 1", "draining: false", "listeners:", "  -", "    address: 127.0.0.1:7862",
                     "    accepted: 3", "empty: none", r"evil: a\x1b[2J\xe2\x80\xaeb", "nothing: null", "counters:",
                     "  bytes: 1500.0", "  ключ: значение"]


def test_status_takes_the_newest_that_lives(tmp_path):
    old = Server(tmp_path, 1, b'{"which": "old"}', age_s=100)
    new = Server(tmp_path, 2, b'{"which": "new"}', age_s=50)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "run" / "3.sock"))
    (tmp_path / "run" / "4.sock").write_text("no socket")
    (tmp_path / "run" / "5.ready").write_text("ready")
    (tmp_path / "run" / "x.sock").write_text("no name of ours")
    assert json.loads(run(tmp_path, "status", "--json").stdout) == {"which": "new"}
    old.close()
    new.close()


@pytest.mark.parametrize("make", ["nothing", "empty folder", "stale socket"])
def test_no_server(tmp_path, make):
    if make != "nothing":
        (tmp_path / "run").mkdir()
    if make == "stale socket":
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(str(tmp_path / "run" / "77.sock"))
        stale.close()
    done = run(tmp_path, "status", status=3)
    assert is_one_sentence(done.stderr) and str(tmp_path / "run").encode() in done.stderr
    assert json.loads(run(tmp_path, "status", "--json", status=3).stdout)["status"] == 3


@pytest.mark.parametrize("answer", [
    b"", b"{", b"no json", b'{"a": 1,}', b'{"a": 1} x', b'{"a": "\\x"}', b'{"a": "\\u12g4"}', b'{"a": "\\u\x11234"}', b'{"a": 01}',
    b'{"a": tru}', b'{"a": "\n"}', b'{"a" 1}', b"[" * 10000, b"[" * 100 + b"]" * 100, b'{"a": "\\', b'{"a": "\\ud83d\\u"}', b'{"a": 1.}', b'{"a": "unended',
])
def test_status_that_is_no_json(tmp_path, answer):
    for args in (["status"], ["status", "--json"]):
        server = Server(tmp_path, 1, answer)
        done = run(tmp_path, *args, status=1)
        server.close()
        os.unlink(tmp_path / "run" / "1.sock")
        assert b"no JSON" in (done.stdout if "--json" in args else done.stderr)


def test_status_surrogates(tmp_path):
    server = Server(tmp_path, 1, rb'{"a": "\ud83d\ude00\u00e9\u0000\ud800x\/"}')
    text = run(tmp_path, "status").stdout.decode()
    server.close()
    assert text == "a: 😀é\\x00\ufffdx/\n"


def test_status_of_a_mute_server(tmp_path):
    server = Server(tmp_path, 1, None)
    begin = time.monotonic()
    done = run(tmp_path, "status", status=3)
    assert 4 < time.monotonic() - begin < 30
    assert is_one_sentence(done.stderr)
    server.close()
