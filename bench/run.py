"""script/bench: builds, measures, reports."""
import argparse
import datetime
import json
import os
import platform
import random
import re
import resource
import signal
import subprocess
import sys
import time

import counts
import extras
import field
import path
import peers
import picture
import report
from exact import exact
from load import Failed
from rounds import CELLS, Rounds

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCHEMA, PATH_SCHEMA = "echod-bench/1", "echod-bench-path/1"
FEW = (field.FLOOR, field.OURS, field.OURS_LOGIN)
COUNTED = [CELLS[1], CELLS[0]]


class Plan:
    """How much is measured, so that the whole keeps to its time."""

    def __init__(self, quick, rounds):
        self.rounds = rounds or (3 if quick else 25)
        self.window_s = 0.06 if quick else 0.2
        self.side_rounds = 1 if quick else 5
        self.side_s = 0.2 if quick else 0.4
        self.login_rounds, self.login_s = (1, 1.0) if quick else (3, 3.0)
        self.exact_s = 4.0 if quick else 10.0  # for one of the cases of an exactness check
        self.count_peers = not quick           # calls, instructions and memory of the peers too, and of the micros
        self.counted = COUNTED[:1] if quick else COUNTED
        self.calls = 2000 if quick else 10000
        self.instructions = 5000 if quick else 20000
        self.limit_s = 165 if quick else 29 * 60  # rounds that would go beyond are left out


class Progress:
    """One line on a terminal's standard error, with how long it may take yet: as long a step as it took so far."""

    def __init__(self):
        self.begin = time.monotonic()
        self.done = self.total = 0
        self.stage, self.took_s = "", {}
        self.on = sys.stderr.isatty()

    def expect(self, stage, steps):
        now = time.monotonic()
        if self.stage:
            self.took_s[self.stage] = round(now - self.begin, 1)
        self.stage, self.begin, self.done, self.total = stage, now, 0, steps

    def __call__(self, what):
        if self.on:
            left = (time.monotonic() - self.begin) / max(self.done, 1) * (self.total - self.done)
            about = f", about {left / 60:.0f} min {left % 60:.0f} s of it left" if self.done else ""
            sys.stderr.write(f"\r\033[K{self.stage} {self.done * 100 // max(self.total, 1)} %{about}: {what}")
            sys.stderr.flush()
        self.done += 1

    def end(self):
        self.expect("", 0)
        if self.on:
            sys.stderr.write("\r\033[K")


def read_arguments():
    cells = [c.name for c in CELLS]
    parser = argparse.ArgumentParser(prog="script/bench", description="Measures echod against the floor and its peers.")
    parser.add_argument("--quick", action="store_true", help="few rounds, short windows: three minutes")
    parser.add_argument("--rounds", type=int, metavar="N", help="25 unless said; 3 with --quick")
    parser.add_argument("--cell", action="append", choices=cells, metavar="CELL",
                        help=f"only this one; may be repeated; of {' '.join(cells)}")
    parser.add_argument("--peer", action="append", choices=[p for p in peers.PEERS if p != field.FLOOR], metavar="PEER",
                        help="only this one; may be repeated; of " + " ".join(p for p in peers.PEERS if p != field.FLOOR))
    parser.add_argument("--path", action="store_true",
                        help="only what echoc says of a path, held against what the path is: eight minutes, or one")
    parser.add_argument("--no-sides", action="store_true", help="the matrix only")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32),
                        help="of the order of turns; it is printed")
    parser.add_argument("--json", metavar="FILE", help="OUT/bench.json unless said")
    parser.add_argument("--svg", metavar="FILE", help="OUT/bench.svg unless said")
    parser.add_argument("--out", metavar="DIR", default="build-bench", help="what is built and found; build-bench unless said")
    arguments = parser.parse_args()
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error("--rounds must be 1 or more")
    return arguments


def build(out, with_peers):
    """The servers' folders. A peer that does not build is left out."""
    echod, others = os.path.join(out, "echod"), os.path.join(out, "peers")
    subprocess.run(["script/build", echod, "-Dbench=true"], cwd=ROOT, check=True)
    if with_peers:
        subprocess.run(["bench/peers/build", others], cwd=ROOT, check=False, stdout=sys.stderr)
    return echod, others


def raise_descriptors():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def check_exactness(place, entrants, limit_s, progress):
    """What each server does wrong, [] for nothing. A login is not checked anew: its bytes take the same path."""
    found = {}
    checked = [e for e in entrants if e.name != field.NOISE and not e.login]
    progress.expect("exactness", len(checked))
    for entrant in checked:
        progress(entrant.name)
        try:
            with field.start(place, entrant.server) as running:
                found[entrant.name] = exact(running.port, limit_s)
        except (Failed, OSError) as failure:
            found[entrant.name] = [f"did not serve: {failure}"]
    return found


def count_all(place, counted, plan, progress):
    """System calls of all, instructions of those that callgrind can run."""
    found, failures = {}, []
    progress.expect("counts", len(counted) * len(plan.counted) * 2)
    for cell in plan.counted:
        rows = found[cell.name] = {}
        for entrant in counted:
            for take, number, wanted in ((counts.system_calls, plan.calls, True),
                                         (counts.instructions, plan.instructions, entrant.countable)):
                progress(f"{entrant.name}, {take.__name__.replace('_', ' ')}")
                try:
                    if wanted:
                        rows.setdefault(entrant.name, {}).update(take(place, entrant, cell, number))
                except (Failed, OSError) as failure:
                    failures.append(f"{entrant.name}, {take.__name__}: {failure}")
    return found, failures


