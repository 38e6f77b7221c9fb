"""The login dialogue over real sockets, line by line of the protocol."""
import fcntl
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import time

import pytest

from harness import LOOPBACK, PASSWORD, SEED, Positional, randomness, wait_until

LINE_MAX = 512
NAME_CHARS_MAX = 64
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST = 4, 20, 1


@pytest.fixture
def login(server):
    """A server with a login listener."""
    return server()


def fresh(server, **kwargs):
    """A connection that has been greeted."""
    c = server.connect(**kwargs)
    code, texts = c.reply()
    assert code == 220
    return c


def assert_ends(c, code=421):
    """What comes is the reply, then FIN."""
    assert c.code() == code
    assert c.to_end() == b""


# ---- lines ----

def test_greeting_comes_first_and_names_the_host(login):
    c = login.connect()
    line = c.line()
    assert line == f"220 {socket.gethostname()} echod ready"


def test_commands_in_any_case_and_with_either_end(login):
    c = fresh(login)
    for end in (b"\n", b"\r\n"):
        for word in ("NOOP", "noop", "nOOp"):
            assert c.ask(word, end) == 200
        for word in ("HELP", "help", "hElP"):
            assert c.ask(word, end) == 214
        for word in ("FEAT", "feat"):
            assert c.ask(word, end) == 211
        for line in ("OPTS KEEPALIVE OFF", "opts keepalive off", "Opts KeepAlive Off"):
            assert c.ask(line, end) == 200
    assert c.ask("uSeR anna", b"\n") == 332
    assert c.ask(f"pAsS {PASSWORD}", b"\n") == 230
    c.echoes(b"USER is data now\r\n")


def test_quit_in_any_case(login):
    for line in (b"QUIT\r\n", b"quit\n"):
        c = fresh(login)
        c.send(line)
        assert_ends(c, 221)


def test_feat_lists_what_there_is(login):
    c = fresh(login)
    c.send("FEAT\r\n")
    lines = [c.line()]
    while lines[-1][3] == "-":
        lines.append(c.line())
    assert "211-OPTS KEEPALIVE OFF" in lines
    assert "211-IDLE 0" in lines
    assert lines[-1].startswith("211 ")


def test_feat_tells_the_idle_time(server):
    c = fresh(server("--login-idle-time", "90s"))
    c.send("FEAT\r\n")
    assert "IDLE 90" in c.reply()[1]


def test_a_command_with_something_behind_it(login):
    c = fresh(login)
    assert c.ask("NOOP whatever") == 200
    assert c.ask("NOOPS") == 500
    assert c.ask("OPTS UNKNOWN") == 501


def test_an_empty_line_is_an_unknown_command(login):
    c = fresh(login)
    assert c.ask("") == 500


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_the_longest_line(login, end):
    c = fresh(login)

    def line(length):
        return b"NOOP " + b"x" * (length - 5 - len(end))

    assert c.ask(line(LINE_MAX - 1), end) == 200
    assert c.ask(line(LINE_MAX), end) == 200
    assert c.ask(line(LINE_MAX + 1), end) == 500
    assert c.ask("NOOP", end) == 200
    assert c.ask(line(1 << 20), end) == 500
    assert c.ask("NOOP", end) == 200


def test_a_long_line_is_answered_before_it_ends_and_once(login):
    c = fresh(login)
    c.send(b"x" * LINE_MAX)
    assert c.code() == 500
    c.send(b"y" * 100000)
    c.send(b"NOOP\nNOOP\n")  # the first is the long line's end
    assert c.code() == 200
    c.send("QUIT\n")
    assert_ends(c, 221)


def test_nul_is_no_text(login):
    assert fresh(login).ask(b"NO\0OP") == 500
    assert fresh(login).ask(b"USER an\0na") == 501
    assert fresh(login).ask(b"USER \0") == 501
    c = fresh(login)
    assert c.ask("USER nul") == 332
    assert c.ask(b"PASS correct\0horse") == 501
    assert c.ask(b"PASS correct\rhorse") == 501


# ---- names ----

@pytest.mark.parametrize("name", [b"", b" ", b" anna", b"anna ", b"an na", b"an\tna", b"an\x1bna", b"\xff\xfe",
                                  b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", "an\u200bna".encode(),
                                  "an\u202ena".encode(), "\u0301".encode(), "a\u00a0b".encode(), b"a/b", b"a:b",
                                  b"a'b", "\U0001f600".encode(), b"x" * (LINE_MAX - 6)])
def test_not_a_name(login, name):
    c = fresh(login)
    assert c.ask(b"USER " + name, b"\n") == 501
    assert c.ask("PASS " + PASSWORD) == 503


