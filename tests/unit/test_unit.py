"""Runs the unit test programs (cmocka) that the build made; each is one test here and prints its own cases."""

import os
import pathlib
import subprocess

import pytest

BUILD = pathlib.Path(os.environ.get("ECHOD_BUILD", pathlib.Path(__file__).parents[2] / "build"))
SOURCES = sorted(path.stem for path in pathlib.Path(__file__).parent.glob("test_*.c"))


@pytest.mark.parametrize("name", SOURCES)
def test_program(name, tmp_path):
    program = BUILD / "tests" / "unit" / name
    assert program.exists(), f"{program} is not built: run script/build"
    env = dict(os.environ, TMPDIR=str(tmp_path))
    run = subprocess.run([program], env=env, capture_output=True, text=True, timeout=120, errors="replace")
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-8000:]
