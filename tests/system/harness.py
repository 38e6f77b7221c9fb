"""Real servers for the system tests, checked when they end."""
import contextlib
import glob
import json
import os
import pwd
import random
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pytest

# Most tests need both: what is imported here is for them too.
from tls_clients import TlsSocket, context as tls_context
from clients import (CHUNK, LOOPBACK, PASSWORD, PATIENCE_S, POLL_S, SEED, Client, Flow, Positional,
                     connect, exchange, fill, randomness, wait_until)

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("ECHOD_BUILD") or os.path.join(ROOT, "build")
# Also where the tests are root's, no server of theirs is: each is started by root and becomes this user.
SERVER_USER = pwd.getpwnam(os.environ.get("ECHOD_USER", "nobody"))
UNPRIVILEGED = ("--user", SERVER_USER.pw_name) if os.geteuid() == 0 else ()
STILL_ROOT = ("--allow-root",) if os.geteuid() == 0 else ()


def program(name):
    return os.path.join(BUILD, name)


def has(name):
    return os.access(program(name), os.X_OK)


@contextlib.contextmanager
def own_folder(parent="/tmp"):
    """An empty folder, open to the servers' user, and removed at the end."""
    path = tempfile.mkdtemp(prefix="ed-", dir=parent)
    hand_over(path)
    try:
        yield path
    finally:
        for root, folders, _ in os.walk(path):
            for name in folders:
                os.chmod(os.path.join(root, name), 0o700)
        shutil.rmtree(path)


def hand_over(path):
    """As root, gives the test's folder that holds path, and what the test has put into it, to the servers' user."""
    if not UNPRIVILEGED:
        return
    own = re.match(r"/(tmp|dev/shm)/ed-[^/]+", os.path.abspath(path))  # see own_folder
    for root, _, files in os.walk(own[0] if own else path):
        for name in (root, *(os.path.join(root, file) for file in files)):
            with contextlib.suppress(FileNotFoundError):  # another of the test's servers has just removed it
                os.chown(name, SERVER_USER.pw_uid, SERVER_USER.pw_gid, follow_symlinks=False)


def environment(folder, **more):
    """The tests' own surroundings for a program; sanitizers' reports go to files in folder."""
    env = {k: v for k, v in os.environ.items()
           if k not in ("STATE_DIRECTORY", "XDG_STATE_HOME", "ECHOC_PASSWORD", "LISTEN_FDS", "NOTIFY_SOCKET")}
    env["LC_ALL"] = "C.UTF-8"
    env["HOME"] = folder
    report = os.path.join(folder, "sanitizer")
    env["ASAN_OPTIONS"] = f"log_path={report}:exitcode=99"
    env["UBSAN_OPTIONS"] = f"log_path={report}:print_stacktrace=1"
    env["TSAN_OPTIONS"] = f"log_path={report}:exitcode=99:atexit_sleep_ms=0"
    env.update(more)
    return env


def check_sanitizer(folder, stderr=""):
    """No sanitizer has anything to say, in its file or, as gcc's UBSan beside ASan does, on stderr."""
    texts = [open(path, errors="replace").read() for path in glob.glob(os.path.join(folder, "sanitizer*"))]
    if "runtime error:" in stderr or "Sanitizer" in stderr:
        texts.append(stderr)
    assert not texts, "sanitizer report:\n" + texts[0][:6000]


def describe_folder(folder):
    """The ends of all logs and reports under folder, for a person who looks for why a test failed."""
    texts = []
    for pattern in ("**/log*", "**/stderr*", "**/sanitizer*"):
        for path in sorted(glob.glob(os.path.join(folder, pattern), recursive=True)):
            if os.path.isfile(path):
                texts.append(f"--- {path}\n" + open(path, errors="replace").read()[-3000:])
    return "\n".join(texts)


