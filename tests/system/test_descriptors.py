"""Want of descriptors while the server runs: the limit of its front is lowered and lifted from outside."""
import resource

from harness import LOOPBACK, cpu_seconds, descriptors_of, limit_process, wait_until

BOTH = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]


def leave(front, room):
    """Lets front open so many more. Returns its limits as they were."""
    used = set(descriptors_of(front))
    lowest = min(n for n in range(1 << 16) if n not in used)
    before = limit_process(front, resource.RLIMIT_NOFILE)
    limit_process(front, resource.RLIMIT_NOFILE, (lowest + room, before[1]))
    return before


def test_the_last_descriptor_says_that_there_is_no_other(server):
    s = server("--workers", "1", listen=BOTH)
    front = s.children()["front"]
    inside = [s.echo_client(kind) for kind in ("login", "raw")]
    before = leave(front, 0)
    for _ in range(40):
        assert s.connect("login").to_end().startswith(b"421 ")
        assert s.connect("raw").to_end() == b""
    for c in inside:
        c.echoes(b"still served")
    status = s.status()
    assert status["refused"] == 80 and status["accept_errors"] >= 80
    limit_process(front, resource.RLIMIT_NOFILE, before)
    s.echo_client().echoes(b"let in again")


def test_not_even_one_descriptor(server):
    """Clients wait in the listener's queue, at no cost, and are served when there is one."""
    s = server("--workers", "1", listen=BOTH)
    front = s.children()["front"]
    inside = s.echo_client("raw")
    before = leave(front, -3)  # what the spare one leaves free is beyond the limit
    waiting = [s.connect("raw") for _ in range(5)]
    wait_until(lambda: s.status()["accept_errors"] > 2, "accept to fail, and again")
    busy, errors = cpu_seconds(front), s.status()["accept_errors"]
    inside.echoes(b"still served")
    wait_until(lambda: s.status()["accept_errors"] >= errors + 3, "a few pauses to pass")
    assert cpu_seconds(front) - busy < 0.5, "being full costs time"
    limit_process(front, resource.RLIMIT_NOFILE, before)
    for c in waiting:
        c.echoes(b"served at last")


def test_the_fronts_table_of_descriptors_need_not_grow(server):
    """Growing it under threads keeps accept waiting, for seconds on a busy machine: it has its size from the start."""
    s = server(listen=[f"{LOOPBACK}:0"])
    front = s.children()["front"]
    with open(f"/proc/{front}/status") as f:
        size = next(int(line.split()[1]) for line in f if line.startswith("FDSize:"))
    assert size >= min(limit_process(front, resource.RLIMIT_NOFILE)[0], 65536)
