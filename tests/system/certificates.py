"""Certificates for tests: a CA, what it signs, and what nobody has signed, each a PEM file with its key behind it."""
import base64
import datetime
import hashlib
import os
import subprocess

NAMES = "DNS:localhost,IP:127.0.0.1"


def openssl(*args, **kwargs):
    return subprocess.run(["openssl", *args], check=True, capture_output=True, **kwargs).stdout


def pin_of(path):
    """The fingerprint of the key, as the programs write it."""
    public = openssl("x509", "-in", path, "-noout", "-pubkey")
    der = openssl("pkey", "-pubin", "-outform", "DER", input=public)
    return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")


class Maker:
    def __init__(self, folder):
        self.folder = str(folder)
        self.count = 0
        self.authority = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def key(self, name):
        path = self.path(name + ".key")
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
        return path

    def ca(self):
        if not self.authority:
            key = self.key("ca")
            self.authority = (self.path("ca.pem"), key)
            openssl("req", "-new", "-x509", "-key", key, "-subj", "/CN=a test's authority", "-days", "2",
                    "-addext", "basicConstraints=critical,CA:TRUE", "-out", self.authority[0])
        return self.authority[0]

    def certificate(self, names=NAMES, signed=False, days_ago=None, key=None):
        """A PEM file with a certificate and its key; days_ago: it ended so long ago."""
        self.count += 1
        name = f"server{self.count}"
        key = key or self.key(name)
        request, text, extensions = self.path(name + ".csr"), self.path(name + ".crt"), self.path(name + ".ext")
        openssl("req", "-new", "-key", key, "-subj", "/CN=a test's server", "-out", request)
        with open(extensions, "w", encoding="ascii") as f:
            f.write(f"subjectAltName={names}\n")
        sign = ["-CA", self.ca(), "-CAkey", self.authority[1], "-CAcreateserial"] if signed else ["-signkey", key]
        clock = []
        if days_ago is not None:
            then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=days_ago + 2)
            clock = ["faketime", then.strftime("%Y-%m-%d %H:%M:%S")]
        subprocess.run([*clock, "openssl", "x509", "-req", "-in", request, "-days", "1" if clock else "2", "-extfile",
                        extensions, "-out", text, *sign], check=True, capture_output=True)
        path = self.path(name + ".pem")
        with open(path, "w", encoding="ascii") as out:
            for part in (text, key):
                with open(part, encoding="ascii") as f:
                    out.write(f.read())
        return path
