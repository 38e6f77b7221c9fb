"""Calls that fail: every position of an allocation and of each wrapped system call, with the errors that its manual
names. Nobody crashes, leaks or hangs; what is served is exact; and afterwards all is served again.

The programs are those of a build with -Dfaults=true; ECHOD_FAULT_BUILD names its folder (default: build-faults)."""
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fault"))

import cases  # noqa: E402
import clients  # noqa: E402
import harness  # noqa: E402
import seams  # noqa: E402

pytestmark = [pytest.mark.skipif(not seams.folder_of_programs(), reason=seams.WHY_SKIPPED), pytest.mark.limit(400)]
PROGRAMS = ("echod", "echod-front", "echod-keeper")
AT_ONCE = 2 * (os.cpu_count() or 1)
FIRST = 3  # positions of a system call that are tried with each of its errors


def count_at_start(folder, program, call):
    plan = seams.Plan(folder, "counting")
    plan.arm(program, call, 0)
    with seams.SeamServer(folder, plan, name=f"count-{program}-{call}"):
        count = plan.count
        plan.disarm()
    return count


@pytest.mark.parametrize("program", PROGRAMS)
def test_start(folder, program):
    """Each call that a start makes fails, once and from then on."""
    faults = []
    for call, errors in cases.START[program].items():
        total = count_at_start(folder, program, call)
        memory = call.endswith("alloc")
        for at in cases.positions(total, 40 if memory else FIRST, 120 if call == "sqlite_alloc" else 4, program, call):
            for err in errors if at <= FIRST or memory else errors[:1]:
                faults += [(program, call, at, cases.errno_of(err), always) for always in (False, True)
                           if not always or cases.may_persist(call, err)]
    tally = cases.Tally()
    cases.in_order(faults, folder, tally)
    tally.check()


class Living:
    """A server that lives through many faults."""

    def __init__(self, folder, name):
        self.plan = seams.Plan(folder, "plan-" + name)
        self.server = seams.SeamServer(folder, self.plan, "--workers", "1", "--login-time", "2s", name=name,
                                       listen=("127.0.0.1:0", "raw:127.0.0.1:0"), warm=True, tidy=True)
        self.number = 0
        self.acknowledged = []

    def conversations(self):
        """What is done while the fault is there. Returns the problem, if any."""
        self.number += 1
        name = f"u{self.number}"
        ends = [cases.talk(self.server.port, name), cases.talk(self.server.port, "warm-up"),
                cases.talk(self.server.address_of("raw"), name, raw=True)]
        if ends[0].startswith("in"):
            self.acknowledged.append(name)
        try:
            self.server.status()
        except (OSError, ValueError):
            pass
        return ends

    def count(self, program, call):
        self.plan.arm(program, call, 0)
        self.conversations()
        if program == "echod-keeper":  # the logins are stamped a second later
            before = self.server.status()["logins"]
            assert before
        count = self.plan.count
        self.plan.disarm()
        return count

    def suffer(self, tally, *fault):
        self.plan.arm(*fault)
        text, problem = str(self.plan), None
        try:
            self.conversations()
            self.plan.disarm()
            cases.serves(self.server, "warm-up")
            if self.acknowledged:
                name = self.acknowledged.pop()
                assert cases.has_account(self.server.port, name), f"{name} had its 230, and is not there"
                end = cases.talk(self.server.port, name)
                assert end == "in", f"{name} had its 230, and now gets {end}"
            assert self.server.process.poll() is None, "the server has ended"
            allowed = ("signal 9",) if fault[0] == "echod" else ()
            assert not cases.signals_that_ended(self.server, allowed), cases.signals_that_ended(self.server, allowed)
            harness.check_sanitizer(self.server.folder, self.server.stderr())
        except (AssertionError, OSError, TimeoutError) as e:
            problem = f"{type(e).__name__} {str(e)[:1500]}"
        finally:
            self.plan.disarm()
        tally.note(text, self.plan.fired, problem)
        return problem is None


