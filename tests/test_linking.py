"""Linking: each rule on sentences of its pattern, and strange texts."""

from __future__ import annotations

import random

import pytest

from zhibiao import Extractor
from zhibiao.linking import link_records
from zhibiao.linking.linker import link_rules
from zhibiao.linking.precision import precision
from zhibiao.linking.structure import Structure
from zhibiao.linking.year_words import year_value
from zhibiao.records import BOUNDS, MEASURES, STATUSES, Record
from zhibiao.spans import LABELS, Span
from zhibiao.tagged import parse_tagged

_SHORT = {"机": "机构", "指": "指标", "数": "数值", "单": "单位", "年": "年份", "企": "企业名"}


def link(marked: str) -> list[Record]:
    """Records of a text whose spans are written ``⟦指|专利⟧`` with the label's first character."""
    for short, label in _SHORT.items():
        marked = marked.replace(f"⟦{short}|", f"⟦{label}|")
    return link_records(*parse_tagged(marked))


def texts(records: list[Record], field: str) -> list[str]:
    found = []
    for record in records:
        value = getattr(record, field)
        found.append(value if isinstance(value, str) else value.text if value else "")
    return found


@pytest.mark.parametrize(
    ("marked", "indicators"),
    [
        # 1, 4: the name before, the name after; what is counted.
        ("⟦指|路灯⟧⟦数|96⟧⟦单|盏⟧。", ["路灯"]),
        ("⟦数|8⟧⟦单|家⟧⟦指|茶厂⟧领取⟦指|补贴⟧⟦数|40⟧⟦单|万元⟧。", ["茶厂", "补贴"]),
        ("招募⟦数|30⟧⟦单|名⟧⟦指|讲解员⟧走进⟦数|12⟧⟦单|所⟧⟦指|学校⟧。", ["讲解员", "学校"]),
        ("⟦指|总造价⟧⟦数|3⟧⟦单|亿元⟧的⟦指|体育馆⟧开工。", ["总造价"]),
        ("整理出⟦数|5⟧⟦单|万⟧余份旧式⟦指|档案⟧。", ["档案"]),
        ("⟦指|库存⟧清点完毕，⟦数|6⟧⟦单|台⟧（套）⟦指|水泵⟧完好。", ["水泵"]),
        ("⟦指|收据⟧⟦数|80余⟧⟦单|份⟧(册)、⟦指|底稿⟧⟦数|3⟧⟦单|份⟧。", ["收据", "底稿"]),
        # 2: changes and shares belong to the level.
        ("⟦指|客流量⟧⟦数|9⟧⟦单|万人次⟧，同比增长⟦数|7⟧⟦单|%⟧。", ["客流量"] * 2),
        ("⟦指|票款⟧⟦数|80⟧⟦单|万元⟧，占⟦指|总收入⟧的⟦数|12⟧⟦单|%⟧。", ["票款"] * 2),
        ("⟦指|绿茶⟧产值占⟦指|茶业产值⟧的⟦数|六⟧⟦单|成⟧。", ["绿茶"]),
        ("铜材占⟦指|成本⟧的⟦数|四⟧⟦单|成⟧。", ["成本"]),
        # 3: 其中 and what is left out.
        (
            "评出⟦指|示范店⟧⟦数|9⟧⟦单|家⟧，其中省级⟦数|2⟧⟦单|家⟧、市级⟦数|7⟧⟦单|家⟧。",
            ["示范店"] * 3,
        ),
        ("受理⟦指|申诉⟧⟦数|15⟧⟦单|件⟧，办结⟦数|14⟧⟦单|件⟧。", ["申诉"] * 2),
        ("受理⟦指|申诉⟧⟦数|15⟧⟦单|件⟧。已办结⟦数|14⟧⟦单|件⟧。", ["申诉"] * 2),
        ("结对⟦指|困难户⟧⟦数|20⟧⟦单|户⟧⟦数|61⟧⟦单|人⟧。", ["困难户"] * 2),
        ("⟦指|网点⟧由⟦数|4⟧⟦单|个⟧增加到⟦数|11⟧⟦单|个⟧。", ["网点"] * 2),
        # 分别, with the names beside it and with the names in clauses before.
        (
            "⟦指|门票⟧、⟦指|餐饮收入⟧分别增长⟦数|8⟧⟦单|%⟧和⟦数|5⟧⟦单|%⟧。",
            ["门票", "餐饮收入"],
        ),
        (
            "⟦指|门票⟧⟦数|3⟧⟦单|万元⟧，⟦指|餐饮收入⟧⟦数|9⟧⟦单|万元⟧，分别增长⟦数|8⟧⟦单|%⟧、⟦数|5⟧⟦单|%⟧。",
            ["门票", "餐饮收入", "门票", "餐饮收入"],
        ),
        ("⟦指|合格率⟧分别为⟦数|98⟧⟦单|%⟧和⟦数|97⟧⟦单|%⟧。", ["合格率"] * 2),
        # 5: acts that are counted, sums without a name.
        ("先后⟦数|3⟧⟦单|次⟧赴外地考察。", [""]),
        ("走访⟦指|商户⟧⟦数|58⟧⟦单|家⟧，罚款⟦数|4⟧⟦单|万元⟧。", ["商户", ""]),
        # Punctuation inside a name parts no clauses.
        ("⟦指|研究与试验发展（R&D）人员⟧⟦数|70⟧⟦单|人⟧。", ["研究与试验发展（R&D）人员"]),
    ],
)
def test_indicator(marked: str, indicators: list[str]) -> None:
    assert texts(link(marked), "indicator") == indicators


