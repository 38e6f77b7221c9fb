"""The page of echoc report: well-formed, harmless whatever the files hold, and seen in a browser."""
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import xml.etree.ElementTree as ET
import zlib

import pytest

import report_samples as samples
from harness import environment, own_folder, program
from test_report import RECORDED, document, report

XHTML, SVG = "{http://www.w3.org/1999/xhtml}", "{http://www.w3.org/2000/svg}"
WIDTH, HEIGHT = 1160, 1400


def page_of(folder, *files):
    text = report(folder, "--html", "-q", *files)[0]
    return text, ET.fromstring(text)


def words(element):
    return " ".join("".join(element.itertext()).split())


def charts(root):
    return [svg for svg in root.iter(f"{SVG}svg") if svg.get("role") == "img"]


def with_class(root, name):
    return [e for e in root.iter() if name in (e.get("class") or "").split()]


# ---- what is in it

def test_one_run(folder):
    text, root = page_of(folder, samples.write(folder, "a.ndjson", samples.ping()))
    assert root.get("lang") == "en" and text.startswith("<!DOCTYPE html>\n")
    assert [svg.find(f"{SVG}title").text for svg in charts(root)] == ["Times over time", "Percentiles", "Histogram"]
    assert all(words(svg.find(f"{SVG}desc")) for svg in charts(root))
    trips = charts(root)[0]
    assert [words(e) for e in with_class(trips, "outage")] == ["outage from 42.000 s to 49.500 s"]
    assert [words(e) for e in with_class(trips, "stall")] == ["stall from 80.000 s to 82.200 s"]
    assert with_class(trips, "missed")
    line, = with_class(trips, "line")
    assert line.get("d").count("M") == 2  # broken where the outage was
    labels = [words(e) for e in charts(root)[1].iter(f"{SVG}text")]
    assert {"0 %", "50 %", "90 %", "99 %"} <= set(labels)
    shown = words(root)
    for part in (samples.ADDRESS, "probe-1", "CLOCK_MONOTONIC", "2026-11-22T10:00:00Z", "interval_s 0.2", "a.ndjson"):
        assert part in shown


def test_everything_in_it_is_in_the_json(folder):
    """Each number of its tables is the JSON's, in full behind the unit that a person reads."""
    path = samples.write(folder, "a.ndjson", samples.ping())
    told = document(folder, path)["runs"][0]["numbers"]
    root = page_of(folder, path)[1]
    exact = [int(td.get("title").split()[0]) for td in root.iter(f"{XHTML}td") if td.get("title")]
    assert len(exact) > 10 and set(exact) <= set(told.values())
    assert {v for k, v in told.items() if k.endswith("_ns") and v is not None} == set(exact)


def test_runs_share_their_axes(folder):
    a = samples.write(folder, "a.ndjson", samples.ping())
    b = samples.write(folder, "b.ndjson", samples.ping(count=50, base_ns=3e5, outages=(), stalls=()))
    root = page_of(folder, a, b)[1]
    trips_a, trips_b, percentiles, bars_a, bars_b = charts(root)

    def ticks(svg):
        return [words(e) for e in with_class(svg, "tick")]
    assert ticks(trips_a) == ticks(trips_b) and ticks(bars_a) == ticks(bars_b)
    curves = with_class(percentiles, "line")
    assert [c.get("class") for c in curves] == ["line c0 d0", "line c1 d1"]
    heads = [words(th) for th in root.iter(f"{XHTML}th") if th.get("scope") == "col"]
    assert heads.count("1") == heads.count("2") > 3


def test_no_two_runs_look_the_same(folder):
    path = samples.write(folder, "a.ndjson", samples.ping(count=3, outages=(), stalls=())[-1:] * 30)
    curves = with_class(charts(page_of(folder, path)[1])[0], "line")
    assert len({c.get("class") for c in curves}) == len(curves) == 30


def test_a_document_without_intervals(folder):
    root = page_of(folder, samples.write(folder, "a.json", samples.ping(outages=(), stalls=())[-1:]))[1]
    assert len(charts(root)) == 2 and "--json-stream would have printed them" in words(root)


