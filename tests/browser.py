"""An annotator at a real browser: what a person does in Label Studio, as methods."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Error,
    Locator,
    Page,
    TimeoutError,
    sync_playwright,
)

__all__ = ["Annotator", "chromium", "sign_in", "take_screenshots"]

CHROMIUM = Path("/usr/bin/chromium")

_INSTALL = "请运行 apt-get install chromium fonts-noto-cjk"

_FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]

_PATIENCE = 120_000
"""Milliseconds to wait for what normally takes two to eight seconds."""

_AT = """
([wanted]) => {
  // Offsets count code points; a line end is a <br>.
  const root = document.querySelector(".zhibiao-text .lsf-htx-richtext");
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_ALL);
  let passed = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.nodeName === "BR") { passed += 1; continue; }
    if (node.nodeType !== Node.TEXT_NODE) continue;
    let unit = 0;
    for (const character of node.data) {
      if (passed === wanted) {
        const range = document.createRange();
        range.setStart(node, unit);
        range.setEnd(node, unit + character.length);
        node.parentElement.scrollIntoView({block: "center"});
        const box = range.getBoundingClientRect();
        return {left: box.left, right: box.right, middle: (box.top + box.bottom) / 2, character};
      }
      passed += 1;
      unit += character.length;
    }
  }
  return null;
}
"""
"""Where a character of the text is on the screen, in CSS pixels, after scrolling to it."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running Chromium without a window; a failure that says what to install without one."""
    if not CHROMIUM.exists():
        # Not a skip: what cannot be checked is not known to work.
        pytest.fail(
            f"没有 {CHROMIUM}；请运行 apt-get install chromium fonts-noto-cjk", pytrace=False
        )
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=_FLAGS)
        except Error as error:
            pytest.fail(
                f"Chromium 启动不了（{error.message.splitlines()[0]}）；{_INSTALL}",
                pytrace=False,
            )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def sign_in(browser: Browser, url: str, username: str, password: str) -> Iterator[Annotator]:
    """A person who has logged in, in a browser profile that remembers nothing."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="zh-CN")
    context.set_default_timeout(_PATIENCE)
    _stay_inside(context, url)
    page = context.new_page()
    try:
        page.goto(f"{url}/user/login/")
        page.fill("input[name=email]", username)
        page.fill("input[name=password]", password)
        page.click("button[type=submit]")
        page.wait_for_url(lambda address: "/user/login" not in address)
        yield Annotator(page, url)
    finally:
        context.close()


def _stay_inside(context: BrowserContext, url: str) -> None:
    """Refuse everything that is not the server: an offline machine must not wait for time-outs."""
    context.route(lambda address: not address.startswith(url), lambda route: route.abort())


class Annotator:
    """A person in front of Label Studio; offsets are code points of the task's text, half-open."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    def open_suggested(self, project: int, task: int) -> None:
        """Open one task from the project's list and wait for the suggested spans.

        When the list arrives after the task (a busy machine), Label Studio shows the text and
        drops the suggestion. A person then reloads the page, as docs/annotators.md says.
        """
        for patience in (20_000, 40_000, _PATIENCE):
            self.page.goto(f"{self.url}/projects/{project}/data?task={task}")
            self.wait_for_task()
            try:
                self.suggestion.wait_for(timeout=patience)
            except TimeoutError:
                continue
            return
        pytest.fail("the suggestion is not shown")

    def start_labelling(self, project: int) -> None:
        """Press "Label All Tasks": one report after the other, the instructions first."""
        self.page.goto(f"{self.url}/projects/{project}/data")
        self.page.click("button:has-text('Label All Tasks')")
        self.instructions.wait_for()

    def wait_for_task(self) -> None:
        """Wait until the text and the controls are there."""
        self.page.locator(".zhibiao-text .lsf-richtext__line").first.wait_for()
        self.page.locator("button[name=submit]").wait_for()

    def wait_for_report(self, report: str) -> None:
        """Wait until the report of that id is the one on the screen."""
        self.page.locator(f".zhibiao-head h4:text-is('{report}')").wait_for()
        self.wait_for_task()

    @property
    def suggestion(self) -> Locator:
        """The first span on the screen."""
        return self.page.locator(".zhibiao-text .htx-highlight[data-label]").first

    @property
    def instructions(self) -> Locator:
        """The window with the project's instructions."""
        return self.page.locator(".lsf-modal-ls_visible .zhibiao-guidelines")

    def close_instructions(self) -> None:
        """Close the window as the page itself says."""
        self.page.keyboard.press("Escape")
        self.instructions.wait_for(state="detached")

    def span(self, start: int, end: int, label: str = "") -> Locator:
        """The span on the screen, of whatever label or of the one given."""
        ending = f'[data-label$="{label}"]' if label else ""
        return self.page.locator(
            f'.zhibiao-text .htx-highlight[data-start="{start}"][data-end="{end}"]{ending}'
        )

    def spans(self) -> set[tuple[int, int, str]]:
        """All spans on the screen: (start, end, label)."""
        found: list[list[Any]] = self.page.eval_on_selector_all(
            ".zhibiao-text .htx-highlight[data-label]",
            "spans => spans.map(s => [+s.dataset.start, +s.dataset.end, s.dataset.label])",
        )
        return {(start, end, str(label).rpartition(":")[2]) for start, end, label in found}

    def select(self, start: int, end: int) -> None:
        """Click a span and wait until it is the selected one; a second click would unselect."""
        active = self.span(start, end).and_(self.page.locator(".__active"))
        if not active.count():
            self._click(start)
        active.wait_for()

    def delete(self, start: int, end: int) -> None:
        """Select a span and press Backspace."""
        self.select(start, end)
        self.page.keyboard.press("Backspace")
        self.span(start, end).wait_for(state="detached")

    def relabel(self, start: int, end: int, key: str, label: str) -> None:
        """Select a span, press another label's key, and unselect."""
        self.select(start, end)
        self.page.keyboard.press(key)
        self.span(start, end, label).wait_for()
        self.unselect()

    def unselect(self) -> None:
        """Press Escape until nothing is selected."""
        self.page.keyboard.press("Escape")
        self.page.locator(".htx-highlight.__active").wait_for(state="detached")

    def draw(self, start: int, end: int, key: str, label: str) -> None:
        """Press a label's key and drag the mouse over the characters."""
        self.page.keyboard.press(key)
        self.label(label).and_(self.page.locator(".lsf-label_selected")).wait_for()
        self.drag(start, end)
        self.span(start, end, label).wait_for()

    def drag(self, start: int, end: int) -> None:
        """Drag the mouse from the left edge of a character to the right edge of another."""
        first, last = self.at(start), self.at(end - 1)
        first = self.at(start)  # the second look may have scrolled
        mouse = self.page.mouse
        mouse.move(first["left"] + 1, first["middle"])
        mouse.down()
        mouse.move(last["right"] - 1, last["middle"], steps=10)
        mouse.up()

    def resize(self, start: int, end: int, new_end: int) -> None:
        """Select a span and drag the handle at its end."""
        self.select(start, end)
        last = self.at(new_end - 1)
        handle: Mapping[str, float] = self.page.evaluate(
            "() => document.querySelector('area.__resize_right').getBoundingClientRect().toJSON()"
        )
        mouse = self.page.mouse
        mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
        mouse.down()
        mouse.move(last["right"] - 1, last["middle"], steps=10)
        mouse.up()
        self.span(start, new_end).wait_for()
        self.unselect()

    def relate(self, source: tuple[int, int], target: tuple[int, int]) -> None:
        """Select a span, press Alt+R, click the other."""
        self.select(*source)
        self.page.keyboard.press("Alt+r")
        arrows = self.page.locator("svg.relations-overlay path[marker-end]")
        already = arrows.count()
        self._click(target[0])
        arrows.nth(already).wait_for(state="attached")

    def submit(self) -> Mapping[str, Any]:
        """Press Ctrl+Enter; what the server stored."""
        # While a draft is on its way the page would ignore the key.
        self.page.locator("button[name=submit]:enabled").wait_for()
        return self._sending("POST", lambda: self.page.keyboard.press("Control+Enter"))

    def skip(self) -> Mapping[str, Any]:
        """Press "Skip"."""
        return self._sending("POST", lambda: self.page.click("button:has-text('Skip')"))

    def label(self, label: str) -> Locator:
        """The button of a label."""
        return self.page.locator(f'.lsf-label:has(.lsf-label__text:text-is("{label}"))')

    def at(self, offset: int) -> Mapping[str, Any]:
        """Where a character is on the screen: left, right and middle in CSS pixels."""
        place: Mapping[str, Any] | None = self.page.evaluate(_AT, [offset])
        if place is None:
            raise AssertionError(f"no character at {offset}")
        return place

    def _click(self, offset: int) -> None:
        place = self.at(offset)
        self.page.mouse.click((place["left"] + place["right"]) / 2, place["middle"])

    def _sending(self, method: str, act: Callable[[], object]) -> Mapping[str, Any]:
        with self.page.expect_response(
            lambda answer: (
                answer.request.method == method
                and answer.url.partition("?")[0].rstrip("/").endswith("/annotations")
            )
        ) as caught:
            act()
        answer = caught.value
        assert answer.ok, answer.text()
        stored: Mapping[str, Any] = answer.json()
        return stored


