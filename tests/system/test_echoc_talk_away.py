"""A talk while its connection is away: the line that is typed stays, and what is typed works."""
import re

import pytest

from echoc_bench import ECHOC, LIMIT, PASSWORD, environment, fake, terminal, wait_for
from screen import CTRL_D, ENTER, LEFT, Screen

RTT = r"   \d+\.\d\d ms"
LONG_S = 10  # longer than what is to happen at once takes


@pytest.fixture
def screen(tmp_path):
    opened = []

    def start(*args, password=None):
        env = environment(tmp_path, ECHOC_PASSWORD=password, TERM="xterm-256color")
        opened.append(Screen([ECHOC, *args], env))
        opened[-1].see_last(">")
        return opened[-1]
    yield start
    for one in opened:
        one.close()


@pytest.fixture
def lost(screen, fake):
    """A talk with a raw server that is killed when typed stands there: the screen, and what starts it anew."""
    def start(typed="", sent="", options=()):
        server = fake("--raw", "--mute", *options)
        s = screen("raw:" + server.address, "--reconnect")
        for line in sent.splitlines():
            s.type(line + ENTER)
            s.see_last("> " + line, ">")
        s.type(typed)
        s.see_last(("> " + typed).rstrip())
        server.stop()
        s.see(lambda rows: waits(s) and rows[-1] == ("> " + typed).rstrip())

        def restart():
            return fake("--raw", "--port", server.address.rpartition(":")[2])
        return s, restart
    return start


def waits(s):
    """The waits that were told, in seconds."""
    return [float(n) for n in re.findall(rb"(?:coming back|trying again) in ([\d.]+) s", s.all)]


def back_off(s, hurry=ENTER):
    """Makes the next try one that is due only after a long time."""
    while waits(s)[-1] < LONG_S:
        told = len(waits(s))
        s.type(hurry)
        s.see(lambda _, told=told: len(waits(s)) > told)


def comes_back(text):
    return lambda row: re.fullmatch(re.escape(text) + RTT, row)


def is_back(rows):
    return any("back at raw:" in row for row in rows)


def test_half_a_line_stays_and_is_sent_whole(lost):
    s, restart = lost("половин")
    s.type("а" + LEFT + LEFT)
    s.see(lambda rows: rows[-1] == "> половина" and s.cursor()[0] == 8)
    told = len(waits(s))
    s.see(lambda rows: len(waits(s)) > told and rows[-1] == "> половина")  # a failed try, above it
    server = restart()
    s.see(lambda rows: is_back(rows) and rows[-1] == "> половина")
    s.type("«" + ENTER)
    s.see_last("> полови«на", comes_back("полови«на"), ">")
    s.type(CTRL_D)
    assert s.end() == 0
    assert server.heard()[-1]["bytes"] == len("полови«на\n".encode())


@pytest.mark.parametrize("way", ["/exit" + ENTER, "/quit" + ENTER, "exit" + ENTER, CTRL_D])
@pytest.mark.parametrize("sent, status", [("", 0), ("hello\n", 1)])
def test_leaving(lost, way, sent, status):
    s, _ = lost(sent=sent)
    back_off(s)
    s.type(way)
    s.see(lambda rows: rows[-1] == f"Sent {len(sent)} bytes, 0 came back.")
    assert s.end(LONG_S / 2) == status and s.echoes()


@pytest.mark.parametrize("hurry", [ENTER, "/reconnect" + ENTER, "/переподключить" + ENTER])
def test_trying_at_once(lost, hurry):
    s, restart = lost(sent="hello")
    back_off(s, hurry)
    server = restart()
    s.type(hurry)
    s.see(is_back, LONG_S / 2)
    s.see_last(comes_back("hello"), ">")
    s.type(CTRL_D)
    s.see_last("Sent 6 bytes, 6 came back.")  # an empty line was none
    assert s.end() == 0 and server.connections() == 1


def test_stats(lost):
    s, restart = lost(sent="hello")
    s.type("/stats" + ENTER)
    rows = s.see(lambda rows: "Round trips: none yet" in rows and rows[-1] == ">" and rows)
    at = rows.index("Round trips: none yet")
    assert re.fullmatch(r"Not connected since \d{4}-\d\d-\d\d [\d:]{8}", rows[at - 2])
    assert rows[at - 1] == "Sent 6 bytes, 0 came back."
    restart()
    s.see(is_back)
    s.see_last(comes_back("hello"), ">")
    s.type("/stats" + ENTER)
    s.see(lambda rows: any(re.fullmatch("Connected since .*, after 1 reconnection", row) for row in rows))