@pytest.mark.parametrize("char", ["a", "ж", "漢", "\U00010400"])
def test_names_have_64_characters_at_most(login, char):
    assert fresh(login).ask("USER " + char * (NAME_CHARS_MAX + 1)) == 501
    name = char * NAME_CHARS_MAX
    c = login.connect()
    assert c.login(name)
    c.close()
    c = fresh(login)
    assert c.ask("USER " + name) == 331


def test_names_are_one_after_normalisation_and_case_matters(login):
    c = login.connect()
    assert c.login("Zoe\u0308._-+@9")
    assert fresh(login).ask("USER Zo\u00eb._-+@9") == 331
    assert fresh(login).ask("USER zo\u00eb._-+@9") == 332


# ---- passwords ----

def test_a_new_password_has_8_to_256_bytes(login):
    for length, code in ((0, 501), (7, 501), (8, 230), (256, 230), (257, 501)):
        c = fresh(login)
        assert c.ask(f"USER length{length}") == 332
        assert c.ask("PASS " + "p" * length) == code, length
        if code == 230:
            c.echoes(b"in")
        else:
            assert c.ask(f"USER length{length}") == 332  # nothing was stored


def test_after_a_password_that_is_too_short_another_may_follow(login):
    c = fresh(login)
    assert c.ask("USER again") == 332
    assert c.ask("PASS short") == 501
    assert c.ask("PASS longer than that") == 230
    c.echoes(b"in")


def test_passwords_are_kept_exactly_as_sent(login):
    secrets = {"spaces": b"  two in front and behind  ", "bytes": bytes(range(0x80, 0x100)), "tab": b"\t" * 8 + b"\1"}
    for name, secret in secrets.items():
        c = fresh(login)
        assert c.ask("USER " + name) == 332
        assert c.ask(b"PASS " + secret) == 230
        c = fresh(login)
        assert c.ask("USER " + name) == 331
        assert c.ask(b"PASS " + secret.strip(b" \t") + b"x") == 530
        assert c.ask("USER " + name) == 331
        assert c.ask(b"PASS " + secret) == 230


def test_an_over_long_password_is_only_refused_for_an_account_that_is_there(login):
    login.echo_client(name="there")
    c = fresh(login)
    assert c.ask("USER there") == 331
    assert c.ask("PASS " + "p" * 500) == 530


# ---- out of turn, strikes ----

def test_pass_before_user_and_after_a_refusal(login):
    c = fresh(login)
    assert c.ask("PASS " + PASSWORD) == 503
    login.echo_client(name="anna")
    assert c.ask("USER anna") == 331
    assert c.ask("PASS wrong") == 530
    assert c.ask("PASS " + PASSWORD) == 503
    assert_ends(c)


@pytest.mark.parametrize("lines", [
    [(b"X", 500), (b"X", 500), (b"X", 500)],
    [(b"PASS x", 503), (b"PASS x", 503), (b"PASS x", 503)],
    [(b"USER ", 501), (b"USER a b", 501), (b"OPTS X", 501)],
    [(b"X", 500), (b"NOOP", 200), (b"USER a b", 501), (b"FEAT", 211), (b"PASS x", 503)],
    [(b"x" * 600, 500), (b"x" * 512, 500), (b"", 500)],
], ids=["500", "503", "501", "mixed", "long"])
def test_three_strikes(login, lines):
    c = fresh(login)
    for line, code in lines:
        assert c.ask(line) == code
    assert_ends(c)
    c.close()
    login.wait_status(lambda s: s["closed"]["errors"] == 1, "the end to be counted as one by errors")


def test_the_third_refusal_ends(login):
    login.echo_client(name="anna")
    c = fresh(login)
    for _ in range(3):
        assert c.ask("USER anna") == 331
        assert c.ask("PASS wrong one") == 530
    assert_ends(c)


def test_the_eleventh_user_line_ends(login):
    c = fresh(login)
    for i in range(10):
        assert c.ask(f"USER number{i}") == 332
    assert c.ask("USER number10") == 421
    assert c.to_end() == b""


def test_user_may_be_repeated(login):
    c = fresh(login)
    assert c.ask("USER one") == 332
    assert c.ask("USER two") == 332
    assert c.ask("PASS " + PASSWORD) == 230
    assert fresh(login).ask("USER two") == 331
    assert fresh(login).ask("USER one") == 332


