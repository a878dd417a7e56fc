"""Stores: a lock, a loader and a writer each, and no rule of the domain."""
