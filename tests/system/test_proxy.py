"""Relays: the PROXY header before all else, and whose connection it makes it. Relays come from 127.0.0.2."""
import errno
import struct
import socket
import time

import pytest

from harness import LOOPBACK, PASSWORD, PATIENCE_S, Client, assert_one_sentence, connect, cpu_seconds, run_echod

RELAY, STRANGER = "127.0.0.2", "127.0.0.9"
BOTH = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
CLIENT, ASKED = "192.0.2.7", "198.51.100.1"


def v1(source=CLIENT, destination=ASKED, port=4711, kind="TCP4"):
    return f"PROXY {kind} {source} {destination} {port} 7862\r\n".encode()


def v2(source=CLIENT, destination=ASKED, port=4711, tlv=b"", command=0x21):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    block = socket.inet_pton(family, source) + socket.inet_pton(family, destination) + struct.pack("!HH", port, 7862)
    code = 0x21 if family == socket.AF_INET6 else 0x11
    return SIGNATURE + struct.pack("!BBH", command, code, len(block + tlv)) + block + tlv


LOCAL = SIGNATURE + b"\x20\0\0\0"
UNSPEC = SIGNATURE + b"\x21\0\0\0"
UNIX = SIGNATURE + b"\x21\x31\0\xd8" + bytes(216)


@pytest.fixture
def relayed(server):
    """relayed(...) as server(...), with --proxy-from for each of its listeners."""

    def start(*args, listen=BOTH, network=f"{RELAY}/32", **kwargs):
        given = [word for address in listen for word in ("--listen", address, "--proxy-from", network)]
        return server(*given, *args, listen=None, **kwargs)

    return start


def relay(s, kind="login"):
    return s.connect(kind, source=RELAY)


def assert_reset(c):
    """It ends without a word."""
    try:
        assert c.read() == b""
        raise AssertionError("a FIN, and no reset")
    except ConnectionResetError:
        pass


# ---- whose connection it is ----

@pytest.mark.parametrize("header, peer", [
    (v1(), f"{CLIENT}:4711"), (v2(), f"{CLIENT}:4711"), (v2(tlv=b"\x04\0\x05hello"), f"{CLIENT}:4711"),
    (v1("2001:db8::7", "2001:db8::1", kind="TCP6"), "[2001:db8::7]:4711"),
    (v2("2001:db8::7", "2001:db8::1"), "[2001:db8::7]:4711"), (v2("::ffff:192.0.2.7", "::ffff:1.2.3.4"), f"{CLIENT}:4711"),
], ids=["v1", "v2", "tlv", "v1-ipv6", "v2-ipv6", "mapped"])
def test_the_header_says_whose_it_is(relayed, header, peer):
    s = relayed("--allow-cleartext", "--register", "open")
    c = relay(s)
    c.send(header)
    via = "%s:%d" % c.sock.getsockname()
    c.login("anna")
    c.echoes("hello")
    event = s.wait_log("connect", peer=peer)
    assert event["via"] == via and event["listener"] == s.listen[0]
    s.wait_log("login", peer=peer, user="anna")
    c.close()
    s.wait_log("disconnect", peer=peer, reason="eof")


