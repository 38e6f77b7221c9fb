"""Calls that fail, a little of it: tests/full/test_faults.py has the rest. The programs are those of the build with
seams that ECHOD_FAULT_BUILD names."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fault"))

import cases  # noqa: E402
import seams  # noqa: E402

pytestmark = pytest.mark.skipif(not os.environ.get("ECHOD_FAULT_BUILD") or not seams.folder_of_programs(),
                                reason=seams.WHY_SKIPPED)


@pytest.fixture
def folder(memory_folder):
    return memory_folder


@pytest.mark.parametrize("program, call, last", [
    ("echod", "alloc", 8), ("echod-front", "alloc", 8), ("echod-keeper", "alloc", 30),
    ("echod-keeper", "sqlite_alloc", 40), ("echod", "tls_alloc", 20), ("echod-front", "tls_alloc", 20)])
def test_memory_that_is_not_there_at_start(folder, program, call, last):
    tally = cases.Tally()
    cases.in_order([(program, call, at) for at in range(1, last + 1)], folder, tally)
    tally.check()


@pytest.mark.parametrize("program, call, last", [
    ("echod-front", "alloc", 6), ("echod-keeper", "alloc", 8), ("echod-keeper", "sqlite_alloc", 60), ("echod-front", "tls_alloc", 40)])
def test_memory_that_is_not_there_for_a_login(folder, program, call, last):
    """A registration, a login and an echo while the N-th allocation fails; then all is served as ever."""
    plan, tally = seams.Plan(folder), cases.Tally()
    with seams.SeamServer(folder, plan, "--workers", "1", "--login-time", "2s", warm=True, tidy=True,
                          listen=cases.LISTEN) as server:
        for at in range(1, last + 1):
            plan.arm(program, call, at)
            cases.talk(server.port, f"new{at}")
            cases.talk(server.port, "warm-up")
            cases.talk(server.address_of("raw"), "raw", raw=True)
            cases.talk(server.address_of("tls"), "warm-up", tls=True)
            fired, problem = plan.fired, None
            plan.disarm()
            try:
                cases.serves(server, "warm-up")
                assert not cases.signals_that_ended(server)
            except AssertionError as e:
                problem = str(e)
            tally.note(plan, fired, problem)
    tally.check()
