"""Which calls of which program can fail how, as their manuals document, and what has to hold when one does."""
import errno
import os
import re
import shutil
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor

import clients
import harness
import seams
import tls_clients

PASSWORD = clients.PASSWORD
LISTEN = tuple(prefix + "127.0.0.1:0" for prefix in ("", "raw:", "tls:", "raw+tls:"))
TLS = tls_clients.context()
TOKEN = re.compile(r"TOKEN ([A-Za-z0-9_-]{43}) ")
LATE_S = 8  # a fault may cost a login its time (2 s) and a pause at accept, not more

# accept(2), recv(2), send(2), epoll_ctl(2), …: what each may end with through no fault of the caller's.
MEMORY = ("ENOMEM", "ENOBUFS")
FILES = ("EMFILE", "ENFILE")
DISK = ("EIO", "ENOSPC")
START = {
    "echod": {
        "socket": FILES + MEMORY, "socketpair": FILES, "bind": ("EADDRINUSE", "EACCES", "EADDRNOTAVAIL"),
        "listen": ("EADDRINUSE",), "getsockname": ("ENOBUFS",), "setsockopt": MEMORY, "epoll_create1": FILES + ("ENOMEM",),
        "epoll_ctl": ("ENOMEM", "ENOSPC"), "signalfd": FILES + ("ENOMEM",), "memfd_create": FILES + ("ENOMEM",),
        "ftruncate": ("EINTR", "ENOSPC"), "mmap": ("ENOMEM",), "open": FILES + ("ENOSPC", "EACCES"),
        "openat": FILES + ("EACCES",), "mkdir": ("ENOSPC", "EACCES"), "mkdirat": ("ENOSPC",), "renameat": ("ENOSPC", "EIO"),
        "fcntl": ("EMFILE",), "pthread_create": ("EAGAIN",), "posix_spawn": ("EAGAIN", "ENOMEM"),
        "getaddrinfo": ("ENOMEM",), "sendmsg": ("EINTR", "ENOBUFS", "ENOMEM", "EAGAIN"),
        "recvmsg": ("EINTR", "ENOMEM", "EAGAIN"), "read": ("EINTR", "EAGAIN"), "write_file": DISK + ("EINTR",),
        "epoll_wait": ("EINTR",), "close": ("EINTR", "EIO"), "alloc": ("ENOMEM",), "tls_alloc": ("ENOMEM",)},
    "echod-front": {
        "eventfd": FILES + ("ENOMEM",), "epoll_create1": FILES + ("ENOMEM",), "epoll_ctl": ("ENOMEM", "ENOSPC"),
        "pipe2": FILES, "pthread_create": ("EAGAIN",), "mmap": ("ENOMEM",), "fcntl": ("EMFILE",),
        "recvmsg": ("EINTR", "ENOMEM", "EAGAIN"), "sendmsg": ("EINTR", "ENOBUFS"), "epoll_wait": ("EINTR",),
        "getrlimit": ("EPERM",), "gethostname": ("EPERM",), "close": ("EINTR",), "alloc": ("ENOMEM",),
        "tls_alloc": ("ENOMEM",)},
    "echod-keeper": {
        "eventfd": FILES + ("ENOMEM",), "epoll_create1": FILES, "epoll_ctl": ("ENOMEM", "ENOSPC"),
        "pthread_create": ("EAGAIN",), "mmap": ("ENOMEM",), "open": FILES + ("EACCES",), "mkostemp": ("ENOSPC", "EMFILE"),
        "link": ("ENOSPC", "EIO"), "mkdir": ("ENOSPC",), "recvmsg": ("EINTR", "ENOMEM"), "sendmsg": ("EINTR", "ENOBUFS"),
        "epoll_wait": ("EINTR",), "alloc": ("ENOMEM",), "sqlite_open": FILES + ("EIO",), "sqlite_read": ("EIO", "EINTR"),
        "sqlite_write": DISK + ("EINTR",), "sqlite_truncate": ("EIO", "EINTR"), "sqlite_mmap": ("ENOMEM",),
        "sqlite_fcntl": ("EINTR", "ENOLCK", "EIO"), "fsync": DISK, "sqlite_alloc": ("ENOMEM",),
        "sodium_mmap": ("ENOMEM", "EAGAIN")},
}
RUNNING = {
    "echod": {
        "accept4": FILES + MEMORY + ("ECONNABORTED", "EINTR", "EAGAIN"), "recv": ("EINTR", "ECONNRESET"),
        "getsockopt": ("ENOBUFS",), "epoll_ctl": ("ENOMEM", "ENOSPC"), "recvmsg": ("EINTR", "EAGAIN"), "alloc": ("ENOMEM",),
        "epoll_wait": ("EINTR",), "send": ("ENOBUFS", "EAGAIN", "EPIPE"), "tls_alloc": ("ENOMEM",)},
    "echod-front": {
        "accept4": FILES + MEMORY + ("ECONNABORTED", "EPROTO", "EPERM", "EINTR", "EAGAIN", "EHOSTUNREACH", "ENETDOWN"),
        "recv": ("ECONNRESET", "EINTR", "EAGAIN", "ENOMEM", "ETIMEDOUT", "EHOSTUNREACH", "ENOBUFS"),
        "send": ("ECONNRESET", "EPIPE", "EINTR", "EAGAIN", "ENOMEM", "ENOBUFS", "ETIMEDOUT"),
        "sendmsg": ("EINTR", "EAGAIN", "ENOBUFS", "ENOMEM", "ECONNRESET", "EPIPE"),
        "recvmsg": ("EINTR", "EAGAIN", "ENOMEM"), "shutdown": ("ENOBUFS", "ENOTCONN"), "epoll_ctl": ("ENOMEM", "ENOSPC"), "epoll_wait": ("EINTR",),
        "read": ("EINTR", "EAGAIN"), "write": ("EINTR",), "write_file": DISK + ("EINTR", "EDQUOT"), "close": ("EINTR", "EIO"),
        "getsockname": ("ENOBUFS",), "getsockopt": ("ENOBUFS",), "setsockopt": MEMORY,
        "ioctl": ("EFAULT",), "fcntl": ("EMFILE",), "alloc": ("ENOMEM",), "tls_alloc": ("ENOMEM",)},
    "echod-keeper": {
        "sendmsg": ("EINTR", "EAGAIN", "ENOBUFS", "ENOMEM"), "recvmsg": ("EINTR", "EAGAIN", "ENOMEM"),
        "read": ("EINTR", "EAGAIN"), "epoll_wait": ("EINTR",), "write_file": DISK, "alloc": ("ENOMEM",),
        "sqlite_read": ("EIO", "EINTR"), "sqlite_write": DISK + ("EINTR",), "sqlite_fcntl": ("EINTR", "ENOLCK", "EIO"),
        "sqlite_open": FILES + ("EIO",), "fsync": DISK, "sqlite_mmap": ("ENOMEM",), "sqlite_truncate": ("EIO",),
        "sqlite_alloc": ("ENOMEM",), "sodium_mmap": ("ENOMEM", "EAGAIN")},
}
# A link's recvmsg that says ECONNRESET, and a verdict's sendmsg that says EPIPE, are not among these: the kernel says so
# only when the other process has closed its end, which is the end of that process, and the parent joins the two anew.
# With the other one alive nobody does. So the real thing is made instead: test_link_breaks.
ENDING = {
    "echod": {"recvmsg": ("EINTR", "EAGAIN", "ENOMEM"), "sendmsg": ("EINTR", "ENOBUFS"), "read": ("EINTR",),
              "write_file": DISK, "epoll_wait": ("EINTR",), "close": ("EINTR", "EIO"), "alloc": ("ENOMEM",)},
    "echod-front": {"recv": ("ECONNRESET", "EINTR", "EAGAIN"), "send": ("EINTR", "EAGAIN", "EPIPE", "ENOMEM"),
                    "sendmsg": ("EINTR", "ENOBUFS"), "recvmsg": ("EINTR", "ENOMEM"), "read": ("EINTR",), "write": (),
                    "ioctl": ("EFAULT",), "getsockopt": ("ENOBUFS",), "shutdown": ("ENOBUFS", "ENOTCONN"), "close": ("EINTR",),
                    "epoll_wait": ("EINTR",), "epoll_ctl": ("ENOMEM",), "write_file": DISK, "alloc": ("ENOMEM",),
                    "tls_alloc": ("ENOMEM",)},
    "echod-keeper": {"sqlite_write": DISK, "sqlite_read": ("EIO",), "fsync": DISK, "sqlite_alloc": ("ENOMEM",),
                     "alloc": ("ENOMEM",), "write_file": DISK, "recvmsg": ("EINTR", "ENOMEM"),
                     "sqlite_fcntl": ("EIO", "ENOLCK")},
}
ECHOC = {
    "socket": FILES + ("ENOBUFS", "ENOMEM"), "connect": ("ECONNREFUSED", "ETIMEDOUT", "EADDRNOTAVAIL", "ENETUNREACH", "EINTR"),
    "getaddrinfo": ("ENOMEM",), "getsockopt": ("ENOBUFS",), "setsockopt": MEMORY, "getsockname": ("ENOBUFS",),
    "getpeername": ("ENOBUFS",), "recv": ("ECONNRESET", "EINTR", "EAGAIN", "ETIMEDOUT", "ENOMEM"),
    "send": ("ECONNRESET", "EPIPE", "EINTR", "EAGAIN", "ENOBUFS", "ENOMEM"), "poll": ("EINTR", "ENOMEM"),
    "ppoll": ("EINTR", "ENOMEM"), "read": ("EINTR", "EIO"), "read_file": ("EINTR", "EIO"), "write": ("EINTR", "EPIPE", "EIO"),
    "write_file": DISK + ("EINTR",), "open": FILES, "fcntl": ("EMFILE",), "shutdown": ("ENOTCONN",), "close": ("EINTR", "EIO"),
    "alloc": ("ENOMEM",),
}
# What a front does for those that are under TLS.
UNDER_TLS = ("recv", "send", "setsockopt", "getsockopt", "ioctl", "shutdown", "epoll_ctl", "alloc", "tls_alloc")


