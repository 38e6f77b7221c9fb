"""The house rules as tests. Each rule is a function that returns its complaints; a bad example shows that it can complain."""
import re
import subprocess
from collections import namedtuple
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINES_MAX = 600

# The rooms and whose headers each may include beside its own: ARCHITECTURE.md draws it, the root meson.build builds by it.
BELOW = ('base', 'wire', 'net', 'loop')
ROOMS = {
    'src/base': (),
    'src/wire': ('base',),
    'src/net': ('base',),
    'src/loop': ('base',),
    'src/accounts': ('base',),
    'src/echod/link': ('base', 'wire', 'net'),
    'src/echod/parent': BELOW + ('echod/link',),
    'src/echod/sandbox': ('base',),
    'src/echod/front': BELOW + ('echod/link', 'echod/sandbox'),
    'src/echod/keeper': BELOW + ('echod/link', 'echod/sandbox', 'accounts'),
    'src/echoc': BELOW,
    'src/echoctl': BELOW + ('accounts',),
}

# Calls that a room does without. A name that ends in _ stands for all that begin with it.
FORBIDDEN = {
    'src/wire': 'malloc calloc realloc free read write recv send time clock_gettime socket'.split(),
    'src/echod/front': 'sqlite3_ crypto_pwhash crypto_pwhash_ open'.split(),
    '': 'strcpy strcat sprintf gets strtok atoi system popen'.split(),
}

File = namedtuple('File', 'path text')  # path: a str, from the root


def read(*patterns):
    paths = sorted({p for pattern in patterns for p in ROOT.glob(pattern) if p.is_file()})
    return [File(p.relative_to(ROOT).as_posix(), p.read_text(encoding='utf-8')) for p in paths]


def c_files():
    return read('src/**/*.[ch]', 'tests/**/*.[ch]', 'bench/*.[ch]')


def room_of(path):
    return path.rpartition('/')[0]


def visible(room):
    return [room] + ['src/' + other for other in ROOMS[room]]


def code_of(text):
    """The text without comments and without what stands in strings, line by line as before."""
    def blank(match):
        lines = '\n' * match.group().count('\n')
        return '""' + lines if match.group()[0] == '"' else "' '" if match.group()[0] == "'" else ' ' + lines
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', blank, text, flags=re.S)


def lines_with(pattern, file, text=None):
    for number, line in enumerate((file.text if text is None else text).split('\n'), 1):
        for match in re.finditer(pattern, line):
            yield f'{file.path}:{number}: {match.group().strip()}'


# ---- the rules

def bad_rooms(files):
    """Every source file lies in a room."""
    return [f.path for f in files if f.path.startswith('src/') and room_of(f.path) not in ROOMS]


def bad_includes(files):
    """A room includes its own headers and those of the rooms below it, and no name means two of them."""
    headers = {(room_of(f.path), Path(f.path).name) for f in files if f.path.endswith('.h')}
    wrong = []
    for f in files:
        room = room_of(f.path)
        if room not in ROOMS:
            continue
        for name in re.findall(r'^\s*#\s*include\s*"([^"]+)"', f.text, re.M):
            if not any((other, name) in headers for other in visible(room)):
                where = ' or '.join(sorted(r for r, n in headers if n == name)) or 'nowhere'
                wrong.append(f'{f.path} includes {name}, which is in {where}')
    return wrong


def bad_header_names(files):
    """No header's name exists twice where one file could see both (its own folder would silently win)."""
    homes = {}
    for f in files:
        if f.path.endswith('.h') and room_of(f.path) in ROOMS:
            homes.setdefault(Path(f.path).name, []).append(room_of(f.path))
    return [f'{room} sees {name} in {" and ".join(seen)}' for name, rooms in homes.items() for room in ROOMS
            for seen in [[r for r in rooms if r in visible(room)]] if len(seen) > 1]


def bad_calls(files):
    wrong = []
    for f in files:
        names = [n for room, calls in FORBIDDEN.items() if f.path.startswith(room) for n in calls]
        pattern = '|'.join(n + r'\w*' if n.endswith('_') else n for n in names)
        # a member that is called like one of them is another thing
        wrong += lines_with(rf'(?<![\w.])(?<!->)(?:{pattern})\s*\(', f, code_of(f.text))
    return wrong


def bad_labels(files):
    """Labels say what is undone."""
    return [hit for f in files for hit in lines_with(r'\bgoto\s+err\d|^\s*err\d+:', f, code_of(f.text))]


def bad_lengths(files):
    return [f'{f.path}: {n} lines' for f in files for n in [f.text.count('\n')] if n > LINES_MAX]


