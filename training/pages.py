"""The pages of errors: one form for errors of entities and of rows, as a page that needs nothing.

Every value goes through the template's autoescape, and a content security policy lets the browser
run only the style and script of the templates, by hash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from zhibiao.files import replacing
from zhibiao.pages import content_policy, page_environment
from zhibiao.reports import Report

__all__ = ["LIMIT", "Piece", "choices_of", "shortened", "write_cards"]

LIMIT = 3000
"""How many errors a page shows at most; with more, browsers give up."""

_TEMPLATES = Path(__file__).resolve().parent / "templates"
_LONGEST = 200  # characters of one piece above which its middle is left out
_ENDS = 80  # characters that then stay at either end

_COLOURS = (
    *("#384394", "#389475", "#c8a32a", "#5c3523", "#666600", "#428df0"),
    *("#a8327f", "#d0622f", "#2f7f9f", "#7a4fc4", "#5f8f2f", "#b03a3a"),
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A slice of a side's text: plain, ``same``, ``differs``, or ``gap`` (only the other side)."""

    text: str
    role: str = "plain"
    label: str = ""


def shortened(text: str) -> str:
    """The text, or of a long one both ends and how many characters lie between."""
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_ENDS]}……（略 {len(text) - 2 * _ENDS} 字）……{text[-_ENDS:]}"


def choices_of(shown: Iterable[tuple[str, Report]]) -> tuple[list[str], Counter[tuple[str, str]]]:
    """What a reader may choose cards by: the genres, and how many cards each report has.

    ``shown`` holds the source and the report of each card; reports are counted by source and id,
    in the order of the cards.
    """
    shown = list(shown)
    genres = {str(report.meta.get("genre") or "") for _, report in shown} - {""}
    return sorted(genres), Counter((source, report.id) for source, report in shown)


def write_cards(path: str | Path, template: str, colours: int, **values: Any) -> None:
    """Write the page of a template; ``colours`` is how many classes ``l0``, ``l1``, ... it needs.

    The templates choose, sort and page their cards with ``cards.js``.

    Raises:
        OutputError: the folder does not exist or is not writable.
    """
    style, script = ((_TEMPLATES / name).read_text("utf-8") for name in ("cards.css", "cards.js"))
    classes = "".join(
        f".l{number} {{ --c: {_COLOURS[number % len(_COLOURS)]}; }}\n" for number in range(colours)
    )
    parts = (
        page_environment(_TEMPLATES)
        .get_template(template)
        .generate(
            style=Markup(style),
            colours=Markup(classes),
            script=Markup(script),
            policy=content_policy([style, classes], [script]),
            **values,
        )
    )
    with replacing(path) as stream:
        stream.writelines(parts)
