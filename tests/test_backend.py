"""The ML backend: its protocol, its answers, and a real Label Studio calling it."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from annotation.backend import SECRET_HEADER, create_app
from annotation.client import Connection, connect
from annotation.interface import labelling_interface
from annotation.live_model import LiveModel
from annotation.regions import to_regions
from annotation.serve import check_host, listen, read_secret, register
from annotation.suggestions import Controls, Drawings, SpanQueue
from annotation.training_command import Training
from tests.fakes import RegexExtractor
from zhibiao import Extractor
from zhibiao.errors import FormatError, ModelError, ServerError
from zhibiao.model_directory import EMBEDDED_MODEL
from zhibiao.spans import LABELS, Span

TEXT = "2016年，全县专利申请量达813件😀；𠮷县科技局称，产值5亿元，高新技术企业15家，另有5家在建。"
OTHER = """<View><Text name="article" value="$body"/>
  <Choices name="mood" toName="article"><Choice value="好"/></Choices>
  <Labels name="entity" toName="article">
    <Label value="Organisation" alias="机构"/><Label value="指标" alias="indicator"/>
    <Label value="数值"/><Label value="别的"/>
  </Labels></View>"""
SECRET = "open-sesame-42"
BASIC: Any = {
    "auth_method": "BASIC_AUTH",
    "basic_auth_user": "zhibiao",
    "basic_auth_pass": SECRET,
}


class Model(RegexExtractor):
    """The stand-in with a name and hash of its own; waits for ``gate`` before each text."""

    def __init__(self, digest: str = "0", gate: threading.Semaphore | None = None) -> None:
        super().__init__(batch=1)
        self.digest, self.gate, self.asked = digest, gate, 0

    @property
    def info(self) -> Mapping[str, Any]:
        return {"name": "fake", "version": "1", "hash": self.digest}

    def extract_many(self, texts: Iterable[str], /) -> Iterator[list[Span]]:
        for text in texts:
            if self.gate:
                self.gate.acquire()
            if "坏" in text:
                raise RuntimeError(f"cannot do {text}")
            self.asked += 1
            yield self.extract(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "zhibiao.json").write_text('{"hash": "one"}')
    return folder


def live(folder: Path, gate: threading.Semaphore | None = None) -> LiveModel:
    """A live model whose directory says which hash the stand-in has."""

    def load(path: Path) -> Model:
        try:
            return Model(json.loads((path / "zhibiao.json").read_text())["hash"], gate)
        except ValueError as error:
            raise ModelError(f"{path}: half a file") from error

    return LiveModel(folder, load)


def app_of(folder: Path, **options: Any) -> FastAPI:
    return create_app(live(folder), **options)


def asked(*texts: Any, config: str = "", key: str = "text", **more: Any) -> dict[str, Any]:
    tasks = [{"id": n, "data": {key: text}} for n, text in enumerate(texts, start=1)]
    config = config or labelling_interface()
    return {"tasks": tasks, "project": "7.1700000000", "label_config": config, **more}


def shown(result: Mapping[str, Any], text: str) -> list[tuple[str, str]]:
    """String and label of each region of a prediction."""
    values = [region["value"] for region in result["result"]]
    return [(text[v["start"] : v["end"]], v["labels"][0]) for v in values]


def test_protocol(folder: Path) -> None:
    client = TestClient(app_of(folder))
    assert client.get("/health").json()["status"] == "UP"
    assert client.get("/").status_code == 200
    sent = {"project": "7.1", "schema": labelling_interface(), "access_token": "x"}
    assert client.post("/setup", json=sent).json() == {"model_version": "fake-one"}
    assert client.get("/versions").json() == {"versions": ["fake-one"]}
    assert client.post("/versions", json={}).json() == {"versions": ["fake-one"]}


def test_predictions_are_in_order_and_exact(folder: Path) -> None:
    texts = [TEXT, "县政府去年专利申请12件", TEXT]
    results = TestClient(app_of(folder)).post("/predict", json=asked(*texts)).json()["results"]
    for text, result in zip(texts, results, strict=True):
        spans = Model().extract(text)
        assert shown(result, text) == [(text[s.start : s.end], s.label) for s in spans]
        assert result["model_version"] == "fake-one"
        assert result["score"] == pytest.approx(0.9877)
        for region in result["result"]:
            names = (region["from_name"], region["to_name"], region["type"])
            assert names == ("label", "text", "labels")


def test_offsets_of_the_real_model_are_code_points(embedded: Extractor, tmp_path: Path) -> None:
    texts = [TEXT, "👩‍👩‍👧𠮷县e\u0301县科技局\t2016年　专利申请量达８１３件\r\n" + TEXT]
    app = create_app(LiveModel(None, lambda path: embedded))
    results = TestClient(app).post("/predict", json=asked(*texts)).json()["results"]
    for text, result in zip(texts, results, strict=True):
        spans = embedded.extract(text)
        assert len(spans) > 5
        assert shown(result, text) == [(text[s.start : s.end], s.label) for s in spans]


def test_each_project_gets_its_own_names(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    client = TestClient(app_of(folder))
    for _ in range(2):
        other = client.post("/predict", json=asked(TEXT, config=OTHER, key="body")).json()
        ours = client.post("/predict", json=asked(TEXT)).json()
    (result,) = other["results"]
    assert {r["from_name"] for r in result["result"]} == {"entity"}
    assert {r["to_name"] for r in result["result"]} == {"article"}
    # The alias is what Label Studio stores; labels that the config lacks are left out.
    assert {label for _, label in shown(result, TEXT)} == {"机构", "indicator", "数值"}
    assert {label for _, label in shown(ours["results"][0], TEXT)} >= {"年份", "单位"}
    assert sum("没有标签单位、年份、企业名" in line for line in caplog.messages) == 1


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("<View", "XML"),
        ('<View><Text name="t" value="$x"/></View>', "没有 <Labels>"),
        (OTHER.replace("Labels", "HyperTextLabels"), "没有 <Labels>"),
        (OTHER.replace('name="article" value', 'name="elsewhere" value'), "不在 <Text> 上"),
        (OTHER.replace("$body", "正文：$body"), "$键名"),
        (OTHER.replace('"$body"', '"$body" valueType="url"'), "网址"),
        ('<View><Text name="t" value="$x"/><Labels name="l" toName="t"/></View>', "任何一个"),
    ],
)
def test_unusable_config_is_a_clear_error(folder: Path, config: str, said: str) -> None:
    client = TestClient(app_of(folder))
    for path, sent in (("/setup", {"schema": config}), ("/predict", asked(TEXT, config=config))):
        answer = client.post(path, json=sent)
        assert answer.status_code == 400
        assert said in answer.json()["message"]


def test_task_without_text_or_with_a_bad_one_fails_alone(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    texts = [TEXT, None, 5, "  ", "坏坏坏坏", "\ud800去年", TEXT + "今年"]
    content = json.dumps(asked(*texts))  # escapes the lone surrogate, as a client would
    headers = {"Content-Type": "application/json"}
    client = TestClient(app_of(folder))
    results = client.post("/predict", content=content, headers=headers).json()["results"]
    assert len(results) == len(texts)
    for number in (1, 2, 3):
        assert results[number]["result"] == []
        assert f"任务 {number + 1} " in results[number]["error"]
    assert results[4] == []  # Label Studio stores nothing and asks again
    assert shown(results[5], str(texts[5])) == [("去年", "年份")]
    assert len(results[6]["result"]) == len(results[0]["result"]) + 1
    alone = client.post("/predict", json=asked("坏坏坏坏"))
    assert alone.status_code == 500
    # What reports say is nobody's business who reads a log.
    for part in ("坏坏", "专利", "科技局", "去年"):
        assert part not in caplog.text


def test_wrong_request_does_not_echo_what_was_sent(folder: Path) -> None:
    answer = TestClient(app_of(folder)).post("/predict", json={"tasks": "去年产值"})
    assert answer.status_code == 400
    assert "label_config" in answer.json()["message"]
    assert "产值" not in answer.text


def count(future: Future[tuple[Span, ...] | None]) -> int:
    """How many spans came out of the queue."""
    spans = future.result(10)
    assert spans is not None
    return len(spans)


def test_results_are_kept_and_bounded(folder: Path) -> None:
    model = Model("a")
    queue = SpanQueue(capacity=8)
    for _ in range(2):
        assert [count(f) for f in queue.spans(model, ["去年5家", "去年5家"])] == [3, 3]
    assert model.asked == 1
    queue.spans(Model("b"), ["去年5家"])[0].result(10)  # another model, another result
    queue.spans(model, ["今年"])[0].result(10)
    assert queue.counts() == {"reports": 2, "spans": 4, "pending": 0}
    queue.spans(model, ["去年5家"])[0].result(10)
    assert model.asked == 3


def test_opening_a_task_does_not_wait_for_a_batch() -> None:
    gate = threading.Semaphore(0)
    queue = SpanQueue()
    batch = queue.spans(Model("a", gate), [f"{n}家" + "，" * 9000 for n in range(5)])
    (single,) = queue.spans(Model("a", gate), ["去年"])
    gate.release(2)  # the text in progress, and the next
    assert count(single) == 1
    assert sum(future.done() for future in batch) == 1
    gate.release(5)
    assert [count(future) for future in batch] == [2] * 5


def test_deadline_then_the_rest_in_the_background(folder: Path) -> None:
    gate = threading.Semaphore(0)
    models = live(folder, gate)
    client = TestClient(create_app(models, time_limit=0.5))
    sent = asked("去年5家", "今年6家", "去年7家")
    answer = client.post("/predict", json=sent)
    assert answer.status_code == 503
    assert answer.json()["error"] == "0 of 3 reports done, retrieve again"
    gate.release(2)
    _until(lambda: client.get("/status").json()["cache"]["pending"] == 1)
    results = client.post("/predict", json=sent).json()["results"]
    assert sorted(result == [] for result in results) == [False, False, True]
    assert client.get("/health").status_code == 200
    gate.release(1)
    _until(lambda: client.get("/status").json()["cache"]["pending"] == 0)
    assert len(client.post("/predict", json=sent).json()["results"]) == 3
    model = models.current()
    assert isinstance(model, Model)
    assert model.asked == 3


def test_health_answers_during_a_long_prediction(folder: Path) -> None:
    gate = threading.Semaphore(0)
    with served(create_app(live(folder, gate))) as url:
        answers: list[httpx.Response] = []
        long = threading.Thread(
            target=lambda: answers.append(httpx.post(f"{url}/predict", json=asked("去年")))
        )
        long.start()
        _until(lambda: httpx.get(f"{url}/status").json()["cache"]["pending"] == 1)
        assert httpx.get(f"{url}/health", timeout=1).status_code == 200
        assert not answers
        gate.release()
        long.join(10)
    assert answers[0].status_code == 200


def test_model_is_changed_without_restart(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    client = TestClient(app_of(folder))
    (folder / "zhibiao.json").write_text('{"hash": "two"}')
    assert client.get("/versions").json() == {"versions": ["fake-two"]}
    (folder / "zhibiao.json").write_text('{"hash": "thr')
    assert client.get("/versions").json() == {"versions": ["fake-two"]}
    assert client.get("/versions").json() == {"versions": ["fake-two"]}
    assert sum("用不了，继续用 fake-two" in line for line in caplog.messages) == 1
    assert "half a file" in client.get("/status").json()["problem"]
    (folder / "zhibiao.json").unlink()
    assert client.get("/versions").json() == {"versions": ["fake-two"]}
    (folder / "zhibiao.json").write_text('{"hash": "three"}')
    result = client.post("/predict", json=asked(TEXT)).json()["results"][0]
    assert result["model_version"] == "fake-three"
    assert client.get("/status").json()["problem"] == ""


def test_a_real_model_directory_is_watched(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    for path in EMBEDDED_MODEL.iterdir():
        (target / path.name).symlink_to(path)
    models = LiveModel(target, lambda path: Extractor.from_pretrained(path, threads=1))
    first = models.current()
    assert models.current() is first
    settings = json.loads((target / "zhibiao.json").read_text(encoding="utf-8"))
    (target / "zhibiao.json").unlink()
    (target / "zhibiao.json").write_text(json.dumps({**settings, "name": "newer"}))
    _until(lambda: models.current() is not first)
    assert models.version.startswith("newer-")
    (target / "model.onnx").unlink()
    (target / "model.onnx").write_bytes((EMBEDDED_MODEL / "model.onnx").read_bytes()[:5000])
    _until(lambda: bool((models.current(), models.problem)[1]))
    assert "model.onnx" in models.problem
    assert models.current().info["name"] == "newer"


@pytest.mark.parametrize("method", ["get", "post"])
def test_everything_but_health_wants_the_secret(folder: Path, method: str) -> None:
    client = TestClient(app_of(folder, secret=SECRET))
    for path in ("", "setup", "predict", "versions", "webhook", "status", "problem/a/b", "docs"):
        assert client.request(method, f"/{path}").status_code == 401
        for password in ("wrong", "", SECRET[:-1]):
            answer = client.request(method, f"/{path}", auth=("zhibiao", password))
            assert answer.status_code == 401
    for header in ("Basic ???", "Basic " + base64.b64encode(b"\xff").decode(), "Bearer " + SECRET):
        assert client.get("/versions", headers={"Authorization": header}).status_code == 401
    assert client.get("/health").status_code == 200
    # Label Studio's own message about wrong passwords needs this one.
    assert client.get("/health", auth=("zhibiao", "wrong")).status_code == 401
    assert client.get("/versions", auth=("whoever", SECRET)).status_code == 200
    assert client.get("/versions", headers={SECRET_HEADER: SECRET}).status_code == 200
    assert client.get("/versions", headers={SECRET_HEADER: "wrong"}).status_code == 401


def test_secret_and_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZHIBIAO_BACKEND_SECRET", raising=False)
    assert read_secret(None) == ""
    monkeypatch.setenv("ZHIBIAO_BACKEND_SECRET", "from-environment")
    assert read_secret(None) == "from-environment"
    file = tmp_path / "secret"
    file.write_text("from-file\n")
    assert read_secret(file) == "from-file"
    for bad in ("", "密码", "two\nlines"):
        file.write_text(bad, encoding="utf-8")
        with pytest.raises(FormatError, match="密码"):
            read_secret(file)
    for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost"):
        check_host(host, "")
    for host in ("0.0.0.0", "192.168.1.5", "example.org", ""):
        check_host(host, "x")
        with pytest.raises(ServerError, match="必须有密码"):
            check_host(host, "")


# What somebody has drawn, and what follows


def draw(text: str, string: str, label: str = "数值", nth: int = 0, **more: Any) -> dict[str, Any]:
    start = -1
    for _ in range(nth + 1):
        start = text.index(string, start + 1)
    value = {"start": start, "end": start + len(string), "labels": [label], "text": "ignored"}
    return {"type": "labels", "from_name": "label", "to_name": "text", "value": value, **more}


def suggest(
    text: str, *context: dict[str, Any], drawings: Drawings | None = None, **task: Any
) -> list[tuple[int, str, str]]:
    regions = (drawings or Drawings()).suggest(
        Controls.read(labelling_interface()),
        "7",
        {"id": 1, "data": {"text": text}, **task},
        list(context),
    )
    values = [region["value"] for region in regions]
    return [(v["start"], text[v["start"] : v["end"]], v["labels"][0]) for v in values]


@pytest.mark.parametrize(
    ("text", "string", "expected"),
    [
        ("😀5家，15家，5家，1.5家，5,300家，5.", "5", [8, 23]),
        ("甲局、𠮷甲局、甲局", "甲局", [4, 7]),
        ("GDP增长，人均GDP，GDPs，XGDP", "GDP", [8]),
        ("5%，15%，5%，5％", "5%", [7]),
        ("哈哈哈哈哈", "哈哈", [2]),
        ("a+b(c a+b(c", "a+b(c", [6]),
        ("５家，１５家，５家", "５", [7]),
        ("甲 局 甲 局", " 局", [6]),
    ],
)
def test_further_occurrences(text: str, string: str, expected: list[int]) -> None:
    found = suggest(text, draw(text, string))
    assert found == [(start, string.strip(), "数值") for start in expected]


def test_what_stands_already_is_left_alone() -> None:
    text = "甲局1，甲局2，甲局3，甲局4，甲局5"
    mine = draw(text, "甲局", "机构", id="new")
    context = [mine, draw(text, "甲局2", "企业名", id="old", origin="prediction")]
    drafts = [{"result": [draw(text, "局3", "指标", id="d")], "created_username": "王, 1"}]
    annotations = [
        {"result": [draw(text, "甲局4", "机构", id="a")], "created_username": "王, 1"},
        {"result": [draw(text, "甲局5", "机构", id="b")], "created_username": "李, 2"},
    ]
    found = suggest(text, *context, drafts=drafts, annotations=annotations)
    assert found == [(16, "甲局", "机构")]  # what another annotator did is not this one's
    assert suggest(text, *context, annotations=annotations) == [(8, "甲局", "机构")]


def test_only_what_was_just_drawn_is_repeated() -> None:
    """The browser sends all regions of the label."""
    text = "甲局1，甲局2，甲局3，乙局4，乙局5"
    drawings = Drawings()
    first = draw(text, "甲局", "机构", id="x1")
    for _ in range(2):
        found = suggest(text, first, drawings=drawings)
        assert found == [(4, "甲局", "机构"), (8, "甲局", "机构")]
    # One suggestion stays, one was deleted: that must not come back with the next region.
    kept = {**draw(text, "甲局", "机构", nth=1), "id": to_regions([Span(4, 6, "机构")])[0]["id"]}
    second = draw(text, "乙局", "机构", id="x2")
    assert suggest(text, first, kept, second, drawings=drawings) == [(16, "乙局", "机构")]
    # Regions of a prediction or a saved draft were not drawn just now.
    assert suggest(text, {**first, "origin": "prediction"}) == []
    assert suggest(text, first, drafts=[{"result": [first]}]) == []
    # A region that was made shorter or longer is another one.
    longer = draw(text, "乙局4", "机构", id="x2")
    assert suggest(text, first, kept, longer, drawings=drawings) == []
    shorter = draw(text, "局", "机构", nth=3, id="x2")
    assert suggest(text, first, kept, shorter, drawings=drawings) == [
        (9, "局", "机构"),
        (17, "局", "机构"),
    ]


def test_bad_regions_and_floods_are_survived() -> None:
    text = "甲" * 500
    assert len(suggest(text, draw(text, "甲"))) == 200
    for value in (None, {"start": 0, "end": 9999, "labels": ["数值"]}, {"start": True, "end": 2}):
        assert suggest(text, {"type": "labels", "from_name": "label", "value": value}) == []
    foreign = {**draw(text, "甲"), "from_name": "elsewhere"}
    assert suggest(text, foreign) == []
    blank = " 甲 甲"
    assert suggest(blank, draw(blank, " ")) == []


def test_interactive_request_never_runs_the_model(folder: Path) -> None:
    models = live(folder)
    client = TestClient(create_app(models))
    context = {"result": [draw(TEXT, "5")]}
    (result,) = client.post("/predict", json=asked(TEXT, params={"context": context})).json()[
        "results"
    ]
    assert shown(result, TEXT) == [("5", "数值")]
    start = result["result"][0]["value"]["start"]
    assert TEXT[start - 2 : start + 2] == "另有5家"[0:4]
    assert (
        client.post("/predict", json=asked(TEXT, params={"context": {"result": []}})).json()[
            "results"
        ][0]["result"]
        == []
    )
    model = models.current()
    assert isinstance(model, Model)
    assert model.asked == 0


# Webhook and training


def test_annotation_events_are_counted_by_project(folder: Path) -> None:
    client = TestClient(app_of(folder))
    for action, project in (("ANNOTATION_CREATED", 3), ("ANNOTATION_CREATED", 3)):
        sent = {"action": action, "project": {"id": project}, "annotation": {"id": 1}}
        assert client.post("/webhook", json=sent).status_code == 200
    client.post("/webhook", json={"action": "ANNOTATIONS_DELETED", "project": {"id": 4}})
    client.post("/webhook", json={"action": "TASKS_CREATED", "project": {"id": 5}})
    counts = client.get("/status").json()["projects"]
    assert counts == {"3": {"ANNOTATION_CREATED": 2}, "4": {"ANNOTATIONS_DELETED": 1}}


def test_training_command(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHIBIAO_BACKEND_SECRET", SECRET)
    program = tmp_path / "train it.py"
    program.write_text(
        "import os, sys, time, pathlib\n"
        "print(sys.argv[1:], os.environ['ZHIBIAO_PROJECT'], end=' ')\n"
        "print('ZHIBIAO_BACKEND_SECRET' in os.environ)\n"
        "sys.stdout.flush()\n"
        "while not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.02)\n"
        "sys.exit(3)\n"
    )
    go, log = tmp_path / "go", tmp_path / "log"
    training = Training(f"'{sys.executable}' '{program}' '{go}' '; echo $HOME'", log)
    client = TestClient(app_of(folder, training=training))
    event = {"action": "START_TRAINING", "project": {"id": 8}}
    assert client.post("/webhook", json=event).json()["status"] == "started"
    assert client.get("/status").json()["training"]["running"] is True
    again = client.post("/webhook", json=event).json()
    assert again["status"] == "running"
    assert "项目 8" in again["message"]
    go.touch()
    _until(lambda: not training.state()["running"])
    assert training.state()["exit_status"] == 3
    assert f"['{go}', '; echo $HOME'] 8 False" in log.read_text(encoding="utf-8")
    go.unlink()
    assert client.post("/webhook", json=event).json()["status"] == "started"
    training.stop()
    assert training.state()["running"] is False


def test_training_by_hand_and_bad_commands(folder: Path, tmp_path: Path) -> None:
    answer = TestClient(app_of(folder)).post("/webhook", json={"action": "START_TRAINING"})
    assert answer.json()["status"] == "by-hand"
    for command in ("annotation export", "training.train", "training.export"):
        assert f"python -m {command}" in answer.json()["message"]
    for command in ("", "'half", "no-such-program-anywhere --x"):
        with pytest.raises(FormatError, match="--train-command"):
            Training(command, tmp_path / "log")
    training = Training(sys.executable, tmp_path / "no" / "log")
    client = TestClient(app_of(folder, training=training))
    assert client.post("/webhook", json={"action": "START_TRAINING"}).status_code == 500


# The program


def test_taken_port_is_a_clear_error() -> None:
    with contextlib.closing(listen("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerError, match=f"{port}：端口用不了"):
            listen("127.0.0.1", port)
    with pytest.raises(ServerError, match="没有这个地址"):
        listen("no.such.host.invalid", 9)
    for port in (-1, 70000):
        with pytest.raises(ServerError, match="65535"):
            listen("127.0.0.1", port)


@contextlib.contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The app on a free port of the loopback, for callers outside this process."""
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    _until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


