"""Replays every fuzz target on its corpus, without libFuzzer: what was found once is never found again."""

import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
BUILD = pathlib.Path(os.environ.get("ECHOD_BUILD", HERE.parents[1] / "build"))
TARGETS = sorted(path.stem.removeprefix("fuzz_") for path in HERE.glob("fuzz_*.c"))
FILES_MAX, BYTES_MAX = 80, 200 * 1024


def corpus_of(target):
    return sorted(path for path in (HERE / "corpus" / target).iterdir() if path.is_file())


def test_there_are_targets():
    assert len(TARGETS) >= 10


@pytest.mark.parametrize("target", TARGETS)
def test_replay(target):
    program = BUILD / "tests" / "fuzz" / f"fuzz_{target}"
    assert program.exists(), f"{program} is not built: run script/build"
    corpus = corpus_of(target)
    assert corpus, f"tests/fuzz/corpus/{target} is empty"
    env = dict(os.environ, UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1")
    run = subprocess.run([program, *corpus], env=env, capture_output=True, text=True, timeout=60, errors="replace")
    assert run.returncode == 0, run.stderr[-8000:]
    assert run.stdout == f"{len(corpus)} replayed\n"


@pytest.mark.parametrize("target", TARGETS)
def test_corpus_is_small(target):
    corpus = corpus_of(target)
    assert len(corpus) <= FILES_MAX
    assert sum(path.stat().st_size for path in corpus) <= BYTES_MAX


def test_no_corpus_without_a_target():
    assert sorted(path.name for path in (HERE / "corpus").iterdir()) == TARGETS
