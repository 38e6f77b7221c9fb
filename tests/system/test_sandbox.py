"""The walls of the running front and keeper, whom a server of root's becomes, and files that others may write."""
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess

import pytest

from harness import (LOOPBACK, SERVER_USER, STILL_ROOT, UNPRIVILEGED, Server, assert_one_sentence,
                     environment, hand_over, own_folder, program, run_echod, wait_until)

BOTH = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]
CHEAP = ["--hash-memory", "64", "--hash-passes", "1"]
as_root = pytest.mark.skipif(not UNPRIVILEGED, reason="only root can become another user")


def fields_of(path):
    """The lines of a file of /proc like status, as a dict."""
    with open(path) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def core_limit(pid):
    with open(f"/proc/{pid}/limits") as f:
        return re.search(r"^Max core file size +(\S+) +(\S+)", f.read(), re.M).groups()


def check_walls(server):
    """Every thread of front and keeper has them, whatever user it is."""
    pids = server.children()
    assert sorted(pids) == ["front", "keeper"]
    for name, pid in pids.items():
        for thread in os.listdir(f"/proc/{pid}/task"):
            status = fields_of(f"/proc/{pid}/task/{thread}/status")
            assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1"), f"{name}: {status}"
        assert core_limit(pid) == ("0", "0")
        assert os.stat(f"/proc/{pid}/mem").st_uid == 0, f"{name} is dumpable: others of its user look into it"
    return pids


@pytest.fixture
def walled(server):
    """As server, where the kernel and the build have walls."""
    def start(*args, **kwargs):
        s = server(*args, **kwargs)
        walls = s.status()["sandbox"]
        if walls != {"front": "seccomp+landlock", "keeper": "seccomp+landlock"}:
            pytest.skip(f"this kernel or build has no such walls: {walls}")
        return s
    return start


def test_front_and_keeper_are_shut_in(walled):
    s = walled(listen=BOTH)
    first = check_walls(s)
    for name, pid in first.items():
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: s.children().get(name, pid) != pid and s.wait_still(), f"a new {name}")
        s.wait_status(lambda st: set(st["sandbox"].values()) == {"seccomp+landlock"}, "the walls of a new " + name)
    second = check_walls(s)
    assert not set(first.values()) & set(second.values())
    s.connect("raw").echoes(b"served")
    s.connect().login("anna")


def test_the_parent_keeps_little(server):
    s = server(listen=BOTH)
    status = fields_of(f"/proc/{s.pid}/status")
    assert status["NoNewPrivs"] == "1"
    assert core_limit(s.pid) == ("0", "0")
    assert os.stat(f"/proc/{s.pid}/mem").st_uid == 0, "it is dumpable"


@as_root
def test_what_root_starts_becomes_the_user(server):
    s = server(listen=BOTH, preexec=lambda: os.setgroups([0, 6]))
    none, read_all = 0, 1 << 2  # CAP_DAC_READ_SEARCH
    for name, pid in {"parent": s.pid, **s.children()}.items():
        for thread in os.listdir(f"/proc/{pid}/task"):
            status = fields_of(f"/proc/{pid}/task/{thread}/status")
            assert status["Uid"].split() == [str(SERVER_USER.pw_uid)] * 4, name
            assert status["Gid"].split() == [str(SERVER_USER.pw_gid)] * 4, name
            assert not {"0", "6"} & set(status["Groups"].split()), name
            caps = {key: int(status[key], 16) for key in ("CapInh", "CapPrm", "CapEff", "CapAmb")}
            kept = read_all if name == "parent" and int(thread) == pid else none
            assert caps == {"CapInh": none, "CapPrm": kept, "CapEff": none, "CapAmb": none}, f"{name}: {caps}"
        # Of the log's thread, which is older than the change, only what it has matters: it executes nothing.
        assert int(fields_of(f"/proc/{pid}/status")["CapBnd"], 16) == none, name
    s.connect().login("anna")


@as_root
@pytest.mark.parametrize("args, about", [
    ((), ("--user", "--allow-root")),
    (("--user", "no such user"), ("--user", "no such user")),
    (("--user", "root"), ("--user", "root", "--allow-root")),
])
def test_root_says_who_the_server_is(folder, args, about):
    done = subprocess.run([program("echod"), "--state", f"{folder}/state", *args], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=10, env=environment(folder))
    assert done.returncode == 2 and done.stdout == ""
    sentence, hint = done.stderr.splitlines()
    assert_one_sentence(sentence, *about)
    assert hint == "Try 'echod --help'."
    assert not os.path.exists(f"{folder}/state")


