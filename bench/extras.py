"""What is not a closed loop at full speed: visits, logins, a hog's neighbours, the lone round trip, idle memory."""
import os
import re
import statistics
import subprocess

import field
from load import Cell, Failed, on_core, window
from service import CHEAPEST_HASH

SOURCES = 64            # source addresses; a port stays in TIME_WAIT for a minute
IDLE_CONNECTIONS = 15000
SPARE_DESCRIPTORS = 500
DESCRIPTORS = {"go": 3}  # a connection; one unless named: Go's copy keeps a pipe for each
BUSY_POLL = "echod --busy-poll 50us"
DEFAULT_HASH = (19456, 2)
TEST_HASH = (int(CHEAPEST_HASH[1]), int(CHEAPEST_HASH[3]))


def measure(place, entrant, cell, seconds, more=CHEAPEST_HASH, **options):
    """One window on a server of its own."""
    with field.start(place, entrant.server, more=more) as running, \
            place.load(entrant.port(running), cell, login=entrant.login, **options) as load:
        return window(load, running.pids, seconds, seconds / 4)


def visits_per_s(place, entrant, seconds):
    seen = measure(place, entrant, Cell(8, 64, 1), seconds, visit=True, sources=SOURCES)
    return seen["messages"] * 1e9 / seen["wall_ns"]


def round_trip_us(place, entrant, seconds, more=CHEAPEST_HASH):
    return measure(place, entrant, Cell(1, 64, 1), seconds, more, record=True)["p50_ns"] / 1000


def medians(entrants, rounds, take, progress):
    """The median of what take(entrant) says, for each that said something, over rounds in turn."""
    seen, failures = {}, []
    for _ in range(rounds):
        for entrant in entrants:
            progress(entrant.name)
            try:
                seen.setdefault(entrant.name, []).append(take(entrant))
            except (Failed, OSError) as failure:
                failures.append(f"{entrant.name}: {failure}")
    return {name: statistics.median(values) for name, values in seen.items()}, failures


def has_busy_poll(place):
    said = subprocess.run([os.path.join(place.echod, "echod"), "--help"], stdout=subprocess.PIPE, text=True, check=True)
    return "--busy-poll" in said.stdout


def lone_round_trips(place, entrants, rounds, seconds, progress):
    spinning = field.Entrant(BUSY_POLL, "echod")

    def take(entrant):
        more = (*CHEAPEST_HASH, "--busy-poll", "50us") if entrant is spinning else CHEAPEST_HASH
        return round_trip_us(place, entrant, seconds, more)

    return medians([*entrants, *([spinning] if has_busy_poll(place) else [])], rounds, take, progress)


def hash_ns(place, kib, passes, count):
    said = subprocess.run([*on_core(place.server_core), os.path.join(place.echod, "bench", "micro_hash"), str(kib),
                           str(passes), str(count)], stdout=subprocess.PIPE, text=True, check=True, timeout=120).stdout
    return float(re.search(r"([\d.]+) ns/operation", said)[1])


def logins(place, rounds, seconds):
    """Logins a second, and what share of the core's time the bare hash of as many would take: 1 is hash-bound."""
    ours, found = field.Entrant(field.OURS_LOGIN, "echod", login=True), {}
    for strength, (kib, passes), count in (("test", TEST_HASH, 5000), ("default", DEFAULT_HASH, 30)):
        more = ("--hash-memory", str(kib), "--hash-passes", str(passes))
        turns = []
        for _ in range(rounds):
            before = hash_ns(place, kib, passes, count)
            seen = measure(place, ours, Cell(16, 64, 1), seconds, more, visit=True, sources=SOURCES)
            turns.append((seen["messages"] * 1e9 / seen["wall_ns"], (before + hash_ns(place, kib, passes, count)) / 2))
        found[strength] = {"kib": kib, "passes": passes, "logins_per_s": statistics.median(t[0] for t in turns),
                           "hash_ns": statistics.median(t[1] for t in turns),
                           "hash_share": statistics.median(rate * bare_ns / 1e9 for rate, bare_ns in turns)}
    return found


def hog(place, rounds, seconds):
    """The p99 of 100 pingers, without and with a neighbour that has 1 MiB in the air, in turn."""
    found = {}
    for entrant in (field.Entrant(field.FLOOR, field.FLOOR), field.Entrant(field.OURS, "echod")):
        turns = [(measure(place, entrant, Cell(100, 64, 1), seconds, record=True),
                  measure(place, entrant, Cell(100, 64, 1), seconds, record=True, hogs=1)) for _ in range(rounds)]
        row = {f"{key}_{how}_us": statistics.median(turn[i][f"{key}_ns"] for turn in turns) / 1000
               for key in ("p50", "p99") for i, how in enumerate(("alone", "beside_hog"))}
        row["p99_ratio"] = statistics.median(turn[1]["p99_ns"] / turn[0]["p99_ns"] for turn in turns)
        found[entrant.name] = row
    return found


def user_bytes(pids):
    """Anonymous and shared memory, each page counted for those that share it."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                found = re.findall(r"^Pss_(?:Anon|Shmem):\s+(\d+) kB", file.read(), re.M)
        except PermissionError:  # echod's own, to all but root; it shares with nobody
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                found = re.findall(r"^Rss(?:Anon|Shmem):\s+(\d+) kB", file.read(), re.M)
        total += sum(int(kib) for kib in found) * 1024
    return total


def idle_bytes(place, entrant, descriptors):
    """User memory a connection that has spoken once and is silent now, against the same server with one."""
    count = min(IDLE_CONNECTIONS, (descriptors - SPARE_DESCRIPTORS) // DESCRIPTORS.get(entrant.name, 1))
    with field.start(place, entrant.server) as running:
        pids = [running.front()] if entrant.server == "echod" else running.pids()
        with place.load(entrant.port(running), Cell(1, 64, 1), login=entrant.login):
            before = user_bytes(pids)
        with place.load(entrant.port(running), Cell(count, 64, 1), login=entrant.login):
            return (user_bytes(pids) - before) / count
