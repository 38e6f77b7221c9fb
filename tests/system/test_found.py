"""What a review found, each defect with the test that would have shown it. (That no process keeps a rotated log open is
test_log.py's test_sighup_lets_go_of_the_old_log.)"""
import errno
import os
import resource
import select
import signal
import socket
import sqlite3
import subprocess
import threading
import time

import pytest

from harness import (LOOPBACK, PASSWORD, PATIENCE_S, UNPRIVILEGED, Client, Positional, Server, assert_one_sentence,
                     check_sanitizer, connect, environment, fill, free_ports, hand_over, listen_on, program, run_echod,
                     wait_until)

BOTH = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]
RAW = [f"raw:{LOOPBACK}:0"]
CHEAP = ["--hash-memory", "64", "--hash-passes", "1"]
MSS = 1460
LOOP_BATCH = 256  # as in loop.h


def pace(seconds):
    """Lets time pass that is itself what the test is about: a client's pace, or a limit that nobody may notice."""
    select.select([], [], [], seconds)


# ---- the parts ----

class LoginLoad:
    """Clients that log in, again and again, whatever they are answered."""

    def __init__(self, port, count):
        self.port, self.ending, self.failures = port, threading.Event(), []
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(count)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *error):
        self.ending.set()
        for t in self.threads:
            t.join()

    def run(self, index):
        try:
            while not self.ending.is_set():
                with connect(self.port) as s:
                    self.log_in(Client(s), f"load{index}")
        except (OSError, AssertionError) as e:
            self.failures.append(e)

    def log_in(self, c, name):
        assert c.code() == 220
        for _ in range(9):  # the tenth USER but one of a connection
            code = c.ask(f"USER {name}")
            assert code in (331, 332, 451), code
            if code == 451 or c.ask(f"PASS {PASSWORD}") != 230:
                continue
            c.echoes(b"in")
            return


def test_01_keeper_killed_again_and_again_under_logins(server):
    """A question that came over a link before there were pools to put it in crashed each new keeper."""
    s = server("--workers", "4", listen=BOTH)
    with LoginLoad(s.port, 6) as load:
        for kills in (1, 2, 3):
            logins = s.status()["logins"]
            s.wait_status(lambda st: st["logins"] > logins + 6, "the load")
            os.kill(s.children()["keeper"], signal.SIGKILL)
            s.wait_status(lambda st: st["restarts"]["keeper"] >= kills and st["keeper_ready"], "a new keeper", 6)
            logins = s.status()["logins"]
            s.wait_status(lambda st: st["logins"] > logins + 6, "logins to go on", 6)
            assert s.status()["restarts"]["keeper"] == kills, "a keeper died that nobody killed"
    assert not load.failures
    assert s.status()["restarts"] == {"front": 0, "keeper": 3}


def test_03_sigchld_may_have_been_ignored(folder):
    """A parent that leaves SIGCHLD ignored, as some supervisors do, leaves it so over exec."""
    with Server(folder, listen=BOTH, preexec=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)) as s:
        os.kill(s.children()["front"], signal.SIGKILL)
        s.wait_status(lambda st: st["restarts"]["front"] == 1, "a new front", 5)
        for kind in ("login", "raw"):
            s.echo_client(kind).echoes(b"back")
        s.close_clients()
        s.send_signal(signal.SIGTERM)
        assert s.wait(5) == 0
        s.check_ended()


def test_04_a_keeper_that_takes_no_orders(server):
    """The parent does not wait for a child: one whose orders pile up is killed, and starts anew."""
    s = server(listen=BOTH)
    stopped = s.children()["keeper"]
    os.kill(stopped, signal.SIGSTOP)
    most = 300 if int(open("/proc/sys/net/core/wmem_max").read()) <= 212992 else 5000  # the socket takes more there
    for turn in range(most):
        s.send_signal(signal.SIGHUP)
        if s.status()["restarts"]["keeper"] and turn >= 299:  # an answer shows that the signal was taken, too
            break
    s.wait_status(lambda st: st["restarts"]["keeper"] == 1 and st["keeper_ready"], "a new keeper", 5)
    assert s.children()["keeper"] != stopped
    s.echo_client().echoes(b"in")
    s.wait_log("child_ended", msg="echod-keeper ended by signal 9")
    assert s.status()["restarts"] == {"front": 0, "keeper": 1}


# ---- the stream ----

def has_unix_oob():
    a, b = socket.socketpair()
    with a, b:
        try:
            return a.send(b"x", socket.MSG_OOB) == 1
        except OSError:
            return False


