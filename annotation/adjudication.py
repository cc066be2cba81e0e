"""What an adjudicator has to decide: the reports on which annotators differ, with every version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotation.disagreement import Version
from zhibiao.spans import Span

__all__ = ["Case", "adjudication"]


@dataclass(frozen=True, slots=True)
class Case:
    """A report with the spans of each annotator who did it, for one task with as many predictions.

    ``meta`` holds the entries that are equal in all versions that have them; what belongs to one
    annotation (annotator, annotation id) differs and is left out. ``versions`` holds
    (annotator, spans) in the order of the versions, two at least; spans may be empty.
    """

    report_id: str
    text: str
    meta: Mapping[str, Any]
    versions: tuple[tuple[str, tuple[Span, ...]], ...]

    @property
    def differs(self) -> bool:
        """Whether any two annotators differ in a start, an end or a label."""
        return len({frozenset(span.key for span in spans) for _, spans in self.versions}) > 1


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
            tuple((v.name, r.spans) for v, r in zip(holders, reports, strict=True)),
        )
        if everything or case.differs:
            cases.append(case)
    return cases


def _common(metas: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for meta in metas:
        merged = {**meta, **merged}
    # annotator and annotation would be equal only by accident, and never true of the case.
    return {
        key: value
        for key, value in merged.items()
        if key not in ("annotator", "annotation")
        and all(meta.get(key, value) == value for meta in metas)
    }
