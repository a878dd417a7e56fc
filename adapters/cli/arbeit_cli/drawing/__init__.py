"""Draws how tasks depend on each other: for terminals, Mermaid and Graphviz."""
