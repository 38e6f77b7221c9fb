"""The seam builds of the programs, and the plan of what fails in them: the Python side of seam.h."""
import errno
import mmap
import os
import struct
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "system"))

import harness  # noqa: E402

ROOT = os.path.dirname(TESTS)
ARMED, AT, ALWAYS, ERR, COUNT, FIRED, SEED, RATE = range(0, 64, 8)
PROGRAM, CALL, SIZE = 64, 96, 128

WHY_SKIPPED = "no seam build: meson setup build-faults -Dfaults=true -Dsandbox=false -Db_sanitize=address,undefined, " \
              "and name its folder in ECHOD_FAULT_BUILD"


def folder_of_programs():
    """Where the seam builds lie, or None."""
    build = os.environ.get("ECHOD_FAULT_BUILD") or os.path.join(ROOT, "build-faults")
    path = os.path.join(build, "tests", "fault")
    return path if os.access(os.path.join(path, "echod"), os.X_OK) else None


def program(name):
    return os.path.join(folder_of_programs(), name)


class Plan:
    """What is to fail, shared with every program that has environment()."""

    def __init__(self, folder, name="plan"):
        self.path = os.path.join(folder, name)
        with open(self.path, "wb") as f:
            f.write(bytes(SIZE))
        self.file = open(self.path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), SIZE)

    def environment(self):
        return {"FAULT_FILE": self.path}

    def put(self, offset, number):
        struct.pack_into("=Q", self.map, offset, number)

    def get(self, offset):
        return struct.unpack_from("=Q", self.map, offset)[0]

    def arm(self, programs, call, at, err=errno.ENOMEM, always=False):
        """The at-th call from now fails; 0 only counts."""
        self.disarm()
        for offset, number in ((AT, at), (ALWAYS, always), (ERR, err), (COUNT, 0), (FIRED, 0), (SEED, 0), (RATE, 1)):
            self.put(offset, number)
        for offset, text in ((PROGRAM, programs), (CALL, call)):
            self.map[offset:offset + 32] = text.encode().ljust(32, b"\0")
        self.put(ARMED, 1)

    def arm_whims(self, programs, seed, rate=4):
        """One in rate calls that move bytes is short, interrupted or told to come again."""
        self.arm(programs, "", 0)
        self.put(ARMED, 0)
        self.put(RATE, rate)
        self.put(SEED, seed or 1)
        self.put(ARMED, 1)

    def disarm(self):
        self.put(ARMED, 0)

    @property
    def count(self):
        return self.get(COUNT)

    @property
    def fired(self):
        return self.get(FIRED)

    def __str__(self):
        text = [self.map[o:o + 32].rstrip(b"\0").decode() for o in (PROGRAM, CALL)]
        return f"{text[0]} {text[1]} at {self.get(AT)}{' and on' if self.get(ALWAYS) else ''}: " \
               f"{errno.errorcode.get(self.get(ERR), self.get(ERR))}, seed {self.get(SEED)}"


class SeamServer(harness.Server):
    """A server of the seam build, whose calls go by plan."""

    def __init__(self, folder, plan, *args, **kwargs):
        kwargs.setdefault("warm", False)
        kwargs.setdefault("tidy", False)
        super().__init__(folder, *args, env=plan.environment(), **kwargs)
        self.plan = plan
        self.argv[0] = program("echod")

    def kill(self):
        self.plan.disarm()
        super().kill()
