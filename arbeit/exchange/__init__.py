"""Formats in which plans and projects come in and go out."""
