"""The log at full size: each line once and whole, through rotations; and a service that no trouble with it hurts."""
import os
import shutil
import signal
import subprocess

import pytest

from harness import (LOOPBACK, PATIENCE_S, Flow, Positional, Server, connect, cpu_seconds, exchange, hand_over, parse_log,
                     wait_until)
from load import Flag, Processes, open_echo

BOTH = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]


@pytest.fixture
def folder(memory_folder):
    return memory_folder


def come_and_go(index, address, kind, stop):
    """Short connections, one after the other: each makes its lines."""
    count = 0
    while not stop.is_set():
        c = open_echo(address, kind, f"short{index}")
        c.echoes(b"line")
        c.close()
        count += 1
    return count


def start_load(group, server, stop):
    for i in range(2):
        kind = ("raw", "login")[i % 2]
        group.start(come_and_go, i, server.address_of(kind), kind, stop)


def lines_of(*paths):
    """All whole lines, and none is torn: each has all of its beginning, and only that."""
    events = []
    for path in paths:
        with open(path, errors="strict") as f:
            text = f.read()
        assert text.endswith("\n") or not text, f"the last line of {path} is torn: {text[-100:]!r}"
        events += parse_log(text)
        for line in text.splitlines():
            assert line.startswith("time=2") and line.count("time=") == 1 and line.count(" level=") == 1, line
    return events


def count(events, name):
    return sum(e["event"] == name for e in events)


def rotate(server, number):
    old = f"{server.log_path}.{number}"
    os.rename(server.log_path, old)
    server.send_signal(signal.SIGHUP)
    wait_until(lambda: os.path.exists(server.log_path), f"log {number + 1}")
    return old


def test_rotated_1000_times_under_load(server, folder):
    """At debug level, so that front and parent write at the same time, and each line has to be one write."""
    s, stop, old = server(listen=BOTH, log_level="debug"), Flag(folder), []
    with Processes() as group:
        start_load(group, s, stop)
        for number in range(1000):
            old.append(rotate(s, number))
        stop.set()
        came = sum(group.results(PATIENCE_S))
    s.echo_client().close()
    wait_until(lambda: count(lines_of(s.log_path), "disconnect") > 0, "the front to write into the newest log")
    status = s.wait_still()
    assert status["log_lines_lost"] == 0
    accepted, logins = status["accepted"], status["logins"]
    assert accepted == came + 2  # with the warm-up, and the last
    wait_until(lambda: count(lines_of(*old, s.log_path), "disconnect") >= accepted, "the last line")
    events = lines_of(*old, s.log_path)
    for name, wanted in (("connect", accepted), ("disconnect", accepted), ("login", logins), ("log_reopen", 1000),
                         ("start", 1), ("listen", 2), ("log_lost", 0)):
        assert count(events, name) == wanted, f"{count(events, name)} lines {name}, not {wanted}"
    numbers = sorted(int(e["conn"]) for e in events if e["event"] == "connect")
    assert len(set(numbers)) == accepted, "a connection's line is there twice"
    newest = {name: {s.log_path} for name in ("parent", "front", "keeper")}
    wait_until(lambda: {name: {f for f in files if f.startswith(s.log_path)}
                        for name, files in s.open_files().items()} == newest, "all to have the newest log open only")
    s.baseline = s.wait_still()  # the parent's own copy of the log is one more than before


def test_deleted_log(server):
    s = server(listen=BOTH)
    os.unlink(s.log_path)
    for i in range(100):
        s.echo_client(("raw", "login")[i % 2]).echoes(b"without a name")
    assert not os.path.exists(s.log_path)
    assert s.status()["log_lines_lost"] == 0
    s.close_clients()
    s.wait_still()
    s.send_signal(signal.SIGHUP)
    wait_until(lambda: os.path.exists(s.log_path), "the new log")
    s.wait_log("log_reopen", level="info")
    s.echo_client().echoes(b"with one again")
    s.close_clients()
    s.wait_log("disconnect")
    s.baseline = s.wait_still()


