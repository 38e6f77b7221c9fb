"""echoc on a terminal."""
import os
import re
import signal
import termios
import time

import pytest

from echoc_bench import PASSWORD, fake, terminal, wait_for, local_server


# On a terminal

RTT = r"   \d+\.\d\d ms\r\n"


def test_questions_and_registration(terminal, fake, local_server):
    server = fake("--welcome", "\\x1b[31m")
    local_server(server.address)
    port = server.address.split(":")[1]
    t = terminal()
    t.expect(r"found an echod on this machine: 127\.0\.0\.1:" + port)
    t.expect(r"Host \[127\.0\.0\.1\]: ")
    t.type("bad host\n")
    t.expect(r"holds no space")
    t.expect(r"Host \[127\.0\.0\.1\]: ")
    t.type("\n")
    t.expect(rf"Port \[{port}\]: ")
    t.type("99999\n")
    t.expect(r"from 1 to 65535")
    t.expect(rf"Port \[{port}\]: ")
    t.type("\n")
    t.expect(r"Name \[\w+\]: ")
    t.type("a b\n")
    t.expect(r"letters, digits")
    t.expect(r"Name \[\w+\]: ")
    t.type("анна\n")
    t.expect(r"No account named анна yet\. New password: ")
    t.type("short\n")
    t.expect(r"8 to 256 bytes")
    t.expect(r"New password: ")
    assert not t.echoes()
    t.type("верный конь\n")
    t.expect(r"again: ")
    t.type("неверный конь\n")
    t.expect(r"differ")
    t.expect(r"New password: ")
    t.type("верный конь\n")
    t.expect(r"again: ")
    t.type("верный конь\n")
    assert "верный" not in t.expect(r"Welcome, анна").string
    t.expect(r"registered анна")
    t.expect(r"Connected to 127\.0\.0\.1:\d+ as анна.*Ctrl-D")
    t.expect("> ")
    assert t.echoes()
    t.type("Здравствуй, эхо\n")
    t.expect(r"Здравствуй, эхо" + "\r\n")  # the terminal's own
    t.expect(r"Здравствуй, эхо" + RTT + "> ")
    t.type("exit\n")
    size = len("Здравствуй, эхо\n".encode())
    t.expect(rf"Sent {size} bytes, {size} came back\.")
    assert t.end() == 0
    assert server.commands() == ["USER анна", "PASS верный конь"]


def test_welcome_is_escaped(terminal, fake):
    server = fake("--account", "anna:" + PASSWORD, "--welcome", "\\x1b[31mred\\x07")
    t = terminal(server.address, "--user", "anna", password=PASSWORD)
    match = t.expect(r"([^\n]*)red\\x07\r\n")
    assert match.group(1) == r"\x1b[31m"
    t.expect("Welcome, anna")


@pytest.mark.parametrize("answers", [[], ["\n"], ["\n", "1\n"]])
def test_end_of_input_at_a_question(terminal, answers):
    t = terminal()
    for answer in answers:
        t.expect(r"\]: ")
        t.type(answer)
    t.expect(r"\]: ")
    t.type("\x04")
    assert t.end() == 0


def test_a_whole_address_as_the_host(terminal, fake):
    server = fake("--raw")
    t = terminal()
    t.expect(r"Host \[127\.0\.0\.1\]: ")
    t.type(f"raw:{server.address}\n")
    t.expect("Connected to raw:")
    t.type("\x04")
    assert t.end() == 0


def test_end_of_input_at_the_password(terminal, fake):
    t = terminal(fake("--closed").address, "--user", "anna")
    t.expect("Password: ")
    t.type("\x04")
    assert t.end() == 0


def test_wrong_password_is_asked_for_again(terminal, fake):
    server = fake("--account", "anna:" + PASSWORD)
    t = terminal(server.address, "--user", "anna")
    t.expect("Password: ")
    t.type("wrong one\n")
    t.expect("530")
    t.expect("Password: ")
    t.type(PASSWORD + "\n")
    t.expect("Connected")
    assert server.commands() == ["USER anna", "PASS wrong one", "USER anna", "PASS " + PASSWORD]


def test_three_wrong_passwords(terminal, fake):
    server = fake("--account", "anna:" + PASSWORD)
    t = terminal(server.address, "--user", "anna")
    for _ in range(3):
        t.expect("Password: ")
        t.type("wrong one\n")
    t.expect("refused anna")
    assert t.end() == 4 and server.connections() == 1


def test_login_deadline_while_typing(terminal, fake):
    server = fake("--account", "anna:" + PASSWORD, "--login-time", "0.3", "--connections", "1")
    t = terminal(server.address, "--user", "anna")
    t.expect("Password: ")
    wait_for(lambda: close_wait(server.address))
    t.type(PASSWORD + "\n")
    t.expect("Connected")
    assert server.commands(1) == ["USER anna"]
    assert server.commands(2) == ["USER anna", "PASS " + PASSWORD]


def close_wait(address):
    """Whether a connection to address has been ended by the server only."""
    port = int(address.split(":")[1])
    with open("/proc/net/tcp", encoding="ascii") as table:
        return any(line.split()[2].endswith(f":{port:04X}") and line.split()[3] == "08" for line in table.readlines()[1:])


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_at_the_password(terminal, fake, number, status):
    t = terminal(fake("--closed").address, "--user", "anna")
    t.expect("Password: ")
    assert not t.echoes()
    if number == signal.SIGINT:
        t.type("half a pass\x03")
    else:
        t.process.send_signal(number)
    assert t.end() == status
    assert t.echoes()


