"""What is left of a password in the memory of the processes that it passed through, looked for as root can; and the walls
tried in the running processes by a debugger that makes their calls for them."""
import os
import re
import resource
import secrets
import select
import shutil
import signal
import subprocess

import pytest

from harness import LOOPBACK, PATIENCE_S, Server, environment, program, wait_until

BOTH = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into the server's processes")


def regions(pid):
    with open(f"/proc/{pid}/maps") as f:
        for line in f:
            first, last, may = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
            if may.startswith("r"):
                yield int(first, 16), int(last, 16), line.split(None, 5)[5].strip() if len(line.split(None, 5)) > 5 else ""


def hits(pid, text):
    """Where text stands in the memory of a process."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for first, last, name in regions(pid):
            if name in ("[vvar]", "[vsyscall]") or last - first > 1 << 32:
                continue
            mem.seek(first)
            try:
                data = mem.read(last - first)
            except OSError:
                continue
            found += [f"{name or 'anonymous'}+{m.start():#x}" for m in re.finditer(re.escape(text), data)]
    return found


def pace(seconds):
    """One second after the login is what is looked at (T13)."""
    select.select([], [], [], seconds)


def test_the_search_finds_what_is_there():
    text = secrets.token_hex(12).encode()
    assert hits(os.getpid(), text)


@pytest.mark.parametrize("how", ["registered", "logged in", "refused", "in one segment", "a byte a segment"])
def test_no_password_is_left_in_the_server(server, how):
    password = "Pferd-" + secrets.token_hex(12)
    s = server(listen=BOTH)
    if how != "registered":
        c = s.connect()
        assert c.code() == 220 and c.ask("USER anna") == 332
        assert c.ask("PASS " + (password if how != "refused" else "another password")) == 230
        c.close()
    c = s.connect()
    assert c.code() == 220
    lines = f"USER anna\r\nPASS {password}\r\n".encode()
    if how == "a byte a segment":
        for i in range(len(lines)):
            c.send(lines[i:i + 1])
    elif how == "in one segment":
        c.send(lines)
    else:
        c.send(lines[:lines.index(b"\n") + 1])
        assert c.code() == (332 if how == "registered" else 331)
        c.send(lines[lines.index(b"\n") + 1:])
    if how in ("in one segment", "a byte a segment"):
        assert c.code() == 331
    assert c.code() == (530 if how == "refused" else 230)
    pace(1)
    left = {name: hits(pid, password.encode()) for name, pid in {"parent": s.pid, **s.children()}.items()}
    assert left == {"parent": [], "front": [], "keeper": []}


@pytest.mark.parametrize("way", ["environment", "file"])
def test_the_client_has_one_copy_of_its_password(server, folder, way):
    """It needs that one to come back by itself."""
    password, s = "Pferd-" + secrets.token_hex(12), server(listen=BOTH)
    path, words, given = os.path.join(folder, "password"), [], {}
    if way == "file":
        with open(path, "w") as f:
            f.write(password + "\n")
        words = ["--password-file", path]
    else:
        given = {"ECHOC_PASSWORD": password}
    client = subprocess.Popen([program("echoc"), f"{LOOPBACK}:{s.port}", "--user", "anna", *words], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(folder, **given))
    try:
        client.stdin.write(b"hello\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"hello\n"
        pace(1)
        found = hits(client.pid, password.encode())
        assert len(found) <= 1, found
        with open(f"/proc/{client.pid}/environ", "rb") as f:
            assert password.encode() not in f.read()
    finally:
        client.stdin.close()
        assert client.wait(PATIENCE_S) == 0
        client.stdout.close()


# ---- the walls, from inside the running processes ----

CALLS = {
    "socket": ("(int) socket(2, 1, 0)", "refused"),
    "open": ('(int) open("/etc/passwd", 0)', "refused"),
    "connect": ("(int) connect(3, (void *) 0, 0)", "refused"),
    "kill": ("(int) kill(1, 0)", "refused"),
    "packet socket": ("(int) socket(17, 3, 0)", "killed"),
    "ptrace": ("(long) ptrace(16, 1, 0, 0)", "killed"),
    "execve": ('(int) execve("/bin/true", 0, 0)', "killed"),
}


def call_in(pid, expression):
    """What gdb says of the call that it lets the process make."""
    script = ["-ex", "set confirm off", "-ex", "set debuginfod enabled off", "-ex", f"print {expression}",
              "-ex", "print *(int *) __errno_location()", "-ex", "detach"]
    # gdb 13 may abort where the process ends within the call, and would leave a core of its own.
    return subprocess.run(["gdb", "-nx", "-batch", "-p", str(pid), *script], capture_output=True, text=True, timeout=60,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0))).stdout


@pytest.mark.skipif(not shutil.which("gdb"), reason="no gdb")
@pytest.mark.parametrize("what", CALLS)
@pytest.mark.parametrize("name", ["front", "keeper"])
def test_the_running_process_cannot(folder, name, what):
    expression, outcome = CALLS[what]
    with Server(folder, listen=BOTH) as s:
        if s.status()["sandbox"][name] != "seccomp+landlock":
            pytest.skip("this kernel or build has no walls")
        before = s.children()[name]
        said = call_in(before, expression)
        if outcome == "refused":
            assert "$1 = -1" in said and re.search(r"\$2 = (1|13)\b", said), said
            assert s.children()[name] == before
        else:
            wait_until(lambda: s.children().get(name, before) != before, f"another {name}")
            assert s.wait_log("child_ended")["msg"] == f"echod-{name} ended by signal {signal.SIGSYS:d}", said
        s.connect("raw").echoes(b"served")
        wait_until(lambda: s.connect().login("anna") is not None, "a login")
