"""The classic exercise, S3 and S4: where to listen and where to go is asked for, and a busy port is passed by."""
import contextlib
import os
import re
import signal
import socket

import pytest

from harness import (LOOPBACK, PASSWORD, PATIENCE_S, UNPRIVILEGED, Client, Server, assert_one_sentence, check_sanitizer,
                     connect, environment, free_ports, hand_over, has, listen_on, program, run_echod)
from terminal import Terminal, echoc

needs_echoc = pytest.mark.skipif(not has("echoc"), reason="echoc is not built")
BOTH = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0"]


# ---- S3: host and port are asked for ----

def ask(folder, *answers, wanted_ready=True):
    """An echod --ask that is given the answers, one to each question. Returns the terminal."""
    state = os.path.join(folder, "state")
    hand_over(folder)
    t = Terminal([program("echod"), *UNPRIVILEGED, "--ask", "--state", state, "--hash-memory", "64", "--hash-passes", "1",
                  "--log", os.path.join(folder, "log")], environment(folder))
    questions = ["Host [127.0.0.1]: ", "Port [7862 or the next free]: "]
    try:
        for i, answer in enumerate(answers):
            t.wait_for(questions[i % 2])
            t.type(answer)
    except BaseException:
        t.__exit__()
        raise
    return t


def end_asked(t, folder):
    os.kill(t.pid, signal.SIGTERM)
    assert t.end() == 0
    check_sanitizer(folder, t.text.decode(errors="replace"))


def ready_port(t):
    t.wait_for("ready listen=")
    t.wait_for(f" pid={t.pid}")
    return int(re.search(rb"ready listen=\S+:(\d+) pid=", t.text)[1])


def test_S3_enter_takes_the_defaults(folder):
    with ask(folder, "\n", "\n") as t:
        port = ready_port(t)
        assert 7862 <= port < 7962
        c = Client(connect(port))
        c.login()
        c.close()
        end_asked(t, folder)


def test_S3_what_is_answered_is_taken(folder):
    port = free_ports(1)
    with ask(folder, "localhost\n", f"{port}\n") as t:
        assert ready_port(t) == port
        end_asked(t, folder)


@pytest.mark.parametrize("host, port", [("", "70000"), ("", "-1"), ("", "abc"), ("", "7862x"), ("two words", "1"),
                                        ("::1]", "1"), ("тест[", "9")])
def test_S3_wrong_answers_are_refused_with_why_and_asked_again(folder, host, port):
    good = free_ports(1)
    with ask(folder, host + "\n", port + "\n", "\n", f"{good}\n") as t:
        assert ready_port(t) == good
        assert b"That is no address to listen on: " in t.text
        end_asked(t, folder)


def test_S3_end_of_input_at_a_question(folder):
    with ask(folder, "\x04") as t:
        assert t.end() == 2
        assert "input ended" in t.text.decode()


@needs_echoc
def test_S3_echoc_asks_and_refuses_a_bad_port(server, folder):
    s = server()
    with echoc(folder) as t:
        t.wait_for("Host [127.0.0.1]: ")
        t.type("\n")
        for bad in ("70000", "0", "abc", "-1"):
            t.wait_for("Port [7862]: ")
            t.type(bad + "\n")
            t.wait_for("a port is a whole number from 1 to 65535")
        t.wait_for("Port [7862]: ")
        t.type(f"{s.port}\n")
        t.wait_for("Name [")
        t.type("Анна\n")
        t.wait_for("New password: ")
        t.type("короткий\n")
        t.wait_for("again: ")
        t.type("короткий\n")
        t.wait_for("Welcome, Анна")
        line = "Съешь же ещё этих мягких французских булок"
        t.type(line + "\n")
        t.wait_for(line)
        t.wait_for(line + "   ")  # once typed, once come back
        t.type("\x04")
        assert t.end() == 0
        assert "короткий" not in t.text.decode(), "the password was shown"
    check_sanitizer(folder, t.text.decode())
    s.wait_log("login", user="Анна", how="registered")


@needs_echoc
def test_S3_echoc_offers_the_server_of_this_machine(folder):
    with Server(folder, state=os.path.join(folder, "home", "echod"), listen=None) as s:
        with echoc(folder, XDG_STATE_HOME=os.path.join(folder, "home"), ECHOC_PASSWORD=PASSWORD) as t:
            t.wait_for("Host [127.0.0.1]: ")
            t.type("\n")
            t.wait_for(f"Port [{s.port}]: ")
            t.type("\n")
            t.wait_for("Name [")
            t.type("anna\n")
            t.wait_for("Connected")
            t.type("exit\n")
            assert t.end() == 0