def bad_guards(files):
    """A header's guard is the tail of its path: ROOM_FILE_H at least."""
    wrong = []
    for f in files:
        if not f.path.endswith('.h'):
            continue
        parts = [re.sub(r'\W', '_', p).upper() for p in f.path.split('/')]
        tails = {'_'.join(parts[i:]) for i in range(len(parts) - 1)}
        code = [line for line in code_of(f.text).split('\n') if line.strip()]
        guard = re.fullmatch(r'#ifndef (\w+)', code[0].strip()) if len(code) > 2 else None
        if not guard or guard[1] not in tails or code[1].split()[:2] != ['#define', guard[1]] \
                or not code[-1].startswith('#endif'):
            wrong.append(f.path)
    return wrong


def bad_leftovers(files):
    words = 'TO' 'DO', 'FIX' 'ME', 'X' 'XX'
    return [hit for f in files for hit in lines_with(rf'\b(?:{"|".join(words)})\b', f)]


def bad_links(files):
    """Links of a paper to files of the project lead somewhere."""
    wrong = []
    for f in files:
        text = re.sub(r'```.*?```|`[^`\n]*`', '', f.text, flags=re.S)
        for link in re.findall(r'\]\(<?([^)\s>]+)', text) + re.findall(r'^\s*\[[^\]]+\]:\s*<?([^\s>]+)', text, re.M):
            path = link.partition('#')[0]
            if path and not re.match(r'[a-z][a-z0-9+.-]*:', path) and not (ROOT / f.path).parent.joinpath(path).exists():
                wrong.append(f'{f.path}: {link}')
    return wrong


