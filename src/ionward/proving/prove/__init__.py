"""`ionward prove`: every fault of the catalogue injected into the simulated battery, and what the BMS makes of it."""
