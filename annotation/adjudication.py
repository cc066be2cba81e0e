"""What an adjudicator has to decide: the reports on which annotators differ, with every version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotation.disagreement import Version
from zhibiao.reports import Report

__all__ = ["Case", "adjudication"]


@dataclass(frozen=True, slots=True)
class Case:
    """A report with the version of each annotator who did it, for one task with all of them.

    ``meta`` holds the entries that are equal in all versions that have them; what belongs to one
    annotation (annotator, annotation id) differs and is left out. ``versions`` holds
    (annotator, report) in the order of the versions, two at least.
    """

    report_id: str
    text: str
    meta: Mapping[str, Any]
    versions: tuple[tuple[str, Report], ...]

    @property
    def differs(self) -> bool:
        """Whether any two annotators differ in a start, an end, a label or a record."""
        (_, first), *others = self.versions
        return any(_content(first) != _content(other) for _, other in others)


def adjudication(versions: Sequence[Version], *, everything: bool = False) -> list[Case]:
    """The reports on which annotators differ, in the order in which the versions name them.

    A report of a single version is never a case. With ``everything`` the reports that all their
    annotators tagged alike are cases too.
    """
    ids = dict.fromkeys(report_id for version in versions for report_id in version.reports)
    cases = []
    for report_id in ids:
        holders = [version for version in versions if report_id in version.reports]
        reports = [version.reports[report_id] for version in holders]
        if len(reports) < 2:
            continue
        case = Case(
            report_id,
            reports[0].text,
            _common([report.meta for report in reports]),
            tuple((v.name, r) for v, r in zip(holders, reports, strict=True)),
        )
        if everything or case.differs:
            cases.append(case)
    return cases


def _content(report: Report) -> tuple[frozenset[tuple[int, int, str]], Any]:
    return frozenset(span.key for span in report.spans), report.meta.get("records")


def _common(metas: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for meta in metas:
        merged = {**meta, **merged}
    # These would be equal only by accident, and never true of the case.
    return {
        key: value
        for key, value in merged.items()
        if key not in ("annotator", "annotation", "relations", "records")
        and all(meta.get(key, value) == value for meta in metas)
    }
