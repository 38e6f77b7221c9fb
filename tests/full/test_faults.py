"""Calls that fail: every position of an allocation and of each wrapped system call, with the errors that its manual
names. Nobody crashes, leaks or hangs; what is served is exact; and afterwards all is served again.

The programs are those of a build with -Dfaults=true; ECHOD_FAULT_BUILD names its folder (default: build-faults)."""
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fault"))

import cases  # noqa: E402
import clients  # noqa: E402
import harness  # noqa: E402
import living  # noqa: E402
import seams  # noqa: E402
import tls_clients  # noqa: E402

pytestmark = [pytest.mark.skipif(not seams.folder_of_programs(), reason=seams.WHY_SKIPPED), pytest.mark.limit(400)]
PROGRAMS = ("echod", "echod-front", "echod-keeper")
AT_ONCE = 2 * (os.cpu_count() or 1)
FIRST = living.FIRST
SAMPLES = {"sqlite_alloc": 40, "tls_alloc": 80}  # of the positions at a start
BOTH = cases.LISTEN
LOOKED_AT_S = 1.5  # for how long the CPU is looked at that a fault costs which lasts
ACCEPT_PAUSE_S, ACCEPTS_A_TURN = 0.1, 64  # the front's own
ECHOC_S = 20  # less than the server's login time, which a client is not to wait out


@pytest.fixture
def folder(memory_folder):
    return memory_folder


def count_at_start(folder, program, call):
    plan = seams.Plan(folder, "counting")
    plan.arm(program, call, 0)
    with seams.SeamServer(folder, plan, name=f"count-{program}-{call}", listen=BOTH):
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
        for at in cases.positions(total, 40 if memory else FIRST, SAMPLES.get(call, 4), program, call):
            for err in errors if at <= FIRST or memory else errors[:1]:
                faults += [(program, call, at, cases.errno_of(err), always) for always in (False, True)
                           if not always or cases.may_persist(call, err, starting=True)]
    tally = cases.Tally()
    cases.in_order(faults, folder, tally)
    tally.check()


@pytest.mark.parametrize("call, err", [
    ("sqlite_alloc", "ENOMEM"), ("alloc", "ENOMEM"), ("sqlite_mmap", "ENOMEM"), ("sqlite_open", "EMFILE"),
    ("sqlite_read", "EIO"), ("sqlite_write", "EIO"), ("sqlite_write", "ENOSPC"), ("sqlite_truncate", "EIO"),
    ("fsync", "EIO"), ("fsync", "ENOSPC"), ("open", "EMFILE"), ("mkostemp", "ENOSPC"), ("link", "ENOSPC")])
def test_each_call_of_a_store_s_life(memory_folder, call, err):
    """Every position, not a choice of them: a store is made, used and closed while the N-th call fails."""
    done = subprocess.run([seams.program("store-walk"), memory_folder, call, str(cases.errno_of(err))],
                          capture_output=True, text=True, timeout=200, env=harness.environment(memory_folder))
    assert done.returncode == 0, done.stderr
    harness.check_sanitizer(memory_folder, done.stderr)
    assert int(done.stdout.split()[0]) > 0, "no call of that kind was made"


def test_running_under_tls(folder):
    """The same of the front, for those whose connections are TLS: none gets another byte, nor a clean end too early."""
    tally = cases.Tally()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(living.suffer_all, folder, tally, "echod-front", call,
                                 cases.RUNNING["echod-front"][call], living.UNDER_TLS) for call in cases.UNDER_TLS]:
            done.result()
    tally.check()


@pytest.mark.parametrize("program", PROGRAMS)
def test_running(folder, program):
    """Each call fails that a registration, a login, an echo and a look at the status make."""
    tally = cases.Tally()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(living.suffer_all, folder, tally, program, call, errors)
                     for call, errors in cases.RUNNING[program].items()]:
            done.result()
    tally.check()


# ---- what lasts

def assert_idle(pid, turn=None):
    """The process needs less than a tenth of a core."""
    before, began = harness.cpu_seconds(pid), time.monotonic()
    while (passed := time.monotonic() - began) < LOOKED_AT_S:  # the time itself is what is looked at
        if turn:
            turn()
        select.select([], [], [], 0.05)
    busy = harness.cpu_seconds(pid) - before
    assert busy < passed / 10, f"{busy:.2f} s of CPU in {passed:.1f} s"


