"""echoc check: one round trip for a health check, silent when all is well."""
import json
import signal
import socket
import subprocess
import threading
import time

import pytest

from certificates import Maker, pin_of
from echoc_bench import ECHOC, LIMIT, PASSWORD, echoc, environment, fake, free_port, one_sentence, program, terminal


def check(echoc, *args, **how):
    return echoc("check", *args, **how)


def silent(result):
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


def results(result):
    return [json.loads(line) for line in result.stdout.decode().splitlines()]


# All is well

def test_raw(echoc, fake):
    server = fake("--raw")
    silent(check(echoc, "raw:" + server.address))
    assert [e for e in server.heard() if "bytes" in e] == [{"connection": 1, "bytes": 32, "end": "fin"}]


def test_socat(echoc):
    with program("socat", "TCP-LISTEN:%d,bind=127.0.0.1,fork,reuseaddr", "EXEC:cat") as address:
        silent(check(echoc, address))


def test_login_leaves_no_token_and_registers_in_silence(echoc, fake, tmp_path):
    server = fake()
    silent(check(echoc, server.address, "--user", "anna"))
    silent(check(echoc, server.address, "--user", "anna"))
    assert server.all_commands() == ["USER anna", "PASS " + PASSWORD] * 2
    assert not (tmp_path / ".local").exists()


def test_password_file(echoc, fake, tmp_path):
    server = fake("--account", "anna:from a file")
    (tmp_path / "secret").write_text("from a file\n")
    silent(check(echoc, server.address, "--user", "anna", "--password-file", str(tmp_path / "secret"), password=None))


@pytest.mark.parametrize("raw", [[], ["--raw"]], ids=["login", "raw"])
def test_tls(echoc, fake, tmp_path, raw):
    pem = Maker(tmp_path).certificate()
    server = fake("--tls", pem, *raw)
    prefix = "raw+tls:" if raw else "tls:"
    silent(check(echoc, prefix + server.address, "--pin", pin_of(pem)))
    assert not [e for e in server.heard() if "error" in e]  # it ended with close_notify


@pytest.mark.parametrize("raw", [[], ["--raw"]], ids=["login", "raw"])
def test_unix(echoc, fake, tmp_path, raw):
    server = fake("--unix", str(tmp_path / "s"), *raw)
    silent(check(echoc, ("raw+" if raw else "") + server.address))


def test_our_server(echoc, server):
    ours = server(listen=("127.0.0.1:0", "raw:127.0.0.1:0"))
    silent(check(echoc, f"127.0.0.1:{ours.address_of('login')}", "--user", "anna"))
    silent(check(echoc, f"raw:127.0.0.1:{ours.address_of('raw')}"))


def test_a_server_that_does_not_end_holds_nobody_up(echoc, fake):
    began = time.monotonic()
    silent(check(echoc, "raw:" + fake("--raw", "--keep-open").address))
    assert time.monotonic() - began < 5


def test_json(echoc, fake):
    server = fake()
    result = check(echoc, server.address, "--user", "anna", "--json", "--wait", "1500ms")
    assert result.returncode == 0 and not result.stderr
    [shown] = results(result)
    assert (shown["schema"], shown["type"], shown["status"], shown["tries"], shown["bytes"]) == \
        ("echoc.check/1", "result", 0, 1, 32)
    phases = shown["phases_ns"]
    assert list(phases) == ["lookup", "tcp", "tls", "login", "echo"]
    assert phases["tls"] is None and phases["echo"] == shown["round_trip_ns"]
    assert all(0 < phases[key] < LIMIT * 1e9 for key in ("lookup", "tcp", "login", "echo"))
    assert {"version", "host", "clock", "started_at"} <= shown.keys()
    assert shown["options"] == {"address": server.address, "wait_s": 1.5}


# It is not

def fails(result, status, phase, *parts):
    """One sentence, and the same as JSON."""
    assert result.returncode == status
    text = one_sentence(result, *parts)
    [shown] = results(result)
    assert (shown["schema"], shown["type"], shown["status"]) == ("echoc.check/1", "error", status)
    assert "echoc: " + shown["error"]["detail"] + ".\n" == text
    assert shown["error"]["phase"] == phase
    return shown


def test_nobody_is_there(echoc):
    fails(check(echoc, f"raw:127.0.0.1:{free_port()}", "--json"), 3, "tcp", "Connection refused")


@pytest.mark.parametrize("content", [None, b""], ids=["missing", "empty"])
def test_a_password_file_without_a_password(echoc, tmp_path, content):
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    where = ["127.0.0.1:1", "--user", "anna", "--password-file", str(tmp_path / "secret")]
    fails(check(echoc, *where, "--json"), 2, None, str(tmp_path / "secret"))


def test_usage_is_told_as_json(echoc):
    told = results(check(echoc, "127.0.0.1:1", "--wait", "soon", "--json"))[0]
    assert told["status"] == 2 and told["error"]["detail"].endswith("or off")


def test_without_json_nothing_is_on_standard_output(echoc):
    result = check(echoc, f"raw:127.0.0.1:{free_port()}")
    assert result.returncode == 3 and not result.stdout
    one_sentence(result, "Connection refused")


def test_damaged(echoc, fake):
    fails(check(echoc, "raw:" + fake("--raw", "--damage-at", "5").address, "--json"), 1, "echo", "at offset 5 sent",
          ", came")


def test_more_comes_back_than_was_sent(echoc, fake):
    fails(check(echoc, "raw:" + fake("--raw", "--extra", "3").address, "--json"), 1, "echo",
          "at offset 32 sent nothing, came 78")


