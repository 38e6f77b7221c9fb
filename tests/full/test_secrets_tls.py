"""As test_secrets.py: what is left of a password that came under TLS, where OpenSSL has buffers of its own."""
import os
import secrets

import pytest

from harness import LOOPBACK
from test_secrets import hits, pace
from tls_clients import tls_connect

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into the server's processes")
# Replies are written where it lay, so it is longer than they are; and its end is what is looked for.
FILLER = "Pferd-" * 30


@pytest.mark.parametrize("how", ["refused", "logged in", "in one record", "stays"])
def test_no_password_is_left_under_tls(server, how):
    mark = secrets.token_hex(12)
    password = FILLER + mark
    s = server(listen=[f"tls:{LOOPBACK}:0"], busy=True)
    c = tls_connect(s.address_of("tls"))
    assert c.code() == 220 and c.ask("USER anna") == 332
    assert c.ask("PASS " + (password if how != "refused" else "another password")) == 230
    c.close()
    c = tls_connect(s.address_of("tls"))
    assert c.code() == 220
    if how == "in one record":
        c.send(f"USER anna\r\nPASS {password}\r\n")
        assert c.code() == 331
    else:
        assert c.ask("USER anna") == 331
        c.send(f"PASS {password}\r\n")
    assert c.code() == (530 if how == "refused" else 230)
    if how != "stays":
        c.close()
    pace(1)
    left = {name: hits(pid, mark.encode()) for name, pid in {"parent": s.pid, **s.children()}.items()}
    c.close()
    assert left == {"parent": [], "front": [], "keeper": []}
