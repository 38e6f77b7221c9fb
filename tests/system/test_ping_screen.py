"""echoc ping on a terminal: the picture, what is printed above it, and what is left of it."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from echoc_relay import Relay, relay  # noqa: F401
from harness import LOOPBACK, PATIENCE_S, check_sanitizer, environment, program, wait_until
from ping_bench import HeldEcho

BRAILLE = re.compile("[\u2801-\u28ff]")
AXIS, AXIS_ASCII = "\u2514", "+"


class Screen:
    """What a terminal shows: as much of one as the picture needs. Lines that are too long are folded."""

    def __init__(self, columns, lines):
        self.columns, self.lines = columns, lines
        self.rows, self.x, self.y, self.top = [""], 0, 0, 0

    def put(self, c):
        if self.x == self.columns:
            self.down()
            self.x = 0
        row = self.rows[self.y].ljust(self.x)
        self.rows[self.y] = row[:self.x] + c + row[self.x + 1:]
        self.x += 1

    def down(self):
        self.y += 1
        if self.y == len(self.rows):
            self.rows.append("")
        self.scroll()

    def scroll(self):
        self.top = max(self.top, self.y - self.lines + 1)

    def resize(self, columns, lines):
        self.columns, self.lines = columns, lines
        self.scroll()

    def feed(self, text):
        for escape, number, letter, c in re.findall(r"(\x1b\[(\d*)([A-Z]))|(.)", text, re.S):
            if letter == "A":
                self.y = max(self.y - int(number), self.top)
            elif letter == "K":
                self.rows[self.y] = self.rows[self.y][:self.x]
            elif letter == "J":
                self.rows[self.y:] = [self.rows[self.y][:self.x]] + [""] * (len(self.rows) - self.y - 1)
            elif c == "\r":
                self.x = 0
            elif c == "\n":
                self.down()
            else:
                assert c and c >= " ", f"{escape or c!r} is for a better terminal"
                self.put(c)

    def text(self):
        return "\n".join(row.rstrip() for row in self.rows[self.top:self.top + self.lines]).rstrip("\n")


class Seen:
    """An echoc on a terminal of its own, with a screen."""

    def __init__(self, folder, *args, shell=None, columns=80, lines=24, **env):
        self.master, self.slave = pty.openpty()
        self.folder = folder
        self.size(columns, lines)
        self.screen, self.raw = Screen(columns, lines), b""
        env = {"TERM": "xterm", **env}
        self.before = termios.tcgetattr(self.slave)
        argv = [program("echoc"), "ping", *args]
        if shell:  # what a bash with jobs does with it
            argv = ["bash", "-mc", shell, *argv]
        self.process = subprocess.Popen(argv, stdin=self.slave, stdout=self.slave,
                                        stderr=self.slave, env=environment(folder, **env), preexec_fn=self.own)

    def own(self):
        os.setsid()
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

    def size(self, columns, lines):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns, lines):
        self.read(0)
        self.size(columns, lines)  # which the kernel tells echoc
        self.screen.resize(columns, lines)

    def read(self, timeout):
        while select.select([self.master], [], [], timeout)[0]:
            self.raw += os.read(self.master, 65536)
            text = self.raw.decode(errors="ignore")
            cut = max(text.rfind("\x1b"), 0) if re.search(r"\x1b(\[\d*)?$", text) else len(text)
            self.screen.feed(text[:cut])
            self.raw = self.raw[len(text[:cut].encode()):]
            timeout = 0

    def wait(self, predicate, what):
        end = time.monotonic() + PATIENCE_S
        while not predicate(self.screen.text()):
            assert time.monotonic() < end, f"no {what}:\n{self.screen.text()}"
            self.read(0.2)
        return self.screen.text()

    def wait_for(self, pattern):
        return self.wait(lambda text: re.search(pattern, text, re.M), pattern)

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self):
        end = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            assert time.monotonic() < end
            self.read(0.05)
        self.read(0)
        check_sanitizer(self.folder)
        assert termios.tcgetattr(self.slave) == self.before
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def seen(folder):
    started = []

    def start(*args, **how):
        started.append(Seen(folder, *args, **how))
        return started[-1]
    yield start
    for one in started:
        one.close()


@pytest.fixture
def raw(server):
    s = server(listen=(f"raw:{LOOPBACK}:0",))
    return f"raw:{LOOPBACK}:{s.address_of('raw')}"


def rows_of(text):
    """The picture's lines: those with the scale's line."""
    return [line for line in text.splitlines() if re.match(r".{8}[\u2502|]", line)]


def has_picture(columns, axis=AXIS):
    def look(text):
        lines = text.splitlines()
        at = [i for i, line in enumerate(lines) if re.match(rf"    0   {re.escape(axis)}", line)]
        return len(at) == 1 and len(lines[at[0]]) == columns - 1 and lines[at[0] + 1].startswith("sent ")
    return look


STATUS = r"^sent \d+ echoed \d+ last \d+\.\d{3} p50 \d+\.\d{3} max \d+\.\d{3} ms reconnects 0 down 0\.0 s$"


def test_the_picture(raw, seen):
    s = seen(raw, "-i", "5ms")
    s.wait_for(STATUS)
    text = s.wait(lambda text: has_picture(80)(text) and len(BRAILLE.findall(text)) > 30, "picture")
    assert text.startswith("PING raw:") and "\nlookup " in text
    assert len(rows_of(text)) == 12
    assert re.match(r" *[125]0{0,2} (us|ms|s )\u2502", rows_of(text)[0]), text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "seq=" not in text
    s.type("\x03")
    assert s.end() == 0
    text = s.screen.text()
    assert len(re.findall(r"^--- raw:", text, re.M)) == 1 and AXIS in text and "^C" not in text
    assert s.screen.x == 0 and text.splitlines()[-1].startswith("TCP_INFO: ")


def test_a_picture_where_a_probe_is_always_in_the_air(seen):
    """Answers take longer than an interval, and less than a picture lets a probe alone."""
    server = HeldEcho(0.02)
    s = seen(server.address, "-i", "10ms", "-c", "200")
    figures = set()

    def look(text):
        figures.update(re.findall(r"^sent \d+ ", text, re.M))
        return "\n--- raw:" in text
    s.wait(look, "end")
    assert s.end() == 0 and len(figures) > 5
    server.close()


def test_a_picture_of_ascii(raw, seen):
    s = seen(raw, "-i", "5ms", LC_ALL="C", LANG="C")
    text = s.wait(has_picture(80, AXIS_ASCII), "picture")
    s.wait(lambda text: text.count(":") > 30, "bars")
    assert text.isascii()


def test_it_follows_the_terminals_size(raw, seen):
    s = seen(raw, "-i", "5ms")
    s.wait(has_picture(80), "picture")
    s.resize(120, 40)
    text = s.wait(has_picture(120), "wider picture")
    assert len(rows_of(text)) == 12
    s.resize(40, 12)
    text = s.wait(has_picture(40), "narrower picture")
    assert len(rows_of(text)) == 6
    s.resize(20, 5)
    s.wait(lambda text: re.match(r"sent \d+ echoed", text.splitlines()[-1]) and not rows_of(text),
           "line without a picture")
    s.type("\x03")
    assert s.end() == 0


def test_events_scroll_above_the_picture(server, relay, seen):
    one = server(listen=(f"raw:{LOOPBACK}:0",))
    one.address = f"{LOOPBACK}:{one.address_of('raw')}"
    between = relay(one)
    s = seen(f"raw:{between.address}", "-i", "10ms")
    s.wait(has_picture(80), "picture")
    between.end()
    s.wait_for(r"^drop: raw:")
    s.wait_for("\u2514\u2500*xxx")
    between.begin()
    s.wait_for(r"^back: the outage lasted \d+\.\d{3} s")
    text = s.wait(lambda text: has_picture(80)(text) and re.search("x\u2500\u2500", text), "picture after it")
    assert text.index("back: ") < text.index(AXIS)
    assert "reconnects 1 down" in text
    s.type("\x03")
    assert s.end() == 0


def test_enter_shows_the_summary_so_far(raw, seen):
    s = seen(raw, "-i", "10ms", lines=40)
    s.wait(has_picture(80), "picture")
    s.type("\n")
    s.wait_for(r"^--- raw:\S+: [\d.]+ s so far ---$")
    text = s.wait(has_picture(80), "picture beneath")
    assert text.index("so far") < text.index(AXIS) and len(rows_of(text)) == 12
    s.type("\x1c")  # Ctrl-\, which is SIGQUIT
    s.wait(lambda text: text.count("so far") == 2 and has_picture(80)(text), "second summary")
    s.type("\x04")  # the end of what is typed is not the end of the ping
    s.type("\x03")
    assert s.end() == 0


def test_a_stopped_ping_goes_on_beneath(raw, seen):
    s = seen(raw, "-i", "10ms", lines=40)
    s.wait(has_picture(80), "picture")
    s.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, s.process.pid, os.WSTOPPED | os.WNOWAIT)
    s.read(0.1)
    os.write(s.slave, b"$ a shell's prompt\r\n")
    s.process.send_signal(signal.SIGCONT)
    text = s.wait(lambda text: "prompt" in text and len(rows_of(text)) == 24, "second picture")
    assert text.index("prompt") < text.rindex(AXIS)
    s.type("\x03")
    assert s.end() == 0


def test_no_picture_among_objects(raw, seen):
    """Both would stand on the one terminal, and wipe each other."""
    s = seen(raw, "-i", "10ms", "-c", "20", "--json-stream", columns=1000, lines=60)
    assert s.end() == 0
    text = s.screen.text()
    assert AXIS not in text and len(re.findall(r'^\{.*"type": "probe".*\}$', text, re.M)) == 20


def test_what_came_while_it_was_stopped_is_told_beneath(seen):
    server = HeldEcho(0.3)
    s = seen(server.address, "-c", "1", lines=40)
    s.wait(has_picture(80), "picture")
    s.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, s.process.pid, os.WSTOPPED | os.WNOWAIT)
    wait_until(lambda: server.held, "the answer", PATIENCE_S)
    s.read(0.1)
    os.write(s.slave, b"$ a shell's prompt\r\n")
    s.process.send_signal(signal.SIGCONT)
    assert s.end() == 0
    assert s.screen.text().index("prompt") < s.screen.text().index("lookup ")
    server.close()


def test_in_the_background_there_is_no_picture(server, relay, seen):
    """The terminal is somebody else's then, who may be typing."""
    one = server(listen=(f"raw:{LOOPBACK}:0",))
    one.address = f"{LOOPBACK}:{one.address_of('raw')}"
    between = relay(one)
    s = seen(f"raw:{between.address}", "-i", "10ms", shell='"$0" "$@" & read line; fg', lines=40)
    s.wait_for("^lookup ")
    time.sleep(0.3)  # of pictures that are not drawn
    between.cut()
    text = s.wait_for("^back: ")
    assert AXIS not in text
    s.type("\n")
    s.wait(has_picture(80), "picture")
    s.type("\x03")
    s.wait_for("^--- raw:")
    assert s.end() == 0


@pytest.mark.parametrize("args, env", [(("--plain",), {}), ((), {"TERM": "dumb"}), ((), {"TERM": ""})])
def test_lines_instead_of_a_picture(raw, seen, args, env):
    s = seen(raw, "-i", "10ms", "-c", "3", *args, **env)
    assert s.end() == 0
    text = s.screen.text()
    assert AXIS not in text and len(re.findall(r"^64 bytes: seq=\d time=", text, re.M)) == 3


def test_no_colours(raw, seen):
    """Of the terminal's controls three move and wipe: the screen here knows no others."""
    s = seen(raw, "-i", "5ms", "-c", "50", NO_COLOR="1")
    assert s.end() == 0
