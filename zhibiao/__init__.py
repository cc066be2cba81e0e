"""zhibiao（指标）: labelled entities and rows of data from Chinese reports.

>>> from zhibiao import Extractor
>>> extractor = Extractor.from_pretrained()
>>> spans = extractor.extract("2016年，全县专利申请量达813件。")
>>> (record,) = extractor.extract_records("2016年，全县专利申请量达813件。")
>>> record.year_value, record.indicator.text, record.value.text, record.unit.text
('2016', '专利申请量', '813', '件')
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
from zhibiao.linking import link_records
from zhibiao.quantities import Quantity, parse_quantity
from zhibiao.records import Mention, Record
from zhibiao.reports import Report, read_jsonl, write_jsonl
from zhibiao.spans import LABELS, Span
from zhibiao.tagged import format_tagged, parse_tagged, read_tagged, write_tagged

__all__ = [
    "LABELS",
    "Extractor",
    "FormatError",
    "Mention",
    "ModelError",
    "OutputError",
    "Quantity",
    "ReadError",
    "Record",
    "Report",
    "ServerError",
    "Span",
    "SpanError",
    "ZhibiaoError",
    "format_tagged",
    "link_records",
    "parse_quantity",
    "parse_tagged",
    "read_jsonl",
    "read_tagged",
    "write_jsonl",
    "write_tagged",
]

__version__ = "0.1.0"
