"""The journal of a process that has no terminal: it tells another process, and keeps books."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from inference.run import ReportCounts
from zhibiao.journal import Journal, one_line
from zhibiao.sources import Source

__all__ = ["Advanced", "Relay"]


@dataclass(frozen=True, slots=True)
class Advanced:
    """So many more bytes of source are done, with so many reports."""

    size: int
    reports: int


class Relay(Journal):
    """Says through ``send`` how the work advances, and keeps the ``lines`` to show at its end.

    ``lines`` are failures, with True, and warnings. ``sources`` are what the work is about.
    """

    def __init__(self, sources: Iterable[Source], send: Callable[[Advanced], None]) -> None:
        super().__init__(0, quiet=True)
        self.lines: list[tuple[bool, str]] = []
        self._send = send
        self._places = {source.name: (n, source.id) for n, source in enumerate(sources)}
        self._reasons: dict[str, str] = {}

    def failure(self, line: str, size: int = 0, *, source: str = "") -> None:
        """Keep a failure with the file or line that it is about."""
        line = one_line(line)
        self.failures.append(line)
        self.lines.append((True, line))
        self._reasons[source] = line
        self._send(Advanced(size, 0))

    def warning(self, line: str) -> None:
        """Keep a warning."""
        self.lines.append((False, line))

    def done(self, size: int, reports: int = 1) -> None:
        """Say that reports are done."""
        self._send(Advanced(size, reports))

    def where(self, source: Source) -> str:
        """How :func:`zhibiao.inputs.read_inputs` names the report of a source that has only one."""
        return source.name if source.lines is None else f"{source.name}:{source.lines.first}"

    def statuses(self, reports: Iterable[ReportCounts]) -> list[dict[str, Any]]:
        """What became of each report, in the order of the sources and their lines.

        ``status`` is ``ok``, ``partial`` (spans, but no records) or ``failed``.
        """
        rows = [self._row(report) for report in reports]
        read = {row["source"] for row in rows}
        rows += [
            {"id": self._id(where), "source": where, "status": "failed", "reason": reason}
            for where, reason in self._reasons.items()
            if where not in read
        ]
        return sorted(rows, key=lambda row: self._order(row["source"]))

    def _row(self, report: ReportCounts) -> dict[str, Any]:
        reason = self._reasons.get(report.source, "")
        return {
            "id": report.id,
            "source": report.source,
            "status": "partial" if reason else "ok",
            "reason": reason,
            "characters": report.characters,
            "spans": dict(report.spans),
            "records": report.records,
            "doubtful": report.doubtful,
        }

    def _split(self, where: str) -> tuple[str, int]:
        name, _, line = where.rpartition(":")
        return (where, 0) if where in self._places else (name, int(line))

    def _order(self, where: str) -> tuple[int, int]:
        name, line = self._split(where)
        return self._places[name][0], line

    def _id(self, where: str) -> str:
        name, line = self._split(where)
        return f"{self._places[name][1]}:{line}" if line else self._places[name][1]