def test_lines_are_sent_when_it_is_back(lost):
    s, restart = lost(sent="before")
    back_off(s)
    s.type("one" + ENTER + "two" + ENTER + "thr")
    s.see_last("> one", "> two", "> thr")
    server = restart()
    s.type("\x15" + ENTER)  # Ctrl-U
    s.see_last(comes_back("before"), comes_back("one"), comes_back("two"), ">")
    s.type(CTRL_D)
    s.see_last("Sent 15 bytes, 15 came back.")
    assert s.end() == 0 and server.heard()[-1]["bytes"] == 15


def test_more_than_there_is_room_for(lost):
    s, restart = lost()
    back_off(s)
    s.type_much("".join(f"{n}" + ENTER for n in range(64)) + "over" + ENTER)
    s.see(lambda rows: rows[-1] == ">" and any("5 bytes are not sent" in row for row in rows))
    s.type("/help" + ENTER)
    s.see(lambda rows: rows[-1] == ">" and any("/say TEXT" in row for row in rows))
    restart()
    s.type("/reconnect" + ENTER)
    s.see_last(comes_back("62"), comes_back("63"), ">")
    s.type("after" + ENTER)
    s.see_last(comes_back("after"), ">")


def test_a_trace(screen, fake):
    """What is said by a login that is under way stands above the line, too."""
    server = fake()
    s = screen(server.address, "--user", "anna", password=PASSWORD)
    server.stop()
    s.see(lambda _: waits(s))
    s.type("/trace" + ENTER + "half")
    s.see_last("> half")
    fake("--port", server.address.rpartition(":")[2])
    rows = s.see(lambda rows: any("back at " in row for row in rows) and rows[-1] == "> half" and rows)
    assert "C: PASS ********" in rows and [row for row in rows if "half" in row] == ["> half"]
    s.type(ENTER)
    s.see(lambda rows: any(row.startswith("C: 5 bytes: half") for row in rows) and rows[-1] == ">")


@pytest.mark.parametrize("way, status", [(CTRL_D, 1), ("\x03", 130)])
def test_leaving_while_a_try_is_under_way(screen, fake, way, status):
    """The server takes the connection and says nothing."""
    server = fake("--connections", "2-", "--no-greeting", "--drop-on", "1", "--drop-after", "1")
    s = screen(server.address, "--user", "anna", "--trace", password=PASSWORD)
    s.type("ab" + ENTER)
    s.see(lambda _: waits(s))
    wait_for(lambda: server.connections() == 2)
    s.type("/stats" + ENTER)
    s.see(lambda rows: any(row.startswith("Not connected since") for row in rows))
    s.type("half")
    s.see_last("> half")
    s.type("\x15")
    s.see_last(">")
    s.type(way)
    assert s.end(LONG_S / 2) == status and s.echoes()


def test_a_password_is_asked_for(screen, fake):
    """The terminal is lent to who asks for it, and the line is there again behind it."""
    server = fake("--account", f"anna:{PASSWORD}", "--connections", "3-", "--forget-tokens", "--drop-on", "2",
                  "--drop-after", "2")
    s = screen(server.address, "--user", "anna", password=PASSWORD)
    s.type(CTRL_D)
    assert s.end() == 0
    s = screen(server.address, "--user", "anna")  # it resumes
    s.type("ab" + ENTER + "half")
    s.see(lambda rows: waits(s) and rows[-1].endswith("assword:"))
    assert not s.echoes() and s.all.count(b"\x1b[?2004l") == 1
    s.type(PASSWORD + "\n")
    s.see(lambda rows: any("back at " in row for row in rows) and rows[-1] == "> half")
    s.type(ENTER)
    s.see_last(comes_back("half"), ">")
    assert server.connections() == 4  # of which one was a try that could not ask


def test_without_editing(terminal, fake):
    server = fake("--raw", "--mute")
    t = terminal("raw:" + server.address, "--reconnect")
    t.expect("> ")
    server.stop()
    t.expect("coming back in")
    t.type("one\n/stats\ntwo\n")
    t.expect("Not connected since")
    fake("--raw", "--port", server.address.rpartition(":")[2])
    t.type("\n")
    t.expect("back at raw:")
    t.expect("one" + RTT)
    t.expect("two" + RTT)
    t.type("exit\n")
    t.expect("Sent 8 bytes, 8 came back")
    assert t.end(LIMIT) == 0


@pytest.mark.parametrize("way", ["exit\n", "\x04"])
def test_leaving_without_editing(terminal, fake, way):
    server = fake("--raw", "--mute")
    t = terminal("raw:" + server.address, "--reconnect")
    t.expect("> ")
    server.stop()
    t.expect("coming back in")
    t.type("hello\n" + way)
    t.expect("Sent 6 bytes, 0 came back")
    assert t.end(LONG_S / 2) == 1
