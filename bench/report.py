"""The results as text, and what they say against what is promised."""
import extras
import field
from rounds import CELLS

BULK = "10x65536x4"
LEAST_COVERAGE = 0.9  # of the interval of a median; three rounds hold it in three of four runs only, and judge nothing


def rows_of(result):
    """Row names: the floor and ours first, then the peers from the cheapest to the dearest by what they have."""
    cells = result["cells"]
    fixed = [field.FLOOR, field.NOISE, field.OURS, field.OURS_LOGIN]

    def dearness(name):
        ratios = [rows[name]["ratio"] for rows in cells.values() if name in rows]
        return sum(ratios) / len(ratios)

    peers = {name for rows in cells.values() for name in rows} - set(fixed)
    return [n for n in fixed if any(n in rows for rows in cells.values())] + sorted(peers, key=dearness)


def number(value):
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}"


def table(head, rows):
    """Columns as wide as they must be; the first to the left, the others to the right."""
    lines = [head, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in
                               enumerate(zip(line, widths))).rstrip() for line in lines)


def ratio_table(result):
    cells = result["cells"]
    rows = []
    for name in rows_of(result):
        row = [name + (" *" if result["exactness"].get(name) else "")]
        for cell in cells.values():
            r = cell.get(name)
            row.append(f"{number(r['ratio'])} [{number(r['ratio_low'])}, {number(r['ratio_high'])}]" if r else "–")
        rows.append(row)
    floor = ["µs a message of the floor"] + [f"{cell[field.FLOOR]['cpu_ns_per_message'] / 1000:.2f}"
                                             if field.FLOOR in cell else "–" for cell in cells.values()]
    return table(["server CPU, ratio to the floor", *[str(c) for c in CELLS if c.name in cells]], [*rows, floor])


def shown(values, key, form):
    return form.format(values[key]) if key in values else "–"


def side_table(result):
    """What is measured beside the matrix, one row a server."""
    sides = (("visits/s", "visits_per_s", "{:,.0f}"), ("lone round trip, µs", "lone_round_trip_us", "{:.1f}"),
             ("bytes/idle connection", "idle_bytes_per_connection", "{:,.0f}"))
    heads, columns = ["server"] + [s[0] for s in sides], [result[s[1]] for s in sides]
    forms = [s[2] for s in sides]
    for cell, counts in result["counts"].items():
        for title, key, form in (("system calls", "system_calls_per_message", "{:.2f}"),
                                 ("beside waits", "beside_waits_per_message", "{:.2f}"),
                                 ("instructions", "instructions_per_message", "{:,.0f}")):
            heads.append(f"{title} {cell}")
            columns.append({name: row[key] for name, row in counts.items() if key in row})
            forms.append(form)
    names = list(dict.fromkeys(name for column in columns for name in column))
    if not names:
        return ""
    return table(heads, [[name, *[shown(c, name, f) for c, f in zip(columns, forms)]] for name in names])


def logins_text(result):
    return "\n".join(f"logins at {how} strength ({row['kib']:,} KiB, {row['passes']} passes): "
                     f"{row['logins_per_s']:,.0f}/s; the bare hash takes {row['hash_ns'] / 1000:,.0f} µs, "
                     f"so hashing is {row['hash_share']:.0%} of it" for how, row in result["logins"].items())


def hog_text(result):
    return "\n".join(f"100 pingers on {name}: p99 {row['p99_alone_us']:,.0f} µs alone, {row['p99_beside_hog_us']:,.0f} µs "
                     f"beside a hog ({row['p99_ratio']:.2f} ×)" for name, row in result["hog"].items())


def micro_text(result):
    return "\n".join(f"{case}: {row['ns']:.1f} ns" + (f", {row['instructions']:.0f} instructions"
                                                      if "instructions" in row else "")
                     for case, row in result["micro"].items())


def verdicts(result):
    """What is promised, each with what was seen: (promise, seen, kept)."""
    found = []

    def judge(promise, seen, kept):
        found.append({"promise": promise, "seen": seen, "kept": bool(kept)})

    exact = [name for name, failures in result["exactness"].items() if not failures]
    for cell, rows in result["cells"].items() if result["coverage"] >= LEAST_COVERAGE else ():
        for ours in (field.OURS, field.OURS_LOGIN):
            judge_cell(judge, cell, rows, ours, [p for p in exact if p in rows and p in result["peers"]])
    judge_sides(judge, result, exact)
    return found


