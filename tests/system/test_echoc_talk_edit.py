"""echoc on a terminal that can do more than a typewriter: lines are edited, kept, completed, and not spoilt."""
import array
import fcntl
import os
import re
import select
import signal
import stat
import termios

import pytest

from certificates import Maker, pin_of
from echoc_bench import ECHOC, PASSWORD, environment, fake
from echoc_relay import relay
from screen import (BACKSPACE, CTRL_C, CTRL_D, DELETE, DOWN, END, ENTER, HOME, LEFT, RIGHT, TAB, UP, Screen, pasted)

DIM = b"\x1b[2m"
RTT = r"   \d+\.\d\d ms"


@pytest.fixture
def screen(tmp_path):
    opened = []

    def start(*args, password=None, size=(80, 24), **env):
        env = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "NO_COLOR": None, **env}
        opened.append(Screen([ECHOC, *args], environment(tmp_path, ECHOC_PASSWORD=password, **env), *size))
        return opened[-1]
    yield start
    for one in opened:
        one.close()


@pytest.fixture
def talk(screen, fake):
    """A talk with a raw server: the screen and the server."""
    def start(*args, options=(), **how):
        server = fake("--raw", *options)
        s = screen("raw:" + server.address, *args, **how)
        s.see_last(">")
        return s, server
    return start


def comes_back(text):
    return lambda row: re.fullmatch(re.escape(text) + RTT, row)


def leave(s, size):
    """Leaves with Ctrl-D, and all was well."""
    s.type(CTRL_D)
    s.see_last(f"Sent {size} bytes, {size} came back.")
    assert s.end() == 0 and s.echoes()


def history(home):
    return (home / ".local/state/echoc/history").read_text(encoding="utf-8")


# Editing

def test_a_russian_word_is_edited(talk):
    s, server = talk()
    s.type("приветы")
    s.see_last("> приветы")
    s.type(LEFT * 4 + DELETE + BACKSPACE)  # прve: the в and the и before it
    s.see_last("> преты")
    assert s.cursor() == (4, len(s.rows()) - 1)
    s.type("ото" + HOME + "«" + END + BACKSPACE + "ип»")
    s.see_last("> «протоетип»")
    s.type(LEFT * 4 + BACKSPACE + RIGHT + "!" + LEFT + DELETE + ENTER)
    s.see_last("> «прототип»", comes_back("«прототип»"), ">")
    leave(s, len("«прототип»\n".encode()))
    assert server.heard()[-1]["bytes"] == len("«прототип»\n".encode())


def test_bytes_are_those_that_were_typed(talk):
    """Latin-1's letters are libedit's Meta keys, and what is no UTF-8 is a byte all the same."""
    s, _ = talk("--trace")
    s.type("é漢ё😀" + ENTER)
    s.see(lambda rows: r"C: 12 bytes: é漢ё😀\x0a" in rows)
    s.type(b"a\xff\xc3" + b"b" + LEFT.encode() + BACKSPACE.encode() + "и".encode() + b"\r")
    s.see(lambda rows: r"C: 6 bytes: a\xffиb\x0a" in rows)
    s.see_last(lambda row: row.startswith(r"a\xffиb "), ">")


def test_a_character_may_come_in_pieces(talk):
    s, _ = talk()
    for byte in "ы\x1b[D漢".encode():
        s.type(bytes([byte]))
    s.see_last("> 漢ы")
    s.type(ENTER)
    s.see_last("> 漢ы", comes_back("漢ы"), ">")


@pytest.mark.parametrize("locale", ["C", "ru_RU.UTF-8"])
def test_editing_needs_no_locale(talk, locale):
    s, _ = talk(LANG=locale, LC_ALL=None, LANGUAGE="C")
    s.type("эхп" + BACKSPACE + "о")
    s.see_last("> эхо")
    s.type(LEFT + "!" + ENTER)
    s.see_last("> эх!о", comes_back("эх!о"), ">")


