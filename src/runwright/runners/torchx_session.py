"""TorchX as a runner here needs it. The only file that imports it.

Three things about TorchX's own local scheduler are changed: stopping an app does not wait for its end, letting the
scheduler go does not end its apps, and no thread an app copies its output into a third file. Handlers of signals that
it installs are put back to what they were.
"""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from subprocess import CalledProcessError
from typing import TYPE_CHECKING, Any

from torchx.runner import Runner as TorchX
from torchx.schedulers import get_scheduler_factories
from torchx.schedulers.api import Stream
from torchx.schedulers.local_scheduler import CWDImageProvider, LocalScheduler
from torchx.specs import AppDef, make_app_handle, parse_app_handle

from runwright.errors import SubmitError, UsageError
from runwright.runners.torchx_app import LOCAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MOST_LOCAL_APPS = 100
"""How many live apps TorchX's local scheduler takes."""
_UNLISTED_OTHERWISE = (NotImplementedError, LookupError, TypeError, ValueError)
"""What TorchX raises, beside the end of a client with an error, where the scheduler is there, but cannot list its apps:
it has no listing, or its answer has a form that TorchX does not know."""
_SESSION = "torchx"
_NONE = "<NONE>"


@dataclass(frozen=True, slots=True)
class Seen:
    """What TorchX says of an app.

    Attributes:
        state: Name of its state.
        message: What the scheduler says about it.
        error: The app's own error reply, JSON, or nothing.
        exits: Role, replica and exit status of a local app's replicas that have ended.
    """

    state: str
    message: str = ""
    error: str = ""
    exits: list[list[Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An app that is ready to be submitted.

    Attributes:
        request: TorchX's own form of it.
        handle: Its handle, where it is known before it is submitted.
        roles: Names of its roles, with their numbers of replicas.
        log_dir: Folder of a local app's logs, or None.
    """

    request: Any
    handle: str | None
    roles: dict[str, int]
    log_dir: str | None


class _LocalApps(LocalScheduler):  # type: ignore[misc]  # TorchX has no types that are followed
    """TorchX's local scheduler, which neither waits nor ends anything on its own."""

    def __init__(self, session_name: str) -> None:
        super().__init__(session_name, CWDImageProvider, cache_size=MOST_LOCAL_APPS)
        self._starting: list[Any] = []
        self._logs: list[Any] = []

    def schedule(self, dryrun_info: Any) -> str:
        """Start all replicas of an app, or none."""
        try:
            return str(super().schedule(dryrun_info))
        except BaseException:
            for replica in self._starting:
                os.killpg(replica.proc.pid, signal.SIGKILL)  # not collected, so that the number is its own
                replica.proc.wait()
            for log in self._logs:
                log.close()
            raise
        finally:
            self._starting.clear()
            self._logs.clear()

    def _popen(self, *args: Any) -> Any:
        replica = super()._popen(*args)
        self._starting.append(replica)
        return replica

    def _get_replica_output_handles(self, replica_params: Any) -> tuple[Any, Any, None]:
        for path in (replica_params.stdout, replica_params.stderr):
            self._logs.append(self._get_file_io(path))
        return self._logs[-2], self._logs[-1], None

    def describe(self, app_id: str) -> Any:
        """Describe an app, even if what it wrote as the reason of its failure is no JSON."""
        try:
            return super().describe(app_id)
        except (ValueError, OSError, RecursionError):
            for replica in self._replicas(app_id):
                with suppress(FileNotFoundError):
                    os.replace(replica.error_file, f"{replica.error_file}.unreadable")  # noqa: PTH105  (a text)
            return super().describe(app_id)

    def _cancel_existing(self, app_id: str) -> None:
        for replica in self._replicas(app_id):
            if replica.is_alive():
                with suppress(ProcessLookupError):  # it has just ended
                    os.killpg(replica.proc.pid, signal.SIGTERM)

    def live(self) -> int:
        """Return how many apps have not been seen to end."""
        return sum(any(replica.is_alive() for replica in self._replicas(app_id)) for app_id in self._apps)

    def exits(self, app_id: str) -> list[list[Any]]:
        """Return role, replica and exit status of an app's replicas that have ended."""
        return [
            [replica.role_name, replica.replica_id, replica.proc.returncode]
            for replica in self._replicas(app_id)
            if not replica.is_alive()
        ]

    def _replicas(self, app_id: str) -> list[Any]:
        app = self._apps.get(app_id)
        return [] if app is None else [replica for replicas in app.role_replicas.values() for replica in replicas]

    def close(self) -> None:
        """Let go of all apps: they go on."""
        for app_id in self._apps:
            for replica in self._replicas(app_id):
                replica.stdout.close()
                replica.stderr.close()
                del replica  # or the last one would outlive the warning
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # Python says of each that it still runs
            self._apps.clear()


class Session:
    """One TorchX runner.

    Args:
        scheduler: Name of a TorchX scheduler; ``"local"`` is the local one.
        cfg: Its run options.

    Raises:
        UsageError: There is no such scheduler, it lacks a library, has no such option, or cannot be reached.
    """

    def __init__(self, scheduler: str, cfg: Mapping[str, Any]) -> None:
        self.scheduler = LOCAL if scheduler == "local" else scheduler
        factories = {**get_scheduler_factories(), LOCAL: self._make_local}
        if self.scheduler not in factories:
            raise UsageError(f"TorchX has no scheduler {scheduler!r:.60}; it has {', '.join(sorted(factories))}")
        self._cfg = dict(cfg)
        self._ready: set[str] = set()
        self._local: _LocalApps | None = None
        self._torchx = TorchX(_SESSION, factories)
        try:
            self._prepare_scheduler(self.scheduler)
            options = self._torchx.scheduler_run_opts(self.scheduler)
            options.resolve(self._cfg)
            if not self.is_local:
                self._reach()
        except Exception as error:
            raise UsageError(
                f"the TorchX scheduler {scheduler!r} cannot be used so: {type(error).__name__}: {error}"
            ) from error
        known = [name for name, _ in options]
        unknown = [name for name in self._cfg if name not in known]
        if unknown:
            what = f"has no option {unknown[0]!r:.60}; it has {', '.join(known) or 'none'}"
            raise UsageError(f"the TorchX scheduler {scheduler!r} {what}")

    def _make_local(self, session_name: str, **_: object) -> _LocalApps:
        self._local = _LocalApps(session_name)
        return self._local

    def _prepare_scheduler(self, name: str) -> None:
        """Make a scheduler, and undo what that does to the process."""
        if name not in self._ready:
            with _own_signal_handlers():
                self._torchx.scheduler_run_opts(name)
            self._ready.add(name)

    def _reach(self) -> None:
        """Ask the scheduler for something: better told now that it gives no answers than asked after apps for ever.

        Raises:
            Exception: It cannot be reached, or cannot say how an app stands (SLURM without accounting).
        """
        try:
            self._torchx.list(self.scheduler)
        except CalledProcessError:
            with suppress(*_UNLISTED_OTHERWISE):
                self.look(make_app_handle(self.scheduler, _SESSION, "1"))
        except _UNLISTED_OTHERWISE:
            pass  # it can run apps all the same

    @property
    def is_local(self) -> bool:
        """Whether apps run on this machine, as children of this process."""
        return self.scheduler == LOCAL

    def room(self) -> int:
        """Return how many more apps the scheduler takes; -1 where it does not say."""
        return MOST_LOCAL_APPS - self._local.live() if self.is_local and self._local is not None else -1

    # Submit.

    def prepare(self, component: Callable[..., Any], arguments: Mapping[str, Any], tag: str, log_dir: str) -> Prepared:
        """Make an app of a component.

        Args:
            component: The component.
            arguments: What it is called with.
            tag: Becomes part of the app's name, by which it is found again.
            log_dir: Where a local app's logs go, unless the settings say another place.

        Raises:
            SubmitError: What the component returned is no app.
        """
        app = component(**arguments)
        if not isinstance(app, AppDef):
            raise SubmitError(f"the component returned an object of type {type(app).__name__}, not a TorchX AppDef")
        app.name = f"{app.name}-{tag}"
        for role in app.roles:
            role.max_retries = 0  # an attempt is one evaluation; whether another follows is on_failure's decision
        cfg = {"log_dir": log_dir, **self._cfg} if self.is_local else self._cfg
        request = self._torchx.dryrun(app, self.scheduler, cfg)
        roles = {role.name: role.num_replicas for role in app.roles}
        if not self.is_local:
            return Prepared(request, None, roles, None)
        popen = request.request
        return Prepared(request, make_app_handle(LOCAL, _SESSION, popen.app_id), roles, str(popen.log_dir))

    def submit(self, prepared: Prepared) -> str:
        """Submit an app; return its handle."""
        return str(self._torchx.schedule(prepared.request))

    def find(self, tag: str) -> str | None:
        """Return the handle of the app whose name has a tag; None where there is none, or the scheduler has no listing.

        Raises:
            Exception: The apps cannot be listed now.
        """
        try:
            apps = self._torchx.list(self.scheduler)
        except NotImplementedError:
            return None
        return next((str(app.app_handle) for app in apps if f"-{tag}-" in f"{app.app_id}-"), None)

    # Follow.

    def look(self, handle: str) -> Seen | None:
        """Return what TorchX says of an app; None where the scheduler does not know it."""
        self._prepare_scheduler(parse_app_handle(handle)[0])
        try:
            status = self._torchx.status(handle)
        except AssertionError as error:  # of SLURM's states TorchX knows "CANCELLED", but not "CANCELLED by 1000"
            return Seen("CANCELLED" if "CANCELLED" in str(error) else "UNKNOWN", str(error))
        if status is None:
            return None
        said = [text if text and text != _NONE else "" for text in (status.msg, status.structured_error_msg)]
        return Seen(status.state.name, said[0], said[1], self._exits(handle))

    def _exits(self, handle: str) -> list[list[Any]]:
        backend, _, app_id = parse_app_handle(handle)
        return self._local.exits(app_id) if backend == LOCAL and self._local is not None else []

    def cancel(self, handle: str) -> None:
        """Ask the scheduler to end an app."""
        self._prepare_scheduler(parse_app_handle(handle)[0])
        self._torchx.cancel(handle)

    def log_tail(self, handle: str, role: str, replica: int, lines: int) -> list[str]:
        """Return the last lines of what a replica wrote to stderr, or to whatever the scheduler keeps.

        Raises:
            Exception: Anything; TorchX says so.
        """
        try:
            found = self._torchx.log_lines(handle, role, replica, streams=Stream.STDERR)
        except ValueError:  # a scheduler of one stream
            found = self._torchx.log_lines(handle, role, replica)
        return [line.rstrip("\r\n") for line in deque(found, maxlen=lines)]

    def close(self) -> None:
        """Let go of everything; live apps go on."""
        self._torchx.close()


@contextmanager
def _own_signal_handlers() -> Iterator[None]:
    """Keep this process's handlers of signals, whatever happens meanwhile."""
    if threading.current_thread() is not threading.main_thread():
        yield  # TorchX installs none either
        return
    numbers = {signal.SIGTERM, signal.SIGINT}
    before = {number: signal.getsignal(number) for number in numbers}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # else it was not installed from Python
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
