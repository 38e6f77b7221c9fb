"""Load from several processes, for what one Python is too slow or has too few descriptors for."""
import os
import pickle
import select
import signal
import time
import traceback

from clients import SEED, Client, connect

CHILD_LIMIT_S = 280  # a process whose test is gone ends by itself


class Process:
    """work(*args) in a process of its own. It has none of the sockets that the test has open, so that their ends are
    the test's alone."""

    def __init__(self, work, *args):
        self.fd, result = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            run_child(result, work, args)
        os.close(result)

    def result(self, timeout):
        """What work returned; what it raised is raised here."""
        parts, end = [], time.monotonic() + timeout
        while True:
            left = end - time.monotonic()
            assert left > 0 and select.select([self.fd], [], [], left)[0], f"no result after {timeout} s"
            some = os.read(self.fd, 1 << 16)
            if not some:
                break
            parts.append(some)
        self.reap()
        assert parts, "the process ended without a result"
        good, value = pickle.loads(b"".join(parts))
        assert good, f"in another process (TEST_SEED={SEED}):\n{value}"
        return value

    def reap(self):
        if self.pid:
            os.waitpid(self.pid, 0)
            os.close(self.fd)
            self.pid = 0

    def kill(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self.reap()


def run_child(result, work, args):
    """Does not return: pytest is not to go on twice."""
    try:
        os.closerange(3, result)
        os.closerange(result + 1, 1 << 20)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(CHILD_LIMIT_S)
        try:
            text = pickle.dumps((True, work(*args)))
        except BaseException:
            text = pickle.dumps((False, traceback.format_exc()))
        while text:
            text = text[os.write(result, text):]
    finally:
        os._exit(0)


class Processes:
    """Several at once, as a context manager: none is left behind."""

    def __init__(self):
        self.all = []

    def __enter__(self):
        return self

    def __exit__(self, *what):
        for p in self.all:
            p.kill()

    def start(self, work, *args):
        p = Process(work, *args)
        self.all.append(p)
        return p

    def results(self, timeout):
        end = time.monotonic() + timeout
        return [p.result(max(end - time.monotonic(), 0.1)) for p in self.all if p.pid]


def run_in_processes(count, work, *args, timeout):
    """work(index, *args) in so many processes; their results."""
    with Processes() as group:
        for index in range(count):
            group.start(work, index, *args)
        return group.results(timeout)


class Flag:
    """Tells other processes to stop: a file that is there."""

    def __init__(self, folder, name="stop"):
        self.path = os.path.join(folder, name)

    def set(self):
        open(self.path, "w").close()

    def is_set(self):
        return os.path.exists(self.path)


def open_echo(address, kind, name, **buffers):
    """A client in the echo phase, from any process: address is what Server.address_of gave."""
    c = Client(connect(address, **buffers))
    if "raw" not in kind:
        c.login(name)
    return c


def memory_kib(pid):
    """What the process has in memory of its own."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("RssAnon:"))


def kernel_tcp_bytes():
    with open("/proc/net/sockstat") as f:
        fields = next(line.split() for line in f if line.startswith("TCP:"))
    return int(fields[fields.index("mem") + 1]) * os.sysconf("SC_PAGE_SIZE")
