"""BIRD 2 as a router: the second implementation that routes and graceful restart are tried against."""

import pytest

from flatbgp.lab import bird
from flatbgp.lab.bird import BirdProcess as Bird
from flatbgp.lab.commands import LabError
from flatbgp.lab.namespaces import Namespace
from flatbgp.lab.topology import Router
from support.sandbox import Sandbox

__all__ = ["Bird", "start_bird"]


def start_bird(sandbox: Sandbox, router: Router, namespace: Namespace, config: str | None = None) -> Bird:
    """Start BIRD in a namespace; it answers when this returns, and the sandbox ends it."""
    try:
        bird.find_bird()
    except LabError as error:
        pytest.skip(str(error))
    running = bird.start_router(router.name, config or bird.render(router), namespace, sandbox.directory / router.name)
    sandbox.owns(running.process)
    return running