def test_a_comparison_is_not_the_indicator() -> None:
    records = link("⟦指|运费⟧上涨⟦数|9⟧⟦单|%⟧，比⟦指|油价⟧快⟦数|2⟧⟦单|个百分点⟧。")
    assert texts(records, "indicator") == ["运费", "运费"]
    assert texts(records, "measure") == ["change", "change"]


@pytest.mark.parametrize(
    ("marked", "qualifiers"),
    [
        (
            "⟦指|示范店⟧⟦数|9⟧⟦单|家⟧，其中省级⟦数|2⟧⟦单|家⟧、市级⟦数|7⟧⟦单|家⟧。",
            ["", "省级", "市级"],
        ),
        ("⟦指|申诉⟧⟦数|15⟧⟦单|件⟧，已办结⟦数|14⟧⟦单|件⟧。", ["", "办结"]),
        ("⟦指|选手⟧⟦数|16⟧⟦单|人⟧，其中⟦数|6⟧⟦单|人⟧进入决赛。", ["", "进入决赛"]),
        ("新增⟦指|网点⟧⟦数|3⟧⟦单|个⟧，总数达到⟦数|11⟧⟦单|个⟧。", ["", ""]),
        ("⟦指|申诉⟧⟦数|15⟧⟦单|件⟧，其中⟦指|加急申诉⟧⟦数|4⟧⟦单|件⟧。", ["", ""]),
        ("铜材占⟦指|成本⟧的⟦数|四⟧⟦单|成⟧。", ["铜材"]),
    ],
)
def test_qualifier(marked: str, qualifiers: list[str]) -> None:
    assert texts(link(marked), "qualifier") == qualifiers


@pytest.mark.parametrize(
    ("marked", "units"),
    [
        ("⟦指|座椅⟧⟦数|300⟧余⟦单|把⟧。", ["把"]),
        ("⟦指|奖牌⟧保⟦数|3⟧争⟦数|5⟧⟦单|枚⟧。", ["枚", "枚"]),
        ("⟦指|游客⟧同比增长⟦数|86.7⟧；⟦指|床位⟧⟦数|50⟧⟦单|张⟧。", ["", "张"]),
    ],
)
def test_unit(marked: str, units: list[str]) -> None:
    assert texts(link(marked), "unit") == units


_YEARS = """⟦机|松山馆⟧⟦年|2017年⟧工作总结及⟦年|2018年⟧工作打算
⟦年|2017年⟧，我馆精心组织，各项工作有序推进。
一、主要工作
⟦年|今年⟧购置⟦指|图书⟧⟦数|900⟧⟦单|册⟧，比⟦年|上年⟧增长⟦数|6⟧⟦单|%⟧。办理⟦指|借书证⟧⟦数|70⟧⟦单|张⟧。
举办⟦指|讲座⟧⟦数|11⟧⟦单|场⟧；⟦年|去年⟧举办⟦数|9⟧⟦单|场⟧。
二、⟦年|2018年⟧打算
购置⟦指|图书⟧⟦数|1000⟧⟦单|册⟧，到⟦年|2020年⟧达到⟦数|3000⟧⟦单|册⟧。
三、下一步打算
举办⟦指|讲座⟧⟦数|15⟧⟦单|场⟧。
"""


