"""The pages of a run in a real browser: from a record to its place in the text, and charts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from inference.prediction import Prediction
from inference.run import Run
from inference.writers import FORMATS
from tests.browser import chromium
from tests.hand_records import predicted_by_hand, record

FILLER = "这一段没有数字，只是把文字拉长，好让页面可以滚动。" * 40
TEXT = (
    "云杉县2018年工作总结\n"
    f"{FILLER}\n全县专利申请量612件。\n{FILLER}\n"
    f"恒川机电有限公司实现产值3.5亿元。\n{FILLER}\n引进人才11名。\n"
)


def report() -> Prediction:
    return predicted_by_hand(
        "甲.txt",
        TEXT,
        record(
            TEXT, "612", "612", unit="件", indicator="专利申请量", year="2018年",
            year_value="2018", confidence={"indicator": 0.9},
        ),
        record(
            TEXT, "3.5", "350000000", unit="亿元", indicator="产值", subject=("恒川机电有限公司",),
            confidence={"indicator": 0.4}, notes=("没有找到限定它的年份",), bound="approx",
        ),
        record(TEXT, "11", "11", unit="名", indicator="人才", status="target", confidence={}),
    )  # fmt: skip


def yearly(name: str, year: int, number: str) -> Prediction:
    text = f"云杉县{year}年总结\n全县专利申请量{number}件。"
    one = record(
        text, number, number, unit="件", indicator="专利申请量", year=f"{year}年",
        year_value=str(year), base="件",
    )  # fmt: skip
    return predicted_by_hand(name, text, one)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(params=[(1440, 900), (390, 844)], ids=["desktop", "phone"])
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    width, height = request.param
    with_size = browser.new_context(viewport={"width": width, "height": height})
    with_size.set_offline(True)
    yield with_size
    with_size.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that must not complain: neither errors nor violations of its content policy."""
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    assert complaints == []


def pages(folder: Path, *predictions: Prediction) -> Path:
    run = Run({"name": "紧凑", "version": "1"}, ())
    with FORMATS["html"].write(folder / "html", run) as write:
        for prediction in predictions:
            run.add(prediction)
            write(prediction)
    return folder / "html"


def open_report(page: Page, folder: Path, anchor: str = "") -> None:
    path = pages(folder, report()) / "0001-甲-txt.html"
    page.goto(path.as_uri() + anchor)


def in_sight(page: Page, words: str) -> None:
    """The span is on the screen, and nothing lies over it."""
    box = page.locator("mark.here").bounding_box()
    assert box is not None
    middle = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    top: Any = page.evaluate("({x, y}) => document.elementFromPoint(x, y)?.textContent", middle)
    assert top == words


def rows(page: Page) -> Any:
    return page.locator("#records tbody tr")


def test_a_click_on_a_row_shows_its_place(page: Page, tmp_path: Path) -> None:
    open_report(page, tmp_path)
    expect(rows(page)).to_have_count(3)
    rows(page).nth(1).locator("td").first.click()
    in_sight(page, "3.5")
    assert page.locator("mark.part").all_inner_texts() == ["恒川机电有限公司", "产值", "亿元"]
    assert page.locator("tr[aria-current]").count() == 1
    assert page.url.endswith(f"#s{TEXT.index('3.5')}")
    rows(page).nth(2).locator("a").click()
    in_sight(page, "11")
    assert page.locator("mark.here").count() == 1
    assert page.locator("mark.part").all_inner_texts() == ["人才", "名"]


def test_the_keyboard_goes_from_row_to_row(page: Page, tmp_path: Path) -> None:
    open_report(page, tmp_path)
    rows(page).first.locator("a").focus()
    page.keyboard.press("Enter")
    in_sight(page, "612")
    for key, words in (("ArrowDown", "3.5"), ("ArrowDown", "11"), ("ArrowDown", "11"),
                       ("ArrowUp", "3.5")):  # fmt: skip
        page.keyboard.press(key)
        in_sight(page, words)
        expect(page.locator("tr[aria-current] a")).to_be_focused()


def test_a_value_in_the_text_shows_its_row(page: Page, tmp_path: Path) -> None:
    open_report(page, tmp_path)
    page.locator("aside summary").click()
    expect(rows(page).first).to_be_hidden()
    page.locator(f"#s{TEXT.index('3.5')}").click()
    expect(page.locator("tr[aria-current] a")).to_be_visible()
    assert page.locator("tr[aria-current] a").inner_text() == "约 3.5亿元"


def test_a_link_to_a_value_opens_its_row(page: Page, tmp_path: Path) -> None:
    open_report(page, tmp_path, f"#s{TEXT.index('11名')}")
    in_sight(page, "11")
    assert page.locator("tr[aria-current] a").inner_text() == "11名"


def test_rows_say_what_is_doubtful(page: Page, tmp_path: Path) -> None:
    open_report(page, tmp_path)
    first, second, third = (
        [cell.inner_text().split("\n") for cell in row.locator("td").all()]
        for row in rows(page).all()
    )
    assert first == [["2018"], ["专利申请量"], ["612件"], ["水平"], ["0.90"]]
    assert second[1] == ["产值", "恒川机电有限公司", "没有找到限定它的年份"]
    assert third[3:] == [["水平·目标"], [""]]
    colour = "cell => getComputedStyle(cell).backgroundColor"
    colours = [row.locator("td").last.evaluate(colour) for row in rows(page).all()]
    assert colours[0] == colours[2] != colours[1]


def test_nothing_hangs_over_the_edge(page: Page, tmp_path: Path) -> None:
    open_report(page, tmp_path)
    over = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(over) == 0
    page.click("nav a")
    page.wait_for_url("**/index.html")
    assert page.evaluate(over) == 0


def test_without_scripts_the_links_still_lead_there(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    open_report(page, tmp_path)
    rows(page).nth(1).locator("a").click()
    assert page.url.endswith(f"#s{TEXT.index('3.5')}")
    expect(page.locator(f"#s{TEXT.index('3.5')}")).to_be_in_viewport()
    context.close()


def test_charts_over_the_years_show_conflicts(page: Page, tmp_path: Path) -> None:
    folder = pages(
        tmp_path,
        yearly("2017", 2017, "540"),
        yearly("2018", 2018, "612"),
        yearly("2019", 2019, "705"),
        yearly("公报", 2019, "720"),
        yearly("2020", 2020, "813"),
    )
    page.goto((folder / "index.html").as_uri())
    expect(page.locator("figcaption")).to_have_text("专利申请量（件）云杉县")
    labels = page.locator("svg text:not(.tick)").all_text_contents()
    assert labels == ["540", "612", "705", "720", "813"]
    assert page.locator("svg .tick").all_text_contents() == ["2017", "2018", "2019", "2020"]
    assert page.locator("circle.open").count() == 2
    places = [dot.bounding_box() for dot in page.locator("circle").all()]
    heights = [place["y"] for place in places if place]
    assert heights == sorted(heights, reverse=True)
    # The line ends before the year that reports do not agree on.
    assert page.locator("svg path").count() == 1
    expect(page.locator(".conflict")).to_have_text("2019 年不一致：705件（2019）720件（公报）")
    page.locator(".conflict a").last.click()
    in_sight(page, "720")


def test_no_charts_of_one_year(page: Page, tmp_path: Path) -> None:
    folder = pages(tmp_path, yearly("甲", 2018, "612"), yearly("乙", 2018, "612"))
    page.goto((folder / "index.html").as_uri())
    expect(page.locator("#reports tbody tr")).to_have_count(2)
    assert page.locator("svg").count() == 0