@pytest.mark.parametrize("err", ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "ECONNABORTED", "EPERM", "EPROTO"])
def test_accept_fails_for_good(folder, err):
    """While no client can be accepted, those that are in are served, the front does not spin, and a moment after it is
    over all are let in. An error that is the client's own is no better when no client goes with it: accept(2) says EPERM
    where a firewall or a security module forbids it, and the client stays in the queue."""
    plan = seams.Plan(folder)
    with seams.SeamServer(folder, plan, "--workers", "1", listen=BOTH, warm=True, tidy=True) as s:
        inside, front = s.echo_client("raw"), s.children()["front"]
        inside.echoes(b"in")
        plan.arm("echod-front", "accept4", 1, cases.errno_of(err), True)
        outside = [s.connect(kind) for kind in ("raw", "login") * 10]
        began = time.monotonic()
        assert_idle(front, lambda: inside.echoes(b"still here"))
        # On a machine that is busy a loop does not get much CPU; it makes many calls all the same.
        most = (time.monotonic() - began + 1) / ACCEPT_PAUSE_S * ACCEPTS_A_TURN * len(BOTH)
        assert 0 < plan.count < most, f"{plan.count} calls of accept4"
        over = time.monotonic()
        plan.disarm()
        for c in outside[1::2]:
            assert c.code() == 220
        for c in outside[::2]:
            c.echoes(b"let in")
        took = time.monotonic() - over
        assert took < 20 * ACCEPT_PAUSE_S, f"let in {took:.1f} s after it was over"
        assert s.children()["front"] == front


def test_control_socket_fails_for_good(folder):
    """As test_accept_fails_for_good, for those that ask the parent."""
    plan = seams.Plan(folder)
    with seams.SeamServer(folder, plan, listen=BOTH, warm=True, tidy=True) as s:
        for err in ("EMFILE", "ENOMEM", "ECONNABORTED"):
            plan.arm("echod", "accept4", 1, cases.errno_of(err), True)
            with clients.connect(os.path.join(s.state, "run", f"{s.pid}.sock")) as asking:
                asking.sendall(b"status\n")
                assert_idle(s.pid)
                plan.disarm()
                assert asking.recv(1), "no answer when it was over"
        assert plan.fired


def knock(server):
    """A login client. Returns its first reply's code and the client."""
    c = server.connect()
    return c.code(), c


def let_in_until_full(server):
    for _ in range(64):
        code, c = knock(server)
        if code != 220:
            assert code == 421 and c.to_end() == b""
            return
    raise AssertionError("the limit on open files is never met")


def limit_files(pid):
    """A limit on open files that leaves next to nothing. Returns what it was."""
    highest, hard = harness.descriptors_of(pid)[-1], harness.limit_process(pid, resource.RLIMIT_NOFILE)[1]
    return harness.limit_process(pid, resource.RLIMIT_NOFILE, (highest + 2, hard))


def test_no_descriptor_for_a_client(folder):
    """The front counts on the limit that it started with; here that is lowered under it, so that accept itself meets it.
    The spare descriptor serves to tell each client, and is there again for the next one."""
    plan = seams.Plan(folder)
    with seams.SeamServer(folder, plan, "--workers", "1", listen=BOTH, warm=True, tidy=True) as s:
        inside, front = s.echo_client("raw"), s.children()["front"]
        inside.echoes(b"in")
        usual = limit_files(front)
        for _ in range(2):
            let_in_until_full(s)
            before = harness.descriptors_of(front)
            for _ in range(20):
                assert s.connect("raw").to_end() == b""
                code, c = knock(s)
                assert code == 421 and c.to_end() == b""
            assert_idle(front, lambda: inside.echoes(b"still here"))
            assert harness.descriptors_of(front) == before
        # The spare is used, and does not come back: its descriptor goes to the next client, and those behind that one
        # cannot even be told. They wait.
        plan.arm("echod-front", "fcntl", 1, cases.errno_of("EMFILE"), True)
        assert knock(s)[0] == 421
        code, last = knock(s)
        assert code == 220
        waiting = [s.connect() for _ in range(5)]
        assert_idle(front, lambda: inside.echoes(b"still here"))
        plan.disarm()
        last.close()
        for c in waiting:
            assert c.code() in (220, 421)
        assert s.status()["accept_errors"] > 40
        harness.limit_process(front, resource.RLIMIT_NOFILE, usual)
        code, c = knock(s)
        assert code == 220
        assert s.children()["front"] == front
        # That the spare is back is seen when the server ends: its descriptors are as many as they were.