def test_long_lines(talk):
    """Longer than what a terminal gives of itself (4095 bytes)."""
    s, _ = talk(size=(160, 40))
    text = "абвгдежз" * 400
    s.type_much(text + ENTER)
    size = len(text.encode()) + 1
    s.see(lambda rows: re.search(RTT, rows[-2]) and rows[-1] == ">")
    leave(s, size)


@pytest.mark.parametrize("term, locale", [("dumb", "C.UTF-8"), (None, "C.UTF-8"), ("no-such-terminal", "C.UTF-8")])
def test_a_terminal_that_cannot(fake, tmp_path, term, locale):
    env = environment(tmp_path, LANG=locale)
    env.pop("TERM")
    s = Screen([ECHOC, "raw:" + fake("--raw").address], {**env, **({"TERM": term} if term else {})})
    try:
        s.see_last(">")
        assert s.echoes() and termios.tcgetattr(s.slave)[3] & termios.ICANON
        s.type("hello\n")
        s.see_last("> hello", comes_back("hello"), ">")
        assert b"\x1b" not in s.all
    finally:
        s.close()


# What comes while a line is typed

def test_an_echo_while_typing(talk):
    s, _ = talk(options=("--delay", "0.2"))
    s.type("first" + ENTER + "втор" + LEFT)
    s.see_last("> first", "> втор")
    s.see_last("> first", comes_back("first"), "> втор")
    assert s.cursor() == (5, len(s.rows()) - 1)
    s.type("с" + END + "ой" + ENTER)
    s.see_last(comes_back("first"), "> втосрой", comes_back("втосрой"), ">")


def test_a_trace_does_not_spoil_the_line(screen, fake, relay, tmp_path):
    """An end that comes together with the last bytes is there without a wait."""
    path, held = Maker(tmp_path).certificate(), []
    last = 5 + 5 + 1 + 16 + 5 + 2 + 1 + 16  # the records of an echo and of an alert (RFC 8446, 5.2)

    def hold(at, some):
        if held:
            held.append(some)
            some = b"".join(held) if sum(map(len, held)) >= last else b""
        return some
    between = relay(fake("--tls", path, "--raw", "--drop-after", "5", "--drop-how", "notify"), hold)
    s = screen("raw+tls:" + between.address, "--pin", pin_of(path), "--trace")
    s.see_last(">")
    held.append(b"")
    s.type("abcd" + ENTER)
    s.see(lambda rows: "Sent 5 bytes, 5 came back." in rows[-1])
    assert s.end() == 0 and "S: close_notify" in s.rows()


@pytest.mark.parametrize("back", [0, 25, 45, 60])
def test_an_echo_while_a_line_of_many_rows_is_typed(talk, back):
    s, _ = talk(size=(20, 24), options=("--delay", "0.2"))
    text = "漢字" + "x" * 13 + "漢" + "0123456789" * 4 + "\x01"  # the third would stand across the edge
    s.type("first" + ENTER + text[:-1] + LEFT * back)
    rows = ["> 漢字xxxxxxxxxxxxx", "漢012345678901234567", "89012345678901234567", "89"]
    s.see_last("> first", *rows)
    s.see_last("> first", comes_back("first"), *rows)
    s.type("!")
    s.see(lambda rows: any("!" in row for row in rows))
    s.type(BACKSPACE + ENTER)
    s.see(lambda seen: seen[-1] == ">" and "".join(seen).endswith(" ms>"))
    seen = "".join(s.rows())
    assert re.search(text[:-1] + " *[0-9.]+ ms>$", seen)
    assert seen.count("> ") == 2


