"""Load the HTTP service on the loopback: many clients, good and hostile requests mixed.

    python scripts/load_test.py --clients 50 --seconds 120

Every good answer is compared with what the extractor says of the same text alone. Exit status 0
when all was as it should be, 1 when an answer was wrong, missing or a 5xx, or the memory grew,
2 when the service did not start.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from inference.prediction import Prediction  # noqa: E402
from zhibiao import Extractor, link_records  # noqa: E402
from zhibiao.corpus import read_split  # noqa: E402
from zhibiao.errors import ZhibiaoError  # noqa: E402
from zhibiao.inputs import Input  # noqa: E402
from zhibiao.readers import read_document  # noqa: E402

_TOKEN = "load-test-on-the-loopback"
_SHARES = {"文本": 0.6, "批": 0.1, "文件": 0.15, "": 0.12}
"""Of all requests, by name; "" stands for the refused ones. The rest leaves before the answer."""
_UPLOAD_SECONDS = 3
_GROWTH, _READING = 1.2, 150.0
"""The memory at the end may be so many times what it was after a third, and so many MB more:
processes that read files come and go."""
_BOUNDARY = "multipart/form-data; boundary=x"


@dataclass(frozen=True, slots=True)
class Case:
    """A request, and what has to come back: a status, and for a good one the body."""

    name: str
    path: str
    status: int
    body: bytes = b""
    kind: str = "application/json"
    token: str = _TOKEN
    expected: Any = None
    characters: int = 0
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how hard to load the service."""

    clients: int = 50
    seconds: float = 120.0
    workers: int = 1
    megabytes: int = 1_500
    seed: int = 1


