"""What annotators do in a real browser, and what the export makes of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser

from annotation.__main__ import main
from annotation.client import Connection, connect
from annotation.interface import COLOURS
from annotation.project import create_project
from tests.browser import Annotator, chromium, sign_in, take_screenshots
from zhibiao import LABELS, Report, read_jsonl, write_jsonl

# Before everything that is touched stand characters of two UTF-16 units, joined emoji, flags and
# full-width spaces: what goes wrong with offsets goes wrong here.
TEXT = (
    "👨‍👩‍👧‍👦𠮷岭县科技局　　2021年工作总结😀\n"
    "　　2021年，全县专利申请量达813件，同比增长78.5%，𠮷祥社区参加评选。\n"
    "🇨🇳全社会研发投入强度为2.1%，依靠群众办好𡋾水夜校，云杉制药有限公司获资助36万元。\n"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def connection(label_studio: Any) -> Connection:
    return connect(label_studio.url, label_studio.token)


@pytest.fixture
def project(connection: Connection) -> int:
    return create_project(connection, f"浏览器 {uuid4().hex[:12]}").id


@pytest.fixture
def annotator(browser: Browser, label_studio: Any) -> Iterator[Annotator]:
    server = label_studio
    with sign_in(browser, server.url, server.username, server.password) as person:
        yield person


def give(connection: Connection, project: int, folder: Path, *reports: Report) -> list[Any]:
    """Import reports with the embedded model's suggestions; the tasks, in order."""
    write_jsonl(folder / "in.jsonl", reports)
    where = ["--project", str(project), "--url", connection.url, "--token", connection.token]
    assert main(["import", str(folder / "in.jsonl"), *where]) == 0
    listed: Any = connection.api.tasks.list(project=project, fields="all")
    return sorted(listed, key=lambda task: task.id)


def export(connection: Connection, project: int, folder: Path) -> int:
    where = ["--project", str(project), "--url", connection.url, "--token", connection.token]
    return main(["export", "--output", str(folder), *where])


def test_what_is_done_in_the_browser_is_what_is_exported(
    annotator: Annotator, connection: Connection, project: int, tmp_path: Path
) -> None:
    (task,) = give(connection, project, tmp_path, Report("甲", TEXT))
    (prediction,) = task.predictions
    suggested = {
        (r["value"]["start"], r["value"]["end"], r["value"]["labels"][0]) for r in prediction.result
    }
    annotator.open_suggested(project, task.id)
    assert annotator.spans() == suggested

    indicator, value, rate, money = (
        place(text, label)
        for text, label in (
            ("专利申请量", "指标"),
            ("813", "数值"),
            ("78.5", "数值"),
            ("36", "数值"),
        )
    )
    assert {indicator, value, rate, money} <= suggested
    drawn = place("𡋾水夜", "机构")
    wanted = place("𡋾水夜校", "机构")

    annotator.delete(*rate[:2])
    annotator.relabel(*money[:2], "5", "年份")
    annotator.draw(*drawn[:2], "1", "机构")
    annotator.resize(*drawn[:2], wanted[1])
    annotator.relate(indicator[:2], value[:2])
    annotator.unselect()
    expected = (suggested - {rate, money}) | {(*money[:2], "年份"), wanted}
    assert annotator.spans() == expected
    annotator.submit()

    assert export(connection, project, tmp_path / "out") == 0
    (report,) = read_jsonl(tmp_path / "out" / "reports.jsonl")
    assert report.text == TEXT
    assert {span.key for span in report.spans} == expected
    assert report.meta["relations"] == [[*indicator[:2], *value[:2]]]


def test_a_skipped_report_is_listed_and_not_exported(
    annotator: Annotator, connection: Connection, project: int, tmp_path: Path
) -> None:
    first, second = give(
        connection, project, tmp_path, Report("甲", TEXT), Report("乙", "全县专利申请量达36件。\n")
    )
    annotator.start_labelling(project)
    annotator.close_instructions()
    annotator.wait_for_report("甲")
    annotator.skip()
    annotator.wait_for_report("乙")
    annotator.suggestion.wait_for()
    accepted = annotator.spans()
    annotator.submit()

    out = tmp_path / "out"
    assert export(connection, project, out) == 0
    (report,) = read_jsonl(out / "reports.jsonl")
    assert report.meta["task"] == second.id
    assert {span.key for span in report.spans} == accepted != set()
    problems = (out / "problems.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(problems) == 1
    assert '"kind": "skipped"' in problems[0]
    assert f'"task": {first.id}' in problems[0]


def test_the_page_speaks_chinese_and_shows_the_labels(
    annotator: Annotator, connection: Connection, project: int, tmp_path: Path
) -> None:
    give(connection, project, tmp_path, Report("长", TEXT * 150))
    annotator.start_labelling(project)
    instructions = annotator.instructions
    for words in ("怎么操作", "通用原则", "提交前检查单"):
        assert instructions.get_by_text(words, exact=True).count() == 1
    examples = instructions.locator("mark")
    assert examples.count() > 100
    assert set(examples.locator("sub").all_inner_texts()) == set(LABELS)
    assert "⟦" not in instructions.inner_text()
    annotator.close_instructions()

    annotator.wait_for_report("长")
    buttons = annotator.page.locator(".zhibiao-head .lsf-label")
    assert buttons.all_inner_texts() == [f"{label}\n{key}" for key, label in enumerate(LABELS, 1)]
    look = "e => { const s = getComputedStyle(e); return s.backgroundColor + s.borderBottomStyle; }"
    colours = [button.evaluate(look) for button in buttons.all()]
    assert len(set(colours)) == len(LABELS) == len(set(COLOURS.values()))
    for label, colour in zip(LABELS, colours, strict=True):
        # A span in the text looks like its button.
        span = annotator.page.locator(f'.htx-highlight[data-label$="{label}"]').first
        assert span.evaluate(look) == colour
    # The buttons stay in sight at the end of a long report.
    annotator.at(len(TEXT) * 150 - 5)
    first = annotator.page.locator(".zhibiao-text .lsf-richtext__line").first.bounding_box()
    assert first is not None
    assert first["y"] < 0
    for button in buttons.all():
        box = button.bounding_box()
        assert box is not None
        assert 0 < box["y"] < 200


def test_screenshots(
    annotator: Annotator,
    connection: Connection,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pictures of docs/annotators.md; ZHIBIAO_SCREENSHOTS names the folder to renew them in."""
    # A title of its own that looks well in the pictures; the server is the run's own.
    project = create_project(connection, "报告标注（示例）").id
    where = ["--project", str(project), "--url", connection.url, "--token", connection.token]
    folder = Path(os.environ.get("ZHIBIAO_SCREENSHOTS") or tmp_path / "images").resolve()
    monkeypatch.chdir(root)
    assert main(["import", "data/samples", *where]) == 0
    made = take_screenshots(annotator, project, folder)
    guide = (root / "docs" / "annotators.md").read_text(encoding="utf-8")
    for path in made:
        assert f"images/{path.name}" in guide
        assert path.stat().st_size < 200_000
        assert (root / "docs" / "images" / path.name).is_file()
    assert guide.count("](images/") == len(made)


def place(text: str, label: str) -> tuple[int, int, str]:
    """Where a string stands in TEXT, which holds it once."""
    assert TEXT.count(text) == 1
    start = TEXT.index(text)
    return start, start + len(text), label
