"""Calls the hooks of a wrapper in threads of the driver, so that one that takes its time holds nobody up.

Each thread has a current folder of its own: a hook may change it without moving anybody else.
"""

from __future__ import annotations

import ctypes
import os
import select
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

from runwright.clock import Waker, monotonic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runwright.runners.wrapped_log import HookLog

_CLONE_FS = 0x200
_libc = ctypes.CDLL(None)
_one_folder = threading.RLock()  # where a current folder cannot be private, hooks take turns

T = TypeVar("T")


class Bell:
    """Rings when an errand is done, and ends a wait together with the scheduler's waker."""

    def __init__(self) -> None:
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._both = select.epoll()
        self._both.register(self._event, select.EPOLLIN)
        self._other = -1
        self._closing = threading.Lock()
        self._waker = Waker(self._both.fileno())

    def ring(self) -> None:
        """Ring; from any thread, also after `close`."""
        with self._closing:
            if self._event >= 0:
                os.eventfd_write(self._event, 1)

    def with_waker(self, waker: Waker) -> Waker:
        """Return a waker that wakes for both."""
        number = waker.fileno()
        if number != self._other and self._other >= 0:
            try:
                self._both.unregister(self._other)
            except OSError:  # closed meanwhile: the kernel has dropped it
                self._other = -1
        try:
            self._both.modify(number, select.EPOLLIN)
        except FileNotFoundError:  # new, or another waker under an old number
            self._both.register(number, select.EPOLLIN)
        self._other = number
        return self._waker

    def silence(self) -> None:
        """Forget what has rung."""
        try:
            os.eventfd_read(self._event)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close the descriptors. Idempotent."""
        with self._closing:
            if self._event >= 0:
                self._both.close()
                os.close(self._event)
                self._event = -1


class Errand(Generic[T]):
    """A call of hooks in a thread.

    A thread cannot be ended: an errand that takes too long is left behind, and what it still does counts for nothing.

    Args:
        work: What is called.
        folder: Its current folder, or None for that of the driver.
        log: Where its log goes, and the file.
        bell: Rings at its end; None: there is no thread, it is called at once and has ended.

    Attributes:
        began: When, in seconds of the monotonic clock.
        error: What it raised, or None.
    """

    def __init__(
        self, work: Callable[[], T], folder: str | None, log: tuple[HookLog, str | None], bell: Bell | None
    ) -> None:
        self.began = monotonic()
        self.error: BaseException | None = None
        self._value: T | None = None
        self._work = work
        self._folder = folder
        self._log = log
        self._thread: threading.Thread | None = None
        if bell is None:
            self._call()
            return
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(bell,), name="runwright-hook", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._thread is None or self._finished.is_set()

    @property
    def value(self) -> T | None:
        """What it returned; None where it raised."""
        if self._thread is not None:
            self._thread.join()
        return self._value

    def wait(self, seconds: float) -> None:
        """Wait for its end."""
        if self._thread is not None:
            self._finished.wait(max(0.0, seconds))

    def _run(self, bell: Bell) -> None:
        try:
            with _own_folder(self._folder):
                self._call()
        except BaseException as error:  # noqa: BLE001  (the folder is gone, say: that trial's failure)
            self.error = error
        self._finished.set()
        bell.ring()

    def _call(self) -> None:
        log, file = self._log
        try:
            with log.into(file):
                self._value = self._work()
        except Exception as error:  # noqa: BLE001  (whatever a hook raises is that trial's failure)
            self.error = error


@contextmanager
def _own_folder(path: str | None) -> Iterator[None]:
    """Give this thread a current folder of its own."""
    if _unshare():
        if path is not None:
            os.chdir(path)
        yield
        return
    with _one_folder:
        before = os.getcwd()  # noqa: PTH109
        try:
            if path is not None:
                os.chdir(path)
            yield
        finally:
            os.chdir(before)


def _unshare() -> bool:
    """Stop sharing the current folder with the other threads; say whether that was possible."""
    try:
        return bool(_libc.unshare(_CLONE_FS) == 0)
    except AttributeError:  # no Linux
        return False
