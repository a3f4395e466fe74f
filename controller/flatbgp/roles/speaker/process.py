"""The speaker as a process: one for a node and store, from its lock to its orderly end."""

import asyncio
from collections.abc import Callable

from flatbgp.engine.late import LateEngine
from flatbgp.engine.protocol import Engine
from flatbgp.host.linux import LinuxHost
from flatbgp.host.lock import SpeakerLock
from flatbgp.host.model import HostError
from flatbgp.roles.options import SpeakerOptions
from flatbgp.roles.runtime import RoleFailed, Runtime, run_role
from flatbgp.roles.speaker.identity import learn_identity
from flatbgp.roles.speaker.memory import Memory
from flatbgp.roles.speaker.sessions import marker_of
from flatbgp.roles.speaker.speaker import Speaker
from flatbgp.roles.speaker.tracing import CallTracing
from flatbgp.store.url import open_store


async def speak(runtime: Runtime, options: SpeakerOptions) -> None:
    """Run the role until cancelled, then hand over."""
    tracing = CallTracing(options, runtime.log)

    def load() -> Callable[[], Engine]:
        from flatbgp.engine.gobgp.adapter import GobgpEngine  # noqa: PLC0415 - see LateEngine

        return lambda: tracing.attach(GobgpEngine(options.gobgp))

    store, engine, host = open_store(options.store), LateEngine(load), LinuxHost()
    try:
        with tracing.running():
            memory = Memory.of(options.state_dir, options.store, options.node)
            identity = await learn_identity(store, memory, host, runtime)
            with SpeakerLock(identity, options.node):
                marker = marker_of(identity, options.node)
                speaker = Speaker(options, runtime, store, host, engine, memory, marker)
                work = asyncio.create_task(speaker.run(), name="speaker")
                try:
                    await asyncio.shield(work)
                except asyncio.CancelledError:
                    await speaker.stop()
                    raise
                finally:
                    work.cancel()
                    await asyncio.gather(work, return_exceptions=True)
    except HostError as error:
        raise RoleFailed(str(error)) from error
    finally:
        await host.close()
        await engine.close()
        await store.close()


def run(options: SpeakerOptions) -> int:
    """Run the speaker in the foreground; return the exit status."""
    return run_role("speaker", lambda runtime: speak(runtime, options), options)
