"""What must hold for every input, however hostile: the properties that fuzzing checks."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import openpyxl
from lxml import html

from inference.prediction import Prediction
from inference.run import Run
from inference.writers import FORMATS
from inference.writers.csv_file import is_formula
from tests.fuzz_inputs import (
    Choices,
    document,
    log_probabilities,
    model_settings,
    report_text,
    some_spans,
)
from zhibiao.decoder import Decoder
from zhibiao.errors import ModelError, ReadError, ZhibiaoError
from zhibiao.extractor import Extractor
from zhibiao.inputs import Input, read_inputs
from zhibiao.journal import Journal
from zhibiao.linking import link_records
from zhibiao.model_directory import ModelDirectory
from zhibiao.readers import Document, read_bytes
from zhibiao.records import Mention, Record
from zhibiao.reports import Report
from zhibiao.sources import find_sources
from zhibiao.spans import LABELS, Span, check_spans
from zhibiao.tagged import format_tagged, parse_tagged
from zhibiao.windows import split_windows

__all__ = ["TARGETS", "check_document", "check_mentions", "check_prediction_spans"]

_THROUGH_MODEL = 20  # one text in so many goes through the network, which is slow
_THROUGH_EXCEL = 8


def check_document(found: Document) -> None:
    """Places are sorted and visible, and the text can be written and sliced anywhere."""
    found.text.encode()
    assert "\r" not in found.text
    end = paragraph = 0
    for place in found.places:
        assert end <= place.start < place.end <= len(found.text)
        assert not found.text[end : place.start].strip()
        assert found.text[place.start : place.end].strip()
        assert place.paragraph in (paragraph, paragraph + 1)
        assert found.place(place.start) == found.place(place.end - 1) == place
        end, paragraph = place.end, place.paragraph
    assert not found.text[end:].strip()


def check_prediction_spans(text: str, spans: Sequence[Span]) -> None:
    """Spans are inside the text, sorted, apart, of known labels, and scored as probabilities."""
    end = 0
    for span in spans:
        assert end <= span.start < span.end <= len(text)
        assert span.label in LABELS
        assert 0 <= span.score <= 1
        end = span.end


def check_mentions(text: str, records: Sequence[Record]) -> None:
    """What records rest on is what the text says there."""
    for record in records:
        for mention in _mentions(record):
            assert 0 <= mention.start < mention.end <= len(text)
            assert text[mention.start : mention.end] == mention.text
        assert all(0 <= p <= 1 for p in record.confidence.values())


def _mentions(record: Record) -> Iterator[Mention]:
    fields = (record.value, record.unit, record.indicator, record.qualifier, record.year)
    yield from (mention for mention in fields if mention)
    yield from record.subject
    for mentions in record.evidence.values():
        yield from mentions


def _readers(choices: Choices) -> None:
    """Any file gives a document with right places, or one line that names it and a remedy."""
    data, name = document(choices)
    if name.endswith(".jsonl"):
        _read_reports(data)
        return
    keep = choices.once_in(2)
    try:
        found = read_bytes(data, name, keep_boilerplate=keep)
    except ReadError as error:
        message = str(error)
        assert message.isprintable(), message
        assert "；" in message, message
    else:
        check_document(found)
        if choices.once_in(16):
            assert read_bytes(data, name, keep_boilerplate=keep) == found


def _read_reports(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reports.jsonl"
        path.write_bytes(data)
        sources, _ = find_sources([str(path)])
        with _Silent(0, quiet=True) as journal:
            found = list(read_inputs(sources, journal))
        assert found or journal.failures
        assert len({item.id for item in found}) == len(found)
        for item in found:
            item.text.encode()
            check_spans(item.text, item.spans)


class _Silent(Journal):
    """Failures are what is looked for here; printing a hundred thousand helps nobody."""

    def _print(self, line: str) -> None:
        line.encode()


def _text(choices: Choices) -> None:
    """Windows tile, decoding is valid for any scores, rows slice the text, formats come back."""
    text = report_text(choices)
    _check_windows(text, 1 + choices.below(300))
    decoder = Decoder(touching=choices.once_in(2), lone={"指标": 0.5})
    spans = decoder.decode(log_probabilities(choices, len(text)))
    check_prediction_spans(text, spans)
    if choices.once_in(_THROUGH_MODEL):
        spans = _extractor().extract(text)
        check_prediction_spans(text, spans)
    elif choices.once_in(2):
        spans = some_spans(choices, text)
    _check_records(text, spans)
    _check_formats(text, spans)
    if choices.once_in(8):
        _check_settings(model_settings(choices))


@cache
def _extractor() -> Extractor:
    return Extractor.from_pretrained(threads=1)


def _check_windows(text: str, size: int) -> None:
    end = 0
    for window in split_windows(text, size, size // 3):
        assert window.start <= window.keep_start <= window.keep_end <= window.end
        assert 0 < window.end - window.start <= size
        assert window.keep_start == end
        end = window.keep_end
    assert end == len(text)


def _check_records(text: str, spans: Sequence[Span]) -> None:
    records = link_records(text, spans)
    values = [span for span in spans if span.label == "数值"]
    assert [record.value.start for record in records] == [span.start for span in values]
    check_mentions(text, records)
    for record in records:
        data = json.loads(json.dumps(record.to_dict("甲")))
        assert Record.from_dict(data, text, "row").value == record.value
        if record.quantity and record.quantity.number is not None:
            assert record.quantity.number.is_finite()


def _check_formats(text: str, spans: Sequence[Span]) -> None:
    bare = [s for s in spans if text[s.start : s.end].strip() == text[s.start : s.end]]
    gold = tuple(Span(span.start, span.end, span.label) for span in bare)
    report = Report("甲", text, gold)
    assert Report.from_dict(json.loads(json.dumps(report.to_dict())), "line 1") == report
    try:
        parse_tagged(text)
    except ZhibiaoError as error:
        assert "tagged text" in str(error)
    assert parse_tagged(format_tagged(text, gold)) == (text, gold)


def _check_settings(files: Mapping[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_text(content, encoding="utf-8")
        try:
            found = ModelDirectory.open(folder)
        except ModelError:
            return
    assert 0 < found.window <= found.positions
    assert math.isfinite(found.temperature)


def _writers(choices: Choices) -> None:
    """Every output can be read back, says what was given, and holds nothing that runs."""
    reports = []
    for number in range(1 + choices.below(2)):
        text = report_text(choices)
        spans = some_spans(choices, text)
        name = f"{number}{choices.pick(_NAMES)}"
        report = Input(name, name, text, None, len(text))
        reports.append(Prediction(report, spans, link_records(text, spans)))
    names = ["csv", "html", "jsonl"] + ["xlsx"] * choices.once_in(_THROUGH_EXCEL)
    run = Run({"name": "模型", "version": "1", "hash": "0"}, [])
    for prediction in reports:
        run.add(prediction)
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            target = Path(folder) / FORMATS[name].target
            with FORMATS[name].write(target, run) as write:
                for prediction in reports:
                    write(prediction)
            _CHECKS[name](target, reports)


_NAMES = ("/总结.txt", "=1+1", "<script>alert(1)</script>", "'\"", "\u202e", "a&b", "../x", "\t")


def _check_jsonl(path: Path, reports: Sequence[Prediction]) -> None:
    lines = path.read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    for line, prediction in zip(lines, reports, strict=True):
        data = json.loads(line)
        assert (data["id"], data["text"]) == (prediction.report.id, prediction.report.text)
        for span in data["spans"]:
            assert data["text"][span["start"] : span["end"]] == span["text"]


def _check_csv(path: Path, reports: Sequence[Prediction]) -> None:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        head, *rows = csv.reader(stream)
    assert len(rows) == sum(len(prediction.records) for prediction in reports)
    numbers = {head.index(name) for name in ("数值", "下限", "上限")}
    for row in rows:
        assert len(row) == len(head)
        assert not any(is_formula(cell) for n, cell in enumerate(row) if n not in numbers)


def _check_xlsx(path: Path, reports: Sequence[Prediction]) -> None:
    book = openpyxl.load_workbook(path)
    assert book["记录"].max_row == 1 + sum(len(prediction.records) for prediction in reports)
    for name in ("记录", "来源", "实体"):
        for row in book[name].iter_rows():
            assert not any(cell.data_type == "f" or cell.hyperlink for cell in row)
    book.close()


def _check_html(folder: Path, reports: Sequence[Prediction]) -> None:
    pages = list(folder.iterdir())
    assert len(pages) == 1 + len(reports)
    for path in pages:
        source = path.read_text(encoding="utf-8")
        page = html.document_fromstring(source)
        (policy,) = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
        for code in (*page.iter("script"), *page.iter("style")):
            digest = hashlib.sha256(code.text_content().encode()).digest()
            assert f"'sha256-{base64.b64encode(digest).decode()}'" in policy
        for element in page.iter():
            assert element.tag not in ("img", "iframe", "object", "embed", "base")
            for name, value in element.attrib.items():
                assert not name.startswith("on"), (element.tag, name)
                assert not value.strip().lower().startswith(("javascript:", "data:")), value


_CHECKS: Mapping[str, Callable[[Path, Sequence[Prediction]], None]] = {
    "jsonl": _check_jsonl,
    "csv": _check_csv,
    "xlsx": _check_xlsx,
    "html": _check_html,
}

TARGETS: Mapping[str, Callable[[Choices], None]] = {
    "readers": _readers,
    "text": _text,
    "writers": _writers,
}
"""What can be fuzzed, by name; each raises what an input makes it raise."""
