"""What the service refuses, and that it stays up whatever it is sent."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from inference.service import Settings, create_app
from tests.documents import text_pdf
from tests.fakes import RegexExtractor
from tests.service_client import OTHER, TEXT, alone, code_of, serving
from tests.service_parsers import crash, devour, hang
from zhibiao.spans import Span

MULTIPART = "multipart/form-data; boundary=x"


def part(name: str, content: bytes = b"", file: str | None = None, extra: str = "") -> bytes:
    """One part of a multipart body."""
    filename = "" if file is None else f'; filename="{file}"'
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"{filename}{extra}\r\n\r\n'
    return head.encode() + content + b"\r\n"


END = b"--x--\r\n"
GOOD_FILE = part("file", TEXT.encode(), "a.txt")


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with serving(RegexExtractor(), characters=2_000, reports=3, bytes=100_000, pages=2) as client:
        yield client


def still_up(client: TestClient) -> None:
    answer = client.post("/v1/extract", json={"text": TEXT})
    assert answer.json() == alone(RegexExtractor(), TEXT, "text")


JSON_CASES = {
    "nothing": (b"", 422, "invalid"),
    "broken": (b'{"text": ', 400, "bad_json"),
    "not JSON": (b"text=1", 400, "bad_json"),
    "not UTF-8": (b'{"text": "\xff\xfe"}', 400, "bad_request"),
    "a list": (b"[]", 422, "invalid"),
    "null": (b"null", 422, "invalid"),
    "a number": (b"1" * 5_000, 400, "bad_request"),
    "nested": (b"[" * 15_000, 400, "bad_request"),
    "no text": (b"{}", 422, "invalid"),
    "text null": (b'{"text": null}', 422, "invalid"),
    "text a number": (b'{"text": 1}', 422, "invalid"),
    "text a list": (b'{"text": ["a"]}', 422, "invalid"),
    "half a surrogate pair": (rb'{"text": "\ud800"}', 422, "invalid"),
    "half a pair in the id": (rb'{"text": "", "id": "\udfff"}', 422, "invalid"),
    "half a pair in a key": (rb'{"text": "", "\ud800": 1}', 422, "invalid"),
    "empty id": (b'{"text": "", "id": ""}', 422, "invalid"),
    "long id": (b'{"text": "", "id": "%s"}' % (b"a" * 501), 422, "invalid"),
    "records a word": (b'{"text": "", "records": "yes"}', 422, "invalid"),
    "misspelt": (b'{"text": "", "record": true}', 422, "invalid"),
    "a thousand keys": (
        json.dumps({"text": "", **{f"k{n}": n for n in range(1_000)}}).encode(),
        422,
        "invalid",
    ),
    "too long": (json.dumps({"text": "字" * 2_001}).encode(), 413, "too_large"),
    "too many bytes": (b'{"text": "%s"}' % (b" " * 90_000), 413, "too_large"),
}


@pytest.mark.parametrize("case", JSON_CASES)
def test_wrong_json(client: TestClient, case: str) -> None:
    body, status, code = JSON_CASES[case]
    headers = {"Content-Type": "application/json"}
    answer = client.post("/v1/extract", content=body, headers=headers)
    assert (answer.status_code, code_of(answer)) == (status, code)
    still_up(client)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "\x7f/", ""])
def test_a_body_that_does_not_say_it_is_json(client: TestClient, kind: str) -> None:
    headers = {"Content-Type": kind}
    answer = client.post("/v1/extract", content=b'{"text": "a"}', headers=headers)
    assert (answer.status_code, code_of(answer)) == (415, "unsupported_type")


BATCH_CASES: dict[str, tuple[Any, int, str]] = {
    "no reports": ({"reports": []}, 422, "invalid"),
    "reports an object": ({"reports": {}}, 422, "invalid"),
    "a report a string": ({"reports": ["a"]}, 422, "invalid"),
    "many wrong reports": ({"reports": [1] * 5_000}, 422, "invalid"),
    "no id": ({"reports": [{"text": ""}]}, 422, "invalid"),
    "spans too": ({"reports": [{"id": "a", "text": "", "spans": []}]}, 422, "invalid"),
    "too many": ({"reports": [{"id": "a", "text": ""}] * 4}, 413, "too_large"),
    "too long together": ({"reports": [{"id": "a", "text": "字" * 700}] * 3}, 413, "too_large"),
}


@pytest.mark.parametrize("case", BATCH_CASES)
def test_wrong_batches(client: TestClient, case: str) -> None:
    body, status, code = BATCH_CASES[case]
    answer = client.post("/v1/batches", json=body)
    assert (answer.status_code, code_of(answer)) == (status, code)
    still_up(client)


FORM_CASES = {
    "no body": (b"", MULTIPART, 422, "invalid"),
    "no boundary": (GOOD_FILE + END, "multipart/form-data", 400, "bad_request"),
    "other boundary": (GOOD_FILE + END, "multipart/form-data; boundary=y", 400, "bad_request"),
    "cut off in a header": (GOOD_FILE[:30], MULTIPART, 422, "invalid"),
    "rubbish": (b"\x00\xff" * 500, MULTIPART, 400, "bad_request"),
    "JSON": (b'{"file": "a.txt"}', "application/json", 422, "invalid"),
    "no file": (part("records", b"true") + END, MULTIPART, 422, "invalid"),
    "file without a name": (part("file", b"text") + END, MULTIPART, 422, "invalid"),
    "empty name": (part("file", b"text", "") + END, MULTIPART, 415, "unsupported_type"),
    "two files": (GOOD_FILE + GOOD_FILE + END, MULTIPART, 422, "invalid"),
    "records a word": (GOOD_FILE + part("records", b"perhaps") + END, MULTIPART, 422, "invalid"),
    "odd charset": (GOOD_FILE + END, MULTIPART + "; charset=utf-7", 200, ""),
    "no charset": (GOOD_FILE + END, MULTIPART + "; charset=idna", 200, ""),
    "unknown suffix": (part("file", b"MZ", "a.exe") + END, MULTIPART, 415, "unsupported_type"),
    "old Word": (part("file", b"\xd0\xcf", "a.doc") + END, MULTIPART, 415, "unsupported_type"),
    "no suffix": (part("file", b"text", "txt") + END, MULTIPART, 415, "unsupported_type"),
    "NUL in the name": (
        part("file", b"t", "a.txt\x00.exe") + END,
        MULTIPART,
        415,
        "unsupported_type",
    ),
    "empty file": (part("file", b"", "a.txt") + END, MULTIPART, 422, "unreadable"),
    "no docx": (part("file", b"PK\x03\x04rubbish", "a.docx") + END, MULTIPART, 422, "unreadable"),
    "no pdf": (part("file", b"%PDF-1.7\nrubbish", "a.pdf") + END, MULTIPART, 422, "unreadable"),
    "empty JSONL": (part("file", b"\n\n", "a.jsonl") + END, MULTIPART, 422, "unreadable"),
    "many in JSONL": (
        part("file", b'{"id": "a", "text": ""}\n' * 4, "a.jsonl") + END,
        MULTIPART,
        413,
        "too_large",
    ),
    "too long": (part("file", b"a" * 2_001, "a.txt") + END, MULTIPART, 413, "too_large"),
    "too many bytes": (part("file", b"a" * 100_001, "a.txt") + END, MULTIPART, 413, "too_large"),
    "a thousand fields": (
        b"".join(part(f"f{n}", b"1") for n in range(1_001)) + END,
        MULTIPART,
        400,
        "bad_request",
    ),
}


@pytest.mark.parametrize("case", FORM_CASES)
def test_wrong_forms(client: TestClient, case: str) -> None:
    body, kind, status, code = FORM_CASES[case]
    answer = client.post("/v1/files", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    if status != 200:
        assert code_of(answer) == code
    still_up(client)


def test_too_many_pages(client: TestClient) -> None:
    data = text_pdf([[OTHER]] * 3)
    answer = client.post("/v1/files", files={"file": ("a.pdf", data)})
    assert (answer.status_code, code_of(answer)) == (413, "too_large")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("POST", "/v1/nowhere", 404, "not_found"),
        ("GET", "/v1/extract", 405, "method_not_allowed"),
        ("DELETE", "/v1/files", 405, "method_not_allowed"),
        ("GET", "//v1/model", 404, "not_found"),
        ("GET", "/v1/model/", 404, "not_found"),
        ("GET", "/docs/assets/../../../../etc/passwd", 404, "not_found"),
        ("GET", "/docs/assets/%2e%2e/__init__.py", 404, "not_found"),
        ("GET", "/%00", 404, "not_found"),
        ("GET", "/docs/assets/%00", 404, "not_found"),
        ("GET", "/docs/assets/" + "a" * 5_000, 404, "not_found"),
    ],
)
def test_wrong_addresses(
    client: TestClient, method: str, path: str, status: int, code: str
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, code_of(answer)) == (status, code)


def test_a_body_of_unknown_length_is_counted_as_it_comes(client: TestClient) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 1_000_000:
            sent += 10_000
            yield b"a" * 10_000

    answer = client.post("/v1/files", content=endless(), headers={"Content-Type": MULTIPART})
    assert (answer.status_code, code_of(answer)) == (413, "too_large")


TOKEN = "correct-horse-battery"


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer 口令"]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/extract"),
        ("POST", "/v1/files"),
        ("POST", "/v1/export"),
        ("GET", "/v1/model"),
        ("GET", "/v1/nowhere"),
        ("GET", "/metrics"),
    ],
)
def test_without_the_token_nothing_is_answered(
    guarded: TestClient, method: str, path: str, given: str | None
) -> None:
    headers = {} if given is None else {b"Authorization": given.encode()}
    answer = guarded.request(method, path, headers=headers, content=b"{" * 1_000)
    assert (answer.status_code, code_of(answer)) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.fixture(scope="module")
def guarded() -> Iterator[TestClient]:
    with serving(RegexExtractor(), token=TOKEN) as client:
        yield client


def test_the_token_opens_and_probes_need_none(guarded: TestClient) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert guarded.post("/v1/extract", json={"text": TEXT}, headers=headers).status_code == 200
    assert guarded.get("/metrics", headers=headers).status_code == 200
    for path in ("/health", "/ready", "/", "/docs", "/openapi.json"):
        assert guarded.get(path).status_code == 200


@pytest.mark.parametrize(
    ("stand_in", "status", "code"), [(crash, 422, "unreadable"), (devour, 413, "too_large")]
)
def test_a_parser_that_crashes_or_devours_takes_only_its_process_along(
    monkeypatch: pytest.MonkeyPatch, stand_in: Callable[..., Any], status: int, code: str
) -> None:
    with serving(RegexExtractor()) as client, monkeypatch.context() as patched:
        patched.setattr("inference.service.routes.read_file", stand_in)
        answer = client.post("/v1/files", files={"file": ("a.txt", TEXT.encode())})
        assert (answer.status_code, code_of(answer)) == (status, code)
        patched.undo()
        again = client.post("/v1/files", files={"file": ("a.txt", TEXT.encode())})
        assert again.json()["text"] == TEXT


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_parser_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with serving(RegexExtractor(), seconds=5) as client:
        # A first file starts the process, so that the second one's time goes into hanging.
        assert client.post("/v1/files", files={"file": ("a.txt", b"text")}).status_code == 200
        monkeypatch.setattr("inference.service.routes.read_file", hang)
        answer = client.post("/v1/files", files={"file": ("a.txt", str(note).encode())})
    assert (answer.status_code, code_of(answer)) == (504, "deadline")
    assert _is_gone(int(note.read_text()))


class GatedExtractor(RegexExtractor):
    """Works only while its gate is open, and remembers what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.seen: list[str] = []

    def extract(self, text: str) -> list[Span]:
        self.seen.append(text)
        self.entered.set()
        assert self.gate.wait(60)
        return super().extract(text)


