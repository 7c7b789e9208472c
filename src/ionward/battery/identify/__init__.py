"""Identification of a cell model from measured logs."""
