"""Generated from protos/v3/gobgp.proto."""
