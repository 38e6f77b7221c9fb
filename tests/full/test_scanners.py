"""What a scanner that others wrote finds in our TLS: nothing. (A quicker one, sslscan, is in tests/system/test_tls.py.)"""
import json
import os
import shutil
import subprocess

import pytest

from harness import LOOPBACK, Server
from tls_clients import echo_client

BOTH = [f"tls:{LOOPBACK}:0", f"raw+tls:{LOOPBACK}:0"]
SCAN_S = 240
SCAN = ["testssl", "--quiet", "--color", "0", "--warnings", "off",
        "--nodns", "none",  # it asks nobody but the server
        "--connect-timeout", "20", "--openssl-timeout", "20",
        "--protocols", "--std", "--server-defaults", "--server-preference", "--pfs", "--grease", "--vulnerable"]

# What is worse than OK and INFO, and why it is right.
EXCEPTIONS = {
    "engine_problem": "of the scanner's own openssl, which has no GOST",
    "service": "it sees no HTTP, and so does not look for faults of HTTP",
    "cert_chain_of_trust": "nobody else has signed the server's own certificate; clients know its key",
    "cert_revocation": "so there is nobody who could revoke it, either",
}
EXPECTED = {
    "SSLv2": "not offered", "SSLv3": "not offered", "TLS1": "not offered", "TLS1_1": "not offered",
    "TLS1_2": "not offered", "TLS1_3": "offered with final",
    "PFS_ciphers": "TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256 TLS_AES_128_GCM_SHA256",
    "PFS_ECDHE_curves": "prime256v1 secp384r1 X25519",
    "sessionresumption_ticket": "not supported", "sessionresumption_ID": "No Session ID, no resumption",
    "cert_signatureAlgorithm": "ECDSA with SHA256", "cert_keySize": "EC 256 bits",
    "secure_client_renego": "not vulnerable, TLS 1.3 only",
    "heartbleed": "not vulnerable, no heartbeat extension",
    "GREASE": "No bugs found.",
}
LOOKED_FOR = {"CCS", "ROBOT", "CRIME_TLS", "POODLE_SSL", "FREAK", "DROWN", "LOGJAM", "BEAST", "LUCKY13", "RC4"}


def begin_scan(folder, name, port):
    report = os.path.join(folder, f"{name}.json")
    with open(os.path.join(folder, f"log-{name}"), "wb") as out:
        return report, subprocess.Popen([*SCAN, "--jsonfile", report, f"{LOOPBACK}:{port}"],
                                        stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)


def end_scan(report, process):
    """The findings by name, as pairs of severity and text."""
    try:
        process.wait(SCAN_S)
    finally:
        process.kill()
        process.wait()
    with open(report) as f:
        return {finding["id"]: (finding["severity"], finding["finding"].strip()) for finding in json.load(f)}


def faults(found):
    return {name: f for name, f in found.items() if f[0] not in ("OK", "INFO") and name not in EXCEPTIONS}


@pytest.mark.skipif(not shutil.which("testssl"), reason="no testssl")
def test_testssl_finds_nothing(folder):
    """In both kinds of listener, at once."""
    with Server(folder, listen=BOTH, busy=True) as s:
        scans = {kind: begin_scan(folder, kind, s.address_of(kind)) for kind in ("tls", "raw+tls")}
        for kind, scan in scans.items():
            found = end_scan(*scan)
            assert faults(found) == {}, kind
            assert {name: found.get(name, ("", ""))[1] for name in EXPECTED} == EXPECTED, kind
            assert LOOKED_FOR <= found.keys(), kind
            echo_client(s, kind).echoes("hello")  # and all of it has harmed nobody


def test_a_fault_is_a_fault():
    found = {"a": ("OK", ""), "b": ("INFO", ""), "c": ("LOW", ""), "cert_revocation": ("HIGH", ""), "e": ("CRITICAL", "")}
    assert faults(found) == {"c": found["c"], "e": found["e"]}