def test_password_from_the_terminal_for_a_pipe(terminal, fake):
    server = fake("--account", "anna:" + PASSWORD)
    data_read, data_write = os.pipe()
    out_read, out_write = os.pipe()
    t = terminal(server.address, "--user", "anna", stdin=data_read, stdout=out_write)
    os.close(data_read)
    os.close(out_write)
    t.expect("Password: ")
    t.type(PASSWORD + "\n")
    os.write(data_write, b"exit\n")  # no command here
    os.close(data_write)
    assert os.read(out_read, 100) == b"exit\n"
    assert t.end() == 0
    os.close(out_read)


def test_what_can_be_typed(terminal, fake):
    server = fake("--raw")
    t = terminal("raw:" + server.address)
    t.expect("> ")
    for typed, comes in [("hello", "hello"), ("/say exit", "exit"), ("//quit", "/quit"), (" exit", " exit"),
                         ("/say /x", "/x"), ("", ""), ("/say", ""), ("\\\u200e\"", None)]:
        t.type(typed + "\n")
        t.expect((r"\\\\xe2\\x80\\x8e\"" if comes is None else re.escape(comes)) + RTT)
        t.expect("> ")
    t.type("/nonsense\n")
    t.expect(r"no command /nonsense.*/help")
    t.expect("> ")
    t.type("/help\n")
    t.expect("/say TEXT")
    t.expect("//TEXT")
    t.expect("> ")
    t.type("/quit\n")
    t.expect(r"Sent (\d+) bytes, \1 came back")
    assert t.end() == 0
    assert server.heard()[-1]["bytes"] == len("hello\nexit\n/quit\n exit\n/x\n\n\n\\\u200e\"\n".encode())


@pytest.mark.parametrize("leave", ["exit\n", "/exit\n", "/quit\n", "\x04"])
def test_ways_to_leave(terminal, fake, leave):
    t = terminal("raw:" + fake("--raw").address)
    t.expect("> ")
    began = time.monotonic()
    t.type(leave)
    t.expect("Sent 0 bytes, 0 came back")
    assert t.end() == 0 and time.monotonic() - began < 1.5  # the half-close is what ends it


def test_leaving_does_not_wait_for_ever(terminal, fake):
    t = terminal("raw:" + fake("--raw", "--mute", "--keep-open").address)
    t.expect("> ")
    t.type("hello\n")
    t.type("exit\n")
    began = time.monotonic()
    t.expect("Sent 6 bytes, 0 came back")
    assert t.end() == 1 and 1 < time.monotonic() - began < 6


def test_ctrl_c_in_a_talk(terminal, fake):
    t = terminal("raw:" + fake("--raw").address)
    t.expect("> ")
    t.type("\x03")
    assert t.end() == 130
    assert t.echoes()


def test_drop_in_a_talk(terminal, fake):
    server = fake("--connections", "1", "--drop-after", "8")
    t = terminal(server.address, "--user", "anna", password=PASSWORD)
    t.expect("> ")
    t.type("first\n")
    t.expect("first" + RTT)
    t.type("второй\n")  # two bytes of it come back on the first connection
    t.expect("coming back in")
    t.expect("back at " + server.address)
    t.expect("второй" + RTT + "> ")
    t.type("третий\n")
    t.expect("третий" + RTT)
    t.type("exit\n")
    t.expect("Sent (\\d+) bytes, \\1 came back")
    assert t.end() == 0
    assert re.fullmatch(r"RESUME [\w-]{43}", *server.commands(2))


def test_raw_connection_ends_in_a_talk(terminal, fake):
    t = terminal("raw:" + fake("--raw", "--drop-after", "3").address)
    t.expect("> ")
    t.type("hello\n")
    t.expect("--reconnect")
    t.expect("Sent 6 bytes, 3 came back")
    assert t.end() == 1


def test_damage_in_a_talk(terminal, fake):
    t = terminal("raw:" + fake("--raw", "--damage-at", "1").address)
    t.expect("> ")
    t.type("hello\n")
    t.expect("at offset 1 sent 65 6c 6c 6f 0a, came 64 6c 6c 6f 0a")
    assert t.end() == 1


@pytest.mark.parametrize("whole_lines", [True, False])
def test_many_lines_at_once(terminal, fake, whole_lines):
    """A terminal that gives whole lines gives them one by one; another gives what there is, more than may be sent."""
    t = terminal("raw:" + fake("--raw", "--delay", "0.01").address)
    t.expect("> ")
    if not whole_lines:
        mode = termios.tcgetattr(t.slave)
        mode[3] &= ~(termios.ICANON | termios.ECHO)
        termios.tcsetattr(t.slave, termios.TCSANOW, mode)
    for first in range(0, 300, 150):
        t.type("".join(f"line {n}\n" for n in range(first, first + 150)))
    for n in range(300):
        t.expect(f"line {n}" + RTT)
    t.type("exit\n")
    t.expect("came back")
    assert t.end() == 0
