"""The newcomers' first minutes, played as they would do it, in both languages: the learner with two terminals, the
engineer with a path through a relay, and a build server that needs an echo.

What is waited for is what every language has: a question's colon, the echo turned off, numbers. That the words are the
language's own is asserted by their letters.
"""
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import termios

import pytest

from clients import LOOPBACK, PASSWORD, PATIENCE_S, wait_until
from faulty_path import FaultProxy
from harness import STILL_ROOT, Server, check_sanitizer, environment, free_ports, program
from terminal import Terminal
from test_peers import LISTEN, peer

LANGUAGES = {"en": "en_US.UTF-8", "ru": "ru_RU.UTF-8"}
HELLO = {"en": "hello", "ru": "привет"}
CYRILLIC = re.compile("[а-яё]", re.I)
TOLD = ("198.51.100.9", 51544)
TIME = r" +\d+[.,]\d+ (ms|мс)"


class Person:
    """Someone at home in folder, whose programs speak their language."""

    def __init__(self, folder, language):
        self.folder, self.language = folder, language
        self.env = environment(folder, LC_ALL="", LANG=LANGUAGES[language], TERM="dumb")

    def speaks(self, text):
        """The text is of the language, as far as letters tell."""
        assert bool(CYRILLIC.search(text)) == (self.language == "ru"), text

    def terminal(self, name, *args):
        return Desk([program(name), *args], self.env)

    def run(self, name, *args, password=PASSWORD, data=b""):
        done = subprocess.run([program(name), *args], input=data, capture_output=True, timeout=PATIENCE_S,
                              env={**self.env, "ECHOC_PASSWORD": password}, start_new_session=True)
        check_sanitizer(self.folder, done.stderr.decode())
        return done


class Desk(Terminal):
    """A terminal that is read by what any language has."""

    def expect(self, pattern):
        """Reads until the pattern is shown behind what was awaited before; gives the match."""
        def shown():
            self.read_more(0)
            text = self.text.decode(errors="replace")
            match = re.search(pattern, text[self.known:], re.S)
            if match:
                self.known += match.end()
            return match
        return wait_until(shown, f"{pattern!r} on the terminal that shows {self.text.decode(errors='replace')!r}")

    known = 0  # how many characters were awaited

    def question(self):
        """Reads until somebody is waited for behind a colon; gives what is asked."""
        return self.expect(r".*: $")[0]

    def hides(self):
        return not termios.tcgetattr(self.fd)[3] & termios.ECHO


@pytest.fixture(params=LANGUAGES)
def person(request, folder):
    yield Person(folder, request.param)
    check_sanitizer(folder)


# ---- the learner ----

def start_server(person, *args):
    """In a terminal of its own: gives it, its port and its process."""
    desk = person.terminal("echod", *STILL_ROOT, *args)
    ready = desk.expect(r"ready listen=127\.0\.0\.1:(\d+) pid=(\d+)\r\n")
    return desk, int(ready[1]), int(ready[2])


def answer_the_questions(person, desk, port):
    """Enter at each question but the password, and that twice."""
    asked = [desk.question()]
    assert f"[{LOOPBACK}]" in asked[0]
    desk.type("\n")
    asked.append(desk.question())
    assert f"[{port}]" in asked[1]
    desk.type("\n")
    asked.append(desk.question())
    assert f"[{pwd.getpwuid(os.geteuid()).pw_name}]" in asked[2]
    desk.type("\n")
    for _ in range(2):
        asked.append(desk.question())
        wait_until(desk.hides, "the password to be hidden")
        desk.type(PASSWORD + "\n")
    for text in asked:
        person.speaks(text)
    person.speaks(desk.expect(r".*\n> ")[0])


def talk(person, desk):
    word = HELLO[person.language]
    desk.type(word + "\n")
    desk.expect(word + r".*" + word + TIME)


def test_the_learners_two_minutes(person):
    server, port, pid = start_server(person)
    with server, person.terminal("echoc") as desk:
        answer_the_questions(person, desk, port)
        talk(person, desk)
        os.kill(pid, signal.SIGKILL)
        server.end()
        person.speaks(desk.expect(r"\n?echoc: [^\n]*\n")[0])
        desk.type(HELLO[person.language] + "\n")
        again, _, pid = start_server(person, "--listen", f"{LOOPBACK}:{port}")
        with again:
            desk.expect(HELLO[person.language] + TIME)
            talk(person, desk)
            desk.type("exit\n")
            assert desk.end() == 0
            assert PASSWORD.encode() not in desk.text
            see_the_protocol(person, port)
            os.kill(pid, signal.SIGTERM)
            assert again.end() == 0


def see_the_protocol(person, port):
    with person.terminal("echoc", f"{LOOPBACK}:{port}", "--trace") as desk:
        desk.expect(r"S: 220 .*C: (OPTS|USER) .*S: 230 .*\n> ")
        talk(person, desk)
        desk.type("\x04")
        assert desk.end() == 0
    name = pwd.getpwuid(os.geteuid()).pw_name
    said = subprocess.run(["nc", "-N", LOOPBACK, str(port)], input=f"USER {name}\nPASS {PASSWORD}\nhello\n".encode(),
                          capture_output=True, timeout=PATIENCE_S, check=True).stdout.decode()
    assert re.fullmatch(r"220 [^\n]+\n331 [^\n]+\n(230-[^\n]+\n)*230 [^\n]+\nhello\n", said), said


# ---- the engineer ----

def save(person, name, *words, streams=True):
    """Runs echoc as one that writes what it finds into a file, and gives its lines as objects."""
    done = person.run("echoc", *words, "--json-stream" if streams else "--json")
    assert done.returncode == 0, done.stderr
    with open(os.path.join(person.folder, name), "wb") as file:
        file.write(done.stdout)
    return [json.loads(line) for line in done.stdout.splitlines()]


