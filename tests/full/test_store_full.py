"""The accounts under everything: kills, a full disk, a failing one, a damaged file, a lock, a file that goes.

Every account that was acknowledged is there, none is there by half, and nobody gets in with a wrong password."""
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fault"))

import cases  # noqa: E402
import clients  # noqa: E402
import harness  # noqa: E402
import seams  # noqa: E402

ROUNDS = 200
FLIPS = 200
LISTEN = ("127.0.0.1:0", "raw:127.0.0.1:0")
CHEAP = ("--hash-memory", "64", "--hash-passes", "1")
needs_seams = pytest.mark.skipif(not seams.folder_of_programs(), reason=seams.WHY_SKIPPED)


def accounts_in(path):
    """The names in the store, which has to be whole."""
    db = sqlite3.connect(path)
    try:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        # A kill seldom falls between two writes of one change; without the log such a one would do harm.
        assert db.execute("PRAGMA journal_mode").fetchall() == [("wal",)], "the store has lost its write-ahead log"
        rows = db.execute("SELECT name, hash, created_us FROM account").fetchall()
    finally:
        db.close()
    for name, hashed, created in rows:
        assert hashed.startswith("$argon2id$") and created > 0, f"half an account: {name} {hashed!r} {created}"
    return {name for name, _, _ in rows}


def store_of(server):
    return os.path.join(server.state, "cli_info")


def echoctl(server, *args):
    return subprocess.run([harness.program("echoctl"), "user", *args, "--state", server.state, *CHEAP],
                          input=clients.PASSWORD + "\n", text=True, capture_output=True, timeout=60,
                          env=harness.environment(server.folder))


def code_of_login(port, name, password=clients.PASSWORD):
    """The last reply of a login: 230, or what refused it."""
    with clients.connect(port, timeout=30) as s:
        c = clients.Client(s)
        assert c.code() == 220
        code = c.ask(f"USER {name}")
        return c.ask(f"PASS {password}") if code in (331, 332) else code


class Registrar(threading.Thread):
    """Makes accounts one after another, through the wire or echoctl, and notes those that were acknowledged."""

    def __init__(self, server, name, by_hand=False):
        super().__init__(daemon=True)
        self.server, self.prefix, self.by_hand = server, name, by_hand
        self.stopping = threading.Event()
        self.acknowledged, self.tried = set(), 0
        self.start()

    def create(self, name):
        if self.by_hand:
            return echoctl(self.server, "add", name).returncode == 0
        return code_of_login(self.server.port, name) == 230

    def run(self):
        while not self.stopping.is_set():
            self.tried += 1
            name = f"{self.prefix}-{self.tried}"
            try:
                if self.create(name):
                    self.acknowledged.add(name)
            except (OSError, AssertionError, subprocess.TimeoutExpired):
                self.stopping.wait(0.005)

    def stop(self):
        self.stopping.set()
        self.join(90)
        assert not self.is_alive()
        return self.acknowledged


def kill_at_random(server, dice):
    """Ends the keeper, the parent, or the one and then the other. Returns whether the parent is gone."""
    way = dice.choice(("keeper", "parent", "both"))
    if way != "parent":
        pid = server.children().get("keeper")
        if pid:
            os.kill(pid, signal.SIGKILL)
    if way != "keeper":
        server.kill_9()
    return way != "keeper"


@pytest.mark.limit(600)
def test_killed_while_accounts_are_made(folder):
    dice, known, server = clients.randomness("kills"), set(), None
    killed = 0
    while killed < ROUNDS:
        server = harness.Server(folder, listen=LISTEN, warm=False, tidy=False, busy=True)
        with server:
            registrars = [Registrar(server, f"wire{killed}a"), Registrar(server, f"wire{killed}b"),
                          Registrar(server, f"hand{killed}", by_hand=True)]
            is_gone = False
            try:
                while not is_gone and killed < ROUNDS:
                    done = sum(len(r.acknowledged) for r in registrars)
                    clients.wait_until(lambda: sum(len(r.acknowledged) for r in registrars) > done, "an account", 60)
                    time.sleep(dice.random() * 0.02)  # awaits nothing: where the kill falls is what is tried
                    is_gone = kill_at_random(server, dice)
                    killed += 1
            finally:
                acknowledged = set().union(*[r.stop() for r in registrars])
            if not is_gone:
                server.kill_9()
        known |= acknowledged
        missing = known - accounts_in(store_of(server))
        assert not missing, f"acknowledged and gone after {killed} kills (TEST_SEED={clients.SEED}): {missing}"
    with harness.Server(folder, listen=LISTEN, state=server.state, warm=False, name="last") as s:
        for name in dice.sample(sorted(known), 20):
            assert code_of_login(s.port, name) == 230
    print(f"{killed} kills, {len(known)} accounts acknowledged")


