"""Consumers of a relay's events: each takes every event once into effect, though some arrive twice."""
