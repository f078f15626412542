"""Any `concurrent.futures.Executor` as a pool: a weaker tier. It cannot end a trial, and enforces no limit."""

from __future__ import annotations

import json
import os
import select
import threading
from collections import deque
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from typing import TYPE_CHECKING, Any

from runwright.clock import Waker
from runwright.errors import SubmitError
from runwright.evaluation import FunctionReference, evaluate
from runwright.experiment import Experiment
from runwright.process.pool_end import Outcome
from runwright.result import Result
from runwright.status import FailureKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from runwright.result import Json
    from runwright.runner import RunContext
    from runwright.trial import BaseTrial

_LONGEST_MESSAGE = 500
_known: tuple[str, Experiment] | None = None  # of the worker process: one experiment is remembered


class ExecutorPool:
    """Evaluates in somebody else's executor, which stays theirs: it is never shut down here.

    Args:
        function: The function, or the text of its reference.
        size: How many trials it takes at once.
        context: The experiment.
        executor: Where trials are evaluated.
    """

    def __init__(self, function: Callable[..., Any] | str, size: int, context: RunContext, executor: Executor) -> None:
        self._function = function
        self._size = size
        self._definition = json.dumps(context.experiment.to_dict())
        self._executor = executor
        self._futures: dict[int, Future[Json]] = {}
        self._stopped: set[int] = set()
        self._done: deque[tuple[int, Future[Json]]] = deque()
        self._waker = Waker()
        self._closed = False
        self._closing = threading.Lock()  # nobody wakes what is being closed: the descriptor may be another file's then

    def start(self) -> None:
        """Do nothing: the executor starts its workers itself."""

    @property
    def free(self) -> int:
        """How many more trials it takes now."""
        return self._size - len(self._futures)

    def wait(self, seconds: float | None, waker: Waker) -> None:
        """Wait until `collect` has something to do, for so many seconds (None: for ever), or until woken."""
        poll = select.poll()
        for fd in (self._waker.fileno(), waker.fileno()):
            poll.register(fd, select.POLLIN)
        poll.poll(None if seconds is None else seconds * 1000)

    def earlier_still_ending(self) -> bool:
        """Say no: nobody knows where an executor's workers live; they are taken to have ended with their driver."""
        return False

    def submit(self, trial: BaseTrial) -> int:
        """Hand a trial to the executor; return how many it had before.

        Raises:
            SubmitError: The executor is broken or shut down, or as many trials as it takes are under way.
        """
        if self.free <= 0:
            raise SubmitError(f"all {self._size} places are taken; ask poll_available_capacity first")
        body = {
            "index": trial.index,
            "points": [arm.parameters for arm in trial.arms],
            "names": [arm.name for arm in trial.arms],
            "instance": trial.instance,
            "budget": trial.budget,
            "seed": trial.seed,
        }
        try:
            future = self._executor.submit(evaluate_there, self._function, self._definition, body)
        except RuntimeError as error:  # broken executors are RuntimeErrors too
            raise SubmitError(f"the executor takes no more trials: {_sentence(error)}") from error
        before = len(self._futures)
        self._futures[trial.index] = future
        self._stopped.discard(trial.index)
        index = trial.index
        future.add_done_callback(lambda ended: self._on_done(index, ended))
        return before

    def collect(self) -> list[Outcome]:
        """Take in what has ended, without waiting."""
        self._waker.drain()
        outcomes = []
        while self._done:
            index, future = self._done.popleft()
            if self._futures.get(index) is future:
                del self._futures[index]
                outcomes.append(Outcome(index, _result(future), future.cancelled() and index in self._stopped))
        return outcomes

    def stop(self, index: int) -> None:
        """Cancel a trial that has not begun; one that has begun goes on."""
        future = self._futures.get(index)
        if future is not None:
            self._stopped.add(index)
            future.cancel()

    def close(self) -> None:
        """Cancel what has not begun. Idempotent."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._waker.close()
        for future in list(self._futures.values()):
            future.cancel()

    def _on_done(self, index: int, future: Future[Json]) -> None:
        """Runs in a thread of the executor."""
        self._done.append((index, future))
        with self._closing:
            if not self._closed:
                self._waker.wake()


def evaluate_there(function: Callable[..., Any] | str, definition: str, body: Json) -> Json:
    """Evaluate a trial in a worker of the executor; return the result as JSON.

    Args:
        function: The function, or the text of its reference.
        definition: The experiment, as JSON.
        body: What to evaluate.
    """
    global _known  # noqa: PLW0603
    known = _known
    if known is None or known[0] != definition:
        known = _known = (definition, Experiment.from_dict(json.loads(definition)))
    trial = known[1].new_trial(
        body["index"],
        body["points"],
        instance=body["instance"],
        budget=body["budget"],
        seed=body["seed"],
        names=body["names"],
    )
    call = FunctionReference.of(function).load() if isinstance(function, str) else function
    result = evaluate(call, trial)
    if threading.current_thread() is not threading.main_thread():
        result.cpu_seconds = None  # of a process that evaluates several at once nobody knows whose it is
    return result.to_json()


def _result(future: Future[Json]) -> Result:
    try:
        return Result.from_json(future.result(timeout=0))
    except CancelledError:
        return Result.failed(FailureKind.LOST, "it was cancelled before it began")
    except BrokenExecutor as error:
        return Result.failed(FailureKind.LOST, f"the executor broke while the trial was under way: {_sentence(error)}")
    except BaseException as error:  # noqa: BLE001  (an executor hands on whatever went wrong there, even SystemExit)
        return Result.failed(FailureKind.CRASHED, _sentence(error))


def _sentence(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:_LONGEST_MESSAGE]


def places(executor: Executor) -> int:
    """Return how many trials an executor evaluates at once, where it says so; else the number of processors."""
    most = getattr(executor, "_max_workers", None)
    return most if isinstance(most, int) and most > 0 else processors()


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
