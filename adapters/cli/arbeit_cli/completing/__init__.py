"""Scripts that complete command lines in shells, made from the parsers."""
