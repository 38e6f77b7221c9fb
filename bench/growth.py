"""The figures of PERFORMANCE.md that are ours alone: what a message costs as the load grows, and what busy polling gives
and takes. After script/bench has built: bench/growth.py [FOLDER], in a minute or two; a Markdown table each."""
import os
import socket
import statistics
import sys
import time

import extras
import field
from load import Cell, cpu_ns, window
from rounds import turn

CONNECTIONS = (1, 10, 100, 1000, 10000)
SIZES = (16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576)
WINDOW_S = 0.5
REPEATS = 5
RAW, LOGIN = field.Entrant(field.OURS, "echod"), field.Entrant(field.OURS_LOGIN, "echod", login=True)
POLLS = {"off": (), "50us": ("--busy-poll", "50us")}


def medians(rows):
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def cost(place, cell):
    with field.start(place, "echod") as running:
        return medians([turn(place, RAW, running, cell, WINDOW_S) for _ in range(REPEATS)])


def growth(place):
    print("| connections × bytes × in flight | server CPU a message, µs | messages a second | MB a second, each way |")
    print("|---|---|---|---|")
    cells = [Cell(n, 64, 1) for n in CONNECTIONS] + [Cell(50, size, 1) for size in SIZES]
    for cell in cells:
        row = cost(place, cell)
        print(f"| {cell} | {row['cpu_ns_per_message'] / 1000:.2f} | {row['messages_per_s']:,.0f} | "
              f"{row['messages_per_s'] * cell.bytes / 1e6:,.1f} |")


def rare(place, more):
    """The share of a core that a server spends on one message a second."""
    with field.start(place, "echod", more=(*extras.CHEAPEST_HASH, *more)) as running, \
            socket.create_connection(("127.0.0.1", running.port), 5) as s:
        spent, begun = cpu_ns(running.pids()), time.monotonic()
        for _ in range(5):
            s.sendall(bytes(64))
            s.recv(64, socket.MSG_WAITALL)
            time.sleep(1)
        return (cpu_ns(running.pids()) - spent) / 1e9 / (time.monotonic() - begun)


def beside_hashes(place, more):
    """Both cores for the server, eight clients that log in at default strength, and one that pings."""
    free = field.Place(place.echod, place.peers, f"{place.server_core},{place.load_core}", place.load_core)
    strength = ("--hash-memory", str(extras.DEFAULT_HASH[0]), "--hash-passes", str(extras.DEFAULT_HASH[1]), *more)
    with field.start(free, "echod", more=strength) as running, \
            free.load(running.port, Cell(1, 64, 1), record=True) as pings, \
            free.load(running.login_port, Cell(8, 64, 1), login=True, visit=True, sources=8) as logins:
        pings.go()
        seen = window(logins, running.pids, 3, 0.5)
        pinged = pings.mark()
    return {"logins_per_s": seen["messages"] * 1e9 / seen["wall_ns"], "p50_us": pinged["p50_ns"] / 1000,
            "p99_us": pinged["p99_ns"] / 1000}


def busy_poll(place):
    print("| `--busy-poll` | lone round trip, µs | server CPU a round trip, µs | of a core at a message a second | "
          "logins a second beside a pinger | its p50, p99, µs |")
    print("|---|---|---|---|---|---|")
    for name, more in POLLS.items():
        options = (*extras.CHEAPEST_HASH, *more)
        trip = statistics.median(extras.round_trip_us(place, RAW, WINDOW_S, options) for _ in range(REPEATS))
        with field.start(place, "echod", more=options) as running:
            spent = medians([turn(place, RAW, running, Cell(1, 64, 1), WINDOW_S) for _ in range(REPEATS)])
        hashes = medians([beside_hashes(place, more) for _ in range(3)])
        print(f"| {name} | {trip:.1f} | {spent['cpu_ns_per_message'] / 1000:.1f} | {rare(place, more):.2%} | "
              f"{hashes['logins_per_s']:.1f} | {hashes['p50_us']:.0f}, {hashes['p99_us']:,.0f} |")


def main():
    out = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build-bench")
    place = field.Place(os.path.join(out, "echod"), os.path.join(out, "peers"), 0, 1)
    growth(place)
    print()
    busy_poll(place)


if __name__ == "__main__":
    main()