# ---- the disk

@pytest.fixture
def small_disk(folder):
    path = os.path.join(folder, "disk")
    os.mkdir(path)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", path], capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def test_full_disk(folder, small_disk):
    """Registrations get 451 while there is no room; who has an account gets in; room brings all back by itself."""
    with harness.Server(folder, listen=LISTEN, state=os.path.join(small_disk, "state"), warm=True) as s:
        keeper = s.children()["keeper"]
        ballast = os.path.join(small_disk, "ballast")
        with open(ballast, "wb", buffering=0) as f:
            with pytest.raises(OSError):
                while True:
                    f.write(bytes(4096))
        acknowledged, refused = set(), 0
        for i in range(300):
            code = code_of_login(s.port, f"u{i}")
            assert code in (230, 451), code
            refused += code == 451
            acknowledged |= {f"u{i}"} if code == 230 else set()
            if refused >= 5:
                break
        assert refused >= 5, "the disk was never full"
        assert code_of_login(s.port, "warm-up") == 230
        os.unlink(ballast)
        clients.wait_until(lambda: code_of_login(s.port, "afterwards") == 230, "a registration", 20)
        assert s.children()["keeper"] == keeper, "the keeper was restarted"
    assert accounts_in(store_of(s)) >= acknowledged | {"afterwards", "warm-up"}


@needs_seams
@pytest.mark.parametrize("always", [False, True], ids=["once", "for-good"])
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("call", ["sqlite_write", "fsync"])
def test_failing_disk(folder, call, error, always):
    """A write or sync of a creation fails: no 230 for an account that is not there, and none is there by half."""
    plan, tally = seams.Plan(folder), cases.Tally()
    with seams.SeamServer(folder, plan, listen=cases.LISTEN, warm=True) as s:
        plan.arm("echod-keeper", call, 0)
        assert code_of_login(s.port, "counted") == 230
        total = plan.count
        assert total, f"a creation makes no {call}"
        acknowledged = {"counted"}
        for at in range(1, total + 4):
            plan.arm("echod-keeper", call, at, cases.errno_of(error), always)
            name, problem = f"f{at}", None
            code = code_of_login(s.port, name)
            if code == 230:
                acknowledged.add(name)
            elif code != 451:
                problem = f"the creation got {code}"
            if code_of_login(s.port, "warm-up") not in (230, 451):
                problem = "who has an account was refused"
            fired = plan.fired
            plan.disarm()
            try:
                cases.serves(s, f"then{at}")
                assert code != 230 or cases.has_account(s.port, name), "it had its 230, and is not there"
                assert code_of_login(s.port, name) == 230, "the name cannot be had, or not got into, afterwards"
                acknowledged |= {name, f"then{at}"}
            except AssertionError as e:
                problem = problem or str(e)
            tally.note(plan, fired, problem)
    assert accounts_in(store_of(s)) >= acknowledged
    tally.check()


# ---- the file

def flip(path, offset, bit):
    with open(path, "r+b") as f:
        f.seek(offset)
        byte = f.read(1)
        f.seek(offset)
        f.write(bytes([byte[0] ^ (1 << bit)]))


def is_sound(path, beside):
    """What SQLite itself says of a copy."""
    shutil.copy(path, beside)
    db = sqlite3.connect(beside)
    db.text_factory = bytes  # what it says of a damaged file may be no text
    try:
        db.execute("PRAGMA cell_size_check = ON")
        return db.execute("PRAGMA quick_check(1)").fetchall() == [(b"ok",)]
    except (sqlite3.DatabaseError, UnicodeDecodeError):  # which is a complaint that quotes the damage
        return False
    finally:
        db.close()


