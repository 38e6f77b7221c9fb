"""The certificate of the TLS listeners: made, renewed, given, refused and read anew."""
import datetime
import os
import re
import shutil
import signal
import ssl
import subprocess

import pytest

from harness import (LOOPBACK, PATIENCE_S, UNPRIVILEGED, Server, assert_one_sentence, hand_over, run_echod, wait_until)
from tls_clients import tls_connect

TLS = [f"raw+tls:{LOOPBACK}:0"]
BOTH = [f"tls:{LOOPBACK}:0", f"raw+tls:{LOOPBACK}:0"]
PIN = r"SHA256:[A-Za-z0-9+/]{43}=?"


def openssl(*args, stdin=None):
    done = subprocess.run(["openssl", *args], input=stdin, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make(folder, name, days=30, key=None, curve="P-256"):
    """A key, unless it is given, and a certificate that ends in so many days; their paths."""
    cert, key_path = f"{folder}/{name}.crt", key or f"{folder}/{name}.key"
    if not key:
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-out", key_path)
        os.chmod(key_path, 0o600)
    if days >= 0:
        openssl("req", "-x509", "-new", "-key", key_path, "-subj", f"/CN={name}", "-days", str(days), "-out", cert)
    else:
        os.makedirs(f"{folder}/ca", exist_ok=True)
        request = openssl("req", "-new", "-key", key_path, "-subj", f"/CN={name}")
        with open(f"{folder}/ca/request", "wb") as f:
            f.write(request)
        open(f"{folder}/ca/index", "w").close()
        with open(f"{folder}/ca/config", "w") as f:
            f.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/ca/index\nnew_certs_dir={folder}/ca\n"
                    f"default_md=sha256\nrand_serial=yes\npolicy=p\n[p]\ncommonName=supplied\n")
        openssl("ca", "-batch", "-selfsign", "-config", f"{folder}/ca/config", "-keyfile", key_path, "-in",
                f"{folder}/ca/request", "-out", cert, "-notext", "-startdate", "20200101000000Z", "-enddate",
                "20200201000000Z")
    return cert, key_path


def subject(s, kind="raw+tls"):
    """The name in the certificate that a new client is shown."""
    c = tls_connect(s.address_of(kind))
    der = c.sock.tls.getpeercert(binary_form=True)
    c.close()
    return openssl("x509", "-inform", "DER", "-noout", "-subject", stdin=der).decode().strip().rpartition(" ")[2]


def pin_of(key):
    """As people can work it out by hand: SHA-256 of the public key's DER, in base64."""
    der = openssl("pkey", "-in", key, "-pubout", "-outform", "DER")
    digest = openssl("dgst", "-sha256", "-binary", stdin=der)
    return "SHA256:" + openssl("base64", "-A", stdin=digest).decode().rstrip("=")


def days_left(status):
    end = datetime.datetime.strptime(status["tls"]["not_after"], "%Y-%m-%dT%H:%M:%SZ")
    return (end - datetime.datetime.utcnow()).total_seconds() / 86400


def refused(folder, *args, status=1, listen=TLS):
    """Starts a server in vain; what it says."""
    done = run_echod(f"{folder}/refused", *[w for a in listen for w in ("--listen", a)], "--log", f"{folder}/refused-log",
                     *args)
    assert done.returncode == status, done
    assert done.stdout == ""
    return done.stderr


# ---- one's own ----

def test_own_certificate(server):
    s = server(listen=BOTH)
    assert s.ready_line.startswith(f"ready listen=tls:{LOOPBACK}:") and f",raw+tls:{LOOPBACK}:" in s.ready_line
    for name in ("tls.key", "tls.crt", "tls.lock"):
        assert os.stat(f"{s.state}/{name}").st_mode & 0o777 == 0o600, name
    said = s.wait_log("tls_key", cert=f"{s.state}/tls.crt")
    assert re.fullmatch(PIN, said["pin"]) and said["pin"].rstrip("=") == pin_of(f"{s.state}/tls.key")
    assert s.wait_log("tls_made", level="warning")
    status = s.status()
    assert status["tls"]["pin"] == said["pin"] and 89 < days_left(status) <= 90
    text = openssl("x509", "-in", f"{s.state}/tls.crt", "-noout", "-text").decode()
    assert "prime256v1" in text and "CA:FALSE" in text
    assert "PRIVATE" not in open(s.log_path).read() and "PRIVATE" not in s.stderr()
    assert not [n for n in os.listdir(s.state) if n.endswith(".new")]


