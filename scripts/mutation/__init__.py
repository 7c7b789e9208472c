"""Mutation testing of the protection kernel and the guard: small faults set into the code, one at a time."""
