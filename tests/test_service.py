"""The service's answers: what is asked for comes back, as the extractor alone would say it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from docx.document import Document as Docx
from fastapi.testclient import TestClient

from inference.service import Settings, create_app
from inference.service.examples import BATCH, ERROR, EXTRACT, MODEL, PREDICTION
from tests.documents import docx_bytes, text_pdf
from tests.service_client import (
    OTHER,
    TEXT,
    BrittleExtractor,
    alone,
    code_of,
    serving,
)
from zhibiao import LABELS, Extractor
from zhibiao.readers import read_bytes
from zhibiao.sources import KNOWN_SUFFIXES


@pytest.fixture(scope="module")
def client(embedded: Extractor) -> Any:
    with serving(embedded) as client:
        yield client


@pytest.mark.parametrize("text", [TEXT, OTHER, "", "\n \u3000\n", "没有数。", "\x00𠮷" + TEXT])
@pytest.mark.parametrize("records", [True, False])
def test_extract_is_what_the_extractor_says(
    client: TestClient, embedded: Extractor, text: str, records: bool
) -> None:
    answer = client.post("/v1/extract", json={"id": "甲", "text": text, "records": records})
    assert answer.status_code == 200
    assert answer.json() == alone(embedded, text, "甲", records=records)


def test_records_are_the_default_and_the_id_may_be_left_out(
    client: TestClient, embedded: Extractor
) -> None:
    answer = client.post("/v1/extract", json={"text": TEXT})
    assert answer.json() == alone(embedded, TEXT, "text")
    assert answer.json()["records"]


def test_long_and_short_texts_of_a_batch(client: TestClient, embedded: Extractor) -> None:
    texts = [TEXT, (OTHER + "\n") * 180, "", OTHER, TEXT * 3]
    reports = [{"id": str(number), "text": text} for number, text in enumerate(texts)]
    answer = client.post("/v1/batches", json={"reports": reports})
    assert answer.json() == {
        "results": [alone(embedded, text, str(number)) for number, text in enumerate(texts)]
    }


def test_a_text_that_fails_leaves_its_neighbours_alone(embedded: Extractor) -> None:
    extractor = BrittleExtractor(embedded)
    reports = [{"id": "一", "text": TEXT}, {"id": "二", "text": "坏"}, {"id": "三", "text": OTHER}]
    with serving(extractor) as client:
        one, two, three = client.post("/v1/batches", json={"reports": reports}).json()["results"]
        assert extractor.batches[0] == [TEXT, "坏", OTHER]  # they did share a batch
        alone_failed = client.post("/v1/extract", json={"text": "坏"})
    assert one == alone(embedded, TEXT, "一")
    assert three == alone(embedded, OTHER, "三")
    assert two["id"] == "二"
    assert two["error"]["code"] == "extraction_failed"
    assert alone_failed.status_code == 500
    assert code_of(alone_failed) == "extraction_failed"


def test_a_report_that_cannot_be_linked_keeps_its_entities(
    embedded: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trip(*_: object) -> None:
        raise RuntimeError(TEXT)

    monkeypatch.setattr("inference.service.engine.link_records", trip)
    with serving(embedded) as client:
        answer = client.post("/v1/extract", json={"id": "甲", "text": TEXT}).json()
    (warning,) = answer.pop("warnings")
    assert "没有连成记录" in warning
    assert answer == alone(embedded, TEXT, "甲", records=False)


def _fill(document: Docx) -> None:
    document.add_heading("云溪县2019年科技工作总结", 1)
    document.add_paragraph(TEXT)


FILES = {
    "总结.docx": docx_bytes(_fill),
    "年报.PDF": text_pdf([[TEXT[:30]], [OTHER]]),
    "page.html": f"<html><body><p>{TEXT}</p><p>{OTHER}</p></body></html>".encode(),
    "a.md": f"# 总结\n\n{TEXT}\n".encode(),
    "b.txt": OTHER.encode("gb18030"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_are_read_and_extracted(client: TestClient, embedded: Extractor, name: str) -> None:
    answer = client.post("/v1/files", files={"file": (name, FILES[name])})
    document = read_bytes(FILES[name], name)
    assert answer.status_code == 200
    assert answer.json() == {
        **alone(embedded, document.text, name),
        "warnings": list(document.warnings),
    }


def test_the_form_says_what_to_do_with_a_file(client: TestClient, embedded: Extractor) -> None:
    page = f"<body><nav><a href='/'>首页</a></nav><article><p>{TEXT}</p></article></body>".encode()
    plain = client.post("/v1/files", files={"file": ("a.html", page)}).json()
    answer = client.post(
        "/v1/files",
        files={"file": ("a.html", page)},
        data={"records": "false", "keep_boilerplate": "true"},
    ).json()
    assert "首页" in answer["text"]
    assert "首页" not in plain["text"]
    assert not answer["records"]
    assert plain["records"]


def test_a_jsonl_file_gives_results(client: TestClient, embedded: Extractor) -> None:
    lines = [
        json.dumps({"id": "甲", "text": TEXT}, ensure_ascii=False),
        "",
        "{broken",
        json.dumps({"id": "乙", "text": OTHER, "spans": []}),
        json.dumps({"id": "甲", "text": OTHER}),
        json.dumps({"id": "丙", "text": "\ud800"}),
    ]
    data = "\ufeff" + "\n".join(lines)
    results = client.post("/v1/files", files={"file": ("多份.jsonl", data.encode())}).json()
    first, broken, second, twice, surrogate = results.pop("results")
    assert not results
    assert first == alone(embedded, TEXT, "甲", "多份.jsonl:1")
    assert second == alone(embedded, OTHER, "乙", "多份.jsonl:4")
    for result, line in ((broken, 3), (twice, 5), (surrogate, 6)):
        assert result["id"] == f"多份.jsonl:{line}"
        assert result["error"]["code"] == "unreadable"
        assert f"多份.jsonl:{line}" in result["error"]["message"]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("../../etc/passwd.txt", "../../etc/passwd.txt"),
        ("/root/a.txt", "/root/a.txt"),
        ("甲\u202etxt.exe.txt", "甲\ufffdtxt.exe.txt"),
        ("a\u200bb\u0085c.txt", "a\ufffdb\ufffdc.txt"),
        ("长" * 300 + ".txt", "长" * 196 + ".txt"),
    ],
)
def test_a_name_is_only_a_label(client: TestClient, name: str, label: str) -> None:
    answer = client.post("/v1/files", files={"file": (name, TEXT.encode())})
    assert answer.status_code == 200
    assert answer.json()["source"] == answer.json()["id"] == label


def test_the_model_and_its_limits(client: TestClient, embedded: Extractor) -> None:
    assert client.get("/v1/model").json() == {
        **embedded.info,
        "labels": list(LABELS),
        "suffixes": list(KNOWN_SUFFIXES),
        "limits": Settings().public_limits,
    }


def test_every_answer_has_a_request_id(client: TestClient) -> None:
    given = client.get("/health", headers={"X-Request-ID": "abc-1.2_Z"})
    assert given.headers["X-Request-ID"] == "abc-1.2_Z"
    for wrong in ("a b", "x" * 65, "{}"):
        own = client.get("/nowhere", headers={"X-Request-ID": wrong}).headers["X-Request-ID"]
        assert re.fullmatch("[0-9a-f]{32}", own)


def test_ready_only_while_it_runs(embedded: Extractor) -> None:
    app = create_app(Settings(), embedded)
    before = TestClient(app)  # outside a block it does not start the application
    assert before.get("/health").status_code == 200
    assert code_of(before.get("/ready")) == "not_ready"
    refused = before.post("/v1/extract", json={"text": TEXT})
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"
    with TestClient(app) as running:
        assert running.get("/ready").status_code == 200
    assert before.get("/ready").status_code == 503


def _without_figures(prediction: Any) -> Any:
    """A prediction without what changes with every model."""
    if isinstance(prediction, dict):
        changing = ("score", "confidence", "model")
        return {k: _without_figures(v) for k, v in prediction.items() if k not in changing}
    if isinstance(prediction, list):
        return [_without_figures(item) for item in prediction]
    return prediction


def test_the_examples_are_real(client: TestClient) -> None:
    answer = client.post("/v1/extract", json=EXTRACT).json()
    assert _without_figures(answer) == _without_figures(PREDICTION)
    assert (
        answer["records"][0]["confidence"].keys() == PREDICTION["records"][0]["confidence"].keys()
    )
    batch = client.post("/v1/batches", json=BATCH).json()
    assert [result["id"] for result in batch["results"]] == [r["id"] for r in BATCH["reports"]]
    assert client.get("/v1/model").json().keys() == MODEL.keys()
    too_long = client.post("/v1/extract", json={"text": "字" * 400_000})
    assert too_long.status_code == 413
    assert too_long.json() == ERROR


def _without_nothing(item: Any) -> Any:
    """An example as FastAPI describes it: without what is null."""
    if isinstance(item, dict):
        return {k: _without_nothing(v) for k, v in item.items() if v is not None}
    return [_without_nothing(v) for v in item] if isinstance(item, list) else item


def test_the_description_is_complete_and_chinese(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    asked = {
        (path, method): operation
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    }
    assert asked.keys() >= {
        ("/v1/extract", "post"),
        ("/v1/files", "post"),
        ("/v1/batches", "post"),
        ("/v1/export", "post"),
        ("/v1/model", "get"),
        ("/health", "get"),
        ("/ready", "get"),
        ("/metrics", "get"),
    }
    for operation in asked.values():
        assert re.search("[\u4e00-\u9fff]", operation["summary"])
    schemas = described["components"]["schemas"]
    assert schemas["ExtractRequest"]["examples"] == [EXTRACT]
    assert schemas["PredictionAnswer"]["examples"] == [_without_nothing(PREDICTION)]
    statuses = asked["/v1/files", "post"]["responses"].keys()
    assert statuses >= {"200", "400", "401", "413", "415", "422", "503", "504"}


def test_the_description_page_needs_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "://" not in page
    for address in re.findall('(?:src|href)="([^"]+)"', page):
        assert client.get(address).status_code == 200


def test_the_page_is_there(client: TestClient) -> None:
    assert "<!DOCTYPE html>" in client.get("/").text
