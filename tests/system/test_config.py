"""Named servers: ~/.config/echoc/config."""
import json
import os

import pytest

from certificates import Maker, pin_of
from echoc_bench import PASSWORD, echoc, fake, free_port, one_sentence, terminal

PIN = "SHA256:" + "A" * 43


@pytest.fixture
def config(tmp_path):
    """Writes the file; returns its path."""
    def write(text, folder=".config"):
        path = tmp_path / folder / "echoc" / "config"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o644)
        return path
    return write


def check(echoc, *args, **how):
    return echoc("check", *args, **how)


# What a name stands for

def test_a_name_stands_for_address_and_user(echoc, fake, config):
    server = fake()
    config(f"# my servers\n[lab]\naddress = {server.address}  ; here\nuser = anna\n\n[other]\naddress=nowhere.invalid\n")
    assert echoc("lab", data=b"x").stdout == b"x"
    assert check(echoc, "lab").returncode == 0
    assert server.commands() == ["USER anna", "PASS " + PASSWORD] * 2


@pytest.mark.parametrize("mode", ["talk", "load", "check"])
def test_every_mode_knows_it(echoc, config, mode):
    config("[lab]\naddress = raw:no-such-host.invalid:7\n")
    result = echoc(mode, "lab")
    assert result.returncode == 3 and b"no-such-host.invalid" in result.stderr


def test_the_command_line_wins(echoc, fake, config):
    server = fake()
    config(f"[lab]\naddress = {server.address}\nuser = anna\n")
    assert check(echoc, "lab", "--user", "boris").returncode == 0
    assert server.commands()[0] == "USER boris"


def test_pin(echoc, fake, config, tmp_path):
    pem = Maker(tmp_path).certificate()
    server = fake("--tls", pem)
    config(f"[lab]\naddress = tls:{server.address}\npin = {pin_of(pem)}\n[bad]\naddress = tls:{server.address}\npin = {PIN}\n")
    assert check(echoc, "lab").returncode == 0
    assert check(echoc, "bad").returncode == 5
    assert check(echoc, "bad", "--pin", pin_of(pem)).returncode == 0
    assert check(echoc, "lab", "--pin", PIN).returncode == 5


def test_a_pin_of_the_command_line_is_for_tls_here_too(echoc, config):
    config("[lab]\naddress = localhost\n")
    result = echoc("lab", "--pin", PIN)
    assert result.returncode == 2 and b"--pin" in result.stderr


def test_the_section_goes_before_a_host_of_that_name(echoc, fake, config):
    server = fake("--raw")
    config(f"[localhost]\naddress = raw:{server.address}\n")
    assert check(echoc, "localhost").returncode == 0
    assert server.connections() == 1


@pytest.mark.parametrize("form", ["[lab]\n  address = {}\n\tuser = anna\n", "\ufeff[lab]\naddress = {}\nuser = anna\n",
                                  " [lab]\r\n address = {}\r\n  user = anna\r\n"], ids=["indented", "mark", "CRLF"])
def test_as_editors_write_it(echoc, fake, config, form):
    server = fake()
    config(form.format(server.address))
    assert check(echoc, "lab").returncode == 0
    assert server.commands()[0] == "USER anna"


def test_a_word_that_is_no_section_is_a_host(echoc, config):
    config("[lab]\naddress = localhost\n")
    result = check(echoc, "no-such-host.invalid")
    assert result.returncode == 3
    one_sentence(result, "no-such-host.invalid")


def test_no_file(echoc):
    assert check(echoc, "no-such-host.invalid").returncode == 3


def test_xdg_config_home(echoc, fake, config, tmp_path, monkeypatch):
    server = fake("--raw")
    config(f"[lab]\naddress = raw:{server.address}\n", folder="elsewhere")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    assert check(echoc, "lab").returncode == 0
    monkeypatch.setenv("XDG_CONFIG_HOME", "elsewhere")  # a relative one is ignored
    monkeypatch.chdir(tmp_path)
    assert check(echoc, "lab").returncode == 3


def test_a_link_to_a_good_file_is_followed(echoc, fake, config, tmp_path):
    server = fake("--raw")
    path = config(f"[lab]\naddress = raw:{server.address}\n")
    path.rename(tmp_path / "mine")
    path.symlink_to(tmp_path / "mine")
    assert check(echoc, "lab").returncode == 0


@pytest.mark.parametrize("address", ["raw:127.0.0.1:{}", ":{}", "{}", "unix:/nowhere"])
def test_what_is_an_address_needs_no_file(echoc, config, address):
    config("nonsense\n")
    assert echoc(address.format(free_port())).returncode == 3


