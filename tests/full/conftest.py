"""What the full-size tests share: the system tests' fixtures, with a longer limit on each test's time."""
import importlib.util
import os
import sys

import pytest

SYSTEM = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system")
for path in (SYSTEM, os.path.dirname(os.path.abspath(__file__))):
    if path not in sys.path:
        sys.path.insert(0, path)

# Both files are named conftest.py, so the other one is loaded under a name of its own.
spec = importlib.util.spec_from_file_location("system_conftest", os.path.join(SYSTEM, "conftest.py"))
system = importlib.util.module_from_spec(spec)
spec.loader.exec_module(system)

folder, server, hard_timeout = system.folder, system.server, system.hard_timeout
pytest_configure, pytest_report_header = system.pytest_configure, system.pytest_report_header
pytest_runtest_makereport = system.pytest_runtest_makereport


@pytest.fixture
def usual_limit():
    return 300


@pytest.fixture
def memory_folder():
    """As folder, but in memory: a registration waits for fsync, which takes seconds on a disk that others keep busy."""
    with system.harness.own_folder("/dev/shm") as path:
        yield path
