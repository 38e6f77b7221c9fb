"""The certificate read anew again and again under load: nobody is refused, nobody is dropped, nothing grows."""
import os
import shutil
import signal
import threading

import pytest

from harness import LOOPBACK, Server, hand_over, wait_until
from test_certificate import make, subject
from test_processes import FakedClock
from tls_clients import echo_client, tls_connect

LISTEN = [f"tls:{LOOPBACK}:0", f"raw+tls:{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]


class Load:
    """New TLS connections one after the other on some threads, and old ones that go on; any error is kept."""

    def __init__(self, server, threads=3):
        self.address, self.stopping, self.failures, self.shakes = server.address_of("raw+tls"), False, [], 0
        self.names = set()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(threads)]
        for t in self.threads:
            t.start()

    def run(self):
        while not self.stopping:
            try:
                c = tls_connect(self.address)
                c.echoes(b"new")
                der = c.sock.tls.getpeercert(binary_form=True)
                c.half_close()
                assert c.to_end() == b"" and c.sock.how == "close_notify"
                c.close()
                with self.lock:
                    self.shakes += 1
                    self.names.add(der)
            except Exception as e:  # whatever it is, it is a client that was let down
                self.failures.append(repr(e))

    def stop(self):
        self.stopping = True
        for t in self.threads:
            t.join(30)
        assert not self.failures, self.failures[:3]


def rss_kib(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(next(line for line in f if line.startswith("VmRSS:")).split()[1])


def put(pair, cert, key):
    """Both at once is not to be had: a reload between the two sees files that do not belong together."""
    for source, target in zip(pair, (cert, key)):
        shutil.copyfile(source, target + ".new")
        os.chmod(target + ".new", 0o600)
        os.rename(target + ".new", target)


def test_100_reloads_and_10_broken_files_under_load(folder):
    pairs = [make(folder, f"c{i}") for i in range(10)]
    cert, key = f"{folder}/cert", f"{folder}/key"
    put(pairs[0], cert, key)
    hand_over(folder)
    with Server(folder, "--cert", cert, "--key", key, "--address-rate", "0", listen=LISTEN) as s:
        old = [echo_client(s, kind) for kind in ("tls", "raw+tls")]
        load = Load(s)
        for i in range(100):
            put(pairs[(i + 1) % 10], cert, key)
            hand_over(folder)
            assert "certificate" in s.control("reload")["reloaded"]
            if i % 10 == 5:
                with open(cert, "w") as f:
                    f.write("rubbish\n")
                assert "error" in s.control("reload")
            for c in old:
                c.echoes(b"old")
        before = load.shakes
        wait_until(lambda: load.shakes > before + 10, "handshakes after the last one")
        load.stop()
        assert len(load.names) > 3 and load.shakes > 50, (len(load.names), load.shakes)
        assert s.status()["closed"]["tls"] == 0
        assert s.status()["restarts"] == {"front": 0, "keeper": 0}


@pytest.mark.parametrize("how", ["command", "signal"])
def test_200_reloads_half_of_them_broken_under_load(folder, how):
    pairs = [make(folder, f"c{i}") for i in range(2)]
    cert, key = f"{folder}/cert", f"{folder}/key"
    put(pairs[0], cert, key)
    hand_over(folder)
    with Server(folder, "--cert", cert, "--key", key, "--address-rate", "0", listen=LISTEN) as s:
        old = [echo_client(s, "tls"), echo_client(s, "raw+tls"), s.echo_client("raw")]
        load = Load(s, 1)
        sizes = None

        def refusals():
            return len([e for e in s.log_events() if e["event"] == "tls_reload"])

        def reloads():
            return len([e for e in s.log_events() if e["event"] == "tls_key"])

        for i in range(200):
            if i == 50:  # all that there ever is of it
                sizes = {name: rss_kib(pid) for name, pid in {"parent": s.pid, **s.children()}.items()}
            if i % 2:
                with open(cert, "w") as f:
                    f.write("rubbish\n")
            else:
                put(pairs[i // 2 % 2], cert, key)
                hand_over(folder)
            if how == "command":
                assert ("error" in s.control("reload")) == bool(i % 2)
            else:
                counted = refusals if i % 2 else reloads
                before = counted()
                s.send_signal(signal.SIGHUP)
                wait_until(lambda: counted() > before, "the reload")
            for c in old:
                c.echoes(b"old")
        load.stop()
        for name, pid in {"parent": s.pid, **s.children()}.items():
            grown = rss_kib(pid) - sizes[name]
            assert grown < 4096, f"{name} has grown by {grown} KiB"
        assert s.status()["closed"]["tls"] == s.status()["closed"]["reset"] == 0
        for c in old:
            c.close()


def test_renewed_by_itself_when_its_end_comes_near(folder):
    """The server's own is looked at daily. Here both clocks jump: 59 days leave it as it is, two more do not."""
    clock = FakedClock(folder)
    clock.env.pop("FAKETIME_DONT_FAKE_MONOTONIC")

    def jump(days):
        with open(clock.path + ".new", "w") as f:
            f.write(f"+{days}d\n")
        os.rename(clock.path + ".new", clock.path)

    with Server(folder, "--login-idle-time", "off", listen=[f"raw+tls:{LOOPBACK}:0"], env=clock.env, warm=False) as s:
        pin, end = s.status()["tls"]["pin"], s.status()["tls"]["not_after"]
        jump(59)
        wait_until(lambda: s.status() and len([e for e in s.log_events() if e["event"] == "tls_key"]) >= 2,
                   "the daily look")
        assert s.status()["tls"] == {"pin": pin, "not_after": end}
        jump(61)
        s.wait_status(lambda st: st["tls"]["not_after"] != end, "another certificate")
        assert s.status()["tls"]["pin"] == pin
        s.wait_log("tls_renewed")
        assert subject(s)
