"""How Label Studio holds a record: the relations, and the answers about single regions.

The row of a 数值 region is what relations join to it, and what is answered about it:

- A relation joins the value to its 指标, 单位 and 年份, to every 机构 or 企业名 that is a subject,
  and to its qualifier: a region with a label of its own, because a qualifier is any words of the
  text. The labels of the two ends say what the relation means, so it may be drawn in either
  direction; the relation's own label is there to be read.
- ``measure``, ``status`` and ``bound`` are choices about the 数值 region. The usual one (level,
  actual, eq) is not stored.
- ``year_value`` is a text about the 年份 region: an expression means the same for all its values.
  It is stored only where the expression does not say it itself: 今年 needs one, 2016年 does not.
"""

from __future__ import annotations

from annotation.regions import QUALIFIER

__all__ = ["CHOICES", "FIELDS", "NO_YEAR", "RELATIONS", "TITLES", "YEAR_NAME"]

CHOICES: dict[str, dict[str, str]] = {
    "measure": {"level": "水平值", "change": "变化量", "share": "占比"},
    "status": {"actual": "实绩", "target": "目标"},
    "bound": {
        "eq": "等于",
        "approx": "约",
        "ge": "不少于",
        "gt": "超过",
        "le": "不超过",
        "lt": "不足",
    },
}
"""The choices about a value, by control and field: what is stored, and what annotators read. The
first of each is the usual one."""

TITLES: dict[str, str] = {
    "measure": "水平、变化",
    "status": "实绩、目标",
    "bound": "界限",
    "indicator": "指标",
    "unit": "单位",
    "year": "年份",
    "subject": "主体",
    "qualifier": "限定词",
}
"""The fields as annotators read them."""

RELATIONS: tuple[str, ...] = ("indicator", "unit", "year", "subject", "qualifier")
"""The fields that relations give; the label of each relation is the field's title."""

FIELDS: dict[str, str] = {
    "指标": "indicator",
    "单位": "unit",
    "年份": "year",
    "机构": "subject",
    "企业名": "subject",
    QUALIFIER: "qualifier",
}
"""The field that a relation between a region of a label and a 数值 gives."""

YEAR_NAME = "year_value"
"""Name of the TextArea control about 年份 regions."""

NO_YEAR = "无"
"""What is written there for an expression that means no year although it looks like one."""
