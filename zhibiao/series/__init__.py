"""Series: rows of several reports that speak of the same indicator, joined over the years.

What is the same, and what must stay apart, is decided by written rules and never by likeness:
:mod:`zhibiao.series.indicators` for names, :mod:`zhibiao.series.owners` for the region or body
that a report speaks for, :mod:`zhibiao.series.subjects` for named organisations,
:mod:`zhibiao.series.units` for units and :mod:`zhibiao.series.intervals` for what two written
numbers can both mean. ``docs/series.md`` has the rules in Chinese with what they were measured on.
"""

from zhibiao.series.indicators import indicator_key
from zhibiao.series.merging import Point, Row, Series, merge_series

__all__ = ["Point", "Row", "Series", "indicator_key", "merge_series"]
