"""The papers say what is there: options, commands, tests, log events and status keys. (Links are test_lint.py's.)"""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get('ECHOD_BUILD', ROOT / 'build'))
PAGES = {'echod': 'man/echod.8', 'echoc': 'man/echoc.1', 'echoctl': 'man/echoctl.8'}
RUSSIAN = {'man/ru/echoc.1': 'man/echoc.1'}  # and what each is a translation of
MAN = [*PAGES.values(), 'man/echo-login.7', *RUSSIAN]
# Where an option stands for itself, as `--log`, it is one of these programs'.
PAPERS = ['README.md', 'README.ru.md', 'PROTOCOL.md', 'ARCHITECTURE.md', 'TESTING.md', 'CONTRIBUTING.md', 'SECURITY.md']
# mandoc knows the names of sections in English only.
ENGLISH_ONLY = ('first section is not "NAME"', 'description line outside NAME section')
NO_LIMITS = {'workers', 'busy-poll'}  # though they stand among them
OPTION = r'(?<![\w-])--([a-z][a-z-]*[a-z])\b'


def read(path):
    return (ROOT / path).read_text(encoding='utf-8')


def readable(patterns):
    return '\n'.join(p.read_text(encoding='utf-8') for pattern in patterns for p in sorted(ROOT.glob(pattern)))