@pytest.mark.parametrize("kind", ["raw", "login", "raw+unix", "unix"])
def test_02_urgent_data_is_data(server, folder, kind):
    if "unix" in kind and not has_unix_oob():
        pytest.skip("this kernel has no MSG_OOB on unix sockets")
    s = server(listen=[*BOTH, f"unix:{folder}/l", f"raw+unix:{folder}/r"])
    c = s.echo_client(kind)
    for wait in (False, True):  # all at once, and with the urgent byte alone
        c.send(b"abc")
        if wait:
            assert c.exactly(3) == b"abc"
        assert c.sock.send(b"X", socket.MSG_OOB) == 1
        if wait:
            assert c.exactly(1) == b"X"
        c.send(b"def")
        rest = b"def" if wait else b"abcXdef"
        assert c.exactly(len(rest)) == rest
    c.sock.send(b"Y", socket.MSG_OOB)
    c.half_close()
    assert c.to_end() == b"Y"


# ---- limits ----

@pytest.mark.parametrize("kind", ["raw", "login"])
def test_05_a_mute_client_stalls_though_nothing_is_held(server, kind):
    s = server("--stall-time", "1s", listen=BOTH)
    mute, size = s.echo_client(kind, rcvbuf=16 * 1024, mss=MSS), 100 * 1024
    mute.send(bytes(size))
    s.wait_status(lambda st: st["bytes_in"] == size and st["chunks_held"] == 0, "the kernel to have all of it", 1)
    began = time.monotonic()
    s.wait_status(lambda st: st["closed"]["stall_time"] == 1, "the mute one to be closed", 4)
    assert time.monotonic() - began < 2.5
    with pytest.raises(ConnectionResetError):
        while mute.read():
            pass
    s.wait_log("disconnect", reason="stall_time", bytes_in=size)


@pytest.mark.parametrize("kind, options", [("login", []), ("raw", ["--idle-time", "2s"])])
def test_05_a_slow_reader_neither_stalls_nor_idles(server, kind, options):
    """It has said all that it has to say, and takes its tail for longer than either limit; then it idles. Its kernel
    acknowledges in leaps of a whole receive buffer, here one a second: a stall limit below that could not but strike."""
    s = server("--stall-time", "2s", *options, listen=BOTH)
    c, data, size = s.echo_client(kind, rcvbuf=16 * 1024, mss=MSS), Positional("slow", kind), 100 * 1024
    c.send(data.at(0, size))
    s.wait_status(lambda st: st["bytes_in"] == size and st["chunks_held"] == 0, "the kernel to have all of it", 1)
    came = 0
    while came < size:
        some = c.read(3072)
        assert some, f"ended after {came} of {size}"
        data.check(came, some)
        came += len(some)
        pace(0.1)
    closed = s.status()["closed"]
    assert closed["stall_time"] == closed["idle_time"] == 0
    if kind == "raw":
        assert c.to_end() == b""
        c.close()
        s.wait_status(lambda st: st["closed"]["idle_time"] == 1, "it to be counted as idle")
    else:
        c.echoes(b"still here")


def read_to_reset(c, timeout):
    """Reads to the end and returns what came. The end must be a reset: before the FIN, or, as the kernel tells it to
    one who has read the FIN, the socket's error behind it."""
    parts = []
    try:
        while some := c.read():
            parts.append(some)
    except ConnectionResetError:
        return b"".join(parts)
    poll = select.poll()
    poll.register(c.sock, 0)
    ready = poll.poll(timeout * 1000)
    assert ready and ready[0][1] & select.POLLERR, f"a clean end, after {sum(map(len, parts))} bytes: {ready}"
    assert c.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in (errno.ECONNRESET, errno.EPIPE)
    return b"".join(parts)


def test_06_what_comes_behind_the_idle_limit_ends_in_a_reset(server):
    s = server("--idle-time", "400ms", listen=RAW)
    late, silent = s.connect("raw"), s.connect("raw")
    for c in (late, silent):
        c.send(b"in time")
    assert late.exactly(7) == b"in time"
    assert late.read() == b""  # the server's FIN
    late.send(b"too late")
    assert read_to_reset(late, 4) == b""
    assert silent.to_end() == b"in time"
    assert silent.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