@pytest.mark.parametrize("header", [LOCAL, UNSPEC, UNIX, b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN a b c d\r\n"],
                         ids=["local", "unspec", "unix", "unknown", "unknown-words"])
def test_of_a_header_without_addresses_the_relays_holds(relayed, header):
    s = relayed()
    c = relay(s, "raw")
    c.send(header + b"hello")
    assert c.exactly(5) == b"hello"
    address = "%s:%d" % c.sock.getsockname()
    assert s.wait_log("connect", peer=address)["via"] == address


@pytest.mark.parametrize("header", [v1(), v2(), v2(tlv=bytes(500))], ids=["v1", "v2", "long"])
def test_not_a_byte_behind_the_header_is_taken(relayed, header):
    """All in one segment; and cut at every place, the rest coming when the first part has arrived."""
    s = relayed("--allow-cleartext", "--register", "open")
    c = relay(s)
    c.send(header + f"USER anna\r\nPASS {PASSWORD}\r\nhello".encode())
    assert [c.code() for _ in range(3)] == [220, 332, 230]
    assert c.exactly(5) == b"hello"
    data = bytes(range(256)) * 5
    for cut in sorted({1, 5, 6, 11, 12, 15, 16, 17, 27, *range(28, len(header), 1 + len(header) // 20)}):
        c = relay(s, "raw")
        c.send(header[:cut])
        s.wait_status(lambda st: st["connections"]["proxy"] == 1, "the relay's connection to wait for its header")
        c.send(header[cut:] + data)
        assert c.exactly(len(data)) == data
        c.half_close()
        assert c.to_end() == b""
        c.close()


def test_from_elsewhere_a_header_is_nothing(relayed):
    """Spoofed, it changes no address, and is the garbage or the data that it looks like."""
    s = relayed()
    for header in (v1("127.0.0.1", "127.0.0.1"), v2("127.0.0.1", "127.0.0.1")):
        c = s.connect("raw", source=STRANGER)
        c.echoes(header + b"hello")
        c = s.connect("login", source=STRANGER)
        c.send(header + b"\r\nNOOP\r\n")
        codes = []
        while not codes or codes[-1] not in (200, 421):
            codes.append(c.code())
        assert codes[0] == 220 and set(codes[1:-1]) <= {500, 501}, codes
    s.wait_log("connect", peer="%s:%d" % c.sock.getsockname())
    peers = {e["peer"].rpartition(":")[0] for e in s.log_events() if e["event"] == "connect"}
    assert STRANGER in peers and peers <= {STRANGER, LOOPBACK}
    assert not [e for e in s.log_events() if e["event"] == "connect" and "via" in e]


# ---- it must come ----

@pytest.mark.parametrize("bad", [b"USER anna\r\n", b"PROXY TCP4 1.2.3.4\r\n", b"PROXY UNKNOWN\n", b"\x16\x03\x01\x02\x00",
                                 SIGNATURE + b"\x31\x11\0\x0c" + bytes(12), b"PROXY " + b"x" * 200, v2(tlv=bytes(1100))])
def test_what_is_no_header_ends_the_connection(relayed, bad):
    s = relayed()
    c = relay(s)
    c.send(bad)
    assert_reset(c)
    event = s.wait_log("proxy_header", peer="%s:%d" % c.sock.getsockname(), level="warning")
    assert event["why"] and event["listener"] == s.listen[0]
    s.wait_log("disconnect", reason="proxy_header")
    assert s.status()["closed"]["proxy_header"] == 1


def test_a_relay_that_says_nothing_or_half(relayed):
    s = relayed()
    began = time.monotonic()
    silent, half = relay(s), relay(s, "raw")
    half.send(v1()[:20])
    cpu, front = cpu_seconds(s.children()["front"]), s.children()["front"]
    assert_reset(silent)
    assert_reset(half)
    assert 2.5 < time.monotonic() - began < 6
    assert cpu_seconds(front) - cpu < 0.15, "waiting for the rest of a header costs a core"
    assert s.status()["closed"]["proxy_header"] == 2


def test_a_relay_that_goes_away(relayed):
    s = relayed()
    relay(s).close()  # a look whether we are there
    s.wait_status(lambda st: st["closed"]["eof"] == 2, "it to be gone")  # the warm-up was the first
    c = relay(s)
    c.send(v1()[:20])
    c.close()
    s.wait_status(lambda st: st["closed"]["proxy_header"] == 1, "it to be gone")
    c = relay(s)
    c.send(v1()[:20])
    c.reset()
    s.wait_status(lambda st: st["closed"]["reset"] + st["closed"]["proxy_header"] == 2, "it to be gone")


def test_the_time_to_log_in_counts_from_accept(relayed):
    s = relayed("--login-time", "2s", "--allow-cleartext")
    began = time.monotonic()
    c = relay(s)
    c.send(v1()[:20])
    s.wait_status(lambda st: time.monotonic() > began + 1.2, "a while to pass")
    c.send(v1()[20:])
    assert [c.code(), c.code()] == [220, 421]
    assert 1.8 < time.monotonic() - began < 2.8


def test_draining_while_a_header_is_awaited(relayed):
    s = relayed()
    c = relay(s)
    c.send(v1()[:20])
    s.wait_status(lambda st: st["connections"]["proxy"] == 1, "it to wait")
    began = time.monotonic()
    s.stop()
    assert time.monotonic() - began < 2
    assert_reset(c)


# ---- what follows from whose it is ----

@pytest.mark.parametrize("header, code", [
    (v1("127.0.0.1", "127.0.0.1"), 331), (v1("127.0.0.5", "127.0.0.6"), 331), (v1(CLIENT, CLIENT), 331),
    (v2("::1", "::1"), 331), (LOCAL, 331), (v1(), 534), (v1("127.0.0.1", ASKED), 534), (v1(CLIENT, "127.0.0.1"), 534),
    (v1("0.0.0.0", "0.0.0.0"), 534), (UNSPEC, 534), (UNIX, 534), (b"PROXY UNKNOWN\r\n", 534)])
def test_whether_a_secret_may_travel(relayed, header, code):
    """The addresses in the header count, and the relay's own only where it says that it comes by itself. Nobody may
    register: who is behind the relay is not of this machine."""
    s = relayed(warm=False)
    c = relay(s)
    c.send(header)
    assert c.code() == 220
    assert c.ask("USER nobody") == code


def test_limits_are_for_the_client(relayed):
    s = relayed("--address-connections", "2", "--allow-cleartext", "--register", "open")
    inside = []
    for client in (CLIENT, "192.0.2.8"):
        for port in (1, 2):
            inside.append(relay(s))
            inside[-1].send(v1(client, port=port))
            inside[-1].login()
    c = relay(s)
    c.send(v1(port=3))
    code, (text,) = c.reply()
    assert code == 421 and "your address" in text
    assert c.to_end() == b""
    s.wait_log("disconnect", peer=f"{CLIENT}:3", reason="address_limit")
    c = relay(s, "raw")
    c.send(v2(port=4) + b"data")
    assert c.to_end() == b""
    for c in inside:
        c.echoes("still served")
    c = relay(s)
    c.send(LOCAL)
    c.login()


def test_at_the_connection_limit_relays_are_told_nothing(relayed):
    s = relayed("--max-connections", "2", listen=BOTH, warm=False)
    inside = [s.echo_client("raw", source=STRANGER) for _ in range(2)]
    for c in inside:
        c.echoes("in")
    for c in [relay(s) for _ in range(40)] + [s.connect(source=STRANGER)]:
        try:
            assert c.to_end() == b""
        except OSError as e:
            assert e.errno == errno.ECONNRESET
    for c in inside:
        c.echoes("still served")


# ---- the option ----

def test_it_holds_for_the_listener_before_it_or_for_all(server):
    s = server("--listen", f"raw:{LOOPBACK}:0", "--listen", f"raw:{LOOPBACK}:0", "--proxy-from", RELAY, listen=None)
    first, second = (Client(connect(port, source=RELAY)) for port in s.ports)
    first.echoes(v1())
    second.send(v1() + b"hello")
    assert second.exactly(5) == b"hello"
    s = server("--proxy-from", "127.0.0.8/32", "--proxy-from", RELAY, "--listen", f"raw:{LOOPBACK}:0", "--listen",
               f"raw:{LOOPBACK}:0", "--proxy-from", STRANGER, listen=None)
    for index, sources in enumerate(((RELAY, "127.0.0.8"), (RELAY, "127.0.0.8", STRANGER))):
        for source in sources:
            c = Client(connect(s.ports[index], source=source))
            c.send(v1() + b"hello")
            assert c.exactly(5) == b"hello"
    Client(connect(s.ports[0], source=STRANGER)).echoes(v1())


def test_ipv6_relays(server):
    s = server("--listen", "raw:[::1]:0", "--proxy-from", "::/64", listen=None)
    raw = socket.create_connection(("::1", s.port), PATIENCE_S)
    c = Client(raw)
    c.send(v1() + b"hello")
    assert c.exactly(5) == b"hello"
    c.close()


@pytest.mark.parametrize("args, about", [
    (["--proxy-from", "10.0.0.0/33"], "10.0.0.0/33"), (["--proxy-from", "10.0.0.1/8"], "bits set"),
    (["--proxy-from", "relay.example"], "relay.example"), (["--listen", "unix:/tmp/x", "--proxy-from", "::1"], "TCP"),
    (["--proxy-from", "10.0.0.1"] * 17, "at most 16")])
def test_bad_networks_are_usage(folder, args, about):
    done = run_echod(folder, *args)
    assert done.returncode == 2
    first, hint = done.stderr.splitlines()
    assert_one_sentence(first, "--proxy-from", about)
    assert "--help" in hint