def help_of_program(program):
    run = subprocess.run([BUILD / program, '--help'], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout


def help_section(text, title):
    """The options below the line that begins so, up to the next empty line."""
    return re.search(rf'^{title}[^\n]*\n(.*?)\n\n', text, re.S | re.M)[1]


@pytest.fixture(scope='module')
def options():
    return {program: set(re.findall(OPTION, help_of_program(program))) for program in PAGES}


def options_of_page(text):
    """Those that a mdoc page names: `.It Fl Fl name`, or within a line; `--name` in an example is a command's."""
    return set(re.findall(r'\bFl Fl ([a-z][a-z-]*)', text))


def names_of_page(text):
    """What a translation leaves as it is: options, words, variables, files and other pages, as far as they are ASCII."""
    found = set()
    for line in re.findall(r'^\.(.*)', text, re.M):
        macro = None
        for word in line.split():
            if re.fullmatch('[A-Z][a-z]', word):
                macro = word
            elif macro in ('Fl', 'Cm', 'Ev', 'Pa', 'Xr', 'Ql') and word.isascii() and re.search(r'\w', word):
                found.add((macro, word))
    return found


def out_of_step(translation, original):
    """What one of two pages names, or has more of, than the other."""
    a, b = names_of_page(translation), names_of_page(original)
    return [f'{macro} {name}' for macro, name in sorted(a ^ b)] + \
        [f'number of {macro}' for macro in ('Sh', 'Ss', 'Bl', 'Bd')
         if len(re.findall(rf'^\.{macro} ', translation, re.M)) != len(re.findall(rf'^\.{macro} ', original, re.M))] + \
        sorted(set(examples_of_page(translation)) ^ set(examples_of_page(original)))


# ---- commands and the options that stand in them

def spans(text):
    """What a paper shows as typed: code spans, `$` lines of its blocks (with those that a backslash joins)."""
    text = text.replace('\\\n', ' ')
    blocks = re.findall(r'^```[^\n]*\n(.*?)^```', text, re.S | re.M)
    rest = re.sub(r'^```.*?^```', '', text, flags=re.S | re.M)
    lines = [line for block in blocks for line in block.split('\n')]
    return re.findall(r'`([^`\n]+)`', rest) + [line for line in lines if re.match(r'\$ |script/', line)]


def foreign_options(span, options):
    """The options in a span that its programs do not have; those of other programs are not ours to judge."""
    known = set().union(*options.values())
    wrong = []
    for command in re.split(r'[|;&]+|\$\s', span):
        words = [w for w in command.split() if not re.match(r'[A-Z_]+=', w)]
        program = words[0].rpartition('/')[2] if words else ''
        if program.startswith('--'):
            allowed = known
        elif program in options:
            allowed = options[program]
        else:
            continue
        wrong += [f'{span}: --{o}' for o in re.findall(OPTION, ' '.join(words).split(' #')[0]) if o not in allowed]
    return wrong


def examples_of_page(text):
    plain = text.replace('\\e\n', ' ').replace('\\(dq', '"')
    return [line.removeprefix('.Dl ') for line in plain.split('\n') if re.match(r'(\.Dl )?\$ ', line)]


def commands(text):
    """The commands of a paper's blocks, as a sorted list: `$` lines without their remarks, two columns parted."""
    found = []
    for block in re.findall(r'^```[^\n]*\n(.*?)^```', text, re.S | re.M):
        for line in block.split('\n'):
            if re.match(r'\$ |script/', line):
                found += [re.sub(r'\s+#.*', '', part).strip() for part in re.split(r'\s{4,}(?=\$ )', line)]
    return sorted(found)


# ---- tests

def named_tests(text):
    """The tests and files that a paper names in code spans."""
    found = re.findall(r'`([^`\n]+)`', text)
    return sorted({n for n in found if re.fullmatch(r'test_\w+|(?:tests|script|src|man)/[\w./-]+', n)})


def names_of_tests():
    """Functions of the tests, and those that a test program's table names."""
    python = re.findall(r'^\s*def (test_\w+)', readable(['tests/**/test_*.py']), re.M)
    c = re.findall(r'\b(test_\w+)\(', readable(['tests/**/*.c']))
    return set(python) | set(c) | {p.stem for p in ROOT.glob('tests/**/test_*.*')}


def unknown_tests(text, known):
    return [n for n in named_tests(text) if not ((ROOT / n).exists() if '/' in n else n in known)]


def promises_of(text):
    """The items of the section of that name."""
    section = re.search(r'^## What is promised\n(.*?)^## ', text, re.S | re.M)[1]
    return re.findall(r'^- .*?(?=^\S|^$)', section, re.S | re.M)


# ---- what the log and the status document hold

def log_events(code):
    called = r'\b(?:log_event|log_begin|connection_log|log_bytes_moved)\([^;{"]*"(\w+)"'
    return set(re.findall(called, code)) | set(re.findall(r'\bevent=(\w+) ', code))


def page_section(text, title):
    return re.search(rf'^\.Sh {title}\n(.*?)(?=^\.Sh |\Z)', text, re.S | re.M)[1]


def page_events(section):
    """The first column of the section's tables."""
    rows = re.findall(r'^\.It (?!Sy)(.*?) Ta', section, re.M)
    return {name for row in rows for name in row.replace(',', ' ').split()}


def status_keys(code):
    return set(re.findall(r'put_number\(f, "(\w+)"', code)) | set(re.findall(r'\\"(\w+)\\": ', code)) \
        | set(re.findall(r'put_processes\(f, run, "(\w+)"', code))


def close_reasons(code):
    return set(re.findall(r'^\s*X\(\w+, "(\w+)"\)', code, re.M))


def words(text):
    return set(re.findall(r'\w+', text))


# ---- the papers keep to them

@pytest.mark.parametrize('program', PAGES)
def test_page_has_the_programs_options(options, program):
    assert options_of_page(read(PAGES[program])) == options[program]


def test_login_page_names_options_that_exist(options):
    assert options_of_page(read('man/echo-login.7')) <= options['echod']


@pytest.mark.parametrize('page', MAN)
def test_examples_of_pages(options, page):
    assert [w for line in examples_of_page(read(page)) for w in foreign_options(line, options)] == []


@pytest.mark.parametrize('paper', PAPERS)
def test_options_in_papers(options, paper):
    assert [w for span in spans(read(paper)) for w in foreign_options(span, options)] == []


@pytest.mark.parametrize('page', MAN)
def test_page_is_good_mdoc(page):
    if not shutil.which('mandoc'):
        pytest.skip('mandoc is not installed')
    run = subprocess.run(['mandoc', '-T', 'lint', '-W', 'warning', ROOT / page], capture_output=True, text=True)
    said = (run.stdout + run.stderr).splitlines()
    if page in RUSSIAN:
        assert [line for line in said if not any(words in line for words in ENGLISH_ONLY)] == []
    else:
        assert (said, run.returncode) == ([], 0)


@pytest.mark.parametrize('page', RUSSIAN)
def test_translated_page_is_in_step(options, page):
    assert options_of_page(read(page)) == options['echoc']
    assert out_of_step(read(page), read(RUSSIAN[page])) == []


@pytest.mark.parametrize('page', RUSSIAN)
def test_translated_page_has_no_letter_of_another_alphabet(page):
    assert re.findall(r'\w*(?:[a-zA-Z][а-яА-ЯёЁ]|[а-яА-ЯёЁ][a-zA-Z])\w*', read(page)) == []


def test_pages_are_installed():
    build = read('meson.build')
    assert [page for page in MAN if f"'{page}'" not in build] == []
    assert [page for page in RUSSIAN if f"install_man('{page}', locale: 'ru')" not in build] == []


def test_readmes_show_the_same_commands():
    assert commands(read('README.md'))
    assert commands(read('README.ru.md')) == commands(read('README.md'))


@pytest.mark.parametrize('paper, least', [('TESTING.md', 200), ('SECURITY.md', 40)])
def test_tests_named_in_papers_exist(paper, least):
    assert len(named_tests(read(paper))) > least
    assert unknown_tests(read(paper), names_of_tests()) == []


def test_each_promise_names_its_test():
    promises = promises_of(read('SECURITY.md'))
    assert len(promises) > 15
    assert [p for p in promises if not named_tests(p)] == []


def test_limits_stand_in_security():
    limits = set(re.findall(OPTION, help_section(help_of_program('echod'), 'Limits'))) - NO_LIMITS
    assert len(limits) > 15
    assert limits - set(re.findall(OPTION, read('SECURITY.md'))) == set()


def test_events_stand_in_the_page():
    section = page_section(read('man/echod.8'), 'LOG')
    assert page_events(section) == log_events(readable(['src/**/*.c']))
    assert close_reasons(read('src/echod/link/counters.h')) - words(section) == set()


def test_status_keys_stand_in_the_page():
    section = page_section(read('man/echoctl.8'), 'STATUS')
    keys = status_keys(read('src/echod/parent/status.c')) | close_reasons(read('src/echod/link/counters.h'))
    assert len(keys) > 40
    assert keys - words(section) == set()


# ---- and each check can fail

OURS = {'echod': {'listen', 'log'}, 'echoc': {'user'}, 'echoctl': {'json'}}


@pytest.mark.parametrize('span', [
    '--gone', 'echod --user anna', '$ build/echoc :1 --listen 2', '$ A=b echoc --log x < f | cmp f -', 'ls && echoctl --user'])
def test_bad_option(span):
    assert foreign_options(span, OURS)


@pytest.mark.parametrize('span', [
    '--log', '--json', 'ncat --exec /bin/cat', '$ build/echod --listen 1 &', "$ A='b c' echoc --user x # --gone",
    'meson setup build --gone', 'echo-login'])
def test_good_option(span):
    assert foreign_options(span, OURS) == []


def test_spans_are_found():
    text = 'Say `--a`:\n```\n$ echod --b \\\n    --c\nout --d\n```\n`x --e`\n'
    assert spans(text) == ['--a', 'x --e', '$ echod --b      --c']
    assert examples_of_page('.Dl $ echod --a\n$ echoc \\e\n --b\nout\n') == ['$ echod --a', '$ echoc   --b']


def test_commands_are_told_apart():
    assert commands('```\n$ a      $ b\n$ c   # d\nout\n```\n$ e\n') == ['$ a', '$ b', '$ c']
    assert commands('```\n$ a\n```\n') != commands('```\n$ a\n$ b\n```\n')


def test_bad_test_name():
    assert unknown_tests('`test_gone`, `tests/gone.py`, `test_a`', {'test_a'}) == ['test_gone', 'tests/gone.py']


def test_promises_and_limits_are_found():
    text = '## What is promised\n\n**Who**\n- a\n  [`test_a`].\n- b\n\n**Else**\n- c `test_c`\n\n## Next\n- d\n'
    assert promises_of(text) == ['- a\n  [`test_a`].\n', '- b\n', '- c `test_c`\n']
    assert help_section('A:\n  --a\n\nLimits (b):\n  --c N\n\n  --d\n', 'Limits') == '  --c N'


def test_events_and_keys_are_found():
    assert log_events('log_event(run->log, LOG_INFO,\n "a", "b");connection_log(c, &l, X, event); "event=d x"') == {'a', 'd'}
    assert page_events(page_section('.Sh LOG\n.It Sy event Ta x\n.It a , b Ta c\n.Sh D\n.It e Ta f\n', 'LOG')) == {'a', 'b'}
    assert status_keys('put_number(f, "a", 1); fputs("\\"b\\": {", f)') == {'a', 'b'}
    assert close_reasons('\tX(EOF, "eof")  /* */') == {'eof'}
    assert options_of_page('.It Fl Fl a-b Ar c\nuse\n.Fl Fl d\n.It Fl j , Fl Fl json\n') == {'a-b', 'd', 'json'}


PAGE = '.Sh A\n.It Fl Fl a Ar b\n.Cm x , y ;\n.Ev HOME .\n.Dl $ echoc --a\n'


@pytest.mark.parametrize('old, new', [
    ('Fl Fl a', 'Fl Fl b'), ('Cm x', 'Cm z'), ('HOME', 'HOUSE'), ('.Sh A\n', '.Sh A\n.Sh B\n'), ('echoc --a', 'echoc --c'),
    ('.Ev HOME .\n', '')])
def test_a_page_out_of_step(old, new):
    assert old in PAGE
    assert out_of_step(PAGE.replace(old, new), PAGE)
    assert out_of_step(PAGE.replace('.Sh A', '.Sh Б').replace('Ar b', 'Ar б'), PAGE) == []
