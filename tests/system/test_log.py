"""The log: reopened, rotated, on a full disk, and on a pipe that nobody reads."""
import os
import signal

from harness import (LOOPBACK, Flow, Positional, Server, connect, exchange, has, parse_log, wait_until)

BOTH = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]


# ---- log ----

def test_sighup_reopens_a_renamed_log(server):
    s = server(listen=BOTH)
    old = s.log_path + ".1"
    for turn in range(30):
        s.echo_client(name=f"turn{turn}").close()
        if turn == 10:
            os.rename(s.log_path, old)
            s.send_signal(signal.SIGHUP)
        if turn == 20:
            wait_until(lambda: os.path.exists(s.log_path), "the new log")
            s.wait_log("log_reopen")
    s.wait_still()

    def both():
        return parse_log(open(old).read()) + s.log_events()

    wait_until(lambda: sum(e["event"] == "login" for e in both()) >= 31, "all logins in the logs")  # and the warm-up
    for event in ("connect", "login", "disconnect"):
        wait_until(lambda: sum(e["event"] == event for e in both()) == 31, f"31 {event} in both files")
    for name, files in s.open_files().items():
        assert s.log_path in files, f"{name} has no log"
    users = [e["user"] for e in both() if e["event"] == "login"]
    assert sorted(users) == sorted([f"turn{i}" for i in range(30)] + ["warm-up"])
    assert any(e.get("user") == "turn29" for e in s.log_events())
    assert s.stderr() == ""
    s.baseline = s.wait_still()  # one more than before is the parent's own


def test_sighup_lets_go_of_the_old_log(server):
    """A log that was rotated and removed gives its space back; and no turn costs a descriptor."""
    s = server(listen=BOTH)
    for turn in range(4):
        os.rename(s.log_path, s.log_path + ".1")
        s.send_signal(signal.SIGHUP)
        wait_until(lambda: os.path.exists(s.log_path), "the new log")
        s.wait_log("log_reopen")
        s.echo_client().close()  # each process that logs has taken the new file when it has written there
        s.wait_log("disconnect")
        if turn == 0:
            s.baseline = s.wait_still()
        old = [f"{name}: {f}" for name, files in s.open_files().items() for f in files
               if f.startswith(s.log_path + ".1")]
        assert not old, f"still open in {old}"


def test_a_log_is_appended_to(folder):
    """By the next server too; and one that was cut short from outside is written on from where it ends."""
    path = os.path.join(folder, "log")
    for name in ("first", "second"):
        with Server(folder, name=name, log=path, listen=BOTH) as s:
            s.echo_client("raw").close()
            s.wait_still()
    assert [e["event"] for e in parse_log(open(path).read())].count("start") == 2
    with Server(folder, name="third", log=path, listen=BOTH) as s:
        os.truncate(path, 0)
        s.echo_client("raw").close()
        s.wait_log("disconnect")
        assert open(path).read().startswith("time=")


def test_sighup_when_the_log_cannot_be_opened_goes_on_with_the_old_one(server):
    s = server(listen=[f"raw:{LOOPBACK}:0"])
    old = s.log_path + ".1"
    os.rename(s.log_path, old)
    os.mkdir(s.log_path)
    s.send_signal(signal.SIGHUP)
    wait_until(lambda: any(e["event"] == "log_reopen" and e["level"] == "error" for e in parse_log(open(old).read())),
               "the complaint")
    s.connect("raw").echoes(b"x")
    s.close_clients()
    wait_until(lambda: any(e["event"] == "disconnect" for e in parse_log(open(old).read())), "the old log to go on")


def test_a_full_disk_under_the_log_hurts_nobody(folder):
    with Server(folder, listen=BOTH, log="/dev/full", log_level="debug") as s:
        flows = [Flow(s.echo_client(kind), 1 << 20, Positional("full", kind)) for kind in ("login", "raw")]
        exchange(flows)
        s.close_clients()
        s.wait_still()
        c = s.echo_client("raw")
        for i in range(10000):  # 20000 lines: more than the ring of 1 MiB holds
            c.echoes(b"x")
        assert s.status()["log_lines_lost"] > 0


def test_a_log_pipe_that_nobody_reads_hurts_nobody(folder):
    """systemd's journal, or a person's `| less`, may stop reading."""
    path = os.path.join(folder, "fifo")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with Server(folder, listen=BOTH, log=path, log_level="debug") as s:
            c, text = s.echo_client("raw"), Positional("pipe")
            for i in range(10000):  # 20000 lines: more than the ring of 1 MiB and the pipe hold
                c.echoes(text.at(i, 100))
            s.close_clients()
            assert s.wait_status(lambda st: st["log_lines_lost"] > 0, "lines to be lost")["log_lines_lost"] > 0
    finally:
        os.close(reader)