@as_root
def test_allow_root(folder):
    with Server(folder, "--allow-root", run_as=STILL_ROOT) as s:
        assert {fields_of(f"/proc/{pid}/status")["Uid"].split()[0] for pid in (s.pid, *s.children().values())} == {"0"}
        s.connect().login("anna")


def run_without_root(folder, *args):
    """An echod that is started by somebody who is not root, and who may not enter the folder of the build."""
    who = {"user": SERVER_USER.pw_uid, "group": SERVER_USER.pw_gid, "extra_groups": []} if UNPRIVILEGED else {}
    fd = os.open(program("echod"), os.O_PATH)
    try:
        return subprocess.run([f"/proc/self/fd/{fd}", "--state", f"{folder}/state", *args], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=10, pass_fds=[fd], env=environment(folder),
                              cwd=folder, **who)
    finally:
        os.close(fd)


def test_another_user_needs_root(folder):
    """Who is not root can name himself, and nobody else."""
    me = SERVER_USER if UNPRIVILEGED else pwd.getpwuid(os.geteuid())
    for name, about in (("daemon", ("--user", "daemon", "root")), (me.pw_name, ("--strict-port", "--next-port"))):
        done = run_without_root(folder, "--user", name, "--strict-port", "--next-port")
        assert done.returncode == 2 and done.stdout == ""
        assert_one_sentence(done.stderr.splitlines()[0], *about)


# ---- what root makes for the user ----

def owner_and_mode(path):
    st = os.lstat(path)
    return st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)


THEIRS = (SERVER_USER.pw_uid, SERVER_USER.pw_gid)


@as_root
def test_what_the_parent_makes_is_the_users(folder):
    path = f"{folder}/sockets"
    os.mkdir(path, 0o755)
    state = f"{folder}/a/b/state"
    with Server(folder, state=state, listen=[f"{LOOPBACK}:0", f"unix:{path}/s"]) as s:
        for made, mode in ((state, 0o700), (f"{state}/run", 0o700), (f"{state}/cli_info", 0o600), (s.log_path, 0o600),
                           (f"{path}/s", 0o600), (f"{path}/s.lock", 0o600), (f"{state}/run/{s.pid}.sock", 0o600)):
            assert owner_and_mode(made) == (*THEIRS, mode), made
        for above in (f"{folder}/a", f"{folder}/a/b"):  # not given away, and not closed to him
            assert owner_and_mode(above) == (0, 0, 0o755), above
        s.connect("unix").login("anna")


@as_root
def test_what_is_there_already_is_left_as_it_is(folder):
    os.chmod(folder, 0o755)
    state, log = f"{folder}/state", f"{folder}/log"
    os.mkdir(state, 0o700)
    with open(log, "w") as f:
        f.write("time=then level=info event=old\n")
    done = subprocess.run([program("echod"), *UNPRIVILEGED, "--state", state, "--log", log, "--listen", f"{LOOPBACK}:0"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, env=environment(folder))
    assert done.returncode == 1 and done.stdout == ""
    assert_one_sentence(done.stderr, state, SERVER_USER.pw_name, "--state")
    assert owner_and_mode(state) == (0, 0, 0o700) and owner_and_mode(log)[:2] == (0, 0)
    assert open(log).read().startswith("time=then")


@as_root
def test_a_socket_in_roots_folder_stays_and_is_told_of(folder):
    with own_folder("/dev/shm") as closed:
        path = f"{closed}/s"
        with Server(folder, listen=[f"unix:{path}"]) as s:
            os.chown(closed, 0, 0)
            os.chmod(closed, 0o755)
            s.connect("unix").login("anna")
        assert os.path.exists(path)
        assert [e["msg"] for e in s.log_events() if e["event"] == "socket_left"][0].startswith(f"cannot remove unix:{path}:")
        with Server(folder, listen=[f"unix:{path}"], name="next") as s:  # which replaces it
            s.connect("unix").login("anna")


@as_root
def test_programs_in_a_folder_that_the_user_may_not_enter(folder):
    """As in a clone in root's home. Front and keeper come back after their end, too, and bear their names."""
    closed = f"{folder}/closed"
    os.mkdir(closed)
    for name in ("echod", "echod-front", "echod-keeper"):
        shutil.copy(program(name), closed)
    s = Server(folder, listen=BOTH)
    s.argv[0] = f"{closed}/echod"
    hand_over(folder)
    os.chown(closed, 0, 0)
    os.chmod(closed, 0o700)
    s.hand_over = lambda: None
    with s:
        for name in ("front", "keeper"):
            pid = s.children()[name]
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: s.children().get(name, pid) != pid, f"a new {name}")
            s.wait_still()
        s.connect("raw").echoes(b"served")
        s.connect().login("anna")


