"""Who has an address and since when, as the kernels say it: ``ip monitor`` in each node's namespace."""

import subprocess
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from flatbgp.lab.namespaces import Namespace
from flatbgp.resources.ip import IPAddress


@dataclass(slots=True)
class Kernel:
    """One node: when the address came, and when it went (:func:`time.monotonic`; renewed lifetimes are no news)."""

    came: list[float] = field(default_factory=list)
    went: list[float] = field(default_factory=list)

    @property
    def has(self) -> bool:
        """Whether it is there."""
        return len(self.came) > len(self.went)

    def take(self, at: float, *, present: bool) -> None:
        """Take what the kernel said."""
        if present != self.has:
            (self.came if present else self.went).append(at)


class Kernels:
    """Follows one address on several nodes until closed."""

    def __init__(self, address: IPAddress, nodes: dict[str, Namespace]) -> None:
        self._words = f" {address}/"
        self.nodes = {name: Kernel() for name in nodes}
        self._children = [
            subprocess.Popen(
                namespace.command("ip", "-o", "monitor", "address"), stdout=subprocess.PIPE, text=True, bufsize=1
            )
            for namespace in nodes.values()
        ]
        for (name, namespace), child in zip(nodes.items(), self._children, strict=True):
            threading.Thread(target=self._follow, args=(self.nodes[name], child.stdout), daemon=True).start()
            there = self._words in namespace.run("ip", "-o", "address", "show")
            self.nodes[name].take(time.monotonic(), present=there)

    def _follow(self, kernel: Kernel, lines: Iterable[str]) -> None:
        for line in lines:
            if self._words in line:
                kernel.take(time.monotonic(), present=not line.startswith("Deleted"))

    def holders(self) -> tuple[str, ...]:
        """Return who has the address now."""
        return tuple(name for name, kernel in self.nodes.items() if kernel.has)

    def doubles(self, since: float) -> float:
        """Return for how many seconds two nodes have had the address since a moment."""
        now = time.monotonic()
        spans = [
            sorted(
                (max(since, came), went)
                for came, went in zip(each.came, [*each.went, now], strict=False)
                if went > since
            )
            for each in self.nodes.values()
        ]
        first, second = spans
        return sum(max(0.0, min(a[1], b[1]) - max(a[0], b[0])) for a in first for b in second)

    def close(self) -> None:
        """End the watching."""
        for child in self._children:
            child.kill()
            child.wait()
