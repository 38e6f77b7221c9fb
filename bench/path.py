"""What echoc says of a path, held against what the path is: round trips, outages, idle limits. `script/bench --path` runs
this alone. The path is the tests' faulty one (tests/system/fault_proxy.py), and for the kernel's view a slow wire (wire.py).
"""
import concurrent.futures
import contextlib
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from typing import NamedTuple

import wire
from load import Failed, on_core
from report import table
from stats import median_interval

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(os.path.dirname(HERE), "tests", "system"))
from faulty_path import FaultProxy  # noqa: E402 pylint: disable=wrong-import-position

LOOPBACK = "127.0.0.1"
BYTES = 64
PATIENCE_S = 60
DIRECT = "direct"
BETWEEN = 30            # probes from the end of an outage to the next
IDLE_MIN_S, IDLE_MAX_S = 1, 45


class Plan(NamedTuple):
    rounds: int
    probes: int
    interval_ms: int
    latencies_ms: tuple  # of a round trip
    wires_ms: tuple
    outages_s: tuple
    outage_runs: int
    cuts_s: tuple
    cut_hows: tuple


WHOLE = Plan(11, 100, 10, (0, 1, 5, 20, 50), (2, 5, 20, 50), (0.3, 1, 3, 5), 10, (5, 12, 20.5, 30),
             ("silent", "fin", "reset"))
QUICK = Plan(3, 40, 10, (0, 5, 50), (5,), (0.3, 1), 3, (5,), ("silent", "reset"))


