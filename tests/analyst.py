"""An analyst at the page in a real browser, and the service that the page talks to."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from playwright.sync_api import Dialog, Download, FilePayload, Locator, Page, expect

from inference.service import Settings, create_app
from zhibiao import Extractor

__all__ = ["Analyst", "served"]


@contextmanager
def served(extractor: Extractor, **settings: Any) -> Iterator[str]:
    """The real service on a free port, in a thread of its own; its address."""
    app = create_app(Settings(**settings), extractor)
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="on", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


class Analyst:
    """A person at the page; every request must go to the service, and no script may be injected."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.set_default_timeout(60_000)
        page.on("dialog", self._dialog)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self._console(message.text))
        page.on("request", lambda request: self._request(request.url, address))
        # Playwright looks for file choosers only once somebody listens, and a little later then.
        page.on("filechooser", lambda _: None)
        page.goto(address)
        page.locator("input[type=file]").wait_for(state="attached")

    def _dialog(self, dialog: Dialog) -> None:
        self.complaints.append(f"{dialog.type}: {dialog.message}")
        dialog.dismiss()

    def _console(self, text: str) -> None:
        # Chromium says so itself when the service refuses a file.
        if "Failed to load resource" not in text:
            self.complaints.append(text)

    def _request(self, url: str, address: str) -> None:
        if not url.startswith((address, "data:", "blob:")):
            self.complaints.append(f"request to {url}")

    def give(self, *files: tuple[str, bytes]) -> None:
        """Pick files, and wait until all are read."""
        self.page.set_input_files(
            "input[type=file]",
            [FilePayload(name=name, mimeType="", buffer=data) for name, data in files],
        )
        self.wait()

    def paste(self, text: str) -> None:
        """Paste a text into its dialog, and wait until it is read."""
        self.page.get_by_role("button", name="粘贴文字", exact=True).click()
        self.page.get_by_label("报告的文字").fill(text)
        self.page.get_by_role("button", name="读取").click()
        self.wait()

    def wait(self) -> None:
        """Wait until the page says that everything is read."""
        expect(self.page.get_by_role("status").first).to_contain_text("全部读完", timeout=60_000)

    def open(self, name: str) -> None:
        """Open another report."""
        self.page.get_by_role("button", name=name, exact=True).click()

    @property
    def rows(self) -> Locator:
        """The rows of the table."""
        return self.page.locator("#records tbody tr")

    def row(self, words: str) -> Locator:
        """The row whose value reads so."""
        return self.rows.filter(has=self.page.get_by_text(words, exact=True))

    def cells(self) -> list[tuple[str, str, str]]:
        """Year, indicator and value with unit of every row."""
        script = """rows => rows.map(row => [row.cells[0], row.cells[1], row.cells[2]].map(
            cell => cell.firstChild.textContent))"""
        found: list[list[str]] = self.rows.evaluate_all(script)
        return [(year, indicator, value) for year, indicator, value in found]

    def download(self, name: str) -> Download:
        """Press one of the three download buttons."""
        with self.page.expect_download() as caught:
            self.page.get_by_role("button", name=f"下载 {name}").click()
        return caught.value

    def marked(self, kind: str) -> list[str]:
        """The words in the text that are framed as ``here`` or ``part``."""
        return self.page.locator(f"#report mark.{kind}").all_inner_texts()

    def focused(self) -> str:
        """The name of what the keyboard is at."""
        found: str = self.page.evaluate(
            """() => document.activeElement.getAttribute("aria-label")
                || document.activeElement.textContent"""
        )
        return found
