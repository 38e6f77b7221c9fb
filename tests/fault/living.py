"""A server that lives through one fault after another, and what is asked of it meanwhile and afterwards."""
import subprocess

import cases
import harness
import seams

FIRST = 3  # positions of a system call that are tried with each of its errors


class Living:
    """talks: what is done while a fault is there, of PLAIN and UNDER_TLS, each of which takes self and a new name."""

    def __init__(self, folder, name, talks=None):
        self.plan = seams.Plan(folder, "plan-" + name)
        self.server = seams.SeamServer(folder, self.plan, "--workers", "1", "--login-time", "2s", name=name,
                                       listen=cases.LISTEN, warm=True, tidy=True)
        self.number = 0
        self.acknowledged = []  # who was told 230
        self.tokens = []  # told, and not used
        self.talks = talks or PLAIN + UNDER_TLS[:1]

    def conversations(self):
        """What is done while the fault is there."""
        self.number += 1
        for talk in self.talks:
            talk(self, f"u{self.number}")
        for command in ("status", "reload"):
            try:
                self.server.control(command)
            except (OSError, ValueError):
                pass

    def register(self, name):
        if cases.talk(self.server.port, name).startswith("in"):
            self.acknowledged.append(name)

    def log_in(self, _):
        cases.talk(self.server.port, "warm-up")

    def echo_raw(self, name):
        cases.talk(self.server.address_of("raw"), name, raw=True)

    def ask_for_token(self, _):
        cases.talk(self.server.port, "warm-up", steps=cases.FOR_TOKEN, told=self.tokens)

    def echo_raw_under_tls(self, name):
        cases.talk(self.server.address_of("raw+tls"), name, raw=True, tls=True)

    def log_in_under_tls(self, _):
        cases.talk(self.server.address_of("tls"), "warm-up", tls=True, steps=cases.FOR_TOKEN, told=self.tokens)

    def come_back(self, _, tls=True):
        """Until a successor is told, the token that was used stays good: a reply may be lost."""
        if self.tokens:
            told = []
            end = cases.resume(self.server.address_of("tls" if tls else "login"), self.tokens[0], "warm-up", told, tls)
            assert end != "530", "a token that was told is refused"
            self.tokens[:1] = told or self.tokens[:1]

    def count(self, program, call):
        self.plan.arm(program, call, 0)
        self.conversations()
        count = self.plan.count
        self.plan.disarm()
        return count

    def check_acknowledged(self):
        """What was told before is true."""
        if self.acknowledged:
            name = self.acknowledged.pop()
            assert cases.has_account(self.server.port, name), f"{name} had its 230, and is not there"
            end = cases.talk(self.server.port, name)
            assert end == "in", f"{name} had its 230, and now gets {end}"
        while self.tokens:
            told = []
            end = cases.resume(self.server.port, self.tokens.pop(0), "warm-up", told, tls=False)
            assert end == "in", f"a token that was told gets {end}"
            if not self.tokens:  # the newest family's is the next fault's: of an account's, the oldest ones go
                self.tokens = told
                return

    def suffer(self, tally, *fault):
        self.plan.arm(*fault)
        text, problem = str(self.plan), None
        try:
            self.conversations()
            self.plan.disarm()
            cases.serves(self.server, "warm-up")
            self.check_acknowledged()
            assert self.server.process.poll() is None, "the server has ended"
            allowed = ("signal 9",) if fault[0] == "echod" else ()
            assert not cases.signals_that_ended(self.server, allowed), cases.signals_that_ended(self.server, allowed)
            harness.check_sanitizer(self.server.folder, self.server.stderr())
        except (AssertionError, OSError, TimeoutError) as e:
            problem = f"{type(e).__name__} {str(e)[:1500]}"
        finally:
            self.plan.disarm()
        tally.note(text, self.plan.fired, problem)
        return problem is None


PLAIN = (Living.register, Living.log_in, Living.echo_raw, Living.ask_for_token, Living.come_back)
UNDER_TLS = (Living.echo_raw_under_tls, Living.log_in_under_tls, Living.come_back)


def suffer_all(folder, tally, program, call, errors, talks=None):
    """One server, and each fault of that call one after another."""
    living = Living(folder, f"{program}-{call}", talks)
    memory = call.endswith("alloc")
    try:
        with living.server:
            total = living.count(program, call)
            for at in cases.positions(total, 200 if memory else FIRST, 60 if memory else 3, "running", program, call):
                for err in errors if at == 1 or memory else errors[:1]:
                    for always in (False, True) if at == 1 and cases.may_persist(call, err) else (False,):
                        if not living.suffer(tally, program, call, at, cases.errno_of(err), always):
                            living.server.kill()  # what was found is told rather than what comes of it
                            return
    except (AssertionError, OSError, subprocess.TimeoutExpired) as e:
        tally.note(f"{program} {call}, at the end", 0, f"{type(e).__name__} {str(e)[:1500]}")
