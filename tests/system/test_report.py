"""echoc report: what is in the files is what is shown, and what of them cannot be read is said."""
import json
import math
import os
import random
import re
import resource
import stat
import subprocess
import time

import pytest

import report_samples as samples
import terminal
from harness import check_sanitizer, environment, program
from test_load import run as run_load

RECORDED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "report_data", "ping.ndjson")


def report(folder, *args, status=0, **kwargs):
    """Its standard output and standard error."""
    kwargs.setdefault("stdout", subprocess.PIPE)
    done = subprocess.run([program("echoc"), "report", *args], stderr=subprocess.PIPE, env=environment(folder), cwd=folder,
                          check=False, timeout=50, **kwargs)
    check_sanitizer(folder, done.stderr.decode())
    assert done.returncode == status, done.stderr.decode()
    return done.stdout.decode() if done.stdout is not None else "", done.stderr.decode()


def strict(text):
    def refuse(word):
        raise AssertionError(f"{word} is no JSON")
    assert text.count("\n") == 1
    return json.loads(text, parse_constant=refuse)


def document(folder, *args, status=0, **kwargs):
    one = strict(report(folder, "--json", *args, status=status, **kwargs)[0])
    assert (one["schema"], one["status"]) == ("echoc.report/1", status)
    return one


def numbers(folder, lines, **kwargs):
    return document(folder, samples.write(folder, "run.ndjson", lines), **kwargs)["runs"][0]["numbers"]


def sentences(text, *parts):
    """Standard error is echoc's whole sentences, and one of them says all of parts."""
    lines = text.splitlines()
    assert lines and all(re.fullmatch(r"echoc: .+\.", line) for line in lines), text
    assert any(all(part in line for part in parts) for line in lines), text


# ---- what is shown

def test_numbers_are_the_results(folder):
    lines = samples.ping()
    told = json.loads(lines[-1])
    got = numbers(folder, lines)
    for key in ("count", "min_ns", "p50_ns", "p90_ns", "p99_ns", "max_ns", "mean_ns", "jitter_ns"):
        assert got[key] == told["rtt"][key] > 0
    assert got["p99_9_ns"] is None  # too few samples, as the result said
    assert (got["sent"], got["echoed"], got["lost"], got["late"]) == (600, 562, 38, told["probes"]["late"])
    assert (got["reconnects"], got["downtime_s"], got["tls_ns"], got["echo_ns"]) == (1, 7.5, 17000000, None)


def test_run_is_told(folder):
    one = document(folder, samples.write(folder, "a.ndjson", samples.ping()))
    run = one["runs"][0]
    assert {k: run[k] for k in samples.RUN} == samples.RUN
    assert (run["kind"], run["complete"], run["times"], run["schema_number"], run["line"]) == ("ping", True, "rtt", 1, 1)
    assert {o["name"]: o["value"] for o in run["options"]} == {
        "address": samples.ADDRESS, "interval_s": 0.2, "count": 600, "size_bytes": 64, "deadline_s": None}
    assert run["marks"] == [
        {"kind": "outage", "begin_s": 42, "duration_s": 7.5, "goes_on": False},
        {"kind": "stall", "begin_s": 80, "duration_s": 2.2, "goes_on": False}]
    assert one["version"] and one["host"] and one["clock"] and one["started_at"]
    assert sum(n for _, n in run["histogram"]) == 562
    assert sum(c["missed"] for c in run["over_time"]) == 38


@pytest.mark.parametrize("how", [("--rate", "400"), ("--in-flight", "2")])
def test_a_load_that_was_run(server, folder, how):
    s = server(listen=["raw:127.0.0.1:0"])
    _, out, err = run_load(folder, f"raw:127.0.0.1:{s.address_of('raw')}", "--json-stream", "--connections", "4", *how,
                           "--duration", "1500ms", "--warm-up", "100ms")
    result = json.loads(out.splitlines()[-1])
    run = document(folder, samples.write(folder, "load.ndjson", out.splitlines()))["runs"][0]
    open_loop = how[0] == "--rate"
    key = "response_time" if open_loop else "service_time"
    assert (run["kind"], run["times"]) == ("load", key), err
    assert run["histogram"] == result[key]["histogram"]
    assert [run["numbers"][k] for k in ("count", "p50_ns", "p99_ns", "max_ns")] == \
        [result[key][k] for k in ("count", "p50_ns", "p99_ns", "max_ns")]
    assert run["numbers"]["sent"] == result["totals"]["messages_sent"]
    assert run["numbers"]["service_p50_ns"] == (result["service_time"]["p50_ns"] if open_loop else None)
    assert run["over_time"] and all(any(w in n for n in run["notes"]) for w in result["warnings"])


