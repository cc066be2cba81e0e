"""The disagreements of annotators as one web page that needs nothing but itself.

Only the passages that differ are shown, both versions side by side, with a little context. Every
value goes through the template's autoescape, and a content security policy lets the browser run
only the style and script of the template, by hash.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from annotation.agreement import Agreement
from annotation.disagreement import KINDS, Difference
from annotation.interface import COLOURS
from zhibiao.files import replacing
from zhibiao.pages import content_policy, page_environment
from zhibiao.reports import Report
from zhibiao.spans import LABELS, Span

__all__ = ["LIMIT", "write_page"]

LIMIT = 3000
"""How many differences a page shows at most; with more, browsers and readers give up."""

_TEMPLATES = Path(__file__).resolve().parent / "templates"
_CONTEXT = 70  # characters of the same line on either side of a difference
_LONGEST = 600  # characters of a passage into which near differences are joined
_WHOLE = 800  # characters of a passage above which its middle is left out
_ENDS = 200  # characters that then stay at either end
_LINE = 48  # characters of the neighbouring line


@dataclass(frozen=True, slots=True)
class _Piece:
    """A slice of a version's text: plain, ``same``, ``differs``, or ``gap`` (only the other)."""

    text: str
    role: str = "plain"
    label: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class _Passage:
    """A row of the page: the same slice of the text in both versions, and its differences."""

    before: str
    after: str
    sides: tuple[list[_Piece], list[_Piece]]
    differences: list[Difference]


def write_page(path: str | Path, found: Agreement, *, limit: int = LIMIT) -> None:
    """Write the page; ``limit`` bounds the differences shown, and the page says what it omits.

    Raises:
        OutputError: the folder does not exist or is not writable.
    """
    environment = page_environment(_TEMPLATES)
    environment.filters["figure"] = _figure
    name = "disagreement.html.j2"
    source = (_TEMPLATES / name).read_text(encoding="utf-8")
    colours = _colours()
    style, script = (_between(source, tag) for tag in ("style", "script"))
    total = sum(sum(pair.kinds.values()) for pair in found.pairs)
    reports = _report_counts(found, limit)
    parts = environment.get_template(name).generate(
        found=found,
        labels=LABELS,
        kinds=KINDS,
        total=total,
        shown=min(total, limit),
        sections=_sections(found, limit, {name: n for n, name in enumerate(reports, start=1)}),
        reports=reports,
        colours=Markup(colours),
        policy=content_policy([style, colours], [script]),
    )
    with replacing(path) as stream:
        stream.writelines(parts)


def _colours() -> str:
    return "".join(f".l{n} {{ --c: {COLOURS[label]}; }}\n" for n, label in enumerate(LABELS))


def _between(source: str, tag: str) -> str:
    # The template's style and script hold no template code, so what is hashed is what is written.
    match = re.search(f"<{tag}>(.*?)</{tag}>", source, re.DOTALL)
    return match.group(1) if match else ""


def _limited(found: Agreement, limit: int) -> Iterator[tuple[int, str, list[Difference]]]:
    """Number of the pair, report id and differences, together not more than ``limit``.

    Reports come one after the other, each with all its pairs, so that one report is read once.
    """
    ids = dict.fromkeys(report_id for version in found.versions for report_id in version.reports)
    for report_id in ids:
        for number, pair in enumerate(found.pairs):
            items = pair.differences.get(report_id, [])[:limit]
            limit -= len(items)
            if items:
                yield number, report_id, items


def _report_counts(found: Agreement, limit: int) -> dict[str, int]:
    counts: dict[str, int] = {}
    for _, report_id, items in _limited(found, limit):
        counts[report_id] = counts.get(report_id, 0) + len(items)
    return counts


