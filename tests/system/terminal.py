"""A person at a terminal, for the tests of what asks questions."""
import contextlib
import os
import pty
import select
import signal
import subprocess
import time

from harness import PASSWORD, PATIENCE_S, environment, program, wait_until


class Terminal:
    """A program on a terminal of its own, typed to and read as a person would."""

    def __init__(self, argv, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.execve(argv[0], argv, env)
            finally:
                os._exit(127)
        self.text = b""  # all that was shown
        self.seen = 0    # how much of it was awaited
        self.status = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def type(self, text):
        os.write(self.fd, text.encode() if isinstance(text, str) else text)

    def read_more(self, timeout):
        """Returns whether something came."""
        if not select.select([self.fd], [], [], timeout)[0]:
            return False
        try:
            some = os.read(self.fd, 4096)
        except OSError:  # EIO: the other side is closed
            some = b""
        self.text += some
        return bool(some)

    def wait_for(self, wanted, timeout=PATIENCE_S):
        """Reads until wanted is shown behind what was awaited before."""
        wanted, end = wanted.encode(), time.monotonic() + timeout
        while (at := self.text.find(wanted, self.seen)) < 0:
            left = end - time.monotonic()
            if left <= 0 or not self.read_more(left):
                shown = self.text[self.seen:].decode(errors="replace")
                raise AssertionError(f"{wanted.decode()!r} was not shown, but {shown!r}")
        self.seen = at + len(wanted)

    def end(self, timeout=PATIENCE_S):
        """Reads to the end and returns the exit status."""
        end = time.monotonic() + timeout
        while self.read_more(max(0, end - time.monotonic())):
            pass

        def reap():
            pid, how = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(how)
            return pid

        wait_until(reap, "the program to end", 5)
        return self.status


def echoc(folder, *args, **env):
    """What starts an echoc on a terminal."""
    return Terminal([program("echoc"), *args], environment(folder, TERM="dumb", **env))


def pipe_echoc(folder, *args, **kwargs):
    return subprocess.Popen([program("echoc"), *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=environment(folder, ECHOC_PASSWORD=PASSWORD), **kwargs)