def test_a_ping_that_was_recorded(folder):
    """Through a relay that stood still for 1.6 s, and was gone for 1.5 s."""
    run = document(folder, RECORDED)["runs"][0]
    assert [m["kind"] for m in run["marks"]] == ["stall", "outage"] and run["complete"] and not run["notes"]
    assert all(1.4 < m["duration_s"] < 1.7 for m in run["marks"])
    assert run["numbers"]["not_sent"] == 14 and run["numbers"]["tcp_retransmits"] is not None


def test_a_recording_without_its_result(folder):
    """What is worked out from the probes is what ping itself had worked out."""
    whole = document(folder, RECORDED)["runs"][0]
    with open(RECORDED, encoding="utf-8") as f:
        cut = document(folder, samples.write(folder, "cut.ndjson", f.read().splitlines()[:-1]))["runs"][0]
    known = {k: v for k, v in cut["numbers"].items() if v is not None}
    assert {k: whole["numbers"][k] for k in known} == pytest.approx(known, rel=1e-4, abs=1e-3)
    missing = {k for k, v in whole["numbers"].items() if v is not None} - set(known)
    assert missing == {"sent_late", "echo_ns"} | {k for k in whole["numbers"] if k.startswith("tcp_r") or "min_rtt" in k}
    assert cut["histogram"] == whole["histogram"] and len(cut["marks"]) == 2


def test_text_has_the_numbers_side_by_side(folder):
    a = samples.write(folder, "a.ndjson", samples.ping())
    b = samples.write(folder, "b.ndjson", samples.ping(base_ns=6e6, outages=(), stalls=()))
    text = report(folder, "--text", a, b)[0]
    rows = [line for line in text.splitlines() if line.startswith("  ") and not line.startswith("   ")]
    assert len({len(row) for row in rows}) == 1 and len(rows) > 15
    assert re.search(r"^  lost +38 +0$", text, re.M) and re.search(r"^  99\.9 % ", text, re.M) is None
    assert "1  outage from 42.000 s to 49.500 s\n" in text and samples.ADDRESS in text and "interval_s 0.2" in text
    assert "–" not in report(folder, "--text", a, status=0)[0]


def test_terminal_gets_text_and_a_hint(folder):
    path = samples.write(folder, "a.ndjson", samples.ping())
    with terminal.echoc(folder, "report", path) as t:
        assert t.end() == 0
        assert b"not connected for" in t.text and b"<html" not in t.text and b"-o run.html" in t.text
    with terminal.echoc(folder, "report", path, "--html") as t:
        assert t.end() == 0 and b"</html>" in t.text
    assert report(folder, path)[0].startswith("<!DOCTYPE html>")


def test_standard_input(folder):
    text = "\n".join(samples.ping()) + "\n"
    assert document(folder, "-", input=text.encode())["runs"][0]["numbers"]["sent"] == 600


def test_what_interrupted_a_run(folder):
    lines = samples.ping(count=20, outages=(), stalls=())
    for i, (kind, length) in enumerate([("damage", None), ("held_up", 0.5), ("stall", 1.0), ("redial_failed", 1)]):
        lines.insert(15 + i, json.dumps({"schema": "echoc.ping/1", "type": "event", "kind": kind, "elapsed_s": 2.5,
                                         "duration_s": length}))
    run = document(folder, samples.write(folder, "a.ndjson", lines))["runs"][0]
    assert [(m["kind"], m["begin_s"], round(m["duration_s"], 6), m["goes_on"]) for m in run["marks"]] == [
        ("stall", 1.5, 2.3, True), ("held_up", 2, 0.5, False), ("damage", 2.5, 0, False)]


