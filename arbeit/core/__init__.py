"""The rules: pure, synchronous, and the same on every backend. Standard library and attrs alone."""
