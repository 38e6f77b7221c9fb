"""How many connections and logins one address may have, and how often it may come; and what that leaves to others.
Strangers come from 127.0.0.2 upward, and are held to the limits by --limit-local."""
import select
import selectors
import time

import pytest

import harness
import tls_clients

from harness import CHUNK, LOOPBACK, PATIENCE_S, Client, Positional, connect, cpu_seconds, wait_until
from honest import Honest

BOTH = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]
ONE, OTHER = "127.0.0.2", "127.0.0.3"


def assert_told(c, *words):
    """421 with these words, and FIN."""
    code, (text,) = c.reply()
    assert code == 421 and all(word in text for word in words), text
    assert c.to_end() == b""


def greeted(s, source, count=1):
    """Connections that wait in the login stage: the worker has seen them."""
    all_of_them = [s.connect(source=source) for _ in range(count)]
    for c in all_of_them:
        assert c.code() == 220
    return all_of_them


def go_in(s, source, *kinds):
    """Connections that have been let in: a raw one is only known to be when it has echoed."""
    inside = [s.echo_client(kind, source=source) for kind in kinds]
    for c in inside:
        c.echoes("in")
    return inside


# ---- connections of one address ----

def test_connections_of_an_address(server):
    s = server("--limit-local", "--address-connections", "4", listen=BOTH)
    inside = go_in(s, ONE, "login", "login", "raw", "raw")
    assert_told(s.connect(source=ONE), "Too many connections from your address")
    assert s.connect("raw", source=ONE).to_end() == b""
    s.echo_client(source=OTHER).echoes("another one")
    for c in inside:
        c.echoes("still served")
    s.wait_status(lambda st: st["closed"]["address_limit"] == 2 and st["addresses"] == 2, "both to be counted")
    s.wait_log("disconnect", reason="address_limit")
    inside.pop().close()
    s.wait_status(lambda st: st["connections"]["open"] == 4, "one to have left")
    s.echo_client(source=ONE).echoes("let in")


def test_this_machine_has_no_limit_unless_asked_for(server, folder):
    s = server("--address-connections", "2", "--address-rate", "2", listen=[*BOTH, f"raw+unix:{folder}/r"])
    inside = [s.echo_client("raw", source=source) for source in (ONE, LOOPBACK) for _ in range(20)]
    inside += [s.echo_client("raw+unix") for _ in range(20)]
    for c in inside:
        c.echoes("served")
    assert s.status()["addresses"] == 0


def test_unix_sockets_never_have_a_limit(server, folder):
    s = server("--limit-local", "--address-connections", "2", "--address-rate", "2", listen=[f"raw+unix:{folder}/r"])
    for c in [s.echo_client("raw+unix") for _ in range(20)]:
        c.echoes("served")


def test_the_refused_cost_no_room(server):
    """They stay for as long as they can, and the others come in all the same."""
    s = server("--limit-local", "--address-connections", "2", "--max-connections", "20", listen=BOTH)
    inside = go_in(s, ONE, "raw", "raw")
    for _ in range(60):
        assert s.connect("raw", source=ONE).to_end() == b""
    for c in [*inside, *go_in(s, OTHER, "raw", "login")]:
        c.echoes("served")
    assert s.status()["refused"] == 0


def test_many_who_are_refused_at_once(server):
    """More than can be told in peace: each gets its FIN."""
    s = server("--limit-local", "--address-connections", "2", "--max-connections", "200", listen=BOTH)
    inside = go_in(s, ONE, "raw", "raw")
    refused = [s.connect("raw", source=ONE) for _ in range(100)]
    others = go_in(s, OTHER, "raw", "login")
    for c in refused:
        assert c.to_end() == b""
    for c in inside + others:
        c.echoes("still served")
    s.wait_status(lambda st: st["closed"]["address_limit"] == 100 and st["connections"]["open"] == 4, "all to be gone")
    assert s.status()["refused"] == 0


def test_a_refusal_is_read_although_the_client_goes_on_sending(server):
    s = server("--limit-local", "--address-connections", "1")
    s.echo_client(source=ONE)
    for _ in range(50):
        c = s.connect(source=ONE)
        send_on(c)
        assert_told(c, "Too many connections from your address")
        c.close()


