"""Attacks on TLS, a little of each, beside an honest client: tests/full/test_attack_tls.py has them at full size."""
import shutil
import threading

import pytest

from certificates import Maker
from echoc_bench import echoc, fake, one_sentence  # noqa: F401 (fixtures)
from harness import LOOPBACK
from honest import Honest
from test_cost import memory_bytes
from tls_attacks import never_shake, reset_at_random, send_in_records_of_one_byte, shake_on, update_keys

BOTH = [f"{LOOPBACK}:0", f"tls:{LOOPBACK}:0", f"raw+tls:{LOOPBACK}:0"]
HONEST = "127.0.9.9"
MIB = 1 << 20

pytestmark = pytest.mark.alone


def test_handshakes_that_never_end(server):
    """The limit on the login counts from accept, and no byte makes it longer."""
    s = server("--login-time", "1s", listen=BOTH)
    with Honest(s.address_of("tls"), kind="tls", source=HONEST) as honest:
        ended = never_shake(0, s.address_of("tls"), 60, 20, ["127.0.0.2", "127.0.0.3"], drip_s=0.1)
    assert len(ended) == 80 and min(ended) > 0.9 and max(ended) < 4, (min(ended), max(ended))
    honest.assert_served(logins=1)
    s.wait_status(lambda st: st["closed"]["login_time"] == 80, "all to be counted")


def test_a_flood_of_handshakes_from_one_address_is_stopped_before_they_cost(server):
    """One that comes too often is sent away before its ClientHello is looked at."""
    s, stop, results = server("--limit-local", "--address-rate", "20", listen=BOTH), threading.Event(), []
    with Honest(s.address_of("tls"), kind="tls", source=HONEST) as honest:
        attacker = threading.Thread(target=lambda: results.append(shake_on(0, s.address_of("tls"), "127.0.0.2", stop)))
        attacker.start()
        try:
            s.wait_status(lambda st: st["closed"]["rate_limit"] >= 100, "100 to be sent away")
            counted = s.status()
        finally:
            stop.set()
            attacker.join()
    assert results[0][1] >= 100
    assert counted["closed"]["tls"] == 0, "a handshake was begun"
    honest.assert_served(logins=1)


def test_records_of_one_byte(server):
    s = server("--workers", "1", listen=BOTH)
    with Honest(s.address_of("tls"), kind="tls", source=HONEST) as honest:
        before = memory_bytes(s.children()["front"])
        send_in_records_of_one_byte(0, s.address_of("raw+tls"), 10_000)
        assert memory_bytes(s.children()["front"]) - before < 4 * MIB
    honest.assert_served(logins=1)


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")
def test_key_updates_that_want_an_answer_are_cut_off(server):
    s = server(listen=BOTH)
    with Honest(s.address_of("tls"), kind="tls", source=HONEST) as honest:
        assert update_keys(s.address_of("raw+tls"), "K") < 100_000
    honest.assert_served(logins=1)
    s.wait_log("disconnect", reason="tls")


def test_resets_at_any_point(server):
    s = server(listen=BOTH)
    with Honest(s.address_of("tls"), kind="tls", source=HONEST) as honest:
        reset_at_random(0, s.address_of("raw+tls"), s.address_of("tls"), 300)
    honest.assert_served(logins=1)
    status = s.wait_still()
    assert status["closed"]["error"] == status["closed"]["memory"] == 0, status["closed"]
    assert status["bytes_in"] == status["bytes_out"] + status["bytes_dropped"]
    assert status["restarts"] == {"front": 0, "keeper": 0}


def test_somebody_else_has_the_wanted_port(server, echoc, fake, tmp_path):
    """The server moves on and says where it is; whoever goes to the old place gives its stranger nothing."""
    thief = fake("--tls", Maker(tmp_path).certificate())
    port = int(thief.address.rpartition(":")[2])
    s = server("--next-port", listen=[f"tls:{LOOPBACK}:{port}"])
    assert s.port != port
    pin = s.status()["tls"]["pin"]
    assert str(port) in s.wait_log("port_busy", level="warning")["msg"]
    refused = echoc("tls:" + thief.address, "--user", "anna", "--pin", pin, data=b"secret")
    assert (refused.returncode, refused.stdout) == (5, b"")
    one_sentence(refused, "nothing was sent")
    unknown = echoc("tls:" + thief.address, "--user", "anna", data=b"secret")
    assert (unknown.returncode, unknown.stdout) == (5, b"")
    assert thief.all_commands() == [] and not any(e.get("bytes") for e in thief.heard())
    served = echoc(f"tls:{LOOPBACK}:{s.port}", "--user", "anna", "--quiet", "--pin", pin, data=b"secret")
    assert (served.returncode, served.stdout) == (0, b"secret"), served.stderr