def _sections(found: Agreement, limit: int, numbers: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """A section for each report and pair of annotators, made when the template asks for it."""
    for number, report_id, items in _limited(found, limit):
        pair = found.pairs[number]
        reports = (pair.first.reports[report_id], pair.second.reports[report_id])
        yield {
            "id": report_id,
            "number": numbers[report_id],
            "pair": number,
            "names": (pair.first.name, pair.second.name),
            "tasks": [_task(report.meta) for report in reports],
            "count": len(items),
            "passages": _passages(reports, items),
        }


def _task(meta: Mapping[str, Any]) -> tuple[str, str] | None:
    """What to call the task and its address, where the report's meta names one."""
    link = meta.get("link")
    # A javascript: address would run in the reader's browser.
    if not isinstance(link, str) or not re.match(r"https?://", link):
        return None
    task = meta.get("task")
    return (f"任务 {task}" if isinstance(task, int) else "打开任务"), link


def _passages(
    reports: tuple[Report, Report], differences: Sequence[Difference]
) -> Iterator[_Passage]:
    text = reports[0].text
    groups = _groups(reports, differences)
    for place, (low, high, items) in enumerate(groups):
        # A neighbouring line that is a passage itself need not be shown as context too.
        above = groups[place - 1][1] if place else 0
        below = groups[place + 1][0] if place + 1 < len(groups) else len(text)
        numbers = {item: number for number, item in enumerate(items, start=1)}
        yield _Passage(
            before=_line_before(text, low, above),
            after=_line_after(text, high, below),
            sides=(
                list(_pieces(reports[0], 0, low, high, numbers)),
                list(_pieces(reports[1], 1, low, high, numbers)),
            ),
            differences=items,
        )


def _groups(
    reports: tuple[Report, Report], differences: Sequence[Difference]
) -> list[tuple[int, int, list[Difference]]]:
    """Slices (start, end, differences) to show: each within its lines, near ones joined."""
    text = reports[0].text
    groups: list[tuple[int, int, list[Difference]]] = []
    for item in differences:
        low = max(text.rfind("\n", 0, item.start) + 1, item.start - _CONTEXT)
        newline = text.find("\n", item.end)
        high = min(len(text) if newline < 0 else newline, item.end + _CONTEXT)
        # A name cut in two by the edge of the context would look like a difference.
        for report in reports:
            low = min([low, *(s.start for s in _within(report, low, low) if s.end - s.start < 60)])
            high = max(
                [high, *(s.end for s in _within(report, high, high) if s.end - s.start < 60)]
            )
        if groups:
            start, end, items = groups[-1]
            near = low <= end + 20 and "\n" not in text[end:low]
            if near and high - start <= _LONGEST:
                groups[-1] = (start, high, [*items, item])
                continue
            # Too long to join: no difference may stand in the passage of another.
            groups[-1] = (start, min(end, item.start), items)
            low = max(low, groups[-1][1])
        groups.append((low, high, [item]))
    return groups


def _within(report: Report, low: int, high: int) -> tuple[Span, ...]:
    """The spans that reach into the slice; for an empty one, those on both sides of the place."""
    # Sorted and without overlaps: so starts and ends are sorted both.
    first = bisect_right(report.spans, low, key=lambda span: span.end)
    last = bisect_left(report.spans, high, key=lambda span: span.start)
    return report.spans[first:last]


def _line_before(text: str, at: int, bound: int) -> str:
    if at and text[at - 1] != "\n":
        return ""  # the passage begins inside a line, which is context enough
    line = text[bound:at].rstrip().rpartition("\n")[2].strip()
    return line if len(line) <= _LINE else "…" + line[-_LINE:]


def _line_after(text: str, at: int, bound: int) -> str:
    if at < len(text) and text[at] != "\n":
        return ""
    line = text[at:bound].lstrip().partition("\n")[0].strip()
    return line if len(line) <= _LINE else line[:_LINE] + "…"


def _pieces(
    report: Report, side: int, low: int, high: int, numbers: Mapping[Difference, int]
) -> Iterator[_Piece]:
    """The slice of one version in pieces; ``…`` where it begins or ends inside a line."""
    text = report.text
    marks: list[tuple[int, int, str, str, int]] = []
    own: set[Span] = set()
    for item, number in numbers.items():
        spans = (item.first, item.second)[side]
        own.update(spans)
        marks.extend((s.start, s.end, "differs", s.label, number) for s in spans)
        if not spans:
            marks.append((item.start, item.end, "gap", "", number))
    marks.extend(
        (span.start, span.end, "same", span.label, 0)
        for span in _within(report, low, high)
        if span not in own
    )
    marks.sort()
    if low and text[low - 1] != "\n":
        yield _Piece("…")
    # A difference of a whole chapter would bury the page; its ends say where it is.
    cut = (low + _ENDS, high - _ENDS) if high - low > _WHOLE else (high, high)
    for begin, stop in ((low, cut[0]), (cut[1], high)):
        if begin == cut[1] < high:
            yield _Piece(f"……（略 {cut[1] - cut[0]} 字）……")
        position = begin
        for start, end, role, label, number in marks:
            start, end = max(start, begin), min(end, stop)
            if start >= end:
                continue
            if position < start:
                yield _Piece(text[position:start])
            yield _Piece(text[start:end], role, label, number)
            position = end
        if position < stop:
            yield _Piece(text[position:stop])
    if high < len(text) and text[high] != "\n":
        yield _Piece("…")


def _figure(value: float | None) -> str:
    # Adding 0.0 turns the -0.000 of a tiny negative alpha into 0.000.
    return "—" if value is None else f"{round(value, 3) + 0.0:.3f}"
