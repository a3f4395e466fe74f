"""The nouns: every kind of object, typed, validated once; also what is said about them in tables and faults."""