def test_only_what_is_lost_is_missed(folder):
    lines = samples.ping(count=50, outages=((4, 1),), stalls=())[:-1]
    for i, outcome in enumerate(("damaged", "cut_off", "not_sent", "echoed")):
        probe = json.loads(lines[5 + i]) | {"outcome": outcome, "rtt_ns": None, "resent": outcome == "echoed"}
        lines[5 + i] = json.dumps(probe)
    run = document(folder, samples.write(folder, "a.ndjson", lines))["runs"][0]
    got = [run["numbers"][k] for k in ("sent", "echoed", "lost", "damaged", "not_sent", "resent", "count")]
    assert got == [49, 42, 5, 1, 1, 1, 41]
    assert sum(c["missed"] for c in run["over_time"]) == 5 and sum(c["count"] for c in run["over_time"]) == 41


def test_a_histogram_that_cannot_be(folder):
    for bad in (EXTREMES["too many"], EXTREMES["nonsense"]):
        run = document(folder, samples.write(folder, "a.ndjson", bad))["runs"][0]
        assert run["histogram"] == [] and any("histogram" in note for note in run["notes"])


def test_many_outages_are_counted(folder):
    lines = samples.ping(count=100, interval_s=1, outages=[(i, 0.5) for i in range(30)], stalls=())
    path = samples.write(folder, "a.ndjson", lines)
    text = report(folder, "--text", path)[0]
    assert text.count("1  outage") == 20 and "1  and 10 more\n" in text
    assert "and 10 more" in report(folder, path)[0]
    assert len(document(folder, path)["runs"][0]["marks"]) == 30


# ---- files that are not whole

@pytest.mark.parametrize("end", ["\n", "\n{\"schema\": \"echoc.ping/1\", \"ty"])
def test_a_file_that_is_cut_off(folder, end):
    whole = samples.ping(count=400, outages=((42, 7.5), (79, 9)))
    kept = [line for line in whole if '"result"' not in line and '"back"' not in line or '49.5' in line]
    values = [json.loads(line) for line in kept if '"probe"' in line]
    came = samples.times([v["rtt_ns"] for v in values if v["rtt_ns"] is not None])
    path = samples.write(folder, "cut.ndjson", kept, end)
    run = document(folder, path)["runs"][0]
    assert not run["complete"]
    for key in ("count", "min_ns", "p50_ns", "p90_ns", "p99_ns", "max_ns", "mean_ns", "jitter_ns"):
        assert run["numbers"][key] == pytest.approx(came[key], abs=1)
    assert run["histogram"] == came["histogram"]
    assert (run["numbers"]["sent"], run["numbers"]["lost"]) == (400, sum(v["rtt_ns"] is None for v in values))
    assert [m["goes_on"] for m in run["marks"]] == [False, True]
    sentences(report(folder, path)[1], "cut.ndjson", "worked out from the probes")
    if len(end) > 1:
        sentences(report(folder, path)[1], f"in the middle of line {len(kept) + 1}")


def test_a_load_without_result(folder):
    lines = [json.dumps({"schema": "echoc.load/1", "type": "interval", "phase": "window", "elapsed_s": i + 1, "interval_s": 1,
                         "messages": 100, "p50_ns": 1000 * i, "p99_ns": None, "errors": i, "damaged_bytes": 0})
             for i in range(5)]
    got = numbers(folder, lines)
    assert (got["messages_per_s"], got["errors"], got["window_s"], got["p50_ns"]) == (100, 4, 5, None)


def test_a_newer_schema(folder):
    path = samples.write(folder, "new.ndjson", samples.ping(schema="echoc.ping/2", novelty={"a": [1]}))
    run = document(folder, path)["runs"][0]
    assert run["schema_number"] == 2 and run["numbers"]["sent"] == 600
    for how in ("--text", "--html"):
        out, err = report(folder, path, how)
        assert "schema echoc.ping/2 is newer" in out + err and (how == "--text" or "is newer" in out)


