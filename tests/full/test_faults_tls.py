"""Calls that fail for a TLS session that stands: most of those that test_faults.py makes fail are a handshake's."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fault"))

import cases  # noqa: E402
import clients  # noqa: E402
import harness  # noqa: E402
import seams  # noqa: E402

pytestmark = pytest.mark.skipif(not seams.folder_of_programs(), reason=seams.WHY_SKIPPED)
MOST = 400  # calls of a kind that one session makes


@pytest.fixture
def folder(memory_folder):
    return memory_folder


def session(server, kind):
    return clients.Client(cases.Tls(clients.connect(server.address_of(kind), timeout=cases.LATE_S), cases.TLS).shake())


@pytest.mark.parametrize("kind", ["tls", "raw+tls"])
@pytest.mark.parametrize("call, err, most", [
    ("tls_alloc", "ENOMEM", MOST), ("alloc", "ENOMEM", MOST), ("recv", "ECONNRESET", 12), ("recv", "ENOMEM", 12),
    ("recv", "EINTR", 12), ("recv", "EAGAIN", 12), ("send", "ECONNRESET", 12), ("send", "ENOBUFS", 12),
    ("send", "EINTR", 12), ("send", "EAGAIN", 12), ("shutdown", "ENOTCONN", 2)])
def test_each_call_of_a_session_fails(folder, kind, call, err, most):
    """The session ends with all, or is reset: never is there a clean end before the last byte, nor another byte. What
    has failed for it ends nobody else."""
    plan, cut = seams.Plan(folder), 0
    with seams.SeamServer(folder, plan, "--workers", "1", "--login-time", "3s", listen=cases.LISTEN, warm=True,
                          tidy=True) as server:
        other = session(server, "raw+tls")
        server.clients.append(other)
        other.echoes("before")
        for at in range(1, most + 1):
            c = session(server, kind)
            plan.arm("echod-front", call, at, cases.errno_of(err))
            try:
                end = cases.converse(c, "warm-up", cases.steps_of("warm-up") if kind == "tls" else (), None)
            except OSError:
                end = "cut"
            except AssertionError as e:
                assert "the connection ended" in str(e), e
                end = "cut"
            c.close()
            fired = plan.fired
            plan.disarm()
            cut += end != "in"
            other.echoes("still here")
            if not fired:
                assert end == "in"
                break
        else:
            assert most < MOST, "more calls than were thought of"
        if (call, kind) == ("alloc", "raw+tls"):
            assert at == 1, "an echo that keeps up allocates"
            return
        assert at > 1, "no call failed"
        if err in ("EINTR", "EAGAIN"):
            assert cut == 0, "a call that is to be made again has cut a session"
        elif call != "shutdown":
            assert cut > 0, "every session went on as if nothing had been"
        cases.serves(server, "warm-up")
        closed = server.status()["closed"]
        print(f"{at} calls, {cut} sessions cut: { {why: n for why, n in closed.items() if n} }")
        assert server.status()["restarts"] == {"front": 0, "keeper": 0}
        if err == "ENOMEM":
            assert closed["tls"] + closed["memory"] >= cut and closed["error"] == 0, closed
        harness.check_sanitizer(server.folder, server.stderr())
