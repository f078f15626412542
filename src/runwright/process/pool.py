"""A pool of worker processes: one worker a slot, one channel each, no threads.

```
driver ──channel──> worker            a fresh interpreter with the function loaded; one trial at a time
   │                   ^ starts, limits, ends the tree
   └──> launcher ──> supervisor       also when the driver is gone: it hangs on the same channel
```
Each worker has a supervisor of the launcher, so a trial that is stopped, exceeds a limit or dies takes its whole tree
of processes with it and no other trial.
"""

from __future__ import annotations

import select
import shutil
import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from runwright.clock import epoch, monotonic
from runwright.errors import SubmitError, UsageError
from runwright.folder import CONTROL
from runwright.process.client import Launcher, absolute_path
from runwright.process.pool_end import Ends, Job, Outcome, was_killed, words_of_end
from runwright.process.pool_worker import PoolWorker, clear_earlier, still_ending
from runwright.process.worker import pack
from runwright.result import Result
from runwright.status import FailureKind

if TYPE_CHECKING:
    from runwright.clock import Waker
    from runwright.evaluation import FunctionReference
    from runwright.result import Json
    from runwright.runner import RunContext
    from runwright.trial import BaseTrial

_FIRST_READY = 60.0  # seconds for which the start waits for one worker: an import that fails is said at once
_LAUNCHES = 4
_KILLED = 3  # how many workers of a slot may be killed in a row before the function is what kills them
_TAIL = 500


