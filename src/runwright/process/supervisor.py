"""A supervisor: runs one program, ends it when it must end, and records how it ended. No driver is needed for it.

```
launcher ──fork──> supervisor ──fork, exec──> program (its own session) ──> whatever it starts
                      │  subreaper: every orphan of the tree becomes its child
                      ├─ control folder: lock, started, exit
                      └─ pipes: stdout and stderr of the program ──> logs
```
One thread, one poll. It ends when no process of the tree is left, after the record.
"""

from __future__ import annotations

import os
import resource
import select
import signal
from typing import TYPE_CHECKING, Any

from runwright.clock import epoch, monotonic
from runwright.process import work
from runwright.process.felling import fell
from runwright.process.limits import Excess, WatchedLimits
from runwright.process.linux import become_subreaper, boot_id, children, set_name, start_ticks
from runwright.process.program import StartError, close_quietly, start
from runwright.process.record import ControlFolder, sync_file
from runwright.process.streams import Streams
from runwright.process.wire import STOP

if TYPE_CHECKING:
    from collections.abc import Callable

    from runwright.process.answers import Answers

_STOP_SIGNALS = (STOP, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_RESCAN = 0.05  # seconds; between two looks at children that a kill has not ended yet
_LONGEST_WAIT = 3600.0  # poll(2) counts milliseconds in an int: 24 days
DEFAULT_GRACE = 2.0


class Supervisor:
    """The life of one supervisor process.

    Args:
        request: What to run and with which limits; see `process/client.py`.
        channel: The program's end of its channel to the driver, or None.
        answers: Where to say what became of the request.
        keep: Descriptors that a preloaded module holds open.
        call: The preloaded function, or None.
    """

    def __init__(
        self,
        request: dict[str, Any],
        channel: int | None,
        answers: Answers,
        keep: frozenset[int] = frozenset(),
        call: Callable[[Any], int] | None = None,
    ) -> None:
        self._request = request
        self._channel = channel
        self._answers = answers
        self._keep = keep
        self._call = call
        self._grace = float(request.get("grace", DEFAULT_GRACE))
        self._program = 0
        self._wait_status: int | None = None
        self._childless = False
        self._reason: str | None = None
        self._kill_at: float | None = None
        self._killing = False
        self._leftovers: set[int] = set()
        self._heard: set[int] = set()
        self._excess: Excess | None = None
        self._asked: float | None = None
        self._ignored = False
        self._began = self._ended = self._began_epoch = 0.0

    def run(self) -> int:
        """Live; return the exit status of the supervisor: 0 when nothing of the tree can be left."""
        os.setsid()
        set_name("rw-supervisor")
        become_subreaper()
        self._listen_to_signals()
        control = None
        try:
            control = ControlFolder(self._request["control"])
            if not control.claim():
                self._answer("claimed")
                return 0
            if "work" in self._request:
                work.prepare(self._request["work"])
            self._streams = Streams(self._request)
            self._limits = WatchedLimits(
                self._request.get("timeout"),
                self._request.get("memory"),
                output=self._request.get("output"),
                passed=self._streams.seen,
                counted=self._request.get("counted", ()),
                with_pipe=self._channel is not None,
            )
            control.begin(self._started_record())
        except Exception as error:  # noqa: BLE001  (nothing has begun, and the driver must hear of it)
            if control is not None:
                control.close()
            self._answer("error", message=f"the supervisor could not begin: {error}")
            return 0
        return self._live(control)

    def _live(self, control: ControlFolder) -> int:
        """Go from `started` to `exit`."""
        self._began = self._ended = monotonic()
        self._began_epoch = epoch()
        trouble = None
        try:
            self._start()
        except StartError as error:
            self._reason, trouble, self._childless = "start", str(error), True
        else:
            self._answers.say(self._request, "started", pid=os.getpid())
            try:
                self._watch()
            except Exception as error:  # noqa: BLE001  (the tree must not outlive a fault of ours, nor be unrecorded)
                self._reason, trouble = "error", f"{type(error).__name__}: {error}"
                self._kill_all()
        self._streams.finish()
        body = self._exit_record(trouble)
        self._sync_results()
        control.finish(body)
        if self._reason == "start":
            self._answers.say(self._request, "error", message=trouble)
        self._answers.flush_all()
        return 0

    def _answer(self, event: str, **facts: Any) -> None:
        self._answers.say(self._request, event, **facts)
        self._answers.flush_all()

    # The start.

    def _listen_to_signals(self) -> None:
        """Take signals before the lock: whoever can name this process by it may send one."""
        self._wake, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in _STOP_SIGNALS:
            signal.signal(number, self._on_stop)

    def _on_stop(self, number: int, _: object) -> None:
        self._heard.add(number)  # the wake-up pipe ends the poll

    def _started_record(self) -> dict[str, Any]:
        limits = {name: self._request.get(name) for name in ("timeout", "memory", "output", "log")}
        return {
            "pid": os.getpid(),
            "ticks": start_ticks(os.getpid()),
            "boot": boot_id(),
            "epoch": epoch(),
            "monotonic": monotonic(),
            "limits": {**limits, "grace": self._grace},
        }

    def _start(self) -> None:
        descriptors = [os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), *self._streams.descriptors()]
        request = self._request
        if self._channel is not None:
            descriptors += [self._channel, self._limits.write_end]
            env = {**request["env"], "RUNWRIGHT_CHANNEL": "3", "RUNWRIGHT_LIMITS": "4"}
            request = {**request, "env": env}
        self._program = start(request, descriptors, self._keep, self._call)
        self._began = monotonic()
        self._began_epoch = epoch()
        os.close(descriptors[0])
        self._streams.started()
        self._limits.started()

    # The watch: one poll, until nothing of the tree is left.

    def _watch(self) -> None:
        poller = select.poll()
        handlers: dict[int, Callable[[], bool]] = {self._wake: self._on_wake, **self._streams.handlers()}
        if self._limits.read_end >= 0:
            handlers[self._limits.read_end] = self._limits.read
        for fd in handlers:
            poller.register(fd, select.POLLIN)
        if self._channel is not None:
            poller.register(self._channel, 0)  # its hang-up alone: what is said on it is not for us
            handlers[self._channel] = self._on_driver_gone
        saying = False
        self._limits.begin(self._began)
        while True:
            self._reap()
            if self._childless:
                return
            self._judge()
            if self._answers.waiting != saying:
                saying = not saying
                handlers[self._answers.fd] = self._on_room
                poller.register(self._answers.fd, select.POLLOUT) if saying else poller.unregister(self._answers.fd)
            for fd, _ in poller.poll(self._patience()):
                if not handlers[fd]():
                    poller.unregister(fd)
                    del handlers[fd]

    def _on_wake(self) -> bool:
        os.read(self._wake, 4096)
        return True

    def _on_room(self) -> bool:
        self._answers.flush()
        return True

    def _on_driver_gone(self) -> bool:
        self._end("driver")
        return False

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._childless = True
                return
            if pid == 0:
                return
            if pid == self._program:
                self._wait_status, self._ended = status, monotonic()
                self._killing = True  # whatever it left behind

    def _judge(self) -> None:
        """End the program where it must end; press on where it does not obey."""
        now = monotonic()
        if self._reason is None and not self._killing:
            self._excess = None if self._heard else self._limits.exceeded(now)
            if self._heard:
                self._end("stop" if STOP in self._heard else "signal")
            elif self._excess is not None:
                self._end(self._excess.reason, at_once=self._excess.at_once)
        elif not self._killing and self._limits.overflows(now):
            self._killing = True  # whatever it was asked to end for
        if self._kill_at is not None and now >= self._kill_at and not self._killing:
            self._killing = self._ignored = True
        if self._killing:
            self._kill_children()

    def _end(self, reason: str, *, at_once: bool = False) -> None:
        """Ask the program to end; its grace begins. At once: end it."""
        if self._reason is not None or self._killing:
            return
        self._reason, self._asked = reason, epoch()
        if at_once:
            self._killing = True
            return
        self._kill_at = monotonic() + self._grace
        for number in (signal.SIGTERM, signal.SIGCONT):
            try:
                os.killpg(self._program, number)  # not reaped, so the group is still its own
            except ProcessLookupError:
                pass  # it ended, and is reaped next
            except PermissionError:
                os.kill(self._program, number)

    def _kill_children(self) -> None:
        """Kill the tree; what remains of it becomes our direct children, which are looked for again."""
        leftovers = self._wait_status is not None
        killed = fell(lambda: children(os.getpid()), self._reap)
        if leftovers:
            self._leftovers |= killed

    def _kill_all(self) -> None:
        """Kill and reap until there are no children."""
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        while True:
            self._kill_children()
            self._reap()
            if self._childless:
                return
            if poller.poll(_RESCAN * 1000):
                self._on_wake()

    def _patience(self) -> float | None:
        """Return for how many milliseconds nothing needs to be done unless something happens."""
        now = monotonic()
        if self._killing:
            return _RESCAN * 1000
        if self._reason is None:
            due = self._limits.next_look(now)
        else:
            due = min(filter(None, (self._kill_at, self._limits.next_sample(now))), default=None)
        return None if due is None else min(max(0.0, due - now), _LONGEST_WAIT) * 1000

    # The end.

    def _sync_results(self) -> None:
        """Make what the program gave back durable, before the record that says that it has ended.

        A power cut could else leave the record without the result, and a good attempt would have an invalid one.
        """
        if self._channel is not None:
            return  # it has said it there
        files, stdout = self._request.get("counted", ()), self._request.get("stdout")
        if not [path for path in files if sync_file(path)] and stdout is not None:
            sync_file(stdout)  # some print it

    def _exit_record(self, trouble: str | None) -> dict[str, Any]:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        if self._reason is None and (excess := self._limits.at_the_end()) is not None:
            self._reason, self._excess = excess.reason, excess
        code: int | None = None
        signalled: int | None = None
        if self._wait_status is not None:
            status = os.waitstatus_to_exitcode(self._wait_status)
            code, signalled = (status, None) if status >= 0 else (None, -status)
        if self._reason == "signal":
            trouble = " and ".join(signal.Signals(number).name for number in sorted(self._heard - {STOP}))
        return {
            "code": code,
            "signal": signalled,
            "reason": self._reason,
            "message": None if trouble is None else trouble[:300],
            "seconds": round(self._ended - self._began, 6),
            "cpu": round(usage.ru_utime + usage.ru_stime, 6),
            "peak": max(usage.ru_maxrss * 1024, self._limits.peak),
            "leftovers": len(self._leftovers),
            "measured": None if self._excess is None else self._excess.measured,
            "limit": None if self._excess is None else self._excess.limit,
            "asked": self._asked,
            "ignored": self._grace if self._ignored else None,
            "started": self._began_epoch,
            "ended": self._began_epoch + (self._ended - self._began),
            **self._streams.counts(),
        }


def supervise(
    request: dict[str, Any],
    channel: int | None,
    answers: Answers,
    keep: frozenset[int] = frozenset(),
    call: Callable[[Any], int] | None = None,
) -> int:
    """Be the supervisor of a request; return the exit status of this process."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    close_quietly(null)
    return Supervisor(request, channel, answers, keep, call).run()
