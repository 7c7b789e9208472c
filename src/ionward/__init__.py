"""Ionward: a battery management system, from a single cell to a pack."""

__version__ = "0.1.0"
