"""An honest client beside an attack: it logs in again and again and echoes 1 KiB every 100 ms, and notes what became of
each. It runs in a process of its own, so that the attack's Python does not slow it down."""
import os
import pickle
import select
import signal
import time
import traceback

from clients import Client, Positional, connect
from tls_clients import TlsSocket, context

SIZE, PACE_S = 1024, 0.1
LIMIT_S = 280  # a process whose test is gone ends by itself


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part / 100), len(ordered) - 1)]


def be_honest(stop, address, kind, name, source, preamble, echoes):
    """Until stop, a descriptor, ends: seconds of each login and each echo, and what went wrong and when."""
    logins, turns, failures = [], [], []
    began, data, at = time.monotonic(), Positional("honest", name), 0
    wrapped = context() if "tls" in kind else None
    stopped = False
    while not stopped:
        c = None
        try:
            start = time.monotonic()
            c = Client(connect(address, source=source))
            c.send(preamble)
            if wrapped:
                c.sock = TlsSocket(c.sock, wrapped).shake()
            if "raw" not in kind:
                c.login(name)
            logins.append(time.monotonic() - start)
            for _ in range(echoes):
                start = time.monotonic()
                c.send(data.at(at, SIZE))
                data.check(at, c.exactly(SIZE))
                turns.append(time.monotonic() - start)
                at += SIZE
                if stopped := bool(select.select([stop], [], [], PACE_S)[0]):
                    break
        except (OSError, AssertionError) as e:
            failures.append(f"after {time.monotonic() - began:.2f} s: {e!r}")
            stopped = bool(select.select([stop], [], [], PACE_S)[0])
        finally:
            if c:
                c.close()
    return logins, turns, failures


class Honest:
    """As a context manager around the attack; afterwards logins and echoes have their times in seconds, failures what
    failed.

    address, kind   where to, as Server.address_of gives it for that kind
    echoes          how many before it comes anew
    preamble        what it sends first: a relay's header
    """

    def __init__(self, address, kind="login", name="honest", source=None, preamble=b"", echoes=5):
        self.args = (address, kind, name, source, preamble, echoes)

    def __enter__(self):
        stop, self.stop = os.pipe()
        self.result, result = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self.run(stop, result)
        os.close(stop)
        os.close(result)
        return self

    def run(self, stop, result):
        """Does not return: pytest is not to go on twice."""
        try:
            keep = sorted((stop, result))
            os.closerange(3, keep[0])
            os.closerange(keep[0] + 1, keep[1])
            os.closerange(keep[1] + 1, 1 << 20)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(LIMIT_S)
            try:
                text = pickle.dumps(be_honest(stop, *self.args))
            except BaseException:
                text = pickle.dumps(([], [], [traceback.format_exc()]))
            while text:
                text = text[os.write(result, text):]
        finally:
            os._exit(0)

    def __exit__(self, kind, value, trace):
        os.close(self.stop)
        if kind:
            os.kill(self.pid, signal.SIGKILL)
        parts = []
        while some := os.read(self.result, 1 << 16):
            parts.append(some)
        os.close(self.result)
        os.waitpid(self.pid, 0)
        if not kind:
            self.logins, self.echoes, self.failures = pickle.loads(b"".join(parts))

    def assert_served(self, logins=2, login_s=2, echo_s=0.5):
        """It never failed, and 99 of 100 logins and echoes took at most so long; bounds are for a busy machine."""
        assert not self.failures, f"{len(self.failures)} failures beside {len(self.logins)} logins: {self.failures[:5]}"
        assert len(self.logins) >= logins, f"only {len(self.logins)} logins"
        slow = percentile(self.logins, 99), percentile(self.echoes, 99)
        print(f"honest: {len(self.logins)} logins, p99 {slow[0] * 1000:.1f} ms; "
              f"{len(self.echoes)} echoes, p99 {slow[1] * 1000:.1f} ms")
        assert slow[0] < login_s and slow[1] < echo_s, f"a login takes {slow[0]:.2f} s, an echo {slow[1]:.2f} s"
