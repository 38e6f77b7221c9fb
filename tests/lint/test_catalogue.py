"""What is said to people can be translated, and is: each rule returns its complaints, and a bad example shows that it can."""
import re
import subprocess
import unicodedata
from pathlib import Path

import pytest

from test_lint import ROOT, File, code_of, read

CATALOGUE = ROOT / 'po/ru.po'

# Whoever calls these speaks to a person, in the words of that argument.
SPEAKERS = {'program_say': 1, 'program_usage': 1, 'report_fail': 2, 'report_usage': 1, 'run_fail': 2, 'explain_final': 2,
            'set': 3, 'refuse': 2, 'warn': 1, 'question': 0, 'ask_for': 0, 'secret_ask_line': 0}
SPEAKING_ROOMS = ('src/echoc/', 'src/echoctl/', 'src/echod/parent/', 'src/accounts/')

LATIN, CYRILLIC = 'A-Za-z', 'А-Яа-яЁё'
# Latin letters that look like a Russian word of one letter.
ALIKE = 'aAcCoOyYkKB'
# Latin words that stand in a translation and not in what it translates.
LATIN_OF_ITS_OWN = {'echod', 'ip', 'keepalive', 'passwd', 'ru'}


# ---- reading

def unescape(text):
    return re.sub(r'\\(.)', lambda m: {'n': '\n', 't': '\t'}.get(m[1], m[1]), text)


def entries(text):
    """The entries of a catalogue: dicts of msgid, msgid_plural, msgstr (a list), and whether it is fuzzy or obsolete."""
    found = []
    for block in re.split(r'\n\s*\n', text):
        entry = {'msgstr': [], 'fuzzy': bool(re.search(r'^#,.*\bfuzzy\b', block, re.M)), 'obsolete': '\n#~ ' in '\n' + block}
        for line in block.split('\n'):
            key = re.match(r'(?:#~ )?(msgid_plural|msgid|msgstr)(?:\[\d\])? "(.*)"$', line)
            more = re.match(r'(?:#~ )?"(.*)"$', line)
            if key and key[1] == 'msgstr':
                entry['msgstr'].append(unescape(key[2]))
            elif key:
                entry[key[1]] = unescape(key[2])
            elif more and entry['msgstr']:
                entry['msgstr'][-1] += unescape(more[1])
            elif more and 'msgid' in entry:
                last = 'msgid_plural' if 'msgid_plural' in entry else 'msgid'
                entry[last] += unescape(more[1])
        if entry.get('msgid'):
            found.append(entry)
    return found


def argument_starts(text, call, number):
    """Where the numbered argument of each call of a function begins."""
    for match in re.finditer(rf'(?<![\w.>]){call}\(', text):
        at, depth, commas = match.end(), 0, 0
        while at < len(text) and (commas < number or depth):
            literal = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])+\'').match(text, at)
            if literal:
                at = literal.end()
                continue
            depth += (text[at] in '([{') - (text[at] in ')]}')
            if depth < 0:
                break
            commas += text[at] == ',' and depth == 0
            at += 1
        if commas == number:
            yield at


def literal_at(text, at):
    """The string that stands there, in one piece or in several; None where there is none."""
    match = re.compile(r'\s*((?:"(?:\\.|[^"\\])*"\s*)+)').match(text, at)
    return ''.join(re.findall(r'"((?:\\.|[^"\\])*)"', match[1])) if match else None


def is_words(text):
    """Whether something is left for a translator without conversions, names of options and the program's own."""
    return bool(re.search(r'[A-Za-z]{2}', re.sub(r'%[-+0-9.*]*(?:hh|h|ll|l|z|j)?[a-zA-Z]|--[a-z-]+|\\.|^echo\w+:', ' ', text)))


def speaking(files):
    return [f for f in files if f.path.startswith(SPEAKING_ROOMS)]


# ---- the rules

def bad_messages(files):
    """What is said to a person is marked for translation."""
    wrong = []
    for f in speaking(files):
        spots = [(call, at) for call, number in SPEAKERS.items() for at in argument_starts(f.text, call, number)]
        spots += [('fprintf', at) for match in re.finditer(r'\bfprintf\(stderr,', f.text) for at in [match.end()]]
        spots += [('fputs', match.end()) for match in re.finditer(r'\bfputs\((?=[^;]*, stderr\))', f.text)]
        for call, at in spots:
            literal = literal_at(f.text, at)
            if literal and is_words(literal):
                wrong.append(f'{f.path}: {call}: {literal[:60]}')
    return wrong


def bad_errors(files):
    """An errno is said in the person's language: words_error, not strerror."""
    return [f.path for f in speaking(files) if not f.path.startswith('src/echod/') and re.search(r'\bstrerror\(', code_of(f.text))]


