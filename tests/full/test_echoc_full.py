"""echoc in pipe mode at full size: whatever is done to the connection and to the server, what comes out is what went
in, once and in order, nobody is asked anything, and the status is 0.

All programs run in a network namespace of the test's own, so that its sockets can be destroyed from outside (ss -K)
and its ports are nobody else's.
"""
import contextlib
import hashlib
import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from clients import SEED, randomness, wait_until
from faulty_path import FaultProxy
from harness import LOOPBACK, PASSWORD, Server, check_sanitizer, environment, program

KIB, MIB = 1 << 10, 1 << 20
BLOCK = 1 * MIB
PATIENCE_S = 60  # of each single event; a drop costs echoc up to some seconds of waiting
END_S = 90  # of what is left of a transfer when the last drop is over
PROXY_PORT, SERVER_PORT = 7001, 7862
WINDOW = 1 * MIB  # echoc's own

PROBE = """
import socket, subprocess
l = socket.create_server(("127.0.0.1", 0))
s = socket.create_connection(l.getsockname())
subprocess.run(["ss", "-K", "dst", "127.0.0.1", "dport", "=", str(l.getsockname()[1])], check=True, capture_output=True)
s.settimeout(1)
try:
    s.recv(1)
except TimeoutError:
    pass
except ConnectionAbortedError:
    print("yes")
"""


