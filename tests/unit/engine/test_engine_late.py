"""An engine that is loaded late: in a thread, so that nothing waits; made in the event loop, where it belongs."""

import asyncio
import threading
from collections.abc import Callable

from flatbgp.engine.fake import FakeEngine
from flatbgp.engine.late import LateEngine
from flatbgp.engine.protocol import Engine


async def test_the_first_calls_load_it_once_in_a_thread_and_make_it_in_the_event_loop() -> None:
    loaded_in, made_in = [], []

    def make() -> Engine:
        made_in.append(asyncio.get_running_loop())
        return FakeEngine()

    def load() -> Callable[[], Engine]:
        loaded_in.append(threading.current_thread())
        return make

    engine = LateEngine(load)
    assert loaded_in == []

    await asyncio.gather(engine.info(), engine.neighbors())

    assert loaded_in != [threading.main_thread()]
    assert len(loaded_in) == 1
    assert made_in == [asyncio.get_running_loop()]
