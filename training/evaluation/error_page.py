"""A model's scores and every error in its context, as one web page that needs nothing but itself.

Every value goes through the template's autoescape, and a content security policy lets the
browser run only the style and script of the template, by hash.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from training.evaluation.alignment import KINDS, SHAPES
from training.evaluation.confusion import NOTHING
from training.evaluation.mistakes import Mistake
from zhibiao.files import replacing
from zhibiao.pages import content_policy, page_environment
from zhibiao.spans import Span

__all__ = ["LIMIT", "write_page"]

LIMIT = 3000
"""How many errors a page shows at most; with more, browsers give up."""

_TEMPLATES = Path(__file__).resolve().parent / "templates"
_NAME = "errors.html.j2"
_CONTEXT = 45  # characters on either side of an error
_LONGEST = 200  # characters of one piece above which its middle is left out
_ENDS = 80  # characters that then stay at either end

_COLOURS = (
    *("#384394", "#389475", "#c8a32a", "#5c3523", "#666600", "#428df0"),
    *("#a8327f", "#d0622f", "#2f7f9f", "#7a4fc4", "#5f8f2f", "#b03a3a"),
)
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


@dataclass(frozen=True, slots=True)
class _Piece:
    """A slice of a side's text: plain, ``same``, ``differs``, or ``gap`` (only the other side)."""

    text: str
    role: str = "plain"
    label: str = ""


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
    environment = page_environment(_TEMPLATES)
    environment.filters["visible"] = _visible
    source = (_TEMPLATES / _NAME).read_text(encoding="utf-8")
    colours = "".join(
        f".l{number} {{ --c: {_COLOURS[number % len(_COLOURS)]}; }}\n"
        for number in range(len(labels))
    )
    style, script = (_between(source, tag) for tag in ("style", "script"))
    shown = _chosen(mistakes, limit)
    genres = sorted({str(m.outcome.report.meta.get("genre") or "") for _, m in shown} - {""})
    reports: dict[tuple[str, str], int] = {}
    for name, mistake in shown:
        key = (name, mistake.outcome.report.id)
        reports[key] = reports.get(key, 0) + 1
    parts = environment.get_template(_NAME).generate(
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
        colours=Markup(colours),
        policy=content_policy([style, colours], [script]),
    )
    with replacing(path) as stream:
        stream.writelines(parts)


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


def _pieces(mistake: Mistake, *, gold: bool) -> Iterator[_Piece]:
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
        yield _Piece("…")
    position = low
    for start, end, role, label in sorted(marks):
        if position < start:
            yield _Piece(_short(text[position:start]))
        yield _Piece(_short(text[start:end]), role, label)
        position = end
    if position < high:
        yield _Piece(_short(text[position:high]))
    if high < len(text):
        yield _Piece("…")


def _within(spans: Sequence[Span], low: int, high: int) -> Sequence[Span]:
    # Sorted and without overlaps: so starts and ends are sorted both.
    first = bisect_right(spans, low, key=lambda span: span.end)
    return spans[first : bisect_left(spans, high, key=lambda span: span.start)]


def _short(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_ENDS]}……（略 {len(text) - 2 * _ENDS} 字）……{text[-_ENDS:]}"


def _between(source: str, tag: str) -> str:
    # The template's style and script hold no template code, so what is hashed is what is written.
    match = re.search(f"<{tag}>(.*?)</{tag}>", source, re.DOTALL)
    return match.group(1) if match else ""


def _visible(text: str) -> str:
    """The text on one line, with controls and invisible characters as signs."""
    return "".join("↵" if c == "\n" else c if _is_seen(c) else f"⟨U+{ord(c):04X}⟩" for c in text)


def _is_seen(character: str) -> bool:
    # isprintable() is false of all spaces but U+0020.
    return character.isprintable() or character == "\t" or unicodedata.category(character) == "Zs"