def _until(condition: Callable[[], bool]) -> None:
    """Wait for it; a minute means never."""
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("never came true")


# With a real Label Studio


@pytest.fixture
def connection(label_studio: Any) -> Connection:
    return connect(label_studio.url, label_studio.token)


@pytest.fixture
def project(connection: Connection) -> Iterator[Callable[..., int]]:
    """Makes projects with tasks; they are deleted afterwards."""
    made: list[int] = []

    def make(*texts: str, config: str = "", key: str = "text") -> int:
        config = config or labelling_interface()
        made.append(connection.api.projects.create(title="backend", label_config=config).id or 0)
        tasks: list[Any] = [
            {"data": {key: text, "report_id": str(n)}} for n, text in enumerate(texts)
        ]
        connection.api.projects.import_tasks(made[-1], request=tasks)
        return made[-1]

    yield make
    for number in made:
        connection.api.projects.delete(number)


def tasks_of(connection: Connection, project: int) -> list[Any]:
    found = call(connection, "GET", "tasks", params={"project": project, "fields": "all"})
    return sorted(found["tasks"], key=lambda task: int(task["id"]))


def call(connection: Connection, method: str, path: str, **options: Any) -> Any:
    headers = {"Authorization": f"Token {connection.token}"}
    answer = httpx.request(
        method, f"{connection.url}/api/{path}", headers=headers, timeout=60, **options
    )
    return answer.raise_for_status().json()