def test_S3_a_byte_a_segment(server):
    s = server(listen=BOTH)
    for kind in ("login", "raw"):
        c = s.echo_client(kind)
        text = "Широкая электрификация южных губерний\n".encode()
        for byte in text:
            c.send(bytes([byte]))
        assert c.exactly(len(text)) == text


# ---- S4: ports ----

def test_S4_ready_line_and_port_file_tell_the_real_ports(folder):
    path = os.path.join(folder, "port")
    listen = [f"{LOOPBACK}:0", f"raw:{LOOPBACK}:0", f"raw+unix:{folder}/r", f"raw:{LOOPBACK}:0"]
    with Server(folder, "--port-file", path, listen=listen) as s:
        assert len(s.ports) == len(set(s.ports)) == 3 and 0 not in s.ports
        with open(path) as f:
            assert f.read() == "".join(f"{port}\n" for port in s.ports)
        Client(connect(s.ports[0])).login()
        for port in s.ports[1:]:
            Client(connect(port)).echoes(b"x")
        assert [s.listen[0].startswith("raw"), s.listen[2]] == [False, f"raw+unix:{folder}/r"]
    assert not os.path.exists(path), "the port file stays"


def test_S4_ipv6(folder):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    with Server(folder, listen=["raw:[::1]:0"]) as s:
        assert s.listen[0].startswith("raw:[::1]:")
        Client(connect_v6(s.port)).echoes(b"six")


def connect_v6(port):
    return socket.create_connection(("::1", port), PATIENCE_S)


def test_S4_default_port_busy_takes_the_next(folder):
    holder = None
    with contextlib.suppress(OSError):
        holder = listen_on(7862)  # else somebody has it already
    try:
        with Server(folder, listen=None) as s:
            assert 7862 < s.port < 7962
            s.wait_log("port_busy", level="warning")
            s.echo_client().echoes(b"the next one")
    finally:
        if holder:
            holder.close()


def test_S4_an_explicit_port_that_is_busy_ends_with_status_3(folder):
    port = free_ports(1)
    with listen_on(port):
        done = run_echod(folder, "--listen", f"{LOOPBACK}:{port}", "--log", f"{folder}/log")
        assert done.returncode == 3 and done.stdout == ""
        assert_one_sentence(done.stderr, f"{LOOPBACK}:{port}", "in use", "--next-port")


def test_S4_next_port_moves(folder):
    port = free_ports(3)
    with listen_on(port), listen_on(port + 1):
        with Server(folder, "--next-port", listen=[f"{LOOPBACK}:{port}"]) as s:
            assert s.port == port + 2


def test_S4_strict_port_does_not_move(folder):
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            held.enter_context(listen_on(7862))
        port = free_ports(3)
        held.enter_context(listen_on(port))
        for args in ([], ["--listen", LOOPBACK]):
            done = run_echod(folder, "--strict-port", *args, "--log", f"{folder}/log")
            assert done.returncode == 3 and done.stdout == "", args
            assert_one_sentence(done.stderr, "in use", "--strict-port")
        done = run_echod(folder, "--strict-port", "--listen", f"{LOOPBACK}:{port}-{port + 2}")
        assert done.returncode == 2 and done.stdout == "" and "--strict-port and a range" in done.stderr


def test_S4_a_range(folder):
    port = free_ports(3)
    with contextlib.ExitStack() as held:
        for i in range(3):
            with Server(folder, name=f"range{i}", listen=[f"{LOOPBACK}:{port}-{port + 2}"], warm=False) as s:
                assert s.port == port + i
            held.enter_context(listen_on(port + i))
        done = run_echod(folder, "--listen", f"{LOOPBACK}:{port}-{port + 2}", "--log", f"{folder}/log")
        assert done.returncode == 3 and done.stdout == ""
        assert_one_sentence(done.stderr, str(port))


def test_S4_a_busy_port_of_several_takes_none(folder):
    """All listeners or none: what was bound before the failure is given back."""
    port = free_ports(2)
    with listen_on(port + 1):
        done = run_echod(folder, "--listen", f"{LOOPBACK}:{port}", "--listen", f"raw:{LOOPBACK}:{port + 1}", "--log",
                         f"{folder}/log", "--port-file", f"{folder}/port")
        assert done.returncode == 3
    listen_on(port).close()
    assert not os.path.exists(f"{folder}/port")


def test_S4_restarts_on_its_port_with_connections_in_time_wait(folder):
    port = free_ports(1)
    for turn in range(3):
        with Server(folder, "--strict-port", name=f"turn{turn}", listen=[f"{LOOPBACK}:{port}"]) as s:
            c = s.echo_client()
            s.stop()
            assert c.to_end() == b""
            c.close()
