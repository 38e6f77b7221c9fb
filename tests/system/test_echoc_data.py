"""echoc as a pipe: every byte once, whatever happens to the connection."""
import hashlib
import os
import re
import select
import subprocess
import threading
import time

import pytest

from echoc_bench import PASSWORD, LIMIT, ECHOC, environment, echoc, fake, program, one_sentence, random_bytes


# Data


def test_raw_has_no_login(echoc, fake):
    server = fake("--raw")
    data = bytes(range(256)) * 100
    result = echoc("raw:" + server.address, data=data, password=None)
    assert (result.returncode, result.stdout, result.stderr) == (0, data, b"")
    assert server.commands() == []


def test_socat_gets_everything(echoc):
    data = random_bytes(5_000_000)
    with program("socat", "TCP-LISTEN:%d,bind=127.0.0.1,fork,reuseaddr", "EXEC:cat") as address:
        result = echoc(address, data=data)
    assert (result.returncode, result.stdout, result.stderr) == (0, data, b"")


def test_ncat_is_never_believed(echoc):
    """ncat --exec loses the tail, but not always: the status says whether it did."""
    data = random_bytes(50_000)
    with program("ncat", "-l", "127.0.0.1", "%d", "--keep-open", "--exec", "/bin/cat") as address:
        for _ in range(5):
            result = echoc(address, data=data)
            assert (result.returncode == 0) == (result.stdout == data)
            assert result.returncode in (0, 1) and data.startswith(result.stdout)
            if result.returncode == 1:
                one_sentence(result, f"{len(result.stdout)} of {len(data)} bytes")


def test_much_data_is_fast(echoc, fake):
    data = random_bytes(1 << 20) * 128
    began = time.monotonic()
    result = echoc(fake().address, "--user", "anna", "--quiet", data=data)
    assert result.returncode == 0 and result.stdout == data
    assert time.monotonic() - began < 15


def test_data_streams(fake, tmp_path):
    process = subprocess.Popen([ECHOC, "raw:" + fake("--raw").address], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               env=environment(tmp_path))
    for piece in (b"a", b"bc", b"d" * 1000):
        os.write(process.stdin.fileno(), piece)
        assert select.select([process.stdout], [], [], LIMIT)[0]
        assert os.read(process.stdout.fileno(), 4096) == piece
    process.stdin.close()
    assert process.wait(LIMIT) == 0
    process.stdout.close()


def test_no_deadlock_with_a_partner_who_writes_first(fake, tmp_path):
    """900 KiB go in before anything is taken out: the pipe to us is full, and we must not wait in write."""
    data = random_bytes(900 * 1024)
    process = subprocess.Popen([ECHOC, "raw:" + fake("--raw").address], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               env=environment(tmp_path))
    watchdog = threading.Timer(LIMIT, process.kill)
    watchdog.start()
    try:
        process.stdin.write(data)
        process.stdin.close()
        assert process.stdout.read() == data
        assert process.wait(LIMIT) == 0
    finally:
        watchdog.cancel()
        process.stdout.close()


def test_nobody_reads_standard_output(fake, tmp_path):
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = subprocess.Popen([ECHOC, "raw:" + fake("--raw").address], stdin=subprocess.PIPE, stdout=write_end,
                               stderr=subprocess.PIPE, env=environment(tmp_path))
    os.close(write_end)
    assert process.wait(LIMIT) == 1  # though standard input is still open
    assert re.fullmatch(rb"echoc: [^\n]*standard output[^\n]*Broken pipe[^\n]*\n", process.stderr.read())
    process.stdin.close()
    process.stderr.close()


def test_standard_output_is_full(echoc, fake):
    with open("/dev/full", "wb") as full:
        result = echoc("raw:" + fake("--raw").address, data=b"x" * 100, stdout=full)
    assert result.returncode == 1
    one_sentence(result, "standard output", "No space")


@pytest.mark.parametrize("at, data, says", [
    (0, b"abc", "at offset 0 sent 61 62 63, came 60 62 63"),
    (2_000_000, b"\0" * 3_000_000, "at offset 2000000 sent 00"),
], ids=["first", "late"])
def test_damage_is_found(echoc, fake, at, data, says):
    result = echoc("raw:" + fake("--raw", "--damage-at", str(at)).address, data=data)
    assert result.returncode == 1 and result.stdout == data[:at]
    one_sentence(result, says)


def test_more_than_was_sent(echoc, fake):
    result = echoc("raw:" + fake("--raw", "--extra", "3").address, data=b"abc")
    assert result.returncode == 1 and result.stdout == b"abc"
    one_sentence(result, "at offset 3 sent nothing, came 78 78 78")