def retrieve(connection: Connection, project: int) -> None:
    """What "Retrieve Predictions" in the Actions menu does."""
    call(
        connection,
        "POST",
        "dm/actions",
        params={"id": "retrieve_tasks_predictions", "project": project},
        json={"selectedItems": {"all": True, "excluded": []}, "project": project},
    )


def test_retrieve_predictions_and_change_the_model(
    connection: Connection, project: Callable[..., int], folder: Path
) -> None:
    texts = [TEXT, "县政府：去年专利申请12件", "👩‍👩‍👧乡政府今年3家"]
    number = project(*texts)
    other = project(*texts, config=OTHER, key="body")
    with served(app_of(folder, secret=SECRET)) as url:
        backend = register(connection, number, url, SECRET)
        assert register(connection, number, url + "/", SECRET) == backend
        register(connection, other, url, SECRET)
        assert len(connection.api.ml.list(project=number)) == 1
        assert connection.api.ml.get(backend).model_version == "fake-one"
        assert connection.api.ml.list_model_versions(str(backend)).versions == ["fake-one"]
        for asking in (number, number, other):
            retrieve(connection, asking)
        for text, task in zip(texts, tasks_of(connection, number), strict=True):
            (prediction,) = task["predictions"]
            spans = Model().extract(text)
            assert prediction["model_version"] == "fake-one"
            assert shown(prediction, text) == [(text[s.start : s.end], s.label) for s in spans]
        for task in tasks_of(connection, other):
            assert {r["from_name"] for r in task["predictions"][0]["result"]} == {"entity"}
        (folder / "zhibiao.json").write_text('{"hash": "two"}')
        retrieve(connection, number)
        versions = [
            p["model_version"] for t in tasks_of(connection, number) for p in t["predictions"]
        ]
        assert versions.count("fake-one") == versions.count("fake-two") == len(texts)
        assert connection.api.ml.get(backend).model_version == "fake-two"