@pytest.mark.parametrize("released", [False, True], ids=["ended", "released"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_orders_that_find_no_memory(folder, program, released):
    """Orders between parent and child cannot be taken for want of memory. A child waits for it to be over, and can be
    ended meanwhile; the parent starts the child anew, which at the start is a failure."""
    plan = seams.Plan(folder)
    plan.arm(program, "recvmsg", 1, cases.errno_of("ENOMEM"), True)
    s = seams.SeamServer(folder, plan, "--workers", "1", listen=BOTH)
    try:
        s.start()
        clients.wait_until(lambda: plan.fired >= 20 or s.process.poll() is not None, "the fault")
        s.children()
        if released:
            plan.disarm()
        else:
            s.send_signal(signal.SIGTERM)
        if released and cases.await_ready_or_end(s):
            cases.serves(s, "afterwards")
            s.children()
            s.stop()
            return
        s.wait(30)
        s.ended = True
        s.process.stdout.close()
        assert s.process.returncode == 1
        harness.check_sanitizer(s.folder, s.stderr())
        s.check_gone()
    finally:
        if not s.ended:
            s.kill()


def test_link_breaks(folder):
    """Front or keeper dies with something unread from the other one, which has ECONNRESET for that, or EPIPE."""
    plan = seams.Plan(folder)
    with seams.SeamServer(folder, plan, "--workers", "1", listen=BOTH, warm=True, tidy=False) as s:
        def ask():
            """A question that the keeper, which is stopped, does not read."""
            os.kill(s.children()["keeper"], signal.SIGSTOP)
            code, c = knock(s)
            assert code == 220
            plan.arm("echod-front,echod-keeper", "sendmsg", 0)
            c.send("USER anna\n")
            clients.wait_until(lambda: plan.count == 1, "the question to be sent")
            return c

        before = s.children()
        asked = ask()
        os.kill(before["keeper"], signal.SIGKILL)
        assert asked.code() == 451
        cases.serves(s, "warm-up")
        assert s.children()["front"] == before["front"]

        before = s.children()
        ask()
        os.kill(before["front"], signal.SIGSTOP)
        os.kill(before["keeper"], signal.SIGCONT)
        clients.wait_until(lambda: plan.count == 2, "the verdict to be sent")
        os.kill(before["front"], signal.SIGKILL)
        cases.serves(s, "warm-up")
        assert s.children()["keeper"] == before["keeper"]
        plan.disarm()


def plain_build():
    build = os.environ.get("ECHOD_PLAIN_BUILD") or os.path.join(seams.ROOT, "build")
    return build if os.access(os.path.join(build, "echod"), os.X_OK) else None


def address_space(pid):
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[0]) * resource.getpagesize()


@pytest.mark.skipif(not plain_build(), reason="no plain build: script/build build, and name it in ECHOD_PLAIN_BUILD")
def test_no_address_space_for_a_hash(folder):
    """Argon2's 19 MiB are really not there, for a registration and for a login: both get 451, and then 230."""
    s = harness.Server(folder, cheap=False, warm=True)
    s.argv[0] = os.path.join(plain_build(), "echod")
    with s:
        keeper = s.children()["keeper"]
        used = address_space(keeper)
        if used > 1 << 40:
            pytest.skip("a sanitizer's build maps more than any limit")
        usual = harness.limit_process(keeper, resource.RLIMIT_AS, (used + (4 << 20), resource.RLIM_INFINITY))
        for name in ("warm-up", "new"):
            assert cases.talk(s.port, name) == "451"
        clients.wait_until(lambda: [e["event"] for e in s.log_events()].count("hash_failed") == 2, "both in the log")
        harness.limit_process(keeper, resource.RLIMIT_AS, usual)
        for name in ("warm-up", "new"):
            assert cases.talk(s.port, name) == "in"
        assert s.children()["keeper"] == keeper


# ---- the end

def drain_once(folder, plan, name, *fault):
    s = seams.SeamServer(folder, plan, "--workers", "1", "--login-time", "2s", "--drain", "2s", name=name, listen=BOTH)
    with s:
        data = clients.Positional(name).at(0, 5000)
        login, raw, early = s.echo_client(), s.echo_client("raw"), s.connect()
        wrapped = clients.Client(cases.Tls(clients.connect(s.address_of("raw+tls")), cases.TLS).shake())
        s.clients.append(wrapped)
        early.code()
        plan.arm(*fault)
        try:
            for c in (login, raw, wrapped):
                c.send(data)
        except OSError:
            pass
        s.children()
        s.send_signal(15)
        s.wait(30)
        plan.disarm()
        for c in (login, raw, wrapped):
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


def count_at_end(folder, program, call):
    plan = seams.Plan(folder, f"counting-{program}-{call}")
    drain_once(folder, plan, f"count-{program}-{call}", program, call, 0)
    return plan.count


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
    tally, faults = cases.Tally(), []
    for call, errors in cases.ENDING[program].items():
        total = count_at_end(folder, program, call) if call.endswith("alloc") else FIRST
        faults += [(program, call, at, cases.errno_of(err)) for at in cases.positions(total, 6, 30, "ending", program, call)
                   for err in errors]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(try_drain, folder, tally, i, fault) for i, fault in enumerate(faults)]:
            done.result()
    tally.check()


