"""echoc against servers that behave (socat, ncat) and one that misbehaves as told (fake_echod.py)."""
import contextlib
import fcntl
import hashlib
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import termios
import threading
import time

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("ECHOD_BUILD", "/work/main/build")
ECHOC = os.path.join(BUILD, "echoc")
LIMIT = 30  # seconds for anything that should take none
PASSWORD = "correct horse"


def environment(home, **more):
    env = {k: v for k, v in os.environ.items() if k not in ("ECHOC_PASSWORD", "STATE_DIRECTORY", "XDG_STATE_HOME")}
    return {**env, "HOME": str(home), **{k: v for k, v in more.items() if v is not None}}


@pytest.fixture
def echoc(tmp_path):
    """Runs echoc without a terminal."""
    def run(*args, data=b"", password=PASSWORD, **how):
        how.setdefault("timeout", LIMIT)
        how.setdefault("stdout", subprocess.PIPE)
        prefix = how.pop("prefix", [])
        return subprocess.run([*prefix, ECHOC, *args], input=data, stderr=subprocess.PIPE, start_new_session=True,
                              env=environment(tmp_path, ECHOC_PASSWORD=password), check=False, **how)
    return run


class Fake:
    def __init__(self, record, args):
        self.record = record
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, "fake_echod.py"), "--record", record, *args],
                                        stdout=subprocess.PIPE)
        ready = self.process.stdout.readline().decode()
        self.address = re.fullmatch(r"ready listen=(\S+) pid=\d+\n", ready).group(1)

    def heard(self):
        with open(self.record, encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def commands(self, connection=None):
        return [e["line"] for e in self.heard() if e.get("line") and connection in (None, e["connection"])]

    def connections(self):
        return max((e["connection"] for e in self.heard()), default=0)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def fake(tmp_path):
    started = []

    def start(*args):
        started.append(Fake(str(tmp_path / f"record{len(started)}"), args))
        return started[-1]
    yield start
    for one in started:
        one.stop()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def program(*command):
    """A server that says nothing when it is ready: `%d` in command becomes its port."""
    if not shutil.which(command[0]):
        pytest.skip(f"no {command[0]}")
    port = free_port()
    process = subprocess.Popen([c.replace("%d", str(port)) for c in command], stderr=subprocess.DEVNULL,
                               start_new_session=True)
    try:
        deadline = time.monotonic() + LIMIT
        while True:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert time.monotonic() < deadline
            os.sched_yield()
        yield f"raw:127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Terminal:
    """echoc on a pseudo-terminal of its own."""

    def __init__(self, command, env, stdin=None, stdout=None):
        self.master, slave = pty.openpty()
        self.slave = slave

        def own_terminal():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        self.process = subprocess.Popen(command, stdin=slave if stdin is None else stdin,
                                        stdout=slave if stdout is None else stdout, stderr=slave, env=env,
                                        preexec_fn=own_terminal)
        self.seen = ""
        self.raw = b""

    def expect(self, pattern, limit=LIMIT):
        """Waits for pattern and returns its match; what stands before it is done with."""
        deadline = time.monotonic() + limit
        while True:
            match = re.search(pattern, self.seen)
            if match:
                self.seen = self.seen[match.end():]
                return match
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.master], [], [], left)[0]:
                raise AssertionError(f"no {pattern!r} in {self.seen!r}")
            self.raw += os.read(self.master, 65536)
            text = self.raw.decode(errors="ignore")
            self.seen += text
            self.raw = self.raw[len(text.encode()):]

    def type(self, text):
        os.write(self.master, text.encode())

    def echoes(self):
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def end(self, limit=LIMIT):
        return self.process.wait(limit)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(tmp_path):
    opened = []

    def start(*args, password=None, **how):
        opened.append(Terminal([ECHOC, *args], environment(tmp_path, ECHOC_PASSWORD=password), **how))
        return opened[-1]
    yield start
    for one in opened:
        one.close()


def one_sentence(result, *parts):
    """Standard error is exactly one line of echoc's, and says all of parts."""
    text = result.stderr.decode()
    assert re.fullmatch(r"echoc: [^\n]+\.\n", text), text
    for part in parts:
        assert part in text
    return text


# The command line

