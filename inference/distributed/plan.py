"""The plan of a job: which parts there are and what is in them, written before any work."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.distributed.pieces import Piece
from inference.distributed.stores import Store
from zhibiao.errors import OutputError

__all__ = ["PartPlace", "Plan"]

_NAME = "plan.jsonl"


@dataclass(frozen=True, slots=True)
class PartPlace:
    """Where a part stands in the plan: its number, and its line in bytes."""

    part: int
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan as it lies in ``store``: its first line has the settings, each other one a part.

    ``digest`` tells it from every other plan. The parts themselves stay in the file.
    """

    store: Store
    settings: Mapping[str, Any]
    unmatched: tuple[str, ...]
    parts: tuple[PartPlace, ...]
    digest: str

    @classmethod
    def find(cls, store: Store) -> Plan | None:
        """The plan of an earlier run, or None."""
        data = store.read(_NAME)
        if data is None:
            return None
        first, *rest = data.splitlines(keepends=True)
        header = json.loads(first)
        places, start = [], len(first)
        for part, line in enumerate(rest):
            places.append(PartPlace(part, start, len(line)))
            start += len(line)
        digest = hashlib.sha256(data).hexdigest()
        return cls(store, header["settings"], tuple(header["unmatched"]), tuple(places), digest)

    @classmethod
    def make(
        cls,
        store: Store,
        settings: Mapping[str, Any],
        unmatched: Iterable[str],
        parts: Iterable[list[Piece]],
    ) -> Plan:
        """Write a new plan, whole or not at all."""
        with tempfile.TemporaryDirectory(prefix="zhibiao-") as folder:
            path = Path(folder, _NAME)
            with path.open("w", encoding="utf-8", newline="\n") as stream:
                header = {"settings": dict(settings), "unmatched": list(unmatched)}
                stream.write(json.dumps(header, ensure_ascii=False) + "\n")
                for pieces in parts:
                    row = [piece.to_dict() for piece in pieces]
                    stream.write(json.dumps(row, ensure_ascii=False) + "\n")
            store.publish(path, _NAME)
        made = cls.find(store)
        assert made is not None  # written just now
        return made

    def check(self, settings: Mapping[str, Any]) -> None:
        """Refuse to go on with other settings than those the plan was made for.

        Raises:
            OutputError: names what differs.
        """
        names = [name for name in settings if settings[name] != self.settings.get(name)]
        if names:
            raise OutputError(
                f"{self.store.location}：里面是另一次运行的结果（{'、'.join(names)} 不同）；"
                "请用原来的参数继续，或换一个输出文件夹"
            )

    def pieces(self, place: PartPlace) -> Iterator[Piece]:
        """What is in a part."""
        for data in json.loads(self.store.read_part(_NAME, place.start, place.length)):
            yield Piece.from_dict(data)
