"""Runwright's runners inside the loops of other libraries: a module a library, imported by its name alone.

`runwright.bridges.ax` is for Ax, `runwright.bridges.smac` for SMAC. Each stands on `runwright.loop.submissions`, so
that journal, limits, retries and logs are those of `runwright.TrialQueue`.
"""