def test_help_and_version(echoc):
    shown = echoc("--help")
    assert shown.returncode == 0 and b"--password-file" in shown.stdout and not shown.stderr
    assert b"ping" not in shown.stdout
    assert echoc("--version").stdout.startswith(b"echoc ")


@pytest.mark.parametrize("args, says", [
    (["--nonsense", "localhost"], "--nonsense"),
    (["localhost", "otherhost"], "otherhost"),
    (["localhost:port"], "a port is"),
    (["localhost:1-5"], "one port"),
    (["localhost:0"], "port 0"),
    (["tls:localhost"], "no TLS"),
    (["localhost", "--wait", "soon"], "--wait"),
    (["localhost", "--user", "a b"], "--user"),
    (["localhost", "--user"], "--user"),
    (["localhost", "--quiet=1"], "--quiet"),
])
def test_usage(echoc, args, says):
    result = echoc(*args)
    assert result.returncode == 2 and says in result.stderr.decode() and not result.stdout


# Login without a terminal

def test_registers_then_logs_in(echoc, fake):
    server = fake()
    first = echoc(server.address, "--user", "anna", data=b"one\n")
    assert (first.returncode, first.stdout) == (0, b"one\n")
    one_sentence(first, "registered anna", server.address)
    again = echoc("talk", "login:" + server.address, "--user", "anna", data=b"two\n")
    assert (again.returncode, again.stdout, again.stderr) == (0, b"two\n", b"")
    assert server.commands(1) == ["USER anna", "PASS " + PASSWORD]


def test_quiet_registration_and_empty_input(echoc, fake):
    result = echoc(fake().address, "--quiet", "--user", "анна")
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