def test_log_folder_gone(server, folder):
    place = os.path.join(folder, "logs")
    os.mkdir(place)
    hand_over(place)
    path = os.path.join(place, "log")
    s = server(listen=BOTH, log=path)
    with open(path) as kept:
        shutil.rmtree(place)
        for turn in range(1, 6):  # each reload is refused, and costs nothing
            s.send_signal(signal.SIGHUP)
            s.echo_client(("raw", "login")[turn % 2]).echoes(b"without a folder")
            wait_until(lambda: os.pread(kept.fileno(), 1 << 20, 0).count(b"event=log_reopen") == turn, "the complaint")
        s.close_clients()
        assert s.wait_still()["descriptors"]["parent"] == s.baseline["descriptors"]["parent"], "a refusal cost some"
        old = os.pread(kept.fileno(), 1 << 20, 0).decode()
        assert count(parse_log(old), "connect") == 6 and "level=error event=log_reopen" in old
    os.mkdir(place)
    hand_over(place)
    s.send_signal(signal.SIGHUP)
    wait_until(lambda: os.path.exists(path), "the log to be back")
    s.wait_log("log_reopen", level="info")
    s.echo_client().echoes(b"with a folder")
    s.close_clients()
    s.wait_log("disconnect")
    s.baseline = s.wait_still()


# ---- no space ----

@pytest.fixture
def small_disk(folder):
    """A file system of 256 KiB, unmounted at the end."""
    place = os.path.join(folder, "disk")
    os.mkdir(place)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "echod-test", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def fill_disk(place):
    path = os.path.join(place, "filler")
    with open(path, "wb", buffering=0) as f:
        try:
            while True:
                f.write(bytes(4096))
        except OSError:
            return path


def test_full_tmpfs(folder, small_disk):
    """Full, it costs lines, which are counted, and nothing else; when there is room again, so are lines, none torn."""
    path = os.path.join(small_disk, "log")
    with Server(folder, listen=BOTH, log=path) as s:
        front, came = s.children()["front"], 0
        for turn in (1, 2):  # the second count is of those that were lost since the first
            filler, stop, lost = fill_disk(small_disk), Flag(folder, f"stop{turn}"), s.status()["log_lines_lost"]
            with Processes() as group:
                start_load(group, s, stop)
                exchange([Flow(s.echo_client(kind, name=f"f{kind}"), 4 << 20, Positional("tmpfs", kind), greedy=True)
                          for kind in ("raw", "login")])
                s.wait_status(lambda st: st["log_lines_lost"] > lost + 100, "lines to be lost", 60)
                stop.set()
                came += 2 + sum(group.results(PATIENCE_S))
            s.close_clients()
            s.wait_still()
            cpu = cpu_seconds(front)
            os.unlink(filler)  # what waited in the ring is more than the disk has room for
            subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
            wait_until(lambda: count(parse_log(open(path).read()), "log_lost") >= turn, "the count of the lost")
        accepted = s.status()["accepted"]
        assert accepted == came + 1  # and the warm-up
        s.echo_client().echoes(b"there is room")  # and its lines bring the count up to date
        s.close_clients()
        s.wait_still()
        wait_until(lambda: any(e["event"] == "disconnect" and int(e["conn"]) == accepted + 1
                               for e in parse_log(open(path).read())), "the last line")
        lost = s.status()["log_lines_lost"]
        events = lines_of(path)
        told = sum(int(e["lines"]) for e in events if e["event"] == "log_lost")
        assert told == lost, f"the log tells of {told} lost lines, the status of {lost}"
        written = sum(count(events, name) for name in ("connect", "disconnect", "login"))
        status = s.status()
        assert written + lost == 2 * status["accepted"] + status["logins"], f"{written} lines, {lost} lost: {status}"
        assert cpu_seconds(front) - cpu < 5


def test_dev_full_under_load(folder):
    """A log that never takes a byte: all are served, an idle server does not spin, and the end is a good one."""
    with Server(folder, listen=BOTH, log="/dev/full") as s:
        stop = Flag(folder)
        with Processes() as group:
            start_load(group, s, stop)
            exchange([Flow(s.echo_client(kind, name=f"f{kind}"), 64 << 20, Positional("/dev/full", kind))
                      for kind in ("raw", "login")])
            s.wait_status(lambda st: st["log_lines_lost"] > 1000, "lines to be lost", 60)
            stop.set()
            assert all(n > 100 for n in group.results(PATIENCE_S))
        s.close_clients()
        status = s.wait_still()
        assert status["restarts"] == {"front": 0, "keeper": 0}
        pids = [s.pid, *s.children().values()]
        before = sum(cpu_seconds(pid) for pid in pids)
        with pytest.raises(AssertionError):  # the time itself is what is looked at
            wait_until(lambda: False, "2 s", 2)
        busy = sum(cpu_seconds(pid) for pid in pids) - before
        assert busy < 0.5, f"{busy} s of CPU in 2 s of doing nothing"
