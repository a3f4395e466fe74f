"""The BGP engine: what it should have, what it has, and the daemon that does it."""
