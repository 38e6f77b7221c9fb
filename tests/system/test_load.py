"""echoc load: what it says it sent and timed is what happened, and what goes wrong is counted and ends."""
import json
import os
import re
import resource
import signal
import subprocess
import time

import pytest

import terminal
from echoc_bench import fake, free_port
from harness import PASSWORD, PATIENCE_S, check_sanitizer, environment, program

SHORT = ("--duration", "500ms", "--warm-up", "100ms")
SCHEMA = "echoc.load/1"
LISTEN = ("127.0.0.1:0", "raw:127.0.0.1:0")


def start(folder, *args, password=PASSWORD, **kwargs):
    more = {"ECHOC_PASSWORD": password} if password else {}
    return subprocess.Popen([program("echoc"), "load", *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=environment(folder, **more), **kwargs)


def finish(process, folder, timeout=50):
    """Its exit status, its standard output and its standard error."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    check_sanitizer(folder, err)
    return process.returncode, out, err


def run(folder, *args, **kwargs):
    return finish(start(folder, *args, **kwargs), folder)


def strict(text):
    """JSON as the standard has it: no NaN, no Infinity."""
    def refuse(word):
        raise AssertionError(f"{word} is no JSON")
    return json.loads(text, parse_constant=refuse)


def result(folder, *args, status=0, **kwargs):
    """The object that --json prints."""
    got, out, err = run(folder, *args, "--json", **kwargs)
    assert got == status, out + err
    assert out.count("\n") == 1
    one = strict(out)
    assert (one["schema"], one["type"], one["status"]) == (SCHEMA, "result", status)
    return one


def address(server, kind):
    prefix = {"raw": "raw:127.0.0.1:", "login": "127.0.0.1:", "unix": "unix:", "raw+unix": "raw+unix:"}[kind]
    return prefix + str(server.address_of(kind))


# ---- what was sent

@pytest.mark.parametrize("kind", ["raw", "login", "unix", "raw+unix"])
@pytest.mark.parametrize("how", [("--in-flight", "3"), ("--rate", "500"), ("--threads", "3", "--ramp", "300ms")])
def test_counts_are_the_servers(server, folder, kind, how):
    s = server(listen=[*LISTEN, f"unix:{folder}/a", f"raw+unix:{folder}/b"])
    before = s.status()
    got, out, err = run(folder, address(s, kind), "--user", "anna", "--connections", "7", *how, *SHORT, "--json")
    one = strict(out)
    assert got == (0 if not one["rate"] or one["rate"]["reached"] else 1), err  # a busy machine may miss the rate
    after, totals = s.status(), one["totals"]
    assert totals["messages_sent"] == totals["messages_received"] > 0
    assert totals["sent_bytes"] == totals["received_bytes"] == 64 * totals["messages_sent"]
    assert after["bytes_in"] - before["bytes_in"] == totals["sent_bytes"]
    assert totals["connections"] == 7
    assert after["accepted"] - before["accepted"] == 8  # and the one that was tried
    assert after["logins"] - before["logins"] == (0 if "raw" in kind else 8)
    assert one["errors"]["total"] == totals["damaged_bytes"] == totals["missing_bytes"] == 0


@pytest.mark.parametrize("size", ["1", "1M", "3-70k"])
def test_sizes(server, folder, size):
    s = server(listen=LISTEN)
    before = s.status()["bytes_in"]
    one = result(folder, address(s, "raw"), "--size", size, "--seed", "7", "--connections", "3", "--in-flight", "2", *SHORT)
    totals, options = one["totals"], one["options"]
    assert s.status()["bytes_in"] - before == totals["sent_bytes"] == totals["received_bytes"]
    assert options["seed"] == 7
    assert options["size_min_bytes"] * totals["messages_sent"] <= totals["sent_bytes"] \
        <= options["size_max_bytes"] * totals["messages_sent"]
    assert totals["messages_sent"] == totals["messages_received"] > 0


def test_random_sizes_are_the_seeds(server, folder):
    """The first messages of a connection, which their number ends, are the same for the same seed."""
    s = server(listen=LISTEN)
    args = (address(s, "raw"), "--connections", "1", "--size", "1-100000", "--rate", "20", "--warm-up", "0", "--duration", "1s")

    def sent(seed):
        one = strict(run(folder, *args, "--seed", seed, "--json")[1])
        assert one["totals"]["messages_sent"] == 20
        return one["totals"]["sent_bytes"]

    assert sent("7") == sent("7") != sent("8")


def test_churn(server, folder):
    s = server(listen=LISTEN)
    before = s.status()
    one = result(folder, address(s, "login"), "--user", "anna", "--connections", "4", "--messages", "3", "--threads", "2", *SHORT)
    s.wait_still()
    after, totals = s.status(), one["totals"]
    assert totals["connections"] > 4
    assert 3 * (totals["connections"] - 4) <= totals["messages_sent"] <= 3 * totals["connections"]
    assert after["logins"] - before["logins"] >= totals["connections"] + 1  # the last may have been cut off
    assert after["bytes_in"] - before["bytes_in"] == totals["sent_bytes"] == totals["received_bytes"]
    assert 0 < one["throughput"]["connections"] <= totals["connections"]
    assert one["set_up_time"]["count"] == totals["connections"]


# ---- times

def test_an_intended_message_is_never_skipped(server, folder):
    s = server(listen=LISTEN)
    got, out, err = run(folder, address(s, "raw"), "--rate", "300", "--connections", "7", "--threads", "2", "--duration", "2s",
                        "--warm-up", "200ms", "--json")
    one = strict(out)
    assert 599 <= one["rate"]["sends"] <= 601 and one["rate"]["unsent"] == 0
    assert one["service_time"]["count"] == one["response_time"]["count"] == one["rate"]["sends"]
    assert one["rate"]["achieved_per_s"] > 30
    assert got == (0 if one["rate"]["reached"] else 1), err
    assert one["response_time"]["mean_ns"] >= one["service_time"]["mean_ns"]
    assert one["service_time"]["p99_9_ns"] is None and one["service_time"]["p99_ns"] > 0


def test_a_rate_that_is_missed(server, folder):
    s = server(listen=LISTEN)
    one = result(folder, address(s, "raw"), "--rate", "50000000", "--connections", "2", *SHORT, "--quiet", status=1)
    assert not one["rate"]["reached"] and any("target rate" in w for w in one["warnings"])
    assert one["generator"]["was_limit"] or one["rate"]["late_sends"] + one["rate"]["unsent"] > 0
    assert one["response_time"]["count"] <= one["rate"]["sends"]
    assert 24.9e6 < one["rate"]["sends"] + one["rate"]["unsent"] < 25.1e6 + 5e6  # of the window, and of the warm-up


@pytest.mark.alone
def test_a_pause_of_the_server_is_counted_from_the_intended_time(server, folder):
    """While the front stands still for 0.3 s, its socket takes a few messages; the rest is sent late, and the response
    time of all of them has the wait, which the service time of those that were held back has not."""
    s = server(listen=[f"raw+unix:{folder}/a"])
    process = start(folder, address(s, "raw+unix"), "--rate", "200", "--size", "16k", "--connections", "1", "--duration", "3s",
                    "--warm-up", "0", "--json-stream", "--quiet")
    assert strict(process.stdout.readline())["type"] == "interval"
    front = s.children()["front"]
    os.kill(front, signal.SIGSTOP)
    try:
        time.sleep(0.3)  # this is the pause
    finally:
        os.kill(front, signal.SIGCONT)
    got, out, err = finish(process, folder)
    one = strict(out.splitlines()[-1])
    service, response = one["service_time"], one["response_time"]
    assert response["count"] == service["count"] == one["rate"]["sends"] and one["rate"]["late_sends"] > 0
    assert response["max_ns"] > 250e6
    assert response["p99_ns"] > 100e6
    assert service["mean_ns"] < response["mean_ns"] and service["p90_ns"] < response["p90_ns"]


def test_closed_loop_has_no_response_time(server, folder):
    s = server(listen=LISTEN)
    one = result(folder, address(s, "raw"), *SHORT)
    assert one["response_time"] is None and one["rate"] is None
    got, out, err = run(folder, address(s, "raw"), *SHORT)
    assert "No response time" in out and "response time  " not in out


# ---- what comes back wrong, or not at all

def test_one_damaged_byte(fake, folder):
    one = result(folder, "raw:" + fake("--raw", "--damage-at", "1000", "--connections", "2").address, "--connections", "3",
                 *SHORT, status=1)
    assert one["totals"]["damaged_bytes"] == 1 and one["totals"]["missing_bytes"] == 0
    assert any("other than" in w for w in one["warnings"])


def test_bytes_too_many(fake, folder):
    one = result(folder, "raw:" + fake("--raw", "--extra", "3", "--connections", "2").address, "--connections", "1", *SHORT,
                 status=1)
    assert one["totals"]["damaged_bytes"] > 0
    assert one["totals"]["received_bytes"] > one["totals"]["sent_bytes"]


def test_a_mute_server_ends_it_all_the_same(fake, folder):
    """After the end five seconds are given to what is missing."""
    began = time.monotonic()
    one = result(folder, "raw:" + fake("--raw", "--mute").address, "--connections", "3", *SHORT, status=1)
    assert time.monotonic() - began < 45
    assert one["totals"]["missing_bytes"] == one["totals"]["sent_bytes"] == 3 * 64
    assert one["totals"]["messages_lost"] == 3 and one["totals"]["received_bytes"] == 0
    assert one["service_time"]["p50_ns"] is None and one["service_time"]["max_ns"] is None


@pytest.mark.parametrize("how, kind", [("fin", "ended"), ("reset", "reset")])
def test_lost_connections_are_made_anew(fake, folder, how, kind):
    server = fake("--raw", "--drop-after", "640", "--drop-how", how, "--connections", "2-4")
    one = result(folder, "raw:" + server.address, "--connections", "2", "--duration", "1s", "--warm-up", "0", status=1)
    assert one["errors"][kind] == one["errors"]["total"] > 0
    assert one["totals"]["connections"] > 2 and one["totals"]["received_bytes"] > 640
    assert one["totals"]["sent_bytes"] - one["totals"]["received_bytes"] == one["totals"]["missing_bytes"]


def test_a_server_that_sends_no_fin(fake, folder):
    one = result(folder, "raw:" + fake("--raw", "--keep-open").address, "--connections", "2", *SHORT, status=1)
    assert one["errors"]["timeout"] == 2 and one["totals"]["missing_bytes"] == 0


# ---- output

def seconds(text):
    number, unit = text.split()
    return float(number) * {"us": 1e-6, "ms": 1e-3, "s": 1}[unit]


def test_text_and_json_have_the_same_numbers(server, folder):
    s = server(listen=LISTEN)
    got, out, err = run(folder, address(s, "raw"), "--rate", "400", "--json", *SHORT)
    one, lines = strict(out), {line[:14].strip(): line for line in err.splitlines()}
    for name, key in (("messages", "messages"), ("bytes sent", "sent_bytes"), ("bytes back", "received_bytes")):
        assert int(lines[name].split()[-3]) == one["throughput"][key]
    for name, key in (("service time", "service_time"), ("response time", "response_time"), ("set-up time", "set_up_time")):
        shown = re.findall(r"[\d.]+ (?:us|ms|s)\b|-", lines[name][14:])
        names = ("p50_ns", "p90_ns", "p99_ns", "p99_9_ns", "p99_99_ns", "max_ns", "mean_ns", "min_ns")
        assert len(shown) == len(names)
        for text, field in zip(shown, names):
            value = one[key][field]
            assert (text == "-") == (value is None)
            assert value is None or abs(seconds(text) - value / 1e9) <= 0.06 * value / 1e9 + 1e-7
    totals = [int(n) for n in re.findall(r"\d+", next(line for line in err.splitlines() if line.startswith("Since")))]
    assert totals == [one["totals"][key] for key in ("messages_sent", "messages_received", "sent_bytes", "received_bytes",
                                                     "damaged_bytes", "missing_bytes")]
    for warning in one["warnings"]:
        assert f"Warning: {warning}." in err


def test_stream(server, folder):
    s = server(listen=LISTEN)
    got, out, err = run(folder, address(s, "raw"), "--duration", "2500ms", "--warm-up", "500ms", "--json-stream", "--quiet")
    lines = [strict(line) for line in out.splitlines()]
    assert got == 0 and err == ""
    assert {line["schema"] for line in lines} == {SCHEMA}
    assert [line["type"] for line in lines] == ["interval"] * (len(lines) - 1) + ["result"] and len(lines) >= 3
    times = [line["elapsed_s"] for line in lines[:-1]]
    assert times == sorted(times) and times[0] > 0.9
    assert sum(line["messages"] for line in lines[:-1]) <= lines[-1]["totals"]["messages_received"]


def test_line_on_a_terminal(server, folder):
    s = server(listen=LISTEN)
    with terminal.echoc(folder, "load", address(s, "raw"), "--duration", "2s") as t:
        t.wait_for("of 3 s  ")
        t.wait_for("messages/s  p50 ")
        t.wait_for("service time")
        assert t.end() == 0
        assert b"\x1b" not in t.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it_with_the_result_so_far(server, folder, number):
    s = server(listen=LISTEN)
    process = start(folder, address(s, "raw"), "--duration", "10m", "--warm-up", "0", "--json-stream", "--quiet")
    assert strict(process.stdout.readline())["type"] == "interval"
    process.send_signal(number)
    got, out, err = finish(process, folder)
    one = strict(out.splitlines()[-1])
    assert got == 0 and one["interrupted"] and 0 < one["window_s"] < 60
    assert one["totals"]["sent_bytes"] == one["totals"]["received_bytes"] > 0


def test_signal_before_the_window(server, folder):
    s = server(listen=LISTEN)
    process = start(folder, address(s, "raw"), "--duration", "10m", "--warm-up", "10m", "--json-stream", "--quiet")
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    got, out, err = finish(process, folder)
    one = strict(out.splitlines()[-1])
    assert got == 1 and one["window_s"] == 0 and one["service_time"]["p50_ns"] is None


# ---- no run at all

@pytest.mark.parametrize("args, says", [
    (["raw::1", "--rate", "3", "--in-flight", "2"], "--in-flight"),
    (["raw::1", "--connections", "0"], "--connections"),
    (["raw::1", "--connections", "2", "--threads", "3"], "--threads"),
    (["raw::1", "--size", "0"], "--size"),
    (["raw::1", "--size", "2M"], "--size"),
    (["raw::1", "--size", "9-3"], "--size"),
    (["raw::1", "--size", "k"], "--size"),
    (["raw::1", "--size", "1-"], "--size"),
    (["raw::1", "--rate", "fast"], "--rate"),
    (["raw::1", "--duration", "off"], "--duration"),
    (["raw::1", "--json", "--json-stream"], "--json-stream"),
    (["raw::1", "--reconnect"], "--reconnect"),
    (["raw::1", "raw::2"], "one address"),
    ([], "ADDRESS"),
])
def test_bad_input(folder, args, says):
    got, out, err = run(folder, *args)
    assert got == 2 and says in err.splitlines()[0] and err.count("\n") == 2
    assert json.loads(out)["error"]["kind"] == "usage" if "--json" in args else not out


def test_options_of_load_are_for_load(folder):
    process = subprocess.run([program("echoc"), "raw::1", "--rate", "3"], capture_output=True, text=True, timeout=PATIENCE_S,
                             stdin=subprocess.DEVNULL, env=environment(folder))
    assert process.returncode == 2 and "--rate is for echoc load" in process.stderr


def error(folder, *args, status, kind, **kwargs):
    got, out, err = run(folder, *args, "--json", *SHORT, **kwargs)
    one = strict(out)
    assert got == status == one["status"], err
    assert (one["schema"], one["type"], one["error"]["kind"]) == (SCHEMA, "error", kind)
    assert err.startswith("echoc: ") and err.count("\n") == 1
    return one, err


def test_nobody_is_there(folder):
    error(folder, f"raw:127.0.0.1:{free_port()}", status=3, kind="unreachable")


def test_the_port_closes_after_the_first(fake, folder):
    one, err = error(folder, "raw:" + fake("--raw", "--only", "1").address, status=3, kind="unreachable")
    assert "none of 50 connections" in one["error"]["detail"]


def test_login_refused(fake, folder):
    error(folder, fake("--refuse").address, "--user", "anna", status=4, kind="login_refused")


def test_login_refused_later(fake, folder):
    """The one that is tried gets in, the others do not."""
    error(folder, fake("--refuse", "--connections", "2-").address, "--user", "anna", "--quiet", status=4,
          kind="login_refused")


def test_no_register(fake, folder):
    server = fake()
    error(folder, server.address, "--user", "anna", "--no-register", status=4, kind="login_refused")


def test_no_secret_on_this_path(fake, folder):
    error(folder, fake("--no-secret").address, "--user", "anna", status=5, kind="not_secure")


def test_not_the_protocol(fake, folder):
    error(folder, fake("--greeting", "hello").address, "--user", "anna", status=6, kind="not_the_protocol")


def limit_files(soft, hard):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_too_few_open_files(server, folder):
    s = server(listen=LISTEN)
    one, err = error(folder, address(s, "raw"), "--connections", "100", preexec_fn=limit_files(64, 64), status=2, kind="usage")
    assert "the limit is 64" in err
    one = result(folder, address(s, "raw"), "--connections", "100", *SHORT, preexec_fn=limit_files(64, 200))
    assert one["totals"]["connections"] == 100


def test_some_connections_are_refused(server, folder):
    """The rest goes on, and the status says that not all was well."""
    s = server("--max-connections", "10", listen=LISTEN, warm=False)
    one = result(folder, address(s, "raw"), "--connections", "20", *SHORT, status=1)
    assert 0 < one["totals"]["connections"] and one["errors"]["total"] >= 10
    assert one["totals"]["messages_received"] > 0
