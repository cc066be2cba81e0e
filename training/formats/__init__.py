"""Annotated text in the formats of other programs, in and out.

One module per format; each reads leniently, record by record, into drafts and problems (see
:mod:`training.formats.draft`) and writes checked reports. Text and spans survive a round trip
exactly, or the writer names what does not fit.
"""

from __future__ import annotations

from training.formats.draft import Draft, Problem, Rules, settle, span_problems
from training.formats.registry import FORMATS, Options, detect, read_drafts, write_reports

__all__ = [
    "FORMATS",
    "Draft",
    "Options",
    "Problem",
    "Rules",
    "detect",
    "read_drafts",
    "settle",
    "span_problems",
    "write_reports",
]
