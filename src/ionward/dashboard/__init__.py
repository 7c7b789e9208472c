"""The web screens."""
