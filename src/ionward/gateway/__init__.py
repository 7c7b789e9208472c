"""The world outside: what other programs read and command over a network."""
