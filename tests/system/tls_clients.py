"""A TLS client of which each direction's end is seen apart: Python's ssl over memory, because its sockets hide half-close."""
import select
import socket
import ssl

from clients import CHUNK, PATIENCE_S, Client, connect

LOGIN, ECHO = "echo-login/1", "echo/1"


def context(alpn=None, **versions):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    c.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # Python sets it, and then no end could be told from another
    for name, value in versions.items():
        setattr(c, name, value)
    if alpn:
        c.set_alpn_protocols([alpn] if isinstance(alpn, str) else alpn)
    return c


class TlsSocket:
    """What Client needs of a socket, over TLS. recv gives b"" at the server's close_notify; how says what came then:
    "close_notify", or "eof" where TCP ended without it."""

    def __init__(self, sock, ctx):
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = ctx.wrap_bio(self.incoming, self.outgoing, server_hostname="host.example")
        self.how = None
        self.shaken = False

    def fileno(self):
        return self.sock.fileno()

    def shake(self):
        while not self.shaken:
            try:
                self.tls.do_handshake()
                self.shaken = True
            except ssl.SSLWantReadError:
                self.flush()
                self.fill()
        self.flush()
        return self

    def flush(self):
        self.sock.sendall(self.outgoing.read())

    def fill(self):
        some = self.sock.recv(1 << 18)
        if some:
            self.incoming.write(some)
        else:
            self.incoming.write_eof()

    def wire(self, data):
        """The wire bytes for data, for the caller to send."""
        view = memoryview(data)
        while view:
            view = view[self.tls.write(view):]
        return self.outgoing.read()

    def sendall(self, data):
        self.sock.sendall(self.wire(data))

    def recv(self, most=1 << 16):
        while self.how is None:
            try:
                some = self.tls.read(most)
                if some:
                    return some
                self.how = "close_notify"
            except ssl.SSLWantReadError:
                self.fill()
            except ssl.SSLZeroReturnError:
                self.how = "close_notify"
            except ssl.SSLError as e:
                if "EOF" not in e.reason:
                    raise
                self.how = "eof"
        return b""

    def notify(self):
        """close_notify, and TCP goes on."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush()

    def shutdown(self, how):
        assert how == socket.SHUT_WR
        self.notify()

    def to_fin(self):
        """After the server's close_notify: its FIN, and nothing else."""
        assert self.sock.recv(1) == b""

    def setsockopt(self, *args):
        self.sock.setsockopt(*args)

    def settimeout(self, s):
        self.sock.settimeout(s)

    def setblocking(self, on):
        self.sock.setblocking(on)

    def close(self):
        self.sock.close()


def tls_connect(address, alpn=None, ctx=None, **kwargs):
    """A Client over TLS, its handshake done."""
    return Client(TlsSocket(connect(address, **kwargs), ctx or context(alpn)).shake())


def echo_client(server, kind, name="anna", **kwargs):
    """In the echo phase, and ended with its server's other clients."""
    c = tls_connect(server.address_of(kind), **kwargs)
    server.clients.append(c)
    if kind == "tls":
        c.login(name)
    return c


def exchange(client, data, size, piece=CHUNK, slow=0):
    """Sends size positional bytes in pieces, half-closes, and checks all that comes back, to the server's close_notify
    and FIN. piece: a number, or what gives one. slow: reads so many wire bytes at a time, and only when nothing more can be sent."""
    tls, sock = client.sock, client.sock.sock
    to_send, sent, came, ended = b"", 0, 0, False
    data.check(came, client.kept)
    came += len(client.kept)
    client.kept = b""
    sock.setblocking(False)
    while tls.how is None:
        if not to_send and sent < size:
            some = data.at(sent, min(piece() if callable(piece) else piece, size - sent))
            to_send, sent = tls.wire(some), sent + len(some)
        if not to_send and sent == size and not ended:
            tls.notify()
            ended = True
        if to_send:
            try:
                to_send = to_send[sock.send(to_send):]
                if slow:
                    continue
            except BlockingIOError:
                pass
        readable, _, _ = select.select([sock], [sock] if to_send else [], [], PATIENCE_S)
        if not readable:
            continue
        some = sock.recv(slow or 1 << 18)
        if some:
            tls.incoming.write(some)
        else:
            tls.incoming.write_eof()
        try:
            while True:
                plain = tls.tls.read(1 << 16)
                if not plain:
                    tls.how = "close_notify"
                    break
                data.check(came, plain)
                came += len(plain)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            tls.how = "close_notify"
        except ssl.SSLError as e:
            if "EOF" not in e.reason:
                raise
            tls.how = "eof"
    sock.settimeout(PATIENCE_S)
    assert (came, tls.how) == (size, "close_notify")
    tls.to_fin()