def test_of_two_that_were_told_332_the_second_is_refused(login):
    first, second = fresh(login), fresh(login)
    assert first.ask("USER race") == 332
    assert second.ask("USER race") == 332
    assert first.ask("PASS the first one") == 230
    assert second.ask("PASS the second one") == 530
    assert second.ask("USER race") == 331
    assert second.ask("PASS the first one") == 230


def test_eight_race_for_one_name_and_one_gets_it(login):
    clients = [fresh(login) for _ in range(8)]
    for c in clients:
        assert c.ask("USER eight") == 332
    for i, c in enumerate(clients):
        c.send(f"PASS password {i}\n")
    codes = [c.code() for c in clients]
    assert sorted(codes) == [230] + [530] * 7
    winner = codes.index(230)
    c = fresh(login)
    assert c.ask("USER eight") == 331
    assert c.ask(f"PASS password {winner}") == 230


# ---- segments ----

def test_everything_in_one_segment(login):
    c = login.connect()
    c.send(f"NOOP\r\nUSER one.segment\r\nPASS {PASSWORD}\r\nhello\r\nUSER x\r\n")
    assert [c.code() for _ in range(4)] == [220, 200, 332, 230]
    assert c.exactly(15) == b"hello\r\nUSER x\r\n"
    c.half_close()
    assert c.to_end() == b""


def test_echo_data_behind_the_login_may_be_long(login):
    """What follows the PASS line in the same segment, however much, comes back after the 230."""
    data, size = Positional("behind"), 300000
    c = login.connect()
    c.send(f"USER behind\nPASS {PASSWORD}\n".encode() + data.at(0, size))
    assert [c.code() for _ in range(3)] == [220, 332, 230]
    data.check(0, c.exactly(size))
    c.half_close()
    assert c.to_end() == b""


def test_a_byte_a_segment(login):
    c = login.connect()
    for byte in f"USER bytewise\r\nPASS {PASSWORD}\r\nПривет".encode():
        c.send(bytes([byte]))
    assert [c.code() for _ in range(3)] == [220, 332, 230]
    assert c.exactly(12) == "Привет".encode()


def test_random_segments(login):
    dice = randomness("segments")
    for i in range(20):
        text = f"NOOP\r\nFEAT\nUSER seg{i}\r\nPASS {PASSWORD}\ndata {i}".encode()
        c = login.connect()
        while text:
            n = dice.randrange(1, 20)
            c.send(text[:n])
            text = text[n:]
        assert [c.code() for _ in range(5)] == [220, 200, 211, 332, 230], f"TEST_SEED={SEED}"
        c.half_close()
        assert c.to_end() == f"data {i}".encode()


def unread(c):
    """How many bytes of a connection within this machine the other end has not read yet: asked of sock_diag(7)."""
    ends = [socket.inet_aton(LOOPBACK)] * 2
    one = struct.pack("!HH4s12x4s12x", c.sock.getpeername()[1], c.sock.getsockname()[1], *ends) + bytes(4) + b"\xff" * 8
    question = struct.pack("=BBxxI", socket.AF_INET, socket.IPPROTO_TCP, 0xffffffff) + one
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as s:
        s.send(struct.pack("=IHHII", 16 + len(question), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0) + question)
        answer = s.recv(4096)
    assert struct.unpack_from("=H", answer, 4)[0] == SOCK_DIAG_BY_FAMILY, "the kernel knows no such connection"
    under_way = struct.unpack("=i", fcntl.ioctl(c.sock, termios.TIOCOUTQ, bytes(4)))[0]
    return under_way + struct.unpack_from("=I", answer, 72)[0]


def test_a_login_and_64_kib_in_one_two_and_three_segments(login):
    """Cut within or behind either line, at the data's first bytes, at a line's greatest length, or before the end."""
    login.echo_client(name="cut").close()
    dialogue, data = f"USER cut\r\nPASS {PASSWORD}\n".encode(), Positional("cuts").at(0, 65536)
    text, size = dialogue + data, len(dialogue)
    places = [*range(1, size + 3), LINE_MAX - 1, LINE_MAX, LINE_MAX + 1, size + LINE_MAX, len(text) - 1]
    dice = randomness("cuts")
    for cuts in [[], *([place] for place in places), *(sorted(dice.sample(places, 2)) for _ in range(60))]:
        c, ends = login.connect(), [*cuts, len(text)]
        for begin, end in zip([0, *cuts], ends):
            c.send(text[begin:end])
            if end < len(text):
                wait_until(lambda: not unread(c), "the server to read: the next segment stands for itself")
        assert [c.code() for _ in range(3)] == [220, 331, 230], f"cut at {cuts}"
        c.half_close()
        came = c.to_end()
        assert came == data, f"cut at {cuts}: {len(came)} of {len(data)} bytes, beginning with {came[:20]!r}"
        c.close()


