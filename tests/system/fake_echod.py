#!/usr/bin/python3
"""A small echod for tests of the client: it speaks the dialogue of PROTOCOL.md and misbehaves when told to.

Prints `ready listen=127.0.0.1:PORT pid=PID` when it listens. Everything that it is told on connection K (from 1) goes to
--record, one JSON object a line: {"connection": K, "line": "USER anna"} and {"connection": K, "bytes": N, "end": "fin"}.
"""
import argparse
import json
import os
import socket
import struct
import sys
import threading
import time


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("--port", type=int, default=0)
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("--unix", help="listen on this path instead")
    p.add_argument("--raw", action="store_true", help="no dialogue")
    p.add_argument("--account", action="append", default=[], help="NAME:PASSWORD; others are answered 332")
    p.add_argument("--closed", action="store_true", help="registration is closed: always 331")
    p.add_argument("--record", help="file for what was said")
    p.add_argument("--only", type=int, help="takes so many connections, then closes its port")
    p.add_argument("--connections", default="1-", help="which connections misbehave: K, K-L or K-")
    # How a connection misbehaves:
    p.add_argument("--no-greeting", action="store_true")
    p.add_argument("--greeting", help="said instead of 220, with \\r\\n behind it")
    p.add_argument("--endless-greeting", action="store_true")
    p.add_argument("--busy", action="store_true", help="greets with 421")
    p.add_argument("--unavailable", action="store_true", help="answers USER with 451")
    p.add_argument("--no-secret", action="store_true", help="answers USER with 534")
    p.add_argument("--bad-name", action="store_true", help="answers USER with 501")
    p.add_argument("--refuse", action="store_true", help="answers PASS with 530 whatever it is")
    p.add_argument("--login-time", type=float, default=30, help="then 421")
    p.add_argument("--hang-up-at-once", action="store_true")
    p.add_argument("--welcome", help="text of a 230- line; \\e and the like are understood")
    p.add_argument("--drop-after", type=int, help="ends after so many echoed bytes")
    p.add_argument("--drop-on", help="which connections are dropped, if others than --connections")
    p.add_argument("--drop-how", choices=["fin", "reset"], default="fin")
    p.add_argument("--damage-at", type=int, help="flips a bit of the byte at this offset of the connection")
    p.add_argument("--extra", type=int, default=0, help="bytes added once something was echoed")
    p.add_argument("--keep-open", action="store_true", help="sends no FIN after the client's")
    p.add_argument("--delay", type=float, default=0, help="a slow path: seconds before each piece is echoed")
    p.add_argument("--echo-at-end", action="store_true", help="echoes nothing before the client's FIN")
    p.add_argument("--mute", action="store_true", help="echoes nothing")
    return p.parse_args()


class Over(Exception):
    """The connection is done with."""


def is_in(number, wanted):
    """Whether number is in K, K-L or K-."""
    first, dash, last = wanted.partition("-")
    if not dash:
        last = first
    return int(first) <= number and (not last or number <= int(last))


