"""Predictions as web pages: one a report, where a click on a record shows its place in the text,
and an index of them all.

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

from inference.charts import chart_of
from inference.doubts import FAIR, LOW, confidence_of, notes_of
from inference.lines import charted, lines_of
from inference.prediction import Prediction
from inference.run import Run
from inference.words import BOUND_WORDS, MEASURE_WORDS, STATUS_WORDS
from inference.writers.folder import replacing_folder
from zhibiao.errors import OutputError
from zhibiao.pages import content_policy, page_environment
from zhibiao.records import Record
from zhibiao.spans import LABELS, Span, spans_by_label

__all__ = ["check_pages", "write_pages"]

_TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
_SCRIPTS = ("index.js", "report.js")
_INDEX = "index.html"
_MARK = b'<meta name="generator" content="zhibiao">'


_BOUND_SIGNS = {**BOUND_WORDS, "eq": ""}


@dataclass(frozen=True, slots=True)
class _Row:
    """A record as its row on the page; ``parts`` are the ids of its spans in the text."""

    anchor: str
    parts: str
    year: str
    indicator: str
    details: tuple[str, ...]
    bound: str
    value: str
    kind: str
    confidence: float | None
    level: str


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
        self.names: list[str] = []
        self.waiting: Prediction | None = None
        self.templates = _environment()

    def add(self, prediction: Prediction) -> None:
        # A page links to the next one, so it waits until that one's name is known.
        name = _file_name(len(self.names) + 1, prediction.report.id)
        self._write_waiting(name)
        self.waiting = prediction
        self.names.append(name)

    def close(self) -> None:
        self._write_waiting(None)
        reports = self.run.reports
        hrefs = {report.id: quote(name) for report, name in zip(reports, self.names, strict=True)}
        self._render(
            _INDEX,
            reports=reports,
            hrefs=hrefs,
            totals={label: sum(report.spans[label] for report in reports) for label in LABELS},
            characters=sum(report.characters for report in reports),
            records=sum(report.records for report in reports),
            doubtful=sum(report.doubtful for report in reports),
            charts=[chart_of(line) for line in charted(lines_of(self.run.series))],
            failures=self.run.failures,
        )

    def _write_waiting(self, following: str | None) -> None:
        if self.waiting is None:
            return
        prediction = self.waiting
        self._render(
            self.names[-1],
            report=prediction.report,
            counts=spans_by_label(prediction.spans),
            pieces=_pieces(prediction),
            rows=[_row(record) for record in prediction.records],
            previous=quote(self.names[-2]) if len(self.names) > 1 else None,
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
    scripts = [(_TEMPLATES / name).read_text(encoding="utf-8") for name in _SCRIPTS]
    environment.globals.update(
        labels=LABELS,
        measures=MEASURE_WORDS,
        style=Markup(style),
        index_script=Markup(scripts[0]),
        report_script=Markup(scripts[1]),
        policy=content_policy([style], scripts),
        low=LOW,
    )
    return environment


def _file_name(number: int, identity: str) -> str:
    stem = re.sub(r"[^\w-]+", "-", identity.rpartition("/")[2])[:40].strip("-")
    return f"{number:04d}-{stem}.html" if stem else f"{number:04d}.html"


def _pieces(prediction: Prediction) -> Iterator[tuple[str, str, str, str]]:
    """Yield the text in slices as (characters, CSS class, id, tooltip); no class outside spans."""
    position = 0
    for span in prediction.spans:
        if position < span.start:
            yield prediction.report.text[position : span.start], "", "", ""
        kind = f"l{LABELS.index(span.label)}"
        yield prediction.text_of(span), kind, f"s{span.start}", _tooltip(prediction, span)
        position = span.end
    yield prediction.report.text[position:], "", "", ""


def _tooltip(prediction: Prediction, span: Span) -> str:
    words = [span.label, f"置信度 {span.score:.2f}"]
    if prediction.report.document is not None:
        words.append(prediction.place_name(span.start))
    return " · ".join(words)


def _row(record: Record) -> _Row:
    parts = (record.unit, record.indicator, record.year, *record.subject)
    details = (
        record.qualifier.text if record.qualifier else "",
        "、".join(subject.text for subject in record.subject),
        *notes_of(record),
    )
    confidence = confidence_of(record)
    level = ""
    if confidence is not None and confidence < FAIR:
        level = "low" if confidence < LOW else "fair"
    return _Row(
        anchor=f"s{record.value.start}",
        # What a person typed stands nowhere in the text.
        parts=" ".join(f"s{part.start}" for part in parts if part and part.start < part.end),
        year=record.year_value,
        indicator=record.indicator.text if record.indicator else "",
        details=tuple(detail for detail in details if detail),
        bound=_BOUND_SIGNS[record.bound],
        value=record.value.text + (record.unit.text if record.unit else ""),
        kind=MEASURE_WORDS[record.measure]
        + (f"·{STATUS_WORDS['target']}" if record.status == "target" else ""),
        confidence=confidence,
        level=level,
    )
