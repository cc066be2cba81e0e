"""Which reports make which part of an archive, written down before any work is done."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, reduce
from itertools import chain, islice
from pathlib import Path
from typing import Any, Self

from zhibiao.errors import OutputError
from zhibiao.files import replacing
from zhibiao.inputs import free_id, read_inputs, report_lines
from zhibiao.journal import Journal
from zhibiao.sources import Lines, Source

__all__ = ["DEFAULT_PART", "Part", "Plan"]

DEFAULT_PART = 500
"""Reports of a part: some minutes of work, and a workbook that opens at once."""
_PART_BYTES = 64_000_000
"""Bytes of source that a part may have; a larger report is a part of its own."""
_VERSION = 1


@dataclass(frozen=True)
class Part:
    """Some reports, in order, their ids settled; ``number`` counts from 1."""

    number: int
    sources: tuple[Source, ...]

    @property
    def line(self) -> str:
        """The part as a line of the plan."""
        return json.dumps({"part": self.number, "sources": list(map(_to_dict, self.sources))})

    @cached_property
    def digest(self) -> str:
        """What the part is made of: changes with every file, line and id in it."""
        return hashlib.sha256(self.line.encode()).hexdigest()[:32]

    @property
    def size(self) -> int:
        """Bytes of source."""
        return sum(source.size for source in self.sources)


class Plan:
    """The parts of an archive. Files that come later make new parts; parts keep their numbers.

    ``settings`` are what the results depend on besides the files. Ids are as
    :func:`zhibiao.inputs.read_inputs` gives them over all files, about 300 bytes of memory each
    while new files are planned.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = dict(settings)
        self.parts: list[Part] = []
        self._files: dict[str, tuple[int, int]] = {}  # path: size, time of the last change
        self._taken: dict[str, str] | None = None  # id: id of its file

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a plan that :meth:`write` wrote.

        Raises:
            OutputError: the file is no plan, or one of another version.
        """
        try:
            with path.open(encoding="utf-8") as stream:
                head = json.loads(stream.readline())
                if head["version"] != _VERSION:
                    raise ValueError("version")
                plan = cls(head["settings"])
                for line in stream:
                    item = json.loads(line)
                    if "part" in item:
                        sources = tuple(map(_from_dict, item["sources"]))
                        plan.parts.append(Part(item["part"], sources))
                        for source in sources:
                            if source.lines is None:
                                plan._files[str(source.path)] = (source.size, source.modified)
                    else:
                        plan._files[item["file"]] = (item["size"], item["modified"])
        except (ValueError, KeyError, TypeError) as error:
            raise OutputError(
                f"{path}：不是本程序的计划，或来自别的版本；请换一个输出文件夹"
            ) from error
        return plan

    def write(self, path: Path) -> None:
        """Write the plan, complete or not at all."""
        with replacing(path) as stream:
            stream.write(json.dumps({"version": _VERSION, "settings": self.settings}) + "\n")
            sliced = {str(one.path) for one in self._sources() if one.lines is not None}
            for name in sorted(sliced):
                size, modified = self._files[name]
                stream.write(json.dumps({"file": name, "size": size, "modified": modified}) + "\n")
            for part in self.parts:
                stream.write(part.line + "\n")

    def fresh(self, sources: Iterable[Source]) -> list[Source]:
        """Those of the sources that are new or have changed."""
        return [one for one in sources if self._files.get(_path(one)) != (one.size, one.modified)]

    def absent(self, sources: Iterable[Source]) -> set[str]:
        """The paths of planned files that are not among the sources."""
        return self._files.keys() - set(map(_path, sources))

    def update(self, sources: Sequence[Source]) -> list[Source]:
        """Take in sources that are new or have changed, and return those that have changed.

        A changed document keeps its place; the lines of a changed report JSONL fill its places
        again, and what is over goes, as new files do, to new parts.
        """
        taken = self._taken = self._ids() if self._taken is None else self._taken
        changed = [source for source in sources if _path(source) in self._files]
        new = [source for source in sources if _path(source) not in self._files]
        over = self._change({_path(source): source for source in changed}, taken)
        self._append(chain(*over, *(_units(source, taken) for source in new)))
        for source in sources:
            self._files[_path(source)] = (source.size, source.modified)
        return changed

    def _sources(self) -> Iterator[Source]:
        return (source for part in self.parts for source in part.sources)

    def _ids(self) -> dict[str, str]:
        silent = _Silent()
        taken: dict[str, str] = {}
        for source in self._sources():
            if not source.holds_reports:
                taken[source.id] = source.id
            elif source.lines is not None:
                taken.update((item.id, source.id) for item in read_inputs([source], silent))
        return taken

    def _append(self, units: Iterable[Source]) -> None:
        """Fill new parts."""
        most = int(self.settings["part"])
        waiting: list[Source] = []
        count = size = 0

        def close() -> None:
            if waiting:
                self.parts.append(Part(len(self.parts) + 1, tuple(waiting)))
                waiting.clear()

        for unit in units:
            if count == most or size + unit.size > _PART_BYTES:
                close()
                count = size = 0
            if waiting and _follows(unit, waiting[-1]):
                waiting[-1] = _joined(waiting[-1], unit)
            else:
                waiting.append(unit)
            count += 1
            size += unit.size
        close()

    def _change(
        self, changed: Mapping[str, Source], taken: dict[str, str]
    ) -> list[Iterator[Source]]:
        """Put changed sources, by path, in their places, and return what found none."""
        owners = {source.id for source in changed.values() if source.holds_reports}
        for identity in [one for one, owner in taken.items() if owner in owners]:
            del taken[identity]
        lines = {
            path: _units(source, taken) for path, source in changed.items() if source.holds_reports
        }

        def renewed(old: Source) -> Source | None:
            path = str(old.path)
            if path not in changed:
                return old
            if path not in lines:
                return replace(_planned(changed[path]), id=old.id)
            found = list(islice(lines[path], old.lines.reports if old.lines else 1))
            return reduce(_joined, found) if found else None

        for index, part in enumerate(self.parts if changed else ()):
            sources = tuple(one for one in map(renewed, part.sources) if one)
            if sources != part.sources:
                self.parts[index] = Part(part.number, sources)
        return list(lines.values())


class _Silent(Journal):
    """Says nothing: what cannot be read is said by who reads it for its text."""

    def __init__(self) -> None:
        super().__init__(0, quiet=True)

    def failure(self, line: str, size: int = 0, *, source: str = "") -> None:
        """Pass over it."""


def _units(source: Source, taken: dict[str, str]) -> Iterator[Source]:
    """Yield each report of a file as a source of its own, and note the ids that are taken.

    A report JSONL in which nothing can be found is yielded as it is: reading it says why.
    """
    planned = _planned(source)
    if not source.holds_reports:
        identity = free_id(source.id, source, taken)
        taken[identity] = source.id
        yield replace(planned, id=identity)
        return
    empty = True
    try:
        for lines in report_lines(source, taken):
            empty = False
            # The lines tell whether they changed; the rest of the file may grow.
            yield replace(planned, size=lines.end - lines.start, modified=0, lines=lines)
    except OSError:
        pass  # whatever could be read is planned
    if empty:
        yield planned


def _planned(source: Source) -> Source:
    return replace(source, path=Path(_path(source)))


def _path(source: Source) -> str:
    return os.path.abspath(source.path or "")


def _follows(unit: Source, last: Source) -> bool:
    return unit.path == last.path and unit.lines is not None and last.lines is not None


def _joined(first: Source, second: Source) -> Source:
    """Two runs of lines of one file as one."""
    assert first.lines is not None
    assert second.lines is not None
    digest = hashlib.blake2b(f"{first.lines.digest} {second.lines.digest}".encode(), digest_size=8)
    lines = replace(
        first.lines,
        end=second.lines.end,
        reports=first.lines.reports + second.lines.reports,
        digest=digest.hexdigest(),
        ids={**first.lines.ids, **second.lines.ids},
        repeats={**first.lines.repeats, **second.lines.repeats},
    )
    return replace(first, size=lines.end - lines.start, lines=lines)


def _to_dict(source: Source) -> dict[str, Any]:
    data = asdict(source)
    data["path"] = str(source.path)
    return {key: value for key, value in data.items() if value is not None}


def _from_dict(data: dict[str, Any]) -> Source:
    lines = data.get("lines")
    if lines is not None:
        for name in ("ids", "repeats"):  # JSON has no numbers for keys
            lines[name] = {int(number): value for number, value in lines[name].items()}
        lines = Lines(**lines)
    return Source(**{**data, "path": Path(data["path"]), "lines": lines})
