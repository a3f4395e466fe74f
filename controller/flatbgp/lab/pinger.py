"""A program: ping one address from another at a steady pace until SIGTERM, and say what came of it.

The system's ping sends more slowly while nothing answers (measured: 60 a second where 100 were asked for), so that what
it counts as lost is no measure of time. This one keeps to the clock. Usage: python -m flatbgp.lab.pinger SOURCE TARGET
INTERVAL. It prints "ready", then a line of JSON every quarter of a second (``sent``, and ``lost``: the sequence numbers
of pings that have gone unanswered for half a second), and at its end one that also has ``longest_gap``, the seconds
between two answers that followed each other.
"""

import json
import os
import select
import signal
import socket
import struct
import sys
import time
from typing import Final

GRACE: Final = 0.5
"""Seconds after which a ping that was not answered counts as lost."""

TELL: Final = 0.25


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


class Pinger:
    """One stream of pings. Sequence numbers begin at 1; what is on the wire is their low 16 bits."""

    def __init__(self, source: str, target: str, interval: float) -> None:
        """Open the socket (root only)."""
        self.six = ":" in target
        family, protocol = (socket.AF_INET6, 58) if self.six else (socket.AF_INET, 1)
        self.socket = socket.socket(family, socket.SOCK_RAW, protocol)
        self.socket.bind((source, 0))
        self.target = (target, 0)
        self.interval = interval
        self.identifier = os.getpid() & 0xFFFF
        self.sent = 0
        self.waiting: dict[int, float] = {}
        """Pings without an answer, and when they were sent."""
        self.answered_at: float | None = None
        self.longest_gap = 0.0
        self.stopped = False

    def run(self) -> None:
        """Ping until stopped, then wait for the last answers."""
        start = tell = time.monotonic()
        while not self.stopped:
            due = start + self.sent * self.interval
            self.receive(max(0.0, due - time.monotonic()))
            now = time.monotonic()
            if now >= due:
                self.send(now)
            if now >= tell:
                tell = now + TELL
                self.say({"sent": self.sent, "lost": self.lost(now)})
        end = time.monotonic() + GRACE
        while (left := end - time.monotonic()) > 0 and self.waiting:
            self.receive(left)
        self.say({"sent": self.sent, "lost": sorted(self.waiting), "longest_gap": self.longest_gap})

    def lost(self, now: float) -> list[int]:
        """Return the pings that have gone unanswered for too long by now."""
        return sorted(number for number, sent in self.waiting.items() if now - sent >= GRACE)

    def say(self, document: dict[str, object]) -> None:
        """Print a line."""
        sys.stdout.write(json.dumps(document) + "\n")
        sys.stdout.flush()

    def send(self, now: float) -> None:
        """Send the next ping."""
        self.sent += 1
        self.waiting[self.sent] = now
        kind = 128 if self.six else 8  # the kernel fills in the checksum of ICMPv6 (RFC 3542 section 3.1)
        head = struct.pack("!BBHHH", kind, 0, 0, self.identifier, self.sent & 0xFFFF)
        if not self.six:
            head = struct.pack("!BBHHH", kind, 0, checksum(head), self.identifier, self.sent & 0xFFFF)
        try:
            self.socket.sendto(head, self.target)
        except OSError:
            return  # no route or no carrier: a ping that was lost

    def receive(self, patience: float) -> None:
        """Take an answer, if one comes within ``patience`` seconds."""
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
            self.answered(self.sent - ((self.sent - low) & 0xFFFF), time.monotonic())

    def answered(self, number: int, now: float) -> None:
        """Count an answer; a second one to the same ping does not count."""
        if self.waiting.pop(number, None) is None:
            return
        if self.answered_at is not None:
            self.longest_gap = max(self.longest_gap, now - self.answered_at)
        self.answered_at = now

    def stop(self, *_: object) -> None:
        """End :meth:`run` (a signal handler)."""
        self.stopped = True


def main() -> None:
    """Do what the command line says."""
    source, target, interval = sys.argv[1:]
    pinger = Pinger(source, target, float(interval))
    signal.signal(signal.SIGTERM, pinger.stop)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    pinger.run()


if __name__ == "__main__":
    main()
