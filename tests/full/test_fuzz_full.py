"""Whole connections over a kernel in memory: 100,000 random sessions, made of the corpus and of random bytes."""
import os
import pathlib
import re
import subprocess

import pytest

import harness

SESSIONS = 100_000
CORPUS = pathlib.Path(__file__).resolve().parents[1] / "fuzz" / "corpus" / "connection"


@pytest.mark.limit(600)
def test_random_sessions():
    """In the plain build: the sanitized one replays the corpus, and script/fuzz goes on from there."""
    env = dict(os.environ, FUZZ_SESSIONS=str(SESSIONS), TEST_SEED=str(harness.SEED))
    done = subprocess.run([harness.program("tests/fuzz/fuzz_connection"), *sorted(CORPUS.iterdir())], env=env,
                          capture_output=True, text=True, timeout=590)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    sums = re.search(r"(\d+) sessions: (\d+) connections, (\d+) handshakes, (\d+) logins, (\d+) bytes echoed, "
                     r"(\d+) whole, (\d+) cut", done.stdout)
    assert int(sums[1]) == SESSIONS, done.stdout
    assert all(int(n) > SESSIONS / 20 for n in sums.groups()[1:]), done.stdout