def test_year_by_sentence_paragraph_heading_and_title() -> None:
    records = link(_YEARS)
    assert texts(records, "year") == [
        "今年", "今年", "今年", "2017年", "去年", "2018年", "2020年", "2018年",
    ]  # fmt: skip
    assert texts(records, "year_value") == [
        "2017", "2017", "2017", "2017", "2016", "2018", "2020", "2018",
    ]  # fmt: skip
    assert texts(records, "status") == ["actual"] * 5 + ["target"] * 3


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("2016年", "2016"), ("2015年度", "2015"), ("2014", "2014"), ("16年", "2016"),
        ("2016-2020年", "2016-2020"), ("2013—2014学年度", "2013-2014"), ("2016—20年", "2016-2020"),
        ("二○○八年", "2008"), ("二〇一〇年度", "2010"), ("十五", "2001-2005"),
        ("十一五", "2006-2010"), ("十三五", "2016-2020"), ("十五五", "2026-2030"),
        ("20**年", "20**"), ("xxxx年", "xxxx"), ("20○○年", "20○○"), ("XX年", "XX"),
        ("今年", "2017"), ("上年度", "2016"), ("明年", "2018"), ("往年", ""),
    ],
)  # fmt: skip
def test_year_value(words: str, value: str) -> None:
    assert year_value(words, "2017") == value


def test_relative_years_without_a_year_of_the_report() -> None:
    assert year_value("今年", "") == ""
    assert year_value("今年", "20**") == "20**"
    assert year_value("去年", "20**") == ""


def test_the_date_of_the_page_is_not_the_year_of_the_report() -> None:
    (record,) = link(
        "⟦年|2012年⟧馆务总结\n发布日期：⟦年|2013⟧-01-06\n⟦年|今年⟧修缮⟦指|展柜⟧⟦数|7⟧⟦单|个⟧。"
    )
    assert record.year_value == "2012"


def test_a_former_value_without_a_year_has_none() -> None:
    records = link(
        "⟦年|2019年⟧总结\n一年来，变化明显。\n⟦指|班次⟧由⟦数|4⟧⟦单|班⟧增加到⟦数|6⟧⟦单|班⟧。"
    )
    assert texts(records, "year_value") == ["", "2019"]


def test_a_plan_before_its_colon_leads_in_the_items() -> None:
    records = link(
        "湖区“⟦年|十三五⟧”发展规划\n一、目标\n到⟦年|2020年⟧，设施齐全，主要目标如下：\n"
        "——⟦指|码头⟧达到⟦数|6⟧⟦单|座⟧。\n——⟦指|航线⟧不少于⟦数|9⟧⟦单|条⟧。"
    )
    assert texts(records, "year_value") == ["2020", "2020"]
    assert texts(records, "status") == ["target", "target"]
    assert texts(records, "bound") == ["eq", "ge"]


@pytest.mark.parametrize(
    ("marked", "measures"),
    [
        ("⟦指|客流⟧⟦数|9⟧⟦单|万⟧，增加⟦数|2⟧⟦单|万⟧。", ["level", "change"]),
        ("⟦指|客流⟧增加到⟦数|9⟧⟦单|万⟧。", ["level"]),
        ("⟦指|覆盖率⟧⟦数|98⟧⟦单|%⟧，提高⟦数|3⟧⟦单|个百分点⟧。", ["level", "change"]),
        ("裁减⟦指|船员⟧⟦数|20⟧⟦单|人⟧。", ["change"]),
        ("新增⟦指|船员⟧⟦数|20⟧⟦单|人⟧。", ["level"]),
        ("⟦指|票款⟧是上月的⟦数|1.5⟧⟦单|倍⟧。", ["change"]),
        ("⟦指|票款⟧完成年度计划的⟦数|80⟧⟦单|%⟧。", ["share"]),
        ("⟦指|水费占成本比重⟧为⟦数|3⟧⟦单|%⟧。", ["level"]),
        ("⟦数|九⟧⟦单|成⟧以上的⟦指|村庄⟧通车。", ["share"]),
        (
            "⟦指|任务⟧⟦数|8⟧⟦单|件⟧，为计划⟦数|10⟧⟦单|件⟧的⟦数|80⟧⟦单|%⟧。",
            ["level", "level", "share"],
        ),
    ],
)
def test_measure(marked: str, measures: list[str]) -> None:
    assert texts(link(marked), "measure") == measures