def test_a_farewell_that_nobody_sent(echoc):
    """What comes behind the echo, when all is well already, is damage too."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            with listener.accept()[0] as connection:
                while data := connection.recv(100):
                    connection.sendall(data)
                connection.sendall(b"bye")

        server = threading.Thread(target=serve)
        server.start()
        fails(check(echoc, f"raw:127.0.0.1:{listener.getsockname()[1]}", "--json"), 1, "echo",
              "at offset 32 sent nothing, came 62 79 65")
        server.join()


def test_damage_is_told_at_once(echoc, fake):
    server = fake("--raw", "--damage-at", "5")
    assert check(echoc, "raw:" + server.address, "--wait", "30s").returncode == 1
    assert server.connections() == 1


def test_a_login_server_taken_for_a_raw_one(echoc, fake):
    fails(check(echoc, "raw:" + fake().address, "--json"), 1, "echo", "leave the raw out")


@pytest.mark.parametrize("how", ["fin", "reset"])
def test_dropped(echoc, fake, how):
    server = fake("--raw", "--drop-after", "7", "--drop-how", how)
    shown = fails(check(echoc, "raw:" + server.address, "--json"), 1, "echo", "7 of 32 bytes", "--wait")
    assert shown["error"]["kind"] == "failed" and server.connections() == 1


def test_wrong_password(echoc, fake):
    server = fake("--account", "anna:something else")
    fails(check(echoc, server.address, "--user", "anna", "--json"), 4, "login", "530")


def test_no_password_and_no_terminal(echoc, fake):
    fails(check(echoc, fake().address, "--json", password=None), 2, "login", "ECHOC_PASSWORD")


def test_busy_is_told_at_once(echoc, fake):
    began = time.monotonic()
    fails(check(echoc, fake("--busy").address, "--json"), 3, "login", "421")
    assert time.monotonic() - began < 5


def test_untrusted(echoc, fake, tmp_path):
    fails(check(echoc, "tls:" + fake("--tls", Maker(tmp_path).certificate()).address, "--json"), 5, "tls", "--pin")


def test_retry_time_is_not_for_it(echoc):
    assert check(echoc, "raw::7", "--retry-time", "1s").returncode == 2


# Waiting

def start(tmp_path, *args):
    return subprocess.Popen([ECHOC, "check", *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=environment(tmp_path, ECHOC_PASSWORD=PASSWORD))


def ends_silently(process):
    assert (process.communicate(timeout=LIMIT), process.returncode) == ((b"", b""), 0)


def test_waits_for_a_server_that_is_not_there_yet(fake, tmp_path):
    port = free_port()
    with socket.socket() as s:  # bound and not listening: refused, and nobody takes the port meanwhile
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", port))
        process = start(tmp_path, f"raw:127.0.0.1:{port}", "--wait", "30s")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
    fake("--raw", "--port", str(port))
    ends_silently(process)


def test_waits_for_one_that_drops_its_first_connections(fake, tmp_path):
    server = fake("--raw", "--connections", "1-2", "--drop-after", "0")
    ends_silently(start(tmp_path, "raw:" + server.address, "--wait", "30s"))
    assert server.connections() == 3


def test_waits_for_one_that_is_busy(fake, tmp_path):
    ends_silently(start(tmp_path, fake("--connections", "1", "--busy").address, "--wait", "30s"))


@pytest.mark.parametrize("address, status, says", [
    ("raw:127.0.0.1:{}", 3, "Connection refused"), ("raw:no-such-host.invalid:{}", 3, "no-such-host.invalid")])
def test_waiting_has_an_end_and_one_sentence(echoc, address, status, says):
    began = time.monotonic()
    result = check(echoc, address.format(free_port()), "--wait", "700ms")
    assert result.returncode == status and 0.6 < time.monotonic() - began < 10
    one_sentence(result, says)


def test_dropped_until_the_end(echoc, fake):
    server = fake("--raw", "--drop-after", "0")
    result = check(echoc, "raw:" + server.address, "--wait", "1s")
    assert result.returncode == 1 and server.connections() > 1
    one_sentence(result, "0 of 32 bytes")


def test_asks_on_a_terminal_only(fake, terminal):
    server = fake("--account", "anna:" + PASSWORD)
    t = terminal("check", server.address, "--user", "anna")
    t.expect("assword")
    t.type(PASSWORD + "\r")
    assert t.end() == 0


# How it ends

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("mode", ["check", "ping", "idle", "load"])
def test_a_signal_leaves_an_object(tmp_path, mode, number):
    """While the server is reached, too: `timeout 5 echoc check … --json` is told more than nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = "127.0.0.1:%d" % listener.getsockname()[1]
        with subprocess.Popen([ECHOC, mode, address, "--user", "anna", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=environment(tmp_path, ECHOC_PASSWORD=PASSWORD)) as p:
            connection, _ = listener.accept()
            p.send_signal(number)
            out, _ = p.communicate(timeout=LIMIT)
            connection.close()
    told = json.loads(out)
    assert p.returncode == told["status"] == 128 + number
    assert (told["error"]["kind"], told["schema"]) == ("interrupted", f"echoc.{mode}/1")


@pytest.mark.parametrize("args", [["check", "--json"], [], ["ping", "-c1", "--json"]])
def test_closed_standard_output_is_no_success(tmp_path, fake, args):
    """What was asked for went nowhere."""
    address = "raw:" + fake("--raw").address
    done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", ECHOC, *args, address], input=b"data", stderr=subprocess.PIPE,
                          env=environment(tmp_path), timeout=LIMIT, check=False)
    assert done.returncode == 1 and b"cannot write" in done.stderr
