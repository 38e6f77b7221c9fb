"""Results files as ping and load print them, made up: what a real run of a few seconds cannot hold."""
import json
import random

ADDRESS = "lb.example.net:7862"
RUN = {"version": "0.1.0", "host": "probe-1", "clock": "CLOCK_MONOTONIC", "started_at": "2026-11-22T10:00:00.000000Z"}
PHASES = {"lookup_ns": 1200000, "tcp_ns": 8100000, "tls_ns": 17000000, "login_ns": 42300000, "echo_ns": None}


def bucket(ns):
    """The upper end of the histogram's bucket that ns stands in: exact below 2,048, then 1,024 of them an octave."""
    shift = max(ns.bit_length() - 11, 0)
    return ((ns >> shift) + 1 << shift) - 1


def rank(ordered, share):
    """The smallest value that share (in 1/100,000) of them do not exceed."""
    return ordered[max(-(-len(ordered) * share // 100000), 1) - 1]


def times(values):
    """A result's `rtt`."""
    ordered, counts = sorted(values), {}
    for ns in ordered:
        counts[bucket(ns)] = counts.get(bucket(ns), 0) + 1
    known = {"p50_ns": 50000, "p90_ns": 90000}
    known |= {"p99_ns": 99000} if len(ordered) > 100 else {}
    known |= {"p99_9_ns": 99900} if len(ordered) > 1000 else {}
    one = {"count": len(ordered), "histogram": [[ns, counts[ns]] for ns in sorted(counts)]}
    if ordered:
        jumps = [abs(b - a) for a, b in zip(values, values[1:])]
        one |= {"min_ns": ordered[0], "max_ns": ordered[-1], "mean_ns": sum(ordered) // len(ordered)}
        one |= {key: min(bucket(rank(ordered, share)), ordered[-1]) for key, share in known.items()}
        one["jitter_ns"] = sum(jumps) // len(jumps) if jumps else None
    return one


def ping_values(count, interval_s, base_ns, seed, outages, stalls):
    """(when, round trip or None) of each probe."""
    dice = random.Random(seed)
    for i in range(count):
        at = i * interval_s
        ns = base_ns * (1 + abs(dice.gauss(0, 0.05)) + (dice.random() < 0.01) * dice.expovariate(0.25))
        held = next((begin + length - at for begin, length in stalls if begin <= at < begin + length), 0)
        lost = any(begin <= at < begin + length for begin, length in outages)
        yield at, None if lost else int(ns + held * 1e9)


def ping_events(outages, stalls):
    events = [(begin, "drop", None) for begin, _ in outages]
    events += [(begin + length, "back", length) for begin, length in outages]
    events += [(begin + min(1, length), "stall", min(1.0, length)) for begin, length in stalls]
    events += [(begin + length, "stall_end", length) for begin, length in stalls]
    return sorted(events)


def ping(count=600, interval_s=0.2, base_ns=8e6, seed=1, outages=((42, 7.5),), stalls=((80, 2.2),),
         schema="echoc.ping/1", address=ADDRESS, values=None, **more):
    """The lines of a run, the result as the last."""
    def line(name, **members):
        return json.dumps({"schema": schema, "type": name, **members})

    head = {**RUN, "options": {"address": address, "interval_s": interval_s, "count": count, "size_bytes": 64,
                               "deadline_s": None}, "phases": PHASES, **more}
    lines, due = [line("start", **head)], ping_events(outages, stalls)
    sent = values or list(ping_values(count, interval_s, base_ns, seed, outages, stalls))
    for i, (at, ns) in enumerate(sent):
        while due and due[0][0] <= at:
            begin, kind, length = due.pop(0)
            lines.append(line("event", kind=kind, elapsed_s=begin, duration_s=length, detail=None))
        lines.append(line("probe", seq=i + 1, at=RUN["started_at"], elapsed_s=round(at, 6), rtt_ns=ns, after_ns=ns,
                          outcome="lost" if ns is None else "echoed", late=bool(ns and ns > 1e9), resent=False))
    came = [ns for _, ns in sent if ns is not None]
    lines.append(line(
        "result", **head, rtt=times(came), probes={
            "sent": len(sent), "echoed": len(came), "damaged": 0, "lost": len(sent) - len(came),
            "late": sum(ns > 1e9 for ns in came), "resent": 0, "not_sent": 0, "sent_late": 0},
        reconnects=len(outages), downtime_s=sum(length for _, length in outages),
        outages=[{"began_s": b, "length_s": length, "over": True} for b, length in outages], stalls=len(stalls),
        stalled_s=sum(length for _, length in stalls), damages=0, tcp_info=None, status=0))
    return lines


def write(folder, name, lines, end="\n"):
    path = f"{folder}/{name}"
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + end)
    return path