# ---- files that others may write ----

@pytest.mark.parametrize("what, mode, served", [
    ("file", 0o600, True), ("file", 0o640, True), ("file", 0o604, True), ("file", 0o660, False), ("file", 0o602, False),
    ("folder", 0o700, True), ("folder", 0o755, True), ("folder", 0o770, False), ("folder", 0o702, False),
    ("state", 0o755, True), ("state", 0o770, False), ("state", 0o707, False),
])
def test_accounts_that_others_may_write_are_not_served(folder, what, mode, served):
    state, accounts = f"{folder}/state", f"{folder}/accounts/cli_info"
    os.mkdir(f"{folder}/accounts", 0o700)
    os.mkdir(state, 0o700)
    where = ["--accounts", f"sqlite:{accounts}"]
    with Server(folder, *where, state=state, name="maker"):
        pass
    path = {"file": accounts, "folder": os.path.dirname(accounts), "state": state}[what]
    os.chmod(path, mode)
    if served:
        with Server(folder, *where, state=state) as s:
            s.connect().login("anna")
        told = [e["msg"] for e in s.log_events() if e["event"] == "store_readable"]
        assert len(told) == (what == "file" and mode != 0o600)
        return
    done = run_echod(f"{folder}/other", "--listen", f"{LOOPBACK}:0", *where, "--log", f"{folder}/log", *CHEAP, state=state)
    assert done.returncode == 1 and done.stdout == ""
    assert_one_sentence(done.stderr, state if what == "state" else accounts, "chmod go-")


def test_a_raw_server_keeps_no_accounts_that_others_could_write(folder):
    state = f"{folder}/state"
    os.mkdir(state)
    os.chmod(state, 0o777)
    with Server(folder, state=state, listen=[f"raw:{LOOPBACK}:0"]) as s:
        s.connect("raw").echoes(b"x")


# ---- passwords ----

def everything_said_of(pid):
    texts = []
    for what in ("cmdline", "environ"):
        try:
            with open(f"/proc/{pid}/{what}", "rb") as f:
                texts.append(f.read())
        except PermissionError:  # then nobody else of this user can read it either
            pass
    return b"".join(texts)


def test_no_password_is_in_log_argv_or_environment(server, folder):
    right, wrong = "Korrekt-Pferd-7423", "Falsch-Pferd-9815"
    s = server("--log-level", "debug", listen=BOTH)
    c = s.connect()
    assert c.code() == 220
    for line, code in (("USER anna", 332), (f"PASS {right}", 230)):
        assert c.ask(line) == code
    other = s.connect()
    assert other.code() == 220
    for line, code in (("USER anna", 331), (f"PASS {wrong}", 530), (f"pass{wrong}", 500), ("QUIT", 221)):
        assert other.ask(line) == code
    client = subprocess.Popen([program("echoc"), f"{LOOPBACK}:{s.port}", "--user", "anna"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=environment(folder, ECHOC_PASSWORD=right))
    try:
        client.stdin.write(b"hello\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"hello\n"
        said = b"".join(everything_said_of(pid) for pid in (s.pid, client.pid, *s.children().values()))
        assert b"echoc" in said or not UNPRIVILEGED
        said += open(s.log_path, "rb").read() + s.stderr().encode()
    finally:
        client.stdin.close()
        assert client.wait(15) == 0
        said += client.stderr.read()
        client.stdout.close()
        client.stderr.close()
    for secret in (right, wrong):
        assert secret.encode() not in said
