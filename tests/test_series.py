"""Series: names, owners, subjects, units and numbers that meet, and those that must not."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhibiao.records import Mention, Record
from zhibiao.series import Row, Series, indicator_key, merge_series
from zhibiao.series.owners import Owner, find_owner

DOCS = Path(__file__).parents[1] / "docs" / "series.md"


def row(
    indicator: str = "专利申请量",
    value: str = "12",
    unit: str = "件",
    year: str = "2016",
    *,
    report: str = "r1",
    title: str = "松亭县科技局工作总结",
    qualifier: str = "",
    subject: tuple[str, ...] = (),
    start: int = 0,
    organisations: tuple[str, ...] = (),
    **fields: Any,
) -> Row:
    def mention(text: str) -> Mention | None:
        return Mention(0, len(text), text) if text else None

    record = Record(
        value=Mention(start, start + len(value), value),
        unit=mention(unit),
        indicator=mention(indicator),
        qualifier=mention(qualifier),
        subject=tuple(Mention(0, len(name), name) for name in subject),
        year_value=year,
        **fields,
    )
    return Row(report, title, record, organisations)


def merged(*rows: Row) -> bool:
    return len(merge_series(rows)) == 1


def table(heading: str) -> list[tuple[str, str]]:
    """The pairs of a table in docs/series.md, each cell ``a / b / c``."""
    section = DOCS.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:2] == "| "]
    return [(cells[0], cells[1]) for cells in lines[1:]]


SAME = table("合并的写法")
APART = table("不合并的写法")


def test_tables_of_the_documentation_are_there() -> None:
    assert len(SAME) >= 15
    assert len(APART) >= 12


@pytest.mark.parametrize("names", [cells[0] for cells in SAME])
def test_spellings_of_the_documentation_share_a_key(names: str) -> None:
    keys = {indicator_key(name) for name in names.split(" / ")}
    assert len(keys) == 1
    assert None not in keys


@pytest.mark.parametrize("names", [cells[0] for cells in APART])
def test_names_that_must_stay_apart_do(names: str) -> None:
    spellings = names.split(" / ")
    keys = [indicator_key(name) for name in spellings]
    assert None not in keys
    assert len(set(keys)) == len(spellings)


@pytest.mark.parametrize(
    "name", ["", " ", "项目", "授权量", "占GDP比重", "企业", "总投资", "入库数"]
)
def test_vague_names_identify_nothing(name: str) -> None:
    assert indicator_key(name) is None


def test_vague_and_missing_names_stand_alone_with_a_note() -> None:
    series = merge_series([row("项目", start=0), row("项目", start=9), row("", start=20)])
    assert [len(one.points) for one in series] == [1, 1, 1]
    assert sorted(one.note for one in series) == [
        "指标名单独看不出指什么，单独成列",
        "指标名单独看不出指什么，单独成列",
        "没有指标名，单独成列",
    ]


@given(st.text(max_size=30), st.text(max_size=8))
def test_any_name_has_a_key_or_none(name: str, qualifier: str) -> None:
    key = indicator_key(name, qualifier)
    assert key is None or key != ""


def test_level_in_the_qualifier_is_the_level_in_the_name() -> None:
    assert indicator_key("工程中心", "省级") == indicator_key("省级工程中心")
    assert indicator_key("工程中心", "市级") != indicator_key("省级工程中心")
    assert indicator_key("工程中心", "省级") != indicator_key("工程中心")


def test_subset_is_kept_apart() -> None:
    assert not merged(row(qualifier="企业申报"), row())
    assert merged(row(qualifier="企业 申报"), row(qualifier="企业申报"))


def test_series_over_years_shows_spellings_by_frequency() -> None:
    rows = [
        row("授权发明专利", "30", year="2017", report="b"),
        row("发明专利授权量", "21", year="2015", report="a"),
        row("发明专利授权量", "40", year="", report="c"),
        row("发明专利授权", "25", year="2016", report="d"),
    ]
    (series,) = merge_series(rows)
    assert series.variants == ("发明专利授权量", "发明专利授权", "授权发明专利")
    assert series.indicator == "发明专利授权量"
    assert [point.year_value for point in series.points] == ["2015", "2016", "2017", ""]
    assert (series.owner, series.subject, series.unit) == ("松亭县", (), "件")
    assert series.conflicts == ()
    assert series.note == ""


@pytest.mark.parametrize("measure", ["change", "share"])
def test_measures_stay_apart(measure: str) -> None:
    assert not merged(row(value="12", unit="%"), row(value="12", unit="%", measure=measure))


@pytest.mark.parametrize(
    ("indicator", "one", "other", "together"),
    [
        ("高新技术企业", "家", "户", True),
        ("高新技术企业", "家", "个", True),
        ("低保对象", "户", "人", False),
        ("房屋", "户", "间", False),
        ("博士", "名", "人", True),
        ("培训农民", "人", "人次", False),
        ("出口总额", "亿元", "亿美元", False),
        ("出口总额", "亿元", "万元", True),
        ("粮食播种面积", "万亩", "公顷", True),
        ("粮食播种面积", "亩", "吨", False),
        ("专利申请量", "件", "%", False),
        ("人口自然增长率", "‰", "%", True),
        ("综合能耗", "吨标准煤", "千瓦时", False),
        ("技术合同", "项", "万元", False),
        ("综合指数", "", "%", False),
        ("亩均税收", "万元/亩", "元/亩", True),
    ],
)
def test_units_of_one_kind_meet(indicator: str, one: str, other: str, together: bool) -> None:
    assert merged(row(indicator, unit=one), row(indicator, unit=other)) is together


def test_numbers_are_converted_to_the_unit_of_the_series() -> None:
    (series,) = merge_series(
        [
            row("绿地面积", "30", "亩", "2015"),
            row("绿地面积", "45", "亩", "2016"),
            row("绿地面积", "4", "公顷", "2017"),
        ]
    )
    assert series.unit == "亩"
    assert [str(point.quantity.number) for point in series.points] == ["30", "45", "60"]


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        (("3.2", "亿元", "eq"), ("31987", "万元", "eq"), True),
        (("3.2", "亿元", "eq"), ("32600", "万元", "eq"), False),
        (("3.20", "亿元", "eq"), ("3.21", "亿元", "eq"), False),
        (("1", "亿元", "eq"), ("1.4", "亿元", "eq"), False),
        (("1", "亿元", "eq"), ("1.02", "亿元", "eq"), True),
        (("3000余", "件", "approx"), ("3012", "件", "eq"), True),
        (("3000余", "件", "approx"), ("2980", "件", "eq"), False),
        (("3000余", "件", "approx"), ("4000", "件", "eq"), False),
        (("7600多", "万元", "approx"), ("7650.5", "万元", "eq"), True),
        (("7600多", "万元", "approx"), ("7700", "万元", "eq"), True),  # 7,695 rounds to 7,700
        (("7600多", "万元", "approx"), ("7800", "万元", "eq"), False),
        (("三千", "件", "approx"), ("2890", "件", "eq"), True),
        (("三千", "件", "approx"), ("2500", "件", "eq"), False),
        (("3000", "件", "ge"), ("3000", "件", "eq"), True),
        (("3000", "件", "gt"), ("3000", "件", "eq"), False),
        (("3000", "件", "gt"), ("3100", "件", "eq"), True),
        (("3000", "件", "lt"), ("3100", "件", "eq"), False),
        (("3000", "件", "le"), ("3000", "件", "ge"), True),
        (("3000", "件", "lt"), ("3000", "件", "ge"), False),
        (("10-15", "件", "eq"), ("12", "件", "eq"), True),
        (("10-15", "件", "eq"), ("16", "件", "eq"), False),
        (("数百", "件", "approx"), ("460", "件", "eq"), True),
        (("12", "件", "eq"), ("12", "件", "eq"), True),
        (("12", "件", "eq"), ("13", "件", "eq"), False),
        (("1,012", "件", "eq"), ("1012", "件", "eq"), True),
        (("0", "件", "eq"), ("1", "件", "eq"), False),
        (("x.xx", "亿元", "eq"), ("3.2", "亿元", "eq"), True),
    ],
)
def test_conflict_is_what_both_reports_cannot_mean(
    one: tuple[str, str, str], other: tuple[str, str, str], agree: bool
) -> None:
    rows = [
        row("专项支出额度", value, unit, report=report, bound=bound)
        for report, (value, unit, bound) in (("a", one), ("b", other))
    ]
    for order in (rows, rows[::-1]):
        (series,) = merge_series(order)
        assert (series.conflicts == ()) is agree
        assert len(series.points) == 2


def test_conflict_shows_every_source_of_that_year_and_status_only() -> None:
    (series,) = merge_series(
        [
            row(value="12", report="a"),
            row(value="12", report="b"),
            row(value="15", report="c"),
            row(value="20", report="d", status="target"),
            row(value="30", report="e", year="2017"),
            row(value="40", report="f", year=""),
            row(value="41", report="g", year=""),
            row(value="42", report="h", year="20**"),
            row(value="43", report="i", year="20**"),
        ]
    )
    assert [[p.row.report_id for p in group] for group in series.conflicts] == [["a", "b", "c"]]


def test_two_values_of_one_report_are_no_conflict() -> None:
    """「新认定17家，总数达58家」: one name for two things, in one report after another."""
    new_and_total = [row(value="17", report="a"), row(value="58", report="a")]
    assert not merge_series(new_and_total)[0].conflicts
    assert not merge_series([*new_and_total, row(value="58", report="b")])[0].conflicts
    (series,) = merge_series([*new_and_total, row(value="60", report="b")])
    assert [[p.row.record.value.text for p in group] for group in series.conflicts] == [
        ["17", "58", "60"]
    ]


def test_rise_and_fall_of_the_same_size_contradict() -> None:
    def change(words: str, report: str) -> Row:
        evidence = {"measure": (Mention(0, len(words), words),)}
        return row(value="3", unit="%", report=report, measure="change", evidence=evidence)

    assert merge_series([change("增长", "a"), change("下降", "b")])[0].conflicts
    assert not merge_series([change("增长不低于", "a"), change("增加", "b")])[0].conflicts


@pytest.mark.parametrize(
    ("title", "owner"),
    [
        ("首页 > 工作总结\n2013年松亭县科技局工作总结及2014年思路", Owner("松亭县")),
        ("柏州市青柳区科学技术局2020年工作总结", Owner("青柳区", parent="柏州市")),
        ("（2013年1月8日在松亭县第十五届人民代表大会上）", Owner("松亭县")),
        ("柏州高新区管委会2016年工作总结", Owner("柏州高新区", is_body=True)),
        (
            "松亭重工（集团）股份有限公司2018年年度报告",
            Owner("松亭重工(集团)股份有限公司", is_body=True),
        ),
        ("柏州市第九中学2014学年工作总结", Owner("柏州市第九中学", is_body=True)),
        ("2016年度县科技工作总结", None),
        ("XX县科技局工作总结", None),
        ("我市上半年工作总结", None),
        ("努力开创科技兴县新局面", None),
        ("柏州市科技局：", None),
        ("这次会议是松亭县委、县政府决定召开的。", None),
        ("", None),
    ],
)
def test_owner_by_title(title: str, owner: Owner | None) -> None:
    assert find_owner(title) == owner


def test_owner_by_organisations_when_they_are_of_one_place() -> None:
    assert find_owner("工作总结", ("县委", "松亭县科技局", "江左大学")) == Owner("松亭县")
    assert find_owner("工作总结", ("松亭县科技局", "柏州市财政局")) is None


def test_reports_of_one_region_meet_and_of_two_do_not() -> None:
    bureau, government = "2016年松亭县科技局工作总结", "松亭县政府工作报告"
    assert merged(row(title=bureau), row(title=government, year="2017", report="r2"))
    assert not merged(row(title=bureau), row(title="竹溪县科技局工作总结", report="r2"))


def test_reports_of_nobody_stay_apart_and_say_so() -> None:
    series = merge_series(
        [
            row(title="工作总结"),
            row(title="工作总结", year="2017"),
            row(title="工作总结", report="r2"),
        ]
    )
    assert sorted(len(one.points) for one in series) == [1, 2]
    assert {one.note for one in series} == {"看不出报告属于哪个地区或单位，未与其他报告合并"}
    assert {one.owner for one in series} == {""}


def test_districts_of_one_name_need_their_city() -> None:
    one, other, alone = "柏州市鼓楼区科技局", "松州市鼓楼区科技局", "鼓楼区科技局"
    assert merged(row(title=one), row(title=alone))
    assert len(merge_series([row(title=one), row(title=other), row(title=alone)])) == 3


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (["江左省云帆机械有限公司", "云帆机械有限公司", "云帆机械"], 3),  # which one is meant?
        (["松亭云帆机械有限公司", "松亭云帆", "松亭云帆机械"], 1),
        (["云帆重工（集团）股份有限公司", "云帆重工(集团)股份有限公司", "云帆重工"], 1),
        (["云帆水泥有限公司", "云帆型材有限公司", "云帆"], 3),
        (["云帆机械有限公司", "云帆电子有限公司", "云帆"], 3),
        (["中国云帆化工股份有限公司", "中国云帆"], 2),
        (["松亭县科学技术局", "县科技局", "松亭县科技局"], 1),
        (["县科技局", "市科技局"], 2),
    ],
)
def test_full_and_short_names(names: list[str], groups: int) -> None:
    rows = [row(subject=(name,), start=9 * n) for n, name in enumerate(names)]
    assert len(merge_series(rows)) == groups


def test_short_names_and_bureaus_of_two_regions_stay_apart() -> None:
    for name in ("云帆机械", "县科技局"):
        there = row(subject=(name,), title="竹溪县科技局工作总结", report="r2")
        assert not merged(row(subject=(name,)), there)


def test_firm_in_its_own_report_is_the_firm_in_other_reports() -> None:
    firm = "云帆机械有限公司"
    own = row("营业收入", "3.2", "亿元", title=f"{firm}2016年年度报告", report="own")
    other = row("营业收入", "31987", "万元", subject=(firm,), report="other")
    (series,) = merge_series([own, other])
    assert series.conflicts == ()


def test_several_subjects_meet_in_any_order() -> None:
    assert merged(row(subject=("江左大学", "县科技局")), row(subject=("县科技局", "江左大学")))
    assert not merged(row(subject=("江左大学", "县科技局")), row(subject=("江左大学",)))


ROWS = st.lists(
    st.builds(
        row,
        indicator=st.sampled_from(
            ["专利申请", "专利申请量", "申请专利", "发明专利", "高企", "高新技术企业", "项目", ""]
        ),
        value=st.sampled_from(["3", "3000余", "3.2", "2-5", "xx", "若干", "三十几"]),
        unit=st.sampled_from(["件", "家", "户", "亿元", "%", ""]),
        year=st.sampled_from(["2015", "2016", "2016-2020", "20**", ""]),
        report=st.sampled_from(["r1", "r2", "r3"]),
        title=st.sampled_from(
            ["松亭县科技局总结", "竹溪县政府工作报告", "总结", "云帆机械集团年报"]
        ),
        qualifier=st.sampled_from(["", "省级", "企业申报"]),
        subject=st.sampled_from([(), ("云帆机械",), ("云帆机械有限公司",), ("县科技局", "县委")]),
        start=st.integers(0, 60),
        status=st.sampled_from(["actual", "target"]),
        measure=st.sampled_from(["level", "change"]),
    ),
    max_size=25,
)


def shape(series: list[Series]) -> list[tuple[Any, ...]]:
    """Everything of the series; rows by what they say, since equal rows may change places."""
    return [
        (
            *(one.indicator, one.variants, one.qualifier, one.subject, one.owner),
            *(one.unit, one.measure, one.note),
            [repr(point) for point in one.points],
            [[repr(point) for point in group] for group in one.conflicts],
        )
        for one in series
    ]


@settings(max_examples=60)
@given(ROWS, st.randoms(use_true_random=False))
def test_order_of_rows_changes_nothing_and_no_row_is_lost(
    rows: list[Row], chance: random.Random
) -> None:
    series = merge_series(rows)
    points = [repr(point.row) for one in series for point in one.points]
    assert sorted(points) == sorted(map(repr, rows))
    shuffled = list(rows)
    chance.shuffle(shuffled)
    assert shape(merge_series(shuffled)) == shape(series)


def test_no_rows_no_series() -> None:
    assert merge_series([]) == []


def test_documented_words_are_chinese_notes() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for one in merge_series([row("项目", title="总结"), row("", title="总结")]):
        for note in re.split("；", one.note):
            assert note in text
