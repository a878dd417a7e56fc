"""Whole fleets of agents on the real engine, in virtual time, from a seed: every run can be told again."""
