"""What is used of the Kubernetes client library: configuration, authentication and transport, of its asyncio half.

The library's packages import its whole generated API by themselves, with the libraries under it: 25 MB and a second of
a process that needs four of the modules (measured with 37.0.2; of those a speaker runs on every node). So empty
packages stand in for them while the four are imported, and go away again: whoever else imports the library gets all of
it. Nothing outside this module may import it.
"""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Final

_PACKAGES: Final = (
    "kubernetes",
    "kubernetes.aio",
    "kubernetes.aio.client",
    "kubernetes.aio.config",
    "kubernetes.aio.utils",
)


@contextmanager
def _bare_packages() -> Iterator[None]:
    """Let submodules of the library be imported without their packages; do nothing when it was imported whole."""
    if _PACKAGES[0] in sys.modules:
        yield
        return
    packages: dict[str, ModuleType] = {}
    for name in _PACKAGES:
        parent = packages.get(name.rpartition(".")[0])
        spec = PathFinder.find_spec(name, parent.__path__ if parent else None)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        packages[name] = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        from kubernetes.aio.client import configuration  # noqa: PLC0415 - only possible inside of this block

        # The modules of ``config`` ask their sister package for these two. The second is for functions not used here.
        vars(packages["kubernetes.aio.client"]).update(Configuration=configuration.Configuration, ApiClient=None)
        yield
    finally:
        for name in packages:
            del sys.modules[name]


with _bare_packages():
    from kubernetes.aio.client.configuration import Configuration
    from kubernetes.aio.client.rest import RESTClientObject
    from kubernetes.aio.config.config_exception import ConfigException
    from kubernetes.aio.config.incluster_config import load_incluster_config
    from kubernetes.aio.config.kube_config import load_kube_config

__all__ = ["ConfigException", "Configuration", "RESTClientObject", "load_incluster_config", "load_kube_config"]
