"""The simulated battery behind the same ports."""