def bad_lists(files, listed):
    """POTFILES lists every file with something to translate, once and in order, and no other than there is."""
    marked = [f.path for f in files if re.search(r'(?<!\w)(?:_|N_|ngettext)\(', code_of(f.text)) and f.path != 'src/base/words.h']
    there = {f.path for f in files}
    return ([f'{path} is not listed' for path in marked if path not in listed] +
            [f'there is no {path}' for path in listed if path not in there] +
            [f'{a} stands before {b}' for a, b in zip(listed, listed[1:]) if not a < b])


def bad_catalogue(wanted, catalogue):
    """All that is to be translated is, and nothing else stands there."""
    have = {(e['msgid'], e.get('msgid_plural')): e for e in catalogue if not e['obsolete']}
    want = {(e['msgid'], e.get('msgid_plural')) for e in wanted}
    return ([f'not translated: {key[0][:60]!r}' for key in want if key not in have or not all(have[key]['msgstr'])] +
            [f'in no program: {key[0][:60]!r}' for key in have if key not in want] +
            [f'fuzzy: {key[0][:60]!r}' for key, e in have.items() if e['fuzzy']] +
            [f'obsolete: {e["msgid"][:60]!r}' for e in catalogue if e['obsolete']])


def bare(text):
    return re.sub(r'%(?:\d\$)?[-+0-9.*]*(?:hh|h|ll|l|z|j)?[a-zA-Z]', ' ', text)


def bad_letters(catalogue):
    """No Latin letter where a Russian one looks the same: in a word, as a word, or all through it."""
    wrong = []
    for e in catalogue:
        source = bare(e['msgid'] + ' ' + e.get('msgid_plural', ''))
        known = {w.lower() for w in re.findall(rf'[{LATIN}]+', source)} | LATIN_OF_ITS_OWN
        lone = set(re.findall(rf'(?<![\w-])[{LATIN}](?!\w)', source)) - {'a', 'A'}
        for text in map(bare, e['msgstr']):
            wrong += [f'mixed: {w}' for w in re.findall(rf'[{LATIN}{CYRILLIC}]+', text)
                      if re.search(f'[{LATIN}]', w) and re.search(f'[{CYRILLIC}]', w)]
            wrong += [f'a Latin {w!r} in {text[:60]!r}' for w in re.findall(rf'(?<![\w-])[{ALIKE}](?!\w)', text) if w not in lone]
            wrong += [f'not in the English: {w} in {text[:60]!r}' for w in re.findall(rf'[{LATIN}]{{2,}}', text)
                      if w.lower() not in known]
    return wrong


def bad_typography(catalogue):
    """Names of options are kept, quotes and dashes are Russian, ё has its dots, and the sentence ends as the English one."""
    wrong = []
    for e in catalogue:
        options = set(re.findall(r'--[a-z][a-z-]*', e['msgid']))
        for text in e['msgstr']:
            if set(re.findall(r'--[a-z][a-z-]*', text)) != options:
                wrong.append(f'other options than {sorted(options)}: {text[:60]!r}')
            if re.search(rf'["\'“”„][{CYRILLIC}%]|[{CYRILLIC}][“”]', text):
                wrong.append(f'quotes: {text[:60]!r}')
            if re.search(rf'[{CYRILLIC}] - [{CYRILLIC}]', text):
                wrong.append(f'a hyphen for a dash: {text[:60]!r}')
            if re.search(r'\b(?:еще|учетн\w*|ее|путем|ведет|придет|идет|найдет|прием|чье|рукопожатье)\b', text, re.I):
                wrong.append(f'ё: {text[:60]!r}')
            if e['msgid'][-1:] in '.\n:' + ' ' and ' ' in e['msgid'] and text[-1:] != e['msgid'][-1:]:
                wrong.append(f'another end: {text[:60]!r}')
    return wrong


def bad_width(catalogue, most=100):
    """Help fits a terminal: what has a column of options, or is part of such a text, is no wider in Russian."""
    def columns(line):
        return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in 'WF' else 1 for c in line)
    return [f'{columns(line)} columns: {line}' for e in catalogue if e['msgid'].count('\n') > 2
            for text in e['msgstr'] for line in text.split('\n') if columns(line) > most]


# ---- the project keeps them

def sources():
    return read('src/**/*.[ch]')


def listed():
    return (ROOT / 'po/POTFILES').read_text().split()


@pytest.fixture(scope='module')
def wanted():
    """What there is to be translated, gathered as the build does it."""
    arguments = re.findall(r"'(--[^']+)'", (ROOT / 'po/meson.build').read_text())
    done = subprocess.run(['xgettext', '-f', 'po/POTFILES', '-D', '.', *arguments, '-o', '-'], cwd=ROOT, capture_output=True,
                          text=True, check=True)
    assert not done.stderr
    return entries(done.stdout)


@pytest.fixture(scope='module')
def catalogue():
    return entries(CATALOGUE.read_text(encoding='utf-8'))


@pytest.mark.parametrize('rule', [bad_messages, bad_errors])
def test_sources(rule):
    assert rule(sources()) == []


def test_lists():
    assert bad_lists(sources(), listed()) == []
    assert [p.stem for p in sorted(ROOT.glob('po/*.po'))] == (ROOT / 'po/LINGUAS').read_text().split()


