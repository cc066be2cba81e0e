"""Project, import and export against a real Label Studio server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from annotation.__main__ import main
from annotation.choosing import choose
from annotation.client import Connection, connect
from annotation.export import Exported, export_project
from annotation.importing import Imported, Incoming, import_reports
from annotation.intake import import_files
from annotation.interface import labelling_interface
from annotation.merging import merge
from annotation.project import create_project, find_project
from annotation.regions import to_regions
from annotation.tasks import Suggestion, content_hash, list_tasks, task_data
from zhibiao import Report, ServerError, Span, read_jsonl, read_tagged, write_jsonl
from zhibiao.errors import FormatError
from zhibiao.journal import Journal
from zhibiao.sources import find_sources

NASTY = {
    "surrogate pairs": "𠮷县科技局发放𬱖种子36斤，𡋾水库蓄水。",
    "emoji": "👨‍👩‍👧‍👦家庭农场36家😀，🇨🇳增长5%。",
    "combining": "e\u0301clair公司产值36万元，a\u0308\u0323b。",
    "wide spaces": "\u3000\u3000全县\u3000专利\u00a036\u2003件。\u200b完\ufeff。",
    "tabs": "指标\t数值\t单位\n专利\t36\t件\n\n\n\t末尾",
    "html": "<b>专利</b>&nbsp;36&lt;件&gt;<script>alert('36')</script><!-- 件 -->{{ 36 }} $text",
    "address": "https://example.invalid/36.txt",
    "quotes": "\"专利\"'36'`件`\\n\\u0033\\36⟦数值|36⟧",
    "spaces": "专利    36        件   。",
    "controls": "专利\x0b36\x0c件\x1f\x7f\x85\u2028件\u2029。",
    "right to left": "专利 \u202e36\u202c 件 עברית 36",
    "percent": "专利%36%件%s%(a)s{0}{a}",
}


def spans_of(text: str) -> tuple[Span, ...]:
    """Every 36 is a value, and 专利 an indicator: places that shift if anything does."""
    found = []
    for needle, label in (("36", "数值"), ("专利", "指标"), ("件", "单位")):
        at = text.find(needle)
        while at >= 0:
            found.append(Span(at, at + len(needle), label, 0.5))
            at = text.find(needle, at + len(needle))
    return tuple(sorted(found))


def suggest(texts: Sequence[str]) -> Iterator[tuple[Suggestion, ...]]:
    for text in texts:
        yield (Suggestion(spans_of(text), "finder-1"),)


def incoming(reports: dict[str, str]) -> list[Incoming]:
    return [Incoming(task_data(name, text, f"{name}.txt")) for name, text in reports.items()]


@pytest.fixture
def connection(label_studio: Any) -> Connection:
    return connect(label_studio.url, label_studio.token)


@pytest.fixture
def project(connection: Connection) -> int:
    return create_project(connection, f"测试 {uuid4().hex[:12]}").id


def put(connection: Connection, project: int, reports: dict[str, str]) -> Imported:
    return import_reports(connection, project, incoming(reports), suggest)


def tasks_of(connection: Connection, project: int) -> list[Any]:
    listed: Any = connection.api.tasks.list(project=project, fields="all", page_size=500)
    return sorted(listed, key=lambda task: task.id)


def problem_lines(folder: Path) -> list[Any]:
    lines = (folder / "problems.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def address(connection: Connection) -> list[str]:
    return ["--url", connection.url, "--token", connection.token]


def annotate(connection: Connection, task: int, spans: Sequence[Span], **more: Any) -> int:
    made: Any = connection.api.annotations.create(task, result=to_regions(spans), **more)
    return int(made.id)


def export(connection: Connection, project: int, folder: Path, **more: Any) -> Exported:
    return export_project(connection, project, folder, **more)


# --- project -------------------------------------------------------------------------------


def test_create_twice_changes_nothing(connection: Connection) -> None:
    title = f"测试 {uuid4().hex[:12]}"
    first = create_project(connection, title)
    assert first.changed == ("新建",)
    assert create_project(connection, title) == type(first)(first.id, title, ())
    assert find_project(connection, title) == find_project(connection, str(first.id)) == first.id


def test_create_repairs_what_was_changed(connection: Connection, project: int) -> None:
    api = connection.api.projects
    api.update(project, expert_instruction="空", maximum_annotations=3)
    title = api.get(project).title
    assert title is not None
    made = create_project(connection, title)
    assert set(made.changed) == {"expert_instruction", "maximum_annotations"}
    instruction = api.get(project).expert_instruction
    assert instruction is not None
    assert "企业名" in instruction
    assert "⟦" not in instruction


def test_project_of_another_kind_is_refused(connection: Connection) -> None:
    title = f"别的 {uuid4().hex[:12]}"
    config = labelling_interface().replace("企业名", "公司")
    other: Any = connection.api.projects.create(title=title, label_config=config)
    task: Any = {"data": {"text": "甲", "report_id": "1"}}
    connection.api.projects.import_tasks(other.id, request=[task])
    with pytest.raises(ServerError, match="六个标签"):
        create_project(connection, title)
    with pytest.raises(ServerError, match="公司"):
        find_project(connection, title)
    assert "公司" in (connection.api.projects.get(other.id).label_config or "")


def test_two_projects_of_one_title_are_not_guessed_between(connection: Connection) -> None:
    title = f"同名 {uuid4().hex[:12]}"
    for _ in range(2):
        connection.api.projects.create(title=title, label_config=labelling_interface())
    with pytest.raises(ServerError, match="有 2 个项目"):
        create_project(connection, title)


def test_title_length_is_checked_here(connection: Connection) -> None:
    with pytest.raises(ServerError, match="3 到 50"):
        create_project(connection, "题" * 51)


# --- round trip ----------------------------------------------------------------------------


def test_nasty_texts_come_back_byte_for_byte(
    connection: Connection, project: int, tmp_path: Path
) -> None:
    long = "".join("第四段，\u3000𠮷😀\t。\n" * 90 + "专利36件。\n" for _ in range(250))[:200_000]
    assert len(long) == 200_000
    texts = NASTY | {"long": long, "crlf in memory": "专利36件\r\n专利36件\r\n"}
    result = put(connection, project, texts)
    assert (result.new, result.failures) == (len(texts), [])
    for task in tasks_of(connection, project):
        text = texts[task.data["report_id"]]
        assert task.data["text"].encode() == text.encode()
        (prediction,) = task.predictions
        places = [(r["value"]["start"], r["value"]["end"]) for r in prediction.result]
        assert places == [(s.start, s.end) for s in spans_of(text)]
        annotate(connection, task.id, spans_of(text))
    exported = {r.id: r for r in export(connection, project, tmp_path).reports}
    for name, text in texts.items():
        assert exported[name].text.encode() == text.encode()
        assert [s.key for s in exported[name].spans] == [s.key for s in spans_of(text)]
    # And from the files that the export wrote.
    for report in read_jsonl(tmp_path / "reports.jsonl"):
        assert report.text == texts[report.id]
    tagged = {r.id: r for r in map(read_tagged, (tmp_path / "tagged").glob("*.txt"))}
    for name, text in texts.items():
        if "\r" not in text:
            assert tagged[name].text == text
            assert [s.key for s in tagged[name].spans] == [s.key for s in spans_of(text)]
    assert "crlf in memory" not in tagged  # tagged text cannot hold it, and it is said:
    assert [problem["kind"] for problem in problem_lines(tmp_path)] == ["tagged"]


def test_files_of_every_kind_become_tasks(
    connection: Connection, project: int, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "crlf.txt").write_bytes("专利36件\r\n共计36件\r\n".encode("gb18030"))
    (tmp_path / "broken.docx").write_bytes(b"PK\x03\x04 no")
    given = Report("给定", "专利 36 件", (Span(0, 2, "指标"), Span(3, 5, "数值")), {"genre": "甲"})
    write_jsonl(tmp_path / "reports.jsonl", [given])
    sources, unmatched = find_sources([str(root / "data" / "samples"), str(tmp_path)])
    assert not unmatched
    with Journal(0, quiet=True) as journal:
        result = import_files(connection, project, sources, suggest, journal, given=True)
    assert len(journal.failures) == 1
    assert "broken.docx" in journal.failures[0]
    assert result.new == 8
    tasks = {Path(task.data["report_id"]).name: task for task in tasks_of(connection, project)}
    assert {Path(name).suffix for name in tasks} >= {".txt", ".md", ".html", ".docx", ".pdf"}
    assert tasks["crlf.txt"].data["text"] == "专利36件\n共计36件\n"
    (prediction,) = tasks["给定"].predictions
    assert prediction.model_version == "given"
    assert tasks["给定"].data["meta"] == {"genre": "甲"}
    assert tasks["crlf.txt"].predictions[0].model_version == "finder-1"


# --- import again --------------------------------------------------------------------------


def test_importing_again_adds_nothing(connection: Connection, project: int) -> None:
    reports = {f"r{i}": f"第{i}份，专利36件。" for i in range(450)}
    assert put(connection, project, reports).new == 450
    again = put(connection, project, reports)
    assert (again.new, again.changed, again.unchanged) == (0, 0, 450)
    renamed = put(connection, project, {f"new/{name}": text for name, text in reports.items()})
    assert (renamed.new, renamed.unchanged) == (0, 450)
    assert len(list_tasks(connection, project)) == 450
    assert put(connection, project, reports | {"r450": "专利36件，新。"}).new == 1


def test_the_same_text_twice_in_one_run_is_one_task(connection: Connection, project: int) -> None:
    result = put(connection, project, {"甲": "专利36件", "乙": "专利36件"})
    assert (result.new, result.unchanged) == (1, 1)
    assert "乙" in result.notes[0]


def test_changed_text_replaces_an_untouched_task(connection: Connection, project: int) -> None:
    put(connection, project, {"甲": "专利36件"})
    result = put(connection, project, {"甲": "去年专利36件"})
    assert (result.new, result.changed) == (0, 1)
    (task,) = tasks_of(connection, project)
    assert task.data["text"] == "去年专利36件"
    (prediction,) = task.predictions
    assert [r["value"]["start"] for r in prediction.result] == [2, 4, 6]


@pytest.mark.parametrize("work", ["annotation", "skipped", "draft"])
def test_changed_text_leaves_a_touched_task_alone(
    connection: Connection, project: int, tmp_path: Path, work: str
) -> None:
    put(connection, project, {"甲": "专利36件"})
    (old,) = tasks_of(connection, project)
    if work == "draft":
        connection.api._client_wrapper.httpx_client.request(
            f"api/tasks/{old.id}/drafts",
            method="POST",
            json={"result": to_regions([Span(0, 2, "指标")]), "lead_time": 1},
        )
    else:
        annotate(connection, old.id, [Span(0, 2, "指标")], was_cancelled=work == "skipped")
    result = put(connection, project, {"甲": "去年专利36件"})
    assert (result.new, result.changed) == (1, 0)
    first, second = tasks_of(connection, project)
    assert first.data["text"] == "专利36件"
    assert second.data["text"] == "去年专利36件"
    assert second.data["replaces"] == old.id
    if work == "annotation":
        annotate(connection, second.id, [Span(2, 4, "指标")])
        found = export(connection, project, tmp_path)
        assert [(r.text, [s.key for s in r.spans]) for r in found.reports] == [
            ("去年专利36件", [(2, 4, "指标")])
        ]
        assert [(p.task, p.kind) for p in found.problems] == [(old.id, "superseded")]


def test_tasks_without_suggestions_get_them(connection: Connection, project: int) -> None:
    """What a server leaves that was killed between storing tasks and storing predictions."""
    data = task_data("甲", "专利36件", "甲.txt")
    connection.api.projects.import_tasks(project, request=[{"data": data}])  # type: ignore[list-item]
    assert put(connection, project, {"甲": "专利36件"}).completed == 1
    assert put(connection, project, {"甲": "专利36件"}).unchanged == 1
    (task,) = tasks_of(connection, project)
    assert len(task.predictions) == 1


def test_doubles_made_by_two_machines_are_removed(connection: Connection, project: int) -> None:
    """Another machine imports the same reports while this one is at it."""

    def racing(texts: Sequence[str]) -> Iterator[tuple[Suggestion, ...]]:
        rival = [{"data": task_data(f"r{i}", f"第{i}份36件", "x")} for i in range(3)]
        connection.api.projects.import_tasks(project, request=rival)  # type: ignore[arg-type]
        yield from suggest(texts)

    reports = {f"r{i}": f"第{i}份36件" for i in range(3)}
    result = import_reports(connection, project, incoming(reports), racing)
    assert len(result.notes) == 3
    texts = [row.data["text"] for row in list_tasks(connection, project)]
    assert sorted(texts) == sorted(reports.values())


def test_a_second_import_at_the_same_time_is_refused(connection: Connection, project: int) -> None:
    started, finish = threading.Event(), threading.Event()

    def slow(texts: Sequence[str]) -> Iterator[tuple[Suggestion, ...]]:
        started.set()
        finish.wait(30)
        yield from suggest(texts)

    def first() -> None:
        import_reports(connection, project, incoming({"甲": "专利36件"}), slow)

    thread = threading.Thread(target=first)
    thread.start()
    try:
        assert started.wait(30)
        with pytest.raises(ServerError, match="另一个窗口"):
            put(connection, project, {"甲": "专利36件"})
    finally:
        finish.set()
        thread.join()
    assert len(list_tasks(connection, project)) == 1


def test_text_edited_on_the_server_is_neither_overwritten_nor_exported(
    connection: Connection, project: int, tmp_path: Path
) -> None:
    put(connection, project, {"甲": "专利36件", "乙": "专利36件，乙。"})
    first, second = tasks_of(connection, project)
    annotate(connection, first.id, spans_of("专利36件"))
    annotate(connection, second.id, spans_of("专利36件，乙。"))
    edited = dict(first.data) | {"text": "今年专利36件"}
    connection.api.tasks.update(str(first.id), data=edited)
    result = put(connection, project, {"甲": "专利36件"})
    assert any("改过" in note for note in result.notes)
    found = export(connection, project, tmp_path)
    assert [report.id for report in found.reports] == ["乙"]
    assert (first.id, "edited") in [(p.task, p.kind) for p in found.problems]
    assert f"/projects/{project}/data?task={first.id}" in found.problems[0].link


def test_kill_the_server_in_the_middle_of_an_import(own_label_studio: Any) -> None:
    server = own_label_studio()
    connection = connect(server.url, server.token)
    project = create_project(connection, "测试 中断").id
    reports = {f"r{i}": f"第{i}份，专利36件。" for i in range(900)}
    asked = 0
    killer = threading.Timer(0.05, server.kill)

    def deadly(texts: Sequence[str]) -> Iterator[tuple[Suggestion, ...]]:
        nonlocal asked
        asked += 1
        if asked == 3:
            # The third request is being handled when the server dies.
            killer.start()
        yield from suggest(texts)

    with pytest.raises(ServerError, match="再执行一次"):
        import_reports(connection, project, incoming(reports), deadly)
        put(connection, project, {"z": "若前面恰好没被打断，这里也连不上36"})
    killer.join()
    server.start()
    server.wait_healthy()
    connection = connect(server.url, server.token)
    result = import_reports(connection, project, incoming(reports), suggest)
    assert result.unchanged >= 400
    assert result.new + result.completed + result.unchanged == 900
    tasks = tasks_of(connection, project)
    assert sorted(task.data["text"] for task in tasks) == sorted(reports.values())
    assert {len(task.predictions) for task in tasks} == {1}


# --- export --------------------------------------------------------------------------------


def test_export_fetches_only_what_changed(
    connection: Connection, project: int, tmp_path: Path
) -> None:
    put(connection, project, {f"r{i}": f"第{i}份，专利36件。" for i in range(6)})
    tasks = tasks_of(connection, project)
    made = [annotate(connection, t.id, spans_of(t.data["text"])) for t in tasks[:4]]
    first = export(connection, project, tmp_path)
    assert (len(first.reports), first.fetched, first.untouched) == (4, 4, 2)
    assert export(connection, project, tmp_path).fetched == 0
    connection.api.annotations.update(made[1], result=to_regions([Span(0, 1, "机构")]))
    connection.api.annotations.delete(made[2])
    connection.api.tasks.delete(str(tasks[3].id))
    annotate(connection, tasks[5].id, [])
    again = export(connection, project, tmp_path)
    assert again.fetched == 2
    assert again.removed == (tasks[2].id, tasks[3].id)
    found = {report.id: [s.key for s in report.spans] for report in again.reports}
    assert found.keys() == {"r0", "r1", "r5"}
    assert found["r1"] == [(0, 1, "机构")]
    assert found["r5"] == []
    full = export(connection, project, tmp_path, full=True)
    assert full.fetched == 3
    assert [r.to_dict() for r in full.reports] == [r.to_dict() for r in again.reports]


def test_annotators_are_kept_apart_and_one_is_chosen(
    connection: Connection, project: int, tmp_path: Path
) -> None:
    put(connection, project, {"甲": "专利36件", "乙": "专利36件，乙。"})
    first, second = tasks_of(connection, project)
    name = f"li-{uuid4().hex[:8]}@localhost.local"
    li = connection.api.users.create(email=name, username=name, first_name="李", last_name="四")
    me = connection.api.users.whoami()
    wide, narrow = [Span(0, 5, "指标")], [Span(0, 2, "指标")]
    mine = annotate(connection, first.id, wide)
    annotate(connection, first.id, narrow, completed_by=li.id)
    annotate(connection, second.id, narrow)
    skipped = annotate(connection, second.id, [], completed_by=li.id, was_cancelled=True)

    def chosen(rule: str) -> dict[str, list[Any]]:
        result = export(connection, project, tmp_path, rule=rule)
        return {report.id: [s.key for s in report.spans] for report in result.reports}

    assert chosen("latest") == {"甲": [(0, 2, "指标")], "乙": [(0, 2, "指标")]}
    assert chosen(f"annotator:{name}") == {"甲": [(0, 2, "指标")]}
    assert chosen(f"annotator:{me.email}")["甲"] == [(0, 5, "指标")]
    assert chosen("adjudicated") == {"乙": [(0, 2, "指标")]}
    problems = problem_lines(tmp_path)
    assert {(p["kind"], p["task"]) for p in problems} == {
        ("undecided", first.id),
        ("skipped", second.id),
    }
    assert next(p for p in problems if p["kind"] == "skipped")["annotation"] == skipped
    connection.api.annotations.update(mine, ground_truth=True)
    assert chosen("adjudicated")["甲"] == [(0, 5, "指标")]
    files = {path.stem: list(read_jsonl(path)) for path in (tmp_path / "annotators").iterdir()}
    assert {key: [r.id for r in reports] for key, reports in files.items()} == {
        str(me.email): ["甲", "乙"],
        name: ["甲"],
    }
    with pytest.raises(FormatError, match="annotator:"):
        export(connection, project, tmp_path, rule="lastest")


def test_bad_annotations_are_named_with_task_and_link(
    connection: Connection, project: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(connection, project, {"甲": "专利36件"})
    (task,) = tasks_of(connection, project)
    bad = to_regions(
        [Span(0, 2, "指标"), Span(2, 99, "数值"), Span(1, 4, "单位"), Span(4, 5, "xx")]
    )
    connection.api.annotations.create(task.id, result=bad)
    status = main(
        ["export", "--output", str(tmp_path), "--project", str(project), *address(connection)]
    )
    assert status == 1
    said = capsys.readouterr().out
    assert said.count(f"{connection.url}/projects/{project}/data?task={task.id}") == 3
    (report,) = read_jsonl(tmp_path / "reports.jsonl")
    assert [s.key for s in report.spans] == [(1, 4, "单位")]


def test_relations_survive(connection: Connection, project: int, tmp_path: Path) -> None:
    put(connection, project, {"甲": "专利36件"})
    (task,) = tasks_of(connection, project)
    regions = to_regions([Span(0, 2, "指标"), Span(2, 4, "数值")])
    relation = {
        "type": "relation",
        "from_id": regions[0]["id"],
        "to_id": regions[1]["id"],
        "direction": "right",
        "labels": ["取值"],
    }
    connection.api.annotations.create(task.id, result=[*regions, relation])
    (report,) = export(connection, project, tmp_path).reports
    assert report.meta["relations"] == [[0, 2, 2, 4]]


def test_a_folder_of_another_project_is_refused(
    connection: Connection, project: int, tmp_path: Path
) -> None:
    put(connection, project, {"甲": "专利36件"})
    (task,) = tasks_of(connection, project)
    annotate(connection, task.id, [])
    export(connection, project, tmp_path)
    before = (tmp_path / "reports.jsonl").read_bytes()
    other = create_project(connection, f"测试 {uuid4().hex[:12]}").id
    with pytest.raises(FormatError, match="换一个输出文件夹"):
        export(connection, other, tmp_path)
    assert (tmp_path / "reports.jsonl").read_bytes() == before


def test_adjudication_goes_round(connection: Connection, tmp_path: Path) -> None:
    title = f"测试 {uuid4().hex[:12]}"
    project = create_project(connection, title).id
    put(connection, project, {"甲": "专利36件", "乙": "专利36件，乙。"})
    first, second = tasks_of(connection, project)
    name = f"wang-{uuid4().hex[:8]}@localhost.local"
    wang = connection.api.users.create(email=name, username=name, first_name="王", last_name="五")
    annotate(connection, first.id, [Span(0, 5, "指标")])
    annotate(connection, first.id, [Span(0, 2, "指标")], completed_by=wang.id)
    for who in ({}, {"completed_by": wang.id}):
        annotate(connection, second.id, [Span(0, 2, "指标")], **who)
    export(connection, project, tmp_path)
    words = ["--project", title, *address(connection)]
    for _ in range(2):  # safe to repeat
        assert main(["adjudicate", str(tmp_path), *words]) == 0
    court = find_project(connection, f"{title}·裁决")
    (case,) = tasks_of(connection, court)
    assert case.data["report_id"] == "甲"
    versions = {p.model_version: p.result[0]["value"]["end"] for p in case.predictions}
    assert versions == {name: 2, str(connection.api.users.whoami().email): 5}
    annotate(connection, case.id, [Span(0, 2, "指标"), Span(2, 4, "数值")])
    decided = export(connection, project, tmp_path, rule="adjudicated")
    assert {r.id: len(r.spans) for r in decided.reports} == {"甲": 2, "乙": 1}
    assert decided.problems == ()


# --- merge ---------------------------------------------------------------------------------


def test_merge_into_a_corpus(tmp_path: Path) -> None:
    report = Report("2016/总结.docx", "专利36件", (Span(0, 2, "指标"),), {"source": "a", "task": 3})
    assert merge([report], tmp_path).new == 1
    assert merge([report], tmp_path).unchanged == 1
    better = Report(report.id, report.text, (Span(0, 2, "指标"), Span(2, 4, "数值")))
    assert merge([better], tmp_path, genre="agriculture").updated == 1
    held = read_tagged(tmp_path / "reports" / "2016-总结.txt")
    assert (held.id, held.text, len(held.spans)) == ("2016-总结", "专利36件", 2)
    assert held.meta == {"genre": "other", "source": "a"}
    other = [
        Report("2016/总结.pdf", "另一份"),
        Report("副本", "专利36件"),
        Report("v1.2", "第三份"),
    ]
    result = merge(other, tmp_path)
    assert (result.new, len(result.refused)) == (1, 2)
    assert (tmp_path / "reports" / "v1.2.txt").is_file()
    assert read_tagged(tmp_path / "reports" / "2016-总结.txt").spans == held.spans


# --- bad servers ---------------------------------------------------------------------------


def test_wrong_token(label_studio: Any) -> None:
    with pytest.raises(ServerError, match="令牌被拒绝"):
        connect(label_studio.url, "0" * 40)
    with pytest.raises(ServerError, match="非英文"):
        connect(label_studio.url, "令牌")


def test_server_down() -> None:
    with pytest.raises(ServerError, match="连不上"):
        connect("http://127.0.0.1:9", "x")


@pytest.mark.parametrize("url", ["", "127.0.0.1:8080", "ftp://host"])
def test_not_an_address(url: str) -> None:
    with pytest.raises(ServerError, match="网址"):
        connect(url, "x")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ('{"release": "1.9.1"}', "1.9.1"),
        ("<html>welcome</html>", "不是 Label Studio"),
        ("[]", "不是 Label Studio"),
    ],
)
def test_another_server(answer: str, said: str, other_server: Callable[[str], str]) -> None:
    with pytest.raises(ServerError, match=said):
        connect(other_server(answer), "x")


@pytest.fixture
def other_server() -> Iterator[Callable[[str], str]]:
    """Something else that listens: answers every GET with the given body."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    servers: list[ThreadingHTTPServer] = []

    def start(body: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


# --- the program ---------------------------------------------------------------------------


def test_interrupting_an_import_keeps_what_was_done(
    connection: Connection, project: int, tmp_path: Path
) -> None:
    """Ctrl-C in the real program, then the same command again."""
    path = tmp_path / "reports.jsonl"
    write_jsonl(path, [Report(f"r{i}", f"第{i}份，专利36件。" * 20) for i in range(1500)])
    command = [sys.executable, "-m", "annotation", "import", str(path), "--project", str(project)]
    command += ["--suggestions", "none", *address(connection)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list_tasks(connection, project) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "接着做" in errors
    assert 0 < len(list_tasks(connection, project)) < 1500
    assert subprocess.run(command, check=False).returncode == 0
    texts = {row.data["text"] for row in list_tasks(connection, project)}
    assert len(texts) == len(list_tasks(connection, project)) == 1500


def test_rule_and_hash() -> None:
    assert choose([], "latest") is None
    assert content_hash("甲") != content_hash("甲 ")
