#!/usr/bin/python3
"""A small echod for tests of the client: it speaks the dialogue of PROTOCOL.md and misbehaves when told to.

Prints `ready listen=127.0.0.1:PORT pid=PID` when it listens. Everything that it is told on connection K (from 1) goes to
--record, one JSON object a line: {"connection": K, "line": "USER anna"} and {"connection": K, "bytes": N, "end": "fin"}.
"""
import argparse
import json
import os
import secrets
import socket
import ssl
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
    p.add_argument("--tls", help="PEM file with a certificate and its key: everything is within TLS")
    p.add_argument("--tls12", action="store_true", help="no TLS 1.3")
    p.add_argument("--alpn", help="the only protocol that is spoken")
    p.add_argument("--old", action="store_true", help="knows no tokens: OPTS is a strike")
    p.add_argument("--token-life", type=float, default=28800)
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
    p.add_argument("--hang-up-in-handshake", action="store_true")
    p.add_argument("--lose-230", choices=["before", "after"], help="hangs up before or after it is sent, once all is done")
    p.add_argument("--bad-token", help="what stands behind 230-TOKEN, instead of a token")
    p.add_argument("--forget-tokens", action="store_true", help="answers RESUME with 530")
    p.add_argument("--welcome", help="text of a 230- line; \\e and the like are understood")
    p.add_argument("--drop-after", type=int, help="ends after so many echoed bytes")
    p.add_argument("--drop-on", help="which connections are dropped, if others than --connections")
    p.add_argument("--drop-how", choices=["fin", "reset", "notify"], default="fin",
                   help="fin: without close_notify under TLS")
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


class Tokens:
    """Families of tokens: the old one is good until its successor is used; then its use ends the family."""

    def __init__(self, life):
        self.life = life
        self.all = {}  # token: [family, expiry]
        self.families = {}  # family: [name, its good tokens]
        self.revoked = 0

    def issue(self, family):
        token = secrets.token_urlsafe(32)
        self.all[token] = (family, time.time() + self.life)
        self.families[family][1].append(token)
        return token, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.life))

    def begin(self, name):
        family = len(self.families)
        self.families[family] = (name, [])
        return self.issue(family)

    def resume(self, token):
        """The name, or None; and the successor."""
        family, expiry = self.all.get(token, (None, 0))
        if family is None or expiry <= time.time():
            return None, None
        name, good = self.families[family]
        if token not in good:
            self.revoked += bool(good)
            good.clear()
            return None, None
        good[:] = [token]
        return name, self.issue(family)


class Connection:
    strikes = 0
    wants_token = False

    def __init__(self, server, sock, number):
        self.server, self.args, self.sock, self.number = server, server.args, sock, number
        self.file = None
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

    def opts(self, what):
        if what != "TOKEN" or self.args.old:
            return self.strike("501 That option is not known")
        self.wants_token = True
        return self.say("200 A token comes with the 230")

    def resume(self, token):
        """Returns whether the client is in."""
        with self.server.lock:
            name, successor = (None, None) if self.does("forget_tokens") else self.server.tokens.resume(token)
        if not name or self.args.old:
            self.strike("530 That token is not good (any more)")
            return False
        self.let_in(name, successor)
        return True

    def let_in(self, name, token):
        if self.does("lose_230") == "before":
            raise Over
        text = f"230 Welcome, {name}. Echo begins\r\n".encode()
        if self.args.welcome:
            text = b"230-" + self.args.welcome.encode().decode("unicode_escape").encode("latin-1") + b"\r\n" + text
        if token:
            text = f"230-TOKEN {self.does('bad_token') or ' '.join(token)}\r\n".encode() + text
        self.sock.sendall(text)
        if self.does("lose_230"):
            raise Over

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
        with self.server.lock:
            token = self.server.tokens.begin(name) if self.wants_token else None
        self.let_in(name, token)
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
                elif word == "OPTS":
                    self.opts(argument)
                elif word == "PASS" and self.password(name, argument) or word == "RESUME" and self.resume(argument):
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
        if self.args.drop_how == "notify":
            self.end_sending()
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

    def begin_tls(self):
        if self.does("hang_up_in_handshake"):
            self.sock.recv(16)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise Over
        if self.server.tls:
            self.sock.settimeout(30)
            self.sock = self.server.tls.wrap_socket(self.sock, server_side=True, suppress_ragged_eofs=False)
            self.sock.settimeout(None)
            self.server.record(connection=self.number, tls=self.sock.version(), alpn=self.sock.selected_alpn_protocol())

    def run(self):
        try:
            self.begin_tls()
            self.file = self.sock.makefile("rb")
            if not self.args.raw:
                self.log_in()
            self.echo()
            self.end_sending()
        except Over:
            pass
        except OSError as e:
            self.server.record(connection=self.number, error=str(e))
        finally:
            self.finish()

    def end_sending(self):
        """close_notify, where it is TLS: the client's has come, or is not waited for."""
        if self.server.tls and isinstance(self.sock, ssl.SSLSocket):
            self.sock.settimeout(0.2)
            try:
                self.sock.unwrap()
            except (OSError, ValueError):
                pass

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
            if self.file:
                self.file.close()
            self.sock.close()


class Server:
    def __init__(self, args):
        self.args = args
        self.accounts = dict(a.split(":", 1) for a in args.account)
        self.lock = threading.Lock()
        self.tokens = Tokens(args.token_life)
        self.tls = self.make_tls() if args.tls else None
        self.log = open(args.record, "a", encoding="utf-8") if args.record else None
        if args.unix:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.bind(args.unix)
        else:
            self.sock = socket.socket()
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.sock.bind((args.host, args.port))
        self.sock.listen(128)

    def make_tls(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.args.tls)
        context.set_alpn_protocols([self.args.alpn or ("echo/1" if self.args.raw else "echo-login/1")])
        if self.args.tls12:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        else:
            context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.num_tickets = 0
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # an end without close_notify is an error, as in echod
        return context

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