@pytest.mark.parametrize(
    ("marked", "statuses"),
    [
        ("力争⟦指|票款⟧达到⟦数|9⟧⟦单|万元⟧。", ["target"]),
        ("大家奋力争先，⟦指|票款⟧达到⟦数|9⟧⟦单|万元⟧。", ["actual"]),
        ("预计全年⟦指|票款⟧⟦数|9⟧⟦单|万元⟧。", ["actual"]),
        ("⟦指|计划投资⟧⟦数|9⟧⟦单|亿元⟧，已完成⟦数|2⟧⟦单|亿元⟧。", ["target", "actual"]),
        ("⟦指|厚度⟧⟦数|6⟧⟦单|毫米⟧，优于合同约定的⟦数|8⟧⟦单|毫米⟧。", ["actual", "target"]),
        ("对通过验收的码头，给予一次性⟦指|补助⟧⟦数|5⟧⟦单|万元⟧。", ["target"]),
        (
            "⟦年|2020年⟧总结\n工作有序，成效明显。\n⟦年|2021年⟧，修建⟦指|码头⟧⟦数|2⟧⟦单|座⟧。",
            ["target"],
        ),
        (
            "码头管理办法\n第一条 本办法即日起，全面施行。\n每座码头⟦指|补助⟧⟦数|5⟧⟦单|万元⟧。",
            ["target"],
        ),
        ("总结\n工作有序，成效明显。\n下一步，我站修建⟦指|码头⟧⟦数|2⟧⟦单|座⟧。", ["target"]),
    ],
)
def test_status(marked: str, statuses: list[str]) -> None:
    assert texts(link(marked), "status") == statuses


@pytest.mark.parametrize(
    ("words", "bound"),
    [
        ("⟦指|亭子⟧近⟦数|90⟧⟦单|座⟧", "approx"),
        ("⟦指|亭子⟧⟦数|90余⟧⟦单|座⟧", "approx"),
        ("⟦指|亭子⟧⟦数|90⟧⟦单|座⟧左右", "approx"),
        ("⟦指|亭子⟧⟦数|七八⟧⟦单|座⟧", "approx"),
        ("⟦指|亭子⟧⟦数|90⟧⟦单|座⟧以上", "ge"),
        ("⟦指|亭子⟧不少于⟦数|90⟧⟦单|座⟧", "ge"),
        ("⟦指|亭子⟧超过⟦数|90⟧⟦单|座⟧", "gt"),
        ("力争⟦指|亭子⟧超过⟦数|90⟧⟦单|座⟧", "ge"),
        ("力争⟦指|亭子⟧突破⟦数|90⟧⟦单|座⟧", "gt"),
        ("⟦指|亭子⟧不到⟦数|90⟧⟦单|座⟧", "lt"),
        ("⟦指|损耗率⟧控制在⟦数|9⟧⟦单|%⟧以内", "le"),
        ("⟦指|补助⟧最高⟦数|9⟧⟦单|万元⟧", "le"),
        ("⟦指|亭子⟧达到⟦数|90⟧⟦单|座⟧", "eq"),
        ("⟦指|彩超⟧⟦数|1⟧⟦单|台⟧", "eq"),
    ],
)
def test_bound(words: str, bound: str) -> None:
    (record,) = link(f"{words}。")
    assert record.bound == bound


