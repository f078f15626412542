"""Waits for the ends of many supervisors at once: a wait costs what has happened, not what is alive."""

from __future__ import annotations

import contextlib
import select
from typing import Protocol

_MOST_AT_ONCE = 1024


class HasFileno(Protocol):
    """Anything with a descriptor."""

    def fileno(self) -> int:
        """Return the descriptor."""
        ...


class Watch:
    """A set of descriptors, each under a number; readable means that something happened.

    Level-triggered: what has happened is named at each `wait` until it is removed.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._keys: dict[int, int] = {}
        self._listening = -1
        self._waker: HasFileno | None = None

    def add(self, key: int, what: HasFileno) -> None:
        """Watch a descriptor (of a `Supervised`, say)."""
        fd = what.fileno()
        self._epoll.register(fd, select.EPOLLIN)
        self._keys[fd] = key

    def remove(self, what: HasFileno) -> None:
        """Watch it no longer; call this before it is closed."""
        fd = what.fileno()
        if self._keys.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def listen(self, waker: HasFileno) -> None:
        """Let the waker end a wait; it takes the place of an earlier one."""
        if waker is self._waker:
            return
        self._waker, fd = waker, waker.fileno()
        if fd != self._listening and self._listening >= 0 and self._listening not in self._keys:
            with contextlib.suppress(OSError):  # closed meanwhile: the kernel has dropped it
                self._epoll.unregister(self._listening)
        try:
            self._epoll.modify(fd, select.EPOLLIN)
        except FileNotFoundError:  # new, or another waker under an old number
            self._epoll.register(fd, select.EPOLLIN)
        self._listening = fd

    def wait(self, seconds: float | None) -> tuple[list[int], bool]:
        """Wait until something happens.

        Args:
            seconds: For how long at the most; None: for ever.

        Returns:
            Numbers of what happened, and whether the waker woke us.
        """
        ready = self._epoll.poll(seconds, _MOST_AT_ONCE)
        keys: list[int] = []
        woken = False
        for fd, _ in ready:
            if fd in self._keys:
                keys.append(self._keys[fd])
            woken = woken or fd == self._listening
        return keys, woken

    def close(self) -> None:
        """Stop watching. Idempotent."""
        self._epoll.close()
        self._keys.clear()
        self._listening, self._waker = -1, None
