"""The comparison servers: what they are, how they start, which processes they are, how they end.

`bench/peers/build FOLDER` builds those that need it. `bench/peers.py FOLDER [NAME...]` starts each in turn, puts it
through the exactness check and prints what came of it."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers")


@dataclass(frozen=True)
class Peer:
    """`argv` and `version` may hold {build}, {here} and {port}. `single`: one thread does the work. `countable`:
    callgrind can run it. `forks`: its children do the work, and count. `variant`: of which peer, with what changed."""

    name: str
    title: str
    argv: tuple
    version: tuple
    single: bool = True
    countable: bool = False
    forks: bool = False
    variant: str = ""


def _packaged(module):
    return ("pkg-config", "--modversion", module)


_ASIO = ("sh", "-c", "dpkg-query -W -f '${Version}' libasio-dev")
_TOKIO = ("sh", "-c", "dpkg-query -W -f '${Version}' librust-tokio-dev")

PEERS = {peer.name: peer for peer in (
    Peer("epoll", "bare epoll loop", ("{build}/epoll", "{port}"), ("uname", "-r"), countable=True),
    Peer("uring", "bare io_uring loop, 64 KiB buffers", ("{build}/uring", "{port}", "65536"), _packaged("liburing")),
    Peer("uring-4k", "bare io_uring loop, 4 KiB buffers", ("{build}/uring", "{port}", "4096"), _packaged("liburing"),
         variant="uring"),
    Peer("libuv", "libuv", ("{build}/libuv", "{port}"), _packaged("libuv"), countable=True),
    Peer("libevent", "libevent bufferevent", ("{build}/libevent", "{port}"), _packaged("libevent_core"),
         countable=True),
    Peer("asio", "asio, C++, its example (1 KiB reads)", ("{build}/asio", "{port}"), _ASIO, countable=True),
    Peer("asio-64k", "asio, C++, 64 KiB reads", ("{build}/asio", "{port}", "65536"), _ASIO, countable=True,
         variant="asio"),
    Peer("tokio", "tokio, current-thread, its example (1 KiB reads)", ("{build}/tokio", "{port}"), _TOKIO,
         countable=True),
    Peer("tokio-64k", "tokio, current-thread, 64 KiB reads", ("{build}/tokio", "{port}", "65536"), _TOKIO,
         countable=True, variant="tokio"),
    Peer("go", "Go net", ("{build}/go", "{port}"), ("go", "version"), single=False),
    Peer("node", "Node.js pipe", ("node", "{here}/node.js", "{port}"), ("node", "--version")),
    Peer("asyncio", "Python asyncio", ("/usr/bin/python3", "{here}/asyncio_echo.py", "{port}"),
         ("/usr/bin/python3", "--version")),
    # Its own PIPE address would be the shorter echo, but blocks for good when that pipe is full.
    Peer("socat", "socat", ("socat", "TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork", "EXEC:/bin/cat"),
         ("sh", "-c", "socat -V | sed -n 2p"), forks=True),
    Peer("xinetd", "xinetd", ("{here}/xinetd", "{port}", "{build}"),
         ("sh", "-c", "/usr/sbin/xinetd -version 2>&1"), forks=True),
    Peer("ncat", "ncat", ("ncat", "--listen", "--keep-open", "--max-conns", "10000", "--exec", "/bin/cat", "127.0.0.1",
                          "{port}"), ("sh", "-c", "ncat --version 2>&1"), forks=True),
)}


def _filled(words, build, port=0):
    return [word.replace("{build}", build).replace("{here}", HERE).replace("{port}", str(port)) for word in words]


def present(peer, build):
    """Whether the program is there (built, or installed)."""
    program = _filled(peer.argv, build)[0]
    needs = "/usr/sbin/xinetd" if peer.name == "xinetd" else program
    return shutil.which(needs) is not None


def version(peer):
    """One line, or "unknown"."""
    try:
        done = subprocess.run(peer.version, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return (done.stdout.strip().splitlines() or ["unknown"])[0]


def free_port():
    """A port of loopback that nothing listens on now. It lies below the ephemeral range, where no client takes it."""
    for port in range(20000 + os.getpid() % 5000, 30000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise OSError("no free port from 20000 to 30000")


def descendants(pid):
    """The processes that came from a process, itself first."""
    found = [pid]
    for parent in found:
        try:
            for task in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{task}/children", encoding="ascii") as children:
                    found += [int(child) for child in children.read().split()]
        except OSError:
            continue
    return found


class Running:
    """A peer that runs, for a `with` block: `port`, `pid`, and `pids()`, which are the processes to be measured.

    `before` are words to put in front of its command (taskset, valgrind and their arguments)."""

    def __init__(self, peer, build, before=(), wait_s=30.0):
        self.peer, self.port = peer, free_port()
        self.process = subprocess.Popen([*before, *_filled(peer.argv, build, self.port)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.pid = self.process.pid
        try:
            self._await_ready(wait_s)
        except BaseException:
            self.stop()
            raise

    def _await_ready(self, wait_s):
        until = time.monotonic() + wait_s
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise OSError(f"{self.peer.name} ended with status {self.process.returncode} before it served")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise OSError(f"{self.peer.name} did not serve in {wait_s:g} s")

    def pids(self):
        return descendants(self.pid) if self.peer.forks else [self.pid]

    def stop(self):
        """Ends it and all that it started: SIGTERM to each, and SIGKILL to what is there five seconds later."""
        family = descendants(self.pid)
        self._signal(family, signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            pass
        self._signal(family, signal.SIGKILL)
        self.process.wait()

    def _signal(self, family, number):
        for pid in family:
            try:
                if pid == self.pid or os.getsid(pid) == self.pid:
                    os.kill(pid, number)
            except ProcessLookupError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def main(arguments):
    from exact import exact

    if not arguments or not set(arguments[1:]) <= set(PEERS):
        print(f"use: bench/peers.py FOLDER [NAME...]; names are {' '.join(PEERS)}", file=sys.stderr)
        return 2
    for name in arguments[1:] or PEERS:
        peer = PEERS[name]
        if not present(peer, arguments[0]):
            print(f"{name}: not there")
            continue
        with Running(peer, arguments[0]) as server:
            failures = exact(server.port)
        print(f"{name} ({version(peer)}): " + ("exact" if not failures else "".join(f"\n    {f}" for f in failures)),
              flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
