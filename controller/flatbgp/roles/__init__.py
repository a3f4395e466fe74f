"""The roles: loops that take a snapshot, plan, and apply the difference."""
