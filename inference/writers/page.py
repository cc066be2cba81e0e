"""Predictions as web pages: one a report, and an index of them all.

The pages need nothing but themselves. Every value goes through the template's autoescape, and a
content security policy lets the browser run only the style and script written here, by hash.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup

from inference.prediction import Prediction, Run
from inference.writers.folder import replacing_folder
from zhibiao.errors import OutputError
from zhibiao.pages import content_policy, page_environment
from zhibiao.spans import LABELS, Span, spans_by_label

__all__ = ["check_pages", "write_pages"]

_TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
_INDEX = "index.html"
_MARK = b'<meta name="generator" content="zhibiao">'


@dataclass(frozen=True, slots=True)
class _Row:
    """What the index keeps of a report."""

    href: str
    id: str
    source: str
    characters: int
    counts: dict[str, int]


def check_pages(target: Path) -> None:
    """Refuse a target that holds anything but the pages of an earlier run.

    Raises:
        OutputError: the folder would have to be thrown away, and it is somebody else's.
    """
    if not target.exists():
        return
    if target.is_dir():
        index = target / _INDEX
        if not any(target.iterdir()) or (index.is_file() and _MARK in index.read_bytes()[:2000]):
            return
    raise OutputError(f"{target}：已经存在，且不是本程序生成的网页；请移走它或换一个输出文件夹")


@contextmanager
def write_pages(path: Path, run: Run) -> Iterator[Callable[[Prediction], None]]:
    """Write a folder of pages with ``index.html``, holding one report at a time."""
    with replacing_folder(path) as folder:
        pages = _Pages(folder, run)
        yield pages.add
        pages.close()


class _Pages:
    def __init__(self, folder: Path, run: Run) -> None:
        self.folder = folder
        self.run = run
        self.rows: list[_Row] = []
        self.waiting: tuple[Prediction, str] | None = None
        self.templates = _environment()

    def add(self, prediction: Prediction) -> None:
        number = len(self.rows) + 1
        name = _file_name(number, prediction.report.id)
        self._write_waiting(name)
        self.waiting = (prediction, name)
        self.rows.append(
            _Row(
                quote(name),
                prediction.report.id,
                prediction.report.source,
                len(prediction.report.text),
                spans_by_label(prediction.spans),
            )
        )

    def close(self) -> None:
        self._write_waiting(None)
        totals = {label: sum(row.counts[label] for row in self.rows) for label in LABELS}
        self._render(
            _INDEX,
            rows=self.rows,
            totals=totals,
            characters=sum(row.characters for row in self.rows),
            failures=self.run.failures,
        )

    def _write_waiting(self, following: str | None) -> None:
        # A page links to the next one, so it waits until that one's name is known.
        if self.waiting is None:
            return
        prediction, name = self.waiting
        number = len(self.rows)
        self._render(
            name,
            report=prediction.report,
            counts=self.rows[-1].counts,
            pieces=_pieces(prediction),
            previous=self.rows[-2].href if number > 1 else None,
            following=None if following is None else quote(following),
        )
        self.waiting = None

    def _render(self, name: str, **values: Any) -> None:
        template = "index.html.j2" if name == _INDEX else "report.html.j2"
        parts = self.templates.get_template(template).generate(model=self.run.model, **values)
        with (self.folder / name).open("w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(parts)


def _environment() -> Environment:
    environment = page_environment(_TEMPLATES)
    style = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    script = (_TEMPLATES / "index.js").read_text(encoding="utf-8")
    environment.globals.update(
        labels=LABELS,
        style=Markup(style),
        script=Markup(script),
        policy=content_policy([style], [script]),
    )
    return environment


def _file_name(number: int, identity: str) -> str:
    stem = re.sub(r"[^\w-]+", "-", identity.rpartition("/")[2])[:40].strip("-")
    return f"{number:04d}-{stem}.html" if stem else f"{number:04d}.html"


def _pieces(prediction: Prediction) -> Iterator[tuple[str, str, str]]:
    """Yield the text in slices as (characters, CSS class, tooltip); no class outside spans."""
    position = 0
    for span in prediction.spans:
        if position < span.start:
            yield prediction.report.text[position : span.start], "", ""
        kind = f"l{LABELS.index(span.label)}"
        yield prediction.text_of(span), kind, _tooltip(prediction, span)
        position = span.end
    yield prediction.report.text[position:], "", ""


def _tooltip(prediction: Prediction, span: Span) -> str:
    words = [span.label, f"置信度 {span.score:.2f}"]
    place = prediction.place_of(span)
    if place is not None:
        page = "" if place.page is None else f"第 {place.page} 页"
        words.append(f"{page}第 {place.paragraph} 段")
    return " · ".join(words)