def send_on(c):
    """Sends before its refusal has come and after that: a reset, which may overtake what was said, fails the sends."""
    c.send(bytes(2000))
    assert select.select([c], [], [], PATIENCE_S)[0]
    for _ in range(4):
        c.send(bytes(2000))


# ---- new connections of one address ----

def test_rate_of_an_address(server):
    s = server("--limit-local", "--address-rate", "2", listen=BOTH)
    for _ in range(2):
        s.echo_client("raw", source=ONE).echoes("in time")
    assert_told(s.connect(source=ONE), "Too many connections from your address in so short a time")
    assert s.connect("raw", source=ONE).to_end() == b""
    s.echo_client(source=OTHER).echoes("another one")

    def is_let_in():
        c = s.connect("raw", source=ONE)
        try:
            c.echoes("again")
            return True
        except (AssertionError, ConnectionError):
            return False

    began = time.monotonic()
    wait_until(is_let_in, "another one to be let in")
    assert time.monotonic() - began < 2
    s.wait_log("disconnect", reason="rate_limit")
    s.wait_status(lambda st: st["closed"]["rate_limit"] >= 2, "both to be counted")


# ---- login slots ----

def test_the_address_with_the_most_logins_makes_room(server):
    s = server("--login-slots", "5")
    inside = s.echo_client(source=ONE)
    oldest, *mutes = greeted(s, ONE, 4)
    other = greeted(s, OTHER)[0]
    s.wait_status(lambda st: st["login_slots"] == 5, "all slots to be taken")
    newcomer = greeted(s, "127.0.0.4")[0]
    assert_told(oldest, "Too many logins")
    s.wait_log("disconnect", reason="login_slots", peer="%s:%d" % oldest.sock.getsockname())
    for c in [*mutes, other, newcomer]:
        assert c.ask("NOOP") == 200
    assert newcomer.ask("USER anna") == 331
    inside.echoes("who is in stays in")
    status = s.wait_status(lambda st: st["login_slots"] == 5, "the slot to be given back")
    assert status["closed"]["login_slots"] == 1
    for c in [*mutes, other, newcomer]:
        c.close()
    s.wait_status(lambda st: st["login_slots"] == 0, "all slots to be given back")


def test_whoever_has_logged_in_or_is_raw_has_no_slot(server):
    s = server("--login-slots", "2", listen=BOTH)
    inside = go_in(s, ONE, *["login", "raw"] * 10)
    assert s.status()["login_slots"] == 0
    for c in inside:
        c.echoes("served")


def test_an_evicted_login_lingers_briefly(server):
    """It may not read its 421: neither its slot nor its descriptor waits for that long."""
    s = server("--login-slots", "1")
    first = greeted(s, ONE)[0]
    greeted(s, OTHER)
    began = time.monotonic()
    s.wait_status(lambda st: st["connections"]["open"] == 1, "the first to be gone")
    assert time.monotonic() - began < 1.5
    assert first.code() == 421


def test_a_slot_is_held_while_a_relay_sends_its_header(server):
    s = server("--login-slots", "2", "--listen", f"{LOOPBACK}:0", "--proxy-from", ONE, listen=None)
    silent = [s.connect(source=ONE) for _ in range(2)]
    s.wait_status(lambda st: st["connections"]["proxy"] == 2, "both to wait")
    c = s.connect(source=OTHER)
    assert c.code() == 220
    assert silent[0].to_end() == b""


# ---- beside an attack: quick forms of tests/full/test_attack_admit.py ----

def login_time_of(clients, began):
    """When each was ended, in seconds since began."""
    sel, ended = selectors.DefaultSelector(), []
    for c in clients:
        c.sock.setblocking(False)
        sel.register(c.sock, selectors.EVENT_READ, c)
    while sel.get_map():
        for key, _ in sel.select(10):
            if not key.data.sock.recv(1 << 16):
                ended.append(time.monotonic() - began)
                sel.unregister(key.fileobj)
    sel.close()
    return ended


@pytest.mark.alone
def test_mute_logins_end_in_time_and_leave_room(server):
    s = server("--login-time", "2s", "--login-slots", "100")
    with Honest(s.address_of("login"), source="127.0.1.1") as honest:
        began = time.monotonic()
        mutes = [s.connect(source=f"127.0.0.{2 + i % 10}") for i in range(90)]
        ended = login_time_of(mutes, began)
        for i in range(200):
            s.connect(source=f"127.0.0.{2 + i % 10}")
        s.wait_status(lambda st: st["closed"]["login_slots"] >= 100, "the flood to push out its own")
    assert 1.8 < min(ended) and max(ended) < 4
    honest.assert_served(logins=3)


