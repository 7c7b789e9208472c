"""The safety case: hazards, goals, requirements and failure analysis as data; the trace to code and tests."""
