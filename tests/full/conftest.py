"""What the full-size tests share: the system tests' fixtures, and a limit of their own on each test's time, which
@pytest.mark.limit(seconds) changes."""
import importlib.util
import os
import shutil
import signal
import sys
import tempfile

import pytest

SYSTEM = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system")
for path in (SYSTEM, os.path.dirname(os.path.abspath(__file__))):
    if path not in sys.path:
        sys.path.insert(0, path)

# Both files are named conftest.py, so the other one is loaded under a name of its own.
spec = importlib.util.spec_from_file_location("system_conftest", os.path.join(SYSTEM, "conftest.py"))
system = importlib.util.module_from_spec(spec)
spec.loader.exec_module(system)

folder, server = system.folder, system.server
pytest_report_header, pytest_runtest_makereport = system.pytest_report_header, system.pytest_runtest_makereport

TEST_TIMEOUT_S = 300


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): how long the test may take, instead of 300 s")


@pytest.fixture(autouse=True)
def hard_timeout(request):
    """A test that hangs fails, and its context managers end what it started."""
    marker = request.node.get_closest_marker("limit")
    limit = marker.args[0] if marker else TEST_TIMEOUT_S

    def too_late(number, frame):
        raise TimeoutError(f"the test took more than {limit} s")

    before = signal.signal(signal.SIGALRM, too_late)
    signal.alarm(limit)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def memory_folder():
    """As folder, but in memory: a registration waits for fsync, which takes seconds on a disk that others keep busy."""
    path = tempfile.mkdtemp(prefix="ed-", dir="/dev/shm")
    yield path
    shutil.rmtree(path)
