"""Predictions that the page sends back, corrected by a person, as files to download."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.page.edits import apply_edits
from inference.prediction import Prediction
from inference.run import Run
from inference.writers import FORMATS
from zhibiao.errors import FormatError
from zhibiao.inputs import Input
from zhibiao.records import Record
from zhibiao.reports import Report
from zhibiao.spans import Span

__all__ = ["MEDIA_TYPES", "Posted", "parse_posted", "write_export"]

MEDIA_TYPES = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
    "html": "application/zip",
}
"""What a download of each format is."""

_MOST_REPORTS = 2_000
_LONGEST_NAME = 300
_LONGEST_YEAR = 40
_MOST_FAILURES = 2_000


@dataclass(frozen=True, slots=True)
class Posted:
    """What the page sent: reports with their records as corrected, and files that failed."""

    predictions: list[Prediction]
    failures: list[str]
    model: dict[str, str]


def parse_posted(body: bytes) -> Posted:
    """Check what was posted to the export; nothing in it is trusted.

    ``{"reports": [prediction, ...], "failures": ["...", ...]}`` where each record may carry
    ``edited``: what a person typed, by field (see :func:`~inference.page.edits.apply_edits`).

    Raises:
        FormatError: names the report and the record, in one line.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FormatError("内容不是有效的 JSON；请刷新网页后重试") from error
    reports = data.get("reports") if isinstance(data, dict) else None
    if not isinstance(reports, list) or not reports:
        raise FormatError("reports 应是非空的列表；请先读取至少一份报告")
    if len(reports) > _MOST_REPORTS:
        raise FormatError(f"一次最多导出 {_MOST_REPORTS} 份报告；请分批下载")
    predictions = list(_predictions(reports))
    return Posted(predictions, list(_failures(data)), _model(reports[0]))


def _predictions(reports: list[Any]) -> Iterator[Prediction]:
    taken: set[str] = set()
    for number, data in enumerate(reports, start=1):
        where = f"第 {number} 份报告"
        prediction = _prediction(data, where)
        identity = prediction.report.id
        if identity in taken:
            raise FormatError(f"{where}：编号 {identity!r} 已经用过；请改成不同的编号")
        taken.add(identity)
        yield prediction


def _prediction(data: Any, where: str) -> Prediction:
    if not isinstance(data, dict):
        raise FormatError(f"{where}：应是 JSON 对象")
    report = Report.from_dict({name: data.get(name) for name in ("id", "text", "spans")}, where)
    source = data.get("source", report.id)
    for name in (report.id, source):
        if not isinstance(name, str) or len(name) > _LONGEST_NAME:
            raise FormatError(f"{where}：id 和 source 应是不超过 {_LONGEST_NAME} 字的文字")
    records = data.get("records")
    if not isinstance(records, list):
        raise FormatError(f"{where}：records 应是列表")
    # JSON can spell half of a surrogate pair, which no file can hold.
    _check_writable([source, records], where)
    return Prediction(
        Input(report.id, source, report.text, None, 0),
        [
            Span(span.start, span.end, span.label, _score(item, where))
            for span, item in zip(report.spans, data["spans"], strict=True)
        ],
        [
            _record(item, report.text, f"{where}第 {number} 条记录")
            for number, item in enumerate(records, start=1)
        ],
    )


def _score(item: dict[str, Any], where: str) -> float:
    score = item.get("score", 1.0)
    if type(score) not in (int, float) or not 0 <= score <= 1:
        raise FormatError(f"{where}：score 应是 0 到 1 的数")
    return float(score)


def _record(data: Any, text: str, where: str) -> Record:
    record = Record.from_dict(data, text, where)
    if len(record.year_value) > _LONGEST_YEAR:
        raise FormatError(f"{where}：year_value 超过 {_LONGEST_YEAR} 字")
    edits = data.get("edited")
    return record if edits is None else apply_edits(record, edits, where)


def _failures(data: dict[str, Any]) -> Iterator[str]:
    found = data.get("failures", [])
    if not isinstance(found, list) or len(found) > _MOST_FAILURES:
        raise FormatError(f"failures 应是不超过 {_MOST_FAILURES} 项的列表")
    _check_writable(found, "failures")
    for line in found:
        if not isinstance(line, str):
            raise FormatError("failures 的每一项应是文字")
        yield " ".join(line.split())


def _model(data: dict[str, Any]) -> dict[str, str]:
    """The name and version of the model that read the first report."""
    found = data.get("model")
    known = found if isinstance(found, dict) else {}
    _check_writable([str(value) for value in known.values()], "model")
    return {name: str(known[name])[:100] for name in ("name", "version") if name in known}


def _check_writable(found: Any, where: str) -> None:
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise FormatError(f"{where}：含有不成对的代理字符，无法写出；请删去它") from error


def write_export(posted: Posted, format: str, folder: Path) -> Path:
    """Write the reports in one of :data:`MEDIA_TYPES` into an empty folder; the file to send.

    Pages come as a zip of their folder.

    Raises:
        OutputError: the folder cannot be written.
    """
    run = Run(posted.model, posted.failures)
    target = folder / FORMATS[format].target
    with FORMATS[format].write(target, run) as write:
        for prediction in posted.predictions:
            run.add(prediction)
            write(prediction)
    if target.is_file():
        return target
    packed = folder / "records-html.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for page in sorted(target.iterdir()):
            archive.write(page, f"records-html/{page.name}")
    return packed