def bad_format(paths):
    """What clang-format would change."""
    if not paths:
        return []
    run = subprocess.run(['clang-format', '--dry-run', '-Werror', *paths], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    found = sorted(set(re.findall(r'^(\S+?):\d+:\d+: error', run.stderr, re.M)))
    return found or ([run.stderr] if run.returncode else [])


def bad_scripts(paths):
    return [run.stderr for path in paths
            for run in [subprocess.run(['sh', '-n', path], cwd=ROOT, stderr=subprocess.PIPE, text=True)]
            if run.returncode]


# ---- the project keeps them

def test_there_is_something_to_check():
    assert len(c_files()) > 20


@pytest.mark.parametrize('rule', [bad_rooms, bad_includes, bad_header_names, bad_calls, bad_labels, bad_guards])
def test_c(rule):
    assert rule(c_files()) == []


def test_lengths():
    assert bad_lengths(c_files() + read('tests/**/*.py', 'bench/**/*.py')) == []


def test_leftovers():
    assert bad_leftovers(c_files() + read('tests/**/*.py', 'bench/**/*.py', 'script/*', '.ci/*', 'meson.build', 'tests/**/meson.build', '*.md')) == []


def test_links():
    assert bad_links(read('*.md')) == []


def test_format():
    assert bad_format([f.path for f in c_files()]) == []


def test_scripts():
    scripts = [f.path for f in read('script/*', '.ci/run') if re.match(r'#!.*sh\b', f.text)]
    assert scripts
    assert bad_scripts(scripts) == []


# ---- and each of them can fail

INCLUDED = [File(path, '') for path in (
    'src/base/log.h', 'src/wire/reply.h', 'src/net/address.h', 'src/loop/loop.h', 'src/accounts/store.h',
    'src/echod/link/ask.h', 'src/echod/sandbox/sandbox.h', 'src/echod/parent/run.h', 'src/echod/front/echo.h',
    'src/echod/keeper/judge.h', 'src/echoc/talk.h', 'src/echoctl/table.h')]


@pytest.mark.parametrize('path, name', [
    ('src/base/x.c', 'reply.h'), ('src/wire/x.c', 'address.h'), ('src/net/x.c', 'loop.h'), ('src/loop/x.c', 'address.h'),
    ('src/accounts/x.c', 'reply.h'), ('src/base/x.h', 'echo.h'), ('src/echod/link/x.h', 'loop.h'),
    ('src/echod/link/x.c', 'echo.h'), ('src/echod/parent/x.c', 'store.h'), ('src/echod/parent/x.c', 'echo.h'),
    ('src/echod/front/x.c', 'store.h'), ('src/echod/front/x.c', 'judge.h'), ('src/echod/keeper/x.c', 'run.h'),
    ('src/echoc/x.c', 'ask.h'), ('src/echoc/x.c', 'table.h'), ('src/echoctl/x.c', 'run.h'), ('src/echoctl/x.c', 'talk.h'),
    ('src/echod/parent/x.c', 'sandbox.h'), ('src/echod/sandbox/x.c', 'ask.h'), ('src/base/x.c', 'gone.h')])
def test_bad_include(path, name):
    assert bad_includes(INCLUDED + [File(path, f'#include <a.h>\n#include "{name}"\n')])


@pytest.mark.parametrize('path, name', [
    ('src/wire/x.c', 'log.h'), ('src/accounts/x.c', 'log.h'), ('src/echod/link/x.c', 'address.h'),
    ('src/echod/keeper/x.c', 'store.h'), ('src/echod/front/x.c', 'ask.h'), ('src/echoctl/x.c', 'store.h'),
    ('src/echoc/x.c', 'talk.h')])
def test_good_include(path, name):
    assert bad_includes(INCLUDED + [File(path, f'#include "{name}"\n')]) == []


def test_bad_header_name():
    assert bad_header_names([File('src/base/a.h', ''), File('src/wire/a.h', '')])
    assert bad_header_names([File('src/base/a.h', ''), File('src/echod/front/a.h', '')])
    assert bad_header_names([File('src/net/a.h', ''), File('src/wire/a.h', '')])  # the front sees both
    assert bad_header_names([File('src/echoc/a.h', ''), File('src/echoctl/a.h', '')]) == []  # nobody does


@pytest.mark.parametrize('path, text', [
    ('src/wire/x.c', 'p = malloc(3);'), ('src/wire/x.c', 'n = read (fd);'), ('src/echod/front/x.c', 'if(open("a", 0))'),
    ('src/echod/front/x.c', 'sqlite3_close(db);'), ('src/echod/front/x.c', 'crypto_pwhash_str(a);'),
    ('src/base/x.c', 'strcpy(a, b);'), ('src/net/x.c', '\tsprintf(a, "b");'), ('tests/unit/x.c', '/* a */ system("b");')])
def test_bad_call(path, text):
    assert bad_calls([File(path, text)])


@pytest.mark.parametrize('text', [
    '/* malloc(3) */', '"malloc(3)"', "c = '\"'; /* free( */", 'dialogue_free(d);', 'ops->read(fd);', 'ops.read(fd);'])
def test_good_call(text):
    assert bad_calls([File('src/wire/x.c', text)]) == []


@pytest.mark.parametrize('rule, path, text', [
    (bad_rooms, 'src/x/y.c', ''),
    (bad_labels, 'src/base/x.c', '\tgoto err7;'),
    (bad_lengths, 'src/base/x.c', '\n' * (LINES_MAX + 1)),
    (bad_guards, 'src/base/x.h', '/* a */\n'),
    (bad_guards, 'src/base/x.h', '#ifndef X_H\n#define X_H\n#endif\n'),
    (bad_guards, 'src/base/x.h', '#ifndef BASE_X_H\n#define BASE_Y_H\n#endif\n'),
    (bad_guards, 'src/base/x.h', '#ifndef BASE_X_H\n#define BASE_X_H\n#endif\nint x;\n'),
    (bad_leftovers, 'src/base/x.c', '/* TO' 'DO: later */'),
    (bad_links, 'X.md', 'see [a](gone/away.md#b)'),
    (bad_links, 'X.md', '[a]: gone.md'),
])
def test_bad_file(rule, path, text):
    assert rule([File(path, text)])


@pytest.mark.parametrize('rule, path, text', [
    (bad_guards, 'src/echod/link/x.h', '/* a */\n#ifndef LINK_X_H\n#define LINK_X_H\nint x;\n#endif\n'),
    (bad_guards, 'src/echod/link/x.h', '#ifndef ECHOD_LINK_X_H\n#define ECHOD_LINK_X_H\nint x;\n#endif\n'),
    (bad_links, 'X.md', '[a](https://x.org/gone) [b](#here) [c](meson.build) `[d](gone)`'),
    (bad_leftovers, 'src/base/x.c', f'mkstemp("{"X" * 6}");'),
])
def test_good_file(rule, path, text):
    assert rule([File(path, text)]) == []


def test_bad_format(tmp_path):
    bad = tmp_path / 'x.c'
    bad.write_text('int  main( void ){return 0;}\n')
    (tmp_path / '.clang-format').write_text((ROOT / '.clang-format').read_text())
    assert bad_format([str(bad)])


def test_bad_script(tmp_path):
    bad = tmp_path / 'x'
    bad.write_text('#!/bin/sh\nif true; then\n')
    assert bad_scripts([str(bad)])