class Connection:
    strikes = 0

    def __init__(self, server, sock, number):
        self.server, self.args, self.sock, self.number = server, server.args, sock, number
        self.file = sock.makefile("rb")
        self.bad = is_in(number, self.args.connections)
        drops = is_in(number, self.args.drop_on or self.args.connections)
        self.limit = self.args.drop_after if drops else None

    def does(self, name):
        return self.bad and getattr(self.args, name)

    def say(self, line):
        self.sock.sendall(line.encode() + b"\r\n")

    def hear(self):
        line = self.file.readline()
        if not line:
            raise Over
        text = line.decode(errors="replace").rstrip("\r\n")
        self.server.record(connection=self.number, line=text)
        return text

    def strike(self, line):
        self.say(line)
        self.strikes += 1
        if self.strikes == 3:
            self.say("421 Too many errors")
            raise Over

    def greet(self):
        if self.does("hang_up_at_once"):
            raise Over
        if self.does("no_greeting"):
            self.file.read()
            raise Over
        while self.does("endless_greeting"):
            self.say("220-" + "x" * 100)
        if self.does("busy"):
            self.say("421 Too busy: try again later")
            raise Over
        if self.does("greeting") is not None and self.bad:
            self.say(self.args.greeting)
            self.file.read()
            raise Over
        self.say("220 fake echod ready")

    def user(self, name):
        if self.does("no_secret"):
            return self.say("534 No password may travel on this path")
        if self.does("bad_name"):
            return self.strike("501 That is not a name")
        if self.does("unavailable"):
            return self.say("451 Accounts are out of reach: try again later")
        known = name in self.server.accounts or self.args.closed
        self.say("331 Password, please" if known else f"332 No account named {name} yet: PASS creates it")
        return None

    def password(self, name, secret):
        """Returns whether the client is in."""
        if self.does("refuse"):
            self.strike("530 Name or password is wrong")
            return False
        if name not in self.server.accounts and not self.args.closed:
            self.server.accounts[name] = secret
        if self.server.accounts.get(name) != secret:
            self.strike("530 Name or password is wrong")
            return False
        text = f"230 Welcome, {name}. Echo begins\r\n".encode()
        if self.args.welcome:
            text = b"230-" + self.args.welcome.encode().decode("unicode_escape").encode("latin-1") + b"\r\n" + text
        self.sock.sendall(text)
        return True

    def log_in(self):
        self.sock.settimeout(self.args.login_time if self.bad else 30)
        name = None
        try:
            self.greet()
            while True:
                word, _, argument = self.hear().partition(" ")
                if word == "USER":
                    name = argument
                    self.user(name)
                elif word == "PASS" and self.password(name, argument):
                    break
        except socket.timeout:
            self.say("421 Login took too long")
            raise Over from None
        self.sock.settimeout(None)

    def spoil(self, data, offset):
        at = self.args.damage_at
        if self.bad and at is not None and offset <= at < offset + len(data):
            data = bytearray(data)
            data[at - offset] ^= 1
        return bytes(data)

    def drop(self, echoed):
        self.server.record(connection=self.number, bytes=echoed, end="drop")
        if self.args.drop_how == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Over

    def echo(self):
        echoed = 0
        limit = self.limit
        while True:
            if limit is not None and echoed >= limit:
                self.drop(echoed)
            data = self.file.read() if self.does("echo_at_end") else self.file.read1(65536)
            if not data:
                break
            if self.does("mute"):
                continue
            time.sleep(self.args.delay)
            if limit is not None:
                data = data[:limit - echoed]
            self.sock.sendall(self.spoil(data, echoed))
            echoed += len(data)
            if self.does("extra"):
                self.sock.sendall(b"x" * self.args.extra)
        self.server.record(connection=self.number, bytes=echoed, end="fin")
        if self.does("keep_open"):
            threading.Event().wait()

    def run(self):
        try:
            if not self.args.raw:
                self.log_in()
            self.echo()
        except (Over, OSError):
            pass
        finally:
            self.finish()

    def finish(self):
        """Closes without destroying what was said last, but for a wanted reset."""
        try:
            if self.limit is not None and self.args.drop_how == "reset":
                return
            self.sock.shutdown(socket.SHUT_WR)
            self.sock.settimeout(2)
            while self.limit is None and self.sock.recv(65536):
                pass
        except OSError:
            pass
        finally:
            self.file.close()
            self.sock.close()


class Server:
    def __init__(self, args):
        self.args = args
        self.accounts = dict(a.split(":", 1) for a in args.account)
        self.lock = threading.Lock()
        self.log = open(args.record, "a", encoding="utf-8") if args.record else None
        if args.unix:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.bind(args.unix)
        else:
            self.sock = socket.socket()
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.sock.bind((args.host, args.port))
        self.sock.listen(128)

    def record(self, **what):
        with self.lock:
            if self.log:
                self.log.write(json.dumps(what) + "\n")
                self.log.flush()

    def address(self):
        if self.args.unix:
            return "unix:" + self.args.unix
        return "%s:%d" % self.sock.getsockname()[:2]

    def run(self):
        print(f"ready listen={self.address()} pid={os.getpid()}", flush=True)
        number = 0
        while number != self.args.only:
            sock, _ = self.sock.accept()
            number += 1
            if number == self.args.only:
                self.sock.close()
            self.record(connection=number, line="")
            threading.Thread(target=Connection(self, sock, number).run, daemon=True).start()
        threading.Event().wait()


if __name__ == "__main__":
    try:
        Server(arguments()).run()
    except KeyboardInterrupt:
        sys.exit(0)
