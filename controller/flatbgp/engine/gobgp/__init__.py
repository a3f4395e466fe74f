"""GoBGP behind the engine protocol: the only place that knows protobuf and gRPC."""