def test_a_line_higher_than_the_screen(talk):
    """libedit alone writes beyond its rows there."""
    s, server = talk(size=(20, 5), options=("--delay", "0.1"))
    for _ in range(3):
        s.type_much("a" + ENTER + "x" * 150 + HOME + END + LEFT * 90 + END + "ы" * 100 + LEFT * 120 + HOME + "и\u0306" * 15 +
                    END + "y" * 20)
        s.see(lambda rows: rows[-1].endswith("y"))
        s.type(ENTER)
        s.see(lambda rows: rows[-1] == ">")
    size = len(("a\n" + "x" * 150 + "ы" * 100 + "и\u0306" * 15 + "y" * 20 + "\n").encode()) * 3
    s.type(CTRL_D)
    s.see(lambda rows: "".join(rows).endswith(f"Sent {size} bytes, {size} came back."[-20:]))
    assert s.end() == 0


def test_a_full_row_is_no_second(talk):
    """The cursor behind the last column of a row stands at the beginning of the next."""
    s, _ = talk(size=(20, 24), options=("--delay", "0.2"))
    s.type("a" + ENTER + "x" * 18)
    s.see_last("> a", "> " + "x" * 18)
    s.see_last("> a", comes_back("a"), "> " + "x" * 18)
    assert s.cursor() == (0, len(s.rows()))


def test_a_drop_while_typing(screen, fake):
    server = fake("--connections", "1", "--drop-after", "8")
    s = screen(server.address, "--user", "anna", password=PASSWORD)
    s.see_last(">")
    s.type("first" + ENTER)
    s.see_last(comes_back("first"), ">")
    s.type("ab" + ENTER + "втор" + LEFT)
    s.see(lambda rows: any("back at " in row for row in rows))
    s.see_last(comes_back("ab"), "> втор")
    s.type("о" + ENTER)
    s.see_last(comes_back("втоор"[:4] + "р"), ">")
    leave(s, len("first\nab\nвтоор\n".encode()))


def test_a_long_line_typed_while_coming_back(screen, fake):
    server = fake("--connections", "2", "--busy", "--drop-on", "1", "--drop-after", "6")
    s = screen(server.address, "--user", "anna", password=PASSWORD)
    s.see_last(">")
    s.type("first" + ENTER)
    s.see(lambda rows: any("trying again" in row for row in rows))
    s.type_much("x" * 20000 + ENTER + "last" + ENTER)  # a terminal by itself cuts a line at 4 KiB
    s.see_last(comes_back("last"), ">")
    leave(s, len("first\n") + 20001 + len("last\n"))


def test_ctrl_c_while_coming_back(screen, fake):
    server = fake("--only", "1", "--drop-after", "2")
    s = screen(server.address, "--user", "anna", password=PASSWORD)
    s.see_last(">")
    s.type("ab" + ENTER)
    s.see(lambda rows: any("trying again" in row for row in rows))
    assert not s.echoes()  # what is typed meanwhile does not spoil the screen
    s.type(CTRL_C)
    assert s.end() == 130 and s.echoes()


def test_reconnect(talk):
    s, server = talk(options=("--delay", "0.3"))
    s.type("hello" + ENTER)
    s.see_last("> hello", ">")
    s.type("/reconnect" + ENTER)
    s.see(lambda rows: any("left raw:" in row and "with 6 bytes still to come back" in row for row in rows))
    s.see(lambda rows: any("back at raw:" in row for row in rows))
    s.see(lambda rows: any(comes_back("hello")(row) for row in rows))
    assert server.connections() == 2
    s.type("/stats" + ENTER)
    s.see(lambda rows: any(re.fullmatch(r"Connected since \d{4}-\d\d-\d\d [\d:]{8}, after 1 reconnection", row)
                           for row in rows))
    leave(s, 6)


# Pasting

def test_a_pasted_block_is_sent_as_it_is(talk):
    s, server = talk()
    s.type("мо" + LEFT + pasted("один\n/exit\n\n  три"))
    s.see_last("один", "/exit", "", comes_back("  три"), "> мо")
    assert any("pasted" in row for row in s.rows())
    s.type("ё" + ENTER)
    s.see_last("> мёо", comes_back("мёо"), ">")
    leave(s, len("один\n/exit\n\n  тримёо\n".encode()))