class _Slot:
    """A place for a worker. It is free when it has no job and no worker that is about to end."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.worker: PoolWorker | None = None
        self.job: Job | None = None
        self.ending = False
        self.killed = 0  # workers in a row that somebody killed before they had loaded the function


class WorkerPool:
    """Workers that evaluate one function.

    Args:
        function: The function.
        size: How many workers.
        context: Experiment, run directory and limits.
        path: What workers find first on ``sys.path``.
    """

    def __init__(self, function: FunctionReference, size: int, context: RunContext, path: tuple[str, ...] = ()) -> None:
        self._context = context
        self._directory = context.directory
        self._control = (
            Path(tempfile.mkdtemp(prefix="runwright-")) if context.directory is None else (context.directory / CONTROL)
        )
        self._control.mkdir(exist_ok=True)
        self._earlier = clear_earlier(self._control)
        self._order = pack(
            {
                "path": [*path, *(entry for entry in absolute_path() if entry not in path)],
                "function": function.text,
                "experiment": context.experiment.to_dict(),
                "limits": asdict(context.limits),
            }
        )
        self._ends = Ends(self._control, context)
        self._launcher = Launcher()
        self._poll = select.epoll()
        self._slots = [_Slot(number) for number in range(size)]
        self._by_fd: dict[int, _Slot] = {}
        self._by_supervisor: dict[int, PoolWorker] = {}
        self._ready: list[tuple[int, int]] = []  # what a `wait` saw, for the `collect` that follows
        self._waker: Waker | None = None
        self._waker_fd = -1
        self._trouble: str | None = None
        self._closed = False

    def start(self) -> None:
        """Start the workers; return when the first has loaded the function, or has tried for long.

        Raises:
            UsageError: The function cannot be loaded, or not be called with the experiment's parameters.
            SubmitError: No process can be started.
        """
        until = monotonic() + _FIRST_READY
        try:
            self._launch(self._slots)
            while not any(slot.worker is not None and slot.worker.ready for slot in self._slots):
                self._complain()
                wait = until - monotonic()
                if wait <= 0:
                    return
                self._poll.poll(wait)
                self.collect()
        except BaseException:
            self.close()
            raise

    def _complain(self) -> None:
        if self._trouble is not None:
            raise UsageError(self._trouble)

    @property
    def free(self) -> int:
        """How many more trials it takes now."""
        return sum([slot.job is None and not slot.ending for slot in self._slots])

    def wait(self, seconds: float | None, waker: Waker) -> None:
        """Wait until `collect` has something to do, for so many seconds (None: for ever), or until woken."""
        if waker is not self._waker:
            self._forget_waker()
            self._waker, self._waker_fd = waker, waker.fileno()
            self._poll.register(self._waker_fd, select.EPOLLIN)
        self._ready = self._poll.poll(seconds)

    def _forget_waker(self) -> None:
        if self._waker is not None and self._waker_fd not in self._by_fd:  # else its number is a worker's now
            with suppress(OSError):  # closed: it has left by itself
                self._poll.unregister(self._waker_fd)
        self._waker, self._waker_fd = None, -1

    def earlier_still_ending(self) -> bool:
        """Whether a worker of an earlier driver still lives, and with it perhaps an evaluation."""
        self._earlier = [folder for folder in self._earlier if still_ending(folder)]
        return bool(self._earlier)

    def submit(self, trial: BaseTrial) -> int:
        """Give a trial to a free worker; return the number of its slot.

        Raises:
            SubmitError: All workers are busy, or the worker of the slot cannot be started.
        """
        free = [slot for slot in self._slots if slot.job is None and not slot.ending]
        if not free:
            raise SubmitError(f"all {len(self._slots)} workers are busy; ask poll_available_capacity first")
        slot = next((slot for slot in free if slot.worker is not None), free[0])
        if slot.worker is None:
            self._launch([slot])
        message = pack(
            {
                "index": trial.index,
                "attempt": trial.attempt,
                "points": [arm.parameters for arm in trial.arms],
                "names": [arm.name for arm in trial.arms],
                "instance": trial.instance,
                "budget": trial.budget,
                "seed": trial.seed,
            }
        )
        slot.job = Job(trial.index, trial.attempt, message, epoch())
        self._send_job(slot, slot.job)
        return slot.number

    def collect(self) -> list[Outcome]:
        """Take in what the workers said, without waiting; return the attempts that ended."""
        outcomes: list[Outcome] = []
        ready, self._ready = self._ready or self._poll.poll(0), []
        for fd, event in self._without_supervisors(ready):
            slot = self._by_fd[fd]
            worker = slot.worker
            assert worker is not None, "a slot without a worker is not polled"
            if event & select.EPOLLOUT and worker.flush():
                self._poll.modify(fd, select.EPOLLIN)
            for message in worker.receive():
                self._take(slot, worker, message, outcomes)
            if worker.gone:
                self._ended(slot, worker, outcomes)
        return outcomes

    def _without_supervisors(self, ready: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Take in which supervisors have ended, and return what is to be read of the workers.

        All of them first: a worker that is started later may get the number of a descriptor that is closed here.
        """
        if all(fd in self._by_fd for fd, _ in ready):
            return ready
        for fd, _ in ready:
            worker = self._by_supervisor.pop(fd, None)
            if worker is not None:
                self._poll.unregister(fd)
                worker.supervisor_ended()
        return [(fd, event) for fd, event in ready if fd in self._by_fd]

    def stop(self, index: int) -> None:
        """End a trial; `collect` returns its outcome when its whole tree is gone. Idempotent."""
        for slot in self._slots:
            if slot.job is not None and slot.job.index == index and slot.worker is not None:
                slot.job.stopped = slot.ending = True
                slot.worker.ask_to_end()

    def close(self) -> None:
        """End all workers, and wait until they are gone, or a little longer than their grace. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._forget_waker()
        self._ready = []
        for slot in self._slots:
            worker = slot.worker
            if worker is not None and (slot.job is not None or not worker.ready):
                worker.ask_to_end()
            elif worker is not None:
                worker.hang_up()
        until = monotonic() + self._context.limits.grace + 1.0
        while self._by_fd and (wait := until - monotonic()) > 0:
            self._poll.poll(wait)
            self.collect()
        for slot in self._slots:
            if slot.worker is not None:
                slot.worker.close()  # its supervisor goes on ending it
        self._poll.close()
        self._launcher.close()
        if self._directory is None:
            shutil.rmtree(self._control, ignore_errors=True)

    # Workers come and go.

    def _launch(self, slots: list[_Slot]) -> None:
        for _ in range(_LAUNCHES):  # whoever was to start a worker may have been killed over it
            slots, trouble = self._start_workers(slots)
            if not slots:
                return
        raise SubmitError(f"a worker of the pool could not be started: {trouble}")

    def _start_workers(self, slots: list[_Slot]) -> tuple[list[_Slot], str]:
        """Start a worker in each slot; return the slots in which none has started, and why."""
        workers: list[PoolWorker] = []
        try:
            workers.extend(PoolWorker(slot.number, self._control, self._context.limits) for slot in slots)
            answers = self._launcher.launch(
                [worker.request() for worker in workers], {worker.id: worker.their_end() for worker in workers}
            )
        except BaseException as error:
            for worker in workers:
                worker.close()
            if isinstance(error, OSError):
                raise SubmitError(f"a worker of the pool could not be started: {error}") from None
            raise
        left, why = [], ""
        for slot, worker in zip(slots, workers, strict=True):
            trouble = worker.started(answers.get(worker.id))
            if trouble is not None:
                left.append(slot)
                why = trouble
                continue
            slot.worker, slot.ending = worker, False
            self._by_fd[worker.fileno()] = slot
            self._poll.register(worker.fileno(), select.EPOLLIN)
            if worker.supervisor >= 0:
                self._by_supervisor[worker.supervisor] = worker
                self._poll.register(worker.supervisor, select.EPOLLIN)
            self._sent(worker, worker.send(self._order))
        return left, why

    def _send_job(self, slot: _Slot, job: Job) -> None:
        assert slot.worker is not None, "a trial needs a worker"
        self._sent(slot.worker, slot.worker.send_job(job.message))

    def _sent(self, worker: PoolWorker, whole: bool) -> None:
        if not whole:
            self._poll.modify(worker.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _take(self, slot: _Slot, worker: PoolWorker, message: Json, outcomes: list[Outcome]) -> None:
        """Take in a message of a worker."""
        if "refused" in message:
            worker.refused = self._trouble = message["refused"]
            return
        worker.cpu = message["cpu"]
        if "result" not in message:
            worker.ready, slot.killed = True, 0
            return
        job, slot.job = slot.job, None
        if job is None:
            return  # it was said twice, by a process that has a copy of the channel: one answer a trial counts
        result = Result.from_json(message["result"])
        if result.failure is not None:
            self._ends.keep_log(job, worker, result)
        outcomes.append(Outcome(job.index, result))

    def _ended(self, slot: _Slot, worker: PoolWorker, outcomes: list[Outcome]) -> None:
        """Take in the end of a worker: nothing of its tree is left."""
        record = worker.record()
        if record is None:
            worker.end_remains()
        job, slot.job = slot.job, None
        slot.killed += was_killed(worker, record)
        usable = worker.ready or 0 < slot.killed < _KILLED
        again = None
        if job is not None and self._ends.is_innocent(job, worker, record):
            again, job = job, None
        if job is not None:
            result = self._ends.result(job, worker, record)
            self._ends.keep_log(job, worker, result)
            outcomes.append(Outcome(job.index, result, job.stopped))
        elif not usable and self._trouble is None:
            self._trouble = (
                f"a worker of the pool ended before it had loaded the function: {words_of_end(record)}; "
                f"{worker.last_words(_TAIL)}"
            )
        del self._by_fd[worker.fileno()]
        self._poll.unregister(worker.fileno())
        self._by_supervisor.pop(worker.supervisor, None)  # closed, it leaves the poll
        worker.close()
        slot.worker, slot.ending = None, False
        if self._closed or not (usable or again):
            return  # one that cannot load its function is started again when a trial comes, not in circles
        try:
            self._launch([slot])
        except SubmitError as error:
            if again is not None:  # otherwise the next trial tries, and says why it cannot
                outcomes.append(Outcome(again.index, Result.failed(FailureKind.SUBMIT_ERROR, str(error))))
            return
        if again is not None:
            again.sendings += 1
            slot.job = again
            self._send_job(slot, again)
