"""The language of the three programs: a person is spoken to in Russian where the environment says so, and nothing else is."""
import contextlib
import os
import re
import socket
import subprocess
import threading
import unicodedata

import pytest

from echoc_bench import Terminal, free_port
from harness import LOOPBACK, PATIENCE_S, STILL_ROOT, Server, check_sanitizer, environment, own_folder, program, wait_until

PROGRAMS = ("echoc", "echod", "echoctl")
RUSSIAN = {"LC_ALL": "", "LANG": "ru_RU.UTF-8"}
SPOKEN = {"a locale that is missing": RUSSIAN, "LANGUAGE": {"LC_ALL": "C.UTF-8", "LANGUAGE": "ru"},
          "LC_MESSAGES": {"LC_ALL": "", "LANG": "C.UTF-8", "LC_MESSAGES": "ru_RU.UTF-8"}}
MUTE = {"nothing": {"LC_ALL": ""}, "C": {"LC_ALL": "C", "LANG": "ru_RU.UTF-8", "LANGUAGE": "ru"},
        "POSIX": {"LC_ALL": "", "LANG": "POSIX", "LANGUAGE": "ru"},
        "ASCII only": {"LC_ALL": "", "LC_CTYPE": "C", "LC_MESSAGES": "C.UTF-8", "LANGUAGE": "ru"},
        "a missing locale of KOI8-R": {"LC_ALL": "", "LANG": "ru_RU.KOI8-R"},
        "another language": {"LC_ALL": "", "LANG": "nn_NO.UTF-8"}}
COLUMNS = 100
HELP_COLUMN = 24  # where descriptions begin, of options that leave room for it
CYRILLIC = re.compile("[А-Яа-яЁё]")


def run(folder, name, *args, env=RUSSIAN, text=True, **how):
    done = subprocess.run([program(name), *map(str, args)], capture_output=True, timeout=PATIENCE_S, check=False,
                          env={k: v for k, v in environment(str(folder), **env).items() if v}, text=text, **how)
    check_sanitizer(str(folder), done.stderr if text else "")
    return done


def width(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def options_in(text):
    return sorted(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", text))


# ---- where the language comes from ----

@pytest.mark.parametrize("env", SPOKEN.values(), ids=SPOKEN)
@pytest.mark.parametrize("name", PROGRAMS)
def test_help_in_russian(tmp_path, name, env):
    shown, english = (run(tmp_path, name, "--help", env=e) for e in (env, {}))
    assert (shown.returncode, shown.stderr) == (0, "")
    assert CYRILLIC.search(shown.stdout) and not CYRILLIC.search(english.stdout)
    assert [line for line in shown.stdout.splitlines() if width(line) > COLUMNS] == []
    # What begins a line there is said of all of them, in the same order.
    firsts = [re.findall(r"^ +(-\w, )?(--[\w-]+)", text, re.M) for text in (shown.stdout, english.stdout)]
    assert firsts[0] == firsts[1]


@pytest.mark.parametrize("name", ("echoc", "echod"))
def test_help_keeps_its_column(tmp_path, name):
    found = [m for m in re.finditer(r"^  (-.*?)  +(?=\S)", run(tmp_path, name, "--help").stdout, re.M)]
    assert len(found) > 20
    for m in found:
        assert len(m[0]) == max(HELP_COLUMN, len(m[1]) + 4), m[0]


@pytest.mark.parametrize("env", MUTE.values(), ids=MUTE)
@pytest.mark.parametrize("name", PROGRAMS)
def test_english_where_russian_cannot_be_shown(tmp_path, name, env):
    for args in ("--help",), ("--frob",):
        shown, english = (run(tmp_path, name, *args, env=e, text=False) for e in (env, {}))
        assert (shown.returncode, shown.stdout, shown.stderr) == (english.returncode, english.stdout, english.stderr)
        assert shown.stdout.isascii() and shown.stderr.isascii()


@pytest.mark.parametrize("charset, said", [("UTF-8", "0.0 с: запустите сервер"), ("KOI8-R", "0.0 s: start the server")])
def test_locales_that_the_machine_has(tmp_path, charset, said):
    """A decimal point stays one; and what is shown is UTF-8 or English."""
    made = tmp_path / "locales" / f"ru_RU.{charset}"
    made.parent.mkdir()
    try:
        subprocess.run(["localedef", "-i", "ru_RU", "-f", charset, str(made)], check=True, capture_output=True, timeout=PATIENCE_S)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("no localedef, or nothing to make locales of")
    env = {"LC_ALL": "", "LANG": made.name, "LOCPATH": str(made.parent)}
    done = run(tmp_path, "echoc", f"raw:{LOOPBACK}:{free_port()}", env=env, text=False)
    assert done.returncode == 3 and said in done.stderr.decode()


def may_mount():
    return os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="only root may put an installed tree in its place")
def test_installed(tmp_path):
    build = os.path.dirname(program("echoc"))
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", str(tmp_path)], check=True,
                   timeout=PATIENCE_S, capture_output=True)
    found = [os.path.join(folder, "echoc") for folder, _, names in os.walk(tmp_path)
             if "echoc" in names and os.path.basename(folder) == "bin"]
    prefix = "/" + os.path.relpath(os.path.dirname(os.path.dirname(found[0])), tmp_path)
    shown = subprocess.run(["unshare", "-m", "sh", "-c", 'mount --bind "$1" "$2" && exec "$2/bin/echoc" --frob', "sh",
                            f"{tmp_path}{prefix}", prefix], env=environment(str(tmp_path), **RUSSIAN), capture_output=True,
                           text=True, timeout=PATIENCE_S, check=False)
    assert (shown.returncode, shown.stderr) == (2, "echoc: параметра --frob нет.\nПодсказка: echoc --help.\n")