def test_own_key_stays(server):
    first = server(listen=TLS)
    pin, state = first.status()["tls"]["pin"], first.state
    files = [open(f"{state}/{n}", "rb").read() for n in ("tls.key", "tls.crt")]
    first.stop()
    again = server(listen=TLS, state=state)
    assert again.status()["tls"]["pin"] == pin
    assert files == [open(f"{state}/{n}", "rb").read() for n in ("tls.key", "tls.crt")]
    assert not [e for e in again.log_events() if e["event"] in ("tls_made", "tls_renewed")]


@pytest.mark.parametrize("what", ["29 days", "ended", "rubbish", "empty", "none", "another key's"])
def test_own_certificate_is_renewed_for_the_same_key(folder, server, what):
    first = server(listen=TLS)
    pin, state = first.status()["tls"]["pin"], first.state
    first.stop()
    key, cert = f"{state}/tls.key", f"{state}/tls.crt"
    before = open(key, "rb").read()
    os.unlink(cert)
    if what in ("29 days", "ended"):
        shutil.copy(make(folder, "old", 29 if what == "29 days" else -1, key)[0], cert)
    elif what == "another key's":
        shutil.copy(make(folder, "other")[0], cert)
    elif what != "none":
        with open(cert, "w") as f:
            f.write("" if what == "empty" else "-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n")
    hand_over(state)
    again = server(listen=TLS, state=state)
    status = again.status()
    assert status["tls"]["pin"] == pin and 89 < days_left(status) <= 90
    assert again.wait_log("tls_renewed")
    assert open(key, "rb").read() == before
    assert subject(again)


def test_own_certificate_with_a_month_left_stays(folder, server):
    first = server(listen=TLS)
    state = first.state
    first.stop()
    shutil.copy(make(folder, "enough", 32, f"{state}/tls.key")[0], f"{state}/tls.crt")
    hand_over(state)
    assert subject(server(listen=TLS, state=state)) == "enough"


def test_own_certificate_is_renewed_while_serving(folder, server):
    """What the daily look does, done by hand: it is the same as a reload's."""
    s = server(listen=TLS)
    pin = s.status()["tls"]["pin"]
    shutil.copy(make(folder, "old", 10, f"{s.state}/tls.key")[0], f"{s.state}/tls.crt")
    hand_over(s.state)
    assert s.control("reload") == {"reloaded": ["log", "certificate"]}
    assert s.wait_log("tls_renewed")
    assert s.status()["tls"]["pin"] == pin and subject(s) != "old"


