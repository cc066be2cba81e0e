"""Units: a written unit as a magnitude and a base unit, and conversion between base units.

The base unit is the unit as reports write it, without its magnitude and in one spelling of the
several that mean the same: 万元 is 元, ㎡ and 平米 are 平方米, 千米 is 公里, 千克 is 公斤. Nothing
else changes: 亩 stays 亩, 公里 is not turned into 米. Where two spellings exist the one is taken
that does not begin like a magnitude (公里, 公斤).

Conversion takes its factors from pint (BSD-3-Clause), whose registry calculates in fractions
(``non_int_type=Fraction``), so 1 亩 is exactly 1/15 公顷. It is imported at the first conversion.
The registry lacks 亩 (15 to the hectare), 斤 (half a kilogram), 里 (500 metres) and 吨标准煤 (7,000
kcal of the International Table for each kilogram: 29,307.6 MJ), which are defined here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from zhibiao.errors import ZhibiaoError

if TYPE_CHECKING:
    from pint import UnitRegistry

__all__ = ["Unit", "conversion_factor", "read_unit"]

_MAGNITUDES = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8}
_LONGEST = 30

_SPELLINGS = {
    "个百分点": "百分点 个百分比点 pct",
    "个基点": "基点 BP bp 个BP 个bp",
    "元": "元整 元正 元钱 块钱 元人民币 人民币元 人民币 RMB CNY",
    "美元": "美金 USD 美圆",
    "港元": "港币 HKD",
    "欧元": "EUR",
    "日元": "JPY",
    "公顷": "ha hm² hm2",
    "亩": "市亩",
    "平方米": "㎡ m² m2 平米 平方",
    "平方公里": "㎢ km² km2 平方千米",
    "公里": "千米 km KM ㎞",
    "米": "m 公尺",
    "厘米": "cm ㎝",
    "毫米": "mm ㎜",
    "里": "华里 市里",
    "吨": "t 公吨",
    "公斤": "千克 kg KG ㎏",
    "克": "g",
    "毫克": "mg",
    "微克": "μg µg ug",
    "斤": "市斤",
    "立方米": "m³ m3 ㎥ 立方",
    "升": "L l 公升",
    "毫升": "ml mL",
    "千瓦时": "千瓦小时 千瓦·时 kWh KWh kwh KWH kW·h",
    "兆瓦时": "MWh",
    "千瓦": "kW KW kw",
    "兆瓦": "MW",
    "吉瓦": "GW",
    "瓦": "W",
    "吨标准煤": "吨标煤 tce",
    "千伏": "kV KV",
    "小时": "个小时 h",
    "分钟": "min",
    "天": "日",
    "吨公里": "吨·公里",
    "人公里": "人·公里",
    "℃": "°C 摄氏度",
    "个标箱": "标箱 标准箱 个标准箱 TEU",
}
"""Base units and their other spellings."""
_CANONICAL = {other: base for base, others in _SPELLINGS.items() for other in others.split()}

_PINT = {
    "": "dimensionless",
    "倍": "dimensionless",
    "%": "percent",
    "‰": "permille",
    "‱": "permille / 10",
    "亩": "hectare / 15",
    "公顷": "hectare",
    "平方米": "meter ** 2",
    "平方公里": "kilometer ** 2",
    "公里": "kilometer",
    "米": "meter",
    "厘米": "centimeter",
    "毫米": "millimeter",
    "微米": "micrometer",
    "里": "500 * meter",
    "海里": "nautical_mile",
    "吨": "metric_ton",
    "公斤": "kilogram",
    "斤": "kilogram / 2",
    "克": "gram",
    "毫克": "milligram",
    "微克": "microgram",
    "立方米": "meter ** 3",
    "升": "liter",
    "毫升": "milliliter",
    "千瓦时": "kilowatt_hour",
    "度": "kilowatt_hour",
    "兆瓦时": "megawatt_hour",
    "吨标准煤": "29307.6 * megajoule",
    "焦耳": "joule",
    "千焦": "kilojoule",
    "兆焦": "megajoule",
    "吉焦": "gigajoule",
    "瓦": "watt",
    "千瓦": "kilowatt",
    "兆瓦": "megawatt",
    "吉瓦": "gigawatt",
    "伏": "volt",
    "千伏": "kilovolt",
    "千帕": "kilopascal",
    "兆帕": "megapascal",
    "天": "day",
    "小时": "hour",
    "分钟": "minute",
    "秒": "second",
    "周": "week",
}
"""What pint calls the units that convert into others."""

_SCALED = {"成": (10, "%"), "个亿": (10**8, ""), "个万": (10**4, "")}
"""Units that are a number of another unit: 三成 is 30%."""

_WORDS = """
角 英镑 韩元 澳元 加元 卢布 法郎 瑞士法郎 新加坡元 新台币 泰铢 卢比 澳门元
两 担 克拉 换算吨 总吨 载重吨 吨二氧化碳 吨二氧化碳当量
公亩 顷 方 延米 延长米 平方厘米 立方厘米
瓦时 吉瓦时 千卡 大卡 马力 千伏安 兆伏安 安 安时 帕 百帕 赫兹 千赫 兆赫 分贝
比特 字节 KB MB GB TB PB EB P Mbps Gbps
年 月 季度 个月 个季度 工作日 个工作日 学时 课时 个学时 个课时 人年 人月 人日 人天 人·次
分 代 岁 周岁 世纪 番 折 位次 个位次 标台 标准台
"""
_COUNTERS = """
家个件名项人户次份条期场所起台篇处分块册座天位张套笔种只例支本栋批间头眼幅门盏部道口根枚粒辆轮对秒
遍箱具趟稿把字架锭类组片点路宗股节艘幢级顶床堂棒袋群株匹尾羽双副盒瓶罐桶包卷盘杯滴颗棵朵班届任层排
页章句段首集讲环站挂辑版题票席桌餐顿剂丸针封发枝束筐车列孔面扇井亩日年月周款样幕档
"""
"""Classifiers of one character; up to five of them make a unit too: 人次, 台（套）, 万头只."""
_KNOWN = frozenset((*_WORDS.split(), *_SPELLINGS, *_CANONICAL, *_PINT))
_COUNTING = frozenset("".join(_COUNTERS.split()))
_COUNTED = re.compile(r"[（）/、]")
_PER_NUMBER = re.compile(r"(?:10{0,4})?[十百千万亿]+(?:人口?)?|人")


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: ``magnitude`` as written (万), a ``factor`` to the ``base`` unit (10 for 成), and
    whether the base is in the vocabulary."""

    magnitude: str = ""
    factor: int = 1
    base: str = ""
    known: bool = True

    @property
    def scale(self) -> int:
        """The number of base units in one of this unit."""
        scale = self.factor
        for name in self.magnitude:
            scale *= _MAGNITUDES[name]
        return scale


