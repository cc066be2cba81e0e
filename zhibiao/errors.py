"""Every error that zhibiao raises on purpose.

::

    ZhibiaoError (ValueError)
    ├── FormatError       a report JSONL, tagged text or config that breaks its format
    │   └── SpanError     spans out of bounds, out of order, overlapping, blank-edged, unknown label
    ├── ReadError         a source document that cannot be turned into text
    │   └── LimitError    one that is larger than the reader's limits
    ├── ModelError        a model directory that is missing, incomplete or of another label set
    ├── OutputError       results that cannot be written
    └── ServerError       a Label Studio server that cannot be reached or used as asked

Messages are one line, name the file (and line or span), and say what to do.
"""

from __future__ import annotations

__all__ = [
    "FormatError",
    "LimitError",
    "ModelError",
    "OutputError",
    "ReadError",
    "ServerError",
    "SpanError",
    "ZhibiaoError",
]


class ZhibiaoError(ValueError):
    """Base of all errors of this library."""


class FormatError(ZhibiaoError):
    """Data that breaks one of the project's formats; names file and line."""


class SpanError(FormatError):
    """Spans that break the annotation rules; names the span."""


class ReadError(ZhibiaoError):
    """A source document that cannot be read as text; names the file and the remedy."""


class LimitError(ReadError):
    """A source document over one of the reader's limits; names the limit and the remedy."""


class ModelError(ZhibiaoError):
    """A model directory that cannot be used; names the directory and the file."""


class OutputError(ZhibiaoError):
    """Results that cannot be written; names the path."""


class ServerError(ZhibiaoError):
    """An annotation server that is down, refuses, or holds something else; names the address."""
