"""echoc at a terminal that edits lines, seen as a person would see it."""
import fcntl
import os
import select
import struct
import termios
import time

import pyte

from echoc_bench import LIMIT, Terminal

UP, DOWN, RIGHT, LEFT, HOME, END, DELETE = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[H", "\x1b[F", "\x1b[3~"
BACKSPACE, TAB, ENTER, CTRL_C, CTRL_D = "\x7f", "\t", "\r", "\x03", "\x04"


def pasted(text):
    """As a terminal sends it that was asked for brackets; ends of lines are those of the Enter key."""
    return "\x1b[200~" + text.replace("\n", "\r") + "\x1b[201~"


class Screen(Terminal):
    def __init__(self, command, env, columns=80, lines=24):
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.all = b""  # that was written
        super().__init__(command, env)

    def prepare(self):
        self.set_size(self.screen.columns, self.screen.lines)

    def set_size(self, columns, lines):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns, lines):
        self.screen.resize(lines, columns)
        self.set_size(columns, lines)

    def type_much(self, text):
        """More than a terminal holds: what is written meanwhile is taken."""
        data = text.encode() if isinstance(text, str) else text
        while data:
            readable, writable, _ = select.select([self.master], [self.master], [], LIMIT)
            if readable:
                self.read_more(0)
            if writable:
                data = data[os.write(self.master, data[:1000]):]

    def took(self, data):
        self.all += data
        self.stream.feed(data)

    def rows(self):
        """What is seen, without the empty rows below it: two at least."""
        rows = [row.rstrip() for row in self.screen.display]
        while rows and not rows[-1]:
            rows.pop()
        return [""] * (2 - len(rows)) + rows

    def see(self, condition, limit=LIMIT):
        """Waits until condition(rows) and returns what it returns."""
        deadline = time.monotonic() + limit
        while not (result := condition(self.rows())):
            left = deadline - time.monotonic()
            if left <= 0 or not self.read_more(left):
                raise AssertionError("\n".join(self.rows()))
        return result

    def see_last(self, *last):
        """Waits until the last rows are these; a function judges its row."""
        def fits(rows):
            return len(rows) >= len(last) and all(want(row) if callable(want) else row == want
                                                  for want, row in zip(last, rows[-len(last):]))
        return self.see(fits)

    def cursor(self):
        return self.screen.cursor.x, self.screen.cursor.y