# ---- what is said ----

@pytest.mark.parametrize("name, args, status", [
    ("echoc", ["--frob"], 2), ("echoc", ["load"], 2), ("echoc", ["127.0.0.1:0"], 2), ("echoc", ["a b:1"], 2),
    ("echoc", ["--user", "bad!", "127.0.0.1:1"], 2), ("echoc", ["--retry-time", "soon"], 2), ("echoc", ["load", "x", "--size", "0"], 2),
    ("echod", ["--workers", "many"], 2), ("echod", ["--listen", "1:2:3"], 2), ("echod", ["--proxy-from", "10.0.0.1/8"], 2),
    ("echod", ["--frob"], 2), ("echoctl", ["frob"], 2), ("echoctl", ["user"], 2), ("echoctl", ["user", "add"], 2),
    ("echoctl", ["--state"], 2)])
def test_usage(tmp_path, name, args, status):
    shown, english = (run(tmp_path, name, *args, env=e) for e in (RUSSIAN, {}))
    assert shown.returncode == english.returncode == status
    assert shown.stdout == english.stdout == ""
    said, hint = shown.stderr.splitlines()
    assert said.startswith(f"{name}: ") and said.endswith(".") and CYRILLIC.search(said)
    assert hint == f"Подсказка: {name} --help."
    assert not CYRILLIC.search(english.stderr)


def test_failures(tmp_path):
    port = free_port()
    refused = run(tmp_path, "echoc", f"raw:{LOOPBACK}:{port}")
    assert refused.returncode == 3
    assert re.fullmatch(rf"echoc: raw:{LOOPBACK}:{port}: не удалось соединиться \({LOOPBACK}:{port}: соединение отклонено\), "
                        r"прошло 0\.\d с: запустите сервер, [^\n]+\.\n", refused.stderr)
    unknown = run(tmp_path, "echoctl", "user", "show", "nobody", "--state", tmp_path)
    assert (unknown.returncode, unknown.stderr.splitlines()[-1]) == \
        (4, "echoctl: Учётной записи nobody нет; какие есть, покажет «echoctl user list».")
    gone = run(tmp_path, "echoctl", "revoke", "anna", "--accounts", "sqlite:/dev/null/a")
    assert gone.returncode == 3 and "Не удалось открыть учётные записи в /dev/null/a: это не каталог" in gone.stderr


