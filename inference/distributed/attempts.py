"""How often a part of the work has killed its process, and over which report.

A parser that crashes, memory that runs out or a report that never ends takes the whole process
along, and Ray starts the part again in another. The first time the part goes at full speed and
leaves one small file; every later time it goes report by report and notes which one it is at.
"""

from __future__ import annotations

import json
from collections import Counter

from inference.distributed.stores import Store

__all__ = ["Attempts"]

_DEADLY = 2
"""Deaths over one report that make it the cause; one may be a machine that was switched off."""


class Attempts:
    """The attempts at one part, kept beside the results until the part is committed."""

    def __init__(self, store: Store, part: int) -> None:
        self._store = store
        self._name = f"attempts/part-{part:06d}.json"
        self._deaths: Counter[str] = Counter()

    def begin(self) -> bool:
        """Count a new attempt; gives whether an earlier one ended in a death."""
        data = self._store.read(self._name)
        if data is None:
            self.note("")
            return False
        found = json.loads(data)
        self._deaths.update(found["deaths"])
        if found["current"]:
            self._deaths[found["current"]] += 1
        self.note("")
        return True

    def note(self, current: str) -> None:
        """Say which report is worked on from now on; empty for none."""
        data = {"current": current, "deaths": dict(self._deaths)}
        self._store.write(self._name, json.dumps(data, ensure_ascii=False).encode())

    def is_deadly(self, name: str) -> bool:
        """Whether the report killed the process so often that it must not be tried again."""
        return self._deaths[name] >= _DEADLY

    def end(self) -> None:
        """Forget everything: the part is committed."""
        self._store.remove(self._name)
