"""echoc: its command line, the ways to a server, and the login."""
import os
import shutil
import socket
import struct
import subprocess
import threading
import sys
import time

import pytest

from echoc_bench import PASSWORD, LIMIT, ECHOC, HERE, environment, echoc, fake, free_port, terminal, one_sentence, local_server


# The command line

def test_help_and_version(echoc):
    shown = echoc("--help")
    assert shown.returncode == 0 and b"--password-file" in shown.stdout and not shown.stderr
    assert echoc("--version").stdout.startswith(b"echoc ")


@pytest.mark.parametrize("args, says", [
    (["--nonsense", "localhost"], "--nonsense"),
    (["localhost", "otherhost"], "otherhost"),
    (["localhost:port"], "a port is"),
    (["localhost:1-5"], "one port"),
    (["localhost:0"], "port 0"),
    (["tls:localhost", "--pin", "SHA256:short"], "43 characters"),
    (["tls:localhost", "--pin", "A" * 43], "43 characters"),
    (["localhost", "--pin", "SHA256:" + "A" * 43], "tls:"),
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
    one_sentence(result, "534", "SSH tunnel")
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
        one_sentence(result, "10.99.0.2", "SSH tunnel", "--allow-cleartext")


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


def test_reset_behind_the_greeting_is_a_lost_connection_and_no_unsafe_path(echoc):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def greet_and_reset():
            connection = listener.accept()[0]
            connection.sendall(b"220 here echod ready\r\n")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

        server = threading.Thread(target=greet_and_reset)
        server.start()
        result = echoc(f"127.0.0.1:{listener.getsockname()[1]}")
        server.join()
    assert result.returncode == 3
    one_sentence(result, "cannot ")  # log in; or reach, where the reset comes before connecting was seen to end


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
    assert (b"reply without end" in result.stderr) == (args == ["--endless-greeting"])


# A local server


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