@pytest.mark.parametrize("content, parts", [
    ("hello\nworld\n", ("line 1:", "not what ping or load print")),
    ("\n\n[1, 2]\n", ("line 3:", "not what ping or load print")),
    ('{"schema": "echoc.idle/1", "type": "result"}\n', ("line 1:", "'echoc.idle/1'")),
    ('{"schema": "echoc.ping/x", "type": "result"}\n', ("line 1:", "'echoc.ping/x'")),
    ("", ("holds no result",)), ("{", ("holds no result",)), ("\0" * 50 + "\n", ("line 1:",)), ("x\n" * 5000, ("line 1:",)),
    (None, ("cannot read", "No such file")), ("folder", ("cannot read", "Is a directory")),
])
def test_what_is_no_result(folder, content, parts):
    """It is said, and the other file is shown all the same."""
    bad, good = f"{folder}/bad", samples.write(folder, "good.ndjson", samples.ping())
    if content == "folder":
        os.mkdir(bad)
    elif content is not None:
        with open(bad, "w", encoding="utf-8") as f:
            f.write(content)
    one = document(folder, bad, good, status=1)
    assert len(one["runs"]) == 1 and len(one["errors"]) == 1
    out, err = report(folder, "--text", bad, good, status=1)
    sentences(err, "bad", *parts)
    assert samples.ADDRESS in out and one["errors"][0] in out
    out, err = report(folder, bad, status=1)
    assert out == ""
    sentences(err, *parts)
    alone = strict(report(folder, "--json", bad, status=1)[0])
    assert (alone["type"], alone["status"]) == ("error", 1) and parts[-1] in alone["error"]["detail"]


def test_lines_that_are_no_part_of_it(folder):
    lines = samples.ping()
    path = samples.write(folder, "a.ndjson", lines[:5] + ["oops", '{"type": 1}'] + lines[5:] + ["tail"])
    out, err = report(folder, "--html", path)
    sentences(err, "3 lines", "line 6")
    assert numbers(folder, lines[:5] + ["oops"] + lines[5:])["sent"] == 600 and "3 lines" in out


def test_endless_line(folder):
    sentences(report(folder, "/dev/zero", status=1)[1], "/dev/zero, line 1", "longer than any result")


def test_documents_of_many_lines(folder):
    lines = [json.loads(line) for line in samples.ping(count=20)]
    text = "".join(json.dumps(line, indent=2) + "\n" for line in lines)
    assert document(folder, samples.write(folder, "jq.json", [text]))["runs"][0]["numbers"]["sent"] == 20
    alone = samples.write(folder, "one.json", [json.dumps(lines[-1], indent=4)], end="")
    one = document(folder, alone)["runs"][0]
    assert one["complete"] and one["marks"][0]["kind"] == "outage" and not one["over_time"]


def test_several_runs_in_a_file(folder):
    lines = samples.ping(count=5, outages=()) + samples.ping(count=6, outages=())[-1:] + samples.ping(count=7, outages=())
    one = document(folder, samples.write(folder, "all.ndjson", lines))
    assert [(r["numbers"]["sent"], r["line"]) for r in one["runs"]] == [(5, 1), (6, 8), (7, 9)]
    lines = samples.ping(count=5, outages=())[:-1] + samples.ping(count=7, outages=())  # the first one was ended
    one = document(folder, samples.write(folder, "two.ndjson", lines))
    assert [(r["numbers"]["sent"], r["complete"]) for r in one["runs"]] == [(5, False), (7, True)]
    many = samples.write(folder, "many.ndjson", samples.ping(count=1, outages=())[-1:] * 40)
    one = document(folder, many, status=1)
    assert len(one["runs"]) == 32 and "line 33" in one["errors"][0]


def test_a_run_that_failed(folder):
    line = json.dumps({"schema": "echoc.ping/1", "type": "error", "error": {"kind": "unreachable", "phase": "tcp",
                       "after_s": 1, "detail": "cannot connect"}, "status": 3})
    assert "the run failed: cannot connect." in document(folder, samples.write(folder, "a", [line]))["runs"][0]["notes"][0]


# ---- extremes

def extreme(histogram, **more):
    line = json.loads(samples.ping(count=1, outages=(), stalls=())[-1])
    line["rtt"] = {"count": 1, "min_ns": None, "max_ns": None, "histogram": histogram, **more}
    return [json.dumps(line)]


