"""Formats in and out: exact round trips, and every problem of bad input named with its place."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from training.convert import convert, main
from training.formats import (
    FORMATS,
    Draft,
    Options,
    Problem,
    Rules,
    detect,
    read_drafts,
    settle,
    span_problems,
    write_reports,
)
from training.formats.schemes import SCHEMES, decode_tags, encode_tags
from zhibiao import FormatError, Report, Span, SpanError, ZhibiaoError, read_jsonl, write_jsonl
from zhibiao.errors import OutputError
from zhibiao.spans import LABELS, check_spans

spacy_only = pytest.mark.skipif(
    importlib.util.find_spec("spacy") is None, reason="spaCy is not installed"
)
WRITABLE = [
    pytest.param(name, marks=spacy_only if name == "spacy" else ())
    for name in FORMATS
    if name != "iob1"
]
NASTY = "".join(
    (
        "\ufeff 𠮷县\u3000",  # a byte-order mark, white space first, beyond the first plane
        "👨\u200d👩\u200d👧达3\t件",  # an emoji of five code points, a tab
        "e\u0301  #⟦\\n⟧ O\n\n",  # a combining mark, escapes as text, an empty line
        "# id = x\n-DOCSTART- O\u2028\x0b\x85\xa0'\"",
    )
)


def nasty(carriage: str) -> Report:
    text = NASTY + carriage
    at = text.index("👨")
    end = text.index("⟧") + 1  # holds a tab and spaces
    last = text.index("# id")
    spans = (
        Span(2, 4, "机构"),
        Span(at, at + 5, "企业名"),
        Span(at + 5, at + 6, "指标"),
        Span(at + 6, end, "数值"),
        Span(end + 1, last + 1, "单位"),  # holds line breaks
    )
    return Report("县-1", text, spans, {"genre": "年报"})


def same(one: Report, other: Report) -> bool:
    return (one.id, one.text, one.spans) == (other.id, other.text, other.spans)


def back(path: Path, name: str) -> list[Report]:
    reports = []
    for item in read_drafts(path, name):
        assert isinstance(item, Draft), item
        report, problems = settle(item, Rules())
        assert report, problems
        reports.append(report)
    return reports


@pytest.mark.parametrize("name", WRITABLE)
def test_nasty_text_comes_back_exactly(name: str, tmp_path: Path) -> None:
    carriage = "" if name == "tagged" else "\r\n尾"
    reports = [nasty(carriage), Report("空", ""), Report("三", "共有企业参加。\n")]
    path = tmp_path / "out"
    assert write_reports(path, reports, name) == []
    found = {report.id: report for report in back(path, name)}
    assert len(found) == 3
    for report in reports:
        assert same(found[report.id], report)
    assert found["县-1"].meta["genre"] == "年报"


_texts = st.text(
    st.one_of(
        st.sampled_from(" \t\n\r\u3000#\\⟦⟧|-O=👧𠮷\u0301\ufeff\u2029，市B"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=25,
)


@st.composite
def _reports(draw: st.DrawFn) -> Report:
    text = draw(_texts)
    bounds = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
    spans = []
    for start, end in zip(bounds[::2], bounds[1::2], strict=False):
        if text[start:end] == text[start:end].strip():
            spans.append(Span(start, end, draw(st.sampled_from(LABELS))))
    return Report("r", text, tuple(spans))


@pytest.mark.parametrize("name", [p for p in WRITABLE if p.values[0] not in ("columns", "tagged")])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(report=_reports())
def test_any_text_comes_back_exactly(name: str, tmp_path: Path, report: Report) -> None:
    path = Path(mkdtemp(dir=tmp_path)) / "out"  # one for each example
    assert write_reports(path, [report], name) == []
    (found,) = back(path, name)
    assert same(found, report)


@given(
    st.text("a \n", max_size=6),
    st.lists(
        st.builds(
            Span, st.integers(-1, 7), st.integers(-1, 7), st.sampled_from(["机构", "数值", "x"])
        ),
        max_size=3,
    ),
)
def test_problems_are_those_of_the_strict_check(text: str, spans: list[Span]) -> None:
    spans.sort(key=lambda span: (span.start, span.end))
    problems = span_problems(text, spans, LABELS, "x")
    if problems:
        with pytest.raises(SpanError):
            check_spans(text, spans)
    else:
        check_spans(text, spans)


def write(path: Path, content: Any) -> Path:
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def read_all(path: Path, name: str | None = None, **told: Any) -> tuple[list[Draft], list[Problem]]:
    items = list(read_drafts(path, name, Options(**told)))
    drafts = [item for item in items if isinstance(item, Draft)]
    return drafts, [item for item in items if isinstance(item, Problem)]


def keys(draft: Draft) -> list[tuple[int, int, str]]:
    return [span.key for span in draft.spans]


# ---- tags and columns


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        ("iob1", "I-a I-a B-a O I-b I-a"),
        ("iob2", "B-a I-a B-a O B-b B-a"),
        ("bioes", "B-a E-a S-a O S-b S-a"),
        ("bmes", "B-a E-a S-a O S-b S-a"),
        ("bilou", "B-a L-a U-a O U-b U-a"),
    ],
)
def test_every_scheme_says_the_same(scheme: str, tags: str) -> None:
    pieces = [(0, 2, "a"), (2, 3, "a"), (4, 5, "b"), (5, 6, "a")]
    assert decode_tags(tags.split(), scheme) == (pieces, [])
    if scheme != "iob1":
        assert encode_tags(6, pieces, scheme) == tags.split()


@pytest.mark.parametrize(
    ("scheme", "tags", "position", "message"),
    [
        ("iob2", "O I-a", 1, "continues nothing: there is no piece that is open; for IOB1"),
        ("iob2", "B-a I-b", 1, "continues nothing: there is 'a' that is open"),
        ("iob2", "B-a X", 1, "tag 'X' is not of iob2"),
        ("iob2", "B- O", 0, "tag 'B-' is not of iob2"),
        ("iob2", "B-a S-a", 1, "tag 'S-a' is not of iob2"),
        ("iob1", "O B-a", 1, "does not follow a piece of its label"),
        ("bioes", "B-a O", 1, "O follows 'a' that is open: E-a is missing"),
        ("bioes", "B-a B-a E-a", 1, "B-a follows 'a' that is open"),
        ("bioes", "I-a E-a", 0, "I-a continues nothing"),
        ("bioes", "B-a I-a", 1, "the sentence ends before E-a"),
        ("bmes", "S-a M-a", 1, "M-a continues nothing"),
        ("bilou", "B-a L-b", 1, "L-b continues nothing"),
    ],
)
def test_broken_tags(scheme: str, tags: str, position: int, message: str) -> None:
    _, problems = decode_tags(tags.split(), scheme)
    assert problems[0][0] == position
    assert message in problems[0][1]


def test_columns_of_other_programs(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.bio",
        "-DOCSTART- -X- O\n\n科 N B-机构\n技 N I-机构\n局 N I-机构\n\n\n达 V O\n"
        "3 M B-数值\n件 Q B-单位\n\n-DOCSTART- -X- O\n# id = 乙\n共 V O\n",
    )
    drafts, problems = read_all(path)
    assert problems == []
    assert [(draft.id, draft.text) for draft in drafts] == [
        ("a-1", "科技局\n达3件"),
        ("乙", "共"),
    ]
    assert keys(drafts[0]) == [(0, 3, "机构"), (5, 6, "数值"), (6, 7, "单位")]
    assert drafts[1].where == f"{path}:12"


def test_columns_without_marks_are_sentences(tmp_path: Path) -> None:
    # \r\n line ends, a tab between columns, a full-width space as token, a lone space as token.
    path = write(tmp_path / "a.conll", "市\tO\r\n\u3000\tO\r\n \tO\r\n\r\n县\tB-机构\r\n")
    drafts, problems = read_all(path)
    assert problems == []
    assert [draft.text for draft in drafts] == ["市\u3000 ", "县"]


def test_word_tokens_and_joiner(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conll", "East B-机构\nHill I-机构\nrose O\n")
    (draft,), _ = read_all(path, joiner=" ")
    assert (draft.text, keys(draft)) == ("East Hill rose", [(0, 9, "机构")])
    (draft,), _ = read_all(path)
    assert (draft.text, keys(draft)) == ("EastHillrose", [(0, 8, "机构")])


def test_escapes_only_where_they_are_declared(tmp_path: Path) -> None:
    foreign = write(tmp_path / "a.bio", "\\n O\n县 B-机构\n")
    (draft,), _ = read_all(foreign)
    assert draft.text == "\\n县"
    own = write(tmp_path / "b.bio", "# escapes = x\n# id = r\n\\n O\n县 B-机构\nab O\n")
    drafts, (problem,) = read_all(own)
    assert drafts == []
    assert str(problem) == f"{own}:5: 'ab' is neither one character nor an escape"


def test_broken_columns_lose_only_their_sentence(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.bio",
        "县 O\n市\n\n省 I-机构\n局 I-机构\n\n科 B-机构\n\n共 O x\n达 O\n\n件 O\n",
    )
    drafts, problems = read_all(path)
    assert [draft.text for draft in drafts] == ["科", "件"]
    places = [(problem.where.rpartition(":")[2], problem.kind) for problem in problems]
    assert places == [("2", "syntax"), ("9", "syntax"), ("4", "tags"), ("5", "tags")]


def test_mixed_schemes_name_the_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.bio", "科 B-机构\n技 M-机构\n局 L-机构\n")
    with pytest.raises(FormatError, match=r"a\.bio:3: L-机构 mixes tag schemes"):
        read_all(path)


def test_iob1_is_read_when_named_and_never_written(tmp_path: Path) -> None:
    path = write(tmp_path / "a.bio", "科 I-机构\n技 I-机构\n")
    assert read_all(path)[0] == []
    (draft,), _ = read_all(path, "iob1")
    assert keys(draft) == [(0, 2, "机构")]
    with pytest.raises(FormatError, match="only read"):
        write_reports(tmp_path / "b", [Report("r", "科")], "iob1")


@pytest.mark.parametrize("scheme", [name for name in SCHEMES if name != "iob1"])
def test_written_columns(scheme: str, tmp_path: Path) -> None:
    report = Report("r", "市 局\n3", (Span(0, 3, "机构"), Span(4, 5, "数值")))
    write_reports(tmp_path / "a", [report], scheme)
    letters = {"iob2": "BIIB", "bioes": "BIES", "bmes": "BMES", "bilou": "BILU"}[scheme]
    first, inside, last, single = tuple(letters)
    assert (tmp_path / "a").read_text("utf-8") == (
        "# escapes = \\s \\t \\n \\r \\uXXXX\n\n# id = r\n"
        f"市 {first}-机构\n\\s {inside}-机构\n局 {last}-机构\n\\n O\n\n3 {single}-数值\n"
    )


def test_ids_that_columns_cannot_hold(tmp_path: Path) -> None:
    path = tmp_path / "a.bio"
    (problem,) = write_reports(path, [Report("a\nb", "县"), Report("好", "市")])
    assert "the id must be one line" in problem.message
    assert [draft.id for draft in read_all(path)[0]] == ["好"]


# ---- JSON formats


def test_cluener_ends_are_inclusive_and_surfaces_checked(tmp_path: Path) -> None:
    label = {"机构": {"科技局": [[0, 2], [5, 7]]}, "数值": {"3": [[4, 4]]}}
    good = json.dumps({"text": "科技局达3科技局", "label": label}, ensure_ascii=False)
    bad = '{"text": "科技局", "label": {"机构": {"技局": [[0, 1]]}}}'
    path = write(tmp_path / "a.json", f"{good}\n{bad}\n[]\n{{\n{good}\n")
    drafts, problems = read_all(path)
    assert [draft.id for draft in drafts] == ["a-1", "a-5"]
    assert sorted(keys(drafts[0])) == [(0, 3, "机构"), (4, 5, "数值"), (5, 8, "机构")]
    assert [(p.where, p.kind) for p in problems] == [
        (f"{path}:2: span (0, 2, 机构)", "surface"),
        (f"{path}:3", "syntax"),
        (f"{path}:4", "syntax"),
    ]
    assert "has '科技' there, the file says '技局'" in problems[0].message


def test_written_cluener(tmp_path: Path) -> None:
    report = Report("r", "3达3", (Span(0, 1, "数值"), Span(2, 3, "数值")))
    write_reports(tmp_path / "a", [report], "cluener")
    line = json.loads((tmp_path / "a").read_text("utf-8"))
    assert line == {"id": "r", "text": "3达3", "label": {"数值": {"3": [[0, 0], [2, 2]]}}}


def test_doccano_both_forms(tmp_path: Path) -> None:
    entity = {"id": 4, "label": "机构", "start_offset": 1, "end_offset": 3}
    lines = [
        {"id": 7, "text": "达科局", "label": [[1, 3, "机构"]], "source": "x"},
        {"id": 8, "text": "达科局", "entities": [entity], "relations": [{"id": 1}], "Comments": []},
        {"id": 9, "text": "达科局", "labels": []},
        {"id": 10, "text": "达科局", "label": [[1, 3]]},
        {"id": 11, "text": "达科局", "label": [[1, 3, "机构"]], "entities": [entity]},
    ]
    content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    path = write(tmp_path / "a.jsonl", content + '{"text": "a", "text": "b", "label": []}\n')
    drafts, problems = read_all(path)
    assert [(d.id, keys(d)) for d in drafts] == [
        ("7", [(1, 3, "机构")]),
        ("8", [(1, 3, "机构")]),
        ("9", []),
    ]
    assert drafts[0].meta == {"source": "x"}
    assert [(p.where[-2:], p.note) for p in problems] == [
        (":2", True),
        (":4", False),
        (":5", False),
        (":6", False),
    ]
    assert "key 'text' is there twice" in problems[-1].message


def region(start: Any, end: Any, *labels: str, kind: str = "labels") -> dict[str, Any]:
    value = {"start": start, "end": end, "text": "不可信", "labels": list(labels)}
    return {"from_name": "ner", "to_name": "t", "type": kind, "value": value}


def annotation(number: int, when: str, *regions: Any, **more: Any) -> dict[str, Any]:
    stamp = f"2026-03-0{when}T08:00:00.000000Z"
    return {"id": number, "updated_at": stamp, "result": list(regions), **more}


def test_label_studio_takes_the_latest_that_was_not_skipped(tmp_path: Path) -> None:
    text = "👧  科局"
    tasks = [
        {
            "id": 5,
            "data": {"text": text, "report_id": "甲"},
            "annotations": [
                annotation(1, "2", region(3, 5, "机构"), {"type": "relation"}, completed_by=3),
                annotation(2, "1", region(0, 1, "数值")),
                annotation(3, "3", region(0, 1, "单位"), was_cancelled=True),
            ],
        },
        {"id": 6, "data": {"text": text}, "annotations": []},
        {"id": 7, "data": {"text": text}, "annotations": [annotation(4, "1", was_cancelled=True)]},
        {"id": 8, "data": {"content": text, "n": 1}, "annotations": [annotation(5, "1")]},
        {"id": 9, "data": {"a": text, "b": "x"}, "annotations": [annotation(6, "1")]},
        {"id": 10, "data": {"text": text}, "annotations": [annotation(7, "1", region(1, 2))]},
        {
            "id": 11,
            "data": {"text": text},
            "annotations": [annotation(8, "1", region(0, 1, "机构", kind="hypertextlabels"))],
        },
        "task",
    ]
    path = write(tmp_path / "a.json", tasks)
    drafts, problems = read_all(path)
    assert [(d.id, keys(d)) for d in drafts] == [("甲", [(3, 5, "机构")]), ("8", [])]
    assert drafts[0].meta == {"task": 5, "annotation": 1, "annotator": 3}
    wrong = [(p.where.rpartition(": ")[2], p.message) for p in problems if not p.note]
    assert [where for where, _ in wrong] == ["task 9", "task 10", "task 11", "task number 8"]
    assert "--text-field: a, b" in wrong[0][1]
    assert "one label wanted, found []" in wrong[1][1]
    assert "only plain text can be read" in wrong[2][1]
    notes = {p.where.rpartition(": ")[2]: p.message for p in problems if p.note}
    assert (notes["task 6"], notes["task 7"]) == (
        "not annotated; left out",
        "skipped by its annotators; left out",
    )
    drafts, _ = read_all(path, text_field="a")
    assert [draft.id for draft in drafts] == ["9"]


def test_label_studio_json_min(tmp_path: Path) -> None:
    def record(number: int, when: str, **more: Any) -> dict[str, Any]:
        stamp = f"2026-03-0{when}T08:00:00Z"
        return {"text": "科局3", "id": 5, "annotation_id": number, "updated_at": stamp, **more}

    spans = [{"start": 0, "end": 2, "text": "?", "labels": ["机构"]}]
    records = [
        record(1, "1", label=[]),
        record(2, "2", ner=spans, quality="好", annotator=4),
        {**record(3, "1"), "id": 6, "annotation_id": None},
        {**record(4, "1", ner=[{"start": "/p[1]", "hypertextlabels": ["机构"]}]), "id": 7},
    ]
    drafts, problems = read_all(write(tmp_path / "a.json", records))
    assert [(d.id, d.text, keys(d)) for d in drafts] == [("5", "科局3", [(0, 2, "机构")])]
    assert drafts[0].meta == {"task": 5, "annotation": 2, "annotator": 4}
    assert [p.note for p in problems] == [True, True, False]


@pytest.mark.parametrize(
    ("content", "message"),
    [("[{", "a.json:1: broken JSON"), ("[\n1,\n2,,\n]", "a.json:3: broken JSON")],
)
def test_broken_label_studio_json(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_all(write(tmp_path / "a.json", content))


def test_report_jsonl_goes_on_after_bad_lines(tmp_path: Path) -> None:
    lines = [
        '{"id": "a", "text": "科局", "spans": [{"start": 1, "end": 2, "label": "机构"}, '
        '{"start": 0, "end": 1, "label": "机构"}]}',
        '{"id": "b", "text": "\\ud83d"}',
        '{"id": "c", "text": "科", "span": []}',
        '{"id": "d", "text": "科", "spans": [{"start": true, "end": 1, "label": "机构"}]}',
        '{"id": "e", "text": "科"}',
    ]
    path = write(tmp_path / "a.jsonl", "\n".join(lines))
    drafts, problems = read_all(path)
    assert [draft.id for draft in drafts] == ["a", "e"]
    assert [(p.where[-1], p.kind) for p in problems] == [
        ("1", "order"),
        ("2", "syntax"),
        ("3", "syntax"),
        ("4", "syntax"),
    ]


def test_tagged_folder(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    reports = [
        Report("a/b", "县", meta={"n": 3, "id": "x"}),
        Report("a:b", "市\r"),
        Report("a:b:", "⟦"),
        Report("o", "A", (Span(0, 1, "ORG"),), labels=("ORG",)),
    ]
    problems = write_reports(folder, reports)
    assert sorted(p.name for p in folder.iterdir()) == ["a_b.txt", "a_b_.txt"]
    assert [(p.where, p.note) for p in problems] == [
        ("report a/b", True),
        ("report a:b", False),
        ("report o", False),
    ]
    write(folder / "z.txt", "---\nid: z\n---\n一\n⟦单位|件\n")
    drafts, (problem,) = read_all(folder)
    assert [(d.id, d.text) for d in drafts] == [("a/b", "县"), ("a:b:", "⟦")]
    assert f"{folder / 'z.txt'}" in problem.where
    assert "is never closed" in problem.message
    with pytest.raises(OutputError, match="new or empty folder"):
        write_reports(folder, reports)


# ---- spaCy


@spacy_only
def test_docbin_of_spacys_own_making(tmp_path: Path) -> None:
    import spacy
    from spacy.tokens import DocBin
    from spacy.tokens import Span as SpacySpan

    nlp = spacy.blank("zh")
    text = "县 科技局达3件"
    annotated = nlp(text)
    annotated.set_ents([SpacySpan(annotated, 1, 4, label="机构")])  # tokens: 县 科 技 局
    grouped = nlp(text)
    grouped.spans["sc"] = [SpacySpan(grouped, 0, 1, label="机构")]
    DocBin(docs=[annotated, nlp("件"), grouped]).to_disk(tmp_path / "a.spacy")
    drafts, (problem,) = read_all(tmp_path / "a.spacy")
    assert [(d.id, d.text, keys(d)) for d in drafts] == [
        ("a-1", text, [(2, 5, "机构")]),
        ("a-2", "件", []),
    ]
    assert problem.where.endswith("document 3")
    assert not problem.note


@spacy_only
def test_docbin_has_the_tokens_of_spacys_tokenizer(tmp_path: Path) -> None:
    import spacy
    from spacy.tokens import DocBin

    report = nasty("\r\n")
    write_reports(tmp_path / "a.spacy", [report])
    nlp = spacy.blank("zh")
    (doc,) = DocBin().from_disk(tmp_path / "a.spacy").get_docs(nlp.vocab)
    assert [token.text for token in doc] == [token.text for token in nlp(report.text)]
    assert doc.text == report.text


@spacy_only
def test_what_is_no_docbin(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="not a spaCy DocBin"):
        read_all(write(tmp_path / "a.spacy", "x"))


def test_without_spacy_the_error_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(ZhibiaoError, match="pip install"):
        write_reports(tmp_path / "a.spacy", [Report("a", "县")])


def test_a_dataset_is_what_token_classifiers_read(tmp_path: Path) -> None:
    from datasets import load_from_disk

    report = Report("甲", "全县达36件。", (Span(3, 5, "数值"), Span(5, 6, "单位")))
    assert write_reports(tmp_path / "set", [report], "datasets") == []
    assert detect(tmp_path / "set") == "datasets"
    dataset = load_from_disk(str(tmp_path / "set"))
    (row,) = dataset
    assert row["tokens"] == list(report.text)
    names = dataset.features["ner_tags"].feature
    assert [names.int2str(tag) for tag in row["ner_tags"]] == [
        *"OOO",
        "B-数值",
        "I-数值",
        "B-单位",
        "O",
    ]
    with pytest.raises(OutputError, match="is there already"):
        write_reports(tmp_path / "set", [report], "datasets")


def test_what_is_no_dataset(tmp_path: Path) -> None:
    from datasets import Dataset

    with pytest.raises(FormatError, match="save_to_disk"):
        list(read_drafts(tmp_path, "datasets"))
    Dataset.from_list([{"text": "县"}]).save_to_disk(str(tmp_path / "a"))
    with pytest.raises(FormatError, match="no column spans"):
        list(read_drafts(tmp_path / "a"))
    Dataset.from_list([{"text": "县", "spans": [{"begin": 0}]}]).save_to_disk(str(tmp_path / "b"))
    (problem,) = read_drafts(tmp_path / "b")
    assert isinstance(problem, Problem)
    assert "row 1" in str(problem)


# ---- which format


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.json", '[{"data": {}}]', "labelstudio"),
        ("a.json", '{"text": "a", "label": {}}', "cluener"),
        ("a.json", '{"id": 0, "text": "a"}', "cluener"),
        ("a.jsonl", '{"text": "a", "label": []}', "doccano"),
        ("a.jsonl", '{"text": "a", "entities": []}', "doccano"),
        ("a.jsonl", '{"id": "a", "text": "a", "spans": []}', "report"),
        ("a.jsonl", "{", "report"),
        ("a.txt", "---\nid: a\n---\n县\n", "tagged"),
        ("a.txt", "\n县 O\n", "columns"),
        ("a.bmes", "县 O\n", "bmes"),
        ("a.conll", "-DOCSTART-\n", "columns"),
    ],
)
def test_detection(tmp_path: Path, name: str, content: str, expected: str) -> None:
    assert detect(write(tmp_path / name, content)) == expected


@pytest.mark.parametrize(("name", "content"), [("a.txt", "县里的事。"), ("a.json", '{"a": 1}')])
def test_what_cannot_be_detected(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(FormatError, match="name it with --from"):
        detect(write(tmp_path / name, content))


# ---- convert


def _broken(path: Path) -> Path:
    rows = [
        ("甲", "科局 达3件", [(0, 3, "机构"), (4, 5, "数值")]),
        ("乙", "科局达3件", [(0, 2, "机构"), (1, 5, "企业名")]),
        ("丙", "科局", [(0, 2, "地点")]),
        ("丁", "科局", [(0, 9, "机构")]),
        ("甲", "件", []),
        ("戊", "科局", [(0, 2, "机构")]),
    ]
    lines = [
        json.dumps({"report_id": name, "text": text, "label": spans}, ensure_ascii=False)
        for name, text, spans in rows
    ]
    return write(path, "\n".join(lines))


def _kinds(problems: tuple[Problem, ...]) -> Iterator[tuple[str, str]]:
    for problem in problems:
        yield problem.where.split(":")[1].strip(), problem.kind


def test_convert_leaves_broken_reports_out_and_names_them(tmp_path: Path) -> None:
    path = _broken(tmp_path / "a.jsonl")
    done = convert(path, tmp_path / "b.jsonl")
    assert [report.id for report in read_jsonl(tmp_path / "b.jsonl")] == ["戊"]
    assert (done.reports, done.left_out, done.unknown) == (1, 5, {"地点": 1})
    assert sorted(_kinds(done.problems)) == [
        ("1", "edge"),
        ("2", "overlap"),
        ("3", "label"),
        ("4", "bounds"),
        ("5", "id"),
    ]


def test_convert_mends_what_it_is_told_to(tmp_path: Path) -> None:
    path = _broken(tmp_path / "a.jsonl")
    done = convert(path, tmp_path / "b.jsonl", renames={"地点": ""}, fix=True, longest=True)
    reports = {report.id: report for report in read_jsonl(tmp_path / "b.jsonl")}
    assert [span.key for span in reports["甲"].spans] == [(0, 2, "机构"), (4, 5, "数值")]
    assert [span.key for span in reports["乙"].spans] == [(1, 5, "企业名")]
    assert reports["丙"].spans == ()
    assert sorted(_kinds(done.problems)) == [("4", "bounds"), ("5", "id")]
    assert sorted(_kinds(done.notes)) == [("1", "moved"), ("2", "left-out"), ("3", "left-out")]


def test_labels_of_the_file_and_renames(tmp_path: Path) -> None:
    path = write(tmp_path / "a.bio", "A B-ORG\nB B-PER\n")
    done = convert(path, tmp_path / "b.jsonl", labels=None, renames={"ORG": "机构"})
    assert done.spans == {"机构": 1, "PER": 1}
    (report,) = read_jsonl(tmp_path / "b.jsonl", ("机构", "PER"))
    assert [span.key for span in report.spans] == [(0, 1, "机构"), (1, 2, "PER")]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["good.jsonl", "out.bio"], 0, "out.bio: 1 reports, 1 spans (机构 1)"),
        (["bad.jsonl", "out.jsonl"], 1, "bad.jsonl:4: span (0, 9, 机构): outside the text"),
        (["bad.jsonl", "out.jsonl"], 1, "unknown labels: 地点 1; name them with --labels"),
        (["bad.jsonl", "out.jsonl", "--labels", "x"], 1, "not written"),
        (["good.jsonl", "good.jsonl"], 2, "is the input too"),
        (["none.jsonl", "out.jsonl"], 2, "no such file"),
        (["good.jsonl", "out.json"], 2, "name it with --to"),
        (["good.jsonl", "out.bio", "--map", "x"], 2, "write OLD=NEW"),
        (["empty.jsonl", "out.bio"], 2, "no annotated text in it"),
        (["good.jsonl", "no/folder/out.bio"], 2, "cannot write here"),
    ],
)
def test_program(
    arguments: list[str],
    status: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_jsonl("good.jsonl", [Report("a", "科局", (Span(0, 2, "机构"),))])
    _broken(Path("bad.jsonl"))
    Path("empty.jsonl").touch()
    try:
        main(arguments)
        found = 0
    except SystemExit as stop:
        found = int(stop.code or 0)
    printed = capsys.readouterr()
    assert found == status, printed
    assert said in printed.out + printed.err
    if status == 2:
        assert not list(tmp_path.glob("out*"))


def test_problems_file(tmp_path: Path) -> None:
    path = _broken(tmp_path / "a.jsonl")
    with pytest.raises(SystemExit):
        main([str(path), str(tmp_path / "b.jsonl"), "--fix", "--problems", str(tmp_path / "p")])
    lines = [json.loads(line) for line in (tmp_path / "p").read_text("utf-8").splitlines()]
    assert {line["kind"] for line in lines} == {"overlap", "label", "bounds", "id", "moved"}
    assert [line["kind"] for line in lines if line["note"]] == ["moved"]