def test_a_task_that_is_opened_gets_its_prediction(
    connection: Connection, project: Callable[..., int], folder: Path
) -> None:
    number = project(TEXT, TEXT + "今年")
    with served(app_of(folder)) as url:
        register(connection, number, url)
        assert not any(task["predictions"] for task in tasks_of(connection, number))
        first, second = tasks_of(connection, number)
        opened = call(connection, "GET", f"tasks/{first['id']}", params={"project": number})
        assert len(opened["predictions"]) == 1
        # The labelling stream asks for the newest model, whatever predictions there are.
        (folder / "zhibiao.json").write_text('{"hash": "two"}')
        following = call(connection, "GET", f"projects/{number}/next/")
        assert [p["model_version"] for p in following["predictions"]] == ["fake-two"]
        assert {first["id"], second["id"]} >= {following["id"]}


def test_deadline_with_the_real_server(
    connection: Connection, project: Callable[..., int], folder: Path
) -> None:
    number = project("去年5家", "今年6家", "去年7家")
    gate = threading.Semaphore(1)
    with served(create_app(live(folder, gate), time_limit=1)) as url:
        register(connection, number, url)
        retrieve(connection, number)
        assert sorted(len(task["predictions"]) for task in tasks_of(connection, number)) == [
            0,
            0,
            1,
        ]
        gate.release(10)
        _until(lambda: httpx.get(f"{url}/status").json()["cache"]["pending"] == 0)
        retrieve(connection, number)
        assert all(len(task["predictions"]) == 1 for task in tasks_of(connection, number))


