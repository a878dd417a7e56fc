"""Writes hooks, server entries and instructions into the configuration of coding agents, and takes them out again."""