@contextlib.contextmanager
def black_hole():
    """A server that takes all, gives nothing back, and ends when its client does."""
    def swallow():
        with contextlib.suppress(OSError):
            while True:
                client = listener.accept()[0]
                with client:
                    while client.recv(65536):
                        pass
    with socket.create_server((LOOPBACK, 0)) as listener:
        thread = threading.Thread(target=swallow)
        thread.start()
        yield f"raw:{LOOPBACK}:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_plurals_after_a_number_of_bytes(tmp_path):
    with black_hole() as address:
        for count, word in (1, "байта"), (2, "байтов"), (5, "байтов"), (11, "байтов"), (21, "байта"):
            lost = run(tmp_path, "echoc", address, input="x" * count)
            assert lost.returncode == 1
            assert lost.stderr == f"echoc: сервер {address} закрыл соединение: вернулось 0 из {count} {word}: " \
                                  "повторите или укажите --reconnect, чтобы дослать остальное.\n"


@pytest.fixture(scope="module")
def server():
    with own_folder() as folder:
        with Server(folder, listen=(f"raw:{LOOPBACK}:0", f"{LOOPBACK}:0", f"tls:{LOOPBACK}:0"), env=RUSSIAN, busy=True) as s:
            yield s


def at(server, kind):
    return f"{kind}:{LOOPBACK}:{server.address_of(kind)}"


@pytest.mark.parametrize("connections, words", [(1, "1 соединение"), (3, "3 соединения"), (5, "5 соединений")])
def test_load(tmp_path, server, connections, words):
    """Its table lines up by what is seen, its plurals are right, and its decimal point is one."""
    done = run(tmp_path, "echoc", "load", at(server, "raw"), "--connections", connections, "--duration", "100ms",
               "--warm-up", "0")
    assert done.returncode == 0 and f": {words}, 64 байта, закрытая модель" in done.stdout
    lines = done.stdout.splitlines()
    head = next(i for i, line in enumerate(lines) if "p99.9" in line)
    table = lines[head:head + 3]
    assert [line.split()[0] for line in table] == ["p50", "обслуживание", "установление"]
    ends = [m.end() for m in re.finditer(r"(?<=\S)(?=  |$)", table[0])]
    assert len({width(line) for line in table}) == 1 and len(ends) == 8
    for line in table[1:]:
        assert all(line[end - 1] != " " and line[end:end + 1] in (" ", "") for end in ends), table
    assert re.search(r"\d\.\d мкс", table[1]) and not re.search(r"\d,\d", done.stdout)


def test_accounts(tmp_path):
    for name, password in ("Анна", "correct horse"), ("用户", "correct horse"), ("bob", "correct horse"):
        added = run(tmp_path, "echoctl", "user", "add", name, "--state", tmp_path, "--hash-memory", 64, "--hash-passes", 1,
                    input=password + "\n")
        assert (added.returncode, added.stdout) == (0, f"{name}: создана\n")
    lines = run(tmp_path, "echoctl", "user", "list", "--state", tmp_path).stdout.splitlines()
    assert lines[0].split() == ["ИМЯ", "СОЗДАНА", "ПОСЛЕДНИЙ", "ВХОД", "ОТКУДА", "ВХОДОВ", "НЕУДАЧ", "СОСТОЯНИЕ"]
    assert len({width(line[:line.rindex(" ") + 1]) for line in lines}) == 1
    shown = run(tmp_path, "echoctl", "user", "show", "Анна", "--state", tmp_path).stdout
    assert shown.startswith("имя: Анна\nсоздана: 20") and shown.endswith("Z\nпоследний вход: никогда\nоткуда: -\nвходов: 0\n"
                                                                         "неудач с тех пор: 0\nсостояние: включена\n")


