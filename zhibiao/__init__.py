"""zhibiao（指标）: labelled entities from Chinese reports.

>>> from zhibiao import Extractor
>>> extractor = Extractor.from_pretrained()
>>> spans = extractor.extract("2016年，全县专利申请量达813件。")
"""

from zhibiao.errors import (
    FormatError,
    ModelError,
    OutputError,
    ReadError,
    ServerError,
    SpanError,
    ZhibiaoError,
)
from zhibiao.extractor import Extractor
from zhibiao.reports import Report, read_jsonl, write_jsonl
from zhibiao.spans import LABELS, Span
from zhibiao.tagged import format_tagged, parse_tagged, read_tagged, write_tagged

__all__ = [
    "LABELS",
    "Extractor",
    "FormatError",
    "ModelError",
    "OutputError",
    "ReadError",
    "Report",
    "ServerError",
    "Span",
    "SpanError",
    "ZhibiaoError",
    "format_tagged",
    "parse_tagged",
    "read_jsonl",
    "read_tagged",
    "write_jsonl",
    "write_tagged",
]

__version__ = "0.1.0"
