"""Takes what hooks log into the log of their attempt; what they log still goes wherever the driver's log goes."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LOGGERS = ("runwright", "ax", "boa")
"""Loggers beside the root one that are listened to; one that has no level of its own gets INFO."""


class HookLog(logging.Handler):
    """The one handler of a runner. It writes a record to the file of the thread that made it, once."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self._thread = threading.local()
        self._levels: list[logging.Logger] = []
        self._mark = f"_runwright_{id(self)}"
        self._listening = False

    def listen(self) -> None:
        """Begin to listen. Idempotent."""
        if self._listening:
            return
        self._listening = True
        logging.getLogger().addHandler(self)
        for name in LOGGERS:
            logger = logging.getLogger(name)
            logger.addHandler(self)
            if logger.level == logging.NOTSET:
                logger.setLevel(logging.INFO)
                self._levels.append(logger)

    def close(self) -> None:
        """Stop listening; levels are as they were. Idempotent."""
        for logger in (logging.getLogger(), *map(logging.getLogger, LOGGERS)):
            logger.removeHandler(self)
        for logger in self._levels:
            logger.setLevel(logging.NOTSET)
        self._levels.clear()
        self._listening = False
        super().close()

    @contextmanager
    def into(self, file: str | None) -> Iterator[None]:
        """Let what this thread logs go into a file (None: nowhere)."""
        self._thread.file = file
        try:
            yield
        finally:
            self._thread.file = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, unless it came by another logger before."""
        if hasattr(record, self._mark):
            return
        setattr(record, self._mark, True)
        self._last_resort(record)
        file = getattr(self._thread, "file", None)
        if file is None:
            return
        try:
            append(file, self.format(record))
        except OSError:
            self.handleError(record)

    def _last_resort(self, record: logging.LogRecord) -> None:
        """Show a warning that Python would have shown, were this handler not there."""
        last = logging.lastResort
        if last is not None and record.levelno >= last.level and not _heard(record.name):
            last.handle(record)


def _heard(name: str) -> bool:
    """Whether any other handler gets the records of a logger."""
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None:
        if any(not isinstance(handler, HookLog) for handler in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False


def append(file: str, text: str) -> None:
    """Add a text to a log.

    Raises:
        OSError: The disk is full, or the folder is gone.
    """
    with open(file, "a", encoding="utf-8", errors="replace") as log:  # noqa: PTH123
        log.write(f"{text}\n")