class RawEchod:
    """An echod that only echoes, at address: as a context manager its port."""

    def __init__(self, place, address=LOOPBACK, prefix=()):
        self.folder = tempfile.mkdtemp(prefix="echod-path-")
        allowed = ["--allow-root"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen(
            [*prefix, *on_core(place.server_core), os.path.join(place.echod, "echod"), *allowed, "--state", self.folder,
             "--log", os.path.join(self.folder, "log"), "--workers", "1", "--listen", f"raw:{address}:0"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        ready = re.match(r"ready listen=raw:[\d.]+:(\d+) ", self.process.stdout.readline())
        if not ready:
            self.__exit__()
            raise Failed("echod did not get ready")
        return int(ready[1])

    def __exit__(self, *error):
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        self.process.stdout.close()
        shutil.rmtree(self.folder)


def run(argv, limit_s=PATIENCE_S, fine=(0,)):
    done = subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=limit_s, check=False)
    if done.returncode not in fine:
        raise Failed(f"{os.path.basename(argv[0])} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout


def bare_us(place, plan, port, host=LOOPBACK, prefix=()):
    trips = run([*prefix, *on_core(place.load_core), os.path.join(place.echod, "bench", "pinger"), host, port,
                 plan.probes, plan.interval_ms * 1000, BYTES]).split()
    return statistics.median(map(int, trips)) / 1000


def ping(place, plan, port, host=LOOPBACK, prefix=()):
    return json.loads(run([*prefix, *on_core(place.load_core), os.path.join(place.echod, "echoc"), "ping",
                           f"raw:{host}:{port}", "--interval", f"{plan.interval_ms}ms", "--count", plan.probes, "--size",
                           BYTES, "--json"]))


def ping_us(place, plan, port, **how):
    return ping(place, plan, port, **how)["rtt"]["p50_ns"] / 1000


# ---- round trips ----

def turns(place, plan, port, dice):
    """Each measures once, in an order that is dealt."""
    takes = {"bare": bare_us, "bare again": bare_us, "ping": ping_us}
    names = list(takes)
    dice.shuffle(names)
    return {name: takes[name](place, plan, port) for name in names}


def summarise(injected_ms, rows):
    found = {"injected_ms": injected_ms}
    for name in ("bare", "ping"):
        found[name.replace(" ", "_") + "_us"] = statistics.median(row[name] for row in rows)
    for name in ("bare again", "ping"):
        more = median_interval([row[name] - row["bare"] for row in rows])
        found[name.replace(" ", "_") + "_more_us"] = [more.median, more.low, more.high]
    return found


def round_trips(place, plan, seed, progress):
    """The medians over a faulty path and none, in turn: a path's own delay is what the bare ping has too."""
    dice, rows = random.Random(seed), {}
    progress.expect("round trips", plan.rounds * (1 + len(plan.latencies_ms)))
    with RawEchod(place) as port, FaultProxy(port, prefix=on_core(place.server_core)) as path:
        for _ in range(plan.rounds):
            for ms in dice.sample([DIRECT, *plan.latencies_ms], 1 + len(plan.latencies_ms)):
                progress(f"{ms} ms")
                path.clear()
                if ms not in (DIRECT, 0):
                    path.add("latency", "both", ms / 2)
                rows.setdefault(ms, []).append(turns(place, plan, port if ms == DIRECT else path.port, dice))
    return [summarise(None if ms == DIRECT else ms, rows[ms]) for ms in (DIRECT, *plan.latencies_ms)]


@contextlib.contextmanager
def slow_wire(ms):
    """Gives what enters the namespace of the server, and that of the client."""
    process = subprocess.Popen([sys.executable, os.path.join(HERE, "wire.py"), str(ms)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    try:
        ready = process.stdout.readline().split()
        if ready[:1] != ["ready"]:
            raise Failed("no slow wire: it needs root and /dev/net/tun")
        yield [("nsenter", f"--net=/proc/{pid}/ns/net") for pid in ready[1:]]
    finally:
        process.stdin.close()
        process.wait(PATIENCE_S)
        process.stdout.close()


def kernel_views(place, plan, progress):
    """ping's median beside the kernel's round-trip time of the same connection."""
    found = []
    progress.expect("kernel's view", len(plan.wires_ms))
    for ms in plan.wires_ms:
        progress(f"{ms} ms")
        with slow_wire(ms) as (near, far), RawEchod(place, wire.SERVER, near) as port:
            rows = []
            for _ in range(plan.rounds):
                seen = ping(place, plan, port, host=wire.SERVER, prefix=far)
                rows.append((seen["rtt"]["p50_ns"] / 1000, seen["tcp_info"]["rtt_us"], seen["tcp_info"]["min_rtt_us"],
                             seen["rtt"]["min_ns"] / 1000))
            found.append({"wire_ms": ms, **{key: statistics.median(row[i] for row in rows) for i, key in enumerate(
                ("ping_p50_us", "kernel_rtt_us", "kernel_min_us", "ping_min_us"))}})
    return found


# ---- outages ----

class Stream:
    """A ping that goes on, and what it tells."""

    def __init__(self, place, plan, port):
        self.process = subprocess.Popen(
            [os.path.join(place.echod, "echoc"), "ping", f"raw:{LOOPBACK}:{port}", "--interval", f"{plan.interval_ms}ms",
             "--json-stream"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def until(self, count=1, **wanted):
        """Reads until count lines have these members; gives the last."""
        for line in self.process.stdout:
            said = json.loads(line)
            count -= wanted.items() <= said.items()
            if count == 0:
                return said
        raise Failed(f"echoc ping ended before {wanted}")

    def end(self):
        self.process.send_signal(signal.SIGINT)
        try:
            return self.until(type="result")
        finally:
            self.process.wait(PATIENCE_S)
            self.process.stdout.close()


def outages_of(place, plan, seconds):
    """Pairs: how long there was nobody, and what ping says."""
    pairs = []
    with RawEchod(place) as port, FaultProxy(port) as path:
        stream = Stream(place, plan, path.port)
        for _ in range(plan.outage_runs):
            stream.until(BETWEEN, type="probe", outcome="echoed")
            path.outage(seconds)
            told = stream.until(type="event", kind="back")
            pairs.append((path.outage_s, told["duration_s"]))
        result = stream.end()
    if result["probes"]["lost"] or result["probes"]["damaged"] or result["outage_count"] != len(pairs):
        raise Failed(f"ping lost something over an outage: {result['probes']}")
    errors = [told - real for real, told in pairs]
    return {"outage_s": seconds, "runs": len(pairs), "median_error_s": statistics.median(errors),
            "least_error_s": min(errors), "greatest_error_s": max(errors)}


# ---- idle limits ----

def idle_of(place, cut_s, how):
    with RawEchod(place) as port, FaultProxy(port) as path:
        path.add("idle_cut", cut_s, how)
        said = json.loads(run([os.path.join(place.echod, "echoc"), "idle", f"raw:{LOOPBACK}:{path.port}", "--min",
                               f"{IDLE_MIN_S}s", "--max", f"{IDLE_MAX_S}s", "--json"], 8 * IDLE_MAX_S))
    return {"cut_s": cut_s, "how": how, "told_how": said["how"], "told_s": said["cut_after_s"],
            "lower_s": said["lower_s"], "took_s": said["took_s"]}


def side_by_side(title, act, cases, progress):
    """They sleep nearly all the time."""
    progress.expect(title, len(cases))
    with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
        futures = [pool.submit(act, *case) for case in cases]
        for future, case in zip(concurrent.futures.as_completed(futures), cases):
            progress(str(case[-1]))
        return [future.result() for future in futures]


def measure(place, quick, seed, progress):
    """What each stage found; [] for one that failed, and why stands among the failures."""
    plan, found, failures = QUICK if quick else WHOLE, {}, {}
    stages = {
        "round_trips": lambda: round_trips(place, plan, seed, progress),
        "kernel_views": lambda: kernel_views(place, plan, progress),
        "outages": lambda: side_by_side("outages", lambda s: outages_of(place, plan, s), [(s,) for s in plan.outages_s],
                                        progress),
        "idle_limits": lambda: side_by_side("idle limits", lambda s, how: idle_of(place, s, how),
                                            [(s, how) for s in plan.cuts_s for how in plan.cut_hows], progress)}
    for name, take in stages.items():
        try:
            found[name] = take()
        except (Failed, OSError, LookupError, TypeError, ValueError, subprocess.SubprocessError) as failure:
            found[name], failures[name] = [], f"{type(failure).__name__}: {failure}"
    progress.end()
    return {**found, "failures": failures, "verdicts": verdicts(found)}


# ---- what is made of it ----

def verdicts(found):
    said = []

    def judge(promise, errors, limit, form):
        if errors:
            worst = max(errors, key=abs)
            said.append({"promise": promise, "seen": form.format(worst), "kept": abs(worst) <= limit})

    trips = found["round_trips"]
    judge("ping's median is the injected round trip to within 0.2 ms",
          [r["ping_us"] - r["injected_ms"] * 1000 for r in trips if r["injected_ms"]], 200, "{:+.0f} µs")
    judge("ping's median is the bare ping's of the same path to within 0.2 ms",
          [r["ping_more_us"][0] for r in trips], 200, "{:+.0f} µs")
    judge("ping's median is the kernel's round trip to within 0.2 ms",
          [r["ping_p50_us"] - r["kernel_rtt_us"] for r in found["kernel_views"]], 200, "{:+.0f} µs")
    judge("an outage's length is told to within 0.1 s",
          [r[key] for r in found["outages"] for key in ("least_error_s", "greatest_error_s")], 0.1, "{:+.3f} s")
    judge("an idle limit is told to within 2 s",
          [r["told_s"] - r["cut_s"] for r in found["idle_limits"] if r["told_s"]], 2, "{:+.1f} s")
    return said


def text(found):
    def more(three):
        return "{:+.0f} [{:+.0f}, {:+.0f}]".format(*three)

    def us(row, *keys):
        return [f"{row[key]:,.0f}" for key in keys]

    trips = [["none" if r["injected_ms"] is None else f"{r['injected_ms']} ms", *us(r, "bare_us", "ping_us"),
              more(r["bare_again_more_us"]), more(r["ping_more_us"])] for r in found["round_trips"]]
    kernel = [[f"{r['wire_ms']} ms", *us(r, "ping_p50_us", "kernel_rtt_us", "ping_min_us", "kernel_min_us")]
              for r in found["kernel_views"]]
    outages = [[f"{r['outage_s']} s", str(r["runs"]), f"{r['median_error_s']:+.3f}", f"{r['least_error_s']:+.3f}",
                f"{r['greatest_error_s']:+.3f}"] for r in found["outages"]]
    idle = [[f"{r['cut_s']} s", r["how"], str(r["told_how"]), str(r["lower_s"]), str(r["told_s"]), f"{r['took_s']:.0f}"]
            for r in found["idle_limits"]]
    parts = [
        table(["the path adds", "bare, µs", "ping, µs", "bare again − bare, µs", "ping − bare, µs"], trips),
        table(["wire", "ping's median, µs", "kernel's rtt, µs", "ping's least, µs", "kernel's least, µs"], kernel),
        table(["outage", "runs", "median error, s", "least", "greatest"], outages),
        table(["idle limit", "how", "told", "survived, s", "cut after, s", "took, s"], idle),
        "\n".join(f"failed: {name}: {why}" for name, why in found["failures"].items()),
        "\n".join(f"{'kept  ' if v['kept'] else 'BROKEN'} {v['promise']}: {v['seen']}" for v in found["verdicts"])]
    return "\n\n".join(part for part in parts if part) + "\n"
