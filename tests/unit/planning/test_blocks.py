"""The index of one range against a plain count of every block."""

from hypothesis import given
from hypothesis import strategies as st

from flatbgp.planning.blocks import Block, RangeIndex

CIDR = Block(4, 10 << 24, 20)
MASK = 26


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    length = draw(st.integers(18, 30))
    offset = draw(st.integers(0, (1 << 12) - 1))
    return Block(4, (CIDR.base + offset) >> (32 - length) << (32 - length), length)


@given(st.lists(st.tuples(st.booleans(), blocks()), max_size=40))
def test_the_index_says_what_counting_every_block_says(changes: list[tuple[bool, Block]]) -> None:
    index = RangeIndex(CIDR, MASK)
    added: list[Block] = []
    for adding, block in changes:
        if adding or block not in added:
            index.add(block)
            added.append(block)
        else:
            index.remove(block)
            added.remove(block)
        free = [place for place in range(index.count) if not any(index.block(place).overlaps(b) for b in added)]
        assert index.free == len(free)
        assert index.lowest_free() == (free[0] if free else None)


def test_containment_and_overlap_are_those_of_the_families() -> None:
    assert Block(4, 10 << 24, 24).within(Block(4, 10 << 24, 8))
    assert not Block(4, 10 << 24, 8).within(Block(4, 10 << 24, 24))
    assert not Block(4, 10 << 24, 8).overlaps(Block(6, 10 << 24, 8))
    assert not Block(4, 10 << 24, 24).overlaps(Block(4, (10 << 24) + 256, 24))
