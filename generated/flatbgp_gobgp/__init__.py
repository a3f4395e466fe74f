"""Generated code: the GoBGP API of two generations. See protos/README.md."""
