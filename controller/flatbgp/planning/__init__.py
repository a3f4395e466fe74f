"""Decisions: pure functions from what is to what should be, without I/O, clock or chance."""