def test_interactive_suggestion_through_the_server(
    connection: Connection, project: Callable[..., int], folder: Path
) -> None:
    number = project(TEXT)
    (task,) = tasks_of(connection, number)
    with served(app_of(folder, secret=SECRET)) as url:
        backend = register(connection, number, url, SECRET)
        # Label Studio sends drafts and annotations along; these regions must stay alone.
        saved = [draw(TEXT, "15", id="saved1"), draw(TEXT, "5家", "指标", nth=1, id="saved2")]
        body = {"task": task["id"], "context": {"result": [draw(TEXT, "5", id="drawn1")]}}
        path = f"ml/{backend}/interactive-annotating"
        answer = call(connection, "POST", path, json=body)
        assert shown(answer["data"], TEXT) == [("5", "数值")]
        call(
            connection, "POST", f"tasks/{task['id']}/drafts", json={"result": saved, "lead_time": 1}
        )
        body = {"task": task["id"], "context": {"result": [draw(TEXT, "5", id="drawn2")]}}
        assert call(connection, "POST", path, json=body)["data"]["result"] == []


def test_wrong_secret_and_unusable_config_reach_the_person(
    connection: Connection, project: Callable[..., int], folder: Path
) -> None:
    number = project(TEXT)
    choices = """<View><Text name="t" value="$text"/><Choices name="c" toName="t">
      <Choice value="好"/></Choices></View>"""
    unusable = project(TEXT, config=choices)
    with served(app_of(folder, secret=SECRET)) as url:
        for wrong in ("wrong", ""):
            with pytest.raises(ServerError, match="密码不对"):
                register(connection, number, url, wrong)
        with pytest.raises(ServerError, match="needs-Labels-over-Text") as caught:
            register(connection, unusable, url, SECRET)
        # The address in Label Studio's message explains itself to whoever opens it.
        page = str(caught.value).partition("说明见 ")[2]
        assert "标注界面的配置" in httpx.get(page, auth=("", SECRET)).text
        # Somebody spoils the config of a connected project: its settings page says why.
        backend = register(connection, number, url, SECRET)
        connection.api.projects.update(number, label_config=choices.replace("$text", "$report_id"))
        (listed,) = call(connection, "GET", "ml", params={"project": number})
        assert (listed["id"], listed["state"]) == (backend, "ER")
        assert f"{url}/problem/labelling-config/" in listed["error_message"]
    with pytest.raises(ServerError, match="Label Studio 连不上它"):
        register(connection, number, url, SECRET)


