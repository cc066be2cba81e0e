"""What analysts read for the values of records' fields."""

from __future__ import annotations

__all__ = ["BOUND_WORDS", "FIELD_WORDS", "MEASURE_WORDS", "STATUS_WORDS"]

MEASURE_WORDS = {"level": "水平", "change": "变化", "share": "占比"}
STATUS_WORDS = {"actual": "实绩", "target": "目标"}
BOUND_WORDS = {
    "eq": "等于",
    "approx": "约",
    "ge": "不少于",
    "le": "不超过",
    "gt": "超过",
    "lt": "不足",
}
FIELD_WORDS = {
    "value": "数值",
    "unit": "单位",
    "indicator": "指标",
    "qualifier": "限定",
    "subject": "主体",
    "year": "年份",
    "measure": "性质",
    "status": "实绩/目标",
    "bound": "界限",
}
