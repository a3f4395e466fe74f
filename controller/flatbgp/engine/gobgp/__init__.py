"""GoBGP behind the engine protocol: the only place that knows protobuf and gRPC."""

from flatbgp.engine.gobgp.adapter import GobgpEngine

__all__ = ["GobgpEngine"]
