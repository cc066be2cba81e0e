"""Records in Label Studio: as relations and answers, there and back, by program and by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, Locator

from annotation.__main__ import main
from annotation.client import Connection, connect
from annotation.export import Exported, export_project
from annotation.interface import labelling_interface
from annotation.merging import merge
from annotation.project import create_project, find_project, holds_records
from annotation.record_drawing import to_results
from annotation.record_reading import to_records
from annotation.regions import region_id, to_regions, to_spans
from annotation.suggestions import Controls
from tests.browser import Annotator, chromium, sign_in
from zhibiao import LABELS, FormatError, Report, Span, parse_tagged, read_tagged, write_jsonl
from zhibiao.linking import link_records
from zhibiao.records import BOUNDS, MEASURES, STATUSES, Mention, Record
from zhibiao.rows import read_rows, write_rows

# Characters of two UTF-16 units and joined emoji stand before everything that is touched.
TAGGED = (
    "👨‍👩‍👧‍👦𠮷岭镇⟦年份|2021年⟧水务工作总结😀\n"
    "　　⟦年份|今年⟧，⟦企业名|𡋾水制罐厂⟧和⟦机构|镇水务站⟧共铺设⟦指标|供水管道⟧"
    "⟦数值|31.5⟧⟦单位|公里⟧，同比增长⟦数值|12⟧⟦单位|%⟧；其中村级⟦数值|9⟧⟦单位|公里⟧。\n"
    "　　“⟦年份|十四五⟧”期间力争改造⟦指标|水表⟧近⟦数值|2000⟧余⟦单位|只⟧，"
    "保⟦数值|3⟧争⟦数值|5⟧⟦单位|座⟧⟦指标|泵站⟧，奖励⟦数值|xx⟧⟦单位|万元⟧。\n"
)
TEXT, SPANS = parse_tagged(TAGGED)
REPORT = Report("水务", TEXT, SPANS)


def mention(text: str, nth: int = 0) -> Mention:
    """The nth occurrence of a string in TEXT."""
    start = -1
    for _ in range(nth + 1):
        start = TEXT.index(text, start + 1)
    return Mention(start, start + len(text), text)


RECORDS = (
    Record(
        value=mention("31.5"),
        unit=mention("公里"),
        indicator=mention("供水管道"),
        subject=(mention("𡋾水制罐厂"), mention("镇水务站")),
        year=mention("今年"),
        year_value="2021",
    ),
    Record(
        value=mention("12"),
        unit=mention("%"),
        indicator=mention("供水管道"),
        year=mention("今年"),
        year_value="2021",
        measure="change",
    ),
    Record(
        value=mention("9"),
        unit=mention("公里", 1),
        indicator=mention("供水管道"),
        qualifier=mention("村级"),
        year=mention("今年"),
        year_value="2021",
    ),
    Record(
        value=mention("2000"),
        unit=mention("只"),
        indicator=mention("水表"),
        year=mention("十四五"),
        year_value="2021-2025",
        status="target",
        bound="approx",
    ),
    Record(value=mention("3", 1), unit=mention("座"), indicator=mention("泵站"), status="target"),
    Record(
        value=mention("5", 1),
        unit=mention("座"),
        indicator=mention("泵站"),
        year=mention("2021年"),
        year_value="",
        status="target",
        bound="ge",
    ),
    Record(value=mention("xx"), unit=mention("万元"), measure="share", bound="le"),
)


def fields(record: Record) -> dict[str, Any]:
    """What people correct, without what programs add."""
    said = record.to_dict()
    added = ("value_number", "value_low", "value_high", "unit_base", "confidence", "evidence")
    return {key: value for key, value in said.items() if key not in (*added, "notes")}


def drawn(records: Sequence[Record], report: Report = REPORT) -> list[dict[str, Any]]:
    results, problems = to_results(records, report.spans)
    assert problems == []
    return [*to_regions(report.spans), *results]


def read(result: Sequence[Any], text: str = TEXT) -> tuple[tuple[Record, ...], tuple[str, ...]]:
    return to_records(result, text, to_spans(result, text))


def span_at(place: Mention, report: Report = REPORT) -> Span:
    return next(s for s in report.spans if (s.start, s.end) == (place.start, place.end))


def relation(one: Mention, other: Mention, **more: Any) -> dict[str, Any]:
    ends = {"from_id": region_id(span_at(one)), "to_id": region_id(span_at(other))}
    return {"type": "relation", "direction": "right", "labels": [], **ends, **more}


def answer(place: Mention, name: str, **value: Any) -> dict[str, Any]:
    kind = "textarea" if name == "year_value" else "choices"
    return {"id": region_id(span_at(place)), "from_name": name, "type": kind, "value": value}


# --- there and back ------------------------------------------------------------------------


def test_the_records_are_those_of_the_report() -> None:
    """The expectations of this file are a complete sheet of its report."""
    values = [(s.start, s.end) for s in REPORT.spans if s.label == "数值"]
    assert [(r.value.start, r.value.end) for r in RECORDS] == values


def test_there_and_back() -> None:
    records, problems = read(drawn(RECORDS))
    assert problems == ()
    assert [fields(record) for record in records] == [fields(record) for record in RECORDS]
    assert [r.qualifier for r in records] == [r.qualifier for r in RECORDS]
    first = records[0].quantity
    assert first is not None
    assert (str(first.number), first.unit_base) == ("31.5", "公里")


def test_only_what_is_not_usual_is_stored() -> None:
    results = drawn(RECORDS)[len(REPORT.spans) :]
    answers = [(r["from_name"], r["value"]) for r in results if "choices" in r.get("value", {})]
    assert [(name, value["choices"]) for name, value in answers] == [
        ("measure", ["change"]),
        ("status", ["target"]),
        ("bound", ["approx"]),
        ("status", ["target"]),
        ("status", ["target"]),
        ("bound", ["ge"]),
        ("measure", ["share"]),
        ("bound", ["le"]),
    ]
    # 今年 does not say which year it is, 十四五 does; 2021年 seems to.
    texts = [r["value"] for r in results if r["type"] == "textarea"]
    assert [(TEXT[v["start"] : v["end"]], v["text"]) for v in texts] == [
        ("今年", ["2021"]),
        ("2021年", ["无"]),
    ]
    qualifiers = [r["value"] for r in results if r["type"] == "labels"]
    assert [(TEXT[v["start"] : v["end"]], v["labels"]) for v in qualifiers] == [
        ("村级", ["限定词"])
    ]


def test_relations_read_in_either_direction_and_whatever_their_label() -> None:
    value, unit, indicator = mention("9"), mention("公里", 1), mention("供水管道")
    result = [
        *to_regions(REPORT.spans),
        relation(unit, value, labels=["指标"]),
        relation(value, indicator, direction="left"),
        relation(indicator, value, direction="bi"),
    ]
    records, problems = read(result)
    assert problems == ()
    assert (records[2].unit, records[2].indicator) == (unit, indicator)


def test_a_qualifier_may_lie_over_spans() -> None:
    over = Mention.at(TEXT, mention("铺设").start, mention("供水管道").end)
    changed = Record(value=mention("9"), qualifier=over)
    records, problems = read(drawn([changed]))
    assert problems == ()
    assert records[2].qualifier == over
    assert to_spans(drawn([changed]), TEXT).spans == REPORT.spans


def test_a_relation_follows_a_region_whose_edges_were_moved() -> None:
    value = mention("31.5")
    wide = {**to_regions([span_at(value)])[0], "id": "wide"}
    # One character too far on the left, and that one is a blank.
    text = TEXT[: value.start] + " " + TEXT[value.start :]
    moved = {**wide, "value": {"start": value.start, "end": value.end + 1, "labels": ["数值"]}}
    indicator = to_regions([span_at(mention("供水管道"))])
    joined = {"type": "relation", "from_id": indicator[0]["id"], "to_id": "wide"}
    (record,), problems = read([moved, *indicator, joined], text)
    assert problems == ()
    assert record.value == Mention(value.start + 1, value.end + 1, "31.5")
    assert record.indicator == mention("供水管道")


@given(st.data())
def test_any_records_come_back(data: st.DataObject) -> None:
    def one_of(*labels: str) -> Any:
        found = [Mention.of(TEXT, span) for span in REPORT.spans if span.label in labels]
        return st.one_of(st.none(), st.sampled_from(found))

    years = {
        year.start: data.draw(st.sampled_from(["", "2020", "2016-2020", "xx"]))
        for year in REPORT.spans
        if year.label == "年份"
    }
    records = []
    for span in (span for span in REPORT.spans if span.label == "数值"):
        year = data.draw(one_of("年份"))
        subjects = data.draw(st.sets(one_of("机构", "企业名").filter(bool), max_size=2))
        start = data.draw(st.integers(0, 40).filter(lambda n: not TEXT[n].isspace()))
        qualifier = data.draw(st.sampled_from([None, Mention.at(TEXT, start, start + 1)]))
        records.append(
            Record(
                value=Mention.of(TEXT, span),
                unit=data.draw(one_of("单位")),
                indicator=data.draw(one_of("指标")),
                qualifier=qualifier,
                subject=tuple(sorted(subjects)),
                year=year,
                year_value=years[year.start] if year else "",
                measure=data.draw(st.sampled_from(MEASURES)),
                status=data.draw(st.sampled_from(STATUSES)),
                bound=data.draw(st.sampled_from(BOUNDS)),
            )
        )
    found, problems = read(drawn(records))
    assert problems == ()
    assert [fields(record) for record in found] == [fields(record) for record in records]


def test_every_sheet_of_the_corpus_comes_back(root: Path, tmp_path: Path) -> None:
    sheets = sorted((root / "data" / "records").glob("*.csv"))
    assert len(sheets) >= 60
    for sheet in sheets:
        report = read_tagged(root / "data" / "reports" / f"{sheet.stem}.txt")
        records = read_rows(sheet, report)
        found, problems = read(drawn(records, report), report.text)
        assert problems == ()
        write_rows(tmp_path / "before.csv", report, records)
        write_rows(tmp_path / "after.csv", report, found)
        assert (tmp_path / "after.csv").read_bytes() == (tmp_path / "before.csv").read_bytes()


# --- what makes no sense -------------------------------------------------------------------


def test_two_indicators_for_one_value() -> None:
    more = relation(mention("水表"), mention("31.5"))
    records, problems = read([*drawn(RECORDS), more])
    assert len(problems) == 1
    for words in ("31.5", "2 个指标", "供水管道", "水表"):
        assert words in problems[0]
    # Which is right nobody knows; everything else of the record and all others stay.
    assert records[0].indicator is None
    assert fields(records[0]) | {"indicator": None} == fields(RECORDS[0]) | {"indicator": None}
    assert [fields(r) for r in records[1:]] == [fields(r) for r in RECORDS[1:]]


@pytest.mark.parametrize(
    ("one", "other"),
    [("镇水务站", "供水管道"), ("31.5", "2000"), ("今年", "公里"), ("31.5", "31.5")],
)
def test_a_relation_between_the_wrong_labels(one: str, other: str) -> None:
    records, problems = read([*drawn(RECORDS), relation(mention(one), mention(other))])
    assert len(problems) == 1
    assert one in problems[0]
    assert other in problems[0]
    assert "不该有关系" in problems[0]
    assert [fields(r) for r in records] == [fields(r) for r in RECORDS]


@pytest.mark.parametrize("gone", ["from_id", "to_id"])
def test_a_relation_to_a_deleted_region(gone: str) -> None:
    broken = relation(mention("供水管道"), mention("31.5")) | {gone: "gone"}
    records, problems = read([*drawn(RECORDS), broken])
    assert len(problems) == 1
    assert "已删去" in problems[0]
    assert ("31.5" if gone == "from_id" else "供水管道") in problems[0]
    assert [fields(r) for r in records] == [fields(r) for r in RECORDS]


@pytest.mark.parametrize("choices", [["change", "share"], ["更多"], [None]])
def test_an_impossible_choice_gives_the_usual_one(choices: list[Any]) -> None:
    bad = answer(mention("31.5"), "measure", choices=choices)
    records, problems = read([*drawn(RECORDS), bad])
    assert records[0].measure == "level"
    assert len(problems) == 1
    assert "31.5" in problems[0]


@pytest.mark.parametrize("typed", ["去年底", "2025-2021", "20xx", "二〇二", ""])
def test_an_impossible_year_is_a_problem(typed: str) -> None:
    bad = answer(mention("2021年"), "year_value", text=[typed])
    records, problems = read(
        [*drawn(RECORDS[:5]), relation(mention("2021年"), mention("5", 1)), bad]
    )
    assert len(problems) == 1
    assert "2021年" in problems[0]
    assert (records[5].year, records[5].year_value) == (mention("2021年"), "")


@pytest.mark.parametrize(
    ("typed", "meant"), [("2019", "2019"), (" 2019年 ", "2019"), ("十三五", "2016-2020")]
)
def test_a_year_may_be_typed_as_words(typed: str, meant: str) -> None:
    typed_in = answer(mention("今年"), "year_value", text=[typed])
    result = [*to_regions(REPORT.spans), typed_in, relation(mention("今年"), mention("31.5"))]
    records, problems = read(result)
    assert problems == ()
    assert records[0].year_value == meant


def test_answers_that_the_page_no_longer_asks_for_are_passed_over() -> None:
    stale = [
        answer(mention("水表"), "measure", choices=["change"]),
        answer(mention("31.5"), "year_value", text=["2019"]),
        answer(mention("31.5"), "measure", choices=[]),
        {"id": "gone", "from_name": "measure", "type": "choices", "value": {"choices": ["x"]}},
    ]
    assert read([*drawn(RECORDS), *stale]) == read(drawn(RECORDS))


def test_a_region_that_is_both_an_entity_and_a_qualifier_is_named() -> None:
    (extra,) = to_regions(
        [Span(*span_at(mention("水表")).key[:2], "限定词")], from_name="qualifier"
    )
    extra["id"] = region_id(span_at(mention("水表")))
    records, problems = read([*drawn(RECORDS), extra])
    assert len(problems) == 1
    assert "水表" in problems[0]
    assert [fields(r) for r in records] == [fields(r) for r in RECORDS]


@given(
    st.lists(
        st.recursive(
            st.none()
            | st.integers(0, 5)
            | st.sampled_from(["label", "measure", "数值", "relation"]),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(
                    st.sampled_from(
                        ["type", "id", "value", "from_name", "from_id", "choices", "start"]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=8,
        ),
        max_size=5,
    )
)
def test_whatever_comes_all_values_have_a_record(extra: list[Any]) -> None:
    records, _ = read([*drawn(RECORDS), *extra])
    assert [r.value for r in records] == [r.value for r in RECORDS]


def test_what_cannot_be_drawn_is_named_and_the_rest_is_drawn() -> None:
    heading = mention("工作总结")
    records = [
        Record(value=heading),
        Record(value=mention("31.5"), unit=heading, indicator=mention("镇水务站")),
        Record(value=mention("31.5")),
        Record(value=mention("12"), year_value="2021"),
        Record(value=mention("9"), year=mention("今年"), year_value="2021"),
        Record(value=mention("2000"), year=mention("今年"), year_value="2020", bound="ge"),
    ]
    results, problems = to_results(records, REPORT.spans)
    expected = ("不是数值", "工作总结", "镇水务站", "两条记录", "没有对应的片段", "2020")
    assert len(problems) == len(expected)
    found, clean = read([*to_regions(REPORT.spans), *results])
    assert clean == ()
    for words in expected:
        assert sum(words in line for line in problems) >= 1, words
    assert (found[3].year_value, found[3].bound) == ("2021", "ge")


# --- Record.from_dict ----------------------------------------------------------------------


def test_from_dict_gives_the_record_back() -> None:
    linked = link_records(TEXT, REPORT.spans)
    assert any(record.evidence for record in linked)
    for record in (*linked, *RECORDS):
        again = Record.from_dict(json.loads(json.dumps(record.to_dict("水务"))), TEXT, "x")
        assert again.to_dict("水务") == record.to_dict("水务")
        assert (again.quantity, again.qualifier) == (record.quantity, record.qualifier)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"value": None}, "'value' is missing"),
        ({"value": [106, 108]}, "start, end and text"),
        ({"value": {"start": True, "end": 2, "text": "x"}}, "start, end and text"),
        ({"unit": {"start": 1, "end": 2, "text": "亩"}}, "'unit': '亩' is not what"),
        ({"subject": {"start": 0}}, "'subject' must be a list"),
        ({"subject": ["厂"]}, "'subject'"),
        ({"qualifier": "省级"}, "省级"),
        ({"qualifier": 3}, "'qualifier' must be a string"),
        ({"measure": "growth"}, "use one of level, change, share"),
        ({"status": "done"}, "use one of actual, target"),
        ({"bound": ["ge"]}, "'bound' must be a string"),
        ({"year_value": 2021}, "'year_value' must be a string"),
        ({"confidence": {"unit": 2}}, "from 0 to 1"),
        ({"evidence": {"unit": [{"start": 0, "end": 1, "text": "?"}]}}, "evidence: 'unit'"),
        ({"evidence": ["unit"]}, "'evidence' must be an object"),
        ({"notes": [1]}, "list of strings"),
    ],
)
def test_from_dict_says_what_is_wrong(broken: dict[str, Any], said: str) -> None:
    data = RECORDS[0].to_dict() | broken
    with pytest.raises(FormatError, match=r"^rows\.jsonl:7") as caught:
        Record.from_dict(data, TEXT, "rows.jsonl:7")
    assert said in str(caught.value)


@pytest.mark.parametrize("data", [None, [], "x", 3])
def test_from_dict_wants_an_object(data: Any) -> None:
    with pytest.raises(FormatError, match="expected a JSON object"):
        Record.from_dict(data, TEXT, "rows.jsonl:7")


# --- the labelling interface and the backend -----------------------------------------------


def test_the_backend_suggests_records_where_the_project_asks() -> None:
    plain = Controls.read(labelling_interface())
    asking = Controls.read(labelling_interface(records=True))
    assert set(asking.labels) == set(LABELS)
    assert plain.prediction(REPORT.spans, "v", TEXT)["result"] == to_regions(REPORT.spans)
    result = asking.prediction(REPORT.spans, "v", TEXT)["result"]
    records, problems = read(result)
    assert problems == ()
    linked = link_records(TEXT, REPORT.spans)
    assert [fields(r) for r in records] == [fields(r) for r in linked]


# --- with the server -----------------------------------------------------------------------


@pytest.fixture
def connection(label_studio: Any) -> Connection:
    return connect(label_studio.url, label_studio.token)


@pytest.fixture
def project(connection: Connection) -> int:
    return create_project(connection, f"记录 {uuid4().hex[:12]}", records=True).id


def where(connection: Connection, project: int) -> list[str]:
    return ["--project", str(project), "--url", connection.url, "--token", connection.token]


def tasks_of(connection: Connection, project: int) -> list[Any]:
    listed: Any = connection.api.tasks.list(project=project, fields="all")
    return sorted(listed, key=lambda task: task.id)


def write_records(path: Path, records: Sequence[Record], report_id: str = REPORT.id) -> Path:
    lines = [json.dumps(r.to_dict(report_id), ensure_ascii=False) + "\n" for r in records]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def give(connection: Connection, project: int, folder: Path, records: Sequence[Record]) -> Any:
    """Import REPORT with its spans and these records; its task."""
    write_jsonl(folder / "in.jsonl", [REPORT])
    rows = write_records(folder / "rows.jsonl", records)
    given = ["--suggestions", "given", "--records", str(rows), *where(connection, project)]
    assert main(["import", str(folder / "in.jsonl"), *given]) == 0
    (task,) = tasks_of(connection, project)
    return task


def accept(connection: Connection, task: Any, result: Any = None) -> int:
    """Submit what is suggested, as it is or changed."""
    (prediction,) = task.predictions
    made: Any = connection.api.annotations.create(task.id, result=result or prediction.result)
    return int(made.id)


def export(connection: Connection, project: int, folder: Path, **more: Any) -> Exported:
    return export_project(connection, project, folder, **more)


def exported_rows(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_unchanged_records_come_back_byte_for_byte(
    connection: Connection, project: int, tmp_path: Path
) -> None:
    accept(connection, give(connection, project, tmp_path, RECORDS))
    out = tmp_path / "out"
    assert main(["export", "--output", str(out), *where(connection, project)]) == 0
    rows = exported_rows(out)
    assert [row.pop("id") for row in rows] == [REPORT.id] * len(RECORDS)
    again = [fields(Record.from_dict(row, TEXT, "row")) for row in rows]
    assert again == [fields(record) for record in RECORDS]
    # The sheet is, byte for byte, the one that the records make by themselves.
    write_rows(tmp_path / "before.csv", REPORT, RECORDS)
    sheet = out / "records" / f"{REPORT.id}.csv"
    assert sheet.read_bytes() == (tmp_path / "before.csv").read_bytes()
    # And the export's own files are good for another import, and for another project.
    second = create_project(connection, f"记录 {uuid4().hex[:12]}", records=True).id
    files = [str(out / "reports.jsonl"), "--records", str(out / "records.jsonl")]
    assert main(["import", *files, "--suggestions", "given", *where(connection, second)]) == 0
    (copy,) = tasks_of(connection, second)
    accept(connection, copy)
    export(connection, second, tmp_path / "second")
    assert (tmp_path / "second" / "records.jsonl").read_bytes() == (
        out / "records.jsonl"
    ).read_bytes()


def test_records_are_linked_where_none_are_given(
    connection: Connection, project: int, root: Path, tmp_path: Path
) -> None:
    """The embedded model's spans and the rules' records, in and out."""
    sample = root / "data" / "samples"
    assert main(["import", str(sample), "--quiet", *where(connection, project)]) == 0
    tasks = tasks_of(connection, project)
    assert len(tasks) > 3
    for task in tasks:
        accept(connection, task)
    found = export(connection, project, tmp_path)
    assert found.records is not None
    assert [problem for problem in found.problems if problem.kind == "record"] == []
    linked = 0
    for report in found.reports:
        expected = [fields(r) for r in link_records(report.text, report.spans)]
        ends = {(span.start, span.end) for span in report.spans}
        for row in expected:  # a unit in a table's head is no span
            if row["unit"] and (row["unit"]["start"], row["unit"]["end"]) not in ends:
                row["unit"] = None
        assert [fields(r) for r in found.records[report.id]] == expected
        linked += sum(row["indicator"] is not None for row in expected)
        rows = read_rows(next((tmp_path / "records").glob(f"*{Path(report.id).stem}*")), report)
        assert [fields(row) for row in rows] == expected
    assert linked > 50


def test_bad_records_are_named_with_task_and_report_and_the_rest_goes_on(
    connection: Connection, project: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = give(connection, project, tmp_path, RECORDS)
    (prediction,) = task.predictions
    bad = [
        relation(mention("镇水务站"), mention("供水管道")),
        relation(mention("水表"), mention("31.5")),
        relation(mention("水表"), mention("12")) | {"from_id": "gone"},
    ]
    accept(connection, task, [*prediction.result, *bad])
    other = Report("好的", "专利36件", (Span(0, 2, "指标"), Span(2, 4, "数值"), Span(4, 5, "单位")))
    write_jsonl(tmp_path / "other.jsonl", [other])
    words = ["--suggestions", "given", "--quiet", *where(connection, project)]
    assert main(["import", str(tmp_path / "other.jsonl"), *words]) == 0
    accept(connection, tasks_of(connection, project)[1])
    capsys.readouterr()
    out = tmp_path / "out"
    assert main(["export", "--output", str(out), *where(connection, project)]) == 1
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("问题")]
    assert len(said) == 3
    for line in said:
        assert f"任务 {task.id}" in line
        assert "报告 水务" in line
        assert connection.link(project, task.id) in line
    for expected in ("不该有关系", "2 个指标", "已删去"):
        assert sum(expected in line for line in said) == 1
    rows = exported_rows(out)
    assert [row["id"] for row in rows] == ["水务"] * len(RECORDS) + ["好的"]
    assert rows[0]["indicator"] is None
    assert rows[0]["unit"]["text"] == "公里"
    assert rows[-1]["indicator"]["text"] == "专利"
    assert {path.stem for path in (out / "records").iterdir()} == {"水务", "好的"}


def test_bad_rows_of_a_file_are_named_and_the_others_imported(
    connection: Connection, project: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_jsonl(tmp_path / "in.jsonl", [REPORT])
    rows = [record.to_dict(REPORT.id) for record in RECORDS[:3]]
    rows[1]["unit"]["text"] = "别的"
    rows[2]["indicator"] = mention("水务站").to_dict()
    rows.append({**rows[0], "id": "没有的"})
    path = tmp_path / "rows.jsonl"
    # The form of predict.py and the form of the export, in one file.
    first = {"id": REPORT.id, "text": TEXT, "records": rows[:1]}
    path.write_text("\n".join(json.dumps(row) for row in [first, *rows[1:]]), encoding="utf-8")
    words = ["--suggestions", "given", "--records", str(path), *where(connection, project)]
    assert main(["import", str(tmp_path / "in.jsonl"), *words]) == 1
    said = capsys.readouterr().err
    for expected in (f"{path}:2", "别的", "水务站", "没有的"):
        assert expected in said
    (task,) = tasks_of(connection, project)
    accept(connection, task)
    found = export(connection, project, tmp_path / "out").records
    assert found is not None
    expected_rows = [RECORDS[0], Record(mention("12")), RECORDS[2]]
    assert [r.unit for r in found["水务"][:3]] == [r.unit for r in expected_rows]
    assert [r.year for r in found["水务"][:3]] == [r.year for r in expected_rows]
    assert found["水务"][2].indicator is None


@pytest.mark.parametrize(
    "line", ["{", '{"id": 3, "value": null}', '{"records": []}', "[]", '{"id": "a", "records": 1}']
)
def test_a_broken_file_of_records_stops_the_import(
    connection: Connection, project: int, tmp_path: Path, line: str
) -> None:
    write_jsonl(tmp_path / "in.jsonl", [REPORT])
    (tmp_path / "rows.jsonl").write_text(line, encoding="utf-8")
    words = ["--suggestions", "given", "--records", str(tmp_path / "rows.jsonl")]
    files = [str(tmp_path / "in.jsonl"), *words, *where(connection, project)]
    assert main(["import", *files]) == 2
    assert tasks_of(connection, project) == []


def test_given_records_need_a_project_that_asks_for_them(
    connection: Connection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = create_project(connection, f"片段 {uuid4().hex[:12]}").id
    write_jsonl(tmp_path / "in.jsonl", [REPORT])
    rows = write_records(tmp_path / "rows.jsonl", RECORDS)
    words = [str(tmp_path / "in.jsonl"), "--records", str(rows), *where(connection, plain)]
    assert main(["import", *words, "--suggestions", "given"]) == 2
    assert "create --records" in capsys.readouterr().err
    # Without them it stays a project of spans alone, in and out.
    assert main(["import", words[0], "--suggestions", "given", *words[3:]]) == 0
    (task,) = tasks_of(connection, plain)
    assert task.predictions[0].result == to_regions(REPORT.spans)
    accept(connection, task)
    found = export(connection, plain, tmp_path / "out")
    assert found.records is None
    assert not (tmp_path / "out" / "records.jsonl").exists()


def test_a_project_once_made_for_records_stays_one(connection: Connection) -> None:
    title = f"记录 {uuid4().hex[:12]}"
    project = create_project(connection, title).id
    assert not holds_records(connection, project)
    assert create_project(connection, title, records=True).changed == ("label_config",)
    assert holds_records(connection, project)
    assert create_project(connection, title).changed == ()
    assert find_project(connection, title) == project


def test_adjudicators_see_everybodys_records(connection: Connection, tmp_path: Path) -> None:
    title = f"记录 {uuid4().hex[:12]}"
    project = create_project(connection, title, records=True).id
    task = give(connection, project, tmp_path, RECORDS)
    name = f"zhao-{uuid4().hex[:8]}@localhost.local"
    zhao = connection.api.users.create(email=name, username=name, first_name="赵", last_name="六")
    accept(connection, task)
    fewer = drawn([*RECORDS[1:]])
    connection.api.annotations.create(task.id, result=fewer, completed_by=zhao.id)
    out = tmp_path / "out"
    # The spans are the same, the records differ: a case.
    undecided = export(connection, project, out, rule="adjudicated")
    assert [problem.kind for problem in undecided.problems] == ["undecided"]
    words = ["--project", title, *where(connection, project)[2:]]
    assert main(["adjudicate", str(out), *words]) == 0
    court = find_project(connection, f"{title}·裁决")
    (case,) = tasks_of(connection, court)
    versions = {p.model_version: read(p.result)[0][0].indicator for p in case.predictions}
    me = str(connection.api.users.whoami().email)
    assert versions == {me: mention("供水管道"), name: None}
    decision = next(p.result for p in case.predictions if p.model_version == me)
    connection.api.annotations.create(case.id, result=decision)
    decided = export(connection, project, out, rule="adjudicated")
    assert decided.records is not None
    assert [fields(r) for r in decided.records[REPORT.id]] == [fields(r) for r in RECORDS]
    assert decided.problems == ()


def test_merge_takes_the_rows_along(tmp_path: Path) -> None:
    rows = [record.to_dict(REPORT.id) for record in RECORDS]
    report = Report(REPORT.id, TEXT, REPORT.spans, {"records": rows})
    assert merge([report], tmp_path).new == 1
    sheet = tmp_path / "records" / f"{REPORT.id}.csv"
    assert [fields(r) for r in read_rows(sheet, report)] == [fields(r) for r in RECORDS]
    assert merge([report], tmp_path).unchanged == 1
    rows[0]["bound"] = "ge"
    assert merge([report], tmp_path).updated == 1
    assert read_rows(sheet, report)[0].bound == "ge"
    rows[0]["bound"] = "?"
    result = merge([report], tmp_path)
    assert (result.updated, len(result.refused)) == (0, 1)
    assert "use one of" in result.refused[0]


# --- in the browser ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def annotator(browser: Browser, label_studio: Any) -> Iterator[Annotator]:
    server = label_studio
    with sign_in(browser, server.url, server.username, server.password) as person:
        yield person


def test_what_is_corrected_in_the_browser_is_what_is_exported(
    annotator: Annotator, connection: Connection, project: int, tmp_path: Path
) -> None:
    task = give(connection, project, tmp_path, RECORDS)
    annotator.open_suggested(project, task.id)
    page = annotator.page
    assert annotator.spans() >= {span.key for span in SPANS}

    # A wrong indicator: delete its relation in the list, and draw another.
    page.locator("text='Relations'").first.click()
    relations = [r for r in task.predictions[0].result if r["type"] == "relation"]
    wrong = (region_id(span_at(mention("水表"))), region_id(span_at(mention("2000"))))
    number = [(r["from_id"], r["to_id"]) for r in relations].index(wrong)
    items = page.locator(".lsf-relations__nodes")
    assert items.count() == len(relations)
    item = page.locator(".lsf-relations__item").nth(number)
    item.hover()
    item.locator("button[aria-label='Delete Relation']").click()
    items.nth(len(relations) - 1).wait_for(state="detached")
    value, right = mention("2000"), mention("供水管道")
    annotator.relate((right.start, right.end), (value.start, value.end))

    # A choice about it, by mouse and by key.
    annotator.unselect()
    annotator.select(value.start, value.end)
    asked = page.locator(".zhibiao-questions:visible")
    assert checked(asked) == ["目标", "约"]
    asked.locator("label:has-text('不少于')").click()
    asked.locator("input[name='不少于']:checked").wait_for()
    page.keyboard.press("0")
    asked.locator("input[name='占比']:checked").wait_for()
    annotator.unselect()

    # A second click takes a choice back.
    masked = mention("xx")
    annotator.select(masked.start, masked.end)
    assert checked(asked) == ["占比", "不超过"]
    asked.locator("label:has-text('不超过')").click()
    asked.locator("input[name='不超过']:not(:checked)").wait_for()
    annotator.unselect()

    # Which year it is, typed in.
    year = mention("十四五")
    annotator.select(year.start, year.end)
    box = asked.locator("input, textarea").first
    box.fill("2025")
    box.press("Enter")
    asked.get_by_text("2025", exact=True).wait_for()
    annotator.unselect()

    # A qualifier, drawn and related.
    words, growth = mention("同比"), mention("12")
    annotator.draw(words.start, words.end, "7", "限定词")
    annotator.relate((words.start, words.end), (growth.start, growth.end))
    annotator.unselect()
    annotator.submit()

    expected = list(RECORDS)
    expected[1] = replace(expected[1], qualifier=words)
    expected[3] = replace(
        expected[3], indicator=right, year_value="2025", measure="share", bound="ge"
    )
    expected[6] = replace(expected[6], bound="eq")
    out = tmp_path / "out"
    assert main(["export", "--output", str(out), *where(connection, project)]) == 0
    rows = exported_rows(out)
    assert [fields(Record.from_dict(row, TEXT, "row")) for row in rows] == [
        fields(record) for record in expected
    ]
    write_rows(tmp_path / "expected.csv", REPORT, expected)
    sheet = out / "records" / f"{REPORT.id}.csv"
    assert sheet.read_bytes() == (tmp_path / "expected.csv").read_bytes()


def test_deleting_a_span_in_the_browser_takes_its_relations_along(
    annotator: Annotator, connection: Connection, project: int, tmp_path: Path
) -> None:
    task = give(connection, project, tmp_path, RECORDS)
    annotator.open_suggested(project, task.id)
    indicator, value = mention("供水管道"), mention("xx")
    annotator.delete(indicator.start, indicator.end)
    annotator.delete(value.start, value.end)
    annotator.submit()
    found = export(connection, project, tmp_path / "out")
    assert found.problems == ()
    assert found.records is not None
    assert [fields(r) for r in found.records[REPORT.id]] == [
        fields(replace(r, indicator=None if r.indicator == indicator else r.indicator))
        for r in RECORDS[:-1]
    ]


def checked(asked: Locator) -> list[str]:
    """The names of the choices that are ticked."""
    ticked = "boxes => boxes.filter(box => box.checked).map(box => box.name)"
    names: list[str] = asked.locator("input[type=checkbox]").evaluate_all(ticked)
    return names
