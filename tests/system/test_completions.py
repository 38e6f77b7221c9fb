"""What bash and zsh offer when Tab is pressed: the options that the programs have, and words where words belong."""
import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from harness import BUILD, ROOT

FOLDER = os.path.join(ROOT, "completions")
PROGRAMS = ["echoc", "echoctl", "echod"]
MODES = ["talk", "ping", "load", "idle", "check", "report"]
OPTION = r"(?<![\w-])--([a-z][a-z-]*[a-z])\b"
LIMIT = 30
PLAIN = os.environ.get("ECHOD_PLAIN_BUILD") or BUILD  # what a sanitizer does at each start is not to be waited for

BASH = """
source %s/%s.bash
COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDBREAKS=$' \\t\\n"\\'@><=;|&(:'
_%s
printf '%%s\\n' "${COMPREPLY[@]}"
"""


def bash(name, line, home="/nonexistent"):
    """What completes the line, in its order."""
    done = subprocess.run(["bash", "--norc", "--noprofile", "-c", BASH % (FOLDER, name, name), "bash", line],
                          capture_output=True, text=True, timeout=LIMIT, cwd=home if os.path.isdir(home) else "/",
                          env={"PATH": os.environ["PATH"], "HOME": str(home)}, check=True)
    assert not done.stderr
    return done.stdout.split()


def shown_options(name):
    return set(re.findall(OPTION, subprocess.run([os.path.join(PLAIN, name), "--help"], capture_output=True, text=True,
                                                 timeout=LIMIT, check=True).stdout))


def options_of(name, line):
    return {word.removeprefix("--") for word in bash(name, line)}


def code_of(path):
    with open(os.path.join(FOLDER, path), encoding="utf-8") as f:
        return "".join(line for line in f if not line.lstrip().startswith("#"))


def zsh_options(mode):
    """What _echoc puts together for a mode, by what stands in its case."""
    code = code_of("_echoc")
    lists = dict(re.findall(r"^\t(\w+)=\((.*?)\)$", code, re.M | re.S))
    branch = re.search(rf"^\t{mode}\)(.*?);;", code, re.M | re.S)[1]
    named = re.search(r"options=\((.*?)\n?\s*(?:'|\)|\")", branch, re.S)[1].split()
    text = branch + "".join(lists[n.removeprefix("$")] for n in ["all", *named] if n.startswith("$") or n == "all")
    return set(re.findall(OPTION, text))


# The options are the programs'

@pytest.mark.parametrize("name", ["echoctl", "echod"])
def test_bash_has_the_options(name):
    assert options_of(name, name + " --") == shown_options(name)


@pytest.mark.parametrize("name", PROGRAMS)
def test_zsh_has_the_options(name):
    assert set(re.findall(OPTION, code_of("_" + name))) == shown_options(name)


@pytest.fixture(scope="module")
def taken():
    """The options that each mode takes, as the program itself tells: the others are for another mode."""
    def takes(mode, option):
        words = [] if option in ("help", "version") else ["1", "2", "3"]
        done = subprocess.run([os.path.join(PLAIN, "echoc"), mode, f"--{option}", *words], capture_output=True, text=True,
                              timeout=LIMIT, stdin=subprocess.DEVNULL)
        return "not for echoc" not in done.stderr
    return {mode: {option for option in shown_options("echoc") if takes(mode, option)} for mode in MODES}


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_has_its_options(taken, mode):
    assert len(taken[mode]) > 5
    assert options_of("echoc", f"echoc {mode} lab --") == taken[mode]
    assert zsh_options(mode) == taken[mode]


def test_without_a_mode_it_is_a_talk(taken):
    assert options_of("echoc", "echoc --") == taken["talk"]


# Words

@pytest.fixture
def home(tmp_path):
    """With two named servers, and files."""
    (tmp_path / ".config/echoc").mkdir(parents=True)
    (tmp_path / ".config/echoc/config").write_text("[lab]\naddress = x\n[lap$(touch broken)top]\naddress = x\n")
    (tmp_path / "result.json").write_text("")
    (tmp_path / "a folder").mkdir()
    return tmp_path


