"""Events from callbacks to their one reader."""

import asyncio

from flatbgp.host.eventqueue import EventQueue
from flatbgp.host.model import InterfacesChanged


async def test_events_come_in_order_and_end_when_closed() -> None:
    queue = EventQueue()
    queue.put(InterfacesChanged(1.0, ()))
    asyncio.get_running_loop().call_soon(queue.put, InterfacesChanged(2.0, ()))
    asyncio.get_running_loop().call_soon(queue.put, InterfacesChanged(3.0, ()))
    asyncio.get_running_loop().call_soon(queue.close)
    assert [event.at async for event in queue.read()] == [1.0, 2.0, 3.0]


async def test_a_reader_that_never_comes_costs_a_bounded_memory_and_finds_the_newest() -> None:
    queue = EventQueue()
    for at in range(20_000):
        queue.put(InterfacesChanged(float(at), ()))
    queue.close()
    found = [event.at async for event in queue.read()]
    assert len(found) == 10_000
    assert found[-1] == 19_999.0