def is_alive(pid):
    """Whether the process runs; one that has ended and waits to be reaped does not. While a thread of it is still
    ending, its descriptors are open."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            state = f.read().rpartition(")")[2].split()[0]
        return state not in "ZX" or len(os.listdir(f"/proc/{pid}/task")) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False


def descriptors_of(pid):
    """The numbers of the descriptors that a process of a server has open, in order."""
    try:
        return sorted(int(fd) for fd in os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:
        pytest.skip("only root may look into the server's processes: they hold secrets")


def limit_process(pid, which, limits=None):
    """Sets a limit of a server's process, by its own user: root may lack the right (CAP_SYS_RESOURCE). Returns what it
    was."""
    if not UNPRIVILEGED:
        return resource.prlimit(pid, which, *([limits] if limits else []))
    code = "import resource, sys; n = [int(a) for a in sys.argv[1:]]; " \
           "print(*resource.prlimit(n[0], n[1], *([tuple(n[2:])] if n[2:] else [])))"
    done = subprocess.run([sys.executable, "-c", code, str(pid), str(which), *map(str, limits or ())], check=True,
                          user=SERVER_USER.pw_uid, group=SERVER_USER.pw_gid, extra_groups=[], cwd="/",
                          stdout=subprocess.PIPE)
    return tuple(int(n) for n in done.stdout.split())


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


LOG_FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^ \n]*)')


def unescape(value):
    """What the log wrote as \\xd0 and the like, as text."""
    bare = value[1:-1] if value.startswith('"') else value
    return bare.encode("latin-1").decode("unicode_escape").encode("latin-1").decode(errors="replace")


def parse_log(text):
    """The whole lines of a log as dicts."""
    events = []
    for line in text.splitlines(keepends=True):
        if not line.endswith("\n"):
            continue
        rest = LOG_FIELD.sub("", line).strip()
        assert not rest, f"a log line that is not key=value: {line!r}"
        events.append({k: unescape(v) for k, v in LOG_FIELD.findall(line)})
    return events


LANES, LANE = 20, 10  # so many workers of pytest-xdist have ports of their own, so many in a row


def free_ports(count):
    """The first of so many ports in a row that nobody has, outside the range that outgoing connections use, and that no
    test which runs at the same time can be given."""
    assert count <= LANE
    dice, worker = random.SystemRandom(), int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for _ in range(200):
        first = 10000 + LANE * (dice.randrange(100) * LANES + worker % LANES)
        held = []
        try:
            for port in range(first, first + count):
                s = socket.socket()
                held.append(s)
                s.bind((LOOPBACK, port))
            return first
        except OSError:
            continue
        finally:
            for s in held:
                s.close()
    raise AssertionError("no free ports in a row")


def listen_on(port, host=LOOPBACK):
    """A socket that keeps the port busy."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, port))
    s.listen(16)
    return s


