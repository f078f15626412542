"""The loop: `policy` says what the user decided, `decide` what follows from it, `engine` does it, turn by turn.

A trial's journey through these files is told in ``docs/journey.md``.
"""
