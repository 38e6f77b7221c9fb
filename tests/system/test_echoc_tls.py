"""echoc over TLS: who is at the other end, what ends a connection, and what goes wrong in between."""
import os
import re
import socket
import subprocess
import threading
import time

import pytest

from certificates import Maker, pin_of
from echoc_relay import relay
from echoc_bench import (ECHOC, LIMIT, PASSWORD, environment, echoc, fake, free_port, one_sentence, program, random_bytes,
                         terminal, wait_for)

MIB = 1 << 20


@pytest.fixture(scope="module")
def maker(tmp_path_factory):
    return Maker(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def own(maker):
    """A certificate that nobody has signed."""
    return maker.certificate()


def state(home):
    return home / ".local/state/echoc"


def known_servers(home):
    return state(home) / "known_servers"


def trust(home, address, pin):
    """What a person's yes leaves behind."""
    state(home).mkdir(parents=True, exist_ok=True)
    with known_servers(home).open("a", encoding="ascii") as f:
        f.write(f"# a remark\n{address} {pin}\n")


def close_wait(address):
    """Whether a connection to address has been ended by the server only."""
    port = int(address.split(":")[1])
    with open("/proc/net/tcp", encoding="ascii") as table:
        return any(line.split()[2].endswith(f":{port:04X}") and line.split()[3] == "08" for line in table.readlines()[1:])


def nothing_was_sent(server):
    return server.all_commands() == [] and not any(e.get("bytes") for e in server.heard())


# Trust by the chain

def test_a_chain_that_is_trusted(echoc, fake, maker, tmp_path):
    server = fake("--tls", maker.certificate(signed=True))
    env = ["env", "SSL_CERT_FILE=" + maker.ca()]
    result = echoc("tls:" + server.address, "--user", "anna", "--quiet", data=b"abc", prefix=env)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"abc", b"")
    assert not known_servers(tmp_path).exists()
    assert {"connection": 1, "tls": "TLSv1.3", "alpn": "echo-login/1"} in server.heard()


@pytest.mark.parametrize("names, days_ago, why", [
    ("DNS:elsewhere.example", None, "mismatch"), ("DNS:localhost,IP:127.0.0.1", 3, "expired")])
def test_a_chain_is_not_enough(echoc, fake, maker, names, days_ago, why):
    """The name and the dates count too, where it is the chain that is trusted."""
    path = maker.certificate(names, signed=True, days_ago=days_ago)
    server = fake("--tls", path)
    result = echoc("tls:" + server.address, "--user", "anna", data=b"abc", prefix=["env", "SSL_CERT_FILE=" + maker.ca()])
    assert result.returncode == 5
    one_sentence(result, why, "--pin " + pin_of(path))
    assert nothing_was_sent(server)


# Trust by a pin

def test_unknown_without_a_terminal(echoc, fake, own):
    server = fake("--tls", own)
    result = echoc("tls:" + server.address, "--user", "anna", data=b"abc")
    assert (result.returncode, result.stdout) == (5, b"")
    text = one_sentence(result, "tls:" + server.address, "not known", "self-signed", "server's log", "echoctl status")
    assert text.count(f"--pin {pin_of(own)}") == 1
    assert nothing_was_sent(server)


@pytest.mark.parametrize("padding", ["", "="])
@pytest.mark.parametrize("raw", [False, True])
def test_pin(echoc, fake, own, tmp_path, padding, raw):
    server = fake("--tls", own, *(["--raw"] if raw else []))
    address = ("raw+tls:" if raw else "tls:") + server.address
    result = echoc(address, "--user", "anna", "--quiet", "--pin", pin_of(own) + padding, data=b"abc")
    assert (result.returncode, result.stdout, result.stderr) == (0, b"abc", b"")
    assert not known_servers(tmp_path).exists()
    assert server.heard()[1]["alpn"] == ("echo/1" if raw else "echo-login/1")


def test_another_pin_is_refused_though_the_chain_is_good(echoc, fake, maker, own):
    server = fake("--tls", maker.certificate(signed=True))
    result = echoc("tls:" + server.address, "--user", "anna", "--pin", pin_of(own), data=b"abc",
                   prefix=["env", "SSL_CERT_FILE=" + maker.ca()])
    assert result.returncode == 5
    one_sentence(result, pin_of(own), "--pin wants", "nothing was sent")
    assert nothing_was_sent(server)


