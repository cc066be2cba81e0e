"""The page for everybody: phone size, keyboard, names, contrast; and its pictures in the docs."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.analyst import Analyst, served
from tests.browser import chromium
from tests.documents import docx_bytes
from zhibiao import Extractor

DESKTOP, PHONE = (1280, 800), (390, 844)
LINES = (
    "云杉县科技局2021年工作总结",
    "2021年，全县专利申请量达813件，同比增长78.5%；其中发明专利156件，企业专利占62%。",
    "全年培育高新技术企业24家，恒川机电有限公司实现产值3.5亿元，云杉制药有限公司获资助36万元。",
    "签订技术合同57项，成交额约1.2亿元。全县研发投入6120万元，比上年增长9.3%。",
    "下一步计划：到2022年，力争高新技术企业达到30家以上，研发投入强度超过2.1%。",
)

_UNNAMED = """
() => [...document.querySelectorAll("a, button, input, textarea, [tabindex], [role=button]")]
  .filter((one) => one.checkVisibility() && !one.closest("[aria-hidden=true]"))
  .filter((one) => !(one.getAttribute("aria-label") || one.textContent.trim() || one.title
    || [...(one.labels ?? [])].some((label) => label.textContent.trim())))
  .map((one) => one.outerHTML)
"""
"""Controls that a screen reader could not name."""

_FAINT = """
() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], below) => [...[r, g, b].map((c, n) => c * a + below[n] * (1 - a)), 1];
  const ground = (one) => {
    const layers = [];
    for (let e = one; e; e = e.parentElement) {
      layers.push(rgba(getComputedStyle(e).backgroundColor));
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
  };
  // Relative luminance and contrast: Web Content Accessibility Guidelines 2.2.
  const light = (color) => {
    const linear = (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = color.map((c) => linear(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const one = node.parentElement;
    const shown = one.checkVisibility({ opacityProperty: true });
    if (!node.data.trim() || !shown || one.closest(":disabled, script, style")) continue;
    const below = ground(one);
    const pair = [light(below), light(over(rgba(getComputedStyle(one).color), below))];
    const contrast = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (contrast < 4.5) found.push(`${node.data.trim().slice(0, 20)} ${contrast.toFixed(2)}`);
  }
  return found;
}
"""
"""Texts with a contrast below 4.5."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(embedded: Extractor) -> Iterator[str]:
    with served(embedded, readers=1) as found:
        yield found


def visit(browser: Browser, address: str, size: tuple[int, int], **options: Any) -> Analyst:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, locale="zh-CN", **options
    )
    return Analyst(context.new_page(), address)


def leave(analyst: Analyst) -> None:
    analyst.page.context.close()
    assert analyst.complaints == []


def summary() -> tuple[str, bytes]:
    def fill(document: Any) -> None:
        for line in LINES:
            document.add_paragraph(line)

    return "云杉县科技局2021年总结.docx", docx_bytes(fill)


def is_narrow(page: Page) -> bool:
    """Whether nothing but a box of its own scrolls sideways."""
    found: bool = page.evaluate(
        "() => document.scrollingElement.scrollWidth <= innerWidth && innerWidth === 390"
    )
    return found


def test_on_a_phone_three_tabs_hold_everything(browser: Browser, address: str) -> None:
    analyst = visit(browser, address, PHONE, has_touch=True, is_mobile=True)
    page = analyst.page
    assert is_narrow(page)
    analyst.give(summary(), ("坏.pdf", b"%PDF-1.4 broken"))
    text, records = page.get_by_role("tab", name="原文"), page.get_by_role("tab", name="记录")
    expect(text).to_have_attribute("aria-selected", "true")
    expect(page.locator("#report mark").first).to_be_visible()
    assert is_narrow(page)
    # From a value to its row and back to its place, each on its own tab.
    page.locator("#report mark.linked", has_text="813").tap()
    expect(records).to_have_attribute("aria-selected", "true")
    expect(page.locator("tr[aria-current] .value")).to_have_text("813件")
    assert is_narrow(page)
    box = analyst.row("156件").locator(".edit").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 390
    analyst.row("156件").locator(".value").tap()
    expect(text).to_have_attribute("aria-selected", "true")
    expect(page.locator("mark.here")).to_be_in_viewport()
    assert analyst.marked("here") == ["156"]
    records.tap()
    analyst.row("156件").locator(".edit").tap()
    page.get_by_role("textbox", name="指标").fill("发明专利授权量")
    assert is_narrow(page)
    page.get_by_role("button", name="保存").tap()
    expect(analyst.row("156件").locator("td.edited")).to_have_count(1)
    page.get_by_role("tab", name="文件").tap()
    expect(page.locator(".file.failed")).to_be_visible()
    assert is_narrow(page)
    leave(analyst)


def test_the_keyboard_reaches_everything_in_order(browser: Browser, address: str) -> None:
    analyst = visit(browser, address, DESKTOP)
    page = analyst.page
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="选择报告文件，可以一次选很多个")).to_be_focused()
        page.keyboard.press("Enter")
    name, data = summary()
    chooser.value.set_files(FilePayload(name=name, mimeType="", buffer=data))
    analyst.wait()
    page.get_by_role("button", name="下载 网页").focus()
    visited = []
    for _ in range(23):
        page.keyboard.press("Tab")
        visited.append(analyst.focused())
        look = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
        assert look == "solid", visited
    assert visited[:3] == ["选择报告文件，可以一次选很多个", "粘贴文字", name]
    legend = [one for one in visited if one.startswith(("机构 ", "指标 ", "数值 ", "企业名 "))]
    assert len(legend) == 4
    wanted = [
        "报告原文",
        "813，找到它的记录",
        "年份",
        "置信度",
        "在原文中定位：2021 专利申请量 813 件",
    ]
    places = [visited.index(one) for one in wanted]
    assert places == sorted(places)
    # Escape closes a dialog and the keyboard is where it was.
    page.get_by_role("button", name="粘贴文字", exact=True).press("Enter")
    expect(page.get_by_label("报告的文字")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="粘贴文字", exact=True)).to_be_focused()
    leave(analyst)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_has_a_name_and_can_be_read(browser: Browser, address: str, scheme: Any) -> None:
    analyst = visit(browser, address, DESKTOP, color_scheme=scheme, reduced_motion="reduce")
    page = analyst.page
    dark = page.evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches")
    assert dark is (scheme == "dark")

    def check() -> None:
        assert page.evaluate(_UNNAMED) == []
        assert page.evaluate(_FAINT) == []

    check()
    analyst.give(summary(), ("坏.pdf", b"%PDF-1.4 broken"))
    analyst.row("156件").locator(".edit").click()
    page.get_by_role("textbox", name="指标").fill("发明专利授权量")
    page.wait_for_timeout(400)  # the dialog fades in
    check()
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.wait_for_timeout(400)
    check()
    assert page.locator("h1").count() == 1
    ids = page.evaluate("() => [...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))
    leave(analyst)


def test_screenshots(browser: Browser, address: str, root: Path, tmp_path: Path) -> None:
    """The pictures of docs/analysts.md; ZHIBIAO_SCREENSHOTS names the folder to renew them in."""
    folder = Path(os.environ.get("ZHIBIAO_SCREENSHOTS") or tmp_path)
    guide = (root / "docs" / "analysts.md").read_text(encoding="utf-8")
    for name, size in (("page-desktop", DESKTOP), ("page-phone", PHONE)):
        analyst = visit(browser, address, size, color_scheme="light", reduced_motion="reduce")
        take(analyst, folder / f"{name}.png", phone=size == PHONE)
        leave(analyst)
        assert (folder / f"{name}.png").stat().st_size < 200_000
        assert (root / "docs" / "images" / f"{name}.png").is_file()
        assert f"images/{name}.png" in guide


def take(analyst: Analyst, path: Path, *, phone: bool) -> None:
    """A picture of a report with one row corrected and another one placed."""
    page = analyst.page
    analyst.give(summary(), ("旧总结.doc", b"old"))
    if phone:
        page.get_by_role("tab", name="记录").click()
    analyst.row("156件").locator(".edit").click()
    page.get_by_role("textbox", name="指标").fill("发明专利授权量")
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    analyst.row("24家").locator("td").first.click()
    if phone:
        page.get_by_role("tab", name="记录").click()
    page.locator(".v-snackbar").evaluate_all("all => all.forEach((one) => one.remove())")
    page.mouse.move(size_of(page) - 1, 60)
    picture = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    picture.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


def size_of(page: Page) -> int:
    size = page.viewport_size
    assert size is not None
    return size["width"]