@pytest.mark.parametrize("content", [b"", b"rubbish\n", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_own_key_is_never_written_over(folder, server, content):
    state = f"{folder}/state"
    os.mkdir(state, 0o700)
    with open(f"{state}/tls.key", "wb", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        f.write(content)
    hand_over(state)
    done = run_echod(folder, "--listen", TLS[0], "--log", f"{folder}/log", state=state)
    assert done.returncode == 1
    assert_one_sentence(done.stderr, "tls.key", state)
    assert open(f"{state}/tls.key", "rb").read() == content


def test_servers_that_share_a_state_directory_have_one_key(folder):
    servers = [Server(folder, name=f"s{i}", listen=TLS, state=f"{folder}/state", warm=False) for i in range(6)]
    try:
        for s in servers:
            s.start()
        for s in servers:
            s.await_ready()
        assert len({s.status()["tls"]["pin"] for s in servers}) == 1
        made = [e for s in servers for e in s.log_events() if e["event"] in ("tls_made", "tls_renewed")]
        assert [e["event"] for e in made] == ["tls_made"]
        for s in servers:
            s.stop()
    finally:
        for s in servers:
            if not s.ended:
                s.kill()


# ---- given ----

@pytest.mark.parametrize("way", ["two files", "one file", "chain"])
def test_given_certificate(folder, server, way):
    cert, key = make(folder, "given")
    if way == "one file":
        text = open(cert).read() + open(key).read()
        cert = key
        with open(key, "w") as f:
            f.write(text)
    if way == "chain":
        with open(cert, "a") as f:
            f.write(open(make(folder, "authority")[0]).read())
    hand_over(folder)
    s = server("--cert", cert, "--key", key, listen=BOTH)
    assert subject(s) == subject(s, "tls") == "given"
    assert s.status()["tls"]["pin"].rstrip("=") == pin_of(key)
    assert s.wait_log("tls_key", cert=cert)
    assert not os.path.exists(f"{s.state}/tls.key")


def test_an_ended_certificate_is_served_and_warned_of(folder, server):
    cert, key = make(folder, "given", -1)
    hand_over(folder)
    s = server("--cert", cert, "--key", key, listen=TLS)
    assert "2020-02-01" in s.wait_log("tls_ended", level="warning")["msg"]
    assert subject(s) == "given" and s.status()["tls"]["not_after"].startswith("2020-02-01")


@pytest.mark.parametrize("what, part", [
    ("no cert", "No such file"), ("no key", "No such file"), ("cert is a folder", "no file"), ("key is a fifo", "no file"),
    ("cert is empty", "certificate"), ("cert is rubbish", "certificate"), ("key is rubbish", "key"), ("key is a cert", "key"),
    ("key of another", "belong"), ("passphrase", "key"), ("cert is huge", "no file"), ("no key in the one file", "key")])
def test_what_cannot_be_served_with(folder, what, part):
    cert, key = make(folder, "given")
    if what == "no cert":
        os.unlink(cert)
    elif what == "no key":
        os.unlink(key)
    elif what == "cert is a folder":
        cert = folder
    elif what == "key is a fifo":
        os.unlink(key)
        os.mkfifo(key, 0o600)
    elif what == "cert is huge":
        os.truncate(cert, 2 << 20)
    elif what in ("cert is empty", "cert is rubbish", "key is rubbish"):
        with open(cert if "cert" in what else key, "w") as f:
            f.write("" if "empty" in what else "rubbish\n")
    elif what == "key is a cert":
        shutil.copyfile(cert, key)
    elif what == "key of another":
        key = make(folder, "other")[1]
    elif what == "passphrase":
        openssl("pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", key + ".locked")
        os.rename(key + ".locked", key)
    elif what == "no key in the one file":
        key = cert
        os.chmod(key, 0o600)
    hand_over(folder)
    said = refused(folder, "--cert", cert, "--key", key)
    assert_one_sentence(said, part, os.path.basename(cert if "cert" in what.split()[:2] else key))


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440, 0o644, 0o604, 0o620, 0o602, 0o660, 0o666, 0o606])
@pytest.mark.parametrize("own", [True, False], ids=["own", "given"])
def test_a_key_is_nobody_elses(folder, server, own, mode):
    if own:
        first = server(listen=TLS)
        state, key, args = first.state, f"{first.state}/tls.key", []
        first.stop()
    else:
        cert, key = make(folder, "given")
        state, args = f"{folder}/state", ["--cert", cert, "--key", key]
        hand_over(folder)
    os.chmod(key, mode)
    if mode & 0o026:
        done = run_echod(folder, "--listen", TLS[0], "--log", f"{folder}/log", *args, state=state)
        assert done.returncode == 1
        assert_one_sentence(done.stderr, "chmod 600", os.path.basename(key))
    else:
        assert subject(server(*args, listen=TLS, state=state))


@pytest.mark.skipif(not UNPRIVILEGED, reason="needs root, whose the key is")
def test_a_key_that_only_root_reads(folder, server):
    cert, key = make(folder, "given")
    hand_over(folder)
    os.chown(key, 0, 0)
    s = server("--cert", cert, "--key", key, listen=TLS, name="x/y")  # hands over its own folder only
    os.chown(key, 0, 0)
    assert subject(s) == "given"
    assert s.control("reload")["reloaded"] == ["log", "certificate"]


@pytest.mark.parametrize("args, listen", [(["--cert", "x"], TLS), (["--key", "x"], TLS),
                                          (["--cert", "x", "--key", "x"], [f"{LOOPBACK}:0"])])
def test_usage(folder, args, listen):
    assert "--cert and --key" in refused(folder, *args, status=2, listen=listen)


# ---- read anew ----

@pytest.mark.parametrize("how", ["command", "signal"])
def test_reload_shows_new_clients_the_new_one(folder, server, how):
    cert, key = make(folder, "old")
    hand_over(folder)
    s = server("--cert", cert, "--key", key, listen=TLS)
    before = tls_connect(s.address_of("raw+tls"))
    before.echoes(b"under the old one")
    for path, fresh in zip((cert, key), make(folder, "new")):
        os.rename(fresh, path)
    hand_over(folder)
    assert subject(s) == "old"
    if how == "command":
        assert s.control("reload") == {"reloaded": ["log", "certificate"]}
    else:
        s.send_signal(signal.SIGHUP)
    wait_until(lambda: subject(s) == "new", "the new certificate")
    before.echoes(b"and goes on")
    before.close()
    assert s.status()["tls"]["pin"].rstrip("=") == pin_of(key)


def test_sigusr1_opens_the_log_only(folder, server):
    cert, key = make(folder, "old")
    hand_over(folder)
    s = server("--cert", cert, "--key", key, listen=TLS)
    with open(cert, "w") as f:
        f.write("rubbish\n")
    os.rename(s.log_path, s.log_path + ".1")
    s.send_signal(signal.SIGUSR1)
    wait_until(lambda: os.path.exists(s.log_path), "the log to be opened anew")
    s.wait_log("log_reopen", level="info")
    assert not [e for e in s.log_events() if e["event"].startswith("tls")]


@pytest.mark.parametrize("what", ["gone", "rubbish", "another key's", "ended", "open to all"])
def test_a_broken_file_leaves_the_old_one(folder, server, what):
    cert, key = make(folder, "old")
    hand_over(folder)
    s = server("--cert", cert, "--key", key, listen=TLS)
    files = s.status()["descriptors"]["parent"]
    if what == "gone":
        os.unlink(cert)
    elif what == "open to all":
        os.chmod(key, 0o644)
    elif what == "ended":
        shutil.copy(make(folder, "ended", -1, key)[0], cert)
    else:
        shutil.copy(make(folder, "other")[0], cert)
        if what == "rubbish":
            with open(cert, "w") as f:
                f.write("rubbish\n")
    os.rename(s.log_path, s.log_path + ".1")
    answer = s.control("reload")
    assert answer["status"] == 1 and os.path.basename(cert if what != "open to all" else key) in answer["error"]
    assert s.wait_log("tls_reload", level="error")["msg"].startswith(answer["error"])  # in the log that was opened anew
    s.send_signal(signal.SIGHUP)
    wait_until(lambda: len([e for e in s.log_events() if e["event"] == "tls_reload"]) == 2, "the second refusal")
    assert subject(s) == "old" and s.status()["descriptors"]["parent"] == files
    assert s.status()["restarts"]["front"] == 0


def test_a_front_that_starts_again_has_the_certificate(folder, server):
    s = server(listen=TLS)
    name = subject(s)
    os.unlink(f"{s.state}/tls.crt")
    os.kill(s.children()["front"], signal.SIGKILL)
    s.wait_status(lambda st: st["restarts"]["front"] == 1 and st["threads"]["front"] > 1, "a new front")
    assert wait_until(lambda: subject(s), "a handshake") == name


def test_the_key_is_sealed_and_read_only_by_the_front(server):
    s = server(listen=TLS)
    assert [n for n in s.open_files()["parent"] if "memfd:echod-tls" in n]
    assert not [n for n in s.open_files()["front"] if "memfd:echod-tls" in n]
    with open(f"/proc/{s.pid}/environ", "rb") as f:
        assert b"PRIVATE" not in f.read()


def test_a_plain_server_has_none(server):
    s = server()
    assert s.status()["tls"] is None
    assert not os.path.exists(f"{s.state}/tls.key")
    assert s.control("reload") == {"reloaded": ["log"]}