def measure(person, address, pin):
    """Gives the last line of the ping, and of the load."""
    words = [address, "--user", "probe", "--pin", pin]
    shown = person.run("echoc", "ping", *words, "--count", "3", "--interval", "10ms")
    assert shown.returncode == 0 and "%s:%d" % TOLD in shown.stdout.decode()
    person.speaks(shown.stdout.decode())
    pinged = save(person, "ping.json", "ping", *words, "--count", "20", "--interval", "10ms", streams=False)[-1]
    loaded = save(person, "run.ndjson", "load", *words, "--rate", "400", "--connections", "4", "--warm-up", "100ms",
                  "--duration", "500ms")[-1]
    return pinged, loaded


def see_the_report(person):
    files = [os.path.join(person.folder, name) for name in ("run.ndjson", "ping.json")]
    page = os.path.join(person.folder, "run.html")
    assert person.run("echoc", "report", *files, "--html", "-o", page).returncode == 0
    with open(page, encoding="utf-8") as file:
        html = file.read()
    assert html.startswith("<!DOCTYPE html>") and html.count("<svg") >= 2
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", html), "the page needs the network"
    person.speaks(re.sub(r"<style.*?</style>|<[^>]*>", "", html, flags=re.S))
    text = person.run("echoc", "report", *files, "--text")
    assert text.returncode == 0
    person.speaks(text.stdout.decode())
    assert "#[Mean" in person.run("echoc", "report", files[0], "--hgrm").stdout.decode()


def test_an_engineer_measures_through_a_relay(person):
    """The path is a relay that says whose connection it is, and takes 4 ms."""
    with Server(person.folder, "--proxy-from", f"{LOOPBACK}/32", listen=(f"tls:{LOOPBACK}:0",), busy=True) as server, \
            FaultProxy(server.port) as path:
        made = person.run("echoctl", "user", "add", "probe", "--state", server.state, data=PASSWORD.encode() + b"\n")
        assert made.returncode == 0, made.stderr
        path.add("proxy_v2", *TOLD)
        path.add("latency", "both", 2)
        address, pin = f"tls:{LOOPBACK}:{path.port}", server.wait_log("tls_key")["pin"]
        pinged, loaded = measure(person, address, pin)
        assert pinged["seen_as"] == "%s:%d" % TOLD and pinged["probes"]["echoed"] == 20
        assert pinged["phases"]["tls_ns"] > 4e6 and pinged["phases"]["login_ns"] > 4e6  # each takes round trips
        assert 4e6 < pinged["rtt"]["p50_ns"] < 60e6
        assert loaded["type"] == "result" and loaded["schema"].startswith("echoc.load/")
        see_the_report(person)
        wrong = person.run("echoc", "ping", address, "--user", "probe", "--pin", "SHA256:" + "A" * 43, "--count", "1")
        assert wrong.returncode == 5
        person.speaks(wrong.stderr.decode().removeprefix("echoc: "))
        server.wait_log("login", user="probe", peer="%s:%d" % TOLD)


# ---- the build server ----

def statuses(person, port, folder):
    """What can go wrong, and the status that says so, whatever the format."""
    nobody = free_ports(1)
    echod = f"{LOOPBACK}:{port}"
    yield 0, [echod], {}
    yield 2, [echod, "--gone"], {}
    yield 3, [f"raw:{LOOPBACK}:{nobody}"], {}
    yield 3, [f"raw:{LOOPBACK}:{nobody}", "--wait", "50ms"], {}
    yield 4, [echod], {"password": "not the one"}
    yield 5, [f"tls:{echod}"], {}


def test_a_build_server_needs_an_echo(person):
    folder, port = person.folder, free_ports(1)
    check = subprocess.Popen([program("echoc"), "check", f"{LOOPBACK}:{port}", "--user", "ci", "--wait", "30s"],
                             env={**person.env, "ECHOC_PASSWORD": PASSWORD}, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    ports = os.path.join(folder, "port")
    with Server(folder, "--port-file", ports, listen=(f"{LOOPBACK}:{port}", f"raw:{LOOPBACK}:0"), busy=True) as server:
        assert (check.communicate(timeout=PATIENCE_S), check.returncode) == ((b"", b""), 0)
        with open(ports) as file:
            login, raw = (int(line) for line in file)
        assert login == port
        assert person.run("echoc", "check", f"raw:{LOOPBACK}:{raw}").returncode == 0
        for status, words, how in statuses(person, login, folder):
            see_status(person, status, [*words, "--user", "ci"] if "raw:" not in words[0] else words, how)
        with peer("socat", LISTEN, "SYSTEM:echo good day; cat") as (_, other):
            see_status(person, 6, [f"{LOOPBACK}:{other}", "--user", "ci"], {})
        with peer("socat", LISTEN, "EXEC:tr '\\000-\\377' '\\001-\\377\\000'") as (_, other):
            done = person.run("echoc", f"raw:{LOOPBACK}:{other}", data=b"hello\n")
            assert done.returncode == 1
            person.speaks(done.stderr.decode().removeprefix("echoc: "))
        server.stop()
    assert not os.path.exists(ports)


def see_status(person, status, words, how):
    done = person.run("echoc", "check", *words, **how)
    assert (done.returncode, done.stdout) == (status, b""), done.stderr
    if status:
        person.speaks(done.stderr.decode().splitlines()[0].removeprefix("echoc: "))
    else:
        assert done.stderr == b""
    told = person.run("echoc", "check", *words, "--json", **how)
    assert (told.returncode, json.loads(told.stdout)["status"]) == (status, status)
