"""Generated from protos/v4/gobgp.proto."""