@pytest.mark.parametrize("size", [10, 100 * 1024])
def test_06_what_comes_behind_the_drain_ends_in_a_reset(folder, size):
    """The larger size is not yet taken when the late bytes come: the reset waits behind it."""
    with Server(folder, "--drain", "10s", listen=RAW) as s:
        c, data = s.connect("raw", rcvbuf=16 * 1024, mss=MSS), Positional("behind", size)
        c.send(data.at(0, size))
        s.wait_status(lambda st: st["bytes_in"] == size and st["chunks_held"] == 0, "all to be echoed")
        s.send_signal(signal.SIGTERM)
        s.wait_status(lambda st: st["connections"]["closing"] == 1, "the FIN")
        c.send(b"too late")
        came = read_to_reset(c, 4)
        data.check(0, came)
        assert len(came) == size
        s.wait()
        s.check_ended()


@pytest.mark.parametrize("kind, size", [("raw", 30000), ("raw+unix", 150000)])
def test_06_what_came_before_the_idle_limit_fired_is_echoed(server, folder, kind, size):
    """The front is stopped, and wakes when the limit is over and the bytes are there."""
    s = server("--idle-time", "500ms", listen=[*RAW, f"raw+unix:{folder}/r"])
    c, data, front = s.connect(kind, sndbuf=1 << 20), Positional("before", kind), s.children()["front"]
    c.echoes(b"in")
    pace(0.2)  # until the front has looked, and counts from there
    os.kill(front, signal.SIGSTOP)
    try:
        c.send(data.at(0, size))
        pace(0.7)
    finally:
        os.kill(front, signal.SIGCONT)
    came = c.to_end()
    data.check(0, came)
    assert len(came) == size
    assert c.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    c.close()
    s.wait_status(lambda st: st["connections"]["open"] == 0, "it to be gone")
    closed = s.status()["closed"]
    assert closed["idle_time"] == 1 and closed["reset"] == closed["error"] == 0


def test_14_a_limit_of_less_than_a_second_is_told_as_one(server):
    s = server("--idle-time", "500ms", "--login-idle-time", "500ms", listen=BOTH)
    c = s.connect()
    assert c.code() == 220
    c.send("FEAT\n")
    code, texts = c.reply()
    assert code == 211 and "IDLE 1" in [t.strip() for t in texts], texts


# ---- accounts ----

def test_07_a_full_queue_of_passwords_does_not_hold_up_the_end(folder):
    with Server(folder, "--hash-memory", "65536", "--hash-passes", "4", "--register", "closed", cheap=False,
                listen=BOTH) as s:
        clients = [s.connect() for _ in range(64)]
        for i, c in enumerate(clients):
            assert c.code() == 220
            assert c.ask(f"USER queued{i}") == 331
        for c in clients:
            c.send(f"PASS {PASSWORD}\n")
        s.wait_status(lambda st: st["queue"]["passwords"] >= 56, "the queue")
        began = time.monotonic()
        s.send_signal(signal.SIGTERM)
        for c in clients:
            assert c.code() in (421, 530)
        assert s.wait() == 0
        assert time.monotonic() - began < 3
        s.check_ended()