class Source:
    """Bytes of which each block can be made again: a piece of one random text, marked with the block's number."""

    def __init__(self, *what, size):
        self.size = size
        self.text = randomness("echoc", *what).randbytes(16 * MIB + BLOCK)
        self.seed = randomness("echoc offsets", *what).randrange(1 << 60)

    def block(self, index):
        at = random.Random(self.seed + index).randrange(16 * MIB)
        whole = index.to_bytes(8, "big") + self.text[at:at + BLOCK - 8]
        return whole[:self.size - index * BLOCK]

    def at(self, offset, most):
        """Some bytes from there, none at the end."""
        return memoryview(self.block(offset // BLOCK))[offset % BLOCK:][:most] if offset < self.size else b""


class Transfer:
    """echoc and both ends of its pipe. Up to `gate` bytes are fed; what comes is compared and hashed."""

    def __init__(self, folder, prefix, address, source, *args, gate=0, reads=True):
        self.source, self.gate = source, gate
        self.folder = folder
        self.stderr_path = os.path.join(folder, "stderr-echoc")
        self.fed = self.came = 0
        self.into, self.out = hashlib.sha256(), hashlib.sha256()
        self.trouble = None
        self.over = threading.Event()
        with open(self.stderr_path, "wb") as err:
            self.process = subprocess.Popen([*prefix, program("echoc"), address, *args], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=err, bufsize=0, start_new_session=True,
                                            env=environment(folder, ECHOC_PASSWORD=PASSWORD))
        self.fd_in, self.fd_out = self.process.stdin.fileno(), self.process.stdout.fileno()
        self.moved = threading.Condition()
        self.threads = [threading.Thread(target=self.guard, args=(what,), daemon=True)
                        for what in ([self.feed, self.read_all] if reads else [self.feed])]
        for thread in self.threads:
            thread.start()

    def guard(self, what):
        try:
            what()
        except BrokenPipeError:
            pass  # echoc has ended: its status and its words are looked at
        except Exception as e:  # the main thread tells
            self.trouble = e

    def open_gate(self, offset):
        with self.moved:
            self.gate = max(self.gate, min(offset, self.source.size))
            self.moved.notify_all()

    def feed(self):
        while self.fed < self.source.size:
            with self.moved:
                self.moved.wait_for(lambda: self.gate > self.fed or self.over.is_set())
            if self.over.is_set():
                return
            some = self.source.at(self.fed, self.gate - self.fed)
            while some:
                n = os.write(self.fd_in, some[:64 * KIB])
                self.into.update(some[:n])
                self.fed += n
                some = some[n:]
        self.process.stdin.close()

    def take(self, some):
        view = memoryview(some)
        self.out.update(view)
        while view:
            wanted = self.source.at(self.came, len(view))
            if not wanted or view[:len(wanted)] != wanted:
                where = next((i for i in range(len(wanted)) if view[i] != wanted[i]), len(wanted))
                raise AssertionError(f"byte {self.came + where} of the output differs (TEST_SEED={SEED})")
            self.came += len(wanted)
            view = view[len(wanted):]

    def read_some(self, most=MIB):
        some = os.read(self.fd_out, most)
        self.take(some)
        return len(some)

    def read_all(self):
        while self.read_some():
            pass

    def log(self):
        with open(self.stderr_path, errors="replace") as f:
            return f.read()

    def drops(self):
        """How often echoc has lost the connection, and come back."""
        text = self.log()
        return text.count("; coming back in"), text.count("echoc: back at")

    def await_true(self, condition, what):
        def look():
            if self.trouble:
                raise self.trouble
            assert self.process.poll() is None, f"echoc ended with {self.process.returncode}: {self.log()[-2000:]}"
            return condition()
        return wait_until(look, what, PATIENCE_S)

    def await_output(self, offset):
        self.await_true(lambda: self.came >= offset, f"{offset} bytes to come back")

    def lose_connection(self, how):
        """Does how(), and waits until echoc has lost the connection and is back."""
        before = self.drops()[0]
        how()
        self.await_true(lambda: self.drops()[0] > before, f"echoc to see {how}")
        self.await_true(lambda: self.drops()[0] == self.drops()[1], "echoc to be back")

    def await_end(self):
        end = time.monotonic() + END_S
        for thread in self.threads:
            thread.join(max(end - time.monotonic(), 0))
        assert not any(thread.is_alive() for thread in self.threads), \
            f"{self.fed} bytes fed and {self.came} came of {self.source.size} after {END_S} s: {self.log()[-1000:]}"
        if self.trouble:
            raise self.trouble
        assert self.process.wait(PATIENCE_S) == 0, self.log()[-2000:]
        assert (self.fed, self.came) == (self.source.size, self.source.size)
        assert self.into.digest() == self.out.digest()
        self.check_words()

    def check_words(self):
        """It has spoken of coming back, and of nothing else: it asked nobody anything."""
        known = re.compile(r"echoc: (.*; (coming back|trying again) in .* s|back at .*|registered anna at .*)\.")
        strange = [line for line in self.log().splitlines() if not known.fullmatch(line)]
        assert not strange, strange

    def close(self):
        with self.moved:
            self.over.set()
            self.moved.notify_all()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for thread in self.threads:
            thread.join(PATIENCE_S)
        self.process.stdin.close()
        self.process.stdout.close()
        check_sanitizer(self.folder)


class Site:
    """A namespace with an echod in it, which can be killed and started again, and perhaps a proxy."""

    def __init__(self, folder, raw=False, proxy=True, tls=False):
        self.folder, self.raw, self.tls = folder, raw, tls
        self.things = contextlib.ExitStack()
        self.rounds = 0
        self.server = None
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec cat"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.things.callback(self.end_holder)
        try:
            assert self.holder.stdout.readline() == b"up\n"
            self.prefix = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "--"]
            self.start_server()
            self.proxy = FaultProxy(SERVER_PORT, PROXY_PORT, self.prefix) if proxy else None
            if proxy:
                self.things.callback(self.proxy.close)
        except BaseException:
            self.close()
            raise
        self.port = PROXY_PORT if proxy else SERVER_PORT

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if not kind:
                self.server.wait_still()
                self.server.stop()
        finally:
            self.close()

    def close(self):
        if self.server and not self.server.ended:
            self.server.kill()
        self.things.close()

    def end_holder(self):
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()

    def start_server(self):
        self.rounds += 1
        self.server = Server(self.folder, name=f"s{self.rounds}", prefix=self.prefix, busy=True,
                             state=os.path.join(self.folder, "state"),
                             listen=(f"{self.prefix_of_address()}{LOOPBACK}:{SERVER_PORT}",))
        self.server.__enter__()

    def prefix_of_address(self):
        kind = "+".join(word for word, wanted in (("raw", self.raw), ("tls", self.tls)) if wanted)
        return kind + ":" if kind else ""

    def pin(self):
        """As the server says it: the same after every start, for the key is kept."""
        with open(self.server.log_path, encoding="utf-8") as log:
            return re.search(r"SHA256:[A-Za-z0-9+/]{43}", log.read())[0]

    def kill_server(self):
        """The whole server: the parent is killed, front and keeper go with it. A new one takes port and accounts."""
        self.server.kill_9()
        self.start_server()

    def destroy(self, port):
        """All connections to or from that port are destroyed by the kernel, at both ends."""
        done = subprocess.run([*self.prefix, "ss", "-H", "-K", "-t", "state", "connected", "exclude", "time-wait",
                               f"( sport = :{port} or dport = :{port} )"], capture_output=True, text=True, check=True)
        assert "ESTAB" in done.stdout, f"ss -K found no connection of port {port}: {done.stdout} {done.stderr}"

    def can_destroy(self):
        done = subprocess.run([*self.prefix, sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
        return done.stdout == "yes\n"

    def destroy_near(self):
        self.destroy(self.port)

    def destroy_far(self):
        self.destroy(SERVER_PORT)

    @contextlib.contextmanager
    def transfer(self, source, *args, **kwargs):
        words = [f"{self.prefix_of_address()}{LOOPBACK}:{self.port}"]
        words += ["--reconnect"] if self.raw else ["--user", "anna"]
        words += ["--pin", self.pin()] if self.tls else []
        one = Transfer(self.folder, self.prefix, words[0], source, *words[1:], *args, **kwargs)
        try:
            yield one
        finally:
            one.close()


@pytest.fixture
def site(folder):
    for name in ("ss", "ip", "unshare", "nsenter"):
        if not shutil.which(name):
            pytest.skip(f"no {name}")
    with contextlib.ExitStack() as stack:
        yield lambda **kwargs: stack.enter_context(Site(folder, **kwargs))


def cuts(dice, count, size):
    """So many places, in order and well apart."""
    return [int(size * (i + dice.uniform(0.2, 0.8)) / count) for i in range(count)]


def run_with_drops(transfer, dice, kinds, count):
    """count drops of random kinds at random places; most in the middle of the flow, some when the flow has stopped."""
    places = cuts(dice, count, transfer.source.size)
    for number, place in enumerate(places):
        ahead = dice.choice([0, 1, WINDOW, 4 * MIB, 16 * MIB, 64 * MIB, 64 * MIB, 64 * MIB])
        transfer.open_gate(min(place + ahead, transfer.source.size - 1))
        transfer.await_output(place)
        transfer.lose_connection(kinds[dice.randrange(len(kinds))] if number >= len(kinds) else kinds[number])
    transfer.open_gate(transfer.source.size)
    transfer.await_end()
    assert transfer.drops()[0] >= count
    still = [int(n) for n in re.findall(r"with (\d+) bytes still to come back", transfer.log())]
    assert sum(n > 0 for n in still) > count // 4, f"few of the drops hit a byte: {still}"


def known_kinds(s, *kinds):
    """Those that this kernel can do."""
    if s.can_destroy():
        return list(kinds)
    print("this kernel lacks CONFIG_INET_DIAG_DESTROY: ss -K is left out")
    return [kind for kind in kinds if "destroy" not in kind.__name__]


def logins(s):
    """How the logins went, over all the servers that there were."""
    found = []
    for number in range(1, s.rounds + 1):
        with open(os.path.join(s.folder, f"s{number}", "log"), encoding="utf-8") as log:
            found += re.findall(r"event=login .* how=(\w+)", log.read())
    return found


@pytest.mark.limit(280)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_two_gigabytes_and_a_hundred_drops(site, tls):
    s, dice = site(tls=tls), randomness("drops", tls)
    kinds = known_kinds(s, s.destroy_near, s.destroy_far, s.proxy.reset, s.kill_server)
    with s.transfer(Source("2 GB", size=2_000_000_000)) as t:
        run_with_drops(t, dice, kinds, 100)
    how = logins(s)
    assert how[0] == "registered" and set(how[1:]) == {"token"} and len(how) > 100, how


@pytest.mark.limit(120)
def test_drops_without_a_proxy(site):
    """The connection is the server's own, so that what the kernel does to both ends meets echoc at once."""
    s, dice = site(proxy=False), randomness("direct")
    with s.transfer(Source("direct", size=256 * MIB)) as t:
        def destroy_full():
            """While the server stands still, and so with all that echoc may have on its way."""
            front = s.server.children()["front"]
            os.kill(front, signal.SIGSTOP)
            try:
                t.open_gate(min(t.fed + 2 * WINDOW, t.source.size - 1))
                t.await_true(lambda: t.fed == t.gate or t.fed - t.came > WINDOW, "the window to be full")
                s.destroy_near()
            finally:
                os.kill(front, signal.SIGCONT)
        run_with_drops(t, dice, known_kinds(s, s.destroy_near, destroy_full, s.kill_server), 20)


@pytest.mark.limit(120)
def test_drops_of_a_raw_connection(site):
    s, dice = site(raw=True), randomness("raw")
    kinds = known_kinds(s, s.destroy_near, s.destroy_far, s.proxy.reset, s.kill_server)
    with s.transfer(Source("raw", size=256 * MIB)) as t:
        run_with_drops(t, dice, kinds, 30)


@pytest.mark.limit(120)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("raw", [False, True], ids=["login", "raw"])
def test_drops_after_the_half_close(site, raw, tls):
    """Each connection gets all that is left and the FIN, lets some bytes come back, and is reset."""
    s, dice = site(raw=raw, tls=tls), randomness("half-close", raw, tls)
    count = 10
    source = Source("half-close", raw, size=512 * KIB)
    for _ in range(count):
        s.proxy.tell(f"plan down {dice.randrange(4000, source.size // count)} fin")
    with s.transfer(source, gate=source.size) as t:
        t.await_end()
        assert t.drops() == (count, count)
    assert s.proxy.tell("count") == count + 1


@pytest.mark.limit(180)
def test_drops_within_the_login(site):
    """On the way there, after a drop of the echo, the dialogue itself is cut, at every kind of place of either way."""
    s, dice = site(), randomness("login")
    ask, resume = len("OPTS TOKEN\n"), len("RESUME \n") + 43
    ways = [("up", dice.randrange(1, ask)), ("up", ask), ("up", ask + dice.randrange(1, resume)), ("up", ask + resume),
            ("down", 0), ("down", dice.randrange(1, 20)), ("down", dice.randrange(20, 50)),
            ("down", dice.randrange(50, 100)), ("down", dice.randrange(100, 140)), ("down", dice.randrange(140, 200))]
    dice.shuffle(ways)
    source = Source("login", size=64 * MIB)
    with s.transfer(source) as t:
        for place, (way, limit) in zip(cuts(dice, len(ways), source.size), ways):
            t.open_gate(min(place + 4 * MIB, source.size - 1))
            t.await_output(place)
            before = s.proxy.tell("count")
            s.proxy.tell(f"plan {way} {limit}")
            t.lose_connection(s.proxy.reset)
            assert s.proxy.tell("count") == before + 2, f"the cut of {way} {limit} was not within the login"
        t.open_gate(source.size)
        t.await_end()
    how = logins(s)
    assert how[0] == "registered" and set(how[1:]) == {"token"}, how


@pytest.mark.limit(120)
def test_drops_while_standard_output_waits(site):
    """Nobody takes what came back until all is full: echoc's window, which it has to send again, and both pipes."""
    s, dice = site(), randomness("slow")
    kinds = known_kinds(s, s.destroy_near, s.proxy.reset, s.kill_server)
    source = Source("slow", size=32 * MIB)
    with s.transfer(source, gate=source.size, reads=False) as t:
        for number in range(12):
            t.await_true(lambda: not select.select([], [t.fd_in], [], 0.3)[1], "all to be full")
            t.lose_connection(kinds[number % len(kinds)])
            for _ in range(dice.randrange(1, 12)):
                t.read_some(dice.randrange(32 * KIB, 200 * KIB))
        t.read_all()
        t.await_end()
