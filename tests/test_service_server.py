"""The service as it runs: a supervisor and two workers behind one address, on the loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service_client import OTHER, TEXT, alone, code_of
from zhibiao import Extractor

TOKEN = "0123456789abcdef-token"
AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}


@dataclass(frozen=True)
class Running:
    """A service in a process of its own."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged; every line is a JSON object."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]

    def post(self, text: str, report_id: str = "text") -> httpx.Response:
        """Extract from a text, over a connection of its own."""
        body = {"id": report_id, "text": text}
        return httpx.post(f"{self.url}/v1/extract", json=body, headers=AUTHORISED, timeout=120)

    def post_file(self) -> httpx.Response:
        """Extract from a file, over a connection of its own."""
        files = {"file": ("a.txt", TEXT.encode())}
        return httpx.post(f"{self.url}/v1/files", files=files, headers=AUTHORISED, timeout=120)


@contextmanager
def running(root: Path, folder: Path, *options: str) -> Iterator[Running]:
    """The service with these options, ready; killed if it has not ended with the block."""
    log, said = folder / "log.jsonl", folder / "said.txt"
    with log.open("wb") as out, said.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "inference.service", "--port", "0", *options],
            cwd=root,
            env=os.environ | {"ZHIBIAO_TOKEN": TOKEN},
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    try:
        found: list[re.Match[str]] = []

        def is_ready() -> bool:
            assert process.poll() is None, said.read_text()
            found[:] = re.finditer(r"http://127\.0\.0\.1:\d+", said.read_text())
            try:
                return bool(found) and httpx.get(f"{found[0][0]}/ready").status_code == 200
            except httpx.TransportError:
                return False

        until(is_ready)
        yield Running(process, found[0][0], log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        finally:
            process.kill()


def until(condition: Callable[[], bool]) -> None:
    """Wait for what must come."""
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def service(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    options = ("--workers", "2", "--upload-seconds", "1", "--max-bytes", "1_000_000")
    with running(root, folder, *options) as service:
        yield service


def test_many_clients_each_get_their_own_answer(service: Running, embedded: Extractor) -> None:
    texts = [f"{2001 + n}年，{TEXT[6:]}第{n}次检查{n * 7}家企业。" for n in range(24)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(service.post, texts, map(str, range(24))))
    assert [answer.json() for answer in answers] == [
        alone(embedded, text, str(number)) for number, text in enumerate(texts)
    ]


def _counted(service: Running, name: str) -> float:
    page = httpx.get(f"{service.url}/metrics", headers=AUTHORISED).text
    return sum(float(value) for value in re.findall(rf"^{name}\S* (\S+)$", page, re.MULTILINE))


def _workers(service: Running) -> set[int]:
    return {line["process"] for line in service.lines() if line["event"] == "request"}


def test_metrics_add_up_over_the_workers(service: Running) -> None:
    name = r'zhibiao_requests_total\{path="/v1/extract",status="200"\}'
    before, characters = _counted(service, name), _counted(service, "zhibiao_characters_total")
    asked = 0

    def both_worked() -> bool:
        nonlocal asked
        asked += 1
        assert service.post(OTHER).status_code == 200
        return len(_workers(service)) == 2

    until(both_worked)
    assert _counted(service, name) == before + asked
    counted = _counted(service, "zhibiao_characters_total")
    assert counted == characters + asked * len(OTHER)
    assert _counted(service, "zhibiao_characters_in_hand") == 0


def test_no_token_no_answer(service: Running) -> None:
    answer = httpx.post(f"{service.url}/v1/extract", json={"text": TEXT})
    assert (answer.status_code, code_of(answer)) == (401, "unauthorized")


@pytest.mark.parametrize("known_length", [True, False])
def test_a_huge_body_is_refused_cleanly(service: Running, known_length: bool) -> None:
    piece = b"a" * 100_000
    body = piece * 100 if known_length else iter([piece] * 100)
    answer = httpx.post(
        f"{service.url}/v1/files",
        content=body,
        headers=AUTHORISED | {"Content-Type": "multipart/form-data; boundary=x"},
        timeout=60,
    )
    assert (answer.status_code, code_of(answer)) == (413, "too_large")


def _raw(service: Running, *parts: bytes, pause: float = 0.0) -> bytes:
    """What comes back for these bytes on a connection of their own."""
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        received = b""
        while piece := connection.recv(65_536):
            received += piece
    return received


def _head(length: int, path: str = "/v1/files", extra: str = "") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nConnection: close\r\n{extra}"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


def test_a_body_that_never_ends_is_given_up(service: Running) -> None:
    answer = _raw(service, _head(1_000), b"--x\r\n")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"slow_upload"' in answer


def test_a_client_that_asks_first_is_told_before_it_sends(service: Running) -> None:
    answer = _raw(service, _head(10_000_000, extra="Expect: 100-continue\r\n"))
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET\r\n\r\n",
        b"POST /v1/extract HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/extract HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused(service: Running, sent: bytes) -> None:
    assert _raw(service, sent).startswith(b"HTTP/1.1 400 ")


def test_a_form_that_is_cut_off_is_refused(service: Running) -> None:
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nabc'
    assert _raw(service, _head(len(form)), form).startswith(b"HTTP/1.1 422 ")


def test_clients_that_leave_are_forgotten(service: Running) -> None:
    for length, sent in ((1_000, b"--x\r\n"), (5, b"--x\r\n")):
        host, port = service.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(_head(length) + sent)
    until(lambda: _counted(service, "zhibiao_requests_running") == 1)  # the one that asks


def test_logs_say_what_happened_and_nothing_of_reports(service: Running) -> None:
    secret = "绝密项目资金777万元"
    name = "机密名单.txt"
    assert service.post(secret).status_code == 200
    files = {"file": (name, secret.encode())}
    answer = httpx.post(
        f"{service.url}/v1/files", files=files, headers=AUTHORISED | {"X-Request-ID": "my-file"}
    )
    assert answer.json()["text"] == secret
    wrong = httpx.post(f"{service.url}/v1/{name}?{secret}", headers=AUTHORISED)
    assert wrong.status_code == 404
    until(lambda: any(line.get("status") == 404 for line in service.lines()))
    (line,) = (line for line in service.lines() if line.get("request_id") == "my-file")
    assert (line["path"], line["status"], line["method"]) == ("/v1/files", 200, "POST")
    assert line["bytes"] > len(secret.encode())
    logged = service.log.read_text(encoding="utf-8")
    for hidden in (secret, name, "绝密", "机密", TOKEN):
        assert hidden not in logged


def test_files_of_the_page_are_logged_as_answered(service: Running) -> None:
    page = httpx.get(service.url).text
    assets = set(re.findall(r'(?:src|href)="(page/[^"]+)"', page))
    assert len(assets) > 2
    for number, asset in enumerate(sorted(assets)):
        answer = httpx.get(f"{service.url}/{asset}", headers={"X-Request-ID": f"asset-{number}"})
        assert answer.status_code == 200
    until(lambda: any(line.get("request_id") == f"asset-{number}" for line in service.lines()))
    found = [line for line in service.lines() if str(line.get("request_id")).startswith("asset-")]
    assert {line["status"] for line in found} == {200}


def test_a_worker_that_dies_is_replaced(service: Running) -> None:
    until(lambda: service.post(OTHER).status_code == 200 and len(_workers(service)) == 2)
    victim = max(_workers(service))
    os.kill(victim, signal.SIGKILL)
    known = _workers(service)

    def new_one_works() -> bool:
        try:
            service.post(OTHER)
        except httpx.TransportError:  # was on its way to the dead one
            return False
        return bool(_workers(service) - known)

    until(new_one_works)
    assert _counted(service, "zhibiao_requests_running") == 1


def test_the_address_is_taken(service: Running, root: Path) -> None:
    port = service.url.rsplit(":", 1)[1]
    done = subprocess.run(
        [sys.executable, "-m", "inference.service", "--port", port],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert re.fullmatch(rf"错误：127\.0\.0\.1:{port}：.*占用.*\n", done.stderr)


def test_what_was_accepted_is_answered_before_the_end(
    root: Path, tmp_path: Path, embedded: Extractor
) -> None:
    texts = [f"第{n}段。" + (TEXT + OTHER) * 12 for n in range(10)]

    with running(root, tmp_path, "--drain", "1.5") as served, ThreadPoolExecutor(11) as pool:
        assert served.post_file().status_code == 200  # the process that reads is there
        futures = [pool.submit(served.post, text, str(n)) for n, text in enumerate(texts)]
        file = pool.submit(served.post_file)
        # The first file, ten texts, the second file, and the request for this count itself.
        until(
            lambda: (
                _counted(served, "zhibiao_requests_running")
                + _counted(served, r'zhibiao_requests_total\{path="/v1')
                == 13
            )
        )
        os.killpg(served.process.pid, signal.SIGTERM)  # all its processes, as systemd does
        until(lambda: httpx.get(f"{served.url}/ready").status_code == 503)
        late = served.post("最后一刻。")
        assert late.status_code == 200
        assert late.headers["Connection"] == "close"
        answers = [future.result() for future in futures]
        assert file.result().json()["text"] == TEXT
        assert served.process.wait(60) == 0
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{served.url}/health")
    assert [answer.json() for answer in answers] == [
        alone(embedded, text, str(number)) for number, text in enumerate(texts)
    ]


def test_a_restart_loses_no_request(root: Path, tmp_path: Path) -> None:
    with running(root, tmp_path, "--drain", "1") as service:
        stop = threading.Event()
        statuses: list[int] = []

        def keep_asking() -> None:
            while not stop.is_set():
                statuses.append(service.post(OTHER).status_code)

        asking = threading.Thread(target=keep_asking)
        asking.start()
        until(lambda: len(_workers(service)) == 1)
        service.process.send_signal(signal.SIGHUP)
        until(lambda: len(_workers(service)) == 2)
        (old, new) = _workers(service)
        until(lambda: not all(os.path.exists(f"/proc/{pid}") for pid in (old, new)))
        stop.set()
        asking.join()
    assert set(statuses) == {200}
