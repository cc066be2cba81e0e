"""The audit: each check on invented sentences, joining, ranking, sources, page, planted slips."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from annotation.audit import Finding, audit
from annotation.audit.auditor import signals
from annotation.audit.calibration import make_slips
from annotation.audit.command import configure, run
from annotation.audit.documents import Document, read_documents
from annotation.audit.finding import Signal, join
from annotation.audit.page import write_page
from annotation.audit.weights import probability
from tests.audit_mistakes import MISTAKES, plant
from zhibiao import Extractor, Report, parse_tagged, write_jsonl, write_tagged
from zhibiao.duplicates import jaccard, near_duplicates
from zhibiao.errors import FormatError, ModelError, OutputError, ReadError
from zhibiao.model_directory import EMBEDDED_MODEL, ModelDirectory
from zhibiao.tagging import TAGS, spans_to_tags


def document(tagged: str, name: str = "r", **facts: object) -> Document:
    text, spans = parse_tagged(tagged)
    meta = facts.pop("meta", {})
    return Document(Report(name, text, spans, meta), **facts)  # type: ignore[arg-type]


def documents(*tagged: str) -> list[Document]:
    return [document(text, f"r{number}") for number, text in enumerate(tagged)]


def odd(name: str, *tagged: str) -> list[tuple[str, str]]:
    """What signals of a name mark, and what they expect."""
    given = documents(*tagged)
    return [
        (given[s.document].report.text[s.start : s.end], s.expected)
        for s in signals(given)
        if s.name == name
    ]


class TestStrings:
    usual = "会议由⟦机构|柳溪县科技局⟧主办。\n" * 5

    def test_unlabelled_here_labelled_elsewhere(self) -> None:
        found = odd("missed-name", self.usual, "材料报柳溪县科技局审核。")
        assert found == [("柳溪县科技局", "⟦机构|柳溪县科技局⟧")]

    def test_message_counts(self) -> None:
        (signal,) = (
            s for s in signals(documents(self.usual, "报柳溪县科技局。")) if s.name == "missed-name"
        )
        assert "标了 5 次（机构），漏 1 次" in signal.message

    def test_inside_a_longer_span_is_not_unlabelled(self) -> None:
        longer = "⟦机构|柳溪县科技局信息中心⟧成立。"
        assert odd("missed-name", self.usual, longer) == []

    def test_mostly_unlabelled_is_not_missed_but_the_label_is_stray(self) -> None:
        plain = "各有关部门密切配合。" * 6
        found = odd("stray-name", plain, "会同⟦机构|有关部门⟧检查。")
        assert found == [("有关部门", "不标")]
        assert odd("missed-name", plain, "会同⟦机构|有关部门⟧检查。") == []

    def test_strings_with_digits_are_left_to_the_numbers(self) -> None:
        assert odd("missed-year", "⟦年份|2016年⟧总结。" * 5, "文号2016年第3号。") == []

    def test_an_indicator_with_its_number_is_labelled(self) -> None:
        usual = "⟦指标|科技特派员⟧⟦数值|9⟧⟦单位|名⟧。" * 4 + "发挥科技特派员作用。" * 9
        found = odd("missed-counted", usual, "选派科技特派员⟦数值|7⟧⟦单位|名⟧。")
        assert found == [("科技特派员", "⟦指标|科技特派员⟧")]

    def test_an_indicator_merely_mentioned_is_free(self) -> None:
        usual = "⟦指标|科技特派员⟧⟦数值|9⟧⟦单位|名⟧。" * 4 + "发挥科技特派员作用。" * 9
        assert odd("missed-indicator", usual) == []

    def test_parts_of_what_is_whole_elsewhere(self) -> None:
        usual = "⟦指标|全社会研发投入占比⟧⟦数值|2⟧⟦单位|%⟧。" * 5
        found = odd("parts", usual, "⟦指标|全社会研发投入⟧占比⟦数值|3⟧⟦单位|%⟧。")
        assert found == [("全社会研发投入占比", "⟦指标|全社会研发投入占比⟧")]

    def test_whole_where_others_label_a_part(self) -> None:
        usual = "新认定⟦指标|瞪羚企业⟧⟦数值|2⟧⟦单位|家⟧。" * 5
        found = odd("whole", usual, "⟦指标|新认定瞪羚企业⟧⟦数值|3⟧⟦单位|家⟧。")
        assert found == [("新认定瞪羚企业", "新认定⟦指标|瞪羚企业⟧")]

    def test_minority_label(self) -> None:
        usual = "⟦企业名|柳溪重机⟧投产。" * 6
        found = odd("label", usual, "⟦机构|柳溪重机⟧投产。")
        assert found == [("柳溪重机", "⟦企业名|柳溪重机⟧")]

    def test_one_against_one_accuses_both(self) -> None:
        given = documents("⟦企业名|柳溪重机⟧投产。", "⟦机构|柳溪重机⟧投产。")
        found = [s for s in signals(given) if s.name == "label"]
        assert [s.document for s in found] == [0, 1]

    def test_ending_of_another_label(self) -> None:
        usual = "".join(
            f"⟦企业名|{name}有限公司⟧投产。" for name in ("甲乙", "丙丁", "戊己", "庚辛", "壬癸")
        )
        found = odd("ending", usual, "⟦机构|子丑有限公司⟧投产。")
        assert found == [("子丑有限公司", "⟦企业名|子丑有限公司⟧")]
        assert odd("ending", usual, "⟦企业名|子丑有限公司⟧投产。") == []


class TestEdges:
    usual = "全县⟦指标|粮食产量⟧⟦数值|9⟧⟦单位|吨⟧。全县⟦指标|油菜面积⟧⟦数值|9⟧⟦单位|亩⟧。" * 3

    def test_wide_on_the_left(self) -> None:
        found = odd("wide-left", self.usual, "⟦指标|全县粮食产量⟧⟦数值|8⟧⟦单位|吨⟧。")
        assert found == [("全县粮食产量", "⟦指标|粮食产量⟧")]

    def test_wide_on_the_right(self) -> None:
        usual = "增长⟦数值|5⟧⟦单位|%⟧左右。" * 5
        assert ("%左右", "⟦单位|%⟧") in odd("wide-right", usual, "⟦数值|5⟧⟦单位|%左右⟧。")

    def test_narrow(self) -> None:
        usual = "⟦指标|R&D经费支出⟧⟦数值|3⟧⟦单位|亿元⟧。" * 5
        found = odd("narrow-left", usual, "R&D⟦指标|经费支出⟧⟦数值|3⟧⟦单位|亿元⟧。")
        assert ("R&D经费支出", "⟦指标|R&D经费支出⟧") in found

    def test_a_habit_kept_is_not_odd(self) -> None:
        names = {s.name for s in signals(documents(self.usual))}
        assert not names & {"wide-left", "wide-right", "narrow-left", "narrow-right"}

    def test_labelled_neighbours_are_not_left_outside(self) -> None:
        usual = "⟦指标|产值⟧⟦数值|9⟧⟦单位|亿元⟧。" * 5
        assert odd("narrow-left", usual, "⟦单位|亿⟧⟦单位|元⟧") == []

    def test_merged_names(self) -> None:
        usual = "⟦机构|县农业局⟧、⟦机构|县林业局⟧配合。" * 5
        found = odd("merged", usual, "⟦机构|县农业局、县水利局⟧配合。")
        assert found == [("县农业局、县水利局", "⟦机构|县农业局⟧、⟦机构|县水利局⟧")]

    def test_unseen_year(self) -> None:
        usual = "⟦年份|去年⟧丰收。" * 5
        assert odd("unseen-year", usual, "⟦年份|去年全年⟧丰收。") == [
            ("去年全年", "只标“去年”，或换标签")
        ]
        assert odd("unseen-year", usual, "⟦年份|去年⟧丰收。") == []


RULES = [
    ("hedge", "增长⟦数值|近4⟧⟦单位|成⟧", "⟦数值|4⟧"),
    ("hedge", "⟦数值|30以上⟧", "⟦数值|30⟧"),
    ("no-number", "⟦数值|若干⟧⟦单位|项⟧", "不标，或换标签"),
    ("more-outside", "⟦数值|300⟧余⟦单位|份⟧", "⟦数值|300余⟧⟦单位|份⟧"),
    ("magnitude-outside", "⟦数值|3.5⟧万⟦单位|元⟧", "⟦数值|3.5⟧⟦单位|万元⟧"),
    ("magnitude-inside", "⟦数值|3.5万⟧⟦单位|元⟧", "⟦数值|3.5⟧⟦单位|万元⟧"),
    ("lone-unit", "共35⟦单位|家⟧企业", "前面的数标为数值，或不标单位"),
    ("lone-unit", "⟦年份|35⟧⟦单位|家⟧", "前面的数标为数值，或不标单位"),
    ("short-year", "⟦年份|2013⟧年", "⟦年份|2013年⟧"),
    ("long-year", "⟦年份|2013年5月⟧", "只标到年"),
    ("punctuation", "⟦机构|县科协，⟧", "⟦机构|县科协⟧"),
    ("quotes", "⟦年份|“十四五”⟧", "⟦年份|十四五⟧"),
    ("brackets", "“⟦指标|苏科贷”贷款⟧", "引号、括号成对地标进去，或都不标"),
    ("sentence", "⟦机构|县科协。县气象局⟧", "在一句之内"),
    ("newline", "⟦机构|县科\n协⟧", "在一行之内"),
]

KEPT = [
    "增长近⟦数值|4⟧⟦单位|成⟧以上，⟦数值|7600多⟧⟦单位|万元⟧，⟦数值|3.5万余⟧⟦单位|名⟧",
    "⟦数值|xx⟧⟦单位|家⟧，⟦数值|百分之三十⟧，⟦数值|几十⟧⟦单位|人⟧，⟦数值|1/4⟧",
    "⟦指标|产值⟧ | ⟦单位|亿元⟧ | ⟦数值|3⟧，⟦指标|专利⟧（⟦单位|件⟧）",
    "⟦年份|2013⟧-01-06，⟦年份|2015年度⟧，⟦年份|2016-2020年⟧",
    "⟦指标|“苏科贷”贷款⟧，⟦指标|“三区”人才和“双创”人才⟧，⟦机构|院士（专家）工作站⟧",
    "⟦数值|36⟧ ⟦单位|家⟧",
]


class TestRules:
    @pytest.mark.parametrize(("name", "tagged", "expected"), RULES)
    def test_broken(self, name: str, tagged: str, expected: str) -> None:
        assert expected in [wanted for _, wanted in odd(f"rule-{name}", tagged)]

    @pytest.mark.parametrize("tagged", KEPT)
    def test_kept(self, tagged: str) -> None:
        assert [s.name for s in signals(documents(tagged)) if s.name.startswith("rule-")] == []


class TestNumbers:
    usual = "⟦指标|展板⟧⟦数值|32⟧⟦单位|块⟧，⟦指标|手册⟧⟦数值|45⟧⟦单位|册⟧，" * 5

    def test_unit_missed(self) -> None:
        assert odd("unit", self.usual, "⟦指标|展板⟧⟦数值|17⟧块，") == [("17块", "⟦单位|块⟧")]

    def test_what_never_was_a_unit_is_none(self) -> None:
        assert odd("unit", self.usual, "⟦指标|满意率⟧⟦数值|百分之九⟧，块状经济发展。") == []

    def test_number_missed(self) -> None:
        assert odd("number", self.usual, "⟦指标|展板⟧28块，") == [("28", "⟦数值|28⟧")]

    def test_numbers_usually_free_stay_free(self) -> None:
        free = "文号〔2019〕41号。" * 5
        assert odd("number", self.usual, free, "文号〔2019〕87号。") == []


class FixedModel:
    """A scorer that is sure of given spans and of nothing else."""

    def __init__(self, tagged: str) -> None:
        self.settings = ModelDirectory(Path("none"))
        self.tags = spans_to_tags(len(parse_tagged(tagged)[0]), parse_tagged(tagged)[1])

    def log_probabilities(self, texts: list[str]) -> list[npt.NDArray[np.float32]]:
        found = []
        for text in texts:
            scores = np.full((len(text), len(TAGS)), 0.001, dtype=np.float32)
            scores[np.arange(len(text)), self.tags[: len(text)]] = 0.988
            found.append(np.log(scores))
        return found


class TestModel:
    @pytest.mark.parametrize(
        ("gold", "predicted", "name", "expected"),
        [
            ("请县科协办。", "请⟦机构|县科协⟧办。", "model-missed", "⟦机构|县科协⟧"),
            ("请⟦机构|县科协⟧办。", "请县科协办。", "model-stray", "不标"),
            ("请⟦企业名|县科协⟧办。", "请⟦机构|县科协⟧办。", "model-label", "⟦机构|县科协⟧"),
            ("请县⟦机构|科协⟧办。", "请⟦机构|县科协⟧办。", "model-border", "⟦机构|县科协⟧"),
        ],
    )
    def test_disagreement(self, gold: str, predicted: str, name: str, expected: str) -> None:
        found = [s for s in signals(documents(gold), FixedModel(predicted)) if s.kind == "模型"]
        assert [(s.name, s.expected) for s in found] == [(name, expected)]

    def test_agreement(self) -> None:
        same = "请⟦机构|县科协⟧办。"
        assert [s for s in signals(documents(same), FixedModel(same)) if s.kind == "模型"] == []

    def test_confidence_counts(self) -> None:
        strong = probability("model-missed", (25.0, -0.1))
        assert strong > probability("model-missed", (2.0, -0.1))
        assert strong > probability("model-missed", (25.0, -2.0))


LONG = "全县共举办培训班二十期，培训农民三千人次，发放资料一万份，群众反响热烈，受到上级充分肯定。"


class TestDuplicates:
    def test_pairs_are_verified_exactly(self) -> None:
        changed = LONG.replace("二十", "三十")
        (pair,) = near_duplicates([LONG, "完全不同的另一份报告，讲的是防汛抗旱。", changed])
        assert (pair.first, pair.second) == (0, 2)
        assert pair.similarity == jaccard(LONG, changed)
        assert 0.5 <= pair.similarity < 1

    def test_jaccard_by_hand(self) -> None:
        # 甲乙丙丁戊 and 乙丙丁戊己 against 甲乙丙丁戊 and 乙丙丁戊庚: one of three.
        assert jaccard("甲乙丙丁戊己", "甲乙丙丁戊庚") == pytest.approx(1 / 3)
        assert jaccard("甲乙", "甲乙") == 1
        assert jaccard("", "") == 0

    def test_white_space_does_not_count_and_blank_texts_are_nobodys_copy(self) -> None:
        (pair,) = near_duplicates([LONG, "", LONG.replace("，", "，\n  "), " \n"])
        assert (pair.first, pair.second, pair.similarity) == (0, 2, 1.0)

    def test_threshold(self) -> None:
        texts = [LONG, LONG + "另外，" + LONG[::-1]]
        assert near_duplicates(texts, 0.9) == []
        assert len(near_duplicates(texts, 0.3)) == 1
        with pytest.raises(ValueError, match="threshold 0"):
            near_duplicates(texts, 0)

    def test_leak_stands_first_and_at_the_test_report(self) -> None:
        worse = document("⟦数值|近3⟧⟦单位|家⟧ 共35⟦单位|家⟧", "w", split="train")
        given = [
            worse,
            document(LONG, "b", split="test"),
            document(LONG + "完。", "a", split="train"),
        ]
        first, *_ = audit(given)
        assert (first.document.report.id, first.reasons[0].name) == ("b", "leak")
        assert "a" in first.reasons[0].message
        assert "train" in first.reasons[0].message

    def test_copy_within_a_split_is_a_copy(self) -> None:
        given = [document(LONG, "a", split="train"), document(LONG, "b", split="train")]
        (finding,) = audit(given)
        assert (finding.document.report.id, finding.reasons[0].name) == ("b", "copy")

    def test_two_references_are_nobodys_business(self) -> None:
        given = [document(LONG, "a", reference=True), document(LONG, "b", reference=True)]
        assert audit(given) == []
        leak = [document(LONG, "a", reference=True), document(LONG, "c")]
        assert [finding.document.report.id for finding in audit(leak)] == ["c"]


class TestJoining:
    @staticmethod
    def signal(start: int, end: int, kind: str = "边界", name: str = "rule-hedge") -> Signal:
        return Signal(kind, name, 0, start, end, "数值", f"{name}@{start}", "改", ())

    def test_overlapping_places_are_one_finding_and_add_up(self) -> None:
        given = documents("甲乙丙丁戊己庚辛")
        joined, alone = join(
            [
                self.signal(0, 3),
                self.signal(2, 5, "数值", "rule-lone-unit"),
                self.signal(5, 7),
            ],
            given,
        )
        assert (joined.start, joined.end) == (0, 5)
        assert joined.kinds == ("边界", "数值")
        assert joined.score > max(reason.probability for reason in joined.reasons)
        assert [reason.probability for reason in joined.reasons] == sorted(
            (reason.probability for reason in joined.reasons), reverse=True
        )
        assert (alone.start, alone.end) == (5, 7)  # touching is not overlapping

    def test_reasons_of_one_kind_count_once(self) -> None:
        given = documents("甲乙丙丁")
        (finding,) = join([self.signal(0, 3), self.signal(1, 3, name="rule-quotes")], given)
        assert finding.score == pytest.approx(max(r.probability for r in finding.reasons))
        assert len(finding.reasons) == 2

    def test_a_copied_report_does_not_swallow_its_findings(self) -> None:
        given = documents("甲乙丙丁")
        whole = Signal("重复", "leak", 0, 0, 4, "", "重复", "改", (0.9,))
        assert len(join([self.signal(1, 2), whole, self.signal(2, 3)], given)) == 3

    def test_order_is_by_score_and_the_same_each_time(self) -> None:
        given = documents("共35⟦单位|家⟧，" + TestStrings.usual, "⟦数值|近3⟧⟦单位|家⟧柳溪县科技局")
        found = audit(given)
        assert [f.score for f in found] == sorted((f.score for f in found), reverse=True)
        assert len(found) > 2
        assert found == audit(given)

    def test_kinds_choose(self) -> None:
        given = documents("共35⟦单位|家⟧，增长⟦数值|近3⟧⟦单位|成⟧")
        assert {f.kinds for f in audit(given, kinds=("边界",))} == {("边界",)}
        assert {kind for f in audit(given) for kind in f.kinds} >= {"边界", "数值"}

    def test_references_are_evidence_but_not_audited(self) -> None:
        given = [
            document(TestStrings.usual + "⟦数值|近3⟧⟦单位|家⟧", "a", reference=True),
            document("材料报柳溪县科技局审核。", "b"),
        ]
        assert {finding.document.report.id for finding in audit(given)} == {"b"}

    def test_context_shows_spans_and_the_place(self) -> None:
        (finding,) = join([self.signal(3, 5)], documents("县里，共⟦数值|3⟧⟦单位|家⟧企业"))
        assert finding.context == ("县里，", "共⟦数值|3⟧", "⟦单位|家⟧企业")

    def test_context_does_not_cut_a_span(self) -> None:
        name = "柳溪县" * 15
        (finding,) = join([self.signal(45, 46)], documents(f"⟦机构|{name}⟧说"))
        assert finding.context == (f"⟦机构|{name}⟧", "说", "")

    def test_no_reports_no_findings(self) -> None:
        assert audit([]) == []
        assert audit(documents("")) == []


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    (folder / "reports").mkdir(parents=True)
    for name, tagged in (("a", TestStrings.usual), ("b", "第一行。\n材料报柳溪县科技局审核。")):
        text, spans = parse_tagged(tagged)
        write_tagged(folder / "reports" / f"{name}.txt", Report(name, text, spans, {"genre": "t"}))
    (folder / "splits.txt").write_text("train a\ntest b\n", encoding="utf-8")
    return folder


LINK = "http://127.0.0.1:8085/projects/1/data?task=12"


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "export"
    folder.mkdir()
    text, spans = parse_tagged("增长⟦数值|近3⟧⟦单位|成⟧，<b>甲&乙</b>。")
    reports = [Report("x", "没有。"), Report("y", text, spans, {"task": 12, "link": LINK})]
    write_jsonl(folder / "reports.jsonl", reports)
    return folder


class TestSources:
    def test_corpus_knows_splits_and_lines(self, corpus: Path) -> None:
        found = {document.report.id: document for document in read_documents([str(corpus)])}
        assert {name: d.split for name, d in found.items()} == {"a": "train", "b": "test"}
        (finding,) = audit(list(found.values()))
        assert finding.where == f"{corpus / 'reports' / 'b.txt'}:6"
        lines = (corpus / "reports" / "b.txt").read_text(encoding="utf-8").splitlines()
        assert "柳溪县科技局" in lines[5]

    def test_split_and_reference(self, corpus: Path) -> None:
        found = read_documents([f"{corpus}:test"], [f"{corpus}:train"])
        assert [(d.report.id, d.reference) for d in found] == [("b", False), ("a", True)]
        assert len(audit(found)) == 1
        assert audit(read_documents([f"{corpus}:test"])) == []

    def test_folder_of_tagged_texts(self, corpus: Path) -> None:
        found = read_documents([str(corpus / "reports")])
        assert [(d.report.id, d.split) for d in found] == [("a", None), ("b", None)]

    @pytest.mark.parametrize("name", ["", "reports.jsonl"])
    def test_export_has_links(self, export: Path, name: str) -> None:
        found = read_documents([str(export / name)])
        assert [document.link for document in found] == [None, LINK]

    def test_jsonl_lines_count_empty_ones(self, export: Path) -> None:
        path = export / "reports.jsonl"
        path.write_text("\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
        assert [d.where(0) for d in read_documents([str(path)])] == [f"{path}:2", f"{path}:3"]

    def test_only_web_addresses_are_links(self) -> None:
        assert document("甲", meta={"link": "javascript:alert(1)"}).link is None
        assert document("甲", meta={"link": 7}).link is None

    def test_same_report_twice(self, corpus: Path) -> None:
        with pytest.raises(FormatError, match=r"b\.txt.*编号 'b' 与.*重复"):
            read_documents([str(corpus), f"{corpus}:test"])

    @pytest.mark.parametrize("source", ["missing", "missing.jsonl", "missing:train"])
    def test_nothing_there(self, tmp_path: Path, source: str) -> None:
        with pytest.raises(ReadError, match="没有这样的文件或文件夹"):
            read_documents([str(tmp_path / source)])

    def test_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="没有报告"):
            read_documents([str(tmp_path)])

    def test_another_kind_of_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a.docx"
        path.write_bytes(b"PK")
        with pytest.raises(ReadError, match=r"a\.docx：不是报告 JSONL"):
            read_documents([str(path)])

    def test_unknown_split(self, corpus: Path) -> None:
        with pytest.raises(FormatError, match="dev"):
            read_documents([f"{corpus}:dev"])

    def test_broken_report(self, export: Path) -> None:
        path = export / "reports.jsonl"
        path.write_text('{"id": "x", "text": "甲", "spans": 3}\n', encoding="utf-8")
        with pytest.raises(FormatError, match=r"reports\.jsonl:1"):
            read_documents([str(export)])


def options(*arguments: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    configure(parser)
    return parser.parse_args([str(argument) for argument in arguments])


class TestCommand:
    def test_prints_and_writes(
        self, export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        page, lines = tmp_path / "a.html", tmp_path / "a.jsonl"
        status = run(options(export, "--no-model", "--html", page, "--jsonl", lines))
        printed = capsys.readouterr().out
        assert status == 1
        assert LINK in printed
        assert "【⟦数值|近3⟧】" in printed
        assert "→ ⟦数值|3⟧" in printed
        assert "检查 2 份报告，发现 1 处" in printed
        (finding,) = map(json.loads, lines.read_text(encoding="utf-8").splitlines())
        assert (finding["report"], finding["start"], finding["end"]) == ("y", 2, 4)
        assert (finding["link"], finding["kinds"]) == (LINK, ["边界"])
        assert finding["reasons"][0]["expected"] == "⟦数值|3⟧"
        assert "标注检查" in page.read_text(encoding="utf-8")

    def test_nothing_found(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "clean.jsonl"
        write_jsonl(path, [Report("x", "没有什么可说。")])
        assert run(options(path, "--no-model")) == 0
        assert "发现 0 处" in capsys.readouterr().out

    def test_limit(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        text, spans = parse_tagged("⟦数值|近3⟧⟦单位|成⟧。" * 3)
        path, lines = tmp_path / "r.jsonl", tmp_path / "f.jsonl"
        write_jsonl(path, [Report("x", text, spans)])
        run(options(path, "--no-model", "--limit", 1, "--jsonl", lines))
        printed = capsys.readouterr().out
        assert printed.count("【") == 1
        assert "发现 3 处可能的错误，以上是前 1 处" in printed
        assert len(lines.read_text(encoding="utf-8").splitlines()) == 3
        run(options(path, "--no-model", "--limit", 0))
        assert capsys.readouterr().out.count("【") == 3

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (["x", "--kind", "别的"], "invalid choice"),
            (["x", "--limit", "-1"], "应为 0 或正整数"),
            (["x", "--no-model", "--model", "m"], "not allowed"),
            ([], "SOURCE"),
        ],
    )
    def test_wrong_use(
        self, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit, match="2"):
            options(*arguments)
        assert complaint in capsys.readouterr().err

    def test_contradiction(self, export: Path) -> None:
        with pytest.raises(ReadError, match="相互矛盾"):
            run(options(export, "--no-model", "--kind", "模型"))

    def test_model_that_is_none(self, export: Path, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="no such model directory"):
            run(options(export, "--model", tmp_path / "m"))

    def test_unwritable(self, export: Path, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="cannot write"):
            run(options(export, "--no-model", "--html", tmp_path / "no" / "a.html"))

    def test_embedded_model_by_default(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert EMBEDDED_MODEL.is_dir()
        path = tmp_path / "r.jsonl"
        write_jsonl(path, [Report("x", "2016年，全县专利申请量达813件，比上年增长5%。")])
        assert run(options(path, "--kind", "模型")) == 1
        assert "⟦指标|专利申请量⟧" in capsys.readouterr().out


class TestPage:
    def page(self, tmp_path: Path, findings: list[Finding]) -> str:
        write_page(tmp_path / "page.html", findings)
        return (tmp_path / "page.html").read_text(encoding="utf-8")

    def test_escaped(self, tmp_path: Path) -> None:
        nasty = document("<script>alert(1)</script>⟦数值|近3⟧⟦单位|<i>&⟧", "<b>名</b>")
        page = self.page(tmp_path, audit([nasty]))
        assert "<script>alert" not in page
        assert "<b>名" not in page
        assert "<i>&" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page

    def test_links_and_filters(self, export: Path, tmp_path: Path) -> None:
        page = self.page(tmp_path, audit(read_documents([str(export)])))
        assert f'href="{LINK}"' in page
        assert '<article data-kinds="边界" data-labels="数值">' in page
        assert 'name="kind" value="边界"' in page
        assert 'name="label" value="数值"' in page
        assert 'name="label" value="机构"' not in page

    def test_needs_nothing_else(self, export: Path, tmp_path: Path) -> None:
        page = self.page(tmp_path, audit(read_documents([str(export)]))).replace(LINK, "")
        assert "http" not in page.replace('http-equiv="Content-Security-Policy"', "")
        assert "default-src &#39;none&#39;" in page

    def test_files_have_links_too(self, corpus: Path, tmp_path: Path) -> None:
        page = self.page(tmp_path, audit(read_documents([str(corpus)])))
        assert f'href="{(corpus / "reports" / "b.txt").as_uri()}"' in page

    def test_empty(self, tmp_path: Path) -> None:
        assert "没有发现可能的错误" in self.page(tmp_path, [])


def test_slips_keep_the_text_and_are_where_they_are_said_to_be() -> None:
    import random

    text, spans = parse_tagged(TestEdges.usual + TestStrings.usual)
    report = Report("r", text, spans)
    slipped, places = make_slips(report, 0.5, random.Random(3))
    assert slipped.text == text
    assert places
    changed = {span.key for span in spans} ^ {span.key for span in slipped.spans}
    assert changed
    for start, end, _ in changed:
        assert any(low <= start and end <= high for low, high in places)
    assert make_slips(report, 0, random.Random(3)) == (report, [])


# Of the planted mistakes: how many must be among the first findings of the 59 reports.
FIRST = 100


def ranks(folder: Path, root: Path, scorer: Extractor | None) -> dict[str, int | None]:
    places = plant(root / "data", folder, MISTAKES)
    given = read_documents(
        [f"{folder}:validation", f"{folder}:test"], references=[f"{folder}:train"]
    )
    findings = audit(given, scorer)
    return {
        f"{place.report} {place.slip}": next(
            (
                rank
                for rank, finding in enumerate(findings, start=1)
                if finding.document.report.id == place.report
                and finding.start < place.end
                and place.start < finding.end
            ),
            None,
        )
        for place in places
    }


def test_planted_mistakes_are_found(tmp_path: Path, root: Path, embedded: Extractor) -> None:
    found = ranks(tmp_path / "corpus", root, embedded)
    assert len(found) == 20
    missed = {slip: rank for slip, rank in found.items() if rank is None or rank > FIRST}
    assert len(missed) <= 2, missed


def test_most_planted_mistakes_are_found_without_a_model(tmp_path: Path, root: Path) -> None:
    found = ranks(tmp_path / "corpus", root, None)
    missed = {slip: rank for slip, rank in found.items() if rank is None or rank > FIRST}
    assert len(missed) <= 6, missed
