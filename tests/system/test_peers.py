"""Programs that nobody here wrote at the other end: as servers for echoc, and as clients of echod. Where such a peer
loses bytes, echoc has to say how many."""
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import termios

import pytest

from harness import LOOPBACK, PASSWORD, PATIENCE_S, check_sanitizer, environment, free_ports, program
from clients import randomness, wait_until
from faulty_path import FaultProxy

SIZES = [0, 1, 64 * 1024, 4 * 1024 * 1024]
NARROW_SIZE = 256 * 1024  # what goes through tiny segments and buffers
NARROW = "mss=88,rcvbuf=2304,sndbuf=4608"
LISTEN = f"TCP-LISTEN:%d,bind={LOOPBACK},reuseaddr,fork"
LOGIN = f"USER anna\nPASS {PASSWORD}\n".encode()

XINETD = """\
defaults
{
}
service echo
{
	id = echo-stream
	type = INTERNAL UNLISTED
	socket_type = stream
	protocol = tcp
	port = %d
	bind = 127.0.0.1
	wait = no
	user = root
	instances = UNLIMITED
	cps = 10000 1
	disable = no
}
"""


def some_bytes(size):
    return randomness("peers", size).randbytes(size)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def needs(*names):
    for name in names:
        if not shutil.which(name):
            pytest.skip(f"no {name}")


def listens(port):
    """Whether somebody listens there; asked of the kernel, so that a server of one connection keeps its one."""
    with open("/proc/net/tcp") as table:
        return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in list(table)[1:])