def test_what_follows_a_failed_login_is_commands(login):
    login.echo_client(name="anna")
    c = login.connect()
    c.send("USER anna\nPASS wrong one\nNOOP\nUSER anna\n")
    assert [c.code() for _ in range(5)] == [220, 331, 530, 200, 331]


def test_many_commands_in_one_segment_are_answered_in_order(login):
    c = login.connect()
    c.send(b"NOOP\nFEAT\nHELP\n" * 200)
    assert c.code() == 220
    for _ in range(200):
        assert [c.code() for _ in range(3)] == [200, 211, 214]


# ---- half-close ----

@pytest.mark.parametrize("tool", ["nc.openbsd -N {host} {port}", "socat -t 10 - TCP:{host}:{port}", "python"])
def test_half_close_during_login(login, tool):
    text = f"USER half\nPASS {PASSWORD}\nhello".encode()
    if tool == "python":
        c = login.connect()
        c.send(text)
        c.half_close()
        came = c.to_end()
    else:
        argv = tool.format(host=LOOPBACK, port=login.port).split()
        if not shutil.which(argv[0]):
            pytest.skip(f"no {argv[0]} here")
        done = subprocess.run(argv, input=text, capture_output=True, timeout=20)
        assert done.returncode == 0, done
        came = done.stdout
    replies, _, echoed = came.partition(b"230 Welcome, half. Echo begins\r\n")
    assert [line[:3] for line in replies.split(b"\r\n") if line[:3].isdigit() and line[3:4] == b" "] == [b"220", b"332"]
    assert echoed == b"hello"


def test_half_close_in_the_middle_of_the_dialogue(login):
    c = login.connect()
    c.send("USER half\nPA")
    c.half_close()
    assert [c.code(), c.code()] == [220, 332]
    assert c.to_end() == b""
    assert fresh(login).ask("USER half") == 332


def test_half_close_behind_a_refused_password(login):
    login.echo_client(name="anna")
    c = login.connect()
    c.send("USER anna\nPASS wrong one\n")
    c.half_close()
    assert [c.code() for _ in range(3)] == [220, 331, 530]
    assert c.to_end() == b""


# ---- time ----

def test_login_deadline_while_bytes_trickle(server):
    s = server("--login-time", "1s")
    c = fresh(s)
    began = time.monotonic()
    # one byte each time that nothing has come for a tenth of a second: what is awaited is the 421
    while not select.select([c], [], [], 0.1)[0]:
        c.send("N")
        assert time.monotonic() - began < 5, "no end of the login"
    assert 0.9 <= time.monotonic() - began <= 2.5
    assert_ends(c)
    c.close()
    s.wait_status(lambda st: st["closed"]["login_time"] == 1, "the end to be counted as login_time")


def test_login_deadline_in_silence_and_not_after_login(server):
    s = server("--login-time", "1s")
    inside, mute = s.echo_client(), fresh(s)
    assert_ends(mute)
    inside.echoes(b"still here")


def test_421_is_readable_although_the_client_keeps_sending(login):
    c = fresh(login)
    c.send(b"X\nX\nX\n" + b"NOOP\n" * 10000)  # 50 kB: within what is drained
    assert [c.code() for _ in range(3)] == [500] * 3
    assert_ends(c)
    for _ in range(3):  # what is sent now is still taken, and no RST comes for it
        c.send(b"NOOP\n")
        assert login.status()["connections"]["closing"] == 1
        assert c.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def test_a_flood_after_421_is_not_drained_for_ever(login):
    c = fresh(login)
    c.send(b"X\nX\nX\n")
    sent, end = 0, time.monotonic() + 10
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        while time.monotonic() < end:
            sent += c.sock.send(b"NOOP\n" * 1000)
    login.wait_status(lambda s: s["connections"]["closing"] == 0, "the connection to be gone", 3)


# ---- where no secret may travel ----

ELSEWHERE = """
import sys
sys.path.insert(0, {here!r})
from harness import Client, Server, connect
import socket
with Server({folder!r}, *{args!r}, name="elsewhere", listen=["10.98.7.1:0"], warm=False) as server:
    s = socket.socket()
    s.settimeout(10)
    s.bind(("10.98.7.2", 0))
    s.connect(("10.98.7.1", server.port))
    c = Client(s)
    codes = [c.code()] + [c.ask(line) for line in {commands!r}]
    c.close()
    own = Client(socket.create_connection(("10.98.7.1", server.port), 10))
    codes += [own.code(), own.ask("USER anna"), own.ask("PASS wrong one")]
    own.close()
    print(*codes)
"""