def test_kept_pin(echoc, fake, own, tmp_path):
    server = fake("--tls", own)
    trust(tmp_path, server.address, pin_of(own))
    result = echoc("tls:" + server.address, "--user", "anna", "--quiet", data=b"abc")
    assert (result.returncode, result.stdout, result.stderr) == (0, b"abc", b"")


def test_kept_pin_goes_for_its_port_only(echoc, fake, own, tmp_path):
    server = fake("--tls", own)
    trust(tmp_path, "127.0.0.1:1", pin_of(own))
    assert echoc("tls:" + server.address, "--user", "anna").returncode == 5
    assert nothing_was_sent(server)


@pytest.mark.parametrize("names, days_ago", [("DNS:elsewhere.example", None), ("DNS:localhost", 100)])
def test_dates_and_names_of_a_pinned_server_do_not_count(echoc, fake, maker, tmp_path, names, days_ago):
    path = maker.certificate(names, days_ago=days_ago)
    server = fake("--tls", path)
    trust(tmp_path, server.address, pin_of(path))
    assert echoc("tls:" + server.address, "--user", "anna", data=b"abc").stdout == b"abc"


def test_changed_key(echoc, fake, maker, own, tmp_path):
    server = fake("--tls", maker.certificate())
    trust(tmp_path, server.address, pin_of(own))
    before = known_servers(tmp_path).read_text()
    result = echoc("tls:" + server.address, "--user", "anna", "--quiet", data=b"abc")
    text = result.stderr.decode()
    assert result.returncode == 5 and text.startswith("@@@") and "HAS CHANGED" in text
    assert f"line 2 of {known_servers(tmp_path)}" in text and pin_of(own) in text
    assert known_servers(tmp_path).read_text() == before
    assert nothing_was_sent(server)


def test_changed_key_is_not_asked_about(terminal, fake, maker, own, tmp_path):
    server = fake("--tls", maker.certificate())
    trust(tmp_path, server.address, pin_of(own))
    t = terminal("tls:" + server.address, "--user", "anna")
    t.expect("HAS CHANGED")
    t.expect("remove that line")
    assert t.end() == 5 and nothing_was_sent(server)


