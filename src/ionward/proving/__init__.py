"""Scenarios, fault injection and the closed loop in simulated time."""
