"""Versions of the same reports by several annotators, and the places where two of them differ.

A version is everything one annotator did, or one tagging of a corpus. Versions are compared two at
a time. Spans that are equal in start, end and label are agreements; the others are grouped where
they overlap across the two versions, and each group is one difference of one kind, so that a
moved border counts as one difference and not as two spans that only one side has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zhibiao.errors import FormatError
from zhibiao.reports import Report, read_jsonl
from zhibiao.spans import LABELS, Span
from zhibiao.tagged import read_tagged

__all__ = ["KINDS", "Difference", "Version", "compare", "read_versions"]

KINDS: dict[str, str] = {
    "first": "仅前者标注",
    "second": "仅后者标注",
    "boundary": "边界不同",
    "label": "标签不同",
    "both": "边界和标签都不同",
    "split": "合并或拆分",
}
"""The kinds of difference and their Chinese names.

``first`` and ``second``: only that version has a span there. ``boundary``: one span against one,
same label, other borders. ``label``: same borders, other label. ``both``: one against one that
overlaps it, other borders and other label. ``split``: several spans on at least one side.
"""

_SOURCES = "请给导出文件夹、标注文本（*.txt）的文件夹或报告 JSONL 文件"


@dataclass(frozen=True, slots=True)
class Version:
    """The reports of one annotator, by report id, in the order of their file or folder."""

    name: str
    source: Path
    reports: Mapping[str, Report]


@dataclass(frozen=True, slots=True)
class Difference:
    """A place where two versions differ: the spans of each there, sorted; one may have none."""

    kind: str
    first: tuple[Span, ...]
    second: tuple[Span, ...]

    @property
    def start(self) -> int:
        """Where the place begins, in code points of the report's text."""
        return min(span.start for span in (*self.first, *self.second))

    @property
    def end(self) -> int:
        """Where the place ends, exclusive."""
        return max(span.end for span in (*self.first, *self.second))

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that either version has here, in the order of ``LABELS``."""
        found = {span.label for span in (*self.first, *self.second)}
        return tuple(label for label in LABELS if label in found)


def compare(first: Version, second: Version) -> dict[str, list[Difference]]:
    """The differences of each report that both versions hold and have tagged differently.

    Reports come in the order of ``first``, the differences of a report in the order of its text;
    no two of them overlap. Texts must be equal (:func:`read_versions` checks that).
    """
    found = {}
    for report_id, report in first.reports.items():
        if report_id in second.reports:
            differences = _differences(report.spans, second.reports[report_id].spans)
            if differences:
                found[report_id] = differences
    return found


def _differences(first: Iterable[Span], second: Iterable[Span]) -> list[Difference]:
    # Spans of one version never overlap, so what both have cannot touch what only one has.
    mine = {span.key: span for span in first}
    theirs = {span.key: span for span in second}
    left = [(mine[key], 0) for key in mine.keys() - theirs.keys()]
    right = [(theirs[key], 1) for key in theirs.keys() - mine.keys()]
    groups: list[tuple[list[Span], list[Span]]] = []
    end = -1
    for span, side in sorted(left + right):
        if span.start >= end:
            groups.append(([], []))
        groups[-1][side].append(span)
        end = max(end, span.end)
    return [Difference(_kind(ours, others), tuple(ours), tuple(others)) for ours, others in groups]


def _kind(first: Sequence[Span], second: Sequence[Span]) -> str:
    if not second:
        return "first"
    if not first:
        return "second"
    if len(first) > 1 or len(second) > 1:
        return "split"
    one, other = first[0], second[0]
    if one.label == other.label:
        return "boundary"
    return "label" if (one.start, one.end) == (other.start, other.end) else "both"


def read_versions(sources: Sequence[Path]) -> list[Version]:
    """Read two or more versions; names are unique, texts of the same report id are equal.

    A source is an export folder (one version for each of its ``annotators/*.jsonl``), a folder of
    tagged texts (``*.txt``) or a report JSONL file. An annotator's version has the name in its
    reports' ``meta["annotator"]``, any other version that of its file or folder.

    Raises:
        FormatError: a source holds no reports, only one version was found, the same source was
            given twice, a text differs between versions (names file, report and first differing
            offset), or no report has two versions.
    """
    files = [path for source in sources for path in _files(Path(source))]
    seen: set[Path] = set()
    for path in files:
        if path.resolve() in seen:
            raise FormatError(f"{path}：给了两次；同一份标注不能和自己比")
        seen.add(path.resolve())
    read = [(path, _reports(path)) for path in files]
    names = [_name(path, reports) for path, reports in read]
    clashing = {name for name, count in Counter(names).items() if count > 1}
    versions = [
        Version(str(path) if name in clashing else name, path, reports)
        for name, (path, reports) in zip(names, read, strict=True)
    ]
    if len(versions) < 2:
        raise FormatError(
            f"{sources[0]}：只有一份标注（{versions[0].name}），无从比较；"
            "请让第二个人也标这些报告，或再给一份标注"
        )
    _check_texts(versions)
    return versions


def _files(source: Path) -> list[Path]:
    """What holds one version each: JSONL files, or the folder of tagged texts itself."""
    if not source.exists():
        raise FormatError(f"{source}：不存在；{_SOURCES}")
    if source.is_file():
        if source.suffix != ".jsonl":
            raise FormatError(f"{source}：不是报告 JSONL；{_SOURCES}")
        return [source]
    annotators = source / "annotators"
    if annotators.is_dir():
        files = sorted(annotators.glob("*.jsonl"))
        if not files:
            raise FormatError(f"{annotators}：没有任何人的标注（*.jsonl）；请先标注，再导出一次")
        return files
    if not any(source.glob("*.txt")):
        raise FormatError(f"{source}：没有 annotators 文件夹，也没有标注文本；{_SOURCES}")
    return [source]


def _reports(path: Path) -> dict[str, Report]:
    if path.is_file():
        return {report.id: report for report in read_jsonl(path)}
    reports: dict[str, Report] = {}
    origin: dict[str, Path] = {}
    for file in sorted(path.glob("*.txt")):
        report = read_tagged(file)
        if report.id in reports:
            raise FormatError(f"{file}：编号 {report.id!r} 与 {origin[report.id]} 相同；请改一个")
        reports[report.id] = report
        origin[report.id] = file
    return reports


def _name(path: Path, reports: Mapping[str, Report]) -> str:
    if path.parent.name == "annotators":
        names = {report.meta.get("annotator") for report in reports.values()}
        name = names.pop() if len(names) == 1 else None
        if isinstance(name, str) and name:
            return name
    return path.stem if path.is_file() else path.resolve().name


def _check_texts(versions: Sequence[Version]) -> None:
    first: dict[str, tuple[Version, Report]] = {}
    shared = False
    for version in versions:
        for report in version.reports.values():
            if report.id not in first:
                first[report.id] = (version, report)
                continue
            shared = True
            other, earlier = first[report.id]
            if report.text != earlier.text:
                at = _first_difference(report.text, earlier.text)
                raise FormatError(
                    f"{version.source}：报告 {report.id!r} 的正文与 {other.source} 中的"
                    f"从偏移 {at} 起不同；只能比较同一正文的标注，请重新导出"
                )
    if not shared:
        places = "、".join(str(version.source) for version in versions)
        raise FormatError(f"{places}：没有一份报告有两人标注（按编号对应）；请检查是否给错了文件")


def _first_difference(one: str, other: str) -> int:
    # Where one text ends and the other goes on, they differ at the end of the shorter.
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)