@lru_cache(maxsize=4096)
def read_unit(text: str) -> Unit:
    """Split a unit, in the normal form of numerals, into magnitude and base; never fails.

    In compound units only the first part loses its magnitude: 万元/企业 is 元/企业, but 件/万人
    stays, because its numbers are published for ten thousand people.
    """
    if len(text) > _LONGEST:
        return Unit(base=text, known=False)
    first, *others = text.replace("每", "/").split("/")
    unit = _read_part(first)
    if not others:
        return unit
    base = "/".join((unit.base, *map(_spelled, others)))
    per_number = all(_PER_NUMBER.fullmatch(part) for part in others)
    known = all(others) and (unit.known if first else per_number)
    return Unit(unit.magnitude, unit.factor, base, known)


def _read_part(text: str) -> Unit:
    # The shortest magnitude that leaves a known unit: 千瓦 is a unit, 万千瓦 ten thousand of it.
    for cut in range(min(len(text), 4) + 1):
        base = text[cut:]
        if base in _SCALED:
            factor, base = _SCALED[base]
            return Unit(text[:cut], factor, base)
        if _is_known(base):
            return Unit(text[:cut], 1, _CANONICAL.get(base, base))
        if base[0] not in _MAGNITUDES:
            break
    return Unit(text[:cut], 1, base, known=False)


def _is_known(base: str) -> bool:
    counters = _COUNTED.sub("", base)
    return base in _KNOWN or (0 < len(counters) <= 5 and _COUNTING.issuperset(counters))


def _spelled(text: str) -> str:
    """A part after the stroke: one spelling for the unit, its magnitude kept."""
    unit = _read_part(text)
    return unit.magnitude + unit.base if unit.known and unit.factor == 1 else text


def conversion_factor(source: str, target: str) -> Fraction:
    """How many ``target`` units one ``source`` unit is: 亩 to 公顷 is 1/15, exactly.

    Both may have magnitudes and be compound (万元/亩 to 元/公顷); a unit that pint does not know
    converts into itself alone, so currencies never mix.

    Raises:
        ZhibiaoError: the two do not measure the same thing.
    """
    ours, theirs = source.split("/"), target.split("/")
    if len(ours) != len(theirs):
        raise _impossible(source, target)
    factor = Fraction(1)
    for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        part = _part_factor(_read_part(one), _read_part(other))
        if part is None:
            raise _impossible(source, target)
        factor = factor / part if place else factor * part
    return factor


def _part_factor(source: Unit, target: Unit) -> Fraction | None:
    scale = Fraction(source.scale, target.scale)
    if source.base == target.base:
        return scale
    if source.base not in _PINT or target.base not in _PINT:
        return None
    registry = _registry()
    one, other = (registry.parse_expression(_PINT[unit.base]) for unit in (source, target))
    if not one.is_compatible_with(other):
        return None
    return scale * Fraction((one / other).to_base_units().magnitude)


@cache
def _registry() -> UnitRegistry[Fraction]:
    # Half a second to import and load, only where something is converted.
    from pint import UnitRegistry

    return UnitRegistry(non_int_type=Fraction)


def _impossible(source: str, target: str) -> ZhibiaoError:
    return ZhibiaoError(
        f"cannot convert {source!r} to {target!r}: they do not measure the same thing; "
        "choose a unit of the same kind"
    )
