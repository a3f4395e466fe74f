"""Blocks of addresses as integers, and which blocks of one range are free.

Two CIDR blocks are nested or disjoint, never half over one another; that is what makes the index below exact and small.
Integers, because five thousand nodes are placed in one go and :mod:`ipaddress` costs microseconds an operation.
"""

from bisect import bisect_right
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from flatbgp.resources.ip import IPAddress, IPNetwork


class Block(NamedTuple):
    """A CIDR block: IP version (4 or 6), network address, prefix length."""

    version: int
    base: int
    length: int

    @property
    def bits(self) -> int:
        """Width of an address of its family."""
        return 32 if self.version == 4 else 128

    def network(self) -> IPNetwork:
        """Return it as a network."""
        kind = IPv4Network if self.version == 4 else IPv6Network
        return kind((self.base, self.length))

    def overlaps(self, other: "Block") -> bool:
        """Return whether the two share an address."""
        shift = self.bits - min(self.length, other.length)
        return self.version == other.version and self.base >> shift == other.base >> shift

    def within(self, other: "Block") -> bool:
        """Return whether every address of this one is in ``other``."""
        return other.length <= self.length and self.overlaps(other)


def block_of(value: IPNetwork | IPAddress) -> Block:
    """Return a network, or a single address, as a block."""
    if isinstance(value, IPv4Network | IPv6Network):
        return Block(value.version, int(value.network_address), value.prefixlen)
    return Block(value.version, int(value), value.max_prefixlen)


class RangeIndex:
    """One range, cut into blocks of equal size, of which those count as taken that overlap anything added.

    ``cidr`` is the range, ``mask`` the prefix length of a block. Adding and removing one block that is no larger than
    ours, asking how many are free, and finding the lowest free one cost (amortised) constant time, so that a node that
    joins thousands costs as little as the first.
    """

    __slots__ = ("_covered", "_covering", "_hint", "_loose", "_shift", "_spans", "_touched", "cidr", "count", "mask")

    def __init__(self, cidr: Block, mask: int) -> None:
        self.cidr = cidr
        self.mask = mask
        self.count = 1 << (mask - cidr.length)
        self._shift = cidr.bits - mask
        self._touched: dict[int, int] = {}  # index of a block -> how many added blocks lie in it
        self._covering: dict[tuple[int, int], int] = {}  # first and last index under an added block larger than ours
        self._spans: list[tuple[int, int]] = []  # the same, outermost only, sorted
        self._covered = 0  # indexes under spans
        self._loose = 0  # touched indexes under no span
        self._hint = 0  # no index below it is free

    @property
    def free(self) -> int:
        """How many blocks are free."""
        return self.count - self._covered - self._loose

    def block(self, index: int) -> Block:
        """Return the block with an index."""
        return Block(self.cidr.version, self.cidr.base + (index << self._shift), self.mask)

    def add(self, block: Block) -> None:
        """Count a block that overlaps the range as taken, once more."""
        if block.length >= self.mask:
            index = (block.base - self.cidr.base) >> self._shift
            known = self._touched.get(index, 0)
            self._touched[index] = known + 1
            if not known and self._end_of_span(index) is None:
                self._loose += 1
        else:
            span = self._span(block)
            self._covering[span] = self._covering.get(span, 0) + 1
            self._recount()

    def remove(self, block: Block) -> None:
        """Take back one :meth:`add` of the same block."""
        if block.length >= self.mask:
            index = (block.base - self.cidr.base) >> self._shift
            left = self._touched[index] - 1
            if left:
                self._touched[index] = left
                return
            del self._touched[index]
            if self._end_of_span(index) is None:
                self._loose -= 1
            self._hint = min(self._hint, index)
        else:
            span = self._span(block)
            self._covering[span] -= 1
            if not self._covering[span]:
                del self._covering[span]
                self._hint = min(self._hint, span[0])
                self._recount()

    def lowest_free(self) -> int | None:
        """Return the index of the lowest free block, or ``None``."""
        index = self._hint
        while index < self.count:
            end = self._end_of_span(index)
            if end is not None:
                index = end
            elif index in self._touched:
                index += 1
            else:
                break
        self._hint = index
        return index if index < self.count else None

    def _span(self, block: Block) -> tuple[int, int]:
        if block.length <= self.cidr.length:
            return 0, self.count - 1
        first = (block.base - self.cidr.base) >> self._shift
        return first, first + (1 << (self.mask - block.length)) - 1

    def _end_of_span(self, index: int) -> int | None:
        """Return the first index after the span over ``index``, or ``None`` if there is no span over it."""
        if not self._spans:
            return None
        place = bisect_right(self._spans, (index, self.count)) - 1
        return self._spans[place][1] + 1 if place >= 0 and index <= self._spans[place][1] else None

    def _recount(self) -> None:
        self._spans = list(_outermost(sorted(self._covering, key=lambda span: (span[0], -span[1]))))
        self._covered = sum(last - first + 1 for first, last in self._spans)
        self._loose = sum(1 for index in self._touched if self._end_of_span(index) is None)


def _outermost(spans: Iterable[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    """Yield the spans that lie in no other; the input is sorted by start, wider first, and nested or disjoint."""
    end = -1
    for first, last in spans:
        if first > end:
            end = last
            yield first, last
