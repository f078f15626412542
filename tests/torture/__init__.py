"""The promises under torture: kills, limits, dead trees, faults of disk and data, simulated campaigns.

``python -m tests.torture`` runs every section at full length and prints one table of figures; ``make test`` runs each
section's short form, with the same code. A section is a module with a function ``run(scale) -> list[Figure]``.
"""
