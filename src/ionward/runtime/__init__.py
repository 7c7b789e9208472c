"""Recorder and replay."""
