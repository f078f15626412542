"""What a fault planted in the sources is, and names of the files in which faults stand."""

from __future__ import annotations

from dataclasses import dataclass, field

RECORD, SUPERVISOR, LAUNCHER = "process/record.py", "process/supervisor.py", "process/launcher.py"
ADOPTION, DEPLOYMENT, ATTEMPTS = "process/adoption.py", "process/deployment.py", "process/attempts.py"
FOLDER, SQLITE, MAILBOX, REQUESTS = "folder.py", "journal/sqlite.py", "mailbox.py", "loop/requests.py"
ENGINE, EFFECTS, DECIDE, STATE = "loop/engine.py", "loop/effects.py", "loop/decide.py", "state.py"
CONSULTING = "loop/consulting.py"
POOL, POOL_WORKER = "process/pool.py", "process/pool_worker.py"
CLIENT, WAL, LIVE, RECORDER = "process/client.py", "journal/wal.py", "process/live.py", "loop/recorder.py"

ORDER = "tests/process/test_write_order.py"
SUPERVISORS = "tests/process/test_supervisor.py"
ADOPTIONS = "tests/process/test_adoption.py"
RUNNERS = "tests/process/test_process_runner.py"
FUNCTIONS = "tests/process/test_function_trials.py"
ENGINES = "tests/unit/test_engine.py"
CRASHES = "tests/crash/test_engine_crashes.py"


@dataclass(frozen=True)
class Fault:
    """A fault in the sources.

    Attributes:
        says: What is wrong with it, in words.
        file: Where, below the package.
        edits: Texts, each with what stands in its place.
        seen_by: The test that must fail.
        slow: Whether that takes long.
    """

    says: str
    file: str
    edits: dict[str, str] = field(repr=False)
    seen_by: str
    slow: bool = False