def test_key_that_changes_after_a_drop(echoc, fake, maker, own, tmp_path):
    """Another server has come to the same port: nothing goes to it, and no try follows."""
    port = free_port()
    first = fake("--tls", own, "--port", str(port), "--drop-after", "3", "--only", "1")
    trust(tmp_path, first.address, pin_of(own))
    process = subprocess.Popen([ECHOC, "tls:" + first.address, "--user", "anna"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(tmp_path, ECHOC_PASSWORD=PASSWORD))
    process.stdin.write(b"abcdef")
    process.stdin.close()
    assert b"registered" in process.stderr.readline()
    assert b"coming back" in process.stderr.readline()
    first.stop()
    second = fake("--tls", maker.certificate(), "--port", str(port))
    assert process.wait(LIMIT) == 5
    assert b"HAS CHANGED" in process.stderr.read() and process.stdout.read() == b"abc"
    process.stderr.close()
    process.stdout.close()
    assert nothing_was_sent(second) and second.connections() == 1


# First use, on a terminal

def meet(terminal, server, *args, **how):
    t = terminal("tls:" + server.address, "--user", "anna", *args, password=PASSWORD, **how)
    t.expect("not trusted: self-signed certificate")
    t.expect(r"server's log, or 'echoctl status'")
    t.expect(r"\(yes/no/fingerprint\) ")
    return t


@pytest.mark.parametrize("answer", ["yes", "fingerprint", "nonsense, then yes"])
def test_first_use(terminal, echoc, fake, own, tmp_path, answer):
    server = fake("--tls", own)
    t = meet(terminal, server)
    assert nothing_was_sent(server)
    if "nonsense" in answer:
        t.type("y\n")
        t.expect("Type yes, no, or the fingerprint")
    t.type((pin_of(own) if answer == "fingerprint" else "yes") + "\n")
    t.expect("Connected to tls:")
    t.type("exit\n")
    assert t.end() == 0
    file = known_servers(tmp_path)
    assert file.read_text() == f"{server.address} {pin_of(own)}\n"
    assert file.stat().st_mode & 0o777 == 0o600 and state(tmp_path).stat().st_mode & 0o777 == 0o700
    assert [p.name for p in state(tmp_path).iterdir() if p.name.startswith("known")] == ["known_servers"]
    assert echoc("tls:" + server.address, "--user", "anna", data=b"x").stdout == b"x"


@pytest.mark.parametrize("answer", ["no\n", "\x04", "other"])
def test_first_use_refused(terminal, fake, maker, own, tmp_path, answer):
    server = fake("--tls", own)
    t = meet(terminal, server)
    t.type(pin_of(maker.certificate()) + "\n" if answer == "other" else answer)
    t.expect("nothing was sent")
    assert t.end() == 5 and nothing_was_sent(server) and not known_servers(tmp_path).exists()


def test_first_use_where_input_is_data(terminal, fake, own, tmp_path):
    """The terminal is asked, though standard input is not one."""
    data_read, data_write = os.pipe()
    out_read, out_write = os.pipe()
    t = meet(terminal, fake("--tls", own), stdin=data_read, stdout=out_write)
    os.close(data_read)
    os.close(out_write)
    t.type("yes\n")
    os.write(data_write, b"no\n")
    os.close(data_write)
    assert t.end() == 0 and os.read(out_read, 100) == b"no\n"
    os.close(out_read)


def test_slow_answer(terminal, fake, own):
    """The server's time limit passes meanwhile, and that is nobody's fault."""
    server = fake("--tls", own, "--login-time", "0.2", "--connections", "1")
    t = meet(terminal, server)
    wait_for(lambda: close_wait(server.address))
    t.type("yes\n")
    assert "trying again" not in t.expect("Connected to tls:").string
    assert server.connections() == 2


def test_answers_at_once_are_all_kept(terminal, fake, own, tmp_path):
    servers = [fake("--tls", own) for _ in range(4)]
    asked = [meet(terminal, server) for server in servers]
    for t in asked:
        t.type("yes\n")
    for t in asked:
        t.expect("Connected")
    assert sorted(known_servers(tmp_path).read_text().splitlines()) == sorted(
        f"{s.address} {pin_of(own)}" for s in servers)


def test_known_servers_that_is_a_link(echoc, fake, own, tmp_path):
    server = fake("--tls", own)
    state(tmp_path).mkdir(parents=True)
    (tmp_path / "elsewhere").write_text(f"{server.address} {pin_of(own)}\n")
    known_servers(tmp_path).symlink_to(tmp_path / "elsewhere")
    result = echoc("tls:" + server.address, "--user", "anna")
    assert result.returncode == 5
    one_sentence(result, "cannot read", str(known_servers(tmp_path)))
    assert nothing_was_sent(server)


# The bytes

@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 8 * MIB])
@pytest.mark.parametrize("raw", [False, True])
def test_half_close_is_exact(echoc, fake, own, size, raw):
    server = fake("--tls", own, *(["--raw"] if raw else []))
    data = random_bytes(size)
    result = echoc(("raw+tls:" if raw else "tls:") + server.address, "--user", "anna", "--quiet", "--pin", pin_of(own), data=data)
    assert result.returncode == 0 and result.stdout == data and not result.stderr
    assert server.heard()[-1] == {"connection": 1, "bytes": size, "end": "fin"}


def test_all_comes_back_after_the_end(echoc, fake, own):
    """close_notify ends one direction only: the rest comes after it."""
    server = fake("--tls", own, "--echo-at-end")
    data = random_bytes(MIB - 1)  # what may be in the air
    assert echoc("tls:" + server.address, "--user", "anna", "--pin", pin_of(own), data=data).stdout == data


@pytest.mark.parametrize("how", ["fin", "reset", "notify"])
def test_drop_is_mended(echoc, fake, own, how):
    server = fake("--tls", own, "--connections", "1-4", "--drop-after", "700001", "--drop-how", how)
    data = random_bytes(5_000_000)
    result = echoc("tls:" + server.address, "--user", "anna", "--pin", pin_of(own), data=data)
    assert result.returncode == 0 and result.stdout == data
    assert server.connections() == 5
    # What is unread at the other end makes a reset of the other two now and then.
    assert how != "fin" or b"close_notify" in result.stderr


@pytest.mark.parametrize("how", ["fin", "notify"])
def test_raw_loss(echoc, fake, own, how):
    """A truncation is told apart from an end, and both are losses here."""
    server = fake("--tls", own, "--raw", "--drop-after", "3", "--drop-how", how)
    result = echoc("raw+tls:" + server.address, "--pin", pin_of(own), data=b"abcdef")
    assert (result.returncode, result.stdout) == (1, b"abc")
    one_sentence(result, "3 of 6 bytes", "close_notify" if how == "fin" else "ended the connection")