def test_a_pasted_lf_stays_one(talk):
    """As kitty and tmux's paste-buffer -r send it."""
    s, _ = talk()
    s.type("\x1b[200~one\ntwo\n\x1b[201~")
    s.see_last("one", comes_back("two"), ">")
    leave(s, len("one\ntwo\n"))


def test_a_pasted_word_belongs_to_the_line(talk):
    s, _ = talk()
    s.type("/say" + LEFT + pasted(" мир\t") + END + BACKSPACE + "!")
    s.see_last(lambda row: re.fullmatch("> /sa мир +!", row))
    s.type(HOME + DELETE + ENTER)
    s.see_last(lambda row: re.fullmatch("> sa мир +!", row), comes_back(r"sa мир\x09!"), ">")


def test_a_large_paste(talk):
    s, _ = talk()
    text = "".join(f"строка {n}\n" for n in range(3000))
    s.type_much(pasted(text))
    s.see_last(comes_back("строка 2999"), ">")
    leave(s, len(text.encode()))


def test_leaving_waits_while_something_comes_back(talk):
    """A slow path: all of it takes longer than the silence that ends the waiting."""
    s, _ = talk(options=("--delay", "0.75"))
    s.type_much(pasted(("x" * 79 + "\n") * 2500))
    leave(s, 80 * 2500)


@pytest.mark.parametrize("text, delay", [(pasted(("x" * 79 + "\n") * 30000), "0"), (pasted("x\n") * 100, "0.3")],
                         ids=["large", "many"])
def test_the_rest_of_a_paste_is_nobody_s_command(talk, text, delay):
    """A connection that ends for good in the middle of it: the shell behind gets none of its lines."""
    s, _ = talk(options=("--drop-after", "5", "--delay", delay))
    data = text.encode()
    os.set_blocking(s.master, False)
    while data and select.select([], [s.master], [], 5)[1]:
        data = data[os.write(s.master, data[:65536]):]
        while s.read_more(0):
            pass
    assert not data
    s.see(lambda rows: any("came back." in row for row in rows))
    assert s.end() == 1
    while s.read_more(0):
        pass
    assert s.all.count(b"connect again") == 1 and s.all.count(b"came back.") == 1
    left = array.array("i", [0])
    fcntl.ioctl(s.slave, termios.FIONREAD, left)
    assert left[0] == 0


def test_brackets_are_asked_for_and_given_back(talk):
    s, _ = talk()
    assert s.all.count(b"\x1b[?2004h") == 1
    leave(s, 0)
    while s.read_more(0):
        pass
    assert s.all.endswith(b"\x1b[?2004l")


# History

def test_history(talk, tmp_path):
    s, server = talk()
    for line in ("первая", " скрытая", "вторая", "вторая", "/help"):
        s.type(line + ENTER)
    s.see(lambda rows: "/help" in rows[-2])
    s.type(UP * 2)
    s.see_last("> вторая")
    s.type(UP + DOWN * 3 + CTRL_D)
    s.see(lambda rows: "came back." in rows[-1])
    assert s.end() == 0
    assert history(tmp_path) == "первая\nвторая\nвторая\n/help\n"
    path = tmp_path / ".local/state/echoc/history"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    s, _ = talk()
    s.type(UP * 3)
    s.see_last("> первая")
    s.type("!" + ENTER)
    s.see_last("> первая!", comes_back("первая!"), ">")
    assert history(tmp_path).endswith("/help\nпервая!\n")


def test_history_holds_no_secret(screen, fake, tmp_path):
    s = screen(fake().address, "--user", "anna", password=PASSWORD)
    s.see_last(">")
    for line in ("PASS x", "pass geheim", "/say PASS y", "/say  PASS z", "/PASS z", "//pass z", "//x",
                 "RESUME " + "k" * 43, "my " + PASSWORD, "password", "end"):
        s.type(line + ENTER)
    s.see_last(comes_back("end"), ">")
    assert history(tmp_path) == "//x\npassword\nend\n"
    s.type(UP * 2)
    s.see_last("> password")
    s.type(UP)
    s.type("!")
    s.see_last("> //x!")


