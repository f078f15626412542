"""Which modules are mutated, and which tests check them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """Modules that the same tests check.

    Attributes:
        modules: Their names.
        tests: What pytest is given.
        but: Those of them that take too long.
        any_of: A name of a function of theirs that has few mutants and few tests: it is tried first.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    any_of: str
    but: tuple[str, ...] = ()


GROUPS = {
    "engine": Group(
        (
            "runwright.state",
            "runwright.loop.decide",
            "runwright.loop.engine",
            "runwright.loop.consulting",
            "runwright.loop.effects",
            "runwright.loop.observer",
            "runwright.loop.recorder",
        ),
        (
            "tests/unit/test_state.py",
            "tests/unit/test_decide.py",
            "tests/unit/test_engine.py",
            "tests/unit/test_recorder.py",
            "tests/unit/test_constraints.py",
            "tests/unit/test_on_failure.py",
            "tests/unit/test_failure_policies.py",
            "tests/unit/test_limits.py",
            "tests/unit/test_patience.py",
            "tests/unit/test_single_running.py",
            "tests/unit/test_scheduler.py",
            "tests/torture/mutants_few.py",
        ),
        "runwright.loop.engine.x__earlier",
        ("tests/unit/test_state.py::TestStory",),  # a few of them are in mutants_few
    ),
    "journal": Group(
        (
            "runwright.journal.files",
            "runwright.journal.memory",
            "runwright.journal.reading",
            "runwright.journal.rows",
            "runwright.journal.sqlite",
            "runwright.journal.wal",
        ),
        (
            "tests/conformance/test_journals.py",
            "tests/unit/test_journal_sqlite.py",
            "tests/unit/test_journal_damage.py",
            "tests/unit/test_lost_journal.py",
        ),
        "runwright.journal.rows.x_row_of",
        ("tests/unit/test_journal_damage.py::test_a_flipped_bit_is_refused_or_harmless",),
    ),
    "process": Group(
        (
            "runwright.process.launcher",
            "runwright.process.supervisor",
            "runwright.process.record",
            "runwright.process.adoption",
            "runwright.process.work",
        ),
        (
            "tests/process/test_supervisor.py",
            "tests/process/test_write_order.py",
            "tests/process/test_adoption.py",
            "tests/process/test_record.py",
            "tests/process/test_work.py",
            "tests/process/test_felling.py",
            "tests/process/test_one_evaluation.py",
            "tests/process/test_function_trials.py",
        ),
        "runwright.process.record.x_write_all",
    ),
}