# ---- echoc

def read_some(p, end):
    """What echoc says next; b"" at its end."""
    fd = p.stdout.fileno()
    assert select.select([fd], [], [], max(0, end - time.monotonic()))[0], f"echoc says nothing for {ECHOC_S} s"
    return os.read(fd, 1 << 16)


def where(server, tls=False):
    """What tells an echoc to go there."""
    if not tls:
        return [f"127.0.0.1:{server.port}"]
    return [f"tls:127.0.0.1:{server.address_of('tls')}", "--pin", server.status()["tls"]["pin"]]


def run_echoc(folder, plan, to, data, between=None, ends_late=False):
    """Runs an echoc that pipes data; between() is called when half of it has come back, and where it ends late its input
    ends only when all has. Returns status, out, err."""
    env = harness.environment(folder, ECHOC_PASSWORD=clients.PASSWORD, **plan.environment())
    half = len(data) // 2
    with open(plan.path + ".err", "w+b") as err, subprocess.Popen(
            [seams.program("echoc"), *to, "--user", "warm-up"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=err, env=env) as p:
        out, end = b"", time.monotonic() + ECHOC_S
        try:
            try:
                p.stdin.write(data[:half])
                p.stdin.flush()
                while len(out) < half and (some := read_some(p, end)):
                    out += some
                if between and len(out) == half:
                    between()
                p.stdin.write(data[half:])
                p.stdin.flush()
                while ends_late and len(out) < len(data) and (some := read_some(p, end)):
                    out += some
                p.stdin.close()
            except BrokenPipeError:
                pass
            while some := read_some(p, end):
                out += some
            p.wait(ECHOC_S)
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


def try_echoc(folder, to, tally, number, fault, between):
    plan, problem = seams.Plan(folder, f"plan{number}"), None
    data = clients.Positional("echoc").at(0, 3000)
    plan.arm("echoc", *fault)
    release = threading.Timer(5, plan.disarm)  # what it waits for may come
    release.start()
    try:
        check_echoc(folder, data, *run_echoc(folder, plan, to, data, between))
    except (AssertionError, subprocess.TimeoutExpired) as e:
        problem = f"{type(e).__name__} {str(e)[:1500]}"
    release.cancel()
    tally.note(plan, plan.fired, problem)


def try_reconnect(folder, calm, tls, tally, number, fault):
    """With a server of its own: a front that has died before is started anew only after a while."""
    with seams.SeamServer(folder, calm, name=f"r{number}", listen=BOTH, warm=True) as server:
        try_echoc(folder, where(server, tls), tally, number, fault, kill_front(server))


def count_of_echoc(folder, server, call):
    plan = seams.Plan(folder, "counting")
    plan.arm("echoc", call, 0)
    run_echoc(folder, plan, where(server, tls=True), b"hello")
    return plan.count


@pytest.mark.parametrize("reconnects", [False, True], ids=["once", "reconnects"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_echoc(folder, reconnects, tls):
    """Each call of an echoc that logs in, echoes and, in the second case, loses its server on the way, to which it comes
    back with its token."""
    calm, tally = seams.Plan(folder, "calm"), cases.Tally()
    calls = {"alloc": ("ENOMEM",)} if reconnects else cases.ECHOC
    last = {"alloc": 24 if tls else 16}
    faults = [(call, at, cases.errno_of(err)) for call, errors in calls.items()
              for at in range(1, last.get(call, FIRST) + 1) for err in (errors if at == 1 else errors[:1])]
    with seams.SeamServer(folder, calm, listen=BOTH, warm=True) as server, ThreadPoolExecutor(AT_ONCE) as pool:
        if tls and not reconnects:
            total = count_of_echoc(folder, server, "tls_alloc")
            faults += [("tls_alloc", at, cases.errno_of("ENOMEM")) for at in cases.positions(total, 20, 80, "echoc")]
        to = where(server, tls)
        for done in [pool.submit(try_reconnect, folder, calm, tls, tally, i, fault) if reconnects else
                     pool.submit(try_echoc, folder, to, tally, i, fault, None) for i, fault in enumerate(faults)]:
            done.result()
    tally.check()


@pytest.mark.parametrize("call, at", [("send", 1), ("send", 2), ("send", 3), ("send", 4), ("send", 5), ("shutdown", 1)])
@pytest.mark.parametrize("err", ["ECONNRESET", "EPIPE", "ENOBUFS", "ENOMEM"])
def test_echoc_sends_in_vain(folder, call, at, err):
    """An error of send may leave a connection that does not end by itself. Nobody waits for that: a login, the first three
    of these, has failed; data goes over the next connection."""
    plan, data = seams.Plan(folder), clients.Positional("echoc").at(0, 3000)
    with seams.SeamServer(folder, seams.Plan(folder, "calm"), warm=True) as server:
        plan.arm("echoc", call, at, cases.errno_of(err))
        status, out, said = run_echoc(folder, plan, where(server), data, ends_late=call == "shutdown")
    assert plan.fired
    check_echoc(folder, data, status, out, said)
    if call == "send" and at <= 3:
        why = "it ended the connection" if err == "EPIPE" else os.strerror(cases.errno_of(err))
        assert status == 3 and why in said, said
    else:
        assert status == 0, said


# ---- whims

def exchange_under_tls(server, kind, *what):
    c = clients.Client(cases.Tls(clients.connect(server.address_of(kind)), cases.TLS).shake())
    if kind == "tls":
        c.login("under-tls-%d" % what[-1])
    tls_clients.exchange(c, clients.Positional(*what), 400_000)
    c.close()


@pytest.mark.parametrize("programs", ["echod-front", "echod,echod-front,echod-keeper"])
def test_whims(folder, programs):
    """Short reads and writes, interruptions and false alarms at random: every byte all the same."""
    seed = clients.randomness("whims", programs).getrandbits(63)
    print(f"FAULT_SEED={seed}")
    whimsical = living.Living(folder, "whims")
    whimsical.server.argv += ["--login-time", "30s"]
    with whimsical.server as s, ThreadPoolExecutor() as pool:
        whimsical.plan.arm_whims(programs, seed)
        for turn in range(3):
            flows = [clients.Flow(s.echo_client(kind, name=f"w{i}"), 400_000, clients.Positional("whims", turn, i))
                     for i, kind in enumerate(("login", "raw", "login", "raw"))]
            wrapped = [pool.submit(exchange_under_tls, s, kind, turn, i)
                       for i, kind in enumerate(("tls", "raw+tls", "tls"))]
            clients.exchange(flows)
            for done in wrapped:
                done.result()
            s.close_clients()
        assert whimsical.plan.fired > 100
        whimsical.plan.disarm()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("turn", range(3))
def test_whims_of_echoc(folder, turn, tls):
    calm, plan = seams.Plan(folder, "calm"), seams.Plan(folder)
    data = clients.Positional("echoc", turn).at(0, 500_000)
    seed = clients.randomness("echoc", turn).getrandbits(63)
    print(f"FAULT_SEED={seed}")
    with seams.SeamServer(folder, calm, listen=BOTH, warm=True) as server:
        plan.arm_whims("echoc", seed)
        status, out, err = run_echoc(folder, plan, where(server, tls), data)
        assert (status, out == data) == (0, True), err
        assert plan.fired > 10
