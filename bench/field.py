"""Who is measured: the floor, the floor once more, echod, and the peers; and how to start each."""
import os
from dataclasses import dataclass

import peers
from load import Load, on_core
from service import CHEAPEST_HASH, Echod

FLOOR = "epoll"
NOISE = "epoll again"
BARE = ("uring", "uring-4k")  # loops without a server around them, as the floor is: shown, not judged against
OURS = "echod raw"
OURS_LOGIN = "echod login"


@dataclass(frozen=True)
class Place:
    """Where things are: folders of built programs, and the two cores."""
    echod: str
    peers: str
    server_core: int
    load_core: int

    def load(self, port, cell, **options):
        return Load(os.path.join(self.echod, "bench", "client"), self.load_core, port, cell, **options)


@dataclass(frozen=True)
class Entrant:
    """name is its row; server is what must run for it, which two rows may share."""
    name: str
    server: str
    login: bool = False
    forks: bool = False
    single: bool = True
    countable: bool = True
    is_peer: bool = False

    def port(self, running):
        return running.login_port if self.login else running.port


def entrants(place, names):
    """The floor and echod always; of the peers those that are there, and named if any is."""
    found = [Entrant(FLOOR, FLOOR), Entrant(NOISE, NOISE), Entrant(OURS, "echod"), Entrant(OURS_LOGIN, "echod", True)]
    for name, peer in peers.PEERS.items():
        if name != FLOOR and (not names or name in names) and peers.present(peer, place.peers):
            found.append(Entrant(name, name, forks=peer.forks, single=peer.single, countable=peer.countable,
                                 is_peer=name not in BARE))
    return found


def start(place, server, before=None, more=CHEAPEST_HASH):
    """Runs a server on its core; before replaces the words in front of it, more are echod's own further options."""
    before = on_core(place.server_core) if before is None else before
    if server == "echod":
        return Echod(place.echod, before, more)
    return peers.Running(peers.PEERS[FLOOR if server == NOISE else server], place.peers, before)


def versions(place, field):
    found = {e.name: peers.version(peers.PEERS[e.name]) for e in field if e.name in peers.PEERS}
    found["echod"] = os.popen(f"'{place.echod}/echod' --version").readline().strip()
    return found
