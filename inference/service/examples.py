"""Examples in the service's description; a test compares them with real answers."""

from __future__ import annotations

from typing import Any

from inference.service.settings import Settings
from zhibiao.sources import KNOWN_SUFFIXES
from zhibiao.spans import LABELS

__all__ = ["BATCH", "ERROR", "EXTRACT", "MODEL", "PREDICTION"]

_TEXT = "2016年，全县专利申请量达813件。"
_INFO = {"name": "compact", "version": "0.3.0", "hash": "7a7f985e6db2b522"}

EXTRACT: dict[str, Any] = {"id": "示例", "text": _TEXT}

BATCH: dict[str, Any] = {
    "reports": [EXTRACT, {"id": "示例二", "text": "今年工业总产值12亿元。"}],
    "records": False,
}

ERROR: dict[str, Any] = {
    "error": {"code": "too_large", "message": "文本共 400,000 字，超过 300,000 字；请拆分后再发"}
}

PREDICTION: dict[str, Any] = {
    "id": "示例",
    "source": "示例",
    "text": _TEXT,
    "spans": [
        {"start": 0, "end": 5, "label": "年份", "text": "2016年", "score": 0.9995},
        {"start": 8, "end": 13, "label": "指标", "text": "专利申请量", "score": 0.9985},
        {"start": 14, "end": 17, "label": "数值", "text": "813", "score": 0.9997},
        {"start": 17, "end": 18, "label": "单位", "text": "件", "score": 0.9999},
    ],
    "records": [
        {
            "id": "示例",
            "value": {"start": 14, "end": 17, "text": "813"},
            "unit": {"start": 17, "end": 18, "text": "件"},
            "indicator": {"start": 8, "end": 13, "text": "专利申请量"},
            "qualifier": None,
            "subject": [],
            "year": {"start": 0, "end": 5, "text": "2016年"},
            "year_value": "2016",
            "measure": "level",
            "status": "actual",
            "bound": "eq",
            "value_number": "813",
            "value_low": None,
            "value_high": None,
            "unit_base": "件",
            "confidence": {
                "value": 1.0,
                "unit": 0.999,
                "indicator": 0.997,
                "qualifier": 0.985,
                "subject": 0.987,
                "year": 0.968,
                "measure": 0.994,
                "status": 0.997,
                "bound": 0.998,
                "year_value": 0.969,
            },
            "evidence": {},
            "notes": [],
        }
    ],
    "model": _INFO,
}

MODEL: dict[str, Any] = {
    **_INFO,
    "labels": list(LABELS),
    "suffixes": list(KNOWN_SUFFIXES),
    "limits": Settings().public_limits,
}
