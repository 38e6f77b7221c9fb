"""echoc check where it has to wait for its whole time limit."""
import time

from echoc_bench import echoc, fake
from test_check import check, fails


def test_no_echo(echoc, fake):
    began = time.monotonic()
    shown = fails(check(echoc, "raw:" + fake("--raw", "--mute").address, "--json"), 6, "echo", "0 of 32 bytes in 10 s")
    assert 9.9 < time.monotonic() - began < 15
    assert 9.9 < shown["error"]["after_s"] < 15
