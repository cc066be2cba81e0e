"""Scores of rows against hand-made rows, their agreement, and the two programs."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.browser import chromium
from training import compare_records, evaluate_records
from training.evaluate_records import evaluate, pair_rows
from training.records.agreement import agreement, read_writings, write_differences
from training.records.error_page import find_mistakes, write_page
from training.records.fields import content, wrong_fields
from training.records.gold import GoldReport, GoldRows, read_gold
from training.records.pairing import PairedReport
from training.records.scores import score_rows
from zhibiao import Extractor, Report, write_jsonl, write_tagged
from zhibiao.errors import FormatError
from zhibiao.records import Mention, Record
from zhibiao.rows import write_rows
from zhibiao.spans import Span
from zhibiao.tagged import parse_tagged

TAGGED = (
    "⟦年份|2018年⟧，⟦机构|桐泽市体育局⟧建成⟦指标|健身步道⟧⟦数值|31⟧⟦单位|条⟧，"
    "其中河滨⟦数值|4⟧⟦单位|条⟧。⟦年份|2019年⟧计划建成⟦数值|8⟧⟦单位|条⟧。"
)
TEXT, SPANS = parse_tagged(TAGGED)
REPORT = Report("p1", TEXT, SPANS, {"genre": "sport"})
EMPTY = Report("p2", "没有数字。", (), {"genre": "sport"})


def at(text: str, occurrence: int = 0) -> Mention:
    start = -1
    for _ in range(occurrence + 1):
        start = TEXT.index(text, start + 1)
    return Mention.at(TEXT, start, start + len(text))


OFFICE, TRAILS, EARLY, LATE = at("桐泽市体育局"), at("健身步道"), at("2018年"), at("2019年")
GOLD = (
    Record(at("31"), at("条"), TRAILS, None, (OFFICE,), EARLY, "2018"),
    Record(at("4"), at("条", 1), TRAILS, at("河滨"), (OFFICE,), EARLY, "2018"),
    Record(at("8", 1), at("条", 2), TRAILS, None, (), LATE, "2019", "level", "target"),
)


def sure(record: Record, confidence: float, **changes: Any) -> Record:
    names = ("indicator", "year_value", "subject")
    return replace(record, confidence=dict.fromkeys(names, confidence), **changes)


PREDICTED = (
    sure(GOLD[0], 0.9),
    sure(GOLD[1], 0.7, qualifier=None, subject=()),
    sure(GOLD[2], 0.3, indicator=None, status="actual"),
)


def paired(gold: Sequence[Record] = GOLD, predicted: Sequence[Record] = PREDICTED) -> PairedReport:
    return PairedReport.of(REPORT, gold, predicted)


def write_corpus(folder: Path) -> Path:
    for name in ("reports", "records", "second"):
        (folder / name).mkdir(parents=True)
    for report in (REPORT, EMPTY, Report("p3", TEXT, SPANS, {"genre": "sport"})):
        write_tagged(folder / "reports" / f"{report.id}.txt", report)
    (folder / "splits.txt").write_text("test p1\ntest p2\ntest p3\n", encoding="utf-8")
    write_rows(folder / "records" / "p1.csv", REPORT, GOLD)
    write_rows(folder / "second" / "p1.csv", REPORT, PREDICTED)
    return folder


# Fields and pairs


def test_fields_compare_by_what_they_mean() -> None:
    other_place = replace(GOLD[1], qualifier=Mention(0, 2, "河滨"))
    assert wrong_fields(GOLD[1], other_place) == ()
    assert wrong_fields(GOLD[0], replace(GOLD[0], unit=at("条", 1))) == ("unit",)
    two = replace(GOLD[0], subject=(TRAILS, OFFICE))
    assert wrong_fields(two, replace(GOLD[0], subject=(OFFICE, TRAILS))) == ()
    assert wrong_fields(GOLD[0], PREDICTED[2])[:3] == ("value", "unit", "indicator")
    assert [bool(content(PREDICTED[1], name)) for name in ("qualifier", "subject", "year")] == [
        *(False, False),
        True,
    ]


def test_rows_pair_by_the_place_of_the_value() -> None:
    longer = replace(GOLD[2], value=Mention.at(TEXT, GOLD[2].value.start, GOLD[2].value.end + 1))
    found = paired(GOLD, (longer, GOLD[0], GOLD[0], PREDICTED[1]))
    kinds = [pair.kind for pair in found.pairs]
    assert kinds == ["right", "extra", "wrong", "missed", "extra"]
    assert [pair.record.value.text for pair in found.pairs] == ["31", "31", "4", "8", "8条"]


# Scores


def test_hand_computed_scores_with_gold_spans() -> None:
    scores = score_rows([paired()], resamples=50, seed=1)
    right = {name: figures["right"] for name, figures in scores["fields"].items()}
    assert right == {
        **{"value": 3, "unit": 3, "indicator": 2, "qualifier": 2, "subject": 2, "year": 3},
        **{"year_value": 3, "measure": 3, "status": 2, "bound": 3, "six": 2, "all": 1},
    }
    assert (scores["gold"], scores["predicted"], scores["trusted"]) == (3, 3, False)
    subject = scores["fields"]["subject"]
    assert subject["precision"] == subject["recall"] == subject["f1"] == pytest.approx(2 / 3, 1e-3)
    # Two gold rows have a subject; one of them was found, and nothing else was claimed.
    filled = subject["filled"]
    assert (filled["right"], filled["predicted"], filled["gold"]) == (1, 1, 2)
    assert (filled["precision"], filled["recall"]) == (1.0, 0.5)
    assert "filled" not in scores["fields"]["measure"]
    # One report gives only resamples of itself.
    assert subject["intervals"]["f1"] == [subject["f1"], subject["f1"]]


def test_hand_computed_scores_with_other_values() -> None:
    extra = replace(GOLD[0], value=at("2019"))
    scores = score_rows([paired(GOLD, (*PREDICTED[:2], extra, extra))], resamples=50, seed=1)
    value, six, unit = (scores["fields"][name] for name in ("value", "six", "unit"))
    assert (value["right"], value["predicted"], value["gold"]) == (2, 4, 3)
    assert (value["precision"], value["recall"], value["f1"]) == (0.5, 0.6667, 0.5714)
    assert six["right"] == unit["right"] == 2
    assert unit["filled"]["predicted"] == 4


def test_intervals_are_by_report() -> None:
    scores = score_rows([paired()] * 6 + [paired(GOLD, GOLD)] * 6, resamples=400, seed=1)
    low, high = scores["fields"]["all"]["intervals"]["f1"]
    assert scores["trusted"]
    assert 1 / 3 < low < scores["fields"]["all"]["f1"] < high < 1
    assert scores["fields"]["unit"]["intervals"]["f1"] == [1, 1]


def test_genres() -> None:
    other = PairedReport(replace(REPORT, id="p9", meta={}), paired(GOLD, GOLD).pairs[:1])
    genres = score_rows([other, paired()], resamples=10, seed=1)["genres"]
    assert [(row["name"], row["reports"], row["gold"]) for row in genres] == [
        ("sport", 1, 3),
        ("-", 1, 1),
    ]
    assert [row["f1"]["six"] for row in genres] == [0.6667, 1.0]
    assert score_rows([other], resamples=10, seed=1)["genres"] == []


def test_calibration_by_hand() -> None:
    extra = sure(replace(GOLD[0], value=at("2019")), 0.5)
    silent = replace(GOLD[0], value=at("201"))
    found = score_rows([paired(GOLD, (*PREDICTED, extra, silent))], resamples=10, seed=1)
    indicator = found["calibration"]["indicator"]
    # Right at 0.9 and 0.7; wrong at 0.3, and at 0.5 because its value is no gold value.
    assert indicator["count"] == 4
    assert indicator["without"] == 1
    assert indicator["confidence"] == 0.6
    assert indicator["accuracy"] == 0.5
    assert indicator["error"] == pytest.approx((0.1 + 0.3 + 0.3 + 0.5) / 4)
    assert found["calibration"]["subject"]["error"] == pytest.approx((0.1 + 0.7 + 0.7 + 0.5) / 4)


# Gold rows


def test_gold_rows_of_a_corpus(tmp_path: Path) -> None:
    gold = read_gold(f"{write_corpus(tmp_path)}:test")
    # p2 needs no rows, p3 has none yet.
    assert [(item.report.id, item.records) for item in gold.reports] == [("p1", GOLD), ("p2", ())]
    assert gold.total == 3
    for path in (tmp_path / "records").iterdir():
        path.unlink()
    with pytest.raises(FormatError, match="no rows of the reports of"):
        read_gold(f"{tmp_path}:test")


def test_gold_rows_beside_a_file(tmp_path: Path) -> None:
    source = str(tmp_path / "reports.jsonl")
    write_jsonl(source, [REPORT, EMPTY])
    lines = [json.dumps(record.to_dict("p1"), ensure_ascii=False) for record in reversed(GOLD)]
    (tmp_path / "records.jsonl").write_text("\n".join(lines), encoding="utf-8")
    expected = GoldRows(source, (GoldReport(REPORT, GOLD), GoldReport(EMPTY, ())), 2)
    assert read_gold(source) == expected
    (tmp_path / "records.jsonl").rename(tmp_path / "rows.jsonl")
    assert read_gold(source, tmp_path / "rows.jsonl") == expected
    with pytest.raises(FormatError, match=r"records\.jsonl: cannot be read.*--records"):
        read_gold(source)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "p7"}, "records.jsonl:1: expected an object with the 'id' of one of the reports"),
        ({"value": None}, "records.jsonl:1: 'value' is missing"),
        ({"unit": {"start": 0, "end": True, "text": "2"}}, "'unit': expected an object with start"),
        ({"unit": {"start": 0, "end": 1, "text": "条"}}, "'unit': '条' is not what the report"),
        ({"subject": "桐泽市体育局"}, "'subject' must be a list"),
        ({"qualifier": "城南"}, "qualifier '城南' is not in the report"),
        ({"year_value": 2018}, "'year_value' must be a string"),
        ({"status": "done"}, "status 'done': use one of actual, target"),
        ({"measure": None}, "'measure' is missing"),
        ({"value": OFFICE.to_dict()}, "report 'p1': 3 rows for 3 values; write one row for each"),
    ],
)
def test_wrong_rows_of_a_file_are_named(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    source = str(tmp_path / "reports.jsonl")
    write_jsonl(source, [REPORT])
    rows = [record.to_dict("p1") for record in GOLD]
    rows[0].update(change)
    (tmp_path / "records.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with pytest.raises(FormatError) as caught:
        read_gold(source)
    assert message in str(caught.value)


# The page and the programs


class FixedExtractor:
    """Finds the gold spans but for the last value, and one too many."""

    info = {"name": "fixed", "version": "1", "hash": "0"}  # noqa: RUF012

    def extract_many(self, texts: Any) -> Any:
        for text in texts:
            spans = [span for span in SPANS if span.start != GOLD[2].value.start]
            yield [Span(2, 4, "数值"), *spans[1:]] if text == TEXT else []

    @classmethod
    def from_pretrained(cls, path: str | None) -> FixedExtractor:
        assert path is None
        return cls()


def one_row_a_value(text: str, spans: Sequence[Span]) -> list[Record]:
    """A linker that knows the first indicator and gives every row the first year."""
    by_label = {span.label: span for span in reversed(spans)}
    return [
        sure(Record(Mention.of(text, span)), 0.5, indicator=Mention.of(text, by_label["指标"]))
        for span in spans
        if span.label == "数值"
    ]


def test_both_kinds_of_spans_are_linked() -> None:
    gold = GoldRows("g", (GoldReport(REPORT, GOLD), GoldReport(EMPTY, ())), 4)
    extractor: Any = FixedExtractor()
    pairs = pair_rows(extractor, gold, one_row_a_value)
    result = evaluate(extractor, gold, pairs, resamples=20)
    assert (result["reports"], result["reports_with_rows"]) == (4, 1)
    exact, found = result["gold_spans"], result["predicted_spans"]
    assert (exact["gold"], exact["predicted"], found["predicted"]) == (3, 3, 3)
    assert exact["fields"]["indicator"]["f1"] == 1
    assert found["fields"]["indicator"]["right"] == 2
    kinds = [error["kind"] for error in found["errors"]]
    assert sorted(kinds) == ["extra", "missed", "wrong", "wrong"]
    assert exact["errors"][0]["gold"]["subject"] == [OFFICE.to_dict()]
    assert exact["errors"][0]["fields"] == ["unit", "subject", "year", "year_value"]
    json.dumps(result)


def test_the_page_escapes_bounds_and_chooses(tmp_path: Path) -> None:
    report = Report('<img src="x">', TEXT + "</script><b>\u202e", SPANS, {"genre": "<i>"})
    gold = GoldRows("a&b", (GoldReport(report, GOLD),), 1)
    pairs = {
        "gold_spans": [PairedReport.of(report, GOLD, PREDICTED)],
        "predicted_spans": [PairedReport.of(report, GOLD, PREDICTED[:2])],
    }
    mistakes = {"a&b": [m for mode, items in pairs.items() for m in find_mistakes(mode, items)]}
    extractor: Any = FixedExtractor()
    results = {"a&b": evaluate(extractor, gold, pairs, resamples=20)}
    path = tmp_path / "p.html"
    write_page(path, results, mistakes)
    page = path.read_text(encoding="utf-8")
    assert page.count("</script>") == 1
    assert "<img" not in page
    assert "<i>" not in page
    assert "\u202e" not in page
    assert page.count('<article class="error"') == 4
    assert "http" not in re.sub("http-equiv", "", page)
    with chromium() as browser:
        tab = browser.new_page()
        problems: list[str] = []
        tab.on("console", lambda message: problems.append(message.text))
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.goto(path.as_uri())
        shown = tab.locator(".error:visible")
        assert shown.count() == 4
        tab.select_option("select[data-by=mode]", "predicted_spans")
        assert shown.count() == 2
        assert "漏掉的行" in shown.nth(1).inner_text()
        tab.uncheck("fieldset[data-by=kind] input[value=missed]")
        assert shown.count() == 1
        assert shown.locator("td.miss").all_inner_texts() == ["河滨", "桐泽市体育局", "", ""]
        for box in tab.locator("fieldset[data-by=fields] input").all():
            box.set_checked(box.get_attribute("value") == "bound")
        assert shown.count() == 0
        assert problems == []
    write_page(path, results, mistakes, limit=1)
    page = path.read_text(encoding="utf-8")
    assert page.count('<article class="error"') == 1
    assert "略去 3 处" in page


def test_evaluate_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluate_records, "Extractor", FixedExtractor)
    # A folder named :train, which a careless console would print as a picture.
    source = f"{write_corpus(tmp_path / 'c:train')}:test"
    argv = ["--data", source, "--resamples", "20"]
    argv += ["--json", str(tmp_path / "r.json"), "--html", str(tmp_path / "r.html")]
    evaluate_records.main(argv)
    printed = capsys.readouterr().out
    assert f"{source}: 1 of 3 reports have gold rows" in printed
    assert "gold spans: 3 gold rows, 3 predicted" in printed
    result = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))[source]
    assert result["gold_spans"]["fields"]["value"]["f1"] == 1
    assert "逐行错误" in (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--data", "nowhere.jsonl"], "nowhere.jsonl: cannot be opened"),
        (["--data", "d:test", "--records", "r.jsonl"], "--records needs exactly one JSONL file"),
        (["--data", "d:test", "--resamples", "0"], "--resamples must be at least 1"),
    ],
)
def test_wrong_use(
    argv: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(evaluate_records, "Extractor", FixedExtractor)
    with pytest.raises(SystemExit) as caught:
        evaluate_records.main(argv)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_the_embedded_model_is_asked_for_rows(embedded: Extractor) -> None:
    gold = GoldRows("g", (GoldReport(REPORT, GOLD),), 1)
    (found,) = pair_rows(embedded, gold)["gold_spans"]
    assert [pair.kind in ("right", "wrong") for pair in found.pairs] == [True] * 3


# Agreement of two writings


def test_agreement_by_hand(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path)
    write_rows(corpus / "records" / "p3.csv", replace(REPORT, id="p3"), GOLD)
    pairs = read_writings(corpus / "records", corpus / "second", corpus)
    found = agreement(pairs, resamples=20, seed=1)
    assert (found["reports"], found["rows"], found["trusted"]) == (1, 3, False)
    fields = found["fields"]
    assert {name: row["differences"] for name, row in fields.items() if row["differences"]} == {
        **{"indicator": 1, "qualifier": 1, "subject": 1, "status": 1, "six": 1, "all": 2}
    }
    assert fields["subject"]["equal"] == 0.6667
    assert fields["subject"]["filled"] == 0.6667  # 2 * 1 / (2 + 1)
    # actual actual target against actual actual actual: as often equal as by chance.
    assert fields["status"]["kappa"] == 0
    assert fields["measure"]["kappa"] is None
    assert fields["indicator"]["kappa"] is None


def test_kappa_by_hand() -> None:
    measures = ("change", "level", "share")
    first = [replace(row, measure=m) for row, m in zip(GOLD, measures, strict=True)]
    second = [*first[:2], replace(first[2], measure="level")]
    found = agreement([paired(first, second)], resamples=10, seed=1)
    # Observed 2/3; by chance 1/3 * 1/3 + 1/3 * 2/3 + 1/3 * 0 = 1/3.
    assert found["fields"]["measure"]["kappa"] == 0.5


def test_differences_to_decide(tmp_path: Path) -> None:
    assert write_differences(tmp_path / "d.csv", [paired()]) == 4
    with open(tmp_path / "d.csv", encoding="utf-8-sig", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [(line["数值"], line["字段"], line["第一份"], line["第二份"]) for line in lines] == [
        ("4", "qualifier", f"河滨@{GOLD[1].qualifier.start if GOLD[1].qualifier else 0}", ""),
        ("4", "subject", f"桐泽市体育局@{OFFICE.start}", ""),
        ("8", "indicator", f"健身步道@{TRAILS.start}", ""),
        ("8", "status", "target", "actual"),
    ]
    assert all(line["报告"] == "p1" and line["裁定"] == "" for line in lines)
    assert "【8】条。" in lines[2]["原文"]


def test_compare_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = write_corpus(tmp_path / "c")
    folders = [str(corpus / "records"), str(corpus / "second")]
    options = ["--corpus", str(corpus), "--csv", str(tmp_path / "d.csv")]
    compare_records.main([*folders, *options, "--json", str(tmp_path / "a.json")])
    printed = capsys.readouterr().out
    assert "1 reports, 3 rows" in printed
    assert "4 differences to decide" in printed
    figures = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert figures["fields"]["status"]["differences"] == 1
    (corpus / "reports" / "p1.txt").unlink()
    for wrong, message in ((folders, "p1.txt: missing"), ([folders[0], "none"], "no sheet")):
        with pytest.raises(SystemExit) as caught:
            compare_records.main([*wrong, "--corpus", str(corpus)])
        assert caught.value.code == 2
        assert message in capsys.readouterr().err
