"""The catalogue of signals and faults, and the layouts made from it."""
