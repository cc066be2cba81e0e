"""A model's scores and every error in its context, as one web page."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from training.evaluation.alignment import KINDS, SHAPES
from training.evaluation.confusion import NOTHING
from training.evaluation.mistakes import Mistake
from training.pages import LIMIT, Piece, choices_of, shortened, write_cards
from zhibiao.spans import Span

__all__ = ["write_page"]

_CONTEXT = 45  # characters on either side of an error

_KIND_NAMES = dict(zip(KINDS, ("标签错", "边界错", "标签和边界都错", "漏掉", "多出"), strict=True))
_SHAPE_NAMES = dict(
    zip(
        SHAPES,
        (
            *("左边多", "左边少", "右边多", "右边少", "两边都错"),
            *("一段拆成几段", "几段并成一段", "交错"),
        ),
        strict=True,
    )
)
_SIDES = {"left": "左边", "right": "右边", "inside": "中间"}
_CHANGES = {"extra": "多了", "missing": "少了"}
_SCHEMAS = {"strict": "严格", "exact": "只看边界", "partial": "重叠算一半", "type": "重叠且标签对"}


def write_page(
    path: str | Path,
    results: Mapping[str, Mapping[str, Any]],
    mistakes: Mapping[str, Sequence[Mistake]],
    labels: Sequence[str],
    *,
    limit: int = LIMIT,
) -> None:
    """Write the page of ``results`` (see :func:`.summary.summarise`) by source.

    ``limit`` bounds the errors shown: those that the model was surest of; the page says what it
    leaves out.

    Raises:
        OutputError: the folder does not exist or is not writable.
    """
    shown = _chosen(mistakes, limit)
    genres, reports = choices_of((name, mistake.outcome.report) for name, mistake in shown)
    write_cards(
        path,
        "errors.html.j2",
        len(labels),
        results=results,
        labels=list(labels),
        nothing=NOTHING,
        kinds=_KIND_NAMES,
        shapes=_SHAPE_NAMES,
        sides=_SIDES,
        changes=_CHANGES,
        schemas=_SCHEMAS,
        total=sum(map(len, mistakes.values())),
        shown=len(shown),
        sources=list(results),
        genres=genres,
        reports=reports,
        cards=_cards(shown, list(results), genres, list(reports)),
    )


def _chosen(mistakes: Mapping[str, Sequence[Mistake]], limit: int) -> list[tuple[str, Mistake]]:
    every = [(source, mistake) for source, items in mistakes.items() for mistake in items]
    if len(every) <= limit:
        return every
    surest = sorted(range(len(every)), key=lambda number: -every[number][1].confidence)
    return [every[number] for number in sorted(surest[:limit])]


def _cards(
    shown: Sequence[tuple[str, Mistake]],
    sources: list[str],
    genres: list[str],
    reports: list[tuple[str, str]],
) -> Iterator[dict[str, Any]]:
    """What the template shows of each error, made when it asks for it."""
    genre_number = {genre: number for number, genre in enumerate(genres, start=1)}
    report_number = {key: number for number, key in enumerate(reports, start=1)}
    for source, mistake in shown:
        report = mistake.outcome.report
        yield {
            "source": sources.index(source) + 1,
            "genre": genre_number.get(str(report.meta.get("genre") or ""), 0),
            "report": report_number[source, report.id],
            "id": report.id,
            "details": mistake.to_dict(),
            "rows": (
                ("标准", list(_pieces(mistake, gold=True))),
                ("模型", list(_pieces(mistake, gold=False))),
            ),
        }


def _pieces(mistake: Mistake, *, gold: bool) -> Iterator[Piece]:
    outcome, group = mistake.outcome, mistake.group
    text = outcome.report.text
    low = max(0, group.start - _CONTEXT)
    high = min(len(text), group.end + _CONTEXT)
    own = group.gold if gold else group.predicted
    marks = [(span.start, span.end, "differs", span.label) for span in own]
    if not own:
        marks.append((group.start, group.end, "gap", ""))
    every = outcome.gold if gold else outcome.predicted
    marks.extend(
        (max(span.start, low), min(span.end, high), "same", span.label)
        for span in _within(every, low, high)
        if span.end <= group.start or span.start >= group.end
    )
    if low:
        yield Piece("…")
    position = low
    for start, end, role, label in sorted(marks):
        if position < start:
            yield Piece(shortened(text[position:start]))
        yield Piece(shortened(text[start:end]), role, label)
        position = end
    if position < high:
        yield Piece(shortened(text[position:high]))
    if high < len(text):
        yield Piece("…")


def _within(spans: Sequence[Span], low: int, high: int) -> Sequence[Span]:
    # Sorted and without overlaps: so starts and ends are sorted both.
    first = bisect_right(spans, low, key=lambda span: span.end)
    return spans[first : bisect_left(spans, high, key=lambda span: span.start)]