def switches_of(pid, tid):
    """How often the thread has begun to wait for something."""
    with open(f"/proc/{pid}/task/{tid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("voluntary_ctxt_switches"))


def test_08_failures_are_told_while_stamps_are_being_written(server):
    """Stamps that are on their way are older than those that are gathered."""
    s = server()
    path, keeper = os.path.join(s.state, "cli_info"), s.children()["keeper"]
    stamper = max(int(tid) for tid in os.listdir(f"/proc/{keeper}/task"))  # the last that the keeper starts
    def log_in(failures=0):
        """A login behind so many failures; returns what it was told."""
        c = s.connect()
        assert c.code() == 220
        for _ in range(failures):
            assert c.ask("USER anna") == 331
            assert c.ask(f"PASS not {PASSWORD}") == 530
        assert c.ask("USER anna") in (331, 332)
        c.send(f"PASS {PASSWORD}\n")
        code, texts = c.reply()
        assert code == 230
        return " ".join(texts)

    log_in()
    c = s.connect()
    assert c.code() == 220 and c.ask("USER anna") == 331 and c.ask(f"PASS not {PASSWORD}") == 530
    db = sqlite3.connect(path, isolation_level=None)
    try:
        wait_until(lambda: db.execute("SELECT failures FROM account WHERE name = 'anna'").fetchone() == (1,),
                   "the failure to be written", 4)
        wait_until(lambda: s.status()["stamps_written"] >= 2, "it to be counted", 2)
        written = s.status()["stamps_written"]
        db.execute("BEGIN IMMEDIATE")
        quiet = switches_of(keeper, stamper)
        assert "failed logins since: 1" in log_in()
        wait_until(lambda: switches_of(keeper, stamper) > quiet + 3, "a batch to wait for the store", 4)
        assert "failed logins since: 2" in log_in(failures=2)
        assert s.status()["stamps_written"] == written, "the batch was not under way"
        db.execute("ROLLBACK")
        s.wait_status(lambda st: st["stamps_written"] >= written + 2, "both batches", 5)
        assert "failed logins since: 2" in log_in(failures=2)
        assert "failed logins since: 0" in log_in()
    finally:
        db.close()


def test_09_many_names_at_once_on_one_worker(server):
    """The keeper is stopped meanwhile, so that all of them wait, which is more than a socket takes."""
    s = server("--workers", "1", listen=BOTH)
    clients = [s.connect() for _ in range(150)]
    for c in clients:
        assert c.code() == 220
    other = s.connect()
    assert other.code() == 220
    keeper = s.children()["keeper"]
    os.kill(keeper, signal.SIGSTOP)
    try:
        for i, c in enumerate(clients):
            c.send(f"USER many{i}\n")
        for _ in range(3):
            assert other.ask("NOOP") == 200  # and behind it, the worker has seen the others
    finally:
        os.kill(keeper, signal.SIGCONT)
    assert {c.code() for c in clients} == {332}
    assert s.status()["closed"]["busy"] == 0
    assert clients[149].ask(f"PASS {PASSWORD}") == 230


# ---- starting ----

def test_11_hardly_any_descriptors(folder):
    started = []
    for files in range(4, 13):
        for log in (True, False):
            home = os.path.join(folder, f"{files}-{log}")
            os.mkdir(home)
            hand_over(home)
            env = environment(home)
            argv = [program("echod"), *UNPRIVILEGED, "--state", f"{home}/state", "--listen", f"{LOOPBACK}:0", *CHEAP]
            argv += ["--log", f"{home}/log"] if log else []
            started.append((files, log, home, subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                env={**env, "ASAN_OPTIONS": env["ASAN_OPTIONS"] + ":detect_leaks=0"},  # which needs some itself
                preexec_fn=lambda n=files: resource.setrlimit(resource.RLIMIT_NOFILE, (n, n)))))
    wrong = []
    for files, log, home, process in started:
        try:
            out, err = process.communicate(timeout=8)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
        said = [line for line in err.splitlines() if line.startswith("echod: ") and line.endswith(".")]
        good = process.returncode in (1, 3) and out == "" and len(said) == 1
        if not good or (log and len(err.splitlines()) != 1):
            wrong.append((files, log, process.returncode, out, err))
        check_sanitizer(home, err)
    assert not wrong


def test_12_port_file_in_no_folder(folder):
    path = f"{folder}/nowhere/port"
    done = run_echod(f"{folder}/other", "--listen", RAW[0], "--log", f"{folder}/log", "--port-file", path)
    assert done.returncode == 1 and done.stdout == ""
    assert_one_sentence(done.stderr, path, "--port-file")


def test_12_a_failed_start_leaves_anothers_port_file(folder):
    path, port = f"{folder}/port", free_ports(1)
    with open(path, "w") as f:
        f.write("theirs\n")
    with listen_on(port):
        for kind in ("raw", "login"):
            done = run_echod(f"{folder}/other", "--listen", f"{kind}:{LOOPBACK}:{port}", "--strict-port", "--log",
                             f"{folder}/log", "--port-file", path, *CHEAP)
            assert done.returncode == 3 and done.stdout == ""
            assert open(path).read() == "theirs\n"
    # and so does one that listens, but has no accounts to serve
    os.mkdir(f"{folder}/bad", 0o700)
    with open(f"{folder}/bad/cli_info", "w") as f:
        f.write("rubbish\n" * 100)
    done = run_echod(f"{folder}/other", "--listen", f"{LOOPBACK}:0", "--log", f"{folder}/log", "--port-file", path,
                     *CHEAP, state=f"{folder}/bad")
    assert done.returncode == 1 and open(path).read() == "theirs\n"
    assert sorted(n for n in os.listdir(folder) if n.startswith("port")) == ["port"], "a draft was left"


def answers(server):
    """Whether the control socket is there, and listens already."""
    try:
        return bool(server.status())
    except (FileNotFoundError, ConnectionRefusedError):
        return False


