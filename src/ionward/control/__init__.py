"""The tick: validate, safety, estimate, limit, sequence, balance, cool. Pure and compiled."""