def test_it_names_its_language(folder):
    path, out = samples.write(folder, "a.ndjson", samples.ping()), f"{folder}/ru.html"
    done = subprocess.run([program("echoc"), "report", path, "-o", out], check=False, timeout=50,
                          env=environment(folder, LC_ALL="ru_RU.UTF-8"))
    assert done.returncode == 0
    assert ET.parse(out).getroot().get("lang") == "ru"


# ---- what it must not do

HOSTILE = '"><script>alert(1)</script><img src=http://127.0.0.1:%d/x>\'&amp;&#60;]]>--><!--\u202egnp.\x1b[31m\x85'


def hostile_run(port):
    bad = HOSTILE % port
    lines = samples.ping(count=50, outages=((2, 1),), stalls=(), address=bad, version=bad, host=bad, clock=bad,
                         started_at=bad, why=bad)
    return [line.replace('"size_bytes"', json.dumps(bad)).replace('"detail": null', f'"detail": {json.dumps(bad)}')
            for line in lines]


def test_hostile_strings(folder):
    name = '<b onclick="x">&.ndjson'
    text, root = page_of(folder, samples.write(folder, name, hostile_run(9)))
    assert {e.tag.rpartition("}")[2] for e in root.iter()} <= set(
        "html head meta title style body main h1 h2 section table tr th td div p ul li code figure figcaption span footer "
        "svg defs pattern rect line circle path text desc".split())
    assert not [a for e in root.iter() for a in e.attrib if a.startswith("on") or a in ("href", "src")]
    assert "\u202e" not in text and "\x1b" not in text and "\x85" not in text
    assert "<script>alert(1)" in words(root) and name in words(root)
    plain = report(folder, "--text", f"{folder}/{name}")[0]
    assert "\x1b" not in plain and "\u202e" not in plain and "\\x1b[31m" in plain


def test_nothing_is_fetched_by_name(folder):
    text = page_of(folder, samples.write(folder, "a.ndjson", samples.ping()))[0]
    assert re.findall(r"url\(([^)]*)\)", text) == ["#outage", "#stall"] and "@import" not in text
    assert "default-src 'none'" in text and "<script" not in text
    assert set(re.findall(r"\w+://[^\s\"']+", text)) == {"http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg"}


# ---- as it is seen

def chromium(folder, page, *args):
    if not shutil.which("chromium"):
        pytest.skip("no chromium")
    with own_folder() as profile:
        done = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
             f"--user-data-dir={profile}", f"--window-size={WIDTH},{HEIGHT}", *args, f"file://{page}"],
            capture_output=True, check=False, timeout=50, cwd=folder, env={**os.environ, "HOME": profile})
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def picture(path):
    """Of an 8-bit PNG: its size, the colour of its first pixel, and how many of its lines are not of one colour."""
    with open(path, "rb") as f:
        data = f.read()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    assert depth == 8 and kind in (2, 6)
    at, pieces = 8, []
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at:at + 8])
        if name == b"IDAT":
            pieces.append(data[at + 8:at + 8 + length])
        at += length + 12
    raw, step = zlib.decompress(b"".join(pieces)), {2: 3, 6: 4}[kind]
    rows = [raw[i * (width * step + 1):(i + 1) * (width * step + 1)] for i in range(height)]
    # whatever the filter of a line, the first pixel of the first line stands there as it is
    return (width, height), rows[0][1:4].hex(), sum(len(set(row[1 + step:])) > 2 for row in rows)


@pytest.mark.limit(120)
def test_in_a_browser(folder):
    """Two runs, one of them hostile: seen in light and dark, and nothing is asked of the network."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        bad = samples.write(folder, "bad.ndjson", hostile_run(listener.getsockname()[1]))
        page = f"{folder}/page.html"
        report(folder, "-q", RECORDED, bad, "-o", page)
        for scheme, colour in (("1", "f6f7f9"), ("0", "12161c")):
            shot = f"{folder}/shot{scheme}.png"
            dom = chromium(folder, page, f"--screenshot={shot}", f"--blink-settings=preferredColorScheme={scheme}", "--dump-dom")
            size, corner, drawn = picture(shot)
            assert (size, corner) == ((WIDTH, HEIGHT), colour)
            assert drawn > HEIGHT / 3
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert dom.count('role="img"') == 5 and "<script>" not in dom and "<img" not in dom and "2 runs compared" in dom
    for part in ('class="outage"', 'class="stall"', 'class="bar c1"', "not connected for"):
        assert part in dom