def judge_cell(judge, cell, rows, ours, exact):
    if ours not in rows:
        judge(f"{cell}: {ours} is measured", "it is not", False)
        return
    mine = rows[ours]
    judge(f"{cell}: {ours} at the floor (lower bound of the ratio at most 1.05)", number(mine["ratio_low"]),
          mine["ratio_low"] <= 1.05)
    ahead = [p for p in exact if rows[p]["ratio_high"] < mine["ratio_low"]]
    judge(f"{cell}: {ours} behind no exact peer by more than the spread", ", ".join(ahead) or "behind none", not ahead)
    if cell == BULK and exact:
        best = min(exact, key=lambda p: rows[p]["ratio"])
        lead = rows[best]["ratio"] / mine["ratio"]
        judge(f"{cell}: {ours} at least 1.25 × ahead of every exact peer", f"{lead:.2f} × ({best})", lead >= 1.25)


def judge_least(judge, what, values, exact, lead=1.0, ours=field.OURS):
    """Ours is at most 1/lead of every peer's."""
    peers = {p: values[p] for p in exact if p in values}
    if ours in values and peers:
        best = min(peers, key=peers.get)
        judge(what, f"{values[ours]:,.2f} against {peers[best]:,.2f} ({best})", values[ours] * lead <= peers[best] * 1.01)


def judge_busy_poll(judge, trips, exact):
    """Spinning is an option, and a row of its own."""
    judge_least(judge, f"lone round trip, {extras.BUSY_POLL}: at least 2 × ahead of every exact peer", trips, exact, 2,
                extras.BUSY_POLL)
    if extras.BUSY_POLL in trips and field.OURS in trips:
        share = trips[extras.BUSY_POLL] / trips[field.OURS]
        judge(f"lone round trip, {extras.BUSY_POLL}: at most 0.45 of the sleeping one", f"{share:.2f}", share <= 0.45)


def judge_sides(judge, result, exact):
    exact = [p for p in exact if p in result["peers"]]
    judge_busy_poll(judge, result["lone_round_trip_us"], exact)
    for cell, counts in result["counts"].items():
        loops = [p for p in exact if p not in result["forking"]]
        for key, what in (("system_calls_per_message", "no more system calls than any exact peer that has one loop"),
                          ("instructions_per_message", "no more instructions than any exact peer")):
            judge_least(judge, f"{cell}: {what}", {n: r[key] for n, r in counts.items() if key in r}, loops)
        ours = counts.get(field.OURS, {})
        for key, limit in (("beside_waits_per_message", 2), ("instructions_per_message", 400)):
            if key in ours:
                judge(f"{cell}: {key} at most {limit}", f"{ours[key]:.2f}", ours[key] <= limit * 1.01)
    idle = result["idle_bytes_per_connection"].get(field.OURS_LOGIN)
    if idle is not None:
        judge("at most 256 bytes of user memory a connection logged in and idle", f"{idle:.0f}", idle <= 256)
    if field.OURS in result["hog"]:
        ratio = result["hog"][field.OURS]["p99_ratio"]
        judge("p99 of 100 pingers beside a hog at most 2 × that without", f"{ratio:.2f} ×", ratio <= 2)
    if "default" in result["logins"]:
        share = result["logins"]["default"]["hash_share"]
        judge("logins at default strength hash-bound to within 10 %", f"{share:.0%}", share >= 0.9)


def text(result):
    about = (f"{result['date']}  Linux {result['kernel']}  {result['cpu']}  {result['rounds']} rounds, seed {result['seed']}, "
             f"windows of {result['window_s']} s\nservers on core {result['server_core']}, load on core "
             f"{result['load_core']}; [..]: interval of the median, {result['coverage']:.0%}")
    inexact = "\n".join(f"* {name} is not exact: {'; '.join(failures)}" for name, failures in result["exactness"].items()
                        if failures)
    failed = "\n".join(f"failed: {name}: {failure}" for name, failures in result["failures"].items()
                       for failure in failures)
    kept = "\n".join(f"{'kept  ' if v['kept'] else 'BROKEN'} {v['promise']}: {v['seen']}" for v in result["verdicts"])
    parts = [about, ratio_table(result), inexact, side_table(result), logins_text(result), hog_text(result),
             micro_text(result), failed, kept]
    return "\n\n".join(part for part in parts if part) + "\n"
