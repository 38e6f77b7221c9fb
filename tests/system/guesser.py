"""Whoever tries passwords, from as many addresses as there are in 127/8."""
import contextlib
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from clients import LOOPBACK, PASSWORD, PATIENCE_S, Client

WRONG = "wrong horse"


def source(number):
    """An address of this machine's own, another for each number from 0 to 65,000."""
    return f"127.{10 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}"


HELD_BACK_S = 15  # a refusal, at most


def connect_from(port, address, timeout=HELD_BACK_S + PATIENCE_S):
    s = socket.socket()
    s.settimeout(timeout)
    # The port is chosen at connect, so that sockets which wait for their end do not use up an address's ports.
    s.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
    s.bind((address, 0))
    s.connect((LOOPBACK, port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Client(s)


def try_login(port, address, name, password, how="PASS"):
    """One try on a connection of its own, which is closed then. Returns the last reply: (230 | 530 | 421 …, its text)."""
    with contextlib.closing(connect_from(port, address)) as c:
        code, texts = c.reply()
        if code != 220:
            return code, texts[-1]
        if how == "PASS":
            c.send(f"USER {name}\r\n")
            code, texts = c.reply()
            if code != 331:
                return code, texts[-1]
        c.send(f"{how} {password}\r\n")
        code, texts = c.reply()
        return code, texts[-1]


def guess(port, address, name="anna", password=WRONG):
    return try_login(port, address, name, password)[0]


def log_in(port, address, name="anna", password=PASSWORD):
    return try_login(port, address, name, password)[0]


def log_in_with_patience(port, address, name="anna", timeout=5, password=PASSWORD):
    """As a person does who is told to come back: again until it works. Returns how many seconds it took."""
    began, said = time.monotonic(), []
    while time.monotonic() < began + timeout:
        said.append(try_login(port, address, name, password))
        if said[-1][0] == 230:
            return time.monotonic() - began
        assert said[-1][0] in (421, 451), said[-1]
        time.sleep(0.05)
    raise AssertionError(f"no login in {timeout} s but {len(said)} refusals, the last {said[-1]}")


def retry_s(text):
    """When a 421 for too many failures says to come back."""
    match = re.search(r"failed logins: try again in (\d+) s", text)
    assert match, f"not about failed logins: {text!r}"
    return int(match[1])


def at_once(calls, threads=32):
    """Makes all the calls, as many at once as there are threads; their results in the calls' order."""
    with ThreadPoolExecutor(threads) as pool:
        return [f.result() for f in [pool.submit(*call) for call in calls]]