def suffer_all(folder, tally, program, call, errors):
    """One server, and each fault of that call one after another."""
    living = Living(folder, f"{program}-{call}")
    memory = call.endswith("alloc")
    try:
        with living.server:
            total = living.count(program, call)
            for at in cases.positions(total, 20 if memory else FIRST, 60 if memory else 3, "running", program, call):
                for err in errors if at == 1 or memory else errors[:1]:
                    for always in (False, True) if at == 1 and cases.may_persist(call, err) else (False,):
                        if not living.suffer(tally, program, call, at, cases.errno_of(err), always):
                            living.server.kill()  # what was found is told rather than what comes of it
                            return
    except (AssertionError, OSError, subprocess.TimeoutExpired) as e:
        tally.note(f"{program} {call}, at the end", 0, f"{type(e).__name__} {str(e)[:1500]}")


@pytest.mark.parametrize("program", PROGRAMS)
def test_running(folder, program):
    """Each call fails that a registration, a login, an echo and a look at the status make."""
    tally = cases.Tally()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(suffer_all, folder, tally, program, call, errors)
                     for call, errors in cases.RUNNING[program].items()]:
            done.result()
    tally.check()


def drain_once(folder, plan, name, *fault):
    s = seams.SeamServer(folder, plan, "--workers", "1", "--login-time", "2s", "--drain", "2s", name=name,
                         listen=("127.0.0.1:0", "raw:127.0.0.1:0"))
    with s:
        data = clients.Positional(name).at(0, 5000)
        login, raw, early = s.echo_client(), s.echo_client("raw"), s.connect()
        early.code()
        plan.arm(*fault)
        try:
            for c in (login, raw):
                c.send(data)
        except OSError:
            pass
        s.children()
        s.send_signal(15)
        s.wait(30)
        plan.disarm()
        for c in (login, raw):
            came = b""
            try:
                while some := c.read():
                    came += some
            except OSError:
                pass
            assert data.startswith(came), "other bytes came back than were sent"
        s.close_clients()
        assert s.process.returncode in (0, 1), f"exit status {s.process.returncode}"
        s.expected_status = s.process.returncode
        s.check_ended()


def try_drain(folder, tally, number, fault):
    plan, problem = seams.Plan(folder, f"plan{number}"), None
    try:
        drain_once(folder, plan, f"d{number}", *fault)
    except (AssertionError, OSError, subprocess.TimeoutExpired) as e:
        problem = f"{type(e).__name__} {str(e)[:1500]}"
    plan.disarm()
    tally.note(plan, plan.fired, problem)


@pytest.mark.parametrize("program", PROGRAMS)
def test_drain(folder, program):
    """Each call that a drain with data under way makes fails: it ends all the same, and no byte is another."""
    tally = cases.Tally()
    faults = [(program, call, at, cases.errno_of(err)) for call, errors in cases.ENDING[program].items()
              for at in range(1, 7 if call.endswith("alloc") else 1 + FIRST) for err in errors]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(try_drain, folder, tally, i, fault) for i, fault in enumerate(faults)]:
            done.result()
    tally.check()


# ---- echoc