async def _post(client: httpx.AsyncClient, text: str) -> httpx.Response:
    return await client.post("/v1/extract", json={"text": text})


def _together(
    settings: Settings, extractor: GatedExtractor, talk: Callable[[httpx.AsyncClient], Any]
) -> None:
    """Run ``talk`` with a client whose requests run side by side."""

    async def run() -> None:
        app = create_app(settings, extractor)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app, raise_app_exceptions=False),
                base_url="http://service",
                timeout=60,
            ) as client,
        ):
            try:
                await talk(client)
            finally:
                extractor.gate.set()

    asyncio.run(run())


async def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_what_does_not_fit_in_the_queue_is_sent_away() -> None:
    extractor = GatedExtractor()

    async def talk(client: httpx.AsyncClient) -> None:
        first = asyncio.create_task(_post(client, TEXT))
        await _until(extractor.entered.is_set)
        second = asyncio.create_task(_post(client, OTHER))
        await asyncio.sleep(0)
        refused = await _post(client, "多" * 60)
        assert (refused.status_code, code_of(refused)) == (503, "overloaded")
        assert int(refused.headers["Retry-After"]) > 0
        extractor.gate.set()
        assert (await first).json() == alone(RegexExtractor(), TEXT, "text")
        assert (await second).json() == alone(RegexExtractor(), OTHER, "text")
        assert (await _post(client, "多" * 150)).status_code == 200  # idle, so anything fits

    _together(Settings(queue=100), extractor, talk)


