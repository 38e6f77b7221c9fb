"""What does not drift: system calls (strace) and user-space instructions (callgrind) for each message."""
import glob
import os
import re
import select
import signal
import subprocess
import tempfile
import time

import field
from load import Failed, on_core

WAITS = {"epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select", "pselect6", "io_uring_enter"}
ATTACH_S = 30
CALLGRIND = ("valgrind", "-q", "--tool=callgrind", "--trace-children=yes")
MICROS = ("micro_loop", "micro_histogram", "micro_dialogue")


def await_attached(strace, pids):
    """strace says one line for each process when it has it."""
    said, until = "", time.monotonic() + ATTACH_S
    while not all(re.search(rf"Process {pid} attached", said) for pid in pids):
        if strace.poll() is not None or not select.select([strace.stderr], [], [], max(0, until - time.monotonic()))[0]:
            raise Failed(f"strace did not attach: {said.strip()[-200:]}")
        said += os.read(strace.stderr.fileno(), 65536).decode()


def calls_while(pids, work):
    """The calls by name that processes make while work() runs."""
    with tempfile.NamedTemporaryFile("r", prefix="strace-") as out:
        attach = [word for pid in pids for word in ("-p", str(pid))]
        strace = subprocess.Popen(["strace", "-f", "-c", "-U", "calls,name", "-o", out.name, *attach],
                                  stderr=subprocess.PIPE, bufsize=0)
        try:
            await_attached(strace, pids)
            work()
        finally:
            strace.send_signal(signal.SIGINT)
            strace.communicate()
        return {name: int(calls) for calls, name in re.findall(r"^\s*(\d+)\s+(\w+)\s*$", out.read(), re.M)
                if name != "total"}


def system_calls(place, entrant, cell, messages):
    with field.start(place, entrant.server) as running, \
            place.load(entrant.port(running), cell, login=entrant.login, messages=messages) as load:
        calls = calls_while(running.pids(), load.run_all)
    total = sum(calls.values())
    waits = sum(n for name, n in calls.items() if name in WAITS)
    return {"system_calls_per_message": total / messages, "beside_waits_per_message": (total - waits) / messages,
            "by_name": {name: n / messages for name, n in sorted(calls.items(), key=lambda c: -c[1])}}


def instructions_of(place, entrant, cell, messages):
    """Of a server's whole life, in which it echoed so many messages."""
    with tempfile.TemporaryDirectory(prefix="callgrind-") as folder:
        before = (*on_core(place.server_core), *CALLGRIND, f"--callgrind-out-file={folder}/%p")
        with field.start(place, entrant.server, before) as running, \
                place.load(entrant.port(running), cell, login=entrant.login, messages=messages) as load:
            load.run_all()
        return sum(totals(path) for path in glob.glob(f"{folder}/*"))


def totals(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return sum(int(n) for n in re.findall(r"^totals: (\d+)", file.read(), re.M))


def instructions(place, entrant, cell, messages):
    """Two lives that differ in the number of messages only, so that start and end cancel."""
    least = cell.connections * 4
    few = instructions_of(place, entrant, cell, least)
    many = instructions_of(place, entrant, cell, least + messages)
    if many <= few:
        raise Failed(f"callgrind counted {few:,} for few messages and {many:,} for many")
    return {"instructions_per_message": (many - few) / messages}


def micro(place, name, operations, counted):
    """Each case of a micro benchmark: ns by the clock, where counted, instructions by callgrind (not of those
    that take thousands)."""
    program = os.path.join(place.echod, "bench", name)

    def lines(*words, before=()):
        return subprocess.run([*before, *on_core(place.server_core), program, *words], stdout=subprocess.PIPE,
                              text=True, check=True, timeout=300).stdout

    def count(case, n):
        with tempfile.NamedTemporaryFile(prefix="callgrind-") as out:
            lines(str(n), case, before=(*CALLGRIND, f"--callgrind-out-file={out.name}"))
            return totals(out.name)

    found = {case: {"ns": float(ns)} for case, ns in
             re.findall(r"^(\w+) ([\d.]+) ns/operation", lines(str(operations)), re.M)}
    for case, row in found.items():
        if counted and row["ns"] < 10000:
            row["instructions"] = (count(case, 30000) - count(case, 10000)) / 20000
    return found