def test_login_name_is_the_default(echoc, fake):
    server = fake()
    assert echoc(server.address, data=b"x").returncode == 0
    name = subprocess.run(["id", "-un"], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    assert server.commands()[0] == "USER " + name


def test_no_register(echoc, fake):
    server = fake()
    result = echoc(server.address, "--user", "anna", "--no-register", data=b"x")
    assert result.returncode == 4
    one_sentence(result, "anna", "--no-register")
    assert server.commands() == ["USER anna"]


def test_wrong_password(echoc, fake):
    server = fake("--account", "anna:something else")
    result = echoc(server.address, "--user", "anna", data=b"x")
    assert result.returncode == 4 and not result.stdout
    one_sentence(result, "530", "anna")
    assert server.connections() == 1


def test_password_too_short_for_a_new_account(echoc, fake):
    server = fake()
    result = echoc(server.address, "--user", "anna", password="short")
    assert result.returncode == 4
    one_sentence(result, "8 to 256")
    assert server.commands() == ["USER anna"]


@pytest.mark.parametrize("content", [b"from a file\n", b"from a file", b"from a file\r\nmore\n"])
def test_password_file(echoc, fake, tmp_path, content):
    server = fake("--account", "anna:from a file")
    (tmp_path / "secret").write_bytes(content)
    result = echoc(server.address, "--user", "anna", "--password-file", str(tmp_path / "secret"), data=b"x")
    assert (result.returncode, result.stdout) == (0, b"x")


@pytest.mark.parametrize("content", [None, b"", b"\nsecond line", b"x" * 600, b"a\0b"],
                         ids=["missing", "empty", "empty-line", "long", "nul"])
def test_bad_password_file(echoc, fake, tmp_path, content):
    server = fake()
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    result = echoc(server.address, "--password-file", str(tmp_path / "secret"))
    assert result.returncode == 2 and server.connections() == 0
    one_sentence(result, str(tmp_path / "secret"))


def test_no_password_and_no_terminal(echoc, fake):
    server = fake()
    result = echoc(server.address, password=None)
    assert result.returncode == 2
    one_sentence(result, "--password-file", "ECHOC_PASSWORD")


def test_unreachable_is_told_before_a_missing_password(echoc):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        result = echoc(f"127.0.0.1:{closed.getsockname()[1]}", password=None)
    assert result.returncode == 3
    one_sentence(result, "cannot connect")


def test_name_refused(echoc, fake):
    result = echoc(fake("--bad-name").address, "--user", "anna")
    assert result.returncode == 4
    one_sentence(result, "501", "--user")


def test_no_secret_on_this_path(echoc, fake):
    server = fake("--no-secret")
    result = echoc(server.address, "--user", "anna")
    assert result.returncode == 5
    one_sentence(result, "534", "tls:", "SSH tunnel")
    assert server.commands() == ["USER anna"]


def test_unix_socket(echoc, fake, tmp_path):
    server = fake("--unix", str(tmp_path / "socket"))
    assert echoc(server.address, "--user", "anna", data=b"x").stdout == b"x"


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"), reason="needs a netns")
@pytest.mark.parametrize("allowed", [False, True])
def test_cleartext_beyond_this_machine(echoc, tmp_path, allowed):
    """Two addresses in a network namespace of its own, the one's route leaving from the other, are a path like any."""
    record = tmp_path / "record"
    script = f"""
        ip link set lo up && ip address add 10.99.0.1/32 dev lo && ip address add 10.99.0.2/32 dev lo &&
        ip route change local 10.99.0.2 dev lo table local src 10.99.0.1 || exit 77
        coproc FAKE {{ exec {sys.executable} {HERE}/fake_echod.py --host 10.99.0.2 --record {record} \
            --connections 1 --drop-after 1 2>&-; }}
        read -r line <&"${{FAKE[0]}}"; address=${{line#ready listen=}}
        "$@" "${{address%% *}}"; status=$?; kill $FAKE_PID; exit $status"""
    prefix = ["unshare", "-n", "bash", "-c", script, "-"]
    result = echoc("--user", "anna", *(["--allow-cleartext"] if allowed else []), prefix=prefix, data=b"xyz")
    if result.returncode in (1, 77) and b"echoc:" not in result.stderr:
        pytest.skip("no network namespace here")
    if allowed:
        assert (result.returncode, result.stdout) == (0, b"xyz")
        assert result.stderr.count(b"unencrypted") == 1  # though it logged in twice
    else:
        assert result.returncode == 5 and b"USER" not in record.read_bytes()
        one_sentence(result, "10.99.0.2", "tls:", "SSH tunnel", "--allow-cleartext")


# Data

def random_bytes(n):
    return os.urandom(n)


def test_raw_has_no_login(echoc, fake):
    server = fake("--raw")
    data = bytes(range(256)) * 100
    result = echoc("raw:" + server.address, data=data, password=None)
    assert (result.returncode, result.stdout, result.stderr) == (0, data, b"")
    assert server.commands() == []


def test_socat_gets_everything(echoc):
    data = random_bytes(5_000_000)
    with program("socat", "TCP-LISTEN:%d,bind=127.0.0.1,fork,reuseaddr", "EXEC:cat") as address:
        result = echoc(address, data=data)
    assert (result.returncode, result.stdout, result.stderr) == (0, data, b"")


def test_ncat_is_never_believed(echoc):
    """ncat --exec loses the tail, but not always: the status says whether it did."""
    data = random_bytes(50_000)
    with program("ncat", "-l", "127.0.0.1", "%d", "--keep-open", "--exec", "/bin/cat") as address:
        for _ in range(5):
            result = echoc(address, data=data)
            assert (result.returncode == 0) == (result.stdout == data)
            assert result.returncode in (0, 1) and data.startswith(result.stdout)
            if result.returncode == 1:
                one_sentence(result, f"{len(result.stdout)} of {len(data)} bytes")


def test_much_data_is_fast(echoc, fake):
    data = random_bytes(1 << 20) * 128
    began = time.monotonic()
    result = echoc(fake().address, "--user", "anna", "--quiet", data=data)
    assert result.returncode == 0 and result.stdout == data
    assert time.monotonic() - began < 15


def test_data_streams(fake, tmp_path):
    process = subprocess.Popen([ECHOC, "raw:" + fake("--raw").address], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               env=environment(tmp_path))
    for piece in (b"a", b"bc", b"d" * 1000):
        os.write(process.stdin.fileno(), piece)
        assert select.select([process.stdout], [], [], LIMIT)[0]
        assert os.read(process.stdout.fileno(), 4096) == piece
    process.stdin.close()
    assert process.wait(LIMIT) == 0
    process.stdout.close()


def test_no_deadlock_with_a_partner_who_writes_first(fake, tmp_path):
    """900 KiB go in before anything is taken out: the pipe to us is full, and we must not wait in write."""
    data = random_bytes(900 * 1024)
    process = subprocess.Popen([ECHOC, "raw:" + fake("--raw").address], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               env=environment(tmp_path))
    watchdog = threading.Timer(LIMIT, process.kill)
    watchdog.start()
    try:
        process.stdin.write(data)
        process.stdin.close()
        assert process.stdout.read() == data
        assert process.wait(LIMIT) == 0
    finally:
        watchdog.cancel()
        process.stdout.close()


def test_nobody_reads_standard_output(fake, tmp_path):
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = subprocess.Popen([ECHOC, "raw:" + fake("--raw").address], stdin=subprocess.PIPE, stdout=write_end,
                               stderr=subprocess.PIPE, env=environment(tmp_path))
    os.close(write_end)
    assert process.wait(LIMIT) == 1  # though standard input is still open
    assert re.fullmatch(rb"echoc: [^\n]*standard output[^\n]*Broken pipe[^\n]*\n", process.stderr.read())
    process.stdin.close()
    process.stderr.close()


def test_standard_output_is_full(echoc, fake):
    with open("/dev/full", "wb") as full:
        result = echoc("raw:" + fake("--raw").address, data=b"x" * 100, stdout=full)
    assert result.returncode == 1
    one_sentence(result, "standard output", "No space")


@pytest.mark.parametrize("at, data, says", [
    (0, b"abc", "at offset 0 sent 61 62 63, came 60 62 63"),
    (2_000_000, b"\0" * 3_000_000, "at offset 2000000 sent 00"),
], ids=["first", "late"])
def test_damage_is_found(echoc, fake, at, data, says):
    result = echoc("raw:" + fake("--raw", "--damage-at", str(at)).address, data=data)
    assert result.returncode == 1 and result.stdout == data[:at]
    one_sentence(result, says)


def test_more_than_was_sent(echoc, fake):
    result = echoc("raw:" + fake("--raw", "--extra", "3").address, data=b"abc")
    assert result.returncode == 1 and result.stdout == b"abc"
    one_sentence(result, "at offset 3 sent nothing, came 78 78 78")


def test_server_that_does_not_end(echoc, fake):
    result = echoc("raw:" + fake("--raw", "--keep-open").address, data=b"abc")
    assert (result.returncode, result.stdout) == (0, b"abc")
    one_sentence(result, "every byte came back", "10 s")


# Drops

@pytest.mark.parametrize("how", ["fin", "reset"])
@pytest.mark.parametrize("raw", [False, True])
def test_drop_is_mended(echoc, fake, how, raw):
    """Each of the first four connections ends on the way; the fifth brings the rest and the half-close."""
    kind = ["--raw"] if raw else []
    server = fake(*kind, "--connections", "1-4", "--drop-after", "700001", "--drop-how", how)
    data = random_bytes(5_000_000)
    address = ["raw:" + server.address, "--reconnect"] if raw else [server.address, "--user", "anna"]
    result = echoc(*address, data=data)
    assert result.returncode == 0
    assert hashlib.sha256(result.stdout).digest() == hashlib.sha256(data).digest()
    assert server.connections() == 5
    assert server.heard()[-1]["end"] == "fin"
    if not raw:
        assert server.commands(5) == ["USER anna", "PASS " + PASSWORD]
    assert b"coming back" in result.stderr and b"back at" in result.stderr


def test_drop_after_the_half_close(echoc, fake):
    server = fake("--connections", "1", "--drop-after", "3", "--delay", "0.2")
    result = echoc(server.address, "--user", "anna", "--quiet", data=b"abcdef")
    assert (result.returncode, result.stdout, result.stderr) == (0, b"abcdef", b"")


def test_drop_while_nothing_is_missing(fake, tmp_path):
    server = fake("--connections", "1", "--drop-after", "3")
    process = subprocess.Popen([ECHOC, server.address, "--user", "anna"], stdin=subprocess.PIPE, bufsize=0,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=environment(tmp_path, ECHOC_PASSWORD=PASSWORD))
    process.stdin.write(b"abc")
    assert process.stdout.read(3) == b"abc"
    assert b"registered" in process.stderr.readline()
    assert b"0 bytes still" in process.stderr.readline()
    process.stdin.write(b"def")
    process.stdin.close()
    assert process.stdout.read() == b"def"
    assert process.wait(LIMIT) == 0
    process.stdout.close()
    process.stderr.close()


def test_raw_loss_is_reported(echoc, fake):
    server = fake("--raw", "--drop-after", "1000")
    result = echoc("raw:" + server.address, data=b"x" * 5000)
    assert (result.returncode, len(result.stdout)) == (1, 1000)
    one_sentence(result, "1000 of 5000 bytes", "--reconnect")
    assert server.connections() == 1


def test_gives_up_after_the_retry_time(echoc, fake):
    server = fake("--drop-after", "10", "--only", "1")
    began = time.monotonic()
    result = echoc(server.address, "--user", "anna", "--retry-time", "1s", "--quiet", data=b"x" * 5000)
    assert (result.returncode, len(result.stdout)) == (1, 10) and 0.9 < time.monotonic() - began < 8
    one_sentence(result, "10 of 5000 bytes", server.address)


def test_server_that_never_gets_further(echoc, fake):
    """It lets in but always drops: no byte comes back, so the retry time runs on."""
    server = fake("--drop-after", "0")
    began = time.monotonic()
    result = echoc(server.address, "--user", "anna", "--retry-time", "1500ms", "--quiet", data=b"x")
    assert result.returncode == 1 and 1.4 < time.monotonic() - began < 8
    one_sentence(result, "0 of 1 bytes")
    assert server.connections() >= 2


def test_refused_after_a_drop(echoc, fake):
    server = fake("--refuse", "--connections", "2-", "--drop-after", "3", "--drop-on", "1")
    result = echoc(server.address, "--user", "anna", "--quiet", data=b"abcdef")
    assert (result.returncode, result.stdout) == (4, b"abc")
    one_sentence(result, "530")
    assert server.connections() == 2


def wait_for(condition, limit=LIMIT):
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()


@pytest.mark.parametrize("trouble, says", [("--busy", b"421"), ("--unavailable", b"451")])
def test_busy_server_is_tried_again(echoc, fake, trouble, says):
    server = fake(trouble, "--connections", "1-2")
    result = echoc(server.address, "--user", "anna", data=b"abc")
    assert (result.returncode, result.stdout) == (0, b"abc")
    assert says in result.stderr and server.connections() == 3


@pytest.mark.parametrize("trouble, says", [("--busy", "421"), ("--unavailable", "451")])
def test_busy_server_is_given_up(echoc, fake, trouble, says):
    server = fake(trouble)
    result = echoc(server.address, "--user", "anna", "--retry-time", "700ms", "--quiet")
    assert result.returncode == 3 and server.connections() >= 2
    one_sentence(result, says, "later")


# The first connection

def test_nobody_is_there(echoc):
    began = time.monotonic()
    result = echoc(f"127.0.0.1:{free_port()}")
    assert result.returncode == 3 and time.monotonic() - began < 5
    one_sentence(result, "Connection refused", "--wait")


def test_unknown_host(echoc):
    result = echoc("no-such-host.invalid:7862")
    assert result.returncode == 3
    one_sentence(result, "no-such-host.invalid", "address")


def test_wait_is_limited(echoc):
    began = time.monotonic()
    result = echoc(f"127.0.0.1:{free_port()}", "--wait", "1s", "--quiet")
    assert result.returncode == 3 and 0.9 < time.monotonic() - began < 8
    one_sentence(result, "Connection refused")


def test_wait_until_the_server_is_there(fake, tmp_path):
    port = free_port()
    process = subprocess.Popen([ECHOC, f"127.0.0.1:{port}", "--wait", "30s", "--user", "anna"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=environment(tmp_path, ECHOC_PASSWORD=PASSWORD))
    assert b"trying again" in process.stderr.readline()
    fake("--port", str(port))
    assert process.communicate(b"abc", timeout=LIMIT)[0] == b"abc"
    assert process.returncode == 0


def test_hung_up_before_the_greeting(echoc, fake):
    server = fake("--hang-up-at-once")
    result = echoc(server.address)
    assert result.returncode == 3 and server.connections() == 1
    one_sentence(result, server.address, "ended the connection")


def test_no_greeting(echoc, fake):
    server = fake("--no-greeting")
    began = time.monotonic()
    result = echoc(server.address)
    assert result.returncode == 6 and 9 < time.monotonic() - began < 15
    one_sentence(result, "no greeting in 10 s", "RFC 862", "raw:" + server.address)


@pytest.mark.parametrize("args", [
    ["--greeting", "SSH-2.0-OpenSSH_9.2"], ["--greeting", "\x1b[31mHTTP/1.1 400"], ["--greeting", "230 Come in"],
    ["--endless-greeting"], ["--greeting", "x" * 5000]], ids=["ssh", "escape", "code", "endless", "long"])
def test_not_the_protocol(echoc, fake, args):
    result = echoc(fake(*args).address)
    assert result.returncode == 6 and b"\x1b" not in result.stderr
    one_sentence(result, "not this protocol")


# A local server

@pytest.fixture
def local_server(tmp_path):
    """Makes a process named echod and its ready file, without a server."""
    stand_in = tmp_path / "echod"
    shutil.copy(shutil.which("sleep"), stand_in)
    run = tmp_path / ".local/state/echod/run"
    run.mkdir(parents=True)
    processes = []

    def make(listen, age=0, live=True, name=str(stand_in)):
        process = subprocess.Popen([name, "1000"])
        wait_for(lambda: os.path.basename(os.readlink(f"/proc/{process.pid}/exe")) == os.path.basename(
            os.path.realpath(name)))
        processes.append(process)
        file = run / f"{process.pid}.ready"
        file.write_text(f"ready listen={listen} pid={process.pid}\n")
        when = time.time() - age
        os.utime(file, (when, when))
        if not live:
            process.kill()
            process.wait()
        return file
    yield make
    for process in processes:
        process.kill()
        process.wait()


def test_newest_local_server_is_used(echoc, fake, local_server):
    server = fake()
    for age in (100, 200, 300):
        local_server("127.0.0.1:1", age=age)
    local_server(f"raw:127.0.0.1:2,tls:127.0.0.1:3,{server.address}", age=50)
    local_server("127.0.0.1:4", live=False)
    local_server("127.0.0.1:5", name=shutil.which("sleep"))
    local_server("raw:127.0.0.1:6")
    for age in (300, 200, 100):
        local_server("127.0.0.1:7", age=age)
    result = echoc("--user", "anna", data=b"abc")
    assert (result.returncode, result.stdout) == (0, b"abc")
    assert b"found an echod" in result.stderr and server.address.encode() in result.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_stranger_s_ready_file_is_not_trusted(echoc, fake, local_server):
    server = fake()
    os.chown(local_server(server.address), 12345, 12345)
    echoc("--user", "anna", data=b"abc")
    assert server.connections() == 0


def test_default_without_a_local_server(echoc):
    with socket.socket() as s:
        if s.connect_ex(("127.0.0.1", 7862)) == 0:
            pytest.skip("somebody serves on 7862")
    result = echoc("--user", "anna", data=b"abc")
    assert result.returncode == 3
    one_sentence(result, "127.0.0.1:7862")


# On a terminal

RTT = r"   \d+\.\d\d ms\r\n"


def test_questions_and_registration(terminal, fake, local_server):
    server = fake("--welcome", "\\x1b[31m")
    local_server(server.address)
    port = server.address.split(":")[1]
    t = terminal()
    t.expect(r"found an echod on this machine: 127\.0\.0\.1:" + port)
    t.expect(r"Host \[127\.0\.0\.1\]: ")
    t.type("bad host\n")
    t.expect(r"holds no space")
    t.expect(r"Host \[127\.0\.0\.1\]: ")
    t.type("\n")
    t.expect(rf"Port \[{port}\]: ")
    t.type("99999\n")
    t.expect(r"from 1 to 65535")
    t.expect(rf"Port \[{port}\]: ")
    t.type("\n")
    t.expect(r"Name \[\w+\]: ")
    t.type("a b\n")
    t.expect(r"letters, digits")
    t.expect(r"Name \[\w+\]: ")
    t.type("анна\n")
    t.expect(r"No account named анна yet\. New password: ")
    t.type("short\n")
    t.expect(r"8 to 256 bytes")
    t.expect(r"New password: ")
    assert not t.echoes()
    t.type("верный конь\n")
    t.expect(r"again: ")
    t.type("неверный конь\n")
    t.expect(r"differ")
    t.expect(r"New password: ")
    t.type("верный конь\n")
    t.expect(r"again: ")
    t.type("верный конь\n")
    assert "верный" not in t.expect(r"Welcome, анна").string
    t.expect(r"registered анна")
    t.expect(r"Connected to 127\.0\.0\.1:\d+ as анна.*Ctrl-D")
    t.expect("> ")
    assert t.echoes()
    t.type("Здравствуй, эхо\n")
    t.expect(r"Здравствуй, эхо" + "\r\n")  # the terminal's own
    t.expect(r"Здравствуй, эхо" + RTT + "> ")
    t.type("exit\n")
    size = len("Здравствуй, эхо\n".encode())
    t.expect(rf"Sent {size} bytes, {size} came back\.")
    assert t.end() == 0
    assert server.commands() == ["USER анна", "PASS верный конь"]


def test_welcome_is_escaped(terminal, fake):
    server = fake("--account", "anna:" + PASSWORD, "--welcome", "\\x1b[31mred\\x07")
    t = terminal(server.address, "--user", "anna", password=PASSWORD)
    match = t.expect(r"([^\n]*)red\\x07\r\n")
    assert match.group(1) == r"\x1b[31m"
    t.expect("Welcome, anna")


@pytest.mark.parametrize("answers", [[], ["\n"], ["\n", "1\n"]])
def test_end_of_input_at_a_question(terminal, answers):
    t = terminal()
    for answer in answers:
        t.expect(r"\]: ")
        t.type(answer)
    t.expect(r"\]: ")
    t.type("\x04")
    assert t.end() == 0


def test_a_whole_address_as_the_host(terminal, fake):
    server = fake("--raw")
    t = terminal()
    t.expect(r"Host \[127\.0\.0\.1\]: ")
    t.type(f"raw:{server.address}\n")
    t.expect("Connected to raw:")
    t.type("\x04")
    assert t.end() == 0


def test_end_of_input_at_the_password(terminal, fake):
    t = terminal(fake("--closed").address, "--user", "anna")
    t.expect("Password: ")
    t.type("\x04")
    assert t.end() == 0


def test_wrong_password_is_asked_for_again(terminal, fake):
    server = fake("--account", "anna:" + PASSWORD)
    t = terminal(server.address, "--user", "anna")
    t.expect("Password: ")
    t.type("wrong one\n")
    t.expect("530")
    t.expect("Password: ")
    t.type(PASSWORD + "\n")
    t.expect("Connected")
    assert server.commands() == ["USER anna", "PASS wrong one", "USER anna", "PASS " + PASSWORD]


def test_three_wrong_passwords(terminal, fake):
    server = fake("--account", "anna:" + PASSWORD)
    t = terminal(server.address, "--user", "anna")
    for _ in range(3):
        t.expect("Password: ")
        t.type("wrong one\n")
    t.expect("refused anna")
    assert t.end() == 4 and server.connections() == 1


def test_login_deadline_while_typing(terminal, fake):
    server = fake("--account", "anna:" + PASSWORD, "--login-time", "0.3", "--connections", "1")
    t = terminal(server.address, "--user", "anna")
    t.expect("Password: ")
    wait_for(lambda: close_wait(server.address))
    t.type(PASSWORD + "\n")
    t.expect("Connected")
    assert server.commands(1) == ["USER anna"]
    assert server.commands(2) == ["USER anna", "PASS " + PASSWORD]


def close_wait(address):
    """Whether a connection to address has been ended by the server only."""
    port = int(address.split(":")[1])
    with open("/proc/net/tcp", encoding="ascii") as table:
        return any(line.split()[2].endswith(f":{port:04X}") and line.split()[3] == "08" for line in table.readlines()[1:])


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_at_the_password(terminal, fake, number, status):
    t = terminal(fake("--closed").address, "--user", "anna")
    t.expect("Password: ")
    assert not t.echoes()
    if number == signal.SIGINT:
        t.type("half a pass\x03")
    else:
        t.process.send_signal(number)
    assert t.end() == status
    assert t.echoes()


def test_password_from_the_terminal_for_a_pipe(terminal, fake):
    server = fake("--account", "anna:" + PASSWORD)
    data_read, data_write = os.pipe()
    out_read, out_write = os.pipe()
    t = terminal(server.address, "--user", "anna", stdin=data_read, stdout=out_write)
    os.close(data_read)
    os.close(out_write)
    t.expect("Password: ")
    t.type(PASSWORD + "\n")
    os.write(data_write, b"exit\n")  # no command here
    os.close(data_write)
    assert os.read(out_read, 100) == b"exit\n"
    assert t.end() == 0
    os.close(out_read)


def test_what_can_be_typed(terminal, fake):
    server = fake("--raw")
    t = terminal("raw:" + server.address)
    t.expect("> ")
    for typed, comes in [("hello", "hello"), ("/say exit", "exit"), ("//quit", "/quit"), (" exit", " exit"),
                         ("/say /x", "/x"), ("", ""), ("\\\u200e\"", None)]:
        t.type(typed + "\n")
        t.expect((r"\\\\xe2\\x80\\x8e\"" if comes is None else re.escape(comes)) + RTT)
        t.expect("> ")
    t.type("/nonsense\n")
    t.expect(r"no command /nonsense.*/help")
    t.expect("> ")
    t.type("/help\n")
    t.expect("/say TEXT")
    t.expect("//TEXT")
    t.expect("> ")
    t.type("/quit\n")
    t.expect(r"Sent (\d+) bytes, \1 came back")
    assert t.end() == 0
    assert server.heard()[-1]["bytes"] == len("hello\nexit\n/quit\n exit\n/x\n\n\\\u200e\"\n".encode())


@pytest.mark.parametrize("leave", ["exit\n", "/exit\n", "/quit\n", "\x04"])
def test_ways_to_leave(terminal, fake, leave):
    t = terminal("raw:" + fake("--raw").address)
    t.expect("> ")
    began = time.monotonic()
    t.type(leave)
    t.expect("Sent 0 bytes, 0 came back")
    assert t.end() == 0 and time.monotonic() - began < 1.5  # the half-close is what ends it


def test_leaving_does_not_wait_for_ever(terminal, fake):
    t = terminal("raw:" + fake("--raw", "--mute", "--keep-open").address)
    t.expect("> ")
    t.type("hello\n")
    t.type("exit\n")
    began = time.monotonic()
    t.expect("Sent 6 bytes, 0 came back")
    assert t.end() == 1 and 1 < time.monotonic() - began < 6


def test_ctrl_c_in_a_talk(terminal, fake):
    t = terminal("raw:" + fake("--raw").address)
    t.expect("> ")
    t.type("\x03")
    assert t.end() == 130
    assert t.echoes()


def test_drop_in_a_talk(terminal, fake):
    server = fake("--connections", "1", "--drop-after", "8")
    t = terminal(server.address, "--user", "anna", password=PASSWORD)
    t.expect("> ")
    t.type("first\n")
    t.expect("first" + RTT)
    t.type("второй\n")  # two bytes of it come back on the first connection
    t.expect("coming back in")
    t.expect("back at " + server.address)
    t.expect("второй" + RTT + "> ")
    t.type("третий\n")
    t.expect("третий" + RTT)
    t.type("exit\n")
    t.expect("Sent (\\d+) bytes, \\1 came back")
    assert t.end() == 0
    assert server.commands(2) == ["USER anna", "PASS " + PASSWORD]


def test_raw_connection_ends_in_a_talk(terminal, fake):
    t = terminal("raw:" + fake("--raw", "--drop-after", "3").address)
    t.expect("> ")
    t.type("hello\n")
    t.expect("--reconnect")
    t.expect("Sent 6 bytes, 3 came back")
    assert t.end() == 1


def test_damage_in_a_talk(terminal, fake):
    t = terminal("raw:" + fake("--raw", "--damage-at", "1").address)
    t.expect("> ")
    t.type("hello\n")
    t.expect("at offset 1 sent 65 6c 6c 6f 0a, came 64 6c 6c 6f 0a")
    assert t.end() == 1


@pytest.mark.parametrize("whole_lines", [True, False])
def test_many_lines_at_once(terminal, fake, whole_lines):
    """A terminal that gives whole lines gives them one by one; another gives what there is, more than may be sent."""
    t = terminal("raw:" + fake("--raw", "--delay", "0.01").address)
    t.expect("> ")
    if not whole_lines:
        mode = termios.tcgetattr(t.slave)
        mode[3] &= ~(termios.ICANON | termios.ECHO)
        termios.tcsetattr(t.slave, termios.TCSANOW, mode)
    for first in range(0, 300, 150):
        t.type("".join(f"line {n}\n" for n in range(first, first + 150)))
    for n in range(300):
        t.expect(f"line {n}" + RTT)
    t.type("exit\n")
    t.expect("came back")
    assert t.end() == 0