def test_events_and_training_through_the_server(
    connection: Connection, project: Callable[..., int], folder: Path, tmp_path: Path
) -> None:
    number = project(TEXT)
    (task,) = tasks_of(connection, number)
    training = Training(f"'{sys.executable}' -c 'print(7 * 6)'", tmp_path / "log")
    with served(app_of(folder, secret=SECRET, training=training)) as url:
        backend = register(connection, number, url, SECRET)
        connection.api.annotations.create(task["id"], result=[draw(TEXT, "15")])

        def counted() -> int:
            status = httpx.get(f"{url}/status", auth=("", SECRET)).json()
            return int(status["projects"][str(number)].get("ANNOTATION_CREATED", 0))

        _until(lambda: counted() == 1)
        connection.api.ml.train(backend)
        _until(lambda: training.state().get("exit_status") == 0)
        assert training.state()["project"] == str(number)
        assert "42" in (tmp_path / "log").read_text(encoding="utf-8")
    with served(app_of(folder, secret=SECRET)) as moved:
        assert register(connection, number, moved, SECRET) == backend
        (hook,) = connection.api.webhooks.list(project=str(number))
        assert hook.url == f"{moved}/webhook"
        connection.api.ml.create(project=number, url=moved, title="foreign", **BASIC)
        with pytest.raises(ServerError, match="已有模型服务“foreign”"):
            register(connection, number, moved + "/elsewhere", SECRET)


