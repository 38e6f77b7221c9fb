"""The three processes killed in every order, reloaded, drained and interrupted under load, and the clock set."""
import glob
import itertools
import os
import pty
import re
import select
import signal
import time

import pytest

from harness import (LOOPBACK, PASSWORD, PATIENCE_S, ROOT, UNPRIVILEGED, Client, Positional, Server, connect, fill,
                     hand_over, is_alive, program, randomness, wait_until)
from load import Flag, Processes, open_echo

BOTH = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]


@pytest.fixture
def folder(memory_folder):
    return memory_folder


# ---- killed ----

def talk_until_broken(c, data, dice, stop):
    """Echoes until told to stop or the server is gone; what comes is right to the last byte. Returns the echoes."""
    at = turns = 0
    try:
        while not stop.is_set():
            size, came = dice.randint(1, 100000), 0
            c.send(data.at(at, size))
            while came < size:
                some = c.read(size - came)
                if not some:
                    return turns
                data.check(at + came, some)
                came += len(some)
            at += size
            turns += 1
    except ConnectionError:
        pass
    return turns


def keep_talking(index, address, kind, stop):
    """A client that comes back whenever its server is gone, and once more when told to stop."""
    dice, data, turns, lives, is_last = randomness("talk", index), Positional("talk", index), 0, 0, False
    while not is_last:
        is_last = stop.is_set()
        c = None
        try:
            c = open_echo(address, kind, f"talker{index}")
            lives += 1
            turns += talk_until_broken(c, data, dice, stop)
            if is_last:
                c.echoes(b"still here")
        except (ConnectionError, AssertionError):  # no server, or a login answered 451 or by nobody
            assert not is_last, "not served when all was over"
            select.select([], [], [], 0.02)
        finally:
            if c:
                c.close()
    return turns, lives


def await_service(server, what):
    """A new login and a new raw client are served, and the account from the beginning is there."""
    def is_served():
        try:
            with connect(server.address_of("login")) as s:
                c = Client(s)
                assert not c.login("anna"), "an acknowledged account has gone"
                c.echoes(b"login")
            with connect(server.address_of("raw")) as s:
                Client(s).echoes(b"raw")
            return True
        except (ConnectionError, AssertionError) as e:
            assert "acknowledged" not in str(e), str(e)
            return False

    wait_until(is_served, f"service after {what}")


class Succession:
    """A server that is started again on its port and its store when its parent was killed."""

    def __init__(self, folder):
        self.folder, self.count, self.listen, self.state = folder, 0, BOTH, os.path.join(folder, "state")
        self.begin()

    def begin(self):
        self.count += 1
        more = ("--strict-port",) if self.count > 1 else ()
        self.server = Server(self.folder, *more, name=f"s{self.count}", listen=self.listen, state=self.state, busy=True)
        self.server.__enter__()
        login, raw = self.server.ports
        self.listen = [f"{LOOPBACK}:{login}", f"raw:{LOOPBACK}:{raw}"]

    def kill(self, name):
        if name == "parent":
            self.server.kill_9()
            self.begin()
        else:
            pid = wait_until(lambda: self.server.children().get(name), f"a {name}")
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not is_alive(pid), f"the {name} to be dead")


@pytest.mark.parametrize("at_once", [False, True], ids=["one-by-one", "at-once"])
@pytest.mark.parametrize("order", itertools.permutations(["front", "keeper", "parent"]), ids="-".join)
def test_killed_in_every_order_under_load(folder, order, at_once):
    line, stop = Succession(folder), Flag(folder)
    try:
        with connect(line.server.address_of("login")) as s:
            assert Client(s).login("anna")
        with Processes() as group:
            for i in range(4):
                kind = ("raw", "login")[i % 2]
                group.start(keep_talking, i, line.server.address_of(kind), kind, stop)
            line.server.wait_status(lambda st: st["connections"]["echo"] == 4 and st["bytes_in"] > 1 << 20, "the load")
            for name in order:
                line.kill(name)
                if at_once:
                    continue
                await_service(line.server, f"the {name}'s death")
                moved = line.server.status()["bytes_in"] + (1 << 20)
                line.server.wait_status(lambda st: st["bytes_in"] > moved, "the load to go on")
            await_service(line.server, "all three deaths")
            stop.set()
            for turns, lives in group.results(PATIENCE_S):
                assert turns > 0 and lives >= 2, f"{turns} echoes in {lives} connections"
        line.server.finish()
    finally:
        if not line.server.ended:
            line.server.kill()