class Server:
    """An echod of its own. As a context manager it starts, and at the end is checked and ended.

    folder     where log, stderr and, unless given, the state directory go; sanitizers report there
    listen     addresses; None leaves --listen out
    log        "file" (default): --log FILE; None: standard error; else a path
    warm       log in once when ready, so that what a first login sets up is in the baseline of descriptors; without
               it the keeper's descriptors are not checked, for its links may come after its being ready
    busy       clients come by themselves as soon as it is ready, so there is no baseline: only gauges are checked
    tidy       check at the end that nothing has leaked
    run_as     options by which a server that root starts becomes somebody else, or stays root
    penalties  failed logins cost what they do by default; else a test may fail as often and as fast as it likes
    """

    def __init__(self, folder, *args, name="server", listen=(f"{LOOPBACK}:0",), state=None, log="file", cheap=True,
                 log_level=None, warm=True, busy=False, tidy=True, status=0, env=None, preexec=None, prefix=(),
                 run_as=UNPRIVILEGED, penalties=False):
        self.folder = os.path.join(folder, name)
        os.makedirs(self.folder, exist_ok=True)
        os.chmod(self.folder, 0o755)
        self.state = state or os.path.join(self.folder, "state")
        self.log_path = os.path.join(self.folder, "log") if log == "file" else log
        self.warm, self.busy, self.tidy, self.expected_status = warm, busy, tidy, status
        argv = [*prefix, program("echod"), *run_as, "--state", self.state]
        for address in listen or ():
            argv += ["--listen", address]
        if cheap:
            argv += ["--hash-memory", "64", "--hash-passes", "1"]
        if not penalties:
            argv += ["--address-failures", "1000000", "--account-failures", "1000000", "--failure-delay", "off"]
        if self.log_path:
            argv += ["--log", self.log_path]
        if log_level:
            argv += ["--log-level", log_level]
        self.argv = [*argv, *args]
        self.env = environment(self.folder, **(env or {}))
        self.preexec = preexec
        self.process = None
        self.ended = False
        self.clients, self.seen = [], {}

    def __enter__(self):
        try:
            self.start()
            self.await_ready()
            if not self.busy:
                self.take_baseline()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind, value, trace):
        if self.ended:
            return
        if kind:
            self.kill()
        else:
            self.finish()

    # ---- starting ----

    def start(self):
        self.stderr_path = os.path.join(self.folder, "stderr")
        with open(self.stderr_path, "ab") as err:
            self.hand_over()
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err,
                                            env=self.env, preexec_fn=self.preexec)
        self.pid = self.process.pid

    def hand_over(self):
        hand_over(self.folder)

    def await_ready(self, timeout=PATIENCE_S):
        """Reads the ready line and what it says."""
        self.ready_line = self.read_stdout_line(timeout)
        match = re.fullmatch(r"ready listen=(\S+) pid=(\d+)\n", self.ready_line)
        assert match, f"no ready line but {self.ready_line!r}; stderr: {self.stderr()}"
        assert int(match[2]) == self.pid
        self.listen = match[1].split(",")
        self.children()

    def read_stdout_line(self, timeout):
        fd, text, end = self.process.stdout.fileno(), b"", time.monotonic() + timeout
        while not text.endswith(b"\n"):
            left = end - time.monotonic()
            assert left > 0 and select.select([fd], [], [], left)[0], f"no line on stdout in {timeout} s: {text!r}"
            some = os.read(fd, 1)
            if not some:
                break
            text += some
        return text.decode()

    def rest_of_stdout(self):
        return self.process.stdout.read().decode()

    def stderr(self):
        with open(self.stderr_path, errors="replace") as f:
            return f.read()

    @property
    def ports(self):
        return [int(text.rpartition(":")[2]) for text in self.listen if "unix:" not in text]

    @property
    def port(self):
        return self.ports[0]

    def address_of(self, kind):
        """The first listener that is login, raw, tls, raw+tls, unix or raw+unix: what connect() takes."""
        for text in self.listen:
            prefix = next((p for p in ("raw+unix", "unix", "raw+tls", "tls", "raw") if text.startswith(p + ":")), "login")
            if prefix == kind:
                rest = text[len(prefix) + 1:] if prefix != "login" else text
                return rest if "unix" in kind else int(rest.rpartition(":")[2])
        raise KeyError(kind)

    @property
    def is_raw_only(self):
        return all(text.startswith("raw") for text in self.listen)

    # ---- looking ----

    def control(self, command="status"):
        s = connect(os.path.join(self.state, "run", f"{self.pid}.sock"))
        with s:
            s.sendall(command.encode() + b"\n")
            parts = []
            while some := s.recv(1 << 16):
                parts.append(some)
        return json.loads(b"".join(parts))

    def status(self):
        return self.control()

    def wait_status(self, predicate, what, timeout=PATIENCE_S):
        last = {}

        def look():
            last.clear()
            last.update(self.status())
            return predicate(last)

        try:
            wait_until(look, what, timeout)
        except AssertionError as e:
            raise AssertionError(f"{e}; the last status was {json.dumps(last)}") from None
        return last

    def log_events(self):
        with open(self.log_path, errors="replace") as f:
            return parse_log(f.read())

    def open_files(self):
        """What parent, front and keeper have open, by name of the process."""
        links = {}
        for name, pid in {"parent": self.pid, **self.children()}.items():
            paths = [f"/proc/{pid}/fd/{fd}" for fd in descriptors_of(pid)]
            links[name] = [os.readlink(path) for path in paths if os.path.lexists(path)]
        return links

    def wait_log(self, event, timeout=PATIENCE_S, **fields):
        wanted = {"event": event, **{k: str(v) for k, v in fields.items()}}

        def look():
            return next((e for e in self.log_events() if wanted.items() <= e.items()), None)

        return wait_until(look, f"the log line {wanted}", timeout)

    def children(self):
        """The pids of front and keeper, as far as they are there; whoever was seen once is looked for at the end."""
        found = {}
        try:
            with open(f"/proc/{self.pid}/task/{self.pid}/children") as f:
                pids = f.read().split()
            for pid in pids:
                with open(f"/proc/{pid}/comm") as f:
                    name = f.read().strip().removeprefix("echod-")
                if is_alive(pid):
                    found[name] = int(pid)
                    self.seen[int(pid)] = name
        except (FileNotFoundError, ProcessLookupError):
            pass
        return found

    def take_baseline(self):
        if self.warm and not self.is_raw_only:
            kind = next(k for k in ("login", "unix", "tls") if self.has_listener(k))
            with connect(self.address_of(kind)) as s:
                c = Client(TlsSocket(s, tls_context()).shake() if kind == "tls" else s)
                assert c.code() == 220
                c.ask("USER warm-up")
                c.ask(f"PASS {PASSWORD}")
        self.baseline = self.wait_still()

    def has_listener(self, kind):
        try:
            return bool(self.address_of(kind))
        except KeyError:
            return False

    def wait_still(self):
        """The status when no connection is there and nothing is under way."""

        def still(s):
            c = s["connections"]
            return not any((c["open"], c["login"], c["echo"], c["closing"], s["login_slots"], s["addresses"], s["chunks_held"], s["bytes_held"],
                            s["queue"]["passwords"], s["queue"]["names"])) and \
                (self.is_raw_only or s["keeper_ready"]) and s["descriptors"]["front"]

        return self.wait_status(still, "all gauges to be 0")

    # ---- clients ----

    def connect(self, kind="login", **kwargs):
        c = Client(connect(self.address_of(kind), **kwargs))
        self.clients.append(c)
        return c

    def echo_client(self, kind="login", name="anna", **kwargs):
        """A client in the echo phase."""
        c = self.connect(kind, **kwargs)
        if "raw" not in kind:
            c.login(name)
        return c

    # ---- ending ----

    def send_signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=PATIENCE_S):
        return self.process.wait(timeout)

    def close_clients(self):
        for c in self.clients:
            c.close()
        self.clients.clear()

    def check_tidy(self):
        """With all clients gone, all that they cost is given back."""
        self.close_clients()
        self.wait_still()
        if self.busy:
            return
        before = self.baseline

        def same(s):
            for what in ("descriptors", "threads"):
                if s[what]["parent"] != before[what]["parent"] or s[what]["front"] != before[what]["front"]:
                    return False
                if self.warm and s[what]["keeper"] > before[what]["keeper"]:
                    return False
            return True

        self.wait_status(same, f"the descriptors and threads to be as they were: {before['descriptors']}, "
                               f"{before['threads']}", 5)

    def check_gone(self):
        wait_until(lambda: not any(is_alive(pid) for pid in self.seen), "front and keeper to end", 10)

    def check_ended(self):
        """After the end: the status is as expected and nothing is left over."""
        self.ended = True
        got = self.process.returncode
        assert got == self.expected_status, f"exit status {got}, not {self.expected_status}: {self.stderr()}"
        rest = self.rest_of_stdout()
        self.process.stdout.close()
        assert rest == "", f"more than the ready line on stdout: {rest!r}"
        run = os.path.join(self.state, "run")
        left = [n for n in (os.listdir(run) if os.path.isdir(run) else []) if n.startswith(f"{self.pid}.")]
        assert not left, f"left in run/: {left}"
        self.check_gone()
        check_sanitizer(self.folder, self.stderr())

    def finish(self):
        """Checks, SIGTERM, and checks again."""
        try:
            self.children()
            if self.tidy:
                self.check_tidy()
            self.send_signal(signal.SIGTERM)
            self.wait()
        except BaseException:
            self.kill()
            raise
        self.check_ended()

    def stop(self, number=signal.SIGTERM):
        """Ends it in the middle of a test: nothing is checked before, all is after."""
        self.send_signal(number)
        self.wait()
        self.check_ended()

    def kill(self):
        """Ends what this object started, and nothing else; checks nothing."""
        self.ended = True
        self.close_clients()
        if not self.process:
            return
        self.children()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in self.seen:
            try:
                with open(f"/proc/{pid}/comm") as f:
                    if f.read().startswith("echod-"):
                        os.kill(pid, signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError):
                pass
        self.process.stdout.close()

    def kill_9(self):
        """The parent dies; front and keeper have to see it themselves."""
        self.children()
        self.process.kill()
        self.process.wait()
        self.check_gone()
        self.ended = True
        self.process.stdout.close()
        check_sanitizer(self.folder, self.stderr())


def run_echod(folder, *args, timeout=PATIENCE_S, state=None, **kwargs):
    """Runs an echod that is expected to end by itself; returns its CompletedProcess with text."""
    os.makedirs(folder, exist_ok=True)
    hand_over(folder)
    done = subprocess.run([program("echod"), *UNPRIVILEGED, "--state", state or os.path.join(folder, "state"), *args],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
                          env=environment(folder), **kwargs)
    check_sanitizer(folder, done.stderr)
    return done


def assert_one_sentence(text, *about, name="echod"):
    """What a person is told: one line, of the program, a sentence, and about what went wrong."""
    lines = text.splitlines()
    assert len(lines) == 1, f"not one line: {text!r}"
    assert lines[0].startswith(f"{name}: ") and lines[0].endswith("."), text
    for part in about:
        assert str(part) in lines[0], f"{part!r} is not in {text!r}"

