"""What a person types: one file a command, thin, and quick to load."""
