"""Resume tokens in echoc: what comes back without a password, what is kept, and what is never shown."""
import contextlib
import re
import resource
import subprocess
import threading

import pytest

from certificates import Maker, pin_of
from echoc_bench import (ECHOC, LIMIT, PASSWORD, environment, echoc, fake, free_port, one_sentence, random_bytes, terminal,
                         wait_for)
from echoc_relay import relay

RESUME = re.compile(r"RESUME ([\w-]{43})")


@pytest.fixture(scope="module")
def maker(tmp_path_factory):
    return Maker(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def own(maker):
    return maker.certificate()


def folder(home):
    return home / ".local/state/echoc/tokens"


def files(home):
    return sorted(folder(home).iterdir()) if folder(home).exists() else []


def kept(home):
    """The tokens in the files."""
    return [f.read_text().split(" ")[0] for f in files(home) if f.stat().st_size]


def resumed(server):
    return [m[1] for line in server.all_commands() if (m := RESUME.fullmatch(line))]


class Running:
    """An echoc of which the standard input stays open."""

    def __init__(self, home, *args, password=PASSWORD, prefix=()):
        self.process = subprocess.Popen([*prefix, ECHOC, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=environment(home, ECHOC_PASSWORD=password),
                                        start_new_session=True)

    def echo(self, data):
        """Returns whether it came back."""
        self.process.stdin.write(data)
        self.process.stdin.flush()
        return self.process.stdout.read(len(data)) == data

    def end(self):
        out, err = self.process.communicate(timeout=LIMIT)
        return self.process.returncode, out, err.decode()

    def kill(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def running(tmp_path):
    started = []

    def start(*args, **how):
        started.append(Running(tmp_path, *args, **how))
        return started[-1]
    yield start
    for one in started:
        with contextlib.suppress(ValueError):
            one.kill()


# After a drop

@pytest.mark.parametrize("kind", ["plain", "tls", "unix"])
def test_comes_back_with_the_token(echoc, fake, own, tmp_path, kind):
    where = {"plain": [], "tls": ["--tls", own], "unix": ["--unix", str(tmp_path / "socket")]}[kind]
    server = fake(*where, "--account", "anna:" + PASSWORD, "--connections", "1-4", "--drop-after", "300001")
    address = ("tls:" if kind == "tls" else "") + server.address
    data = random_bytes(2_000_000)
    result = echoc(address, "--user", "anna", *(["--pin", pin_of(own)] if kind == "tls" else []), data=data)
    assert result.returncode == 0 and result.stdout == data
    assert server.all_commands(1) == ["OPTS TOKEN", "USER anna", "PASS " + PASSWORD]
    tokens = resumed(server)
    assert len(tokens) == 4 and len(set(tokens)) == 4  # each time with the successor
    assert sum("USER" in line for line in server.all_commands()) == 1
    (left,) = kept(tmp_path)
    assert left not in tokens  # the last successor, which nobody has used
    for token in [*tokens, left]:
        assert token.encode() not in result.stderr + result.stdout


def test_what_is_kept(echoc, fake, own, tmp_path):
    server = fake("--tls", own)
    assert echoc("tls:" + server.address, "--user", "анна", "--pin", pin_of(own), data=b"x").returncode == 0
    (file,) = files(tmp_path)
    assert re.fullmatch(rf"[\w-]{{43}} 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ\nserver {re.escape(pin_of(own))}\nuser анна\n",
                        file.read_text())
    assert file.stat().st_mode & 0o777 == 0o600 and folder(tmp_path).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("how", ["before", "after"])
def test_lost_230(echoc, fake, tmp_path, how):
    """The server has issued a successor, and the client may never have seen it: the old token is still good."""
    server = fake("--account", "anna:" + PASSWORD, "--drop-after", "3", "--drop-on", "1", "--lose-230", how, "--connections",
                  "2-4")
    result = echoc(server.address, "--user", "anna", data=b"abcdef")
    assert (result.returncode, result.stdout) == (0, b"abcdef")
    tokens = resumed(server)
    assert len(tokens) == 4 and len(server.all_commands(5)) == 2
    assert sum("PASS" in line for line in server.all_commands()) == 1
    if how == "before":
        assert len(set(tokens)) == 1
    assert len(kept(tmp_path)) == 1


def test_killed_after_a_lost_230(fake, echoc, running, tmp_path):
    """What stands in the file is good, whenever the process was killed."""
    server = fake("--account", "anna:" + PASSWORD, "--drop-after", "3", "--drop-on", "1", "--lose-230", "after",
                  "--connections", "2-")
    one = running(server.address, "--user", "anna")
    one.process.stdin.write(b"abcdef")
    one.process.stdin.flush()
    wait_for(lambda: len(resumed(server)) >= 3)
    one.kill()
    (left,) = kept(tmp_path)
    assert left not in resumed(server)[:-1]


def test_lost_230_and_an_outage(echoc, fake, relay, running):
    """Nobody has a password, the last successor was never seen, and then nobody answers for a while."""
    server = fake("--account", "anna:" + PASSWORD)
    loses = threading.Event()
    between = relay(server, lambda at, some: None if loses.is_set() and b"\r\n230 " in b"\r\n" + some else some)
    assert echoc(between.address, "--user", "anna").returncode == 0
    one = running(between.address, "--user", "anna", password=None)
    assert one.echo(b"abc")
    loses.set()
    between.cut()
    wait_for(lambda: len(resumed(server)) >= 2)  # and its 230 is lost
    between.end()
    one.process.stdin.write(b"def")
    one.process.stdin.flush()
    for _ in range(4):  # tries that find nobody
        while b"trying again" not in one.process.stderr.readline():
            pass
    loses.clear()
    between.begin()
    assert one.process.stdout.read(3) == b"def"
    status, out, err = one.end()
    assert (status, out) == (0, b"") and "back at" in err
    assert sum("PASS" in line for line in server.all_commands()) == 1


# The first login

def test_resumes_from_an_orphan(echoc, fake, tmp_path):
    server = fake("--account", "anna:" + PASSWORD)
    assert echoc(server.address, "--user", "anna", data=b"x").returncode == 0
    result = echoc(server.address, "--user", "anna", data=b"abc", password=None)
    assert (result.returncode, result.stdout) == (0, b"abc")
    one_sentence(result, "resumed as anna")
    assert server.all_commands(2)[0] == "OPTS TOKEN" and RESUME.fullmatch(server.all_commands(2)[1])
    assert echoc(server.address, "--user", "anna", "--quiet", password=None).stderr == b""
    assert len(files(tmp_path)) == 1


def test_a_given_password_is_used(echoc, fake):
    """Whoever gives a password means it; and no second family is begun for it."""
    server = fake("--account", "anna:" + PASSWORD)
    assert echoc(server.address, "--user", "anna").returncode == 0
    assert echoc(server.address, "--user", "anna").returncode == 0
    assert server.all_commands(2) == ["USER anna", "PASS " + PASSWORD]
    result = echoc(server.address, "--user", "anna", password="something else")
    assert result.returncode == 4
    assert echoc(server.address, "--user", "anna", password=None).returncode == 0


@pytest.mark.parametrize("other", ["user", "server", "tls"])
def test_an_orphan_is_for_its_user_and_server_only(echoc, fake, own, other):
    server = fake("--closed", "--account", "anna:" + PASSWORD, "--account", "boris:" + PASSWORD)
    assert echoc(server.address, "--user", "anna").returncode == 0
    args = ["--user", "boris" if other == "user" else "anna"]
    address = server.address
    if other != "user":
        server = fake("--closed", *(["--tls", own] if other == "tls" else []))
        address = ("tls:" if other == "tls" else "") + server.address
        args += ["--pin", pin_of(own)] if other == "tls" else []
    result = echoc(address, *args, password=None)
    assert result.returncode == 2 and not resumed(server)


def test_one_server_under_two_names(echoc, fake, own):
    """With TLS it is the key that counts."""
    server = fake("--tls", own, "--account", "anna:" + PASSWORD)
    port = server.address.split(":")[1]
    assert echoc("tls:" + server.address, "--user", "anna", "--pin", pin_of(own)).returncode == 0
    assert echoc(f"tls:localhost:{port}", "--user", "anna", "--pin", pin_of(own), password=None).returncode == 0


def test_a_token_is_for_its_key_only(echoc, fake, maker, relay):
    """After a drop another server answers, which its chain makes as good: but the token is not its own."""
    account = ["--account", "anna:" + PASSWORD]
    first = fake("--tls", maker.certificate(signed=True), *account, "--drop-after", "3")
    second = fake("--tls", maker.certificate(signed=True), *account)
    between = relay(first, then=second)
    result = echoc("tls:" + between.address, "--user", "anna", data=b"abcdef", prefix=["env", "SSL_CERT_FILE=" + maker.ca()])
    assert (result.returncode, result.stdout) == (0, b"abcdef")
    assert second.all_commands() == ["OPTS TOKEN", "USER anna", "PASS " + PASSWORD]


def test_no_token(echoc, fake, tmp_path):
    server = fake("--account", "anna:" + PASSWORD, "--drop-after", "3", "--connections", "2")
    assert echoc(server.address, "--user", "anna").returncode == 0
    before = kept(tmp_path)
    assert echoc(server.address, "--user", "anna", "--no-token", data=b"abcdef").returncode == 0
    assert all(server.all_commands(n) == ["USER anna", "PASS " + PASSWORD] for n in (2, 3))
    assert echoc(server.address, "--user", "anna", "--no-token", password=None).returncode == 2
    assert kept(tmp_path) == before


# Tokens that are no good

def test_refused_token_and_a_password(echoc, fake, tmp_path):
    server = fake("--account", "anna:" + PASSWORD, "--drop-after", "3", "--drop-on", "1", "--forget-tokens", "--connections",
                  "2")
    result = echoc(server.address, "--user", "anna", data=b"abcdef")
    assert (result.returncode, result.stdout) == (0, b"abcdef")
    assert [line.split()[0] for line in server.all_commands(2)] == ["OPTS", "RESUME", "USER", "PASS"]
    assert kept(tmp_path) and kept(tmp_path)[0] not in resumed(server)


def test_refused_token_and_nobody_to_ask(echoc, fake, tmp_path):
    server = fake("--account", "anna:" + PASSWORD, "--drop-after", "3", "--drop-on", "2", "--forget-tokens", "--connections",
                  "3-")
    assert echoc(server.address, "--user", "anna").returncode == 0
    result = echoc(server.address, "--user", "anna", "--quiet", data=b"abcdef", password=None)
    assert (result.returncode, result.stdout) == (4, b"abc")
    one_sentence(result, "resume token", "--password-file")
    assert kept(tmp_path) == []
    result = echoc(server.address, "--user", "anna", password=None)  # and there is nothing to try now
    assert result.returncode == 2 and len(resumed(server)) == 2


def test_refused_orphan_and_nobody_to_ask(echoc, fake, tmp_path):
    server = fake("--account", "anna:" + PASSWORD, "--forget-tokens", "--connections", "2-")
    assert echoc(server.address, "--user", "anna").returncode == 0
    result = echoc(server.address, "--user", "anna", password=None)
    assert result.returncode == 4
    one_sentence(result, "resume token")


def test_refused_token_in_a_talk(terminal, echoc, fake):
    """The person is asked, once, and goes on where they were."""
    server = fake("--account", "anna:" + PASSWORD, "--drop-after", "6", "--drop-on", "2", "--forget-tokens", "--connections",
                  "3-")
    assert echoc(server.address, "--user", "anna").returncode == 0
    t = terminal(server.address, "--user", "anna")
    t.expect("resumed as anna")
    t.expect("> ")
    t.type("first\n")
    t.expect(r"first   \d")
    t.expect("coming back")
    t.expect("Password: ")
    t.type(PASSWORD + "\n")
    t.expect("back at")
    t.type("second\n")
    t.expect(r"second   \d")
    t.type("exit\n")
    assert t.end() == 0


def test_expired_token_is_not_tried(echoc, fake):
    server = fake("--account", "anna:" + PASSWORD, "--token-life", "0")
    assert echoc(server.address, "--user", "anna").returncode == 0
    assert echoc(server.address, "--user", "anna", password=None).returncode == 2
    assert not resumed(server)


@pytest.mark.parametrize("bad", ["x", "A" * 43, "A" * 43 + " soon", "A" * 44 + " 2099-01-01T00:00:00Z",
                                 "A" * 42 + "/ 2099-01-01T00:00:00Z", "A" * 43 + " 2099-13-01T00:00:00Z", "A" * 400])
def test_server_that_talks_nonsense(echoc, fake, tmp_path, bad):
    server = fake("--bad-token", bad, "--drop-after", "3", "--drop-on", "1")
    result = echoc(server.address, "--user", "anna", "--quiet", data=b"abcdef")
    assert (result.returncode, result.stdout, kept(tmp_path)) == (0, b"abcdef", [])
    assert not resumed(server) and bad.encode() not in result.stderr


def test_token_is_not_shown_in_a_talk(terminal, fake, tmp_path):
    server = fake("--welcome", "Good morning")
    t = terminal(server.address, "--user", "anna", password=PASSWORD)
    shown = t.expect("Good morning").string + t.expect("Connected").string
    assert "TOKEN" not in shown and kept(tmp_path)[0] not in shown


def test_old_server(echoc, fake, tmp_path):
    """It is asked once: the question is one of its three strikes."""
    server = fake("--old", "--account", "anna:" + PASSWORD, "--drop-after", "3", "--connections", "1-2")
    result = echoc(server.address, "--user", "anna", data=b"abcdef")
    assert result.returncode == 0 and server.all_commands().count("OPTS TOKEN") == 1
    assert files(tmp_path) == []


# Files

def test_processes_do_not_share(fake, running, tmp_path):
    server = fake("--account", "anna:" + PASSWORD)
    several = [running(server.address, "--user", "anna") for _ in range(4)]
    assert all(one.echo(b"x") for one in several)
    assert len(set(kept(tmp_path))) == 4
    assert not resumed(server)
    for one in several:
        one.process.stdin.close()
        assert one.process.wait(LIMIT) == 0
    again = [running(server.address, "--user", "anna", password=None) for _ in range(4)]
    assert all(one.echo(b"x") for one in again)
    assert len(set(resumed(server))) == 4 and len(files(tmp_path)) == 4


def test_orphan_of_a_killed_process(fake, running, echoc):
    server = fake("--account", "anna:" + PASSWORD)
    one = running(server.address, "--user", "anna")
    assert one.echo(b"x")
    assert echoc(server.address, "--user", "anna", password=None).returncode == 2  # it is held
    one.kill()
    assert echoc(server.address, "--user", "anna", password=None).returncode == 0


@pytest.mark.parametrize("what", ["link", "file", "unwritable"])
def test_folder_that_is_none(echoc, fake, tmp_path, what):
    """Then the token is in memory only, and no link is followed."""
    state = tmp_path / ".local/state/echoc"
    state.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    if what == "link":
        folder(tmp_path).symlink_to(tmp_path / "elsewhere")
    elif what == "file":
        folder(tmp_path).write_text("")
    server = fake("--account", "anna:" + PASSWORD, "--drop-after", "3", "--connections", "1")
    home = str(tmp_path) if what != "unwritable" else "/proc/nowhere"
    result = echoc(server.address, "--user", "anna", "--quiet", data=b"abcdef", prefix=["env", "HOME=" + home])
    assert (result.returncode, result.stdout, result.stderr) == (0, b"abcdef", b"")
    assert len(resumed(server)) == 1 and not list((tmp_path / "elsewhere").iterdir())


def test_file_that_is_a_link(echoc, fake, tmp_path):
    server = fake("--account", "anna:" + PASSWORD)
    assert echoc(server.address, "--user", "anna").returncode == 0
    (file,) = files(tmp_path)
    (tmp_path / "elsewhere").write_text("precious")
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere")
    assert echoc(server.address, "--user", "anna").returncode == 0
    assert (tmp_path / "elsewhere").read_text() == "precious"


@pytest.mark.parametrize("text", [b"", b"x", b"\0" * 2000, b"A" * 43 + b" 2099-01-01T00:00:00Z\n"])
def test_spoiled_file(echoc, fake, tmp_path, text):
    server = fake("--account", "anna:" + PASSWORD)
    assert echoc(server.address, "--user", "anna").returncode == 0
    files(tmp_path)[0].write_bytes(text)
    assert echoc(server.address, "--user", "anna", password=None).returncode == 2
    assert not resumed(server)
    assert echoc(server.address, "--user", "anna").returncode == 0
    assert len(kept(tmp_path)) == 1


def test_full_disk(fake, running, tmp_path):
    """A successor that cannot be written is not used: the old token, which the file has, stays the process's too."""
    server = fake("--account", "anna:" + PASSWORD, "--drop-after", "3", "--connections", "1-2")
    one = running(server.address, "--user", "anna", prefix=["sh", "-c", "trap '' XFSZ; exec \"$@\"", "-"])
    assert one.echo(b"a")
    before = kept(tmp_path)
    resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (0, 0))
    assert one.echo(b"bcdefg")
    assert server.connections() == 3
    assert kept(tmp_path) == before and resumed(server) == before * 2


# Many at once

@pytest.mark.limit(120)
def test_storm(fake, running):
    """All come back after a restart, none with a password, and not all at once: the waits are spread (T50)."""
    count, port = 30, free_port()
    server = fake("--account", "anna:" + PASSWORD, "--port", str(port))
    all_of_them = [running(server.address, "--user", "anna", "--retry-time", "60s") for _ in range(count)]
    threads = [threading.Thread(target=one.echo, args=(b"x",)) for one in all_of_them]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    waits = []
    for one in all_of_them:
        one.process.stdin.write(b"y")
        one.process.stdin.flush()
    assert all(one.process.stdout.read(1) == b"y" for one in all_of_them)
    server.stop()
    for one in all_of_them:
        first = b""
        while b"coming back in" not in first:
            first = one.process.stderr.readline()
        waits.append(float(re.search(rb"coming back in ([\d.]+) s", first)[1]))
    assert max(waits) <= 0.5 and len(set(waits)) >= 4, waits  # of six that can be told apart
    # The stand-in has forgotten the tokens, as a server does whose store is new: all come back all the same.
    again = fake("--account", "anna:" + PASSWORD, "--port", str(port))
    wait_for(lambda: again.connections() >= count, 60)
    for one in all_of_them:
        assert one.echo(b"z")
    assert sum(line.startswith("USER") for line in again.all_commands()) == count
