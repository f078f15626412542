"""The conformance suite of runners: the executable copy of the sentences in `runwright.runner`.

Inherit `RunnerSuite` in a test module, and give it a fixture ``make_runner``:

```python
from runwright.testing import RunnerSuite
from runwright.testing.runners import task


class TestMyRunner(RunnerSuite):
    @pytest.fixture
    def make_runner(self):
        return lambda: MyRunner(task.evaluate, slots=2)
```

What is evaluated is `runwright.testing.task`: a function and a program that succeed, fail, run long, ignore signals, or
take too much, as their parameter says. A runner that evaluates something else overrides the fixtures ``work`` and
``experiment``. Which tests apply follows from the runner's `Traits`, and from the settings in `RunnerFixtures`.

See ``docs/add-a-runner.md``.
"""

from __future__ import annotations

from runwright.testing.runners.deploying import RunnerDeploys
from runwright.testing.runners.following import RunnerFollows
from runwright.testing.runners.identity import RunnerIdentity
from runwright.testing.runners.scheduling import RunnerServes
from runwright.testing.runners.stopping import RunnerStops
from runwright.testing.runners.waiting import RunnerWaits
from runwright.testing.runners.witness import Witness
from runwright.testing.runners.work import Work

__all__ = ["RunnerSuite", "Witness", "Work"]


class RunnerSuite(RunnerIdentity, RunnerDeploys, RunnerWaits, RunnerStops, RunnerFollows, RunnerServes):
    """What every runner must do."""