def test_questions(tmp_path, server):
    """On a terminal; and a person may answer in either language."""
    for yes in "да", "yes":
        home = tmp_path / yes
        home.mkdir()
        talk = Terminal([program("echoc"), at(server, "tls"), "--user", f"ivan-{len(yes)}", "--no-token"],
                        environment(str(home), **RUSSIAN))
        try:
            talk.expect(r"Доверять этому ключу впредь\? \(да/нет/отпечаток\) ")
            talk.type("может быть\n")
            talk.expect("Введите «да», «нет» или отпечаток, который вам известен: ")
            talk.type(f"{yes}\n")
            talk.expect(f"Учётной записи ivan-{len(yes)} ещё нет. Новый пароль: ")
            talk.type("short\n")
            talk.expect("от 8 до 256 байтов, а в этом их 5: введите другой")
            talk.type("\x04")
            talk.end()
        finally:
            talk.close()


# ---- what no language changes ----

def times_out(text):
    return re.sub(r"\d+\.\d+(e-\d+)?|\d{4}-\d\d-\d\dT[\d:.]+Z", "T", text)


@pytest.mark.parametrize("name, args", [
    ("echoc", ["--json", "--frob"]), ("echoc", ["load", "--json"]), ("echoc", ["load", "raw:127.0.0.1:1", "--json"]),
    ("echoc", ["load", "raw:127.0.0.1:1", "--json-stream"]), ("echoc", ["load", "raw:127.0.0.1:1", "--json-s"]),
    ("echoc", ["load", "127.0.0.1:1", "--json", "--user", "bad!"]), ("echoc", ["load", "nosuch.invalid", "--json"]),
    ("echoctl", ["user", "list", "--json"]), ("echoctl", ["user", "show", "nobody", "--json"]), ("echoctl", ["frob", "-j"]),
    ("echoctl", ["status", "--json"]), ("echoctl", ["user", "add", "--json"])])
def test_json_is_the_same(tmp_path, name, args):
    if name == "echoctl":
        args = [*args, "--state", tmp_path]
        run(tmp_path, name, "user", "list", "--state", tmp_path)  # makes the file, which is said once
    shown, english = (run(tmp_path, name, *args, env=e) for e in (RUSSIAN, {}))
    assert shown.stdout.startswith(("{", "["))
    assert (shown.returncode, times_out(shown.stdout), times_out(shown.stderr)) == \
        (english.returncode, times_out(english.stdout), times_out(english.stderr))


def test_json_of_a_load(tmp_path, server):
    done = run(tmp_path, "echoc", "load", at(server, "raw"), "--json", "--duration", "5ms", "--warm-up", "0",
               "--rate", "1000000000", "--connections", "1")
    assert '"the target rate was missed: ' in done.stdout and done.stdout.isascii() and done.stderr.isascii()


def test_log_and_control_socket_stay_english(folder):
    with Server(folder, listen=(f"tls:{LOOPBACK}:0", f"{LOOPBACK}:0"), log=None, env=RUSSIAN, busy=True) as s:
        s.echo_client().close()
        os.chmod(os.path.join(s.state, "tls.key"), 0o666)
        refused = s.control("reload")
        assert "others than its owner may read or change it" in refused["error"]
        wait_until(lambda: refused["error"] in s.stderr(), "the log to tell it")
        assert not CYRILLIC.search(s.stderr() + str(refused))


def test_a_start_that_fails(tmp_path):
    """Its sentence is Russian; but where a log gets it too, English for both."""
    with socket.create_server((LOOPBACK, 0)) as taken:
        args = [*STILL_ROOT, "--state", tmp_path / "state", "--listen", f"raw:{LOOPBACK}:{taken.getsockname()[1]}"]
        failed = run(tmp_path, "echod", *args)
        assert failed.returncode == 3
        assert failed.stderr == f"echod: не удалось занять {args[-1]}: адрес уже занят; укажите другой порт или --next-port, " \
                                "чтобы взять следующий свободный.\n"
        log = tmp_path / "log"
        failed = run(tmp_path, "echod", *args, "--log", log)
        assert failed.returncode == 3 and failed.stderr.startswith(f"echod: cannot listen on {args[-1]}: Address already in use; ")
        assert "Address already in use" in log.read_text() and not CYRILLIC.search(log.read_text())