# ---- reloaded ----

def talk_without_break(index, address, kind, stop):
    c, data, dice = open_echo(address, kind, f"steady{index}"), Positional("steady", index), randomness("steady", index)
    turns = talk_until_broken(c, data, dice, stop)
    assert stop.is_set(), "the connection ended by itself"
    c.close()
    return turns


def test_200_reloads_under_load(server, folder):
    s, stop = server(listen=BOTH), Flag(folder)
    with Processes() as group:
        for i in range(4):
            kind = ("raw", "login")[i % 2]
            group.start(talk_without_break, i, s.address_of(kind), kind, stop)
        s.wait_status(lambda st: st["connections"]["echo"] == 4, "the load")
        for turn in range(1, 201):
            s.send_signal(signal.SIGHUP)
            wait_until(lambda: count_of(s, "log_reopen") >= turn, f"reload {turn}")
        stop.set()
        assert all(turns > 0 for turns in group.results(PATIENCE_S))
    assert count_of(s, "log_reopen") == 200
    status = s.wait_still()
    assert status["restarts"] == {"front": 0, "keeper": 0} and status["log_lines_lost"] == 0
    for number in range(200):  # and as many as come at once
        s.send_signal(signal.SIGHUP)
    s.echo_client().echoes(b"after them")
    s.close_clients()
    s.wait_still()
    s.wait_status(lambda st: st["descriptors"] == s.baseline["descriptors"] or reopened(s), "the descriptors", 5)


def count_of(server, event):
    with open(server.log_path) as f:
        return f.read().count(f" event={event} ")


def reopened(server):
    """The parent's own copy of the log comes with the first reload; no later one adds to it."""
    before, now = server.baseline["descriptors"], server.status()["descriptors"]
    if now["front"] == before["front"] and now["parent"] <= before["parent"] + 1:
        server.baseline = server.wait_still()
        return True
    return False


# ---- drained ----

def test_drain_with_2000_connections(folder):
    """All have sent what their sockets take, of which the front has read nothing when the end begins. A unix socket
    takes more than the front reads before it waits for its client."""
    kinds = ("raw", "raw+unix", "login", "unix")
    with Server(folder, "--drain", "60s", listen=[*BOTH, f"raw+unix:{folder}/r", f"unix:{folder}/s"]) as s:
        clients = [s.echo_client(kinds[i % 4], name=f"drain{i % 20}", sndbuf=1 << 20) for i in range(2000)]
        front, dice, data = s.children()["front"], randomness("drain"), Positional("drain 2000")
        sizes = [dice.choice([0, 1, 1000, dice.randint(1, (40000, 600000)[i % 2])]) for i in range(2000)]
        os.kill(front, signal.SIGSTOP)
        for c, size in zip(clients, sizes):
            c.send(data.at(0, size))
        s.send_signal(signal.SIGTERM)
        s.wait_status(lambda st: st["draining"], "the drain")
        os.kill(front, signal.SIGCONT)
        for c, size in zip(clients, sizes):
            came = c.to_end()
            data.check(0, came)
            assert len(came) == size, f"{len(came)} of {size} bytes came back before the FIN"
        s.wait(60)
        s.check_ended()
        assert sum(e["event"] == "disconnect" for e in s.log_events()) == 2001  # and the warm-up


# ---- Ctrl-C ----

