"""The rounds: in each, every entrant takes one turn at every cell, the order is dealt anew, and servers start anew."""
import random

import field
from load import Cell, Failed, window
from stats import median_interval

CELLS = [Cell(1, 64, 1), Cell(50, 64, 1), Cell(500, 64, 1), Cell(5000, 64, 1), Cell(50, 512, 16), Cell(10, 65536, 4),
         Cell(1, 1048576, 2)]
# Of a server that has a process for each connection: socat needs 0.14 s to start one.
FORKS_MAX = 50   # connections
FORKS_EVERY = 5  # rounds from one in which it takes part to the next


def takes_part(entrant, cell):
    return not entrant.forks or cell.connections <= FORKS_MAX


def pauses(entrant, number):
    return entrant.forks and number % FORKS_EVERY > 0


def turn(place, entrant, running, cell, seconds):
    with place.load(entrant.port(running), cell, login=entrant.login) as load:
        seen = window(load, running.pids, seconds, seconds / 4)
    messages = seen["bytes"] / cell.bytes
    return {"cpu_ns_per_message": seen["server_cpu_ns"] / messages, "messages_per_s": messages * 1e9 / seen["wall_ns"]}


class Rounds:
    """samples[cell name][entrant name] maps a round to its turn, None for a failed one."""

    def __init__(self, place, entrants, cells, seconds, seed):
        self.place, self.entrants, self.cells, self.seconds = place, entrants, cells, seconds
        self.dice = random.Random(seed)
        self.samples = {c.name: {e.name: {} for e in entrants if takes_part(e, c)} for c in cells}
        self.failures = {}
        self.turns = sum(len(rows) for rows in self.samples.values())  # of a round

    def run(self, number, progress):
        """Round number, from 0."""
        running, present = {}, [e for e in self.entrants if not pauses(e, number)]
        try:
            for server in self.shuffled({e.server for e in present}):
                running[server] = field.start(self.place, server)
            for cell in self.shuffled(self.cells):
                for entrant in self.shuffled([e for e in present if takes_part(e, cell)]):
                    progress(f"{cell}: {entrant.name}")
                    self.take(number, entrant, running[entrant.server], cell)
        finally:
            for server in running.values():
                server.stop()

    def shuffled(self, things):
        things = sorted(things, key=str)
        self.dice.shuffle(things)
        return things

    def take(self, number, entrant, running, cell):
        try:
            result = turn(self.place, entrant, running, cell, self.seconds)
        except Failed as failure:
            result = None
            self.failures.setdefault(entrant.name, []).append(f"{cell.name}: {failure}")
        self.samples[cell.name][entrant.name][number] = result

    def summary(self):
        return {cell: summarise(rows) for cell, rows in self.samples.items()}


def summarise(rows):
    """Of one cell: each row's ratio to the floor of the same round."""
    floor, result = rows[field.FLOOR], {}
    for name, turns in rows.items():
        good = [(t, floor[number]) for number, t in turns.items() if t and floor.get(number)]
        if not good:
            continue
        ratios = [t["cpu_ns_per_message"] / f["cpu_ns_per_message"] for t, f in good]
        ratio = median_interval(ratios)
        result[name] = {
            "ratio": ratio.median, "ratio_low": ratio.low, "ratio_high": ratio.high, "coverage": ratio.coverage,
            "cpu_ns_per_message": median_interval([t["cpu_ns_per_message"] for t, _ in good]).median,
            "messages_per_s": median_interval([t["messages_per_s"] for t, _ in good]).median,
            "turns": len(good), "ratios": [round(r, 4) for r in ratios]}
    return result
