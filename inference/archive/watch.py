"""Files that arrive in a folder while it is watched."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from inference.archive.plan import Plan
from zhibiao.sources import Source

__all__ = ["Arrivals", "Stop", "stopping"]

_SCAN_SECONDS = 2.0
_SCAN_SHARE = 10
"""A scan of a large folder takes its time; the pause after it is so many times longer."""
_QUIET_SECONDS = 10.0
"""So long nothing more has come: a part is made though it is not full."""


class Arrivals:
    """The files that ``find`` finds now and again, compared with those of the plan.

    The folder is listed, not told by the system what happens: that works on network drives too.
    """

    def __init__(self, plan: Plan, find: Callable[[], Sequence[Source]]) -> None:
        self.sources: Sequence[Source] = find()
        self._plan = plan
        self._find = find
        self._next_scan = time.monotonic() + _SCAN_SECONDS
        self._settled: list[Source] = []
        self._changed_at = time.monotonic()

    def due(self) -> list[Source]:
        """The new and changed files to take in now.

        A file counts when its size and time stand still between two scans. They are given out
        when they fill a part, or when nothing more has come for a while.
        """
        now = time.monotonic()
        if now >= self._next_scan:
            before = {(one.id, one.size, one.modified) for one in self.sources}
            self.sources = self._find()
            same = (one for one in self.sources if (one.id, one.size, one.modified) in before)
            settled = self._plan.fresh(same)
            if settled != self._settled:
                self._settled, self._changed_at = settled, now
            took = time.monotonic() - now
            self._next_scan = now + max(_SCAN_SECONDS, _SCAN_SHARE * took)
        enough = len(self._settled) >= int(self._plan.settings["part"])
        if not enough and now - self._changed_at < _QUIET_SECONDS:
            return []
        given, self._settled = self._settled, []
        return given


class Stop:
    """Whether the process was told to stop."""

    def __init__(self) -> None:
        self._asked = False

    def __bool__(self) -> bool:
        return self._asked

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Take a signal; a second one interrupts."""
        if self._asked:
            signal.default_int_handler(number, frame)
        self._asked = True


@contextmanager
def stopping() -> Iterator[Stop]:
    """Let Ctrl-C and SIGTERM ask for a stop inside the block, where they would interrupt it."""
    stop = Stop()
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