def test_two_talks_lose_nothing_of_each_other(talk, tmp_path):
    state = tmp_path / ".local/state/echoc"
    state.mkdir(parents=True)
    (state / "history").write_text("".join(f"old {n}\n" for n in range(1500)))
    one, _ = talk()
    two, _ = talk()
    for n, s in enumerate((one, two, one, two)):
        s.type(f"line {n}" + ENTER)
        s.see_last(comes_back(f"line {n}"), ">")
    lines = history(tmp_path).split("\n")[:-1]
    assert lines == [f"old {n}" for n in range(500, 1500)] + [f"line {n}" for n in range(4)]


@pytest.mark.parametrize("make", ["link", "folder"])
def test_no_history_where_it_cannot_be(screen, fake, tmp_path, make):
    state = tmp_path / ".local/state/echoc"
    state.mkdir(parents=True)
    target = tmp_path / "elsewhere"
    target.write_text("")
    if make == "link":
        (state / "history").symlink_to(target)
    else:
        (state / "history").mkdir()
    s = screen("raw:" + fake("--raw").address)
    s.see(lambda rows: any("cannot keep the history in" in row for row in rows) and rows[-1] == ">")
    s.type("hello" + ENTER)
    s.see_last("> hello", comes_back("hello"), ">")
    assert target.read_text() == ""


# Commands

def test_completion(talk):
    s, _ = talk()
    s.type("/st" + TAB)
    s.see_last("> /stats")
    s.type(HOME + DELETE + END + ENTER)
    s.see_last("> stats", comes_back("stats"), ">")
    s.type("/" + TAB)
    s.see_last("/help  /stats  /reconnect  /trace  /say  /exit  /quit", "> /")
    s.type("п" + TAB)
    s.see_last("/помощь  /переподключить", "> /п")
    s.type("о" + TAB + ENTER)
    s.see(lambda rows: any("send TEXT, whatever it is" in row for row in rows) and rows[-1] == ">")
    s.type("/sa" + TAB + "/x" + TAB + "y" + ENTER)
    s.see_last(lambda row: re.fullmatch("> /say /x +y", row), comes_back(r"/x\x09y"), ">")
    s.type("/nonsense" + TAB + ENTER)
    s.see(lambda rows: any("there is no command /nonsense" in row for row in rows) and rows[-1] == ">")


@pytest.mark.parametrize("command", ["/exit", "/выход", "/quit ", "exit"])
def test_ways_to_leave(talk, command):
    s, _ = talk()
    s.type(command + ENTER)
    s.see_last("> " + command.rstrip(), "Sent 0 bytes, 0 came back.")
    assert s.end() == 0


def test_stats(talk):
    s, _ = talk(size=(120, 24))
    s.type("/stats" + ENTER)
    s.see(lambda rows: "Round trips: none yet" in rows)
    for n in range(100):
        s.type(f"{n}" + ENTER)
        if n == 1:
            s.see_last(comes_back("1"), ">")
            s.type("/статистика" + ENTER)
            s.see(lambda rows: any(re.fullmatch(r"Round trips of 2 lines: min [\d.]+, p50 [\d.]+, p90 [\d.]+, "
                                                r"max [\d.]+ ms", row) for row in rows))
    s.type("last" + ENTER)
    s.see_last(comes_back("last"), ">")
    s.type("/stats" + ENTER)
    rows = s.see(lambda rows: rows[-1] == ">" and any("of 101 lines" in row for row in rows) and rows)
    assert any(re.fullmatch(r"Sent (\d+) bytes, \1 came back.", row) for row in rows)
    assert any(re.fullmatch(r"Round trips of 101 lines: min .* p99 [\d.]+, max [\d.]+ ms", row) for row in rows)
    assert any(re.fullmatch(r"The kernel: round trip [\d.]+ ms, \d+ segments? sent again", row) for row in rows)
    assert any(re.fullmatch(r"Server: raw:127.0.0.1:\d+, without login", row) for row in rows)


