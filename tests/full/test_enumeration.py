"""T29, G20: whether a name exists, is disabled or is none cannot be told by what is answered, nor by when."""
import contextlib
import itertools
import math
import statistics
import subprocess
import time

import pytest

from guesser import WRONG, connect_from, source
from harness import LOOPBACK, Server, environment, program, randomness

KINDS = {"known": "anna", "unknown": "olga", "disabled": "vera"}  # as long as each other: a longer line takes longer
ACCURACY_MAX = 0.55  # G20
RANK_P_MIN = 1e-4    # of a dozen comparisons a run, in a thousand runs one fails by chance


def one_try(port, address, name):
    """What is answered to a wrong password, and how many ms the answers to USER and to PASS took."""
    c = connect_from(port, address)
    answers, times = [c.reply()], []
    for line in (f"USER {name}", f"PASS {WRONG}"):
        began = time.perf_counter_ns()
        c.send(line + "\r\n")
        answers.append(c.reply())
        times.append((time.perf_counter_ns() - began) / 1e6)
    c.close()
    return answers, times


def rank_p(a, b):
    """The two-sided p of the Mann-Whitney test, by the normal approximation; ties, of nanoseconds, are few."""
    ranked = sorted([(x, 0) for x in a] + [(x, 1) for x in b])
    u = sum(i + 1 for i, (_, of) in enumerate(ranked) if of == 0) - len(a) * (len(a) + 1) / 2
    mean, deviation = len(a) * len(b) / 2, math.sqrt(len(a) * len(b) * (len(a) + len(b) + 1) / 12)
    return math.erfc(abs(u - mean) / deviation / math.sqrt(2))


def accuracy(a, b):
    """How often the threshold that is best for the first halves is right about the second halves."""
    half_a, half_b = len(a) // 2, len(b) // 2
    below_right = half_b  # how many are told right by taking all up to x for a's
    best = (below_right, -math.inf, True)
    for x, is_a in sorted([(x, True) for x in a[:half_a]] + [(x, False) for x in b[:half_b]]):
        below_right += 1 if is_a else -1
        best = max(best, (below_right, x, True), (half_a + half_b - below_right, x, False))
    _, threshold, below_is_a = best
    hits = sum((x <= threshold) == below_is_a for x in a[half_a:]) + \
        sum((x <= threshold) != below_is_a for x in b[half_b:])
    return hits / (len(a) - half_a + len(b) - half_b)


def test_the_judges_can_judge():
    dice = randomness("judges")
    a, b = [dice.gauss(10, 1) for _ in range(2000)], [dice.gauss(10, 1) for _ in range(2000)]
    assert accuracy(a, b) < ACCURACY_MAX and rank_p(a, b) > RANK_P_MIN
    slower = [x + 0.4 for x in b]
    assert accuracy(a, slower) > ACCURACY_MAX and accuracy(slower, a) > ACCURACY_MAX
    assert rank_p(a, slower) < RANK_P_MIN


def make_accounts(folder, cheap):
    """As clients make them, so that the hashes cost what the server's do."""
    with Server(folder, name="before", state=f"{folder}/state", cheap=cheap, warm=False) as server:
        for kind in ("known", "disabled"):
            with contextlib.closing(connect_from(server.port, LOOPBACK)) as c:
                c.login(KINDS[kind])
        subprocess.run([program("echoctl"), "--state", server.state, "user", "disable", KINDS["disabled"]], check=True,
                       env=environment(server.folder), capture_output=True, timeout=30)


@pytest.mark.parametrize("tries, cheap", [(2000, True), (400, False)])
def test_names_are_told_apart_no_better_than_by_chance(memory_folder, tries, cheap):
    make_accounts(memory_folder, cheap)
    # One worker: of two, every other try would have the one, and which, would be chance enough to fail by.
    # Each try is an address's first failure, as a patient guesser would have it, so none is refused or slow.
    with Server(memory_folder, "--register", "closed", "--workers", "1", "--account-failures", "1000000",
                state=f"{memory_folder}/state", cheap=cheap, warm=False, penalties=True) as server:
        times = {kind: ([], []) for kind in KINDS}
        dice, said, addresses = randomness("order"), set(), map(source, itertools.count())
        for i in range(tries + 20):
            for kind in dice.sample(sorted(KINDS), len(KINDS)):
                answers, took = one_try(server.port, next(addresses), KINDS[kind])
                said.add(str(answers))
                if i >= 20:  # the first ones warm up
                    for line in range(2):
                        times[kind][line].append(took[line])
        assert len(said) == 1, said
        for line, what in enumerate(("USER", "PASS")):
            for one, other in (("known", "unknown"), ("known", "disabled"), ("unknown", "disabled")):
                judge(what, one, times[one][line], other, times[other][line], relative=what == "PASS" and not cheap)


def judge(what, one, a, other, b, relative):
    where = f"{what}, {one} and {other}"
    difference = abs(statistics.median(a) - statistics.median(b))
    print(f"{where}: medians {statistics.median(a):.4f} and {statistics.median(b):.4f} ms, "
          f"accuracy {accuracy(a, b):.3f}, p {rank_p(a, b):.4f}")
    # On a machine with more to do the medians are less sure than that; the ranks know by how much.
    small = difference < (min(1, 0.01 * statistics.median(a)) if relative else 1)
    assert small or rank_p(a, b) > 0.05, f"{where}: the medians differ by {difference:.3f} ms"
    assert accuracy(a, b) <= ACCURACY_MAX, f"{where}: told apart by {accuracy(a, b):.1%}"
    assert rank_p(a, b) > RANK_P_MIN, f"{where}: ranks differ, p={rank_p(a, b):.2g}"