def test_12_the_port_file_is_replaced_when_the_server_is_ready(folder):
    """The accounts are locked, but only until the keeper stands still: it would give up after five seconds."""
    path, state = f"{folder}/port", f"{folder}/state"
    with Server(folder, name="maker", state=state):
        pass
    with open(path, "w") as f:
        f.write("theirs\n")
    db = sqlite3.connect(f"{state}/cli_info", isolation_level=None)
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    db.execute("BEGIN EXCLUSIVE")
    s = Server(folder, "--port-file", path, state=state)
    try:
        s.start()
        keeper = wait_until(lambda: s.children().get("keeper"), "the keeper")
        os.kill(keeper, signal.SIGSTOP)
        wait_until(lambda: answers(s), "the control socket")
        s.wait_status(lambda st: st["threads"]["front"] > 1, "the front")
        assert not s.status()["keeper_ready"]
        assert open(path).read() == "theirs\n"
        db.rollback()
        db.close()
        os.kill(keeper, signal.SIGCONT)
        s.await_ready()
        assert open(path).read() == f"{s.port}\n"
        s.stop()
    finally:
        db.close()
        if not s.ended:
            s.kill()
    assert not os.path.exists(path)


def test_13_the_log_may_be_dev_stderr(folder):
    s = Server(folder, listen=RAW, log="/dev/stderr", name="stderr")
    s.log_path = os.path.join(s.folder, "stderr")
    with s:
        s.connect("raw").echoes(b"x")
        s.close_clients()
        s.wait_log("disconnect", reason="eof")
        s.send_signal(signal.SIGHUP)
        s.wait_log("log_reopen", level="info")
        s.connect("raw").echoes(b"y")


@pytest.mark.parametrize("target", ["there", "missing"])
def test_13_the_log_may_be_no_other_link(folder, target):
    path, log = f"{folder}/target", f"{folder}/log"
    if target == "there":
        with open(path, "w") as f:
            f.write("precious\n")
    os.symlink(path, log)
    done = run_echod(f"{folder}/other", "--listen", RAW[0], "--log", log)
    assert done.returncode == 1 and done.stdout == ""
    assert_one_sentence(done.stderr, log, "--log")
    assert os.path.islink(log)
    assert (open(path).read() == "precious\n") if target == "there" else not os.path.exists(path)


@pytest.mark.parametrize("which", ["host", "port"])
def test_15_ask_refuses_an_answer_that_is_too_long(folder, which):
    """A terminal hands over no line that long; a pipe does."""
    port = free_ports(1)
    # Cut anywhere, it would leave a good answer behind: digits are a port, and a host.
    long = "127.0.0.1" + "0" * 5000 if which == "host" else "1" * 5000
    answers = [long, "", LOOPBACK, str(port)] if which == "host" else ["", long, LOOPBACK, str(port)]
    argv = [program("echod"), *UNPRIVILEGED, "--ask", "--state", f"{folder}/state", "--log", f"{folder}/log", *CHEAP]
    hand_over(folder)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=environment(folder)) as process:
        try:
            process.stdin.write("".join(a + "\n" for a in answers).encode())
            process.stdin.flush()
            assert select.select([process.stdout], [], [], PATIENCE_S)[0], "it is not ready"
            assert process.stdout.readline() == f"ready listen={LOOPBACK}:{port} pid={process.pid}\n".encode()
            process.send_signal(signal.SIGTERM)
            err = process.communicate(timeout=PATIENCE_S)[1].decode()
        finally:
            process.kill()
    assert process.returncode == 0
    assert err.count("That is no address to listen on: ") == 1
    assert err.count("Host [") == 2 and err.count("Port [") == 2
    check_sanitizer(folder, err)


def test_stall_limit_holds_while_an_idle_client_is_being_ended(server, folder):
    """The idle limit fires with more waiting to be read than the client takes back: the stall limit ends it. A crowd
    that has sent before it fills the worker's batch of events, so that the limit is seen before the bytes are."""
    crowd, size = LOOP_BATCH + 50, 1 << 20
    s = server("--workers", "1", "--idle-time", "2s", "--stall-time", "1s", listen=[f"raw+unix:{folder}/r"])
    others = [s.connect("raw+unix") for _ in range(crowd)]
    mute = s.connect("raw+unix", sndbuf=4 * size)
    mute.echoes(b"first")
    s.wait_status(lambda st: st["connections"]["echo"] == crowd + 1, "all to be in")
    pace(0.5)  # until the front has looked at each, and counts from there
    front = s.children()["front"]
    os.kill(front, signal.SIGSTOP)
    try:
        for c in others:
            c.send(b"x")
        mute.send(bytes(size))
        pace(2.2)
        assert s.status()["closed"]["idle_time"] == 0, "the front was stopped too late"
    finally:
        os.kill(front, signal.SIGCONT)
    for c in others:
        assert c.exactly(1) == b"x"
    end = s.wait_log("disconnect", conn=crowd + 1)  # the mute one's; the others idle, and stall in their turn
    assert end["reason"] == "stall_time" and int(end["bytes_in"]) < size, end
