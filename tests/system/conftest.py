"""What all system tests share: a hard limit on each test's time, a folder with a short path, and servers that are
checked when they end."""
import os
import signal

import pytest

import harness


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): how long the test may take, instead of what its folder gives")
    config.addinivalue_line("markers", "alone: it counts or times what other tests would disturb: not beside others")
    os.environ["TEST_SEED"] = str(harness.SEED)  # the same for pytest-xdist's workers
    # Started in the background or under nohup, these would be ignored by every program of the tests, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def pytest_report_header(config):
    return f"echod: binaries of {harness.BUILD}; TEST_SEED={harness.SEED}"


@pytest.fixture
def usual_limit():
    """What a test of this folder may take, in seconds."""
    return 60


@pytest.fixture(autouse=True)
def hard_timeout(request, usual_limit):
    """A test that hangs fails, and its context managers end what it started."""
    marker = request.node.get_closest_marker("limit")
    limit = marker.args[0] if marker else usual_limit

    def too_late(number, frame):
        raise TimeoutError(f"the test took more than {limit} s")

    before = signal.signal(signal.SIGALRM, too_late)
    signal.alarm(limit)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def folder():
    """An empty folder of the test's own. pytest's tmp_path may be longer than a unix socket's path is, and is closed to
    the user that a server of root's becomes."""
    with harness.own_folder() as path:
        yield path


@pytest.fixture
def server(folder):
    """server("--option", ..., listen=[...]) starts an echod; what a test started is checked and ended at its end."""
    started = []

    def start(*args, **kwargs):
        kwargs.setdefault("name", f"s{len(started)}")
        one = harness.Server(folder, *args, **kwargs)
        started.append(one)
        return one.__enter__()

    try:
        yield start
        # Also after a test that failed: a server that is not well says so itself.
        for one in reversed(started):
            if not one.ended:
                one.finish()
    finally:
        for one in started:
            if not one.ended:
                one.kill()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that failed leaves its server's log in the report."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        path = item.funcargs.get("folder")
        if path:
            report.sections.append(("the servers' files", harness.describe_folder(path)))