def end_group(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def peer(*argv):
    """A server that says nothing when it is ready: %d in argv becomes its port. Gives its process and that port."""
    needs(argv[0])
    port = free_ports(1)
    process = subprocess.Popen([a.replace("%d", str(port)) for a in argv], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_until(lambda: listens(port), f"{argv[0]} to listen")
        yield process, port
    finally:
        end_group(process)


@contextlib.contextmanager
def xinetd(folder):
    needs("xinetd")
    port = free_ports(1)
    path = os.path.join(folder, "xinetd.conf")
    with open(path, "w") as f:
        f.write(XINETD % port)
    process = subprocess.Popen(["xinetd", "-dontfork", "-f", path, "-pidfile", os.path.join(folder, "xinetd.pid")],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True)
    try:
        wait_until(lambda: listens(port), "xinetd to listen")
        yield port
    finally:
        end_group(process)


@contextlib.contextmanager
def echoc_process(folder, port, *args):
    process = subprocess.Popen([program("echoc"), f"raw:{LOOPBACK}:{port}", *args], stdin=subprocess.PIPE, bufsize=0,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(folder))
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()
        check_sanitizer(folder)


def run_echoc(folder, port, data):
    done = subprocess.run([program("echoc"), f"raw:{LOOPBACK}:{port}"], input=data, capture_output=True,
                          timeout=PATIENCE_S, env=environment(folder))
    check_sanitizer(folder, done.stderr.decode())
    return done


def assert_all_back(done, data):
    assert (done.returncode, done.stderr) == (0, b"")
    assert (len(done.stdout), digest(done.stdout)) == (len(data), digest(data))


def assert_loss_is_told(status, error, came, data):
    """Ended with 1, and the one line says how many of how many bytes came back."""
    assert status == 1, error
    assert data.startswith(came)
    assert re.fullmatch(r"echoc: [^\n]+\.\n", error), error
    assert f" {len(came)} of {len(data)} bytes came back" in error, error


def read_exactly(pipe, size):
    parts = []
    while size:
        some = pipe.read(size)
        assert some, f"the output ended {size} bytes early"
        parts.append(some)
        size -= len(some)
    return b"".join(parts)


def descendant(pid, name):
    """The pid of the program of that name below pid, or None."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            for child in f.read().split():
                with open(f"/proc/{child}/comm") as comm:
                    if comm.read().strip() == name:
                        return int(child)
                found = descendant(child, name)
                if found:
                    return found
    return None


def parent_of(pid):
    with open(f"/proc/{pid}/stat") as f:
        return int(f.read().rpartition(")")[2].split()[1])


def waits_for(pid):
    """How many bytes stand in the pipe that is the standard input of pid."""
    fd = os.open(f"/proc/{pid}/fd/0", os.O_RDONLY | os.O_NONBLOCK)
    try:
        return int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)), sys.byteorder)
    finally:
        os.close(fd)


# As servers


def test_xinetd_serves_echoc(folder):
    with xinetd(folder) as port:
        for size in SIZES:
            data = some_bytes(size)
            assert_all_back(run_echoc(folder, port, data), data)


@pytest.mark.parametrize("address", ["EXEC:cat", "PIPE"])
def test_socat_serves_echoc(folder, address):
    with peer("socat", "-t", "10", LISTEN, address) as (_, port):
        for size in SIZES:
            data = some_bytes(size)
            assert_all_back(run_echoc(folder, port, data), data)


@pytest.mark.parametrize("address", ["EXEC:cat", "PIPE"])
def test_narrow_socat_serves_echoc(folder, address):
    data = some_bytes(NARROW_SIZE)
    with peer("socat", "-t", "10", f"{LISTEN},{NARROW}", address) as (_, port):
        assert_all_back(run_echoc(folder, port, data), data)


def test_nothing_is_lost_at_ncat_when_there_is_nothing(folder):
    with peer("ncat", "-l", LOOPBACK, "%d", "--keep-open", "--exec", "/bin/cat") as (_, port):
        assert_all_back(run_echoc(folder, port, b""), b"")


def nc_and_cat(name):
    """A shell that joins nc to cat by a named pipe, as the manuals show."""
    return ["sh", "-c", f"rm -f {name}; mkfifo {name}; cat < {name} | nc -l -N {LOOPBACK} %d > {name}"]


@pytest.mark.parametrize("who", ["ncat", "nc"])
def test_a_tail_that_a_server_loses_is_counted(folder, who):
    """Both end at the client's FIN, whatever cat still has. With cat stopped that is exactly what is sent last."""
    needs(who)
    argv = nc_and_cat(f"{folder}/back") if who == "nc" else \
        ["ncat", "-l", LOOPBACK, "%d", "--keep-open", "--exec", "/bin/cat"]
    first, last = some_bytes(1000), some_bytes(50_000)
    with peer(*argv) as (server, port), echoc_process(folder, port) as echoc:
        echoc.stdin.write(first)
        assert read_exactly(echoc.stdout, len(first)) == first
        cat = wait_until(lambda: descendant(server.pid, "cat"), "cat")
        keeper = parent_of(cat)
        os.kill(cat, signal.SIGSTOP)
        try:
            echoc.stdin.write(last)
            echoc.stdin.close()
            # ncat's cat has the socket too, so the end reaches echoc when both are gone.
            wait_until(lambda: echoc.poll() is not None or parent_of(cat) != keeper, f"{who} to leave")
        finally:
            os.kill(cat, signal.SIGKILL)
        assert echoc.stdout.read() == b""
        assert_loss_is_told(echoc.wait(PATIENCE_S), echoc.stderr.read().decode(), first, first + last)


def test_a_server_that_is_stuck_and_killed(folder):
    """ncat writes to a cat that writes to nobody: both wait for ever, and echoc with them until ncat goes."""
    data = some_bytes(512 * 1024)
    with peer("ncat", "-l", LOOPBACK, "%d", "--exec", "/bin/cat") as (server, port), \
            echoc_process(folder, port) as echoc:
        echoc.stdin.write(data[:100])
        assert read_exactly(echoc.stdout, 100) == data[:100]
        cat = wait_until(lambda: descendant(server.pid, "cat"), "cat")
        os.kill(cat, signal.SIGSTOP)
        echoc.stdin.write(data[100:])
        echoc.stdin.close()
        wait_until(lambda: waits_for(cat) > 60_000, "the pipe to cat to be full")
        assert echoc.poll() is None
        end_group(server)
        assert echoc.stdout.read() == b""
        assert_loss_is_told(echoc.wait(PATIENCE_S), echoc.stderr.read().decode(), data[:100], data)


def assert_damage_is_told(done, data, at, came):
    """Ended with 1, what came before the damage is on standard output, and the one line says where and what it is."""
    assert done.returncode == 1
    assert done.stdout == data[:at]
    error = done.stderr.decode()
    assert re.fullmatch(r"echoc: [^\n]+\.\n", error), error
    assert re.search(rf"at offset {at}\b[^\n]* sent {data[at]:02x}[^\n]* came {came:02x}\b", error), error


def test_a_server_that_damages_a_byte(folder):
    """tr makes another letter of the one that is there once."""
    data = some_bytes(200_000).replace(b"~", b"!")
    for at in (0, 70_000, len(data) - 1):
        damaged = data[:at] + b"~" + data[at + 1:]
        with peer("socat", "-t", "10", LISTEN, "EXEC:tr '~' '#'") as (_, port):
            assert_damage_is_told(run_echoc(folder, port, damaged), damaged, at, ord("#"))


def test_a_path_that_damages_a_byte(folder):
    data = some_bytes(200_000)
    with xinetd(folder) as port, FaultProxy(port) as path:
        for at in (0, 70_000, len(data) - 1):
            path.add("damage", "down", at)
            assert_damage_is_told(run_echoc(folder, path.port, data), data, at, data[at] ^ 0x10)


@pytest.mark.parametrize("who", ["ncat", "nc"])
def test_a_careless_server_is_never_believed(folder, who):
    """Left alone it loses some tails and not others: the status is 0 exactly if all came back."""
    for size in (1, 500, 50_000):
        data = some_bytes(size)
        argv = nc_and_cat(f"{folder}/back") if who == "nc" else ["ncat", "-l", LOOPBACK, "%d", "--exec", "/bin/cat"]
        with peer(*argv) as (_, port):
            done = run_echoc(folder, port, data)
        if done.stdout == data:
            assert (done.returncode, done.stderr) == (0, b"")
        else:
            assert_loss_is_told(done.returncode, done.stderr.decode(), done.stdout, data)


# As clients

CLIENTS = {
    "nc": ["nc", "-N", LOOPBACK, "%d"],
    "socat": ["socat", "-t", "30", "-", f"TCP:{LOOPBACK}:%d"],
    "ncat": ["ncat", LOOPBACK, "%d"],
    "narrow socat": ["socat", "-t", "30", "-", f"TCP:{LOOPBACK}:%d,{NARROW}"],
}


def run_client(argv, port, data):
    needs(argv[0])
    done = subprocess.run([a.replace("%d", str(port)) for a in argv], input=data, capture_output=True,
                          timeout=3 * PATIENCE_S)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def after_login(came):
    """What came behind the 230 reply; what stands before it is the dialogue."""
    dialogue = re.match(rb"220 [^\r\n]+\r\n33[12] [^\r\n]+\r\n(230-[^\r\n]+\r\n)*230 [^\r\n]+\r\n", came)
    assert dialogue, came[:300]
    return came[dialogue.end():]


def assert_echo(came, data):
    assert (len(came), digest(came)) == (len(data), digest(data))


def both_listeners(server):
    return server(listen=(f"raw:{LOOPBACK}:0", f"{LOOPBACK}:0"))


@pytest.mark.parametrize("who", CLIENTS)
def test_clients_of_echod(server, who):
    s = both_listeners(server)
    for size in [NARROW_SIZE] if "narrow" in who else SIZES:
        data = some_bytes(size)
        assert_echo(run_client(CLIENTS[who], s.address_of("raw"), data), data)
        assert_echo(after_login(run_client(CLIENTS[who], s.address_of("login"), LOGIN + data)), data)


BASH = """\
exec 3<> /dev/tcp/127.0.0.1/$1 || exit 9
$2
head -c $3 <&3 > "$5" & reader=$!
cat "$4" >&3
wait $reader
"""
BASH_LOGIN = f"""\
read -r line <&3; printf 'USER anna\\nPASS {PASSWORD}\\n' >&3
while read -r line <&3; do case $line in '230 '*) break;; 230-*|33?\\ *) ;; *) exit 8;; esac; done"""


@pytest.mark.parametrize("kind", ["raw", "login"])
def test_bash_is_a_client_of_echod(server, folder, kind):
    """It cannot half-close: it counts instead."""
    s = both_listeners(server)
    sent, came = os.path.join(folder, "sent"), os.path.join(folder, "came")
    for size in SIZES:
        data = some_bytes(size)
        with open(sent, "wb") as f:
            f.write(data)
        script = BASH.replace("$2", BASH_LOGIN if kind == "login" else "")
        subprocess.run(["bash", "-c", script, "bash", str(s.address_of(kind)), "", str(size), sent, came], check=True,
                       timeout=PATIENCE_S)
        with open(came, "rb") as f:
            assert_echo(f.read(), data)