def test_the_command_connects_and_stops(
    connection: Connection, project: Callable[..., int], tmp_path: Path, root: Path
) -> None:
    number = project(TEXT)
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    with contextlib.closing(listen("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "annotation", "serve", "--port", str(port), "--threads", "1"]
    command += ["--secret-file", str(secret), "--connect", "--project", str(number)]
    environment = {
        **os.environ,
        "LABEL_STUDIO_URL": connection.url,
        "LABEL_STUDIO_API_KEY": connection.token,
        "PYTHONIOENCODING": "utf-8",
    }
    output = tmp_path / "output"
    with open(output, "wb") as stream:
        process = subprocess.Popen(
            command, cwd=root, env=environment, stdout=stream, stderr=subprocess.STDOUT
        )
    try:
        _until(lambda: "已登记到" in output.read_text("utf-8") or process.poll() is not None)
        retrieve(connection, number)
        (task,) = tasks_of(connection, number)
        assert task["predictions"][0]["model_version"].startswith("compact-")
        again = subprocess.run(command, cwd=root, env=environment, capture_output=True, timeout=120)
        assert again.returncode == 2
        assert "端口用不了" in again.stderr.decode()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    said = output.read_text("utf-8")
    assert "已停止" in said
    assert SECRET not in said
    assert "专利" not in said


def test_labels_are_the_six_of_the_project() -> None:
    assert set(Controls.read(labelling_interface()).labels) == set(LABELS)