def idle_all(place, entrants, descriptors, progress):
    found, failures = {}, []
    candidates = [e for e in entrants if not e.forks]
    progress.expect("idle memory", len(candidates))
    for entrant in candidates:
        progress(entrant.name)
        try:
            found[entrant.name] = extras.idle_bytes(place, entrant, descriptors)
        except (Failed, OSError) as failure:
            failures.append(f"{entrant.name}: {failure}")
    return found, failures


def sides(place, entrants, plan, descriptors, progress):
    """All that is measured beside the matrix."""
    raw = [e for e in entrants if not e.login and e.name != field.NOISE]
    found, failed = {}, {}
    progress.expect("visits", len(raw) * plan.side_rounds)
    found["visits_per_s"], failed["visits"] = extras.medians(
        raw, plan.side_rounds, lambda e: extras.visits_per_s(place, e, plan.side_s), progress)
    progress.expect("lone round trip", (len(raw) + 1) * plan.side_rounds)
    found["lone_round_trip_us"], failed["lone round trip"] = extras.lone_round_trips(
        place, raw, plan.side_rounds, plan.side_s, progress)
    counted = [e for e in entrants if e.name != field.NOISE and (plan.count_peers or e.name in FEW)]
    found["idle_bytes_per_connection"], failed["idle memory"] = idle_all(place, counted, descriptors, progress)
    found["counts"], failed["counts"] = count_all(place, counted, plan, progress)
    progress.expect("logins, hog, micro benchmarks", 3)
    progress("logins")
    found["logins"] = extras.logins(place, plan.login_rounds, plan.login_s)
    progress("hog")
    found["hog"] = extras.hog(place, plan.side_rounds, plan.side_s)
    progress("micro benchmarks")
    found["micro"] = {case: row for name in counts.MICROS for case, row in counts.micro(
        place, name, 200000, plan.count_peers).items()}
    return found, {stage: said for stage, said in failed.items() if said}


NO_SIDES = {key: {} for key in ("visits_per_s", "lone_round_trip_us", "idle_bytes_per_connection", "counts", "logins",
                                "hog", "micro")}


def run_rounds(rounds, plan, begin, progress):
    """As many as fit into the time; returns their number."""
    progress.expect("rounds", rounds.turns * plan.rounds)
    longest = 0.0
    for done in range(plan.rounds):
        start = time.monotonic()
        if done and start - begin + longest > plan.limit_s:
            print(f"script/bench: time is up after {done} of {plan.rounds} rounds", file=sys.stderr)
            return done
        rounds.run(done, progress)
        longest = max(longest, time.monotonic() - start)
    return plan.rounds


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"^model name\s*:\s*(.+)$", file.read(), re.M)
    return found[1] if found else platform.machine()


def machine():
    return {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "kernel": platform.release(), "cpu": cpu_model(), "cores": os.cpu_count()}


def only_path(arguments, place, out):
    found = {"schema": PATH_SCHEMA, **machine(), "seed": arguments.seed,
             **path.measure(place, arguments.quick, arguments.seed, Progress())}
    save(arguments.json or os.path.join(out, "path.json"), as_json(found))
    said = path.text(found)
    save(os.path.join(out, "path.txt"), said)
    print(said, end="")
    return 1 if found["failures"] else 0


def measure(arguments, plan, place, begin, progress):
    entrants = field.entrants(place, arguments.peer)
    cells = [c for c in CELLS if not arguments.cell or c.name in arguments.cell]
    descriptors = raise_descriptors()
    result = {"schema": SCHEMA, **machine(),
              "server_core": place.server_core, "load_core": place.load_core, "seed": arguments.seed,
              "window_s": plan.window_s, "versions": field.versions(place, entrants),
              "peers": [e.name for e in entrants if e.is_peer], "forking": [e.name for e in entrants if e.forks],
              "exactness": check_exactness(place, entrants, plan.exact_s, progress)}
    found, failures = (NO_SIDES, {}) if arguments.no_sides else sides(place, entrants, plan, descriptors, progress)
    if not arguments.no_sides and not arguments.quick:
        result["path"] = path.measure(place, arguments.quick, arguments.seed, progress)
    rounds = Rounds(place, entrants, cells, plan.window_s, arguments.seed)
    result["rounds"] = run_rounds(rounds, plan, begin, progress)
    result.update(found, cells=rounds.summary(), failures={**failures, **rounds.failures})
    result["coverage"] = min((rows[field.OURS]["coverage"] for rows in result["cells"].values() if field.OURS in rows),
                             default=0)
    result["verdicts"] = report.verdicts(result)
    progress.end()
    result["stages_s"] = progress.took_s
    return result


def save(name, text):
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)


def as_json(result):
    return json.dumps(result, indent=1, ensure_ascii=False) + "\n"


def main():
    begin, arguments = time.monotonic(), read_arguments()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        print("script/bench: needs two cores, one for the server and one for the load", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    out = os.path.abspath(arguments.out)
    os.makedirs(out, exist_ok=True)
    print(f"script/bench: building into {arguments.out}; seed {arguments.seed}", file=sys.stderr)
    try:
        place = field.Place(*build(out, not arguments.path), cores[0], cores[1])
        if arguments.path:
            return only_path(arguments, place, out)
        plan = Plan(arguments.quick, arguments.rounds)
        result = measure(arguments, plan, place, time.monotonic() if arguments.quick else begin, Progress())
    except (Failed, OSError, subprocess.SubprocessError) as failure:
        print(f"script/bench: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    save(arguments.json or os.path.join(out, "bench.json"), as_json(result))
    save(arguments.svg or os.path.join(out, "bench.svg"), picture.draw(result))
    said = report.text(result) + (path.text(result["path"]) if "path" in result else "")
    save(os.path.join(out, "bench.txt"), said)
    print(said, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
