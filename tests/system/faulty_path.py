"""A faulty path to a server, for tests and measurements: fault_proxy.py as a process of its own."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


class FaultProxy:
    """FaultProxy(target) as a context manager stands on `port` before the server on port target until its end. prefix:
    words before the program, as those that enter a network namespace."""

    def __init__(self, target, port=0, prefix=()):
        self.process = subprocess.Popen([*prefix, sys.executable, os.path.join(HERE, "fault_proxy.py"), str(port),
                                         str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        ready = self.process.stdout.readline().split()
        assert ready[:1] == [b"ready"], ready
        self.port = int(ready[1])

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def ask(self, *words):
        """Gives the answer to a command as text."""
        self.process.stdin.write(" ".join(map(str, words)).encode() + b"\n")
        answer = self.process.stdout.readline().decode().strip()
        assert answer and not answer.startswith("error"), f"{words}: {answer or 'the proxy is gone'}"
        return answer

    def tell(self, *words):
        """Gives the answer to a command as a number."""
        return int(self.ask(*words))

    def add(self, *words):
        assert self.ask("add", *words) == "ok"

    def remove(self, *words):
        assert self.ask("remove", *words) == "ok"

    def clear(self):
        assert self.ask("clear") == "ok"

    def reset(self):
        return self.tell("reset")

    def outage(self, seconds):
        return self.tell("outage", seconds)

    @property
    def outage_s(self):
        return float(self.ask("outage_s"))