class Tally:
    """What failed how, gathered from several threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.tried = self.fired = 0
        self.wrong = []

    def note(self, plan, fired, problem):
        with self.lock:
            self.tried += 1
            self.fired += fired
            if problem:
                self.wrong.append(f"{plan}: {problem}")

    def check(self):
        text = "\n".join(self.wrong[:40])
        assert not self.wrong, f"{len(self.wrong)} of {self.tried} cases (TEST_SEED={clients.SEED}):\n{text}"
        assert self.fired, "no fault ever fired: the seams are not in the programs"
        print(f"{self.tried} cases, {self.fired} faults")


def positions(total, exhaustive, samples, *what):
    """All of the first ones, and some of the others, up to total."""
    first = list(range(1, min(total, exhaustive) + 1))
    rest = range(exhaustive + 1, total + 1)
    return first + sorted(clients.randomness("positions", *what).sample(rest, min(samples, len(rest))))


class Tls(tls_clients.TlsSocket):
    """A server that fails within a handshake may say so under keys that only it has: what cannot be read before
    anything else has come is such an alert. What cannot be read later is damage."""

    came = 0

    def shake(self):
        try:
            return super().shake()
        except ssl.SSLError:
            raise ConnectionResetError from None

    def recv(self, most=1 << 16):
        try:
            some = super().recv(most)
        except ssl.SSLError as e:
            assert not self.came or re.search("ALERT|EOF", e.reason or ""), f"not those that were sent: {e}"
            raise ConnectionResetError from None
        self.came += len(some)
        return some


def echoed(c, *what, size=3000):
    """Sends size bytes and takes what comes back up to the FIN. What came is a prefix of what went, and under TLS no
    clean end comes before the last byte; or it fails."""
    data = clients.Positional(*what).at(0, size)
    came = b""
    try:
        c.send(data)
        c.half_close()
        while some := c.read():
            came += some
    except OSError:
        pass
    assert data.startswith(came), f"{len(came)} bytes came back, and are not those that were sent"
    ended = getattr(c.sock, "how", None) == "close_notify"
    assert not ended or len(came) == size, f"close_notify behind {len(came)} bytes: not those that were sent"
    return len(came) == size


def said(c, line, good, told=None):
    """Says a line, unless None, and takes the reply. Returns "" or another code; tokens that were told go to told."""
    if line:
        c.send(line + "\n")
    while True:
        text = c.line()
        found = TOKEN.match(text[4:])
        if found and told is not None:
            told.append(found[1])
        if text[3] == " ":
            break
    code = int(text[:3])
    assert code in (*good, 421, 451, 530), f"{code} to {line}"
    return "" if code in good else str(code)


def converse(c, name, steps, told):
    for line, *good in steps:
        code = said(c, line, good, told)
        if code:
            return code
    return "in" if echoed(c, name) else "in, cut"


BY_PASSWORD = ((None, 220), ("USER {name}", 331, 332), ("PASS " + PASSWORD, 230))
FOR_TOKEN = ((None, 220), ("OPTS TOKEN", 200), *BY_PASSWORD[1:])


def steps_of(name, steps=BY_PASSWORD):
    """What is said in turn, with the codes that are good replies."""
    return [(line and line.format(name=name), *good) for line, *good in steps]


def talk(port, name, raw=False, tls=False, steps=BY_PASSWORD, told=None):
    """One conversation, which a fault may cut short or refuse. Returns "in" after a 230 or a raw echo that was whole;
    else how far it came. told: a list, to which the tokens go that are told."""
    steps = () if raw else steps_of(name, steps)
    try:
        with clients.connect(port, timeout=LATE_S) as s:
            c = clients.Client(Tls(s, TLS).shake() if tls else s)
            end = converse(c, name, steps, told)
            return "cut" if raw and end != "in" else end
    except TimeoutError:
        raise AssertionError(f"no answer in {LATE_S} s") from None
    except (OSError, AssertionError, ValueError, IndexError) as e:
        if isinstance(e, AssertionError) and "not those that were sent" in str(e):
            raise
        return "cut"


def resume(port, token, name, told, tls=True):
    """As talk, with a token instead of a password."""
    return talk(port, name, tls=tls, steps=((None, 220), ("RESUME " + token, 230)), told=told)


def has_account(port, name):
    with clients.connect(port, timeout=LATE_S) as s:
        c = clients.Client(s)
        c.code()
        return c.ask(f"USER {name}") == 331


def serves(server, name):
    """The server serves, raw, with a login and under TLS, within the time that a restart of its children takes."""
    last = []

    def look():
        last[:] = [talk(server.port, name), talk(server.address_of("raw"), name, raw=True),
                   talk(server.address_of("tls"), name, tls=True)]
        return last == ["in"] * 3

    try:
        clients.wait_until(look, "it to serve")
    except AssertionError:
        raise AssertionError(f"it does not serve afterwards: {last}") from None


def sentence_on(stderr):
    lines = stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith(("echod: ", "echoc: ")) and lines[0].endswith("."), \
        f"not one sentence: {stderr!r}"


def signals_that_ended(server, but=()):
    """Children that a signal has ended, of those that the log tells of."""
    return [e["msg"] for e in server.log_events() if e["event"] == "child_ended" and " signal " in e["msg"]
            and not e["msg"].endswith(tuple(but))]


def await_ready_or_end(server, timeout=20):
    """Whether it became ready; else it has ended."""
    line = server.read_stdout_line(timeout)
    if not line:
        server.wait(timeout)
        return False
    server.ready_line, server.listen = line, line.split("listen=")[1].split(" ")[0].split(",")
    server.children()
    return True


def check_failed_start(s):
    """It said in one sentence why it ended; that is never the command line."""
    harness.check_sanitizer(s.folder, s.stderr())
    assert s.process.returncode in (1, 3), f"exit status {s.process.returncode}: {s.stderr()[-300:]}"
    sentence_on(s.stderr())


def start(folder, plan, name):
    """One start under the plan: it fails with a sentence, or it serves and ends well."""
    s = seams.SeamServer(folder, plan, "--workers", "2", "--login-time", "2s", name=name,
                         listen=LISTEN)
    try:
        s.start()
        if await_ready_or_end(s):
            plan.disarm()
            serves(s, "afterwards")
            s.status()  # and where it was told to have its state
            s.children()
            s.send_signal(15)
            s.wait()
            s.check_ended()
            return
        s.ended = True
        s.process.stdout.close()
        check_failed_start(s)
    finally:
        if not s.ended:
            s.kill()
        plan.disarm()


def try_start(folder, tally, number, *fault):
    plan = seams.Plan(folder, f"plan{number}")
    plan.arm(*fault)
    text, problem = str(plan), None
    try:
        start(folder, plan, f"s{number}")
        shutil.rmtree(os.path.join(folder, f"s{number}"), ignore_errors=True)  # a keeper may still be ending in it
    except (AssertionError, OSError, TimeoutError) as e:
        problem = f"{type(e).__name__} {str(e)[:1500]}"
    tally.note(text, plan.fired, problem)


def may_persist(call, err, starting=False):
    """Whether a call that fails so each time leaves anything to do but to go on trying. What cannot go on at all while
    it lasts has tests of its own: test_accept_fails_for_good, test_orders_that_find_no_memory."""
    if err in ("EINTR", "EAGAIN"):
        return call == "sodium_mmap"
    return call != "accept4" and not (starting and call == "recvmsg" and err in MEMORY)


def errno_of(name):
    return getattr(errno, name)


def in_order(cases, folder, tally):
    """Runs start cases, several at once."""
    with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        for done in [pool.submit(try_start, folder, tally, i, *fault) for i, fault in enumerate(cases)]:
            done.result()
