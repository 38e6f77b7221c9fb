"""Every byte once, in order, at full size: bulk, half-close, small buffers, and peers that break off."""
import pytest

from harness import CHUNK, LOOPBACK, Flow, Positional, exchange, randomness
from load import open_echo, run_in_processes

BOTH = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]
MIB = 1 << 20
MSS = 1460  # loopback's 64 KiB segments do not fit a small receive buffer, and each would wait for a window probe
PROCESSES = 2
BAD_ENDS = ("reset", "error", "forced", "memory", "stall_time", "idle_time")


@pytest.fixture
def folder(memory_folder):
    return memory_folder


def pieces(most, *what):
    """Sizes from 1 B to most, as many of them small as large."""
    dice, doublings = randomness("pieces", *what), most.bit_length() - 1
    return lambda: int(2 ** (dice.random() * doublings))


def assert_all_came_back(server, size, count):
    server.close_clients()
    status = server.wait_still()
    baseline = server.baseline
    assert status["bytes_in"] - baseline["bytes_in"] == status["bytes_out"] - baseline["bytes_out"] == size
    assert status["bytes_dropped"] == 0
    assert status["closed"]["eof"] - baseline["closed"]["eof"] == count
    assert not any(status["closed"][why] for why in BAD_ENDS), status["closed"]


# ---- bulk ----

def run_bulk(index, address, kind, count, size):
    flows = []
    for i in range(count):
        c = open_echo(address, kind, f"bulk{index}x{i}")
        flows.append(Flow(c, size, Positional("bulk", kind, index, i), pieces(MIB, index, i), greedy=i % 4 != 0))
    exchange(flows, timeout=240)
    return count


@pytest.mark.parametrize("kind", ["raw", "login"])
def test_one_gib_through_64_connections(server, kind):
    """1 GiB each way, in sends of 1 B to 1 MiB; a quarter of the clients read only when they can send no more."""
    s, count, size = server(listen=BOTH), 64, 16 * MIB
    run_in_processes(PROCESSES, run_bulk, s.address_of(kind), kind, count // PROCESSES, size, timeout=250)
    assert_all_came_back(s, count * size, count)


# ---- half-close ----

def run_half_closes(index, address, kind, reader, size, times, at_once):
    """times connections, so many at once. A slow reader has a window of a few KiB and reads only when all is sent."""
    for first in range(0, times, at_once):
        flows = []
        for i in range(first, min(first + at_once, times)):
            small = {"rcvbuf": 16 * 1024, "sndbuf": size + MIB, "mss": MSS} if reader == "slow" else {}
            c = open_echo(address, kind, f"half{index}x{i % at_once}", **small)
            flows.append(Flow(c, size, Positional("half", index, i % at_once), lambda: MIB, greedy=reader == "fast"))
        exchange(flows, timeout=240)
        for f in flows:
            f.client.close()


@pytest.mark.parametrize("kind", ["raw", "login"])
@pytest.mark.parametrize("reader", ["fast", "slow"])
@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 8 * MIB])
def test_half_close(server, kind, reader, size):
    s, times = server(listen=BOTH), 100
    run_in_processes(PROCESSES, run_half_closes, s.address_of(kind), kind, reader, size, times // PROCESSES, 10,
                     timeout=250)
    assert_all_came_back(s, times * size, times)


# ---- small buffers ----

def run_small_buffers(index, address, kind, count):
    dice, flows = randomness("buffers", kind, index), []
    for i in range(count):
        c = open_echo(address, kind, f"small{index}x{i}", rcvbuf=dice.randint(1, 32 * 1024),
                      sndbuf=dice.randint(1, 64 * 1024), mss=dice.choice([88, 256, 536]))
        size = dice.randint(1, 256 * 1024)
        flows.append(Flow(c, size, Positional("small", kind, index, i), pieces(CHUNK, index, i), dice.random() < 0.5))
    exchange(flows, timeout=200)
    return sum(f.size for f in flows)


@pytest.mark.parametrize("kind", ["raw", "login"])
def test_random_small_buffers_at_the_peer(server, kind):
    """Windows and segments so small that the server's sends are cut at any byte. A segment fits the smallest window
    (rcvbuf 1 gives 1,152 bytes), for else each one waits for the kernel's probe of a zero window."""
    s, count = server(listen=BOTH), 100
    sizes = run_in_processes(PROCESSES, run_small_buffers, s.address_of(kind), kind, count, timeout=220)
    assert_all_came_back(s, sum(sizes), count * PROCESSES)
