"""Units of series: which units measure the same thing, so that their numbers can stand together."""

from __future__ import annotations

from functools import lru_cache

from zhibiao.errors import ZhibiaoError
from zhibiao.units import conversion_factor

__all__ = ["unit_class"]

_PERSONS = frozenset("人名位口")
# 个 stands for any of them; which one is used says nothing about the number.
_THINGS = frozenset("个家所座处项件起宗条台套款种只枚支")
# A household and the persons or rooms in it are counted apart, but a firm is 户 or 家 alike.
_ORGANISATIONS = ("企业", "公司", "合作社", "主体", "单位", "商户")
# Coal equivalent is not among them: the heat of a kilowatt-hour has two official values.
_MEASURES = ("平方米", "米", "公斤", "立方米", "千瓦时", "千瓦", "小时")
_RATES = frozenset(("%", "‰", "‱"))


@lru_cache(maxsize=4096)
def unit_class(unit: str, head: str) -> tuple[str, bool]:
    """The class of a base unit for the indicator with key ``head``, and whether its units convert.

    Numbers in units of one class can be compared: as they stand (家, 户, 个), or after conversion
    where the second item is true (亩, 公顷). Different classes never mix: 户 and 人, 元 and 美元.
    """
    classifier = unit.replace("(", "").replace(")", "").replace("、", "").replace("/", "")
    if classifier in _PERSONS:
        return "人", False
    if (classifier and _THINGS.issuperset(classifier)) or (
        classifier == "户" and head.partition("@")[0].partition("+")[0].endswith(_ORGANISATIONS)
    ):
        return "个", False
    if unit in _RATES:
        return "%", True
    if unit and "/" not in unit and unit != "吨标准煤":
        for measure in _MEASURES:
            try:
                conversion_factor(unit, measure)
            except ZhibiaoError:
                continue
            return measure, True
    return unit, False
