"""Where resources live: one boundary, and the stores behind it."""
