"""echod as one of the servers that are measured: as peers.Running is, with two ports."""
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

from load import LOGIN, Failed
from peers import Running, descendants

CHEAPEST_HASH = ("--hash-memory", "8", "--hash-passes", "1")


class Echod(Running):
    """With a store of its own in which one account is. port is raw, login_port is not.

    One worker, for one core serves; before are words to put in front, as for Running."""

    def __init__(self, build, before=(), more=CHEAPEST_HASH, wait_s=60.0):  # pylint: disable=super-init-not-called
        self.folder = tempfile.TemporaryDirectory(prefix="echod-bench-")
        ready = os.path.join(self.folder.name, "ready")
        as_user = []
        if os.geteuid() == 0 and "valgrind" in before:  # whose file is root's before echod is another user's
            as_user = ["--allow-root"]
        elif os.geteuid() == 0:
            as_user = ["--user", "nobody"]
            shutil.chown(self.folder.name, "nobody")
        argv = [*before, os.path.join(build, "echod"), *as_user, "--state", self.folder.name, "--log",
                os.path.join(self.folder.name, "log"), "--listen", "raw:127.0.0.1:0", "--listen", "127.0.0.1:0",
                "--workers", "1", *more]
        with open(ready, "wb") as out, open(os.path.join(self.folder.name, "stderr"), "wb") as err:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                            start_new_session=True)
        self.pid = self.process.pid
        try:
            self.port, self.login_port = self.read_ports(ready, wait_s)
            self.register()
        except BaseException:
            self.stop()
            raise

    def read_ports(self, path, wait_s):
        until = time.monotonic() + wait_s
        while time.monotonic() < until and self.process.poll() is None:
            with open(path, encoding="utf-8") as file:
                found = re.match(r"ready listen=raw:127\.0\.0\.1:(\d+),127\.0\.0\.1:(\d+) ", file.readline())
            if found:
                return int(found[1]), int(found[2])
            time.sleep(0.01)
        with open(os.path.join(self.folder.name, "stderr"), encoding="utf-8", errors="replace") as file:
            raise Failed("echod did not get ready: " + file.read()[-500:])

    def register(self):
        with socket.create_connection(("127.0.0.1", self.login_port), 60) as s, s.makefile("rb") as replies:
            s.sendall("USER {}\r\nPASS {}\r\n".format(*LOGIN).encode())
            for line in replies:
                if line.startswith(b"230 "):
                    return
        raise Failed("echod refused to register an account")

    def pids(self):
        return descendants(self.pid)

    def front(self):
        """The process that serves the connections."""
        for pid in self.pids():
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if b"echod-front" in file.read():
                    return pid
        raise Failed("echod has no echod-front")

    def stop(self):
        """By the parent, which ends its children; what is there after a while is ended as any peer is."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            pass
        super().stop()
        self.folder.cleanup()