_PARTS = {
    "①": ".zhibiao-head .lsf-label >> nth=0",
    "②": ".zhibiao-head h4 >> nth=1",
    "③": ".zhibiao-text .htx-highlight >> nth=5",
    "④": "[data-testid=bottombar-skip-button]",
    "⑤": "[data-testid=bottombar-submit-button]",
    "⑥": "text='Regions'",
    "⑦": "text='Info'",
    "⑧": "button:has-text('Instructions')",
    "⑨": "[data-testid=next-task]",
    "⑩": "[data-testid=bottombar-undo-button]",
}
"""The parts of the labelling page that the guide names, and where its numbers stand."""

_BADGE = """
(element, number) => {
  const box = element.getBoundingClientRect();
  const badge = document.createElement("div");
  badge.textContent = number;
  badge.className = "badge-of-the-guide";
  badge.style.cssText = `position: fixed; z-index: 99999; left: ${Math.max(0, box.left - 12)}px;
    top: ${box.top - 12}px; color: #fff; background: #c00; border-radius: 50%; width: 24px;
    height: 24px; font: 700 24px/24px "Noto Sans CJK SC"; text-align: center`;
  document.body.append(badge);
}
"""


def take_screenshots(annotator: Annotator, project: int, folder: Path) -> list[Path]:
    """Make the pictures of docs/annotators.md from a project with the sample reports.

    Each is 1280 pixels wide, with a palette of 128 colours.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page = annotator.page
    page.set_viewport_size({"width": 1280, "height": 800})
    made: list[Path] = []

    def take(name: str) -> None:
        page.mouse.move(640, 799)  # no tooltip in the picture
        picture = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
        path = folder / f"{name}.png"
        picture.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
        made.append(path)

    page.goto(f"{annotator.url}/projects/{project}/data")
    page.locator("text=jiaoyu-2023.docx").first.wait_for()
    take("tasks")
    annotator.start_labelling(project)
    take("instructions")
    annotator.close_instructions()
    annotator.wait_for_report("jiaoyu-2023.docx")
    annotator.suggestion.wait_for()
    for number, selector in _PARTS.items():
        page.locator(selector).first.evaluate(_BADGE, number)
    take("labelling")
    page.evaluate("document.querySelectorAll('.badge-of-the-guide').forEach(e => e.remove())")
    ordered = sorted(annotator.spans())
    indicator, value = next(
        (one, two)
        for one, two in pairwise(ordered)
        if one[1] == two[0] and (one[2], two[2]) == ("指标", "数值")
    )
    annotator.relate(indicator[:2], value[:2])
    annotator.unselect()
    annotator.select(*indicator[:2])
    page.locator("text='Relations'").first.click()
    take("correcting")
    return made
