"""Quantities against a hand-written table, cn2an, and what must hold for any text.

``quantities.csv`` is written and edited by hand; open it as text (a spreadsheet program that
guesses turns 1-2 into a date). Flags of one case are joined by ``；``.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import permutations
from pathlib import Path

import cn2an
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhibiao.errors import ZhibiaoError
from zhibiao.quantities import Quantity, parse_quantity
from zhibiao.units import conversion_factor

TABLE = Path(__file__).with_name("quantities.csv")
MAGNITUDES = {"": 1, "百": 100, "千": 1000, "万": 10**4, "百万": 10**6, "亿": 10**8, "万亿": 10**12}
relaxed = settings(deadline=None)  # no test depends on the speed of the machine
ANY_TEXT = st.text(st.characters(exclude_categories=()))
NEARLY_NUMBERS = st.text(
    "0123456789.,-+~%/零〇一二两三九十百千万亿点几数多余来半成分之至到"
    "xX*近约不足以上个元千克亩第又 ",
    max_size=30,
)


def table() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def cells(quantity: Quantity) -> dict[str, str]:
    numbers = quantity.to_dict()
    return {
        "number": numbers["value_number"] or "",
        "low": numbers["value_low"] or "",
        "high": numbers["value_high"] or "",
        "unit_base": quantity.unit_base,
        "bound": quantity.bound,
        "flags": "；".join(sorted(quantity.flags)),
    }


@pytest.mark.parametrize("case", table(), ids=lambda case: f"{case['value']}|{case['unit']}")
def test_table(case: dict[str, str]) -> None:
    expected = {column: case[column] for column in cells(Quantity())}
    expected["flags"] = "；".join(sorted(filter(None, case["flags"].split("；"))))
    assert cells(parse_quantity(case["value"], case["unit"])) == expected


def test_table_is_of_the_size_asked_for() -> None:
    assert len({(case["value"], case["unit"]) for case in table()}) >= 400


@relaxed
@given(ANY_TEXT | NEARLY_NUMBERS, ANY_TEXT | NEARLY_NUMBERS)
def test_any_text_gives_decimals_or_a_reason(value: str, unit: str) -> None:
    quantity = parse_quantity(value, unit)
    numbers = [quantity.number, quantity.low, quantity.high]
    assert all(number is None or type(number) is Decimal for number in numbers)
    assert all(number is None or number.is_finite() for number in numbers)
    assert (quantity.low is None) == (quantity.high is None)
    assert quantity.number is None or quantity.low is None
    if quantity.low is not None and quantity.high is not None:
        assert quantity.low < quantity.high
    if quantity.number is None and quantity.low is None:
        assert quantity.flags
    json.dumps(quantity.to_dict())


@pytest.mark.parametrize(
    "text",
    ["1" * 10_000, "1,111" * 2_000, "一万" * 5_000, "1-" * 5_000, "约" * 10_000, "分之" * 5_000],
)
def test_long_text_is_refused_at_once(text: str) -> None:
    assert parse_quantity(text).flags == ("文字过长，不是一个数",)
    assert parse_quantity("3", text).flags == ("文字过长，不是一个数",)


@pytest.mark.parametrize("length", range(30, 101, 10))
@pytest.mark.parametrize(
    "piece", ["9", "1,", "一万", "十", "1-", "约", "百分之", "又", "/", "多", "个半"]
)
def test_repetition_up_to_the_limit_is_no_number(piece: str, length: int) -> None:
    quantity = parse_quantity((piece * length)[:length])
    assert quantity.flags or quantity.number == Decimal("9" * length)


def test_white_space_around_does_not_count() -> None:
    assert parse_quantity(" " * 5_000 + "7600多" + "\n" * 5_000, "\t万元 ") == parse_quantity(
        "7600多万元"
    )


# Numbers to Chinese and back.


@pytest.mark.parametrize("mode", ["low", "up"])
def test_all_small_numerals_come_back(mode: str) -> None:
    for number in range(10_000):
        assert parse_quantity(cn2an.an2cn(number, mode)).number == number


@relaxed
@given(st.integers(0, 10**16 - 1), st.sampled_from(["low", "up"]))
def test_numerals_come_back(number: int, mode: str) -> None:
    assert parse_quantity(cn2an.an2cn(number, mode)).number == number


@relaxed
@given(st.lists(st.sampled_from([0, 1, 10, 12, 100, 110, 305, 1000, 3020, 9999]), max_size=4))
def test_numerals_with_gaps_come_back(groups: list[int]) -> None:
    """Uniform integers hardly ever have zeros inside; these groups of four digits do."""
    number = int("".join(["0", *(f"{group:04d}" for group in groups)]))
    assert parse_quantity(cn2an.an2cn(number)).number == number


@relaxed
@given(st.integers(1, 10**12), st.integers(1, 6))
def test_decimals_come_back(digits: int, places: int) -> None:
    number = Decimal(digits).scaleb(-places)
    assert parse_quantity(cn2an.an2cn(format(number, "f"))).number == number


@relaxed
@given(st.integers(1, 10**16 - 1))
def test_percentages_in_words(number: int) -> None:
    quantity = parse_quantity("百分之" + cn2an.an2cn(number))
    assert quantity == Quantity(Decimal(number), unit_base="%", flags=quantity.flags)


@relaxed
@given(st.integers(0, 10**16 - 1))
def test_cn2an_reads_the_same(number: int) -> None:
    numeral = cn2an.an2cn(number)
    try:
        theirs = cn2an.cn2an(numeral, "normal")
    except (KeyError, ValueError):  # it cannot read all it writes: 634978200003222
        return
    assert parse_quantity(numeral).number == theirs


# Exactness.


@relaxed
@given(
    st.decimals(0, 10**9, places=4, allow_nan=False),
    st.sampled_from(list(MAGNITUDES)),
    st.sampled_from(["元", "家", "千瓦时", "公斤", "亩", "平方米", "美元"]),
)
def test_the_split_between_value_and_unit_does_not_matter(
    number: Decimal, magnitude: str, unit: str
) -> None:
    digits = format(number, "f")
    expected = Quantity(number * MAGNITUDES[magnitude], unit_base=unit)
    assert parse_quantity(digits, magnitude + unit) == expected
    assert parse_quantity(digits + magnitude, unit) == expected
    assert parse_quantity(digits + magnitude + unit) == expected


@relaxed
@given(st.integers(0, 10**15), st.integers(1, 10**15))
def test_ranges_keep_both_ends(low: int, width: int) -> None:
    quantity = parse_quantity(f"{low}-{low + width}", "亩")
    assert quantity == Quantity(None, Decimal(low), Decimal(low + width), "亩")


def test_the_callers_decimal_context_does_not_matter() -> None:
    with localcontext() as context:
        context.prec = 3
        assert parse_quantity("1234567.89", "万元").number == Decimal("12345678900")
        third = parse_quantity("1/3").number
    assert third == Decimal("0." + "3" * 28)


@pytest.mark.parametrize("numeral", ["三十几万", "几百", "几千万", "二百几十", "十几", "几"])
def test_some_is_the_hull_of_the_digits_it_stands_for(numeral: str) -> None:
    quantity = parse_quantity(numeral)
    exact = [parse_quantity(numeral.replace("几", digit)).number for digit in "一二三四五六七八九"]
    possible = [number for number in exact if number is not None]
    assert len(possible) == 9
    assert quantity.number is None
    assert quantity.low in possible[:2]
    assert quantity.high == possible[-1]


def test_plain_strings_without_exponent() -> None:
    numbers = parse_quantity("2.4", "万亿元").to_dict()
    assert numbers["value_number"] == "2400000000000"
    assert parse_quantity("0.0000001").to_dict()["value_number"] == "0.0000001"


# Conversion.


@pytest.mark.parametrize(
    ("value", "unit", "target", "expected"),
    [
        ("3", "万亩", "公顷", "2000"),
        ("3", "万亩", "万公顷", "0.2"),
        ("1", "公顷", "亩", "15"),
        ("1", "平方公里", "亩", "1500"),
        ("1.5", "万亩", "平方公里", "10"),
        ("5", "斤", "公斤", "2.5"),
        ("2", "亿斤", "万吨", "10"),
        ("10", "里", "公里", "5"),
        ("1", "亿立方米", "升", "100000000000"),
        ("3", "度", "千瓦时", "3"),
        ("1", "吨标准煤", "千瓦时", "8141"),
        ("600", "兆瓦", "万千瓦", "60"),
        ("0.1", "公里", "米", "100"),
        ("90", "分钟", "小时", "1.5"),
        ("5", "‰", "%", "0.5"),
        ("3", "成", "%", "30"),
        ("1/4", "", "%", "25"),
        ("500", "万元", "亿元", "0.05"),
        ("3000", "元/亩", "万元/公顷", "4.5"),
        ("12", "万吨/年", "公斤/年", "120000000"),
        ("12.5", "件/万人", "件/百万人", "1250"),
        ("40", "㎡", "m²", "40"),
        ("7", "台(套)", "台（套）", "7"),
    ],
)
def test_conversion_is_exact(value: str, unit: str, target: str, expected: str) -> None:
    converted = parse_quantity(value, unit).to(target)
    assert converted.to_dict()["value_number"] == expected
    assert converted.flags == ()


def test_conversion_keeps_range_bound_and_flags() -> None:
    converted = parse_quantity("约三十几", "万亩").to("公顷")
    assert converted.number is None
    assert converted.bound == "approx"
    assert converted.unit_base == "公顷"
    assert converted.high == 26000
    assert converted.flags == ("约数，只给上下限", "除不尽，取28位有效数字")
    assert converted.low == Decimal("20666.66666666666666666666667")


def test_conversion_of_no_number_is_no_number() -> None:
    converted = parse_quantity("xx", "万亩").to("公顷")
    assert converted == Quantity(unit_base="公顷", flags=("打码",))


@pytest.mark.parametrize(
    ("unit", "target"),
    [("元", "美元"), ("家", "个"), ("亩", "公里"), ("元/亩", "元"), ("%", "个百分点"), ("", "家")],
)
def test_what_does_not_measure_the_same_does_not_convert(unit: str, target: str) -> None:
    with pytest.raises(ZhibiaoError, match=r"cannot convert .* choose a unit of the same kind$"):
        parse_quantity("3", unit).to(target)


@pytest.mark.parametrize(
    "kind",
    [
        ["亩", "公顷", "平方米", "平方公里", "万亩", "千公顷"],
        ["公里", "米", "厘米", "毫米", "里", "海里"],
        ["吨", "公斤", "斤", "克", "毫克", "微克", "亿斤"],
        ["立方米", "升", "毫升", "千升"],
        ["千瓦时", "度", "兆瓦时", "吨标准煤", "千焦", "吉焦"],
        ["天", "小时", "分钟", "秒", "周"],
        ["", "%", "‰", "‱", "倍", "成"],
    ],
)
def test_conversions_there_and_back_and_through_a_third_unit(kind: list[str]) -> None:
    for one, other in permutations(kind, 2):
        there = conversion_factor(one, other)
        assert there * conversion_factor(other, one) == 1
        assert there == conversion_factor(one, kind[0]) * conversion_factor(kind[0], other)
        # A binary fraction that slipped in would have a denominator of 2 to the 50th or so.
        assert Fraction(there).limit_denominator(10**18) == there


def test_parsing_does_not_load_the_units_library() -> None:
    code = (
        "import sys; from zhibiao.quantities import parse_quantity; parse_quantity('3', '万亩');"
        "sys.exit('pint' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