def run_echoc(folder, plan, port, data, between=None):
    """Runs an echoc that pipes data; between() is called when half of it has come back. Returns status, out, err."""
    env = harness.environment(folder, ECHOC_PASSWORD=clients.PASSWORD, **plan.environment())
    half = len(data) // 2
    with open(plan.path + ".err", "w+b") as err, subprocess.Popen(
            [seams.program("echoc"), f"127.0.0.1:{port}", "--user", "warm-up"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=err, env=env) as p:
        out = b""
        try:
            try:
                p.stdin.write(data[:half])
                p.stdin.flush()
                while len(out) < half and (some := os.read(p.stdout.fileno(), 1 << 16)):
                    out += some
                if between and len(out) == half:
                    between()
                p.stdin.write(data[half:])
                p.stdin.close()
            except BrokenPipeError:
                pass
            while some := os.read(p.stdout.fileno(), 1 << 16):
                out += some
            p.wait(20)
        finally:
            if p.poll() is None:
                p.kill()
            try:
                p.stdin.close()
            except BrokenPipeError:
                pass
        err.seek(0)
        return p.returncode, out, err.read().decode(errors="replace")


def check_echoc(folder, data, status, out, err):
    assert status in range(7), f"exit status {status}: {err[-500:]}"
    assert data.startswith(out), "echoc wrote other bytes than it had read"
    assert status or out == data, f"echoc says that all came back, and {len(data) - len(out)} bytes did not: {err}"
    harness.check_sanitizer(folder, err)
    assert not status or "echoc: " in err, f"status {status} without a word: {err!r}"


def kill_front(server):
    def kill():
        before = server.children()["front"]
        os.kill(before, 9)
        clients.wait_until(lambda: server.children().get("front") not in (None, before), "a new front")
    return kill


def try_echoc(folder, server, tally, number, fault, between):
    plan, problem = seams.Plan(folder, f"plan{number}"), None
    data = clients.Positional("echoc").at(0, 3000)
    plan.arm("echoc", *fault)
    release = threading.Timer(5, plan.disarm)  # what it waits for may come
    release.start()
    try:
        check_echoc(folder, data, *run_echoc(folder, plan, server.port, data, between))
    except (AssertionError, subprocess.TimeoutExpired) as e:
        problem = f"{type(e).__name__} {str(e)[:1500]}"
    release.cancel()
    tally.note(plan, plan.fired, problem)


@pytest.mark.parametrize("reconnects", [False, True], ids=["once", "reconnects"])
def test_echoc(folder, reconnects):
    """Each call of an echoc that logs in, echoes and, in the second case, loses its server on the way."""
    calm, tally = seams.Plan(folder, "calm"), cases.Tally()
    calls = {"alloc": ("ENOMEM",)} if reconnects else cases.ECHOC
    last = {"alloc": 16}
    faults = [(call, at, cases.errno_of(err)) for call, errors in calls.items()
              for at in range(1, last.get(call, FIRST) + 1) for err in (errors if at == 1 else errors[:1])]
    with seams.SeamServer(folder, calm, "--login-time", "2s", warm=True) as server:
        between = kill_front(server) if reconnects else None
        with ThreadPoolExecutor(1 if reconnects else AT_ONCE) as pool:
            for done in [pool.submit(try_echoc, folder, server, tally, i, fault, between)
                         for i, fault in enumerate(faults)]:
                done.result()
    tally.check()


# ---- whims

@pytest.mark.parametrize("programs", ["echod-front", "echod,echod-front,echod-keeper"])
def test_whims(folder, programs):
    """Short reads and writes, interruptions and false alarms at random: every byte all the same."""
    seed = clients.randomness("whims", programs).getrandbits(63)
    print(f"FAULT_SEED={seed}")
    living = Living(folder, "whims")
    living.server.argv += ["--login-time", "30s"]
    with living.server as s:
        living.plan.arm_whims(programs, seed)
        for turn in range(3):
            flows = [clients.Flow(s.echo_client(kind, name=f"w{i}"), 400_000, clients.Positional("whims", turn, i))
                     for i, kind in enumerate(("login", "raw", "login", "raw"))]
            clients.exchange(flows)
            s.close_clients()
        assert living.plan.fired > 100
        living.plan.disarm()


@pytest.mark.parametrize("turn", range(3))
def test_whims_of_echoc(folder, turn):
    calm, plan = seams.Plan(folder, "calm"), seams.Plan(folder)
    data = clients.Positional("echoc", turn).at(0, 500_000)
    seed = clients.randomness("echoc", turn).getrandbits(63)
    print(f"FAULT_SEED={seed}")
    with seams.SeamServer(folder, calm, warm=True) as server:
        plan.arm_whims("echoc", seed)
        status, out, err = run_echoc(folder, plan, server.port, data)
        assert (status, out == data) == (0, True), err
        assert plan.fired > 10