@pytest.mark.alone
def test_a_flood_from_one_address_leaves_the_others_alone(server):
    s = server("--limit-local", "--address-connections", "20", "--address-rate", "50", listen=BOTH)
    front, refused = s.children()["front"], 0
    with Honest(s.address_of("login"), source=OTHER) as honest:
        began, cpu = time.monotonic(), cpu_seconds(front)
        while time.monotonic() < began + 2:  # the time itself is what is looked at
            c = Client(connect(s.address_of("raw"), source=ONE))
            c.reset()
            refused += 1
        print(f"{refused} connections, {cpu_seconds(front) - cpu:.2f} s of CPU")
    s.wait_status(lambda st: st["closed"]["rate_limit"] > refused / 3, "the flood to be refused")
    honest.assert_served()


@pytest.mark.alone
@pytest.mark.parametrize("kind", ["raw", "login"])
def test_two_servers_in_a_loop(server, kind):
    """What one echoes the other echoes back, by a relay between them. It goes round for ever, but for what is on its
    way nothing piles up, and an honest client is served. The greetings go round, too, and end in 421."""
    a, b, data = server(listen=BOTH), server(listen=BOTH), Positional("loop")
    with Honest(a.address_of("login")) as honest:
        ends = [a.connect(kind), b.connect(kind)]
        ends[0].send(data.at(0, CHUNK))
        moved = pump(*ends, 2)
    if kind == "raw":
        assert moved > 10 * CHUNK, "the loop does not go round"
        assert a.status()["bytes_held"] <= CHUNK
    else:
        a.wait_status(lambda st: st["closed"]["errors"] + st["closed"]["reset"] >= 1, "the dialogue to end")
    honest.assert_served(logins=1)


def pump(one, other, seconds):
    """Carries bytes both ways until either side ends, or for so long. Returns how many."""
    sel, moved, end = selectors.DefaultSelector(), 0, time.monotonic() + seconds
    sel.register(one.sock, selectors.EVENT_READ, other)
    sel.register(other.sock, selectors.EVENT_READ, one)
    while time.monotonic() < end:
        for key, _ in sel.select(0.1):
            try:
                some = key.fileobj.recv(CHUNK)
                key.data.sock.sendall(some)
            except ConnectionError:
                return moved
            if not some:
                return moved
            moved += len(some)
    return moved


# ---- what is left unread ----

def write_flat_out(clients, size):
    """Each echoes so much as fast as it goes, which lets the kernel's buffers grow, then only writes, until nobody
    can any more. Returns how many were reset."""
    text, sel, reset, unsent = bytes(4 * CHUNK), selectors.DefaultSelector(), 0, {}
    for c in clients:
        for _ in range(size // len(text)):
            c.sock.sendall(text)
            c.exactly(len(text))
        c.sock.setblocking(False)
        sel.register(getattr(c.sock, "sock", c.sock), selectors.EVENT_WRITE, getattr(c.sock, "wire", bytes))
    while ready := sel.select(1):
        for key, _ in ready:
            try:
                wire = unsent.get(key.fileobj) or key.data(text)
                unsent[key.fileobj] = wire[key.fileobj.send(wire):]
            except BlockingIOError:
                pass
            except ConnectionError:
                sel.unregister(key.fileobj)
                reset += 1
    sel.close()
    return reset


@pytest.mark.alone
@pytest.mark.parametrize("kind", ["raw", "raw+tls"])
def test_clients_that_do_not_read_have_a_limit_in_all(server, kind):
    s = server("--unread-memory", "8", listen=[*BOTH, f"raw+tls:{LOOPBACK}:0"])
    client = tls_clients.echo_client if "tls" in kind else harness.Server.echo_client
    with Honest(s.address_of("login")) as honest:
        mutes = [client(s, kind) for _ in range(20)]
        reset = write_flat_out(mutes, 2 * 1024 * 1024)
        status = s.wait_status(lambda st: 0 < st["bytes_unread"] <= 8 << 20, "the sum to be within the limit")
    assert 0 < reset < len(mutes) and status["closed"]["memory"] == reset
    honest.assert_served(logins=1)
