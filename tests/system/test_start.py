"""What is refused at the start, and unix sockets."""
import os
import signal
import socket
import stat
import subprocess

import pytest

from harness import (UNPRIVILEGED, Server, assert_one_sentence, check_sanitizer, connect, environment, program,
                     run_echod)


# ---- options ----

BAD_OPTIONS = [
    (["--nonsense"], "--nonsense"), (["nonsense"], "nonsense"), (["--listen"], "--listen"),
    (["--listen", ""], "--listen"), (["--listen", "127.0.0.1:65536"], "65536"),
    (["--listen", "127.0.0.1:x"], "127.0.0.1:x"), (["--listen", "127.0.0.1:9-5"], "9-5"),
    (["--listen", "::1:7862"], "::1:7862"), (["--listen", "[::1"], "[::1"), (["--listen", "a b"], "a b"),
    (["--cert", "x", "--key", "x"], "TLS"), (["--key", "x"], "--cert"), (["--listen", "unix:"], "unix:"),
    (["--listen", "unix:/" + "x" * 120], "107"), (["--listen", "127.0.0.1:-1"], "-1"),
    (["--log-level", "loud"], "loud"), (["--register", "maybe"], "maybe"),
    (["--workers", "0"], "--workers"), (["--workers", "1x"], "1x"), (["--workers", "-1"], "-1"),
    (["--max-connections", "0"], "--max-connections"), (["--max-connections", "99999999999999999999"], "9999"),
    (["--login-time", "soon"], "soon"), (["--login-time", "0"], "--login-time"), (["--login-time", "off"], "off"),
    (["--stall-time", "-1s"], "-1s"), (["--idle-time", "5 m"], "5 m"), (["--drain", "1y"], "1y"),
    (["--keepalive", ""], "--keepalive"), (["--hash-memory", "1"], "--hash-memory"),
    (["--hash-passes", "0"], "--hash-passes"), (["--socket-mode", "0888"], "0888"),
    (["--socket-mode", "1777"], "1777"), (["--accounts", "mysql:x"], "mysql:x"), (["--accounts", "sqlite:"], "sqlite:"),
    (["--next-port", "--strict-port"], "--next-port"), (["--ask", "--listen", "127.0.0.1"], "--ask"),
    (["--next-port=yes"], "--next-port=yes"), (["--ask"], "--ask"),
]


def test_bad_options(folder):
    """Status 2; one sentence that names what is wrong, and where help is."""
    batch = []
    for args, about in BAD_OPTIONS:  # at once, for each is mostly waiting for its start
        batch.append((args, about, subprocess.Popen(
            [program("echod"), *UNPRIVILEGED, "--state", f"{folder}/state", *args], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(folder))))
    wrong = []
    for args, about, process in batch:
        try:
            out, err = process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate()
            wrong.append((args, "was taken", err))
            continue
        lines = err.splitlines()
        if args == ["--ask"]:  # its questions come first, without an end of line
            lines[0] = lines[0].partition(": ")[2]
        good = process.returncode == 2 and out == "" and len(lines) == 2 and lines[0].startswith("echod: ") and \
            lines[0].endswith(".") and about in lines[0] and lines[1] == "Try 'echod --help'."
        if not good:
            wrong.append((args, process.returncode, out, err))
    assert not wrong
    assert not os.path.exists(f"{folder}/state"), "a state directory was made for nothing"
    check_sanitizer(folder)


def test_help_and_version(folder):
    done = run_echod(folder, "--help")
    assert done.returncode == 0 and done.stderr == ""
    for option in ("--listen", "--port-file", "--stall-time", "--hash-memory"):
        assert option in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 120
    done = run_echod(folder, "--version")
    assert done.returncode == 0 and done.stdout.startswith("echod ") and done.stderr == ""


def test_addresses_that_are_not_ours(folder):
    for address, about in (("192.0.2.1:0", "192.0.2.1:0"), ("name.invalid:0", "name.invalid:0")):
        done = run_echod(folder, "--listen", address, "--log", f"{folder}/log")
        assert done.returncode == 3 and done.stdout == ""
        assert_one_sentence(done.stderr, about)


# ---- unix sockets ----

def snapshot(path):
    with open(path, "rb") as f:
        return f.read()


def overwrite(path, data):
    with open(path, "wb") as f:
        f.write(data)


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def test_unix_socket_mode_and_removal(folder):
    login, raw = f"{folder}/l", f"{folder}/r"
    old = os.umask(0)
    try:
        with Server(folder, listen=[f"unix:{login}", f"raw+unix:{raw}"]) as s:
            assert s.listen == [f"unix:{login}", f"raw+unix:{raw}"]
            assert mode_of(login) == mode_of(raw) == 0o600
            assert mode_of(s.state) == 0o700 and mode_of(f"{s.state}/run") == 0o700
            assert mode_of(f"{s.state}/run/{s.pid}.sock") == 0o600
            for name in os.listdir(s.state):
                if name.startswith("cli_info"):
                    assert mode_of(f"{s.state}/{name}") == 0o600, name
            c = s.echo_client("unix")
            c.echoes(b"x")
            s.connect("raw+unix").echoes(b"y")
            s.wait_log("login", user="anna", peer=f"unix:uid={os.geteuid()}")
    finally:
        os.umask(old)
    assert sorted(os.listdir(folder)) == ["server"], "something was left"


def test_socket_mode_is_an_option(folder):
    with Server(folder, "--socket-mode", "0666", listen=[f"raw+unix:{folder}/r"]):
        assert mode_of(f"{folder}/r") == 0o666


def test_a_stale_unix_socket_is_replaced(folder):
    path = f"{folder}/r"
    with Server(folder, name="killed", listen=[f"raw+unix:{path}"]) as first:
        first.kill_9()
    assert os.path.exists(path)
    with Server(folder, name="second", listen=[f"raw+unix:{path}"]) as s:
        s.connect("raw+unix").echoes(b"x")
    assert not os.path.exists(path)


def test_a_live_unix_socket_is_not_replaced(folder):
    path = f"{folder}/r"
    with Server(folder, listen=[f"raw+unix:{path}"]) as s:
        done = run_echod(f"{folder}/other", "--listen", f"raw+unix:{path}", "--log", f"{folder}/log")
        assert done.returncode == 3 and done.stdout == ""
        assert_one_sentence(done.stderr, path)
        s.connect("raw+unix").echoes(b"x")


def test_another_programs_live_unix_socket_is_not_replaced(folder):
    path = f"{folder}/r"
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(path)
        theirs.listen()
        done = run_echod(f"{folder}/other", "--listen", f"raw+unix:{path}", "--log", f"{folder}/log")
        assert done.returncode == 3
        assert_one_sentence(done.stderr, path)
        connect(path).close()


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_what_is_no_socket_is_not_replaced(folder, what):
    path = f"{folder}/r"
    if what == "file":
        overwrite(path, b"precious")
    elif what == "folder":
        os.mkdir(path)
    else:
        overwrite(f"{folder}/target", b"precious")
        os.symlink(f"{folder}/target", path)
    before = os.lstat(path)
    done = run_echod(f"{folder}/other", "--listen", f"raw+unix:{path}", "--log", f"{folder}/log")
    assert done.returncode == 3 and done.stdout == ""
    assert_one_sentence(done.stderr, path)
    assert os.lstat(path).st_ino == before.st_ino
    if what != "folder":
        assert snapshot(path) == b"precious"