@pytest.mark.parametrize("line, words", [
    ("echoc pi", ["ping"]), ("echoc rep", ["report"]), ("echoc ra", ["raw:", "raw+tls:", "raw+unix:"]),
    ("echoc check raw+t", ["raw+tls:"]), ("echoc --quiet idl", ["idle"]), ("echoc ping ta", []),
    ("echoc --user ta", []), ("echoc ping -c ", []), ("echoc ping --interv", ["--interval"]),
    ("echoc idle --json", ["--json", "--json-stream"]),
    ("echoctl ", ["user", "revoke", "status", "drain", "reload", "penalties"]), ("echoctl user re", ["remove"]),
    ("echoctl --state user st", ["status"]), ("echoctl --json penalties ", ["clear"]), ("echoctl user add ", []),
    ("echoctl --accounts ", ["sqlite:"]),
    ("echod --register ", ["open", "closed"]), ("echod --log-level d", ["debug"]), ("echod --listen unix", ["unix:"]),
    ("echod --workers ", []), ("echod --ask --str", ["--strict-port"]), ("echod --user roo", ["root"]),
])
def test_bash_words(line, words):
    assert bash(line.split()[0], line) == words


@pytest.mark.parametrize("line, words", [
    ("echoc lab", ["lab"]), ("echoc idle la", ["lab", "lap$(touch", "broken)top"]), ("echoc report res", ["result.json"]),
    ("echoc talk --password-file res", ["result.json"]), ("echoc ping raw+unix:res", ["result.json"]),
    ("echoctl --accounts sqlite:res", ["result.json"]), ("echod --listen raw+unix:res", ["result.json"]),
    ("echod --state a", ["a", "folder"]), ("echoc raw:la", []), ("echoc report --output res", ["result.json"]),
])
def test_bash_names_and_files(home, line, words):
    assert bash(line.split()[0], line, home) == words
    assert not (home / "broken").exists()


# And in the shells themselves

class Shell:
    def __init__(self, argv, home):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(home)
            os.execvpe(argv[0], argv, {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb", "PS1": "ready> ",
                                       "LC_ALL": "C.UTF-8"})
        self.text = ""

    def expect(self, pattern):
        deadline = time.monotonic() + LIMIT
        while not (found := re.search(pattern, self.text)):
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.fd], [], [], left)[0], f"no {pattern} in {self.text!r}"
            self.text += os.read(self.fd, 4096).decode(errors="replace")
        self.text = self.text[found.end():]

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


@pytest.fixture
def shell(home):
    started = []

    def start(*argv):
        if not shutil.which(argv[0]):
            pytest.skip(f"no {argv[0]}")
        started.append(Shell(argv, home))
        return started[-1]
    yield start
    for one in started:
        one.end()


CASES = [("echoc rep", "echoc report "), ("echoc idle --conn", "echoc idle --connections "),
         ("echoc check raw+t", r"echoc check raw\\?\+tls:"), ("echoc ping lab", "echoc ping lab "),
         ("echoc check raw+unix:res", r"echoc check raw\+unix:result.json"), ("echoctl user rem", "echoctl user remove "),
         ("echod --listen 1 --regi", "echod --listen 1 --register "), ("echod --register clo", "echod --register closed")]


@pytest.mark.parametrize("argv, prepare", [
    (["bash", "--norc", "--noprofile", "-i"], f"bind 'set enable-bracketed-paste off'; for f in {FOLDER}/*.bash; do . $f; done"),
    (["zsh", "-f", "-i"], f"PS1='ready> ' PROMPT_SP= ; fpath=({FOLDER} $fpath); autoload -U compinit; compinit -u -D"),
], ids=["bash", "zsh"])
def test_tab(shell, argv, prepare):
    t = shell(*argv)
    t.expect("ready> |% ")
    t.type(prepare + "; echo pre''pared\n")
    t.expect("prepared")
    t.expect("ready> ")
    for typed, wanted in CASES:
        t.type(typed + "\t")
        t.expect(wanted)
        t.type("\x15")  # empty the line