def flip_behind(offset):
    def change(at, some):
        if at <= offset < at + len(some):
            some = bytearray(some)
            some[offset - at] ^= 1
        return bytes(some)
    return change


def test_damage_on_the_way(echoc, fake, own, relay):
    """TLS sees it, and it is not taken for a drop: whoever is in between would only go on."""
    server = fake("--tls", own)
    between = relay(server, flip_behind(200_000))
    result = echoc("tls:" + between.address, "--user", "anna", "--quiet", "--pin", pin_of(own), data=random_bytes(MIB))
    assert result.returncode == 5 and len(result.stdout) < MIB
    one_sentence(result, "TLS refuses", "bytes came back")
    assert between.count == 1


def test_damage_in_the_handshake(echoc, fake, own, relay):
    between = relay(fake("--tls", own), flip_behind(300))
    result = echoc("tls:" + between.address, "--user", "anna", "--pin", pin_of(own), "--wait", "20s")
    assert result.returncode == 5 and between.count == 1
    one_sentence(result, "TLS handshake")


def test_truncation_by_somebody_in_between(echoc, fake, own, relay):
    """The server has said all and the echo is cut: never a clean end."""
    between = relay(fake("--tls", own, "--raw"), lambda at, some: some if at + len(some) < 300_000 else None)
    result = echoc("raw+tls:" + between.address, "--pin", pin_of(own), data=random_bytes(MIB))
    assert result.returncode == 1
    one_sentence(result, "close_notify")


# The handshake

def test_plain_login_server(echoc, fake):
    server = fake()
    result = echoc("tls:" + server.address, "--user", "anna", "--wait", "20s")
    assert result.returncode == 5 and server.connections() == 1
    one_sentence(result, "cannot begin TLS", f"say {server.address} ")
    assert all("USER" not in line for line in server.all_commands())


def test_plain_raw_server(echoc, fake):
    server = fake("--raw")
    result = echoc("raw+tls:" + server.address)
    assert result.returncode == 5
    one_sentence(result, "sends back what it gets", f"say raw:{server.address}")


def test_tls_server_on_a_plain_address(echoc, fake, own):
    server = fake("--tls", own)
    result = echoc(server.address, "--user", "anna")
    assert result.returncode == 6
    one_sentence(result, "no greeting", "tls:" + server.address)


def test_tls_server_on_a_raw_address(echoc):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def alert():
            connection = listener.accept()[0]
            connection.recv(100)
            connection.sendall(b"\x15\x03\x03\x00\x02\x02\x0a")  # unexpected message
            connection.shutdown(socket.SHUT_WR)
            connection.recv(100)
            connection.close()
        thread = threading.Thread(target=alert)
        thread.start()
        result = echoc("raw:127.0.0.1:%d" % listener.getsockname()[1], data=b"hello, are you there?")
        thread.join()
    assert result.returncode == 1
    one_sentence(result, "it speaks TLS")


@pytest.mark.parametrize("args", [["--alpn", "http/1.1"], ["--tls12"]])
def test_no_common_ground(echoc, fake, own, args):
    """Python's server goes on without a protocol, so openssl is the one that refuses."""
    if "--alpn" in args:
        with program("openssl", "s_server", "-quiet", "-accept", "%d", "-cert", own, "-key", own, "-alpn", "http/1.1") as raw:
            result = echoc("tls:" + raw[4:], "--pin", pin_of(own))
    else:
        result = echoc("tls:" + fake("--tls", own, *args).address, "--pin", pin_of(own))
    assert result.returncode == 5
    one_sentence(result, "TLS handshake", "application protocol" if "--alpn" in args else "version")


def test_mute_server(echoc):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        began = time.monotonic()
        result = echoc("tls:127.0.0.1:%d" % listener.getsockname()[1])
    assert result.returncode == 3 and 9 < time.monotonic() - began < 15
    one_sentence(result, "TLS handshake in 10 s")


def test_hang_up_in_the_handshake(echoc, fake, own):
    """At first it is no connection; after a drop the server may just be going away, so that is tried again."""
    server = fake("--tls", own, "--hang-up-in-handshake")
    result = echoc("tls:" + server.address, "--pin", pin_of(own))
    assert result.returncode == 3 and server.connections() == 1
    one_sentence(result, "TLS handshake")
    server = fake("--tls", own, "--drop-after", "3", "--drop-on", "1", "--hang-up-in-handshake", "--connections", "2-3")
    result = echoc("tls:" + server.address, "--user", "anna", "--pin", pin_of(own), data=b"abcdef")
    assert (result.returncode, result.stdout) == (0, b"abcdef") and server.connections() == 4


