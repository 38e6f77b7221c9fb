"""Tokens at full size: 100,000 random sequences against the model, and a million tokens that are not good."""
import os
import re
import subprocess

import pytest

import harness

SEQUENCES, GUESSES = 100_000, 1_000_000


@pytest.mark.limit(600)
def test_tokens_against_the_model_at_full_size():
    """In the plain build: the sanitized one has run the same, for less long."""
    env = dict(os.environ, TOKEN_ROUNDS=str(SEQUENCES), TOKEN_GUESSES=str(GUESSES), TEST_SEED=str(harness.SEED))
    done = subprocess.run([harness.program("tests/unit/test_token_model")], env=env, capture_output=True, text=True,
                          timeout=590)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    counts = re.search(r"(\d+) sequences: (\d+) resumed, (\d+) refused, (\d+) replays", done.stdout)
    assert int(counts[1]) == SEQUENCES and all(int(n) > SEQUENCES / 4 for n in counts.groups()[1:]), done.stdout
