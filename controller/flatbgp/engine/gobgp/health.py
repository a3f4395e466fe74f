"""Whether a gobgpd works: one call to its API, as the speaker's own heartbeat makes it."""

from flatbgp.engine.gobgp.connection import Connection


async def ask(target: str) -> str:
    """Return in a sentence who answers on ``target``; raise :class:`~flatbgp.engine.errors.EngineError` if nobody."""
    connection = Connection(target)
    try:
        codec, response = await connection.identity()
        info = codec.info(response)
    finally:
        await connection.close()
    state = f"AS {info.asn}, router ID {info.router_id}" if info.started else "not started yet: the speaker does that"
    return f"gobgpd on {target} answers (API {info.api}; {state})"