# The terminal

def modes(s):
    return termios.tcgetattr(s.slave)


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129),
                                            (signal.SIGQUIT, 131)])
def test_signals_give_the_terminal_back(talk, number, status):
    s, _ = talk()
    before = modes(s)
    assert not s.echoes()
    s.type("half a line")
    s.see_last("> half a line")
    if number == signal.SIGINT:
        s.type(CTRL_C)
    else:
        s.process.send_signal(number)
    assert s.end() == status
    while s.read_more(0):
        pass
    assert s.echoes() and modes(s)[3] & termios.ICANON and modes(s) != before
    assert s.all.endswith(b"\x1b[?2004l\r\n")


def test_the_modes_after_it_are_those_before_it(fake, tmp_path):
    class Odd(Screen):
        def prepare(self):
            super().prepare()
            mode = termios.tcgetattr(self.slave)
            mode[0] &= ~termios.IXON
            mode[6][termios.VERASE] = b"\x08"
            termios.tcsetattr(self.slave, termios.TCSANOW, mode)
            self.mode = termios.tcgetattr(self.slave)
    for leaves, status in ((CTRL_D, 0), (CTRL_C, 130)):
        s = Odd([ECHOC, "raw:" + fake("--raw").address], environment(tmp_path, TERM="xterm"))
        try:
            s.see_last(">")
            assert modes(s) != s.mode
            s.type("ab\x08" + ENTER)
            s.see_last("> a", comes_back("a"), ">")
            s.type(leaves)
            assert s.end() == status
            assert modes(s) == s.mode
        finally:
            s.close()


def test_ctrl_z(fake, tmp_path):
    """A shell with job control gets its terminal back, and echoc the line that was being typed."""
    address = "raw:" + fake("--raw").address
    env = environment(tmp_path, TERM="xterm-256color", PS1="$ ", PATH=f"{os.path.dirname(ECHOC)}:{os.environ['PATH']}")
    s = Screen(["bash", "--norc", "--noprofile", "-i"], env)
    try:
        s.see_last("$")
        s.type(f"echoc {address}" + ENTER)
        s.see_last(">")
        rows = ["> " + "ы" * 78, "ы" * 22]
        s.type("ы" * 100)
        s.see_last(*rows)
        s.type("\x1a")
        s.see(lambda seen: any("Stopped" in row for row in seen) and seen[-1] == "$")
        s.type("fg" + ENTER)
        s.see_last("$ fg", f"echoc {address}", *rows)
        s.type(ENTER)
        s.see(lambda seen: re.search(RTT, seen[-2]) and seen[-1] == ">")
        s.type(CTRL_D)
        s.see_last("Sent 201 bytes, 201 came back.", "$")
    finally:
        s.close()


def test_resize(talk):
    s, _ = talk(options=("--delay", "0.3"))
    s.type("x" * 30)
    s.see_last("> " + "x" * 30)
    s.resize(20, 24)
    s.see_last("> " + "x" * 18, "x" * 12)
    s.type("yz" + LEFT + BACKSPACE + ENTER)
    s.see(lambda rows: rows[-1] == ">" and rows[-2].endswith("ms"))
    assert re.search("> " + "x" * 30 + "z" + "x" * 30 + "z *[0-9.]+ ms>$", "".join(s.rows()))
    s.resize(80, 24)
    s.type("wide" * 10)
    s.see_last("> " + "wide" * 10)


@pytest.mark.parametrize("no_color, dim", [(None, True), ("", True), ("1", False)])
def test_no_color(talk, no_color, dim):
    s, _ = talk(NO_COLOR=no_color)
    s.type("hello" + ENTER)
    s.see_last("> hello", comes_back("hello"), ">")
    assert (DIM in s.all) == dim
