"""Two network namespaces and a wire between them that takes its time: packets, unlike the faulty path of the tests, whose
kernel answers for the other end. So TCP itself sees the delay. Needs root and /dev/net/tun.

    wire.py MS     a round trip over it takes so long; says `ready PID PID`, and lasts as long as its standard input

The first process lives where the server is to be, at 10.78.62.1, the second where the client is."""
import collections
import ctypes
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import time

SERVER, CLIENT = "10.78.62.1", "10.78.62.2"
CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
PR_SET_PDEATHSIG, PR_SET_TIMERSLACK = 1, 29
SPIN_S = 0.0003
PACKET = 65536

libc = ctypes.CDLL(None, use_errno=True)


def new_end(address, peer):
    """This process moves to a namespace of its own. Gives its end of the wire, and a process that stays there."""
    if libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH", b"wire", IFF_TUN | IFF_NO_PI))
    for words in (f"addr add {address} peer {peer} dev wire", "link set wire up", "link set lo up"):
        subprocess.run(["ip", *words.split()], check=True)
    stays = subprocess.Popen(["sleep", "infinity"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
    return end, stays


def shuttle(ends, delay_s):
    other, on_the_way = {ends[0]: ends[1], ends[1]: ends[0]}, collections.deque()  # the delay is one: so in order
    while True:
        patience = max(0.0, on_the_way[0][0] - time.monotonic() - SPIN_S) if on_the_way else None
        ready, _, _ = select.select([0, *ends], [], [], patience)
        while on_the_way and on_the_way[0][0] <= time.monotonic():
            _, end, packet = on_the_way.popleft()
            os.write(end, packet)
        for end in ready:
            if end == 0:
                return
            on_the_way.append((time.monotonic() + delay_s, other[end], os.read(end, PACKET)))


def main():
    libc.prctl(PR_SET_TIMERSLACK, 1)
    server, near = new_end(SERVER, CLIENT)
    client, far = new_end(CLIENT, SERVER)
    print(f"ready {near.pid} {far.pid}", flush=True)
    try:
        shuttle([server, client], float(sys.argv[1]) / 2000)
    finally:
        for one in (near, far):
            one.kill()
            one.wait()


if __name__ == "__main__":
    main()
