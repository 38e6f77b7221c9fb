"""TLS listeners: the same echo and the same login, and an end that can be trusted."""
import contextlib
import errno
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from clients import Client
from harness import CHUNK, LOOPBACK, PASSWORD, PATIENCE_S, Positional, Server, connect, wait_until
from tls_clients import ECHO, LOGIN, TlsSocket, context, echo_client, exchange, tls_connect

BOTH = [f"tls:{LOOPBACK}:0", f"raw+tls:{LOOPBACK}:0"]
KINDS = ["tls", "raw+tls"]
SIZES = [0, 1, 64 * 1024, 8 * 1024 * 1024]
CUT = ["reset", "tls", "truncated", "error", "memory", "stall_time"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("slow", [0, 16 * 1024], ids=["fast", "slow"])
def test_half_close_is_exact_under_tls(folder, kind, slow):
    with Server(folder, listen=BOTH) as s:
        for size in SIZES:
            c = echo_client(s, kind, rcvbuf=16 * 1024 if slow else None)
            exchange(c, Positional("tls", kind, size), size, slow=slow)
            c.close()
            s.wait_status(lambda s: s["connections"]["open"] == 0, "the connection to be gone")
        closed = s.status()["closed"]
        assert closed["eof"] == s.baseline["closed"]["eof"] + len(SIZES)
        assert {k: closed[k] for k in CUT} == {k: s.baseline["closed"][k] for k in CUT}


@pytest.mark.parametrize("kind", KINDS)
def test_an_end_without_close_notify_is_a_truncation(folder, kind):
    with Server(folder, listen=BOTH) as s:
        c, data = echo_client(s, kind), Positional("cut")
        c.send(data.at(0, 100000))
        c.sock.sock.shutdown(socket.SHUT_WR)
        came = c.exactly(100000)
        data.check(0, came)
        assert c.read() == b"" and c.sock.how == "eof"
        s.wait_log("disconnect", reason="truncated", bytes_in=100000, bytes_out=100000)


def test_the_protocol_is_agreed_on_or_not_spoken_of(folder):
    with Server(folder, listen=BOTH) as s:
        for kind, right, wrong in (("tls", LOGIN, ECHO), ("raw+tls", ECHO, LOGIN)):
            for offer in (None, right, ["h2", right]):
                c = tls_connect(s.address_of(kind), offer)
                assert c.sock.tls.selected_alpn_protocol() == (right if offer else None)
                c.close()
            for offer in (wrong, ["h2", "http/1.1"]):
                with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
                    tls_connect(s.address_of(kind), offer)
        s.wait_status(lambda s: s["closed"]["tls"] == 4, "the four to be counted")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_1", "TLSv1"])
def test_older_versions_are_refused(folder, version):
    with Server(folder, listen=BOTH) as s:
        ctx = context()
        ctx.set_ciphers("ALL:@SECLEVEL=0")
        ctx.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        ctx.maximum_version = ssl.TLSVersion[version]
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            tls_connect(s.address_of("tls"), ctx=ctx)
        s.wait_log("tls_failed")
        assert tls_connect(s.address_of("tls")).sock.tls.version() == "TLSv1.3"


@pytest.mark.parametrize("kind", KINDS)
def test_plain_words_on_a_tls_port_get_nothing(folder, kind):
    with Server(folder, listen=BOTH) as s:
        c = s.connect(kind)
        c.send("USER anna\r\nPASS correct horse\r\n")
        came = b""
        try:
            while some := c.read():
                came += some
        except ConnectionResetError:
            pass
        assert b"anna" not in came and b"220" not in came and len(came) < 32  # an alert at most
        s.wait_log("disconnect", reason="tls")
        assert "login" not in {e["event"] for e in s.log_events() if e.get("conn") != "1"}


def test_a_login_and_data_in_any_segments_and_records(folder):
    data = Positional("segments").at(0, CHUNK)
    words = f"USER anna\r\nPASS {PASSWORD}\r\n".encode()
    whole = words + data
    with Server(folder, listen=BOTH) as s:
        echo_client(s, "tls").close()  # registers
        for record in (1, 7, 23, 24, 500, 20000, len(whole)):
            for segment in (1460, 16384, 1 << 20):
                tls = TlsSocket(connect(s.address_of("tls")), context()).shake()
                wire = b"".join(tls.wire(whole[i:i + record]) for i in range(0, len(words) + 3, record))
                wire += tls.wire(whole[-(-(len(words) + 3) // record) * record:])
                reader = Client(tls)
                for i in range(0, len(wire), segment):
                    tls.sock.sendall(wire[i:i + segment])
                assert [reader.code() for _ in range(3)] == [220, 331, 230]
                assert reader.exactly(len(data)) == data
                tls.notify()
                assert reader.to_end() == b"" and tls.how == "close_notify"
                reader.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_half_closes_during_login_gets_all(folder, kind):
    with Server(folder, listen=BOTH) as s:
        echo_client(s, "tls").close()
        tls = TlsSocket(connect(s.address_of(kind)), context()).shake()
        words = f"USER anna\r\nPASS {PASSWORD}\r\n".encode() if kind == "tls" else b""
        tls.sendall(words + b"hello")
        tls.notify()
        came = Client(tls).to_end()
        assert came.endswith(b"hello") and tls.how == "close_notify"
        tls.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_mute_reader_holds_one_chunk_under_tls(folder, kind):
    with Server(folder, "--workers", "1", listen=BOTH) as s:
        c, data = echo_client(s, kind, rcvbuf=64 * 1024), Positional("mute")
        tls, sock = c.sock, c.sock.sock
        sent, wire, still, seen = 0, b"", 0, -1
        sock.setblocking(False)

        def is_stuck():
            nonlocal sent, wire, still, seen
            try:
                while True:
                    if not wire:
                        some = data.at(sent, CHUNK)
                        wire, sent = tls.wire(some), sent + len(some)
                    wire = wire[sock.send(wire):]
            except BlockingIOError:
                pass
            status = s.status()
            assert status["bytes_held"] <= CHUNK, f"{status['bytes_held']} bytes are held"
            still = still + 1 if status["bytes_in"] == seen else 0
            seen = status["bytes_in"]
            return still >= 20 and status["chunks_held"] == 1

        wait_until(is_stuck, "the connection to be held up")
        sock.settimeout(PATIENCE_S)
        writer = threading.Thread(target=lambda: sock.sendall(wire))
        writer.start()
        came = 0
        while came < sent:
            some = c.read(1 << 18)
            data.check(came, some)
            came += len(some)
        writer.join()


def test_the_servers_end_is_told_under_tls(folder):
    """What had arrived is echoed; then close_notify and FIN come, for those who are in and those who are not."""
    with Server(folder, listen=BOTH) as s:
        raw, logged_in = echo_client(s, "raw+tls"), echo_client(s, "tls")
        knocking = tls_connect(s.address_of("tls"))
        assert knocking.code() == 220
        mute = connect(s.address_of("tls"))  # in the handshake
        raw.echoes("hello")
        s.send_signal(15)
        for c in (raw, logged_in):
            assert c.to_end() == b"" and c.sock.how == "close_notify"
        assert knocking.code() == 421
        assert knocking.to_end() == b"" and knocking.sock.how == "close_notify"
        for c in (raw, logged_in, knocking, mute):
            c.close()
        s.wait()
        s.check_ended()


def test_data_behind_the_servers_end_is_not_taken_for_echoed(folder):
    with Server(folder, "--idle-time", "300ms", listen=BOTH) as s:
        c = echo_client(s, "raw+tls")
        assert c.to_end() == b"" and c.sock.how == "close_notify"
        c.sock.how = None
        c.send("too late")
        wait_until(lambda: c.sock.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in (errno.ECONNRESET, errno.EPIPE),
                   "the reset")
        s.wait_log("disconnect", reason="idle_time")


def test_no_handshake_in_time(folder):
    with Server(folder, "--login-time", "1s", listen=BOTH) as s:
        hello = TlsSocket(connect(s.address_of("tls")), context())
        try:
            hello.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        half = hello.outgoing.read()[:100]
        both = [connect(s.address_of("raw+tls")), hello.sock]
        for client in both:
            client.sendall(half)
        for client in both:
            try:
                assert client.recv(100) == b""
            except ConnectionResetError:
                pass
            client.close()
        s.wait_status(lambda s: s["closed"]["login_time"] == 2, "both to be counted")


def test_at_the_limit_nobody_gets_a_handshake(folder):
    with Server(folder, "--max-connections", "2", listen=BOTH) as s:
        two = [echo_client(s, "raw+tls") for _ in range(2)]
        for kind in KINDS:
            c = connect(s.address_of(kind))
            try:
                assert c.recv(100) == b""
            except ConnectionResetError:
                pass
            c.close()
        two[0].echoes("hello")


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")
def test_key_updates_without_end_are_cut_off(folder):
    """openssl s_client sends a key update for each read of its input that begins with k."""
    with Server(folder, listen=BOTH) as s:
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client = subprocess.Popen(["openssl", "s_client", "-connect", f"{LOOPBACK}:{s.address_of('raw+tls')}"],
                                  stdin=its, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        its.close()
        try:
            wait_until(lambda: s.status()["connections"]["echo"] == 1, "s_client to be there")
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):  # it goes when it is cut off
                for _ in range(1000):
                    ours.sendall(b"k\n")
            s.wait_log("disconnect", reason="tls")
            s.wait_log("tls_failed", why="too many key updates")
        finally:
            ours.close()
            client.kill()
            client.communicate()


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")
def test_openssl_s_client_is_a_client(folder):
    with Server(folder, listen=BOTH) as s:
        p = subprocess.Popen(["openssl", "s_client", "-quiet", "-connect", f"{LOOPBACK}:{s.address_of('tls')}"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        p.stdin.write(f"USER anna\nPASS {PASSWORD}\nhello\n".encode())
        p.stdin.flush()
        came = b""
        while not came.endswith(b"hello\n"):
            came += os.read(p.stdout.fileno(), 4096)
        p.kill()  # -quiet is deaf to the end of its input
        p.communicate()
        assert came.startswith(b"220 ") and b"\r\n230 Welcome, anna. Echo begins\r\nhello\n" in came


@pytest.mark.parametrize("argv", [
    ["socat", "-t5", "-", "OPENSSL:{host}:{port},verify=0"],
    ["ncat", "--ssl", "-i5s", "{host}", "{port}"],
], ids=["socat", "ncat"])
def test_others_are_clients_of_raw_tls(folder, argv):
    if not shutil.which(argv[0]):
        pytest.skip(f"no {argv[0]}")
    with Server(folder, listen=BOTH) as s:
        filled = [a.format(host=LOOPBACK, port=s.address_of("raw+tls")) for a in argv]
        p = subprocess.Popen(filled, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        p.stdin.write(b"hello\n")
        p.stdin.flush()
        came = b""
        while b"hello\n" not in came:
            came += os.read(p.stdout.fileno(), 4096)
        p.stdin.close()
        p.stdin = None
        assert came + p.communicate(timeout=PATIENCE_S)[0] == b"hello\n"


@pytest.mark.skipif(not shutil.which("sslscan"), reason="no sslscan")
def test_sslscan_finds_tls_1_3_only(folder):
    with Server(folder, listen=BOTH, busy=True) as s:
        out = subprocess.run(["sslscan", "--no-colour", f"{LOOPBACK}:{s.address_of('tls')}"], capture_output=True,
                             text=True, timeout=50).stdout
    for old in ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2"):
        assert re.search(rf"^{old} +disabled$", out, re.M), out
    assert re.search(r"^TLSv1.3 +enabled$", out, re.M), out
    assert "vulnerable to heartbleed" not in out.replace("not vulnerable to heartbleed", "")
    ciphers = set(re.findall(r"^(?:Preferred|Accepted) +TLSv1\.3 +\d+ bits +(\S+)", out, re.M))
    assert ciphers == {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}, out
    assert "prime256v1" in out and "x25519" in out


PLAIN = os.environ.get("ECHOD_PLAIN_BUILD")


@pytest.mark.alone
@pytest.mark.skipif(not PLAIN, reason="ECHOD_PLAIN_BUILD names no build without sanitizers")
@pytest.mark.parametrize("kind", KINDS)
def test_an_idle_tls_connection_costs_at_most_24_kib(folder, kind):
    from test_cost import PlainServer, memory_bytes

    few, many = 50, 400
    s = PlainServer(folder, "--workers", "1")
    for i, a in enumerate(s.argv):
        if s.argv[i - 1] == "--listen":
            s.argv[i] = "raw+tls:" + a.removeprefix("raw:") if a.startswith("raw:") else "tls:" + a
    s.warm = False
    with s:
        front = s.children()["front"]
        for _ in range(few):
            echo_client(s, kind).echoes("hello")
        before = memory_bytes(front)
        for _ in range(many):
            echo_client(s, kind).echoes("hello")
        cost = (memory_bytes(front) - before) / many
        print(f"{cost / 1024:.1f} KiB an idle TLS connection")
        assert 1024 < cost <= 24 * 1024, f"{cost / 1024:.1f} KiB"