def test_a_terminal_needs_no_questions(fake, terminal, config):
    server = fake("--account", "anna:" + PASSWORD)
    config(f"[lab]\naddress = {server.address}\nuser = anna\n")
    t = terminal("lab", password=PASSWORD)
    t.expect(r"Connected to \S+ as anna")
    t.type("exit\r")
    assert t.end() == 0


# What is wrong there

BAD = {
    "unknown key": ("[a]\naddress = x\nuzer = y\n", 3, "'uzer'", "user"),
    "misspelt": ("[a]\nadress = x\n", 2, "'adress'", "address"),
    "far from all": ("[a]\nport = 7\n", 2, "'port'", "address, user and pin"),
    "password": ("[a]\naddress = x\npassword = y\n", 3, "no password", "--password-file"),
    "passwd": ("[a]\naddress = x\npasswd = y\n", 3, "no password"),
    "no address": ("\n[a]\nuser = y\n[b]\naddress = x\n", 2, "[a] has no address"),
    "empty section": ("[a]\n[b]\naddress = x\n", 1, "[a] has no address"),
    "empty section at the end": ("[b]\naddress = x\n\n[a]\n", 4, "[a] has no address"),
    "bad address": ("[a]\naddress = x:port\n", 2, "x:port", "a port is"),
    "range": ("[a]\naddress = x:1-5\n", 2, "one port"),
    "port 0": ("[a]\naddress = x:0\n", 2, "port 0"),
    "bad user": ("[a]\naddress = x\nuser = a b\n", 3, "user: a name holds"),
    "empty user": ("[a]\naddress = x\nuser =\n", 3, "at least one character"),
    "bad pin": ("[a]\naddress = tls:x\npin = SHA256:short\n", 3, "SHA256:short", "43 characters"),
    "pin without TLS": (f"[a]\npin = {PIN}\naddress = x\n", 2, "TLS", "[a]"),
    "twice a key": ("[a]\naddress = x\naddress = y\n", 3, "address twice"),
    "continued": ("[a]\naddress = x\n  more\n", 3, "KEY = VALUE"),
    "NUL": ("[a]\naddress = x\0y\n", 2, "KEY = VALUE"),
    "twice a name": ("[lab]\naddress = x\n[lab]\naddress = y\n", 3, "[lab] stands there a second time"),
    "colon": ("[a:1]\naddress = x\n", 1, "[a:1]", "could be an address"),
    "slash": ("[a/b]\naddress = x\n", 1, "[a/b]"),
    "digits": ("[7862]\naddress = x\n", 1, "[7862]"),
    "no name": ("[]\naddress = x\n", 1, "[]"),
    "long name": (f"[{'a' * 50}]\naddress = x\n", 1, "at most 49"),
    "no section": ("address = x\n", 1, "stands before any"),
    "escape in no section": ("\x1b[31mx = y\n", 1, "'\\x1b[31mx' stands before any"),
    "nonsense": ("[a]\naddress = x\nnonsense\n", 3, "KEY = VALUE"),
    "half a section": ("[a\naddress = x\n", 1, ""),
    "long line": ("[a]\naddress = " + "x" * 300 + "\n", 2, "too long"),
    "escape": ("[a]\naddress = \x1b[31mx y\n", 2, "\\x1b[31mx y"),
}


@pytest.mark.parametrize("text, line, parts", [(t, n, p) for t, n, *p in BAD.values()], ids=BAD.keys())
def test_what_is_wrong_is_told_with_its_line(echoc, config, text, line, parts):
    path = config(text)
    result = check(echoc, "lab", "--json")
    assert result.returncode == 2
    told = result.stderr.decode().splitlines()
    assert len(told) == 2 and told[0].startswith(f"echoc: {path}:{line}: ") and told[0].endswith("."), told
    assert all(part in told[0] for part in parts) and "\x1b" not in told[0], told
    assert json.loads(result.stdout)["error"]["kind"] == "usage"


def refused(echoc, path, *parts):
    result = check(echoc, "lab")
    assert result.returncode == 2
    told = result.stderr.decode().splitlines()
    assert told[0].startswith("echoc: ") and all(part in told[0] for part in (str(path), *parts)), told


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_others_may_write_there(echoc, config, mode):
    path = config("[lab]\naddress = x\n")
    path.chmod(mode)
    refused(echoc, path, "can be written by others")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_it_is_somebody_else_s(echoc, config):
    path = config("[lab]\naddress = x\n")
    os.chown(path, 12345, 12345)
    refused(echoc, path, "somebody else")


def test_it_is_no_file(echoc, config):
    path = config("")
    path.unlink()
    path.mkdir()
    refused(echoc, path, "no regular file")
    path.rmdir()
    os.mkfifo(path)
    refused(echoc, path, "no regular file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_it_cannot_be_read(echoc, config):
    path = config("[lab]\naddress = x\n")
    path.chmod(0o200)
    refused(echoc, path, "Permission denied")