@pytest.mark.parametrize("server", ["openssl", "socat", "ncat"])
def test_others(echoc, own, server):
    """Echo servers that know nothing of us; not all know half-close, so what came back is what counts."""
    command = {"openssl": ["openssl", "s_server", "-quiet", "-rev", "-accept", "%d", "-cert", own, "-key", own],
               "socat": ["socat", f"OPENSSL-LISTEN:%d,fork,reuseaddr,bind=127.0.0.1,cert={own},key={own},verify=0", "EXEC:cat"],
               "ncat": ["ncat", "--ssl", "--ssl-cert", own, "--ssl-key", own, "-l", "-k", "127.0.0.1", "%d", "--exec", "/bin/cat"]}
    with program(*command[server]) as raw:
        # openssl sends each line back in reverse
        data = b"abba\n" if server == "openssl" else b"hello"
        process = subprocess.Popen([ECHOC, "raw+tls:" + raw[4:], "--pin", pin_of(own)], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, env=environment("/nonexistent"))
        process.stdin.write(data)
        process.stdin.flush()
        came = b""
        while len(came) < len(data) and (some := os.read(process.stdout.fileno(), 100)):
            came += some
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
    assert came == data


# Load

@pytest.mark.parametrize("raw", [False, True])
def test_load(echoc, fake, own, raw):
    server = fake("--tls", own, *(["--raw"] if raw else ["--account", "anna:" + PASSWORD]))
    result = echoc("load", ("raw+tls:" if raw else "tls:") + server.address, "--user", "anna", "--pin", pin_of(own), "--connections",
                   "5", "--duration", "500ms", "--warm-up", "0", "--size", "1-100k", "--in-flight", "4", "--json", "--quiet")
    assert result.returncode == 0, result.stderr
    assert b'"total": 0' in result.stdout and b'"damaged_bytes": 0' in result.stdout
    assert server.connections() == 6
    if not raw:  # a token is never asked for
        assert set(server.all_commands()) == {"USER anna", "PASS " + PASSWORD}


def test_load_makes_connections_anew(echoc, fake, own):
    server = fake("--tls", own, "--raw")
    result = echoc("load", "raw+tls:" + server.address, "--pin", pin_of(own), "--connections", "3", "--duration", "500ms",
                   "--messages", "2", "--quiet")
    assert result.returncode == 0, result.stderr + result.stdout
    assert server.connections() > 10


def test_load_at_a_strange_server(echoc, fake, own):
    result = echoc("load", "tls:" + fake("--tls", own).address, "--json", "--quiet")
    assert result.returncode == 5
    one_sentence(result, "--pin " + pin_of(own))


def test_load_where_the_server_becomes_another(echoc, fake, maker, own, relay):
    """Who is there is settled on the first connection, and holds for all others."""
    other = fake("--tls", maker.certificate())
    between = relay(fake("--tls", own), then=other)
    result = echoc("load", "tls:" + between.address, "--user", "anna", "--pin", pin_of(own), "--connections", "2", "--duration",
                   "200ms", "--warm-up", "0")
    assert result.returncode == 5 and b"another one than at first" in result.stderr
    assert nothing_was_sent(other) and other.connections() > 0


# Secrets

def test_memory_is_nobody_s_to_read(fake, tmp_path):
    """No core, and /proc/PID belongs to root: not even this user's other programs look in."""
    someone = ["setpriv", "--reuid", "65534", "--clear-groups"] if os.geteuid() == 0 else []
    process = subprocess.Popen([*someone, ECHOC, "raw:" + fake("--raw").address], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, env=environment(tmp_path))
    process.stdin.write(b"x")
    process.stdin.flush()
    assert process.stdout.read(1) == b"x"
    with open(f"/proc/{process.pid}/limits", encoding="ascii") as limits:
        assert re.search(r"Max core file size +0 +0 ", limits.read())
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        assert not someone or re.search(r"Uid:\s+65534", status.read())
    assert os.stat(f"/proc/{process.pid}/mem").st_uid == 0
    process.stdin.close()
    assert process.wait(LIMIT) == 0
    process.stdout.close()