@dataclass(slots=True)
class Tally:
    """What came back so far."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    characters: int = 0
    good: int = 0
    left: int = 0
    megabytes: list[float] = field(default_factory=list)

    def add(self, case: Case, answer: httpx.Response, seconds: float) -> None:
        """Count an answer and hold it against what had to come."""
        self.statuses[f"{case.name} {answer.status_code}"] += 1
        if answer.status_code != case.status:
            self.wrong.append(f"{case.name}：{answer.status_code}，应为 {case.status}")
        elif case.status != 200:
            if answer.json().keys() != {"error"}:
                self.wrong.append(f"{case.name}：错误的格式不对")
        elif answer.json() != case.expected:
            self.wrong.append(f"{case.name}：结果与单独抽取不同")
        else:
            self.good += 1
            self.characters += case.characters
            self.seconds[case.name].append(seconds)


def good_cases(extractor: Extractor) -> list[Case]:
    """Reports of the test split and sample files, with what the extractor says of each alone."""

    def alone(text: str, name: str) -> dict[str, Any]:
        spans = extractor.extract(text)
        report = Input(name, name, text, None, 0)
        return Prediction(report, spans, link_records(text, spans)).to_dict(extractor.info)

    reports = read_split(ROOT / "data", "test")
    cases: list[Case] = []
    predictions = [alone(report.text, report.id) for report in reports]
    for report, prediction in zip(reports, predictions, strict=True):
        body = _json({"id": report.id, "text": report.text})
        size = len(report.text)
        cases.append(Case("文本", "/v1/extract", 200, body, expected=prediction, characters=size))
    for start in range(0, len(reports), 3):
        some = reports[start : start + 3]
        body = _json({"reports": [{"id": report.id, "text": report.text} for report in some]})
        results = {"results": predictions[start : start + 3]}
        size = sum(len(report.text) for report in some)
        cases.append(Case("批", "/v1/batches", 200, body, expected=results, characters=size))
    for path in sorted((ROOT / "data" / "samples").iterdir()):
        document = read_document(path)
        expected = {**alone(document.text, path.name), "warnings": list(document.warnings)}
        body, size = _form(path.name, path.read_bytes()), len(document.text)
        cases.append(
            Case("文件", "/v1/files", 200, body, _BOUNDARY, expected=expected, characters=size)
        )
    return cases


def bad_cases() -> list[Case]:
    """Requests over the limits and hostile ones, with the status that refuses each."""
    text = _json({"text": "2016年，专利813件。"})
    file = _form("a.txt", b"text")
    jsonl = b'{"id": "a", "text": ""}\n' * 101
    return [
        Case("太长", "/v1/extract", 413, _json({"text": "字" * 300_001})),
        Case("太大", "/v1/files", 413, _form("a.txt", b"a" * 20_000_001), _BOUNDARY),
        Case("太多", "/v1/batches", 413, _json({"reports": [{"id": "a", "text": ""}] * 101})),
        Case("JSONL 太多", "/v1/files", 413, _form("a.jsonl", jsonl), _BOUNDARY),
        Case("JSON 有误", "/v1/extract", 400, text[:-4]),
        Case("嵌套", "/v1/extract", 400, b"[" * 100_000),
        Case("半个代理对", "/v1/extract", 422, rb'{"text": "\ud800"}'),
        Case("类型不对", "/v1/batches", 422, _json({"reports": [1] * 100_000})),
        Case("不是 JSON", "/v1/extract", 415, text, "text/plain"),
        Case("没有口令", "/v1/extract", 401, text, token=""),
        Case("口令不对", "/v1/files", 401, file, _BOUNDARY, _TOKEN + "x"),
        Case("没有这个地址", "/v1/nothing", 404, text),
        Case("表单有误", "/v1/files", 400, b"\x00\xff" * 1_000, _BOUNDARY),
        Case("后缀不认识", "/v1/files", 415, _form("a.exe", b"MZ"), _BOUNDARY),
        Case("坏 docx", "/v1/files", 422, _form("a.docx", b"PK\x03\x04" * 99), _BOUNDARY),
        Case("坏 pdf", "/v1/files", 422, _form("../../a.pdf", b"%PDF-1.7\n\x00"), _BOUNDARY),
        Case("不传完", "/v1/files", 408, file, _BOUNDARY, slow=True),
    ]


def _json(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode()


def _form(name: str, content: bytes) -> bytes:
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode() + content + b"\r\n--x--\r\n"


@contextmanager
def service(workers: int) -> Iterator[tuple[str, psutil.Process]]:
    """A service on the loopback as long as the block: its address and its first process."""
    with tempfile.TemporaryFile("w+b") as said:
        options = [
            "--port",
            "0",
            "--workers",
            str(workers),
            "--upload-seconds",
            str(_UPLOAD_SECONDS),
        ]
        process = subprocess.Popen(
            [sys.executable, "-m", "inference.service", *options],
            cwd=ROOT,
            env=os.environ | {"ZHIBIAO_TOKEN": _TOKEN},
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        try:
            yield (
                _address(process, Path(f"/proc/self/fd/{said.fileno()}")),
                psutil.Process(process.pid),
            )
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(300)


def _address(process: subprocess.Popen[bytes], said: Path) -> str:
    while process.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:\d+", said.read_text())
        try:
            if found and httpx.get(f"{found[0]}/ready").status_code == 200:
                return found[0]
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise ZhibiaoError(f"服务没有启动：{said.read_text().strip()}；请先单独启动它看看")


async def load(plan: Plan, url: str, process: psutil.Process, good: Sequence[Case]) -> Tally:
    """Keep all clients busy until the time is up; every request that was begun is ended."""
    tally = Tally()
    bad = bad_cases()
    end = time.monotonic() + plan.seconds

    async def client(number: int) -> None:
        chosen = random.Random(plan.seed * 1_000 + number)
        async with httpx.AsyncClient(base_url=url, timeout=300) as http:
            while time.monotonic() < end:
                (name,) = chosen.choices([*_SHARES, "leaves"], _weights())
                if name == "leaves":
                    await _leave(url, chosen.choice(good))
                    tally.left += 1
                    continue
                case = chosen.choice([one for one in good if one.name == name] if name else bad)
                started = time.perf_counter()
                try:
                    answer = await _ask(http, case)
                except httpx.HTTPError as error:
                    tally.wrong.append(f"{case.name}：没有回答（{type(error).__name__}）")
                    continue
                tally.add(case, answer, time.perf_counter() - started)

    async def watch() -> None:
        for share in (0, 1 / 3, 2 / 3):
            await asyncio.sleep(share and plan.seconds / 3)
            tally.megabytes.append(_megabytes(process))

    await asyncio.gather(watch(), *map(client, range(plan.clients)))
    tally.megabytes.append(_megabytes(process))
    return tally


def _weights() -> list[float]:
    return [*_SHARES.values(), 1 - sum(_SHARES.values())]


async def _ask(http: httpx.AsyncClient, case: Case) -> httpx.Response:
    async def slowly() -> AsyncIterator[bytes]:
        yield case.body[:-20]
        await asyncio.sleep(_UPLOAD_SECONDS + 2)
        yield case.body[-20:]

    headers = {"Content-Type": case.kind}
    if case.token:
        headers["Authorization"] = f"Bearer {case.token}"
    body = slowly() if case.slow else case.body
    return await http.post(case.path, content=body, headers=headers)


async def _leave(url: str, case: Case) -> None:
    """Send a good request and go away before its answer."""
    host, port = url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST {case.path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {_TOKEN}\r\n"
        f"Content-Type: {case.kind}\r\nContent-Length: {len(case.body)}\r\n\r\n"
    )
    writer.write(head.encode() + case.body)
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()


def _megabytes(process: psutil.Process) -> float:
    """Resident memory of the service's processes; pages that they share count once."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_full_info().pss
        except psutil.NoSuchProcess:  # a reading process that was killed meanwhile
            continue
    return total / 1e6


