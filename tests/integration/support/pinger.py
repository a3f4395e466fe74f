"""A program: ping one address from another at a steady pace until SIGTERM, then print what came of it as JSON.

The system's ping sends more slowly while nothing answers (measured: 60 a second where 100 were asked for), so that what
it counts as lost is no measure of time. This one keeps to the clock. Usage: pinger.py SOURCE TARGET INTERVAL
"""

import json
import os
import select
import signal
import socket
import struct
import sys
import time
from itertools import pairwise

_GRACE = 0.5
"""Seconds that the last answers may take once no more pings are sent."""


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


class Pinger:
    """One stream of pings. Sequence numbers begin at 1; what is on the wire is their low 16 bits."""

    def __init__(self, source: str, target: str, interval: float) -> None:
        self.six = ":" in target
        family, protocol = (socket.AF_INET6, 58) if self.six else (socket.AF_INET, 1)
        self.socket = socket.socket(family, socket.SOCK_RAW, protocol)
        self.socket.bind((source, 0))
        self.target = (target, 0)
        self.interval = interval
        self.identifier = os.getpid() & 0xFFFF
        self.sent = 0
        self.answers: dict[int, float] = {}
        self.stopped = False

    def run(self) -> None:
        start = time.monotonic()
        while not self.stopped:
            due = start + self.sent * self.interval
            self.receive(max(0.0, due - time.monotonic()))
            if time.monotonic() >= due:
                self.send()
        end = time.monotonic() + _GRACE
        while (left := end - time.monotonic()) > 0 and len(self.answers) < self.sent:
            self.receive(left)

    def send(self) -> None:
        self.sent += 1
        kind = 128 if self.six else 8  # the kernel fills in the checksum of ICMPv6 (RFC 3542 section 3.1)
        head = struct.pack("!BBHHH", kind, 0, 0, self.identifier, self.sent & 0xFFFF)
        if not self.six:
            head = struct.pack("!BBHHH", kind, 0, checksum(head), self.identifier, self.sent & 0xFFFF)
        try:
            self.socket.sendto(head, self.target)
        except OSError:
            return  # no route or no carrier: a ping that was lost

    def receive(self, patience: float) -> None:
        if not select.select([self.socket], [], [], patience)[0]:
            return
        try:
            packet = self.socket.recv(2048)
        except OSError:
            return  # an ICMP error that concerns this socket
        message = packet if self.six else packet[(packet[0] & 15) * 4 :]
        if len(message) < 8:
            return
        kind, _, _, identifier, low = struct.unpack_from("!BBHHH", message)
        if kind == (129 if self.six else 0) and identifier == self.identifier:
            number = self.sent - ((self.sent - low) & 0xFFFF)
            self.answers.setdefault(number, time.monotonic())

    def stop(self, *_: object) -> None:
        self.stopped = True


def main() -> None:
    source, target, interval = sys.argv[1:]
    pinger = Pinger(source, target, float(interval))
    signal.signal(signal.SIGTERM, pinger.stop)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    pinger.run()
    moments = sorted(pinger.answers.values())
    gaps = (later - earlier for earlier, later in pairwise(moments))
    lost = [number for number in range(1, pinger.sent + 1) if number not in pinger.answers]
    json.dump({"sent": pinger.sent, "lost": lost, "longest_gap": max(gaps, default=0.0)}, sys.stdout)


if __name__ == "__main__":
    main()
