"""From files to a corrected table in a real browser, over the real service."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from openpyxl import load_workbook
from playwright.sync_api import Browser, Download, Page, expect

from tests.analyst import Analyst, served
from tests.browser import chromium
from tests.documents import docx_bytes
from zhibiao import Extractor

TOKEN = "a-token-of-the-tests"
EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>"
# Full-width and astral characters stand before everything that is touched.
PASTED = f"𠮷岭县2022年公报😀{EVIL}\n全县粮食产量达到42万吨，同比增长3.1%。\n"
PARAGRAPHS = (
    "云杉县科技局2021年工作总结",
    "2021年，全县专利申请量达813件，同比增长78.5%；其中发明专利156件。",
    "全年培育高新技术企业24家，恒川机电有限公司实现产值3.5亿元，获资助36万元。",
    "下一步计划：到2022年，力争高新技术企业达到30家以上，研发投入强度超过2.1%。",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(embedded: Extractor) -> Iterator[str]:
    with served(embedded, readers=1) as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="zh-CN")
    yield context.new_page()
    context.close()


@pytest.fixture
def analyst(page: Page, address: str) -> Iterator[Analyst]:
    person = Analyst(page, address)
    yield person
    assert person.complaints == []


def summary() -> tuple[str, bytes]:
    """A Word file of invented text."""

    def fill(document: Any) -> None:
        for paragraph in PARAGRAPHS:
            document.add_paragraph(paragraph)

    return "云杉县总结.docx", docx_bytes(fill)


def sheet(download: Download) -> list[dict[str, Any]]:
    book = load_workbook(io.BytesIO(download.path().read_bytes()))
    heads, *rows = book["记录"].iter_rows(values_only=True)
    return [dict(zip(map(str, heads), row, strict=True)) for row in rows]


def test_from_files_to_a_corrected_workbook(analyst: Analyst, embedded: Extractor) -> None:
    page = analyst.page
    analyst.give(summary(), ("坏.pdf", b"%PDF-1.4 broken"))
    analyst.paste(PASTED)
    expect(page.get_by_role("status").first).to_contain_text("3 份，1 份失败")
    failed = page.locator(".file.failed")
    assert failed.locator(".file-name").inner_text() == "坏.pdf"
    assert "坏.pdf" in failed.locator("small").inner_text()
    expect(failed.get_by_role("button", name="重试：坏.pdf")).to_be_enabled()

    # The page shows what the extractor finds: every span, every row.
    text = "\n".join(PARAGRAPHS)
    records = embedded.extract_records(text)
    spans = embedded.extract(text)
    assert page.locator("#report").inner_text().strip() == text
    assert page.locator("#report mark").all_inner_texts() == [
        text[span.start : span.end] for span in spans
    ]
    assert [value.split(" ")[-1] for _, _, value in analyst.cells()] == [
        one.value.text + (one.unit.text if one.unit else "") for one in records
    ]
    before = analyst.cells()
    assert ("2021", "发明专利", "156件") in before

    # A click on a row shows its place, one on a value its row.
    analyst.row("156件").locator("td").first.click()
    assert analyst.marked("here") == ["156"]
    assert {"发明专利", "件"} <= set(analyst.marked("part"))
    expect(page.locator("mark.here")).to_be_in_viewport()
    page.locator("#report mark.linked", has_text="813").click()
    expect(page.locator("#records tr[aria-current] .value")).to_have_text("813件")
    expect(page.locator("#records tr[aria-current] .value")).to_be_focused()

    # By keyboard alone: down to the row, to its edit button, a new indicator, Enter.
    while page.locator("#records tr[aria-current] .value").inner_text() != "156件":
        page.keyboard.press("ArrowDown")
    expect(analyst.row("156件").locator(".value")).to_be_focused()
    assert analyst.marked("here") == ["156"]
    page.keyboard.press("Tab")
    assert analyst.focused().startswith("修改：2021 发明专利 156")
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="指标")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text("=发明专利授权量")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(analyst.row("156件").locator(".edit")).to_be_focused()
    edited = analyst.row("156件").locator("td.edited")
    assert edited.count() == 1
    assert edited.get_attribute("title") == "指标原为发明专利"
    assert analyst.marked("part") == ["2021年", "件"]

    # A row is deleted, another too by mistake.
    analyst.row("36万元").locator(".delete").click()
    analyst.row("78.5%").locator(".delete").click()
    page.keyboard.press("Control+z")
    expect(analyst.rows).to_have_count(len(records) - 1)

    found = [row for row in sheet(analyst.download("Excel")) if row["报告"] == "云杉县总结.docx"]
    on_page = analyst.cells()
    assert ("2021", "=发明专利授权量", "156件") in on_page
    assert [
        (str(row["年份"] or "—"), row["指标"] or "—", row["数值原文"] + (row["单位"] or ""))
        for row in found
    ] == [(year, indicator, value.split(" ")[-1]) for year, indicator, value in on_page]
    (changed,) = [row for row in found if row["指标"] == "=发明专利授权量"]
    assert changed["说明"].endswith("人工修改：指标（原为“发明专利”）")


def test_a_pasted_text_runs_nothing_and_counts_characters(analyst: Analyst) -> None:
    page = analyst.page
    analyst.paste(PASTED)
    assert page.locator("#report").inner_text() == PASTED
    assert page.locator("#report img, #report script").count() == 0
    analyst.row("42万吨").locator(".value").click()
    assert analyst.marked("here") == ["42"]
    text = analyst.download("CSV").path().read_bytes().decode("utf-8-sig")
    found = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["报告"] for row in found] == ["粘贴的文字 1"] * len(found) != []


def test_a_file_name_runs_nothing(analyst: Analyst) -> None:
    name = f"{EVIL.replace('/', '')}.txt"
    analyst.give((name, "全县专利申请量达813件。".encode()), (name, "产值达到5亿元。".encode()))
    assert analyst.page.locator(".file-name").all_inner_texts() == [name, name]
    analyst.page.locator("button.file-name").first.click()
    analyst.row("813件").locator(".edit").click()
    analyst.page.get_by_role("textbox", name="指标").fill(EVIL)
    analyst.page.get_by_role("button", name="保存").click()
    assert analyst.page.locator(".pane img, .pane script").count() == 0
    rows = sheet(analyst.download("Excel"))
    assert [row["报告"] for row in rows] == [name, f"{name} (2)"]
    assert rows[0]["指标"] == EVIL
    assert analyst.download("网页").suggested_filename == "records-html.zip"


def test_reports_of_one_file_stand_side_by_side(analyst: Analyst) -> None:
    lines = [
        {"id": "一", "text": "全县专利申请量达813件。"},
        {"id": "二", "text": ""},
        {"id": "三", "text": "产值达到5亿元。", "spans": "x"},
    ]
    body = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode()
    analyst.give(("几份.jsonl", body))
    names = analyst.page.locator(".file-name").all_inner_texts()
    assert names[0] == "几份.jsonl：一"
    assert len(names) == 3
    assert analyst.page.locator(".file.failed").count() == 1


def test_labels_and_rows_are_filtered(analyst: Analyst) -> None:
    page = analyst.page
    analyst.give(summary())
    legend = page.get_by_role("group", name="按标签筛选").get_by_role("button")
    assert legend.count() == 6
    values = page.locator("#report mark.l2").first
    look = "e => getComputedStyle(e).backgroundColor"
    assert values.evaluate(look) == "rgb(255, 185, 9)"
    button = legend.filter(has_text="数值")
    button.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "false")
    assert values.evaluate(look) == "rgba(0, 0, 0, 0)"
    assert page.locator("#report mark.l1").first.evaluate(look) == "rgb(55, 189, 118)"

    everything = analyst.rows.count()
    page.get_by_role("textbox", name="筛选记录").fill("高新技术企业")
    expect(analyst.rows).to_have_count(2)
    page.get_by_role("textbox", name="筛选记录").fill("")
    expect(analyst.rows).to_have_count(everything)
    # The doubtful rows stay in sight while somebody corrects them.
    page.get_by_role("combobox", name="显示").press("Enter")
    page.get_by_role("option", name="低于 0.8").click()
    expect(page.locator("#records td.fair, #records td.low")).to_have_count(analyst.rows.count())
    doubtful = analyst.rows.count()
    assert 0 < doubtful < everything
    analyst.rows.first.locator(".edit").click()
    page.get_by_role("textbox", name="指标").fill("资助金额")
    page.keyboard.press("Enter")
    expect(page.locator("#records td.edited")).to_have_count(1)
    assert analyst.rows.count() == doubtful
    page.get_by_role("combobox", name="显示").press("Enter")
    page.get_by_role("option", name="全部").click()
    expect(analyst.rows).to_have_count(everything)

    head = page.get_by_role("columnheader", name="指标")
    head.get_by_role("button").press("Enter")
    expect(head).to_have_attribute("aria-sort", "ascending")
    indicators = [indicator for _, indicator, _ in analyst.cells()]
    assert len(indicators) == everything
    head.get_by_role("button").press("Enter")
    expect(head).to_have_attribute("aria-sort", "descending")
    assert next(iter(analyst.cells()))[1] == indicators[-1]


def test_arrows_go_from_value_to_value_in_the_text(analyst: Analyst) -> None:
    analyst.give(summary())
    analyst.page.locator("#report").focus()
    analyst.page.keyboard.press("Tab")
    assert analyst.focused() == "813，找到它的记录"
    analyst.page.keyboard.press("ArrowRight")
    assert analyst.focused() == "78.5，找到它的记录"
    analyst.page.keyboard.press("Enter")
    expect(analyst.page.locator("#records tr[aria-current] .value")).to_be_focused()
    expect(analyst.page.locator("#records tr[aria-current] .value")).to_have_text("78.5%")


def test_many_rows_come_in_pages(analyst: Analyst) -> None:
    text = "".join(f"第{n}项：全县专利申请量达{1000 + n}件。\n" for n in range(120))
    analyst.give(("长.txt", text.encode()))
    page = analyst.page
    expect(analyst.rows).to_have_count(100)
    page.locator("#report mark.linked").last.click()
    last = page.locator("#records tr[aria-current] .value")
    expect(last).to_have_text("1119件")
    expect(last).to_be_focused()
    assert analyst.rows.count() < 100
    assert len(sheet(analyst.download("Excel"))) > 100


def test_leaving_with_unsaved_edits_asks_first(page: Page, address: str) -> None:
    analyst = Analyst(page, address)
    analyst.give(("甲.txt", "全县专利申请量达813件。".encode()))
    analyst.row("813件").locator(".delete").click()
    with page.expect_event("dialog"):
        page.close(run_before_unload=True)
    assert [complaint.split(":")[0] for complaint in analyst.complaints] == ["beforeunload"]
    page.keyboard.press("Control+z")
    with page.expect_event("close"):
        page.close(run_before_unload=True)


def test_a_busy_service_is_asked_again(analyst: Analyst) -> None:
    page = analyst.page
    busy = {"error": {"code": "overloaded", "message": "太忙了；请稍后再试"}}
    page.route("**/v1/files", lambda route: route.fulfill(status=503, json=busy), times=1)
    analyst.give(("甲.txt", "全县专利申请量达813件。".encode()))
    assert page.locator(".file.failed small").inner_text() == "失败：太忙了；请稍后再试"
    page.get_by_role("button", name="重试：甲.txt").click()
    expect(analyst.row("813件")).to_be_visible()
    page.route("**/v1/export*", lambda route: route.fulfill(status=504, body="<html>"), times=1)
    page.get_by_role("button", name="下载 Excel").click()
    expect(page.get_by_role("alert").filter(has_text="没有下载成：读取超时")).to_be_visible()


def test_a_service_with_a_token_asks_for_it(page: Page, embedded: Extractor) -> None:
    with served(embedded, token=TOKEN, readers=1) as address:
        analyst = Analyst(page, address)
        analyst.give(("甲.txt", "全县专利申请量达813件。".encode()))
        for given in ("wrong", TOKEN):
            page.get_by_role("textbox", name="口令").fill(given)
            page.keyboard.press("Enter")
            analyst.wait()
        expect(analyst.row("813件")).to_be_visible()
        assert len(sheet(analyst.download("Excel"))) == 1
        kept = "() => [localStorage.length, sessionStorage.length, document.cookie]"
        assert page.evaluate(kept) == [0, 0, ""]
        page.goto("about:blank")
    assert analyst.complaints == []