def test_too_many_requests_are_sent_away() -> None:
    extractor = GatedExtractor()

    async def talk(client: httpx.AsyncClient) -> None:
        first = asyncio.create_task(_post(client, TEXT))
        await _until(extractor.entered.is_set)
        refused = await _post(client, OTHER)
        assert (refused.status_code, code_of(refused)) == (503, "overloaded")
        assert (await client.get("/ready")).status_code == 200
        extractor.gate.set()
        assert (await first).status_code == 200

    _together(Settings(requests=1), extractor, talk)


def test_a_request_whose_time_is_up_leaves_the_queue() -> None:
    extractor = GatedExtractor()

    async def talk(client: httpx.AsyncClient) -> None:
        first = asyncio.create_task(_post(client, TEXT))
        await _until(extractor.entered.is_set)
        waiting = await _post(client, OTHER)
        assert (waiting.status_code, code_of(waiting)) == (504, "deadline")
        assert (await first).status_code == 504
        extractor.gate.set()
        assert (await _post(client, "后来")).status_code == 200
        assert extractor.seen == [TEXT, "后来"]

    _together(Settings(seconds=1), extractor, talk)


def test_a_client_that_leaves_takes_its_text_out_of_the_queue() -> None:
    extractor = GatedExtractor()

    async def run() -> None:
        app = create_app(Settings(), extractor)
        body = json.dumps({"text": OTHER}).encode()
        messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": body[:5], "more_body": True},
            {"type": "http.request", "body": body[5:], "more_body": False},
            {"type": "http.disconnect"},
        ]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/extract",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
        }

        async def receive() -> dict[str, Any]:
            return messages.pop(0)

        async def send(message: Any) -> None:
            raise AssertionError(f"answered to nobody: {message}")

        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://s") as client,
        ):
            first = asyncio.create_task(_post(client, TEXT))
            await _until(extractor.entered.is_set)
            await app(scope, receive, send)
            extractor.gate.set()
            assert (await first).status_code == 200
            assert (await _post(client, "后来")).status_code == 200
            page = (await client.get("/metrics")).text
        assert extractor.seen == [TEXT, "后来"]
        assert 'zhibiao_requests_total{path="/v1/extract",status="499"} 1.0' in page
        assert "zhibiao_characters_in_hand 0.0" in page

    asyncio.run(run())