@pytest.mark.parametrize(
    ("marked", "subjects"),
    [
        (
            "⟦企|海风船厂⟧造⟦指|渔船⟧⟦数|2⟧⟦单|艘⟧，修⟦指|舢板⟧⟦数|5⟧⟦单|条⟧。",
            ["海风船厂", "海风船厂"],
        ),
        ("⟦企|海风船厂⟧、⟦企|新港船厂⟧⟦数|2⟧⟦单|家⟧⟦指|企业⟧获奖。", ["海风船厂；新港船厂"]),
        ("⟦企|海风船厂⟧造⟦指|渔船⟧⟦数|2⟧⟦单|艘⟧；修建⟦指|码头⟧⟦数|1⟧⟦单|座⟧。", ["海风船厂", ""]),
        ("⟦企|海风船厂⟧投产，全县造⟦指|渔船⟧⟦数|9⟧⟦单|艘⟧。", [""]),
        ("在⟦机|县委⟧领导下，造⟦指|渔船⟧⟦数|9⟧⟦单|艘⟧。", [""]),
        ("命名⟦指|船坞⟧⟦数|2⟧⟦单|座⟧，即⟦机|东坞⟧、⟦机|西坞⟧。", ["东坞；西坞"]),
        ("⟦指|总投资⟧⟦数|3⟧⟦单|亿元⟧的⟦企|海风船厂⟧开工。", ["海风船厂"]),
        ("与⟦机|海事学院⟧签订协议，引进⟦指|教师⟧⟦数|3⟧⟦单|名⟧。", [""]),
    ],
)
def test_subject(marked: str, subjects: list[str]) -> None:
    found = ["；".join(mention.text for mention in r.subject) for r in link(marked)]
    assert found == subjects


_TABLE = """渔港公报
单位：万元
指标 | ⟦年|2019年⟧ | ⟦年|2020年⟧ | 增减（%）
⟦指|渔业产值⟧ | ⟦数|80⟧ | ⟦数|96⟧ | ⟦数|20⟧
⟦指|修船收入⟧ | ⟦数|5⟧ | ⟦数|4⟧ | ⟦数|-20⟧
"""


@pytest.mark.parametrize("separator", [" | ", "\t", "  "])
def test_a_table_takes_heads_of_rows_and_columns(separator: str) -> None:
    records = link(_TABLE.replace(" | ", separator))
    assert texts(records, "indicator") == ["渔业产值"] * 3 + ["修船收入"] * 3
    assert texts(records, "year_value")[:2] == ["2019", "2020"]
    assert texts(records, "unit") == ["万元", "万元", "%"] * 2
    assert texts(records, "measure") == ["level", "level", "change"] * 2


def test_units_of_rows_and_targets_of_columns() -> None:
    records = link(
        "指标 | 单位 | 目标值 | 完成值\n⟦指|航线⟧ | ⟦单|条⟧ | ⟦数|9⟧ | ⟦数|7⟧\n"
        "⟦指|船票⟧ |  | ⟦数|3⟧ | ⟦数|2⟧\n"
    )
    assert texts(records, "unit")[:2] == ["条", "条"]
    assert texts(records, "status") == ["target", "actual"] * 2


def test_a_row_that_does_not_fit_the_heads_says_so() -> None:
    records = link(_TABLE.replace(" | ⟦数|96⟧", ""))
    assert texts(records, "indicator")[:2] == ["渔业产值", "渔业产值"]
    assert texts(records, "year")[:2] == ["", ""]
    assert any("列" in note for note in records[0].notes)
    assert records[0].confidence["indicator"] <= 0.5 < records[3].confidence["indicator"]


def test_missing_fields_say_why_and_are_doubtful() -> None:
    (record,) = link("走访⟦数|9⟧。")
    assert (record.unit, record.indicator, record.year, record.year_value) == (None, None, None, "")
    assert all(record.confidence[field] <= 0.5 for field in ("unit", "indicator", "year"))
    assert {"数值后没有单位", "没有找到它度量的指标", "全文没有年份"} <= set(record.notes)


def test_contradictory_years_are_told() -> None:
    records = link(
        "⟦年|2015年⟧总结\n各项工作，有序推进。\n⟦年|2018年⟧修建⟦指|码头⟧⟦数|2⟧⟦单|座⟧。\n"
        "⟦年|2018年⟧修建⟦指|灯塔⟧⟦数|1⟧⟦单|座⟧。\n购置⟦指|渔船⟧⟦数|3⟧⟦单|艘⟧。"
    )
    assert any("矛盾" in note for note in records[2].notes)
    assert records[2].confidence["year_value"] <= 0.5 < records[0].confidence["year_value"]


