"""echoc shows what is said (--trace), and sends in pieces (--chunk)."""
import re
import socket
import struct
import threading

import pytest

from certificates import Maker, pin_of
from echoc_bench import PASSWORD, echoc, fake, terminal
from echoc_relay import Relay, where

SEGMENTS_IN = 152  # offset of tcpi_data_segs_in in struct tcp_info (linux/tcp.h)


def traced(result):
    return [line for line in result.stderr.decode().split("\n") if re.match("[CS]: ", line)]


# --trace

def test_the_dialogue_and_the_echo(echoc, fake):
    server = fake("--account", "anna:" + PASSWORD)
    result = echoc(server.address, "--user", "anna", "--trace", "--quiet", data="эхо\n".encode())
    assert (result.returncode, result.stdout.decode()) == (0, "эхо\n")
    lines = traced(result)
    assert lines[:8] == [
        "S: 220 fake echod ready", "C: OPTS TOKEN", "S: 200 A token comes with the 230", "C: USER anna",
        "S: 331 Password, please", "C: PASS ********", "S: 230-TOKEN ********", "S: 230 Welcome, anna. Echo begins"]
    assert lines[8] == r"C: 7 bytes: эхо\x0a" and lines[-1] == "S: FIN"
    assert sorted(lines[9:-1]) == ["C: FIN", r"S: 7 bytes: эхо\x0a"]  # whichever is first
    assert PASSWORD not in result.stderr.decode()


def test_no_token_is_shown(echoc, fake):
    server = fake()
    first = echoc(server.address, "--user", "anna", "--trace", data=b"x")
    second = echoc(server.address, "--user", "anna", "--trace", data=b"x", password=None)
    token = server.commands(2)[0].removeprefix("RESUME ")
    assert len(token) == 43 and "C: RESUME ********" in traced(second)
    assert token.encode() not in first.stderr + second.stderr


def test_no_token_is_shown_in_a_last_line(echoc, fake):
    token = "k" * 43
    server = fake("--bad-token", f"x\r\n230 TOKEN {token} 2030-01-02T03:04:05Z")
    result = echoc(server.address, "--user", "anna", "--trace", data=b"x")
    assert "S: 230 TOKEN ********" in traced(result) and token.encode() not in result.stderr


def test_long_pieces_are_cut(echoc, fake):
    result = echoc("raw:" + fake("--raw").address, "--trace", data=b"x" * 1000)
    assert "C: 1000 bytes: " + "x" * 48 + "..." in traced(result)


def test_tls_tells_its_version_and_key(echoc, fake, tmp_path):
    path = Maker(tmp_path).certificate()
    server = fake("--tls", path, "--raw")
    result = echoc("raw+tls:" + server.address, "--pin", pin_of(path), "--trace", data=b"x")
    assert result.returncode == 0
    lines = traced(result)
    assert re.fullmatch(r"S: TLSv1\.3, TLS_\w+, " + re.escape(pin_of(path)), lines[0])
    assert sorted(lines[1:]) == ["C: 1 byte: x", "C: close_notify and FIN", "S: 1 byte: x", "S: close_notify"]


def test_trace_can_be_switched(terminal, fake):
    t = terminal("raw:" + fake("--raw").address)
    t.expect("> ")
    t.type("one\n")
    assert "bytes" not in t.expect(r"one   .* ms\r\n> ").string
    t.type("/trace\n")
    t.expect(r"is shown from now on.*\r\n> ")
    t.type("two\n")
    t.expect(r"C: 4 bytes: two\\x0a\r\n[^C]*S: 4 bytes: two\\x0a\r\ntwo   .* ms\r\n> ")
    t.type("/трассировка\n")
    t.expect(r"is shown no more\.\r\n> ")
    t.type("three\n")
    assert "bytes" not in t.expect(r"three   .* ms\r\n> ").string
    t.type("/trace\n")
    t.expect("> ")
    t.type("/exit\n")
    t.expect(r"C: FIN\r\nS: FIN\r\nSent 14 bytes")
    assert t.end() == 0


# --chunk

class Counter:
    """An echo server that counts the segments with data that its one client has sent."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "raw:127.0.0.1:%d" % self.listener.getsockname()[1]
        self.segments = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        client = self.listener.accept()[0]
        while some := client.recv(65536):
            client.sendall(some)
        info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        self.segments = struct.unpack_from("I", info, SEGMENTS_IN)[0]
        client.close()

    def end(self):
        self.thread.join(30)
        self.listener.close()
        return self.segments


@pytest.mark.parametrize("size, chunk, segments", [(100, 1, 100), (100, 7, 15), (100, 100, 1), (100, 1000, 1),
                                                   (100, None, 1)])
def test_chunks_are_segments(echoc, size, chunk, segments):
    server = Counter()
    result = echoc(server.address, *(["--chunk", str(chunk)] if chunk else []), data=b"x" * size)
    assert (result.returncode, len(result.stdout)) == (0, size)
    assert server.end() == segments


def test_chunks_in_a_talk(terminal):
    server = Counter()
    t = terminal(server.address, "--chunk", "2", "--trace")
    t.expect("> ")
    t.type("эхо\n")
    t.expect(r"C: 2 bytes: э\r\nC: 2 bytes: х\r\nC: 2 bytes: о\r\nC: 1 byte: \\x0a\r\n")
    t.expect("эхо   .* ms\r\n> ")
    t.type("\x04")
    assert t.end() == 0 and server.end() == 4


def records(stream):
    """The lengths of the records of application data."""
    while stream:
        kind, length = stream[0], int.from_bytes(stream[3:5], "big")
        if kind == 23:
            yield length
        stream = stream[5 + length:]


def test_chunks_are_records(echoc, fake, tmp_path):
    path = Maker(tmp_path).certificate()
    server = fake("--tls", path, "--raw")
    said = []

    class Listening(Relay):
        def pump(self, one, other, change):
            super().pump(one, other, change or (lambda at, some: said.append(some) or some))
    relay = Listening(where(server), lambda at, some: some)
    try:
        result = echoc("raw+tls:" + relay.address, "--pin", pin_of(path), "--chunk", "3", data=b"0123456789")
        assert (result.returncode, result.stdout) == (0, b"0123456789")
        lengths = list(records(b"".join(said)))
        # 17 is what TLS 1.3 adds (RFC 8446, 5.2); before is the client's Finished, behind its close_notify
        assert lengths[1:-1] == [20, 20, 20, 18]
    finally:
        relay.end()


@pytest.mark.parametrize("given", ["0", "65537", "x", "-1"])
def test_what_is_no_chunk(echoc, given):
    result = echoc("127.0.0.1:1", "--chunk", given)
    assert result.returncode == 2 and b"--chunk" in result.stderr