def test_catalogue(wanted, catalogue):
    assert len(wanted) > 300
    assert bad_catalogue(wanted, catalogue) == []


@pytest.mark.parametrize('rule', [bad_letters, bad_typography, bad_width])
def test_russian(rule, catalogue):
    assert rule(catalogue) == []


def test_catalogue_is_well_formed():
    done = subprocess.run(['msgfmt', '--check', '--check-accelerators', '-o', '/dev/null', str(CATALOGUE)], capture_output=True,
                          text=True, check=False)
    assert (done.returncode, done.stderr) == (0, '')


# ---- and each of them can fail

@pytest.mark.parametrize('text', [
    'program_say(ECHOC, "it is gone");', 'program_usage(NAME, "--user \'%s\': no such user.", f(a, b));',
    'report_fail(j->options->json, f(1, ","), "two "\n\t"pieces");', 'run_fail(run, RUN_FAILED, "cannot: %s.", why);',
    'explain_final(t, S, "bad");', 'fprintf(stderr, "That is all\\n");', 'fputs("That is all\\n", stderr);',
    'ask_for("Host", "x", a, n);'])
def test_bad_message(text):
    assert bad_messages([File('src/echoc/x.c', text)])


@pytest.mark.parametrize('text', [
    'program_say(ECHOC, _("it is gone"));', 'program_say(ECHOC, "%s: %llu%s.", a, b, c);', 'program_usage(X, "--user: %s.", _(why));',
    'program_say(ECHOC, ngettext("%d byte", "%d bytes", n), n);', 'fprintf(out, "key: %s\\n", a);', 'unset(a, b, c, "words");'])
def test_good_message(text):
    assert bad_messages([File('src/echoc/x.c', text)]) == []


def test_only_who_speaks_must_translate():
    assert bad_messages([File('src/echod/keeper/x.c', 'program_say(N, "it is gone");')]) == []


def test_bad_error():
    assert bad_errors([File('src/echoc/x.c', 'say(strerror(-err));')])
    assert bad_errors([File('src/echoc/x.c', 'say(words_error(-err)); /* not strerror(3) */')]) == []


@pytest.mark.parametrize('names', [[], ['src/a.c', 'src/gone.c'], ['src/a.c', 'src/a.c'], ['src/b.c', 'src/a.c']])
def test_bad_list(names):
    files = [File('src/a.c', 'say(_("x"));'), File('src/b.c', '')]
    assert bad_lists(files, names)
    assert bad_lists(files, ['src/a.c']) == []


TWO = 'msgid "one"\nmsgstr "один"\n\nmsgid ""\n"two\\n"\nmsgid_plural "twos"\nmsgstr[0] "два"\nmsgstr[1] "двое"\n'


@pytest.mark.parametrize('old, new', [
    ('"один"', '""'), ('"двое"', '""'), ('msgid "one"\nmsgstr "один"\n', ''), ('msgid "one"', '#, fuzzy\nmsgid "one"'),
    ('msgid "one"', 'msgid "ones"'), ('"twos"', '"more"'), ('msgid "one"', '#~ msgid "gone"\n#~ msgstr "нет"\n\nmsgid "one"')])
def test_bad_catalogue(old, new):
    assert old in TWO
    assert bad_catalogue(entries(TWO), entries(TWO.replace(old, new)))
    assert bad_catalogue(entries(TWO), entries(TWO)) == []


def pair(english, russian):
    return [{'msgid': english, 'msgstr': [russian]}]


@pytest.mark.parametrize('english, russian', [
    ('a log', 'журнaл'), ('with a', 'c адресом'), ('a name', 'имя a адрес'), ('at the host', 'y узла'), ('it', 'тот xop'),
    ('%s is', '%s o нём')])
def test_bad_letter(english, russian):
    assert bad_letters(pair(english, russian))


@pytest.mark.parametrize('english, russian', [
    ('%s of %llums', '%s из %llums'), ('--wait: TLS', '--wait: TLS с ним'), ('k and M', 'k и M'), ('write -o', 'записать -o'),
    ('the address', 'IP-адрес')])
def test_good_letter(english, russian):
    assert bad_letters(pair(english, russian)) == []


@pytest.mark.parametrize('english, russian', [
    ('give --wait', 'дайте --wiat'), ('give it', 'дайте --it'), ("'%s' is", "'%s' есть"), ('it', 'это "слово"'),
    ('a b', 'он - это'), ('more', 'еще'), ('all done.', 'всё готово'), ('all done\n', 'всё готово')])
def test_bad_typography(english, russian):
    assert bad_typography(pair(english, russian))
    assert bad_typography(pair('give --wait.', 'дайте «--wait» — ещё.')) == []


def test_bad_width():
    assert bad_width(pair('a\nb\nc\n', 'б' * 101 + '\n'))
    assert bad_width(pair('a\nb\nc\n', 'б' * 100 + '\n')) == []
    assert bad_width(pair('a sentence', 'б' * 300)) == []
