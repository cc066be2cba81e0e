"""Which reports make which part, with which ids, also when files come, change and go."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.archive.plan import Plan
from zhibiao.errors import OutputError
from zhibiao.inputs import Input, read_inputs, single_reports
from zhibiao.journal import Journal
from zhibiao.sources import Source, find_sources


class Notes(Journal):
    """Keeps failures and prints nothing."""

    def __init__(self) -> None:
        super().__init__(0, quiet=True)

    def failure(self, line: str, size: int = 0, *, source: str = "") -> None:
        self.failures.append(f"{source} {line}")


def sources_in(folder: Path) -> list[Source]:
    return find_sources([str(folder)])[0]


def planned(folder: Path, part: int = 3) -> Plan:
    plan = Plan({"part": part})
    plan.update(plan.fresh(sources_in(folder)))
    return plan


def read(sources: Iterable[Source]) -> tuple[list[Input], list[str]]:
    notes = Notes()
    return list(read_inputs(sources, notes)), notes.failures


def facts(inputs: Sequence[Input]) -> list[tuple[str, str, str]]:
    return [(one.id, one.source, one.text) for one in inputs]


def write_lines(path: Path, items: Iterable[tuple[str, str]]) -> None:
    lines = (json.dumps({"id": one, "text": text}, ensure_ascii=False) for one, text in items)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


LINE = st.one_of(
    st.sampled_from(["a", "b", "c.txt", "y.jsonl#a", "x.jsonl#a"]).map(
        lambda own: json.dumps({"id": own, "text": "产值"})
    ),
    st.sampled_from(
        ["", "  ", "{", "\ufeff", '{"id": "", "text": ""}', '{"id": "d", "text": "\\ud800"}']
    ),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(LINE, max_size=9), st.lists(LINE, max_size=9), st.integers(1, 5))
def test_parts_read_as_the_whole(
    tmp_path_factory: pytest.TempPathFactory, first: list[str], second: list[str], size: int
) -> None:
    folder = tmp_path_factory.mktemp("reports")
    (folder / "c.txt").write_text("总结", encoding="utf-8")
    (folder / "x.jsonl").write_text("\n".join(first), encoding="utf-8")
    (folder / "y.jsonl").write_text("\r\n".join(second) + "\n", encoding="utf-8")
    whole, failures = read(sources_in(folder))
    plan = planned(folder, size)
    plan.write(folder / "plan")
    again = Plan.read(folder / "plan")
    assert again.parts == plan.parts
    assert [part.digest for part in again.parts] == [part.digest for part in plan.parts]
    # Every part is read by itself, as another process would.
    parts = [read(part.sources) for part in again.parts]
    assert facts([one for inputs, _ in parts for one in inputs]) == facts(whole)
    assert [line for _, lines in parts for line in lines] == failures
    assert all(len(inputs) + len(lines) <= size for inputs, lines in parts)
    assert sum(part.size for part in plan.parts) <= sum(s.size for s in sources_in(folder))
    # And every report by itself.
    singles = [
        one for part in again.parts for source in part.sources for one in single_reports(source)
    ]
    assert facts([one for single in singles for one in read([single])[0]]) == facts(whole)


def test_new_files_make_new_parts(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [("一", "x"), ("二", "x")])
    plan = planned(tmp_path)
    before = list(plan.parts)
    (tmp_path / "0.txt").write_text("先到的名字", encoding="utf-8")
    write_lines(tmp_path / "b.jsonl", [("一", "y"), ("0.txt", "y"), ("三", "y")])
    plan.write(tmp_path / "plan")
    for other in (plan, Plan.read(tmp_path / "plan")):
        sources = sources_in(tmp_path)
        assert [one.id for one in other.fresh(sources)] == ["0.txt", "b.jsonl"]
        assert other.update(other.fresh(sources)) == []
        assert other.fresh(sources) == []
        assert other.parts[:1] == before
        ids = [one.id for part in other.parts for one in read(part.sources)[0]]
        assert ids == ["一", "二", "0.txt", "b.jsonl#一", "b.jsonl#0.txt", "三"]
        assert [len(read(part.sources)[0]) for part in other.parts] == [2, 3, 1]


def test_a_changed_document_keeps_its_place(tmp_path: Path) -> None:
    for number in range(7):
        (tmp_path / f"{number}.txt").write_text("报告", encoding="utf-8")
    plan = planned(tmp_path)
    before = [part.digest for part in plan.parts]
    (tmp_path / "4.txt").write_text("改过的报告", encoding="utf-8")
    (tmp_path / "0.txt").unlink()
    changed = plan.update(plan.fresh(sources_in(tmp_path)))
    assert [one.id for one in changed] == ["4.txt"]
    assert [one.digest == old for one, old in zip(plan.parts, before, strict=True)] == [
        True, False, True,
    ]  # fmt: skip
    assert [one.text for one in read(plan.parts[1].sources)[0]] == ["报告", "改过的报告", "报告"]
    assert plan.absent(sources_in(tmp_path)) == {str(tmp_path / "0.txt")}


@pytest.mark.parametrize(
    ("lines", "same", "ids"),
    [
        ("abcdefg", [True, True, True], ["abc", "def", "g"]),
        ("abcdefgh", [True, True, True], ["abc", "def", "g", "h"]),
        ("abcDefghij", [True, False, True], ["abc", "Def", "g", "hij"]),
        ("abxcdefg", [False, False, False], ["abx", "cde", "f", "g"]),
        ("abcd", [True, False, False], ["abc", "d", ""]),
        ("", [False, False, False], ["", "", ""]),
    ],
)
def test_a_changed_jsonl_fills_its_places_again(
    lines: str, same: list[bool], ids: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    write_lines(path, [(one, "x") for one in "abcdefg"])
    plan = planned(tmp_path)
    before = [part.digest for part in plan.parts]
    write_lines(path, [(one, "x") for one in lines])
    (source,) = sources_in(tmp_path)
    plan.update([replace(source, modified=1)])
    assert [one.digest == old for one, old in zip(plan.parts, before, strict=False)] == same
    assert ["".join(one.id for one in read(part.sources)[0]) for part in plan.parts] == ids


def test_a_large_report_is_a_part_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.archive.plan._PART_BYTES", 40)
    for number, size in enumerate((10, 10, 90, 10, 10, 30)):
        (tmp_path / f"{number}.txt").write_text("x" * size, encoding="utf-8")
    assert [[one.id[0] for one in part.sources] for part in planned(tmp_path, 9).parts] == [
        ["0", "1"], ["2"], ["3", "4"], ["5"],
    ]  # fmt: skip


def test_names_that_are_no_characters(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in (b"\xff.txt", b"\xfe.txt"):
        with open(bytes(folder) + b"/" + name, "w") as stream:
            stream.write("报告")
    plan = planned(folder)
    plan.write(tmp_path / "plan")
    inputs, failures = read(Plan.read(tmp_path / "plan").parts[0].sources)
    assert [one.text for one in inputs] == ["报告", "报告"]
    assert len({one.id for one in inputs}) == 2
    assert failures == []


@pytest.mark.parametrize("text", ["", "{}", '{"version": 99}', "[1]", '{"version": 1}'])
def test_what_is_no_plan(text: str, tmp_path: Path) -> None:
    (tmp_path / "plan").write_text(text)
    with pytest.raises(OutputError, match="plan"):
        Plan.read(tmp_path / "plan")
