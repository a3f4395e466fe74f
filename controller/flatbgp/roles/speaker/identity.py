"""Which store this node serves: learned once, and never exchanged for another while its addresses are here."""

from flatbgp.host.interface import Host
from flatbgp.roles.runtime import RoleFailed, Runtime, Trouble, patiently
from flatbgp.roles.speaker.memory import Memory
from flatbgp.store.protocol import Store


async def learn_identity(store: Store, memory: Memory, host: Host, runtime: Runtime) -> str:
    """Return the identity of the store, waiting for a store that does not answer yet.

    A store that is not the one this node served last is refused while an address of the old one is still on the host.
    """
    identity = await patiently(store.identity, Trouble(runtime.log))
    known = memory.identity()
    if known not in (None, identity):
        ours = [str(a.ip) for interface in await host.interfaces() for a in interface.addresses if a.ours]
        if ours:
            raise RoleFailed(
                f"the store is not the one that this node served ({known}), but {identity}, and {', '.join(ours)} is "
                f"still held from it: look whether the store was replaced; remove {memory.identity_file} to accept it"
            )
    if known != identity:
        try:
            memory.learn(identity)
        except OSError as error:
            runtime.log.warning(f"cannot remember the store in {memory.folder}: {error}; set --state-dir")
    return identity