def verdicts(tally: Tally, plan: Plan) -> list[str]:
    """Everything that was not as it should be; empty when all was."""
    found = [f"{count} 次 {line}" for line, count in Counter(tally.wrong).most_common()]
    if not tally.good:
        found.append("没有一个正常的回答")
    if tally.megabytes[-1] > tally.megabytes[1] * _GROWTH + _READING:
        found.append(f"内存一直在涨：{_series(tally)} MB")
    if max(tally.megabytes) > plan.megabytes:
        found.append(f"内存超过 {plan.megabytes} MB：{_series(tally)}")
    return found


def _series(tally: Tally) -> str:
    return "、".join(f"{value:.0f}" for value in tally.megabytes)


def _print(tally: Tally, plan: Plan, seconds: float) -> None:
    print(f"{plan.clients} 个客户端，{plan.workers} 个工作进程，{seconds:.1f} 秒")
    rate, speed = tally.good / seconds, tally.characters / seconds
    print(
        f"正常回答 {tally.good:,} 个，每秒 {rate:.1f} 个、{speed:,.0f} 字；中途离开 {tally.left} 次"
    )
    for name, values in tally.seconds.items():
        p50, p95, p99 = np.percentile(values, [50, 95, 99])
        print(f"  {name}：{len(values):,} 个，p50 {p50:.2f} 秒，p95 {p95:.2f} 秒，p99 {p99:.2f} 秒")
    print(f"内存（开始、三分之一、结束前、结束）：{_series(tally)} MB")
    print("状态：" + "，".join(f"{line} ×{n}" for line, n in sorted(tally.statuses.items())))
    server_errors = sum(n for line, n in tally.statuses.items() if line.split()[-1][0] == "5")
    print(f"5xx：{server_errors}；不对的：{len(tally.wrong)}")


def run(plan: Plan) -> int:
    """Load a service of its own and return the exit status.

    Raises:
        ZhibiaoError: the service does not start.
    """
    good = good_cases(Extractor.from_pretrained())
    with service(plan.workers) as (url, process):
        started = time.monotonic()
        tally = asyncio.run(load(plan, url, process, good))
        _print(tally, plan, time.monotonic() - started)
    problems = verdicts(tally, plan)
    for line in problems:
        print(f"不合格：{line}")
    return 1 if problems else 0


def parse_arguments(argv: Sequence[str] | None = None) -> Plan:
    """Turn command-line arguments into a plan; leaves with status 2 on wrong use."""
    parser = argparse.ArgumentParser(
        description="在本机启动一个服务并加压：正常的、超限的、恶意的请求混在一起，逐个核对回答。",
        epilog="退出状态：0 全部合格；1 有错误的回答、5xx，或内存一直在涨。",
    )
    parser.add_argument(
        "--clients", type=int, default=50, metavar="N", help="同时的客户端（默认 50）"
    )
    parser.add_argument("--seconds", type=float, default=120, metavar="S", help="几秒（默认 120）")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="工作进程（默认 1）")
    parser.add_argument(
        "--megabytes", type=int, default=1_500, metavar="MB", help="服务的内存上限（默认 1500）"
    )
    parser.add_argument("--seed", type=int, default=1, help="随机数种子（默认 1）")
    return Plan(**vars(parser.parse_args(argv)))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    try:
        return run(parse_arguments(argv))
    except ZhibiaoError as error:
        print(f"错误：{error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