HOUR = 3600 * 10**9
EXTREMES = {
    "one": samples.ping(count=1, outages=(), stalls=()),
    "none": samples.ping(count=0, outages=(), stalls=()),
    "all lost": samples.ping(count=5, outages=((0, 9),), stalls=()),
    "all equal": samples.ping(values=[(i / 10, 5000000) for i in range(50)], outages=(), stalls=()),
    "of hours": samples.ping(values=[(i * 600, (i + 1) * HOUR // 40) for i in range(36)], outages=((7200, 3600),), stalls=()),
    "many": extreme([[1000000 + 1000 * i, 10**6] for i in range(10)]),
    "nothing to a day": extreme([[0, 1], [1, 1], [HOUR * 24, 3]], min_ns=0, max_ns=HOUR * 24),
    "bare": ['{"schema": "echoc.ping/1", "type": "result"}'],
    "nonsense": extreme([[-1, 2], ["a", {}], 7, None], min_ns="x", max_ns=-3, p50_ns=[1], mean_ns=1e300),
    "too many": extreme([[1, 10**18], [2, 10**18]]),
    "wild times": samples.ping(values=[(1e300, 5), (-4, 6), (0.5, 10**18), (2, 7)], outages=(), stalls=()),
}


@pytest.mark.parametrize("name", EXTREMES)
def test_extremes(folder, name):
    path = samples.write(folder, "x.ndjson", EXTREMES[name])
    other = samples.write(folder, "y.ndjson", samples.ping())
    document(folder, path)
    for files in ([path], [path, other]):
        page = report(folder, "-q", *files)[0]
        assert not re.search(r"\b-?(nan|inf)\b", page + report(folder, "--text", *files)[0])
        for x, y in re.findall(r'[ML](-?[\d.]+) (-?[\d.]+)', page):
            assert 0 <= float(x) <= 1040 and 0 <= float(y) <= 300
    report(folder, "--hgrm", path)


def test_damaged_files(folder):
    """Bytes changed, lines lost and doubled: whatever comes is read without harm."""
    dice, paths = random.Random(7), []
    text = ("\n".join(samples.ping(count=30, outages=((1, 1),))) + "\n").encode()
    for i in range(30):
        bad = bytearray(text)
        for _ in range(dice.randrange(1, 60)):
            at = dice.randrange(len(bad))
            bad[at:at + dice.randrange(3)] = dice.choice([b"", b"\"", b"9", b"{", b"]", b"-", b"\0", b"\n", b"\xff", b"e9"])
        paths.append(f"{folder}/{i}")
        with open(paths[-1], "wb") as f:
            f.write(bad)
    done = subprocess.run([program("echoc"), "report", "--json", *paths], env=environment(folder), capture_output=True,
                          check=False, timeout=50)
    check_sanitizer(folder, done.stderr.decode(errors="replace"))
    assert done.returncode in (0, 1)
    strict(done.stdout.decode())


@pytest.mark.limit(120)
def test_many_probes_keep_their_spike(folder):
    values = [(i / 100, 8000000 + i % 7 * 1000) for i in range(100000)]
    values[77777] = (777.77, 1234567890)
    path = samples.write(folder, "big.ndjson", samples.ping(values=values, outages=(), stalls=()))
    began = time.monotonic()
    run = document(folder, path)["runs"][0]
    assert time.monotonic() - began < 20
    top = max(run["over_time"], key=lambda c: c["max_ns"] or 0)
    assert top["max_ns"] == 1234567890 and abs(top["elapsed_s"] - 777.77) < 1
    assert len(run["over_time"]) <= 1024 and sum(c["count"] for c in run["over_time"]) == 100000


# ---- HdrHistogram's form

def hgrm(pairs, longest):
    """(value in ms, level, count) as HdrHistogram's percentile iterator has them: five to each half of what is left."""
    total, rows, seen, level = sum(n for _, n in pairs), [], 0, 0.0
    for ns, n in pairs:
        seen += n
        while 100 * seen / total >= level:
            rows.append((min(ns, longest) / 1e6, level / 100, seen))
            level += 100 / (5 * 2 ** (math.floor(math.log(100 / (100 - level)) / math.log(2)) + 1))
            if seen == total:
                break
    return rows + [(longest / 1e6, 1.0, total)]


def test_hgrm(folder):
    lines = samples.ping(count=3000, interval_s=0.01, outages=(), stalls=())
    told = json.loads(lines[-1])["rtt"]
    out = report(folder, "--hgrm", samples.write(folder, "a.ndjson", lines))[0].splitlines()
    assert out[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"] and out[1] == ""
    rows = [line.split() for line in out[2:] if not line.startswith("#")]
    wanted = hgrm(told["histogram"], told["max_ns"])
    assert [(float(r[0]), float(r[1]), int(r[2])) for r in rows] == [
        (pytest.approx(v, abs=1e-6), pytest.approx(p, abs=1e-11), n) for v, p, n in wanted]
    assert [len(r) for r in rows] == [4] * (len(rows) - 1) + [3] and len(rows) > 40
    assert all(float(r[3]) == pytest.approx(1 / (1 - float(r[1])), abs=0.006) for r in rows[:-1])
    mean = told["mean_ns"] / 1e6
    deviation = math.sqrt(sum(n * (ns / 1e6 - mean) ** 2 for ns, n in told["histogram"]) / told["count"])
    foot = [re.fullmatch(r"#\[(.+?) *= +([\d.]+), (.+?) *= +([\d.]+)\]", line).groups() for line in out[-3:]]
    assert [(f[0], f[2]) for f in foot] == [("Mean", "StdDeviation"), ("Max", "Total count"), ("Buckets", "SubBuckets")]
    assert float(foot[0][1]) == pytest.approx(mean, rel=1e-3) and float(foot[0][3]) == pytest.approx(deviation, rel=1e-2)
    assert float(foot[1][1]) == pytest.approx(told["max_ns"] / 1e6) and int(foot[1][3]) == 3000


# ---- where it goes

def test_output_takes_the_old_ones_place_when_it_is_whole(folder):
    path, out = samples.write(folder, "a.ndjson", samples.ping()), f"{folder}/out.html"
    before = set(os.listdir(folder))
    assert report(folder, path, "-o", out) == ("", "")
    with open(out, encoding="utf-8") as f:
        assert f.read().endswith("</html>\n")
    os.chmod(out, 0o640)
    os.symlink("out.html", f"{folder}/link")
    report(folder, path, "--text", "-o", f"{folder}/link")
    with open(out, encoding="utf-8") as f:
        assert f.read().startswith("1  ping")
    assert stat.S_IMODE(os.stat(out).st_mode) == 0o640 and os.path.islink(f"{folder}/link")
    report(folder, f"{folder}/none", "-o", out, status=1)
    sentences(report(folder, path, "-o", f"{folder}/no/where", status=1)[1], "cannot write", "no/where")
    _, err = report(folder, path, "-o", out, status=1, restore_signals=False,  # SIGXFSZ stays ignored
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)))
    err = "".join(line for line in err.splitlines(True) if not line.startswith("libgcov"))  # its counts do not fit either
    sentences(err, "cannot write", "out.html", "File too large")
    with open(out, encoding="utf-8") as f:
        assert f.read().startswith("1  ping")
    assert {name for name in os.listdir(folder) if not name.startswith("sanitizer")} == before | {"out.html", "link"}


def test_output_that_fails(folder):
    path = samples.write(folder, "a.ndjson", samples.ping())
    for how in ("--html", "--text", "--hgrm", "--json"):
        with open("/dev/full", "wb") as full:
            sentences(report(folder, how, path, status=1, stdout=full)[1], "cannot write", "No space left")


def test_output_to_what_is_no_file(folder):
    """A pipe with a name is written to, and stays what it is."""
    path, pipe = samples.write(folder, "a.ndjson", samples.ping(count=5, outages=(), stalls=())), f"{folder}/pipe"
    os.mkfifo(pipe)
    with open(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb") as reader:
        report(folder, path, "--text", "-o", pipe)
        assert reader.read().startswith(b"1  ping") and stat.S_ISFIFO(os.stat(pipe).st_mode)


@pytest.mark.parametrize("args, part", [
    ((), "FILE"), (("--html", "--text", "a"), "exclude"), (("--json", "--text", "a"), "exclude"),
    (("--hgrm", "a", "b"), "one FILE"), (("--json", "--hgrm", "a"), "exclude")])
def test_usage(folder, args, part):
    out, err = report(folder, *args, status=2)
    assert part in err
    if "--json" in args:
        one = strict(out)
        assert (one["schema"], one["type"], one["status"]) == ("echoc.report/1", "error", 2)


def test_quiet_says_errors_only(folder):
    path = samples.write(folder, "new.ndjson", samples.ping(schema="echoc.ping/9"))
    assert report(folder, "-q", path)[1] == ""
    sentences(report(folder, "-q", path, "/none", status=1)[1], "/none")
