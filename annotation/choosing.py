"""Which of a task's annotations counts: every one checked, one chosen by rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from annotation.record_reading import to_records
from annotation.regions import Checked, to_spans
from annotation.tasks import content_hash
from zhibiao.errors import FormatError
from zhibiao.records import Record
from zhibiao.spans import Span

__all__ = ["RULES", "Annotation", "Problem", "choose", "read_annotations"]

RULES = ("latest", "adjudicated")
"""Rules besides ``annotator:NAME``."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a person should look at; ``kind`` is a word to filter by."""

    task: int
    link: str
    kind: str
    problem: str
    annotator: str = ""
    annotation: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The problem as a JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotator's checked annotation of a task.

    ``relations`` are pairs of (start, end) of the spans that a relation joins, from and to.
    ``records`` has the record of each 数值 in a project where records are annotated, else None.
    """

    task: int
    annotation: int
    annotator: str
    updated: str
    ground_truth: bool
    spans: tuple[Span, ...]
    relations: tuple[tuple[tuple[int, int], tuple[int, int]], ...]
    records: tuple[Record, ...] | None = None

    def agrees(self, other: Annotation) -> bool:
        """Whether the other version has the same spans, and the same records."""
        mine, theirs = ({span.key for span in one.spans} for one in (self, other))
        return mine == theirs and self.records == other.records


def read_annotations(
    task: Mapping[str, Any], link: str, people: Mapping[int, str], *, records: bool = False
) -> tuple[list[Annotation], list[Problem]]:
    """The annotations of an exported task, checked against the task's own text.

    ``people`` maps user ids to names. Of several annotations by one person the last changed
    counts. Skipped annotations give a problem of kind ``skipped``; a task whose text is no longer
    the imported one gives ``edited`` and no versions, because its offsets cannot be trusted.
    With ``records`` they are read too, and what makes no sense in them is of kind ``record``.
    """
    number = int(task["id"])
    data = task.get("data") or {}
    text = data.get("text")
    if not isinstance(text, str):
        return [], [Problem(number, link, "edited", "任务里没有正文；请删去任务，重新导入")]
    if data.get("content_hash") != content_hash(text):
        return [], [
            Problem(
                number,
                link,
                "edited",
                "正文在服务器上被改过，片段的位置已不可靠，没有导出；"
                "请把正文改回原样，或删去任务重新导入、重新标注",
            )
        ]
    versions: dict[str, Annotation] = {}
    problems: list[Problem] = []
    annotations: Iterable[Mapping[str, Any]] = task.get("annotations") or ()
    for item in sorted(annotations, key=lambda item: (str(item["updated_at"]), item["id"])):
        annotator = _name(item.get("completed_by"), people)
        annotation = int(item["id"])

        def add(
            kind: str, line: str, annotator: str = annotator, annotation: int = annotation
        ) -> None:
            problems.append(Problem(number, link, kind, line, annotator, annotation))

        if item.get("was_cancelled"):
            add("skipped", "标注者跳过了这份报告")
            continue
        result = item.get("result") or []
        checked = to_spans(result, text)
        for line in checked.problems:
            add("span", line)
        found: tuple[Record, ...] | None = None
        if records:
            found, lines = to_records(result, text, checked)
            for line in lines:
                add("record", f"报告 {data.get('report_id')}：{line}")
        if annotator in versions:
            older = versions.pop(annotator)
            add("repeated", f"同一人标了两次，采用后改的 {annotation}，未采用 {older.annotation}")
        versions[annotator] = Annotation(
            task=number,
            annotation=annotation,
            annotator=annotator,
            updated=str(item["updated_at"]),
            ground_truth=bool(item.get("ground_truth")),
            spans=checked.spans,
            relations=_relations(result, checked),
            records=found,
        )
    return list(versions.values()), problems


def choose(versions: Sequence[Annotation], rule: str) -> Annotation | None:
    """The version that counts under ``rule``, or None when no version does.

    ``latest``: the last changed one. ``annotator:NAME``: that person's. ``adjudicated``: the one
    marked as ground truth (the star in Label Studio); without a mark, any when all agree.

    Raises:
        FormatError: no such rule.
    """
    ordered = sorted(versions, key=lambda version: (version.updated, version.annotation))
    name = rule.removeprefix("annotator:")
    if rule == "latest":
        pass
    elif rule == "adjudicated":
        marked = [version for version in ordered if version.ground_truth]
        agreed = all(version.agrees(ordered[0]) for version in ordered)
        ordered = marked or (ordered if agreed else [])
    elif name != rule and name:
        ordered = [version for version in ordered if version.annotator == name]
    else:
        raise FormatError(f"选择规则 {rule!r}：可用 {'、'.join(RULES)} 或 annotator:名字")
    return ordered[-1] if ordered else None


def _name(completed_by: Any, people: Mapping[int, str]) -> str:
    number = completed_by.get("id") if isinstance(completed_by, dict) else completed_by
    if not isinstance(number, int):
        return "unknown"
    return people.get(number, f"user-{number}")


def _relations(
    result: Sequence[Any], checked: Checked
) -> tuple[tuple[tuple[int, int], tuple[int, int]], ...]:
    """Relations whose two regions both came through the checks."""
    found = []
    for item in result:
        if isinstance(item, dict) and item.get("type") == "relation":
            one = checked.regions.get(str(item.get("from_id")))
            other = checked.regions.get(str(item.get("to_id")))
            if one is not None and other is not None:
                ends = ((one.start, one.end), (other.start, other.end))
                found.append(ends if item.get("direction") != "left" else (ends[1], ends[0]))
    return tuple(sorted(set(found)))