def test_server_that_does_not_end(echoc, fake):
    result = echoc("raw:" + fake("--raw", "--keep-open").address, data=b"abc")
    assert (result.returncode, result.stdout) == (0, b"abc")
    one_sentence(result, "every byte came back", "10 s")


# Drops

@pytest.mark.parametrize("how", ["fin", "reset"])
@pytest.mark.parametrize("raw", [False, True])
def test_drop_is_mended(echoc, fake, how, raw):
    """Each of the first four connections ends on the way; the fifth brings the rest and the half-close."""
    kind = ["--raw"] if raw else []
    server = fake(*kind, "--connections", "1-4", "--drop-after", "700001", "--drop-how", how)
    data = random_bytes(5_000_000)
    address = ["raw:" + server.address, "--reconnect"] if raw else [server.address, "--user", "anna"]
    result = echoc(*address, data=data)
    assert result.returncode == 0
    assert hashlib.sha256(result.stdout).digest() == hashlib.sha256(data).digest()
    assert server.connections() == 5
    assert server.heard()[-1]["end"] == "fin"
    if not raw:
        assert re.fullmatch(r"RESUME [\w-]{43}", *server.commands(5))
    assert b"coming back" in result.stderr and b"back at" in result.stderr


def test_drop_after_the_half_close(echoc, fake):
    server = fake("--connections", "1", "--drop-after", "3", "--echo-at-end")
    result = echoc(server.address, "--user", "anna", "--quiet", data=b"abcdef")
    assert (result.returncode, result.stdout, result.stderr) == (0, b"abcdef", b"")


def test_drop_while_nothing_is_missing(fake, tmp_path):
    server = fake("--connections", "1", "--drop-after", "3")
    process = subprocess.Popen([ECHOC, server.address, "--user", "anna"], stdin=subprocess.PIPE, bufsize=0,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=environment(tmp_path, ECHOC_PASSWORD=PASSWORD))
    process.stdin.write(b"abc")
    assert process.stdout.read(3) == b"abc"
    assert b"registered" in process.stderr.readline()
    assert b"ended the connection; coming back in" in process.stderr.readline()
    process.stdin.write(b"def")
    process.stdin.close()
    assert process.stdout.read() == b"def"
    assert process.wait(LIMIT) == 0
    process.stdout.close()
    process.stderr.close()


def test_raw_loss_is_reported(echoc, fake):
    server = fake("--raw", "--drop-after", "1000")
    result = echoc("raw:" + server.address, data=b"x" * 5000)
    assert (result.returncode, len(result.stdout)) == (1, 1000)
    one_sentence(result, "1000 of 5000 bytes", "--reconnect")
    assert server.connections() == 1


def test_gives_up_after_the_retry_time(echoc, fake):
    server = fake("--drop-after", "10", "--only", "1")
    began = time.monotonic()
    result = echoc(server.address, "--user", "anna", "--retry-time", "1s", "--quiet", data=b"x" * 5000)
    assert (result.returncode, len(result.stdout)) == (1, 10) and 0.9 < time.monotonic() - began < 8
    one_sentence(result, "10 of 5000 bytes", server.address)


def test_server_that_never_gets_further(echoc, fake):
    """It lets in but always drops: no byte comes back, so the retry time runs on."""
    server = fake("--drop-after", "0")
    began = time.monotonic()
    result = echoc(server.address, "--user", "anna", "--retry-time", "1500ms", "--quiet", data=b"x")
    assert result.returncode == 1 and 1.4 < time.monotonic() - began < 8
    one_sentence(result, "0 of 1 bytes")
    assert server.connections() >= 2


def test_refused_after_a_drop(echoc, fake):
    server = fake("--refuse", "--forget-tokens", "--connections", "2-", "--drop-after", "3", "--drop-on", "1")
    result = echoc(server.address, "--user", "anna", "--quiet", data=b"abcdef")
    assert (result.returncode, result.stdout) == (4, b"abc")
    one_sentence(result, "530")
    assert server.connections() == 2


@pytest.mark.parametrize("trouble, says", [("--busy", b"421"), ("--unavailable", b"451")])
def test_busy_server_is_tried_again(echoc, fake, trouble, says):
    server = fake(trouble, "--connections", "1-2")
    result = echoc(server.address, "--user", "anna", data=b"abc")
    assert (result.returncode, result.stdout) == (0, b"abc")
    assert says in result.stderr and server.connections() == 3


@pytest.mark.parametrize("trouble, says", [("--busy", "421"), ("--unavailable", "451")])
def test_busy_server_is_given_up(echoc, fake, trouble, says):
    server = fake(trouble)
    result = echoc(server.address, "--user", "anna", "--retry-time", "700ms", "--quiet")
    assert result.returncode == 3 and server.connections() >= 2
    one_sentence(result, says, "later")