def try_flipped(folder, number, data, offset, bit):
    """One start on a store with one wrong bit, and logins on it. Returns whether it was served."""
    state = os.path.join(folder, f"state{number}")
    os.mkdir(state, 0o700)
    with open(os.path.join(state, "cli_info"), "wb") as f:
        f.write(data)
    flip(os.path.join(state, "cli_info"), offset, bit)
    sound = is_sound(os.path.join(state, "cli_info"), os.path.join(folder, f"copy{number}"))
    s = harness.Server(folder, listen=LISTEN, state=state, name=f"f{number}", warm=False, tidy=False)
    try:
        s.start()
        if not cases.await_ready_or_end(s):
            s.ended = True
            s.process.stdout.close()
            assert s.process.returncode == 1
            harness.assert_one_sentence(s.stderr(), "cli_info")
            harness.check_sanitizer(s.folder, s.stderr())
            return False
        assert sound, f"offset {offset}, bit {bit}: it is served, though the file is damaged"
        for name in ("kept0", "kept1", "kept19"):
            # A name that has become another may be had anew, by whoever asks first: that is no login.
            with clients.connect(s.port) as sock:
                c = clients.Client(sock)
                c.code()
                if c.ask(f"USER {name}") == 331:
                    code = c.ask("PASS a wrong password")
                    assert code in (530, 451), f"offset {offset}, bit {bit}: {code} to a wrong password"
            with clients.connect(s.port) as sock:
                c = clients.Client(sock)
                c.code()
                if c.ask(f"USER {name}") == 331:
                    assert c.ask(f"PASS {clients.PASSWORD}") in (230, 530, 451)
        assert not cases.signals_that_ended(s)
        s.children()
        s.stop()
        return True
    finally:
        if not s.ended:
            s.kill()


@pytest.mark.limit(400)
def test_flipped_bits(folder):
    with harness.Server(folder, listen=LISTEN, warm=False) as s:
        for i in range(20):
            assert code_of_login(s.port, f"kept{i}") == 230
    with open(store_of(s), "rb") as f:
        data = f.read()
    used = [i for i, byte in enumerate(data) if byte]  # a bit in free space changes nothing
    dice, served = clients.randomness("flips"), 0
    offsets = list(range(100)) + dice.sample(used, FLIPS - 100)
    for number, offset in enumerate(offsets):
        served += try_flipped(folder, number, data, offset, dice.randrange(8))
    print(f"{served} of {FLIPS} were served")
    assert 0 < served < FLIPS


@pytest.mark.parametrize("seconds", [3, 10])
def test_locked_by_another_process(folder, seconds):
    """Another process writes for some time: creations wait for 5 s, then get 451; logins go on all the while."""
    with harness.Server(folder, listen=LISTEN) as s:
        holder = subprocess.Popen([sys.executable, "-c", (
            "import sqlite3, sys\n"
            "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
            "db.execute('BEGIN IMMEDIATE')\n"
            "print('locked', flush=True)\n"
            "sys.stdin.read()\n"
            "db.execute('ROLLBACK')\n"), store_of(s)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            assert holder.stdout.readline() == b"locked\n"
            begun = time.monotonic()
            release = threading.Timer(seconds, holder.stdin.close)
            release.start()
            assert code_of_login(s.port, "warm-up") == 230
            code = code_of_login(s.port, "waits")
            took = time.monotonic() - begun
            assert (code, took < seconds + 15) == (230 if seconds < 5 else 451, True), (code, took)
            assert code_of_login(s.port, "warm-up") == 230
            release.join()
            holder.wait(30)
        finally:
            if holder.poll() is None:
                holder.kill()
            holder.stdout.close()
            holder.wait()
        clients.wait_until(lambda: code_of_login(s.port, "waits") == 230, "the account", 30)
    assert {"waits", "warm-up"} <= accounts_in(store_of(s))


def test_removed_while_running(folder):
    """The file goes: echoes go on, logins get 451 and no new file is made; put back, it is served again."""
    with harness.Server(folder, listen=LISTEN) as s:
        path, aside = store_of(s), os.path.join(folder, "aside")
        running = s.echo_client(name="runs")
        os.rename(path, aside)
        clients.wait_until(lambda: code_of_login(s.port, "warm-up") == 451, "451")
        assert code_of_login(s.port, "new") == 451
        running.echoes("still here\n")
        assert not os.path.exists(path)
        os.rename(aside, path)
        clients.wait_until(lambda: code_of_login(s.port, "runs") == 230, "logins to come back")
        os.unlink(path)
        clients.wait_until(lambda: code_of_login(s.port, "warm-up") == 451, "451")
        running.echoes("and here\n")
        assert not os.path.exists(path)
