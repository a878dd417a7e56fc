"""Looks whether everything is in order, and changes nothing."""