def run_elsewhere(folder, commands, *args):
    """The codes that a client at another address gets, then one at the server's own; in a network of their own."""
    setup = "ip link set lo up && ip addr add 10.98.7.1/32 dev lo && ip addr add 10.98.7.2/32 dev lo"
    if not shutil.which("ip") or subprocess.run(["unshare", "-n", "sh", "-c", setup], capture_output=True).returncode:
        pytest.skip("no network namespace can be made here")
    code = ELSEWHERE.format(here=os.path.dirname(__file__), folder=folder, args=args, commands=commands)
    done = subprocess.run(["unshare", "-n", "sh", "-c", setup + ' && exec "$@"', "sh", sys.executable, "-c", code],
                          capture_output=True, text=True, timeout=40)
    assert done.returncode == 0, done.stderr
    return [int(code) for code in done.stdout.split()]


def test_534_where_the_path_leaves_the_machine(folder):
    """Registration is closed there by default; from the server's own address a password may come."""
    assert run_elsewhere(folder, ["USER anna", "PASS " + PASSWORD, "USER \0"]) == [220, 534, 503, 534, 220, 331, 530]


def test_allow_cleartext(folder):
    commands = ["USER anna", "PASS " + PASSWORD]
    assert run_elsewhere(folder, commands, "--allow-cleartext", "--register", "open") == [220, 332, 230, 220, 331, 530]


def test_registration_is_closed_by_default_where_others_reach(folder):
    commands = ["USER nobody", "PASS " + PASSWORD]
    assert run_elsewhere(folder, commands, "--allow-cleartext") == [220, 331, 530, 220, 331, 530]


# ---- the keeper away ----

def kill_keeper(server, number=signal.SIGKILL):
    os.kill(server.children()["keeper"], number)


def test_451_while_the_keeper_is_away(login):
    """Killed twice, it stays away for half a second; the question under way when it dies is answered 451, too."""
    running = login.echo_client()
    asking = fresh(login)
    kill_keeper(login, signal.SIGSTOP)
    asking.send("USER anna\n")
    running.echoes(b"the keeper has stopped")
    assert not select.select([asking], [], [], 0)[0]
    restarts = login.status()["restarts"]["keeper"]
    kill_keeper(login)
    assert asking.code() == 451
    login.wait_status(lambda s: s["restarts"]["keeper"] == restarts + 1 and s["keeper_ready"], "the keeper to be back")
    assert asking.ask("USER anna") == 331
    kill_keeper(login)
    login.wait_status(lambda s: not s["keeper_ready"], "the keeper to be away")
    assert asking.ask("USER anna") == 451
    running.echoes(b"the keeper is dead")
    login.wait_status(lambda s: s["keeper_ready"], "the keeper to be back again")
    # the answer may come from the link before or after the fresh one is there
    wait_until(lambda: asking.ask("USER anna") == 331, "an answer", 3)
    assert asking.ask("PASS " + PASSWORD) == 230
    asking.echoes(b"in after all")
    running.echoes(b"and still here")


def test_451_for_a_password_under_way(login):
    login.echo_client(name="anna")
    c = fresh(login)
    assert c.ask("USER anna") == 331
    kill_keeper(login, signal.SIGSTOP)
    c.send(f"PASS {PASSWORD}\n")
    login.wait_status(lambda s: s["connections"]["login"] == 1, "the login")
    kill_keeper(login)
    assert c.code() == 451
    login.wait_status(lambda s: s["keeper_ready"] and s["restarts"]["keeper"] == 1, "the keeper to be back")
    assert c.ask("PASS " + PASSWORD) == 230


def test_client_leaves_while_the_keeper_thinks(login):
    kill_keeper(login, signal.SIGSTOP)
    for _ in range(5):
        c = fresh(login)
        c.send("USER anna\n")
        c.reset()
    half = fresh(login)
    half.send("USER half\nNOOP\n")
    half.half_close()
    login.wait_status(lambda s: s["connections"]["login"] == 1, "the rude ones to be gone")
    kill_keeper(login, signal.SIGCONT)
    assert [half.code(), half.code()] == [332, 200]
    assert half.to_end() == b""


# ---- raw ----

def test_raw_says_nothing_of_its_own(server):
    s = server(listen=[f"raw:{LOOPBACK}:0"])
    c = s.connect("raw")
    c.echoes(b"\0")
    c.echoes(b"USER anna\r\nQUIT\r\n")
    c.echoes(bytes(range(256)))
    c.half_close()
    assert c.to_end() == b""
    assert "keeper" not in s.children()