def test_sections_nest_by_their_markers() -> None:
    text = (
        "总结\n各项工作，有序推进。\n第一部分  2018年工作\n一、概况\n（一）平稳\n1．产值\n"
        "二、打算\n三、成效"
    )
    sections = Structure(text).sections
    titles = [text[s.title.start : s.title.end] for s in sections]
    assert titles == [
        "第一部分  2018年工作",
        "一、概况",
        "（一）平稳",
        "1．产值",
        "二、打算",
        "三、成效",
    ]
    parents = [text[s.parent.start :][:2] if s.parent else "" for s in sections]
    assert parents == ["", "第一", "一、", "（一", "第一", "第一"]
    assert [s.plan for s in sections][-2:] == [True, False]


def test_headings_in_the_middle_of_a_line() -> None:
    records = link(
        "⟦年|2009年⟧工作总结　　一年来，工作有序。一、成效　修建⟦指|码头⟧⟦数|2⟧⟦单|座⟧。"
        "二、⟦年|2010年⟧打算　修建⟦指|灯塔⟧⟦数|1⟧⟦单|座⟧。"
    )
    assert texts(records, "year_value") == ["2009", "2010"]
    assert texts(records, "status") == ["actual", "target"]


def test_evidence_slices_the_text_and_fields_keep_their_vocabulary() -> None:
    rng = random.Random(7)
    alphabet = "一二、2019年。，；其中占比增长分别的由到|\t\n　（）：力争以上超过 家万元%"
    for _ in range(300):
        text = "".join(rng.choice(alphabet) for _ in range(rng.randrange(90)))
        spans = []
        position = 0
        while position + 1 < len(text):
            start = position + rng.randrange(3)
            end = min(len(text), start + 1 + rng.randrange(4))
            if start < end and text[start:end].strip() == text[start:end] != "":
                spans.append(Span(start, end, rng.choice(LABELS), rng.random()))
            position = max(end, position + 1)
        records = link_records(text, spans)
        assert [r.value.start for r in records] == [s.start for s in spans if s.label == "数值"]
        for record in records:
            mentions = [record.value, record.unit, record.indicator, record.qualifier, record.year]
            mentions += [*record.subject, *(m for e in record.evidence.values() for m in e)]
            assert all(m is None or text[m.start : m.end] == m.text for m in mentions)
            assert all(0 <= p <= 1 for p in record.confidence.values())
            assert record.measure in MEASURES
            assert record.status in STATUSES
            assert record.bound in BOUNDS


def test_confidence_follows_the_scores_of_the_spans() -> None:
    text, spans = parse_tagged("⟦指标|路灯⟧⟦数值|96⟧⟦单位|盏⟧。")
    weak = [Span(s.start, s.end, s.label, 0.4 if s.label == "指标" else 1.0) for s in spans]
    (sure,), (unsure,) = link_records(text, spans), link_records(text, weak)
    assert unsure.confidence["indicator"] == pytest.approx(0.4 * sure.confidence["indicator"])
    assert unsure.confidence["unit"] == sure.confidence["unit"]


def test_every_rule_that_answers_has_a_precision() -> None:
    rules = link_rules(*parse_tagged("⟦指标|路灯⟧⟦数值|96⟧⟦单位|盏⟧，增长⟦数值|8⟧⟦单位|%⟧。"))
    assert [names["indicator"] for names in rules] == ["before", "change_topic"]
    assert precision("indicator", "before") > 0.9
    assert precision("indicator", "no such rule") == pytest.approx(0.8)


def test_no_values_no_records() -> None:
    assert link_records("", []) == []
    assert link("只有⟦指|路灯⟧。") == []


def test_the_quantity_is_in_the_base_unit() -> None:
    (record,) = link("⟦指|补助⟧⟦数|7600多⟧⟦单|万元⟧。")
    assert record.to_dict()["value_number"] == "76000000"
    assert record.to_dict()["unit_base"] == "元"


def test_the_extractor_links_what_it_extracts(embedded: Extractor) -> None:
    text = "松山县2019年工作总结\n2019年，全县修建公路96公里，比上年增长8%。"
    records = embedded.extract_records(text)
    assert records == link_records(text, embedded.extract(text))
    assert [(r.value.text, r.year_value, r.measure) for r in records] == [
        ("96", "2019", "level"),
        ("8", "2019", "change"),
    ]
