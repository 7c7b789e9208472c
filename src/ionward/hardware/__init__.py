"""Driver ports and drivers."""