class OnTerminal:
    """An echod in the foreground of a terminal, where Ctrl-C goes to its whole process group."""

    def __init__(self, folder):
        self.text = ""
        hand_over(folder)
        argv = [program("echod"), *UNPRIVILEGED, "--state", os.path.join(folder, "state"), "--hash-memory", "64",
                "--hash-passes", "1", "--listen", f"{LOOPBACK}:0", "--listen", f"raw:{LOOPBACK}:0"]
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(argv[0], argv)

    def read_until(self, pattern):
        end = time.monotonic() + PATIENCE_S
        while not (match := re.search(pattern, self.text)):
            assert time.monotonic() < end, f"no {pattern} in {self.text!r}"
            try:
                self.read_some()
            except OSError:  # EIO: nobody has the terminal open any more
                raise AssertionError(f"echod has ended; no {pattern} in {self.text!r}") from None
        return match

    def read_some(self):
        if select.select([self.fd], [], [], 0.1)[0]:
            self.text += os.read(self.fd, 4096).decode(errors="replace")

    def end(self):
        """The status it ended with, all that it said read."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            try:
                self.read_some()
            except OSError:  # EIO: nobody has the terminal open any more
                break
        _, how = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(how)

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


def test_ctrl_c_on_a_terminal_ends_politely(folder):
    t = OnTerminal(folder)
    try:
        match = t.read_until(rf"ready listen={LOOPBACK}:(\d+),raw:{LOOPBACK}:(\d+) pid=(\d+)")
        login, raw = int(match[1]), int(match[2])
        data, size = Positional("ctrl-c"), 50000
        talking, idle = open_echo(login, "login", "anna"), open_echo(raw, "raw", "")
        idle.echoes(b"here")
        with open(f"/proc/{t.pid}/task/{t.pid}/children") as f:
            children = [int(pid) for pid in f.read().split()]
        assert len(children) == 2 and all(os.getpgid(pid) == t.pid for pid in children)
        front = next(pid for pid in children if open(f"/proc/{pid}/comm").read() == "echod-front\n")
        os.kill(front, signal.SIGSTOP)
        talking.send(data.at(0, size))
        os.write(t.fd, b"\x03")
        t.read_until("event=drain")
        os.kill(front, signal.SIGCONT)
        came = talking.to_end()
        data.check(0, came)
        assert len(came) == size
        assert idle.to_end() == b""
        assert t.end() == 0, t.text
        assert "event=stop status=0" in t.text
        assert "child_ended" not in t.text and "forced" not in t.text
        wait_until(lambda: not any(is_alive(pid) for pid in children), "front and keeper to end")
    finally:
        t.close()


# ---- the clock ----

LIMIT_S = 3
LATE_S = 10 * LIMIT_S
JUMPS = pytest.mark.parametrize("years", [10, -10], ids=["forth", "back"])


# libfaketime opens files from within the programs, so these have a build whose front and keeper are not shut in.
OPEN_BUILD = os.environ.get("ECHOD_OPEN_BUILD") or os.path.join(ROOT, "build-open")
needs_open_build = pytest.mark.skipif(not os.access(os.path.join(OPEN_BUILD, "echod"), os.X_OK),
                                      reason="no build without the sandbox: script/build build-open -Dsandbox=false")


def open_server(*args, **kwargs):
    s = Server(*args, **kwargs)
    s.argv[0] = os.path.join(OPEN_BUILD, "echod")
    return s


class FakedClock:
    """The time of day of a server, so many years off; the clock that only goes on is the real one."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "when")
        self.jump(0)
        library = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        assert library, "libfaketime is not installed"
        self.env = {"LD_PRELOAD": library[0], "FAKETIME_TIMESTAMP_FILE": self.path, "FAKETIME_NO_CACHE": "1",
                    "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def jump(self, years):
        """In one step: libfaketime reads the file at each call."""
        with open(self.path + ".new", "w") as f:
            f.write(f"{years * 365:+d}d\n")
        os.rename(self.path + ".new", self.path)


def year_of_last_line(server):
    return int(server.log_events()[-1]["time"][:4])


def when_they_end(server, expected, talking):
    """Waits until so many connections have ended for each reason. Returns when the first of each was seen to have."""
    first, end = {}, time.monotonic() + LATE_S
    while any((closed := server.status()["closed"])[why] < count for why, count in expected.items()):
        now = time.monotonic()
        assert now < end, f"nobody ended {expected} in {LATE_S} s, but {closed}"
        for why in expected:
            if closed[why]:
                first.setdefault(why, now)
        for c in talking:
            c.echoes(b"one who talks stays")
        select.select([], [], [], 0.02)
    return {why: first.get(why, time.monotonic()) for why in expected}


@needs_open_build
@JUMPS
def test_limits_are_kept_while_the_clock_jumps(folder, years):
    """Ten years at once, forth or back: no limit ends anybody early or late, and who comes is served."""
    clock, options = FakedClock(folder), []
    for name in ("login", "idle", "login-idle", "stall"):
        options += [f"--{name}-time", f"{LIMIT_S}s"]
    with open_server(folder, *options, listen=BOTH, env=clock.env, log_level="debug") as s:
        year = year_of_last_line(s)
        mute, began = s.connect("raw", rcvbuf=32 * 1024, mss=1460), {"stall_time": time.monotonic()}
        fill(mute, Positional("mute while it jumps"))
        began |= dict.fromkeys(("idle_time", "login_time"), time.monotonic())
        for kind in ("raw", "login"):
            s.echo_client(kind)
        late, in_time = s.connect(), s.connect()
        for c in (late, in_time):
            assert c.code() == 220 and c.ask("USER anna") == 331
        talking = [s.echo_client(kind, name="bela") for kind in ("raw", "login")]
        clock.jump(years)
        assert in_time.ask("PASS " + PASSWORD) == 230, "a login that was under way has ended early"
        talking.append(in_time)
        with connect(s.address_of("login")) as one:
            assert not Client(one).login("bela"), "the account has gone"
        wait_until(lambda: abs(year_of_last_line(s) - year - years) <= 1, f"lines of the year {year + years}")
        ended = when_they_end(s, {"stall_time": 1, "idle_time": 2, "login_time": 1}, talking)
        for why, when in ended.items():
            assert when - began[why] > LIMIT_S - 0.1, f"{why} ended one after {when - began[why]:.2f} s"
        for c in talking:
            c.echoes(b"still here")
        status = s.status()
        assert status["closed"]["error"] == status["closed"]["reset"] == 0, status["closed"]
        assert status["restarts"] == {"front": 0, "keeper": 0} and status["log_lines_lost"] == 0


@needs_open_build
@JUMPS
def test_drain_is_kept_to_while_the_clock_jumps(folder, years):
    clock = FakedClock(folder)
    with open_server(folder, "--drain", f"{LIMIT_S}s", "--stall-time", "off", listen=BOTH, env=clock.env,
                     status=1) as s:
        mute, slow, data = s.connect("raw", rcvbuf=32 * 1024, mss=1460), s.echo_client(), Positional("drain and jump")
        fill(mute, Positional("mute while it jumps"))
        slow.send(data.at(0, 100000))
        began = time.monotonic()
        s.send_signal(signal.SIGTERM)
        s.wait_status(lambda st: st["draining"], "the drain")
        clock.jump(years)
        came = slow.to_end()
        data.check(0, came)
        assert len(came) == 100000
        s.wait(LATE_S)
        took = time.monotonic() - began
        assert took > LIMIT_S - 0.1, f"the drain was over after {took:.2f} s"
        # Not by the log: under libfaketime a timed wait for a condition is over at once, and so the last lines may go.
        with pytest.raises(ConnectionResetError):
            while mute.read():
                pass
        s.check_ended()
